//! Quantisation-aware fine-tuning: a chain learns to live with the rounding of its activations.
//!
//! Activations are rounded in the forward pass and the gradient goes straight through; the step of every activation tensor is
//! learned with the weights. Weights stay floats while they learn: rounding them layer by layer in view of what they read
//! ([`crate::host::quantise`]) loses several times less than learning with weights rounded to the nearest step, and is
//! done anew for every measurement.

use crate::error::{Error, Result};
use crate::host::calibrate::{Sample, psnr};
use crate::host::chain::{self, Chain};
use crate::host::dataset::{Batch, Dataset};
use crate::host::integer::{INPUT_STEP, IntegerChain, IntegerLayer};
use crate::host::optimise::{Adam, Schedule};
use crate::host::quantise::with_steps;
use crate::host::random::Random;
use candle_core::{DType, Device, Tensor, Var};

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
        Self { steps: 4000, batch: 16, patch: 32, rate: 1e-4, decay: 0.998, seed: 1, measure: 500 }
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

/// What the integer chain is made and measured on.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'a> {
    /// Weights are rounded in view of these.
    pub calibration: &'a [Sample],
    /// The best chain is the one that scores best here.
    pub validation: &'a [Sample],
    /// Weights are −limit to limit steps.
    pub limit: i8,
}

/// The variables of one layer; the step of its outputs as a logarithm over where it started.
#[derive(Debug)]
struct Layer {
    inputs: usize,
    outputs: usize,
    weight: Var,
    bias: Var,
    start: f32,
    log_step: Var,
}

/// A chain in fine-tuning.
#[derive(Debug)]
struct Tuned {
    scale: usize,
    layers: Vec<Layer>,
}

/// Fine-tunes `chain` from the steps of `start`, its quantisation, and returns the integer chain that scored best: `start`
/// itself where none was better. `report` hears every measurement; `false` from it ends the work.
///
/// # Errors
/// Where the two chains are not the same network, or the loss stops being a number.
pub fn fine_tune(
    chain: &Chain,
    start: &IntegerChain,
    data: &Dataset,
    bench: Bench,
    options: &Options,
    mut report: impl FnMut(Measured) -> bool,
) -> Result<IntegerChain> {
    let tuned = Tuned::new(chain, start)?;
    let variables: Vec<Var> = tuned.variables().cloned().collect();
    let mut adam = Adam::new(variables.iter(), options.decay)?;
    let mut random = Random::new(options.seed);
    let score = |chain: &IntegerChain| psnr(bench.validation, chain.scale, |low| chain.forward(low));
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
            let state = adam.state()?;
            let averages: Vec<&[f32]> = state.iter().map(|[_, _, average]| average.as_slice()).collect();
            let (chain, steps) = tuned.chain(&averages)?;
            let integer = with_steps(&chain, &steps, bench.calibration, bench.limit)?;
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

impl Tuned {
    fn new(chain: &Chain, start: &IntegerChain) -> Result<Self> {
        let float = chain.layers.iter().map(|l| (l.inputs, l.outputs));
        if chain.scale != start.scale || !float.eq(start.layers.iter().map(|l| (l.inputs, l.outputs))) {
            return Err(Error::internal("the quantised chain is another network's"));
        }
        let device = &Device::Cpu;
        let layer = |(layer, quantised): (&chain::Layer, &IntegerLayer)| {
            Ok(Layer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                weight: Var::from_slice(&layer.weight, layer.weight.len(), device)?,
                bias: Var::from_slice(&layer.bias, layer.outputs, device)?,
                start: quantised.step,
                log_step: Var::zeros(1, DType::F32, device)?,
            })
        };
        let layers = chain.layers.iter().zip(&start.layers).map(layer).collect::<Result<_>>()?;
        Ok(Self { scale: chain.scale, layers })
    }

    fn variables(&self) -> impl Iterator<Item = &Var> {
        self.layers.iter().flat_map(|l| [&l.weight, &l.bias, &l.log_step])
    }

    fn loss(&self, mut batch: Batch, patch: usize) -> candle_core::Result<Tensor> {
        for x in &mut batch.input {
            *x = (*x / INPUT_STEP).round_ties_even().clamp(0.0, 255.0);
        }
        let mut parts = Vec::new();
        let mut input_step = Tensor::new(&[INPUT_STEP], &Device::Cpu)?;
        for layer in &self.layers {
            let step = ((layer.log_step.as_tensor() * STEP_PACE)?.exp()? * f64::from(layer.start))?;
            parts.push(layer.weight.broadcast_mul(&(input_step / &step)?)?);
            parts.push(layer.bias.broadcast_div(&step)?);
            input_step = step;
        }
        parts.push(input_step);
        let widths = self.layers.iter().map(|l| (l.inputs, l.outputs)).collect();
        loss::rounded_loss(&Tensor::cat(&parts, 0)?, widths, batch, patch)
    }

    /// The float chain of these values of the variables, and the steps of what its layers give.
    fn chain(&self, values: &[&[f32]]) -> Result<(Chain, Vec<f32>)> {
        let (mut layers, mut steps) = (Vec::new(), Vec::new());
        for (layer, values) in self.layers.iter().zip(values.chunks_exact(3)) {
            let &[weight, bias, &[log_step]] = values else {
                return Err(Error::internal("a layer has not the variables it should have"));
            };
            let (inputs, outputs) = (layer.inputs, layer.outputs);
            layers.push(chain::Layer { inputs, outputs, weight: weight.to_vec(), bias: bias.to_vec() });
            steps.push(layer.start * (log_step * STEP_PACE as f32).exp());
        }
        Ok((Chain { scale: self.scale, layers }, steps))
    }
}

#[cfg(test)]
mod tests;
