//! EDSR and MDSR (Lim 2017, "Enhanced Deep Residual Networks for Single Image Super-Resolution", arXiv 1707.02921, section 3).
//! Weights are named as in the authors' PyTorch code.
//!
//! Easily got wrong: no batch normalisation, and no ReLU outside the residual blocks (section 3.2); residuals are scaled by 0.1 in the wide
//! network alone (section 3.2: with 256 channels; here from 128 on); the mean colour of DIV2K goes off the input and onto the
//! output as fixed numbers, before the zeros that pad the first convolution, so that it cannot be folded into that; the first
//! convolution has no ReLU; MDSR's pre-processing is two residual blocks of 5 × 5 for each scale (section 3.3), and in the
//! authors' code its last convolution is shared.
//!
//! | | channels | blocks | parameters (×4) |
//! |---|---|---|---|
//! | EDSR baseline | 64 | 16 | 1,517,571 |
//! | EDSR | 256 | 32 | 43,089,923 |
//! | MDSR | 64 | 80 | 7,953,987 (all scales) |

use super::{Generator, Head, Options, PYTORCH};
use crate::card::Colour;
use crate::host::graph::{Conv, Graph, Role, Start, Value, Weight};

/// Weights of a convolution.
type Kernel = (Weight, Option<Weight>);

/// The mean red, green and blue of DIV2K.
const MEAN: [f32; 3] = [0.4488, 0.4371, 0.4040];

/// From so many channels on, residuals are scaled.
const WIDE: usize = 128;

/// `− mean – k3n64 – blocks × (k3n64 – ReLU – k3n64, · scaling, + its input) – k3n64, + the first – (k3n256 – shuffle 2) × log₂ r –
/// k3n3 – + mean`; ×3 has one step of 3.
pub(super) fn generator(options: Options) -> Generator {
    let Options { scale, channels, blocks, colour } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let centred = shift_mean(&mut graph, "sub_mean", input, colour, -1.0);
    let first = graph.conv("head.0", centred, Conv::new(channels, 3).gain(PYTORCH));
    let scaling = if channels < WIDE { 1.0 } else { 0.1 };
    let mut x = first;
    for block in 0..blocks {
        let kernels = block_kernels(&mut graph, &format!("body.{block}"), channels, 3);
        x = residual(&mut graph, x, kernels, scaling);
    }
    let y = graph.conv(&format!("body.{blocks}"), x, Conv::new(channels, 3).gain(PYTORCH));
    let hidden = graph.add(&[y, first]);
    let picture = tail(&mut graph, hidden, colour, scale);
    Generator::single(graph, colour, scale, picture).with_hidden(hidden)
}

/// EDSR's residual network with a body, a first and a last convolution that all scales share, and for each of ×2, ×3 and ×4 two
/// residual blocks of 5 × 5 before the body and an enlargement behind it. The chosen scale is left aside. Each head has
/// features of its own at the input's resolution, so none are shown.
pub(super) fn multiple(options: Options) -> Generator {
    let Options { channels, blocks, colour, .. } = options;
    let (mut graph, input) = Graph::with_input(colour.planes());
    let centred = shift_mean(&mut graph, "sub_mean", input, colour, -1.0);
    let wide = Conv::new(channels, 3).gain(PYTORCH);
    let first = graph.conv("head.0", centred, wide);
    let body: Vec<[Kernel; 2]> =
        (0..blocks).map(|block| block_kernels(&mut graph, &format!("body.{block}"), channels, 3)).collect();
    let last = graph.kernel(&format!("body.{blocks}"), channels, wide);
    let narrow = Conv::new(colour.planes(), 3).gain(PYTORCH);
    let tail = graph.kernel("tail.0", channels, narrow);
    let mean = mean_kernel(&mut graph, "add_mean", colour, 1.0);
    let mut heads = Vec::new();
    for (n, scale) in [2, 3, 4].into_iter().enumerate() {
        let mut start = first;
        for block in 0..2 {
            let kernels = block_kernels(&mut graph, &format!("pre_process.{n}.{block}"), channels, 5);
            start = residual_of(&mut graph, start, kernels, 5, 1.0);
        }
        let mut x = start;
        for &kernels in &body {
            x = residual(&mut graph, x, kernels, 1.0);
        }
        let y = graph.conv_by(x, last, wide);
        let x = graph.add(&[y, start]);
        let x = upsample(&mut graph, &format!("upsample.{n}"), x, scale);
        let y = graph.conv_by(x, tail, narrow);
        let value = graph.conv_by(y, mean, Conv::new(colour.planes(), 1));
        heads.push(Head { scale, value });
    }
    graph.outputs = heads.iter().map(|head| head.value).collect();
    Generator { graph, colour, heads, supervised: Vec::new(), hidden: None }
}

/// The weights of a residual block: `NAME.body.0` and `NAME.body.2`.
fn block_kernels(graph: &mut Graph, name: &str, channels: usize, side: usize) -> [Kernel; 2] {
    [0, 2].map(|n| graph.kernel(&format!("{name}.body.{n}"), channels, Conv::new(channels, side).gain(PYTORCH)))
}

fn residual(graph: &mut Graph, x: Value, kernels: [Kernel; 2], scaling: f32) -> Value {
    residual_of(graph, x, kernels, 3, scaling)
}

/// `x + scaling · conv(relu(conv(x)))` by kernels of `side`.
fn residual_of(graph: &mut Graph, x: Value, kernels: [Kernel; 2], side: usize, scaling: f32) -> Value {
    let conv = Conv::new(graph.channels(x), side);
    let y = graph.conv_by(x, kernels[0], conv);
    let y = graph.relu(y);
    let mut y = graph.conv_by(y, kernels[1], conv);
    if scaling < 1.0 {
        y = graph.scale(y, scaling);
    }
    graph.add(&[y, x])
}

/// EDSR's way from features to a picture: the shuffles `tail.0`, the convolution `tail.1`, and the mean colour.
pub(super) fn tail(graph: &mut Graph, features: Value, colour: Colour, scale: usize) -> Value {
    let large = upsample(graph, "tail.0", features, scale);
    let y = graph.conv("tail.1", large, Conv::new(colour.planes(), 3).gain(PYTORCH));
    shift_mean(graph, "add_mean", y, colour, 1.0)
}

/// A convolution and a shuffle for each step of the enlargement: `NAME.0`, `NAME.2`.
fn upsample(graph: &mut Graph, name: &str, x: Value, scale: usize) -> Value {
    let channels = graph.channels(x);
    super::steps(scale).iter().enumerate().fold(x, |x, (n, &r)| {
        let y = graph.conv(&format!("{name}.{}", 2 * n), x, Conv::new(channels * r * r, 3).gain(PYTORCH));
        graph.shuffle(y, r)
    })
}

/// `x + sign · mean`, as a fixed 1 × 1 convolution: `NAME.weight` and `NAME.bias`.
pub(super) fn shift_mean(graph: &mut Graph, name: &str, x: Value, colour: Colour, sign: f32) -> Value {
    let kernel = mean_kernel(graph, name, colour, sign);
    graph.conv_by(x, kernel, Conv::new(colour.planes(), 1))
}

fn mean_kernel(graph: &mut Graph, name: &str, colour: Colour, sign: f32) -> Kernel {
    let [red, green, blue] = MEAN;
    let mean = match colour {
        Colour::Rgb => MEAN.to_vec(),
        Colour::Luma => vec![0.299 * red + 0.587 * green + 0.114 * blue],
    };
    let planes = mean.len();
    let identity = (0..planes * planes).map(|n| if n % (planes + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let shift = mean.iter().map(|value| sign * value).collect();
    let mut fixed = |what: &str, shape: &[usize], values| {
        graph.parameter(format!("{name}.{what}"), shape, Role::Fixed, Start::Values(values))
    };
    let weight = fixed("weight", &[planes, planes, 1, 1], identity);
    (weight, Some(fixed("bias", &[planes], shift)))
}
