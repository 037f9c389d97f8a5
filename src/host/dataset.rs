//! Photographs in memory as pairs of planes, and the batches cut from them.

use crate::error::{Error, Result};
use crate::frame::{Depth, Plane};
use crate::geometry::Size;
use crate::host::chain::Chain;
use crate::host::degrade::Degradation;
use crate::host::random::Random;
use crate::{codec, colour};
use rayon::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Low-resolution side from which a picture has something inside the border that a score leaves out.
pub const SCORED_SIDE: usize = 3;

/// A photograph made small, and what bilinear enlargement of that misses: full-range luma in 16 bits a sample.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Low resolution.
    size: Size,
    scale: usize,
    low: Vec<u16>,
    /// High resolution less the base, shuffled back to low resolution: `[r²][height][width]`.
    residual: Vec<i16>,
}

/// Pairs for training or validation.
#[derive(Debug, Clone)]
pub struct Dataset {
    scale: usize,
    pairs: Vec<Pair>,
}

/// One batch: what the network sees, and the residual it should answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `[batch][patch][patch]` low-resolution luma.
    pub input: Vec<f32>,
    /// `[batch][r²][patch][patch]`: high-resolution luma less the base, shuffled back to low resolution.
    pub target: Vec<f32>,
}

/// Full-range luma of interleaved 8-bit red, green and blue.
fn luma(pixels: &[u8], size: Size) -> Plane {
    let luma = |p: &[u8]| colour::ycbcr_from_rgb([p[0], p[1], p[2]].map(|v| f32::from(v) / 255.0))[0];
    Plane { size, data: pixels.chunks_exact(3).map(luma).collect() }
}

impl Pair {
    /// Reads the photograph at `path`, crops it to a multiple of `scale`, and makes it small.
    fn read(path: &Path, scale: usize, degradation: Degradation) -> Result<Self> {
        let (size, pixels) = read_rgb8(path)?;
        let cut = Size::new(size.width / scale * scale, size.height / scale * scale);
        if cut.area() == 0 {
            return Err(Error::input(format!("a picture of {size} is too small")).at(path.display()));
        }
        let rows = pixels.chunks_exact(size.width * 3).take(cut.height);
        let cropped: Vec<u8> = rows.flat_map(|row| &row[..cut.width * 3]).copied().collect();
        let (small, small_size) = degradation.apply(&cropped, cut, 3, scale)?;
        Ok(Self::new(&luma(&cropped, cut), &luma(&small, small_size), scale))
    }

    fn new(high: &Plane, low: &Plane, scale: usize) -> Self {
        let low_16 = low.data.iter().map(|v| (v * 65535.0 + 0.5).clamp(0.0, 65535.0) as u16).collect();
        let mut pair = Self { size: low.size, scale, low: low_16, residual: vec![0; high.size.area()] };
        let (base, area) = (Chain::base(&pair.low(), scale), pair.size.area());
        for y in 0..high.size.height {
            for (x, (high, base)) in high.row(y).iter().zip(base.row(y)).enumerate() {
                let phase = y % scale * scale + x % scale;
                let difference = ((high - base) * 32767.0).round() as i16;
                pair.residual[phase * area + y / scale * pair.size.width + x / scale] = difference;
            }
        }
        pair
    }

    /// Low-resolution luma.
    pub fn low(&self) -> Plane {
        Plane { size: self.size, data: self.low.iter().map(|&v| f32::from(v) / 65535.0).collect() }
    }

    /// High-resolution luma.
    pub fn high(&self) -> Plane {
        let (r, area, width) = (self.scale, self.size.area(), self.size.width);
        let mut high = Chain::base(&self.low(), r);
        let fine = high.size.width;
        for (n, value) in high.data.iter_mut().enumerate() {
            let (x, y) = (n % fine, n / fine);
            *value += missed(self.residual[(y % r * r + x % r) * area + y / r * width + x / r]);
        }
        high
    }
}

/// A stored residual.
fn missed(value: i16) -> f32 {
    f32::from(value) / 32767.0
}

/// The picture at `path` as interleaved 8-bit red, green and blue; alpha is left out.
pub(super) fn read_rgb8(path: &Path) -> Result<(Size, Vec<u8>)> {
    let mut source = codec::open(path, &codec::Limits::default())?;
    let (size, layout) = (source.info().size, source.info().layout);
    let mut row = vec![0.0; size.width * layout.channels()];
    let mut pixels = Vec::with_capacity(size.area() * 3);
    for _ in 0..size.height {
        source.next_row(&mut row)?;
        for pixel in row.chunks_exact(layout.channels()) {
            let channel = |c: usize| pixel[c.min(layout.colours() - 1)];
            pixels.extend([0, 1, 2].map(|c| Depth::Eight.quantise(channel(c)) as u8));
        }
    }
    Ok((size, pixels))
}

/// Every picture file under `folder`, sorted, so that a seed means the same batches everywhere.
fn picture_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|e| Error::io("cannot read the folder", &folder, e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("cannot read the folder", &folder, e))?;
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                _ if codec::Format::from_extension(&path).is_some() => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What `read` makes of every picture under `folder` (recursively), of those whose size, as it tells it, holds a patch of `patch`
/// × `patch`. Damaged and smaller ones are reported and left out.
///
/// # Errors
/// Where the folder cannot be read or nothing is left.
pub(super) fn read_each<T: Send>(
    folder: &Path,
    scale: usize,
    patch: usize,
    read: impl Fn(&Path) -> Result<(Size, T)> + Sync,
) -> Result<Vec<T>> {
    let usable = |path: &PathBuf| match read(path) {
        Ok((size, picture)) if size.width.min(size.height) >= patch => Some(picture),
        Ok(_) => {
            log::warn!("{}: smaller than a patch, left out", path.display());
            None
        }
        Err(error) => {
            log::warn!("left out: {error}");
            None
        }
    };
    let pictures: Vec<T> = picture_files(folder)?.par_iter().filter_map(usable).collect();
    if pictures.is_empty() {
        return Err(Error::input(format!("{} holds no usable picture", folder.display()))
            .fix(format!("give a folder of photographs at least {} pixels wide and high", patch * scale)));
    }
    Ok(pictures)
}

impl Dataset {
    /// Reads every picture under `folder` (recursively) with a low side of at least `patch`. Damaged ones are reported and
    /// left out.
    ///
    /// # Errors
    /// Where the folder cannot be read or holds no usable picture.
    pub fn read(folder: &Path, scale: usize, patch: usize, degradation: Degradation) -> Result<Self> {
        let read = |path: &Path| Pair::read(path, scale, degradation).map(|pair| (pair.size, pair));
        Ok(Self { scale, pairs: read_each(folder, scale, patch, read)? })
    }

    /// The pairs.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Cuts `count` random patches of `patch × patch` low-resolution pixels, each in one of the eight orientations.
    pub fn batch(&self, random: &mut Random, count: usize, patch: usize) -> Batch {
        self.share(random, count, patch, 0..count)
    }

    /// Draws what [`Dataset::batch`] draws, but cuts only that `share` of it.
    pub fn share(&self, random: &mut Random, count: usize, patch: usize, share: Range<usize>) -> Batch {
        let mut choices: Vec<_> = (0..count)
            .map(|_| {
                let pair = &self.pairs[random.below(self.pairs.len())];
                let x = random.below(pair.size.width - patch + 1);
                let y = random.below(pair.size.height - patch + 1);
                (pair, x, y, random.below(8))
            })
            .collect();
        choices.truncate(share.end);
        choices.drain(..share.start.min(choices.len()));
        let (area, count) = (patch * patch, choices.len());
        let mut batch =
            Batch { input: vec![0.0; count * area], target: vec![0.0; count * area * self.scale * self.scale] };
        let targets = batch.target.par_chunks_exact_mut(area * self.scale * self.scale);
        batch.input.par_chunks_exact_mut(area).zip(targets).zip(choices).for_each(
            |((input, target), (pair, x, y, orientation))| {
                let first = y * pair.size.width + x;
                self.cut(pair, &Window { stride: pair.size.width, first, side: patch, orientation }, input, target);
            },
        );
        batch
    }

    fn cut(&self, pair: &Pair, window: &Window, input: &mut [f32], target: &mut [f32]) {
        let r = self.scale;
        window.cut(&pair.low, |v| f32::from(v) / 65535.0, input);
        for (phase, target) in target.chunks_exact_mut(input.len()).enumerate() {
            // The r² phases of a pixel turn with it.
            let (i, j) = oriented(window.orientation, r, phase % r, phase / r);
            window.cut(&pair.residual[(j * r + i) * pair.size.area()..], missed, target);
        }
    }
}

/// Where pixel (x, y) of a turned square of `side` comes from: bit 0 mirrors, bit 1 flips, bit 2 transposes.
pub(super) fn oriented(orientation: usize, side: usize, x: usize, y: usize) -> (usize, usize) {
    let x = if orientation & 1 == 1 { side - 1 - x } else { x };
    let y = if orientation & 2 == 2 { side - 1 - y } else { y };
    if orientation & 4 == 4 { (y, x) } else { (x, y) }
}

/// A square of a plane, turned.
struct Window {
    stride: usize,
    first: usize,
    side: usize,
    orientation: usize,
}

impl Window {
    /// Pixel (x, y) of `out` is pixel `oriented(x, y)` of the window, row by row of the source.
    fn cut<T: Copy>(&self, from: &[T], value: impl Fn(T) -> f32, out: &mut [f32]) {
        let side = self.side;
        for y in 0..side {
            let row = &from[self.first + y * self.stride..][..side];
            // Mirrors and flips are their own inverse; a transposition goes last there, and so first here.
            let (mirrored, flipped) = (self.orientation & 1 == 1, self.orientation & 2 == 2);
            let values = row.iter().map(|&v| value(v));
            if self.orientation & 4 == 4 {
                let column = if mirrored { side - 1 - y } else { y };
                let to = out.iter_mut().skip(column).step_by(side);
                if flipped {
                    to.zip(values.rev()).for_each(|(to, v)| *to = v);
                } else {
                    to.zip(values).for_each(|(to, v)| *to = v);
                }
            } else {
                let to = out[if flipped { side - 1 - y } else { y } * side..][..side].iter_mut();
                if mirrored {
                    to.zip(values.rev()).for_each(|(to, v)| *to = v);
                } else {
                    to.zip(values).for_each(|(to, v)| *to = v);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn orientations_are_the_eight_of_the_square() {
        let mut seen: Vec<Vec<(usize, usize)>> =
            (0..8).map(|o| (0..9).map(|n| oriented(o, 3, n % 3, n / 3)).collect()).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn batches_repeat_with_their_seed_and_pair_low_with_high() {
        // A picture whose low twin is its own mean: a horizontal ramp of 4 levels a low pixel.
        let high = Plane::from_fn(Size::new(64, 64), |x, _| x as f32 / 65.0);
        let low = Plane::from_fn(Size::new(16, 16), |x, _| (x as f32 * 4.0 + 1.5) / 65.0);
        let data = Dataset { scale: 4, pairs: vec![Pair::new(&high, &low, 4)] };
        let again = data.pairs()[0].high();
        assert!(again.data.iter().zip(&high.data).all(|(a, b)| (a - b).abs() < 2e-5));
        let batch = data.batch(&mut Random::new(9), 6, 8);
        assert_eq!(batch, data.batch(&mut Random::new(9), 6, 8));
        assert_ne!(batch, data.batch(&mut Random::new(10), 6, 8));
        let share = data.share(&mut Random::new(9), 6, 8, 2..4);
        assert_eq!((&share.input[..], &share.target[..]), (&batch.input[128..256], &batch.target[2048..4096]));
        // Bilinear enlargement is exact on a ramp, away from the picture's replicated border; patches know their surroundings.
        let inner = batch.target.iter().filter(|value| value.abs() < 1e-4).count();
        assert!(inner * 2 > batch.target.len(), "{inner}");
    }

    #[test]
    fn a_patch_and_its_residual_turn_together() {
        let low = Plane::from_fn(Size::new(9, 8), |x, y| ((x * 31 + y * 17) % 23) as f32 / 23.0);
        let high = Plane::from_fn(Size::new(18, 16), |x, y| ((x * 5 + y * 11) % 19) as f32 / 19.0);
        let pair = Pair::new(&high, &low, 2);
        let base = Chain::base(&pair.low(), 2);
        let data = Dataset { scale: 2, pairs: vec![pair] };
        for orientation in 0..8 {
            let window = Window { stride: 9, first: 2 * 9 + 3, side: 4, orientation };
            let mut batch = Batch { input: vec![0.0; 16], target: vec![0.0; 64] };
            data.cut(&data.pairs[0], &window, &mut batch.input, &mut batch.target);
            for n in 0..64 {
                let (x, y) = (n % 8, n / 8);
                let (sx, sy) = oriented(orientation, 8, x, y);
                let truth = high.row(4 + sy)[6 + sx] - base.row(4 + sy)[6 + sx];
                let got = batch.target[(y % 2 * 2 + x % 2) * 16 + y / 2 * 4 + x / 2];
                assert!((got - truth).abs() < 5e-5, "{orientation} {x} {y}: {got} {truth}");
            }
            for n in 0..16 {
                let (sx, sy) = oriented(orientation, 4, n % 4, n / 4);
                assert!((batch.input[n] - low.row(2 + sy)[3 + sx]).abs() < 2e-5, "{orientation} {n}");
            }
        }
    }
}
