#![allow(clippy::unwrap_used, clippy::float_cmp)]

use super::*;
use crate::frame::Plane;
use crate::geometry::Size;
use crate::host::calibrate::Method;
use crate::host::chain::Maps;
use crate::host::integer::quantise_input;
use crate::host::quantise::{Options as Quantisation, quantise};

const PATCH: usize = 12;

fn samples(chain: &Chain) -> Vec<Sample> {
    let plane = |seed: usize| {
        Maps::from_plane(&Plane::from_fn(Size::new(PATCH, PATCH), |x, y| {
            0.5 + 0.4 * ((x + seed) as f32 / 2.0).sin() * ((y * (seed + 1)) as f32 / 5.0).cos()
        }))
    };
    (1..4).map(|seed| Sample { high: chain.forward(&plane(seed)), low: plane(seed) }).collect()
}

/// The samples as one batch whose targets are `targets`.
fn batch(samples: &[Sample], targets: Vec<f32>) -> Batch {
    Batch { input: samples.iter().flat_map(|s| s.low.samples()).collect(), target: targets }
}

/// The float chain whose weights are those of `quantised`, so that rounding them changes nothing.
fn dequantised(quantised: &IntegerChain) -> Chain {
    let layer = |(i, layer): (usize, &IntegerLayer)| chain::Layer {
        inputs: layer.inputs,
        outputs: layer.outputs,
        weight: layer
            .weight
            .iter()
            .enumerate()
            .map(|(n, &q)| f32::from(q) * layer.weight_step[n / (layer.inputs * 9)])
            .collect(),
        bias: layer.bias.iter().zip(&layer.weight_step).map(|(&b, v)| b as f32 * v * quantised.input_step(i)).collect(),
    };
    Chain { scale: quantised.scale, layers: quantised.layers.iter().enumerate().map(layer).collect() }
}

fn tuned() -> (IntegerChain, Tuned, Vec<Sample>) {
    let chain = Chain::sketch(2, &[8, 8]);
    let samples = samples(&chain);
    let start = quantise(&chain, &samples, Quantisation { method: Method::MinMax, weight_bits: 8 }).unwrap();
    let tuned = Tuned::new(&dequantised(&start), &start).unwrap();
    (start, tuned, samples)
}

#[test]
fn the_loss_is_that_of_the_integer_chain() {
    let (integer, tuned, samples) = tuned();
    let mut residuals = Vec::new();
    for sample in &samples {
        residuals.extend(integer.dequantise(&integer.residual(&sample.low)).samples());
    }
    // Against its own residuals the loss is next to nothing: the integer chain's biases are whole numbers, so that a few
    // sums on the edge between two steps round differently.
    let step = integer.layers[2].step;
    let nothing = tuned.loss(batch(&samples, residuals.clone()), PATCH).unwrap().to_scalar::<f32>().unwrap();
    assert!(nothing < 0.05 * step, "{nothing} {step}");
    // Against residuals one step away it is that step.
    let away = residuals.iter().map(|r| r + step).collect();
    let one = tuned.loss(batch(&samples, away), PATCH).unwrap().to_scalar::<f32>().unwrap();
    assert!((one - step).abs() < 0.05 * step, "{one} {step}");
}

/// Targets all about the residual.
fn targets() -> Vec<f32> {
    (0..3 * 4 * PATCH * PATCH).map(|i| ((i * 37) % 101) as f32 / 400.0 - 0.13).collect()
}

#[test]
fn gradients_of_weights_and_biases_point_where_the_loss_falls() {
    // The rounded loss is a staircase: its slope is measured over many stairs, and the straight-through gradient agrees.
    let (_, tuned, samples) = tuned();
    let loss = || tuned.loss(batch(&samples, targets()), PATCH).unwrap();
    let gradients = loss().backward().unwrap();
    for var in tuned.layers.iter().flat_map(|layer| [&layer.weight, &layer.bias]) {
        let gradient: Vec<f32> = gradients.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let before: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
        let norm = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let reach = 0.03 * before.iter().map(|v| v * v).sum::<f32>().sqrt().max(0.5);
        let at = |sign: f32| {
            let moved = before.iter().zip(&gradient).map(|(v, g)| v + sign * reach * g / norm).collect::<Vec<_>>();
            var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
            loss().to_scalar::<f32>().unwrap()
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * reach);
        var.set(&Tensor::from_vec(before.clone(), var.shape(), &Device::Cpu).unwrap()).unwrap();
        assert!((0.8..1.2).contains(&(slope / norm)), "{slope} {norm}");
    }
}

#[test]
fn the_gradient_of_a_step_is_that_of_lsq() {
    let (mut integer, tuned, samples) = tuned();
    // A step so small that some of the residual is clamped.
    tuned.layers[2].log_step.set(&Tensor::new(&[-0.3f32], &Device::Cpu).unwrap()).unwrap();
    integer.set_step(2, integer.layers[2].step * (-0.3 * STEP_PACE as f32).exp());
    let layer = &integer.layers[2];
    let mut expected = 0.0;
    for (n, sample) in samples.iter().enumerate() {
        let input = integer.layer(1, &integer.layer(0, &quantise_input(&sample.low)));
        let units = layer.factors(integer.input_step(2));
        let u = integer.sums(2, &input).map(|o, sum| sum as f32 * units[o]).samples();
        for (u, target) in u.iter().zip(&targets()[n * u.len()..]) {
            let q = u.round_ties_even().clamp(-128.0, 127.0);
            let slope = if (-128.0..127.0).contains(u) { q - u } else { q };
            expected += slope * (q * layer.step - target).signum() / targets().len() as f32;
        }
    }
    expected *= layer.step * STEP_PACE as f32;
    let gradients = tuned.loss(batch(&samples, targets()), PATCH).unwrap().backward().unwrap();
    let got = gradients.get(tuned.layers[2].log_step.as_tensor()).unwrap().to_vec1::<f32>().unwrap()[0];
    assert!((got - expected).abs() < 0.02 * expected.abs(), "{got} {expected}");
}

#[test]
fn without_updates_the_same_chain_comes_out() {
    let chain = Chain::sketch(2, &[8, 8]);
    let samples = samples(&chain);
    let start = quantise(&chain, &samples, Quantisation { method: Method::MinMax, weight_bits: 8 }).unwrap();
    let tuned = Tuned::new(&chain, &start).unwrap();
    let values: Vec<Vec<f32>> = tuned.variables().map(|v| v.to_vec1().unwrap()).collect();
    let (same, steps) = tuned.chain(&values.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    assert_eq!(same, chain);
    assert_eq!(with_steps(&same, &steps, &samples, 127).unwrap(), start);
    assert!(Tuned::new(&Chain::sketch(2, &[8]), &start).is_err());
}

#[test]
fn tuning_wins_back_what_coarse_steps_lose_and_repeats() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..4u32 {
        let wave = |x: u32, y: u32| ((x * (seed + 1)) as f32 / 9.0).sin() * ((y + x / 2) as f32 / 7.0).cos();
        let picture = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([(128.0 + 100.0 * wave(x, y)) as u8; 3]));
        picture.save(folder.path().join(format!("{seed}.png"))).unwrap();
    }
    let data = Dataset::read(folder.path(), 2, 16, crate::host::degrade::Degradation::Bicubic).unwrap();
    let samples = Sample::whole(&data);
    let bench = Bench { calibration: &samples, validation: &samples, limit: 63 };
    let chain = Chain::sketch(2, &[6]);
    let mut start = quantise(&chain, &samples, Quantisation::default()).unwrap();
    for i in 0..2 {
        start.set_step(i, 8.0 * start.layers[i].step);
    }
    let options = Options { steps: 60, batch: 4, patch: 16, rate: 3e-3, decay: 0.9, seed: 5, measure: 20 };
    let run = || fine_tune(&chain, &start, &data, bench, &options, |_| true).unwrap();
    let (tuned, again) = (run(), run());
    assert_eq!(tuned, again);
    assert!(tuned.layers.iter().flat_map(|l| &l.weight).all(|w| w.unsigned_abs() <= 63));
    let score = |chain: &IntegerChain| psnr(&samples, 2, |low| chain.forward(low));
    assert!(score(&tuned) > score(&start) + 0.5, "{} {}", score(&tuned), score(&start));
    let mut heard = 0;
    let each = Options { measure: 1, ..options };
    fine_tune(&chain, &start, &data, bench, &each, |measured| {
        heard += measured.step;
        measured.step < 2
    })
    .unwrap();
    assert_eq!(heard, 1 + 2);
}
