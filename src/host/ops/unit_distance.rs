//! The distance of two stacks of features whose pixels count by direction alone: one layer of LPIPS, in one pass each way.

use super::storage::{ours, samples, with_samples};
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Added to a squared length: 1e-10 for the length of nothing, and a slope there that is a number.
const LEAST: f32 = 1e-20;

struct UnitDistance {
    /// One a channel.
    weights: Vec<f32>,
}

/// `mean_{n,x,y} Σ_c w_c · (â_c − b̂_c)²` of `a` and `b` `[batch, channels, height, width]`, with â each pixel's channels
/// divided by their length. The gradient goes into `a` alone.
///
/// # Errors
/// Where shapes do not fit or the device fails.
pub fn unit_distance(a: &Tensor, b: &Tensor, weights: &[f32]) -> Result<Tensor> {
    let (_, channels, _, _) = a.dims4()?;
    if a.shape() != b.shape() || weights.len() != channels {
        bail!("features of {:?} and {:?} with {} weights", a.shape(), b.shape(), weights.len());
    }
    if ours(a) {
        return a.contiguous()?.apply_op2(&b.contiguous()?, UnitDistance { weights: weights.to_vec() });
    }
    composed(a, b, weights)
}

/// The same of candle's operators.
pub(super) fn composed(a: &Tensor, b: &Tensor, weights: &[f32]) -> Result<Tensor> {
    let (_, channels, _, _) = a.dims4()?;
    let unit = |x: &Tensor| x.broadcast_div(&(x.sqr()?.sum_keepdim(1)? + f64::from(LEAST))?.sqrt()?);
    let weights = Tensor::from_slice(weights, (1, channels, 1, 1), a.device())?;
    let pixels = (a.elem_count() / channels.max(1)) as f64;
    (unit(a)? - unit(&b.detach())?)?.sqr()?.broadcast_mul(&weights)?.sum_all()? / pixels
}

/// One over the length of each pixel's channels.
fn shortening(features: &[f32], area: usize) -> Vec<f32> {
    let mut sums = vec![LEAST; area];
    for map in features.chunks_exact(area) {
        sums.iter_mut().zip(map).for_each(|(sum, x)| *sum += x * x);
    }
    for sum in &mut sums {
        *sum = sum.sqrt().recip();
    }
    sums
}

impl UnitDistance {
    /// One image's sum over pixels.
    fn sum(&self, a: &[f32], b: &[f32], area: usize) -> f64 {
        let (short_a, short_b) = (shortening(a, area), shortening(b, area));
        let mut sums = vec![0.0f32; area];
        for ((a, b), weight) in a.chunks_exact(area).zip(b.chunks_exact(area)).zip(&self.weights) {
            let maps = sums.iter_mut().zip(a).zip(b).zip(&short_a).zip(&short_b);
            maps.for_each(|((((sum, a), b), short_a), short_b)| {
                let gap = a * short_a - b * short_b;
                *sum += weight * gap * gap;
            });
        }
        sums.iter().map(|&sum| f64::from(sum)).sum()
    }

    /// One image's gradient, times `share`: with e_c = 2 w_c (â_c − b̂_c), `(e_c − â_c Σ â e) / ‖a‖`.
    fn gradient(&self, a: &[f32], b: &[f32], area: usize, share: f32, da: &mut [f32]) {
        let (short_a, short_b) = (shortening(a, area), shortening(b, area));
        let mut along = vec![0.0f32; area];
        let channels = a.chunks_exact(area).zip(b.chunks_exact(area)).zip(&self.weights);
        for (((a, b), weight), da) in channels.zip(da.chunks_exact_mut(area)) {
            let maps = along.iter_mut().zip(da).zip(a).zip(b).zip(&short_a).zip(&short_b);
            maps.for_each(|(((((along, da), a), b), short_a), short_b)| {
                let unit = a * short_a;
                *da = 2.0 * share * weight * (unit - b * short_b);
                *along += unit * *da;
            });
        }
        for (a, da) in a.chunks_exact(area).zip(da.chunks_exact_mut(area)) {
            let maps = da.iter_mut().zip(a).zip(&along).zip(&short_a);
            maps.for_each(|(((da, a), along), short_a)| *da = (*da - a * short_a * along) * short_a);
        }
    }
}

impl CustomOp2 for UnitDistance {
    fn name(&self) -> &'static str {
        "upres-unit-distance"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, channels, height, width) = a_layout.shape().dims4()?;
        let (a, b, area) = (samples(a, a_layout)?, samples(b, b_layout)?, height * width);
        let images = a.par_chunks(channels * area).zip(b.par_chunks(channels * area));
        let sums: Vec<f64> = images.map(|(a, b)| self.sum(a, b, area)).collect();
        let mean = sums.iter().sum::<f64>() / (batch * area) as f64;
        Ok((CpuStorage::F32(vec![mean as f32]), Shape::from(())))
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (batch, channels, height, width) = a.dims4()?;
        let (area, share) = (height * width, dy.to_scalar::<f32>()? / (batch * height * width) as f32);
        let back = |a: &[f32], b: &[f32]| {
            let mut da = vec![0.0; a.len()];
            let images = da.par_chunks_mut(channels * area).zip(a.par_chunks(channels * area));
            images.zip(b.par_chunks(channels * area)).for_each(|((da, a), b)| self.gradient(a, b, area, share, da));
            da
        };
        let da = with_samples(a, |a| with_samples(b, |b| back(a, b)))??;
        Ok((Some(Tensor::from_vec(da, a.shape(), a.device())?), None))
    }
}
