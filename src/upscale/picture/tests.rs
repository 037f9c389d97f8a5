#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::card::{Colour, Tiling};
use crate::codec::{Metadata, PictureInfo};
use crate::frame::{Depth, Plane};
use crate::progress::Unwatched;
use crate::resample::{Filter, resize};
use crate::upscale::testing::{Network, Noise};
use crate::upscale::{Factor, Interpolation, Plan, PlaneUpscaler};

/// A picture in memory, interleaved.
#[derive(Clone, PartialEq, Debug)]
struct Picture {
    size: Size,
    layout: Layout,
    samples: Vec<f32>,
}

struct Reader {
    info: PictureInfo,
    samples: std::vec::IntoIter<f32>,
}

impl RowSource for Reader {
    fn info(&self) -> &PictureInfo {
        &self.info
    }

    fn next_row(&mut self, row: &mut [f32]) -> Result<()> {
        for sample in row {
            *sample = self.samples.next().ok_or_else(|| Error::input("the picture ends early"))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Writer {
    samples: Vec<f32>,
    /// Fails from this many rows on.
    full_after: Option<usize>,
    rows: usize,
}

impl RowSink for Writer {
    fn write_row(&mut self, row: &[f32]) -> Result<()> {
        if self.full_after == Some(self.rows) {
            return Err(Error::new(Kind::Io, "no space left"));
        }
        self.rows += 1;
        self.samples.extend_from_slice(row);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Picture {
    fn noise(size: Size, layout: Layout) -> Self {
        let mut noise = Noise(11);
        Self { size, layout, samples: (0..size.area() * layout.channels()).map(|_| noise.next()).collect() }
    }

    fn reader(&self) -> Reader {
        let info = PictureInfo {
            size: self.size,
            layout: self.layout,
            depth: Depth::Sixteen,
            metadata: Metadata::default(),
            streams: true,
        };
        Reader { info, samples: self.samples.clone().into_iter() }
    }

    fn channel(&self, channel: usize) -> Plane {
        let samples = self.samples.iter().skip(channel).step_by(self.layout.channels());
        Plane { size: self.size, data: samples.copied().collect() }
    }

    fn enlarged(&self, generator: Arc<dyn Generator>, target: Size, tiles: TileOptions) -> Result<Self> {
        let plan = PicturePlan::new(generator, self.size, self.layout, target, &tiles)?;
        let mut writer = Writer::default();
        plan.run(&mut self.reader(), &mut writer, &Unwatched)?;
        Ok(Self { size: target, layout: self.layout, samples: writer.samples })
    }
}

const LAYOUTS: [Layout; 4] = [Layout::Grey, Layout::GreyAlpha, Layout::Rgb, Layout::Rgba];

#[test]
fn the_same_bytes_for_every_layout_factor_tile_and_thread() {
    for layout in LAYOUTS {
        for colour in [Colour::Luma, Colour::Rgb] {
            let picture = Picture::noise(Size::new(35, 44), layout);
            let generator: Arc<dyn Generator> = Arc::new(Network::new(2, colour));
            for factor in [1.0, 1.3, 2.0, 3.0] {
                let target = Factor::new(factor).unwrap().apply(picture.size).unwrap();
                let run =
                    |side, threads| picture.enlarged(generator.clone(), target, TileOptions { side, threads }).unwrap();
                let whole = run(Some(4096), 1);
                assert_eq!(whole.samples.len(), target.area() * layout.channels());
                for (side, threads) in [(7, 1), (8, 3), (13, 2), (20, 1), (36, 4)] {
                    assert!(run(Some(side), threads) == whole, "{layout:?} {colour:?} by {factor}, tiles of {side}");
                }
                assert!(run(None, 3) == whole);
            }
        }
    }
}

#[test]
fn luma_takes_the_generator_and_the_rest_is_bicubic() {
    let picture = Picture::noise(Size::new(21, 18), Layout::Rgb);
    let network: Arc<dyn Generator> = Arc::new(Network::new(2, Colour::Luma));
    let target = Size::new(42, 36);
    let got = picture.enlarged(network.clone(), target, TileOptions { side: Some(9), threads: 2 }).unwrap();

    let pixel = |i: usize| std::array::from_fn(|c| picture.samples[3 * i + c]);
    let plane = |c: usize| Plane {
        size: picture.size,
        data: (0..picture.size.area()).map(|i| crate::colour::ycbcr_from_rgb(pixel(i))[c]).collect(),
    };
    let mut luma = [Plane::new(target)];
    let mut upscaler = PlaneUpscaler::new(network, picture.size, target, &TileOptions::default()).unwrap();
    upscaler.run(&[plane(0)], &mut luma).unwrap();
    let chroma = [1, 2].map(|c| resize(&plane(c), target, Filter::Bicubic));
    for (i, colour) in got.samples.chunks(3).enumerate() {
        let expected = crate::colour::rgb_from_ycbcr([luma[0].data[i], chroma[0].data[i], chroma[1].data[i]]);
        assert!(colour.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "pixel {i}");
    }
}

#[test]
fn grey_pictures_stay_grey_through_colour_generators() {
    let picture = Picture::noise(Size::new(12, 10), Layout::Grey);
    let network: Arc<dyn Generator> = Arc::new(Network::new(2, Colour::Rgb));
    let got = picture.enlarged(network.clone(), Size::new(24, 20), TileOptions::default()).unwrap();
    let mut planes = vec![Plane::new(got.size); 3];
    let mut upscaler = PlaneUpscaler::new(network, picture.size, got.size, &TileOptions::default()).unwrap();
    upscaler.run(&vec![picture.channel(0); 3], &mut planes).unwrap();
    for (i, grey) in got.samples.iter().enumerate() {
        let expected = 0.299 * planes[0].data[i] + 0.587 * planes[1].data[i] + 0.114 * planes[2].data[i];
        assert!((grey - expected).abs() < 1e-5, "pixel {i}");
    }
}

#[test]
fn no_dark_fringe_around_what_is_opaque() {
    // A white disc on black that is fully transparent, as many editors save it.
    let size = Size::new(48, 48);
    let mut picture = Picture { size, layout: Layout::Rgba, samples: vec![] };
    for i in 0..size.area() {
        let (x, y) = ((i % 48) as f32 - 23.5, (i / 48) as f32 - 23.5);
        let alpha = (15.0 - x.hypot(y)).clamp(0.0, 1.0);
        let colour = if alpha > 0.0 { 1.0 } else { 0.0 };
        picture.samples.extend([colour, colour, colour, alpha]);
    }
    let bicubic = Arc::new(Interpolation::new(Filter::Bicubic, 4).unwrap());
    for target in [Size::new(192, 192), Size::new(130, 130)] {
        let got = picture.enlarged(bicubic.clone(), target, TileOptions { side: Some(20), threads: 2 }).unwrap();
        let mut seen = 0;
        for pixel in got.samples.chunks(4).filter(|pixel| pixel[3] > 0.0) {
            assert!(pixel[..3].iter().all(|c| (c - 1.0).abs() < 1e-3), "a fringe of {pixel:?}");
            seen += 1;
        }
        assert!(seen > target.area() / 4);
    }
}

#[test]
fn factor_one_passes_every_sample_unchanged() {
    for layout in LAYOUTS {
        let picture = Picture::noise(Size::new(9, 7), layout);
        let network = Arc::new(Network::new(4, Colour::Luma));
        assert!(picture.enlarged(network, picture.size, TileOptions::default()).unwrap() == picture);
    }
}

/// Someone who wants everything to stop.
struct Impatient;

impl Progress for Impatient {
    fn advance(&self, _amount: u64) {}

    fn stopped(&self) -> bool {
        true
    }
}

#[test]
fn the_first_cause_is_told() {
    let picture = Picture::noise(Size::new(40, 40), Layout::Rgb);
    let network: Arc<dyn Generator> = Arc::new(Network::new(2, Colour::Luma));
    let tiles = TileOptions { side: Some(10), threads: 2 };
    let plan = PicturePlan::new(network, picture.size, picture.layout, Size::new(80, 80), &tiles).unwrap();
    let mut full = Writer { full_after: Some(9), ..Writer::default() };
    let error = plan.run(&mut picture.reader(), &mut full, &Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "no space left");

    let mut cut = picture.reader();
    cut.samples.nth_back(2000);
    let error = plan.run(&mut cut, &mut Writer::default(), &Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "the picture ends early");

    let error = plan.run(&mut picture.reader(), &mut Writer::default(), &Impatient).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
}

/// A generator whose plan panics.
struct Crashing(Network);
struct Crash;

impl Generator for Crashing {
    fn card(&self) -> &crate::card::Card {
        self.0.card()
    }

    fn plan(&self, _input: Size) -> Result<Box<dyn Plan>> {
        Ok(Box::new(Crash))
    }
}

impl Plan for Crash {
    fn run(&mut self, _input: &[f32], _output: &mut [f32]) -> Result<()> {
        panic!("a crash on purpose");
    }
}

#[test]
fn a_generator_that_crashes_is_an_error() {
    let picture = Picture::noise(Size::new(20, 20), Layout::Grey);
    let crashing = Arc::new(Crashing(Network::new(2, Colour::Luma)));
    let error = picture.enlarged(crashing, Size::new(40, 40), TileOptions { side: None, threads: 2 }).unwrap_err();
    assert_eq!(error.kind(), Kind::Model);
}

#[test]
fn memory_does_not_grow_with_the_height() {
    let network: Arc<dyn Generator> = Arc::new(Interpolation::new(Filter::Bicubic, 4).unwrap());
    let memory = |size: Size, tiling: Option<Tiling>| {
        let generator: Arc<dyn Generator> = match tiling {
            None => network.clone(),
            Some(tiling) => Arc::new(Network::new(4, Colour::Luma).with_card(|card| card.tiling = tiling)),
        };
        let target = size.checked_scale(4).unwrap();
        PicturePlan::new(generator, size, Layout::Rgb, target, &TileOptions::default()).unwrap().memory()
    };
    let (low, high) = (memory(Size::new(10_000, 2_000), None), memory(Size::new(10_000, 10_000), None));
    assert!(high < low + low / 10, "{low} {high}");
    assert!(high < 300_000_000, "{high}");
    let whole = memory(Size::new(4_000, 4_000), Some(Tiling::Whole("it looks at everything".into())));
    assert!(whole > 2 * 16_000 * 16_000 * 4, "an untileable picture is held twice at least: {whole}");
}
