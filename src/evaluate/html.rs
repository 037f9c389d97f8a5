//! Reports as one page of HTML that needs nothing beside itself: no scripts, no other files, pictures inside.

use super::gallery::{Crop, Gallery};
use super::picture::Picture;
use super::{Better, Measure, Report, Verdict};
use crate::error::Result;
use crate::metric::Scores;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// How every page of ours looks.
pub(crate) const STYLE: &str = include_str!("report.css");

/// The page: one table of means (sets and their measures across, methods down), the crops, and a table of every picture.
///
/// # Errors
/// What the PNG encoder reports of a crop.
pub fn page(reports: &[Report], gallery: &Gallery) -> Result<String> {
    let scale = reports.first().map_or(0, |report| report.scale);
    let mut page = String::new();
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Enlarging {scale} times, measured</title>\n<style>\n{STYLE}</style>\n\
         <h1>Enlarging {scale} times, measured</h1>\n\
         <p>PSNR in dB and SSIM on BT.601 studio luma of 8-bit pictures, without a border of {scale} pixels; other measures \
         on whole pictures. ↑ means that more is better, ↓ that less is; the best is marked, of each column of the means and \
         for each picture. Measured by upres {}.</p>\n<h2>Means</h2>\n",
        env!("CARGO_PKG_VERSION")
    );
    means(&mut page, reports);
    for report in reports {
        left_out(&mut page, report);
    }
    if !gallery.crops().is_empty() {
        page.push_str("<h2>Where the methods differ most</h2>\n");
    }
    for crop in gallery.crops() {
        side_by_side(&mut page, crop, reports.first().map_or(&[], |report| &report.methods))?;
    }
    page.push_str("<h2>Every picture</h2>\n");
    for report in reports {
        let _ =
            writeln!(page, "<details><summary>{}, {} pictures</summary>", escaped(&report.set), report.pictures.len());
        every_picture(&mut page, report);
        page.push_str("</details>\n");
    }
    page.push_str("</html>\n");
    Ok(page)
}

/// One row a method, with the measures of each set; the best of each column is marked.
fn means(page: &mut String, reports: &[Report]) {
    let methods = reports.first().map_or(&[][..], |report| &report.methods);
    let reports: Vec<&Report> = reports.iter().filter(|report| !report.mean.is_empty()).collect();
    let sets = reports.iter().map(|report| (report.set.as_str(), report.measures.as_slice()));
    open_table(page, "Method", &sets.collect::<Vec<_>>());
    for (index, method) in methods.iter().enumerate() {
        let _ = write!(page, "<tr><td>{}", escaped(method));
        for report in &reports {
            group(page, &report.measures, &report.mean, index);
        }
        page.push('\n');
    }
    page.push_str("</table></div>\n");
}

/// One row a picture, with the measures of each method; the best of each measure is marked in every row.
fn every_picture(page: &mut String, report: &Report) {
    let methods = report.methods.iter().map(|method| (method.as_str(), report.measures.as_slice()));
    open_table(page, "Picture", &methods.collect::<Vec<_>>());
    for row in &report.pictures {
        let _ = write!(page, "<tr><td>{}", escaped(&row.name));
        for index in 0..row.verdicts.len() {
            group(page, &report.measures, &row.verdicts, index);
        }
        page.push('\n');
    }
    page.push_str("</table></div>\n");
}

/// Two rows of heads: the groups, and below each the measures it holds.
fn open_table(page: &mut String, what: &str, groups: &[(&str, &[Measure])]) {
    let _ = write!(page, "<div class=\"scroll\"><table>\n<tr><th rowspan=\"2\">{what}");
    for (name, measures) in groups {
        let _ = write!(page, "<th class=\"group\" colspan=\"{}\">{}", measures.len(), escaped(name));
    }
    page.push_str("\n<tr>");
    for measure in groups.iter().flat_map(|(_, measures)| *measures) {
        let arrow = match measure.better {
            Better::Lower => "↓",
            Better::Higher => "↑",
        };
        let _ = write!(page, "<th>{} {arrow}", escaped(&measure.title));
    }
    page.push('\n');
}

/// The cells of the verdict at `index`, marked where none of `rivals` (itself among them) is better.
fn group(page: &mut String, measures: &[Measure], rivals: &[Verdict], index: usize) {
    let values: Vec<Vec<Option<f64>>> = rivals.iter().map(Verdict::values).collect();
    for (column, measure) in measures.iter().enumerate() {
        let value = values[index][column];
        let best = measure.best(values.iter().map(|values| values[column]));
        let mark = if best.is_some() && value == best { " class=\"best\"" } else { "" };
        let _ = write!(page, "<td{mark}>{}", measure.shown(value));
    }
}

fn left_out(page: &mut String, report: &Report) {
    for (picture, reason) in &report.failed {
        let _ =
            writeln!(page, "<p>{} / {} was left out: {}</p>", escaped(&report.set), escaped(picture), escaped(reason));
    }
}

/// The original, then what each method made of it.
fn side_by_side(page: &mut String, crop: &Crop, methods: &[String]) -> Result<()> {
    let (x, y, size) = (crop.place.x, crop.place.y, crop.place.size);
    let (set, picture) = (escaped(&crop.set), escaped(&crop.picture));
    let _ = writeln!(page, "<h3>{set} / {picture}, {size} at ({x}, {y})</h3>\n<div class=\"crops\">");
    figure(page, &crop.original, "original", None)?;
    for ((result, scores), method) in crop.results.iter().zip(methods) {
        figure(page, result, method, scores.as_ref())?;
    }
    page.push_str("</div>\n");
    Ok(())
}

fn figure(page: &mut String, picture: &Picture, name: &str, scores: Option<&Scores>) -> Result<()> {
    let (name, png) = (escaped(name), base64(&picture.to_png()?));
    let score = scores.map_or_else(String::new, |s| format!(": {}", decibels(s.psnr_y)));
    let Picture { size, .. } = picture;
    let _ = writeln!(
        page,
        "<figure><img alt=\"{name}\" width=\"{}\" height=\"{}\" src=\"data:image/png;base64,{png}\">\
         <figcaption>{name}{score}</figcaption></figure>",
        size.width, size.height
    );
    Ok(())
}

/// `28.426 dB`, or that the crop equals the original.
fn decibels(value: f64) -> String {
    if value.is_infinite() { "equal".to_string() } else { format!("{value:.3} dB") }
}

/// Text that cannot be taken for markup, in content and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Base64 of RFC 4648 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::evaluate::Row;
    use std::collections::BTreeMap;

    fn report(set: &str, niqe: [f64; 2]) -> Report {
        let verdict = |psnr_y, niqe| Verdict {
            scores: Scores { psnr_y, ssim_y: Some(0.5), psnr_rgb: psnr_y, largest_difference: 1.0 },
            judged: vec![Some(niqe)],
        };
        let mut measures = Measure::all(&[]);
        measures.push(Measure { key: "niqe".into(), title: "NIQE".into(), better: Better::Lower, decimals: 3 });
        let verdicts = vec![verdict(20.0, niqe[0]), verdict(30.0, niqe[1])];
        Report {
            set: set.into(),
            scale: 4,
            border: 4,
            methods: vec!["one".into(), "two".into()],
            measures,
            pictures: vec![Row { name: "picture".into(), size: [8, 8], verdicts: verdicts.clone() }],
            mean: verdicts,
            failed: BTreeMap::new(),
        }
    }

    #[test]
    fn one_table_shows_sets_and_methods_with_the_best_of_each_column() {
        let reports = [report("first", [3.0, 4.0]), report("second", [6.0, 5.0])];
        let page = page(&reports, &Gallery::closed()).unwrap();
        let (means, pictures) = page.split_once("<h2>Every picture</h2>").unwrap();
        assert_eq!(means.matches("<table>").count(), 1);
        let row = |name: &str| means.lines().find(|line| line.starts_with(&format!("<tr><td>{name}"))).unwrap();
        let (best, equal) = ("<td class=\"best\">", "<td class=\"best\">0.5000");
        assert_eq!(row("one"), format!("<tr><td>one<td>20.000{equal}{best}3.000<td>20.000{equal}<td>6.000"));
        assert_eq!(row("two"), format!("<tr><td>two{best}30.000{equal}<td>4.000{best}30.000{equal}{best}5.000"));
        assert!(means.contains("<th class=\"group\" colspan=\"3\">second") && means.contains("<th>NIQE ↓"));
        assert!(pictures.contains(&format!("<td>picture<td>20.000{equal}{best}3.000{best}30.000")));
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        assert_eq!(escaped("<b>\"a\" & b"), "&lt;b&gt;&quot;a&quot; &amp; b");
    }
}
