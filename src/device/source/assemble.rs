//! Frames out of bytes that come in pieces: Y4M or MJPEG, told by how they begin.

use super::mjpeg::{MOST_BYTES, Splitter};
use super::planes::Planes;
use crate::device::shot::{Format, Packing, Shot};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::y4m::Range;
use std::time::Duration;

/// Bytes without a frame after which the stream is held to be something else.
const PATIENCE: u64 = 64 << 20;

#[derive(Debug)]
enum Kind {
    Unknown { splitter: Splitter, matched: usize },
    Planes(Planes),
    Jpegs(Splitter),
}

/// Puts frames together. What is damaged is passed over: the numbers of the shots then have a gap.
#[derive(Debug)]
pub(super) struct Assembler {
    kind: Kind,
    format: Format,
    given: u64,
    /// Bytes since the last frame.
    waste: u64,
}

/// How a Y4M stream begins.
const MAGIC: &[u8] = b"YUV4MPEG2 ";

impl Assembler {
    pub(super) fn new() -> Self {
        let format = Format::new(Packing::Jpeg, Size::new(0, 0), Range::Full, None);
        let kind = Kind::Unknown { splitter: Splitter::new(MOST_BYTES), matched: 0 };
        Self { kind, format, given: 0, waste: 0 }
    }

    /// What frames look like, as far as it is known.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Frames given since the beginning.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Takes bytes that were read at `now`, up to the end of a frame. Says how many were used and whether a frame is whole;
    /// then [`Assembler::give`] must follow.
    ///
    /// # Errors
    /// An input error where the stream is of no kind that is read, or of a depth that is not.
    pub(super) fn take(&mut self, bytes: &[u8], now: Duration) -> Result<(usize, bool)> {
        let (used, whole) = match &mut self.kind {
            Kind::Unknown { .. } => (self.sniff(bytes, now), false),
            Kind::Planes(planes) => planes.take(bytes, now)?,
            Kind::Jpegs(splitter) => splitter.take(bytes, now),
        };
        self.waste = if whole { 0 } else { self.waste + used as u64 };
        let most = match &self.kind {
            Kind::Planes(planes) => PATIENCE.max(4 * planes.frame_bytes() as u64),
            _ => PATIENCE,
        };
        if self.waste > most {
            return Err(self.unknown(format!("no frame in {} MB of input", self.waste >> 20)));
        }
        Ok((used, whole))
    }

    /// Hands the whole frame over.
    pub(super) fn give(&mut self, shot: &mut Shot) {
        let lost = match &mut self.kind {
            Kind::Unknown { .. } => 0,
            Kind::Planes(planes) => {
                shot.taken = planes.give(&mut shot.bytes);
                self.format = planes.format();
                planes.lost()
            }
            Kind::Jpegs(splitter) => {
                let (size, taken) = splitter.give(&mut shot.bytes);
                (self.format.size, shot.taken) = (size, taken);
                splitter.skipped().frames
            }
        };
        shot.format = self.format;
        shot.number = self.given + lost;
        self.given += 1;
    }

    /// The error of an input that ended, or went on and on, without a frame.
    pub(super) fn unknown(&self, what: impl Into<String>) -> Error {
        let fix = match self.kind {
            Kind::Unknown { .. } => {
                "frames are read as Y4M (ffmpeg … -f yuv4mpegpipe -) or MJPEG (rpicam-vid --codec mjpeg -o -)"
            }
            Kind::Planes(_) | Kind::Jpegs(_) => "see what the program in front of the pipe complains of",
        };
        Error::input(what).fix(fix)
    }

    /// Looks for a beginning, byte by byte.
    fn sniff(&mut self, bytes: &[u8], now: Duration) -> usize {
        for (at, &byte) in bytes.iter().enumerate() {
            let Kind::Unknown { splitter, matched } = &mut self.kind else { return at };
            *matched = match MAGIC.get(*matched) {
                Some(&next) if next == byte => *matched + 1,
                _ => usize::from(byte == MAGIC[0]),
            };
            splitter.take(&[byte], now);
            if *matched == MAGIC.len() {
                self.kind = Kind::Planes(Planes::begun(MAGIC));
            } else if splitter.is_inside() {
                self.kind = Kind::Jpegs(std::mem::replace(splitter, Splitter::new(0)));
            }
        }
        bytes.len()
    }
}

#[cfg(test)]
pub(super) mod tests;
