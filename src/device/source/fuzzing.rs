//! Frames out of bytes without a pipe: for the targets of `fuzz/` and for tests of what they found.

use super::assemble::Assembler;
use crate::device::shot::Shot;
use std::time::Duration;

/// Puts frames together from `bytes` as they would come through a pipe, `piece` bytes at a time, and shows each to `see`, until
/// the stream is held to be something else. Says how many came.
pub fn assemble(bytes: &[u8], piece: usize, mut see: impl FnMut(&Shot)) -> u64 {
    let (mut assembler, mut shot) = (Assembler::new(), Shot::empty());
    for (count, mut piece) in bytes.chunks(piece.max(1)).enumerate() {
        while !piece.is_empty() {
            let Ok((used, whole)) = assembler.take(piece, Duration::from_millis(count as u64)) else {
                return assembler.given();
            };
            piece = &piece[used..];
            if whole {
                assembler.give(&mut shot);
                see(&shot);
            }
        }
    }
    assembler.given()
}
