//! Frames to record.

use crate::device::shot::{Picture, Shown};
use crate::geometry::Size;
use crate::y4m::{Chroma, Header, Range, Ratio, Siting};
use std::time::Duration;

/// A grey frame whose brightness says its number, taken at `ms`.
pub(in crate::device::sink) fn shown(width: usize, height: usize, number: u64, ms: u64) -> Shown {
    let header = Header {
        size: Size::new(width, height),
        chroma: Chroma::C420(Siting::Left),
        bits: 8,
        rate: Some(Ratio { num: 30, den: 1 }),
        aspect: None,
        range: Some(Range::Full),
        comments: Vec::new(),
    };
    let mut bytes = vec![128; header.frame_bytes()];
    bytes[..header.luma_bytes()].fill(brightness(number));
    let picture = Picture { header, bytes };
    let taken = Duration::from_millis(ms);
    Shown { number, taken, done: taken, small: picture.clone(), large: picture }
}

/// The luma of frame `number`.
pub(in crate::device::sink) fn brightness(number: u64) -> u8 {
    (16 + number * 7 % 220) as u8
}
