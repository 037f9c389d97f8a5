//! The distribution of the ratings of each method, after figure 5 of Ledig et al. 2017: a bin centred on each rating, and the
//! mean as a red marker. One row a method.

use super::WORDS;
use super::report::Row;
use crate::evaluate::escaped;
use std::fmt::Write;

const ROW: f64 = 46.0;
/// Height of the bin of a method that always got one rating.
const BIN: f64 = 40.0;
/// Pixels from one rating to the next.
const STEP: f64 = 100.0;
const TOP: f64 = 26.0;
/// Room for the mean in figures, at the right.
const RIGHT: f64 = 70.0;
const LETTER: f64 = 7.5;

/// Draws `rows` as one SVG: a bin's height and shade are the share of the rating it stands on, the red diamond is the mean, and
/// the red line its confidence interval. Text takes the colour of what is around it.
pub fn svg(rows: &[Row]) -> String {
    let longest = rows.iter().map(|row| row.method.chars().count()).max().unwrap_or(0);
    let left = (longest as f64 * LETTER + 12.0).clamp(80.0, 300.0);
    let (width, height) = (left + 5.0 * STEP + RIGHT, TOP + rows.len() as f64 * ROW + 26.0);
    let x = |rating: f64| left + (rating - 0.5) * STEP;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" role=\"img\" \
         aria-label=\"Distribution of the ratings of each method\" font-family=\"sans-serif\" font-size=\"13\" \
         fill=\"currentColor\" style=\"max-width:100%;height:auto\">\n"
    );
    let bottom = TOP + rows.len() as f64 * ROW;
    for (rating, word) in (1..=5).map(f64::from).zip(WORDS) {
        let _ = writeln!(
            out,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"currentColor\" stroke-opacity=\".15\"/>\
             <text x=\"{0:.1}\" y=\"{1:.1}\" text-anchor=\"middle\">{rating} {word}</text>",
            x(rating),
            bottom + 18.0
        );
    }
    let _ = writeln!(out, "<text x=\"{:.1}\" y=\"16\" text-anchor=\"end\">mean</text>", width - 8.0);
    for (index, row) in rows.iter().enumerate() {
        let middle = TOP + (index as f64 + 0.5) * ROW;
        let _ = writeln!(out, "<text x=\"0\" y=\"{:.1}\">{}</text>", middle + 4.5, escaped(&row.method));
        bins(&mut out, row, middle, &x);
        mean(&mut out, row, middle, &x);
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.2}</text>",
            width - 8.0,
            middle + 4.5,
            row.summary.mean
        );
    }
    out.push_str("</svg>\n");
    out
}

fn bins(out: &mut String, row: &Row, middle: f64, x: &dyn Fn(f64) -> f64) {
    for (share, rating) in row.summary.shares().into_iter().zip(1..) {
        if share <= 0.0 {
            continue;
        }
        let height = (BIN * share).max(1.0);
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"1\" fill=\"#3a78c2\" \
             fill-opacity=\"{:.2}\"><title>{:.1} % rated {rating}</title></rect>",
            x(f64::from(rating)) - 0.45 * STEP,
            middle - height / 2.0,
            0.9 * STEP,
            0.35 + 0.6 * share,
            100.0 * share
        );
    }
}

fn mean(out: &mut String, row: &Row, middle: f64, x: &dyn Fn(f64) -> f64) {
    let at = x(row.summary.mean);
    if let Some([low, high]) = row.summary.interval {
        // An interval of few ratings may pass the scale, which the picture does not.
        let ends = [low, high].map(|end| x(end.clamp(0.5, 5.5)));
        let _ = writeln!(
            out,
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#d22f27\" stroke-width=\"2\"/>",
            ends[0], ends[1]
        );
    }
    let _ =
        writeln!(out, "<path d=\"M{at:.1} {:.1}l6 8l-6 8l-6 -8z\" fill=\"#d22f27\" stroke=\"white\"/>", middle - 8.0);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Summary;
    use super::*;

    #[test]
    fn bins_are_the_shares_and_the_marker_is_the_mean() {
        let row = |method: &str, counts| Row { method: method.into(), summary: Summary::of(counts).unwrap() };
        let picture = svg(&[row("a<b", [1, 0, 0, 0, 3]), row("one", [0, 0, 1, 0, 0])]);
        assert_eq!(picture.matches("<rect").count(), 3);
        assert!(
            picture.contains("a&lt;b") && picture.contains("75.0 % rated 5") && picture.contains("height=\"30.0\"")
        );
        // The mean of the first row is 4, which stands at 80 + 3.5 steps; the second has no interval.
        assert!(picture.contains("<path d=\"M430.0 41.0") && picture.contains(">4.00</text>"), "{picture}");
        assert_eq!(picture.matches("stroke=\"#d22f27\"").count(), 1);
    }
}
