//! The generators for cameras: `y = shuffle(base(x) + conv_n(relu(… relu(conv_1(x)))))`, as [`crate::host::chain`] has them,
//! on luma or on red, green and blue; and a discriminator for a trainer without a GPU.

use super::{Generator, Options};
use crate::host::graph::{Activation, Conv, Graph, Table};

/// `blocks` + 2 convolutions of 3×3; the last starts small, so that the first picture is the base.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, x) = Graph::with_input(colour.planes());
    let mut hidden = x;
    for layer in 0..=blocks {
        hidden = graph.conv(&format!("layer.{layer}"), hidden, Conv::new(channels, 3));
        hidden = graph.relu(hidden);
    }
    let phases = colour.planes() * scale * scale;
    let residual = graph.conv(&format!("layer.{}", blocks + 1), hidden, Conv::new(phases, 3).gain(0.02));
    let base = graph.bilinear(x, scale);
    let sum = graph.add(&[base, residual]);
    let picture = graph.shuffle(sum, scale);
    Generator::single(graph, colour, scale, picture).with_hidden(hidden)
}

/// A discriminator of patches (Isola 2017, "Image-to-Image Translation", the PatchGAN) without normalisation: three
/// convolutions of stride 2 with one of stride 1 between, LeakyReLU 0.2, and a logit for each 8 × 8 pixels.
pub(super) fn discriminator(channels: usize) -> Graph {
    let (mut graph, mut x) = Graph::with_input(3);
    let layers = [(channels, 2), (2 * channels, 1), (2 * channels, 2), (4 * channels, 2)];
    for (n, (outputs, stride)) in layers.into_iter().enumerate() {
        x = graph.conv(&format!("conv.{n}"), x, Conv::new(outputs, 3).stride(stride));
        x = graph.activate(x, Activation::Leaky(0.2));
    }
    let logits = graph.conv("logits", x, Conv::new(1, 3));
    graph.outputs = vec![logits];
    graph
}

/// A luma network's weights as those of its RGB twin, which adds the residual of luma to red, green and blue alike: the first
/// layer looks at 0.299 R + 0.587 G + 0.114 B.
pub fn rgb_twin(luma: &Table) -> Table {
    const SHARES: [f32; 3] = [0.299, 0.587, 0.114];
    let mut table = luma.clone();
    if let Some(first) = table.get_mut("layer.0.weight") {
        let kernels = first
            .chunks_exact(9)
            .flat_map(|kernel| SHARES.iter().flat_map(move |share| kernel.iter().map(move |tap| share * tap)));
        *first = kernels.collect();
    }
    let last = luma.keys().filter_map(|name| name.strip_prefix("layer.")?.strip_suffix(".bias")?.parse::<usize>().ok());
    if let Some(last) = last.max() {
        for part in ["weight", "bias"] {
            table.entry(format!("layer.{last}.{part}")).and_modify(|values| *values = values.repeat(3));
        }
    }
    table
}
