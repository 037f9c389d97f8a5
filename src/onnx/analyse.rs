//! What a graph is: factor, colour, receptive field, work, and whether it can be tiled.

use super::hints;
use super::infer::{Link, Walk, walk};
use super::proto::{Extent, GraphProto, ModelProto, NodeProto, TensorProto, TensorTypeProto, element};
use super::reach::Span;
use super::read::{Limits, graph, picture_input, shown, stored_bytes};
use crate::card::{Colour, Precision, Tiling};
use crate::error::{Error, Result};
use crate::geometry::Size;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What was worked out about a generator from its graph alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Output pixels for each input pixel, along each side; nothing where an operator is unknown.
    pub scale: Option<usize>,
    /// Planes in and out.
    pub colour: Colour,
    /// Receptive-field radius, or why there is none.
    pub tiling: Tiling,
    /// Arithmetic.
    pub precision: Precision,
    /// Weights and biases.
    pub parameters: u64,
    /// Bytes of all stored tensors together.
    pub weight_bytes: u64,
    /// Multiply-adds for one low-resolution pixel, as far as the operators are known.
    pub mac_per_pixel: f64,
    /// The only size that the graph accepts.
    pub fixed_size: Option<Size>,
    /// Smallest side that the graph accepts.
    pub min_side: usize,
    /// Sides must be multiples of this.
    pub multiple: usize,
    /// How often each operator stands in the graph.
    pub operators: BTreeMap<String, usize>,
    /// Bytes of all tensors computed for one low-resolution pixel.
    pub bytes_per_pixel: f64,
    /// The first operator that is not known; of what hangs on it, nothing but constants was looked at.
    pub unknown: Option<String>,
    /// The numbers that mean black and white, where the first operators tell.
    pub range_hint: Option<[f32; 2]>,
    /// Whether the output comes out of a hyperbolic tangent.
    pub ends_in_tanh: bool,
}

/// Sides at which the graph is walked: unlike each other and unlike channel counts; the first is rich in divisors.
const PROBES: [Size; 2] = [Size::new(384, 192), Size::new(331, 207)];
/// Smallest sides that are tried, up to this one.
const LARGEST_MIN_SIDE: usize = 128;

/// Works out what `model` (as [`super::read`] gave it) is.
pub fn analyse(model: &ModelProto, limits: &Limits) -> Result<Analysis> {
    let graph = graph(model)?;
    let (colour, fixed_size) = input_form(graph)?;
    let probing = measuring(limits);
    let explorer = Explorer { graph, opset: opset(model), planes: colour.planes(), limits: &probing };
    let size = fixed_size.unwrap_or(PROBES[0]);
    let first = explorer.walk(size)?;
    let scale = first.unknown.is_none().then(|| explorer.scale(&first, size)).transpose()?;
    let (min_side, multiple) = if fixed_size.is_some() || scale.is_none() { (1, 1) } else { explorer.sides(size) };
    if scale.is_some() {
        check_size(model, fixed_size.unwrap_or(Size::new(min_side, min_side)), limits)?;
    }
    let mac_per_pixel = first.mac / size.area() as f64;
    if mac_per_pixel > limits.mac_per_pixel {
        return Err(Error::limit(format!(
            "the model needs {mac_per_pixel:.3e} multiply-adds a pixel, more than the limit of {:.3e}",
            limits.mac_per_pixel
        )));
    }
    let mut tiling = explorer.tiling(&first, scale);
    if fixed_size.is_none() && matches!(tiling, Tiling::Halo(_)) {
        let elsewhere = explorer.walk(PROBES[1]).map(|w| explorer.tiling(&w, scale));
        if !elsewhere.is_ok_and(|t| t == tiling) {
            tiling = Tiling::Whole("its layers depend on the picture's size".into());
        }
    }
    let computed = graph.node.iter().flat_map(|n| &n.output).filter_map(|name| first.values.get(name));
    let bytes: f64 = computed.map(|v| v.elements() as f64 * 4.0).sum();
    Ok(Analysis {
        scale,
        colour,
        tiling,
        precision: precision(graph),
        parameters: parameters(graph),
        weight_bytes: stored_bytes(graph),
        mac_per_pixel,
        fixed_size,
        min_side,
        multiple,
        operators: operators(graph),
        bytes_per_pixel: bytes / size.area() as f64,
        unknown: first.unknown,
        range_hint: hints::range(graph),
        ends_in_tanh: hints::ends_in_tanh(graph),
    })
}

/// Limits for looking at a graph without running it: what its tensors take together is held to the limit where the size of a run is
/// known, and must fit at the smallest.
fn measuring(limits: &Limits) -> Limits {
    Limits { run_bytes: u64::MAX, ..limits.clone() }
}

/// Checks that `model` accepts pictures of `size` within `limits`.
pub fn check_size(model: &ModelProto, size: Size, limits: &Limits) -> Result<()> {
    let graph = graph(model)?;
    let (colour, _) = input_form(graph)?;
    let explorer = Explorer { graph, opset: opset(model), planes: colour.planes(), limits };
    explorer.walk(size).map(|_| ()).map_err(|e| e.at(format!("for {size} pixels")))
}

/// A value that lies on the picture's grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Channels.
    pub channels: usize,
    /// Rows and columns for each of the picture's.
    pub factor: usize,
}

/// Every value of `model` that is channels of a whole number of times the picture's rows and columns.
pub fn grids(model: &ModelProto, limits: &Limits) -> Result<HashMap<String, Grid>> {
    let graph = graph(model)?;
    let (colour, fixed_size) = input_form(graph)?;
    let limits = &measuring(limits);
    let explorer = Explorer { graph, opset: opset(model), planes: colour.planes(), limits };
    let size = fixed_size.unwrap_or(PROBES[0]);
    let mut grids = HashMap::new();
    for (name, value) in explorer.walk(size)?.values {
        let Link::Grid { axes: [2, 3], rate } = value.link else { continue };
        let factors = rate.map(|r| r.whole().and_then(|n| usize::try_from(n).ok()));
        if let ([1, channels, height, width], [Some(down), Some(across)]) = (value.shape.as_slice(), factors)
            && down == across
            && (*width, *height) == (size.width * across, size.height * down)
        {
            grids.insert(name, Grid { channels: *channels, factor: down });
        }
    }
    Ok(grids)
}

fn opset(model: &ModelProto) -> i64 {
    model.opset_import.iter().find(|o| o.domain.is_empty() || o.domain == "ai.onnx").map_or(1, |o| o.version)
}

/// Planes and, where fixed, size of the input.
fn input_form(graph: &GraphProto) -> Result<(Colour, Option<Size>)> {
    let input = picture_input(graph)?;
    let place = format!("input '{}'", shown(&input.name));
    let tensor: &TensorTypeProto = input
        .r#type
        .as_ref()
        .and_then(|t| t.tensor_type.as_ref())
        .ok_or_else(|| Error::model("is no tensor").at(&place))?;
    if tensor.elem_type != element::F32 {
        return Err(Error::model(format!("is {}, not float32", element::name(tensor.elem_type)))
            .fix("export the model in float32; quantised models too take float32 pictures here")
            .at(place));
    }
    let dims = tensor.shape.as_ref().map_or(&[][..], |s| s.dim.as_slice());
    let extent = |i: usize| -> Result<Option<usize>> {
        match &dims[i].value {
            Some(Extent::Value(n)) if *n > 0 && *n <= 65536 => Ok(Some(*n as usize)),
            // Some exporters write −1 or 0 for "any".
            Some(Extent::Value(-1 | 0) | Extent::Param(_)) | None => Ok(None),
            Some(Extent::Value(n)) => Err(Error::model(format!("has the size {n} along axis {i}")).at(&place)),
        }
    };
    if dims.len() != 4 {
        return Err(
            Error::model(format!("has {} axes, not the 4 of batch, channels, height, width", dims.len())).at(place)
        );
    }
    if extent(0)?.is_some_and(|n| n != 1) {
        return Err(Error::model("takes a batch of several pictures").fix("export it with a batch of 1").at(place));
    }
    let colour = match extent(1)? {
        Some(1) => Colour::Luma,
        Some(3) => Colour::Rgb,
        None => channels_of_first_layer(graph, &input.name).ok_or_else(|| {
            Error::model("does not say how many channels it has").fix("export it with 1 or 3 channels").at(&place)
        })?,
        Some(n) => {
            return Err(Error::model(format!("has {n} channels; a generator takes 1 (luma) or 3 (RGB)")).at(place));
        }
    };
    match (extent(2)?, extent(3)?) {
        (Some(height), Some(width)) => Ok((colour, Some(Size::new(width, height)))),
        (None, None) => Ok((colour, None)),
        _ => Err(Error::model("fixes only one of height and width").fix("fix both or neither").at(place)),
    }
}

/// Channels that the first convolution behind the input takes.
fn channels_of_first_layer(graph: &GraphProto, input: &str) -> Option<Colour> {
    let node = graph.node.iter().find(|n| n.op_type == "Conv" && n.input.first().is_some_and(|i| i == input))?;
    let weights = graph.initializer.iter().find(|t| Some(&t.name) == node.input.get(1))?;
    match weights.dims.get(1)? {
        1 => Some(Colour::Luma),
        3 => Some(Colour::Rgb),
        _ => None,
    }
}

struct Explorer<'a> {
    graph: &'a GraphProto,
    opset: i64,
    planes: usize,
    limits: &'a Limits,
}

impl Explorer<'_> {
    fn walk(&self, size: Size) -> Result<Walk> {
        walk(self.graph, self.opset, self.planes, size, self.limits)
    }

    /// The factor between input and output, equal along both sides.
    fn scale(&self, walk: &Walk, size: Size) -> Result<usize> {
        let name = &self.graph.output[0].name;
        let shape = walk.values.get(name).map_or(&[][..], |v| v.shape.as_slice());
        let &[1, planes, height, width] = shape else {
            return Err(Error::model(format!(
                "the output '{}' has the shape {shape:?}, which is no picture",
                shown(name)
            )));
        };
        if planes != self.planes {
            return Err(Error::model(format!("the model takes {} channels but gives {planes}", self.planes)));
        }
        let scale = height / size.height;
        if scale * size.height == height && scale * size.width == width && (1..=16).contains(&scale) {
            return Ok(scale);
        }
        Err(Error::model(format!(
            "the model makes {width}x{height} of {size} pixels, which is no whole factor between 1 and 16"
        ))
        .fix("a generator pads its convolutions so that no rows or columns are lost"))
    }

    fn accepts(&self, size: Size) -> bool {
        self.walk(size).and_then(|w| self.scale(&w, size)).is_ok()
    }

    /// Smallest side, and what sides must be multiples of; `size` is known to be accepted.
    fn sides(&self, size: Size) -> (usize, usize) {
        let multiple = [1, 2, 4, 8, 16, 32, 64]
            .into_iter()
            .find(|m| self.accepts(Size::new(size.width - m, size.height - m)))
            .unwrap_or(1);
        // What accepts a side accepts every larger one.
        let sides: Vec<usize> = (1..=LARGEST_MIN_SIDE / multiple).map(|i| i * multiple).collect();
        let too_small = sides.partition_point(|&n| !self.accepts(Size::new(n, n)));
        let smallest = sides.get(too_small).copied().unwrap_or(LARGEST_MIN_SIDE);
        (smallest, multiple)
    }

    fn tiling(&self, walk: &Walk, scale: Option<usize>) -> Tiling {
        if let Some(reason) = &walk.whole {
            return Tiling::Whole(reason.clone());
        }
        if let Some(node) = &walk.unknown {
            return Tiling::Whole(format!("{node} is an operator whose reach is not known"));
        }
        let scale = scale.unwrap_or(1) as i64;
        match self.uneven(walk, scale) {
            Some(reason) => Tiling::Whole(reason),
            None => Tiling::Halo(self.radius(walk, scale)),
        }
    }

    /// Why a shift of the picture by one pixel would not shift the output by `scale`.
    fn uneven(&self, walk: &Walk, scale: i64) -> Option<String> {
        for name in self.graph.node.iter().flat_map(|n| &n.output) {
            if let Some(Link::Grid { rate, .. }) = walk.values.get(name).map(|v| &v.link)
                && let Some(rate) = rate.iter().find(|r| r.whole().is_none())
            {
                let stride = rate.stride();
                return Some(format!(
                    "layers keep only every {stride}. pixel, so that tiles would have to start there"
                ));
            }
        }
        match walk.values.get(&self.graph.output[0].name).map(|v| &v.link) {
            Some(Link::Grid { rate, axes: [2, 3] }) if rate.iter().all(|r| r.whole() == Some(scale)) => None,
            _ => Some("the output does not follow the input place by place".into()),
        }
    }

    /// Farthest input pixel that the output of one input pixel depends on.
    fn radius(&self, walk: &Walk, scale: i64) -> usize {
        // Far from the corner, so that no index is negative; the answer is the same at every place.
        let place = 1_i64 << 24;
        let output = Span { first: place * scale, last: place * scale + scale - 1 };
        let mut spans: HashMap<&str, [Span; 2]> = HashMap::new();
        spans.insert(&self.graph.output[0].name, [output; 2]);
        for (node, reads) in self.graph.node.iter().zip(&walk.reads).rev() {
            let made = node.output.iter().filter_map(|o| spans.get(o.as_str()).copied());
            let Some(span) = made.reduce(|a, b| [a[0].join(b[0]), a[1].join(b[1])]) else { continue };
            for (input, reach) in reads {
                let needed = [reach[0].back(span[0]), reach[1].back(span[1])];
                spans.entry(input).and_modify(|s| *s = [s[0].join(needed[0]), s[1].join(needed[1])]).or_insert(needed);
            }
        }
        let input = picture_input(self.graph).ok().and_then(|i| spans.get(i.name.as_str()).copied());
        let far = |span: Span| (place - span.first).max(span.last - place).max(0);
        input.map_or(0, |[rows, columns]| far(rows).max(far(columns)) as usize)
    }
}

fn precision(graph: &GraphProto) -> Precision {
    let quantised = |op: &str| matches!(op, "QLinearConv" | "ConvInteger" | "QuantizeLinear" | "DequantizeLinear");
    if graph.node.iter().any(|n| quantised(&n.op_type)) { Precision::Int8 } else { Precision::F32 }
}

fn operators(graph: &GraphProto) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for node in &graph.node {
        *counts.entry(shown(&node.op_type)).or_insert(0) += 1;
    }
    counts
}

/// Elements of the stored tensors that are weights or biases: no sizes and no quantisation steps.
fn parameters(graph: &GraphProto) -> u64 {
    let steps = |op: &str| -> &'static [usize] {
        match op {
            "QLinearConv" => &[1, 2, 4, 5, 6, 7],
            "QuantizeLinear" | "DequantizeLinear" => &[1, 2],
            "Resize" | "Upsample" | "Clip" | "Pad" => &[1, 2, 3],
            _ => &[],
        }
    };
    let others = |n: &NodeProto| steps(&n.op_type).iter().filter_map(|&i| n.input.get(i).cloned()).collect::<Vec<_>>();
    let not_weights: HashSet<String> = graph.node.iter().flat_map(others).collect();
    let weight = |t: &&TensorProto| t.data_type != element::I64 && !not_weights.contains(&t.name);
    graph.initializer.iter().filter(weight).map(|t| t.dims.iter().map(|&d| d as u64).product::<u64>()).sum()
}
