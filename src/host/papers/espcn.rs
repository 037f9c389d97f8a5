//! ESPCN (Shi 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
//! Network", arXiv 1609.05158, section 2).
//!
//! Easily got wrong: the activation is the hyperbolic tangent ("tanh instead of relu", among the implementation details), where
//! nearly all that followed takes ReLU; the last layer is linear; nothing is added to its picture; and the shuffle's channels count the rows of
//! a block before its columns (equation 4).

use super::{Generator, Options};
use crate::host::graph::{Activation, Conv, Graph};

/// `k5n64 – tanh – k3n32 – tanh – k3n(r²) – shuffle`; it has no blocks.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, colour, .. } = options;
    let (mut graph, mut x) = Graph::with_input(colour.planes());
    for (name, outputs, side) in [("conv1", channels, 5), ("conv2", (channels / 2).max(1), 3)] {
        x = graph.conv(name, x, Conv::new(outputs, side).gain(XAVIER));
        x = graph.activate(x, Activation::Tanh);
    }
    let hidden = x;
    let phases = graph.conv("conv3", x, Conv::new(colour.planes() * scale * scale, 3).gain(XAVIER));
    let picture = graph.shuffle(phases, scale);
    Generator::single(graph, colour, scale, picture).with_hidden(hidden)
}

/// He's deviation times this is 1/√fan-in: half of He's variance is for what a ReLU cuts off, and tanh cuts nothing off.
const XAVIER: f64 = std::f64::consts::FRAC_1_SQRT_2;
