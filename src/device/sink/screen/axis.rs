//! One direction of scaling, planned: which two samples a pixel lies between, and how near to the second.

use std::ops::Range;

/// Weights are counted in parts of this.
pub(super) const ONE: u16 = 128;

/// The samples that make one pixel: `index` and the next one, of which `weight` / [`ONE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    pub(super) index: u32,
    pub(super) weight: u16,
}

/// How samples lie along a direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Samples {
    /// Luma pixels.
    pub(super) pixels: usize,
    /// Pixels that share one sample: 1 or 2.
    pub(super) group: usize,
    /// How far the sample lies from its group's middle, in luma pixels.
    pub(super) shift: f64,
}

/// The taps of a run of pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) taps: Vec<Tap>,
    /// The first sample, where every pixel is just the next sample.
    pub(super) copied_from: Option<usize>,
}

impl Axis {
    /// Taps for the pixels `span` of `to`, to which `from` is stretched. Where that is a whole number of times, pixels are
    /// repeated; otherwise they are interpolated.
    pub(super) fn new(from: Samples, to: usize, span: Range<usize>) -> Self {
        let last = from.pixels.div_ceil(from.group).saturating_sub(1);
        let whole = from.group == 1 && to.is_multiple_of(from.pixels.max(1));
        let step = from.pixels as f64 / to.max(1) as f64;
        let tap = |pixel: usize| {
            let middle = (pixel as f64 + 0.5) * step;
            let place = (middle - from.shift) / from.group as f64 - 0.5;
            let parts = if whole { middle.floor() * f64::from(ONE) } else { (place * f64::from(ONE)).round() };
            let parts = (parts.max(0.0) as usize).min(last * usize::from(ONE));
            Tap { index: (parts / usize::from(ONE)) as u32, weight: (parts % usize::from(ONE)) as u16 }
        };
        let taps: Vec<Tap> = span.map(tap).collect();
        let first = taps.first().map_or(0, |tap| tap.index);
        let copied = taps.iter().zip(first..).all(|(tap, index)| *tap == Tap { index, weight: 0 });
        Self { taps, copied_from: copied.then_some(first as usize) }
    }

    /// Resamples one row of samples; results are [`ONE`] times as large.
    pub(super) fn run(&self, samples: &[u8], into: &mut [u16]) {
        if let Some(first) = self.copied_from {
            let samples = samples.get(first..).unwrap_or_default();
            for (to, &sample) in into.iter_mut().zip(samples) {
                *to = u16::from(sample) * ONE;
            }
            return;
        }
        let last = samples.len().saturating_sub(1);
        for (to, tap) in into.iter_mut().zip(&self.taps) {
            let (index, weight) = (tap.index as usize, tap.weight);
            let left = samples.get(index).copied().unwrap_or_default();
            let right = samples.get((index + 1).min(last)).copied().unwrap_or_default();
            *to = u16::from(left) * (ONE - weight) + u16::from(right) * weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(from: Samples, to: usize, samples: &[u8]) -> Vec<f32> {
        let mut into = vec![0; to];
        Axis::new(from, to, 0..to).run(samples, &mut into);
        into.into_iter().map(|value| f32::from(value) / f32::from(ONE)).collect()
    }

    const fn luma(pixels: usize) -> Samples {
        Samples { pixels, group: 1, shift: 0.0 }
    }

    #[test]
    fn whole_scales_repeat_and_others_interpolate() {
        assert_eq!(run(luma(3), 3, &[10, 20, 40]), [10.0, 20.0, 40.0]);
        assert_eq!(run(luma(2), 6, &[10, 40]), [10.0, 10.0, 10.0, 40.0, 40.0, 40.0]);
        // Pixel centres at 1/3, 1, 5/3 of two samples at ½ and 1½: the middle one is half of each.
        assert_eq!(run(luma(2), 3, &[10, 40]), [10.0, 25.0, 40.0]);
        assert_eq!(run(luma(1), 2, &[7]), [7.0, 7.0]);
    }

    #[test]
    fn chroma_lies_where_its_siting_says() {
        let left = Samples { pixels: 4, group: 2, shift: -0.5 };
        assert_eq!(run(left, 4, &[0, 100]), [0.0, 50.0, 100.0, 100.0]);
        let centre = Samples { pixels: 4, group: 2, shift: 0.0 };
        assert_eq!(run(centre, 4, &[0, 100]), [0.0, 25.0, 75.0, 100.0]);
        // Odd widths: the last group has one pixel only.
        let odd = Samples { pixels: 3, group: 2, shift: -0.5 };
        assert_eq!(run(odd, 3, &[0, 100]), [0.0, 50.0, 100.0]);
    }

    #[test]
    fn a_span_is_a_part_of_the_whole() {
        let whole = Axis::new(luma(5), 12, 0..12);
        assert_eq!(Axis::new(luma(5), 12, 4..9).taps, whole.taps[4..9]);
        assert_eq!(Axis::new(luma(9), 9, 4..9).copied_from, Some(4));
    }
}
