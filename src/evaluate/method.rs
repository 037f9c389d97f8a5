//! What is judged: a generator or a resampler, as one function from a small picture to a large one.

use super::picture::Picture;
use crate::card::Colour;
use crate::colour::{rgb_from_ycbcr, ycbcr_from_rgb};
use crate::error::Result;
use crate::frame::Plane;
use crate::geometry::Size;
use crate::resample::{Filter, resize};
use crate::upscale::{Generator, PlaneUpscaler, TileOptions};
use std::sync::Arc;

/// A way to enlarge pictures, with the name it has in tables.
#[derive(Clone)]
pub struct Method {
    /// Its name in tables.
    pub name: String,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Generator(Arc<dyn Generator>),
    Resampler(Filter),
}

impl Method {
    /// A generator under its card's name.
    pub fn generator(generator: Arc<dyn Generator>) -> Self {
        Self { name: generator.card().name.clone(), way: Way::Generator(generator) }
    }

    /// A resampler under its filter's name.
    pub fn resampler(filter: Filter) -> Self {
        Self { name: filter.name().to_string(), way: Way::Resampler(filter) }
    }

    /// The one factor a generator enlarges by; a resampler takes any.
    pub fn scale(&self) -> Option<usize> {
        match &self.way {
            Way::Generator(generator) => Some(generator.card().scale),
            Way::Resampler(_) => None,
        }
    }

    /// Enlarges `small` by `scale`, rounded to 8 bits. A luma generator gets the full-range luma and chroma is bicubic;
    /// a resampler works on red, green and blue.
    ///
    /// # Errors
    /// A model error where the generator fails or does not accept the size.
    pub fn enlarge(&self, small: &Picture, scale: usize) -> Result<Picture> {
        let size = small.size.checked_scale(scale)?;
        match &self.way {
            Way::Resampler(filter) => {
                Ok(Picture::from_planes(&small.planes().map(|plane| resize(&plane, size, *filter))))
            }
            Way::Generator(generator) => generate(generator, small, size),
        }
    }
}

/// Leads a picture through a generator of either colour.
fn generate(generator: &Arc<dyn Generator>, small: &Picture, size: Size) -> Result<Picture> {
    let planes = small.planes();
    match generator.card().colour {
        Colour::Rgb => Ok(Picture::from_planes(&run(generator, &planes, size)?)),
        Colour::Luma => {
            let [y, cb, cr] = mapped(&planes, ycbcr_from_rgb);
            let [y] = run(generator, &[y], size)?;
            let [cb, cr] = [cb, cr].map(|plane| resize(&plane, size, Filter::Bicubic));
            Ok(Picture::from_planes(&mapped(&[y, cb, cr], rgb_from_ycbcr)))
        }
    }
}

/// Runs `generator` on whole planes, as the device does.
fn run<const N: usize>(generator: &Arc<dyn Generator>, planes: &[Plane; N], size: Size) -> Result<[Plane; N]> {
    let mut output = std::array::from_fn(|_| Plane::new(size));
    let tiles =
        TileOptions { threads: std::thread::available_parallelism().map_or(1, usize::from), ..TileOptions::default() };
    PlaneUpscaler::new(Arc::clone(generator), planes[0].size, size, &tiles)?.run(planes, &mut output)?;
    Ok(output)
}

/// The planes of `map` applied to each pixel.
fn mapped(planes: &[Plane; 3], map: fn([f32; 3]) -> [f32; 3]) -> [Plane; 3] {
    let mut mapped = planes.clone();
    for i in 0..planes[0].data.len() {
        let colour = map([0, 1, 2].map(|c| planes[c].data[i]));
        for (plane, sample) in mapped.iter_mut().zip(colour) {
            plane.data[i] = sample;
        }
    }
    mapped
}
