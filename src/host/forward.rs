//! A generator's ONNX file on candle, layer by layer, on the CPU or a GPU: what the engine is measured against.

use crate::engine::{Border, Make, Map, Network, Output, Spread, recognise};
use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;
use crate::kernel::stream::{Activation, Filter, PixelShuffle};
use crate::onnx::{self, Limits};
use candle_core::{Device, Tensor};
use std::path::Path;

/// A network of 32-bit floats with its weights on a device.
pub struct Forward {
    network: Network,
    /// For each convolution `(outputs, inputs, side, side)` weights and `(1, outputs, 1, 1)` biases.
    weights: Vec<Option<(Tensor, Tensor)>>,
    /// For each slope of negative numbers, `(1, outputs, 1, 1)`.
    slopes: Vec<Option<Tensor>>,
    device: Device,
}

impl Forward {
    /// Reads the `.onnx` file at `path`.
    ///
    /// # Errors
    /// An I/O error; a model error where the file is damaged, computes with bytes, or has operators that the engine does not
    /// recognise.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let limits = Limits::default();
        let model = onnx::read(&onnx::load(path, &limits)?, &limits)?;
        let recognised = recognise(&model, &limits)?;
        let Some(island) = recognised.whole(&model) else {
            let left = recognised.left.first().map_or(String::new(), |(what, why)| format!(": {what}: {why}"));
            return Err(Error::model(format!("not all of it can run on candle{left}")).at(path.display()));
        };
        Self::new(island.network.clone(), device).map_err(|error| error.at(path.display()))
    }

    fn new(network: Network, device: &Device) -> Result<Self> {
        let (mut weights, mut slopes) = (Vec::new(), Vec::new());
        for map in &network.maps {
            let (weight, slope) = match &map.make {
                Make::Convolve(filter) => (Some(stored(filter, device)?), slope(&filter.activation, device)?),
                Make::Combine(activation) => (None, slope(activation, device)?),
                Make::ConvolveBytes(_) | Make::Quantise | Make::Dequantise => {
                    return Err(Error::model("it computes with bytes").fix("give the model of floats it was made from"));
                }
                _ => (None, None),
            };
            weights.push(weight);
            slopes.push(slope);
        }
        Ok(Self { network, weights, slopes, device: device.clone() })
    }

    /// Planes that it takes.
    pub fn planes(&self) -> usize {
        self.network.inputs.iter().sum()
    }

    /// Output pixels for each input pixel.
    pub fn scale(&self) -> usize {
        self.network.scale()
    }

    /// Enlarges one picture; the copies to the device and back are part of it. Samples are what the network takes, most often 0
    /// to 1.
    ///
    /// # Errors
    /// A usage error where there are not as many planes, all of one size, as the network takes; candle's errors.
    pub fn run(&self, input: &[Plane]) -> Result<Vec<Plane>> {
        let size = input.first().map_or(Size::new(0, 0), |plane| plane.size);
        if input.len() != self.planes() || size.area() == 0 || input.iter().any(|plane| plane.size != size) {
            return Err(Error::usage(format!("{} plane(s) of one size are needed", self.planes())));
        }
        let samples: Vec<f32> = input.iter().flat_map(|plane| &plane.data).copied().collect();
        let x = Tensor::from_vec(samples, (1, input.len(), size.height, size.width), &self.device)?;
        let large = Size::new(size.width * self.scale(), size.height * self.scale());
        let made = self.forward(&x)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(made.chunks_exact(large.area()).map(|data| Plane { size: large, data: data.to_vec() }).collect())
    }

    /// `(1, planes, height, width)` to `(1, planes, height · scale, width · scale)`.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let mut maps: Vec<Tensor> = Vec::with_capacity(self.network.maps.len());
        for (id, map) in self.network.maps.iter().enumerate() {
            let made = self.make(id, map, x, &maps)?;
            maps.push(made);
        }
        let output = self.network.outputs.first().ok_or_else(|| candle_core::Error::Msg("nothing comes out".into()))?;
        assembled(output, &maps)
    }

    fn make(&self, id: usize, map: &Map, x: &Tensor, maps: &[Tensor]) -> candle_core::Result<Tensor> {
        let from = |k: usize| &maps[map.from[k]];
        let add = map.add.map(|add| &maps[add]);
        match &map.make {
            Make::Convolve(filter) => {
                let Some((weight, bias)) = &self.weights[id] else { candle_core::bail!("map {id} has no weights") };
                let sources = map.from.iter().map(|&from| self.bordered(from, filter.side / 2, maps));
                let sources = sources.collect::<candle_core::Result<Vec<_>>>()?;
                let sums = Tensor::cat(&sources, 1)?.conv2d(weight, 0, 1, 1, 1)?.broadcast_add(bias)?;
                match (add, filter.add_first) {
                    (None, _) => self.activated(id, &filter.activation, &sums),
                    (Some(add), true) => self.activated(id, &filter.activation, &(sums + add)?),
                    (Some(add), false) => self.activated(id, &filter.activation, &sums)? + add,
                }
            }
            Make::Combine(activation) => {
                let mut sum = from(0).clone();
                for k in 1..map.from.len() {
                    sum = (sum + from(k))?;
                }
                self.activated(id, activation, &sum)
            }
            Make::Shuffle(shuffle) => shuffled(from(0), *shuffle),
            Make::Repeat(factor) => repeated(from(0), *factor),
            Make::Input(_) => Ok(x.clone()),
            Make::ConvolveBytes(_) | Make::Quantise | Make::Dequantise => candle_core::bail!("bytes"),
        }
    }

    /// Map `id` with `half` pixels of what lies around it.
    fn bordered(&self, id: usize, half: usize, maps: &[Tensor]) -> candle_core::Result<Tensor> {
        match self.network.maps[id].border {
            _ if half == 0 => Ok(maps[id].clone()),
            Border::Zero => maps[id].pad_with_zeros(2, half, half)?.pad_with_zeros(3, half, half),
            Border::Edge => maps[id].pad_with_same(2, half, half)?.pad_with_same(3, half, half),
        }
    }

    fn activated(&self, id: usize, activation: &Activation, x: &Tensor) -> candle_core::Result<Tensor> {
        match (activation, &self.slopes[id]) {
            (Activation::Rectify, _) => x.relu(),
            (Activation::Clip(low, high), _) => x.clamp(*low, *high),
            (Activation::Slopes(_), Some(slopes)) => x.relu()? + x.minimum(0.0)?.broadcast_mul(slopes)?,
            _ => Ok(x.clone()),
        }
    }
}

fn stored(filter: &Filter, device: &Device) -> Result<(Tensor, Tensor)> {
    let shape = (filter.outputs, filter.inputs(), filter.side, filter.side);
    let weights = Tensor::from_slice(&filter.weights, shape, device)?;
    Ok((weights, Tensor::from_slice(&filter.bias, (1, filter.outputs, 1, 1), device)?))
}

fn slope(activation: &Activation, device: &Device) -> Result<Option<Tensor>> {
    match activation {
        Activation::Slopes(slopes) => Ok(Some(Tensor::from_slice(slopes, (1, slopes.len(), 1, 1), device)?)),
        _ => Ok(None),
    }
}

/// The sum of an output's terms.
fn assembled(output: &Output, maps: &[Tensor]) -> candle_core::Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for &(map, spread) in &output.terms {
        let term = match spread {
            Spread::Phases => shuffled(&maps[map], output.shuffle)?,
            Spread::Repeated => repeated(&maps[map], output.shuffle.factor)?,
        };
        sum = Some(match sum {
            Some(sum) => (sum + term)?,
            None => term,
        });
    }
    sum.ok_or_else(|| candle_core::Error::Msg("an output is made of nothing".into()))
}

/// `(1, planes · f², height, width)` to `(1, planes, height · f, width · f)`.
fn shuffled(x: &Tensor, shuffle: PixelShuffle) -> candle_core::Result<Tensor> {
    let ((_, _, height, width), f, planes) = (x.dims4()?, shuffle.factor, shuffle.planes);
    let squares = if shuffle.channels_first {
        x.reshape(&[planes, f, f, height, width])?.permute([0, 3, 1, 4, 2])?
    } else {
        x.reshape(&[f, f, planes, height, width])?.permute([2, 3, 0, 4, 1])?
    };
    squares.reshape((1, planes, height * f, width * f))
}

fn repeated(x: &Tensor, factor: usize) -> candle_core::Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    if factor == 1 { Ok(x.clone()) } else { x.upsample_nearest2d(height * factor, width * factor) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::engine::testing::{byte_chain, chain, define, pictures, tangle};

    #[test]
    fn candle_computes_what_the_network_says() {
        for network in [chain(1, 16, 3, 4), chain(3, 8, 2, 2), tangle()] {
            let size = Size::new(13, 9);
            let input = pictures(&network, size);
            let planes: Vec<Plane> =
                input[0].chunks_exact(size.area()).map(|data| Plane { size, data: data.to_vec() }).collect();
            let forward = Forward::new(network.clone(), &Device::Cpu).unwrap();
            let made: Vec<f32> = forward.run(&planes).unwrap().into_iter().flat_map(|plane| plane.data).collect();
            let expected = &define(&network, &input, size)[0];
            assert_eq!(made.len(), expected.len());
            let far = made.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-5, "{far}");
        }
    }

    #[test]
    fn what_it_cannot_run_is_refused() {
        let message = |error: Error| error.to_string();
        assert!(message(Forward::new(byte_chain(1, 4, 2, 2), &Device::Cpu).err().unwrap()).contains("bytes"));
        let forward = Forward::new(chain(3, 8, 2, 2), &Device::Cpu).unwrap();
        let two = [Plane::new(Size::new(4, 4)), Plane::new(Size::new(4, 4))];
        assert!(message(forward.run(&two).err().unwrap()).contains("3 plane(s)"));
        let odd = [Plane::new(Size::new(4, 4)), Plane::new(Size::new(4, 4)), Plane::new(Size::new(4, 5))];
        assert!(message(forward.run(&odd).err().unwrap()).contains("one size"));
    }
}
