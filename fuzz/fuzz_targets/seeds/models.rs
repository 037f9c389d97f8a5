//! Models, cards, profiles, signatures.

use super::Seeds;
use upres::card::Card;
use upres::onnx::build::{GraphBuilder, float, int, ints, name, size, text};
use upres::onnx::proto::element;

/// Numbers that differ.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|n| ((n * 7919) % 101) as f32 / 101.0 - 0.5).collect()
}

fn begin(planes: usize) -> GraphBuilder {
    let mut graph = GraphBuilder::new("seed");
    graph.input("x", element::F32, &[size(1), size(planes), name("h"), name("w")]);
    graph.output("y", element::F32, &[size(1), size(planes), name("t"), name("u")]);
    graph
}

fn same() -> Vec<upres::onnx::proto::AttributeProto> {
    vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])]
}

/// What the compiled-in models are, with 3 channels.
fn chain(scale: usize) -> Vec<u8> {
    let mut graph = begin(1);
    let most = scale * scale;
    graph.f32("w0", &[3, 1, 3, 3], &numbers(27)).f32("b0", &[3], &numbers(3));
    graph.node("Conv", &["x", "w0", "b0"], "a", same()).node("Relu", &["a"], "b", vec![]);
    graph.f32("w1", &[most, 3, 3, 3], &numbers(27 * most)).node("Conv", &["b", "w1"], "c", same());
    graph.f32("one", &[most, 1, 1, 1], &vec![1.0; most]).node("Conv", &["x", "one"], "base", vec![]);
    graph.node("Add", &["c", "base"], "s", vec![]);
    graph.node("DepthToSpace", &["s"], "y", vec![int("blocksize", scale as i64), text("mode", "CRD")]);
    graph.metadata("upres.card", "{}");
    graph.finish().to_bytes()
}

/// The same in bytes.
fn chain_int8() -> Vec<u8> {
    let mut graph = begin(1);
    for (n, (step, zero)) in [(1.0 / 255.0, 0), (0.02, 0), (0.01, 128)].into_iter().enumerate() {
        graph.f32(&format!("s{n}"), &[], &[step]).u8(&format!("z{n}"), &[], &[zero]);
    }
    graph.node("QuantizeLinear", &["x", "s0", "z0"], "q0", vec![]);
    for (n, (from, to)) in [(1, 4), (4, 4)].into_iter().enumerate() {
        let weights: Vec<i8> = (0..from * to * 9).map(|n| (n * 37 % 255) as i8).collect();
        graph.i8(&format!("w{n}"), &[to, from, 3, 3], &weights).f32(&format!("ws{n}"), &[to], &[0.002; 4]);
        graph.i8(&format!("wz{n}"), &[to], &[0; 4]).i32(&format!("b{n}"), &[to], &[100; 4]);
        let next = n + 1;
        let inputs = [format!("q{n}"), format!("s{n}"), format!("z{n}"), format!("w{n}"), format!("ws{n}")];
        let rest = [format!("wz{n}"), format!("s{next}"), format!("z{next}"), format!("b{n}")];
        let inputs: Vec<&str> = inputs.iter().chain(&rest).map(String::as_str).collect();
        graph.node("QLinearConv", &inputs, &format!("q{next}"), same());
    }
    graph.node("DequantizeLinear", &["q2", "s2", "z2"], "d", vec![]);
    graph.node("DepthToSpace", &["d"], "y", vec![int("blocksize", 2), text("mode", "CRD")]);
    graph.finish().to_bytes()
}

/// Many operators, some of which only tract knows.
fn menagerie() -> Vec<u8> {
    let mut graph = begin(3);
    graph.f32("w0", &[4, 3, 3, 3], &numbers(108)).node("Conv", &["x", "w0"], "a", same());
    graph.f32("slope", &[4, 1, 1], &numbers(4)).node("PRelu", &["a", "slope"], "b", vec![]);
    graph.f32("w1", &[4, 1, 3, 3], &numbers(36));
    graph.node("Conv", &["b", "w1"], "c", [same(), vec![int("group", 4)]].concat());
    graph.node("LeakyRelu", &["c"], "d", vec![float("alpha", 0.1)]).node("Tanh", &["d"], "e", vec![]);
    graph.node("AveragePool", &["e"], "f", same()).node("MaxPool", &["e"], "g", same());
    graph.node("Concat", &["f", "g"], "i", vec![int("axis", 1)]).f32("w2", &[8, 3, 4, 4], &numbers(384));
    let up = vec![ints("kernel_shape", &[4, 4]), ints("strides", &[2, 2]), ints("pads", &[1; 4])];
    graph.node("ConvTranspose", &["i", "w2"], "j", up).f32("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
    let form = vec![text("mode", "cubic"), text("coordinate_transformation_mode", "half_pixel")];
    graph.node("Resize", &["x", "", "scales"], "k", form).node("Add", &["j", "k"], "l", vec![]);
    graph.f32("low", &[], &[0.0]).f32("high", &[], &[1.0]).node("Clip", &["l", "low", "high"], "y", vec![]);
    graph.finish().to_bytes()
}

/// Shapes and what is reckoned with them, and an operator that is not known.
fn shapes() -> Vec<u8> {
    let mut graph = begin(1);
    graph.node("Asinh", &["x"], "a", vec![]).node("Shape", &["a"], "s", vec![]).i64("two", &[4], &[1, 1, 2, 2]);
    graph.node("Mul", &["s", "two"], "t", vec![]).i64("i", &[1], &[2]).node("Gather", &["t", "i"], "g", vec![]);
    graph.i64("from", &[1], &[0]).i64("to", &[1], &[4]).node("Slice", &["t", "from", "to"], "u", vec![]);
    graph.node("Resize", &["x", "", "", "u"], "r", vec![text("mode", "nearest")]);
    graph.node("ConstantOfShape", &["two"], "k", vec![]).node("Add", &["r", "k"], "v", vec![]);
    graph.node("Transpose", &["v"], "w", vec![ints("perm", &[0, 1, 2, 3])]).node("Reshape", &["w", "u"], "y", vec![]);
    graph.finish().to_bytes()
}

pub(crate) fn write() {
    let mut models = Seeds::of("model");
    for model in [chain(1), chain(2), chain(3), chain_int8(), menagerie(), shapes()] {
        models.put(model);
    }
    models.put(include_bytes!("../../../tests/data/int8.onnx"));
    models.put(include_bytes!("../../../tests/data/int8_qdq.onnx"));
    models.put(include_bytes!("../../../models/small-x2-int8/model.onnx"));
    let mut cards = Seeds::of("card");
    for text in [include_str!("../../../models/small-x2/card.toml"), include_str!("../../../models/sharp-x4/card.toml")] {
        cards.put(text);
        cards.put(Card::from_toml(text).and_then(|card| card.to_json()).unwrap_or_default());
    }
    let mut profiles = Seeds::of("profile");
    let choice = "model = \"small-x2-int8\"\nthreads = 4\nms = 3.5\n";
    profiles.put(format!("cpu = \"neon\"\nsize = \"480x270\"\n[models.small-x2]\n{choice}"));
    profiles.put(include_str!("../../../board/profiles/pi-5.toml"));
    profiles.put("cpu = 'avx2'\nsize = '1x1'\nmodels = { a = { model = 'a', threads = 1, ms = 1e3 } }\n");
    let mut signatures = Seeds::of("signature");
    signatures.put(include_bytes!("../../../tests/data/minisign-good.minisig"));
    signatures.put(include_bytes!("../../../tests/data/minisign-legacy.minisig"));
    signatures.put(include_bytes!("../../../tests/data/minisign-theirs.minisig"));
    let key = include_str!("../../../tests/data/minisign-ours.pub");
    signatures.put(key.lines().nth(1).unwrap_or_default());
}
