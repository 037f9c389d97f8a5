//! Files that are either whole or not there.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

const SUFFIX: &str = ".partial";

/// A file being written: a hidden temporary beside the target, renamed over it by [`AtomicFile::commit`], removed on drop.
///
/// The temporary is called `.NAME.PID-RANDOM.partial`, so that what a killed process left behind can be told and swept
/// away ([`sweep`]). What is no ordinary file (a pipe, a terminal, `/dev/stdout`) is written directly.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Temporary(NamedTempFile),
    Direct(File),
}

impl AtomicFile {
    /// Begins a file that is to stand at `target`, replacing what is there. Symbolic links are followed.
    ///
    /// # Errors
    /// An I/O error where the folder does not exist or cannot be written to; a usage error where `target` is a folder.
    pub fn create(target: &Path) -> Result<Self> {
        let cannot = |e| Error::io("cannot write", target, e);
        let existing = match fs::metadata(target) {
            Ok(metadata) => Some(metadata),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(cannot(e)),
        };
        if existing.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(Error::usage(format!("cannot write {}: it is a folder", target.display())).fix("name a file"));
        }
        if existing.as_ref().is_some_and(|m| !m.is_file()) {
            let direct = File::options().write(true).open(target).map_err(cannot)?;
            return Ok(Self { target: target.to_path_buf(), sink: Sink::Direct(direct) });
        }
        let target = if existing.is_some() { fs::canonicalize(target).map_err(cannot)? } else { target.to_path_buf() };
        let name = target.file_name().ok_or_else(|| Error::usage(format!("'{}' names no file", target.display())))?;
        let prefix = format!(".{}.{}-", shortened(&name.to_string_lossy()), std::process::id());
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(SUFFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, as for any new file
        let temporary = builder.tempfile_in(folder_of(&target)).map_err(|e| Error::io("cannot write", &target, e))?;
        if let Some(metadata) = existing {
            // Where the target may not be imitated (another owner), a new file's permissions are good enough.
            let _ = temporary.as_file().set_permissions(metadata.permissions());
        }
        Ok(Self { target, sink: Sink::Temporary(temporary) })
    }

    /// Whether positions in the file can be revisited; not so for pipes and terminals.
    pub fn is_seekable(&self) -> bool {
        matches!(self.sink, Sink::Temporary(_))
    }

    /// Puts the file in its place: everything on the disk, then the name, then the folder's entry on the disk.
    ///
    /// # Errors
    /// An I/O error; the target is then what it was before.
    pub fn commit(self) -> Result<()> {
        let Self { target, sink } = self;
        let cannot = |e| Error::io("cannot write", &target, e);
        match sink {
            Sink::Direct(mut file) => file.flush().map_err(cannot),
            Sink::Temporary(temporary) => {
                temporary.as_file().sync_all().map_err(cannot)?;
                temporary.persist(&target).map_err(|e| cannot(e.error))?;
                sync_folder(folder_of(&target)).map_err(cannot)
            }
        }
    }

    fn file(&mut self) -> &mut File {
        match &mut self.sink {
            Sink::Temporary(temporary) => temporary.as_file_mut(),
            Sink::Direct(file) => file,
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file().seek(position)
    }
}

/// Writes `bytes` to `target`, whole or not at all.
///
/// # Errors
/// As [`AtomicFile::create`] and [`AtomicFile::commit`].
pub fn write(target: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes).map_err(|e| Error::io("cannot write", target, e))?;
    file.commit()
}

/// Whether `path` is named like one of our temporaries.
pub fn is_partial(path: &Path) -> bool {
    writer_of(path).is_some()
}

/// Removes from `folder` the temporaries of processes that are no more, and says how many there were.
///
/// A temporary counts as abandoned when its process has gone or, where processes cannot be looked up, after a day.
///
/// # Errors
/// An I/O error where the folder cannot be read.
pub fn sweep(folder: &Path) -> Result<usize> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io("cannot read", folder, e))?;
    let abandoned = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_abandoned(path));
    Ok(abandoned.filter(|path| fs::remove_file(path).is_ok()).count())
}

fn is_abandoned(path: &Path) -> bool {
    let Some(writer) = writer_of(path) else { return false };
    if writer == std::process::id() {
        return false;
    }
    let processes = Path::new("/proc");
    if processes.join("self").exists() {
        let status = fs::read_to_string(processes.join(writer.to_string()).join("stat"));
        // The state follows the name in brackets; a zombie writes no more.
        let state = status.as_deref().ok().and_then(|text| text.rsplit_once(") ")).map(|(_, rest)| rest);
        return state.is_none_or(|state| state.starts_with(['Z', 'X']));
    }
    let age = fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
    age.is_some_and(|age| age.as_secs() > 24 * 60 * 60)
}

/// The process that writes or wrote the temporary at `path`; `None` where it is no temporary of ours.
fn writer_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_prefix('.')?.strip_suffix(SUFFIX)?;
    let (_, tail) = name.rsplit_once('.')?;
    let (process, _) = tail.split_once('-')?;
    process.parse().ok()
}

/// At most 180 bytes of `name`, so that the temporary's name stays within the 255 that file systems allow.
fn shortened(name: &str) -> &str {
    let end = (0..=name.len().min(180)).rev().find(|&i| name.is_char_boundary(i)).unwrap_or(0);
    &name[..end]
}

fn folder_of(target: &Path) -> &Path {
    target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network and FUSE file systems cannot sync a folder; the rename itself has succeeded.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_stands_under_the_name_before_commit_and_nothing_is_left_on_drop() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.png");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!target.exists());
        let during = names(folder.path());
        assert_eq!(during.len(), 1);
        assert!(is_partial(Path::new(&during[0])), "{during:?}");
        drop(file);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn commit_replaces_and_a_drop_leaves_the_old_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.png");
        write(&target, b"old").unwrap();
        let mut abandoned = AtomicFile::create(&target).unwrap();
        abandoned.write_all(b"never").unwrap();
        drop(abandoned);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        write(&target, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.png"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_the_targets_or_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        assert_eq!(mode(&ours), mode(&plain));
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o640)).unwrap();
        write(&ours, b"y").unwrap();
        assert_eq!(mode(&ours), 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_written_directly() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        write(&real, b"1").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, b"2").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"2");
        write(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!AtomicFile::create(Path::new("/dev/null")).unwrap().is_seekable());
    }

    #[test]
    fn folders_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(AtomicFile::create(folder.path()).unwrap_err().kind(), Kind::Usage);
        assert_eq!(AtomicFile::create(&folder.path().join("no/a.png")).unwrap_err().kind(), Kind::Io);
    }

    #[test]
    fn only_the_partials_of_dead_processes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let file = AtomicFile::create(&folder.path().join("mine.png")).unwrap();
        // Process numbers end below 2^22 on Linux.
        let dead = ".dead.png.4294967294-abcdef.partial";
        for name in [dead, "a.partial", ".hidden", ".x.partial"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        let expected = usize::from(Path::new("/proc/self").exists());
        assert_eq!(sweep(folder.path()).unwrap(), expected);
        assert_eq!(folder.path().join(dead).exists(), expected == 0);
        assert_eq!(names(folder.path()).len(), 5 - expected);
        drop(file);
    }

    #[test]
    fn long_names_still_fit() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("ü".repeat(120));
        write(&target, b"x").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"x");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_ended_unnoticed_counts_as_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        while !fs::read_to_string(&stat).unwrap().contains(") Z") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        fs::write(folder.path().join(format!(".a.png.{}-abcdef{SUFFIX}", child.id())), b"half").unwrap();
        assert_eq!(sweep(folder.path()).unwrap(), 1);
        child.wait().unwrap();
    }
}
