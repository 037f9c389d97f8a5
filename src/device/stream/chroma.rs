//! Chroma planes at another size, with their siting kept: bicubic weights planned once, no allocation after.

use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;
use crate::kernel::pool::Pool;
use crate::resample::Weights;
use crate::y4m::{Chroma, Header, load, store};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Rows that a thread makes before it asks for more.
const BAND: usize = 16;

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

    /// Chroma of `small` luma pixels to chroma of `large` luma pixels, across and down.
    ///
    /// With g luma pixels in a group and samples d luma pixels beside its middle, chroma sample I lies at luma
    /// `g·(I + ½) + d − ½`; through the luma's `x ↦ (x + ½)·r − ½` with r = small/large this is the small chroma sample
    /// `(I + ½)·r − ½ + d·(r − 1)/g`.
    fn between(chroma: Chroma, small: Size, large: Size) -> Option<[Axis; 2]> {
        let (group, shift) = (chroma.group()?, chroma.shift());
        let axis = |small: usize, large: usize, group: usize, shift: f64| {
            let step = small as f64 / large as f64;
            (small.div_ceil(group), large.div_ceil(group), step, shift * (step - 1.0) / group as f64)
        };
        Some([axis(small.width, large.width, group.0, shift.0), axis(small.height, large.height, group.1, shift.1)])
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

/// Both chroma planes of a frame from one size to another, codes to codes, on several threads.
pub(super) struct Beside {
    plan: Enlargement,
    workers: Vec<Mutex<Scratch>>,
    pool: Pool,
}

/// How a plane is enlarged.
struct Enlargement {
    across: Weights,
    down: Weights,
    /// Size of a plane before and after.
    sizes: [Size; 2],
    /// Bytes of a sample.
    sample: usize,
    bits: u32,
    levels: [f32; 2],
}

/// What one thread needs beside the planes.
struct Scratch {
    line: Vec<f32>,
    /// Input rows at the output's width, row `y` at `y` modulo their number.
    wide: Vec<Vec<f32>>,
    row: Vec<f32>,
}

/// The rows of one plane that nobody has taken yet: the first one's number, and their bytes.
struct Rest<'a>(usize, &'a mut [u8]);

impl Beside {
    /// The way from `input`'s chroma to `output`'s; `None` where there is none.
    ///
    /// # Errors
    /// A limit error where there are no threads.
    pub(super) fn new(input: &Header, output: &Header, threads: usize) -> Result<Option<Self>> {
        let axes = Resampler::between(input.chroma, input.size, output.size);
        let (Some([across, down]), Some(small), Some(large)) = (axes, input.chroma_size(), output.chroma_size()) else {
            return Ok(None);
        };
        let weights = |(from, to, step, shift)| Weights::bicubic_at(from, to, step, shift);
        let (across, down): (Weights, Weights) = (weights(across), weights(down));
        let scratch = || Scratch {
            line: vec![0.0; small.width],
            wide: vec![vec![0.0; large.width]; down.most_taps() + 1],
            row: vec![0.0; large.width],
        };
        let workers: Vec<_> = (0..threads.max(1)).map(|_| Mutex::new(scratch())).collect();
        let pool = Pool::new("chroma", workers.len()).map_err(|e| {
            Error::limit("the system gives no more threads").fix("ask for fewer --threads").caused_by(e)
        })?;
        let (sample, bits, levels) = (input.sample_bytes(), input.bits, input.effective_range().chroma(input.bits));
        let plan = Enlargement { across, down, sizes: [small, large], sample, bits, levels };
        Ok(Some(Self { plan, workers, pool }))
    }

    /// The rows of an enlarged plane in which the rows `rows` of a plane before show.
    pub(super) fn touched(&self, rows: Range<usize>) -> Range<usize> {
        let reads = |y: &usize| {
            let (first, taps) = self.plan.down.taps(*y);
            first < rows.end && first + taps.len() > rows.start
        };
        // An output that falls on a row reads fewer of them than its neighbours, so there may be gaps.
        let begin = (0..self.plan.down.len()).find(reads).unwrap_or(0);
        let end = (begin..self.plan.down.len()).rev().find(reads).map_or(begin, |last| last + 1);
        begin..end
    }

    /// Makes the rows `rows` of both enlarged planes.
    ///
    /// # Errors
    /// An internal error where a thread failed.
    pub(super) fn run(&mut self, from: &[u8], to: &mut [u8], rows: Range<usize>) -> Result<()> {
        let [small, large] = self.plan.sizes.map(|size| size.area() * self.plan.sample);
        let stride = self.plan.sizes[1].width * self.plan.sample;
        let (blue, red) = to.split_at_mut(large);
        let part = rows.start * stride..rows.end * stride;
        let rest = Mutex::new([Rest(rows.start, &mut blue[part.clone()]), Rest(rows.start, &mut red[part])]);
        let planes = [&from[..small], &from[small..2 * small]];
        let Self { workers, pool, plan, .. } = self;
        let work = |number: usize| {
            let mut scratch = workers[number].lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(plane) = rest.iter().position(|Rest(_, bytes)| !bytes.is_empty()) else { break };
                let Rest(first, bytes) = &mut rest[plane];
                let count = bytes.len().min(BAND * stride);
                let (band, left) = std::mem::take(bytes).split_at_mut(count);
                let begin = *first;
                (*bytes, *first) = (left, begin + count / stride);
                drop(rest);
                plan.band(&mut scratch, planes[plane], begin, band);
            }
        };
        if pool.run(&work) { Ok(()) } else { Err(Error::internal("a thread failed on chroma")) }
    }
}

impl Enlargement {
    /// Makes the rows of one plane from row `first` on, as many as `band` holds.
    fn band(&self, scratch: &mut Scratch, plane: &[u8], first: usize, band: &mut [u8]) {
        let [small, large] = self.sizes;
        let stride = small.width * self.sample;
        let count = scratch.wide.len();
        // An output that falls on a row reads fewer of them than the next one does, which then reads from further above.
        let last = (first + band.len() / (large.width * self.sample)).min(self.down.len());
        let mut made = (first..last).map(|y| self.down.taps(y).0).min().unwrap_or(0);
        for (i, out) in band.chunks_exact_mut(large.width * self.sample).enumerate() {
            let (top, taps) = self.down.taps(first + i);
            for y in made..top + taps.len() {
                load(&plane[y * stride..][..stride], self.bits, self.levels, &mut scratch.line);
                self.across.filter_row(&scratch.line, &mut scratch.wide[y % count]);
            }
            made = made.max(top + taps.len());
            self.down.blend_rows(first + i, |y| &scratch.wide[y % count], &mut scratch.row);
            store(&scratch.row, self.bits, self.levels, out);
        }
    }
}
