//! Judges generators and resamplers alike: enlarges the small pictures of a benchmark set and measures the results
//! against the originals.
//!
//! The protocol of the papers: small pictures by MATLAB's antialiased bicubic, results rounded to 8 bits, PSNR and SSIM on
//! studio luma, a border of `scale` pixels cut. Bicubic ×4 scores 28.43 / 26.09 / 25.96 dB on Set5 / Set14 / BSD100.
//! Whatever else is to be measured comes as a [`Judge`]; those see the whole picture.

mod compare;
mod gallery;
mod html;
mod judge;
mod method;
mod picture;
mod set;
mod table;

pub use compare::{Comparison, compare, difference_info, draw_difference, visible_factor};
pub use gallery::{Crop, Gallery};
pub use html::page;
pub use judge::{Better, Judge, Measure, Verdict};
pub use method::Method;
pub use picture::{Picture, score};
pub use set::{Pair, Set};
pub use table::table;

#[cfg(feature = "host")]
pub(crate) use html::{STYLE, base64, escaped};

use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What one set made of every method.
#[derive(Debug, Clone)]
pub struct Report {
    /// The set's name.
    pub set: String,
    /// Enlargement.
    pub scale: usize,
    /// Pixels cut on each side before measuring.
    pub border: usize,
    /// The methods' names, in the order of every list of scores here.
    pub methods: Vec<String>,
    /// What was measured, in the order of [`Verdict::values`].
    pub measures: Vec<Measure>,
    /// Each picture that every method finished.
    pub pictures: Vec<Row>,
    /// Means over `pictures`, one for each method; empty where there is no picture.
    pub mean: Vec<Verdict>,
    /// Pictures left out of every mean, with the reason.
    pub failed: BTreeMap<String, String>,
}

/// One picture's scores.
#[derive(Debug, Clone)]
pub struct Row {
    /// The picture's name.
    pub name: String,
    /// Width and height of the original as measured.
    pub size: [usize; 2],
    /// One for each method.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// The report for scripts: every list of verdicts as an object by the method's name.
    pub fn to_json(&self) -> Value {
        let named = |verdicts: &[Verdict]| -> Value {
            let scores = verdicts.iter().map(|verdict| verdict.to_json(&self.measures));
            self.methods.iter().cloned().zip(scores).collect::<serde_json::Map<_, _>>().into()
        };
        let row = |row: &Row| json!({ "name": row.name, "size": row.size, "scores": named(&row.verdicts) });
        json!({
            "set": self.set,
            "scale": self.scale,
            "border": self.border,
            "methods": self.methods,
            "pictures": self.pictures.iter().map(row).collect::<Vec<_>>(),
            "mean": named(&self.mean),
            "failed": self.failed,
        })
    }
}

/// Measures every method on every picture of `set`, by PSNR, SSIM and the `judges`; `progress` advances by one for each
/// picture. Pictures that cannot be read, enlarged or judged are reported and left out for all methods, so that means stay
/// comparable. The places where the methods differ most go to `gallery`.
///
/// # Errors
/// A usage error where a method enlarges by another factor than `scale`; interrupted where `progress` says stop.
pub fn evaluate(
    set: &Set,
    methods: &[Method],
    judges: &[Box<dyn Judge>],
    scale: usize,
    progress: &dyn Progress,
    gallery: &mut Gallery,
) -> Result<Report> {
    check_scale(methods, scale)?;
    let mut report = Report {
        set: set.name.clone(),
        scale,
        border: scale,
        methods: methods.iter().map(|method| method.name.clone()).collect(),
        measures: Measure::all(judges),
        pictures: Vec::new(),
        mean: Vec::new(),
        failed: BTreeMap::new(),
    };
    for pair in &set.pairs {
        if progress.stopped() {
            return Err(Error::new(Kind::Interrupted, "interrupted while measuring"));
        }
        match measure(pair, methods, judges, scale) {
            Ok((row, original, results)) => {
                gallery.offer(&set.name, &row.name, &original, results);
                report.pictures.push(row);
            }
            Err(error) => {
                report.failed.insert(pair.name.clone(), error.to_string());
            }
        }
        progress.advance(1);
    }
    let of = |m: usize| report.pictures.iter().map(|row| &row.verdicts[m]).collect::<Vec<_>>();
    report.mean = (0..methods.len()).filter_map(|m| Verdict::mean(&of(m))).collect();
    Ok(report)
}

/// Whether every method can enlarge by `scale`.
///
/// # Errors
/// A usage error that names a generator of another factor.
pub fn check_scale(methods: &[Method], scale: usize) -> Result<()> {
    match methods.iter().find_map(|m| Some((m, m.scale().filter(|s| *s != scale)?))) {
        Some((method, factor)) => {
            Err(Error::usage(format!("'{}' enlarges {factor} times, not {scale} times", method.name))
                .fix("judge generators of one scale at a time"))
        }
        None => Ok(()),
    }
}

/// One picture through every method: its verdicts, the original, and what each method made.
fn measure(
    pair: &Pair,
    methods: &[Method],
    judges: &[Box<dyn Judge>],
    scale: usize,
) -> Result<(Row, Picture, Vec<Picture>)> {
    let (original, small) = pair.read(scale)?;
    let mut row = Row {
        name: pair.name.clone(),
        size: [original.size.width, original.size.height],
        verdicts: Vec::with_capacity(methods.len()),
    };
    let mut results = Vec::with_capacity(methods.len());
    for method in methods {
        let result = method.enlarge(&small, scale).map_err(|e| e.at(&method.name))?;
        let scores = score(&result, &original, scale)?;
        let judged = judges.iter().map(|judge| judge.judge(&result, &original).map_err(|e| e.at(judge.title())));
        row.verdicts.push(Verdict { scores, judged: judged.collect::<Result<_>>()? });
        results.push(result);
    }
    Ok((row, original, results))
}
