//! What is worked out of constants behind an operator that is not understood.
//!
//! tract computes whatever depends on constants alone while it reads a graph, before any size is known and whatever it
//! takes. Behind an operator that this crate does not know such constants can still come up (`Shape` makes one of any value),
//! so their number is bounded here; what could make any number of them is refused.

use super::{Link, Value, arithmetic};
use crate::error::{Error, Result};
use crate::onnx::proto::NodeProto;
use std::collections::HashMap;

/// Numbers that one such constant may hold: shapes and what is reckoned with them.
const MOST: u64 = 1 << 20;
/// Numbers that a shape holds at most.
const AXES: u64 = 16;

/// The values that nothing else is known of: how many numbers a constant has at most, or nothing where it depends on the
/// picture, so that it is not computed before its size is checked.
#[derive(Debug, Default)]
pub(super) struct Behind<'a>(HashMap<&'a str, Option<u64>>);

impl<'a> Behind<'a> {
    /// Takes note of what `node` makes, which is not understood or reads what was made behind such a one.
    ///
    /// # Errors
    /// A model error where it would be computed from constants and nobody can say how much it makes; a limit error where
    /// that is too much.
    pub(super) fn add(&mut self, node: &'a NodeProto, values: &HashMap<String, Value>) -> Result<()> {
        let bound = |name: &String| match (values.get(name), self.0.get(name.as_str())) {
            (Some(value), _) => (value.link == Link::Constant).then(|| value.elements()),
            (None, Some(bound)) => *bound,
            (None, None) => None,
        };
        let inputs: Vec<Option<u64>> = node.input.iter().filter(|name| !name.is_empty()).map(bound).collect();
        let made = match (node.op_type.as_str(), inputs.into_iter().collect::<Option<Vec<u64>>>()) {
            ("Shape" | "Size", _) => Some(AXES),
            (_, None) => None,
            (operator, Some(constants)) => Some(most(operator, &constants)?),
        };
        if made.is_some_and(|numbers| numbers > MOST) {
            return Err(Error::limit(format!("may be worked out to {made:?} numbers while the model is read")));
        }
        self.0.extend(node.output.iter().map(|name| (name.as_str(), made)));
        Ok(())
    }
}

/// Numbers that `operator` makes at most of constants of so many numbers.
fn most(operator: &str, inputs: &[u64]) -> Result<u64> {
    let first = inputs.first().copied().unwrap_or(0);
    Ok(match operator {
        "Concat" => inputs.iter().fold(0, |sum, &n| sum.saturating_add(n)),
        "Flatten" | "Reshape" | "Slice" | "Split" | "Squeeze" | "Transpose" | "Unsqueeze" | "CumSum" | "Trilu"
        | "ScatterElements" | "ScatterND" => first,
        // Rows of what is picked from, or numbers against each other.
        operator if operator.starts_with("Gather") || arithmetic::is_pointwise(operator) => {
            inputs.iter().fold(1, |product, &n| product.saturating_mul(n.max(1)))
        }
        _ => {
            return Err(Error::model(
                "would be computed while the model is read, and nobody can say how large it gets",
            )
            .fix("export the model with its constants folded"));
        }
    })
}
