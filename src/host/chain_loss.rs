//! Loss and gradient of a whole chain in one operator, image by image, so that an image's feature maps stay in the cache.
//!
//! The operator takes the merged kernels and biases of all layers as one flat tensor, and returns
//! the mean cost of `chain(input) − target`. Its gradient is computed on the way, since training always asks for it; candle's
//! autograd takes it on from there, into the branches that the kernels were merged from.

use crate::host::dataset::Batch;
use crate::host::loss::Loss;
use crate::kernel::Level;
use crate::kernel::conv::{Conv, Packed, Sheet};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;
use std::sync::Mutex;

/// Channels in and out of each 3×3 layer, from input to output.
pub type Widths = Vec<(usize, usize)>;

struct ChainLoss {
    widths: Widths,
    batch: Batch,
    patch: usize,
    loss: Loss,
    gradient: Mutex<Vec<f32>>,
}

/// The mean `loss` of the chain on `batch` (patches of `patch × patch`), ReLU after every layer but the last.
///
/// `parameters` is flat: for each layer its kernel `[outputs][inputs][3][3]`, then its bias `[outputs]`.
///
/// # Errors
/// Where lengths do not fit, or the tensor is not on the CPU.
pub fn chain_loss(parameters: &Tensor, widths: Widths, batch: Batch, patch: usize, loss: Loss) -> Result<Tensor> {
    let expected: usize = widths.iter().map(|(i, o)| i * o * 9 + o).sum();
    let images = batch.input.len() / (patch * patch).max(1);
    let last = widths.last().map_or(0, |w| w.1);
    if parameters.elem_count() != expected || batch.target.len() != images * patch * patch * last || images == 0 {
        bail!("{} parameters and {} targets do not fit the chain", parameters.elem_count(), batch.target.len());
    }
    parameters.contiguous()?.apply_op1(ChainLoss { widths, batch, patch, loss, gradient: Mutex::default() })
}

/// Kernels packed both ways, and biases.
struct Layers<'a> {
    forward: Vec<(Packed, &'a [f32])>,
    backward: Vec<Packed>,
}

/// What a thread keeps between images.
#[derive(Default)]
struct Workspace {
    sheets: Vec<Sheet>,
    deltas: [Sheet; 2],
    scratch: Vec<f32>,
    difference: Vec<f32>,
}

impl ChainLoss {
    fn layers<'a>(&self, parameters: &'a [f32]) -> Layers<'a> {
        let mut layers = Layers { forward: Vec::new(), backward: Vec::new() };
        let mut rest = parameters;
        for &(inputs, outputs) in &self.widths {
            let (weight, tail) = rest.split_at(inputs * outputs * 9);
            let (bias, tail) = tail.split_at(outputs);
            layers.forward.push((Packed::new(weight, outputs, inputs, 3), bias));
            layers.backward.push(Packed::transposed(weight, outputs, inputs, 3));
            rest = tail;
        }
        layers
    }

    /// The summed error of image `n`; its gradient goes to `gradient`.
    fn image(&self, n: usize, layers: &Layers, space: &mut Workspace, gradient: &mut [f32]) -> f64 {
        let conv = Conv::new(Level::best(), 3, self.patch, self.patch);
        let area = self.patch * self.patch;
        let count = self.widths.len();
        space.sheets.resize_with(count + 1, Sheet::default);
        conv.lay(&self.batch.input[n * area..][..area], None, self.widths[0].0, &mut space.sheets[0]);
        for (i, (weight, bias)) in layers.forward.iter().enumerate() {
            let (before, after) = space.sheets.split_at_mut(i + 1);
            conv.advance(&before[i], weight, bias, i + 1 < count, &mut space.scratch, &mut after[0]);
        }
        let phases = self.widths[count - 1].1;
        let target = &self.batch.target[n * phases * area..][..phases * area];
        let error = self.difference(&conv, &space.sheets[count], target, &mut space.difference);
        let [delta, next] = &mut space.deltas;
        conv.lay(&space.difference, None, phases, delta);
        let mut end = gradient.len();
        for i in (0..count).rev() {
            let (inputs, outputs) = self.widths[i];
            let (weight, bias) = gradient[end - outputs * (inputs * 9 + 1)..end].split_at_mut(inputs * outputs * 9);
            conv.weight_gradient(&space.sheets[i], delta, weight);
            bias.copy_from_slice(&conv.sums(delta));
            end -= outputs * (inputs * 9 + 1);
            if i > 0 {
                conv.retreat(delta, &layers.backward[i], &space.sheets[i], &mut space.scratch, next);
                std::mem::swap(delta, next);
            }
        }
        error
    }

    /// Writes the cost's derivative over n, and returns the summed cost of `output − target`.
    fn difference(&self, conv: &Conv, output: &Sheet, target: &[f32], out: &mut Vec<f32>) -> f64 {
        let share = 1.0 / self.batch.target.len() as f32;
        out.resize(target.len(), 0.0);
        let mut total = 0.0;
        for (n, (out, target)) in out.chunks_exact_mut(self.patch).zip(target.chunks_exact(self.patch)).enumerate() {
            let row = conv.row(output, n / self.patch, n % self.patch);
            let mut sum = 0.0f32;
            for ((out, &value), &target) in out.iter_mut().zip(row).zip(target) {
                let (cost, slope) = self.loss.cost(value - target);
                sum += cost;
                *out = slope * share;
            }
            total += f64::from(sum);
        }
        total
    }
}

impl CustomOp1 for ChainLoss {
    fn name(&self) -> &'static str {
        "upres-chain-loss"
    }

    fn cpu_fwd(&self, parameters: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(data), Some((from, to))) = (parameters, layout.contiguous_offsets()) else {
            bail!("the chain takes contiguous f32 parameters");
        };
        let layers = self.layers(&data[from..to]);
        let images = self.batch.input.len() / (self.patch * self.patch);
        let mut shares: Vec<(f64, Vec<f32>)> = vec![(0.0, Vec::new()); images];
        shares.par_iter_mut().enumerate().for_each_init(Workspace::default, |space, (n, (error, gradient))| {
            *gradient = vec![0.0; to - from];
            *error = self.image(n, &layers, space, gradient);
        });
        // In the batch's order, so that the number of threads does not show.
        let (mut total, mut sum) = (0.0, vec![0.0; to - from]);
        for (error, gradient) in shares {
            total += error;
            sum.iter_mut().zip(gradient).for_each(|(sum, share)| *sum += share);
        }
        *self.gradient.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = sum;
        Ok((CpuStorage::F32(vec![(total / self.batch.target.len() as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, parameters: &Tensor, _loss: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        if !matches!(&*parameters.storage_and_layout().0, Storage::Cpu(_)) {
            bail!("the chain's gradient is on the CPU");
        }
        let gradient = std::mem::take(&mut *self.gradient.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let gradient = Tensor::from_vec(gradient, parameters.shape(), parameters.device())?;
        Ok(Some(gradient.broadcast_mul(upstream)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::net::{Block, Net, Shape as NetShape};
    use crate::host::random::Random;
    use candle_core::Device;

    #[test]
    fn loss_and_gradients_equal_those_of_the_layers_one_by_one() {
        let mut random = Random::new(2);
        for (scale, channels, patch, loss) in [(2, 5, 7, Loss::L1), (4, 16, 12, Loss::L1), (3, 6, 9, Loss::L2)] {
            let shape = NetShape { scale, channels, blocks: 2, block: Block::Ecb };
            let net = Net::new(shape, &mut random, &Device::Cpu).unwrap();
            let mut noise = |n: usize| (0..n).map(|_| random.normal() as f32).collect::<Vec<_>>();
            let batch = Batch { input: noise(3 * patch * patch), target: noise(3 * scale * scale * patch * patch) };
            let input = Tensor::from_slice(&batch.input, (3, 1, patch, patch), &Device::Cpu).unwrap();
            let target = Tensor::from_slice(&batch.target, (3, scale * scale, patch, patch), &Device::Cpu).unwrap();
            let slow = loss.mean(&net.forward(&input).unwrap(), &target).unwrap();
            let fast = net.loss(batch, patch, loss).unwrap();
            let (a, b) = (slow.to_scalar::<f32>().unwrap(), fast.to_scalar::<f32>().unwrap());
            assert!((a - b).abs() < 1e-5, "{a} {b}");
            let (slow, fast) = (slow.backward().unwrap(), fast.backward().unwrap());
            for (name, var) in net.variables() {
                let difference = (slow.get(var).unwrap() - fast.get(var).unwrap()).unwrap().abs().unwrap();
                let worst = difference.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
                assert!(worst < 1e-5, "{name}: {worst}");
            }
        }
    }
}
