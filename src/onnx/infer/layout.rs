//! Operators that move samples between axes without computing.

use super::{Call, Link, Outcome, Value, axis_of};
use crate::error::{Error, Result};
use crate::onnx::reach::{Rate, Reach};

const HERE: [Reach; 2] = [Reach::SAME; 2];

fn lost(value: &Value, shape: Vec<usize>, reason: &str) -> Outcome {
    match value.link {
        Link::Constant => Outcome::of(value.reshaped(shape, Link::Constant)),
        _ => Outcome::of(value.reshaped(shape, Link::Lost)).whole(reason),
    }
}

/// Puts values one behind the other along an axis.
pub(super) fn concat(call: &Call) -> Result<Outcome> {
    let first = call.input(0)?;
    let axis = axis_of(call.attributes.int("axis", 0), first.shape.len())?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    let mut outcome = Outcome::of(first.reshaped(Vec::new(), Link::Constant));
    let mut known = Some(Vec::new());
    let mut links = Vec::new();
    for i in 0..call.inputs.len() {
        let value = call.input(i)?;
        let fits = value.shape.len() == shape.len()
            && value.shape.iter().zip(&shape).enumerate().all(|(k, (a, b))| k == axis || a == b);
        if !fits {
            return Err(Error::model(format!("shapes {:?} and {:?} do not fit each other", first.shape, value.shape)));
        }
        shape[axis] += value.shape[axis];
        match (&mut known, &value.known) {
            (Some(all), Some(more)) if shape.len() == 1 => all.extend(more),
            _ => known = None,
        }
        if value.grid().is_some() {
            outcome = outcome.reading(i, HERE);
        }
        outcome.outputs[0].sized |= value.sized;
        if value.link != Link::Constant && !links.contains(&&value.link) {
            links.push(&value.link);
        }
    }
    let output = &mut outcome.outputs[0];
    output.shape = shape;
    output.known = known;
    output.link = match links.as_slice() {
        [] => Link::Constant,
        [link] => (*link).clone(),
        _ => Link::Lost,
    };
    let along = matches!(output.link, Link::Grid { axes, .. } if axes.contains(&axis));
    Ok(if along || links.len() > 1 { outcome.whole("joins different places of the picture") } else { outcome })
}

/// Cuts a value along an axis.
pub(super) fn split(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let axis = axis_of(call.attributes.int("axis", 0), value.shape.len())?;
    let parts = call.node.output.len();
    let sizes: Vec<usize> = if let Some(sizes) = call.integers("split", 1)? {
        sizes.iter().map(|&s| usize::try_from(s).unwrap_or(0)).collect()
    } else {
        let each = value.shape[axis].div_ceil(parts.max(1));
        (0..parts).map(|i| each.min(value.shape[axis].saturating_sub(i * each))).collect()
    };
    if sizes.len() != parts || sizes.iter().try_fold(0_usize, |n, &s| n.checked_add(s)) != Some(value.shape[axis]) {
        return Err(Error::model(format!("cannot cut {} samples into {sizes:?}", value.shape[axis])));
    }
    let along = value.grid().is_some_and(|(axes, _)| axes.contains(&axis));
    let part = |size: usize| {
        let mut shape = value.shape.clone();
        shape[axis] = size;
        value.reshaped(shape, if along { Link::Lost } else { value.link.clone() })
    };
    let outcome = Outcome { outputs: sizes.into_iter().map(part).collect(), ..Outcome::default() };
    Ok(match value.grid() {
        Some(_) if along => outcome.whole("cuts the picture into parts"),
        Some(_) => outcome.reading(0, HERE),
        None => outcome,
    })
}

/// One axis of a slice, resolved against its extent.
struct Cut {
    start: i64,
    step: i64,
    count: usize,
    from_the_end: bool,
}

impl Cut {
    fn new(extent: usize, start: f64, end: f64, step: f64) -> Result<Self> {
        let extent = extent as i64;
        let step = step as i64;
        if step == 0 || step.unsigned_abs() > 4096 {
            return Err(Error::model(format!("steps by {step}")));
        }
        let from_the_end = start < 0.0 || step < 0;
        let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
        let place = |at: f64| {
            let at = at.clamp(-1e15, 1e15) as i64;
            (if at < 0 { at + extent } else { at }).clamp(low, high)
        };
        let (start, end) = (place(start).max(0), place(end));
        let count = if step > 0 { (end - start + step - 1) / step } else { (start - end - step - 1) / -step };
        Ok(Self { start, step, count: usize::try_from(count).unwrap_or(0), from_the_end })
    }
}

/// Keeps part of a value.
pub(super) fn slice(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let rank = value.shape.len();
    let list = |name: &str, i: usize| -> Result<Option<Vec<f64>>> {
        match (call.attributes.ints(name), call.maybe(i)) {
            (Some(ints), _) => Ok(Some(ints.iter().map(|&v| v as f64).collect())),
            (None, Some(_)) => call.known(i).map(|k| Some(k.to_vec())),
            (None, None) => Ok(None),
        }
    };
    let starts = list("starts", 1)?.unwrap_or_default();
    let ends = list("ends", 2)?.unwrap_or_default();
    let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len()).map(|i| i as f64).collect());
    let steps = list("steps", 4)?.unwrap_or_else(|| vec![1.0; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return Err(Error::model("its starts, ends, axes and steps differ in number"));
    }
    let mut shape = value.shape.clone();
    let mut known = value.known.clone().filter(|_| rank == 1);
    let (mut reach, mut reason) = (HERE, None);
    for i in 0..starts.len() {
        let axis = axis_of(axes[i] as i64, rank)?;
        let cut = Cut::new(shape[axis], starts[i], ends[i], steps[i])?;
        shape[axis] = cut.count;
        known = known.map(|k| {
            (0..cut.count).filter_map(|j| k.get((cut.start + j as i64 * cut.step) as usize).copied()).collect()
        });
        if let Some(side) = value.grid().and_then(|(grid, _)| grid.iter().position(|&g| g == axis)) {
            if cut.from_the_end {
                reason = Some("counts places from the picture's end");
            } else {
                reach[side] = Reach::window(cut.step, cut.start, cut.start);
            }
        }
    }
    let outcome = match value.link {
        Link::Grid { axes, rate } => {
            let rate = [rate[0].after(reach[0])?, rate[1].after(reach[1])?];
            Outcome::of(value.reshaped(shape, Link::Grid { axes, rate })).reading(0, reach)
        }
        ref link => {
            let mut output = value.reshaped(shape, link.clone());
            output.known = known;
            Outcome::of(output)
        }
    };
    Ok(match reason {
        Some(reason) => outcome.whole(reason),
        None => outcome,
    })
}

/// Picks entries along an axis.
pub(super) fn gather(call: &Call) -> Result<Outcome> {
    let (value, indices) = (call.input(0)?, call.input(1)?);
    let axis = axis_of(call.attributes.int("axis", 0), value.shape.len())?;
    let shape = [&value.shape[..axis], &indices.shape, &value.shape[axis + 1..]].concat();
    let Some((grid, rate)) = value.grid() else {
        let mut output = value.reshaped(shape, value.link.clone());
        if let (Some(table), Some(at), 1) = (&value.known, &indices.known, value.shape.len()) {
            let pick = |&i: &f64| table.get((if i < 0.0 { i + table.len() as f64 } else { i }) as usize).copied();
            output.known = at.iter().map(pick).collect();
        }
        return Ok(Outcome::of(output));
    };
    if grid.contains(&axis) || indices.link != Link::Constant {
        return Ok(lost(value, shape, "picks places of the picture"));
    }
    let moved = |g: usize| if g > axis { g + indices.shape.len() - 1 } else { g };
    Ok(Outcome::of(value.reshaped(shape, Link::Grid { axes: grid.map(moved), rate })).reading(0, HERE))
}

/// Reorders axes.
pub(super) fn transpose(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let rank = value.shape.len();
    let order = match call.attributes.ints("perm") {
        Some(order) => order.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(Error::model(format!("{order:?} is no order of {rank} axes")));
    }
    let shape = order.iter().map(|&a| value.shape[a]).collect();
    let link = match value.link {
        Link::Grid { axes, rate } => {
            Link::Grid { axes: axes.map(|g| order.iter().position(|&a| a == g).unwrap_or(g)), rate }
        }
        ref other => other.clone(),
    };
    let mut outcome = Outcome::of(value.reshaped(shape, link));
    outcome.outputs[0].known = value.known.clone().filter(|_| rank < 2);
    Ok(if value.grid().is_some() { outcome.reading(0, HERE) } else { outcome })
}

/// Gives the same samples another shape.
pub(super) fn reshape(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let shape = if call.node.op_type == "Flatten" { flattened(call, value)? } else { target_shape(call, value)? };
    let Some((axes, rate)) = value.grid() else {
        let mut output = value.reshaped(shape, value.link.clone());
        output.known.clone_from(&value.known);
        return Ok(Outcome::of(output));
    };
    let places = axes.map(|axis| follow(&value.shape, &shape, axis));
    let [Some((row, rows)), Some((column, columns))] = places else {
        return Ok(lost(value, shape, "folds rows or columns of the picture into something else"));
    };
    let rate: [Rate; 2] = [rate[0].after(rows)?, rate[1].after(columns)?];
    Ok(Outcome::of(value.reshaped(shape, Link::Grid { axes: [row, column], rate })).reading(0, [rows, columns]))
}

fn flattened(call: &Call, value: &Value) -> Result<Vec<usize>> {
    let rank = value.shape.len();
    let axis = match call.attributes.int("axis", 1) {
        n if n == rank as i64 => rank,
        n => axis_of(n, rank)?,
    };
    Ok(vec![value.shape[..axis].iter().product(), value.shape[axis..].iter().product()])
}

/// The shape that `Reshape` asks for: 0 keeps an axis, −1 takes what is left.
fn target_shape(call: &Call, value: &Value) -> Result<Vec<usize>> {
    let wanted = call.integers("shape", 1)?.ok_or_else(|| Error::model("says no shape"))?;
    let keep_zero = call.attributes.int("allowzero", 0) == 0;
    let mut shape = Vec::with_capacity(wanted.len());
    for (i, &n) in wanted.iter().enumerate() {
        shape.push(match n {
            0 if keep_zero => value.shape.get(i).copied().unwrap_or(0),
            -1 => 1,
            n => usize::try_from(n).map_err(|_| Error::model(format!("asks for the shape {wanted:?}")))?,
        });
    }
    let product = shape.iter().try_fold(1_u64, |n, &d| n.checked_mul(d as u64)).filter(|&n| n > 0);
    let fits = match (product, wanted.iter().position(|&n| n == -1)) {
        (Some(product), Some(open)) if value.elements().is_multiple_of(product) => {
            shape[open] = (value.elements() / product) as usize;
            wanted.iter().filter(|&&n| n == -1).count() == 1
        }
        (product, None) => product == Some(value.elements()),
        _ => false,
    };
    if fits { Ok(shape) } else { Err(Error::model(format!("cannot give {:?} the shape {wanted:?}", value.shape))) }
}

/// Where axis `axis` of shape `from` goes in shape `to`: unchanged, as the outer part of a merged axis (which makes it
/// denser), or as the outer of its parts (which makes it coarser).
fn follow(from: &[usize], to: &[usize], axis: usize) -> Option<(usize, Reach)> {
    let before: usize = from[..axis].iter().product();
    let mut product = 1_usize;
    let start = to.iter().position(|&d| {
        let here = product == before && (d > 1 || from[axis] == 1);
        if !here {
            product *= d;
        }
        here
    })?;
    let (old, new) = (from[axis], to[start]);
    if new == old {
        return Some((start, Reach::SAME));
    }
    if new > old && new.is_multiple_of(old) {
        let inner = new / old;
        let mut merged = 1;
        let ends_there = from[axis + 1..].iter().any(|&d| {
            merged *= d;
            merged == inner
        });
        return ends_there.then_some((start, Reach::split(inner as i64)));
    }
    let inner = old.is_multiple_of(new).then(|| (old / new) as i64)?;
    Some((start, Reach::window(inner, 0, inner - 1)))
}

/// Drops axes of one entry.
pub(super) fn squeeze(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let rank = value.shape.len();
    let axes = match call.integers("axes", 1)? {
        Some(axes) => axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>>>()?,
        None => (0..rank).filter(|&i| value.shape[i] == 1).collect(),
    };
    if axes.iter().any(|&a| value.shape[a] != 1) {
        return Err(Error::model(format!("drops axes {axes:?} of {:?}", value.shape)));
    }
    let kept: Vec<usize> = (0..rank).filter(|i| !axes.contains(i)).collect();
    Ok(renumber(value, kept.iter().map(|&i| value.shape[i]).collect(), |g| kept.iter().position(|&k| k == g)))
}

/// Adds axes of one entry.
pub(super) fn unsqueeze(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let axes = call.integers("axes", 1)?.ok_or_else(|| Error::model("says no axes"))?;
    let rank = value.shape.len() + axes.len();
    if rank > 8 {
        return Err(Error::model(format!("makes {rank} axes")));
    }
    let axes = axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>>>()?;
    let kept: Vec<usize> = (0..rank).filter(|i| !axes.contains(i)).collect();
    if kept.len() != value.shape.len() {
        return Err(Error::model("names an axis twice"));
    }
    let mut shape = vec![1; rank];
    for (&place, &extent) in kept.iter().zip(&value.shape) {
        shape[place] = extent;
    }
    Ok(renumber(value, shape, |g| kept.get(g).copied()))
}

fn renumber(value: &Value, shape: Vec<usize>, place: impl Fn(usize) -> Option<usize>) -> Outcome {
    let Some((axes, rate)) = value.grid() else {
        let mut output = value.reshaped(shape, value.link.clone());
        output.known.clone_from(&value.known);
        return Outcome::of(output);
    };
    let [Some(row), Some(column)] = axes.map(place) else { return lost(value, shape, "drops rows or columns") };
    Outcome::of(value.reshaped(shape, Link::Grid { axes: [row, column], rate })).reading(0, HERE)
}
