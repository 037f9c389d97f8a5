//! What is judged: a generator or a resampler, as one function from a small picture to a large one.

use super::picture::{Picture, append_rgb};
use crate::codec::{PictureInfo, RowSink, RowSource};
use crate::error::Result;
use crate::frame::Layout;
use crate::geometry::Size;
use crate::progress::Unwatched;
use crate::resample::{Filter, resize};
use crate::upscale::{Generator, PicturePlan, TileOptions};
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

    /// Enlarges `small` by `scale`, rounded to 8 bits. A generator takes the very way that `upres upscale` takes; a resampler
    /// works on red, green and blue.
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

/// Leads a picture through a generator on the way that the device takes.
fn generate(generator: &Arc<dyn Generator>, small: &Picture, size: Size) -> Result<Picture> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let tiles = TileOptions { threads, ..TileOptions::default() };
    let layout = if small.is_grey() { Layout::Grey } else { Layout::Rgb };
    let mut source = Reader::new(small, layout);
    let mut sink = Gatherer { layout, rgb: Vec::with_capacity(size.area() * 3) };
    PicturePlan::new(Arc::clone(generator), small.size, layout, size, &tiles)?.run(
        &mut source,
        &mut sink,
        &Unwatched,
    )?;
    Ok(Picture { size, rgb: sink.rgb })
}

/// A picture in memory as a source of rows.
struct Reader<'a> {
    picture: &'a Picture,
    info: PictureInfo,
    next_row: usize,
}

impl<'a> Reader<'a> {
    fn new(picture: &'a Picture, layout: Layout) -> Self {
        Self { picture, info: picture.info(layout), next_row: 0 }
    }
}

impl RowSource for Reader<'_> {
    fn info(&self) -> &PictureInfo {
        &self.info
    }

    fn next_row(&mut self, row: &mut [f32]) -> Result<()> {
        let samples = self.picture.row(self.next_row);
        // A grey pixel has three equal channels, of which the first is enough.
        let step = 3 / self.info.layout.channels();
        row.iter_mut().zip(samples.step_by(step)).for_each(|(to, sample)| *to = sample);
        self.next_row += 1;
        Ok(())
    }
}

/// A sink that rounds to 8 bits and keeps the picture.
struct Gatherer {
    layout: Layout,
    rgb: Vec<u8>,
}

impl RowSink for Gatherer {
    fn write_row(&mut self, row: &[f32]) -> Result<()> {
        append_rgb(&mut self.rgb, row, self.layout);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::card::{Card, Colour, Precision, Tiling};
    use crate::frame::Plane;
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
            multiple: 1,
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
            &[],
            4,
            &crate::progress::Unwatched,
            &mut crate::evaluate::Gallery::closed(),
        );
        assert!(report.is_err_and(|e| e.to_string().contains("'fake' enlarges 2 times, not 4 times")));
    }
}
