//! The parametric ReLU in one pass each way; candle's own takes many.

use super::convolution::positive;
use super::storage::{ours, samples, with_samples};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// `y = x` where x is positive, `y = aᶜ · x` elsewhere.
struct Prelu;

/// The parametric ReLU (He 2015) of `x` `[batch, channels, height, width]` with a slope for each channel.
///
/// # Errors
/// Where the slopes are not one a channel, or the device fails.
pub fn prelu(x: &Tensor, slopes: &Tensor) -> Result<Tensor> {
    if ours(x) { x.contiguous()?.apply_op2(&slopes.contiguous()?, Prelu) } else { composed(x, slopes) }
}

/// The same of candle's operators.
pub(super) fn composed(x: &Tensor, slopes: &Tensor) -> Result<Tensor> {
    extents(x.shape(), slopes.shape())?;
    let positive = positive(x)?;
    let rest = (x * positive.affine(-1.0, 1.0)?)?;
    (x * positive)? + rest.broadcast_mul(&slopes.reshape((1, (), 1, 1))?)?
}

/// Samples of a map, and the number of channels.
fn extents(x: &Shape, slopes: &Shape) -> Result<(usize, usize)> {
    let (_, channels, height, width) = x.dims4()?;
    if slopes.dims1()? != channels || height * width == 0 {
        bail!("{slopes:?} slopes do not fit {x:?}");
    }
    Ok((height * width, channels))
}

impl CustomOp2 for Prelu {
    fn name(&self) -> &'static str {
        "upres-prelu"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        slopes: &CpuStorage,
        slopes_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (area, channels) = extents(x_layout.shape(), slopes_layout.shape())?;
        let (x, slopes) = (samples(x, x_layout)?, samples(slopes, slopes_layout)?);
        let mut y = vec![0.0; x.len()];
        y.par_chunks_mut(area).zip(x.par_chunks(area)).enumerate().for_each(|(map, (y, x))| {
            let slope = slopes[map % channels];
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x > 0.0 { x } else { slope * x });
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, slopes: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (area, channels) = extents(x.shape(), slopes.shape())?;
        let both = |x: &[f32], slopes: &[f32], dy: &[f32]| {
            let mut dx = vec![0.0; x.len()];
            let maps = dx.par_chunks_mut(area).zip(x.par_chunks(area)).zip(dy.par_chunks(area)).enumerate();
            let shares = maps.map(|(map, ((dx, x), dy))| {
                let slope = slopes[map % channels];
                let mut share = 0.0;
                for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                    let negative = if x > 0.0 { 0.0 } else { x };
                    *dx = if x > 0.0 { dy } else { slope * dy };
                    share += negative * dy;
                }
                share
            });
            // Summed in the batch's order, so that the number of threads does not show.
            let mut gradient = vec![0.0f32; channels];
            shares.collect::<Vec<f32>>().iter().enumerate().for_each(|(map, share)| gradient[map % channels] += share);
            (dx, gradient)
        };
        let (dx, gradient) =
            with_samples(x, |x| with_samples(slopes, |slopes| with_samples(dy, |dy| both(x, slopes, dy))))???;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(gradient, slopes.shape(), x.device())?)))
    }
}
