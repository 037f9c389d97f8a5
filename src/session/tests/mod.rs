//! Sessions, judged by what they do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

mod both;
mod cards;
mod order;
mod patches;
mod reach;
mod windows;

use super::{Overrides, TractGenerator, enlarged};
use crate::frame::Plane;
use crate::onnx::Limits;
use crate::onnx::build::{GraphBuilder, int, text};
use crate::onnx::proto::{AttributeProto, ModelProto};
use crate::session::testing::begin;
use crate::upscale::Generator;

fn generator(model: &ModelProto) -> TractGenerator {
    TractGenerator::from_bytes("test", &model.to_bytes(), &Overrides::default(), Limits::default()).unwrap()
}

fn run(generator: &TractGenerator, planes: &[Plane]) -> Vec<Plane> {
    let size = planes[0].size;
    let large = enlarged(size, generator.card().scale);
    let input: Vec<f32> = planes.iter().flat_map(|p| p.data.clone()).collect();
    let mut output = vec![f32::NAN; large.area() * planes.len()];
    generator.plan(size).unwrap().run(&input, &mut output).unwrap();
    output.chunks(large.area()).map(|data| Plane { size: large, data: data.to_vec() }).collect()
}

/// A graph from `x` to `y`.
fn graph(build: impl FnOnce(&mut GraphBuilder)) -> TractGenerator {
    let mut graph = begin(1);
    build(&mut graph);
    generator(&graph.finish())
}

fn shuffle(r: i64) -> Vec<AttributeProto> {
    vec![int("blocksize", r), text("mode", "CRD")]
}
