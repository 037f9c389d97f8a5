#![allow(clippy::unwrap_used, clippy::float_cmp)]

use super::*;
use crate::frame::Plane;
use crate::geometry::Size;
use crate::host::calibrate::Method;
use crate::host::chain::{Chain, Maps};
use crate::host::integer::quantise_input;
use crate::host::quantise::{Options as Quantisation, quantise};

const PATCH: usize = 12;

fn samples(chain: &Chain) -> Vec<Sample> {
    let plane = |seed: usize| {
        Plane::from_fn(Size::new(PATCH, PATCH), |x, y| {
            0.5 + 0.4 * ((x + seed) as f32 / 2.0).sin() * ((y * (seed + 1)) as f32 / 5.0).cos()
        })
    };
    (1..4).map(|seed| Sample { high: chain.forward(&plane(seed)), low: plane(seed) }).collect()
}

/// The samples as one batch whose targets are `targets`.
fn batch(samples: &[Sample], targets: Vec<f32>) -> Batch {
    Batch { input: samples.iter().flat_map(|s| s.low.data.clone()).collect(), target: targets }
}

fn tuned() -> (Tuned, Vec<Sample>) {
    let chain = Chain::sketch(2, &[8, 8]);
    let samples = samples(&chain);
    let start = quantise(&chain, &samples, Quantisation { method: Method::MinMax, weight_bits: 8 }).unwrap();
    (Tuned::new(&start, 127).unwrap(), samples)
}

/// `[channel][y][x]`.
fn flat<T: Copy + Default>(maps: &Maps<T>) -> Vec<T> {
    (0..maps.channels * PATCH).flat_map(|n| maps.row(n / PATCH, n % PATCH).to_vec()).collect()
}

fn values(tuned: &Tuned) -> Vec<Vec<f32>> {
    tuned.variables().map(|v| v.flatten_all().unwrap().to_vec1().unwrap()).collect()
}

fn integer(tuned: &Tuned) -> IntegerChain {
    let values = values(tuned);
    tuned.integer(&values.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_loss_is_that_of_the_integer_chain() {
    let (tuned, samples) = tuned();
    let integer = integer(&tuned);
    let mut residuals = Vec::new();
    for sample in &samples {
        let maps =
            integer.dequantise(&integer.layer(2, &integer.layer(1, &integer.layer(0, &quantise_input(&sample.low)))));
        residuals.extend(
            (0..4)
                .flat_map(|c| (0..PATCH).flat_map(move |y| (0..PATCH).map(move |x| (c, x, y))))
                .map(|(c, x, y)| maps.at(c, x as isize, y as isize)),
        );
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
    let (tuned, samples) = tuned();
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
    let (tuned, samples) = tuned();
    // A step so small that some of the residual is clamped.
    tuned.layers[2].step.1.set(&Tensor::new(&[-0.3f32], &Device::Cpu).unwrap()).unwrap();
    let integer = integer(&tuned);
    let layer = &integer.layers[2];
    let mut expected = 0.0;
    for (n, sample) in samples.iter().enumerate() {
        let input = integer.layer(1, &integer.layer(0, &quantise_input(&sample.low)));
        let units = layer.factors(integer.input_step(2));
        let u = flat(&integer.sums(2, &input).map(|o, sum| sum as f32 * units[o]));
        for (u, target) in u.iter().zip(&targets()[n * u.len()..]) {
            let q = u.round_ties_even().clamp(-128.0, 127.0);
            let slope = if (-128.0..127.0).contains(u) { q - u } else { q };
            expected += slope * (q * layer.step - target).signum() / targets().len() as f32;
        }
    }
    expected *= layer.step * STEP_PACE as f32;
    let gradients = tuned.loss(batch(&samples, targets()), PATCH).unwrap().backward().unwrap();
    let got = gradients.get(tuned.layers[2].step.1.as_tensor()).unwrap().to_vec1::<f32>().unwrap()[0];
    assert!((got - expected).abs() < 0.02 * expected.abs(), "{got} {expected}");
}

#[test]
fn tuning_starts_at_the_chain_it_is_given() {
    let chain = Chain::sketch(2, &[8, 8]);
    let start = quantise(&chain, &samples(&chain), Quantisation { method: Method::MinMax, weight_bits: 8 }).unwrap();
    assert_eq!(integer(&Tuned::new(&start, 127).unwrap()), start);
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
    let mut start = quantise(&Chain::sketch(2, &[6]), &samples, Quantisation::default()).unwrap();
    for i in 0..2 {
        start.set_step(i, 8.0 * start.layers[i].step);
    }
    let options = Options { steps: 60, batch: 4, patch: 16, rate: 3e-3, decay: 0.9, seed: 5, measure: 20 };
    let run = || fine_tune(&start, 63, &data, &samples, &options, |_| true).unwrap();
    let (tuned, again) = (run(), run());
    assert_eq!(tuned, again);
    assert!(tuned.layers.iter().flat_map(|l| &l.weight).all(|w| w.unsigned_abs() <= 63));
    let score = |chain: &IntegerChain| psnr(&samples, 2, |low| chain.forward(low));
    assert!(score(&tuned) > score(&start) + 0.5, "{} {}", score(&tuned), score(&start));
    // A report of `false` ends the work: nothing measured yet, nothing better found.
    let none = Options { measure: 1, rate: 1e-9, ..options };
    assert_eq!(fine_tune(&start, 63, &data, &samples, &none, |_| false).unwrap().layers[0].step, start.layers[0].step);
}
