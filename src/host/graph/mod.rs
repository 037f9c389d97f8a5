//! Networks as data: a paper's network is built once, node by node, and that one description is trained on candle, counted,
//! and written as ONNX.
//!
//! Nodes stand in the order they are computed in. Weights are named, so that a file of weights fits by name, and may be used
//! by several nodes (the recursions of DRCN).

use super::ops::{Patches, Window};

mod build;
mod forward;
mod onnx;
mod weights;

pub use build::Conv;
pub use forward::{Mode, Pass};
pub use onnx::{Output, to_onnx};
pub use weights::{Table, Weights};

/// A node's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(usize);

/// A tensor that a network carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(usize);

/// What becomes of a weight in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Learned.
    Trained,
    /// A running mean or variance of batch normalisation: followed, not learned.
    Statistic,
    /// Stays as it is, such as the taps of bilinear enlargement; it is part of the network and in no file of weights.
    Fixed,
}

/// What a weight is before training.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Normally distributed around 0 with this deviation.
    Normal(f64),
    /// One number everywhere.
    Constant(f32),
    /// These numbers.
    Values(Vec<f32>),
}

/// A weight's description.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name in a file of weights, such as `body.3.conv1.weight`.
    pub name: String,
    /// Its extents, outermost first.
    pub shape: Vec<usize>,
    /// What becomes of it.
    pub role: Role,
    /// What it starts as.
    pub start: Start,
}

/// What lies around a map where a convolution looks past its border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Zeros, (side − 1) / 2 on every side: they keep the size at stride 1 where the side is odd, and a side of 4 at stride 2
    /// halves it.
    Zero,
    /// The border's own samples, as many as keep the size at stride 1.
    Edge,
    /// The samples inside the border mirrored at it, as many as keep the size at stride 1.
    Reflect,
    /// Nothing: the result is smaller.
    None,
}

/// A function of each sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// `x` where positive, `slope · x` elsewhere.
    Leaky(f32),
    /// The same with a learned slope for each channel.
    Prelu(Weight),
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

/// What a node computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The network's input.
    Input,
    /// A convolution with bias.
    Convolve {
        /// `[outputs, inputs / groups, side, side]`.
        weight: Weight,
        /// `[outputs]`; none where batch normalisation follows.
        bias: Option<Weight>,
        /// Side of the kernel.
        side: usize,
        /// Samples between two places.
        stride: usize,
        /// What lies past the border.
        padding: Padding,
        /// Whether every channel has a kernel of its own (depthwise); else every output sees every input.
        depthwise: bool,
    },
    /// Batch normalisation (Ioffe 2015), ε = 1e-5: each `[channels]`.
    Normalise {
        /// γ.
        scale: Weight,
        /// β.
        shift: Weight,
        /// Running mean.
        mean: Weight,
        /// Running variance.
        variance: Weight,
    },
    /// A function of each sample.
    Activate(Activation),
    /// The sum of all inputs.
    Add,
    /// The product of two inputs; the second may have one sample a channel.
    Multiply,
    /// The channels of all inputs, one after the other.
    Concatenate,
    /// `factor · x + offset`.
    Affine {
        /// Factor.
        factor: f32,
        /// Offset.
        offset: f32,
    },
    /// x times a learned number, `[1]`.
    Weigh(Weight),
    /// The pixel shuffle of ESPCN (Shi 2016).
    Shuffle(usize),
    /// Nearest-neighbour enlargement.
    Nearest(usize),
    /// The mean of each channel, one sample.
    Average,
    /// The greatest sample of each window.
    MaxPool(Window),
    /// All samples to `outputs` numbers: `[outputs, inputs · height · width]` and `[outputs]`.
    Dense {
        /// Matrix.
        weight: Weight,
        /// Bias.
        bias: Weight,
    },
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// From what.
    pub inputs: Vec<Value>,
    /// Channels of its result.
    pub channels: usize,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    /// What it gives: one value, or several for several heads or taps.
    pub outputs: Vec<Value>,
}

/// ε of batch normalisation.
const EPSILON: f64 = 1e-5;

impl Graph {
    /// The nodes in the order they are computed in.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The weights' descriptions.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Channels of `value`.
    pub fn channels(&self, value: Value) -> usize {
        self.nodes[value.0].channels
    }

    /// Channels of the input.
    pub fn inputs(&self) -> usize {
        self.nodes.first().map_or(0, |node| node.channels)
    }

    /// Numbers that are learned.
    pub fn trained(&self) -> u64 {
        let learned = self.parameters.iter().filter(|parameter| parameter.role == Role::Trained);
        learned.map(|parameter| parameter.shape.iter().product::<usize>() as u64).sum()
    }

    /// Which nodes `wanted` needs.
    fn needed(&self, wanted: &[Value]) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for value in wanted {
            needed[value.0] = true;
        }
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                for input in &self.nodes[index].inputs {
                    needed[input.0] = true;
                }
            }
        }
        needed
    }

    /// How often each needed value is read; being wanted counts as well.
    fn uses(&self, wanted: &[Value], needed: &[bool]) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for value in wanted {
            uses[value.0] += 1;
        }
        for (node, _) in self.nodes.iter().zip(needed).filter(|(_, needed)| **needed) {
            for input in &node.inputs {
                uses[input.0] += 1;
            }
        }
        uses
    }
}

/// Zeros around a map for a kernel of `side`.
const fn margin(side: usize) -> usize {
    side.saturating_sub(1) / 2
}

/// The patches that a convolution looks at.
const fn patches(side: usize, stride: usize, padding: Padding) -> Patches {
    let padding = match padding {
        Padding::Zero => margin(side),
        Padding::Edge | Padding::Reflect | Padding::None => 0,
    };
    Patches { side, stride, padding }
}

#[cfg(test)]
mod tests;
