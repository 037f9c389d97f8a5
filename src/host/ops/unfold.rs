//! Convolutions of any stride and padding: patches laid side by side, then one matrix product that candle differentiates as
//! often as it is asked to.

use super::convolution::{self, convolve};
use super::storage::{ours, samples, with_samples};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Which patches a convolution looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patches {
    /// Side of a patch.
    pub side: usize,
    /// Samples between two patches.
    pub stride: usize,
    /// Zeros on every side of a map.
    pub padding: usize,
}

/// The extents of maps and of what is cut from them.
#[derive(Debug, Clone, Copy)]
struct Extents {
    patches: Patches,
    channels: usize,
    height: usize,
    width: usize,
}

/// Convolves `x` `[batch, inputs, height, width]` with `weight` `[outputs, inputs, side, side]`, adds `bias`, and with a
/// `slope` multiplies what is negative by it, as [`convolve`] does for the plain case.
///
/// # Errors
/// Where shapes do not fit or the device fails, or the slope is negative.
pub fn convolve_patches(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    patches: Patches,
    slope: Option<f32>,
) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let (rows, columns) = Extents { patches, channels, height, width }.counts()?;
    if !ours(x) {
        return convolution::composed(x, weight, bias, patches, slope);
    }
    // Patches laid out are channels of a picture that a 1×1 kernel convolves.
    let (outputs, inputs, side, _) = weight.dims4()?;
    let laid = unfold(x, patches)?.reshape((batch, channels * side * side, rows, columns))?;
    convolve(&laid, &weight.reshape((outputs, inputs * side * side, 1, 1))?, bias, slope)
}

/// The same without slope, and differentiable twice: cuDNN is not, nor are other operators of our own.
///
/// # Errors
/// Where shapes do not fit or the device fails.
pub fn convolve_twice(x: &Tensor, weight: &Tensor, bias: &Tensor, patches: Patches) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let outputs = weight.dim(0)?;
    let bias = bias.reshape((1, (), 1, 1))?;
    let (rows, columns) = Extents { patches, channels, height, width }.counts()?;
    let laid = unfold(x, patches)?;
    let y = weight.reshape((1, outputs, ()))?.broadcast_matmul(&laid)?;
    y.reshape((batch, outputs, rows, columns))?.broadcast_add(&bias)
}

/// The patches of `x` `[batch, channels, height, width]` side by side: `[batch, channels · side², patches]`.
///
/// # Errors
/// Where patches do not fit or the device fails.
pub fn unfold(x: &Tensor, patches: Patches) -> Result<Tensor> {
    let (_, channels, height, width) = x.dims4()?;
    let extents = Extents { patches, channels, height, width };
    extents.counts()?;
    if ours(x) { x.contiguous()?.apply_op1(Unfold(extents)) } else { composed(x, patches) }
}

/// The same of candle's operators.
pub(super) fn composed(x: &Tensor, patches: Patches) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let (rows, columns) = Extents { patches, channels, height, width }.counts()?;
    let Patches { side, stride, padding } = patches;
    let x = x.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
    let lines =
        |count: usize, offset: usize| Tensor::from_iter((0..count).map(|n| (n * stride + offset) as u32), x.device());
    let mut taps = Vec::with_capacity(side * side);
    for ty in 0..side {
        let taken = x.index_select(&lines(rows, ty)?, 2)?;
        for tx in 0..side {
            taps.push(taken.index_select(&lines(columns, tx)?, 3)?.reshape((batch, channels, 1, rows * columns))?);
        }
    }
    Tensor::cat(&taps, 2)?.reshape((batch, channels * side * side, rows * columns))
}

/// Convolves every channel of `x` with a kernel of its own, `weight` `[channels, 1, side, side]`, and adds `bias`.
///
/// # Errors
/// Where shapes do not fit or the device fails.
pub fn depthwise(x: &Tensor, weight: &Tensor, bias: &Tensor, patches: Patches) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let bias = bias.reshape((1, (), 1, 1))?;
    let (rows, columns) = Extents { patches, channels, height, width }.counts()?;
    let laid = unfold(x, patches)?;
    let laid = laid.reshape((batch, channels, patches.side * patches.side, rows * columns))?;
    let y = laid.broadcast_mul(&weight.reshape((1, channels, (), 1))?)?.sum(2)?;
    y.reshape((batch, channels, rows, columns))?.broadcast_add(&bias)
}

/// `x` with its border repeated `margin` times on every side.
///
/// # Errors
/// Where the device fails.
pub fn edged(x: &Tensor, margin: usize) -> Result<Tensor> {
    x.pad_with_same(2, margin, margin)?.pad_with_same(3, margin, margin)
}

/// `x` with the `margin` samples inside its border mirrored at it.
///
/// # Errors
/// Where the maps are not larger than the margin.
pub fn reflected(x: &Tensor, margin: usize) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    if height.min(width) <= margin {
        bail!("maps of {width}x{height} cannot be mirrored by {margin}");
    }
    let line = |extent: usize| {
        let (margin, extent) = (margin as i64, extent as i64);
        let mirrored = |at: i64| (extent - 1 - (extent - 1 - at.abs()).abs()) as u32;
        Tensor::from_iter((-margin..extent + margin).map(mirrored), x.device())
    };
    x.index_select(&line(height)?, 2)?.index_select(&line(width)?, 3)
}

impl Extents {
    /// Rows and columns of patches.
    fn counts(&self) -> Result<(usize, usize)> {
        let Patches { side, stride, padding } = self.patches;
        let room = |extent: usize| (extent + 2 * padding).checked_sub(side);
        match (room(self.height), room(self.width)) {
            (Some(rows), Some(columns)) if stride > 0 => Ok((rows / stride + 1, columns / stride + 1)),
            _ => bail!("patches of {side} do not fit maps of {}x{}", self.width, self.height),
        }
    }

    /// Calls `put(laid, place)` for every sample of a map that lies in a patch: its place among the patches laid out
    /// (`[side²][rows · columns]`) and in the map.
    fn each(&self, counts: (usize, usize), mut put: impl FnMut(usize, usize)) {
        let Patches { side, stride, padding } = self.patches;
        let (rows, columns) = counts;
        for tap in 0..side * side {
            let (ty, tx) = (tap / side, tap % side);
            // Columns whose sample lies inside the map.
            let first = padding.saturating_sub(tx).div_ceil(stride);
            let last = (self.width + padding).saturating_sub(tx).div_ceil(stride).min(columns);
            for row in 0..rows {
                let Some(y) = (row * stride + ty).checked_sub(padding).filter(|&y| y < self.height) else { continue };
                for column in first..last {
                    put((tap * rows + row) * columns + column, y * self.width + column * stride + tx - padding);
                }
            }
        }
    }

    fn laid(&self, counts: (usize, usize)) -> usize {
        self.patches.side * self.patches.side * counts.0 * counts.1
    }
}

/// `[batch, channels, height, width]` to `[batch, channels · side², patches]`.
struct Unfold(Extents);

/// The other way: what lies in several patches is summed.
struct Fold(Extents);

impl CustomOp1 for Unfold {
    fn name(&self) -> &'static str {
        "upres-unfold"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, counts, batch) = (samples(x, layout)?, self.0.counts()?, layout.shape().dims4()?.0);
        let mut laid = vec![0.0; batch * self.0.channels * self.0.laid(counts)];
        let maps = laid.par_chunks_mut(self.0.laid(counts)).zip(x.par_chunks(self.0.height * self.0.width));
        maps.for_each(|(laid, x)| self.0.each(counts, |to, from| laid[to] = x[from]));
        let side = self.0.patches.side;
        Ok((CpuStorage::F32(laid), Shape::from((batch, self.0.channels * side * side, counts.0 * counts.1))))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(dy.contiguous()?.apply_op1(Fold(self.0))?))
    }
}

impl CustomOp1 for Fold {
    fn name(&self) -> &'static str {
        "upres-fold"
    }

    fn cpu_fwd(&self, laid: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (laid, counts, batch) = (samples(laid, layout)?, self.0.counts()?, layout.shape().dims3()?.0);
        let (area, size) = (self.0.height * self.0.width, self.0.laid(counts));
        let mut x = vec![0.0; batch * self.0.channels * area];
        x.par_chunks_mut(area).zip(laid.par_chunks(size)).for_each(|(x, laid)| {
            self.0.each(counts, |from, to| x[to] += laid[from]);
        });
        Ok((CpuStorage::F32(x), Shape::from((batch, self.0.channels, self.0.height, self.0.width))))
    }

    fn bwd(&self, _laid: &Tensor, _x: &Tensor, dx: &Tensor) -> Result<Option<Tensor>> {
        with_samples(dx, |_| ())?;
        Ok(Some(dx.contiguous()?.apply_op1(Unfold(self.0))?))
    }
}
