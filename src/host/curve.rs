//! Curves of a training run as SVG: one panel a unit, one above the other, over the same steps.

use crate::evaluate::escaped;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const PANEL: f64 = 190.0;
/// Height of a line of the legend.
const LINE: f64 = 18.0;
const LETTER: f64 = 6.6;
/// Told apart on white and on black.
const COLOURS: [&str; 8] = ["#2f6fc4", "#d1482f", "#2e9d5b", "#a05bc4", "#c98a1b", "#1d9aa5", "#c2528b", "#7c7f86"];
/// Points of one line past which only the extremes of each pixel's width are drawn.
const MANY: usize = 2000;

/// Something measured over the steps of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// What its values are counted in; series of one unit share an axis. May be empty.
    pub unit: String,
    /// Step and value, by step. Values that are no numbers are left out, and the line is broken there.
    pub points: Vec<(u64, f64)>,
}

impl Series {
    /// A series named `name`, in `unit`.
    pub fn new(name: impl Into<String>, unit: impl Into<String>, points: Vec<(u64, f64)>) -> Self {
        Self { name: name.into(), unit: unit.into(), points }
    }
}

/// Draws `series` as a picture that stands alone, on white. Every series has a colour, and dashes from the ninth on; the
/// legend tells each one's last value.
pub fn svg(title: &str, series: &[Series]) -> String {
    drawn(title, series, true)
}

/// As [`svg`], for a page: no ground of its own, and text in the colour of what is around it.
pub(super) fn inline(title: &str, series: &[Series]) -> String {
    drawn(title, series, false)
}

/// A series with its place in the chart, which decides its colour.
type Numbered<'a> = (usize, &'a Series);

fn drawn(title: &str, series: &[Series], paper: bool) -> String {
    let mut panels: Vec<(&str, Vec<Numbered>)> = Vec::new();
    for (index, one) in series.iter().enumerate() {
        match panels.iter_mut().find(|(unit, _)| *unit == one.unit) {
            Some((_, members)) => members.push((index, one)),
            None => panels.push((&one.unit, vec![(index, one)])),
        }
    }
    let steps = series.iter().flat_map(|one| &one.points).map(|point| point.0).max().unwrap_or(0).max(1);
    let mut body = String::new();
    let mut y = 34.0;
    for (unit, members) in &panels {
        y = panel(&mut body, unit, members, steps, y);
    }
    let height = y.max(60.0);
    let (ink, ground) = if paper {
        ("#222", "<rect width=\"100%\" height=\"100%\" fill=\"white\" stroke=\"none\"/>\n")
    } else {
        ("currentColor", "")
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"{ink}\" role=\"img\" aria-label=\"{0}\">\n{ground}\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{0}</text>\n{body}</svg>\n",
        escaped(title)
    )
}

/// Draws the panel of one unit from `top` down, and returns where the next one begins.
fn panel(out: &mut String, unit: &str, members: &[Numbered], steps: u64, top: f64) -> f64 {
    let top = legend(out, unit, members, top) + 10.0;
    let bottom = top + PANEL;
    let values = members.iter().flat_map(|(_, one)| &one.points).map(|point| point.1).filter(|v| v.is_finite());
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = if low > high { (0.0, 1.0) } else { roomy(low, high) };
    let x = |step: f64| LEFT + (WIDTH - LEFT - RIGHT) * step / steps as f64;
    let y = |value: f64| bottom - PANEL * ((value - low) / (high - low)).clamp(0.0, 1.0);
    let step = spacing(low, high);
    for value in ticks(low, high, step) {
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#888\" stroke-opacity=\".3\"/>\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
            WIDTH - RIGHT,
            y(value),
            LEFT - 6.0,
            y(value) + 4.0,
            number(value, step)
        );
    }
    let step = spacing(0.0, steps as f64).max(1.0);
    for value in ticks(0.0, steps as f64, step) {
        let _ = writeln!(
            out,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{bottom}\" y2=\"{1}\" stroke=\"#888\"/>\
             <text x=\"{0:.1}\" y=\"{2}\" text-anchor=\"middle\">{3}</text>",
            x(value),
            bottom + 4.0,
            bottom + 17.0,
            thousands(value)
        );
    }
    let _ =
        writeln!(out, "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{bottom}\" y2=\"{bottom}\" stroke=\"#888\"/>", WIDTH - RIGHT);
    let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"end\">step</text>", LEFT - 12.0, bottom + 17.0);
    for (index, one) in members {
        line(out, *index, &one.points.iter().map(|p| (x(p.0 as f64), p.1)).collect::<Vec<_>>(), &y);
    }
    bottom + 34.0
}

/// The unit, and each series' colour, name and last value; returns where it ends.
fn legend(out: &mut String, unit: &str, members: &[Numbered], top: f64) -> f64 {
    let (mut x, mut y) = (LEFT, top + 12.0);
    for (index, one) in members {
        let last = one.points.iter().rev().map(|point| point.1).find(|value| value.is_finite());
        let last = last.map_or_else(|| "–".to_string(), |value| figures(value, unit));
        let text = format!("{} {last}", one.name);
        let wide = 34.0 + text.chars().count() as f64 * LETTER;
        if x > LEFT && x + wide > WIDTH - RIGHT {
            (x, y) = (LEFT, y + LINE);
        }
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" {2}/><text x=\"{3:.1}\" y=\"{y:.1}\">{4}</text>",
            x + 18.0,
            y - 4.0,
            stroke(*index),
            x + 24.0,
            escaped(&text)
        );
        x += wide;
    }
    y
}

/// Draws one series, whose steps are pixels already: a line wherever values follow each other, a dot for a lonely one.
fn line(out: &mut String, index: usize, points: &[(f64, f64)], y: &dyn Fn(f64) -> f64) {
    for run in points.split(|point| !point.1.is_finite()).filter(|run| !run.is_empty()) {
        if let [only] = run {
            let colour = COLOURS[index % COLOURS.len()];
            let _ = writeln!(out, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{colour}\"/>", only.0, y(only.1));
            continue;
        }
        let path: Vec<String> = thinned(run).iter().map(|p| format!("{:.1},{:.1}", p.0, y(p.1))).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke-linejoin=\"round\" {} points=\"{}\"/>",
            stroke(index),
            path.join(" ")
        );
    }
}

fn stroke(index: usize) -> String {
    let dash = ["", " stroke-dasharray=\"6 3\"", " stroke-dasharray=\"2 3\""][index / COLOURS.len() % 3];
    format!("stroke=\"{}\" stroke-width=\"1.6\"{dash}", COLOURS[index % COLOURS.len()])
}

/// The least and the greatest point of every pixel's width, where there are very many.
fn thinned(run: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if run.len() <= MANY {
        return run.to_vec();
    }
    let mut kept = Vec::new();
    for column in run.chunk_by(|a, b| a.0 as i64 == b.0 as i64) {
        let least = (0..column.len()).min_by(|&a, &b| column[a].1.total_cmp(&column[b].1)).unwrap_or(0);
        let most = (0..column.len()).max_by(|&a, &b| column[a].1.total_cmp(&column[b].1)).unwrap_or(0);
        kept.push(column[least.min(most)]);
        kept.push(column[least.max(most)]);
    }
    kept
}

/// A little more than the range from `low` to `high`, and never nothing.
fn roomy(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = (low.max(-1e300), high.min(1e300));
    let room = if high > low { 0.04 * (high - low) } else { 0.05 * high.abs().max(1e-6) };
    (low - room, high + room)
}

/// Distance of ticks: 1, 2 or 5 times a power of ten, so that there are about five.
fn spacing(low: f64, high: f64) -> f64 {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough * 0.999).unwrap_or(rough)
}

/// The multiples of `step` from `low` to `high`; at most 20.
fn ticks(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step).ceil();
    (0..20).map(move |n| (first + f64::from(n)) * step).take_while(move |value| *value <= high + 1e-9 * step)
}

/// `value` with the digits that ticks `step` apart need.
fn number(value: f64, step: f64) -> String {
    if value != 0.0 && (value.abs() >= 1e6 || step < 1e-6) {
        return format!("{value:.1e}");
    }
    let digits = (-step.log10().floor()).clamp(0.0, 8.0) as usize;
    // Minus zero is zero.
    format!("{:.digits$}", value + 0.0)
}

/// A number of steps: `500`, `20k`, `1.5M`.
fn thousands(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", v / 1e6),
        v if v >= 1e4 => format!("{}k", v / 1e3),
        v => format!("{v}"),
    }
}

/// `value` to four figures, or whole, and its unit.
fn figures(value: f64, unit: &str) -> String {
    let digits = if value == 0.0 { 0.0 } else { 3.0 - value.abs().log10().floor() };
    let text = if value.fract() == 0.0 && value.abs() < 1e6 {
        format!("{value}")
    } else if (-4.0..=8.0).contains(&digits) {
        format!("{value:.*}", digits.max(0.0) as usize)
    } else {
        format!("{value:.3e}")
    };
    if unit.is_empty() { text } else { format!("{text} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_has_its_panel_and_numbers_are_written() {
        let loss = Series::new("loss", "", vec![(10, 0.05), (20, 0.03)]);
        let psnr = Series::new("PSNR", "dB", vec![(10, 30.0), (20, 31.5)]);
        let picture = svg("a <run>", &[loss, psnr]);
        assert!(
            picture.contains("a &lt;run&gt;") && picture.contains("loss 0.03000") && picture.contains("PSNR 31.50 dB")
        );
        assert_eq!(picture.matches("<polyline").count(), 2);
        // Both lines go from the middle to the right end; the loss falls and the PSNR rises.
        let ends: Vec<Vec<f64>> = picture
            .split("points=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap_or("").split([' ', ',']).filter_map(|n| n.parse().ok()).collect())
            .collect();
        assert!(ends.iter().all(|e| (e[0] - 384.0).abs() < 0.1 && (e[2] - 704.0).abs() < 0.1), "{ends:?}");
        assert!(ends[0][3] > ends[0][1] && ends[1][3] < ends[1][1], "{ends:?}");
        for tick in [">0.030<", ">0.050<", ">30.0<", ">31.5<", ">20<"] {
            assert!(picture.contains(tick), "{tick} {picture}");
        }
    }

    #[test]
    fn what_is_no_number_breaks_the_line() {
        let points = [1.0, 2.0, f64::NAN, 3.0, f64::INFINITY, 2.0, 1.0].into_iter().zip(1..).map(|(v, s)| (s, v));
        let picture = svg("gaps", &[Series::new("a", "", points.collect())]);
        assert_eq!((picture.matches("<polyline").count(), picture.matches("<circle").count()), (2, 1));
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
    }

    #[test]
    fn nothing_and_hopeless_values_are_drawn_without_harm() {
        assert!(svg("nothing", &[]).ends_with("</svg>\n"));
        for values in [vec![], vec![0.0, 0.0], vec![f64::MAX, f64::MIN], vec![1e-300, 2e-300], vec![f64::NAN]] {
            let points = values.into_iter().enumerate().map(|(step, value)| (step as u64, value)).collect();
            let picture = inline("odd", &[Series::new("odd", "x", points)]);
            assert!(!picture.contains("NaN") && !picture.contains("inf") && picture.len() < 9000, "{picture}");
        }
    }

    #[test]
    fn many_points_keep_their_extremes() {
        let mut points: Vec<(u64, f64)> = (0..100_000).map(|step| (step, f64::from(step as u32 % 7))).collect();
        points[50_000].1 = 100.0;
        let many = Series::new("many", "", points);
        let picture = svg("many", std::slice::from_ref(&many));
        assert!(picture.len() < 40_000, "{}", picture.len());
        let run: Vec<(f64, f64)> = many.points.iter().map(|p| (p.0 as f64 / 160.0, p.1)).collect();
        assert!(thinned(&run).iter().any(|p| p.1 > 99.0));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.03, 31.5, 8.0, 0.0, 123_456.7, 1e-9].map(|v| figures(v, "")),
            ["0.03000", "31.50", "8", "0", "123457", "1.000e-9"]
        );
    }

    #[test]
    fn ticks_are_round() {
        let of =
            |low, high| ticks(low, high, spacing(low, high)).map(|v| number(v, spacing(low, high))).collect::<Vec<_>>();
        assert_eq!(of(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(of(-3.0, 21.0), ["0", "5", "10", "15", "20"]);
        assert_eq!(of(27.84, 27.97), ["27.85", "27.90", "27.95"]);
        assert_eq!([500.0, 20_000.0, 1_500_000.0].map(thousands), ["500", "20k", "1.5M"]);
    }
}
