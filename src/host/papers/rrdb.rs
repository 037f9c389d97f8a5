//! RRDBNet, ESRGAN's generator, and its discriminator (Wang 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial
//! Networks", arXiv 1809.00219, section 3.1 and figure 4). Weights are named as in the authors' `RRDB_ESRGAN_x4`.
//!
//! Easily got wrong: the residuals are scaled by β = 0.2 twice, in each dense block and again in each RRDB (section 3.1,
//! "residual scaling"; figure 4, right); the fifth convolution of a dense block is linear, and so is the trunk's last; features are
//! enlarged by nearest neighbours before a convolution, not by a shuffle behind one; the discriminator is VGG-like with 4 × 4
//! kernels at stride 2 and 100 hidden numbers, not SRGAN's; and its output is raw, the relativistic game applies the sigmoid.
//!
//! "Smaller initialisation" (section 3.1) is a tenth of He's deviation in the dense blocks, and PyTorch's own elsewhere, as the
//! authors' training code has it.

use super::{Generator, Options, PYTORCH};
use crate::host::graph::{Activation, Conv, Graph, Value};

/// Residual scaling.
const BETA: f32 = 0.2;
const LEAKY: Activation = Activation::Leaky(0.2);

/// `conv_first – blocks × RRDB – trunk_conv, + conv_first – (nearest × 2 – upconv – LeakyReLU) × log₂ r – HRconv – LeakyReLU –
/// conv_last`; ×3 has one step of 3. A dense block grows by `channels` / 2.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let plain = Conv::new(channels, 3).gain(PYTORCH);
    let first = graph.conv("conv_first", input, plain);
    let mut x = first;
    for block in 0..blocks {
        let mut y = x;
        for dense in 1..=3 {
            y = dense_block(&mut graph, &format!("RRDB_trunk.{block}.RDB{dense}"), y);
        }
        let scaled = graph.scale(y, BETA);
        x = graph.add(&[scaled, x]);
    }
    let trunk = graph.conv("trunk_conv", x, plain);
    let hidden = graph.add(&[first, trunk]);
    let mut x = hidden;
    for (n, &r) in super::steps(scale).iter().enumerate() {
        let large = graph.nearest(x, r);
        let y = graph.conv(&format!("upconv{}", n + 1), large, plain);
        x = graph.activate(y, LEAKY);
    }
    let y = graph.conv("HRconv", x, plain);
    let y = graph.activate(y, LEAKY);
    let picture = graph.conv("conv_last", y, Conv::new(colour.planes(), 3).gain(PYTORCH));
    Generator::single(graph, colour, scale, picture).with_hidden(hidden)
}

/// Five convolutions, each of all that came before it in the block; `x + β · conv5`.
fn dense_block(graph: &mut Graph, name: &str, x: Value) -> Value {
    let channels = graph.channels(x);
    let growth = (channels / 2).max(1);
    let mut seen = vec![x];
    for n in 1..=4 {
        let all = if n == 1 { x } else { graph.concatenate(&seen) };
        let y = graph.conv(&format!("{name}.conv{n}"), all, Conv::new(growth, 3).gain(0.1));
        seen.push(graph.activate(y, LEAKY));
    }
    let all = graph.concatenate(&seen);
    let y = graph.conv(&format!("{name}.conv5"), all, Conv::new(channels, 3).gain(0.1));
    let scaled = graph.scale(y, BETA);
    graph.add(&[scaled, x])
}

/// For each of five levels a 3 × 3 convolution and one of 4 × 4 at stride 2, of 64, 128, 256, 512, 512 channels (times
/// `channels` / 64), batch normalisation after each but the first, LeakyReLU 0.2; a dense layer of 100, LeakyReLU, a dense layer
/// of 1. The crop is a multiple of 32; the paper's is 128.
pub(super) fn discriminator(channels: usize, crop: usize) -> Graph {
    let (mut graph, mut x) = Graph::with_input(3);
    for (level, width) in [1, 2, 4, 8, 8].into_iter().enumerate() {
        for (part, side) in [3, 4].into_iter().enumerate() {
            let conv = Conv::new(width * channels, side).stride(1 + part);
            let is_first = (level, part) == (0, 0);
            x = graph.conv(&format!("conv{level}_{part}"), x, if is_first { conv } else { conv.bare() });
            if !is_first {
                x = graph.normalise(&format!("bn{level}_{part}"), x);
            }
            x = graph.activate(x, LEAKY);
        }
    }
    let side = crop / 32;
    let x = graph.dense("linear1", x, 8 * channels * side * side, 100);
    let x = graph.activate(x, LEAKY);
    let logit = graph.dense("linear2", x, 100, 1);
    graph.outputs = vec![logit];
    graph
}
