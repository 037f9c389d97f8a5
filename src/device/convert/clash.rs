//! Refuses, before anything is written, what would destroy a picture.

use super::item::Item;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

/// What makes two paths the same file, through symbolic links, hard links and any spelling.
#[cfg(unix)]
pub(super) type Identity = (u64, u64);
#[cfg(not(unix))]
pub(super) type Identity = PathBuf;

/// The identity of what stands at `path`; `None` where nothing does.
#[cfg(unix)]
pub(super) fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The identity of what stands at `path`; `None` where nothing does.
#[cfg(not(unix))]
pub(super) fn identity(path: &Path) -> Option<Identity> {
    fs::canonicalize(path).ok()
}

/// Whether two paths lead to one file that is there.
pub fn is_same_file(a: &Path, b: &Path) -> bool {
    identity(a).is_some_and(|a| identity(b) == Some(a))
}

/// Looks at every output beside every input and every other output.
///
/// # Errors
/// A usage error that names the pictures, where an output would stand over an input or two inputs go to one output.
pub(super) fn check(items: &[Item]) -> Result<()> {
    let inputs: HashMap<Identity, &Path> =
        items.iter().filter_map(|item| Some((identity(&item.input)?, item.input.as_path()))).collect();
    let (mut files, mut names) = (HashMap::new(), HashMap::new());
    let mut folders = HashMap::new();
    for item in items {
        let file = identity(&item.output);
        if let Some(input) = file.as_ref().and_then(|file| inputs.get(file)) {
            return Err(Error::usage(format!(
                "the output {} would stand over the input {}",
                item.output.display(),
                input.display()
            ))
            .fix("choose another -o"));
        }
        let by_file = file.and_then(|file| first_of(&mut files, file, item));
        let by_name = first_of(&mut names, plain_name(&item.output, &mut folders), item);
        if let Some(other) = by_file.or(by_name) {
            return Err(Error::usage(format!(
                "{} and {} would both become {}",
                other.input.display(),
                item.input.display(),
                item.output.display()
            ))
            .fix("tell them apart with a pattern such as -o 'out/{dir}/{name}.{ext}', or leave one out"));
        }
    }
    Ok(())
}

/// Keeps `item` under `key`, or gives the one that is there already.
fn first_of<'a, K: Eq + std::hash::Hash>(map: &mut HashMap<K, &'a Item>, key: K, item: &'a Item) -> Option<&'a Item> {
    match map.entry(key) {
        Entry::Occupied(entry) => Some(entry.get()),
        Entry::Vacant(entry) => {
            entry.insert(item);
            None
        }
    }
}

/// `path` with the links in its folder resolved as far as the folder exists; in one case where the system's file names
/// usually ignore it.
fn plain_name(path: &Path, folders: &mut HashMap<PathBuf, PathBuf>) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = folders.entry(folder.to_path_buf()).or_insert_with(|| resolved(folder)).clone();
    let name = folder.join(path.file_name().unwrap_or_default());
    if cfg!(any(windows, target_os = "macos")) { name.to_string_lossy().to_lowercase().into() } else { name }
}

fn resolved(folder: &Path) -> PathBuf {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Ok(folder) = fs::canonicalize(folder) {
        return folder;
    }
    match (folder.parent(), folder.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => folder.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn item(input: &Path, output: &Path) -> Item {
        Item { input: input.into(), output: output.into(), weight: 1 }
    }

    #[cfg(unix)]
    #[test]
    fn no_spelling_of_an_input_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let input = at("a.png");
        fs::write(&input, "picture").unwrap();
        fs::create_dir(at("sub")).unwrap();
        fs::hard_link(&input, at("hard.png")).unwrap();
        std::os::unix::fs::symlink(&input, at("soft.png")).unwrap();
        std::os::unix::fs::symlink(folder.path(), at("loop")).unwrap();
        for output in ["a.png", "./a.png", "sub/../a.png", "hard.png", "soft.png", "loop/a.png", "loop/loop/hard.png"] {
            let error = check(&[item(&input, &at(output))]).unwrap_err();
            assert!(error.to_string().contains("over the input"), "{output}: {error}");
        }
        assert!(check(&[item(&input, &at("b.png"))]).is_ok());
        // Another picture's input counts as well.
        fs::write(at("b.png"), "another").unwrap();
        assert!(check(&[item(&input, &at("b.png"))]).is_ok());
        assert!(check(&[item(&input, &at("b.png")), item(&at("b.png"), &at("c.png"))]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn two_inputs_never_share_an_output() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("out")).unwrap();
        std::os::unix::fs::symlink(at("out"), at("same")).unwrap();
        let pair = |a: &str, b: &str| check(&[item(&at("1.png"), &at(a)), item(&at("2.png"), &at(b))]);
        for (a, b) in
            [("x.png", "x.png"), ("out/x.png", "same/x.png"), ("new/x.png", "./new/x.png"), ("out/n/x", "same/n/x")]
        {
            let error = pair(a, b).unwrap_err().to_string();
            assert!(error.contains("1.png") && error.contains("2.png"), "{error}");
        }
        assert!(pair("out/x.png", "out/y.png").is_ok());
    }
}
