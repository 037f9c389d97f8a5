//! The plain network that training ends in: a chain of 3×3 convolutions, every branch merged.
//!
//! For the planes x of a picture, luma alone or red, green and blue, and a factor r,
//! `y = base(x) + shuffle(conv_n(relu(conv_{n-1}(… relu(conv_1(x))))))`, where every `conv` is 3×3, stride 1, zero-padded by
//! one and biased, the last one has r² outputs a plane, `shuffle` is the pixel shuffle of ESPCN (Shi 2016, equation 4): output
//! pixel (x·r + i, y·r + j) of plane p comes from channel (p·r + j)·r + i at (x, y); and `base` is bilinear enlargement.

use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;

mod maps;
mod store;

pub use maps::Maps;
pub use store::Recipe;

/// One 3×3 convolution with bias.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// `[outputs][inputs][3][3]`.
    pub weight: Vec<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
}

/// A merged generator: see the module's equation.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// Enlargement r: 2, 3 or 4.
    pub scale: usize,
    /// The convolutions from input to output; ReLU after each but the last.
    pub layers: Vec<Layer>,
}

impl Chain {
    /// Checks that each layer's weights fit its channels and its neighbours.
    pub fn validate(&self) -> Result<()> {
        let layers = self.layers.iter();
        fits(self.scale, layers.map(|l| (l.inputs, l.outputs, l.weight.len(), l.bias.len())))
    }

    /// Planes of a picture: what the first layer reads.
    pub fn planes(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Weights and biases.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().map(|l| (l.weight.len() + l.bias.len()) as u64).sum()
    }

    /// Multiply-adds of the convolutions for one low-resolution pixel.
    pub fn mac_per_pixel(&self) -> f64 {
        self.layers.iter().map(|l| l.weight.len() as f64).sum()
    }

    /// Receptive-field radius: one pixel a layer, and one for the base.
    pub fn halo(&self) -> usize {
        self.layers.len().max(1)
    }

    /// The equation itself, without clipping: the planes of a picture in, as many `scale` times as large out.
    ///
    /// The chain must be valid.
    pub fn forward(&self, picture: &Maps<f32>) -> Maps<f32> {
        assemble(picture, &self.residual(picture, |_, _| ()), self.scale)
    }

    /// The last convolution's r² maps a plane. `observe` sees the index and the result of each layer, after its ReLU.
    pub fn residual(&self, picture: &Maps<f32>, mut observe: impl FnMut(usize, &Maps<f32>)) -> Maps<f32> {
        let mut maps = picture.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let floor = if i + 1 == self.layers.len() { f32::NEG_INFINITY } else { 0.0 };
            maps = maps.convolve(&layer.weight, layer.outputs, |o, sum| (sum + layer.bias[o]).max(floor));
            observe(i, &maps);
        }
        maps
    }

    /// A network of luma that adds nothing to its base.
    pub fn nothing(scale: usize) -> Self {
        let outputs = scale * scale;
        let layer = Layer { inputs: 1, outputs, weight: vec![0.0; outputs * 9], bias: vec![0.0; outputs] };
        Self { scale, layers: vec![layer] }
    }

    /// The base of `low`: bilinear, `scale` times as large.
    pub fn base(low: &Plane, scale: usize) -> Plane {
        let size = Size::new(low.size.width * scale, low.size.height * scale);
        crate::resample::resize(low, size, crate::resample::Filter::Bilinear)
    }

    /// The bilinear base as a 3×3 kernel of r² outputs over an edge-replicated input: `[r·r][3][3]`. Output phase
    /// (i, j) lies at `(i + ½)/r − ½` from the centre of its low-resolution pixel.
    pub fn base_kernel(scale: usize) -> Vec<f32> {
        let taps = |phase: usize| {
            let offset = (phase as f32 + 0.5) / scale as f32 - 0.5;
            [(-offset).max(0.0), 1.0 - offset.abs(), offset.max(0.0)]
        };
        let mut kernel = Vec::with_capacity(scale * scale * 9);
        for j in 0..scale {
            for i in 0..scale {
                for vertical in taps(j) {
                    kernel.extend(taps(i).map(|horizontal| vertical * horizontal));
                }
            }
        }
        kernel
    }
}

/// Checks layers of (inputs, outputs, weights, biases), from 1 or 3 planes to what a shuffle by `scale` takes.
pub(super) fn fits(scale: usize, mut layers: impl Iterator<Item = (usize, usize, usize, usize)> + Clone) -> Result<()> {
    let planes = layers.clone().next().map_or(0, |(inputs, ..)| inputs);
    if ![1, 3].contains(&planes) {
        return Err(Error::model(format!("{planes} planes are neither luma nor red, green and blue")));
    }
    let mut channels = planes;
    let chained = |channels: &mut usize, (inputs, outputs, weights, biases): (usize, usize, usize, usize)| {
        let fits = inputs == *channels && weights == outputs * inputs * 9 && biases == outputs;
        *channels = outputs;
        fits
    };
    if let Some(i) = layers.position(|layer| !chained(&mut channels, layer)) {
        return Err(Error::model(format!("layer {i} does not fit its neighbours")));
    }
    if channels == planes * scale * scale {
        Ok(())
    } else {
        Err(Error::model(format!("{channels} last channels cannot be shuffled by {scale}")))
    }
}

/// Adds the base of `picture` to the r² maps a plane of its residual, and shuffles.
pub fn assemble(picture: &Maps<f32>, residual: &Maps<f32>, scale: usize) -> Maps<f32> {
    let mut edged = picture.clone();
    edged.replicate_border();
    let mut sum = edged.convolve_each(&Chain::base_kernel(scale));
    sum += residual;
    sum.shuffle(scale)
}

/// Networks for tests.
#[cfg(test)]
impl Chain {
    /// A repeatable network of luma: hidden layers of `widths` channels with He-sized weights and a small last layer.
    pub(crate) fn sketch(scale: usize, widths: &[usize]) -> Self {
        Self::sketch_of(1, scale, widths)
    }

    /// The same for any number of planes.
    pub(crate) fn sketch_of(planes: usize, scale: usize, widths: &[usize]) -> Self {
        let mut seed = 1u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let mut layers = Vec::new();
        let mut inputs = planes;
        for (i, &outputs) in widths.iter().chain(&[planes * scale * scale]).enumerate() {
            let last = if i == widths.len() { 0.1 } else { 1.0 };
            let size = last * (6.0 / (inputs * 9) as f32).sqrt();
            let weight = (0..outputs * inputs * 9).map(|_| size * next()).collect();
            let bias = (0..outputs).map(|_| 0.1 * last * next()).collect();
            layers.push(Layer { inputs, outputs, weight, bias });
            inputs = outputs;
        }
        Self { scale, layers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values by numpy:
    /// ```python
    /// import numpy as np
    /// x = np.array([[.1, .9, .3], [.5, .2, .8]])
    /// w1 = (np.arange(18) - 8).reshape(2, 1, 3, 3) / 20; b1 = [.05, -.1]
    /// w2 = ((np.arange(72) * 7) % 19 - 9).reshape(4, 2, 3, 3) / 60; b2 = [.01, .02, -.03, 0]
    /// def conv(x, w, b, mode='constant'):
    ///     p = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode=mode); h, v = x.shape[1:]
    ///     return np.array([sum(w[o, c, i, j] * p[c, i:i+h, j:j+v] for c in range(len(x)) for i in range(3) for j in range(3)) + b[o] for o in range(len(w))])
    /// res = conv(np.maximum(conv(x[None], w1, b1), 0), w2, b2)
    /// t = [np.array([max(-d, 0), 1 - abs(d), max(d, 0)]) for d in (-.25, .25)]
    /// base = conv(x[None], np.array([[np.outer(t[j], t[i])] for j in (0, 1) for i in (0, 1)]), [0]*4, 'edge')
    /// s = base + res; y = np.zeros((4, 6))
    /// for c in range(4): y[c//2::2, c%2::2] = s[c]
    /// print(np.round(y, 6).tolist())
    /// ```
    #[test]
    #[allow(clippy::unreadable_literal)]
    fn forward_equals_numpy() {
        let x = Maps::from_samples(Size::new(3, 2), &[0.1, 0.9, 0.3, 0.5, 0.2, 0.8]);
        let w1 = (0..18).map(|i| (i - 8) as f32 / 20.0).collect();
        let w2 = (0..72).map(|i| ((i * 7) % 19 - 9) as f32 / 60.0).collect();
        let chain = Chain {
            scale: 2,
            layers: vec![
                Layer { inputs: 1, outputs: 2, weight: w1, bias: vec![0.05, -0.1] },
                Layer { inputs: 2, outputs: 4, weight: w2, bias: vec![0.01, 0.02, -0.03, 0.0] },
            ],
        };
        let y = chain.forward(&x);
        let expected: [f32; 24] = [
            0.0755, 0.458083, 0.77925, 0.7585, 0.536167, 0.158167, 0.075333, 0.23025, 0.45725, 0.627417, 0.4755,
            0.433167, 0.309, 0.485333, 0.368667, 0.52025, 0.618167, 0.734333, 0.462417, 0.526667, 0.315833, 0.408167,
            0.730083, 0.740167,
        ];
        for (got, want) in y.samples().iter().zip(expected) {
            assert!((got - want).abs() < 2e-6, "{y:?}");
        }
    }

    /// Training takes its targets from one, the exported graph computes the other.
    #[test]
    fn the_base_kernel_gives_the_base() {
        let low = Plane::from_fn(Size::new(7, 5), |x, y| ((x * 31 + y * 17) % 23) as f32 / 23.0);
        for scale in 2..=4 {
            let nothing = Chain::nothing(scale).forward(&Maps::from_plane(&low));
            let base = Chain::base(&low, scale);
            assert!(nothing.samples().iter().zip(&base.data).all(|(a, b)| (a - b).abs() < 1e-6), "{scale}");
        }
    }

    #[test]
    fn base_kernel_is_bilinear() {
        let kernel = Chain::base_kernel(4);
        assert_eq!(kernel.len(), 16 * 9);
        for phase in kernel.chunks(9) {
            assert!((phase.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        // Phase (0, 0) of ×4 lies 3/8 of a pixel up and left: 5/8 of the centre, 3/8 of each neighbour, a side.
        let expected = [9.0, 15.0, 0.0, 15.0, 25.0, 0.0, 0.0, 0.0, 0.0].map(|n| n / 64.0);
        assert!(kernel[..9].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", &kernel[..9]);
    }
}
