//! Plain resampling as a generator: what the networks are measured against.

use super::generator::{Generator, Plan};
use crate::card::{Card, Colour, Precision, Tiling};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::resample::{Filter, Weights};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A filter that enlarges by a whole factor.
#[derive(Debug)]
pub struct Interpolation {
    card: Card,
    phases: Arc<[Phase]>,
}

/// Weights of the outputs that lie at one place inside an input pixel.
#[derive(Debug)]
struct Phase {
    /// The first input, counted from `halo` before the pixel.
    first: usize,
    weights: Vec<f32>,
}

impl Interpolation {
    /// `filter` by `scale`, 1 to 16.
    ///
    /// # Errors
    /// A usage error for another scale.
    pub fn new(filter: Filter, scale: usize) -> Result<Self> {
        if !(1..=16).contains(&scale) {
            return Err(Error::usage(format!("{} by {scale} is not between 1 and 16", filter.name())));
        }
        // One set of weights for each phase, taken far from any border, serves every pixel: the same bytes in any tile.
        let (length, middle) = (33, 16);
        let weights = Weights::new(length, length * scale, filter);
        let taps = || (0..scale).map(|phase| weights.taps(middle * scale + phase));
        let reach = |(first, taps): (usize, &[f32])| {
            (middle - first.min(middle)).max((first + taps.len() - 1).max(middle) - middle)
        };
        let halo = taps().map(reach).max().unwrap_or(0);
        let phases: Arc<[Phase]> =
            taps().map(|(first, taps)| Phase { first: first + halo - middle, weights: taps.to_vec() }).collect();
        let along = phases.iter().map(|phase| phase.weights.len()).sum::<usize>();
        let card = Card {
            name: format!("{}-x{scale}", filter.name()),
            scale,
            colour: Colour::Luma,
            range: [0.0, 1.0],
            tiling: Tiling::Halo(halo),
            precision: Precision::F32,
            parameters: 0,
            mac_per_pixel: (along + along * scale) as f64,
            fixed_size: None,
            min_side: 1,
            multiple: 1,
            digest: String::new(),
            training: BTreeMap::new(),
            scores: BTreeMap::new(),
        };
        Ok(Self { card, phases })
    }

    /// The filter and scale of a name such as `lanczos-x2`, or `bicubic` alone, which is then by `scale`; `None` where it
    /// names no filter.
    pub fn by_name(name: &str, scale: usize) -> Option<Result<Self>> {
        if let Some(filter) = Filter::by_name(name) {
            return Some(Self::new(filter, scale));
        }
        let (filter, scale) = name.rsplit_once("-x")?;
        Some(Self::new(Filter::by_name(filter)?, scale.parse().ok()?))
    }
}

impl Generator for Interpolation {
    fn card(&self) -> &Card {
        &self.card
    }

    fn plan(&self, input: Size) -> Result<Box<dyn Plan>> {
        let scale = self.card.scale;
        let Tiling::Halo(halo) = self.card.tiling else {
            return Err(Error::internal("an interpolation without a halo"));
        };
        let wide = vec![0.0; input.checked_scale(scale)?.width * input.height];
        Ok(Box::new(Filtering { phases: self.phases.clone(), halo, size: input, edged: vec![], wide }))
    }
}

struct Filtering {
    phases: Arc<[Phase]>,
    halo: usize,
    size: Size,
    /// One row with `halo` copies of its ends.
    edged: Vec<f32>,
    /// Every row, enlarged along itself.
    wide: Vec<f32>,
}

impl Plan for Filtering {
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
        let width = self.size.width * self.phases.len();
        for (row, wide) in input.chunks_exact(self.size.width).zip(self.wide.chunks_exact_mut(width)) {
            self.edged.clear();
            self.edged.extend(std::iter::repeat_n(row[0], self.halo));
            self.edged.extend_from_slice(row);
            self.edged.extend(std::iter::repeat_n(row[row.len() - 1], self.halo));
            for (x, outputs) in wide.chunks_exact_mut(self.phases.len()).enumerate() {
                for (phase, output) in self.phases.iter().zip(outputs) {
                    let samples = &self.edged[x + phase.first..];
                    *output = phase.weights.iter().zip(samples).fold(0.0, |sum, (w, s)| sum + w * s);
                }
            }
        }
        for (i, output) in output.chunks_exact_mut(width).enumerate() {
            let (y, phase) = (i / self.phases.len(), &self.phases[i % self.phases.len()]);
            output.fill(0.0);
            for (k, weight) in phase.weights.iter().enumerate() {
                let from = (y + phase.first + k).saturating_sub(self.halo).min(self.size.height - 1);
                let samples = &self.wide[from * width..][..width];
                output.iter_mut().zip(samples).for_each(|(sum, s)| *sum += weight * s);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::frame::Plane;
    use crate::resample::resize;
    use crate::upscale::testing::Noise;
    use crate::upscale::{PlaneUpscaler, TileOptions};

    #[test]
    fn agrees_with_the_resampler_and_tiles_exactly() {
        let size = Size::new(29, 17);
        let picture = [Noise(9).plane(size)];
        for filter in Filter::ALL {
            for scale in [1, 2, 3, 4, 7] {
                let generator = Arc::new(Interpolation::new(filter, scale).unwrap());
                let target = size.checked_scale(scale).unwrap();
                let run = |side| {
                    let tiles = TileOptions { side, threads: 2 };
                    let mut output = [Plane::new(target)];
                    PlaneUpscaler::new(generator.clone(), size, target, &tiles)
                        .unwrap()
                        .run(&picture, &mut output)
                        .unwrap();
                    output
                };
                let (whole, expected) = (run(Some(999)), resize(&picture[0], target, filter));
                let close = whole[0].data.iter().zip(&expected.data).all(|(a, b)| (a - b).abs() < 2e-6);
                assert!(close, "{filter:?} by {scale}");
                assert!((7..20).all(|side| run(Some(side)) == whole), "{filter:?} by {scale} in tiles");
            }
        }
    }

    #[test]
    fn names_are_understood() {
        let name = |text: &str| Interpolation::by_name(text, 4).map(|it| it.unwrap().card.name);
        assert_eq!((name("bicubic"), name("lanczos-x3")), (Some("bicubic-x4".into()), Some("lanczos-x3".into())));
        assert_eq!((name("medium-x4"), name("bicubic-xx")), (None, None));
        assert!(Interpolation::by_name("area-x17", 4).unwrap().is_err());
    }
}
