//! EnhanceNet's generator (Sajjadi 2017, "EnhanceNet: Single Image Super-Resolution Through Automated Texture Synthesis",
//! arXiv 1612.07919, its architecture and table 1); ENet-E, -P, -PA and -PAT are this one network under other losses.
//!
//! Easily got wrong: nearest neighbours and a convolution in place of transposed convolutions; ReLU behind every
//! convolution but the second of a residual block and the last; a further 64-channel convolution at the output's
//! resolution; the picture is the bicubic enlargement plus what the network makes; and no skip passes over the residual
//! blocks as a whole, unlike SRResNet's. 852,867 parameters for ×4.

use super::{Generator, Options, PYTORCH};
use crate::host::graph::{Conv, Graph};

/// `bicubic + (k3n64 – ReLU – blocks × (k3n64 – ReLU – k3n64, + its input) – (nearest × 2 – k3n64 – ReLU) × log₂ r – k3n64 – ReLU –
/// k3n3)(x)`; ×3 has one step of 3.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let wide = Conv::new(channels, 3).gain(PYTORCH);
    let x = graph.conv("first", input, wide);
    let mut x = graph.relu(x);
    for block in 0..blocks {
        let y = graph.conv(&format!("body.{block}.conv1"), x, wide);
        let y = graph.relu(y);
        let y = graph.conv(&format!("body.{block}.conv2"), y, wide);
        x = graph.add(&[y, x]);
    }
    let hidden = x;
    for (n, &r) in super::steps(scale).iter().enumerate() {
        let large = graph.nearest(x, r);
        let y = graph.conv(&format!("upsample.{n}"), large, wide);
        x = graph.relu(y);
    }
    let y = graph.conv("large", x, wide);
    let y = graph.relu(y);
    let residual = graph.conv("last", y, Conv::new(colour.planes(), 3).gain(PYTORCH));
    let base = graph.bicubic(input, scale);
    let picture = graph.add(&[base, residual]);
    Generator::single(graph, colour, scale, picture).with_hidden(hidden)
}
