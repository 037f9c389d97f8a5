//! Photographs in memory as pairs of 8-bit RGB pictures, and the batches of patches cut from them.

use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::host::dataset::{oriented, read_each, read_rgb8};
use crate::host::degrade::Degradation;
use crate::host::random::Random;
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;

/// A photograph and its small twin.
#[derive(Debug, Clone)]
struct Pair {
    /// Of the small one.
    size: Size,
    /// Nothing where every patch is degraded in a way of its own.
    low: Vec<u8>,
    high: Vec<u8>,
}

/// Photographs to cut from.
#[derive(Debug, Clone)]
pub struct Photographs {
    scale: usize,
    degradation: Degradation,
    pairs: Vec<Pair>,
}

/// Where a patch comes from.
struct Choice<'a> {
    pair: &'a Pair,
    x: usize,
    y: usize,
    orientation: usize,
    seed: u64,
}

/// Small pixels around a patch that is degraded in a way of its own.
const MARGIN: usize = 8;

/// Patches, red, green and blue in planes of 0..1.
#[derive(Debug, Clone, PartialEq)]
pub struct Patches {
    /// Pairs in it.
    pub count: usize,
    /// Width and height of a small patch.
    pub size: Size,
    /// `[count][3][height][width]`.
    pub low: Vec<f32>,
    /// `[count][3][height · r][width · r]`.
    pub high: Vec<f32>,
}

impl Photographs {
    /// Reads every picture under `folder` (recursively) of which a small patch of `patch × patch` can be cut. Damaged ones
    /// are reported and left out.
    ///
    /// # Errors
    /// Where the folder cannot be read or holds no usable picture.
    pub fn read(folder: &Path, scale: usize, patch: usize, degradation: Degradation) -> Result<Self> {
        let read = |path: &Path| Pair::read(path, scale, degradation).map(|pair| (pair.size, pair));
        Ok(Self { scale, degradation, pairs: read_each(folder, scale, patch, read)? })
    }

    /// How much larger the large ones are.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none; reading such a folder is an error.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Keeps the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.pairs.truncate(count.max(1));
    }

    /// Cuts `count` random patches of `patch × patch` small pixels, each in one of the eight orientations.
    pub fn batch(&self, random: &mut Random, count: usize, patch: usize) -> Patches {
        self.share(random, count, patch, 0..count)
    }

    /// Draws what [`Photographs::batch`] draws, but cuts only that `share` of it.
    pub fn share(&self, random: &mut Random, count: usize, patch: usize, share: Range<usize>) -> Patches {
        let mut choices: Vec<_> = (0..count)
            .map(|_| {
                let pair = &self.pairs[random.below(self.pairs.len())];
                let x = random.below(pair.size.width - patch + 1);
                let y = random.below(pair.size.height - patch + 1);
                Choice { pair, x, y, orientation: random.below(8), seed: random.bits() }
            })
            .collect();
        choices.truncate(share.end);
        choices.drain(..share.start.min(choices.len()));
        let (r, count) = (self.scale, choices.len());
        let (area, fine) = (3 * patch * patch, 3 * patch * patch * r * r);
        let mut patches = Patches {
            count,
            size: Size::new(patch, patch),
            low: vec![0.0; count * area],
            high: vec![0.0; count * fine],
        };
        let places = patches.low.par_chunks_mut(area).zip(patches.high.par_chunks_mut(fine)).zip(choices);
        places.for_each(|((low, high), choice)| self.cut(&choice, patch, low, high));
        patches
    }

    /// Cuts one patch and its small twin.
    fn cut(&self, choice: &Choice, patch: usize, low: &mut [f32], high: &mut [f32]) {
        let &Choice { pair, x, y, orientation, seed } = choice;
        let (Size { width, height }, r) = (pair.size, self.scale);
        cut(&pair.high, width * r, (x * r, y * r), patch * r, orientation, high);
        if !pair.low.is_empty() {
            return cut(&pair.low, width, (x, y), patch, orientation, low);
        }
        let (left, top) = (x.saturating_sub(MARGIN), y.saturating_sub(MARGIN));
        let size = Size::new((x + patch + MARGIN).min(width) - left, (y + patch + MARGIN).min(height) - top);
        let rows = pair.high.chunks_exact(width * r * 3).skip(top * r).take(size.height * r);
        let window: Vec<u8> = rows.flat_map(|row| &row[left * r * 3..][..size.width * r * 3]).copied().collect();
        let fine = Size::new(size.width * r, size.height * r);
        // A patch that cannot be degraded, which no size here allows, stays black.
        if let Ok((small, size)) = self.degradation.draw(&window, fine, 3, r, &mut Random::new(seed)) {
            cut(&small, size.width, (x - left, y - top), patch, orientation, low);
        }
    }

    /// The middle of photograph `n`, at most `side` small pixels wide and high, as a batch of one.
    pub fn middle(&self, n: usize, side: usize) -> Patches {
        let (pair, r) = (&self.pairs[n % self.pairs.len()], self.scale);
        let side = side.min(pair.size.width).min(pair.size.height);
        let (x, y) = ((pair.size.width - side) / 2, (pair.size.height - side) / 2);
        let mut patches = Patches {
            count: 1,
            size: Size::new(side, side),
            low: vec![0.0; 3 * side * side],
            high: vec![0.0; 3 * side * side * r * r],
        };
        let choice = Choice { pair, x, y, orientation: 0, seed: n as u64 };
        self.cut(&choice, side, &mut patches.low, &mut patches.high);
        patches
    }
}

impl Pair {
    /// Reads the photograph at `path`, crops it to a multiple of `scale`, and makes it small.
    fn read(path: &Path, scale: usize, degradation: Degradation) -> Result<Self> {
        let (size, pixels) = read_rgb8(path)?;
        let cropped = Size::new(size.width / scale * scale, size.height / scale * scale);
        if cropped.area() == 0 {
            return Err(Error::input(format!("a picture of {size} is too small")).at(path.display()));
        }
        let rows = pixels.chunks_exact(size.width * 3).take(cropped.height);
        let high: Vec<u8> = rows.flat_map(|row| &row[..cropped.width * 3]).copied().collect();
        if degradation.is_random() {
            let size = Size::new(cropped.width / scale, cropped.height / scale);
            return Ok(Self { size, low: Vec::new(), high });
        }
        let (low, size) = degradation.apply(&high, cropped, 3, scale)?;
        Ok(Self { size, low, high })
    }
}

/// The square of `side` at `corner` of interleaved `pixels`, turned, as three planes of 0..1.
fn cut(pixels: &[u8], width: usize, corner: (usize, usize), side: usize, orientation: usize, out: &mut [f32]) {
    let area = side * side;
    for y in 0..side {
        for x in 0..side {
            let (from_x, from_y) = oriented(orientation, side, x, y);
            let at = 3 * ((corner.1 + from_y) * width + corner.0 + from_x);
            for (channel, &sample) in pixels[at..at + 3].iter().enumerate() {
                out[channel * area + y * side + x] = f32::from(sample) / 255.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn photographs(degradation: Degradation) -> Photographs {
        let folder = tempfile::tempdir().unwrap();
        let picture = image::RgbImage::from_fn(50, 41, |x, y| image::Rgb([(x * 5) as u8, (y * 6) as u8, 77]));
        picture.save(folder.path().join("a.png")).unwrap();
        std::fs::write(folder.path().join("b.png"), b"no picture").unwrap();
        Photographs::read(folder.path(), 4, 8, degradation).unwrap()
    }

    #[test]
    fn patches_repeat_with_their_seed_and_pair_low_with_high() {
        for degradation in [Degradation::Bicubic, Degradation::Camera] {
            pairs_low_with_high(&photographs(degradation));
        }
    }

    fn pairs_low_with_high(data: &Photographs) {
        let patches = data.batch(&mut Random::new(3), 5, 8);
        assert_eq!(patches, data.batch(&mut Random::new(3), 5, 8));
        assert_ne!(patches, data.batch(&mut Random::new(4), 5, 8));
        let share = data.share(&mut Random::new(3), 5, 8, 1..3);
        assert_eq!((share.count, &share.low[..]), (2, &patches.low[192..3 * 192]));
        assert_eq!(share.high, &patches.high[3072..3 * 3072]);
        // Red and green run evenly: the mean of a small patch is that of its large twin, however it is turned.
        for n in 0..5 {
            for channel in 0..3 {
                let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
                let low = mean(&patches.low[(n * 3 + channel) * 64..][..64]);
                let high = mean(&patches.high[(n * 3 + channel) * 1024..][..1024]);
                // JPEG rounds a patch's colour.
                assert!(
                    (low - high).abs() < if data.degradation.is_random() { 0.08 } else { 0.02 },
                    "{n} {channel}: {low} {high}"
                );
            }
        }
    }

    #[test]
    fn the_middle_is_no_larger_than_the_picture() {
        let middle = photographs(Degradation::Bicubic).middle(7, 100);
        assert_eq!((middle.size, middle.low.len(), middle.high.len()), (Size::new(10, 10), 300, 4800));
        assert!(middle.low[200..].iter().all(|&blue| (blue - 77.0 / 255.0).abs() < 1e-6));
    }

    #[test]
    fn a_folder_without_pictures_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Photographs::read(folder.path(), 4, 8, Degradation::Bicubic).unwrap_err().to_string();
        assert!(error.contains("no usable picture") && error.contains("32 pixels"), "{error}");
    }
}
