//! A report as a table of plain text.

use super::Report;
use crate::metric::Scores;
use std::fmt::Write as _;

/// PSNR-Y in dB and SSIM-Y of every picture and their means, a column pair for each method.
pub fn table(report: &Report) -> String {
    let title = format!("{} x{}", report.set, report.scale);
    let names = report.pictures.iter().map(|row| row.name.chars().count());
    let left = names.chain([title.chars().count(), 6]).max().unwrap_or(0).min(32);
    let widths: Vec<usize> = report.methods.iter().map(|name| name.chars().count().max(15)).collect();
    let mut text = String::new();
    let mut line = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        let mut row = format!("{name:<left$}");
        for (cell, width) in cells.zip(&widths) {
            let _ = write!(row, "  {cell:>width$}");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line(&title, &mut report.methods.iter().cloned());
    line("", &mut report.methods.iter().map(|_| "PSNR-Y   SSIM-Y".to_string()));
    for row in &report.pictures {
        line(&row.name, &mut row.scores.iter().map(cell));
    }
    line(&format!("mean of {}", report.pictures.len()), &mut report.mean.iter().map(cell));
    for (picture, reason) in &report.failed {
        let _ = writeln!(text, "{picture}: left out: {reason}");
    }
    text
}

/// `30.9012   0.8710`, fifteen characters.
fn cell(scores: &Scores) -> String {
    format!("{:>7}  {:>6}", decibels(scores.psnr_y), similarity(scores.ssim_y))
}

/// Two decimals and a third for comparisons: `28.426`, or `equal`.
pub(super) fn decibels(value: f64) -> String {
    if value.is_infinite() { "equal".to_string() } else { format!("{value:.3}") }
}

/// Four decimals, or a dash where the picture is too small for SSIM.
pub(super) fn similarity(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_string(), |value| format!("{value:.4}"))
}
