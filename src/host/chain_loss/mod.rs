//! Loss and gradient of a whole chain in one operator, image by image, so that an image's feature maps stay in the cache.
//!
//! The operator takes the merged kernels and biases of all layers as one flat tensor, and returns
//! the mean cost of `chain(input) − target`. Its gradient is computed on the way, since training always asks for it; candle's
//! autograd takes it on from there, into the branches that the kernels were merged from.

use crate::host::dataset::Batch;
use crate::host::eager::{eager, over_images};
use crate::host::loss::Loss;
use crate::host::precision::Precision;
use crate::kernel::Level;
use crate::kernel::bf16::Tiles;
use crate::kernel::conv::{Conv, Packed, Sheet};
use candle_core::{Result, Tensor, bail};

mod bf16;

/// Channels in and out of each 3×3 layer, from input to output.
pub type Widths = Vec<(usize, usize)>;

struct ChainLoss {
    widths: Widths,
    batch: Batch,
    patch: usize,
    loss: Loss,
}

/// The mean `loss` of the chain on `batch` (patches of `patch × patch`), ReLU after every layer but the last.
///
/// `parameters` is flat: for each layer its kernel `[outputs][inputs][3][3]`, then its bias `[outputs]`.
///
/// # Errors
/// Where lengths do not fit, or the tensor is not on the CPU.
pub fn chain_loss(
    parameters: &Tensor,
    widths: Widths,
    batch: Batch,
    patch: usize,
    loss: Loss,
    precision: Precision,
) -> Result<Tensor> {
    let expected: usize = widths.iter().map(|(i, o)| i * o * 9 + o).sum();
    let images = batch.input.len() / (patch * patch).max(1);
    let last = widths.last().map_or(0, |w| w.1);
    if parameters.elem_count() != expected || batch.target.len() != images * patch * patch * last || images == 0 {
        bail!("{} parameters and {} targets do not fit the chain", parameters.elem_count(), batch.target.len());
    }
    let samples = batch.target.len() as f64;
    let job = ChainLoss { widths, batch, patch, loss };
    eager(parameters, |parameters| {
        let (total, gradient) = match precision {
            Precision::F32 => {
                let layers = job.layers(parameters);
                over_images(images, expected, |space, n, gradient| job.image(n, &layers, space, gradient))
            }
            Precision::Bf16 => {
                let tiles = Tiles::fast().unwrap_or(Tiles::Scalar);
                let layers = bf16::Layers::new(&job, parameters);
                over_images(images, expected, |space, n, out| job.image_bf16(tiles, n, &layers, space, out))
            }
        };
        (total / samples, gradient)
    })
}

/// The kernel and the bias of each layer among flat `parameters`.
fn split<'a>(widths: &Widths, mut parameters: &'a [f32]) -> Vec<(&'a [f32], &'a [f32])> {
    let each = widths.iter().map(|(inputs, outputs)| {
        let (weight, tail) = parameters.split_at(inputs * outputs * 9);
        let (bias, tail) = tail.split_at(*outputs);
        parameters = tail;
        (weight, bias)
    });
    each.collect()
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
        for (&(inputs, outputs), (weight, bias)) in self.widths.iter().zip(split(&self.widths, parameters)) {
            layers.forward.push((Packed::new(weight, outputs, inputs, 3), bias));
            layers.backward.push(Packed::transposed(weight, outputs, inputs, 3));
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
            let fast = net.loss(batch, patch, loss, Precision::F32).unwrap();
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

    /// The direction that bf16 descends in is f32's, to about a hundredth.
    #[test]
    fn bf16_agrees_with_f32() {
        let mut random = Random::new(4);
        for (scale, channels, patch) in [(4, 16, 12), (2, 32, 9), (3, 20, 8)] {
            let shape = NetShape { scale, channels, blocks: 2, block: Block::Plain };
            let net = Net::new(shape, &mut random, &Device::Cpu).unwrap();
            let input = (0..2 * patch * patch).map(|_| random.normal().abs() as f32).collect();
            let target = (0..2 * scale * scale * patch * patch).map(|_| random.normal() as f32).collect();
            let batch = Batch { input, target };
            let gradient = |precision| {
                let loss = net.loss(batch.clone(), patch, Loss::L2, precision).unwrap();
                let gradients = loss.backward().unwrap();
                let all = net.variables().map(|(_, var)| gradients.get(var).unwrap().flatten_all().unwrap());
                let all: Vec<f32> = all.flat_map(|g| g.to_vec1::<f32>().unwrap()).collect();
                (loss.to_scalar::<f32>().unwrap(), all)
            };
            let ((a, exact), (b, coarse)) = (gradient(Precision::F32), gradient(Precision::Bf16));
            assert!((a - b).abs() < 1e-2 * a, "{a} {b}");
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
            let off = exact.iter().zip(&coarse).map(|(x, y)| x - y).collect::<Vec<_>>();
            let share = (dot(&off, &off) / dot(&exact, &exact)).sqrt();
            assert!(share < 0.02, "{scale} {channels}: {share}");
        }
    }
}
