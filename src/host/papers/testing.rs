//! What every paper's network is held to.

#![allow(clippy::unwrap_used)]

use super::{Choice, generator};
use crate::geometry::Size;
use crate::host::graph::{Graph, Mode, Output, Role, Start, Table, Weights, to_onnx};
use crate::host::random::Random;
use crate::onnx::Limits;
use crate::session::{Overrides, TractGenerator};
use crate::upscale::Generator as _;
use candle_core::{Device, Tensor};

/// Exports every head of `choice` with random weights (running statistics too), runs it on the device's session, and holds
/// it to what candle computes. Returns the opened generators.
pub(crate) fn exports_as_it_trains(choice: &Choice) -> Vec<TractGenerator> {
    exports_at(choice, Size::new(13, 11))
}

/// The same on a picture of `size`.
pub(crate) fn exports_at(choice: &Choice, size: Size) -> Vec<TractGenerator> {
    let built = generator(choice).unwrap();
    let random = &mut Random::new(6);
    let mut weights = Weights::new(&built.graph, random, &Device::Cpu).unwrap();
    let mut table = weights.table().unwrap();
    disturb(&built.graph, &mut table, random);
    weights.fill(&table).unwrap();
    drop(table);
    let numbers: Vec<Vec<f32>> =
        weights.frozen().iter().map(|tensor| tensor.flatten_all().unwrap().to_vec1().unwrap()).collect();
    let planes = built.colour.planes();
    let input: Vec<f32> = (0..planes * size.area()).map(|_| random.unit() as f32).collect();
    let x = Tensor::from_vec(input.clone(), (1, planes, size.height, size.width), &Device::Cpu).unwrap();
    // A card says the range; without one, opening would try several on a large picture.
    let overrides = Overrides { range: Some([0.0, 1.0]), ..Overrides::default() };
    built
        .heads
        .iter()
        .map(|head| {
            let made = built.graph.forward(&weights.frozen(), &x, &[head.value], Mode::Judging).unwrap();
            let made: Vec<f32> = made.first().unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let file =
                to_onnx(&built.graph, &numbers, Output { value: head.value, planes }).unwrap().finish().to_bytes();
            let opened = TractGenerator::from_bytes(&choice.name, &file, &overrides, Limits::default()).unwrap();
            assert_eq!((opened.card().scale, opened.card().colour), (head.scale, built.colour), "{}", choice.name);
            let mut output = vec![0.0; made.len()];
            opened.plan(size).unwrap().run(&input, &mut output).unwrap();
            let spread = made.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            let far = output.iter().zip(&made).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 2e-4 * spread.max(1.0), "{}: {far} of {spread}", choice.name);
            opened
        })
        .collect()
}

/// Moves what starts alike everywhere or as the identity, so that places are told apart.
fn disturb(graph: &Graph, table: &mut Table, random: &mut Random) {
    for parameter in graph.parameters().iter().filter(|parameter| parameter.role != Role::Fixed) {
        let chosen = matches!(parameter.start, Start::Values(_));
        for value in table.get_mut(&parameter.name).into_iter().flatten() {
            *value += match parameter.name.rsplit('.').next() {
                Some("running_var") => 0.5 * random.unit() as f32,
                Some("running_mean" | "bias") => 0.1 * random.normal() as f32,
                _ if chosen => 0.02 * random.normal() as f32,
                _ => 0.0,
            };
        }
    }
}
