//! Small ONNX networks for tests: random weights, every form that the programs write.

use crate::onnx::build::{GraphBuilder, int, ints, name, size, text};
use crate::onnx::proto::{ModelProto, element};

/// Repeatable noise from −1 to 1.
pub(crate) struct Noise(pub(crate) u32);

impl Noise {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    pub(crate) fn list(&mut self, count: usize, span: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * span).collect()
    }
}

/// A 3×3 convolution's settings.
pub(crate) fn same(side: i64) -> Vec<crate::onnx::proto::AttributeProto> {
    vec![ints("kernel_shape", &[side, side]), ints("pads", &[side / 2; 4])]
}

/// A graph whose input is `x` and whose output will be `y`, of any size.
pub(crate) fn begin(planes: usize) -> GraphBuilder {
    let mut graph = GraphBuilder::new("test");
    graph.input("x", element::F32, &[size(1), size(planes), name("height"), name("width")]);
    graph.output("y", element::F32, &[size(1), size(planes), name("tall"), name("wide")]);
    graph
}

/// Three 3×3 convolutions with ReLU and a pixel shuffle over a nearest-neighbour base; receptive-field radius 3.
pub(crate) fn chain(scale: usize, channels: usize) -> ModelProto {
    let (mut graph, mut noise) = (begin(1), Noise(1));
    let mut widths = [1, channels, channels, scale * scale].windows(2).map(|w| (w[0], w[1])).collect::<Vec<_>>();
    let last = widths.len() - 1;
    let mut from = String::from("x");
    for (i, (inputs, outputs)) in widths.drain(..).enumerate() {
        graph.f32(
            &format!("w{i}"),
            &[outputs, inputs, 3, 3],
            &noise.list(outputs * inputs * 9, 0.5 / (inputs as f32).sqrt()),
        );
        graph.f32(&format!("b{i}"), &[outputs], &noise.list(outputs, 0.1));
        graph.node("Conv", &[&from, &format!("w{i}"), &format!("b{i}")], &format!("c{i}"), same(3));
        from = format!("c{i}");
        if i < last {
            graph.node("Relu", &[&from], &format!("r{i}"), vec![]);
            from = format!("r{i}");
        }
    }
    graph.f32("one", &[scale * scale, 1, 1, 1], &vec![1.0; scale * scale]);
    graph.node("Conv", &["x", "one"], "base", same(1));
    graph.node("Add", &[&from, "base"], "sum", vec![]);
    graph.node("DepthToSpace", &["sum"], "y", vec![int("blocksize", scale as i64), text("mode", "CRD")]);
    graph.finish()
}

/// The same shape in u8·s8: `QLinearConv`s, the base outside in float.
pub(crate) fn chain_int8(scale: usize, channels: usize) -> ModelProto {
    let (mut graph, mut noise) = (begin(1), Noise(2));
    let steps = [1.0 / 255.0, 0.02, 0.02, 0.01];
    let zeros = [0, 0, 0, 128];
    for (i, (&step, &zero)) in steps.iter().zip(&zeros).enumerate() {
        graph.f32(&format!("s{i}"), &[], &[step]).u8(&format!("z{i}"), &[], &[zero]);
    }
    graph.node("QuantizeLinear", &["x", "s0", "z0"], "q0", vec![]);
    for (i, (inputs, outputs)) in
        [(1, channels), (channels, channels), (channels, scale * scale)].into_iter().enumerate()
    {
        let weights: Vec<i8> = noise.list(outputs * inputs * 9, 127.0).iter().map(|v| *v as i8).collect();
        let bias: Vec<i32> = noise.list(outputs, 2000.0).iter().map(|v| *v as i32).collect();
        let weight_steps: Vec<f32> = noise.list(outputs, 0.001).iter().map(|v| v.abs() + 0.001).collect();
        graph.i8(&format!("w{i}"), &[outputs, inputs, 3, 3], &weights).f32(
            &format!("ws{i}"),
            &[outputs],
            &weight_steps,
        );
        graph.i8(&format!("wz{i}"), &[outputs], &vec![0; outputs]).i32(&format!("b{i}"), &[outputs], &bias);
        let n = i + 1;
        let inputs: Vec<String> = ["q", "s", "z"]
            .iter()
            .map(|s| format!("{s}{i}"))
            .chain(["w", "ws", "wz"].iter().map(|s| format!("{s}{i}")))
            .chain([format!("s{n}"), format!("z{n}"), format!("b{i}")])
            .collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        graph.node("QLinearConv", &inputs, &format!("q{n}"), same(3));
    }
    graph.node("DequantizeLinear", &["q3", "s3", "z3"], "residual", vec![]);
    graph.f32("one", &[scale * scale, 1, 1, 1], &vec![1.0; scale * scale]);
    graph.node("Conv", &["x", "one"], "base", same(1));
    graph.node("Add", &["residual", "base"], "sum", vec![]);
    graph.node("DepthToSpace", &["sum"], "y", vec![int("blocksize", scale as i64), text("mode", "CRD")]);
    graph.finish()
}

/// Most operators that can be tiled, one behind the other, ×2.
pub(crate) fn menagerie(planes: usize) -> ModelProto {
    let (mut graph, mut noise) = (begin(planes), Noise(3));
    graph.f32("w0", &[12, planes, 5, 5], &noise.list(300 * planes, 0.2)).f32("b0", &[12], &noise.list(12, 0.1));
    graph.node("Conv", &["x", "w0", "b0"], "a", same(5));
    graph.f32("slope", &[12, 1, 1], &noise.list(12, 0.3)).node("PRelu", &["a", "slope"], "b", vec![]);
    let mut depthwise = same(3);
    depthwise.push(int("group", 12));
    graph.f32("w1", &[12, 1, 3, 3], &noise.list(108, 0.4)).node("Conv", &["b", "w1"], "c", depthwise);
    graph.node("LeakyRelu", &["c"], "d", vec![crate::onnx::build::float("alpha", 0.1)]);
    graph.f32("w2", &[12, 12, 1, 1], &noise.list(144, 0.4)).node("Conv", &["d", "w2"], "e", same(1));
    graph.node("Sigmoid", &["e"], "f", vec![]).node("Mul", &["f", "d"], "g", vec![]);
    let mut grouped = same(3);
    grouped.push(int("group", 3));
    graph.f32("w3", &[12, 4, 3, 3], &noise.list(432, 0.2)).node("Conv", &["g", "w3"], "h", grouped);
    graph.node("Tanh", &["h"], "i", vec![]);
    graph.node("AveragePool", &["i"], "j", vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])]);
    graph.node("MaxPool", &["i"], "k", vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])]);
    graph.node("Concat", &["j", "k"], "l", vec![int("axis", 1)]);
    graph.f32("w4", &[24, 5, 4, 4], &noise.list(24 * 80, 0.1));
    let upwards = vec![ints("kernel_shape", &[4, 4]), ints("strides", &[2, 2]), ints("pads", &[1; 4])];
    graph.node("ConvTranspose", &["l", "w4"], "m", upwards);
    graph.f32("scales", &[4], &[1.0, 1.0, 2.0, 2.0]);
    for (mode, to) in [("linear", "n"), ("cubic", "o"), ("nearest", "p")] {
        let form = vec![text("mode", mode), text("coordinate_transformation_mode", "half_pixel")];
        graph.node("Resize", &["x", "", "scales"], to, form);
    }
    graph.node("Concat", &["m", "n", "o", "p"], "q", vec![int("axis", 1)]);
    let width = 5 + 3 * planes;
    graph.f32("w5", &[planes, width, 3, 3], &noise.list(planes * width * 9, 0.2)).node(
        "Conv",
        &["q", "w5"],
        "r",
        same(3),
    );
    graph.f32("low", &[], &[-0.5]).f32("high", &[], &[1.5]).node("Clip", &["r", "low", "high"], "y", vec![]);
    graph.finish()
}
