//! SRResNet, SRGAN's generator, and its discriminator (Ledig 2017, arXiv 1609.04802, figure 4).

use super::{Generator, Options};
use crate::host::graph::{Activation, Conv, Graph};

/// `k9n64s1 – PReLU – B × [k3n64s1 – BN – PReLU – k3n64s1 – BN – sum] – k3n64s1 – BN – sum with the first PReLU –
/// (k3n256s1 – shuffle 2 – PReLU) × log₂ r – k9n3s1`. The input is 0..1; the last convolution gives −1..1 as the paper has
/// it, which a last step takes to 0..1 and the export folds away. ×3 has one step of 3.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let first = graph.conv("head.conv", input, Conv::new(channels, 9));
    let first = graph.prelu("head.prelu", first);
    let mut x = first;
    for block in 0..blocks {
        let name = |part: &str| format!("body.{block}.{part}");
        let y = graph.conv(&name("conv1"), x, Conv::new(channels, 3).bare());
        let y = graph.normalise(&name("bn1"), y);
        let y = graph.prelu(&name("prelu"), y);
        let y = graph.conv(&name("conv2"), y, Conv::new(channels, 3).bare());
        let y = graph.normalise(&name("bn2"), y);
        x = graph.add(&[x, y]);
    }
    let y = graph.conv("tail.conv", x, Conv::new(channels, 3).bare());
    let y = graph.normalise("tail.bn", y);
    let mut x = graph.add(&[first, y]);
    let hidden = x;
    for (n, &r) in super::steps(scale).iter().enumerate() {
        let y = graph.conv(&format!("upsample.{n}.conv"), x, Conv::new(channels * r * r, 3));
        let y = graph.shuffle(y, r);
        x = graph.prelu(&format!("upsample.{n}.prelu"), y);
    }
    let signed = graph.conv("out.conv", x, Conv::new(colour.planes(), 9));
    let picture = graph.affine(signed, 0.5, 0.5);
    Generator::single(graph, colour, scale, picture).with_hidden(hidden)
}

/// Eight 3×3 convolutions of 64, 64, 128, 128, 256, 256, 512, 512 channels (times `channels` / 64) with strides 1, 2 in turn,
/// batch normalisation after each but the first, LeakyReLU 0.2, a dense layer of 1024, LeakyReLU, a dense layer of 1. The
/// sigmoid belongs to the loss.
pub(super) fn discriminator(channels: usize, crop: usize) -> Graph {
    let (mut graph, mut x) = Graph::with_input(3);
    let mut side = crop;
    for n in 0..8 {
        let stride = 1 + n % 2;
        let conv = Conv::new(channels << (n / 2), 3).stride(stride);
        x = graph.conv(&format!("conv.{n}"), x, if n == 0 { conv } else { conv.bare() });
        if n > 0 {
            x = graph.normalise(&format!("bn.{n}"), x);
        }
        x = graph.activate(x, Activation::Leaky(0.2));
        side = side.div_ceil(stride);
    }
    let x = graph.dense("dense.0", x, 8 * channels * side * side, 1024 * channels / 64);
    let x = graph.activate(x, Activation::Leaky(0.2));
    let logit = graph.dense("dense.1", x, 1024 * channels / 64, 1);
    graph.outputs = vec![logit];
    graph
}
