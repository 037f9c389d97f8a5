//! Whole planes, frame after frame: planned once for one size.

use super::crew::{Crew, Rows, RowsMut, Stages, planes};
use super::generator::Generator;
use super::tile::{Grid, TileOptions};
use crate::engine::{Samples, SamplesMut};
use crate::error::{Error, Result};
use crate::frame::Plane;
use crate::geometry::Size;
use crate::progress::{Progress, Unwatched};
use crate::resample::{Filter, Weights};
use std::sync::Arc;

/// Blends the generator's pixels to the size that was asked for.
pub(crate) const FIT: Filter = Filter::Lanczos3;

/// Enlarges planes of one size to another, window by window on several threads.
///
/// The samples that come out do not depend on the number of threads nor on the tile size.
pub struct PlaneUpscaler {
    crew: Crew,
    grid: Grid,
    planes: usize,
    scale: usize,
    target: Size,
    fit: Option<Fit>,
    stages: Stages,
}

/// The way from the generator's size to the target.
struct Fit {
    /// What the generator made.
    enlarged: Vec<Plane>,
    across: Weights,
    down: Weights,
    /// Every row at the target's width.
    wide: Plane,
}

impl PlaneUpscaler {
    /// Prepares for planes of `input` pixels that become `target` pixels. Everything large is allocated here.
    ///
    /// # Errors
    /// Those of [`Grid::new`], a model error where the generator does not accept the windows, a limit error where sizes
    /// overflow.
    pub fn new(generator: Arc<dyn Generator>, input: Size, target: Size, tiles: &TileOptions) -> Result<Self> {
        let (scale, planes) = (generator.card().scale, generator.card().colour.planes());
        let grid = Grid::new(generator.as_ref(), input, tiles)?;
        let model = input.checked_scale(scale)?;
        if target.checked_area().is_none_or(|area| area == 0) {
            return Err(Error::usage(format!("{target} is no size for a picture")));
        }
        let fit = (model != target).then(|| Fit {
            enlarged: vec![Plane::new(model); planes],
            across: Weights::new(model.width, target.width, FIT),
            down: Weights::new(model.height, target.height, FIT),
            wide: Plane::new(Size::new(target.width, model.height)),
        });
        let crew = Crew::new(generator.as_ref(), grid, tiles.threads.max(1))?;
        Ok(Self { crew, grid, planes, scale, target, fit, stages: Stages::default() })
    }

    /// How the planes are cut.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Size of the planes that go in.
    pub fn input(&self) -> Size {
        self.grid.picture()
    }

    /// Size of the planes that come out.
    pub fn target(&self) -> Size {
        self.target
    }

    /// Where the time of the last run went, summed over the threads; resampling to the target is not in it.
    pub fn stages(&self) -> Stages {
        self.stages
    }

    /// Enlarges `input` (one plane for each of the generator's, of the planned size) into `output` (as many, of the target
    /// size). Samples are 0.0 to 1.0 and may overshoot in `output`; they are not clamped.
    ///
    /// # Errors
    /// An internal error where number or size of the planes is not as planned; the generator's errors.
    pub fn run(&mut self, input: &[Plane], output: &mut [Plane]) -> Result<()> {
        self.run_watched(input, output, &Unwatched)
    }

    /// Whether [`PlaneUpscaler::run_codes`] will do: the target is as large as what the generator makes.
    pub fn takes_codes(&self) -> bool {
        self.fit.is_none()
    }

    /// Enlarges planes of 8-bit codes, of which a sample is `levels[0] · code + levels[1]`, to planes of such codes: the
    /// nearest ones. Where the generator streams, no picture of floats exists in between.
    ///
    /// # Errors
    /// As [`PlaneUpscaler::run`]; an internal error where [`PlaneUpscaler::takes_codes`] is not true.
    pub fn run_codes(&mut self, input: &[&[u8]], output: &mut [&mut [u8]], levels: [f32; 2]) -> Result<()> {
        let sizes = input.iter().all(|codes| codes.len() == self.input().area())
            && output.iter().all(|codes| codes.len() == self.target.area());
        if !sizes || input.len() != self.planes || output.len() != self.planes || !self.takes_codes() {
            return Err(Error::internal(format!("codes are not as planned: {} to {}", self.input(), self.target)));
        }
        let sources = planes(input.iter().map(|codes| Samples::Codes(codes, levels)));
        let rows = Rows { picture: self.grid.picture(), first: 0, planes: sources };
        let targets = planes(output.iter_mut().map(|codes| SamplesMut::Codes(codes, levels)));
        let into = RowsMut { width: self.target.width, first: 0, planes: targets };
        self.stages = self.crew.run(0..self.grid.len(), &rows, into, &Unwatched)?;
        Ok(())
    }

    /// [`PlaneUpscaler::run`] with someone who watches; one unit of progress is one pixel of `input`.
    pub fn run_watched(&mut self, input: &[Plane], output: &mut [Plane], progress: &dyn Progress) -> Result<()> {
        let fits = |planes: &[Plane], size: Size| {
            planes.len() == self.planes && planes.iter().all(|p| p.size == size && p.data.len() == size.area())
        };
        if !fits(input, self.input()) || !fits(output, self.target) {
            return Err(Error::internal(format!("planes are not as planned: {} to {}", self.input(), self.target)));
        }
        let sources = planes(input.iter().map(|plane| Samples::Float(&plane.data)));
        let rows = Rows { picture: self.grid.picture(), first: 0, planes: sources };
        let enlarged = self.fit.as_mut().map_or(&mut *output, |fit| &mut fit.enlarged);
        let targets = planes(enlarged.iter_mut().map(|plane| SamplesMut::Float(&mut plane.data)));
        let into = RowsMut { width: self.grid.picture().width * self.scale, first: 0, planes: targets };
        self.stages = self.crew.run(0..self.grid.len(), &rows, into, progress)?;
        if let Some(fit) = &mut self.fit {
            fit.run(output);
        }
        Ok(())
    }
}

impl Fit {
    fn run(&mut self, output: &mut [Plane]) {
        for (plane, target) in self.enlarged.iter().zip(output) {
            for y in 0..plane.size.height {
                self.across.filter_row(plane.row(y), self.wide.row_mut(y));
            }
            for y in 0..target.size.height {
                self.down.blend_rows(y, |k| self.wide.row(k), target.row_mut(y));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::card::{Colour, Tiling};
    use crate::resample::resize;
    use crate::upscale::testing::{Network, Noise};

    fn enlarge(network: &Network, input: &[Plane], target: Size, tiles: TileOptions) -> Result<Vec<Plane>> {
        let mut upscaler = PlaneUpscaler::new(Arc::new(network.clone()), input[0].size, target, &tiles)?;
        let mut output = vec![Plane::from_fn(target, |_, _| f32::NAN); input.len()];
        upscaler.run(input, &mut output)?;
        Ok(output)
    }

    /// The whole picture through the network at once, with no tile arithmetic at all.
    fn whole(network: &Network, input: &[Plane]) -> Vec<Plane> {
        let (size, scale) = (input[0].size, network.card().scale);
        let large = size.checked_scale(scale).unwrap();
        let mut output = vec![0.0; large.area() * input.len()];
        let gathered: Vec<f32> = input.iter().flat_map(|plane| plane.data.clone()).collect();
        network.plan(size).unwrap().run(&gathered, &mut output).unwrap();
        output.chunks(large.area()).map(|data| Plane { size: large, data: data.to_vec() }).collect()
    }

    #[test]
    fn tiled_equals_untiled_bit_for_bit_at_every_tile_size() {
        for (scale, colour, size) in [(2, Colour::Luma, Size::new(37, 29)), (3, Colour::Rgb, Size::new(23, 41))] {
            let network = Network::new(scale, colour);
            let mut noise = Noise(1);
            let input: Vec<Plane> = (0..colour.planes()).map(|_| noise.plane(size)).collect();
            let expected = whole(&network, &input);
            for side in (2 * Network::HALO + 1..48).map(Some).chain([None, Some(usize::MAX / 4)]) {
                for threads in [1, 3] {
                    let got = enlarge(&network, &input, expected[0].size, TileOptions { side, threads }).unwrap();
                    assert!(got == expected, "tiles of {side:?} on {threads} threads differ");
                }
            }
        }
    }

    #[test]
    fn a_halo_one_pixel_too_small_is_seen() {
        let honest = Network::new(2, Colour::Luma);
        let short = honest.clone().with_card(|card| card.tiling = Tiling::Halo(Network::HALO - 1));
        for side in 2 * Network::HALO..36 {
            // Two by two windows that overlap by no more than the short halo asks for.
            let length = 2 * side - 2 * (Network::HALO - 1);
            let input = [Noise(1).plane(Size::new(length, length))];
            let expected = whole(&honest, &input);
            let got = enlarge(&short, &input, expected[0].size, TileOptions { side: Some(side), threads: 1 }).unwrap();
            assert!(got != expected, "tiles of {side} hide a missing halo");
        }
    }

    #[test]
    fn the_same_bytes_at_every_factor() {
        let network = Network::new(3, Colour::Luma);
        let input = [Noise(3).plane(Size::new(31, 22))];
        let expected = whole(&network, &input);
        for target in [Size::new(62, 44), Size::new(77, 55), Size::new(31, 22), Size::new(248, 176), Size::new(1, 1)] {
            let expected = resize(&expected[0], target, FIT);
            for (side, threads) in [(None, 1), (Some(9), 2), (Some(17), 3)] {
                let got = enlarge(&network, &input, target, TileOptions { side, threads }).unwrap();
                assert!(got[0] == expected, "{target} with tiles of {side:?} differs");
            }
        }
    }

    #[test]
    fn models_of_fixed_size_take_smaller_and_larger_pictures() {
        let network = Network::new(2, Colour::Luma);
        let fixed = network.clone().with_card(|card| card.fixed_size = Some([16, 20]));
        let small = Noise(5).plane(Size::new(9, 7));
        let padded = Plane::from_fn(Size::new(16, 20), |x, y| small.row(y.min(6))[x.min(8)]);
        let expected = whole(&network, &[padded])[0].crop(crate::geometry::Rect::new(0, 0, Size::new(18, 14)));
        let got = enlarge(&fixed, &[small], Size::new(18, 14), TileOptions::default()).unwrap();
        assert!(got[0] == expected, "a small picture is continued by its edge");

        let large = [Noise(6).plane(Size::new(50, 33))];
        let got = enlarge(&fixed, &large, Size::new(100, 66), TileOptions::default()).unwrap();
        assert!(got == whole(&network, &large), "a large picture is cut into windows of the fixed size");
    }

    #[test]
    fn planes_that_were_not_planned_are_refused() {
        let network: Arc<dyn Generator> = Arc::new(Network::new(2, Colour::Luma));
        let (size, target) = (Size::new(8, 8), Size::new(16, 16));
        let mut upscaler = PlaneUpscaler::new(network.clone(), size, target, &TileOptions::default()).unwrap();
        let (good, wrong) = ([Plane::new(size)], [Plane::new(Size::new(8, 9))]);
        assert!(upscaler.run(&wrong, &mut [Plane::new(target)]).is_err());
        assert!(upscaler.run(&good, &mut [Plane::new(size)]).is_err());
        assert!(upscaler.run(&good, &mut [Plane::new(target), Plane::new(target)]).is_err());
        assert!(upscaler.run(&good, &mut [Plane::new(target)]).is_ok());
        assert!(PlaneUpscaler::new(network, size, Size::new(0, 16), &TileOptions::default()).is_err());
    }
}
