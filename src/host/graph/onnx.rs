//! A network as an ONNX graph of standard operators, operator set 13, any height and width.
//!
//! Batch normalisation and factors are folded into the convolution before them: `γ/√(σ²+ε) · (w∗x + b − μ) + β` is a
//! convolution by `w·γ/√(σ²+ε)` with another bias, exactly but for the rounding of the products.

use super::{Activation, EPSILON, Graph, Op, Padding, Value, Weight, margin};
use crate::error::{Error, Result};
use crate::onnx::build::{GraphBuilder, float, int, ints, name, size, text};
use crate::onnx::proto::element;
use std::collections::BTreeSet;

/// Which of a network's outputs is written, and its planes.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// The value.
    pub value: Value,
    /// Planes of the picture it is.
    pub planes: usize,
}

/// Writes the part of `graph` that `output` needs, with `weights` (one a parameter, in order).
///
/// # Errors
/// A usage error for operators of discriminators and trunks, which no device runs.
pub fn to_onnx(graph: &Graph, weights: &[Vec<f32>], output: Output) -> Result<GraphBuilder> {
    let needed = graph.needed(&[output.value]);
    let mut writer = Writer {
        graph,
        weights,
        builder: GraphBuilder::new("upres"),
        uses: graph.uses(&[output.value], &needed),
        names: vec![String::new(); graph.nodes.len()],
        output: output.value,
        written: BTreeSet::new(),
        folds: vec![Fold::default(); graph.nodes.len()],
    };
    let picture = |planes, height: &str, width: &str| [size(1), size(planes), name(height), name(width)];
    writer.builder.input("x", element::F32, &picture(graph.inputs(), "height", "width"));
    for index in (0..graph.nodes.len()).filter(|&index| needed[index]) {
        writer.gather(index);
    }
    for index in (0..graph.nodes.len()).filter(|&index| needed[index]) {
        writer.write(index)?;
    }
    writer.builder.output("y", element::F32, &picture(output.planes, "height_out", "width_out"));
    Ok(writer.builder)
}

/// What follows a convolution and is folded into it: a factor and an offset for each of its outputs.
#[derive(Debug, Clone, Default)]
struct Fold {
    /// The node that this one's result stands for, where it was folded away.
    into: Option<usize>,
    steps: Vec<(Vec<f64>, Vec<f64>)>,
}

struct Writer<'a> {
    graph: &'a Graph,
    weights: &'a [Vec<f32>],
    builder: GraphBuilder,
    uses: Vec<usize>,
    names: Vec<String>,
    output: Value,
    written: BTreeSet<String>,
    folds: Vec<Fold>,
}

impl Writer<'_> {
    fn numbers(&self, weight: Weight) -> &[f32] {
        &self.weights[weight.0]
    }

    /// The convolution behind node `index` where nothing but foldable nodes lies between and nobody else reads them.
    fn convolution_behind(&self, index: usize) -> Option<usize> {
        let behind = self.graph.nodes[index].inputs[0].0;
        if self.uses[behind] != 1 {
            return None;
        }
        match (&self.graph.nodes[behind].op, self.folds[behind].into) {
            // A kernel that several nodes share cannot take a fold.
            (Op::Convolve { weight, .. }, _) => {
                let shared = |op: &Op| matches!(op, Op::Convolve { weight: other, .. } if other == weight);
                (self.graph.nodes.iter().filter(|node| shared(&node.op)).count() == 1).then_some(behind)
            }
            (_, into) => into,
        }
    }

    /// Notes whether node `index` is folded away.
    fn gather(&mut self, index: usize) {
        let node = &self.graph.nodes[index];
        let step = match &node.op {
            Op::Affine { factor, offset } => {
                let all = |value: f32| vec![f64::from(value); node.channels];
                (all(*factor), all(*offset))
            }
            Op::Normalise { scale, shift, mean, variance } => {
                let number = |weight: Weight, channel: usize| f64::from(self.numbers(weight)[channel]);
                let factor = |c: usize| number(*scale, c) / (number(*variance, c) + EPSILON).sqrt();
                let channels = 0..node.channels;
                let offsets = channels.clone().map(|c| number(*shift, c) - number(*mean, c) * factor(c)).collect();
                (channels.map(factor).collect(), offsets)
            }
            _ => return,
        };
        if let Some(convolution) = self.convolution_behind(index) {
            self.folds[index].into = Some(convolution);
            self.folds[convolution].steps.push(step);
        }
    }

    /// The name under which node `index` writes its result: its own, or that of the last node folded into it.
    fn own_name(&self, index: usize) -> String {
        let last = (index..self.graph.nodes.len()).rev().find(|&n| n == index || self.folds[n].into == Some(index));
        if last == Some(self.output.0) { "y".into() } else { format!("value.{index}") }
    }

    fn write(&mut self, index: usize) -> Result<()> {
        if let Some(into) = self.folds[index].into {
            self.names[index] = self.names[into].clone();
            return Ok(());
        }
        let node = &self.graph.nodes[index];
        let inputs: Vec<String> = node.inputs.iter().map(|value| self.names[value.0].clone()).collect();
        let y = if node.op == Op::Input { "x".to_string() } else { self.own_name(index) };
        let x = inputs.first().map_or("", String::as_str);
        match &node.op {
            Op::Input => {}
            Op::Convolve { .. } => self.convolution(index, x, &y),
            Op::Activate(activation) => self.activation(x, &y, *activation),
            Op::Add => self.sum(&inputs, &y),
            Op::Multiply => self.node("Mul", &[x, &inputs[1]], &y),
            Op::Concatenate => {
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                self.builder.node("Concat", &inputs, &y, vec![int("axis", 1)]);
            }
            Op::Affine { factor, offset } => {
                let scaled = format!("{y}.scaled");
                let factor = self.scalar(&format!("{y}.factor"), *factor);
                if *offset == 0.0 {
                    self.node("Mul", &[x, &factor], &y);
                } else {
                    let offset = self.scalar(&format!("{y}.offset"), *offset);
                    self.node("Mul", &[x, &factor], &scaled);
                    self.node("Add", &[&scaled, &offset], &y);
                }
            }
            Op::Weigh(weight) => {
                let factor = self.scalar(&self.graph.parameters[weight.0].name, self.numbers(*weight)[0]);
                self.node("Mul", &[x, &factor], &y);
            }
            Op::Shuffle(r) => {
                let attributes = vec![int("blocksize", *r as i64), text("mode", "CRD")];
                self.builder.node("DepthToSpace", &[x], &y, attributes);
            }
            Op::Nearest(r) => self.nearest(x, &y, *r),
            Op::Average => self.node("GlobalAveragePool", &[x], &y),
            Op::Normalise { .. } => return Err(refused("batch normalisation that follows no convolution of its own")),
            Op::MaxPool(_) | Op::Dense { .. } => return Err(refused("pooling and dense layers")),
        }
        self.names[index] = y;
        Ok(())
    }

    fn node(&mut self, op: &str, inputs: &[&str], y: &str) {
        self.builder.node(op, inputs, y, vec![]);
    }

    fn scalar(&mut self, name: &str, value: f32) -> String {
        if self.written.insert(name.to_string()) {
            self.builder.f32(name, &[1], &[value]);
        }
        name.to_string()
    }

    fn convolution(&mut self, index: usize, x: &str, y: &str) {
        let node = &self.graph.nodes[index];
        let Op::Convolve { weight, bias, side, stride, padding, depthwise } = node.op else { return };
        let parameter = &self.graph.parameters[weight.0];
        let mut kernel = self.numbers(weight).to_vec();
        let mut offsets = bias.map(|bias| self.numbers(bias).to_vec());
        for (factors, shifts) in &self.folds[index].steps {
            let offsets = offsets.get_or_insert_with(|| vec![0.0; node.channels]);
            let kernels = kernel.chunks_exact_mut(parameter.shape[1..].iter().product());
            for (((kernel, offset), factor), shift) in kernels.zip(offsets).zip(factors).zip(shifts) {
                for tap in kernel {
                    *tap = (f64::from(*tap) * factor) as f32;
                }
                *offset = (f64::from(*offset) * factor + shift) as f32;
            }
        }
        let stem = parameter.name.strip_suffix(".weight").unwrap_or(&parameter.name).to_string();
        let mut inputs = vec![x.to_string(), parameter.name.clone()];
        if self.written.insert(parameter.name.clone()) {
            self.builder.f32(&parameter.name, &parameter.shape, &kernel);
        }
        if let Some(offsets) = offsets {
            let name = format!("{stem}.bias");
            if self.written.insert(name.clone()) {
                self.builder.f32(&name, &[node.channels], &offsets);
            }
            inputs.push(name);
        }
        let pads = if padding == Padding::Zero { margin(side) } else { 0 } as i64;
        match padding {
            Padding::Zero | Padding::None => {}
            Padding::Edge => inputs[0] = self.padded(x, side / 2, "edge"),
            Padding::Reflect => inputs[0] = self.padded(x, side / 2, "reflect"),
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let mut attributes = vec![
            ints("kernel_shape", &[side as i64; 2]),
            ints("pads", &[pads; 4]),
            ints("strides", &[stride as i64; 2]),
        ];
        if depthwise {
            attributes.push(int("group", node.channels as i64));
        }
        self.builder.node("Conv", &inputs, y, attributes);
    }

    /// `x` with `margin` samples around it.
    fn padded(&mut self, x: &str, margin: usize, mode: &str) -> String {
        let (padded, pads) = (format!("{x}.{mode}.{margin}"), format!("{x}.pads.{margin}"));
        if self.written.insert(padded.clone()) {
            let margin = margin as i64;
            if self.written.insert(pads.clone()) {
                self.builder.i64(&pads, &[8], &[0, 0, margin, margin, 0, 0, margin, margin]);
            }
            self.builder.node("Pad", &[x, &pads], &padded, vec![text("mode", mode)]);
        }
        padded
    }

    fn activation(&mut self, x: &str, y: &str, activation: Activation) {
        match activation {
            Activation::Relu => self.node("Relu", &[x], y),
            Activation::Leaky(slope) => {
                self.builder.node("LeakyRelu", &[x], y, vec![float("alpha", slope)]);
            }
            Activation::Sigmoid => self.node("Sigmoid", &[x], y),
            Activation::Tanh => self.node("Tanh", &[x], y),
            Activation::Prelu(slopes) => {
                let name = self.graph.parameters[slopes.0].name.clone();
                let values = &self.weights[slopes.0];
                if self.written.insert(name.clone()) {
                    self.builder.f32(&name, &[values.len(), 1, 1], values);
                }
                self.node("PRelu", &[x, &name], y);
            }
        }
    }

    fn sum(&mut self, inputs: &[String], y: &str) {
        let mut sum = inputs[0].clone();
        for (n, other) in inputs.iter().enumerate().skip(1) {
            let result = if n + 1 == inputs.len() { y.to_string() } else { format!("{y}.sum.{n}") };
            self.node("Add", &[&sum, other], &result);
            sum = result;
        }
    }

    fn nearest(&mut self, x: &str, y: &str, r: usize) {
        let scales = format!("scales.{r}");
        if self.written.insert(scales.clone()) {
            self.builder.f32(&scales, &[4], &[1.0, 1.0, r as f32, r as f32]);
        }
        let attributes = vec![
            text("mode", "nearest"),
            text("coordinate_transformation_mode", "asymmetric"),
            text("nearest_mode", "floor"),
        ];
        self.builder.node("Resize", &[x, "", &scales], y, attributes);
    }
}

fn refused(what: &str) -> Error {
    Error::usage(format!("{what} cannot be exported")).fix("export a generator")
}
