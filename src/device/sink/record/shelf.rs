//! The folder of recordings: names that sort by date, a bound on their bytes, and what an earlier run left behind.

use crate::device::sink::date::stamp;
use crate::error::{Error, Kind, Result};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const PREFIX: &str = "upres-";
const ENDINGS: [&str; 2] = ["mkv", "y4m"];
const PART: &str = ".part";
/// Names of one second that are told apart.
const MOST: u32 = 999_999;

/// The parts of a recording's name: `upres-20261121-184134.mkv`, `upres-20261121-184134_000002.part.mkv`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    stamp: String,
    /// 1 where it is not written.
    count: u32,
    part: bool,
    ending: &'static str,
}

impl Name {
    /// `None` where it is no name of ours.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (stem, ending) = name.strip_prefix(PREFIX)?.rsplit_once('.')?;
        let ending = ENDINGS.into_iter().find(|&own| own == ending)?;
        let (stem, part) = stem.strip_suffix(PART).map_or((stem, false), |stem| (stem, true));
        let (stamp, count) = stem.split_once('_').map_or((stem, None), |(stamp, count)| (stamp, Some(count)));
        let digits = |text: &str, long: usize| text.len() == long && text.bytes().all(|byte| byte.is_ascii_digit());
        let (day, time) = stamp.split_once('-')?;
        let whole = digits(day, 8) && digits(time, 6) && count.is_none_or(|count| digits(count, 6));
        let count = count.map_or(Some(1), |count| count.parse().ok().filter(|&count| count > 1))?;
        whole.then(|| Self { stamp: stamp.to_owned(), count, part, ending })
    }

    fn text(&self) -> String {
        let Self { stamp, count, ending, .. } = self;
        let part = if self.part { PART } else { "" };
        match count {
            1 => format!("{PREFIX}{stamp}{part}.{ending}"),
            _ => format!("{PREFIX}{stamp}_{count:06}{part}.{ending}"),
        }
    }

    fn with_part(&self, part: bool) -> Self {
        Self { part, ..self.clone() }
    }

    fn next(&self) -> Result<Self> {
        if self.count == MOST {
            return Err(Error::limit(format!("{} and all names after it are taken", self.text())));
        }
        Ok(Self { count: self.count + 1, ..self.clone() })
    }
}

/// A recording that is being written. Locked, so that no other process takes it for left behind.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: File,
    pub(super) path: PathBuf,
    name: Name,
}

/// The folder and the finished recordings in it.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    quota: u64,
    /// The oldest first.
    finished: VecDeque<(Name, u64)>,
}

impl Shelf {
    /// Looks into `folder` and gives the recordings their names that an earlier run could not end.
    ///
    /// # Errors
    /// An I/O error where the folder is not there or cannot be read.
    pub(super) fn open(folder: &Path, quota: u64) -> Result<Self> {
        let mut shelf = Self { folder: folder.to_path_buf(), quota, finished: VecDeque::new() };
        for (name, _) in shelf.list()?.iter().filter(|(name, _)| name.part) {
            if let Err(error) = shelf.adopt(name) {
                log::warn!("cannot keep {}: {error}", shelf.folder.join(name.text()).display());
            }
        }
        shelf.look()?;
        Ok(shelf)
    }

    /// Looks at what is there now.
    fn look(&mut self) -> Result<()> {
        self.finished = self.list()?.into_iter().filter(|(name, _)| !name.part).collect();
        Ok(())
    }

    /// All our files with their bytes, by name.
    fn list(&self) -> Result<Vec<(Name, u64)>> {
        let cannot = |error| self.missing(error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let name = entry.file_name().to_str().and_then(Name::parse);
            // A file may go while this looks.
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file);
            names.extend(name.zip(metadata.map(|metadata| metadata.len())));
        }
        names.sort();
        Ok(names)
    }

    fn missing(&self, error: io::Error) -> Error {
        let gone = error.kind() == ErrorKind::NotFound;
        let error = Error::io("cannot read the folder of recordings", &self.folder, error);
        if gone { error.fix(format!("mkdir -p {}", self.folder.display())) } else { error }
    }

    fn adopt(&self, name: &Name) -> Result<()> {
        let path = self.folder.join(name.text());
        let cannot = |error| Error::io("cannot keep", &path, error);
        let file = File::options().read(true).write(true).open(&path).map_err(cannot)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(()),
            // Where a file system knows no locks, two recorders in one folder are told apart by nothing.
            _ if file.metadata().map_err(cannot)?.len() == 0 => return fs::remove_file(&path).map_err(cannot),
            _ => {}
        }
        let kept = self.keep(Part { file, path: path.clone(), name: name.clone() })?;
        log::info!("{} is kept: the run that wrote it was cut off", kept.display());
        Ok(())
    }

    /// Begins a recording, named by `now`, or after the newest that is there where the clock was set back.
    ///
    /// # Errors
    /// An I/O error where the folder cannot be written to.
    pub(super) fn begin(&mut self, ending: &'static str, now: SystemTime) -> Result<Part> {
        self.look()?;
        let mut name = Name { stamp: stamp(now), count: 1, part: true, ending };
        if let Some((newest, _)) = self.finished.back().filter(|(newest, _)| newest.stamp > name.stamp) {
            log::warn!("the clock says {}, before the newest recording {}", name.stamp, newest.text());
            name = Name { count: newest.count, stamp: newest.stamp.clone(), ..name }.next()?;
        }
        loop {
            let path = self.folder.join(name.text());
            if ENDINGS.iter().any(|&ending| self.has(&Name { ending, part: false, ..name.clone() })) {
                name = name.next()?;
                continue;
            }
            match File::options().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => {
                    // Where a file system knows no locks, nothing is lost but the protection against a second recorder.
                    let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
                    return Ok(Part { file, path, name });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => name = name.next()?,
                Err(error) => return Err(cannot_write(&path, error)),
            }
        }
    }

    fn has(&self, name: &Name) -> bool {
        self.folder.join(name.text()).symlink_metadata().is_ok()
    }

    /// Puts a recording on the shelf under its name: everything on the disk first. No file is replaced.
    ///
    /// # Errors
    /// An I/O error; the recording then keeps its temporary name.
    pub(super) fn keep(&self, part: Part) -> Result<PathBuf> {
        let Part { file, path, name } = part;
        file.sync_all().map_err(|error| cannot_write(&path, error))?;
        let mut name = name.with_part(false);
        loop {
            let target = self.folder.join(name.text());
            match rename(&path, &target) {
                Ok(()) => {
                    // Some file systems cannot sync a folder; the rename itself has succeeded.
                    let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
                    return Ok(target);
                }
                Err(Errno::EXIST) => name = name.next()?,
                Err(error) => return Err(cannot_write(&target, error.into())),
            }
        }
    }

    /// Remembers a recording that was put on the shelf.
    pub(super) fn add(&mut self, path: &Path, bytes: u64) {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(Name::parse);
        if let Some(name) = name {
            self.finished.push_back((name, bytes));
        }
    }

    /// Deletes the oldest recordings until there is room for one of `bytes` beside the others.
    ///
    /// # Errors
    /// An I/O error where one cannot be deleted.
    pub(super) fn make_room(&mut self, bytes: u64) -> Result<()> {
        let mut all = bytes + self.finished.iter().map(|(_, bytes)| bytes).sum::<u64>();
        while all > self.quota {
            let Some((name, bytes)) = self.finished.pop_front() else { return Ok(()) };
            let path = self.folder.join(name.text());
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    self.finished.push_front((name, bytes));
                    return Err(Error::io("cannot delete the oldest recording", &path, error));
                }
                _ => log::info!("{} is deleted: recordings may have {} MB", path.display(), self.quota / 1_000_000),
            }
            all -= bytes;
        }
        Ok(())
    }
}

/// An I/O error with what to do about a full disk.
pub(super) fn cannot_write(path: &Path, error: io::Error) -> Error {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let error = Error::new(Kind::Io, format!("cannot write {}", path.display())).caused_by(error);
    if full { error.fix("make room on the disk, or give recordings a smaller quota") } else { error }
}

/// Renames without replacing, where the file system can; where not, looks first.
fn rename(from: &Path, to: &Path) -> Result<(), Errno> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if to.symlink_metadata().is_ok() {
                return Err(Errno::EXIST);
            }
            rustix::fs::rename(from, to)
        }
        done => done,
    }
}

#[cfg(test)]
mod tests;
