//! From a generator's samples to the picture that a person sees, as the device makes it: luma networks get their chroma by
//! bicubic enlargement.

use crate::card::Colour;
use crate::geometry::Size;
use crate::host::ops::Bicubic;
use candle_core::{Device, Result, Tensor};

/// BT.601, full range: luma and the two colour differences of red, green and blue.
const FROM_RGB: [[f32; 3]; 3] =
    [[0.299, 0.587, 0.114], [-0.168_735_9, -0.331_264_1, 0.5], [0.5, -0.418_687_6, -0.081_312_4]];
/// What the colour differences add to luma in red, green and blue.
const TO_RGB: [[f32; 2]; 3] = [[0.0, 1.402], [-0.344_136_3, -0.714_136_3], [1.772, 0.0]];

/// Makes pictures of one size.
#[derive(Debug)]
pub struct Painter {
    colour: Colour,
    bicubic: Bicubic,
    luma: Tensor,
    chroma: Tensor,
    back: Tensor,
}

impl Painter {
    /// For small pictures of `size`, `scale` times as large afterwards.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new(colour: Colour, size: Size, scale: usize, device: &Device) -> Result<Self> {
        let matrix = |values: &[f32], rows: usize| Tensor::from_slice(values, (1, rows, values.len() / rows), device);
        let [y, b, r] = FROM_RGB;
        Ok(Self {
            colour,
            bicubic: Bicubic::new(size.height, size.width, scale, device)?,
            luma: matrix(&y, 1)?,
            chroma: matrix(&[b, r].concat(), 2)?,
            back: matrix(&TO_RGB.concat(), 3)?,
        })
    }

    /// `planes` of each pixel by a matrix.
    fn mixed(matrix: &Tensor, x: &Tensor) -> Result<Tensor> {
        let (batch, _, height, width) = x.dims4()?;
        let y = matrix.broadcast_matmul(&x.flatten_from(2)?)?;
        y.reshape((batch, matrix.dim(1)?, height, width))
    }

    /// What the generator sees of `low`, `[batch, 3, height, width]`.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn input(&self, low: &Tensor) -> Result<Tensor> {
        match self.colour {
            Colour::Rgb => Ok(low.clone()),
            Colour::Luma => Self::mixed(&self.luma, low),
        }
    }

    /// Red, green and blue of `made`, what the generator made of `low`; not clamped.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn picture(&self, made: &Tensor, low: &Tensor) -> Result<Tensor> {
        match self.colour {
            Colour::Rgb => Ok(made.clone()),
            Colour::Luma => {
                let chroma = self.bicubic.enlarge(&Self::mixed(&self.chroma, low)?)?;
                Self::mixed(&self.back, &chroma)?.broadcast_add(made)
            }
        }
    }

    /// Full-range luma of a picture.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn luma(&self, picture: &Tensor) -> Result<Tensor> {
        Self::mixed(&self.luma, picture)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::colour::{rgb_from_ycbcr, ycbcr_from_rgb};

    #[test]
    fn luma_and_chroma_make_the_picture_again() {
        let (size, device) = (Size::new(5, 4), Device::Cpu);
        let painter = Painter::new(Colour::Luma, size, 1, &device).unwrap();
        let values: Vec<f32> = (0..60).map(|n| (n * 37 % 61) as f32 / 61.0).collect();
        let low = Tensor::from_vec(values.clone(), (1, 3, 4, 5), &device).unwrap();
        let luma = painter.input(&low).unwrap();
        let again: Vec<f32> = painter.picture(&luma, &low).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert!(values.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-5));
        let first = ycbcr_from_rgb([values[0], values[20], values[40]]);
        let y: Vec<f32> = luma.flatten_all().unwrap().to_vec1().unwrap();
        assert!((y[0] - first[0]).abs() < 1e-6);
        // The other way round as well, by the device's own arithmetic.
        assert!((rgb_from_ycbcr(first)[2] - values[40]).abs() < 1e-5);
    }
}
