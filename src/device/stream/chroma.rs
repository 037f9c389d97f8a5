//! Chroma planes at another size, with their siting kept: bicubic weights planned once, no allocation after.

use crate::frame::Plane;
use crate::geometry::Size;
use crate::resample::Weights;
use crate::y4m::Chroma;

/// Takes planes of one size to another, row by row.
pub(super) struct Resampler {
    across: Weights,
    down: Weights,
    /// Every input row at the output's width.
    wide: Plane,
    row: Vec<f32>,
}

/// One axis: samples in, samples out, inputs between two outputs, inputs beside the half-pixel grid.
type Axis = (usize, usize, f64, f64);

impl Resampler {
    fn new(across: Axis, down: Axis) -> Self {
        let weights = |(from, to, step, shift)| Weights::bicubic_at(from, to, step, shift);
        Self {
            across: weights(across),
            down: weights(down),
            wide: Plane::new(Size::new(across.1, down.0)),
            row: vec![0.0; across.1],
        }
    }

    /// Chroma of `small` luma pixels to chroma of `large` luma pixels.
    ///
    /// With g luma pixels in a group and samples d luma pixels beside its middle, chroma sample I lies at luma
    /// `g·(I + ½) + d − ½`; through the luma's `x ↦ (x + ½)·r − ½` with r = small/large this is the small chroma sample
    /// `(I + ½)·r − ½ + d·(r − 1)/g`.
    pub(super) fn between(chroma: Chroma, small: Size, large: Size) -> Option<Self> {
        let (group, shift) = (chroma.group()?, chroma.shift());
        let axis = |small: usize, large: usize, group: usize, shift: f64| {
            let step = small as f64 / large as f64;
            (small.div_ceil(group), large.div_ceil(group), step, shift * (step - 1.0) / group as f64)
        };
        Some(Self::new(
            axis(small.width, large.width, group.0, shift.0),
            axis(small.height, large.height, group.1, shift.1),
        ))
    }

    /// Chroma of `size` luma pixels to one sample for each of them.
    pub(super) fn to_luma(chroma: Chroma, size: Size) -> Option<Self> {
        let (group, shift) = (chroma.group()?, chroma.shift());
        let axis = |length: usize, group: usize, shift: f64| {
            (length.div_ceil(group), length, 1.0 / group as f64, -shift / group as f64)
        };
        Some(Self::new(axis(size.width, group.0, shift.0), axis(size.height, group.1, shift.1)))
    }

    /// The way back of [`Self::to_luma`], antialiased.
    pub(super) fn from_luma(chroma: Chroma, size: Size) -> Option<Self> {
        let (group, shift) = (chroma.group()?, chroma.shift());
        let axis = |length: usize, group: usize, shift: f64| (length, length.div_ceil(group), group as f64, shift);
        Some(Self::new(axis(size.width, group.0, shift.0), axis(size.height, group.1, shift.1)))
    }

    /// Resamples `input` and hands on each finished row, from the top.
    pub(super) fn run(&mut self, input: &Plane, mut emit: impl FnMut(usize, &[f32])) {
        for y in 0..input.size.height {
            self.across.filter_row(input.row(y), self.wide.row_mut(y));
        }
        for y in 0..self.down.len() {
            self.down.blend_rows(y, |k| self.wide.row(k), &mut self.row);
            emit(y, &self.row);
        }
    }
}
