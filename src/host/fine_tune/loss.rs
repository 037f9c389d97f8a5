//! Loss and gradient of a chain whose activations are rounded, in one operator, image by image.
//!
//! A layer is `q' = clamp(round(u), lo, hi)` with `u = W·q + b`, where W and b come already divided by the step of q':
//! `W = s·v·w/t`, `b = β/t`. The residual is `t·q` after the last layer. Rounding and clamping pass the gradient of what
//! they do not clamp (the straight-through estimator, Bengio 2013); since the steps stand in W, b and t, autograd then finds
//! for them the very gradient of LSQ (Esser 2020): `∂(t·q)/∂t = q − u` inside the range and q where it is clamped.

use crate::host::dataset::Batch;
use crate::host::eager::{eager, over_images};
use crate::kernel::Level;
use crate::kernel::conv::{Conv, Packed, Sheet};
use candle_core::{Result, Tensor, bail};

/// Channels in and out of each layer.
pub(super) type Widths = Vec<(usize, usize)>;

struct RoundedLoss {
    widths: Widths,
    batch: Batch,
    patch: usize,
}

/// The mean absolute error of the rounded chain on `batch`, whose input counts in quantised steps.
///
/// `parameters` is flat: for each layer W `[outputs][inputs][3][3]`, then b `[outputs]`; at last the residual's step.
///
/// # Errors
/// Where lengths do not fit, or the tensor is not on the CPU.
pub(super) fn rounded_loss(parameters: &Tensor, widths: Widths, batch: Batch, patch: usize) -> Result<Tensor> {
    let expected = widths.iter().map(|(i, o)| i * o * 9 + o).sum::<usize>() + 1;
    let images = batch.input.len() / (patch * patch).max(1);
    let last = widths.last().map_or(0, |w| w.1);
    if parameters.elem_count() != expected || batch.target.len() != images * patch * patch * last || images == 0 {
        bail!("{} parameters and {} targets do not fit the chain", parameters.elem_count(), batch.target.len());
    }
    let samples = batch.target.len() as f64;
    let job = RoundedLoss { widths, batch, patch };
    eager(parameters, |parameters| {
        let (layers, step) = (job.layers(parameters), parameters[expected - 1]);
        let (total, gradient) =
            over_images(images, expected, |space, n, gradient| job.image(n, &layers, step, space, gradient));
        (total / samples, gradient)
    })
}

/// One layer's weights, packed both ways.
struct Layer<'a> {
    outputs: usize,
    inputs: usize,
    forward: Packed,
    backward: Packed,
    bias: &'a [f32],
    /// Least and greatest q'.
    range: (f32, f32),
}

/// What a thread keeps between images.
#[derive(Default)]
struct Workspace {
    /// What each layer reads.
    inputs: Vec<Sheet>,
    /// What each layer gives before rounding, then 1 where rounding did not clamp and 0 elsewhere.
    outputs: Vec<Vec<f32>>,
    rounded: Vec<f32>,
    delta: Sheet,
    scratch: Vec<f32>,
}

impl RoundedLoss {
    fn layers<'a>(&self, parameters: &'a [f32]) -> Vec<Layer<'a>> {
        let mut rest = parameters;
        let last = self.widths.len() - 1;
        let layer = |(n, &(inputs, outputs)): (usize, &(usize, usize))| {
            let (weight, tail) = rest.split_at(inputs * outputs * 9);
            let (bias, tail) = tail.split_at(outputs);
            rest = tail;
            let range = if n == last { (-128.0, 127.0) } else { (0.0, 255.0) };
            let forward = Packed::new(weight, outputs, inputs, 3);
            Layer { outputs, inputs, forward, backward: Packed::transposed(weight, outputs, inputs, 3), bias, range }
        };
        self.widths.iter().enumerate().map(layer).collect()
    }

    /// The summed error of image `n`; its gradient goes to `gradient`.
    fn image(&self, n: usize, layers: &[Layer], step: f32, space: &mut Workspace, gradient: &mut [f32]) -> f64 {
        let conv = Conv::new(Level::best(), 3, self.patch, self.patch);
        let area = self.patch * self.patch;
        space.inputs.resize_with(layers.len(), Sheet::default);
        space.outputs.resize_with(layers.len(), Vec::new);
        space.rounded.clear();
        space.rounded.extend_from_slice(&self.batch.input[n * area..][..area]);
        for (i, layer) in layers.iter().enumerate() {
            conv.lay(&space.rounded, None, layer.inputs, &mut space.inputs[i]);
            let out = &mut space.outputs[i];
            out.resize(layer.outputs * area, 0.0);
            conv.forward(&space.inputs[i], &layer.forward, layer.bias, false, &mut space.scratch, out);
            round(out, layer.range, &mut space.rounded);
        }
        let phases = layers.last().map_or(0, |layer| layer.outputs);
        let target = &self.batch.target[n * phases * area..][..phases * area];
        let (weights, step_gradient) = gradient.split_at_mut(gradient.len() - 1);
        let error = self.difference(&mut space.rounded, target, step, &mut step_gradient[0]);
        self.backward(&conv, layers, space, weights);
        error
    }

    /// Replaces the last layer's q by the error's gradient for it, and returns the summed error.
    fn difference(&self, rounded: &mut [f32], target: &[f32], step: f32, step_gradient: &mut f32) -> f64 {
        let share = 1.0 / self.batch.target.len() as f32;
        let (mut total, mut by_step) = (0.0f64, 0.0f64);
        for (rounded, target) in rounded.chunks_mut(self.patch).zip(target.chunks(self.patch)) {
            let (mut sum, mut sum_by_step) = (0.0f32, 0.0f32);
            for (q, &target) in rounded.iter_mut().zip(target) {
                let error = *q * step - target;
                let sign = if error > 0.0 { share } else { -share };
                sum += error.abs();
                sum_by_step += sign * *q;
                *q = sign * step;
            }
            total += f64::from(sum);
            by_step += f64::from(sum_by_step);
        }
        *step_gradient = by_step as f32;
        total
    }

    /// Takes the gradient in `space.rounded` back through the layers.
    fn backward(&self, conv: &Conv, layers: &[Layer], space: &mut Workspace, gradient: &mut [f32]) {
        let area = self.patch * self.patch;
        let mut end = gradient.len();
        for (i, layer) in layers.iter().enumerate().rev() {
            let begin = end - layer.outputs * (layer.inputs * 9 + 1);
            let (weight, bias) = gradient[begin..end].split_at_mut(layer.inputs * layer.outputs * 9);
            conv.lay(&space.rounded, Some(&space.outputs[i]), layer.outputs, &mut space.delta);
            conv.weight_gradient(&space.inputs[i], &space.delta, weight);
            bias.copy_from_slice(&conv.sums(&space.delta));
            end = begin;
            if i > 0 {
                space.rounded.resize(layer.inputs * area, 0.0);
                conv.forward(&space.delta, &layer.backward, &[], false, &mut space.scratch, &mut space.rounded);
            }
        }
    }
}

/// Writes `clamp(round(u))` to `rounded`, and replaces u by whether it was inside the range.
fn round(outputs: &mut [f32], (low, high): (f32, f32), rounded: &mut Vec<f32>) {
    // Adding 1.5·2²³ rounds half to even at the units, as the integer chain does.
    const SHIFT: f32 = 12_582_912.0;
    rounded.resize(outputs.len(), 0.0);
    for (u, q) in outputs.iter_mut().zip(rounded) {
        *q = (u.clamp(low, high) + SHIFT) - SHIFT;
        *u = if *u > low && *u < high { 1.0 } else { 0.0 };
    }
}
