//! The receptive field that is worked out, against how far a not-a-number really reaches.

use super::{graph, run, shuffle};
use crate::card::Tiling;
use crate::frame::Plane;
use crate::geometry::Size;
use crate::onnx::build::{GraphBuilder, int, ints, text};
use crate::onnx::proto::AttributeProto;
use crate::session::TractGenerator;
use crate::upscale::Generator;

/// How far from an input pixel the outputs lie that a not-a-number in it reaches, in input pixels.
fn observed(generator: &TractGenerator) -> usize {
    let (size, scale) = (Size::new(41, 37), generator.card().scale);
    let (x, y) = (20, 18);
    let mut input = Plane::new(size);
    input.row_mut(y)[x] = f32::NAN;
    let output = &run(generator, &[input])[0];
    let mut reach = 0;
    for row in 0..output.size.height {
        for (column, value) in output.row(row).iter().enumerate() {
            if value.is_nan() {
                reach = reach.max((column / scale).abs_diff(x)).max((row / scale).abs_diff(y));
            }
        }
    }
    reach
}

/// No ReLU in these graphs: it would swallow the not-a-number.
#[track_caller]
fn reaches(expected: usize, build: impl FnOnce(&mut GraphBuilder)) {
    let generator = graph(build);
    assert_eq!(generator.card().tiling, Tiling::Halo(expected));
    assert_eq!(observed(&generator), expected, "in truth");
}

#[track_caller]
fn whole(reason: &str, build: impl FnOnce(&mut GraphBuilder)) {
    let generator = graph(build);
    let Tiling::Whole(said) = &generator.card().tiling else { panic!("{reason} was not seen") };
    assert!(said.contains(reason), "{said}");
}

fn conv(graph: &mut GraphBuilder, from: &str, to: &str, shape: [usize; 4], attributes: Vec<AttributeProto>) {
    let (name, weights) = (format!("w_{to}"), vec![0.1; shape.iter().product()]);
    graph.f32(&name, &shape, &weights).node("Conv", &[from, &name], to, attributes);
}

fn pads(n: i64) -> Vec<AttributeProto> {
    vec![ints("pads", &[n; 4])]
}

fn resize(graph: &mut GraphBuilder, factor: f32, mode: &str, place: &str) {
    graph.f32("scales", &[4], &[1.0, 1.0, factor, factor]);
    let form = vec![text("mode", mode), text("coordinate_transformation_mode", place), text("nearest_mode", "floor")];
    graph.node("Resize", &["x", "", "scales"], "y", form);
}

#[test]
fn convolutions() {
    reaches(0, |g| conv(g, "x", "y", [1, 1, 1, 1], vec![]));
    let dilated = vec![ints("pads", &[3; 4]), ints("dilations", &[3, 3])];
    reaches(3, |g| conv(g, "x", "y", [1, 1, 3, 3], dilated));
    // Two rows above, four columns to the left.
    reaches(4, |g| conv(g, "x", "y", [1, 1, 2, 5], vec![ints("pads", &[1, 4, 0, 0])]));
    reaches(2, |g| conv(g, "x", "y", [1, 1, 5, 5], vec![text("auto_pad", "SAME_UPPER")]));
    reaches(3, |g| {
        conv(g, "x", "a", [2, 1, 5, 5], pads(2));
        conv(g, "a", "y", [1, 2, 3, 3], pads(1));
    });
    // The larger of two branches.
    reaches(3, |g| {
        conv(g, "x", "a", [2, 1, 7, 7], pads(3));
        conv(g, "x", "b", [2, 1, 3, 3], pads(1));
        g.node("Concat", &["a", "b"], "c", vec![int("axis", 1)]);
        conv(g, "c", "y", [1, 4, 1, 1], vec![]);
    });
    reaches(1, |g| {
        g.node("AveragePool", &["x"], "y", vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])]);
    });
}

#[test]
fn convolutions_on_finer_grids() {
    // 1 on the picture's grid; 1/2 at twice, 2/4 at four times: together less than 2 beyond the neighbour.
    reaches(2, |g| {
        conv(g, "x", "a", [4, 1, 3, 3], pads(1));
        g.node("DepthToSpace", &["a"], "b", shuffle(2));
        conv(g, "b", "c", [4, 1, 3, 3], pads(1));
        g.node("DepthToSpace", &["c"], "d", shuffle(2));
        conv(g, "d", "y", [1, 1, 5, 5], pads(2));
    });
    reaches(1, |g| {
        g.f32("w", &[1, 1, 9, 9], &[0.1; 81]);
        let (strides, extra) = (ints("strides", &[4, 4]), ints("output_padding", &[3, 3]));
        let form = vec![ints("kernel_shape", &[9, 9]), strides, ints("pads", &[4; 4]), extra];
        g.node("ConvTranspose", &["x", "w"], "y", form);
    });
}

#[test]
fn what_exporters_write_for_a_pixel_shuffle() {
    reaches(1, |g| {
        conv(g, "x", "a", [4, 1, 3, 3], pads(1));
        g.node("Shape", &["a"], "shape", vec![]);
        g.i64("at", &[2], &[2, 3]).node("Gather", &["shape", "at"], "sides", vec![]);
        g.i64("two", &[2], &[2, 2]).i64("front", &[4], &[1, 1, 2, 2]).i64("one", &[2], &[1, 1]);
        g.node("Concat", &["front", "sides"], "six", vec![int("axis", 0)]);
        g.node("Reshape", &["a", "six"], "b", vec![]);
        g.node("Transpose", &["b"], "c", vec![ints("perm", &[0, 1, 4, 2, 5, 3])]);
        g.node("Mul", &["sides", "two"], "large", vec![]);
        g.node("Concat", &["one", "large"], "four", vec![int("axis", 0)]);
        g.node("Reshape", &["c", "four"], "y", vec![]);
    });
}

#[test]
fn padding_and_cutting() {
    reaches(1, |g| {
        g.i64("pads", &[8], &[0, 0, 2, 2, 0, 0, 2, 2]);
        g.node("Pad", &["x", "pads"], "a", vec![text("mode", "reflect")]);
        conv(g, "a", "b", [1, 1, 3, 3], vec![]);
        g.i64("start", &[2], &[1, 1]).i64("end", &[2], &[-1, -1]).i64("axes", &[2], &[2, 3]);
        g.node("Slice", &["b", "start", "end", "axes"], "y", vec![]);
    });
}

#[test]
fn resizing() {
    reaches(0, |g| resize(g, 3.0, "nearest", "asymmetric"));
    reaches(1, |g| resize(g, 2.0, "linear", "half_pixel"));
    reaches(1, |g| resize(g, 4.0, "linear", "half_pixel"));
    reaches(2, |g| resize(g, 2.0, "cubic", "half_pixel"));
    whole("Resize", |g| resize(g, 2.0, "linear", "align_corners"));
    whole("round differently", |g| resize(g, 3.0, "linear", "half_pixel"));
}

#[test]
fn what_looks_at_the_whole_picture() {
    for (op, form) in [("GlobalAveragePool", vec![]), ("ReduceMean", vec![ints("axes", &[2, 3])])] {
        whole(op, |g| {
            g.node(op, &["x"], "p", form);
            g.node("Sigmoid", &["p"], "gate", vec![]).node("Mul", &["x", "gate"], "y", vec![]);
        });
    }
    whole("InstanceNormalization", |g| {
        g.f32("one", &[1], &[1.0]).f32("zero", &[1], &[0.0]);
        g.node("InstanceNormalization", &["x", "one", "zero"], "y", vec![]);
    });
    whole("Softmax", |g| {
        g.node("Softmax", &["x"], "y", vec![int("axis", 3)]);
    });
    whole("MatMul", |g| {
        g.node("Transpose", &["x"], "t", vec![ints("perm", &[0, 1, 3, 2])]);
        g.node("MatMul", &["x", "t"], "a", vec![]).node("MatMul", &["a", "x"], "y", vec![]);
    });
    // Over channels the same operators are harmless.
    reaches(0, |g| {
        g.node("ReduceMean", &["x"], "m", vec![ints("axes", &[1])]).node("Sub", &["x", "m"], "y", vec![]);
    });
}

#[test]
fn strides_places_and_unknown_operators() {
    whole("keep only every 2. pixel", |g| {
        g.node("SpaceToDepth", &["x"], "a", vec![int("blocksize", 2)]);
        g.node("DepthToSpace", &["a"], "y", vec![int("blocksize", 2)]);
    });
    whole("not known", |g| {
        g.node("Tanh", &["x"], "t", vec![]).node("Asinh", &["t"], "y", vec![]);
    });
    whole("picture's size", |g| {
        g.node("Size", &["x"], "s", vec![]).node("Cast", &["s"], "f", vec![int("to", 1)]);
        g.node("Div", &["x", "f"], "y", vec![]);
    });
}
