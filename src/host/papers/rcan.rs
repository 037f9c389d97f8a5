//! RCAN (Zhang 2018, "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", arXiv 1807.02758, section 3).
//! Weights are named as in the authors' code.
//!
//! Easily got wrong: the attention weighs the block's second convolution before the block's input is added (section 3.4); its two
//! 1 × 1 convolutions have biases and a ReLU between them (section 3.3); each group ends in a convolution of its own before the
//! group's input is added (section 3.2); residuals are not scaled. Blocks are counted over all groups: 200 are ten groups of 20.
//!
//! 15,592,355 parameters for ×4; the 15,592,379 of the authors' logs have the 24 fixed numbers of the mean colour in them. The
//! attention looks at the whole picture: it cannot be tiled.

use super::{Generator, Options, PYTORCH, edsr};
use crate::host::graph::{Activation, Conv, Graph, Value};

/// Blocks of a group.
const GROUP: usize = 20;
/// By how much the attention's inner layer is narrower.
const REDUCTION: usize = 16;

/// `− mean – k3n64 – groups of 20 blocks – k3n64, + the first – EDSR's enlargement`.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let centred = edsr::shift_mean(&mut graph, "sub_mean", input, colour, -1.0);
    let wide = Conv::new(channels, 3).gain(PYTORCH);
    let first = graph.conv("head.0", centred, wide);
    let groups = blocks.div_ceil(GROUP);
    let mut x = first;
    for group in 0..groups {
        let (start, count) = (x, (blocks - group * GROUP).min(GROUP));
        for block in 0..count {
            x = attentive(&mut graph, &format!("body.{group}.body.{block}.body"), x, wide);
        }
        let y = graph.conv(&format!("body.{group}.body.{count}"), x, wide);
        x = graph.add(&[y, start]);
    }
    let y = graph.conv(&format!("body.{groups}"), x, wide);
    let hidden = graph.add(&[y, first]);
    let picture = edsr::tail(&mut graph, hidden, colour, scale);
    Generator::single(graph, colour, scale, picture).with_hidden(hidden)
}

/// `x + y · sigmoid(conv(relu(conv(mean(y)))))` with `y = conv(relu(conv(x)))`.
fn attentive(graph: &mut Graph, name: &str, x: Value, wide: Conv) -> Value {
    let channels = graph.channels(x);
    let y = graph.conv(&format!("{name}.0"), x, wide);
    let y = graph.relu(y);
    let y = graph.conv(&format!("{name}.2"), y, wide);
    let gate = graph.average(y);
    let narrow = Conv::new((channels / REDUCTION).max(1), 1).gain(PYTORCH);
    let gate = graph.conv(&format!("{name}.3.conv_du.0"), gate, narrow);
    let gate = graph.relu(gate);
    let gate = graph.conv(&format!("{name}.3.conv_du.2"), gate, Conv::new(channels, 1).gain(PYTORCH));
    let gate = graph.activate(gate, Activation::Sigmoid);
    let weighed = graph.multiply(y, gate);
    graph.add(&[weighed, x])
}
