//! Max pooling with its right gradient.

use super::storage::{ours, samples, with_samples};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// The windows of a pooling layer; a last one that is not whole is left out, or in where `ceil` says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Side of a window in samples.
    pub side: usize,
    /// Samples between two windows.
    pub stride: usize,
    /// Whether a window may reach over the border.
    pub ceil: bool,
}

impl Window {
    /// Windows along `extent` samples.
    pub fn count(&self, extent: usize) -> usize {
        let room = extent.saturating_sub(self.side);
        let count = if self.ceil { room.div_ceil(self.stride) } else { room / self.stride };
        count + 1
    }

    /// The samples of window `n` along `extent`.
    fn range(&self, n: usize, extent: usize) -> std::ops::Range<usize> {
        let start = n * self.stride;
        start..(start + self.side).min(extent)
    }

    fn validate(&self, height: usize, width: usize) -> Result<()> {
        if self.stride == 0 || self.side == 0 || height.min(width) < self.side {
            bail!("windows of {} do not fit maps of {width}x{height}", self.side);
        }
        Ok(())
    }
}

/// The greatest sample of each window of `x` `[batch, channels, height, width]`; the gradient goes to the first of equals.
///
/// # Errors
/// Where maps are smaller than a window or the device fails.
pub fn max_pool(x: &Tensor, window: Window) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    window.validate(height, width)?;
    if ours(x) { x.contiguous()?.apply_op1(MaxPool(window)) } else { composed(x, window) }
}

/// The maximum of shifted pictures, which candle goes back through rightly; equals share the gradient.
pub(super) fn composed(x: &Tensor, window: Window) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let lines = |extent: usize, offset: usize| {
        let line = |n: usize| (n * window.stride + offset).min(extent - 1) as u32;
        Tensor::from_iter((0..window.count(extent)).map(line), x.device())
    };
    let mut best: Option<Tensor> = None;
    for dy in 0..window.side {
        let rows = x.index_select(&lines(height, dy)?, 2)?;
        for dx in 0..window.side {
            let taken = rows.index_select(&lines(width, dx)?, 3)?;
            best = Some(match best {
                None => taken,
                Some(best) => best.maximum(&taken)?,
            });
        }
    }
    best.ok_or_else(|| candle_core::Error::Msg("an empty window".into()))
}

struct MaxPool(Window);

impl MaxPool {
    /// Calls `put(output, input)` with the place of each window's greatest sample.
    fn each(&self, x: &[f32], height: usize, width: usize, mut put: impl FnMut(usize, usize)) {
        let (rows, columns) = (self.0.count(height), self.0.count(width));
        for row in 0..rows {
            for column in 0..columns {
                let mut best = row * self.0.stride * width + column * self.0.stride;
                for y in self.0.range(row, height) {
                    for x_at in self.0.range(column, width) {
                        if x[y * width + x_at] > x[best] {
                            best = y * width + x_at;
                        }
                    }
                }
                put(row * columns + column, best);
            }
        }
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "upres-max-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, channels, height, width) = layout.shape().dims4()?;
        let (x, area) = (samples(x, layout)?, self.0.count(height) * self.0.count(width));
        let mut y = vec![0.0; batch * channels * area];
        y.par_chunks_mut(area).zip(x.par_chunks(height * width)).for_each(|(y, x)| {
            self.each(x, height, width, |to, from| y[to] = x[from]);
        });
        Ok((CpuStorage::F32(y), Shape::from((batch, channels, self.0.count(height), self.0.count(width)))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, height, width) = x.dims4()?;
        let area = self.0.count(height) * self.0.count(width);
        let back = |x: &[f32], dy: &[f32]| {
            let mut dx = vec![0.0; x.len()];
            let maps = dx.par_chunks_mut(height * width).zip(x.par_chunks(height * width));
            maps.zip(dy.par_chunks(area)).for_each(|((dx, x), dy)| {
                self.each(x, height, width, |to, from| dx[from] += dy[to]);
            });
            dx
        };
        let dx = with_samples(x, |x| with_samples(dy, |dy| back(x, dy)))??;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
