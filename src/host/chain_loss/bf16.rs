//! The same in bf16 with f32 sums: activations, kernels and deltas are rounded, results, gradients and the weights kept are
//! not (Micikevicius 2018, "Mixed precision training"; bf16 has f32's range, so that no loss needs scaling).

use super::{ChainLoss, split};
use crate::kernel::bf16::{Conv, Map, Pairs, Planes, Tiles, Weights, round};

/// Kernels both ways, and biases.
pub(super) struct Layers<'a> {
    forward: Vec<(Weights, &'a [f32])>,
    backward: Vec<Weights>,
}

/// What a thread keeps between images.
#[derive(Default)]
pub(super) struct Workspace {
    maps: Vec<Map>,
    planes: Planes,
    pairs: Pairs,
    deltas: [Map; 2],
    result: Vec<f32>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(job: &ChainLoss, parameters: &'a [f32]) -> Self {
        let mut layers = Layers { forward: Vec::new(), backward: Vec::new() };
        for (i, (&(inputs, outputs), (weight, bias))) in
            job.widths.iter().zip(split(&job.widths, parameters)).enumerate()
        {
            let forward = if i == 0 { Weights::first(weight, outputs) } else { Weights::new(weight, outputs, inputs) };
            layers.forward.push((forward, bias));
            layers.backward.push(Weights::transposed(weight, outputs, inputs));
        }
        layers
    }
}

impl ChainLoss {
    /// The summed error of image `n`; its gradient goes to `gradient`.
    pub(super) fn image_bf16(
        &self,
        tiles: Tiles,
        n: usize,
        layers: &Layers,
        space: &mut Workspace,
        gradient: &mut [f32],
    ) -> f64 {
        let conv = Conv::new(tiles, self.patch, self.patch);
        let area = self.patch * self.patch;
        let last = self.widths.len() - 1;
        space.maps.resize_with(last + 1, Map::default);
        conv.lay(&self.batch.input[n * area..][..area], &mut space.maps[0]);
        for (i, (weights, bias)) in layers.forward[..last].iter().enumerate() {
            let (before, after) = space.maps.split_at_mut(i + 1);
            conv.advance(&before[i], weights, bias, &mut after[0]);
        }
        let (weights, bias) = &layers.forward[last];
        conv.finish(&space.maps[last], weights, bias, &mut space.result);
        let [delta, next] = &mut space.deltas;
        let error = self.difference_bf16(&conv, n, &space.result, delta);
        let mut end = gradient.len();
        for i in (0..=last).rev() {
            let (inputs, outputs) = self.widths[i];
            let (weight, bias) = gradient[end - outputs * (inputs * 9 + 1)..end].split_at_mut(inputs * outputs * 9);
            conv.planes(&space.maps[i], &mut space.planes);
            conv.pairs(delta, &mut space.pairs);
            if i == 0 {
                conv.first_gradient(&space.planes, &space.pairs, outputs, weight);
            } else {
                conv.weight_gradient(&space.planes, &space.pairs, (inputs, outputs), weight);
                conv.retreat(delta, &layers.backward[i], &space.maps[i], next);
                std::mem::swap(delta, next);
            }
            bias.copy_from_slice(&conv.sums(&space.pairs)[..outputs]);
            end -= outputs * (inputs * 9 + 1);
        }
        error
    }

    /// Writes the cost's derivative over n, and returns the summed cost of `result − target`.
    fn difference_bf16(&self, conv: &Conv, n: usize, result: &[f32], delta: &mut Map) -> f64 {
        let (side, area) = (self.patch, self.patch * self.patch);
        let phases = self.widths[self.widths.len() - 1].1;
        let share = 1.0 / self.batch.target.len() as f32;
        let stored = result.len() / area;
        let target = &self.batch.target[n * phases * area..][..phases * area];
        delta.shape(conv.grid(), phases);
        let mut total = 0.0;
        for y in 0..side {
            let mut sum = 0.0f32;
            for x in 0..side {
                let pixel = y * side + x;
                let out = delta.at_mut(conv.grid().row(y) + x);
                // What fills up may hold another layer's deltas.
                out[phases..].fill(0);
                for (c, (out, &value)) in out.iter_mut().zip(&result[pixel * stored..][..phases]).enumerate() {
                    let (cost, slope) = self.loss.cost(value - target[c * area + pixel]);
                    sum += cost;
                    *out = round(slope * share);
                }
            }
            total += f64::from(sum);
        }
        total
    }
}
