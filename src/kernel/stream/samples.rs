//! Rows of a picture's planes, as numbers or as 8-bit codes.

use super::ends::byte;
use std::ops::Range;

/// A row of a plane.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// 0 (black) to 1 (white).
    Float(&'a [f32]),
    /// 8-bit codes; a sample is `gain · code + offset`.
    Codes(&'a [u8], [f32; 2]),
}

/// A row of a plane, to be written.
#[derive(Debug)]
pub enum SamplesMut<'a> {
    /// 0 to 1 and beyond.
    Float(&'a mut [f32]),
    /// The nearest codes to `(sample − offset) / gain`, held between 0 and 255.
    Codes(&'a mut [u8], [f32; 2]),
}

impl Samples<'_> {
    /// Some of the samples.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Self {
        match self {
            Self::Float(samples) => Self::Float(&samples[range]),
            Self::Codes(codes, levels) => Self::Codes(&codes[range], levels),
        }
    }

    /// Copies all of them, as numbers.
    pub fn copy_to(self, to: &mut [f32]) {
        match self {
            Self::Float(samples) => to.copy_from_slice(samples),
            Self::Codes(codes, [gain, offset]) => {
                to.iter_mut().zip(codes).for_each(|(to, &code)| *to = f32::from(code) * gain + offset);
            }
        }
    }
}

impl<'a> SamplesMut<'a> {
    /// Some of the samples.
    pub fn part(&mut self, range: Range<usize>) -> SamplesMut<'_> {
        match self {
            Self::Float(samples) => SamplesMut::Float(&mut samples[range]),
            Self::Codes(codes, levels) => SamplesMut::Codes(&mut codes[range], *levels),
        }
    }

    /// Takes the first `count` samples out.
    #[must_use]
    pub fn split_off(&mut self, count: usize) -> SamplesMut<'a> {
        match self {
            Self::Float(samples) => {
                let (first, rest) = std::mem::take(samples).split_at_mut(count);
                *samples = rest;
                SamplesMut::Float(first)
            }
            Self::Codes(codes, levels) => {
                let (first, rest) = std::mem::take(codes).split_at_mut(count);
                *codes = rest;
                SamplesMut::Codes(first, *levels)
            }
        }
    }

    /// Writes all of them.
    pub fn copy_from(&mut self, from: &[f32]) {
        match self {
            Self::Float(samples) => samples.copy_from_slice(from),
            Self::Codes(codes, levels) => code(from, *levels, codes),
        }
    }
}

/// The nearest codes to `(sample − offset) / gain`, held between 0 and 255; not-a-number becomes 0.
#[inline(always)]
pub(super) fn code(samples: &[f32], [gain, offset]: [f32; 2], codes: &mut [u8]) {
    let inverse = 1.0 / gain;
    for (code, &sample) in codes.iter_mut().zip(samples) {
        *code = byte((sample - offset) * inverse + 0.5);
    }
}
