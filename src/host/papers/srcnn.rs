//! SRCNN (Dong 2016, "Image Super-Resolution Using Deep Convolutional Networks", arXiv 1501.00092, section 3).
//!
//! Easily got wrong: the network sees the bicubic enlargement and replaces it, it does not add to it (equation 3); the third
//! layer is linear; 64 and 32 channels belong to the kernels 9-1-5 (8,032 weights) and to 9-5-5 (57,184 weights, the
//! one that tables quote) alike; and the paper convolves without padding, its pictures shrink. Here zeros keep the size,
//! as in every later implementation, which shows in the outermost pixels alone.
//!
//! The paper starts from a deviation of 0.001, for 8 · 10⁸ steps of plain gradient descent; for Adam it is He's here.

use super::{Generator, Options};
use crate::host::graph::{Conv, Graph};

/// `bicubic – k9n64 – ReLU – k(blocks)n32 – ReLU – k5n1`: `blocks` is the side of the middle kernel, 1, 3 or 5.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let mut x = graph.bicubic(input, scale);
    for (name, outputs, side) in [("conv1", channels, 9), ("conv2", (channels / 2).max(1), blocks)] {
        x = graph.conv(name, x, Conv::new(outputs, side));
        x = graph.relu(x);
    }
    let picture = graph.conv("conv3", x, Conv::new(colour.planes(), 5));
    Generator::single(graph, colour, scale, picture)
}
