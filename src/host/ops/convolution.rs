//! The convolution that training runs on: one candle operator for a same-padded, stride-1 convolution with bias and a
//! (leaky) ReLU.
//!
//! candle's own convolution gathers im2col and zeroes pages for longer than it multiplies; this one runs the kernels of
//! [`crate::kernel::conv`] over a batch and leaves out gradients that nobody needs: of a picture, or of frozen weights.

use super::storage::{ours, samples, with_samples};
use super::unfold::{Patches, convolve_twice};
use crate::kernel::Level;
use crate::kernel::conv::{Conv, Packed, Sheet};
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// `y = conv(x, w) + b`; with a slope s then `y` where y is positive and `s · y` elsewhere.
///
/// x is `[batch, inputs, height, width]`, w `[outputs, inputs, side, side]` with an odd side, b `[outputs]`, all f32 and
/// contiguous.
#[derive(Debug, Clone, Copy)]
struct Convolution {
    slope: Option<f32>,
}

/// Convolves `x` with `weight`, adds `bias`, and with a `slope` multiplies what is negative by it (0 is a ReLU); on the CPU
/// by our kernels, on an NVIDIA GPU by cuDNN. What candle does not track gets no gradient computed.
///
/// # Errors
/// Where shapes do not fit or the device fails, or the slope is negative.
pub fn convolve(x: &Tensor, weight: &Tensor, bias: &Tensor, slope: Option<f32>) -> Result<Tensor> {
    if slope.is_some_and(|slope| slope < 0.0) {
        bail!("a slope of {slope:?} cannot be undone from the result");
    }
    if ours(x) {
        return x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Convolution { slope });
    }
    let side = weight.dim(2)?;
    composed(x, weight, bias, Patches { side, stride: 1, padding: side / 2 }, slope)
}

/// The same of any patches, by cuDNN on an NVIDIA GPU. Elsewhere patches laid out are multiplied, in f32: candle's own
/// convolution knows no bf16 on the CPU, and goes back wrongly through strides where a map is not square.
pub(super) fn composed(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    patches: Patches,
    slope: Option<f32>,
) -> Result<Tensor> {
    let y = if let Some(y) = by_cudnn(x, weight, patches) {
        y?.broadcast_add(&bias.reshape((1, (), 1, 1))?)?
    } else {
        let wide = |tensor: &Tensor| tensor.to_dtype(DType::F32);
        convolve_twice(&wide(x)?, &wide(weight)?, &wide(bias)?, patches)?.to_dtype(x.dtype())?
    };
    match slope {
        None => Ok(y),
        Some(0.0) => y.relu(),
        Some(slope) => sloped(&y, slope),
    }
}

/// The convolution without its bias, where there is an NVIDIA GPU.
#[cfg(feature = "cuda")]
fn by_cudnn(x: &Tensor, weight: &Tensor, patches: Patches) -> Option<Result<Tensor>> {
    let cuda = x.device().is_cuda();
    cuda.then(|| crate::kernel::cuda::convolve(x, weight, patches.stride, patches.padding))
}

#[cfg(not(feature = "cuda"))]
fn by_cudnn(_x: &Tensor, _weight: &Tensor, _patches: Patches) -> Option<Result<Tensor>> {
    None
}

/// 1 where `x` is positive, 0 elsewhere, of x's own type; untracked.
pub(super) fn positive(x: &Tensor) -> Result<Tensor> {
    x.detach().relu()?.sign()
}

/// `x` where it is positive and `slope · x` elsewhere, for slopes of 0 to 1.
///
/// # Errors
/// Where the device fails.
pub fn leaky(x: &Tensor, slope: f32) -> Result<Tensor> {
    if ours(x) { x.maximum(&(x * f64::from(slope))?) } else { sloped(x, slope) }
}

/// The same by one product, of which candle takes the way back in one pass; of a maximum it takes eight.
pub(super) fn sloped(x: &Tensor, slope: f32) -> Result<Tensor> {
    let (positive, slope) = (positive(x)?, f64::from(slope));
    x * (positive.affine(-slope, slope)? + positive)?
}

struct Dims {
    batch: usize,
    inputs: usize,
    outputs: usize,
    side: usize,
    height: usize,
    width: usize,
}

impl Dims {
    fn new(x: &Shape, weight: &Shape) -> Result<Self> {
        let (batch, inputs, height, width) = x.dims4()?;
        let (outputs, weight_inputs, side, side2) = weight.dims4()?;
        if inputs != weight_inputs || side != side2 || side % 2 == 0 || batch * height * width == 0 {
            bail!("convolution of {x:?} by {weight:?} does not fit");
        }
        Ok(Self { batch, inputs, outputs, side, height, width })
    }

    fn kernel(&self) -> Conv {
        Conv::new(Level::best(), self.side, self.width, self.height)
    }

    fn area(&self) -> usize {
        self.height * self.width
    }
}

/// What a thread keeps between images.
#[derive(Default)]
struct Scratch {
    sheet: Sheet,
    delta: Sheet,
    rows: Vec<f32>,
    sloped: Vec<f32>,
}

impl Convolution {
    fn forward(self, x: &[f32], weight: &[f32], bias: &[f32], dims: &Dims) -> Vec<f32> {
        let kernel = dims.kernel();
        let packed = Packed::new(weight, dims.outputs, dims.inputs, dims.side);
        let mut out = vec![0.0; dims.batch * dims.outputs * dims.area()];
        out.par_chunks_mut(dims.outputs * dims.area()).zip(x.par_chunks(dims.inputs * dims.area())).for_each_init(
            Scratch::default,
            |scratch, (out, x)| {
                kernel.lay(x, None, dims.inputs, &mut scratch.sheet);
                kernel.forward(&scratch.sheet, &packed, bias, self.slope == Some(0.0), &mut scratch.rows, out);
                if let Some(slope) = self.slope.filter(|&slope| slope > 0.0) {
                    for y in out {
                        *y = y.max(slope * *y);
                    }
                }
            },
        );
        out
    }

    /// Gradients of x, and of w and b, where wanted; the others are empty. Each image's share is summed in the batch's
    /// order, so that the number of threads does not show.
    fn backward(self, operands: &Operands, dims: &Dims, wanted: Wanted) -> [Vec<f32>; 3] {
        let kernel = dims.kernel();
        let packed = Packed::transposed(operands.weight, dims.outputs, dims.inputs, dims.side);
        let (area, taps) = (dims.area(), dims.side * dims.side);
        let size_in = dims.inputs * area;
        let mut dx = vec![0.0; if wanted.input { dims.batch * size_in } else { 0 }];
        let mut shares: Vec<(&mut [f32], Vec<f32>, Vec<f32>)> = if wanted.input {
            dx.chunks_mut(size_in).map(|dx| (dx, Vec::new(), Vec::new())).collect()
        } else {
            (0..dims.batch).map(|_| (&mut [][..], Vec::new(), Vec::new())).collect()
        };
        shares.par_iter_mut().enumerate().for_each_init(Scratch::default, |scratch, (n, (dx, dw, db))| {
            self.lay_delta(operands, dims, n, scratch);
            if wanted.weights {
                kernel.lay(&operands.x[n * size_in..][..size_in], None, dims.inputs, &mut scratch.sheet);
                *dw = vec![0.0; dims.outputs * dims.inputs * taps];
                kernel.weight_gradient(&scratch.sheet, &scratch.delta, dw);
                *db = kernel.sums(&scratch.delta);
            }
            if wanted.input {
                kernel.forward(&scratch.delta, &packed, &[], false, &mut scratch.rows, dx);
            }
        });
        let counts = if wanted.weights { (dims.outputs * dims.inputs * taps, dims.outputs) } else { (0, 0) };
        let (mut dw, mut db) = (vec![0.0; counts.0], vec![0.0; counts.1]);
        for (_, weight, bias) in shares {
            dw.iter_mut().zip(weight).for_each(|(sum, share)| *sum += share);
            db.iter_mut().zip(bias).for_each(|(sum, share)| *sum += share);
        }
        [dx, dw, db]
    }

    /// Lays the gradient of image `n` before its activation.
    fn lay_delta(self, operands: &Operands, dims: &Dims, n: usize, scratch: &mut Scratch) {
        let size = dims.outputs * dims.area();
        let (y, dy) = (&operands.y[n * size..][..size], &operands.dy[n * size..][..size]);
        match self.slope {
            None => dims.kernel().lay(dy, None, dims.outputs, &mut scratch.delta),
            Some(0.0) => dims.kernel().lay(dy, Some(y), dims.outputs, &mut scratch.delta),
            Some(slope) => {
                scratch.sloped.clear();
                scratch.sloped.extend(dy.iter().zip(y).map(|(dy, y)| if *y > 0.0 { *dy } else { slope * dy }));
                dims.kernel().lay(&scratch.sloped, None, dims.outputs, &mut scratch.delta);
            }
        }
    }
}

/// What the backward pass reads.
struct Operands<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
}

/// Which gradients somebody needs.
#[derive(Clone, Copy)]
struct Wanted {
    input: bool,
    weights: bool,
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "upres-convolution"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dims = Dims::new(x_layout.shape(), weight_layout.shape())?;
        let bias = samples(bias, bias_layout)?;
        if bias.len() != dims.outputs {
            bail!("{} biases for {} channels", bias.len(), dims.outputs);
        }
        let out = self.forward(samples(x, x_layout)?, samples(weight, weight_layout)?, bias, &dims);
        Ok((CpuStorage::F32(out), Shape::from((dims.batch, dims.outputs, dims.height, dims.width))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dims = Dims::new(x.shape(), weight.shape())?;
        let wanted = Wanted { input: x.track_op(), weights: weight.track_op() || bias.track_op() };
        let [dx, dw, db] = with_samples(x, |x| {
            with_samples(weight, |weight| {
                with_samples(y, |y| with_samples(dy, |dy| self.backward(&Operands { x, weight, y, dy }, &dims, wanted)))
            })
        })????;
        let tensor = |wanted: bool, values, like: &Tensor| {
            wanted.then(|| Tensor::from_vec(values, like.shape(), like.device())).transpose()
        };
        Ok((tensor(wanted.input, dx, x)?, tensor(wanted.weights, dw, weight)?, tensor(wanted.weights, db, bias)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::random::Random;
    use candle_core::{Device, Var};

    fn noise(random: &mut Random, shape: &[usize]) -> Tensor {
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.normal() as f32).collect();
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }

    /// `Σ out · probe`, so that every output counts differently.
    fn loss(x: &Tensor, w: &Tensor, b: &Tensor, probe: &Tensor, slope: Option<f32>) -> Tensor {
        (convolve(x, w, b, slope).unwrap() * probe).unwrap().sum_all().unwrap()
    }

    #[test]
    fn gradients_equal_finite_differences() {
        for (slope, side) in [(Some(0.0), 3), (None, 3), (Some(0.0), 1), (None, 5), (Some(0.2), 3)] {
            let mut random = Random::new(11);
            let (x, w) = (noise(&mut random, &[2, 3, 6, 5]), noise(&mut random, &[4, 3, side, side]));
            let (b, probe) = (noise(&mut random, &[4]), noise(&mut random, &[2, 4, 6, 5]));
            let vars = [&x, &w, &b].map(|t| Var::from_tensor(t).unwrap());
            let grads = loss(&vars[0], &vars[1], &vars[2], &probe, slope).backward().unwrap();
            for (which, var) in vars.iter().enumerate() {
                let gradient = grads.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let values = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                for n in (0..values.len()).step_by(3) {
                    let at = |delta: f32| {
                        let mut moved = values.clone();
                        moved[n] += delta;
                        let moved = Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap();
                        let mut parts = [x.clone(), w.clone(), b.clone()];
                        parts[which] = moved;
                        let [x, w, b] = &parts;
                        f64::from(loss(x, w, b, &probe, slope).to_scalar::<f32>().unwrap())
                    };
                    // A small step finds the slope; where a ReLU's kink lies between, left and right slopes differ and
                    // the gradient must lie between them.
                    let h = 2e-3;
                    let (left, right) = ((at(0.0) - at(-h)) / f64::from(h), (at(h) - at(0.0)) / f64::from(h));
                    let (low, high) = (left.min(right) - 0.05, left.max(right) + 0.05);
                    let g = f64::from(gradient[n]);
                    assert!(
                        (low..=high).contains(&g),
                        "slope {slope:?} side {side} operand {which}[{n}]: {g} {left} {right}"
                    );
                }
            }
        }
    }

    #[test]
    fn equals_candles_own_convolution() {
        let mut random = Random::new(5);
        let (x, w) = (noise(&mut random, &[3, 2, 9, 12]), noise(&mut random, &[7, 2, 3, 3]));
        let b = noise(&mut random, &[7]);
        let ours = convolve(&x, &w, &b, Some(0.0)).unwrap();
        let theirs = x.conv2d(&w, 1, 1, 1, 1).unwrap().broadcast_add(&b.reshape((1, 7, 1, 1)).unwrap()).unwrap();
        let difference = (ours - theirs.relu().unwrap()).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
    }

    #[test]
    fn what_is_not_tracked_gets_no_gradient() {
        let mut random = Random::new(3);
        let x = Var::from_tensor(&noise(&mut random, &[1, 2, 5, 5])).unwrap();
        let (w, b) = (noise(&mut random, &[3, 2, 3, 3]), noise(&mut random, &[3]));
        let y = convolve(&x, &w, &b, None).unwrap().sum_all().unwrap();
        let gradients = y.backward().unwrap();
        assert!(gradients.get(&x).is_some() && gradients.get(&w).is_none() && gradients.get(&b).is_none());
    }

    #[test]
    fn bad_shapes_are_errors_not_panics() {
        let (x, w) = (Tensor::zeros((1, 2, 4, 4), candle_core::DType::F32, &Device::Cpu).unwrap(), [3, 5, 3, 3]);
        let w = Tensor::zeros(&w[..], candle_core::DType::F32, &Device::Cpu).unwrap();
        let b = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(convolve(&x, &w, &b, None).is_err());
    }
}
