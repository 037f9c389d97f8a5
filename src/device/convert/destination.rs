//! Where outputs go: a file, a folder or a pattern.

use crate::codec::Format;
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where outputs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// One file for one picture.
    File(PathBuf),
    /// A folder, in which each picture keeps its name and its place in the tree.
    Folder(PathBuf),
    /// A path in which `{name}`, `{ext}`, `{scale}` and `{dir}` stand for the picture's name without extension, the new
    /// extension, the factor, and the folder of the input.
    Pattern(String),
}

impl Destination {
    /// What the user means by `output`: a pattern where it holds `{name}`; a folder where it is one, ends in a separator,
    /// has no extension, or where `many` pictures go there; a file otherwise.
    ///
    /// # Errors
    /// A usage error where many pictures would go to what is named like one picture.
    pub fn new(output: &Path, many: bool) -> Result<Self> {
        if let Some(text) = output.to_str().filter(|text| text.contains("{name}")) {
            return Ok(Self::Pattern(text.to_owned()));
        }
        let ends_in_separator =
            output.as_os_str().as_encoded_bytes().last().is_some_and(|&b| std::path::is_separator(b.into()));
        if output.is_dir() || ends_in_separator {
            return Ok(Self::Folder(output.to_path_buf()));
        }
        if many && Format::from_extension(output).is_some() {
            let what = format!("several pictures cannot all become {}", output.display());
            return Err(Error::usage(what).fix("name a folder, or a pattern such as 'out/{name}.png'"));
        }
        let folder = many || output.extension().is_none();
        Ok(if folder { Self::Folder(output.to_path_buf()) } else { Self::File(output.to_path_buf()) })
    }

    /// The output for the picture `input` that lies in `below`, a path inside the folder that it was found by; `format`
    /// where one is asked for, `scale` as it was typed.
    pub fn output_for(&self, input: &Path, below: &Path, format: Option<Format>, scale: &str) -> PathBuf {
        let stem = input.file_stem().unwrap_or(OsStr::new("picture"));
        let extension = extension_for(input, format);
        match self {
            Self::File(path) => path.clone(),
            Self::Folder(folder) => {
                let mut name = stem.to_os_string();
                name.push(".");
                name.push(extension);
                folder.join(below).join(name)
            }
            Self::Pattern(pattern) => {
                let dir = input.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let values = [
                    ("{name}", stem),
                    ("{ext}", extension.as_os_str()),
                    ("{scale}", OsStr::new(scale)),
                    ("{dir}", dir.as_os_str()),
                ];
                filled(pattern, &values)
            }
        }
    }
}

/// The input's own extension where that is a format which is written and no other is asked for.
fn extension_for(input: &Path, format: Option<Format>) -> OsString {
    let own = Format::from_extension(input).filter(|own| own.can_write() && format.is_none_or(|asked| asked == *own));
    match (own, input.extension()) {
        (Some(_), Some(extension)) => extension.to_os_string(),
        _ => format.unwrap_or(Format::Png).extension().into(),
    }
}

/// `pattern` with each name replaced by its value, in one pass: what a value holds is not looked at again.
fn filled(pattern: &str, values: &[(&str, &OsStr)]) -> PathBuf {
    let (mut path, mut rest) = (OsString::new(), pattern);
    'next: while let Some(first) = rest.chars().next() {
        for (name, value) in values {
            if let Some(after) = rest.strip_prefix(name) {
                path.push(value);
                rest = after;
                continue 'next;
            }
        }
        let (head, tail) = rest.split_at(first.len_utf8());
        path.push(head);
        rest = tail;
    }
    path.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn file_folder_or_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let new = |output: &str, many| Destination::new(Path::new(output), many).unwrap();
        assert_eq!(new("big.png", false), Destination::File("big.png".into()));
        assert_eq!(new("big", false), Destination::Folder("big".into()));
        assert_eq!(new("big.d/", false), Destination::Folder("big.d/".into()));
        assert_eq!(new("v1.2", true), Destination::Folder("v1.2".into()));
        assert_eq!(new("{name}@{scale}x.png", true), Destination::Pattern("{name}@{scale}x.png".into()));
        let existing = folder.path().join("odd.png");
        std::fs::create_dir(&existing).unwrap();
        assert_eq!(Destination::new(&existing, true).unwrap(), Destination::Folder(existing));
        assert!(Destination::new(Path::new("big.png"), true).is_err());
    }

    #[test]
    fn outputs_keep_name_place_and_format() {
        let folder = Destination::Folder("out".into());
        let to = |input: &str, dir: &str, format| folder.output_for(Path::new(input), Path::new(dir), format, "4");
        assert_eq!(to("in/a/b.c.JPG", "a", None), Path::new("out/a/b.c.JPG"));
        assert_eq!(to("x.jpeg", "", Some(Format::Jpeg)), Path::new("out/x.jpeg"));
        assert_eq!(to("x.gif", "", None), Path::new("out/x.png"));
        assert_eq!(to("x", "", None), Path::new("out/x.png"));
        assert_eq!(to("x.png", "", Some(Format::WebP)), Path::new("out/x.webp"));
        let pattern = Destination::Pattern("out/{dir}/{name}_{scale}.{ext}".into());
        let got = pattern.output_for(Path::new("in/q/{scale}.bmp"), Path::new("q"), None, "2.5");
        assert_eq!(got, Path::new("out/in/q/{scale}_2.5.png"));
        assert_eq!(pattern.output_for(Path::new("x.png"), Path::new(""), None, "3"), Path::new("out/./x_3.png"));
    }
}
