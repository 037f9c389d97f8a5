//! NIQE, the natural image quality evaluator: how far a picture's statistics are from those of undistorted photographs.
//!
//! Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", 2013. No reference is needed; 0 is
//! the photographs themselves, lower is better. On 8-bit pictures, whole, as the authors' MATLAB program measures them:
//!
//! 1. Luma of BT.601 in studio range, rounded, a half to the even one; cut at the right and the bottom to whole blocks of 96.
//! 2. `(x − μ)/(σ + 1)` with μ and σ over a Gaussian window of 7×7 (equations 1 to 3), edges repeated.
//! 3. In each block an asymmetric generalised Gaussian is fitted to those values, and one to their products with each of
//!    four neighbours (equations 4 to 10): 18 numbers. The neighbours of a block's edge are at its other edge.
//! 4. The same of the luma shrunk to half (MATLAB's `imresize`), in blocks of 48: 36 numbers.
//! 5. `√((ν₁ − ν₂)ᵀ ((Σ₁ + Σ₂)/2)⁺ (ν₁ − ν₂))`, equation 12, with the mean ν₂ and the covariance Σ₂ of the blocks' numbers
//!    and ν₁ and Σ₁ of photographs, which come from a file with the window.
//!
//! A fit fails in a flat block; the number it would have given is left out of its mean, and the block out of the covariance.

use super::asymmetric::Fitter;
use super::npz::Npz;
use super::symmetric::Eigen;
use crate::colour::studio_luma;
use crate::error::{Error, Result};
use crate::evaluate::{Better, Judge, Picture};
use std::path::Path;

/// The name under which the photographs' statistics lie in a folder of weights.
pub const FILE: &str = "niqe_pris_params.npz";

/// Side of a block in pixels: a picture with a shorter side cannot be measured.
pub const BLOCK: usize = 96;

/// Taps of the window along each side.
const TAPS: usize = 7;

/// Numbers that describe a block at one scale.
const OF_SCALE: usize = 18;

/// Numbers that describe a block.
const NUMBERS: usize = 2 * OF_SCALE;

/// Neighbours whose products with a value are looked at: left, above, and above on either side, as (rows, columns) back.
const NEIGHBOURS: [(usize, isize); 4] = [(0, 1), (1, 0), (1, 1), (1, -1)];

/// What describes a block; NaN where a fit failed.
type Numbers = [f64; NUMBERS];

/// The measure, with the statistics of photographs that it compares with.
#[derive(Debug, Clone)]
pub struct Niqe {
    /// ν₁.
    mean: Numbers,
    /// Σ₁, rows.
    covariance: Vec<Vec<f64>>,
    /// The window of 7×7 is the product of these along either side.
    window: [f64; TAPS],
    fitter: Fitter,
}

/// A plane of f64.
struct Map {
    width: usize,
    height: usize,
    data: Vec<f64>,
}

impl Map {
    fn row(&self, y: usize) -> &[f64] {
        &self.data[y * self.width..][..self.width]
    }
}

impl Niqe {
    /// Reads the statistics of photographs: an `.npz` with `mu_pris_param` (36 values), `cov_pris_param` (36×36) and
    /// `gaussian_window` (7×7), f32 or f64, as they are commonly handed on from the authors' program.
    ///
    /// # Errors
    /// An I/O error where the file cannot be read, an input error where it is damaged or holds something else.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Npz::open(path)?;
        let wrong = |e: Error| e.at(path.display());
        let array = |name: &str, shapes: &[&[usize]]| {
            let array = file.array(name).map_err(wrong)?;
            let known = shapes.contains(&array.shape.as_slice());
            let finite = array.values.iter().all(|value| value.is_finite());
            let complain = |what: String| Err(wrong(Error::input(format!("array '{name}' {what}"))));
            match (known, finite) {
                (false, _) => complain(format!("has the shape {:?} instead of {:?}", array.shape, shapes[0])),
                (_, false) => complain("holds values that are no numbers".to_string()),
                _ => Ok(array.values),
            }
        };
        let mean = array("mu_pris_param", &[&[1, NUMBERS], &[NUMBERS], &[NUMBERS, 1]])?;
        let covariance = array("cov_pris_param", &[&[NUMBERS, NUMBERS]])?;
        let window = array("gaussian_window", &[&[TAPS, TAPS]])?;
        Self::new(&mean, &covariance, &window).map_err(wrong)
    }

    /// The measure with the statistics ν₁ (36 values), Σ₁ (36×36) and the window (7×7), each by rows.
    ///
    /// # Errors
    /// An input error where the covariance is none, or the window is not a product of positive weights that sum to 1.
    fn new(mean: &[f64], covariance: &[f64], window: &[f64]) -> Result<Self> {
        let wrong = |what: &str| Error::input(what).fix("fetch the file again: these are not the statistics of NIQE");
        let mean = mean.try_into().map_err(|_| wrong("a mean of 36 numbers is wanted"))?;
        let covariance: Vec<Vec<f64>> = covariance.chunks(NUMBERS).map(<[f64]>::to_vec).collect();
        let values = Eigen::of(covariance.clone()).values;
        let largest = values.iter().copied().fold(0.0, f64::max);
        let symmetric =
            (0..NUMBERS).all(|i| (0..i).all(|j| (covariance[i][j] - covariance[j][i]).abs() <= 1e-6 * largest));
        if !symmetric || largest == 0.0 || values.iter().any(|value| *value < -1e-6 * largest) {
            return Err(wrong("'cov_pris_param' is no covariance"));
        }
        let taps: [f64; TAPS] = std::array::from_fn(|x| window.iter().skip(x).step_by(TAPS).sum());
        let product = |(i, weight): (usize, &f64)| (weight - taps[i / TAPS] * taps[i % TAPS]).abs() < 1e-6;
        let whole = (taps.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        if !whole || taps.iter().any(|tap| *tap < 0.0) || !window.iter().enumerate().all(product) {
            return Err(wrong("'gaussian_window' is no window"));
        }
        Ok(Self { mean, covariance, window: taps, fitter: Fitter::new() })
    }

    /// NIQE of a picture; `None` where it is smaller than a block of 96×96 or so flat that nothing can be fitted.
    pub fn measure(&self, picture: &Picture) -> Option<f64> {
        let luma = luma(picture);
        let (rows, columns) = (luma.height / BLOCK, luma.width / BLOCK);
        let mut blocks = vec![[f64::NAN; NUMBERS]; rows * columns];
        let half = halved(&luma);
        for (scale, map) in [&luma, &half].into_iter().enumerate() {
            let side = BLOCK >> scale;
            let map = self.normalised(map);
            for (i, block) in blocks.iter_mut().enumerate() {
                let numbers = self.describe(&map, i % columns * side, i / columns * side, side);
                block[scale * OF_SCALE..][..OF_SCALE].copy_from_slice(&numbers);
            }
        }
        self.distance(&blocks).filter(|distance| distance.is_finite())
    }

    /// `(x − μ)/(σ + 1)`, with μ = Σ w x and σ = √|Σ w x² − μ²| over the window.
    fn normalised(&self, map: &Map) -> Map {
        const EDGE: usize = TAPS / 2;
        let (width, height) = (map.width, map.height);
        let mut data = Vec::with_capacity(map.data.len());
        // The window's sums down the columns, of x and x², with the edges repeated on both sides.
        let mut sums = [(); 2].map(|()| vec![0.0; width + 2 * EDGE]);
        for y in 0..height {
            for sums in &mut sums {
                sums.fill(0.0);
            }
            for (k, weight) in self.window.iter().enumerate() {
                let row = map.row((y + k).saturating_sub(EDGE).min(height - 1));
                for (x, value) in row.iter().enumerate() {
                    sums[0][x + EDGE] += weight * value;
                    sums[1][x + EDGE] += weight * (value * value);
                }
            }
            for sums in &mut sums {
                let (first, last) = (sums[EDGE], sums[width + EDGE - 1]);
                sums[..EDGE].fill(first);
                sums[width + EDGE..].fill(last);
            }
            let over = |sums: &[f64]| self.window.iter().zip(sums).map(|(weight, sum)| weight * sum).sum::<f64>();
            data.extend(map.row(y).iter().enumerate().map(|(x, value)| {
                let mean = over(&sums[0][x..]);
                (value - mean) / ((over(&sums[1][x..]) - mean * mean).abs().sqrt() + 1.0)
            }));
        }
        Map { width, height, data }
    }

    /// The 18 numbers of the block of `side` at (`left`, `top`): exponent and width of its values; then exponent, mean and
    /// both widths of their products with each neighbour.
    fn describe(&self, map: &Map, left: usize, top: usize, side: usize) -> [f64; OF_SCALE] {
        let mut numbers = [f64::NAN; OF_SCALE];
        let row = |y: usize| &map.row(top + y)[left..left + side];
        if let Some(fit) = self.fitter.fit((0..side).flat_map(row).copied()) {
            numbers[..2].copy_from_slice(&[fit.exponent, f64::midpoint(fit.left, fit.right)]);
        }
        for ((rows, columns), numbers) in NEIGHBOURS.into_iter().zip(numbers[2..].as_chunks_mut::<4>().0) {
            let products = (0..side).flat_map(|y| {
                let (own, other) = (row(y), row((y + side - rows) % side));
                (0..side).map(move |x| own[x] * other[(x + side).wrapping_add_signed(-columns) % side])
            });
            if let Some(fit) = self.fitter.fit(products) {
                *numbers = [fit.exponent, fit.mean(), fit.left, fit.right];
            }
        }
        numbers
    }

    /// The distance of equation 12 between photographs and these blocks.
    fn distance(&self, blocks: &[Numbers]) -> Option<f64> {
        let mut from = self.mean;
        for (i, difference) in from.iter_mut().enumerate() {
            let fitted: Vec<f64> = blocks.iter().map(|block| block[i]).filter(|value| !value.is_nan()).collect();
            *difference -= mean(&fitted)?;
        }
        let mut matrix = covariance(blocks);
        for (row, other) in matrix.iter_mut().zip(&self.covariance) {
            row.iter_mut().zip(other).for_each(|(value, other)| *value = f64::midpoint(*value, *other));
        }
        Some(Eigen::of(matrix).inverse_form(&from).sqrt())
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The covariance of the blocks in which every fit succeeded, divided by their number less one; 0 where fewer than two did.
fn covariance(blocks: &[Numbers]) -> Vec<Vec<f64>> {
    let whole: Vec<&Numbers> = blocks.iter().filter(|block| block.iter().all(|value| !value.is_nan())).collect();
    let mut sums = vec![vec![0.0; NUMBERS]; NUMBERS];
    if whole.len() < 2 {
        return sums;
    }
    let count = whole.len() as f64;
    let mean: Numbers = std::array::from_fn(|i| whole.iter().map(|block| block[i]).sum::<f64>() / count);
    for block in whole {
        let from: Numbers = std::array::from_fn(|i| block[i] - mean[i]);
        for (row, a) in sums.iter_mut().zip(from) {
            row.iter_mut().zip(from).for_each(|(sum, b)| *sum += a * b);
        }
    }
    sums.iter_mut().flatten().for_each(|sum| *sum /= count - 1.0);
    sums
}

/// Rounded studio luma, cut to whole blocks.
fn luma(picture: &Picture) -> Map {
    let [width, height] = [picture.size.width, picture.size.height].map(|side| side / BLOCK * BLOCK);
    let pixels = picture.rgb.as_chunks::<3>().0.chunks(picture.size.width.max(1)).take(height);
    let level = |rgb: &[u8; 3]| studio_luma(rgb.map(|sample| f64::from(sample) / 255.0)).round_ties_even();
    Map { width, height, data: pixels.flat_map(|row| row[..width].iter().map(level)).collect() }
}

/// MATLAB's `imresize(x, 0.5)` of a map with even sides: Keys' cubic widened twice, rows first, edges mirrored, unrounded.
fn halved(map: &Map) -> Map {
    /// Keys' cubic at ±1¾, ±1¼, ±¾ and ±¼, halved.
    const WEIGHTS: [f64; 8] = {
        const UNIT: f64 = 1.0 / 256.0;
        [-3.0 * UNIT, -9.0 * UNIT, 29.0 * UNIT, 111.0 * UNIT, 111.0 * UNIT, 29.0 * UNIT, -9.0 * UNIT, -3.0 * UNIT]
    };
    // Sample k of the eight under output i, of an axis of n; what lies outside is mirrored about the edge between samples.
    let place = |i: usize, k: usize, n: usize| match (2 * i + k).checked_sub(3) {
        None => 2 - k - 2 * i,
        Some(at) if at < n => at,
        Some(at) => 2 * n - 1 - at,
    };
    let (width, height) = (map.width / 2, map.height / 2);
    let mut data = Vec::with_capacity(width * height);
    let mut row = vec![0.0; map.width];
    for y in 0..height {
        row.fill(0.0);
        for (k, weight) in WEIGHTS.iter().enumerate() {
            let from = map.row(place(y, k, map.height));
            row.iter_mut().zip(from).for_each(|(sum, value)| *sum += weight * value);
        }
        let taps = |x: usize| WEIGHTS.iter().enumerate().map(|(k, w)| w * row[place(x, k, map.width)]).sum::<f64>();
        data.extend((0..width).map(taps));
    }
    Map { width, height, data }
}

impl Judge for Niqe {
    fn key(&self) -> &'static str {
        "niqe"
    }

    fn title(&self) -> &'static str {
        "NIQE"
    }

    fn better(&self) -> Better {
        Better::Lower
    }

    fn decimals(&self) -> usize {
        3
    }

    fn judge(&self, picture: &Picture, _: &Picture) -> Result<Option<f64>> {
        Ok(self.measure(picture))
    }
}

#[cfg(test)]
mod tests;
