//! Enlarged frames into segments: a new encoder for every so many frames.

use super::encode::{Encoding, hand_on};
use super::encoder_gone;
use super::timing::Timing;
use super::tools::{Running, Tools, url};
use super::work::Work;
use crate::error::{Error, Kind, Result};
use crate::y4m::{Header, Writer};
use std::path::PathBuf;
use std::process::ChildStdin;

/// Where enlarged frames go.
pub(super) struct Segments<'a> {
    tools: &'a Tools,
    encoding: &'a Encoding,
    timing: &'a Timing,
    header: Header,
    /// Frames of a segment.
    length: u64,
    work: &'a mut Work,
    current: Option<Current>,
}

/// The segment in hand.
struct Current {
    encoder: Running,
    pipe: Writer<ChildStdin>,
    file: PathBuf,
    frames: u64,
}

impl<'a> Segments<'a> {
    pub(super) fn new(
        tools: &'a Tools,
        encoding: &'a Encoding,
        timing: &'a Timing,
        header: Header,
        length: u64,
        work: &'a mut Work,
    ) -> Self {
        Self { tools, encoding, timing, header, length, work, current: None }
    }

    /// Takes the next frame; `false` where the encoder has gone, see [`Segments::broken`].
    pub(super) fn push(&mut self, frame: &[u8]) -> Result<bool> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin()?,
        };
        let taken = hand_on(&mut current.pipe, frame)?;
        current.frames += u64::from(taken);
        let full = current.frames == self.length;
        self.current = Some(current);
        if taken && full {
            self.finish()?;
        }
        Ok(taken)
    }

    /// Ends the segment in hand, if there is one.
    pub(super) fn finish(&mut self) -> Result<()> {
        let Some(Current { encoder, pipe, file, frames }) = self.current.take() else { return Ok(()) };
        drop(pipe);
        encoder.finish()?;
        self.work.add(&file, frames)
    }

    /// Why the encoder has gone.
    pub(super) fn broken(&mut self) -> Error {
        self.finish().err().unwrap_or_else(encoder_gone)
    }

    fn begin(&mut self) -> Result<Current> {
        let file = self.work.scratch("segment.nut");
        let timing = self.timing.filter(self.work.frames(), self.length);
        let mut command = self.encoding.command(self.tools, timing.as_deref(), url(&file)?);
        let mut encoder = Running::start(&mut command, "encode the video", self.work.scratch("encoder.log"))?;
        let pipe = Writer::new(encoder.stdin()?, &self.header)
            .map_err(|error| Error::new(Kind::Io, "cannot hand frames to the encoder").caused_by(error))?;
        Ok(Current { encoder, pipe, file, frames: 0 })
    }
}
