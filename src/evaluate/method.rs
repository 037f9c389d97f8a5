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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::card::{Card, Precision, Tiling};
    use crate::upscale::Plan;
    use std::collections::BTreeMap;

    /// Bicubic enlargement by two, posing as a network.
    struct Fake(Card);

    struct FakePlan(Size, usize);

    impl Generator for Fake {
        fn card(&self) -> &Card {
            &self.0
        }

        fn plan(&self, input: Size) -> Result<Box<dyn Plan>> {
            Ok(Box::new(FakePlan(input, self.0.colour.planes())))
        }
    }

    impl Plan for FakePlan {
        fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
            let planes = input.chunks(self.0.area()).zip(output.chunks_mut(self.0.area() * 4));
            for (small, large) in planes.take(self.1) {
                let small = Plane { size: self.0, data: small.to_vec() };
                large.copy_from_slice(&resize(&small, self.0.checked_scale(2)?, Filter::Bicubic).data);
            }
            Ok(())
        }
    }

    fn fake(colour: Colour) -> Method {
        Method::generator(Arc::new(Fake(Card {
            name: "fake".into(),
            scale: 2,
            colour,
            range: [0.0, 1.0],
            tiling: Tiling::Halo(2),
            precision: Precision::F32,
            parameters: 0,
            mac_per_pixel: 0.0,
            fixed_size: None,
            min_side: 1,
            digest: String::new(),
            training: BTreeMap::new(),
            scores: BTreeMap::new(),
        })))
    }

    #[test]
    fn a_generator_that_is_bicubic_makes_what_bicubic_makes() {
        let size = Size::new(45, 37);
        // Between 64 and 191 and smooth, so that bicubic does not overshoot: clamping is not linear.
        let wave = |i: usize| 128.0 + 60.0 * ((i % 135) as f32 / 9.0 + (i / 135) as f32 / 5.0 + (i % 3) as f32).sin();
        let small = Picture { size, rgb: (0..size.area() * 3).map(|i| wave(i) as u8).collect() };
        let expected = Method::resampler(Filter::Bicubic).enlarge(&small, 2).unwrap();
        let spread = expected.rgb.iter().max().unwrap() - expected.rgb.iter().min().unwrap();
        assert!(spread > 100, "{spread}");
        for colour in [Colour::Rgb, Colour::Luma] {
            let made = fake(colour).enlarge(&small, 2).unwrap();
            assert_eq!(made.size, Size::new(90, 74));
            // Colour there and back may move a sample that lies between two levels.
            assert!(made.rgb.iter().zip(&expected.rgb).all(|(a, b)| a.abs_diff(*b) <= 1), "{colour:?}");
        }
    }

    #[test]
    fn a_generator_of_another_scale_is_refused() {
        let set = crate::evaluate::Set { name: "empty".into(), pairs: Vec::new() };
        let methods = [fake(Colour::Luma)];
        let report = crate::evaluate::evaluate(
            &set,
            &methods,
            4,
            &crate::progress::Unwatched,
            &mut crate::evaluate::Gallery::closed(),
        );
        assert!(report.is_err_and(|e| e.to_string().contains("'fake' enlarges 2 times, not 4 times")));
    }
}
