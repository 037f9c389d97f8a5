//! DRCN (Kim 2016, "Deeply-Recursive Convolutional Network for Image Super-Resolution", arXiv 1511.04491, section 3).
//!
//! Easily got wrong: all recursions share one kernel and one bias; every recursion's features give a picture of their own
//! through the same two layers, each with the bicubic input added ("skip-connection", section 3.2); the output is their sum by
//! learned weights that need not come to 1 ("recursive-supervision", the same), and training supervises the single pictures as
//! well, which [`Generator::supervised`] holds; the recursion starts from the identity, "all weights zero except
//! self-connections". The basic model of section 3.1 has a ReLU behind its last layer, which a residual cannot have.
//!
//! 1,774,080 weights, 1,025 biases and 16 weights of pictures; but 19,503,360 products for each pixel of the output.

use super::{Generator, Options};
use crate::host::graph::{Conv, Graph, Role, Start, Value, Weight};

/// `x = bicubic; h₀ = relu(conv(relu(conv(x)))); h_d = relu(W ∗ h_{d−1} + b); y_d = x + conv(relu(conv(h_d))); y = Σ w_d y_d` for
/// `blocks` recursions, at least one.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, colour, .. } = options;
    let recursions = options.blocks.max(1);
    let (mut graph, input) = Graph::with_input(colour.planes());
    let base = graph.bicubic(input, scale);
    let (wide, last) = (Conv::new(channels, 3), Conv::new(colour.planes(), 3));
    let mut x = base;
    for layer in 0..2 {
        x = graph.conv(&format!("embedding.{layer}"), x, wide);
        x = graph.relu(x);
    }
    let recursion = identity(&mut graph, "inference", channels);
    let first = graph.kernel("reconstruction.0", channels, wide);
    let second = graph.kernel("reconstruction.1", channels, last);
    let (mut pictures, mut weighed) = (Vec::new(), Vec::new());
    for d in 1..=recursions {
        x = graph.conv_by(x, recursion, wide);
        x = graph.relu(x);
        let y = graph.conv_by(x, first, wide);
        let y = graph.relu(y);
        let residual = graph.conv_by(y, second, last);
        let picture = graph.add(&[base, residual]);
        let share = Start::Constant(1.0 / recursions as f32);
        let share = graph.parameter(format!("mean.{d}"), &[1], Role::Trained, share);
        weighed.push(graph.weigh(picture, share));
        pictures.push(picture);
    }
    let picture = sum(&mut graph, &weighed);
    Generator { supervised: pictures, ..Generator::single(graph, colour, scale, picture) }
}

/// The sum of `values`, which may be one.
fn sum(graph: &mut Graph, values: &[Value]) -> Value {
    match values {
        [value] => *value,
        _ => graph.add(values),
    }
}

/// The weights `NAME.weight` and `NAME.bias` of a 3 × 3 convolution that changes nothing at first.
fn identity(graph: &mut Graph, name: &str, channels: usize) -> (Weight, Option<Weight>) {
    let mut values = vec![0.0; channels * channels * 9];
    for channel in 0..channels {
        values[(channel * channels + channel) * 9 + 4] = 1.0;
    }
    let shape = [channels, channels, 3, 3];
    let weight = graph.parameter(format!("{name}.weight"), &shape, Role::Trained, Start::Values(values));
    let bias = graph.parameter(format!("{name}.bias"), &[channels], Role::Trained, Start::Constant(0.0));
    (weight, Some(bias))
}
