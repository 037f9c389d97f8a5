//! JPEGs out of a stream of bytes: one after the other, or as the parts of an HTTP answer.
//!
//! The markers of each picture are walked, so that a thumbnail inside a segment does not end it. What lies between
//! pictures is skipped, and so is a picture whose markers make no sense: the next one is found all the same.

use crate::geometry::Size;
use std::time::Duration;

/// The largest picture that is taken, in bytes.
pub const MOST_BYTES: usize = 32 << 20;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// What was not handed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Bytes outside of whole pictures: garbage, but also the headers of HTTP parts.
    pub bytes: u64,
    /// Pictures that began and were no good: cut off, damaged or too large.
    pub frames: u64,
}

/// Where in a picture the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside, with so many bytes of the three that begin a picture (FF D8 FF) seen.
    Hunt(u8),
    /// Where a marker must begin.
    Marker,
    /// After a marker's FF.
    Code,
    /// Before the two bytes of a segment's length.
    High(u8),
    /// Between them.
    Low(u8, u8),
    /// In a segment, so many bytes before its end.
    Body(u8, usize),
    /// In coded data.
    Coded,
    /// After an FF in coded data.
    CodedCode,
}

/// Splits a stream into pictures, whatever the pieces in which it comes. Its one buffer goes round with the caller's.
#[derive(Debug)]
pub struct Splitter {
    frame: Vec<u8>,
    state: State,
    /// Where in `frame` the contents of the frame header (SOF) begin; 0 before it came.
    header: usize,
    scanned: bool,
    taken: Duration,
    most: usize,
    skipped: Skipped,
}

impl Splitter {
    /// A splitter that skips pictures of more than `most` bytes ([`MOST_BYTES`] is a good choice).
    pub fn new(most: usize) -> Self {
        let (taken, skipped) = (Duration::ZERO, Skipped::default());
        Self { frame: Vec::new(), state: State::Hunt(0), header: 0, scanned: false, taken, most, skipped }
    }

    /// Takes bytes that were read at `now`, up to the end of a picture. Says how many were used, and whether the picture
    /// is whole: then [`Splitter::give`] has it.
    pub fn take(&mut self, bytes: &[u8], now: Duration) -> (usize, bool) {
        let mut used = 0;
        while used < bytes.len() {
            let (step, whole) = self.step(&bytes[used..], now);
            used += step;
            if self.frame.len() > self.most {
                self.damaged(0);
            } else if whole {
                return (used, true);
            }
        }
        (used, false)
    }

    /// Exchanges the whole picture for `buffer`, whose contents are lost, and tells the picture's size in pixels and when its
    /// first byte came.
    pub fn give(&mut self, buffer: &mut Vec<u8>) -> (Size, Duration) {
        let size = self.size().unwrap_or(Size::new(0, 0));
        std::mem::swap(&mut self.frame, buffer);
        self.frame.clear();
        (size, self.taken)
    }

    /// Whether a picture has begun.
    pub fn is_inside(&self) -> bool {
        !matches!(self.state, State::Hunt(_))
    }

    /// What was skipped since the beginning.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// One byte, or a run of those that mean nothing by themselves.
    fn step(&mut self, bytes: &[u8], now: Duration) -> (usize, bool) {
        let byte = bytes[0];
        match self.state {
            State::Hunt(seen) => return (self.hunt(seen, bytes, now), false),
            State::Body(code, left) => {
                let run = left.min(bytes.len());
                self.frame.extend_from_slice(&bytes[..run]);
                self.body(code, left - run);
                return (run, false);
            }
            State::Coded => {
                let run = bytes.iter().position(|&byte| byte == 0xff);
                let end = run.map_or(bytes.len(), |at| at + 1);
                self.frame.extend_from_slice(&bytes[..end]);
                if run.is_some() {
                    self.state = State::CodedCode;
                }
                return (end, false);
            }
            _ => self.frame.push(byte),
        }
        match self.state {
            State::Marker if byte == 0xff => self.state = State::Code,
            State::Code => return (1, self.marker(byte)),
            State::CodedCode => return (1, self.marker_in_coded(byte)),
            State::High(code) => self.state = State::Low(code, byte),
            State::Low(code, high) => match (usize::from(high) << 8 | usize::from(byte)).checked_sub(2) {
                Some(left) => {
                    if is_frame_header(code) {
                        self.header = self.frame.len();
                    }
                    self.body(code, left);
                }
                None => self.damaged(byte),
            },
            _ => self.damaged(byte),
        }
        (1, false)
    }

    fn hunt(&mut self, seen: u8, bytes: &[u8], now: Duration) -> usize {
        if seen == 0 {
            let run = bytes.iter().position(|&byte| byte == 0xff);
            let end = run.map_or(bytes.len(), |at| at + 1);
            if run.is_some() {
                self.state = State::Hunt(1);
                self.taken = now;
            }
            self.skipped.bytes += end as u64;
            return end;
        }
        self.skipped.bytes += 1;
        match (seen, bytes[0]) {
            (1, START) => self.state = State::Hunt(2),
            (1, 0xff) => {}
            (2, 0xff) => {
                self.skipped.bytes -= 3;
                self.begin();
                self.frame.push(0xff);
                self.state = State::Code;
            }
            _ => self.state = State::Hunt(0),
        }
        1
    }

    fn begin(&mut self) {
        self.frame.clear();
        self.frame.extend_from_slice(&[0xff, START]);
        (self.header, self.scanned, self.state) = (0, false, State::Marker);
    }

    /// A marker between segments; `true` where it ends a picture.
    fn marker(&mut self, code: u8) -> bool {
        match code {
            0xff => {}
            START => self.again(),
            END => return self.end(),
            0x01 | 0xd0..=0xd7 => self.state = State::Marker,
            0x00 => self.damaged(code),
            _ => self.state = State::High(code),
        }
        false
    }

    /// What follows an FF in coded data: a stuffed zero, a restart, or a segment between two scans.
    fn marker_in_coded(&mut self, code: u8) -> bool {
        match code {
            0x00 | 0xd0..=0xd7 => self.state = State::Coded,
            0xff => {}
            START => self.again(),
            END => return self.end(),
            0xc4 | SCAN..=0xdd | 0xe0..=0xef | 0xfe => self.state = State::High(code),
            _ => self.damaged(code),
        }
        false
    }

    fn body(&mut self, code: u8, left: usize) {
        self.scanned |= code == SCAN;
        self.state = match left {
            0 if code == SCAN => State::Coded,
            0 => State::Marker,
            _ => State::Body(code, left),
        };
    }

    fn end(&mut self) -> bool {
        let whole = self.scanned && self.size().is_some();
        if whole {
            self.state = State::Hunt(0);
        } else {
            self.damaged(0);
        }
        whole
    }

    /// A picture begins within another, which was cut off.
    fn again(&mut self) {
        self.skip_frame(2);
        self.begin();
    }

    /// Gives the picture up; `byte` was its last and may begin the next.
    fn damaged(&mut self, byte: u8) {
        self.skip_frame(0);
        self.frame.clear();
        self.state = State::Hunt(u8::from(byte == 0xff));
    }

    fn skip_frame(&mut self, kept: usize) {
        self.skipped.frames += 1;
        self.skipped.bytes += self.frame.len().saturating_sub(kept) as u64;
    }

    /// Width and height by the frame header; `None` where they are not said.
    fn size(&self) -> Option<Size> {
        let header = self.frame.get(self.header..self.header + 5).filter(|_| self.header > 0)?;
        let side = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
        let size = Size::new(side(3), side(1));
        (size.width > 0 && size.height > 0).then_some(size)
    }
}

/// SOF0 to SOF15 without the tables (DHT, JPG, DAC) that stand among them.
fn is_frame_header(code: u8) -> bool {
    matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc)
}

#[cfg(test)]
pub(super) mod tests;
