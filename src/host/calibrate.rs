//! What quantisation is measured on, and how the step of a tensor is chosen from the values seen in it.

use crate::error::{Error, Result};
use crate::geometry::{Rect, Size};
use crate::host::chain::Maps;
use crate::host::dataset::Dataset;
use crate::host::photographs::Photographs;
use rayon::prelude::*;
use std::fmt;
use std::str::FromStr;

/// The planes of a low-resolution picture and those of the high-resolution one that it should become.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What the network sees.
    pub low: Maps<f32>,
    /// The truth, `scale` times as large.
    pub high: Maps<f32>,
}

impl Sample {
    /// The whole pictures of `data`.
    pub fn whole(data: &Dataset) -> Vec<Self> {
        let pairs = data.pairs().iter();
        pairs.map(|pair| Self { low: Maps::from_plane(&pair.low()), high: Maps::from_plane(&pair.high()) }).collect()
    }

    /// The middles, of at most `side × side` low-resolution pixels, of at most `most` pictures spread evenly over `data`.
    pub fn middles(data: &Dataset, side: usize, most: usize) -> Vec<Self> {
        let pairs = data.pairs();
        let count = pairs.len().min(most);
        let middle = |n: usize| {
            let pair = &pairs[n * pairs.len() / count];
            let (low, high) = (pair.low(), pair.high());
            let scale = high.size.width / low.size.width.max(1);
            let size = Size::new(low.size.width.min(side), low.size.height.min(side));
            let (x, y) = ((low.size.width - size.width) / 2, (low.size.height - size.height) / 2);
            let fine = Rect::new(x * scale, y * scale, Size::new(size.width * scale, size.height * scale));
            let [low, high] = [low.crop(Rect::new(x, y, size)), high.crop(fine)];
            Self { low: Maps::from_plane(&low), high: Maps::from_plane(&high) }
        };
        (0..count).map(middle).collect()
    }

    /// The middles, squares of at most `side` low-resolution pixels, of at most `most` pictures in red, green and blue,
    /// spread evenly over `data`.
    pub fn colour_middles(data: &Photographs, side: usize, most: usize) -> Vec<Self> {
        let count = data.len().min(most);
        let middle = |n: usize| {
            let patches = data.middle(n * data.len() / count, side);
            let (size, scale) = (patches.size, data.scale());
            let large = Size::new(size.width * scale, size.height * scale);
            Self { low: Maps::from_samples(size, &patches.low), high: Maps::from_samples(large, &patches.high) }
        };
        (0..count).map(middle).collect()
    }
}

/// PSNR in dB of `made` against the truth `high`, over their planes in studio range, `border` pixels cut, not rounded to 8 bits:
/// for choosing. Scores to report come from `evaluate`.
pub fn closeness(made: &Maps<f32>, high: &Maps<f32>, border: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0u64);
    let inside = border..high.size.height.saturating_sub(border);
    for (channel, y) in (0..high.channels).flat_map(|channel| inside.clone().map(move |y| (channel, y))) {
        let pairs = made.row(channel, y).iter().zip(high.row(channel, y));
        for (got, want) in pairs.take(high.size.width.saturating_sub(border)).skip(border) {
            sum += f64::from((got.clamp(0.0, 1.0) - want) * 219.0).powi(2);
            count += 1;
        }
    }
    10.0 * (255.0 * 255.0 / (sum / count.max(1) as f64).max(1e-9)).log10()
}

/// Mean [`closeness`] in dB of what `enlarge` makes of the samples.
pub fn psnr(samples: &[Sample], border: usize, enlarge: impl Fn(&Maps<f32>) -> Maps<f32> + Sync) -> f64 {
    let each = samples.par_iter().map(|sample| closeness(&enlarge(&sample.low), &sample.high, border));
    // Collected before summing, so that threads do not change the order of the sum.
    let each: Vec<f64> = each.collect();
    each.iter().sum::<f64>() / each.len().max(1) as f64
}

/// How a tensor's step is chosen from its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// No value seen is clipped.
    MinMax,
    /// This share of the values, in percent, is not clipped.
    Percentile(f64),
    /// The squared error is least: first the tensor's own, then the enlarged picture's.
    Mse,
}

impl Method {
    /// The usual share.
    pub const PERCENTILE: Self = Self::Percentile(99.99);
}

impl FromStr for Method {
    type Err = Error;

    /// Reads `minmax`, `percentile`, `percentile:99.9` or `mse`.
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            None if text == "minmax" => Ok(Self::MinMax),
            None if text == "percentile" => Ok(Self::PERCENTILE),
            None if text == "mse" => Ok(Self::Mse),
            Some(("percentile", share)) => match share.parse() {
                Ok(share) if share > 0.0 && share <= 100.0 => Ok(Self::Percentile(share)),
                _ => Err(Error::usage(format!("'{share}' is not a share of 100")).fix("write percentile:99.9")),
            },
            _ => Err(Error::usage(format!("'{text}' is not a way to calibrate"))
                .fix("choose minmax, percentile, percentile:SHARE or mse")),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("minmax"),
            Self::Percentile(share) => write!(f, "percentile:{share}"),
            Self::Mse => f.write_str("mse"),
        }
    }
}

/// The step for u8 values around `zero` (below which, with zero point 0, everything is clipped anyway: ReLU).
pub fn step(method: Method, values: &[f32], zero: u8) -> f32 {
    let (below, above) = (f32::from(zero), f32::from(255 - zero));
    // The step at which a value is just not clipped.
    let need = |v: f32| if v >= 0.0 { v / above } else { -v / below.max(f32::MIN_POSITIVE) };
    let seen = values.iter().copied().filter(|v| v.is_finite() && (*v >= 0.0 || zero > 0));
    let mut needs: Vec<f32> = seen.clone().map(need).collect();
    let widest = needs.iter().copied().fold(0.0, f32::max);
    if widest < 1e-9 {
        return 1.0 / 255.0;
    }
    match method {
        Method::MinMax => widest,
        Method::Percentile(share) => {
            let rank = ((needs.len() - 1) as f64 * share / 100.0).round() as usize;
            let (_, &mut chosen, _) = needs.select_nth_unstable_by(rank, f32::total_cmp);
            chosen.max(widest / 100.0)
        }
        Method::Mse => {
            let error = |step: f32| -> f64 {
                let each = seen.clone().map(|v| {
                    let kept = (v / step).round_ties_even().clamp(-below, above) * step;
                    f64::from((v - kept) * (v - kept))
                });
                each.sum()
            };
            let candidates = (0..=60).map(|i| widest * 0.97f32.powi(i));
            let best = candidates.map(|step| (error(step), step)).min_by(|a, b| a.0.total_cmp(&b.0));
            best.map_or(widest, |(_, step)| step)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;
    use crate::frame::Plane;

    /// Mostly 0..1 evenly, and one value of 10.
    fn tail() -> Vec<f32> {
        (0..100_000).map(|i| i as f32 / 100_000.0).chain([10.0]).collect()
    }

    #[test]
    fn the_methods_differ_on_a_long_tail() {
        let by = |text: &str| step(text.parse().unwrap(), &tail(), 0) * 255.0;
        assert!((by("minmax") - 10.0).abs() < 1e-5);
        assert!((by("percentile:50") - 0.5).abs() < 1e-3);
        assert!((by("percentile") - 0.9999).abs() < 1e-3);
        // A step of s costs s²/12 a value: 100,000·(c/255)²/12 + (10 − c)² is least where c = 8.86.
        let expected = 10.0 / (1.0 + 100_000.0 / 12.0 / 65025.0);
        assert!((by("mse") - expected).abs() < 0.3, "{} {expected}", by("mse"));
    }

    #[test]
    fn signed_values_use_both_sides_of_the_zero_point() {
        assert_eq!(step(Method::MinMax, &[-1.28, 0.5], 128), 0.01);
        assert_eq!(step(Method::MinMax, &[-0.5, 1.27], 128), 0.01);
        assert_eq!(step(Method::MinMax, &[-5.0, 2.55], 0), 0.01);
    }

    #[test]
    fn psnr_is_that_of_studio_luma_inside_the_border() {
        let low = Plane::new(Size::new(4, 4));
        let high =
            Plane::from_fn(Size::new(8, 8), |x, y| if (2..6).contains(&x) && (2..6).contains(&y) { 0.5 } else { 9.0 });
        let sample = Sample { low: Maps::from_plane(&low), high: Maps::from_plane(&high) };
        // An error of 0.1 is 21.9 levels: 20·log10(255/21.9) = 21.322 dB.
        let got = psnr(&[sample.clone(), sample], 2, |_| Maps::from_samples(Size::new(8, 8), &[0.4; 64]));
        assert!((got - 21.322).abs() < 1e-3, "{got}");
    }

    #[test]
    fn silence_has_a_step_too() {
        for method in [Method::MinMax, Method::PERCENTILE, Method::Mse] {
            assert!(step(method, &[0.0, -1.0, f32::NAN], 0).is_normal());
            assert!(step(method, &[], 128).is_normal());
        }
    }

    #[test]
    fn methods_are_read_and_refused() {
        for text in ["minmax", "percentile:99.5", "mse"] {
            assert_eq!(text.parse::<Method>().unwrap().to_string(), text);
        }
        for bad in ["", "max", "percentile:", "percentile:0", "percentile:101", "mse:1"] {
            assert!(bad.parse::<Method>().is_err(), "{bad}");
        }
    }
}
