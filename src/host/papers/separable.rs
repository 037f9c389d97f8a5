//! The camera network of [`super::edge`] with its hidden 3 × 3 convolutions taken apart as MobileNet's are (Howard 2017, arXiv
//! 1704.04861, section 3.1): a kernel for each channel, then a 1 × 1 convolution.
//!
//! Easily got wrong: a ReLU follows either part (figure 3, right), and the first and the last convolution stay whole. The saving of
//! 8 to 9 times (equation 5) is one of products; a machine that is fast at dense convolutions need not see it.

use super::{Generator, Options};
use crate::host::graph::{Conv, Graph};

/// `base + (k3n32 – ReLU – blocks × (depthwise k3 – ReLU – k1n32 – ReLU) – k3n(r²))(x)`, shuffled.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let x = graph.conv("layer.0", input, Conv::new(channels, 3));
    let mut x = graph.relu(x);
    for layer in 1..=blocks {
        for (part, conv) in [("depth", Conv::new(channels, 3).depthwise()), ("point", Conv::new(channels, 1))] {
            x = graph.conv(&format!("layer.{layer}.{part}"), x, conv);
            x = graph.relu(x);
        }
    }
    let phases = colour.planes() * scale * scale;
    let residual = graph.conv(&format!("layer.{}", blocks + 1), x, Conv::new(phases, 3).gain(0.02));
    let base = graph.bilinear(input, scale);
    let sum = graph.add(&[base, residual]);
    let picture = graph.shuffle(sum, scale);
    Generator::single(graph, colour, scale, picture).with_hidden(x)
}
