//! Luma generators in training: a chain of 3×3 layers, each re-parameterised by linear branches that merge exactly.
//!
//! The branches are merged first and convolved once (Bhardwaj 2022, SESR, "collapsed" training), so a step costs what the
//! plain network costs and the network trained *is* the network exported. None of the branches has a bias of its own,
//! only their sum has: merging is exact at the picture's border too.

use crate::error::{Error, Result};
use crate::host::chain::{Chain, Layer};
use crate::host::chain_loss::chain_loss;
use crate::host::dataset::Batch;
use crate::host::loss::Loss;
use crate::host::ops::convolve;
use crate::host::precision::Precision;
use crate::host::random::Random;
use candle_core::{DType, Device, Tensor, Var};
use serde::{Deserialize, Serialize};

/// How a layer's 3×3 kernel is made in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// The kernel itself.
    Plain,
    /// Edge-oriented convolution block (Zhang 2021, ECBSR): 3×3 + 1×1·3×3 + 1×1·Sobel-x + 1×1·Sobel-y + 1×1·Laplacian.
    Ecb,
    /// Collapsible linear block (Bhardwaj 2022, SESR): 3×3 to a wide space, 1×1 back, plus identity.
    Collapsible,
}

/// The shape of a luma generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Enlargement r: 2, 3 or 4.
    pub scale: usize,
    /// Channels C of the hidden layers.
    pub channels: usize,
    /// Number N of C→C layers; the network has N + 2 layers.
    pub blocks: usize,
    /// How kernels are made in training.
    pub block: Block,
}

/// Width of the collapsible block's inner space, times the outputs.
const COLLAPSIBLE_WIDTH: usize = 4;
/// Width of the 1×1·3×3 branch of the edge-oriented block, times the outputs.
const ECB_WIDTH: usize = 2;

/// The fixed kernels of the edge-oriented block: Sobel-x, Sobel-y, Laplacian.
const EDGE_KERNELS: [[f32; 9]; 3] = [
    [1.0, 0.0, -1.0, 2.0, 0.0, -2.0, 1.0, 0.0, -1.0],
    [1.0, 2.0, 1.0, 0.0, 0.0, 0.0, -1.0, -2.0, -1.0],
    [0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0],
];

/// One layer in training: named variables that merge into a 3×3 kernel.
#[derive(Debug)]
struct Branches {
    inputs: usize,
    outputs: usize,
    /// What the merged kernel starts from besides the branches: the identity between layers of equal width.
    fixed: Option<Tensor>,
    edges: Vec<Tensor>,
    vars: Vec<(String, Var)>,
}

/// A generator in training.
#[derive(Debug)]
pub struct Net {
    /// Its shape.
    pub shape: Shape,
    layers: Vec<Branches>,
}

impl Shape {
    /// Checks the ranges: scale 2 to 4, 1 to 512 channels, at most 64 blocks.
    pub fn validate(&self) -> Result<()> {
        let complain = |what: &str, fix: &str| Err(Error::usage(what.to_string()).fix(fix.to_string()));
        match self {
            Self { scale: 0..=1 | 5.., .. } => complain("this scale cannot be trained", "choose 2, 3 or 4"),
            Self { channels: 0 | 513.., .. } => complain("the number of channels is out of range", "choose 1 to 512"),
            Self { blocks: 65.., .. } => complain("that many blocks is out of range", "choose at most 64"),
            _ => Ok(()),
        }
    }

    /// The shape of a merged network; its hidden layers are taken to be equally wide, which [`Net::from_chain`] checks.
    pub fn of(chain: &Chain) -> Self {
        let channels = chain.layers.first().map_or(0, |layer| layer.outputs);
        Self { scale: chain.scale, channels, blocks: chain.layers.len().saturating_sub(2), block: Block::Plain }
    }

    fn widths(&self) -> impl Iterator<Item = (usize, usize)> {
        let last = self.blocks + 1;
        let (channels, phases) = (self.channels, self.scale * self.scale);
        (0..=last).map(move |i| (if i == 0 { 1 } else { channels }, if i == last { phases } else { channels }))
    }
}

/// Takes the mean off every 3×3 kernel among fresh `values`. Pictures and feature maps are positive: a kernel with a sum
/// answers mostly to brightness, and the ReLU behind it is dead on nearly all pictures or alive on nearly all of them.
fn balance(values: &mut [f32], suffix: &str, block: Block, columns: usize) {
    // How far apart a kernel's nine taps lie.
    let step = match (suffix, block) {
        ("kernel", _) | ("expand", Block::Collapsible) => 1,
        ("squeeze", Block::Ecb) => columns,
        _ => return,
    };
    for group in values.chunks_exact_mut(9 * step) {
        for first in 0..step {
            let mean = group.iter().skip(first).step_by(step).sum::<f32>() / 9.0;
            group.iter_mut().skip(first).step_by(step).for_each(|value| *value -= mean);
        }
    }
}

impl Branches {
    fn new(
        name: &str,
        (inputs, outputs): (usize, usize),
        gain: f64,
        block: Block,
        random: &mut Random,
        device: &Device,
    ) -> Result<Self> {
        let mut layer = Self { inputs, outputs, fixed: None, edges: Vec::new(), vars: Vec::new() };
        let mut add = |suffix: &str, shape: &[usize], deviation: f64| -> Result<()> {
            let mut values: Vec<f32> =
                (0..shape.iter().product()).map(|_| (random.normal() * deviation) as f32).collect();
            balance(&mut values, suffix, block, shape[shape.len() - 1]);
            layer.vars.push((format!("{name}.{suffix}"), Var::from_tensor(&Tensor::from_vec(values, shape, device)?)?));
            Ok(())
        };
        // He's deviation for a ReLU network, shared between the branches that add up.
        let he = gain * (2.0 / (inputs * 9) as f64).sqrt();
        match block {
            Block::Plain => add("kernel", &[outputs, inputs * 9], he)?,
            Block::Ecb => {
                let wide = ECB_WIDTH * outputs;
                add("kernel", &[outputs, inputs * 9], he * 0.8)?;
                add("expand", &[wide, inputs], (1.0 / inputs as f64).sqrt())?;
                add("squeeze", &[outputs * 9, wide], he * 0.5 * (inputs as f64 / wide as f64).sqrt())?;
                for edge in ["sobel_x", "sobel_y", "laplacian"] {
                    add(edge, &[outputs, inputs], he * 0.1)?;
                }
            }
            Block::Collapsible => {
                let wide = COLLAPSIBLE_WIDTH * outputs;
                add("expand", &[wide, inputs * 9], (1.0 / wide as f64).sqrt())?;
                add("squeeze", &[outputs, wide], he)?;
            }
        }
        add("bias", &[outputs], 0.0)?;
        if block == Block::Ecb {
            layer.edges = EDGE_KERNELS
                .iter()
                .map(|k| Tensor::new(&k[..], device)?.reshape((1, 1, 9)))
                .collect::<candle_core::Result<_>>()?;
        }
        if block != Block::Plain && inputs == outputs {
            let mut identity = vec![0.0f32; outputs * inputs * 9];
            (0..outputs).for_each(|c| identity[(c * inputs + c) * 9 + 4] = 1.0);
            layer.fixed = Some(Tensor::from_vec(identity, (outputs, inputs, 9), device)?);
        }
        Ok(layer)
    }

    fn var(&self, suffix: &str) -> Option<&Tensor> {
        self.vars.iter().find(|(name, _)| name.rsplit('.').next() == Some(suffix)).map(|(_, var)| var.as_tensor())
    }

    /// The branches' kernels, `[outputs, inputs, 9]` each; their sum is the merged kernel.
    fn kernels(&self) -> candle_core::Result<Vec<Tensor>> {
        let (outputs, inputs) = (self.outputs, self.inputs);
        let mut kernels: Vec<Tensor> = self.fixed.iter().cloned().collect();
        if let Some(kernel) = self.var("kernel") {
            kernels.push(kernel.reshape((outputs, inputs, 9))?);
        }
        if let (Some(expand), Some(squeeze)) = (self.var("expand"), self.var("squeeze")) {
            let product = squeeze.matmul(expand)?;
            kernels.push(if product.dim(0)? == outputs {
                product.reshape((outputs, inputs, 9))?
            } else {
                product.reshape((outputs, 9, inputs))?.transpose(1, 2)?.contiguous()?
            });
        }
        for (edge, kernel) in ["sobel_x", "sobel_y", "laplacian"].iter().zip(&self.edges) {
            if let Some(weight) = self.var(edge) {
                kernels.push(weight.reshape((outputs, inputs, 1))?.broadcast_mul(kernel)?);
            }
        }
        Ok(kernels)
    }

    /// The merged kernel `[outputs, inputs, 3, 3]` and the bias.
    fn merge(&self) -> candle_core::Result<(Tensor, Tensor)> {
        let kernels = self.kernels()?;
        let mut sum = kernels[0].clone();
        for kernel in &kernels[1..] {
            sum = (sum + kernel)?;
        }
        let bias = self.var("bias").ok_or_else(|| candle_core::Error::Msg("a layer without a bias".into()))?;
        Ok((sum.reshape((self.outputs, self.inputs, 3, 3))?, bias.clone()))
    }
}

impl Net {
    /// A freshly initialised network: He's initialisation, and a last layer small enough that the first output is the base.
    pub fn new(shape: Shape, random: &mut Random, device: &Device) -> Result<Self> {
        shape.validate()?;
        let layers = shape.widths().enumerate().map(|(i, widths)| {
            // Layers that start from the identity only need a perturbation.
            let gain = match i {
                _ if i == shape.blocks + 1 => 0.02,
                _ if i > 0 && shape.block != Block::Plain => 0.3,
                _ => 1.0,
            };
            // Of one input a branch has many more ways than there are taps to move: Adam would move them all at once, and kill.
            let block = if i == 0 { Block::Plain } else { shape.block };
            Branches::new(&format!("layer.{i}"), widths, gain, block, random, device)
        });
        Ok(Self { shape, layers: layers.collect::<Result<_>>()? })
    }

    /// Gives the channels of `chain` that are dead by `alive` (a list a hidden layer) fresh kernels, and lets nobody listen to
    /// them yet (Sokar 2023, "The dormant neuron phenomenon"): what the network gives stays as it was, and they can learn.
    /// Returns their number.
    pub fn revive(chain: &mut Chain, alive: &[Vec<bool>], random: &mut Random) -> usize {
        let mut revived = 0;
        for (n, alive) in alive.iter().enumerate() {
            for channel in (0..alive.len()).filter(|&channel| !alive[channel]) {
                let layer = &mut chain.layers[n];
                let row = layer.inputs * 9;
                let deviation = (2.0 / row as f64).sqrt();
                let kernels = &mut layer.weight[channel * row..][..row];
                for weight in kernels.iter_mut() {
                    *weight = (random.normal() * deviation) as f32;
                }
                balance(kernels, "kernel", Block::Plain, row);
                layer.bias[channel] = 0.0;
                let next = &mut chain.layers[n + 1];
                let listeners = next.weight.chunks_exact_mut(next.inputs * 9);
                listeners.for_each(|kernels| kernels[channel * 9..][..9].fill(0.0));
                revived += 1;
            }
        }
        revived
    }

    /// A network of `block`s that merges into `chain`: fresh branches, and a 3×3 kernel that makes up the difference.
    ///
    /// # Errors
    /// A usage error for blocks without a kernel of their own, a model error where hidden layers differ in width.
    pub fn from_chain(chain: &Chain, block: Block, random: &mut Random, device: &Device) -> Result<Self> {
        if block == Block::Collapsible {
            return Err(Error::usage("collapsible blocks cannot start from merged weights").fix("choose plain or ecb"));
        }
        let net = Self::new(Shape { block, ..Shape::of(chain) }, random, device)?;
        for (branches, layer) in net.layers.iter().zip(&chain.layers) {
            if (branches.inputs, branches.outputs) != (layer.inputs, layer.outputs) {
                return Err(Error::model("these weights are not a chain of equal hidden layers"));
            }
            let (merged, _) = branches.merge()?;
            for (name, var) in &branches.vars {
                if name.ends_with("kernel") {
                    let wanted = Tensor::from_slice(&layer.weight, merged.shape(), device)?;
                    let kernel = (var.as_tensor() + (wanted - &merged)?.reshape(var.shape())?)?;
                    var.set(&kernel)?;
                } else if name.ends_with("bias") {
                    var.set(&Tensor::from_slice(&layer.bias, var.shape(), device)?)?;
                }
            }
        }
        Ok(net)
    }

    /// Every variable with its name, in an order that never changes.
    pub fn variables(&self) -> impl Iterator<Item = &(String, Var)> {
        self.layers.iter().flat_map(|layer| &layer.vars)
    }

    /// The residual before the pixel shuffle: `[batch, 1, h, w]` to `[batch, r², h, w]`, f32, computed with what x is held in.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let (weight, bias) = layer.merge()?;
            let (weight, bias) = (weight.to_dtype(x.dtype())?, bias.to_dtype(x.dtype())?);
            x = convolve(&x, &weight, &bias, (i + 1 < self.layers.len()).then_some(0.0))?;
        }
        x.to_dtype(DType::F32)
    }

    /// Where the network is.
    pub fn device(&self) -> &Device {
        self.layers[0].vars[0].1.device()
    }

    /// The mean `loss` on `batch`, patches of `patch × patch`. One fused operator on the CPU, layer by layer elsewhere.
    pub fn loss(&self, batch: Batch, patch: usize, loss: Loss, precision: Precision) -> candle_core::Result<Tensor> {
        let device = self.device();
        if !device.is_cpu() {
            let (n, phases) = (batch.input.len() / (patch * patch), self.shape.scale * self.shape.scale);
            let input = Tensor::from_vec(batch.input, (n, 1, patch, patch), device)?;
            let target = Tensor::from_vec(batch.target, (n, phases, patch, patch), device)?;
            return loss.mean(&self.forward(&precision.cast(&input)?)?, &target);
        }
        let mut parts = Vec::with_capacity(2 * self.layers.len());
        for layer in &self.layers {
            let (weight, bias) = layer.merge()?;
            parts.extend([weight.flatten_all()?, bias]);
        }
        chain_loss(&Tensor::cat(&parts, 0)?, self.shape.widths().collect(), batch, patch, loss, precision)
    }

    /// The merged network.
    pub fn merge(&self) -> Result<Chain> {
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (weight, bias) = layer.merge()?;
            layers.push(Layer {
                inputs: layer.inputs,
                outputs: layer.outputs,
                weight: weight.flatten_all()?.to_vec1()?,
                bias: bias.to_vec1()?,
            });
        }
        Ok(Chain { scale: self.shape.scale, layers })
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::internal("the tensor library failed").caused_by(error.to_string())
    }
}

#[cfg(test)]
mod tests;
