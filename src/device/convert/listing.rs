//! From what was typed to the pictures that are meant.

use super::clash::{Identity, check, identity};
use super::destination::Destination;
use super::item::Item;
use crate::codec::Format;
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The pictures of a batch, and what could not be found or read on the way to them.
#[derive(Debug, Default)]
pub struct Listing {
    /// In the order typed; within folders by name.
    pub items: Vec<Item>,
    /// What was typed or met and could not be listed, and why.
    pub problems: Vec<(PathBuf, Error)>,
}

/// A picture that was found, with the folder below the one that was typed.
struct Found {
    path: PathBuf,
    below: PathBuf,
}

/// Finds the pictures of `inputs` (files, folders, glob patterns) and gives each its output under `output`.
///
/// A file is taken whatever its name. Folders are searched to the bottom for what has a picture's extension; hidden files
/// and folders, links to folders, and the output folder itself are passed over. A pattern is looked at only where no file
/// has that very name; folders that match it are searched.
///
/// # Errors
/// A usage error where the outputs cannot be told apart from inputs or from each other. What merely cannot be found goes
/// into [`Listing::problems`].
pub fn list(inputs: &[PathBuf], output: &Path, format: Option<Format>, scale: &str) -> Result<Listing> {
    let mut search =
        Search { avoid: identity(output).filter(|_| output.is_dir()), found: Vec::new(), problems: Vec::new() };
    let mut many = inputs.len() > 1;
    for input in inputs {
        many |= search.typed(input);
    }
    let destination = Destination::new(output, many)?;
    let mut seen = HashSet::new();
    let mut items = Vec::with_capacity(search.found.len());
    for Found { path, below } in search.found {
        let output = destination.output_for(&path, &below, format, scale);
        if seen.insert((identity(&path), output.clone())) {
            let weight = fs::metadata(&path).map_or(1, |metadata| metadata.len().max(1));
            items.push(Item { input: path, output, weight });
        }
    }
    check(&items)?;
    Ok(Listing { items, problems: search.problems })
}

struct Search {
    /// The output folder: what is written is not read again.
    avoid: Option<Identity>,
    found: Vec<Found>,
    problems: Vec<(PathBuf, Error)>,
}

impl Search {
    /// Takes one input as it was typed; whether it may stand for more than one picture.
    fn typed(&mut self, input: &Path) -> bool {
        match fs::metadata(input) {
            Ok(metadata) if metadata.is_dir() => {
                self.folder(input, input);
                true
            }
            Ok(_) => {
                self.found.push(Found { path: input.to_path_buf(), below: PathBuf::new() });
                false
            }
            Err(error) => {
                let pattern = input.to_str().filter(|text| text.contains(['*', '?', '[']));
                match pattern {
                    Some(pattern) => self.pattern(pattern),
                    None => self.problem(input, Error::io("cannot read", input, error)),
                }
                pattern.is_some()
            }
        }
    }

    /// Searches `folder`; places are told from `root`.
    fn folder(&mut self, root: &Path, folder: &Path) {
        let before = self.found.len() + self.problems.len();
        let mut waiting = vec![folder.to_path_buf()];
        while let Some(folder) = waiting.pop() {
            let entries = fs::read_dir(&folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
            let mut entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    self.problem(&folder, Error::io("cannot list", &folder, error));
                    continue;
                }
            };
            entries.sort_by_key(fs::DirEntry::file_name);
            let mut folders = Vec::new();
            for path in entries.iter().filter(|entry| !is_hidden(entry)).map(fs::DirEntry::path) {
                let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
                match fs::metadata(&path) {
                    Ok(metadata) if metadata.is_dir() && !is_link && !self.avoids(&path) => folders.push(path),
                    Ok(metadata) if metadata.is_dir() => {}
                    _ if Format::from_extension(&path).is_some() => self.picture(root, path),
                    _ => {}
                }
            }
            waiting.extend(folders.into_iter().rev());
        }
        if self.found.len() + self.problems.len() == before {
            self.problem(folder, Error::input(format!("there are no pictures in {}", folder.display())));
        }
    }

    fn avoids(&self, folder: &Path) -> bool {
        self.avoid.is_some() && identity(folder) == self.avoid
    }

    fn picture(&mut self, root: &Path, path: PathBuf) {
        let below = path.parent().and_then(|folder| folder.strip_prefix(root).ok()).unwrap_or(Path::new(""));
        self.found.push(Found { below: below.to_path_buf(), path });
    }

    /// Takes what matches `pattern`; places are told from the last folder before its first wildcard.
    fn pattern(&mut self, pattern: &str) {
        let matches = match glob::glob(pattern) {
            Ok(matches) => matches,
            Err(error) => {
                let error = Error::usage(format!("'{pattern}' is no pattern")).caused_by(error);
                return self.problem(Path::new(pattern), error);
            }
        };
        let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
        let root = Path::new(&pattern[..pattern[..wild].rfind(std::path::is_separator).map_or(0, |at| at + 1)]);
        let before = self.found.len() + self.problems.len();
        for path in matches {
            match path {
                Ok(path) if path.is_dir() && !self.avoids(&path) => self.folder(root, &path),
                Ok(path) if path.is_dir() => {}
                Ok(path) if Format::from_extension(&path).is_some() => self.picture(root, path),
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().to_path_buf();
                    self.problem(&path, Error::io("cannot list", &path, std::io::Error::from(error)));
                }
            }
        }
        if self.found.len() + self.problems.len() == before {
            self.problem(Path::new(pattern), Error::input(format!("no picture matches '{pattern}'")));
        }
    }

    fn problem(&mut self, path: &Path, error: Error) {
        self.problems.push((path.to_path_buf(), error));
    }
}

fn is_hidden(entry: &fs::DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().first() == Some(&b'.')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// A tree of empty files.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    /// Inputs and outputs, relative to the folder.
    fn listed(folder: &Path, inputs: &[&str], output: &str) -> Vec<(String, String)> {
        let inputs: Vec<PathBuf> = inputs.iter().map(|input| folder.join(input)).collect();
        let listing = list(&inputs, &folder.join(output), None, "4").unwrap();
        assert!(listing.problems.is_empty(), "{:?}", listing.problems);
        let short = |path: &Path| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        listing.items.iter().map(|item| (short(&item.input), short(&item.output))).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect()
    }

    #[test]
    fn folders_keep_their_tree() {
        let files =
            ["in/b.png", "in/a.JPG", "in/sub/c.gif", "in/sub/deep/d.webp", "in/notes.txt", "in/.h.png", "in/out/e.png"];
        let folder = tree(&files);
        let expected = pairs(&[
            ("in/a.JPG", "in/out/a.JPG"),
            ("in/b.png", "in/out/b.png"),
            ("in/sub/c.gif", "in/out/sub/c.png"),
            ("in/sub/deep/d.webp", "in/out/sub/deep/d.webp"),
        ]);
        assert_eq!(listed(folder.path(), &["in"], "in/out"), expected);
        // Naming a file of the folder again adds nothing.
        assert_eq!(listed(folder.path(), &["in/b.png", "in"], "in/out").len(), 4);
    }

    #[test]
    fn patterns_are_expanded_and_names_that_look_like_one_are_taken() {
        let folder = tree(&["in/a1.png", "in/a2.png", "in/b.png", "in/sub/a3.png", "in/[a]*.png"]);
        let one =
            |input: &str| listed(folder.path(), &[input], "out/").into_iter().map(|(_, to)| to).collect::<Vec<_>>();
        assert_eq!(one("in/a?.png"), ["out/a1.png", "out/a2.png"]);
        assert_eq!(one("in/**/a?.png"), ["out/a1.png", "out/a2.png", "out/sub/a3.png"]);
        assert_eq!(one("in/[a]*.png"), ["out/[a]*.png"]);
        assert_eq!(one("in/s*"), ["out/sub/a3.png"]);
    }

    #[test]
    fn what_is_missing_is_told_and_the_rest_stays() {
        let folder = tree(&["a.png", "empty/notes.txt"]);
        let inputs = ["gone.png", "a.png", "empty", "*.tif"].map(|name| folder.path().join(name));
        let listing = list(&inputs, &folder.path().join("out"), None, "4").unwrap();
        assert_eq!((listing.items.len(), listing.problems.len()), (1, 3));
    }

    #[cfg(unix)]
    #[test]
    fn links_in_circles_and_odd_names_do_no_harm() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tree(&["in/sub/a.png"]);
        std::os::unix::fs::symlink(folder.path().join("in"), folder.path().join("in/sub/back")).unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"in/\xff\xfe.png");
        fs::write(folder.path().join(odd), "x").unwrap();
        let listing = list(&[folder.path().join("in")], &folder.path().join("out"), None, "4").unwrap();
        assert_eq!(listing.items.len(), 2);
        let name = std::ffi::OsStr::from_bytes(b"\xff\xfe.png");
        assert!(listing.items.iter().any(|item| item.output.file_name() == Some(name)));
    }
}
