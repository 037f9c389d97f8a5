//! Reports as one page of HTML that needs nothing beside itself: no scripts, no other files, pictures inside.

use super::gallery::{Crop, Gallery};
use super::picture::Picture;
use super::table::{decibels, similarity};
use super::{Report, Row};
use crate::error::Result;
use crate::metric::Scores;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// How every page of ours looks.
pub(crate) const STYLE: &str = include_str!("report.css");

/// The page: a table of means, the crops, and a table of every picture.
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
         <p>PSNR in dB and SSIM, higher is better, on BT.601 studio luma of 8-bit pictures, without a border of {scale} \
         pixels; the best of each row is marked. Measured by upres {}.</p>\n<h2>Means</h2>\n",
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

/// One row a set.
fn means(page: &mut String, reports: &[Report]) {
    open_table(page, "Set", reports.first().map_or(&[], |report| &report.methods));
    for report in reports.iter().filter(|report| !report.mean.is_empty()) {
        row(page, &report.set, &report.mean);
    }
    page.push_str("</table></div>\n");
}

/// One row a picture.
fn every_picture(page: &mut String, report: &Report) {
    open_table(page, "Picture", &report.methods);
    for Row { name, scores, .. } in &report.pictures {
        row(page, name, scores);
    }
    page.push_str("</table></div>\n");
}

fn open_table(page: &mut String, what: &str, methods: &[String]) {
    let _ = write!(page, "<div class=\"scroll\"><table>\n<tr><th>{what}");
    for method in methods {
        let _ = write!(page, "<th>{}", escaped(method));
    }
    page.push('\n');
}

fn row(page: &mut String, name: &str, scores: &[Scores]) {
    let _ = write!(page, "<tr><td>{}", escaped(name));
    let best = scores.iter().map(|s| s.psnr_y).fold(f64::NEG_INFINITY, f64::max);
    for score in scores {
        let mark = if scores.len() > 1 && score.psnr_y >= best { " class=\"best\"" } else { "" };
        let _ = write!(page, "<td{mark}>{}<small>{}</small>", decibels(score.psnr_y), similarity(score.ssim_y));
    }
    page.push('\n');
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
    let score = scores.map_or_else(String::new, |s| format!(": {} dB", decibels(s.psnr_y)));
    let Picture { size, .. } = picture;
    let _ = writeln!(
        page,
        "<figure><img alt=\"{name}\" width=\"{}\" height=\"{}\" src=\"data:image/png;base64,{png}\">\
         <figcaption>{name}{score}</figcaption></figure>",
        size.width, size.height
    );
    Ok(())
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
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_page() {
        assert_eq!(escaped("<b>\"a\" & b"), "&lt;b&gt;&quot;a&quot; &amp; b");
    }
}
