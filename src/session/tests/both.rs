//! The engine beside tract on graphs of every kind that it recognises, and on some that it does not.

use crate::geometry::Size;
use crate::onnx::Limits;
use crate::onnx::build::{GraphBuilder, float, int, ints, text};
use crate::onnx::proto::ModelProto;
use crate::session::testing::{Noise, begin, same};
use crate::session::{Overrides, Runner, TractGenerator};
use crate::upscale::Generator;

/// A graph under construction, with noise for its weights.
struct Sketch {
    graph: GraphBuilder,
    noise: Noise,
    names: usize,
}

impl Sketch {
    fn new(planes: usize) -> Self {
        Self { graph: begin(planes), noise: Noise(11), names: 0 }
    }

    fn name(&mut self, word: &str) -> String {
        self.names += 1;
        format!("{word}{}", self.names)
    }

    fn stored(&mut self, dims: &[usize], values: &[f32]) -> String {
        let name = self.name("s");
        self.graph.f32(&name, dims, values);
        name
    }

    fn indices(&mut self, values: &[i64]) -> String {
        let name = self.name("i");
        self.graph.i64(&name, &[values.len()], values);
        name
    }

    fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<crate::onnx::proto::AttributeProto>) -> String {
        let name = self.name("v");
        self.graph.node(op, inputs, &name, attributes);
        name
    }

    fn conv_by(&mut self, from: &str, [inputs, outputs, side]: [usize; 3], group: usize) -> String {
        let span = 1.4 / ((inputs / group * side * side) as f32).sqrt();
        let weights = self.noise.list(outputs * inputs / group * side * side, span);
        let weights = self.stored(&[outputs, inputs / group, side, side], &weights);
        let bias = self.noise.list(outputs, 0.1);
        let bias = self.stored(&[outputs], &bias);
        let mut attributes = same(side as i64);
        attributes.push(int("group", group as i64));
        self.node("Conv", &[from, &weights, &bias], attributes)
    }

    fn conv(&mut self, from: &str, inputs: usize, outputs: usize, side: usize) -> String {
        self.conv_by(from, [inputs, outputs, side], 1)
    }

    fn prelu(&mut self, from: &str, channels: usize) -> String {
        let slopes = self.noise.list(channels, 0.4);
        let slopes = self.stored(&[channels, 1, 1], &slopes);
        self.node("PRelu", &[from, &slopes], vec![])
    }

    fn shuffle(&mut self, from: &str, factor: i64, mode: &str) -> String {
        self.node("DepthToSpace", &[from], vec![int("blocksize", factor), text("mode", mode)])
    }

    fn resize(&mut self, from: &str, factor: f32, mode: &str, place: &str) -> String {
        let scales = self.stored(&[4], &[1.0, 1.0, factor, factor]);
        let attributes = vec![
            text("mode", mode),
            text("coordinate_transformation_mode", place),
            text("nearest_mode", if place == "asymmetric" { "floor" } else { "round_prefer_floor" }),
        ];
        self.node("Resize", &[from, "", &scales], attributes)
    }

    fn finish(mut self, from: &str) -> ModelProto {
        self.graph.node("Identity", &[from], "y", vec![]);
        self.graph.finish()
    }
}

/// SRGAN's generator in small: head and tail of 9×9, residual blocks, a long skip, PReLU behind a pixel shuffle.
fn residual() -> ModelProto {
    let mut s = Sketch::new(3);
    let head = s.conv("x", 3, 10, 9);
    let head = s.prelu(&head, 10);
    let mut trunk = head.clone();
    for _ in 0..3 {
        let inner = s.conv(&trunk, 10, 10, 3);
        let inner = s.prelu(&inner, 10);
        let inner = s.conv(&inner, 10, 10, 3);
        trunk = s.node("Add", &[&inner, &trunk], vec![]);
    }
    let trunk = s.conv(&trunk, 10, 10, 3);
    let mut up = s.node("Add", &[&trunk, &head], vec![]);
    for mode in ["CRD", "DCR"] {
        let wide = s.conv(&up, 10, 40, 3);
        let shuffled = s.shuffle(&wide, 2, mode);
        up = s.prelu(&shuffled, 10);
    }
    let y = s.conv(&up, 10, 3, 9);
    s.finish(&y)
}

/// ESRGAN's dense block with its scaled residual, and its way of enlarging.
fn dense() -> ModelProto {
    let mut s = Sketch::new(3);
    let head = s.conv("x", 3, 12, 3);
    let mut parts = vec![head.clone()];
    for i in 0..3 {
        let names: Vec<String> = parts.clone();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let joined = s.node("Concat", &all, vec![int("axis", 1)]);
        let wide = s.conv(&joined, 12 + 5 * i, 5, 3);
        parts.push(s.node("LeakyRelu", &[&wide], vec![float("alpha", 0.2)]));
    }
    let names: Vec<&str> = parts.iter().map(String::as_str).collect();
    let joined = s.node("Concat", &names, vec![int("axis", 1)]);
    let block = s.conv(&joined, 27, 12, 3);
    let fifth = s.stored(&[], &[0.2]);
    let scaled = s.node("Mul", &[&block, &fifth], vec![]);
    let trunk = s.node("Add", &[&scaled, &head], vec![]);
    let large = s.resize(&trunk, 2.0, "nearest", "asymmetric");
    let large = s.conv(&large, 12, 9, 3);
    let large = s.node("LeakyRelu", &[&large], vec![float("alpha", 0.2)]);
    let y = s.conv(&large, 9, 3, 3);
    s.finish(&y)
}

/// ESRGAN's outer residual: a sum, which no convolution can take a factor for, is scaled and added.
fn scaled() -> ModelProto {
    let mut s = Sketch::new(3);
    let head = s.conv("x", 3, 40, 3);
    let block = s.conv(&head, 40, 40, 3);
    let inner = s.node("Add", &[&block, &head], vec![]);
    let fifth = s.stored(&[1], &[0.2]);
    let small = s.node("Mul", &[&inner, &fifth], vec![]);
    let outer = s.node("Add", &[&small, &head], vec![]);
    let phases = s.conv(&outer, 40, 12, 3);
    let y = s.shuffle(&phases, 2, "CRD");
    s.finish(&y)
}

/// A base picture by interpolation, added behind the shuffle.
fn based(mode: &str, place: &str) -> ModelProto {
    let mut s = Sketch::new(3);
    let base = s.resize("x", 3.0, mode, place);
    let wide = s.conv("x", 3, 27, 5);
    let pixels = s.shuffle(&wide, 3, "CRD");
    let y = s.node("Add", &[&pixels, &base], vec![]);
    s.finish(&y)
}

/// The base picture by concatenation, in the order of `mode`.
fn concatenated(mode: &str) -> ModelProto {
    let mut s = Sketch::new(3);
    s.graph.i64("parts", &[3], &[1, 1, 1]);
    let wide = s.conv("x", 3, 12, 3);
    let base = if mode == "CRD" {
        // One operator with three outputs.
        let mut split = crate::onnx::proto::NodeProto { op_type: "Split".into(), ..Default::default() };
        split.input = vec!["x".into(), "parts".into()];
        split.output = vec!["r".into(), "g".into(), "b".into()];
        split.attribute = vec![int("axis", 1)];
        s.graph.push(split);
        s.node("Concat", &["r", "r", "r", "r", "g", "g", "g", "g", "b", "b", "b", "b"], vec![int("axis", 1)])
    } else {
        s.node("Concat", &["x", "x", "x", "x"], vec![int("axis", 1)])
    };
    let sum = s.node("Add", &[&base, &wide], vec![]);
    let y = s.shuffle(&sum, 2, mode);
    s.finish(&y)
}

/// Clips, constants, scales, groups, borders, and a value under two names.
fn assorted() -> ModelProto {
    let mut s = Sketch::new(1);
    let pads = s.indices(&[0, 0, 1, 1, 0, 0, 1, 1]);
    let edged = s.node("Pad", &["x", &pads], vec![text("mode", "edge")]);
    let weights = s.noise.list(12 * 9, 0.4);
    let weights = s.stored(&[12, 1, 3, 3], &weights);
    let first = s.node("Conv", &[&edged, &weights], vec![ints("kernel_shape", &[3, 3])]);
    let shift = s.noise.list(12, 0.2);
    let shift = s.stored(&[1, 12, 1, 1], &shift);
    let first = s.node("Add", &[&first, &shift], vec![]);
    let (low, high) = (s.stored(&[], &[0.0]), s.stored(&[], &[0.6]));
    let clipped = s.node("Clip", &[&first, &low, &high], vec![]);
    let grouped = s.conv_by(&clipped, [12, 12, 3], 3);
    let statistics: Vec<String> = [0.3, 0.2, 0.4]
        .map(|span| {
            let list: Vec<f32> = s.noise.list(12, span).iter().map(|v| v.abs() + 0.1).collect();
            s.stored(&[12], &list)
        })
        .to_vec();
    let variance = s.stored(&[12], &[0.7; 12]);
    let names = [&grouped, &statistics[0], &statistics[1], &statistics[2], &variance].map(String::as_str);
    let normal = s.node("BatchNormalization", &names, vec![float("epsilon", 1e-5)]);
    let alias = s.node("Identity", &[&normal], vec![]);
    let rectified = s.node("Relu", &[&alias], vec![]);
    let both = s.node("Add", &[&rectified, &normal], vec![]);
    let both = s.node("Relu", &[&both], vec![]);
    let phases = s.conv(&both, 12, 4, 1);
    let y = s.shuffle(&phases, 2, "CRD");
    s.finish(&y)
}

/// What the engine does not do, between what it does.
fn interrupted() -> ModelProto {
    let mut s = Sketch::new(1);
    let a = s.conv("x", 1, 9, 3);
    let a = s.node("Relu", &[&a], vec![]);
    let gate = s.conv(&a, 9, 9, 1);
    let gate = s.node("Sigmoid", &[&gate], vec![]);
    let gated = s.node("Mul", &[&gate, &a], vec![]);
    let b = s.conv(&gated, 9, 9, 3);
    let b = s.node("Add", &[&b, &a], vec![]);
    let phases = s.conv(&b, 9, 4, 3);
    let pixels = s.shuffle(&phases, 2, "CRD");
    let y = s.node("Tanh", &[&pixels], vec![]);
    s.finish(&y)
}

/// RCAN's channel attention: a gate that looks at the whole picture, between maps that stay where they are.
fn attentive() -> ModelProto {
    let mut s = Sketch::new(1);
    let head = s.conv("x", 1, 9, 3);
    let a = s.node("Relu", &[&head], vec![]);
    let a = s.conv(&a, 9, 9, 3);
    let mean = s.node("GlobalAveragePool", &[&a], vec![]);
    let gate = s.conv(&mean, 9, 9, 1);
    let gate = s.node("Sigmoid", &[&gate], vec![]);
    let gated = s.node("Mul", &[&a, &gate], vec![]);
    let b = s.node("Add", &[&gated, &head], vec![]);
    let phases = s.conv(&b, 9, 4, 3);
    let y = s.shuffle(&phases, 2, "CRD");
    s.finish(&y)
}

fn open(model: &ModelProto, runner: Runner) -> TractGenerator {
    let overrides = Overrides { runner, range: Some([0.0, 1.0]), ..Overrides::default() };
    TractGenerator::from_bytes("test", &model.to_bytes(), &overrides, Limits::default()).unwrap()
}

/// How far the two are apart at most.
fn apart(engine: &TractGenerator, tract: &TractGenerator, size: Size) -> f32 {
    let (planes, scale) = (engine.card().colour.planes(), engine.card().scale);
    let mut noise = Noise(3);
    let input: Vec<f32> = (0..planes * size.area()).map(|_| noise.next() * 0.5 + 0.5).collect();
    let mut outputs = [engine, tract].map(|generator| {
        let mut output = vec![f32::NAN; planes * size.area() * scale * scale];
        generator.plan(size).unwrap().run(&input, &mut output).unwrap();
        output
    });
    let other = std::mem::take(&mut outputs[1]);
    outputs[0]
        .iter()
        .zip(other)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |far, d| if d > far || d.is_nan() { d } else { far })
}

#[test]
fn whole_graphs_are_taken_over_and_give_what_tract_gives() {
    let graphs = [
        ("residual", residual()),
        ("dense", dense()),
        ("scaled", scaled()),
        ("nearest", based("nearest", "asymmetric")),
        ("nearest, centred", based("nearest", "half_pixel")),
        ("bilinear", based("linear", "half_pixel")),
        ("channels first", concatenated("CRD")),
        ("phases first", concatenated("DCR")),
        ("assorted", assorted()),
    ];
    for (name, graph) in graphs {
        let (engine, tract) = (open(&graph, Runner::Engine), open(&graph, Runner::Tract));
        assert!(engine.is_whole() && !tract.is_whole(), "{name}: {:?}", engine.recognised().left);
        for size in [Size::new(9, 7), Size::new(34, 21)] {
            let far = apart(&engine, &tract, size);
            assert!(far < 1e-5, "{name} at {size}: {far}");
        }
    }
}

#[test]
fn islands_are_taken_over_and_the_rest_is_told() {
    let attention: &[&str] = &["GlobalAveragePool", "Conv", "Sigmoid", "Mul"];
    for (graph, rest) in [(interrupted(), &["Sigmoid", "Mul", "Tanh"][..]), (attentive(), attention)] {
        let (engine, tract) = (open(&graph, Runner::Engine), open(&graph, Runner::Tract));
        let found = engine.recognised();
        assert!(!engine.is_whole());
        assert_eq!(found.islands.len(), 2, "{found:?}");
        let left: Vec<&str> = found.left.iter().map(|(operator, _)| operator.split(' ').next().unwrap()).collect();
        assert_eq!(left, rest);
        for size in [Size::new(9, 7), Size::new(34, 21)] {
            let far = apart(&engine, &tract, size);
            assert!(far < 1e-5, "{size}: {far}");
        }
    }
}
