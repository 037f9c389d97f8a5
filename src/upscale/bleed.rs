//! Colour for pixels that nobody sees, so that enlarging draws no dark fringe around what is seen.
//!
//! Files leave any colour, mostly black, under transparent pixels; a resampler or network would mix it into the visible
//! edge. Here a pixel of alpha a takes `t·c + (1 − t)·m` with `t = min(1, 16 a)`, where m is the mean colour within
//! [`RADIUS`] pixels, weighted by alpha and by `exp(−d²/8)` at distance d along each axis. Alpha itself stays.

use std::collections::VecDeque;

/// How far colour spreads, in pixels: beyond it a pixel keeps its own.
pub(crate) const RADIUS: usize = 8;

/// Takes interleaved rows (colours, then alpha) from the top and gives them [`RADIUS`] rows later, colour spread.
pub(crate) struct Bleed {
    width: usize,
    channels: usize,
    height: usize,
    /// The newest rows; the last is row `taken − 1`.
    rows: VecDeque<Row>,
    taken: usize,
    given: usize,
    weights: [f32; 2 * RADIUS + 1],
    spare: Vec<Row>,
}

#[derive(Default)]
struct Row {
    samples: Vec<f32>,
    /// Sums along the row of weight × alpha × colour, and of weight × alpha; empty until they are needed.
    sums: Vec<f32>,
}

impl Bleed {
    /// For a picture of that many pixels and `channels`, alpha last.
    pub(crate) fn new(width: usize, height: usize, channels: usize) -> Self {
        let weights = std::array::from_fn(|k| (-(k as f32 - RADIUS as f32).powi(2) / 8.0).exp());
        Self { width, channels, height, rows: VecDeque::new(), taken: 0, given: 0, weights, spare: Vec::new() }
    }

    /// Whether another row must be put in before one can be taken out.
    pub(crate) fn wants(&self) -> bool {
        self.taken < self.height.min(self.given + RADIUS + 1)
    }

    /// Puts the next row in.
    pub(crate) fn push(&mut self, row: &[f32]) {
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.sums.clear();
        kept.samples.clear();
        kept.samples.extend_from_slice(row);
        self.rows.push_back(kept);
        self.taken += 1;
    }

    /// Takes the next row out.
    pub(crate) fn pull(&mut self, output: &mut [f32]) {
        let oldest = self.taken - self.rows.len();
        for _ in oldest..self.given.saturating_sub(RADIUS) {
            self.spare.extend(self.rows.pop_front());
        }
        let oldest = self.taken - self.rows.len();
        output.copy_from_slice(&self.rows[self.given - oldest].samples);
        if output.chunks_exact(self.channels).any(|pixel| share(pixel[self.channels - 1]) < 1.0) {
            for row in &mut self.rows {
                row.sum_along(self.channels, &self.weights);
            }
            self.spread(oldest, output);
        }
        self.given += 1;
    }

    fn spread(&self, oldest: usize, output: &mut [f32]) {
        let (alpha, mut sums) = (self.channels - 1, [0.0_f32; 4]);
        for (x, pixel) in output.chunks_exact_mut(self.channels).enumerate().take(self.width) {
            let keep = share(pixel[alpha]);
            if keep >= 1.0 {
                continue;
            }
            sums.fill(0.0);
            for (y, row) in self.rows.iter().enumerate() {
                let weight = self.weights[oldest + y + RADIUS - self.given];
                let row = &row.sums[x * self.channels..][..self.channels];
                sums.iter_mut().zip(row).for_each(|(sum, s)| *sum += weight * s);
            }
            if sums[alpha] > 1e-9 {
                for (colour, sum) in pixel[..alpha].iter_mut().zip(sums) {
                    *colour = keep * *colour + (1.0 - keep) * sum / sums[alpha];
                }
            }
        }
    }

    /// Bytes held at most.
    pub(crate) fn bytes(width: usize, channels: usize) -> u64 {
        2 * (2 * RADIUS as u64 + 2) * width as u64 * channels as u64 * 4
    }
}

/// How much of its own colour a pixel of that alpha keeps.
fn share(alpha: f32) -> f32 {
    (16.0 * alpha).min(1.0)
}

impl Row {
    fn sum_along(&mut self, channels: usize, weights: &[f32; 2 * RADIUS + 1]) {
        if !self.sums.is_empty() {
            return;
        }
        self.sums.resize(self.samples.len(), 0.0);
        let alpha = channels - 1;
        let width = self.samples.len() / channels;
        for (x, pixel) in self.samples.chunks_exact(channels).enumerate().filter(|(_, pixel)| pixel[alpha] > 0.0) {
            for to in x.saturating_sub(RADIUS)..(x + RADIUS + 1).min(width) {
                let weight = weights[to + RADIUS - x] * pixel[alpha];
                let sums = &mut self.sums[to * channels..][..channels];
                for (sum, colour) in sums.iter_mut().zip(&pixel[..alpha]) {
                    *sum += weight * colour;
                }
                sums[alpha] += weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(width: usize, channels: usize, picture: &[f32]) -> Vec<f32> {
        let height = picture.len() / width / channels;
        let mut bleed = Bleed::new(width, height, channels);
        let (mut output, mut rows) = (vec![f32::NAN; picture.len()], picture.chunks(width * channels));
        for row in output.chunks_mut(width * channels) {
            while bleed.wants() {
                bleed.push(rows.next().unwrap_or_default());
            }
            bleed.pull(row);
        }
        output
    }

    #[test]
    fn colour_spreads_under_transparent_pixels_and_alpha_stays() {
        // A 40 × 40 picture, black and transparent but for one red and one blue pixel.
        let (width, mut picture) = (40, vec![0.0; 40 * 40 * 4]);
        picture[(20 * width + 10) * 4..][..4].copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
        picture[(20 * width + 14) * 4..][..4].copy_from_slice(&[0.0, 0.0, 1.0, 0.5]);
        let got = run(width, 4, &picture);
        let pixel = |x: usize, y: usize| &got[(y * width + x) * 4..][..4];
        assert_eq!(pixel(10, 20), [1.0, 0.0, 0.0, 1.0], "what is seen stays");
        assert_eq!(pixel(4, 20), [1.0, 0.0, 0.0, 0.0], "red alone in reach");
        assert_eq!(pixel(10, 13), [pixel(10, 13)[0], 0.0, pixel(10, 13)[2], 0.0]);
        // At (12, 20) both are 2 away: weights exp(-½) each, alphas 1 and ½.
        assert!((pixel(12, 20)[0] - 2.0 / 3.0).abs() < 1e-6 && (pixel(12, 20)[2] - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(pixel(10, 30), [0.0; 4], "out of reach");
    }

    #[test]
    fn opaque_rows_pass_untouched() {
        let picture: Vec<f32> = (0..3 * 5 * 2).map(|i| if i % 2 == 1 { 1.0 } else { i as f32 / 30.0 }).collect();
        assert_eq!(run(3, 2, &picture), picture);
    }
}
