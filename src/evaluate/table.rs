//! A report as a table of plain text.

use super::{Measure, Report, Verdict};
use std::fmt::Write as _;

/// Every measure of every picture and their means, a group of columns for each method.
pub fn table(report: &Report) -> String {
    let title = format!("{} x{}", report.set, report.scale);
    let names = report.pictures.iter().map(|row| row.name.chars().count());
    let mean = format!("mean of {}", report.pictures.len());
    let left = names.chain([title.chars().count(), mean.chars().count()]).max().unwrap_or(0).min(32);
    let heads = cells(&report.measures, |measure, _| measure.title.clone());
    let width = |name: &String| name.chars().count().max(heads.chars().count());
    let widths: Vec<usize> = report.methods.iter().map(width).collect();
    let mut text = String::new();
    let mut line = |name: &str, groups: &mut dyn Iterator<Item = String>| {
        let mut row = format!("{name:<left$}");
        for (group, width) in groups.zip(&widths) {
            let _ = write!(row, "  {group:>width$}");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    let group = |verdict: &Verdict| {
        let values = verdict.values();
        cells(&report.measures, |measure, column| measure.shown(values.get(column).copied().flatten()))
    };
    line(&title, &mut report.methods.iter().cloned());
    line("", &mut report.methods.iter().map(|_| heads.clone()));
    for row in &report.pictures {
        line(&row.name, &mut row.verdicts.iter().map(group));
    }
    line(&mean, &mut report.mean.iter().map(group));
    for (picture, reason) in &report.failed {
        let _ = writeln!(text, "{picture}: left out: {reason}");
    }
    text
}

/// `30.901  0.8710   5.213`: one cell for each measure, each at least as wide as a number and its title.
fn cells(measures: &[Measure], cell: impl Fn(&Measure, usize) -> String) -> String {
    let padded = |(column, measure): (usize, &Measure)| {
        format!("{:>1$}", cell(measure, column), measure.title.chars().count().max(7))
    };
    measures.iter().enumerate().map(padded).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Better, Row};
    use crate::metric::Scores;
    use std::collections::BTreeMap;

    #[test]
    fn columns_stand_under_their_titles() {
        let scores = Scores { psnr_y: f64::INFINITY, ssim_y: Some(0.81), psnr_rgb: 27.0, largest_difference: 9.0 };
        let verdict = |niqe| Verdict { scores, judged: vec![niqe] };
        let mut measures = Measure::all(&[]);
        let niqe = Measure { key: "niqe".into(), title: "NIQE".into(), better: Better::Lower, decimals: 3 };
        measures.push(niqe);
        let report = Report {
            set: "set".into(),
            scale: 4,
            border: 4,
            methods: vec!["one".into()],
            measures,
            pictures: vec![Row { name: "a".into(), size: [8, 8], verdicts: vec![verdict(None)] }],
            mean: vec![verdict(Some(5.5))],
            failed: BTreeMap::new(),
        };
        let expected = "set x4                           one\n            PSNR-Y   SSIM-Y     NIQE\n\
                        a            equal   0.8100        -\nmean of 1    equal   0.8100    5.500\n";
        assert_eq!(table(&report), expected);
    }
}
