//! The course of a training run as a picture: loss and validation PSNR over the steps, as SVG.

use crate::host::checkpoint::Point;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 56.0;

/// Draws `history`: the loss in blue against the left scale, the PSNR in red against the right one.
pub fn svg(title: &str, history: &[Point]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{MARGIN}\" y=\"24\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    let last = history.last().map_or(1, |p| p.step.max(1));
    let x = |step: u64| MARGIN + (WIDTH - 2.0 * MARGIN) * step as f64 / last as f64;
    let losses: Vec<(f64, f64)> = history.iter().map(|p| (x(p.step), f64::from(p.loss))).collect();
    let scores: Vec<(f64, f64)> = history.iter().filter_map(|p| Some((x(p.step), f64::from(p.psnr?)))).collect();
    line(&mut out, &losses, "#2060c0", "loss", MARGIN - 50.0);
    line(&mut out, &scores, "#c03020", "PSNR, dB", WIDTH - MARGIN + 4.0);
    let _ = writeln!(out, "<text x=\"{}\" y=\"{}\">0</text>", MARGIN, HEIGHT - 20.0);
    let _ =
        writeln!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{last} steps</text>", WIDTH - MARGIN, HEIGHT - 20.0);
    out.push_str("</svg>\n");
    out
}

/// One curve, stretched between its least and its greatest value, with both written beside it at `label`.
fn line(out: &mut String, points: &[(f64, f64)], colour: &str, name: &str, label: f64) {
    let finite = points.iter().map(|p| p.1).filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return;
    }
    let (top, bottom) = (MARGIN, HEIGHT - MARGIN);
    let y = |value: f64| bottom - (bottom - top) * (value - low) / (high - low).max(1e-12);
    let path: Vec<String> =
        points.iter().filter(|p| p.1.is_finite()).map(|p| format!("{:.1},{:.1}", p.0, y(p.1))).collect();
    let _ = writeln!(
        out,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
        path.join(" ")
    );
    for (value, at) in [(high, top), (low, bottom)] {
        let _ = writeln!(out, "<text x=\"{label}\" y=\"{at}\" fill=\"{colour}\">{value:.4}</text>");
    }
    let _ = writeln!(out, "<text x=\"{label}\" y=\"{}\" fill=\"{colour}\">{name}</text>", top - 14.0);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_score_is_drawn_at_the_top_and_numbers_are_written() {
        let point = |step, loss, psnr| Point { step, loss, psnr, alive: Vec::new() };
        let picture = svg("a <run>", &[point(10, 0.05, Some(30.0)), point(20, 0.03, Some(31.5))]);
        assert!(picture.contains("a &lt;run>") && picture.contains("31.5000") && picture.contains("20 steps"));
        let top = format!("{:.1},{MARGIN:.1}", WIDTH - MARGIN);
        assert_eq!(picture.matches(&top).count(), 1, "only the PSNR ends at the top right: {picture}");
    }

    #[test]
    fn an_empty_history_is_an_empty_frame() {
        assert!(svg("nothing", &[]).ends_with("</svg>\n"));
    }
}
