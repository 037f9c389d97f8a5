//! The folder of finished segments beside the output, which a killed run leaves to the next.

use crate::error::{Error, Kind, Result};
use crate::{atomic, error};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

const MANIFEST: &str = "manifest.json";
const SUFFIX: &str = ".segments";

/// One finished segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// Its file's name.
    pub(super) file: String,
    /// Its frames.
    pub(super) frames: u64,
    /// Its file's length.
    bytes: u64,
}

/// What the folder holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    /// Everything that the frames depend on, digested.
    key: String,
    segments: Vec<Segment>,
    /// Whether the last segment ends the video.
    complete: bool,
}

/// The folder, held by this process alone.
#[derive(Debug)]
pub(super) struct Work {
    folder: PathBuf,
    manifest: Manifest,
    _lock: File,
}

/// The digest of a file's bytes, hexadecimal.
pub(super) fn file_digest(path: &Path) -> Result<String> {
    let cannot = |error| Error::io("cannot read", path, error);
    let mut file = File::open(path).map_err(cannot)?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(cannot)? {
            0 => return Ok(hexadecimal(&digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}

/// The digest of what a run depends on.
pub(super) fn key(of: &impl Serialize) -> Result<String> {
    let text = serde_json::to_vec(of).map_err(|e| Error::internal("the options have no text").caused_by(e))?;
    Ok(hexadecimal(&Sha256::digest(text)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The start of the names of all work folders for `output`.
fn prefix(output: &Path) -> String {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let end = (0..=name.len().min(150)).rev().find(|&i| name.is_char_boundary(i)).unwrap_or(0);
    format!(".{}.", &name[..end])
}

fn beside(output: &Path) -> &Path {
    output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Work {
    /// Opens or makes the folder for `output` and `key`, and takes up the segments that are whole.
    ///
    /// # Errors
    /// A usage error where another process works on it; an I/O error.
    pub(super) fn open(output: &Path, key: &str) -> Result<Self> {
        let folder = beside(output).join(format!("{}{}{SUFFIX}", prefix(output), &key[..16]));
        fs::create_dir_all(&folder).map_err(|e| Error::io("cannot make", &folder, e))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(|e| Error::io("cannot write", &lock_path, e))?;
        lock.try_lock().map_err(|e| match e {
            fs::TryLockError::WouldBlock => {
                Error::usage(format!("another upres is at work on {}", output.display())).fix("wait for it, or end it")
            }
            fs::TryLockError::Error(e) => Error::io("cannot lock", &lock_path, e),
        })?;
        let mut work = Self { folder, manifest: Manifest::default(), _lock: lock };
        work.manifest = work.read_manifest(key)?;
        work.sweep();
        Ok(work)
    }

    /// Keeps the segments up to the first that is not as the manifest says.
    fn read_manifest(&self, key: &str) -> Result<Manifest> {
        let path = self.folder.join(MANIFEST);
        let mut manifest = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
            Err(e) if e.kind() == ErrorKind::NotFound => Manifest::default(),
            Err(e) => return Err(Error::io("cannot read", &path, e)),
        };
        if manifest.key != key {
            manifest = Manifest { key: key.to_owned(), ..Manifest::default() };
        }
        let whole = |(i, segment): (usize, &Segment)| {
            let length = fs::metadata(self.folder.join(&segment.file)).map(|file| file.len());
            segment.file == file_name(i) && segment.frames > 0 && length.is_ok_and(|length| length == segment.bytes)
        };
        let kept = manifest.segments.iter().enumerate().take_while(|&pair| whole(pair)).count();
        manifest.complete &= kept == manifest.segments.len();
        manifest.segments.truncate(kept);
        Ok(manifest)
    }

    /// Removes what belongs to no segment: halves of killed runs, trials.
    fn sweep(&self) {
        let known = |name: &str| {
            name == MANIFEST || name == "lock" || self.manifest.segments.iter().any(|segment| segment.file == name)
        };
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| !known(&entry.file_name().to_string_lossy())) {
            // What stays behind does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }

    /// A path inside the folder that no other process uses.
    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}", std::process::id()))
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The finished segments, in order.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.manifest.segments
    }

    /// Frames in the finished segments.
    pub(super) fn frames(&self) -> u64 {
        self.manifest.segments.iter().map(|segment| segment.frames).sum()
    }

    /// Whether every segment is finished.
    pub(super) fn is_complete(&self) -> bool {
        self.manifest.complete
    }

    /// Takes the file at `scratch`, wholly written, as the next segment.
    pub(super) fn add(&mut self, scratch: &Path, frames: u64) -> Result<()> {
        let cannot = |e| Error::io("cannot finish", scratch, e);
        let file = File::open(scratch).map_err(cannot)?;
        file.sync_all().map_err(cannot)?;
        let bytes = file.metadata().map_err(cannot)?.len();
        let name = file_name(self.manifest.segments.len());
        fs::rename(scratch, self.folder.join(&name)).map_err(cannot)?;
        self.manifest.segments.push(Segment { file: name, frames, bytes });
        self.write_manifest()
    }

    /// Notes that no more segments come.
    pub(super) fn complete(&mut self) -> Result<()> {
        self.manifest.complete = true;
        self.write_manifest()
    }

    /// The manifest's own commit also brings the renamed segment's name to the disk: they share the folder.
    fn write_manifest(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|e| Error::new(Kind::Internal, "the manifest has no text").caused_by(e))?;
        atomic::write(&self.folder.join(MANIFEST), &text)
    }

    /// Folders of earlier runs for the same output with other options.
    pub(super) fn stale(&self, output: &Path) -> Vec<PathBuf> {
        let prefix = prefix(output);
        let is_work = |name: &str| {
            let key = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(SUFFIX));
            key.is_some_and(|key| key.len() == 16 && key.bytes().all(|c| c.is_ascii_hexdigit()))
        };
        let entries = fs::read_dir(beside(output)).into_iter().flatten().flatten();
        entries
            .filter(|entry| is_work(&entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .filter(|path| path.file_name() != self.folder.file_name())
            .collect()
    }

    /// Removes the folder.
    pub(super) fn remove(self) -> error::Result<()> {
        fs::remove_dir_all(&self.folder).map_err(|e| Error::io("cannot remove", &self.folder, e))
    }
}

fn file_name(i: usize) -> String {
    format!("segment-{i:05}.nut")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn add(work: &mut Work, text: &str, frames: u64) {
        let scratch = work.scratch("half.nut");
        fs::write(&scratch, text).unwrap();
        work.add(&scratch, frames).unwrap();
    }

    #[test]
    fn segments_are_found_again_under_their_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.mp4");
        let (key, other) = (key(&"a").unwrap(), super::key(&"b").unwrap());
        let mut work = Work::open(&output, &key).unwrap();
        add(&mut work, "one", 10);
        add(&mut work, "two", 7);
        assert_eq!(Work::open(&output, &key).unwrap_err().kind(), Kind::Usage, "two at once");
        drop(work);
        let work = Work::open(&output, &key).unwrap();
        assert_eq!((work.frames(), work.is_complete()), (17, false));
        let fresh = Work::open(&output, &other).unwrap();
        assert_eq!(fresh.frames(), 0);
        assert_eq!(fresh.stale(&output), [work.folder().to_path_buf()]);
        work.remove().unwrap();
        assert!(fresh.stale(&output).is_empty());
    }

    #[test]
    fn what_is_not_whole_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.mp4");
        let key = key(&"a").unwrap();
        let mut work = Work::open(&output, &key).unwrap();
        for text in ["one", "two", "three"] {
            add(&mut work, text, 5);
        }
        work.complete().unwrap();
        let path = work.folder().to_path_buf();
        fs::write(path.join("123-half.nut"), "half").unwrap();
        fs::write(path.join(file_name(1)), "tw").unwrap();
        drop(work);
        let work = Work::open(&output, &key).unwrap();
        assert_eq!((work.frames(), work.is_complete()), (5, false));
        assert!(!path.join("123-half.nut").exists() && !path.join(file_name(2)).exists());
        drop(work);
        fs::write(path.join(MANIFEST), "{ broken").unwrap();
        assert_eq!(Work::open(&output, &key).unwrap().frames(), 0);
    }
}
