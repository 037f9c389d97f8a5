//! Frozen networks whose features tell how alike two pictures look: VGG-19 in three forms, and SqueezeNet.
//!
//! Pictures are red, green and blue of 0..1; what a network was trained to see is made of them inside.

use super::graph::{Activation, Conv, Graph, Mode, Padding, Role, Start, Value};
use super::ops::Window;
use super::precision::Precision;
use crate::error::{Error, Result};
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Largest file that is read: VGG-19 with its dense layers has 575 MB.
const MAX_BYTES: u64 = 1 << 30;

/// What `ImageNet`'s networks were trained to see: (x − mean) / deviation.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Which network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// torchvision's VGG-19 (Simonyan 2014): layers conv1_1 to conv5_4.
    Vgg19,
    /// VGG-19 to conv3_1, activations rescaled a channel, borders reflected.
    Vgg19Conv31,
    /// VGG-19 distilled to a quarter of its width, to conv5_1, with 1×1 layers back to VGG's width (Wang 2020,
    /// "Collaborative Distillation").
    Vgg19Distilled,
}

/// A network with its weights and the values that can be asked of it.
#[derive(Debug)]
pub struct Trunk {
    /// The network.
    pub graph: Graph,
    /// Its weights, untracked.
    pub weights: Vec<Tensor>,
    /// Its layers by name: `conv5_4` before and `relu5_4` after the activation.
    pub taps: Vec<(String, Value)>,
    /// What it computes with; its features are f32.
    pub precision: Precision,
}

/// A tensor of a file: its extents, outermost first, and its numbers.
pub type Filed = (Vec<usize>, Vec<f32>);

/// Every f32 tensor of the safetensors file at `path`.
///
/// # Errors
/// An I/O error; a limit error for giant files; a model error where it is damaged, or holds other types or what is no number.
pub fn tensors(path: &Path) -> Result<BTreeMap<String, Filed>> {
    let io = |e| Error::io("cannot read", path, e);
    if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
        return Err(Error::limit(format!("more than the {MAX_BYTES} bytes allowed for weights")).at(path.display()));
    }
    let file = std::fs::read(path).map_err(io)?;
    let damaged =
        |e: safetensors::SafeTensorError| Error::model("not a safetensors file").caused_by(e).at(path.display());
    let mut table = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(&file).map_err(damaged)?.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(Error::model(format!("the tensor '{name}' is not of 32-bit floats")).at(path.display()));
        }
        let values: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::model(format!("the tensor '{name}' holds what is no number")).at(path.display()));
        }
        table.insert(name, (view.shape().to_vec(), values));
    }
    Ok(table)
}

/// Builds a trunk: the graph, and where its weights are in the file.
struct Builder {
    graph: Graph,
    taps: Vec<(String, Value)>,
}

impl Builder {
    fn new() -> (Self, Value) {
        let (graph, x) = Graph::with_input(3);
        (Self { graph, taps: Vec::new() }, x)
    }

    /// `factor · x + offset`, a channel each, as a 1×1 convolution.
    fn normalised(&mut self, x: Value, factor: [f32; 3], offset: [f32; 3]) -> Value {
        let mut diagonal = vec![0.0; 9];
        (0..3).for_each(|c| diagonal[4 * c] = factor[c]);
        let weight = self.graph.parameter("normalise".into(), &[3, 3, 1, 1], Role::Fixed, Start::Values(diagonal));
        let bias = self.graph.parameter("offset".into(), &[3], Role::Fixed, Start::Values(offset.to_vec()));
        self.graph.conv_by(x, (weight, Some(bias)), Conv::new(3, 1))
    }

    /// A convolution and its ReLU, both tapped.
    fn layer(&mut self, file: &str, tap: &str, x: Value, conv: Conv) -> Value {
        let before = self.graph.conv(file, x, conv);
        let after = self.graph.activate(before, Activation::Relu);
        self.taps.push((format!("conv{tap}"), before));
        self.taps.push((format!("relu{tap}"), after));
        after
    }

    fn halved(&mut self, x: Value) -> Value {
        self.graph.max_pool(x, Window { side: 2, stride: 2, ceil: false })
    }

    /// Reads the weights of everything that is not fixed.
    fn finish(self, path: &Path, expected: &str, device: &Device) -> Result<Trunk> {
        let table = tensors(path)?;
        let mut weights = Vec::new();
        for parameter in self.graph.parameters() {
            let (name, wanted) = (&parameter.name, &parameter.shape);
            let wrong =
                |what: String| Error::model(what).fix(format!("give {expected} as safetensors")).at(path.display());
            let values = match (&parameter.start, table.get(name)) {
                (Start::Values(values), _) if parameter.role == Role::Fixed => values,
                (_, None) => return Err(wrong(format!("the tensor '{name}' is missing"))),
                (_, Some((shape, values))) if shape == wanted => values,
                (_, Some((shape, _))) => {
                    return Err(wrong(format!("the tensor '{name}' is not of shape {wanted:?} but {shape:?}")));
                }
            };
            weights.push(Tensor::from_slice(values, parameter.shape.as_slice(), device)?);
        }
        Ok(Trunk { graph: self.graph, weights, taps: self.taps, precision: Precision::F32 })
    }
}

impl Trunk {
    /// Reads the network `kind` from `path`.
    ///
    /// # Errors
    /// An I/O error; a model error that names the tensor that is missing or of another shape.
    pub fn open(kind: Kind, path: &Path, device: &Device) -> Result<Self> {
        match kind {
            Kind::Vgg19 => vgg19().finish(path, "torchvision's vgg19", device),
            Kind::Vgg19Conv31 => conv3_1().finish(path, "the normalised VGG-19 to conv3_1", device),
            Kind::Vgg19Distilled => distilled().finish(path, "the distilled VGG-19 to conv5_1", device),
        }
    }

    /// The layer `name`.
    ///
    /// # Errors
    /// A usage error where there is none.
    pub fn tap(&self, name: &str) -> Result<Value> {
        self.taps.iter().find(|(tap, _)| tap == name).map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<&str> = self.taps.iter().map(|(tap, _)| tap.as_str()).collect();
            Error::usage(format!("this network has no layer '{name}'")).fix(format!("it has {}", known.join(", ")))
        })
    }

    /// Features of pictures `[batch, 3, height, width]` at `taps`.
    ///
    /// # Errors
    /// Where pictures are too small or the device fails.
    pub fn features(&self, pictures: &Tensor, taps: &[Value]) -> candle_core::Result<Vec<Tensor>> {
        Ok(self.graph.forward(&self.weights, &self.precision.cast(pictures)?, taps, Mode::Judging)?.values)
    }

    /// SqueezeNet 1.1 (Iandola 2016) as LPIPS reads it: seven taps, pictures taken to (2x − 1 − shift) / scale.
    ///
    /// # Errors
    /// As [`Trunk::open`].
    pub fn squeezenet(path: &Path, device: &Device) -> Result<Self> {
        const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
        const SCALE: [f32; 3] = [0.458, 0.448, 0.450];
        let (mut b, x) = Builder::new();
        let offset = std::array::from_fn(|c| (-1.0 - SHIFT[c]) / SCALE[c]);
        let x = b.normalised(x, SCALE.map(|scale| 2.0 / scale), offset);
        let pool = Window { side: 3, stride: 2, ceil: true };
        let mut x = b.graph.conv("0", x, Conv::new(64, 3).stride(2).padding(Padding::None));
        x = b.graph.relu(x);
        b.taps.push(("0".into(), x));
        for (fire, squeeze, expand, tapped) in [
            (3, 16, 64, false),
            (4, 16, 64, true),
            (6, 32, 128, false),
            (7, 32, 128, true),
            (9, 48, 192, true),
            (10, 48, 192, true),
            (11, 64, 256, true),
            (12, 64, 256, true),
        ] {
            if matches!(fire, 3 | 6 | 9) {
                x = b.graph.max_pool(x, pool);
            }
            let small = b.graph.conv(&format!("{fire}.squeeze"), x, Conv::new(squeeze, 1));
            let small = b.graph.relu(small);
            let parts = [1, 3].map(|side| {
                let part = b.graph.conv(&format!("{fire}.expand{side}x{side}"), small, Conv::new(expand, side));
                b.graph.relu(part)
            });
            x = b.graph.concatenate(&parts);
            if tapped {
                b.taps.push((fire.to_string(), x));
            }
        }
        b.finish(path, "torchvision's squeezenet1_1", device)
    }
}

/// torchvision's names count every module: convolutions, ReLUs and pools. `pool2` is what the second pooling layer gives.
fn vgg19() -> Builder {
    let (mut b, x) = Builder::new();
    let offset = std::array::from_fn(|c| -MEAN[c] / DEVIATION[c]);
    let mut x = b.normalised(x, DEVIATION.map(f32::recip), offset);
    let mut module = 0;
    for (stage, (channels, count)) in [(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)].into_iter().enumerate() {
        for n in 0..count {
            let tap = format!("{}_{}", stage + 1, n + 1);
            x = b.layer(&format!("features.{module}"), &tap, x, Conv::new(channels, 3));
            module += 2;
        }
        x = b.halved(x);
        b.taps.push((format!("pool{}", stage + 1), x));
        module += 1;
    }
    b
}

/// Names count reflections as well; its first layer takes 0..1 to BGR · 255 − mean.
fn conv3_1() -> Builder {
    let (mut b, x) = Builder::new();
    let mut x = b.graph.conv("0", x, Conv::new(3, 1));
    for (file, tap, channels) in
        [("2", "1_1", 64), ("5", "1_2", 64), ("9", "2_1", 128), ("12", "2_2", 128), ("16", "3_1", 256)]
    {
        if matches!(tap, "2_1" | "3_1") {
            x = b.halved(x);
        }
        x = b.layer(file, tap, x, Conv::new(channels, 3).padding(Padding::Reflect));
    }
    b
}

/// A quarter as wide; `aux5_1` and its like are as wide as VGG's own.
fn distilled() -> Builder {
    let (mut b, x) = Builder::new();
    let mut x = b.graph.conv("model.conv0", x, Conv::new(3, 1));
    for (stage, (channels, count)) in [(16, 2), (32, 2), (64, 4), (128, 4), (128, 1)].into_iter().enumerate() {
        if stage > 0 {
            x = b.halved(x);
        }
        for n in 1..=count {
            let name = format!("model.conv{}{n}", stage + 1);
            x = b.layer(&name, &format!("{}_{n}", stage + 1), x, Conv::new(channels, 3).padding(Padding::Reflect));
            if n == 1 {
                let wide = b.graph.conv(&format!("{name}_aux"), x, Conv::new(4 * channels, 1));
                let wide = b.graph.relu(wide);
                b.taps.push((format!("aux{}_1", stage + 1), wide));
            }
        }
    }
    b
}

#[cfg(test)]
mod tests;
