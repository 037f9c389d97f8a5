//! Post-training quantisation: a float chain and photographs in, an integer chain out.
//!
//! Layer by layer, on what the quantised layers before really give: weights are rounded per output channel so that the
//! layer's outputs change least, the bias takes up the mean change that is left, and the output's step is chosen by the
//! calibration method. With [`Method::Mse`] the steps are then moved as long as the enlarged pictures come nearer to
//! the true ones.

use crate::error::{Error, Result};
use crate::host::calibrate::{Method, Sample, step};
use crate::host::chain::{Chain, Layer, Maps};
use crate::host::integer::{IntegerChain, IntegerLayer, quantise_input};
pub use equalise::equalise;
use rayon::prelude::*;
use rounding::{Moments, Rounder};

mod equalise;
mod rounding;
mod spread;

/// How to quantise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How steps are chosen.
    pub method: Method,
    /// Bits of a weight, 7 or 8. ONNX Runtime on x86 without VNNI adds pairs of products in saturating 16 bits: 2·255·127
    /// does not fit, 2·255·63 does. Seven bits therefore give the same picture everywhere, and with rounding such as this
    /// one cost next to nothing.
    pub weight_bits: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { method: Method::Mse, weight_bits: 7 }
    }
}

impl Options {
    /// The largest weight in steps.
    pub fn weight_limit(&self) -> Result<i8> {
        match self.weight_bits {
            8 => Ok(127),
            7 => Ok(63),
            bits => Err(Error::usage(format!("weights of {bits} bits cannot be made")).fix("choose 8 or 7")),
        }
    }
}

/// Values of a tensor that are looked at when its step is chosen, about.
const VALUES: usize = 400_000;
/// What a step is multiplied by to see whether pictures come out better.
const MOVES: [f32; 4] = [0.88, 0.95, 1.06, 1.14];
/// Times that all steps are gone through.
const ROUNDS: usize = 2;

/// Quantises `chain` on `samples`.
///
/// # Errors
/// Where the chain is not valid, there are no samples, or the options ask for the impossible.
pub fn quantise(chain: &Chain, samples: &[Sample], options: Options) -> Result<IntegerChain> {
    chain.validate()?;
    if samples.is_empty() {
        return Err(Error::usage("there is no picture to calibrate on"));
    }
    let limit = options.weight_limit()?;
    let mut quantised = layer_by_layer(chain, samples, limit, chosen_by(options.method));
    if options.method == Method::Mse {
        refine(&mut quantised, samples);
    }
    quantised.validate()?;
    Ok(quantised)
}

/// The same network, to be quantised in its place, with the channels that are idle on the samples made copies of busy ones:
/// together they are rounded more finely. Returns it with the number of channels that were idle.
///
/// # Errors
/// Those of [`quantise`].
pub fn spread_idle(chain: &Chain, samples: &[Sample], options: Options) -> Result<(Chain, usize)> {
    let busy = spread::busy(&equalise::ranges(chain, samples));
    let idle = busy.iter().flatten().filter(|busy| !**busy).count();
    if idle == 0 {
        return Ok((chain.clone(), 0));
    }
    let rough = quantise(chain, samples, Options { method: Method::PERCENTILE, ..options })?;
    let steps: Vec<f32> = rough.layers.iter().map(|layer| layer.step).collect();
    Ok((spread::spread(chain, &busy, &steps), idle))
}

fn chosen_by(method: Method) -> impl Fn(&IntegerChain, usize, &[Maps<u8>]) -> f32 {
    move |quantised, i, inputs| step(method, &outputs(quantised, i, inputs), quantised.zero(i))
}

/// Quantises `chain` with these steps for what its layers give; weights of −`limit` to `limit` steps.
pub(crate) fn with_steps(chain: &Chain, steps: &[f32], samples: &[Sample], limit: i8) -> Result<IntegerChain> {
    chain.validate()?;
    if steps.len() != chain.layers.len() {
        return Err(Error::internal("there is not one step for each layer"));
    }
    let quantised = layer_by_layer(chain, samples, limit, |_, i, _| steps[i]);
    quantised.validate()?;
    Ok(quantised)
}

/// Rounds layer after layer on what those before give; `choose` gives the step of layer i from its rounded self and inputs.
fn layer_by_layer(
    chain: &Chain,
    samples: &[Sample],
    limit: i8,
    choose: impl Fn(&IntegerChain, usize, &[Maps<u8>]) -> f32,
) -> IntegerChain {
    let mut quantised = blank(chain);
    let mut inputs: Vec<Maps<u8>> = samples.iter().map(|s| quantise_input(&s.low)).collect();
    let mut exact: Vec<Maps<f32>> = samples.iter().map(|s| s.low.clone()).collect();
    for (i, layer) in chain.layers.iter().enumerate() {
        let moments = Moments::measure(&inputs, &exact);
        quantised.layers[i] = round(layer, &moments, quantised.input_step(i), limit);
        quantised.layers[i].step = choose(&quantised, i, &inputs);
        inputs = inputs.par_iter().map(|input| quantised.layer(i, input)).collect();
        let relu = |o: usize, sum: f32| (sum + layer.bias[o]).max(0.0);
        exact = exact.par_iter().map(|input| input.convolve(&layer.weight, layer.outputs, relu)).collect();
    }
    quantised
}

/// An integer chain of the right shape whose steps are all 1.
fn blank(chain: &Chain) -> IntegerChain {
    let layers = chain.layers.iter().map(|layer| IntegerLayer {
        inputs: layer.inputs,
        outputs: layer.outputs,
        weight: vec![0; layer.weight.len()],
        weight_step: vec![1.0; layer.outputs],
        bias: vec![0; layer.outputs],
        step: 1.0,
    });
    IntegerChain { scale: chain.scale, layers: layers.collect() }
}

/// The smallest step of weights with which a bias still lies far inside what a float32 counts exactly.
fn least_weight_step(bias: f32, input_step: f32) -> f32 {
    (bias.abs() / input_step / (1 << 22) as f32).max(1e-12)
}

fn round(layer: &Layer, moments: &Moments, input_step: f32, limit: i8) -> IntegerLayer {
    let taps = layer.inputs * 9;
    let rounder = Rounder::new(moments, limit);
    let channels: Vec<(f32, Vec<i8>, i32)> = (0..layer.outputs)
        .into_par_iter()
        .map(|o| {
            let weight = &layer.weight[o * taps..][..taps];
            let (step, rounded) = rounder.round(weight, least_weight_step(layer.bias[o], input_step));
            let unit = f64::from(input_step) * f64::from(step);
            let before: f64 = weight.iter().zip(&moments.exact_mean).map(|(&w, mean)| f64::from(w) * mean).sum();
            let after: f64 = rounded.iter().zip(&moments.mean).map(|(&q, mean)| f64::from(q) * mean).sum();
            let bias = (f64::from(layer.bias[o]) + before) / unit - after;
            (step, rounded, bias.round_ties_even() as i32)
        })
        .collect();
    IntegerLayer {
        inputs: layer.inputs,
        outputs: layer.outputs,
        weight: channels.iter().flat_map(|(_, rounded, _)| rounded).copied().collect(),
        weight_step: channels.iter().map(|c| c.0).collect(),
        bias: channels.iter().map(|c| c.2).collect(),
        step: 1.0,
    }
}

/// Values that layer `i` gives before they are quantised.
fn outputs(quantised: &IntegerChain, i: usize, inputs: &[Maps<u8>]) -> Vec<f32> {
    let layer = &quantised.layers[i];
    let units: Vec<f32> = layer.weight_step.iter().map(|v| quantised.input_step(i) * v).collect();
    let total: usize = inputs.iter().map(|input| input.size.area() * layer.outputs).sum();
    let stride = (total / VALUES).max(1) | 1;
    let values = inputs.par_iter().flat_map_iter(|input| {
        let sums = quantised.sums(i, input);
        let units = &units;
        let all = (0..layer.outputs).flat_map(|o| (0..sums.size.height).map(move |y| (o, y)));
        let rows: Vec<f32> = all
            .flat_map(|(o, y)| sums.row(o, y).iter().map(move |&sum| sum as f32 * units[o]))
            .step_by(stride)
            .collect();
        rows
    });
    values.collect()
}

/// Moves the steps, one after the other, to where the squared error of the enlarged pictures is least.
fn refine(quantised: &mut IntegerChain, samples: &[Sample]) {
    for round in 0..ROUNDS {
        let mut inputs: Vec<Maps<u8>> = samples.iter().map(|s| quantise_input(&s.low)).collect();
        let mut best = error_from(quantised, 0, &inputs, samples);
        let before = best;
        for i in 0..quantised.layers.len() {
            let start = quantised.clone();
            for factor in MOVES {
                let mut moved = start.clone();
                moved.set_step(i, start.layers[i].step * factor);
                let error = error_from(&moved, i, &inputs, samples);
                if error < best {
                    (best, *quantised) = (error, moved);
                }
            }
            inputs = inputs.par_iter().map(|input| quantised.layer(i, input)).collect();
        }
        log::info!("calibration round {round}: squared error {before:.6e} to {best:.6e}");
    }
}

/// Mean squared error of the enlarged pictures, clipped to 0..1; `inputs` are those of layer `first`.
fn error_from(quantised: &IntegerChain, first: usize, inputs: &[Maps<u8>], samples: &[Sample]) -> f64 {
    let each = inputs.par_iter().zip(samples).map(|(input, sample)| {
        let mut maps = quantised.layer(first, input);
        for i in first + 1..quantised.layers.len() {
            maps = quantised.layer(i, &maps);
        }
        let picture = quantised.assemble(&sample.low, &maps);
        let rows = picture.all_rows().zip(sample.high.all_rows()).flat_map(|(row, truth)| row.iter().zip(truth));
        rows.map(|(y, truth)| f64::from((y.clamp(0.0, 1.0) - truth).powi(2))).sum::<f64>()
    });
    // Collected before summing, so that threads do not change the order of the sum.
    let each: Vec<f64> = each.collect();
    each.iter().sum::<f64>() / samples.iter().map(|s| s.high.channels * s.high.size.area()).sum::<usize>().max(1) as f64
}

#[cfg(test)]
mod tests;
