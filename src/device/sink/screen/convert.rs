//! From luma and chroma to red, green and blue, in whole numbers.

use super::axis::ONE;
use crate::device::stream::Matrix;
use crate::y4m::{Header, Range};

/// Bits behind the point of a factor.
const BITS: u32 = 14;
/// Bits behind the point of a product: a factor's and those of [`ONE`].
const SHIFT: u32 = BITS + ONE.trailing_zeros();

/// Factors and offsets. Every sum stays within 31 bits: samples have 15, factors at most 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Convert {
    luma: i32,
    black: i32,
    red: i32,
    green: [i32; 2],
    blue: i32,
}

impl Convert {
    /// For pictures of `header`, made of frames of `source`. Full range is JPEG's, whose colours are always BT.601's; what
    /// is in studio range has the colours that are usual for the source's size.
    pub(super) fn new(header: &Header, source: &Header) -> Self {
        let range = header.effective_range();
        let matrix = if range == Range::Full { Matrix::Bt601 } else { Matrix::usual(source.size) };
        Self::with(matrix, range)
    }

    fn with(matrix: Matrix, range: Range) -> Self {
        let (kr, kb) = matrix.weights();
        let kg = 1.0 - kr - kb;
        let (gain, offset, chroma) = match range {
            Range::Full => (1.0, 0, 1.0),
            Range::Studio => (255.0 / 219.0, 16, 255.0 / 224.0),
        };
        let fixed = |factor: f32| (factor * (1 << BITS) as f32).round() as i32;
        let (red, blue) = (2.0 * (1.0 - kr) * chroma, 2.0 * (1.0 - kb) * chroma);
        let luma = fixed(gain);
        Self {
            luma,
            black: (1 << (SHIFT - 1)) - luma * offset * i32::from(ONE),
            red: fixed(red),
            green: [fixed(-blue * kb / kg), fixed(-red * kr / kg)],
            blue: fixed(blue),
        }
    }

    /// A row without colour; samples are [`ONE`] times as large.
    pub(super) fn grey(&self, luma: &[u16], into: &mut [u32]) {
        for (to, &luma) in into.iter_mut().zip(luma) {
            *to = code(self.black + self.luma * i32::from(luma)) * 0x0001_0101;
        }
    }

    /// A row of luma, blue and red; samples are [`ONE`] times as large.
    pub(super) fn colour(&self, [luma, blue, red]: [&[u16]; 3], into: &mut [u32]) {
        const MIDDLE: i32 = 128 * ONE as i32;
        for (((to, &luma), &blue), &red) in into.iter_mut().zip(luma).zip(blue).zip(red) {
            let y = self.black + self.luma * i32::from(luma);
            let (blue, red) = (i32::from(blue) - MIDDLE, i32::from(red) - MIDDLE);
            let green = code(y + self.green[0] * blue + self.green[1] * red);
            *to = code(y + self.red * red) << 16 | green << 8 | code(y + self.blue * blue);
        }
    }
}

/// The nearest code of 8 bits.
fn code(sum: i32) -> u32 {
    (sum >> SHIFT).clamp(0, 255) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(matrix: Matrix, range: Range, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let sample = |code: u8| [u16::from(code) * ONE];
        let mut pixel = [0];
        Convert::with(matrix, range).colour([&sample(y), &sample(cb), &sample(cr)], &mut pixel);
        let [_, red, green, blue] = pixel[0].to_be_bytes();
        [red, green, blue]
    }

    /// By numpy, in double precision, from the definition of BT.601 and BT.709:
    /// ```python
    /// def rgb(y, cb, cr, kr, kb, full):
    ///     y, c = (y / 255, 255) if full else ((y - 16) / 219, 224)
    ///     b, r = y + 2 * (1 - kb) * (cb - 128) / c, y + 2 * (1 - kr) * (cr - 128) / c
    ///     g = (y - kr * r - kb * b) / (1 - kr - kb)
    ///     return [int(min(max(v * 255 + .5, 0), 255)) for v in (r, g, b)]
    /// for kr, kb in (.299, .114), (.2126, .0722):
    ///     for full in True, False:
    ///         print([rgb(*c, kr, kb, full) for c in ((81, 90, 240), (145, 54, 34), (41, 240, 110), (128, 128, 128), (200, 140, 100), (7, 128, 128))])
    /// ```
    #[test]
    fn colours_are_those_of_the_definition() {
        let codes = [[81, 90, 240], [145, 54, 34], [41, 240, 110], [128, 128, 128], [200, 140, 100], [7, 128, 128]];
        for (matrix, range, expected) in EXPECTED {
            for (code, expected) in codes.into_iter().zip(expected) {
                assert_eq!(convert(matrix, range, code), expected, "{matrix:?} {range:?} {code:?}");
            }
        }
    }

    const EXPECTED: [(Matrix, Range, [[u8; 3]; 6]); 4] = [
        (
            Matrix::Bt601,
            Range::Full,
            [[238, 14, 14], [13, 238, 14], [16, 15, 239], [128, 128, 128], [161, 216, 221], [7, 7, 7]],
        ),
        (
            Matrix::Bt601,
            Range::Studio,
            [[254, 0, 0], [0, 255, 1], [0, 0, 255], [130, 130, 130], [170, 232, 238], [0, 0, 0]],
        ),
        (
            Matrix::Bt709,
            Range::Full,
            [[255, 36, 10], [0, 203, 8], [13, 28, 249], [128, 128, 128], [156, 211, 222], [7, 7, 7]],
        ),
        (
            Matrix::Bt709,
            Range::Studio,
            [[255, 24, 0], [0, 216, 0], [0, 15, 255], [130, 130, 130], [164, 227, 240], [0, 0, 0]],
        ),
    ];

    #[test]
    fn grey_is_the_same_with_and_without_chroma() {
        for range in [Range::Full, Range::Studio] {
            for luma in 0..=255 {
                let mut pixel = [0];
                Convert::with(Matrix::Bt709, range).grey(&[u16::from(luma) * ONE], &mut pixel);
                let [_, red, green, blue] = pixel[0].to_be_bytes();
                assert_eq!([red, green, blue], convert(Matrix::Bt601, range, [luma, 128, 128]));
            }
        }
    }
}
