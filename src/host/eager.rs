//! Costs whose gradient comes out of the same pass: a batch is gone through image by image, while an image's feature maps
//! are in the cache, and candle's autograd only takes the result on, into what the parameters were made from.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// A cost that is known already, and its gradient.
struct Eager {
    cost: f32,
    gradient: Mutex<Vec<f32>>,
}

/// The cost of `parameters`, f32 on the CPU; `compute` gives it with its gradient, one value a parameter.
///
/// # Errors
/// Where the parameters are not f32, or the gradient has not their number.
pub(super) fn eager(parameters: &Tensor, compute: impl FnOnce(&[f32]) -> (f64, Vec<f32>)) -> Result<Tensor> {
    let (cost, gradient) = compute(&parameters.flatten_all()?.to_vec1::<f32>()?);
    if gradient.len() != parameters.elem_count() {
        bail!("{} derivatives for {} parameters", gradient.len(), parameters.elem_count());
    }
    parameters.apply_op1(Eager { cost: cost as f32, gradient: Mutex::new(gradient) })
}

/// The sum over `images` of a cost and of its gradient, `parameters` long. `image` is given what its thread keeps between
/// images, the image's number and room for its gradient, and returns its cost.
pub(super) fn over_images<S: Default>(
    images: usize,
    parameters: usize,
    image: impl Fn(&mut S, usize, &mut [f32]) -> f64 + Sync + Send,
) -> (f64, Vec<f32>) {
    let mut shares = vec![(0.0, vec![0.0; parameters]); images];
    shares.par_iter_mut().enumerate().for_each_init(S::default, |space, (n, (cost, gradient))| {
        *cost = image(space, n, gradient);
    });
    // In the batch's order, so that the number of threads does not show.
    let (mut total, mut sum) = (0.0, vec![0.0; parameters]);
    for (cost, gradient) in shares {
        total += cost;
        sum.iter_mut().zip(gradient).for_each(|(sum, share)| *sum += share);
    }
    (total, sum)
}

impl CustomOp1 for Eager {
    fn name(&self) -> &'static str {
        "upres-eager"
    }

    fn cpu_fwd(&self, _parameters: &CpuStorage, _layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.cost]), Shape::from(())))
    }

    fn bwd(&self, parameters: &Tensor, _cost: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let gradient = std::mem::take(&mut *self.gradient.lock().unwrap_or_else(PoisonError::into_inner));
        let gradient = Tensor::from_vec(gradient, parameters.shape(), parameters.device())?;
        Ok(Some(gradient.broadcast_mul(upstream)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn the_gradient_goes_on_into_what_the_parameters_were_made_from() {
        let x = Var::new(&[1.0f32, -2.0, 3.0], &Device::Cpu).unwrap();
        // (2x)² by hand, scaled once more behind the cost: d/dx = 3 · 2 · 2(2x).
        let cost = eager(&(x.as_tensor() * 2.0).unwrap(), |p| {
            (p.iter().map(|p| f64::from(p * p)).sum(), p.iter().map(|p| 2.0 * p).collect())
        });
        let cost = (cost.unwrap() * 3.0).unwrap();
        assert_eq!(cost.to_vec0::<f32>().map(f32::to_bits).unwrap(), (3.0f32 * 4.0 * 14.0).to_bits());
        assert_eq!(cost.backward().unwrap().get(&x).unwrap().to_vec1::<f32>().unwrap(), [24.0, -48.0, 72.0]);
        assert!(eager(x.as_tensor(), |_| (0.0, vec![1.0])).is_err());
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                over_images(37, 50, |space: &mut u32, n, gradient| {
                    *space += 1;
                    gradient.iter_mut().enumerate().for_each(|(i, g)| *g = ((n * 31 + i) as f32).sin() / 3.0);
                    (n as f64).sqrt()
                })
            })
        };
        assert_eq!(run(1), run(3));
    }
}
