//! A training run as one page of HTML: its recipe, its curves, and pictures that it makes. It needs nothing beside itself, and
//! reloads itself while the run goes on.

use crate::evaluate::{STYLE, base64, escaped};
use crate::host::checkpoint::Point;
use crate::host::curve;
use std::fmt::Write;

pub use crate::host::curve::{Series, svg};

/// What the report's style lacks.
const MORE: &str = "\
.run { display: grid; gap: 1rem 2rem; align-items: start; }
@media (min-width: 60rem) { .run { grid-template-columns: minmax(0, 1fr) 22rem; } }
.run svg { width: 100%; height: auto; display: block; margin-bottom: 1rem; }
.facts th { font-weight: 400; opacity: .75; } .facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.samples { display: flex; flex-wrap: wrap; gap: 1rem; } .samples img { width: auto; max-width: 100%; }
.live { opacity: .75; }
";
/// Seconds between two looks at a run that goes on.
const EVERY: u32 = 20;

/// A picture to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// What it shows.
    pub caption: String,
    /// A PNG file.
    pub png: Vec<u8>,
}

/// The page of a run: `facts` as names and values, `charts` as titles and series, `samples` in the order given. While `live`
/// it reloads itself every 20 seconds and stays where the reader scrolled to.
pub fn page(
    title: &str,
    facts: &[(String, String)],
    charts: &[(String, Vec<Series>)],
    samples: &[Sample],
    live: bool,
) -> String {
    let title = escaped(title);
    let without_script = format!("<noscript><meta http-equiv=\"refresh\" content=\"{EVERY}\"></noscript>\n");
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n{}\
         <title>{title}</title>\n<style>\n{STYLE}{MORE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
        if live { &without_script } else { "" }
    );
    if live {
        let _ = writeln!(page, "<p class=\"live\">The run goes on; this page looks again every {EVERY} seconds.</p>");
    }
    page.push_str("<div class=\"run\">\n<div>\n");
    for (name, series) in charts {
        page.push_str(&curve::inline(name, series));
    }
    page.push_str("</div>\n<div class=\"scroll facts\"><table>\n");
    for (name, value) in facts {
        let _ = writeln!(page, "<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(value));
    }
    page.push_str("</table></div>\n</div>\n");
    if !samples.is_empty() {
        page.push_str("<h2>Samples</h2>\n<div class=\"samples\">\n");
        for sample in samples {
            figure(&mut page, sample);
        }
        page.push_str("</div>\n");
    }
    if live {
        reloading(&mut page);
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn figure(page: &mut String, sample: &Sample) {
    // Without a size the page would grow while its pictures are decoded, and the place scrolled to would be lost.
    let size = png_size(&sample.png)
        .map_or_else(String::new, |(width, height)| format!(" width=\"{width}\" height=\"{height}\""));
    let _ = writeln!(
        page,
        "<figure><img alt=\"{0}\"{size} src=\"data:image/png;base64,{1}\"><figcaption>{0}</figcaption></figure>",
        escaped(&sample.caption),
        base64(&sample.png)
    );
}

/// Width and height as the first chunk of a PNG file tells them.
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| png.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    (png.get(12..16)? == b"IHDR").then_some((side(16)?, side(20)?))
}

fn reloading(page: &mut String) {
    let _ = writeln!(
        page,
        "<script>\n(() => {{\n  const place = \"scroll:\" + location.pathname;\n  \
         try {{\n    history.scrollRestoration = \"manual\";\n    \
         scrollTo(0, Number(sessionStorage.getItem(place)) || 0);\n  }} catch {{}}\n  \
         setTimeout(() => {{\n    try {{ sessionStorage.setItem(place, scrollY); }} catch {{}}\n    \
         location.reload();\n  }}, {EVERY}000);\n}})();\n</script>"
    );
}

/// The loss of a run of `upres-host train` and, where there is a validation folder, its PSNR there.
pub fn course(history: &[Point]) -> Vec<Series> {
    let loss = history.iter().map(|p| (p.step, f64::from(p.loss))).collect();
    let mut course = vec![Series::new("loss", "", loss)];
    let psnr: Vec<_> = history.iter().filter_map(|p| Some((p.step, f64::from(p.psnr?)))).collect();
    if !psnr.is_empty() {
        course.push(Series::new("PSNR", "dB", psnr));
    }
    course
}

/// All that is measured in such a run: its [`course`], and the channels of each hidden layer that are alive.
pub fn charts(history: &[Point]) -> Vec<(String, Vec<Series>)> {
    let mut charts = vec![("Loss and validation PSNR".to_string(), course(history))];
    let layers = history.iter().map(|p| p.alive.len()).max().unwrap_or(0);
    let of = |layer: usize| {
        let points = history.iter().filter_map(|p| Some((p.step, *p.alive.get(layer)? as f64))).collect();
        Series::new(format!("layer {}", layer + 1), "", points)
    };
    if layers > 0 {
        charts.push(("Channels alive".to_string(), (0..layers).map(of).collect()));
    }
    charts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        let png = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[0, 0, 1, 0, 0, 0, 0, 40], b"rest"].concat();
        Sample { caption: "<bicubic> | ours".into(), png }
    }

    #[test]
    fn the_page_holds_facts_charts_and_samples() {
        let chart =
            ("GAN".to_string(), vec![Series::new("D", "", vec![(1, 0.5)]), Series::new("G", "", vec![(1, 0.7)])]);
        let facts = [("rate".to_string(), "1e-4 & falling".to_string())];
        let page = page("a \"run\"", &facts, &[chart.clone(), chart], &[sample()], false);
        assert!(page.contains("<title>a &quot;run&quot;</title>") && page.contains("<td>1e-4 &amp; falling</td>"));
        assert_eq!((page.matches("<svg").count(), page.matches("<figure>").count()), (2, 1));
        assert!(page.contains("width=\"256\" height=\"40\" src=\"data:image/png;base64,iVBORw0KGgo"));
        assert!(page.contains("<figcaption>&lt;bicubic&gt; | ours<"));
        assert!(!page.contains("<script") && !page.contains("refresh") && !page.contains("src=\"http"));
    }

    #[test]
    fn a_live_page_reloads_itself() {
        let page = page("run", &[], &[], &[], true);
        assert!(page.contains("location.reload()") && page.contains("20000") && page.contains("content=\"20\""));
    }

    #[test]
    fn a_sample_without_a_header_has_no_size() {
        assert_eq!((png_size(b"png"), png_size(&[])), (None, None));
        assert_eq!(png_size(&sample().png), Some((256, 40)));
    }

    #[test]
    fn a_run_without_validation_has_no_psnr() {
        let point = |step, psnr, alive: &[usize]| Point { step, loss: 0.1, psnr, alive: alive.to_vec() };
        let lines = |history: &[Point]| charts(history).iter().map(|(_, series)| series.len()).collect::<Vec<_>>();
        assert_eq!(lines(&[point(1, None, &[])]), [1]);
        assert_eq!(lines(&[point(1, Some(30.0), &[]), point(2, Some(31.0), &[8, 7])]), [2, 2]);
    }
}
