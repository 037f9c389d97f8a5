//! A descriptor read without ever waiting long.

use super::Next;
use super::assemble::Assembler;
use crate::device::clock;
use crate::device::shot::{Format, Shot};
use crate::error::{Error, Kind, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// How long one wait for a frame may last.
pub(super) const WAIT: Duration = Duration::from_millis(450);
const CHUNK: usize = 1 << 16;

/// What was read and not yet used, and the frame in the middle of arriving.
#[derive(Debug)]
pub(super) struct Feed {
    chunk: Vec<u8>,
    from: usize,
    to: usize,
    stamp: Duration,
    frames: Assembler,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { chunk: vec![0; CHUNK], from: 0, to: 0, stamp: clock::now(), frames: Assembler::new() }
    }

    pub(super) fn format(&self) -> Format {
        self.frames.format()
    }

    /// Frames given since the beginning.
    pub(super) fn given(&self) -> u64 {
        self.frames.given()
    }

    /// How long nothing at all has come.
    pub(super) fn silence(&self) -> Duration {
        clock::now().saturating_sub(self.stamp)
    }

    /// As [`super::Source::next`], from `input`.
    ///
    /// # Errors
    /// An input error where the stream is of no kind that is read; an I/O error where it cannot be read.
    pub(super) fn next(&mut self, input: BorrowedFd<'_>, shot: &mut Shot) -> Result<Next> {
        let until = clock::now() + WAIT;
        loop {
            if self.from < self.to {
                let (used, whole) = self.frames.take(&self.chunk[self.from..self.to], self.stamp)?;
                self.from += used;
                if whole {
                    self.frames.give(shot);
                    return Ok(Next::Frame);
                }
                continue;
            }
            let left = until.saturating_sub(clock::now());
            if left.is_zero() || !readable(input, left)? {
                return Ok(Next::Nothing);
            }
            match rustix::io::read(input, &mut self.chunk[..]) {
                Ok(0) => return Ok(Next::End),
                Ok(read) => (self.from, self.to, self.stamp) = (0, read, clock::now()),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
    }

    /// What to say where the input ended before a single frame.
    pub(super) fn empty(&self) -> Error {
        self.frames.unknown("the input ended before a frame came")
    }
}

/// Waits until there is something to read, or the end; `false` where `limit` passed before.
fn readable(input: BorrowedFd<'_>, limit: Duration) -> Result<bool> {
    let limit = Timespec { tv_sec: limit.as_secs() as _, tv_nsec: limit.subsec_nanos().into() };
    match poll(&mut [PollFd::from_borrowed_fd(input, PollFlags::IN)], Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(unreadable(error)),
    }
}

fn unreadable(error: Errno) -> Error {
    Error::new(Kind::Io, "cannot read the frames").caused_by(std::io::Error::from(error))
}
