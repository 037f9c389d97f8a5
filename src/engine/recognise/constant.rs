//! Numbers that stand in the graph.

use crate::onnx::proto::{NodeProto, TensorProto, element};
use std::borrow::Cow;
use std::collections::HashMap;

/// Something that does not depend on the picture.
#[derive(Debug, Clone)]
pub(super) enum Constant<'a> {
    /// A stored tensor.
    Stored(&'a TensorProto),
    /// Stored integers with a step for each first index, or one for all.
    Steps { tensor: &'a TensorProto, steps: Vec<f32> },
    /// Worked out in a way that is not followed here.
    Unknown,
}

impl<'a> Constant<'a> {
    pub(super) fn stored(tensor: &'a TensorProto) -> Self {
        Self::Stored(tensor)
    }

    /// A DequantizeLinear of stored integers whose zero is 0.
    pub(super) fn dequantised(node: &NodeProto, constants: &HashMap<&'a str, Self>) -> Option<Self> {
        let get = |i: usize| constants.get(node.input.get(i)?.as_str());
        let Some(&Self::Stored(tensor)) = get(0) else { return None };
        let steps = get(1)?.floats()?;
        let along_first = crate::onnx::Attributes(node).int("axis", 1) == 0 || tensor.dims.len() == 1;
        if steps.len() > 1 && !along_first {
            return None;
        }
        let zeros = get(2).map_or(Some(Vec::new()), Self::integers)?;
        zeros.iter().all(|&zero| zero == 0).then_some(Self::Steps { tensor, steps })
    }

    pub(super) fn dims(&self) -> Option<Vec<usize>> {
        match self {
            Self::Stored(tensor) | Self::Steps { tensor, .. } => {
                tensor.dims.iter().map(|&d| d.try_into().ok()).collect()
            }
            Self::Unknown => None,
        }
    }

    /// The numbers as 32-bit floats.
    pub(super) fn floats(&self) -> Option<Vec<f32>> {
        match self {
            Self::Stored(tensor) => floats(tensor),
            Self::Steps { tensor, steps } => {
                let codes = integers(tensor)?;
                let each = codes.len() / steps.len().max(1);
                Some(
                    codes
                        .iter()
                        .enumerate()
                        .map(|(i, &q)| q as f32 * steps[(i / each.max(1)).min(steps.len() - 1)])
                        .collect(),
                )
            }
            Self::Unknown => None,
        }
    }

    /// Stored integers.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        match self {
            Self::Stored(tensor) => integers(tensor),
            _ => None,
        }
    }

    /// The one number that it is.
    pub(super) fn scalar(&self) -> Option<f32> {
        self.floats().filter(|list| list.len() == 1).map(|list| list[0])
    }

    /// The one integer that it is, and whether it is signed.
    pub(super) fn byte(&self) -> Option<(i64, bool)> {
        let Self::Stored(tensor) = self else { return None };
        let list = integers(tensor).filter(|list| list.len() == 1)?;
        Some((list[0], tensor.data_type == element::I8))
    }
}

fn bytes(tensor: &TensorProto) -> Cow<'_, [u8]> {
    Cow::Borrowed(&tensor.raw_data)
}

fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    match (tensor.data_type, tensor.raw_data.is_empty()) {
        (element::F32, false) => Some(bytes(tensor).as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()),
        (element::F32, true) => Some(tensor.float_data.clone()),
        _ => Some(integers(tensor)?.into_iter().map(|n| n as f32).collect()),
    }
}

fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    let raw = &tensor.raw_data;
    Some(match (tensor.data_type, raw.is_empty()) {
        (element::I8, false) => raw.iter().map(|&b| i64::from(b as i8)).collect(),
        (element::U8, false) => raw.iter().map(|&b| i64::from(b)).collect(),
        (element::I32, false) => raw.as_chunks().0.iter().map(|&b| i64::from(i32::from_le_bytes(b))).collect(),
        (element::I64, false) => raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect(),
        (element::I64, true) => tensor.int64_data.clone(),
        (element::I8 | element::U8 | element::I32, true) => tensor.int32_data.iter().map(|&n| i64::from(n)).collect(),
        _ => return None,
    })
}
