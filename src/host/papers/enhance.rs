//! EnhanceNet's generator and discriminator (Sajjadi 2017, "EnhanceNet: Single Image Super-Resolution Through Automated Texture Synthesis",
//! arXiv 1612.07919, its architecture and table 1); ENet-E, -P, -PA and -PAT are this one network under other losses.
//!
//! Easily got wrong: nearest neighbours and a convolution in place of transposed convolutions; ReLU behind every
//! convolution but the second of a residual block and the last; a further 64-channel convolution at the output's
//! resolution; the picture is the bicubic enlargement plus what the network makes; and no skip passes over the residual
//! blocks as a whole, unlike SRResNet's. 852,867 parameters for ×4.

use super::{Generator, Options, PYTORCH};
use crate::host::graph::{Activation, Conv, Graph};

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

/// For each of five levels two 3 × 3 convolutions of 32, 64, 128, 256, 512 channels (times `channels` / 32), the second at stride
/// 2, LeakyReLU 0.2 and no normalisation; a dense layer of 1024, LeakyReLU, a dense layer of 1. The paper's crop is 128.
pub(super) fn discriminator(channels: usize, crop: usize) -> Graph {
    let (mut graph, mut x) = Graph::with_input(3);
    let mut side = crop;
    for level in 0..5 {
        for stride in [1, 2] {
            let conv = Conv::new(channels << level, 3).stride(stride);
            x = graph.conv(&format!("conv.{level}.{}", stride - 1), x, conv);
            x = graph.activate(x, Activation::Leaky(0.2));
        }
        side = side.div_ceil(2);
    }
    let x = graph.dense("dense.0", x, 16 * channels * side * side, 32 * channels);
    let x = graph.activate(x, Activation::Leaky(0.2));
    let logit = graph.dense("dense.1", x, 32 * channels, 1);
    graph.outputs = vec![logit];
    graph
}
