//! VDSR (Kim 2016, "Accurate Image Super-Resolution Using Very Deep Convolutional Networks", arXiv 1511.04587, section 3).
//!
//! Easily got wrong: it adds to the bicubic enlargement (section 3.2), works at the output's resolution, and pads with zeros
//! before every layer, so that all 20 maps have one size; its depth of 20 counts the first and the last layer; and the paper
//! learns with a rate of 0.1 under clipped gradients, where Adam takes a thousandth.
//!
//! 664,704 weights, and 1,217 biases, which tables leave out.

use super::{Generator, Options};
use crate::host::graph::{Conv, Graph};

/// `bicubic + (k3n64 – ReLU – blocks × (k3n64 – ReLU) – k3n1)(bicubic)`: the paper's 20 layers are 18 blocks.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let base = graph.bicubic(input, scale);
    let mut x = base;
    for layer in 0..=blocks {
        x = graph.conv(&format!("layer.{layer}"), x, Conv::new(channels, 3));
        x = graph.relu(x);
    }
    let residual = graph.conv(&format!("layer.{}", blocks + 1), x, Conv::new(colour.planes(), 3));
    let picture = graph.add(&[base, residual]);
    Generator::single(graph, colour, scale, picture)
}
