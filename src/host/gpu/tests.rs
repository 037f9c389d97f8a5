//! Every operator, a network, a step and a run on the GPU against the CPU.

#![allow(clippy::unwrap_used)]

use super::found;
use crate::host::checkpoint::{Recipe, Run};
use crate::host::dataset::{Batch, Dataset};
use crate::host::degrade::Degradation;
use crate::host::graph::{Activation, Conv, Graph, Mode, Padding, Weights};
use crate::host::loss::{Loss, l1};
use crate::host::net::{Block, Net, Shape};
use crate::host::ops::{self, Bicubic, Patches, Window};
use crate::host::optimise::Adam;
use crate::host::precision::Precision;
use crate::host::random::Random;
use crate::host::train::{Observer, Rhythm, train};
use candle_core::{DType, Device, Result, Tensor, Var};

fn noise(random: &mut Random, shape: &[usize]) -> Tensor {
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.normal() as f32).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The result of `f` and the gradients of `Σ f · probe`, computed on `device`.
fn both_ways(
    device: &Device,
    precision: Precision,
    operands: &[Tensor],
    f: &impl Fn(&[Tensor], &Device) -> Result<Tensor>,
) -> Result<Vec<Vec<f32>>> {
    let vars = operands.iter().map(|t| Var::from_tensor(&t.to_device(device)?)).collect::<Result<Vec<_>>>()?;
    let held = vars.iter().map(|var| precision.cast(var)).collect::<Result<Vec<_>>>()?;
    let made = f(&held, device)?.to_dtype(DType::F32)?;
    let probe = noise(&mut Random::new(77), made.dims()).to_device(device)?;
    let gradients = (&made * probe)?.sum_all()?.backward()?;
    let mut all = vec![values(&made)];
    all.extend(vars.iter().map(|var| gradients.get(var).map_or_else(Vec::new, values)));
    Ok(all)
}

/// The length of the difference of two lists, over that of the first. (Single numbers may be far apart: a ReLU whose input
/// rounds to the other side of 0 lets another gradient through.)
fn apart(exact: &[f32], other: &[f32]) -> f32 {
    assert_eq!(exact.len(), other.len());
    let off: f32 = exact.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
    (off / exact.iter().map(|a| a * a).sum::<f32>().max(1e-12)).sqrt()
}

/// Holds result and gradients of `f` on the GPU to those on the CPU, in f32 and, within its rounding, in bf16.
fn check(gpu: &Device, name: &str, operands: &[Tensor], f: impl Fn(&[Tensor], &Device) -> Result<Tensor>) {
    let exact = both_ways(&Device::Cpu, Precision::F32, operands, &f).unwrap();
    for (precision, bound) in [(Precision::F32, 2e-5), (Precision::Bf16, 0.1)] {
        let made =
            both_ways(gpu, precision, operands, &f).unwrap_or_else(|error| panic!("{name} {precision:?}: {error}"));
        for (part, (exact, made)) in exact.iter().zip(&made).enumerate() {
            let far = apart(exact, made);
            println!("{name} {precision:?} part {part}: {far:.1e}");
            assert!(far < bound, "{name} {precision:?}, part {part} (0 is the result): {far}");
        }
    }
}

#[test]
fn convolutions_equal_the_cpus() {
    let Some(gpu) = found() else { return };
    let random = &mut Random::new(4);
    let x = noise(random, &[2, 5, 13, 10]);
    for (side, slope) in [(3, None), (3, Some(0.0)), (1, Some(0.2)), (5, None), (9, Some(0.1))] {
        let operands = [x.clone(), noise(random, &[7, 5, side, side]), noise(random, &[7])];
        check(&gpu, &format!("convolve {side} {slope:?}"), &operands, |t, _| ops::convolve(&t[0], &t[1], &t[2], slope));
    }
    for (side, stride, padding) in [(3, 2, 1), (3, 2, 0), (4, 2, 1), (1, 2, 0), (5, 3, 2), (3, 1, 0)] {
        let (patches, name) = (Patches { side, stride, padding }, format!("{side} at {stride} in {padding}"));
        let operands = [x.clone(), noise(random, &[7, 5, side, side]), noise(random, &[7])];
        check(&gpu, &format!("patches {name}"), &operands, |t, _| {
            ops::convolve_patches(&t[0], &t[1], &t[2], patches, Some(0.2))
        });
        check(&gpu, &format!("twice {name}"), &operands, |t, _| ops::convolve_twice(&t[0], &t[1], &t[2], patches));
        check(&gpu, &format!("unfold {name}"), &operands[..1], |t, _| ops::unfold(&t[0], patches));
        let operands = [x.clone(), noise(random, &[5, 1, side, side]), noise(random, &[5])];
        check(&gpu, &format!("depthwise {name}"), &operands, |t, _| ops::depthwise(&t[0], &t[1], &t[2], patches));
    }
}

#[test]
fn other_operators_equal_the_cpus() {
    let Some(gpu) = found() else { return };
    let random = &mut Random::new(5);
    let x = noise(random, &[2, 8, 12, 9]);
    let one = std::slice::from_ref(&x);
    check(&gpu, "leaky", one, |t, _| ops::leaky(&t[0], 0.2));
    check(&gpu, "relu", one, |t, _| t[0].relu());
    check(&gpu, "prelu", &[x.clone(), noise(random, &[8])], |t, _| ops::prelu(&t[0], &t[1]));
    check(&gpu, "shuffle", one, |t, _| ops::shuffle(&t[0], 2));
    check(&gpu, "nearest", one, |t, _| ops::nearest(&t[0], 3));
    check(&gpu, "edged", one, |t, _| ops::edged(&t[0], 2));
    check(&gpu, "reflected", one, |t, _| ops::reflected(&t[0], 2));
    check(&gpu, "bicubic", one, |t, device| Bicubic::new(12, 9, 2, device)?.enlarge(&t[0].to_dtype(DType::F32)?));
    check(&gpu, "average", one, |t, _| t[0].mean_keepdim(3)?.mean_keepdim(2));
    check(&gpu, "sigmoid", one, |t, _| (t[0].neg()?.exp()? + 1.0)?.recip());
    for window in [Window { side: 2, stride: 2, ceil: false }, Window { side: 3, stride: 2, ceil: true }] {
        // Distinct to bf16 as well: equals would share a gradient that the CPU gives to the first.
        let order: Vec<f32> = (0..2 * 2 * 7 * 9).map(|n| (n * 89 % 252) as f32).collect();
        let distinct = Tensor::from_vec(order, (2, 2, 7, 9), &Device::Cpu).unwrap();
        check(&gpu, "max_pool", &[distinct], |t, _| ops::max_pool(&t[0], window));
    }
    let other = noise(random, &[2, 8, 12, 9]);
    let weights: Vec<f32> = (1..9).map(|n| n as f32).collect();
    check(&gpu, "unit_distance", one, |t, device| {
        let b = other.to_device(device)?;
        ops::unit_distance(&t[0].to_dtype(DType::F32)?, &b, &weights)
    });
    check(&gpu, "l1", one, |t, device| l1(&t[0].to_dtype(DType::F32)?, &other.to_device(device)?));
    check(&gpu, "l2", one, |t, device| Loss::L2.mean(&t[0].to_dtype(DType::F32)?, &other.to_device(device)?));
}

/// A whole network: a stride, batch normalisation, activations, a repeated border.
#[test]
fn networks_equal_the_cpus() {
    let Some(gpu) = found() else { return };
    let (mut graph, x) = Graph::with_input(3);
    let mut y = graph.conv("first", x, Conv::new(8, 3));
    y = graph.prelu("slopes", y);
    y = graph.conv("second", y, Conv::new(8, 4).stride(2).bare());
    y = graph.normalise("norm", y);
    y = graph.activate(y, Activation::Leaky(0.2));
    y = graph.conv("third", y, Conv::new(8, 3).padding(Padding::Edge));
    graph.outputs = vec![y];
    let input = noise(&mut Random::new(6), &[2, 3, 12, 12]);
    let run = |device: &Device, precision: Precision| {
        let weights = Weights::new(&graph, &mut Random::new(1), device).unwrap();
        let input = precision.cast(&input.to_device(device).unwrap()).unwrap();
        let made = graph.run(&weights.tensors(), &input, Mode::Training).unwrap().first().unwrap();
        let probe = noise(&mut Random::new(7), made.dims()).to_device(device).unwrap();
        let gradients = (&made * probe).unwrap().sum_all().unwrap().backward().unwrap();
        let mut all = vec![values(&made)];
        all.extend(weights.variables().map(|var| values(gradients.get(var).unwrap())));
        all
    };
    let exact = run(&Device::Cpu, Precision::F32);
    for (precision, bound) in [(Precision::F32, 1e-4), (Precision::Bf16, 0.2)] {
        for (part, (exact, made)) in exact.iter().zip(run(&gpu, precision)).enumerate() {
            let far = apart(exact, &made);
            assert!(far < bound, "{precision:?} part {part}: {far}");
        }
    }
}

/// The luma chain's loss, layer by layer on the GPU, equals the CPU's fused one, and so does Adam's step.
#[test]
fn a_step_of_the_luma_chain_equals_the_cpus() {
    let Some(gpu) = found() else { return };
    let shape = Shape { scale: 2, channels: 8, blocks: 2, block: Block::Ecb };
    let step = |device: &Device, precision: Precision| {
        let net = Net::new(shape, &mut Random::new(3), device).unwrap();
        let mut random = Random::new(8);
        let mut noise = |n: usize| (0..n).map(|_| random.normal() as f32).collect::<Vec<_>>();
        let batch = Batch { input: noise(3 * 144), target: noise(3 * 4 * 144) };
        let cost = net.loss(batch, 12, Loss::L2, precision).unwrap();
        let gradients = cost.backward().unwrap();
        let vars: Vec<Var> = net.variables().map(|(_, var)| var.clone()).collect();
        let mut all: Vec<Vec<f32>> = vars.iter().map(|var| values(gradients.get(var).unwrap())).collect();
        all.push(values(&cost));
        let mut adam = Adam::new(vars.iter(), 0.9).unwrap();
        adam.update(vars.iter(), &gradients, 1e-3).unwrap();
        all.extend(adam.state().unwrap().into_iter().flatten());
        all
    };
    let exact = step(&Device::Cpu, Precision::F32);
    for (precision, bound) in [(Precision::F32, 1e-3), (Precision::Bf16, 0.2)] {
        for (part, (exact, made)) in exact.iter().zip(step(&gpu, precision)).enumerate() {
            let far = apart(exact, &made);
            assert!(far < bound, "{precision:?} part {part}: {far}");
        }
    }
}

struct Listener;

impl Observer for Listener {
    fn step(&mut self, _step: u64, _loss: f64) {}
    fn alarm(&mut self, _what: &str) {}
    fn measured(&mut self, _run: &Run) -> crate::error::Result<bool> {
        Ok(true)
    }
}

/// A checkpoint of a run on the GPU goes on there and on the CPU.
#[test]
fn a_run_learns_is_saved_and_goes_on() {
    let Some(gpu) = found() else { return };
    let folder = tempfile::tempdir().unwrap();
    image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 4) as u8, (y * 3) as u8, (x * y % 251) as u8]))
        .save(folder.path().join("a.png"))
        .unwrap();
    let data = Dataset::read(folder.path(), 2, 8, Degradation::Bicubic).unwrap();
    let rhythm = Rhythm { measure: 6 };
    for precision in [Precision::F32, Precision::Bf16] {
        let recipe = Recipe { precision, ..Recipe::sketch() };
        let mut run = Run::new(recipe, &gpu).unwrap();
        train(&mut run, &data, Some(&data), rhythm, &mut Listener).unwrap();
        assert!(run.history[1].loss < run.history[0].loss, "{:?}", run.history);
        let file = folder.path().join("checkpoint.safetensors");
        run.save(&file).unwrap();
        for device in [&gpu, &Device::Cpu] {
            let again = Run::load(&file, device).unwrap();
            assert_eq!(again.adam.state().unwrap(), run.adam.state().unwrap());
            assert_eq!(again.averaged().unwrap().merge().unwrap(), run.averaged().unwrap().merge().unwrap());
        }
    }
}
