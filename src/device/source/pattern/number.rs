//! A number in black and white squares, to be read back from the enlarged picture.

use crate::geometry::Size;

/// Squares: 20 bits of the number, 4 of a check sum.
const SQUARES: usize = 24;
/// Squares in a row.
const ACROSS: usize = 12;
/// Pixels of a square's side.
const SIDE: usize = 8;
/// Pixels in front of and above the first square.
const MARGIN: usize = 8;

/// The smallest picture that holds a number.
pub fn smallest() -> Size {
    Size::new(2 * MARGIN + ACROSS * SIDE, 2 * MARGIN + SQUARES / ACROSS * SIDE)
}

/// The squares of a number, the first in the lowest bit.
fn bits(number: u32) -> u32 {
    let check = (0..5).fold(0b1010, |sum, i| sum ^ (number >> (4 * i) & 15));
    number | check << 20
}

fn corner(square: usize) -> (usize, usize) {
    (MARGIN + square % ACROSS * SIDE, MARGIN + square / ACROSS * SIDE)
}

/// Draws the lowest 20 bits of `number` into the luma of a picture of `width` pixels a row.
pub(super) fn write_number(luma: &mut [u8], width: usize, number: u64) {
    let bits = bits((number % (1 << 20)) as u32);
    for square in 0..SQUARES {
        let (x, y) = corner(square);
        for row in y..y + SIDE {
            luma[row * width + x..][..SIDE].fill(if bits >> square & 1 == 1 { 235 } else { 16 });
        }
    }
}

/// The number in the luma of a card that was enlarged `scale` times to `size`; `None` where none can be read.
pub fn read_number(luma: &[u8], size: Size, scale: usize) -> Option<u32> {
    let least = smallest().checked_scale(scale).ok()?;
    if size.width < least.width || size.height < least.height || luma.len() < size.area() {
        return None;
    }
    let mut found = 0;
    for square in 0..SQUARES {
        let (x, y) = corner(square);
        // The middle quarter of the square.
        let (x, y, side) = (scale * (x + SIDE / 4), scale * (y + SIDE / 4), scale * SIDE / 2);
        let sum: u64 = (y..y + side)
            .map(|row| luma[row * size.width + x..][..side].iter().map(|&code| u64::from(code)).sum::<u64>())
            .sum();
        let mean = sum / (side * side) as u64;
        if (90..165).contains(&mean) {
            return None;
        }
        found |= u32::from(mean >= 128) << square;
    }
    let number = found & ((1 << 20) - 1);
    (bits(number) == found).then_some(number)
}
