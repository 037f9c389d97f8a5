//! Resampling by separable filters: plain enlarging and shrinking, and the two degradations of the papers.
//!
//! Output sample i of an axis that goes from n to m samples lies at `u = (i + ½)·n/m − ½` on the input (half-pixel
//! centres); it is `Σ wₖ·x[clamp(k)]`, with `wₖ = h((u − k)/s)/Σ h`, where s = max(1, n/m) widens the kernel when
//! shrinking (antialiasing). What lies outside takes the edge sample. Each output depends on its index alone, so a
//! picture computed in bands equals one computed whole, bit for bit.

use crate::frame::Plane;
use crate::geometry::Size;
use std::f64::consts::PI;

/// How samples are blended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The one sample that lies under the output's centre; never antialiased.
    Nearest,
    /// The mean of what an output pixel covers.
    Area,
    /// A tent: linear interpolation.
    Bilinear,
    /// Keys' cubic with a = −½, as MATLAB's `imresize`.
    Bicubic,
    /// The sinc with three lobes.
    Lanczos3,
}

impl Filter {
    /// Every filter.
    pub const ALL: [Self; 5] = [Self::Nearest, Self::Area, Self::Bilinear, Self::Bicubic, Self::Lanczos3];

    /// Its name on command lines and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Area => "area",
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
            Self::Lanczos3 => "lanczos",
        }
    }

    /// The filter of that name (`lanczos3` is understood as well).
    pub fn by_name(name: &str) -> Option<Self> {
        let name = if name == "lanczos3" { "lanczos" } else { name };
        Self::ALL.into_iter().find(|filter| filter.name() == name)
    }
}

/// Keys' cubic convolution kernel with a = −½.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x <= 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// sinc(x)·sinc(x/3) within three samples.
fn lanczos3(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// A kernel and the distance beyond which it is zero, both in input samples.
struct Kernel<F> {
    radius: f64,
    weight: F,
}

/// Weights of one axis in double precision: for each output the first input and the coefficients from there on.
type Axis = Vec<(usize, Vec<f64>)>;

/// The axis of `to` outputs that lie `step` inputs apart, `shift` inputs beside the half-pixel grid.
fn axis<F: Fn(f64) -> f64>(from: usize, to: usize, step: f64, shift: f64, kernel: &Kernel<F>) -> Axis {
    let last = from.saturating_sub(1) as i64;
    let taps = |i: usize| {
        let centre = (i as f64 + 0.5) * step - 0.5 + shift;
        let (low, high) = ((centre - kernel.radius).ceil() as i64, (centre + kernel.radius).floor() as i64);
        let first = low.clamp(0, last);
        let mut folded = vec![0.0; (high.clamp(0, last) - first + 1) as usize];
        for k in low..=high {
            folded[(k.clamp(0, last) - first) as usize] += (kernel.weight)(centre - k as f64);
        }
        normalised(first as usize, folded)
    };
    (0..to).map(taps).collect()
}

/// Coefficients that sum to one, without the zeros at both ends.
fn normalised(first: usize, mut coefficients: Vec<f64>) -> (usize, Vec<f64>) {
    let sum: f64 = coefficients.iter().sum();
    let used = |w: &f64| *w != 0.0;
    let start = coefficients.iter().position(used).unwrap_or(0);
    let end = coefficients.iter().rposition(used).map_or(coefficients.len(), |last| last + 1);
    coefficients.truncate(end);
    (first + start, coefficients.drain(start..).map(|w| w / sum).collect())
}

/// The axis of a named filter.
fn filter_axis(from: usize, to: usize, filter: Filter) -> Axis {
    let step = from as f64 / to as f64;
    let wide = step.max(1.0);
    match filter {
        Filter::Nearest => (0..to).map(|i| (nearest(i, from, to), vec![1.0])).collect(),
        Filter::Area => (0..to).map(|i| covered(i, from, step)).collect(),
        Filter::Bilinear => {
            axis(from, to, step, 0.0, &Kernel { radius: wide, weight: |x: f64| (1.0 - (x / wide).abs()).max(0.0) })
        }
        Filter::Bicubic => axis(from, to, step, 0.0, &Kernel { radius: 2.0 * wide, weight: |x| cubic(x / wide) }),
        Filter::Lanczos3 => axis(from, to, step, 0.0, &Kernel { radius: 3.0 * wide, weight: |x| lanczos3(x / wide) }),
    }
}

/// The input under the centre of output `i`: ⌊(i + ½)·from/to⌋ in whole numbers.
fn nearest(i: usize, from: usize, to: usize) -> usize {
    let at = (2 * i as u128 + 1) * from as u128 / (2 * to.max(1) as u128);
    (at as usize).min(from.saturating_sub(1))
}

/// How much of each input lies under output `i`, which covers `step` inputs from `i·step` on.
fn covered(i: usize, from: usize, step: f64) -> (usize, Vec<f64>) {
    let (left, right) = (i as f64 * step, (i + 1) as f64 * step);
    let first = (left as usize).min(from.saturating_sub(1));
    let end = (right.ceil() as usize).clamp(first + 1, from.max(1));
    let overlap = |k: usize| (right.min((k + 1) as f64) - left.max(k as f64)).max(0.0);
    normalised(first, (first..end).map(overlap).collect())
}

/// The filter of one axis, output by output: which inputs, and how much of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    first: Vec<usize>,
    /// Where each output's coefficients begin; one more entry than outputs.
    start: Vec<usize>,
    coefficients: Vec<f32>,
}

impl Weights {
    /// The weights that take an axis of `from` samples to `to` samples; both at least 1.
    pub fn new(from: usize, to: usize, filter: Filter) -> Self {
        Self::from_axis(filter_axis(from, to, filter))
    }

    /// Bicubic weights whose outputs lie `step` inputs apart and `shift` inputs beside the half-pixel grid: output i lies
    /// at `u = (i + ½)·step − ½ + shift`. For chroma that is not sited in the middle of its pixels.
    pub fn bicubic_at(from: usize, to: usize, step: f64, shift: f64) -> Self {
        let wide = step.max(1.0);
        let kernel = Kernel { radius: 2.0 * wide, weight: |x| cubic(x / wide) };
        Self::from_axis(axis(from, to, step, shift, &kernel))
    }

    fn from_axis(axis: Axis) -> Self {
        let to = axis.len();
        let mut weights = Self { first: Vec::with_capacity(to), start: vec![0], coefficients: Vec::new() };
        for (first, coefficients) in axis {
            weights.first.push(first);
            weights.coefficients.extend(coefficients.iter().map(|&w| w as f32));
            weights.start.push(weights.coefficients.len());
        }
        weights
    }

    /// Outputs in all.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Whether there is no output at all.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The first input that output `i` looks at, and the coefficients of it and of those that follow; they sum to one.
    pub fn taps(&self, i: usize) -> (usize, &[f32]) {
        (self.first[i], &self.coefficients[self.start[i]..self.start[i + 1]])
    }

    /// The most inputs that any one output looks at: how many rows a band must hold.
    pub fn most_taps(&self) -> usize {
        self.start.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }

    /// Filters along a row: `output` has as many samples as there are outputs.
    pub fn filter_row(&self, input: &[f32], output: &mut [f32]) {
        for (i, sample) in output.iter_mut().enumerate() {
            let (first, coefficients) = self.taps(i);
            let samples = &input[first..][..coefficients.len()];
            *sample = match (coefficients, samples) {
                // Bicubic enlarging, worth a path of its own; the sums are the same.
                (&[a, b, c, d], &[w, x, y, z]) => a * w + b * x + c * y + d * z,
                _ => coefficients.iter().zip(samples).fold(0.0, |sum, (w, x)| sum + w * x),
            };
        }
    }

    /// Output row `i` of the vertical filter; `input(y)` is input row y, as long as `output`.
    pub fn blend_rows<'a>(&self, i: usize, input: impl Fn(usize) -> &'a [f32], output: &mut [f32]) {
        let (first, coefficients) = self.taps(i);
        if let &[a, b, c, d] = coefficients {
            // As above: bicubic enlarging in one pass over the output.
            let width = output.len();
            let [row_a, row_b, row_c, row_d] = [0, 1, 2, 3].map(|k| &input(first + k)[..width]);
            for (x, sum) in output.iter_mut().enumerate() {
                *sum = a * row_a[x] + b * row_b[x] + c * row_c[x] + d * row_d[x];
            }
            return;
        }
        output.fill(0.0);
        for (k, &w) in coefficients.iter().enumerate() {
            for (sum, x) in output.iter_mut().zip(input(first + k)) {
                *sum += w * x;
            }
        }
    }
}

/// A plane at another size: along the rows first, then down the columns. Values may overshoot 0..1 with [`Filter::Bicubic`]
/// and [`Filter::Lanczos3`]; they are not clamped.
#[must_use]
pub fn resize(plane: &Plane, to: Size, filter: Filter) -> Plane {
    let across = Weights::new(plane.size.width, to.width, filter);
    let down = Weights::new(plane.size.height, to.height, filter);
    let mut wide = Plane::new(Size::new(to.width, plane.size.height));
    for y in 0..plane.size.height {
        across.filter_row(plane.row(y), wide.row_mut(y));
    }
    let mut output = Plane::new(to);
    for y in 0..to.height {
        down.blend_rows(y, |k| wide.row(k), output.row_mut(y));
    }
    output
}

/// Shrinks an 8-bit picture of interleaved `channels` by a whole `factor`, bit for bit as MATLAB's
/// `imresize(picture, 1/factor, 'bicubic')`: columns first, then rows, rounded to 8 bits after each pass. A side that
/// `factor` does not divide is rounded up, as MATLAB does.
pub fn shrink_u8(pixels: &[u8], size: Size, channels: usize, factor: usize) -> (Vec<u8>, Size) {
    let wide = factor as f64;
    let kernel = Kernel { radius: 2.0 * wide, weight: |x| cubic(x / wide) };
    shrink_by(pixels, size, channels, factor, &kernel, round)
}

/// The degradation of SRGAN's text: a Gaussian filter of standard deviation `sigma` (in input pixels, cut at 4σ), then
/// every `factor`-th sample, taken at half-pixel centres so that the small picture lies exactly over the large one.
/// Rounded to 8 bits once, at the end.
pub fn gaussian_shrink_u8(pixels: &[u8], size: Size, channels: usize, factor: usize, sigma: f64) -> (Vec<u8>, Size) {
    let kernel = Kernel { radius: (4.0 * sigma).max(0.5), weight: |x: f64| (-x * x / (2.0 * sigma * sigma)).exp() };
    shrink_by(pixels, size, channels, factor, &kernel, |x| x)
}

/// The nearest whole number from 0 to 255, halves upwards.
fn round(x: f64) -> f64 {
    (x + 0.5).floor().clamp(0.0, 255.0)
}

/// Shrinks down the columns, passes each sum through `between`, shrinks along the rows, and rounds.
fn shrink_by<F: Fn(f64) -> f64>(
    pixels: &[u8],
    size: Size,
    channels: usize,
    factor: usize,
    kernel: &Kernel<F>,
    between: fn(f64) -> f64,
) -> (Vec<u8>, Size) {
    let to = Size::new(size.width.div_ceil(factor), size.height.div_ceil(factor));
    let across = axis(size.width, to.width, factor as f64, 0.0, kernel);
    let down = axis(size.height, to.height, factor as f64, 0.0, kernel);
    let stride = size.width * channels;
    let mut output = Vec::with_capacity(to.area() * channels);
    let mut sums = vec![0.0; stride];
    for (first, coefficients) in &down {
        sums.fill(0.0);
        for (row, w) in pixels.chunks_exact(stride).skip(*first).zip(coefficients) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum += w * f64::from(x);
            }
        }
        for sum in &mut sums {
            *sum = between(*sum);
        }
        for (first, coefficients) in &across {
            for channel in 0..channels {
                let samples = sums[first * channels + channel..].iter().step_by(channels);
                let sum: f64 = coefficients.iter().zip(samples).map(|(w, x)| w * x).sum();
                output.push(round(sum) as u8);
            }
        }
    }
    (output, to)
}

#[cfg(test)]
mod tests;
