//! A small network with a known receptive field, written plainly, for the tests of this folder.

use super::generator::{Generator, Plan};
use crate::card::{Card, Colour, Precision, Tiling};
use crate::error::Result;
use crate::frame::Plane;
use crate::geometry::Size;
use std::collections::BTreeMap;

/// A luma card with dynamic sizes.
pub(crate) fn card(scale: usize, halo: usize) -> Card {
    Card {
        name: "test".into(),
        scale,
        colour: Colour::Luma,
        range: [0.0, 1.0],
        tiling: Tiling::Halo(halo),
        precision: Precision::F32,
        parameters: 1,
        mac_per_pixel: 1.0,
        fixed_size: None,
        min_side: 1,
        multiple: 1,
        digest: String::new(),
        training: BTreeMap::new(),
        scores: BTreeMap::new(),
    }
}

/// Repeatable noise from 0 to 1.
pub(crate) struct Noise(pub(crate) u32);

impl Noise {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 16_777_216.0
    }

    pub(crate) fn plane(&mut self, size: Size) -> Plane {
        Plane::from_fn(size, |_, _| self.next())
    }
}

/// Three 3×3 convolutions with zero padding and ReLU between them, then a pixel shuffle. Receptive-field radius 3; every
/// border that a window has and the picture has not changes three pixels.
#[derive(Clone)]
pub(crate) struct Network {
    card: Card,
    /// Channels in, channels out, `[out][in][9]`.
    layers: Vec<(usize, usize, Vec<f32>)>,
}

impl Network {
    pub(crate) const HALO: usize = 3;

    pub(crate) fn new(scale: usize, colour: Colour) -> Self {
        let (planes, mut noise) = (colour.planes(), Noise(7));
        let mut layer = |i: usize, o: usize| (i, o, (0..i * o * 9).map(|_| (noise.next() - 0.35) / i as f32).collect());
        let layers = vec![layer(planes, 4), layer(4, 4), layer(4, planes * scale * scale)];
        Self { card: Card { colour, ..card(scale, Self::HALO) }, layers }
    }

    /// The same network with another card.
    pub(crate) fn with_card(mut self, change: impl FnOnce(&mut Card)) -> Self {
        change(&mut self.card);
        self
    }
}

impl Generator for Network {
    fn card(&self) -> &Card {
        &self.card
    }

    fn plan(&self, input: Size) -> Result<Box<dyn Plan>> {
        Ok(Box::new(Ready { network: self.clone(), size: input }))
    }
}

struct Ready {
    network: Network,
    size: Size,
}

impl Plan for Ready {
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
        let mut maps: Vec<Vec<f32>> = input.chunks(self.size.area()).map(<[f32]>::to_vec).collect();
        for (depth, (inputs, outputs, weights)) in self.network.layers.iter().enumerate() {
            assert_eq!(*inputs, maps.len());
            let last = depth + 1 == self.network.layers.len();
            maps = (0..*outputs)
                .map(|o| {
                    let kernels = &weights[o * inputs * 9..][..inputs * 9];
                    self.convolve(&maps, kernels).into_iter().map(|x| if last { x } else { x.max(0.0) }).collect()
                })
                .collect();
        }
        let (scale, Size { width, height }) = (self.network.card.scale, self.size);
        for (plane, block) in maps.chunks(scale * scale).enumerate() {
            for (phase, map) in block.iter().enumerate() {
                for (i, &x) in map.iter().enumerate() {
                    let row = plane * height * scale + i / width * scale + phase / scale;
                    output[row * width * scale + i % width * scale + phase % scale] = x;
                }
            }
        }
        Ok(())
    }
}

impl Ready {
    fn convolve(&self, maps: &[Vec<f32>], kernels: &[f32]) -> Vec<f32> {
        let (w, h) = (self.size.width as isize, self.size.height as isize);
        let mut sums = Vec::with_capacity(self.size.area());
        for y in 0..h {
            for x in 0..w {
                let mut sum = 0.1;
                for (map, kernel) in maps.iter().zip(kernels.chunks(9)) {
                    for (k, weight) in kernel.iter().enumerate() {
                        let (u, v) = (x + k as isize % 3 - 1, y + k as isize / 3 - 1);
                        if (0..w).contains(&u) && (0..h).contains(&v) {
                            sum += weight * map[(v * w + u) as usize];
                        }
                    }
                }
                sums.push(sum);
            }
        }
        sums
    }
}
