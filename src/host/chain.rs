//! The plain network that training ends in: a chain of 3×3 convolutions, every branch merged.
//!
//! For an input luma plane x and a factor r,
//! `y = base(x) + shuffle(conv_n(relu(conv_{n-1}(… relu(conv_1(x))))))`, where every `conv` is 3×3, stride 1, zero-padded by
//! one and biased, the last one has r² outputs, `shuffle` is the pixel shuffle of ESPCN (Shi 2016, equation 4): output
//! pixel (x·r + i, y·r + j) comes from channel j·r + i at (x, y); and `base` is bilinear enlargement.

use crate::error::{Error, Result};

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
        let mut channels = 1;
        for (i, layer) in self.layers.iter().enumerate() {
            let fits = layer.inputs == channels
                && layer.weight.len() == layer.outputs * layer.inputs * 9
                && layer.bias.len() == layer.outputs;
            if !fits {
                return Err(Error::model(format!("layer {i} does not fit its neighbours")));
            }
            channels = layer.outputs;
        }
        match channels == self.scale * self.scale && !self.layers.is_empty() {
            true => Ok(()),
            false => Err(Error::model(format!("{channels} last channels cannot be shuffled by {}", self.scale))),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
