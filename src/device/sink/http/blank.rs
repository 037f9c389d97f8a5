//! The picture that says "no live video", drawn without a font.

use crate::codec::frames::JpegEncoder;
use crate::error::Result;
use crate::geometry::Size;
use crate::y4m::{Chroma, Header, Range, Siting};

/// Its size where nothing was shown before.
pub(super) const SIZE: Size = Size::new(640, 360);

const GROUND: u8 = 32;
const INK: u8 = 150;
const TEXT: &str = "NO LIVE VIDEO";
/// Columns of a letter, with the gap to the next.
const ADVANCE: usize = 6;

/// A letter of 5 × 7 points, a row in a byte, the left column in bit 4.
const fn letter(letter: u8) -> [u8; 7] {
    match letter {
        b'D' => [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110],
        b'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        b'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        b'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        b'N' => [0b10001, 0b11001, 0b10101, 0b10101, 0b10011, 0b10001, 0b10001],
        b'O' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        b'V' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100],
        _ => [0; 7],
    }
}

/// Whether point (`x`, `y`) of the line of text is ink.
fn is_ink(x: usize, y: usize) -> bool {
    let Some(&c) = TEXT.as_bytes().get(x / ADVANCE) else { return false };
    let column = x % ADVANCE;
    column < 5 && y < 7 && letter(c)[y] >> (4 - column) & 1 == 1
}

/// Grey, with the text in the middle, half as wide as the picture.
fn luma(size: Size) -> Vec<u8> {
    let (columns, rows) = (TEXT.len() * ADVANCE - 1, 7);
    let point = (size.width / 2 / columns).max(1);
    let left = size.width.saturating_sub(columns * point) / 2;
    let top = size.height.saturating_sub(rows * point) / 2;
    let mut luma = vec![GROUND; size.area()];
    for (y, row) in luma.chunks_exact_mut(size.width.max(1)).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            if x >= left && y >= top && is_ink((x - left) / point, (y - top) / point) {
                *pixel = INK;
            }
        }
    }
    luma
}

/// The picture as a JPEG file.
///
/// # Errors
/// As the encoder.
pub(super) fn jpeg(size: Size, encoder: &mut JpegEncoder) -> Result<Vec<u8>> {
    let (chroma, range) = (Chroma::C420(Siting::Centre), Some(Range::Full));
    let header = Header { size, chroma, bits: 8, rate: None, aspect: None, range, comments: Vec::new() };
    let mut planar = luma(size);
    planar.resize(header.frame_bytes(), 128);
    let mut out = Vec::new();
    encoder.encode(&header, &planar, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_stands_in_the_middle_at_every_size() {
        for size in [SIZE, Size::new(1921, 1081), Size::new(160, 120), Size::new(4, 4), Size::new(80, 3)] {
            let luma = luma(size);
            assert_eq!(luma.len(), size.area());
            assert!(luma.contains(&INK) || size.area() < 300, "{size}");
            if size.width < 200 {
                continue;
            }
            let columns: Vec<_> =
                (0..size.width).filter(|x| (0..size.height).any(|y| luma[y * size.width + x] == INK)).collect();
            let (first, last) = (columns[0], columns[columns.len() - 1]);
            assert!(first.abs_diff(size.width - 1 - last) <= 1, "{size}: {first} … {last}");
            assert!(last - first > size.width / 3, "{size}: {first} … {last}");
        }
    }

    #[test]
    fn every_letter_is_drawn() {
        for c in TEXT.bytes().filter(|&c| c != b' ') {
            assert!(letter(c) != [0; 7], "{}", char::from(c));
        }
    }
}
