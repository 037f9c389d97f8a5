//! Machines that are made up.

#![allow(clippy::unwrap_used)]

use super::Tree;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A folder that looks like a machine's files; gone when it is dropped.
pub(crate) struct Made(tempfile::TempDir);

impl Made {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let made = Self::new();
        for (path, text) in files {
            made.file(path, text);
        }
        made
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::new(self.0.path())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, over what is there.
    pub(crate) fn file(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.tree().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A file that stands for a device which its group may use.
    pub(crate) fn device(&self, path: &str) -> &Self {
        self.file(path, "").mode(path, 0o060)
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) -> &Self {
        fs::set_permissions(self.tree().path(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(crate) fn folder(&self, path: &str) -> &Self {
        fs::create_dir_all(self.tree().path(path)).unwrap();
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.tree().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    pub(crate) fn without(&self, path: &str) -> &Self {
        let path = self.tree().path(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    /// Someone who is not root, with the group of the files made here or without it.
    pub(crate) fn user(&self, in_group: bool) -> &Self {
        use std::os::unix::fs::MetadataExt;
        let group = fs::metadata(self.0.path()).unwrap().gid();
        self.file("/etc/group", format!("nogroup:x:65533:\nvideo:x:{group}:\n"));
        let own = if in_group { group } else { 65_533 };
        self.file(
            "/proc/self/status",
            format!("Name:\tupres\nUid:\t4242\t4242\t4242\t4242\nGid:\t4242\t4242\nGroups:\t{own} \n"),
        )
    }
}
