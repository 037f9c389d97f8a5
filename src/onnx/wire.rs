//! A look at the bytes of an ONNX file before they are parsed: how much memory parsing would take.
//!
//! A parsed message is far larger than its shortest encoding (two bytes make an empty node), so a small file could
//! fill the memory. This walk allocates nothing and follows the same messages as [`super::proto`].

use super::read::{Limits, damaged};
use crate::error::{Error, Result};

/// The messages of [`super::proto`].
#[derive(Debug, Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// Holds no messages.
    Leaf,
}

impl Message {
    /// The message that field `tag` holds, if it holds one.
    const fn field(self, tag: u64) -> Option<Self> {
        match (self, tag) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph | Self::Attribute, 5) => Some(Self::Tensor),
            (Self::Graph, 11 | 12) => Some(Self::ValueInfo),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::ValueInfo, 2) => Some(Self::Type),
            (Self::Type, 1) => Some(Self::TensorType),
            (Self::TensorType, 2) => Some(Self::Shape),
            (Self::Model, 8 | 14) | (Self::Tensor, 13) | (Self::Shape, 1) => Some(Self::Leaf),
            _ => None,
        }
    }

    /// Bytes in memory for one byte of field `tag`: packed lists of short integers grow.
    const fn growth(self, tag: u64) -> u64 {
        match (self, tag) {
            (Self::Tensor, 1 | 7) | (Self::Attribute, 8) => 8,
            (Self::Tensor, 5) => 4,
            _ => 1,
        }
    }
}

/// Bytes that any field may take beside its contents: the largest message is a few hundred bytes, and lists grow by doubling.
const FIELD_BYTES: u64 = 64;
const MESSAGE_BYTES: u64 = 1024;

/// Refuses a file that is no chain of well-formed fields, or that would grow beyond `limits.parsed_bytes`.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<()> {
    hold(walk(bytes, Message::Model), limits)
}

/// The same for a graph without a model around it.
pub(super) fn check_graph(bytes: &[u8], limits: &Limits) -> Result<()> {
    hold(walk(bytes, Message::Graph), limits)
}

fn hold(parsed: Option<u64>, limits: &Limits) -> Result<()> {
    match parsed {
        None => Err(damaged()),
        Some(parsed) if parsed > limits.parsed_bytes => {
            Err(Error::limit(format!("the model would take more than {} MiB once parsed", limits.parsed_bytes >> 20)))
        }
        Some(_) => Ok(()),
    }
}

/// An upper bound of the parsed size. Recursion is as deep as the messages nest: at most six levels.
fn walk(mut bytes: &[u8], message: Message) -> Option<u64> {
    let mut total = MESSAGE_BYTES;
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let tag = key >> 3;
        let content = match key & 7 {
            0 => varint(&mut bytes).map(|_| 8)?,
            1 => skip(&mut bytes, 8).map(|_| 8)?,
            5 => skip(&mut bytes, 4).map(|_| 4)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let inner = skip(&mut bytes, length)?;
                match message.field(tag) {
                    Some(kind) => walk(inner, kind)?,
                    None => (length as u64).saturating_mul(message.growth(tag)),
                }
            }
            _ => return None,
        };
        total = total.saturating_add(content).saturating_add(FIELD_BYTES);
    }
    Some(total)
}

fn skip<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (inner, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(inner)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
