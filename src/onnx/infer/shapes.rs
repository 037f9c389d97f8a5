//! Operators that make constants and shapes.

use super::{Call, Link, Outcome, Value};
use crate::error::{Error, Result};
use crate::onnx::node::{KNOWN, is_integer, numbers};

/// The extents of a value, or their product.
pub(super) fn shape(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let mut output = if call.node.op_type == "Size" {
        Value::constant(vec![], Some(vec![value.elements() as f64]), true)
    } else {
        let rank = value.shape.len() as i64;
        let place = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
        let (start, end) = (place(call.attributes.int("start", 0)), place(call.attributes.int("end", rank)));
        let extents: Vec<f64> = value.shape[start..end.max(start)].iter().map(|&d| d as f64).collect();
        Value::constant(vec![extents.len()], Some(extents), true)
    };
    output.sized = value.link != Link::Constant || value.sized;
    Ok(Outcome::of(output))
}

/// A constant that stands in the node itself.
pub(super) fn constant(call: &Call) -> Result<Outcome> {
    let attributes = call.attributes;
    let scalar = |known: f64, integer| Value::constant(vec![], Some(vec![known]), integer);
    let list = |known: Vec<f64>, integer| Value::constant(vec![known.len()], Some(known), integer);
    let value = if let Some(tensor) = attributes.get("value").and_then(|a| a.t.as_ref()) {
        let shape = tensor.dims.iter().map(|&d| d as usize).collect();
        Value::constant(shape, numbers(tensor), is_integer(tensor.data_type))
    } else if let Some(number) = attributes.get("value_float").and_then(|a| a.f) {
        scalar(f64::from(number), false)
    } else if let Some(number) = attributes.get("value_int").and_then(|a| a.i) {
        scalar(number as f64, true)
    } else if let Some(a) = attributes.get("value_floats") {
        list(a.floats.iter().map(|&v| f64::from(v)).collect(), false)
    } else if let Some(ints) = attributes.ints("value_ints") {
        list(ints.iter().map(|&v| v as f64).collect(), true)
    } else {
        return Err(Error::model("holds no number"));
    };
    Ok(Outcome::of(value))
}

/// Axes as extents, from numbers.
fn extents(numbers: &[f64]) -> Result<Vec<usize>> {
    let within = |&n: &f64| (0.0..=f64::from(1_u32 << 31)).contains(&n).then_some(n as usize);
    numbers
        .iter()
        .map(within)
        .collect::<Option<_>>()
        .ok_or_else(|| Error::model(format!("asks for the shape {numbers:?}")))
}

/// A constant tensor of one number.
pub(super) fn constant_of_shape(call: &Call) -> Result<Outcome> {
    let shape = extents(call.known(0)?)?;
    let number = match call.attributes.get("value").and_then(|a| a.t.as_ref()) {
        Some(tensor) => (numbers(tensor).and_then(|n| n.first().copied()), is_integer(tensor.data_type)),
        None => (Some(0.0), false),
    };
    let mut value = Value::constant(shape, None, number.1);
    value.sized = call.input(0)?.sized;
    let count = value.elements();
    value.known = number.0.filter(|_| count <= KNOWN as u64).map(|n| vec![n; count as usize]);
    Ok(Outcome::of(value))
}

/// Numbers in even steps.
pub(super) fn range(call: &Call) -> Result<Outcome> {
    let (&[start], &[end], &[step]) = (call.known(0)?, call.known(1)?, call.known(2)?) else {
        return Err(Error::model("its start, end and step are not single numbers"));
    };
    let count = ((end - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > call.limits.tensor_elements as f64 {
        return Err(Error::limit(format!("asks for {count} numbers")));
    }
    let count = count as usize;
    let known = (count <= KNOWN).then(|| (0..count).map(|i| start + i as f64 * step).collect());
    let mut value = Value::constant(vec![count], known, call.input(0)?.integer);
    value.sized = (0..3).filter_map(|i| call.maybe(i)).any(|v| v.sized);
    Ok(Outcome::of(value))
}

/// `Expand` and `Tile`: copies along axes.
pub(super) fn repeat(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let numbers = extents(call.known(1)?)?;
    let shape = if call.node.op_type == "Expand" {
        super::arithmetic::broadcast(&value.shape, &numbers)?
    } else if numbers.len() == value.shape.len() {
        value.shape.iter().zip(&numbers).map(|(&d, &n)| d.saturating_mul(n)).collect()
    } else {
        return Err(Error::model(format!("{numbers:?} copies do not fit {:?}", value.shape)));
    };
    let Some((axes, rate)) = value.grid() else {
        let mut output = value.reshaped(shape, value.link.clone());
        output.sized |= call.input(1)?.sized;
        output.known = value.known.clone().filter(|k| k.len() as u64 == output.elements());
        return Ok(Outcome::of(output));
    };
    let shift = shape.len() - value.shape.len();
    let moved = axes.map(|a| a + shift);
    if moved.iter().zip(axes).any(|(&m, a)| shape[m] != value.shape[a]) {
        return Ok(Outcome::of(value.reshaped(shape, Link::Lost)).whole("copies the picture side by side"));
    }
    let output = value.reshaped(shape, Link::Grid { axes: moved, rate });
    Ok(Outcome::of(output).reading(0, [crate::onnx::reach::Reach::SAME; 2]))
}
