//! Operators that change the grid: pixel shuffles, resizing, padding.

use super::{Call, Link, Outcome, axis_of};
use crate::error::{Error, Result};
use crate::onnx::reach::Reach;

fn block_size(call: &Call) -> Result<usize> {
    usize::try_from(call.attributes.int("blocksize", 0))
        .ok()
        .filter(|r| (1..=64).contains(r))
        .ok_or_else(|| Error::model("its block size is not between 1 and 64"))
}

fn planes<'a>(call: &'a Call) -> Result<(&'a super::Value, [usize; 4])> {
    let value = call.input(0)?;
    let shape = <[usize; 4]>::try_from(value.shape.as_slice());
    match (shape, value.grid().is_none_or(|(axes, _)| axes == [2, 3])) {
        (Ok(shape), true) => Ok((value, shape)),
        _ => Err(Error::model(format!("works on {:?}, not on planes of rows and columns", value.shape))),
    }
}

fn regrid(value: &super::Value, shape: Vec<usize>, reach: [Reach; 2]) -> Result<Outcome> {
    let link = match value.link {
        Link::Grid { axes, rate } => Link::Grid { axes, rate: [rate[0].after(reach[0])?, rate[1].after(reach[1])?] },
        ref other => other.clone(),
    };
    Ok(Outcome::of(value.reshaped(shape, link)).reading(0, reach))
}

/// The pixel shuffle: r² channels become r × r samples.
pub(super) fn depth_to_space(call: &Call) -> Result<Outcome> {
    let r = block_size(call)?;
    let (value, [n, c, h, w]) = planes(call)?;
    if !c.is_multiple_of(r * r) {
        return Err(Error::model(format!("{c} channels cannot be shuffled by {r}")));
    }
    regrid(value, vec![n, c / (r * r), h * r, w * r], [Reach::split(r as i64); 2])
}

/// Its inverse.
pub(super) fn space_to_depth(call: &Call) -> Result<Outcome> {
    let r = block_size(call)?;
    let (value, [n, c, h, w]) = planes(call)?;
    if !h.is_multiple_of(r) || !w.is_multiple_of(r) {
        return Err(Error::model(format!("{w}x{h} samples cannot be gathered by {r}")));
    }
    regrid(value, vec![n, c * r * r, h / r, w / r], [Reach::window(r as i64, 0, r as i64 - 1); 2])
}

/// `Resize` of any operator set, and `Upsample`.
pub(super) fn resize(call: &Call) -> Result<Outcome> {
    let (value, shape) = planes(call)?;
    let (scales, sizes) = match (call.node.op_type.as_str(), call.opset) {
        ("Upsample", _) | (_, ..=10) => (1, usize::MAX),
        _ => (2, 3),
    };
    let axes = match call.attributes.ints("axes") {
        Some(axes) => axes.iter().map(|&a| axis_of(a, 4)).collect::<Result<Vec<_>>>()?,
        None => (0..4).collect(),
    };
    let by_sizes = call.maybe(sizes).is_some_and(|v| v.shape != [0]);
    let numbers = call.known(if by_sizes { sizes } else { scales })?;
    if numbers.len() != axes.len() {
        return Err(Error::model(format!("{} factors do not fit {} axes", numbers.len(), axes.len())));
    }
    let mut target = shape;
    for (&axis, &number) in axes.iter().zip(numbers) {
        let extent = if by_sizes { number } else { (shape[axis] as f64 * number).floor() };
        if !(1.0..=f64::from(1 << 24)).contains(&extent) {
            return Err(Error::model(format!("asks for {extent} samples along an axis")));
        }
        target[axis] = extent as usize;
    }
    if target[..2] != shape[..2] {
        return Err(Error::model("resizes something other than rows and columns"));
    }
    let whole_factor = |i: usize| target[i].is_multiple_of(shape[i]).then(|| (target[i] / shape[i]) as i64);
    let (Some(rows), Some(columns)) = (whole_factor(2), whole_factor(3)) else {
        let reason = "resizes by a factor that is not whole, so that samples lie differently from tile to tile";
        let link = if value.grid().is_some() { value.link.clone() } else { Link::Lost };
        return Ok(Outcome::of(value.reshaped(target.to_vec(), link)).whole(reason));
    };
    let outcome = regrid(value, target.to_vec(), [resize_reach(call, rows), resize_reach(call, columns)])?;
    Ok(match uneven(call, rows).or_else(|| uneven(call, columns)) {
        Some(reason) => outcome.whole(reason),
        None => outcome,
    })
}

/// Why an enlargement by a whole factor would still show at the edges of tiles.
fn uneven(call: &Call, factor: i64) -> Option<&'static str> {
    if factor == 1 {
        return None;
    }
    match call.attributes.text("coordinate_transformation_mode", "half_pixel") {
        "align_corners" | "tf_crop_and_resize" => return Some("resizes with the picture's corners as its measure"),
        _ => {}
    }
    let nearest = matches!(call.attributes.text("mode", "nearest"), "nearest");
    (!nearest && !(factor as u64).is_power_of_two())
        .then_some("interpolates at places that round differently from tile to tile")
}

/// Output i lies at (2i + 1 − r) / 2r of the input (half pixel) or at i / r (asymmetric).
fn resize_reach(call: &Call, r: i64) -> Reach {
    if r == 1 {
        return Reach::SAME;
    }
    let asymmetric = call.opset <= 10
        || call.node.op_type == "Upsample"
        || call.attributes.text("coordinate_transformation_mode", "half_pixel") == "asymmetric";
    let place = if asymmetric { 0 } else { 1 - r };
    match call.attributes.text("mode", "nearest") {
        "cubic" => Reach { mul: 2, low: place - 2 * r, high: place + 4 * r, div: 2 * r },
        "linear" | "bilinear" => Reach { mul: 2, low: place, high: place + 2 * r, div: 2 * r },
        _ if asymmetric && call.attributes.text("nearest_mode", "round_prefer_floor") != "floor" && call.opset > 10 => {
            Reach { mul: 1, low: 0, high: r - 1, div: r }
        }
        _ => Reach::split(r),
    }
}

/// Padding by constants, edges or mirrors.
pub(super) fn pad(call: &Call) -> Result<Outcome> {
    let value = call.input(0)?;
    let rank = value.shape.len();
    let pads = call.integers("pads", 1)?.ok_or_else(|| Error::model("says no pads"))?;
    let axes = match call.maybe(3) {
        Some(_) => call.known(3)?.iter().map(|&a| axis_of(a as i64, rank)).collect::<Result<Vec<_>>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() || pads.iter().any(|p| p.unsigned_abs() > 4096) {
        return Err(Error::model(format!("pads {pads:?} do not fit {} axes", axes.len())));
    }
    let mode = call.attributes.text("mode", "constant");
    let mut shape = value.shape.clone();
    let mut reach = [Reach::SAME; 2];
    for (i, &axis) in axes.iter().enumerate() {
        let (before, after) = (pads[i], pads[i + axes.len()]);
        let extent = shape[axis] as i64;
        if mode == "reflect" && (before >= extent || after >= extent) {
            return Err(Error::model(format!("mirrors {} of only {extent} samples", before.max(after))));
        }
        shape[axis] = usize::try_from(extent + before + after).unwrap_or(0);
        if let Some((grid, _)) = value.grid()
            && let Some(i) = grid.iter().position(|&g| g == axis)
        {
            reach[i] = Reach::window(1, -before, -before);
        }
    }
    let outcome = Outcome::of(value.reshaped(shape, value.link.clone())).reading(0, reach);
    Ok(match mode {
        "wrap" if value.grid().is_some() => outcome.whole("wraps the picture around"),
        _ => outcome,
    })
}
