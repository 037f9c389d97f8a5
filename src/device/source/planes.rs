//! Y4M whose bytes come in pieces. [`crate::y4m::Reader`] waits for a whole frame; live work may not.

use crate::device::shot::{Format, MOST_PIXELS, Packing};
use crate::error::{Error, Result};
use crate::y4m::{Header, MAX_FRAME_HEADER, MAX_HEADER};
use std::time::Duration;

const STREAM: &[u8] = b"YUV4MPEG2 ";
const FRAME: &[u8] = b"FRAME";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a line: the stream's header or a frame's.
    Line,
    /// In a frame.
    Body,
    /// Where no frame began, with so many bytes of `FRAME` seen.
    Hunt(usize),
}

/// What the frames of a stream with this header look like.
///
/// # Errors
/// An input error where samples have more than 8 bits, a limit error where frames are too large.
pub(super) fn accept(header: &Header) -> Result<Format> {
    if header.bits != 8 {
        let what = format!("the Y4M video has {} bits a sample; live frames have 8", header.bits);
        return Err(Error::input(what).fix("ffmpeg … -pix_fmt yuv420p -f yuv4mpegpipe …"));
    }
    if header.size.area() > MOST_PIXELS {
        return Err(Error::limit(format!("frames of {} are larger than {MOST_PIXELS} pixels", header.size)));
    }
    Ok(Format::new(Packing::Planar(header.chroma), header.size, header.effective_range(), header.rate))
}

/// Puts the frames of a Y4M stream together. Where a frame does not begin as it should, the next one is looked for.
#[derive(Debug)]
pub(super) struct Planes {
    state: State,
    line: Vec<u8>,
    frame: Vec<u8>,
    bytes: usize,
    format: Option<Format>,
    taken: Duration,
    lost: u64,
}

impl Planes {
    /// A stream of which `line` was read already.
    pub(super) fn begun(line: &[u8]) -> Self {
        let line = line.to_vec();
        Self { state: State::Line, line, frame: Vec::new(), bytes: 0, format: None, taken: Duration::ZERO, lost: 0 }
    }

    /// What frames look like. Only after a frame was whole.
    pub(super) fn format(&self) -> Format {
        self.format.unwrap_or(crate::device::shot::Shot::empty().format)
    }

    /// Bytes of a frame, 0 before the header was read.
    pub(super) fn frame_bytes(&self) -> usize {
        self.bytes
    }

    /// Places where no frame began as it should.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// As [`super::mjpeg::Splitter::take`].
    ///
    /// # Errors
    /// An input error where the header is no good or has more than 8 bits a sample.
    pub(super) fn take(&mut self, bytes: &[u8], now: Duration) -> Result<(usize, bool)> {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            match self.state {
                State::Body => {
                    let run = (self.bytes - self.frame.len()).min(bytes.len() - used);
                    self.frame.extend_from_slice(&bytes[used..used + run]);
                    used += run;
                    if self.frame.len() == self.bytes {
                        self.await_line();
                        return Ok((used, true));
                    }
                    continue;
                }
                State::Line => self.line_byte(byte, now)?,
                State::Hunt(matched) => self.hunt(matched, byte, now),
            }
            used += 1;
        }
        Ok((used, false))
    }

    /// Exchanges the whole frame for `buffer` and tells when its first byte came.
    pub(super) fn give(&mut self, buffer: &mut Vec<u8>) -> Duration {
        std::mem::swap(&mut self.frame, buffer);
        self.frame.clear();
        self.taken
    }

    fn await_line(&mut self) {
        self.line.clear();
        self.state = State::Line;
    }

    fn hunt(&mut self, matched: usize, byte: u8, now: Duration) {
        let matched = if byte == FRAME[matched] { matched + 1 } else { usize::from(byte == FRAME[0]) };
        self.state = State::Hunt(matched);
        if matched == FRAME.len() {
            self.await_line();
            self.line.extend_from_slice(FRAME);
            self.taken = now;
        }
    }

    fn line_byte(&mut self, byte: u8, now: Duration) -> Result<()> {
        if self.line.is_empty() {
            self.taken = now;
        }
        if byte == b'\n' {
            return self.line_end();
        }
        self.line.push(byte);
        let begins = |word: &[u8]| self.line.iter().zip(word).all(|(a, b)| a == b);
        let frame = begins(FRAME) && self.line.get(FRAME.len()).is_none_or(|&after| after == b' ');
        let most = if frame { MAX_FRAME_HEADER } else { MAX_HEADER };
        if (frame || begins(STREAM)) && self.line.len() <= most {
            return Ok(());
        }
        if self.format.is_none() {
            return Err(Error::limit(format!("a Y4M header line is longer than {MAX_HEADER} bytes")));
        }
        self.astray();
        Ok(())
    }

    fn line_end(&mut self) -> Result<()> {
        if self.line.starts_with(STREAM) {
            let text = std::str::from_utf8(&self.line).unwrap_or_default();
            let header = Header::parse(text)?;
            self.format = Some(accept(&header)?);
            self.bytes = header.frame_bytes();
            self.await_line();
        } else if self.line.starts_with(FRAME) && self.bytes > 0 {
            self.frame.clear();
            self.state = State::Body;
        } else if self.format.is_none() {
            return Err(Error::input("the Y4M stream is damaged in its header"));
        } else {
            self.astray();
        }
        Ok(())
    }

    fn astray(&mut self) {
        self.lost += 1;
        // What was read of the line may hold the beginning of the next frame's.
        let tail = (1..FRAME.len().min(self.line.len() + 1)).rev();
        let matched = tail.into_iter().find(|&n| self.line.ends_with(&FRAME[..n])).unwrap_or(0);
        self.line.clear();
        self.state = State::Hunt(matched);
    }
}
