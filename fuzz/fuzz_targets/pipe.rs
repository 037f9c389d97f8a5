//! What comes through a pipe, Y4M or MJPEG: the same frames, however it comes in pieces.
#![no_main]

mod shared;

use upres::device::shot::{Packing, Picture};
use upres::device::source::fuzzing::assemble;
use upres::device::unpack::Unpacker;

fn look(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let (mut unpacker, mut picture) = (Unpacker::default(), Picture::empty());
    let whole = assemble(bytes, bytes.len(), |shot| {
        // Large JPEGs take their time; those are the target `frame`'s.
        if shot.format.packing != Packing::Jpeg || shot.format.size.area() <= 1 << 16 {
            let _ = unpacker.unpack(shot, None, &mut picture);
        }
    });
    assert_eq!(assemble(bytes, piece.into(), |_| ()), whole);
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
