//! Which of a picture's channels go through the generator, and which are resampled beside it.

use crate::card::Colour;
use crate::colour::{rgb_from_ycbcr, ycbcr_from_rgb};
use crate::frame::Layout;

/// A picture's layout beside a generator's colour.
///
/// Rows are split into planes: first the generator's (luma, or red, green and blue), then those beside it (blue and red
/// difference where a luma generator meets a coloured picture, then alpha where there is one). A grey picture gives an RGB
/// generator three equal planes and takes the luma of what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channels {
    pub(crate) layout: Layout,
    pub(crate) colour: Colour,
}

impl Channels {
    /// Planes that the generator enlarges.
    pub(crate) fn through(self) -> usize {
        self.colour.planes()
    }

    /// Planes that are resampled beside it.
    pub(crate) fn beside(self) -> usize {
        let chroma = if self.has_chroma_beside() { 2 } else { 0 };
        chroma + usize::from(self.layout.has_alpha())
    }

    fn has_chroma_beside(self) -> bool {
        self.colour == Colour::Luma && self.layout.colours() == 3
    }

    /// One interleaved row into one row of each plane.
    pub(crate) fn split(self, row: &[f32], planes: &mut [Vec<f32>]) {
        let channels = self.layout.channels();
        for (x, pixel) in row.chunks_exact(channels).enumerate() {
            match (self.layout.colours(), self.colour) {
                (1, _) => planes[..self.through()].iter_mut().for_each(|plane| plane[x] = pixel[0]),
                (_, Colour::Luma) => {
                    let colour = ycbcr_from_rgb([pixel[0], pixel[1], pixel[2]]);
                    planes.iter_mut().zip(colour).for_each(|(plane, sample)| plane[x] = sample);
                }
                (_, Colour::Rgb) => planes.iter_mut().zip(&pixel[..3]).for_each(|(plane, &sample)| plane[x] = sample),
            }
        }
        if let (true, Some(alpha)) = (self.layout.has_alpha(), planes.last_mut()) {
            let samples = row.iter().skip(channels - 1).step_by(channels);
            alpha.iter_mut().zip(samples).for_each(|(to, &sample)| *to = sample);
        }
    }

    /// One row of each plane into one interleaved row; not clamped.
    pub(crate) fn join(self, planes: &[Vec<f32>], row: &mut [f32]) {
        let channels = self.layout.channels();
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            match (self.layout.colours(), self.colour) {
                (1, Colour::Luma) => pixel[0] = planes[0][x],
                (1, Colour::Rgb) => pixel[0] = ycbcr_from_rgb([planes[0][x], planes[1][x], planes[2][x]])[0],
                (_, Colour::Luma) => {
                    pixel[..3].copy_from_slice(&rgb_from_ycbcr([planes[0][x], planes[1][x], planes[2][x]]));
                }
                (_, Colour::Rgb) => pixel.iter_mut().zip(&planes[..3]).for_each(|(to, plane)| *to = plane[x]),
            }
        }
        if let (true, Some(alpha)) = (self.layout.has_alpha(), planes.last()) {
            let samples = row.iter_mut().skip(channels - 1).step_by(channels);
            samples.zip(alpha).for_each(|(to, &sample)| *to = sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upscale::testing::Noise;

    #[test]
    fn every_layout_comes_back_through_every_colour() {
        for layout in [Layout::Grey, Layout::GreyAlpha, Layout::Rgb, Layout::Rgba] {
            for colour in [Colour::Luma, Colour::Rgb] {
                let channels = Channels { layout, colour };
                let mut noise = Noise(2);
                let row: Vec<f32> = (0..5 * layout.channels()).map(|_| noise.next()).collect();
                let mut planes = vec![vec![f32::NAN; 5]; channels.through() + channels.beside()];
                channels.split(&row, &mut planes);
                let mut back = vec![f32::NAN; row.len()];
                channels.join(&planes, &mut back);
                assert!(row.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-6), "{layout:?} {colour:?}");
            }
        }
        let planes = |layout, colour| Channels { layout, colour }.beside();
        assert_eq!(planes(Layout::Rgba, Colour::Luma), 3);
        assert_eq!(planes(Layout::Rgba, Colour::Rgb), 1);
        assert_eq!(planes(Layout::Grey, Colour::Luma), 0);
    }
}
