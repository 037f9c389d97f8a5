//! What a report measures: PSNR and SSIM always, and whatever judges it was given beside them.

use super::picture::Picture;
use crate::error::Result;
use crate::metric::Scores;
use serde_json::{Value, json};

/// Which way a measure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Distances and complaints.
    Lower,
    /// Likenesses.
    Higher,
}

/// A measure beside PSNR and SSIM, such as one that follows what people see.
pub trait Judge: Send + Sync {
    /// Its name in JSON and on cards, such as `niqe`.
    fn key(&self) -> &'static str;

    /// Its name in tables, such as `NIQE`.
    fn title(&self) -> &str;

    /// Which way it is better.
    fn better(&self) -> Better;

    /// Digits behind the point in tables and on cards.
    fn decimals(&self) -> usize {
        4
    }

    /// Measures the whole of `picture`, no border cut, against the `original` of the same size; a judge that needs no
    /// reference leaves the original alone. `None` where the picture is too small to be measured.
    ///
    /// # Errors
    /// An input error where the pictures cannot be measured for another reason.
    fn judge(&self, picture: &Picture, original: &Picture) -> Result<Option<f64>>;
}

/// A column of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Name in JSON and on cards.
    pub key: String,
    /// Name in tables.
    pub title: String,
    /// Which way it is better.
    pub better: Better,
    /// Digits behind the point.
    pub decimals: usize,
}

impl Measure {
    /// The columns of a report: PSNR and SSIM on luma, then one for each judge.
    pub fn all(judges: &[Box<dyn Judge>]) -> Vec<Self> {
        let measure = |key: &str, title: &str, better, decimals| Self {
            key: key.to_string(),
            title: title.to_string(),
            better,
            decimals,
        };
        let first = [measure("psnr_y", "PSNR-Y", Better::Higher, 3), measure("ssim_y", "SSIM-Y", Better::Higher, 4)];
        let judged = judges.iter().map(|judge| measure(judge.key(), judge.title(), judge.better(), judge.decimals()));
        first.into_iter().chain(judged).collect()
    }

    /// `28.426`; `equal` where it is infinite, and a dash where it could not be measured.
    pub fn shown(&self, value: Option<f64>) -> String {
        match value {
            Some(value) if value.is_infinite() => "equal".to_string(),
            Some(value) => format!("{value:.*}", self.decimals),
            None => "-".to_string(),
        }
    }

    /// The value as a card keeps it, rounded; `None` where it is not a finite number.
    pub fn rounded(&self, value: Option<f64>) -> Option<f64> {
        let unit = 10_f64.powi(self.decimals as i32);
        value.filter(|value| value.is_finite()).map(|value| (value * unit).round() / unit)
    }

    /// The best of `values`, where there are at least two of them to choose from.
    pub fn best(&self, values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
        let better = |a: f64, b: f64| match self.better {
            Better::Lower => a.min(b),
            Better::Higher => a.max(b),
        };
        let values: Vec<f64> = values.into_iter().flatten().collect();
        (values.len() > 1).then(|| values.into_iter().reduce(better)).flatten()
    }
}

/// What one method's picture was found to be, or the mean over a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// PSNR and SSIM.
    pub scores: Scores,
    /// One value for each judge, in their order; `None` where the picture was too small for it.
    pub judged: Vec<Option<f64>>,
}

impl Verdict {
    /// The values in the order of [`Measure::all`].
    pub fn values(&self) -> Vec<Option<f64>> {
        [Some(self.scores.psnr_y), self.scores.ssim_y].into_iter().chain(self.judged.iter().copied()).collect()
    }

    /// The means of `all`, see [`Scores::mean`]; of what a judge said, over the pictures that it could measure.
    pub fn mean(all: &[&Self]) -> Option<Self> {
        let scores = Scores::mean(&all.iter().map(|verdict| verdict.scores).collect::<Vec<_>>())?;
        let judges = all.iter().map(|verdict| verdict.judged.len()).min().unwrap_or(0);
        let mean = |judge: usize| {
            let values: Vec<f64> = all.iter().filter_map(|verdict| verdict.judged[judge]).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        Some(Self { scores, judged: (0..judges).map(mean).collect() })
    }

    /// The scores as an object, with what the judges said under their keys.
    pub(super) fn to_json(&self, measures: &[Measure]) -> Value {
        let mut object = json!(self.scores);
        for (measure, value) in measures.iter().zip(self.values()).skip(2) {
            object[&measure.key] = json!(value);
        }
        object
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn verdict(psnr_y: f64, judged: [Option<f64>; 2]) -> Verdict {
        let scores = Scores { psnr_y, ssim_y: Some(0.5), psnr_rgb: psnr_y, largest_difference: 1.0 };
        Verdict { scores, judged: judged.to_vec() }
    }

    #[test]
    fn means_pass_over_what_could_not_be_measured() {
        let (a, b) = (verdict(20.0, [Some(3.0), None]), verdict(30.0, [None, None]));
        let mean = Verdict::mean(&[&a, &b, &verdict(40.0, [Some(5.0), None])]).unwrap();
        assert_eq!(mean.values(), [Some(30.0), Some(0.5), Some(4.0), None]);
        assert_eq!(Verdict::mean(&[]), None);
    }

    #[test]
    fn the_best_goes_the_way_of_the_measure() {
        let [psnr, ssim]: [Measure; 2] = Measure::all(&[]).try_into().unwrap();
        let lower = Measure { better: Better::Lower, ..ssim.clone() };
        let values = [Some(2.0), None, Some(1.0), Some(3.0)];
        assert_eq!((psnr.best(values), lower.best(values)), (Some(3.0), Some(1.0)));
        assert_eq!((psnr.best([Some(2.0), None]), psnr.best([])), (None, None));
    }

    #[test]
    fn values_are_shown_and_kept_with_their_digits() {
        let psnr = &Measure::all(&[])[0];
        assert_eq!(psnr.shown(Some(28.4264)), "28.426");
        assert_eq!((psnr.shown(None), psnr.shown(Some(f64::INFINITY))), ("-".to_string(), "equal".to_string()));
        assert_eq!((psnr.rounded(Some(28.4264)), psnr.rounded(Some(f64::INFINITY))), (Some(28.426), None));
    }
}
