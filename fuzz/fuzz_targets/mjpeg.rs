//! JPEGs cut out of a stream: the same ones, however the stream comes in pieces.
#![no_main]

mod shared;

use std::time::Duration;
use upres::device::source::mjpeg::{Skipped, Splitter};

const MOST: usize = 1 << 14;

fn frames(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Skipped) {
    let (mut splitter, mut frames) = (Splitter::new(MOST), Vec::new());
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            let (used, whole) = splitter.take(piece, Duration::ZERO);
            assert!(used > 0 && used <= piece.len());
            piece = &piece[used..];
            if whole {
                let mut frame = Vec::new();
                let (size, _) = splitter.give(&mut frame);
                assert!(size.area() > 0 && frame.len() <= MOST);
                assert!(frame.starts_with(&[0xff, 0xd8]) && frame.ends_with(&[0xff, 0xd9]));
                frames.push(frame);
            }
        }
    }
    (frames, splitter.skipped())
}

fn look(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let whole = frames(bytes, bytes.len().max(1));
    let given: usize = whole.0.iter().map(Vec::len).sum();
    assert!(given as u64 + whole.1.bytes <= bytes.len() as u64, "more came out than went in");
    assert_eq!(whole.0, frames(bytes, usize::from(piece).max(1)).0);
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
