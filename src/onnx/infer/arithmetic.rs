//! Operators that work sample by sample, and those that sum over axes.

use super::{Call, Link, Outcome, Value, axis_of};
use crate::error::{Error, Result};
use crate::onnx::node::KNOWN;
use crate::onnx::reach::Reach;

const HERE: [Reach; 2] = [Reach::SAME; 2];

/// Whether every output sample depends on the samples at its own place only (and on constants).
pub(super) fn is_pointwise(op: &str) -> bool {
    const UNARY: &str = "Abs BatchNormalization Cast Ceil Celu Clip Cos DequantizeLinear Dropout Elu Erf Exp Floor Gelu \
        HardSigmoid HardSwish Identity LeakyRelu Log Mish Neg Not QuantizeLinear Reciprocal Relu Round Selu Shrink Sigmoid \
        Sign Sin Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu";
    const MANY: &str = "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or PRelu Pow Sub Sum \
        Where Xor";
    UNARY.split(' ').chain(MANY.split(' ')).any(|known| known == op)
}

/// Sample by sample, with numpy's broadcasting.
pub(super) fn pointwise(call: &Call) -> Result<Outcome> {
    let op = call.node.op_type.as_str();
    // The settings of these are constants of other shapes: they do not broadcast.
    let operands = match op {
        "BatchNormalization" | "QuantizeLinear" | "DequantizeLinear" | "Clip" | "Dropout" => 1,
        _ => call.inputs.len(),
    };
    let mut shape = call.input(0)?.shape.clone();
    for i in 1..operands {
        shape = broadcast(&shape, &call.input(i)?.shape)?;
    }
    let values: Vec<&Value> = (0..operands).map(|i| call.input(i)).collect::<Result<_>>()?;
    let settings_move = (operands..call.inputs.len()).filter_map(|i| call.maybe(i)).any(|v| v.link != Link::Constant);
    let mut outcome = combine(&values, shape);
    let Some(output) = outcome.outputs.first_mut() else { return Err(Error::internal("no output")) };
    output.integer = match op {
        "Cast" => matches!(call.attributes.int("to", 1), 2..=9 | 12 | 13),
        "QuantizeLinear" => true,
        "DequantizeLinear" => false,
        _ => values.iter().all(|v| v.integer),
    };
    output.known = evaluate(op, &values, output);
    let copies = call.node.output.len().max(1);
    let first = outcome.outputs[0].clone();
    outcome.outputs.resize(copies, first);
    Ok(if settings_move { outcome.whole("takes its settings from the picture") } else { outcome })
}

/// The value that `values` make together in `shape`, sample by sample.
fn combine(values: &[&Value], shape: Vec<usize>) -> Outcome {
    let rank = shape.len();
    let mut outcome = Outcome::of(Value::constant(shape.clone(), None, false));
    let mut link = Link::Constant;
    for (i, value) in values.iter().enumerate() {
        let shift = rank - value.shape.len();
        match &value.link {
            // What is lost is decided on below, when the picture's axes are known.
            Link::Constant | Link::Lost => {}
            Link::Grid { axes, rate } => {
                let here = Link::Grid { axes: axes.map(|a| a + shift), rate: *rate };
                if link == Link::Constant || link == here {
                    link = here;
                } else {
                    link = Link::Lost;
                    outcome = outcome.whole("mixes places of the picture");
                }
                outcome = outcome.reading(i, HERE);
            }
        }
    }
    // What came of the whole picture has no place in it, but numbers that are the same everywhere leave all others theirs.
    let mut placeless = values.iter().filter(|v| v.link == Link::Lost).peekable();
    if placeless.peek().is_some() {
        link = match link {
            Link::Grid { axes, rate } if !placeless.any(|v| varies_along(v, axes, rank)) => {
                outcome = outcome.whole("takes numbers from the whole picture");
                Link::Grid { axes, rate }
            }
            _ => Link::Lost,
        };
    }
    let sized = values.iter().any(|v| v.sized);
    if let Link::Grid { axes, .. } = link {
        let placed = values.iter().filter(|v| v.link == Link::Constant).any(|v| varies_along(v, axes, rank));
        if placed {
            outcome = outcome.whole("brings in numbers that differ from place to place");
        }
        if sized {
            outcome = outcome.whole("computes with the picture's size");
        }
    }
    outcome.outputs[0].link = link;
    outcome.outputs[0].sized = sized;
    outcome
}

fn varies_along(value: &Value, axes: [usize; 2], rank: usize) -> bool {
    let shift = rank - value.shape.len();
    axes.iter().any(|&axis| axis >= shift && value.shape[axis - shift] > 1)
}

/// The shape that two shapes broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |j| shape[j]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(Error::model(format!("shapes {a:?} and {b:?} do not fit each other"))),
        })
        .collect()
}

/// The numbers of a constant computed from constants: what exporters write to work out sizes.
fn evaluate(op: &str, values: &[&Value], output: &Value) -> Option<Vec<f64>> {
    let count = output.elements() as usize;
    if count > KNOWN || output.link != Link::Constant {
        return None;
    }
    // Only scalars and equal shapes: enough for sizes, and beyond dispute.
    let at = |i: usize, k: usize| -> Option<f64> {
        let known = values.get(i)?.known.as_ref()?;
        match known.len() {
            1 => Some(known[0]),
            n if n == count => Some(known[k]),
            _ => None,
        }
    };
    (0..count)
        .map(|k| {
            let a = at(0, k)?;
            Some(match op {
                "Identity" | "Dropout" => a,
                "Cast" => {
                    if output.integer {
                        a.trunc()
                    } else {
                        a
                    }
                }
                "Floor" => a.floor(),
                "Ceil" => a.ceil(),
                "Round" => a.round_ties_even(),
                "Neg" => -a,
                "Abs" => a.abs(),
                "Sqrt" => a.sqrt(),
                "Add" | "Sum" if values.len() == 2 => a + at(1, k)?,
                "Sub" => a - at(1, k)?,
                "Mul" => a * at(1, k)?,
                "Div" => {
                    let quotient = a / at(1, k)?;
                    if output.integer { quotient.trunc() } else { quotient }
                }
                "Mod" => a - (a / at(1, k)?).floor() * at(1, k)?,
                "Min" if values.len() == 2 => a.min(at(1, k)?),
                "Max" if values.len() == 2 => a.max(at(1, k)?),
                "Equal" => f64::from(u8::from(a.total_cmp(&at(1, k)?).is_eq())),
                "Greater" => f64::from(u8::from(a > at(1, k)?)),
                "Less" => f64::from(u8::from(a < at(1, k)?)),
                "Where" => {
                    if a == 0.0 {
                        at(2, k)?
                    } else {
                        at(1, k)?
                    }
                }
                _ => return None,
            })
        })
        .collect()
}

/// Sums, means and extremes over axes.
pub(super) fn reduce(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let rank = value.shape.len();
    let axes = match call.integers("axes", 1)? {
        Some(axes) if !axes.is_empty() => axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>>>()?,
        _ if call.attributes.int("noop_with_empty_axes", 0) == 1 => Vec::new(),
        _ => (0..rank).collect(),
    };
    let keep = call.attributes.int("keepdims", 1) == 1;
    let mut shape = value.shape.clone();
    for &axis in &axes {
        shape[axis] = 1;
    }
    if !keep {
        shape = shape.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect();
    }
    let Some((grid, rate)) = value.grid() else {
        return Ok(Outcome::of(value.reshaped(shape, value.link.clone())));
    };
    if grid.iter().any(|g| axes.contains(g)) {
        return Ok(Outcome::of(value.reshaped(shape, Link::Lost)).whole("sums over the whole picture"));
    }
    let moved = |g: usize| if keep { g } else { g - axes.iter().filter(|&&a| a < g).count() };
    let link = Link::Grid { axes: grid.map(moved), rate };
    Ok(Outcome::of(value.reshaped(shape, link)).reading(0, HERE))
}

/// One number for each channel of the whole picture.
pub(super) fn global_pool(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let shape = value.shape.iter().enumerate().map(|(i, &d)| if i < 2 { d } else { 1 }).collect();
    Ok(match value.link {
        Link::Constant => Outcome::of(value.reshaped(shape, Link::Constant)),
        _ => Outcome::of(value.reshaped(shape, Link::Lost)).whole("looks at the whole picture at once"),
    })
}

/// Normalisation by the statistics of the whole picture.
pub(super) fn whole_norm(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let outcome = Outcome::of(value.reshaped(value.shape.clone(), value.link.clone()));
    Ok(match value.link {
        Link::Constant => outcome,
        _ => outcome.whole("normalises by the statistics of the whole picture"),
    })
}

/// Normalisation along some axes: harmless over channels, global over rows or columns.
pub(super) fn axis_norm(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let rank = value.shape.len();
    let to_the_end = match call.node.op_type.as_str() {
        "LayerNormalization" => true,
        "Softmax" | "LogSoftmax" => call.opset < 13,
        _ => false,
    };
    let default = if call.opset < 13 && to_the_end && call.node.op_type != "LayerNormalization" { 1 } else { -1 };
    let axis = axis_of(call.attributes.int("axis", default), rank)?;
    let outcome = Outcome::of(value.reshaped(value.shape.clone(), value.link.clone()));
    let Some((grid, _)) = value.grid() else { return Ok(outcome) };
    let across = grid.iter().any(|&g| if to_the_end { g >= axis } else { g == axis });
    Ok(if across {
        outcome.whole("weighs places of the whole picture against each other")
    } else {
        outcome.reading(0, HERE)
    })
}
