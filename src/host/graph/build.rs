//! Building networks node by node.

use super::{Activation, Graph, Node, Op, Padding, Parameter, Role, Start, Value, Weight};
use crate::host::chain::Chain;
use crate::host::ops::Window;

/// A convolution to add: 3×3-like, same-padded, stride 1 and biased unless said otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    outputs: usize,
    side: usize,
    stride: usize,
    padding: Padding,
    bias: bool,
    depthwise: bool,
    gain: f64,
}

impl Conv {
    /// To `outputs` channels by kernels of `side`, padded with zeros, starting from He's deviation √(2 / fan-in).
    pub const fn new(outputs: usize, side: usize) -> Self {
        Self { outputs, side, stride: 1, padding: Padding::Zero, bias: true, depthwise: false, gain: 1.0 }
    }

    /// At every `stride`th place.
    #[must_use]
    pub const fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// With something else past the border.
    #[must_use]
    pub const fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// Without bias.
    #[must_use]
    pub const fn bare(self) -> Self {
        Self { bias: false, ..self }
    }

    /// A kernel of its own for every channel.
    #[must_use]
    pub const fn depthwise(self) -> Self {
        Self { depthwise: true, ..self }
    }

    /// Starting from `gain` times He's deviation.
    #[must_use]
    pub const fn gain(self, gain: f64) -> Self {
        Self { gain, ..self }
    }
}

impl Graph {
    /// A network with an input of `channels` and its value.
    pub fn with_input(channels: usize) -> (Self, Value) {
        let mut graph = Self::default();
        let input = graph.push(Op::Input, &[], channels);
        (graph, input)
    }

    fn push(&mut self, op: Op, inputs: &[Value], channels: usize) -> Value {
        self.nodes.push(Node { op, inputs: inputs.to_vec(), channels });
        Value(self.nodes.len() - 1)
    }

    /// Describes a weight; nodes may share it.
    pub fn parameter(&mut self, name: String, shape: &[usize], role: Role, start: Start) -> Weight {
        self.parameters.push(Parameter { name, shape: shape.to_vec(), role, start });
        Weight(self.parameters.len() - 1)
    }

    /// The weights `NAME.weight` and `NAME.bias` of a convolution of `inputs` channels.
    pub fn kernel(&mut self, name: &str, inputs: usize, conv: Conv) -> (Weight, Option<Weight>) {
        let inputs = if conv.depthwise { 1 } else { inputs };
        let fan_in = inputs * conv.side * conv.side;
        let start = Start::Normal(conv.gain * (2.0 / fan_in as f64).sqrt());
        let shape = [conv.outputs, inputs, conv.side, conv.side];
        let weight = self.parameter(format!("{name}.weight"), &shape, Role::Trained, start);
        let bias = |graph: &mut Self| {
            graph.parameter(format!("{name}.bias"), &[conv.outputs], Role::Trained, Start::Constant(0.0))
        };
        (weight, conv.bias.then(|| bias(self)))
    }

    /// A convolution with weights of its own, `NAME.weight` and `NAME.bias`.
    pub fn conv(&mut self, name: &str, x: Value, conv: Conv) -> Value {
        let kernel = self.kernel(name, self.channels(x), conv);
        self.conv_by(x, kernel, conv)
    }

    /// A convolution with weights that exist.
    pub fn conv_by(&mut self, x: Value, (weight, bias): (Weight, Option<Weight>), conv: Conv) -> Value {
        let Conv { outputs, side, stride, padding, depthwise, .. } = conv;
        self.push(Op::Convolve { weight, bias, side, stride, padding, depthwise }, &[x], outputs)
    }

    /// Batch normalisation: `NAME.weight`, `.bias`, `.running_mean`, `.running_var`.
    pub fn normalise(&mut self, name: &str, x: Value) -> Value {
        let channels = self.channels(x);
        let mut add = |what: &str, role, start| {
            self.parameter(format!("{name}.{what}"), &[channels], role, Start::Constant(start))
        };
        let op = Op::Normalise {
            scale: add("weight", Role::Trained, 1.0),
            shift: add("bias", Role::Trained, 0.0),
            mean: add("running_mean", Role::Statistic, 0.0),
            variance: add("running_var", Role::Statistic, 1.0),
        };
        self.push(op, &[x], channels)
    }

    /// A function of each sample.
    pub fn activate(&mut self, x: Value, activation: Activation) -> Value {
        self.push(Op::Activate(activation), &[x], self.channels(x))
    }

    /// `max(0, x)`.
    pub fn relu(&mut self, x: Value) -> Value {
        self.activate(x, Activation::Relu)
    }

    /// A parametric ReLU with slopes `NAME.weight`, 0.25 at first (He 2015).
    pub fn prelu(&mut self, name: &str, x: Value) -> Value {
        let shape = [self.channels(x)];
        let slopes = self.parameter(format!("{name}.weight"), &shape, Role::Trained, Start::Constant(0.25));
        self.activate(x, Activation::Prelu(slopes))
    }

    /// The sum of `values`, of one shape.
    pub fn add(&mut self, values: &[Value]) -> Value {
        self.push(Op::Add, values, self.channels(values[0]))
    }

    /// The product of `x` and `gate`, which may have one sample a channel.
    pub fn multiply(&mut self, x: Value, gate: Value) -> Value {
        self.push(Op::Multiply, &[x, gate], self.channels(x))
    }

    /// All channels of `values`.
    pub fn concatenate(&mut self, values: &[Value]) -> Value {
        let channels = values.iter().map(|&value| self.channels(value)).sum();
        self.push(Op::Concatenate, values, channels)
    }

    /// `factor · x + offset`.
    pub fn affine(&mut self, x: Value, factor: f32, offset: f32) -> Value {
        self.push(Op::Affine { factor, offset }, &[x], self.channels(x))
    }

    /// `factor · x`.
    pub fn scale(&mut self, x: Value, factor: f32) -> Value {
        self.affine(x, factor, 0.0)
    }

    /// x times the learned number `weight`.
    pub fn weigh(&mut self, x: Value, weight: Weight) -> Value {
        self.push(Op::Weigh(weight), &[x], self.channels(x))
    }

    /// The pixel shuffle by `r`.
    pub fn shuffle(&mut self, x: Value, r: usize) -> Value {
        self.push(Op::Shuffle(r), &[x], self.channels(x) / (r * r))
    }

    /// Nearest-neighbour enlargement by `r`.
    pub fn nearest(&mut self, x: Value, r: usize) -> Value {
        self.push(Op::Nearest(r), &[x], self.channels(x))
    }

    /// The mean of each channel.
    pub fn average(&mut self, x: Value) -> Value {
        self.push(Op::Average, &[x], self.channels(x))
    }

    /// The greatest sample of each window.
    pub fn max_pool(&mut self, x: Value, window: Window) -> Value {
        self.push(Op::MaxPool(window), &[x], self.channels(x))
    }

    /// `inputs` numbers, all samples of x, to `outputs`.
    pub fn dense(&mut self, name: &str, x: Value, inputs: usize, outputs: usize) -> Value {
        let start = Start::Normal((2.0 / inputs as f64).sqrt());
        let weight = self.parameter(format!("{name}.weight"), &[outputs, inputs], Role::Trained, start);
        let bias = self.parameter(format!("{name}.bias"), &[outputs], Role::Trained, Start::Constant(0.0));
        self.push(Op::Dense { weight, bias }, &[x], outputs)
    }

    /// `x`, `r` times as large by fixed taps, before the shuffle: r² channels for each of x's, by `taps` `[r²][side][side]`
    /// over an edge-padded map.
    fn phases(&mut self, name: &str, x: Value, r: usize, side: usize, taps: &[f32]) -> Value {
        let (channels, phases) = (self.channels(x), r * r);
        let mut values = vec![0.0; channels * phases * channels * side * side];
        for channel in 0..channels {
            for (phase, taps) in taps.chunks_exact(side * side).enumerate() {
                let at = ((channel * phases + phase) * channels + channel) * side * side;
                values[at..at + side * side].copy_from_slice(taps);
            }
        }
        let shape = [channels * phases, channels, side, side];
        let weight = self.parameter(name.into(), &shape, Role::Fixed, Start::Values(values));
        self.conv_by(x, (weight, None), Conv::new(channels * phases, side).padding(Padding::Edge))
    }

    /// The bilinear base of `x` before the shuffle by `r`.
    pub fn bilinear(&mut self, x: Value, r: usize) -> Value {
        self.phases("base.taps", x, r, 3, &Chain::base_kernel(r))
    }

    /// Bicubic enlargement of `x` (Keys, a = −½, border replicated) by `r`.
    pub fn bicubic(&mut self, x: Value, r: usize) -> Value {
        let phases = self.phases("bicubic.taps", x, r, 5, &bicubic_kernel(r));
        self.shuffle(phases, r)
    }
}

/// Keys' kernel, a = −½, at distance `d` from a sample.
fn keys(d: f32) -> f32 {
    match d.abs() {
        d if d < 1.0 => (1.5 * d - 2.5) * d * d + 1.0,
        d if d < 2.0 => ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0,
        _ => 0.0,
    }
}

/// Bicubic enlargement as 5×5 kernels of r² phases: `[r²][5][5]`. Phase (i, j) lies at `(i + ½)/r − ½` from the centre of
/// its low-resolution pixel.
fn bicubic_kernel(r: usize) -> Vec<f32> {
    let taps = |phase: usize| {
        let offset = (phase as f32 + 0.5) / r as f32 - 0.5;
        [-2.0, -1.0, 0.0, 1.0, 2.0].map(|tap: f32| keys(tap - offset))
    };
    let mut kernel = Vec::with_capacity(r * r * 25);
    for j in 0..r {
        for i in 0..r {
            for vertical in taps(j) {
                kernel.extend(taps(i).map(|horizontal| vertical * horizontal));
            }
        }
    }
    kernel
}
