//! Chains as ONNX graphs of standard operators, operator set 13, any height and width.
//!
//! In every form the base is `Pad` (edge) and a `Conv` with fixed taps, and joins the residual by `Add` before
//! `DepthToSpace`; only the way to `residual` differs.

use crate::host::chain::Chain;
use crate::host::integer::{INPUT_STEP, IntegerChain};
use crate::onnx::build::{GraphBuilder, int, ints, name, size, text};
use crate::onnx::proto::{AttributeProto, element};

/// How a quantised convolution is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `QLinearConv`: the arithmetic itself.
    QLinear,
    /// `DequantizeLinear`, `Conv`, `Relu`, `QuantizeLinear`: runtimes fuse it to the same, or compute it in floats.
    Qdq,
}

/// The float graph.
pub fn float(chain: &Chain) -> GraphBuilder {
    let mut graph = start(chain.planes(), chain.scale);
    let last = chain.layers.len().saturating_sub(1);
    let mut value = "x".to_string();
    for (i, layer) in chain.layers.iter().enumerate() {
        let (weight, bias) = (format!("layer.{i}.weight"), format!("layer.{i}.bias"));
        graph.f32(&weight, &[layer.outputs, layer.inputs, 3, 3], &layer.weight);
        graph.f32(&bias, &[layer.outputs], &layer.bias);
        let sum = if i == last { "residual".into() } else { format!("sum.{i}") };
        graph.node("Conv", &[&value, &weight, &bias], &sum, conv(1));
        if i != last {
            value = format!("hidden.{i}");
            graph.node("Relu", &[&sum], &value, vec![]);
        }
    }
    finish(graph, chain.planes(), chain.scale)
}

/// The int8 graph.
pub fn int8(chain: &IntegerChain, form: Form) -> GraphBuilder {
    let mut graph = start(chain.planes(), chain.scale);
    let count = chain.layers.len();
    for i in 0..=count {
        // Step and zero point of what layer i reads, and at last of the residual.
        let (step, zero) = match i {
            0 => (INPUT_STEP, 0),
            _ => (chain.layers[i - 1].step, chain.zero(i - 1)),
        };
        graph.f32(&format!("step.{i}"), &[], &[step]).u8(&format!("zero.{i}"), &[], &[zero]);
    }
    graph.node("QuantizeLinear", &["x", "step.0", "zero.0"], "quantised.0", vec![]);
    for i in 0..count {
        weights(&mut graph, chain, i);
        match form {
            Form::QLinear => qlinear(&mut graph, i),
            Form::Qdq => qdq(&mut graph, chain, i),
        }
    }
    let (quantised, step, zero) = quantised(count);
    graph.node("DequantizeLinear", &[&quantised, &step, &zero], "residual", vec![]);
    finish(graph, chain.planes(), chain.scale)
}

fn quantised(i: usize) -> (String, String, String) {
    (format!("quantised.{i}"), format!("step.{i}"), format!("zero.{i}"))
}

fn weights(graph: &mut GraphBuilder, chain: &IntegerChain, i: usize) {
    let layer = &chain.layers[i];
    let of = |what: &str| format!("layer.{i}.{what}");
    graph.i8(&of("weight"), &[layer.outputs, layer.inputs, 3, 3], &layer.weight);
    graph.f32(&of("weight_step"), &[layer.outputs], &layer.weight_step);
    graph.i8(&of("weight_zero"), &[layer.outputs], &vec![0; layer.outputs]);
    graph.i32(&of("bias"), &[layer.outputs], &layer.bias);
}

fn qlinear(graph: &mut GraphBuilder, i: usize) {
    let of = |what: &str| format!("layer.{i}.{what}");
    let ((x, x_step, x_zero), (y, y_step, y_zero)) = (quantised(i), quantised(i + 1));
    let (weight, step, zero, bias) = (of("weight"), of("weight_step"), of("weight_zero"), of("bias"));
    let inputs = [&x, &x_step, &x_zero, &weight, &step, &zero, &y_step, &y_zero, &bias].map(String::as_str);
    graph.node("QLinearConv", &inputs, &y, conv(1));
}

fn qdq(graph: &mut GraphBuilder, chain: &IntegerChain, i: usize) {
    let layer = &chain.layers[i];
    let of = |what: &str| format!("layer.{i}.{what}");
    let ((x, x_step, x_zero), (y, y_step, y_zero)) = (quantised(i), quantised(i + 1));
    let (weight, weight_step, weight_zero) = (of("weight"), of("weight_step"), of("weight_zero"));
    let (bias, bias_step, bias_zero) = (of("bias"), of("bias_step"), of("bias_zero"));
    let (input, float_weight, float_bias, sum, hidden) =
        (of("input"), of("float_weight"), of("float_bias"), format!("sum.{i}"), format!("hidden.{i}"));
    let steps: Vec<f32> = layer.weight_step.iter().map(|v| chain.input_step(i) * v).collect();
    graph.f32(&bias_step, &[layer.outputs], &steps).i32(&bias_zero, &[layer.outputs], &vec![0; layer.outputs]);
    graph.node("DequantizeLinear", &[&x, &x_step, &x_zero], &input, vec![]);
    graph.node("DequantizeLinear", &[&weight, &weight_step, &weight_zero], &float_weight, vec![int("axis", 0)]);
    graph.node("DequantizeLinear", &[&bias, &bias_step, &bias_zero], &float_bias, vec![int("axis", 0)]);
    graph.node("Conv", &[&input, &float_weight, &float_bias], &sum, conv(1));
    let last = i + 1 == chain.layers.len();
    if !last {
        graph.node("Relu", &[&sum], &hidden, vec![]);
    }
    graph.node("QuantizeLinear", &[if last { &sum } else { &hidden }, &y_step, &y_zero], &y, vec![]);
}

fn start(planes: usize, scale: usize) -> GraphBuilder {
    let mut graph = GraphBuilder::new("upres");
    let base = Chain::base_kernel(scale).repeat(planes);
    graph.input("x", element::F32, &[size(1), size(planes), name("height"), name("width")]);
    graph.i64("base.pads", &[8], &[0, 0, 1, 1, 0, 0, 1, 1]).f32("base.taps", &[planes * scale * scale, 1, 3, 3], &base);
    graph.node("Pad", &["x", "base.pads"], "edged", vec![text("mode", "edge")]);
    let mut attributes = conv(0);
    if planes > 1 {
        attributes.push(int("group", planes as i64));
    }
    graph.node("Conv", &["edged", "base.taps"], "base", attributes);
    graph
}

fn finish(mut graph: GraphBuilder, planes: usize, scale: usize) -> GraphBuilder {
    graph.node("Add", &["base", "residual"], "phases", vec![]);
    graph.node("DepthToSpace", &["phases"], "y", vec![int("blocksize", scale as i64), text("mode", "CRD")]);
    graph.output("y", element::F32, &[size(1), size(planes), name("height_out"), name("width_out")]);
    graph
}

fn conv(padding: i64) -> Vec<AttributeProto> {
    vec![ints("kernel_shape", &[3, 3]), ints("pads", &[padding; 4]), ints("strides", &[1, 1])]
}
