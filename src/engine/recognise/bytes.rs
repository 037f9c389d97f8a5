//! QuantizeLinear, DequantizeLinear, QLinearConv. Signed activations are taken as unsigned ones that are 128 more.

use super::builder::{Meaning, Rounding};
use super::constant::Constant;
use super::convolution::{check_padding, shape};
use super::{Call, Refusal, Understood};
use crate::engine::network::Make;
use crate::kernel::stream::{ByteFilter, Quantum};

/// Step and zero at the inputs `at` and `at + 1`.
fn quantum(call: &Call, at: usize) -> Result<Quantum, Refusal> {
    let step = call.constant(at).and_then(Constant::scalar).ok_or("its step is not one stored number")?;
    if !(step.is_normal() && step > 0.0) {
        return Err(format!("its step is {step}"));
    }
    let zero = match call.node.input.get(at + 1).filter(|name| !name.is_empty()) {
        None => 0,
        Some(_) => match call.constant(at + 1).and_then(Constant::byte) {
            Some((zero, true)) => zero + 128,
            Some((zero, false)) => zero,
            None => return Err("its zero is not one stored number".into()),
        },
    };
    let zero = zero.try_into().map_err(|_| format!("its zero is {zero}"))?;
    Ok(Quantum { step, zero })
}

pub(super) fn quantise(call: &mut Call) -> Understood {
    let out = quantum(call, 1)?;
    match call.meaning(0)? {
        Meaning::Rounding(rounding) => Ok(Meaning::Map(round(call, *rounding, out))),
        Meaning::Dequantised(map) if call.builder.quantum(map) == Some(out) => Ok(Meaning::Map(map)),
        other => {
            let from = call.builder.floats(other)?;
            let (channels, factor) = (call.builder.map(from).channels, call.builder.map(from).factor);
            Ok(Meaning::Map(call.builder.push_bytes(channels, factor, Make::Quantise, from, out)))
        }
    }
}

/// The map of a convolution whose output's step is known now.
fn round(call: &mut Call, rounding: Rounding, out: Quantum) -> usize {
    let Rounding { from, mut filter, rectified } = rounding;
    filter.scale.iter_mut().for_each(|scale| *scale /= out.step);
    filter.zero_out = out.zero;
    filter.least = if rectified { out.zero } else { 0 };
    let factor = call.builder.map(from).factor;
    call.builder.push_bytes(filter.outputs, factor, Make::ConvolveBytes(filter), from, out)
}

pub(super) fn dequantise(call: &mut Call) -> Understood {
    let said = quantum(call, 1)?;
    match call.meaning(0)? {
        Meaning::Map(map) if call.builder.quantum(map) == Some(said) => Ok(Meaning::Dequantised(map)),
        _ => Err("its step is not the one that its input was rounded with".into()),
    }
}

pub(super) fn conv(call: &mut Call) -> Understood {
    let shape = shape(call, 3)?;
    let Meaning::Map(from) = call.meaning(0)? else { return Err("its input is not bytes".into()) };
    let (input, out) = (quantum(call, 1)?, quantum(call, 6)?);
    if call.builder.quantum(from) != Some(input) {
        return Err("its step is not the one that its input was rounded with".into());
    }
    check_padding(call, shape.side, 0)?;
    let steps = call.constant(4).and_then(Constant::floats).ok_or("its weights' steps are not stored")?;
    let zeros = call.constant(5).and_then(Constant::integers).ok_or("its weights' zeros are not stored")?;
    let codes = call.constant(3).and_then(Constant::integers).ok_or("its weights are not stored")?;
    let channels = call.builder.map(from).channels;
    if shape.groups != 1 || shape.inputs != channels || (steps.len() != 1 && steps.len() != shape.outputs) {
        return Err("its weights do not fit".into());
    }
    let zero = zeros.first().copied().filter(|zero| zeros.iter().all(|z| z == zero));
    let zero = zero.ok_or("its weights have several zeros")?;
    let weights: Option<Vec<i8>> = codes.iter().map(|&q| (q - zero).try_into().ok()).collect();
    let bias = match call.node.input.get(8).filter(|name| !name.is_empty()) {
        None => Some(vec![0; shape.outputs]),
        Some(_) => call.constant(8).and_then(Constant::integers).map(|list| list.iter().map(|&b| b as i32).collect()),
    };
    let bias = bias.filter(|bias| bias.len() == shape.outputs).ok_or("its bias is not stored")?;
    let filter = ByteFilter {
        side: shape.side,
        inputs: channels,
        outputs: shape.outputs,
        weights: weights.ok_or("its weights are not signed bytes")?,
        bias,
        zero_in: input.zero,
        // As ONNX Runtime multiplies and divides, in single precision.
        scale: (0..shape.outputs).map(|o| input.step * steps[o.min(steps.len() - 1)] / out.step).collect(),
        zero_out: out.zero,
        least: 0,
    };
    let factor = call.builder.map(from).factor;
    Ok(Meaning::Map(call.builder.push_bytes(shape.outputs, factor, Make::ConvolveBytes(filter), from, out)))
}
