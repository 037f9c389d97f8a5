//! Walks a graph at one concrete input size: the shape of every value, the work of every operator, and how each sample
//! depends on the picture.

mod arithmetic;
mod behind;
mod convolution;
mod layout;
mod resample;
mod shapes;

use super::node::{Attributes, KNOWN, is_integer, numbers};
use super::proto::{GraphProto, NodeProto, TensorProto};
use super::reach::{Rate, Reach};
use super::read::{Limits, label, picture_input};
use crate::error::{Error, Result};
use crate::geometry::Size;
use behind::Behind;
use std::collections::HashMap;

/// How a value hangs on the picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Link {
    /// Not at all.
    Constant,
    /// Sample by sample: which axes are rows and columns, and how dense they are.
    Grid { axes: [usize; 2], rate: [Rate; 2] },
    /// Somehow: its samples have no place in the picture any more.
    Lost,
}

/// What is known about one value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) shape: Vec<usize>,
    pub(super) link: Link,
    /// The numbers themselves, where they are few and do not depend on the picture.
    pub(super) known: Option<Vec<f64>>,
    pub(super) integer: bool,
    /// Worked out from the picture's size.
    pub(super) sized: bool,
}

impl Value {
    pub(super) fn constant(shape: Vec<usize>, known: Option<Vec<f64>>, integer: bool) -> Self {
        Self { shape, link: Link::Constant, known, integer, sized: false }
    }

    fn stored(tensor: &TensorProto) -> Self {
        let shape = tensor.dims.iter().map(|&d| d as usize).collect();
        Self::constant(shape, numbers(tensor), is_integer(tensor.data_type))
    }

    /// A value that depends on the picture like `self`, in another shape.
    pub(super) fn reshaped(&self, shape: Vec<usize>, link: Link) -> Self {
        Self { shape, link, known: None, integer: self.integer, sized: self.sized }
    }

    pub(super) fn grid(&self) -> Option<([usize; 2], [Rate; 2])> {
        match self.link {
            Link::Grid { axes, rate } => Some((axes, rate)),
            _ => None,
        }
    }

    pub(super) fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |n, &d| n.saturating_mul(d as u64))
    }
}

/// What one operator does.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) outputs: Vec<Value>,
    /// Inputs by position, and how far the outputs look into them along rows and columns.
    pub(super) reads: Vec<(usize, [Reach; 2])>,
    /// Why the picture cannot be cut into tiles.
    pub(super) whole: Option<String>,
    /// Multiply-adds.
    pub(super) mac: f64,
}

impl Outcome {
    pub(super) fn of(output: Value) -> Self {
        Self { outputs: vec![output], ..Self::default() }
    }

    pub(super) fn reading(mut self, input: usize, reach: [Reach; 2]) -> Self {
        self.reads.push((input, reach));
        self
    }

    pub(super) fn whole(mut self, reason: impl Into<String>) -> Self {
        self.whole.get_or_insert(reason.into());
        self
    }
}

/// One operator with what is known about its inputs.
pub(super) struct Call<'a> {
    pub(super) node: &'a NodeProto,
    pub(super) attributes: Attributes<'a>,
    pub(super) inputs: Vec<Option<&'a Value>>,
    pub(super) opset: i64,
    pub(super) limits: &'a Limits,
}

impl Call<'_> {
    /// Input `i`, which must be there.
    pub(super) fn input(&self, i: usize) -> Result<&Value> {
        self.maybe(i).ok_or_else(|| Error::model(format!("input {i} is missing")))
    }

    /// Input `i`, if it was given.
    pub(super) fn maybe(&self, i: usize) -> Option<&Value> {
        self.inputs.get(i).copied().flatten()
    }

    /// The numbers of input `i`; an error where they depend on the picture.
    pub(super) fn known(&self, i: usize) -> Result<&[f64]> {
        let value = self.input(i)?;
        value
            .known
            .as_deref()
            .ok_or_else(|| Error::model(format!("input {i} is not a constant of at most {KNOWN} numbers")))
    }

    /// Integers that older operator sets hold in attribute `name` and newer ones in input `i`.
    pub(super) fn integers(&self, name: &str, i: usize) -> Result<Option<Vec<i64>>> {
        if let Some(ints) = self.attributes.ints(name) {
            return Ok(Some(ints.to_vec()));
        }
        match self.maybe(i) {
            Some(_) => Ok(Some(self.known(i)?.iter().map(|&v| v as i64).collect())),
            None => Ok(None),
        }
    }
}

/// An axis of `rank`, counted from the end where negative.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let index = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(index)
        .ok()
        .filter(|&i| i < rank)
        .ok_or_else(|| Error::model(format!("axis {axis} is not one of {rank}")))
}

/// What a walk found.
#[derive(Debug)]
pub(super) struct Walk {
    /// Values by name.
    pub(super) values: HashMap<String, Value>,
    /// For each node, its reads: input name and reach.
    pub(super) reads: Vec<Vec<(String, [Reach; 2])>>,
    /// Why there are no tiles, in the order of the graph.
    pub(super) whole: Option<String>,
    /// Multiply-adds in all.
    pub(super) mac: f64,
    /// The first operator that this crate does not know; of what hangs on it, only constants were looked at.
    pub(super) unknown: Option<String>,
}

/// Walks `graph` for an input of `channels` planes of `size`.
pub(super) fn walk(graph: &GraphProto, opset: i64, channels: usize, size: Size, limits: &Limits) -> Result<Walk> {
    let mut values: HashMap<String, Value> =
        graph.initializer.iter().map(|t| (t.name.clone(), Value::stored(t))).collect();
    let input = picture_input(graph)?.name.clone();
    let link = Link::Grid { axes: [2, 3], rate: [Rate::ONE; 2] };
    let picture = Value::constant(vec![1, channels, size.height, size.width], None, false);
    values.insert(input, Value { link, ..picture });
    let mut walk = Walk { values, reads: Vec::new(), whole: None, mac: 0.0, unknown: None };
    let (mut bytes, mut constants, mut behind) = (0_u64, 0_u64, Behind::default());
    for node in &graph.node {
        let inputs = node.input.iter().map(|name| walk.values.get(name)).collect::<Vec<_>>();
        let is_behind = node.input.iter().zip(&inputs).any(|(name, value)| !name.is_empty() && value.is_none());
        let call = Call { node, attributes: Attributes(node), inputs, opset, limits };
        let outcome = if is_behind { None } else { infer(&call).map_err(|e| e.at(label(node)))? };
        let Some(outcome) = outcome else {
            behind.add(node, &walk.values).map_err(|e| e.at(label(node)))?;
            walk.unknown.get_or_insert_with(|| label(node));
            walk.reads.push(Vec::new());
            continue;
        };
        for value in &outcome.outputs {
            bytes = bytes.saturating_add(value.elements().saturating_mul(4));
            check_output(value, bytes, limits).map_err(|e| e.at(label(node)))?;
            if value.link == Link::Constant {
                constants = constants.saturating_add(value.elements().saturating_mul(8));
            }
        }
        if constants > limits.weight_bytes {
            let most = limits.weight_bytes >> 20;
            return Err(
                Error::limit(format!("the constants that the model computes pass {most} MiB here")).at(label(node))
            );
        }
        if let (None, Some(reason)) = (&walk.whole, &outcome.whole) {
            walk.whole = Some(format!("{} {reason}", label(node)));
        }
        walk.mac += outcome.mac;
        walk.reads.push(outcome.reads.into_iter().map(|(i, reach)| (node.input[i].clone(), reach)).collect());
        walk.values.extend(node.output.iter().cloned().zip(outcome.outputs));
    }
    Ok(walk)
}

fn check_output(value: &Value, bytes: u64, limits: &Limits) -> Result<()> {
    if value.elements() > limits.tensor_elements {
        let shape = &value.shape;
        return Err(Error::limit(format!("makes a tensor of {shape:?}, beyond {} elements", limits.tensor_elements)));
    }
    if value.elements() == 0 && value.link != Link::Constant {
        return Err(Error::model(format!("makes an empty tensor {:?}: the picture is too small", value.shape)));
    }
    if bytes > limits.run_bytes {
        return Err(Error::limit(format!("the tensors of one run pass {} MiB here", limits.run_bytes >> 20)));
    }
    Ok(())
}

/// What `call` does; nothing for an operator that this crate does not know.
fn infer(call: &Call) -> Result<Option<Outcome>> {
    let outcome = match call.node.op_type.as_str() {
        "Conv" | "ConvInteger" => convolution::conv(call, 1),
        "QLinearConv" => convolution::conv(call, 3),
        "ConvTranspose" => convolution::transposed(call),
        "MaxPool" | "AveragePool" | "LpPool" => convolution::pool(call),
        "MatMul" => convolution::matmul(call),
        "DepthToSpace" => resample::depth_to_space(call),
        "SpaceToDepth" => resample::space_to_depth(call),
        "Resize" | "Upsample" => resample::resize(call),
        "Pad" => resample::pad(call),
        "Concat" => layout::concat(call),
        "Split" => layout::split(call),
        "Slice" => layout::slice(call),
        "Gather" => layout::gather(call),
        "Transpose" => layout::transpose(call),
        "Reshape" | "Flatten" => layout::reshape(call),
        "Squeeze" => layout::squeeze(call),
        "Unsqueeze" => layout::unsqueeze(call),
        "Shape" | "Size" => shapes::shape(call),
        "Constant" => shapes::constant(call),
        "ConstantOfShape" => shapes::constant_of_shape(call),
        "Range" => shapes::range(call),
        "Expand" | "Tile" => shapes::repeat(call),
        op if op.starts_with("Reduce") => arithmetic::reduce(call),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => arithmetic::global_pool(call),
        "InstanceNormalization" | "GroupNormalization" | "MeanVarianceNormalization" => arithmetic::whole_norm(call),
        "LayerNormalization" | "LpNormalization" | "Softmax" | "LogSoftmax" => arithmetic::axis_norm(call),
        op if arithmetic::is_pointwise(op) => arithmetic::pointwise(call),
        _ => return Ok(None),
    };
    outcome.map(Some)
}
