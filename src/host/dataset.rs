//! Photographs in memory as pairs of planes, and the batches cut from them.

use crate::error::{Error, Result};
use crate::frame::{Depth, Plane};
use crate::geometry::Size;
use crate::host::chain::Chain;
use crate::host::degrade::Degradation;
use crate::host::random::Random;
use crate::{codec, colour};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// A plane whose samples 0.0..=1.0 are held in 16 bits.
#[derive(Debug, Clone)]
struct Samples {
    size: Size,
    data: Vec<u16>,
}

/// A photograph's full-range luma, and the same made small.
#[derive(Debug, Clone)]
pub struct Pair {
    high: Samples,
    low: Samples,
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

impl Samples {
    fn at(&self, x: usize, y: usize) -> f32 {
        f32::from(self.data[y * self.size.width + x]) / 65535.0
    }

    /// Luma of interleaved 8-bit red, green and blue.
    fn from_rgb(pixels: &[u8], size: Size) -> Self {
        let luma = |p: &[u8]| {
            let [y, ..] = colour::ycbcr_from_rgb([p[0], p[1], p[2]].map(|v| f32::from(v) / 255.0));
            (y * 65535.0 + 0.5).clamp(0.0, 65535.0) as u16
        };
        Self { size, data: pixels.chunks_exact(3).map(luma).collect() }
    }

    fn plane(&self) -> Plane {
        Plane::from_fn(self.size, |x, y| self.at(x, y))
    }
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
        Ok(Self { high: Samples::from_rgb(&cropped, cut), low: Samples::from_rgb(&small, small_size) })
    }

    /// Low-resolution luma.
    pub fn low(&self) -> Plane {
        self.low.plane()
    }

    /// High-resolution luma.
    pub fn high(&self) -> Plane {
        self.high.plane()
    }
}

/// The picture at `path` as interleaved 8-bit red, green and blue; alpha is left out.
fn read_rgb8(path: &Path) -> Result<(Size, Vec<u8>)> {
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

impl Dataset {
    /// Reads every picture under `folder` (recursively) with a low side of at least `patch`. Damaged ones are reported and
    /// left out.
    ///
    /// # Errors
    /// Where the folder cannot be read or holds no usable picture.
    pub fn read(folder: &Path, scale: usize, patch: usize, degradation: Degradation) -> Result<Self> {
        let files = picture_files(folder)?;
        let read = |path: &PathBuf| match Pair::read(path, scale, degradation) {
            Ok(pair) if pair.low.size.width.min(pair.low.size.height) >= patch => Some(pair),
            Ok(_) => {
                log::warn!("{}: smaller than a patch, left out", path.display());
                None
            }
            Err(error) => {
                log::warn!("left out: {error}");
                None
            }
        };
        let pairs: Vec<Pair> = files.par_iter().filter_map(read).collect();
        if pairs.is_empty() {
            return Err(Error::input(format!("{} holds no usable picture", folder.display()))
                .fix(format!("give a folder of photographs at least {} pixels wide and high", patch * scale)));
        }
        Ok(Self { scale, pairs })
    }

    /// The pairs.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Cuts `count` random patches of `patch × patch` low-resolution pixels, each in one of the eight orientations.
    pub fn batch(&self, random: &mut Random, count: usize, patch: usize) -> Batch {
        let choices: Vec<_> = (0..count)
            .map(|_| {
                let pair = &self.pairs[random.below(self.pairs.len())];
                let x = random.below(pair.low.size.width - patch + 1);
                let y = random.below(pair.low.size.height - patch + 1);
                (pair, x, y, random.below(8))
            })
            .collect();
        let area = patch * patch;
        let mut batch =
            Batch { input: vec![0.0; count * area], target: vec![0.0; count * area * self.scale * self.scale] };
        let targets = batch.target.par_chunks_exact_mut(area * self.scale * self.scale);
        batch.input.par_chunks_exact_mut(area).zip(targets).zip(choices).for_each(
            |((input, target), (pair, x, y, orientation))| {
                let turn = |side| move |x, y| oriented(orientation, side, x, y);
                cut(&pair.low, (x, y), patch, turn(patch), input);
                let fine = patch * self.scale;
                let mut high = vec![0.0; fine * fine];
                cut(&pair.high, (x * self.scale, y * self.scale), fine, turn(fine), &mut high);
                residual(input, &high, patch, self.scale, target);
            },
        );
        batch
    }
}

/// Where pixel (x, y) of a turned square of `side` comes from: bit 0 mirrors, bit 1 flips, bit 2 transposes.
fn oriented(orientation: usize, side: usize, x: usize, y: usize) -> (usize, usize) {
    let x = if orientation & 1 == 1 { side - 1 - x } else { x };
    let y = if orientation & 2 == 2 { side - 1 - y } else { y };
    if orientation & 4 == 4 { (y, x) } else { (x, y) }
}

fn cut(
    from: &Samples,
    (left, top): (usize, usize),
    side: usize,
    turn: impl Fn(usize, usize) -> (usize, usize),
    out: &mut [f32],
) {
    for (n, out) in out.iter_mut().enumerate() {
        let (x, y) = turn(n % side, n / side);
        *out = from.at(left + x, top + y);
    }
}

/// `target[j·r + i] at (x, y) = high(x·r + i, y·r + j) − base`, with the base's border replicated.
fn residual(low: &[f32], high: &[f32], patch: usize, scale: usize, target: &mut [f32]) {
    let (fine, stride) = (patch * scale, patch + 2);
    let inside = |n: usize| n.saturating_sub(1).min(patch - 1);
    let padded: Vec<f32> = (0..stride * stride).map(|n| low[inside(n / stride) * patch + inside(n % stride)]).collect();
    let kernel = Chain::base_kernel(scale);
    for (phase, (taps, target)) in kernel.chunks_exact(9).zip(target.chunks_exact_mut(patch * patch)).enumerate() {
        for (y, row) in target.chunks_exact_mut(patch).enumerate() {
            let fine_row = &high[(y * scale + phase / scale) * fine..][..fine];
            for (out, sample) in row.iter_mut().zip(fine_row.iter().skip(phase % scale).step_by(scale)) {
                *out = *sample;
            }
            for (t, &tap) in taps.iter().enumerate().filter(|(_, tap)| **tap != 0.0) {
                let source = &padded[(y + t / 3) * stride + t % 3..][..patch];
                row.iter_mut().zip(source).for_each(|(out, value)| *out -= tap * value);
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
        let size = Size::new(64, 64);
        let high = Samples { size, data: (0..64 * 64).map(|n| (n % 64) * 1000).collect() };
        let low = Samples { size: Size::new(16, 16), data: (0..256).map(|n| (n % 16) * 4000 + 1500).collect() };
        let data = Dataset { scale: 4, pairs: vec![Pair { high, low }] };
        let batch = data.batch(&mut Random::new(9), 6, 8);
        assert_eq!(batch, data.batch(&mut Random::new(9), 6, 8));
        assert_ne!(batch, data.batch(&mut Random::new(10), 6, 8));
        // Bilinear enlargement is exact on a ramp, away from the patch's replicated border.
        for (n, value) in batch.target.iter().enumerate() {
            let (x, y) = (n % 8, n / 8 % 8);
            if (1..7).contains(&x) && (1..7).contains(&y) {
                assert!(value.abs() < 2e-4, "{n}: {value}");
            }
        }
    }
}
