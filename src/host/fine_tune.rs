//! Quantisation-aware fine-tuning: a quantised chain learns to live with its rounding.
//!
//! Weights and activations are rounded in the forward pass and the gradient goes straight through; the step of every
//! activation tensor and of every output channel's weights is learned with them. It begins at the calibrated chain exactly,
//! whose weights are better rounded than to the nearest, and what comes out is an integer chain again.

use crate::error::{Error, Result};
use crate::host::calibrate::{Sample, psnr};
use crate::host::dataset::{Batch, Dataset};
use crate::host::integer::{INPUT_STEP, IntegerChain, IntegerLayer};
use crate::host::optimise::{Adam, Schedule};
use crate::host::random::Random;
use candle_core::{Device, Tensor, Var};

mod loss;

/// How to fine-tune.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Updates.
    pub steps: u64,
    /// Patches an update.
    pub batch: usize,
    /// Low-resolution side of a patch.
    pub patch: usize,
    /// Peak learning rate; it falls along half a cosine.
    pub rate: f64,
    /// Decay of the moving average of weights and steps.
    pub decay: f64,
    /// Seed of the batches.
    pub seed: u64,
    /// Updates between two measurements.
    pub measure: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 4000, batch: 16, patch: 32, rate: 3e-5, decay: 0.998, seed: 1, measure: 500 }
    }
}

/// What a measurement says.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Updates made.
    pub step: u64,
    /// Mean loss since the measurement before.
    pub loss: f64,
    /// PSNR of the integer chain on the validation samples in dB.
    pub psnr: f64,
}

/// How much faster than a weight the logarithm of a step moves.
const STEP_PACE: f64 = 3.0;

/// The variables of one layer; steps as logarithms over where they started.
#[derive(Debug)]
struct Layer {
    inputs: usize,
    outputs: usize,
    weight: Var,
    bias: Var,
    weight_step: (Tensor, Var),
    step: (Tensor, Var),
}

/// A chain in fine-tuning.
#[derive(Debug)]
struct Tuned {
    scale: usize,
    limit: f64,
    layers: Vec<Layer>,
}

/// Fine-tunes `start`, whose weights are −`limit` to `limit` steps, and returns the integer chain that scored best on
/// `validation`: `start` itself where none was better. `report` hears every measurement; `false` from it ends the work.
///
/// # Errors
/// Where `start` is not valid, or the loss stops being a number.
pub fn fine_tune(
    start: &IntegerChain,
    limit: i8,
    data: &Dataset,
    validation: &[Sample],
    options: &Options,
    mut report: impl FnMut(Measured) -> bool,
) -> Result<IntegerChain> {
    start.validate()?;
    let tuned = Tuned::new(start, limit)?;
    let variables: Vec<Var> = tuned.variables().cloned().collect();
    let mut adam = Adam::new(variables.iter(), options.decay)?;
    let mut random = Random::new(options.seed);
    let score = |chain: &IntegerChain| psnr(validation, chain.scale, |low| chain.forward(low));
    let mut best = (score(start), start.clone());
    let (mut total, mut count) = (0.0, 0u64);
    while adam.step < options.steps {
        let batch = data.batch(&mut random, options.batch, options.patch);
        let loss = tuned.loss(batch, options.patch)?;
        let gradients = loss.backward()?;
        let rate = options.rate * Schedule::Cosine.share(adam.step, options.steps, options.steps / 20);
        adam.update(variables.iter(), &gradients, rate)?;
        total += f64::from(loss.to_scalar::<f32>()?);
        count += 1;
        if !total.is_finite() {
            return Err(Error::input(format!("the loss is no number any more at step {}", adam.step))
                .fix("lower the learning rate"));
        }
        if adam.step.is_multiple_of(options.measure.max(1)) || adam.step == options.steps {
            let averages: Vec<&[f32]> = adam.state.iter().map(|[_, _, average]| average.as_slice()).collect();
            let integer = tuned.integer(&averages)?;
            let psnr = score(&integer);
            if psnr > best.0 {
                best = (psnr, integer);
            }
            if !report(Measured { step: adam.step, loss: total / count as f64, psnr }) {
                break;
            }
            (total, count) = (0.0, 0);
        }
    }
    Ok(best.1)
}

/// `start · e^(pace·log)`.
fn moved((start, log): &(Tensor, Var)) -> candle_core::Result<Tensor> {
    start * (log.as_tensor() * STEP_PACE)?.exp()?
}

/// Rounds, and lets the gradient through.
fn round(x: &Tensor) -> candle_core::Result<Tensor> {
    x + (x.round()? - x)?.detach()
}

impl Tuned {
    fn new(start: &IntegerChain, limit: i8) -> Result<Self> {
        let device = &Device::Cpu;
        let zeros = |n: usize| Var::zeros(n, candle_core::DType::F32, device);
        let mut layers = Vec::new();
        for (i, layer) in start.layers.iter().enumerate() {
            let taps = layer.inputs * 9;
            let weight = layer.weight.iter().enumerate().map(|(n, &q)| f32::from(q) * layer.weight_step[n / taps]);
            let bias = layer.bias.iter().zip(&layer.weight_step).map(|(&b, v)| b as f32 * start.input_step(i) * v);
            layers.push(Layer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                weight: Var::from_vec(weight.collect(), (layer.outputs, taps), device)?,
                bias: Var::from_vec(bias.collect(), layer.outputs, device)?,
                weight_step: (Tensor::from_slice(&layer.weight_step, layer.outputs, device)?, zeros(layer.outputs)?),
                step: (Tensor::new(&[layer.step], device)?, zeros(1)?),
            });
        }
        Ok(Self { scale: start.scale, limit: f64::from(limit), layers })
    }

    fn variables(&self) -> impl Iterator<Item = &Var> {
        self.layers.iter().flat_map(|l| [&l.weight, &l.bias, &l.weight_step.1, &l.step.1])
    }

    fn loss(&self, mut batch: Batch, patch: usize) -> candle_core::Result<Tensor> {
        for x in &mut batch.input {
            *x = (*x / INPUT_STEP).round_ties_even().clamp(0.0, 255.0);
        }
        let mut parts = Vec::new();
        let mut input_step = Tensor::new(&[INPUT_STEP], &Device::Cpu)?;
        for layer in &self.layers {
            let (weight_step, step) = (moved(&layer.weight_step)?, moved(&layer.step)?);
            let rounded =
                round(&layer.weight.broadcast_div(&weight_step.unsqueeze(1)?)?.clamp(-self.limit, self.limit)?)?;
            let factor = weight_step.broadcast_mul(&input_step)?.broadcast_div(&step)?;
            parts.push(rounded.broadcast_mul(&factor.unsqueeze(1)?)?.flatten_all()?);
            parts.push(layer.bias.broadcast_div(&step)?);
            input_step = step;
        }
        parts.push(input_step);
        let widths = self.layers.iter().map(|l| (l.inputs, l.outputs)).collect();
        loss::rounded_loss(&Tensor::cat(&parts, 0)?, widths, batch, patch)
    }

    /// The integer chain of these values of the variables.
    fn integer(&self, values: &[&[f32]]) -> Result<IntegerChain> {
        let mut layers = Vec::new();
        let mut input_step = INPUT_STEP;
        for (layer, values) in self.layers.iter().zip(values.chunks_exact(4)) {
            let [weight, bias, weight_log, log] = values else { continue };
            let at = |start: &Tensor, logs: &[f32]| -> Result<Vec<f32>> {
                let start = start.to_vec1::<f32>()?;
                Ok(start.iter().zip(logs).map(|(s, log)| s * (log * STEP_PACE as f32).exp()).collect())
            };
            let (weight_step, step) = (at(&layer.weight_step.0, weight_log)?, at(&layer.step.0, log)?[0]);
            let taps = layer.inputs * 9;
            let limit = self.limit as f32;
            let rounded =
                |(n, w): (usize, &f32)| (w / weight_step[n / taps]).clamp(-limit, limit).round_ties_even() as i8;
            let unit = |(b, v): (&f32, &f32)| (b / (input_step * v)).round_ties_even() as i32;
            layers.push(IntegerLayer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                weight: weight.iter().enumerate().map(rounded).collect(),
                bias: bias.iter().zip(&weight_step).map(unit).collect(),
                weight_step,
                step,
            });
            input_step = step;
        }
        let chain = IntegerChain { scale: self.scale, layers };
        chain.validate()?;
        Ok(chain)
    }
}

#[cfg(test)]
mod tests;
