//! Frames from a pipe: Y4M or MJPEG on the standard input or from a named one.

use super::feed::Feed;
use super::{Next, Source};
use crate::device::shot::{Format, Shot};
use crate::error::{Error, Kind, Result};
use rustix::fs::{Mode, OFlags};
use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// A pipe, read as it fills; a silent one blocks nobody.
#[derive(Debug)]
pub struct Pipe {
    input: OwnedFd,
    feed: Feed,
}

impl Pipe {
    /// The standard input.
    ///
    /// # Errors
    /// A usage error where it is a terminal; an I/O error where it is closed.
    pub fn stdin() -> Result<Self> {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Error::usage("the standard input is a terminal, and frames come through a pipe")
                .fix("rpicam-vid --codec mjpeg -t 0 -n -o - | upres live --source pipe:"));
        }
        let input = stdin.as_fd().try_clone_to_owned();
        Ok(Self::new(input.map_err(|e| Error::new(Kind::Io, "cannot read the standard input").caused_by(e))?))
    }

    /// A named pipe, whether or not somebody writes to it yet.
    ///
    /// # Errors
    /// An I/O error where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        // A pipe without a writer would hold the opening up for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let input = rustix::fs::open(path, flags, Mode::empty());
        Ok(Self::new(input.map_err(|e| Error::io("cannot read", path, e.into()))?))
    }

    /// Anything that can be read.
    pub fn new(input: OwnedFd) -> Self {
        Self { input, feed: Feed::new() }
    }
}

impl Source for Pipe {
    fn format(&self) -> Format {
        self.feed.format()
    }

    fn next(&mut self, shot: &mut Shot) -> Result<Next> {
        let next = self.feed.next(self.input.as_fd(), shot)?;
        if next == Next::End && self.feed.given() == 0 {
            return Err(self.feed.empty());
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests;
