//! What a heap of ratings comes to: mean, confidence interval, shares.

/// Ratings from 1 to 5, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How often each rating was given, 1 first.
    pub counts: [u64; 5],
    /// Ratings in all.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// The 95 % confidence interval of the mean by Student's t over the ratings; none for fewer than two.
    pub interval: Option<[f64; 2]>,
}

impl Summary {
    /// Sums up `counts`; `None` where there is no rating. The interval is x̄ ± t(0.975, n − 1) · s / √n with
    /// s² = Σ (x − x̄)² / (n − 1), and takes every rating as a draw of its own.
    pub fn of(counts: [u64; 5]) -> Option<Self> {
        let n: u64 = counts.iter().sum();
        if n == 0 {
            return None;
        }
        let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
            counts.iter().zip(1..).map(|(&count, rating)| count as f64 * of(f64::from(rating))).sum()
        };
        let mean = sum(&|rating| rating) / n as f64;
        let interval = (n > 1).then(|| {
            let variance = sum(&|rating| (rating - mean).powi(2)) / (n - 1) as f64;
            let half = student_quantile(0.975, n - 1) * (variance / n as f64).sqrt();
            [mean - half, mean + half]
        });
        Some(Self { counts, n, mean, interval })
    }

    /// The share of each rating, 1 first; they add up to 1.
    pub fn shares(&self) -> [f64; 5] {
        self.counts.map(|count| count as f64 / self.n as f64)
    }
}

/// The quantile of Student's t distribution with `freedom` degrees: t of which a share of `level` (0.5 to just under 1) lies
/// below. Found by halving on the distribution itself; beyond a million degrees it is that of a million.
pub fn student_quantile(level: f64, freedom: u64) -> f64 {
    let freedom = freedom.clamp(1, 1_000_000);
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, freedom) < 2.0 * level - 1.0 && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if within(middle, freedom) < 2.0 * level - 1.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The share of Student's t distribution between −`t` and `t`: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4, with
/// θ = atan(t / √ν); finite sums for whole degrees of freedom.
fn within(t: f64, freedom: u64) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    // Terms of the odd sum: cos, 2/3 cos³, 2·4/(3·5) cos⁵ …; of the even one: 1, 1/2 cos², 1·3/(2·4) cos⁴ …
    let (mut term, mut k) = if odd { (cosine, 1.0) } else { (1.0, 0.0) };
    let count = if odd { (freedom - 1) / 2 } else { freedom / 2 };
    let mut sum = 0.0;
    for _ in 0..count {
        sum += term;
        if term < sum * 1e-18 {
            break;
        }
        term *= cosine * cosine * (k + 1.0) / (k + 2.0);
        k += 2.0;
    }
    if odd { std::f64::consts::FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    // from scipy import stats
    // for v in [1, 2, 3, 4, 5, 25, 30, 129, 493, 2599, 100000]: print(v, repr(stats.t.ppf(0.975, v)))
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (freedom, expected) in [
            (1, 12.706_204_736_174_694),
            (2, 4.302_652_729_749_462),
            (3, 3.182_446_305_283_707_8),
            (4, 2.776_445_105_197_793_4),
            (5, 2.570_581_835_636_314_6),
            (25, 2.059_538_552_753_297_2),
            (30, 2.042_272_456_301_237_8),
            (129, 1.978_524_491_479_257_7),
            (493, 1.964_787_527_965_364_2),
            (2599, 1.960_877_165_610_790_6),
            (100_000, 1.959_987_707_534_609_5),
        ] {
            let got = student_quantile(0.975, freedom);
            assert!((got / expected - 1.0).abs() < 1e-9, "{freedom}: {got}");
        }
        assert!((student_quantile(0.9, 7) - 1.414_923_927_650_508_6).abs() < 1e-9);
    }

    // import numpy as np; from scipy import stats
    // for c in [[2,5,9,7,3], [0,0,1,0,1], [118,9,2,1,0], [31,190,702,1204,473]]:
    //     x = np.repeat([1,2,3,4,5], c); print(x.mean(), stats.t.interval(0.95, len(x)-1, x.mean(), stats.sem(x)))
    #[test]
    fn means_and_intervals_are_those_of_scipy() {
        for (counts, mean, [low, high]) in [
            ([2, 5, 9, 7, 3], 3.153_846_153_846_153_7, [2.701_290_856_298_08, 3.606_401_451_394_227_3]),
            ([0, 0, 1, 0, 1], 4.0, [-8.706_204_736_174_694, 16.706_204_736_174_694]),
            ([118, 9, 2, 1, 0], 1.123_076_923_076_923, [1.048_180_903_765_258_5, 1.197_972_942_388_587_6]),
            ([31, 190, 702, 1204, 473], 3.73, [3.696_059_739_166_342, 3.763_940_260_833_658]),
        ] {
            let summary = Summary::of(counts).unwrap();
            let interval = summary.interval.unwrap();
            assert!((summary.mean - mean).abs() < 1e-12, "{summary:?}");
            assert!((interval[0] - low).abs() < 1e-9 && (interval[1] - high).abs() < 1e-9, "{summary:?}");
            assert!((summary.shares().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn one_rating_has_no_interval_and_none_no_mean() {
        let one = Summary::of([0, 0, 0, 1, 0]).unwrap();
        assert_eq!((one.n, one.mean, one.interval, one.shares()), (1, 4.0, None, [0.0, 0.0, 0.0, 1.0, 0.0]));
        assert_eq!(Summary::of([0; 5]), None);
    }
}
