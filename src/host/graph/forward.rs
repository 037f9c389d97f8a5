//! A network on candle.

use super::{Activation, EPSILON, Graph, Op, Padding, Value, Weight, patches};
use crate::host::ops;
use candle_core::{D, DType, Result, Tensor, bail};

/// How a network is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch normalisation by the batch's own mean and variance.
    Training,
    /// Batch normalisation by the running ones.
    Judging,
    /// As in training, by operators whose gradients can be differentiated again.
    Twice,
}

/// What a run of a network gave.
#[derive(Debug)]
pub struct Pass {
    /// The wanted values, in the order they were asked for.
    pub values: Vec<Tensor>,
    /// In training, the batch's mean or variance for each statistic.
    pub statistics: Vec<(Weight, Tensor)>,
}

impl Pass {
    /// The first wanted value.
    ///
    /// # Errors
    /// Where nothing was wanted.
    pub fn first(mut self) -> Result<Tensor> {
        if self.values.is_empty() {
            bail!("nothing was asked of the network")
        }
        Ok(self.values.swap_remove(0))
    }
}

impl Graph {
    /// Runs the network on `x` `[batch, inputs, height, width]` as far as `wanted` needs it. Gradients flow into those of
    /// `weights` (one a parameter, in order) and into x where candle tracks them. It computes with what x is held in: weights
    /// are cast, batch normalisation stays f32, and what is wanted is f32.
    ///
    /// # Errors
    /// Where shapes do not fit or the device fails.
    pub fn forward(&self, weights: &[Tensor], x: &Tensor, wanted: &[Value], mode: Mode) -> Result<Pass> {
        if weights.len() != self.parameters.len() {
            bail!("{} weights for {} parameters", weights.len(), self.parameters.len());
        }
        let needed = self.needed(wanted);
        let mut run = Run {
            graph: self,
            exact: weights,
            weights: weights.iter().map(|weight| weight.to_dtype(x.dtype())).collect::<Result<_>>()?,
            mode,
            uses: self.uses(wanted, &needed),
            values: vec![None; self.nodes.len()],
            statistics: Vec::new(),
        };
        for index in (0..self.nodes.len()).filter(|&index| needed[index]) {
            if self.nodes[index].op == Op::Input {
                run.values[index] = Some(x.clone());
            } else if !run.joins_its_activation(Value(index)) {
                run.values[index] = Some(run.compute(index)?);
            }
        }
        let values = wanted.iter().map(|&value| run.value(value)?.to_dtype(DType::F32)).collect::<Result<_>>()?;
        Ok(Pass { values, statistics: run.statistics })
    }

    /// The network's outputs on `x`.
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn run(&self, weights: &[Tensor], x: &Tensor, mode: Mode) -> Result<Pass> {
        self.forward(weights, x, &self.outputs, mode)
    }
}

struct Run<'a> {
    graph: &'a Graph,
    /// As they are learned.
    exact: &'a [Tensor],
    /// As they are computed with.
    weights: Vec<Tensor>,
    mode: Mode,
    uses: Vec<usize>,
    values: Vec<Option<Tensor>>,
    statistics: Vec<(Weight, Tensor)>,
}

impl Run<'_> {
    fn value(&self, value: Value) -> Result<Tensor> {
        self.values[value.0].clone().ok_or_else(|| candle_core::Error::Msg("a value is read before it is made".into()))
    }

    fn weight(&self, weight: Weight) -> &Tensor {
        &self.weights[weight.0]
    }

    /// Whether `value` is a convolution that only a ReLU reads: the two are computed as one.
    fn joins_its_activation(&self, value: Value) -> bool {
        let follower = self.graph.nodes.get(value.0 + 1);
        let joined = follower.is_some_and(|node| {
            node.inputs == [value] && matches!(node.op, Op::Activate(Activation::Relu | Activation::Leaky(_)))
        });
        let convolves = matches!(self.graph.nodes[value.0].op, Op::Convolve { depthwise: false, .. });
        self.mode != Mode::Twice && convolves && joined && self.uses[value.0] == 1 && self.uses[value.0 + 1] > 0
    }

    fn compute(&mut self, index: usize) -> Result<Tensor> {
        let graph = self.graph;
        let node = &graph.nodes[index];
        let first = node.inputs[0];
        if let Op::Activate(Activation::Relu | Activation::Leaky(_)) = node.op
            && self.values[first.0].is_none()
        {
            let slope = if let Op::Activate(Activation::Leaky(slope)) = node.op { slope } else { 0.0 };
            return self.convolve(first, Some(slope));
        }
        let x = || self.value(first);
        Ok(match &node.op {
            Op::Input => bail!("a second input"),
            Op::Convolve { .. } => self.convolve(Value(index), None)?,
            Op::Normalise { scale, shift, mean, variance } => {
                let x = x()?;
                self.normalise(&x, [*scale, *shift, *mean, *variance])?
            }
            Op::Activate(activation) => self.activate(&x()?, *activation)?,
            Op::Add => {
                let mut sum = x()?;
                for &other in &node.inputs[1..] {
                    sum = (sum + self.value(other)?)?;
                }
                sum
            }
            Op::Multiply => x()?.broadcast_mul(&self.value(node.inputs[1])?)?,
            Op::Concatenate => {
                let parts = node.inputs.iter().map(|&value| self.value(value)).collect::<Result<Vec<_>>>()?;
                Tensor::cat(&parts, 1)?
            }
            Op::Affine { factor, offset } => x()?.affine(f64::from(*factor), f64::from(*offset))?,
            Op::Weigh(weight) => x()?.broadcast_mul(&self.weight(*weight).reshape((1, 1, 1, 1))?)?,
            Op::Shuffle(r) => ops::shuffle(&x()?, *r)?,
            Op::Nearest(r) => ops::nearest(&x()?, *r)?,
            Op::Average => x()?.mean_keepdim(D::Minus1)?.mean_keepdim(D::Minus2)?,
            Op::MaxPool(window) => ops::max_pool(&x()?, *window)?,
            Op::Dense { weight, bias } => {
                let y = x()?.flatten_from(1)?.matmul(&self.weight(*weight).t()?)?.broadcast_add(self.weight(*bias))?;
                y.unsqueeze(2)?.unsqueeze(3)?
            }
        })
    }

    /// The convolution that makes `value`, with a ReLU of that slope behind it.
    fn convolve(&self, value: Value, slope: Option<f32>) -> Result<Tensor> {
        let node = &self.graph.nodes[value.0];
        let Op::Convolve { weight, bias, side, stride, padding, depthwise } = node.op else {
            bail!("a value is read before it is made")
        };
        let (x, weight) = (self.value(node.inputs[0])?, self.weight(weight));
        let bias = match bias {
            Some(bias) => self.weight(bias).clone(),
            None => Tensor::zeros(node.channels, x.dtype(), x.device())?,
        };
        if stride == 1 && padding == Padding::Zero && side % 2 == 1 && !depthwise && self.mode != Mode::Twice {
            return ops::convolve(&x, weight, &bias, slope);
        }
        let x = match padding {
            Padding::Zero | Padding::None => x,
            Padding::Edge => ops::edged(&x, side / 2)?,
            Padding::Reflect => ops::reflected(&x, side / 2)?,
        };
        let patches = patches(side, stride, padding);
        match (depthwise, self.mode) {
            (true, _) => ops::depthwise(&x, weight, &bias, patches),
            (false, Mode::Twice) => ops::convolve_twice(&x, weight, &bias, patches),
            (false, _) => ops::convolve_patches(&x, weight, &bias, patches, slope),
        }
    }

    fn normalise(&mut self, x: &Tensor, [scale, shift, mean, variance]: [Weight; 4]) -> Result<Tensor> {
        let across = |weight: &Tensor| weight.reshape((1, (), 1, 1));
        let (dtype, x) = (x.dtype(), x.to_dtype(DType::F32)?);
        let exact = |weight: Weight| &self.exact[weight.0];
        let (centre, spread) = match self.mode {
            Mode::Judging => (exact(mean).clone(), exact(variance).clone()),
            Mode::Training | Mode::Twice => {
                let samples = x.transpose(0, 1)?.flatten_from(1)?;
                let count = samples.dim(1)? as f64;
                let centre = samples.mean(1)?;
                let spread = samples.broadcast_sub(&centre.unsqueeze(1)?)?.sqr()?.mean(1)?;
                // The running variance is the unbiased one.
                let unbiased = (spread.detach() * (count / (count - 1.0).max(1.0)))?;
                self.statistics.push((mean, centre.detach()));
                self.statistics.push((variance, unbiased));
                (centre, spread)
            }
        };
        let factor = (exact(scale) / (spread + EPSILON)?.sqrt()?)?;
        let offset = (exact(shift) - (centre * &factor)?)?;
        x.broadcast_mul(&across(&factor)?)?.broadcast_add(&across(&offset)?)?.to_dtype(dtype)
    }

    fn activate(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match activation {
            Activation::Relu => x.relu(),
            Activation::Leaky(slope) => ops::leaky(x, slope),
            Activation::Prelu(slopes) => ops::prelu(x, self.weight(slopes)),
            // 1 / (1 + e^−x) in a form that candle goes back through.
            Activation::Sigmoid => (x.neg()?.exp()? + 1.0)?.recip(),
            Activation::Tanh => x.tanh(),
        }
    }
}
