//! How near one picture is to another: PSNR and SSIM by the protocol of the super-resolution papers.
//!
//! Both are taken on the unrounded studio luma of BT.601 (16…235, peak 255) with a border cut away on every side:
//! `PSNR = 10 log₁₀(255² / mean (a − b)²)`, and SSIM as Wang 2004 with an 11×11 Gaussian of σ = 1.5, K₁ = 0.01,
//! K₂ = 0.03, averaged over the places where the window fits. Pictures pass row by row, so size costs no memory.

use crate::colour::studio_luma;
use crate::geometry::Size;
use serde::Serialize;

/// The side of SSIM's window.
const WINDOW: usize = 11;

/// What a pair of pictures scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// PSNR on studio luma in dB; infinite where the pictures are equal (JSON: null).
    pub psnr_y: f64,
    /// SSIM on studio luma, at most 1; none where the cut picture is smaller than the window of 11×11.
    pub ssim_y: Option<f64>,
    /// PSNR over red, green and blue together in dB; infinite where the pictures are equal (JSON: null).
    pub psnr_rgb: f64,
    /// The largest difference of any sample, in levels of 255 (a fraction of one where files are finer).
    pub largest_difference: f64,
}

impl Scores {
    /// Means of `all`: of the PSNRs in dB, as papers average them; the largest of the largest differences.
    pub fn mean(all: &[Self]) -> Option<Self> {
        let count = all.len() as f64;
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / count;
        let ssims: Vec<f64> = all.iter().filter_map(|scores| scores.ssim_y).collect();
        (!all.is_empty()).then(|| Self {
            psnr_y: mean(|s| s.psnr_y),
            ssim_y: (!ssims.is_empty()).then(|| ssims.iter().sum::<f64>() / ssims.len() as f64),
            psnr_rgb: mean(|s| s.psnr_rgb),
            largest_difference: all.iter().map(|s| s.largest_difference).fold(0.0, f64::max),
        })
    }
}

/// PSNR in dB of a mean squared error, in units where the peak is 1. Infinite at 0.
pub fn psnr(mean_squared_error: f64) -> f64 {
    -10.0 * mean_squared_error.log10()
}

/// Measures two pictures of one size, row by row from the top.
pub struct Meter {
    size: Size,
    border: usize,
    next_row: usize,
    luma_error: f64,
    colour_error: f64,
    largest: f64,
    ssim: Ssim,
}

impl Meter {
    /// A meter for pictures of `size`, of which `border` pixels on each side do not count; `None` where nothing is left.
    pub fn new(size: Size, border: usize) -> Option<Self> {
        let cut = border.checked_mul(2)?;
        let width = size.width.checked_sub(cut).filter(|&n| n > 0)?;
        size.height.checked_sub(cut).filter(|&n| n > 0)?;
        Some(Self {
            size,
            border,
            next_row: 0,
            luma_error: 0.0,
            colour_error: 0.0,
            largest: 0.0,
            ssim: Ssim::new(width),
        })
    }

    /// Takes the next row of both pictures: red, green, blue interleaved, 0..1, `width × 3` samples each.
    pub fn push_row(&mut self, a: &[f32], b: &[f32]) {
        let y = self.next_row;
        self.next_row += 1;
        if y < self.border || y >= self.size.height - self.border {
            return;
        }
        let inside = self.border * 3..(self.size.width - self.border) * 3;
        let (a, b) = (&a[inside.clone()], &b[inside]);
        let (mut colour, mut luma) = (0.0, 0.0);
        let (row_a, row_b) = self.ssim.next_rows();
        let pixels = a.as_chunks::<3>().0.iter().zip(b.as_chunks::<3>().0);
        for ((a, b), (luma_a, luma_b)) in pixels.zip(row_a.iter_mut().zip(row_b)) {
            let (a, b) = (a.map(f64::from), b.map(f64::from));
            for (a, b) in a.iter().zip(b) {
                let difference = (a - b).abs();
                colour += difference * difference;
                self.largest = self.largest.max(difference);
            }
            (*luma_a, *luma_b) = (studio_luma(a), studio_luma(b));
            luma += (*luma_a - *luma_b).powi(2);
        }
        self.colour_error += colour;
        self.luma_error += luma;
        self.ssim.advance();
    }

    /// The scores, after the last row.
    pub fn finish(self) -> Scores {
        let pixels = (self.size.width - 2 * self.border) as f64 * (self.size.height - 2 * self.border) as f64;
        Scores {
            psnr_y: psnr(self.luma_error / pixels / (255.0 * 255.0)),
            ssim_y: self.ssim.mean(),
            psnr_rgb: psnr(self.colour_error / (3.0 * pixels)),
            largest_difference: self.largest * 255.0,
        }
    }
}

/// SSIM over rows that come one by one: the last eleven of both pictures are kept.
struct Ssim {
    width: usize,
    kernel: [f64; WINDOW],
    /// The last rows of either picture; row y stands in place y mod 11.
    rows: [[Vec<f64>; WINDOW]; 2],
    seen: usize,
    /// The row's five window sums, filtered down the columns: of a, b, a², b² and ab.
    sums: [Vec<f64>; 5],
    total: f64,
    windows: f64,
}

impl Ssim {
    fn new(width: usize) -> Self {
        let bell: [f64; WINDOW] = std::array::from_fn(|i| (-(i as f64 - 5.0).powi(2) / (2.0 * 1.5 * 1.5)).exp());
        let sum: f64 = bell.iter().sum();
        Self {
            width,
            kernel: bell.map(|w| w / sum),
            rows: std::array::from_fn(|_| std::array::from_fn(|_| vec![0.0; width])),
            seen: 0,
            sums: std::array::from_fn(|_| vec![0.0; width]),
            total: 0.0,
            windows: 0.0,
        }
    }

    /// Where the next row of either picture goes; [`Ssim::advance`] takes them in.
    fn next_rows(&mut self) -> (&mut [f64], &mut [f64]) {
        let [a, b] = &mut self.rows;
        (&mut a[self.seen % WINDOW], &mut b[self.seen % WINDOW])
    }

    /// Takes in the rows just written; from the eleventh on, each completes a row of windows.
    fn advance(&mut self) {
        self.seen += 1;
        if self.seen < WINDOW || self.width < WINDOW {
            return;
        }
        for sum in &mut self.sums {
            sum.fill(0.0);
        }
        let [of_a, of_b, of_aa, of_bb, of_ab] = &mut self.sums;
        for (k, w) in self.kernel.iter().enumerate() {
            let place = (self.seen + k) % WINDOW;
            let (a, b) = (&self.rows[0][place][..self.width], &self.rows[1][place][..self.width]);
            for x in 0..self.width {
                let (wa, wb) = (w * a[x], w * b[x]);
                of_a[x] += wa;
                of_b[x] += wb;
                of_aa[x] += wa * a[x];
                of_bb[x] += wb * b[x];
                of_ab[x] += wa * b[x];
            }
        }
        for x in 0..=self.width - WINDOW {
            let window = |sums: &[f64]| self.kernel.iter().zip(&sums[x..]).map(|(w, s)| w * s).sum::<f64>();
            self.total += ssim_of(self.sums.each_ref().map(|sums| window(sums)));
        }
        self.windows += (self.width - WINDOW + 1) as f64;
    }

    fn mean(&self) -> Option<f64> {
        (self.windows > 0.0).then(|| self.total / self.windows)
    }
}

/// SSIM of one window from its weighted means of a, b, a², b² and ab (equation 13 of Wang 2004), peak 255.
fn ssim_of([a, b, aa, bb, ab]: [f64; 5]) -> f64 {
    const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
    const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
    let (variance_a, variance_b, covariance) = (aa - a * a, bb - b * b, ab - a * b);
    (2.0 * a * b + C1) * (2.0 * covariance + C2) / ((a * a + b * b + C1) * (variance_a + variance_b + C2))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Scores of two pictures whose 8-bit samples at (x, y, channel) are `a` and `b`.
    fn scores(size: Size, border: usize, a: fn([usize; 3]) -> usize, b: fn([usize; 3]) -> usize) -> Scores {
        let mut meter = Meter::new(size, border).unwrap();
        for y in 0..size.height {
            let row = |f: fn([usize; 3]) -> usize| -> Vec<f32> {
                let sample = |i: usize| (f([i / 3, y, i % 3]) % 256) as f32 / 255.0;
                (0..size.width * 3).map(sample).collect()
            };
            meter.push_row(&row(a), &row(b));
        }
        meter.finish()
    }

    // With luma_studio, psnr, ssim and shave_border as numpy computes them in float64:
    // x, y, c = np.meshgrid(np.arange(37), np.arange(29), np.arange(3), indexing='xy')
    // a = (x*x*3 + y*5 + c*40 + x*y) % 256
    // b = (a + (x*7 + y*11 + c*13) % 23) % 256
    // for n in (0, 4): print(psnr(ya, yb), ssim(ya, yb), psnr(a, b)) of the arrays with n pixels cut
    #[test]
    fn agrees_with_numpy() {
        fn a([x, y, c]: [usize; 3]) -> usize {
            (x * x * 3 + y * 5 + c * 40 + x * y) % 256
        }
        fn b([x, y, c]: [usize; 3]) -> usize {
            a([x, y, c]) + (x * 7 + y * 11 + c * 13) % 23
        }
        for (border, psnr_y, ssim_y, psnr_rgb) in
            [(0, 19.03203, 0.803_234, 13.63817), (4, 18.74147, 0.790_102, 13.57695)]
        {
            let got = scores(Size::new(37, 29), border, a, b);
            assert!((got.psnr_y - psnr_y).abs() < 1e-4, "{got:?}");
            assert!((got.ssim_y.unwrap() - ssim_y).abs() < 1e-5, "{got:?}");
            assert!((got.psnr_rgb - psnr_rgb).abs() < 1e-4, "{got:?}");
        }
    }

    #[test]
    fn equal_pictures_are_perfect() {
        let got = scores(Size::new(16, 12), 0, |[x, y, c]| x * y + c, |[x, y, c]| x * y + c);
        assert!(got.psnr_y > 1e9 && got.psnr_rgb > 1e9 && got.largest_difference < 1e-12);
        assert!((got.ssim_y.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_step_of_255_everywhere_is_48_13_db() {
        let got = scores(Size::new(12, 12), 0, |_| 7, |_| 8);
        assert!((got.psnr_rgb - 48.1308).abs() < 1e-3 && (got.largest_difference - 1.0).abs() < 1e-4);
    }

    #[test]
    fn what_lies_in_the_border_does_not_count() {
        let got = scores(Size::new(20, 20), 4, |_| 9, |[x, y, _]| if x.min(y) < 4 || x.max(y) > 15 { 200 } else { 9 });
        assert!(got.psnr_y.is_infinite() && got.psnr_y > 0.0);
    }

    #[test]
    fn small_pictures_have_no_ssim_and_cut_away_ones_no_meter() {
        assert_eq!(scores(Size::new(10, 40), 0, |_| 1, |_| 2).ssim_y, None);
        assert_eq!(scores(Size::new(40, 10), 0, |_| 1, |_| 2).ssim_y, None);
        assert!(Meter::new(Size::new(8, 40), 4).is_none() && Meter::new(Size::new(9, 9), 4).is_some());
        assert!(Meter::new(Size::new(9, 9), usize::MAX).is_none());
    }
}
