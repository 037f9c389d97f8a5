//! Conv, on numbers or on bytes that are read as numbers.

use super::builder::{Meaning, Rounding};
use super::constant::Constant;
use super::{Call, Refusal, Understood};
use crate::engine::network::{Border, Make, MapId};
use crate::kernel::stream::{Activation, ByteFilter, Filter};

/// Widest kernel that is convolved: a larger one needs more rows at once than pay.
const LARGEST_SIDE: usize = 15;

/// Sizes of a convolution that the engine can run.
pub(super) struct Shape {
    pub(super) outputs: usize,
    /// Inputs of one group.
    pub(super) inputs: usize,
    pub(super) side: usize,
    pub(super) groups: usize,
}

/// Checks stride, dilation, kernel and weights; `weights` is the place of the weights among the operator's inputs.
pub(super) fn shape(call: &Call, weights: usize) -> Result<Shape, Refusal> {
    let all_one = |name| call.attributes.ints(name).is_none_or(|list| list.iter().all(|&n| n == 1));
    if !all_one("strides") {
        return Err("its stride is not 1".into());
    }
    if !all_one("dilations") {
        return Err("it is dilated".into());
    }
    let dims = call.constant(weights).and_then(Constant::dims).ok_or("its weights are not stored")?;
    let &[outputs, inputs, height, width] = dims.as_slice() else { return Err("its weights have not 4 axes".into()) };
    if height != width || height % 2 == 0 || height > LARGEST_SIDE {
        return Err(format!("its kernel is {width}x{height}: only odd squares up to {LARGEST_SIDE} are streamed"));
    }
    let groups = call.attributes.int("group", 1).try_into().unwrap_or(0);
    if groups == 0 || outputs % groups != 0 || outputs == 0 || inputs == 0 {
        return Err("its groups do not fit".into());
    }
    Ok(Shape { outputs, inputs, side: height, groups })
}

/// Whether it is padded so that the output is as large as the input, which is given `border` pixels around already.
pub(super) fn check_padding(call: &Call, side: usize, border: usize) -> Result<(), Refusal> {
    let half = side as i64 / 2;
    let own = match call.attributes.text("auto_pad", "NOTSET") {
        "SAME_UPPER" | "SAME_LOWER" => vec![half; 4],
        "VALID" => vec![0; 4],
        _ => call.attributes.ints("pads").map_or(vec![0; 4], <[i64]>::to_vec),
    };
    if own.iter().all(|&pad| pad + border as i64 == half) && own.len() == 4 && (border == 0 || own[0] == 0) {
        return Ok(());
    }
    Err("its padding does not keep the size".into())
}

pub(super) fn conv(call: &mut Call) -> Understood {
    let shape = shape(call, 1)?;
    let input = call.meaning(0)?;
    if let (Meaning::Dequantised(from), Some(Constant::Steps { .. })) = (&input, call.constant(1))
        && let Some(rounding) = rounding(call, &shape, *from)
    {
        check_padding(call, shape.side, 0)?;
        return Ok(Meaning::Rounding(Box::new(rounding)));
    }
    let from = match input {
        Meaning::Padded { map, amount, edge } => {
            check_padding(call, shape.side, amount)?;
            vec![if edge { call.builder.edged(map) } else { map }]
        }
        other => {
            check_padding(call, shape.side, 0)?;
            call.builder.sources(other)?
        }
    };
    floats(call, &shape, from)
}

fn floats(call: &mut Call, shape: &Shape, from: Vec<MapId>) -> Understood {
    let weights = call.constant(1).and_then(Constant::floats).ok_or("its weights are not stored")?;
    let sources: Vec<usize> = from.iter().map(|&id| call.builder.map(id).channels).collect();
    let inputs: usize = sources.iter().sum();
    if inputs != shape.inputs * shape.groups {
        return Err("its weights do not fit its input".into());
    }
    let factor = call.builder.map(from[0]).factor;
    if from.iter().any(|&id| call.builder.map(id).factor != factor) {
        return Err("its inputs have several sizes".into());
    }
    if from.len() > 1 && from.iter().any(|&id| call.builder.map(id).border == Border::Edge) {
        return Err("its inputs have several borders".into());
    }
    let bias = match call.node.input.get(2).filter(|name| !name.is_empty()) {
        Some(_) => call.constant(2).and_then(Constant::floats).ok_or("its bias is not stored")?,
        None => vec![0.0; shape.outputs],
    };
    if bias.len() != shape.outputs {
        return Err("its bias does not fit".into());
    }
    let weights = spread_groups(&weights, shape);
    let filter = Filter {
        side: shape.side,
        sources,
        outputs: shape.outputs,
        weights,
        bias,
        activation: Activation::None,
        add_first: false,
    };
    Ok(Meaning::Map(call.builder.push(shape.outputs, factor, Make::Convolve(filter), &from)))
}

/// Weights of all inputs, zero between groups.
fn spread_groups(weights: &[f32], shape: &Shape) -> Vec<f32> {
    if shape.groups == 1 {
        return weights.to_vec();
    }
    let taps = shape.side * shape.side;
    let (each, all) = (shape.inputs * taps, shape.inputs * shape.groups * taps);
    let mut spread = vec![0.0; shape.outputs * all];
    for (output, (from, to)) in weights.chunks_exact(each).zip(spread.chunks_exact_mut(all)).enumerate() {
        let group = output / (shape.outputs / shape.groups);
        to[group * each..][..each].copy_from_slice(from);
    }
    spread
}

/// The convolution on bytes, if its parts are stored as QDQ has them.
fn rounding(call: &Call, shape: &Shape, from: MapId) -> Option<Rounding> {
    let Some(Constant::Steps { tensor, steps }) = call.constant(1) else { return None };
    let quantum = call.builder.quantum(from)?;
    let codes = Constant::Stored(tensor).integers()?;
    let weights: Vec<i8> = codes.iter().map(|&q| q.try_into().ok()).collect::<Option<_>>()?;
    let step = |output: usize| steps[output.min(steps.len() - 1)];
    let bias: Vec<i32> = match call.node.input.get(2).filter(|name| !name.is_empty()) {
        None => vec![0; shape.outputs],
        // Integers in steps of input times weight.
        Some(_) => match call.constant(2)? {
            Constant::Steps { tensor, .. } => {
                let codes = Constant::Stored(tensor).integers()?;
                codes.iter().map(|&q| q.try_into().ok()).collect::<Option<_>>()?
            }
            _ => return None,
        },
    };
    let fits = bias.len() == shape.outputs && (steps.len() == 1 || steps.len() == shape.outputs);
    let channels = call.builder.map(from).channels;
    if !fits
        || shape.groups != 1
        || shape.inputs != channels
        || weights.len() != shape.outputs * channels * shape.side * shape.side
    {
        return None;
    }
    let filter = ByteFilter {
        side: shape.side,
        inputs: channels,
        outputs: shape.outputs,
        weights,
        bias,
        zero_in: quantum.zero,
        scale: (0..shape.outputs).map(|output| quantum.step * step(output)).collect(),
        zero_out: 0,
        least: 0,
    };
    Some(Rounding { from, filter, rectified: false })
}
