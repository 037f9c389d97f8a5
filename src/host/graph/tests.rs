//! Networks against what they are equal to.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::card::Colour;
use crate::host::papers::{self, Choice};
use crate::host::random::Random;
use candle_core::{Device, Tensor};

fn noise(random: &mut Random, shape: &[usize]) -> Tensor {
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.unit() as f32).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_edge_network_is_the_chain() {
    use crate::frame::Plane;
    use crate::geometry::Size;
    use crate::host::chain::{Chain, Maps};
    let choice = Choice { scale: Some(3), channels: Some(5), blocks: Some(1), ..Choice::named("edge") };
    let generator = papers::generator(&choice).unwrap();
    let chain = Chain::sketch(3, &[5, 5]);
    let table: Table = chain
        .layers
        .iter()
        .enumerate()
        .flat_map(|(n, layer)| {
            [(format!("layer.{n}.weight"), layer.weight.clone()), (format!("layer.{n}.bias"), layer.bias.clone())]
        })
        .collect();
    let mut weights = Weights::new(&generator.graph, &mut Random::new(1), &Device::Cpu).unwrap();
    weights.fill(&table).unwrap();
    let x = noise(&mut Random::new(2), &[1, 1, 7, 6]);
    let made = generator.graph.run(&weights.frozen(), &x, Mode::Judging).unwrap().first().unwrap();
    let plane = Plane { size: Size::new(6, 7), data: values(&x) };
    assert!(far(&values(&made), &chain.forward(&Maps::from_plane(&plane)).samples()) < 1e-5);
}

#[test]
fn bicubic_enlargement_is_the_resamplers() {
    use crate::frame::Plane;
    use crate::geometry::Size;
    use crate::resample::{Filter, resize};
    for r in [2, 3, 4] {
        let (mut graph, x) = Graph::with_input(1);
        let y = graph.bicubic(x, r);
        graph.outputs = vec![y];
        let weights = Weights::new(&graph, &mut Random::new(1), &Device::Cpu).unwrap();
        let x = noise(&mut Random::new(2), &[1, 1, 9, 8]);
        let made = graph.run(&weights.frozen(), &x, Mode::Judging).unwrap().first().unwrap();
        let plane = Plane { size: Size::new(8, 9), data: values(&x) };
        let expected = resize(&plane, Size::new(8 * r, 9 * r), Filter::Bicubic);
        assert!(far(&values(&made), &expected.data) < 1e-5, "x{r}");
    }
}

/// What batch normalisation does to the batch and to its running numbers, by numpy:
/// ```python
/// import numpy as np
/// x = np.arange(12.).reshape(2, 2, 1, 3) ** 1.5 / 10
/// m, v = x.mean((0, 2, 3)), x.var((0, 2, 3))
/// y = (x - m[None, :, None, None]) / np.sqrt(v + 1e-5)[None, :, None, None]
/// print(np.round(y.ravel(), 5).tolist(), np.round(.1 * m, 5), np.round(.9 + .1 * v * 6 / 5, 5))
/// ```
#[test]
fn batch_normalisation_equals_numpy() {
    let (mut graph, x) = Graph::with_input(2);
    let y = graph.normalise("bn", x);
    graph.outputs = vec![y];
    let mut weights = Weights::new(&graph, &mut Random::new(1), &Device::Cpu).unwrap();
    let data: Vec<f32> = (0..12).map(|n| (n as f32).powf(1.5) / 10.0).collect();
    let x = Tensor::from_vec(data, (2, 2, 1, 3), &Device::Cpu).unwrap();
    let pass = graph.run(&weights.tensors(), &x, Mode::Training).unwrap();
    assert!(far(&values(&pass.values[0]), &NORMALISED) < 1e-4, "{:?}", values(&pass.values[0]));
    weights.follow(pass.statistics).unwrap();
    let table = weights.table().unwrap();
    assert!(far(&table["bn.running_mean"], &RUNNING[0]) < 1e-5, "{table:?}");
    assert!(far(&table["bn.running_var"], &RUNNING[1]) < 1e-5, "{table:?}");
}

const NORMALISED: [f32; 12] =
    [-1.10446, -0.99341, -0.79036, -1.20391, -0.97455, -0.7144, 0.52765, 0.95223, 1.40834, 0.57967, 0.95781, 1.35537];
const RUNNING: [[f32; 2]; 2] = [[0.09946, 0.19914], [0.9973, 1.07933]];

#[test]
fn weights_of_another_network_are_refused() {
    let named = |name: &str, channels| {
        let choice = Choice { channels: Some(channels), blocks: Some(1), ..Choice::named(name) };
        let graph = papers::generator(&choice).unwrap().graph;
        Weights::new(&graph, &mut Random::new(1), &Device::Cpu).unwrap()
    };
    let mut weights = named("edge", 4);
    let message = |table: &Table, weights: &mut Weights| weights.fill(table).unwrap_err().to_string();
    let foreign = named("srresnet", 4).table().unwrap();
    assert!(message(&foreign, &mut weights).contains("another network"));
    let wide = named("edge", 5).table().unwrap();
    assert!(message(&wide, &mut weights).contains("numbers, not"));
    let mut short = weights.table().unwrap();
    short.remove("layer.0.bias");
    assert!(message(&short, &mut weights).contains("'layer.0.bias' is missing"));
    let mut broken = weights.table().unwrap();
    broken.insert("layer.0.bias".into(), vec![f32::NAN; 4]);
    assert!(message(&broken, &mut weights).contains("no number"));
}

/// A network that stands for the papers': exported, read back and run by the device's session, it gives what candle gives.
#[test]
fn the_export_computes_what_candle_computes() {
    for (name, colour, scale) in [("edge", Colour::Rgb, 2), ("edge", Colour::Luma, 4), ("srresnet", Colour::Rgb, 4)] {
        let choice = Choice {
            scale: Some(scale),
            channels: Some(8),
            blocks: Some(2),
            colour: Some(colour),
            ..Choice::named(name)
        };
        crate::host::papers::testing::exports_as_it_trains(&choice);
    }
}
