//! Operators that look at a window: convolutions, transposed convolutions, pools; and matrix products.

use super::{Call, Link, Outcome, Value};
use crate::error::{Error, Result};
use crate::onnx::reach::Reach;

/// Largest stride, dilation, kernel side or padding that is taken seriously.
const LARGEST: i64 = 4096;

/// The window of an operator along rows and columns.
struct Window {
    kernel: [i64; 2],
    strides: [i64; 2],
    dilations: [i64; 2],
    /// Top, left, bottom, right; none where they follow from the size.
    pads: [i64; 4],
    same: Option<Same>,
}

#[derive(Clone, Copy, PartialEq)]
enum Same {
    Upper,
    Lower,
}

impl Window {
    fn read(call: &Call, kernel: [i64; 2]) -> Result<Self> {
        let pair = |name: &str| match call.attributes.ints(name) {
            None => Ok([1, 1]),
            Some(&[a, b]) => Ok([a, b]),
            Some(other) => Err(Error::model(format!("{name} {other:?} are not two numbers"))),
        };
        let pads = match call.attributes.ints("pads") {
            None => [0; 4],
            Some(&[a, b, c, d]) => [a, b, c, d],
            Some(other) => return Err(Error::model(format!("pads {other:?} are not four numbers"))),
        };
        let same = match call.attributes.text("auto_pad", "NOTSET") {
            "SAME_UPPER" => Some(Same::Upper),
            "SAME_LOWER" => Some(Same::Lower),
            _ => None,
        };
        let pads = if call.attributes.text("auto_pad", "NOTSET") == "NOTSET" { pads } else { [0; 4] };
        let window = Self { kernel, strides: pair("strides")?, dilations: pair("dilations")?, pads, same };
        let positive = [window.kernel, window.strides, window.dilations].concat();
        if positive.iter().any(|n| !(1..=LARGEST).contains(n)) || pads.iter().any(|n| !(0..=LARGEST).contains(n)) {
            return Err(Error::model("its kernel, strides, dilations or pads are out of bounds"));
        }
        Ok(window)
    }

    /// From the first tap to the last along axis `i`.
    fn reach(&self, i: usize) -> i64 {
        (self.kernel[i] - 1) * self.dilations[i]
    }

    /// Padding before and after axis `i` of `extent` samples.
    fn padding(&self, i: usize, extent: i64) -> (i64, i64) {
        let Some(same) = self.same else { return (self.pads[i], self.pads[i + 2]) };
        let outputs = (extent + self.strides[i] - 1) / self.strides[i];
        let total = ((outputs - 1) * self.strides[i] + self.reach(i) + 1 - extent).max(0);
        let small = total / 2;
        if same == Same::Upper { (small, total - small) } else { (total - small, small) }
    }

    /// Samples out along axis `i`, and how far each looks back.
    fn forward(&self, i: usize, extent: usize, ceil: bool) -> Result<(usize, Reach)> {
        let extent = extent as i64;
        let (before, after) = self.padding(i, extent);
        let room = extent + before + after - self.reach(i) - 1;
        if room < 0 {
            return Err(Error::model(format!("its window is larger than the {extent} samples it gets")));
        }
        let stride = self.strides[i];
        let mut steps = if ceil { (room + stride - 1) / stride } else { room / stride };
        if ceil && steps * stride >= extent + before {
            steps -= 1;
        }
        Ok((steps as usize + 1, Reach::window(stride, -before, self.reach(i) - before)))
    }
}

/// The picture operand, which must be four-dimensional with rows and columns last.
fn picture<'a>(call: &'a Call) -> Result<&'a Value> {
    let value = call.input(0)?;
    let fits = value.shape.len() == 4 && value.grid().is_none_or(|(axes, _)| axes == [2, 3]);
    if fits {
        Ok(value)
    } else {
        Err(Error::model(format!("works on {:?}, not on planes of rows and columns", value.shape)))
    }
}

fn kernel_of(weights: &Value) -> Result<[usize; 4]> {
    <[usize; 4]>::try_from(weights.shape.as_slice())
        .map_err(|_| Error::model(format!("its weights {:?} are not two-dimensional kernels", weights.shape)))
}

fn group_of(call: &Call) -> Result<usize> {
    usize::try_from(call.attributes.int("group", 1))
        .ok()
        .filter(|&g| g > 0)
        .ok_or_else(|| Error::model("its group is not positive"))
}

fn finish(value: &Value, weights: &Value, shape: Vec<usize>, reach: [Reach; 2]) -> Result<Outcome> {
    let link = match value.link {
        Link::Grid { axes, rate } => Link::Grid { axes, rate: [rate[0].after(reach[0])?, rate[1].after(reach[1])?] },
        ref other => other.clone(),
    };
    let outcome = Outcome::of(value.reshaped(shape, link)).reading(0, reach);
    Ok(if weights.link == Link::Constant { outcome } else { outcome.whole("takes its weights from the picture") })
}

/// Convolutions; `weights` is the position of the kernel among the inputs.
pub(super) fn conv(call: &Call, weights: usize) -> Result<Outcome> {
    let (value, weights) = (picture(call)?, call.input(weights)?);
    let [outputs, inputs, kh, kw] = kernel_of(weights)?;
    let group = group_of(call)?;
    if Some(value.shape[1]) != inputs.checked_mul(group) || !outputs.is_multiple_of(group) {
        let got = value.shape[1];
        return Err(Error::model(format!(
            "its weights {:?} do not fit {got} channels in {group} groups",
            weights.shape
        )));
    }
    let window = Window::read(call, [kh as i64, kw as i64])?;
    let (height, rows) = window.forward(0, value.shape[2], false)?;
    let (width, columns) = window.forward(1, value.shape[3], false)?;
    let mut outcome = finish(value, weights, vec![value.shape[0], outputs, height, width], [rows, columns])?;
    outcome.mac = [outputs, inputs, kh, kw, height, width].iter().map(|&n| n as f64).product();
    Ok(outcome)
}

/// Transposed convolutions: sample i of the input reaches outputs i·stride − pad to i·stride − pad + reach.
pub(super) fn transposed(call: &Call) -> Result<Outcome> {
    let (value, weights) = (picture(call)?, call.input(1)?);
    let [inputs, outputs, kh, kw] = kernel_of(weights)?;
    let group = group_of(call)?;
    if value.shape[1] != inputs || call.attributes.get("output_shape").is_some() {
        return Err(Error::model(format!("its weights {:?} do not fit {} channels", weights.shape, value.shape[1])));
    }
    let window = Window::read(call, [kh as i64, kw as i64])?;
    let extra = call.attributes.ints("output_padding").unwrap_or(&[0, 0]);
    let mut shape = vec![value.shape[0], outputs.saturating_mul(group)];
    let mut reach = [Reach::SAME; 2];
    for (i, reach) in reach.iter_mut().enumerate() {
        let (extent, stride) = (value.shape[i + 2] as i64, window.strides[i]);
        let extra = extra.get(i).copied().unwrap_or(0).clamp(0, LARGEST);
        let full = (extent - 1) * stride + window.reach(i) + 1 + extra;
        let (before, after) = match window.same {
            None => (window.pads[i], window.pads[i + 2]),
            Some(same) => {
                let total = (full - extent * stride).max(0);
                if same == Same::Upper { (total / 2, total - total / 2) } else { (total - total / 2, total / 2) }
            }
        };
        let side = usize::try_from(full - before - after).unwrap_or(0);
        shape.push(side);
        *reach = Reach { mul: 1, low: before - window.reach(i) + stride - 1, high: before, div: stride };
    }
    let area = (value.shape[2] * value.shape[3]) as f64;
    let mut outcome = finish(value, weights, shape, reach)?;
    outcome.mac = [inputs, outputs, kh, kw].iter().map(|&n| n as f64).product::<f64>() * area;
    Ok(outcome)
}

/// Maxima and means over windows.
pub(super) fn pool(call: &Call) -> Result<Outcome> {
    let value = picture(call)?;
    let kernel = match call.attributes.ints("kernel_shape") {
        Some(&[a, b]) => [a, b],
        other => return Err(Error::model(format!("its kernel shape {other:?} is not two numbers"))),
    };
    let window = Window::read(call, kernel)?;
    let ceil = call.attributes.int("ceil_mode", 0) == 1;
    let (height, rows) = window.forward(0, value.shape[2], ceil)?;
    let (width, columns) = window.forward(1, value.shape[3], ceil)?;
    let shape = vec![value.shape[0], value.shape[1], height, width];
    let mut outcome = finish(value, &Value::constant(vec![], None, false), shape, [rows, columns])?;
    let copies = call.node.output.len().max(1);
    let first = outcome.outputs[0].clone();
    outcome.outputs.resize(copies, first);
    Ok(outcome)
}

/// Matrix products over the last two axes.
pub(super) fn matmul(call: &Call) -> Result<Outcome> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let (&[ref outer_a @ .., m, k], &[ref outer_b @ .., inner, n]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return Err(Error::model("multiplies something that is no matrix"));
    };
    if k != inner {
        return Err(Error::model(format!("shapes {:?} and {:?} do not fit each other", a.shape, b.shape)));
    }
    let mut shape = super::arithmetic::broadcast(outer_a, outer_b)?;
    shape.extend([m, n]);
    let mac = shape.iter().map(|&d| d as f64).product::<f64>() * k as f64;
    let last = a.shape.len() - 1;
    let mut outcome = match (&a.link, &b.link) {
        (Link::Constant, Link::Constant) => Outcome::of(a.reshaped(shape, Link::Constant)),
        (Link::Grid { axes, .. }, Link::Constant) if !axes.contains(&last) && b.shape.len() == 2 => {
            Outcome::of(a.reshaped(shape, a.link.clone())).reading(0, [Reach::SAME; 2])
        }
        _ => Outcome::of(a.reshaped(shape, Link::Lost)).whole("multiplies places of the whole picture (attention)"),
    };
    outcome.mac = mac;
    Ok(outcome)
}
