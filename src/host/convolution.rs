//! The convolution that training runs on: one candle operator for a same-padded, stride-1 convolution with bias and ReLU.
//!
//! candle's own convolution gathers im2col and zeroes pages for longer than it multiplies; this one runs the kernels of
//! [`crate::kernel::conv`] over a batch and leaves out gradients that nobody needs.

use crate::kernel::Level;
use crate::kernel::conv::{Conv, Packed, Sheet};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

/// `y = conv(x, w) + b`, then `max(0, y)` where `relu`.
///
/// x is `[batch, inputs, height, width]`, w `[outputs, inputs, side, side]` with an odd side, b `[outputs]`, all f32 and
/// contiguous. With `input_gradient` false the gradient of x is not computed: the first layer of a network needs none.
#[derive(Debug, Clone, Copy)]
struct Convolution {
    relu: bool,
    input_gradient: bool,
}

/// Convolves `x` with `weight`, adds `bias`, and applies a ReLU where `relu`; on the CPU by our kernels, on an
/// NVIDIA GPU by cuDNN.
///
/// # Errors
/// Where shapes do not fit or the device fails.
pub fn convolve(x: &Tensor, weight: &Tensor, bias: &Tensor, relu: bool, input_gradient: bool) -> Result<Tensor> {
    if x.device().is_cpu() {
        let op = Convolution { relu, input_gradient };
        return x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op);
    }
    #[cfg(feature = "cuda")]
    let y = crate::kernel::cuda::convolve(x, weight, input_gradient)?;
    #[cfg(not(feature = "cuda"))]
    let y = x.conv2d(weight, weight.dim(2)? / 2, 1, 1, 1)?;
    let y = y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?;
    if relu { y.relu() } else { Ok(y) }
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

fn samples<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((from, to))) => Ok(&data[from..to]),
        _ => bail!("the convolution takes contiguous f32 tensors"),
    }
}

/// Runs `f` on the samples of a CPU tensor.
fn with_samples<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(samples(storage, layout)?)),
        _ => bail!("the convolution's backward pass takes CPU tensors"),
    }
}

/// What a thread keeps between images.
#[derive(Default)]
struct Scratch {
    sheet: Sheet,
    delta: Sheet,
    rows: Vec<f32>,
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
                kernel.forward(&scratch.sheet, &packed, bias, self.relu, &mut scratch.rows, out);
            },
        );
        out
    }

    /// Gradients of x (where wanted), w and b. Each image's share is summed in the batch's order, so that the number of
    /// threads does not show.
    fn backward(self, x: &[f32], weight: &[f32], y: &[f32], dy: &[f32], dims: &Dims) -> [Vec<f32>; 3] {
        let kernel = dims.kernel();
        let packed = Packed::transposed(weight, dims.outputs, dims.inputs, dims.side);
        let (area, taps) = (dims.area(), dims.side * dims.side);
        let (size_in, size_out) = (dims.inputs * area, dims.outputs * area);
        let mut dx = vec![0.0; if self.input_gradient { dims.batch * size_in } else { 0 }];
        let mut shares: Vec<(&mut [f32], Vec<f32>, Vec<f32>)> = if self.input_gradient {
            dx.chunks_mut(size_in).map(|dx| (dx, Vec::new(), Vec::new())).collect()
        } else {
            (0..dims.batch).map(|_| (&mut [][..], Vec::new(), Vec::new())).collect()
        };
        shares.par_iter_mut().enumerate().for_each_init(Scratch::default, |scratch, (n, (dx, dw, db))| {
            let (x, dy) = (&x[n * size_in..][..size_in], &dy[n * size_out..][..size_out]);
            let mask = self.relu.then(|| &y[n * size_out..][..size_out]);
            kernel.lay(x, None, dims.inputs, &mut scratch.sheet);
            kernel.lay(dy, mask, dims.outputs, &mut scratch.delta);
            *dw = vec![0.0; dims.outputs * dims.inputs * taps];
            kernel.weight_gradient(&scratch.sheet, &scratch.delta, dw);
            *db = kernel.sums(&scratch.delta);
            if self.input_gradient {
                kernel.forward(&scratch.delta, &packed, &[], false, &mut scratch.rows, dx);
            }
        });
        let (mut dw, mut db) = (vec![0.0; dims.outputs * dims.inputs * taps], vec![0.0; dims.outputs]);
        for (_, weight, bias) in shares {
            dw.iter_mut().zip(weight).for_each(|(sum, share)| *sum += share);
            db.iter_mut().zip(bias).for_each(|(sum, share)| *sum += share);
        }
        [dx, dw, db]
    }
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
        let [dx, dw, db] = with_samples(x, |xs| {
            with_samples(weight, |ws| {
                with_samples(y, |ys| with_samples(dy, |dys| self.backward(xs, ws, ys, dys, &dims)))
            })
        })????;
        let device = x.device();
        let dx = self.input_gradient.then(|| Tensor::from_vec(dx, x.shape(), device)).transpose()?;
        let dw = Tensor::from_vec(dw, weight.shape(), device)?;
        Ok((dx, Some(dw), Some(Tensor::from_vec(db, bias.shape(), device)?)))
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
    fn loss(x: &Tensor, w: &Tensor, b: &Tensor, probe: &Tensor, relu: bool) -> Tensor {
        (convolve(x, w, b, relu, true).unwrap() * probe).unwrap().sum_all().unwrap()
    }

    #[test]
    fn gradients_equal_finite_differences() {
        for (relu, side) in [(true, 3), (false, 3), (true, 1), (false, 5)] {
            let mut random = Random::new(11);
            let (x, w) = (noise(&mut random, &[2, 3, 6, 5]), noise(&mut random, &[4, 3, side, side]));
            let (b, probe) = (noise(&mut random, &[4]), noise(&mut random, &[2, 4, 6, 5]));
            let vars = [&x, &w, &b].map(|t| Var::from_tensor(t).unwrap());
            let grads = loss(&vars[0], &vars[1], &vars[2], &probe, relu).backward().unwrap();
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
                        f64::from(loss(x, w, b, &probe, relu).to_scalar::<f32>().unwrap())
                    };
                    // A small step finds the slope; where a ReLU's kink lies between, left and right slopes differ and
                    // the gradient must lie between them.
                    let h = 2e-3;
                    let (left, right) = ((at(0.0) - at(-h)) / f64::from(h), (at(h) - at(0.0)) / f64::from(h));
                    let (low, high) = (left.min(right) - 0.05, left.max(right) + 0.05);
                    let g = f64::from(gradient[n]);
                    assert!(
                        (low..=high).contains(&g),
                        "relu {relu} side {side} operand {which}[{n}]: {g} {left} {right}"
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
        let ours = convolve(&x, &w, &b, true, true).unwrap();
        let theirs = x.conv2d(&w, 1, 1, 1, 1).unwrap().broadcast_add(&b.reshape((1, 7, 1, 1)).unwrap()).unwrap();
        let difference = (ours - theirs.relu().unwrap()).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
    }

    #[test]
    fn bad_shapes_are_errors_not_panics() {
        let (x, w) = (Tensor::zeros((1, 2, 4, 4), candle_core::DType::F32, &Device::Cpu).unwrap(), [3, 5, 3, 3]);
        let w = Tensor::zeros(&w[..], candle_core::DType::F32, &Device::Cpu).unwrap();
        let b = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(convolve(&x, &w, &b, false, true).is_err());
    }
}
