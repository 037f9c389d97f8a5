//! The machine's files, or a folder that looks like them: what the system tells is read through here, so that tests can make up
//! any machine. Nothing in such a folder is trusted: reading is bounded, and what is no plain file is not read.

use rustix::fs::{Access, OFlags, access};
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// The most bytes of a file that are read.
pub const MOST_BYTES: u64 = 64 * 1024;
/// The most names of a folder that are listed.
pub const MOST_NAMES: usize = 65_536;
/// The most links that are followed, one after the other.
const MOST_LINKS: usize = 40;

/// A file system by its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
}

impl Default for Tree {
    /// This machine's.
    fn default() -> Self {
        Self::new(Path::new("/"))
    }
}

impl Tree {
    /// The files below `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// Whether this is the machine itself and no folder that looks like one.
    pub fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where `path`, which may begin with a slash, stands.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path.as_ref().strip_prefix("/").unwrap_or(path.as_ref()))
    }

    /// The first 64 KiB of a plain file as text, without the blanks and NULs around it; nothing where there is no such file or it
    /// is empty. What is no UTF-8 is replaced.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = self.bytes(path)?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The first 64 KiB of a plain file.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let path = self.path(path);
        // Pipes and devices may wait for ever, or do something.
        fs::metadata(&path).ok().filter(Metadata::is_file)?;
        let nonblock = OFlags::NONBLOCK.bits().try_into().unwrap_or(0);
        let file = File::options().read(true).custom_flags(nonblock).open(&path).ok()?;
        let mut bytes = Vec::new();
        // Some files of /sys give an error where the hardware does not answer.
        file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A number that is all there is in a file.
    pub fn number<T: std::str::FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// The names in a folder, sorted, without those that are no UTF-8; empty where there is none.
    pub fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().take(MOST_NAMES).flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The names in a folder that are `prefix` and a number, by that number.
    pub fn numbered(&self, folder: impl AsRef<Path>, prefix: &str) -> Vec<(u32, String)> {
        let number = |name: String| Some((name.strip_prefix(prefix)?.parse().ok()?, name));
        let mut found: Vec<(u32, String)> = self.names(folder).into_iter().filter_map(number).collect();
        found.sort();
        found
    }

    /// What a link says, which is not looked up.
    pub fn link(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        fs::read_link(self.path(path)).ok()
    }

    /// The last part of what a link says, such as a driver's name.
    pub fn linked_name(&self, path: impl AsRef<Path>) -> Option<String> {
        Some(self.link(path)?.file_name()?.to_string_lossy().into_owned())
    }

    /// Where `path` leads through links: `/dev/v4l/by-id/…` to `/dev/video0`. What leads nowhere stays as it is.
    pub fn resolved(&self, path: impl AsRef<Path>) -> PathBuf {
        let mut path = path.as_ref().to_path_buf();
        if self.is_this_machine() {
            return fs::canonicalize(&path).unwrap_or(path);
        }
        for _ in 0..MOST_LINKS {
            let Some(target) = self.link(&path) else { break };
            path = plain(&path.parent().unwrap_or(Path::new("/")).join(target));
        }
        path
    }

    /// Who has what is at `path`, and what it is.
    pub fn metadata(&self, path: impl AsRef<Path>) -> Option<Metadata> {
        fs::metadata(self.path(path)).ok()
    }

    /// As [`Tree::metadata`], but tells what is not there from what `user` may not look at.
    ///
    /// # Errors
    /// `PermissionDenied` where a folder on the way is closed to `user`; else what the system said.
    pub fn look(&self, path: impl AsRef<Path>, user: &User) -> Result<Metadata, ErrorKind> {
        let closed = |folder: &Path| self.metadata(folder).is_some_and(|it| permitted(&it, user) & 1 == 0);
        // Who reads a made-up tree is not the user in it.
        if !self.is_this_machine() {
            let way = Path::new("/").join(path.as_ref());
            if way.ancestors().skip(1).filter(|folder| folder.parent().is_some()).any(closed) {
                return Err(ErrorKind::PermissionDenied);
            }
        }
        fs::metadata(self.path(path)).map_err(|error| error.kind())
    }

    /// Whether something is at `path`.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.metadata(path).is_some()
    }

    /// Bytes that `user` could still write below `folder`.
    pub fn free(&self, folder: impl AsRef<Path>) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.path(folder)).ok()?;
        disk.f_bavail.checked_mul(disk.f_frsize)
    }

    /// Whether `user` may read and write what is at `path`; nothing where nothing is there.
    pub fn may_use(&self, path: impl AsRef<Path>, user: &User) -> Option<bool> {
        let metadata = self.metadata(&path)?;
        if self.is_this_machine() {
            // The kernel knows of access lists, by which a session at the screen has its cameras.
            return Some(access(self.path(path), Access::READ_OK | Access::WRITE_OK).is_ok());
        }
        Some(permitted(&metadata, user) & 0o6 == 0o6)
    }

    /// The name of the group that has what is at `path`.
    pub fn group(&self, path: impl AsRef<Path>) -> Option<String> {
        let id = self.metadata(path)?.gid();
        let text = self.text("/etc/group")?;
        let named = |line: &str| {
            let mut fields = line.split(':');
            let (name, number) = (fields.next()?, fields.nth(1)?);
            (number.parse() == Ok(id)).then(|| name.to_owned())
        };
        text.lines().find_map(named)
    }

    /// Whether a program of that name can be found.
    pub fn program(&self, name: &str) -> bool {
        let path = if self.is_this_machine() { std::env::var_os("PATH") } else { None };
        let path = path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        std::env::split_paths(&path).any(|folder| self.metadata(folder.join(name)).is_some_and(|m| m.is_file()))
    }

    /// Who this process runs for.
    pub fn user(&self) -> User {
        let text = self.text("/proc/self/status").unwrap_or_default();
        let numbers = |key: &str| -> Vec<u32> {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().filter_map(|number| number.parse().ok()).collect()
        };
        // Real, effective, saved, of the file system: the second is what counts.
        let id = numbers("Uid:").get(1).copied().unwrap_or(0);
        let mut groups = numbers("Groups:");
        groups.extend(numbers("Gid:").get(1));
        User { id, groups }
    }

    /// The names of the programs that run, with their process ids.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let name = |(id, folder): (u32, String)| Some((id, self.text(Path::new("/proc").join(folder).join("comm"))?));
        self.numbered("/proc", "").into_iter().filter_map(name).collect()
    }

    /// The programs that have `path` open, as far as this user may see.
    pub fn holders(&self, path: &Path) -> Vec<(u32, String)> {
        let holds = |id: &u32| {
            let folder = format!("/proc/{id}/fd");
            self.names(&folder).iter().any(|number| self.link(format!("{folder}/{number}")).as_deref() == Some(path))
        };
        let all = self.processes();
        all.into_iter().filter(|(id, _)| *id != std::process::id() && holds(id)).collect()
    }
}

/// What `user` may do with it: 4 read, 2 write, 1 run or enter.
fn permitted(metadata: &Metadata, user: &User) -> u32 {
    let shift = match user {
        User { id: 0, .. } => return 7,
        User { id, .. } if *id == metadata.uid() => 6,
        User { groups, .. } if groups.contains(&metadata.gid()) => 3,
        User { .. } => 0,
    };
    metadata.mode() >> shift & 7
}

/// A path without `.` and `..`, by its words alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// A user by the numbers that permissions are given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// 0 is root.
    pub id: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
