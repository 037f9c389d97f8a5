//! Stride-1, zero-padded f32 convolution of planes and its weight gradient, for training.
//!
//! Images are `[channels][height][width]`. Each kernel first copies an image into a *sheet*: rows one after another with
//! `side / 2` zeros between them, so that a row's right margin is the next row's left margin. On a sheet every tap of the
//! kernel is one constant offset, a convolution is a sum of shifted sheets, and no border needs a case of its own.

use super::Level;
use super::body::{BLOCK, Correlate, Forward};

/// Zeros after a sheet, so that the last vectors may read and write past its end.
const SLACK: usize = 64;

/// The arithmetic of one convolution layer for one image size.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    level: Level,
    side: usize,
    width: usize,
    height: usize,
}

/// Weights laid out for [`Conv::forward`]: `[outputs / 8][inputs][side²][8]`.
#[derive(Debug, Clone)]
pub struct Packed {
    inputs: usize,
    outputs: usize,
    data: Vec<f32>,
}

/// Planes on a sheet: the operand of both kernels.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    channels: usize,
    stride: usize,
    data: Vec<f32>,
}

impl Packed {
    /// Packs `weight` of shape `[outputs][inputs][side][side]`.
    ///
    /// # Panics
    /// Where the slice does not have that many values.
    pub fn new(weight: &[f32], outputs: usize, inputs: usize, side: usize) -> Self {
        Self::from_fn(outputs, inputs, side * side, weight.len(), |o, i, tap| {
            weight[(o * inputs + i) * side * side + tap]
        })
    }

    /// Packs the same weights for the gradient of the input: channels exchanged, taps mirrored.
    ///
    /// # Panics
    /// Where the slice does not have that many values.
    pub fn transposed(weight: &[f32], outputs: usize, inputs: usize, side: usize) -> Self {
        let taps = side * side;
        Self::from_fn(inputs, outputs, taps, weight.len(), |i, o, tap| weight[(o * inputs + i) * taps + taps - 1 - tap])
    }

    fn from_fn(
        outputs: usize,
        inputs: usize,
        taps: usize,
        len: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        assert_eq!(len, outputs * inputs * taps, "weights do not fit their shape");
        let mut data = vec![0.0; outputs.next_multiple_of(BLOCK) * inputs * taps];
        for (n, value) in data.iter_mut().enumerate() {
            let (lane, rest) = (n % BLOCK, n / BLOCK);
            let (tap, rest) = (rest % taps, rest / taps);
            let (input, block) = (rest % inputs, rest / inputs);
            if block * BLOCK + lane < outputs {
                *value = weight(block * BLOCK + lane, input, tap);
            }
        }
        Self { inputs, outputs, data }
    }
}

impl Conv {
    /// A convolution with an odd `side` over images of `width × height`.
    ///
    /// # Panics
    /// Where `side` is even, or an extent is 0.
    pub fn new(level: Level, side: usize, width: usize, height: usize) -> Self {
        assert!(side % 2 == 1 && width > 0 && height > 0, "kernel sides are odd and images not empty");
        Self { level, side, width, height }
    }

    fn margin(&self) -> usize {
        self.side / 2
    }

    fn stride(&self) -> usize {
        self.width + self.margin()
    }

    /// Where pixel (0, 0) lies on a sheet.
    fn origin(&self) -> usize {
        self.margin() * self.stride() + self.margin()
    }

    /// Sheet positions from the first pixel to the last, margins between included, rounded up to whole vectors.
    fn span(&self) -> usize {
        ((self.height - 1) * self.stride() + self.width).next_multiple_of(48)
    }

    fn sheet_len(&self) -> usize {
        2 * self.origin() + self.span() + SLACK
    }

    /// Lays `image` (`channels × height × width`) on `sheet`. With `mask` only values whose mask is positive are kept:
    /// the backward pass of a ReLU, given its output.
    ///
    /// # Panics
    /// Where the slices do not have that many values.
    pub fn lay(&self, image: &[f32], mask: Option<&[f32]>, channels: usize, sheet: &mut Sheet) {
        let area = self.width * self.height;
        assert_eq!(image.len(), channels * area, "the image does not fit its shape");
        self.shape_sheet(channels, sheet);
        for c in 0..channels {
            for y in 0..self.height {
                let from = c * area + y * self.width;
                let start = self.row_start(c, y);
                let to = &mut sheet.data[start..][..self.width];
                let source = &image[from..from + self.width];
                match mask {
                    None => to.copy_from_slice(source),
                    Some(mask) => {
                        for ((to, &value), &mask) in to.iter_mut().zip(source).zip(&mask[from..from + self.width]) {
                            *to = if mask > 0.0 { value } else { 0.0 };
                        }
                    }
                }
            }
        }
    }

    /// `out[o] = bias[o] + Σ_i weight[o][i] ∗ sheet[i]`, then `max(0, ·)` where `relu`; `out` is `outputs × height × width`.
    /// `scratch` is only kept between calls to save allocations.
    ///
    /// # Panics
    /// Where shapes do not fit each other.
    pub fn forward(
        &self,
        sheet: &Sheet,
        weight: &Packed,
        bias: &[f32],
        relu: bool,
        scratch: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let area = self.width * self.height;
        assert_eq!(out.len(), weight.outputs * area, "the output does not fit its shape");
        self.each_row(sheet, weight, bias, scratch, |channel, y, row| {
            let to = &mut out[channel * area + y * self.width..][..self.width];
            to.copy_from_slice(row);
            if relu {
                for value in to {
                    *value = value.max(0.0);
                }
            }
        });
    }

    /// The same from sheet to sheet, with `max(0, ·)` where `relu`; `out` is laid out anew where it had another shape.
    ///
    /// # Panics
    /// Where shapes do not fit each other.
    pub fn advance(
        &self,
        sheet: &Sheet,
        weight: &Packed,
        bias: &[f32],
        relu: bool,
        scratch: &mut Vec<f32>,
        out: &mut Sheet,
    ) {
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        self.shape_sheet(weight.outputs, out);
        self.each_row(sheet, weight, bias, scratch, |channel, y, row| {
            let to = &mut out.data[self.row_start(channel, y)..][..self.width];
            to.iter_mut().zip(row).for_each(|(to, &value)| *to = if value < floor { floor } else { value });
        });
    }

    /// The backward pass from sheet to sheet: `weight` is packed by [`Packed::transposed`], and the result is kept only
    /// where `active`, the output of the ReLU before this layer, is positive.
    ///
    /// # Panics
    /// Where shapes do not fit each other.
    pub fn retreat(&self, delta: &Sheet, weight: &Packed, active: &Sheet, scratch: &mut Vec<f32>, out: &mut Sheet) {
        assert_eq!(active.channels, weight.outputs, "channels do not fit");
        self.shape_sheet(weight.outputs, out);
        self.each_row(delta, weight, &[], scratch, |channel, y, row| {
            let start = self.row_start(channel, y);
            let to = &mut out.data[start..][..self.width];
            for ((to, &value), &active) in to.iter_mut().zip(row).zip(&active.data[start..][..self.width]) {
                *to = if active > 0.0 { value } else { 0.0 };
            }
        });
    }

    /// Row `y` of plane `channel` of a sheet.
    pub fn row<'a>(&self, sheet: &'a Sheet, channel: usize, y: usize) -> &'a [f32] {
        &sheet.data[self.row_start(channel, y)..][..self.width]
    }

    fn row_start(&self, channel: usize, y: usize) -> usize {
        channel * self.sheet_len() + self.origin() + y * self.stride()
    }

    /// Makes `sheet` hold `channels` planes with zeros in every margin. Rows keep what they held.
    fn shape_sheet(&self, channels: usize, sheet: &mut Sheet) {
        let len = channels.next_multiple_of(BLOCK) * self.sheet_len();
        if sheet.channels != channels || sheet.data.len() != len || sheet.stride != self.stride() {
            sheet.channels = channels;
            sheet.stride = self.stride();
            sheet.data.clear();
            sheet.data.resize(len, 0.0);
        }
    }

    /// Convolves, and hands out every row of the result: `put(channel, y, row)`.
    fn each_row(
        &self,
        sheet: &Sheet,
        weight: &Packed,
        bias: &[f32],
        scratch: &mut Vec<f32>,
        mut put: impl FnMut(usize, usize, &[f32]),
    ) {
        let (span, len) = (self.span(), self.sheet_len());
        assert_eq!(sheet.channels, weight.inputs, "channels do not fit");
        assert!(sheet.data.len() >= sheet.channels * len, "the sheet was laid for another size");
        scratch.resize(BLOCK * span, 0.0);
        let taps = self.side * self.side;
        for (b, packed) in weight.data.chunks_exact(weight.inputs * taps * BLOCK).enumerate() {
            let mut start = [0.0; BLOCK];
            let present = BLOCK.min(weight.outputs - b * BLOCK);
            for (lane, value) in start.iter_mut().enumerate().take(present) {
                *value = bias.get(b * BLOCK + lane).copied().unwrap_or(0.0);
            }
            self.block_forward(&sheet.data, weight.inputs, packed, &start, scratch);
            for lane in 0..present {
                for y in 0..self.height {
                    put(b * BLOCK + lane, y, &scratch[lane * span + y * self.stride()..][..self.width]);
                }
            }
        }
    }

    /// `out[o][i][tap] += Σ_pixels delta[o] · sheet[i] shifted by tap`: the gradient of the weights, both operands on sheets.
    ///
    /// # Panics
    /// Where shapes do not fit each other.
    pub fn weight_gradient(&self, sheet: &Sheet, delta: &Sheet, out: &mut [f32]) {
        let (taps, len) = (self.side * self.side, self.sheet_len());
        assert_eq!(out.len(), delta.channels * sheet.channels * taps, "the gradient does not fit its shape");
        assert!(sheet.data.len() >= sheet.channels * len, "the sheet was laid for another size");
        assert!(
            delta.data.len() >= delta.channels.next_multiple_of(BLOCK) * len,
            "the delta was laid for another size"
        );
        let mut sums = [0.0; BLOCK * 3];
        for block in (0..delta.channels).step_by(BLOCK) {
            let delta_block = &delta.data[block * len..(block + BLOCK) * len];
            for i in 0..sheet.channels {
                let plane = &sheet.data[i * len..(i + 1) * len];
                for tap in (0..taps).step_by(self.group()) {
                    let offset = (tap / self.side) * self.stride() + tap % self.side;
                    self.correlate(plane, offset, delta_block, &mut sums);
                    for lane in 0..BLOCK.min(delta.channels - block) {
                        for k in 0..self.group() {
                            out[((block + lane) * sheet.channels + i) * taps + tap + k] += sums[lane * 3 + k];
                        }
                    }
                }
            }
        }
    }

    /// The sum of each plane on `delta`: the gradient of the bias.
    ///
    /// # Panics
    /// Where the sheet was laid for another size.
    pub fn sums(&self, delta: &Sheet) -> Vec<f32> {
        let len = self.sheet_len();
        assert!(delta.data.len() >= delta.channels * len, "the delta was laid for another size");
        delta.data.chunks_exact(len).take(delta.channels).map(lane_sum).collect()
    }

    /// Taps of one row that the weight gradient takes together.
    fn group(&self) -> usize {
        if self.side.is_multiple_of(3) { 3 } else { 1 }
    }

    /// Fills `scratch` (8 planes of `span`) for eight output channels.
    fn block_forward(&self, sheet: &[f32], inputs: usize, weight: &[f32], start: &[f32; BLOCK], scratch: &mut [f32]) {
        let offsets: Vec<usize> =
            (0..self.side * self.side).map(|tap| (tap / self.side) * self.stride() + tap % self.side).collect();
        let job = Forward { sheet, len: self.sheet_len(), inputs, offsets: &offsets, weight, start, span: self.span() };
        job.run(self.level, scratch);
    }

    /// Correlates one input plane at `group` neighbouring taps with eight deltas; `sums[lane · 3 + tap]`.
    fn correlate(&self, plane: &[f32], offset: usize, delta: &[f32], sums: &mut [f32; BLOCK * 3]) {
        let job = Correlate { plane, offset, delta, len: self.sheet_len(), origin: self.origin(), span: self.span() };
        job.run(self.level, self.group(), sums);
    }
}

/// The sum of `values` by sixteen partial sums, an order that vectorises.
fn lane_sum(values: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let chunks = values.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests;
