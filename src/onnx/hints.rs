//! What the first and last operators tell about the value range.

use super::node::numbers;
use super::proto::{GraphProto, NodeProto};
use super::read::picture_input;

/// The range that the first computing operator behind the input asks for: a quantisation whose 256 steps span it, or a
/// division by 255.
pub(super) fn range(graph: &GraphProto) -> Option<[f32; 2]> {
    let mut moved = vec![picture_input(graph).ok()?.name.as_str()];
    for node in &graph.node {
        if !node.input.first().is_some_and(|i| moved.contains(&i.as_str())) {
            continue;
        }
        let constant = || scalar(graph, node);
        let span = match node.op_type.as_str() {
            "Identity" | "Split" | "Concat" | "Pad" => {
                moved.extend(node.output.iter().map(String::as_str));
                continue;
            }
            "QuantizeLinear" => constant()? * 255.0,
            "Div" => constant()?,
            "Mul" => 1.0 / constant()?,
            _ => return None,
        };
        return match span {
            0.9..=1.1 if node.op_type == "QuantizeLinear" => Some([0.0, 1.0]),
            250.0..=260.0 => Some([0.0, 255.0]),
            _ => None,
        };
    }
    None
}

/// The one number that is the second input of `node`.
fn scalar(graph: &GraphProto, node: &NodeProto) -> Option<f64> {
    let name = node.input.get(1)?;
    let tensor = graph.initializer.iter().find(|t| t.name == *name)?;
    match numbers(tensor)?.as_slice() {
        &[number] => Some(number),
        _ => None,
    }
}

/// Whether the output comes out of a hyperbolic tangent.
pub(super) fn ends_in_tanh(graph: &GraphProto) -> bool {
    let Some(mut name) = graph.output.first().map(|o| o.name.as_str()) else { return false };
    for node in graph.node.iter().rev().filter(|n| !n.output.is_empty()) {
        if node.output[0] != name {
            continue;
        }
        match (node.op_type.as_str(), node.input.first()) {
            ("Tanh", _) => return true,
            ("Identity" | "DepthToSpace", Some(input)) => name = input,
            _ => return false,
        }
    }
    false
}
