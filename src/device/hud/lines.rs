//! What the figures say, in words.

use crate::device::desk::Report;

/// How a line is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// All is well.
    Plain,
    /// Less than was asked for.
    Warning,
    /// Something is wrong.
    Trouble,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Line {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Warning }
    }
}

/// The figures of a report, the most wanted first.
pub(super) fn figures(report: &Report) -> Vec<Line> {
    let ms = &report.ms;
    let mut lines = vec![
        Line::plain(format!("{:.1} fps in, {:.1} out", report.fps_in, report.fps_out)),
        Line::plain(format!("{} > {}", size(report.input), size(report.output))),
        Line::plain(format!(
            "{:.1} ms: unpack {:.1}, net {:.1}, chroma {:.1}",
            ms.total, ms.unpack, ms.generator, ms.chroma
        )),
        Line::plain(format!("age {:.0} ms, p95 {:.0}", report.age.p50, report.age.p95)),
    ];
    let tiles = report.tiles_run.saturating_add(report.tiles_reused);
    if tiles > 0 {
        lines.push(Line::plain(format!("tiles reused {:.0} %", 100.0 * report.tiles_reused as f64 / tiles as f64)));
    }
    lines.push(Line::plain(if report.running.is_empty() { &report.model } else { &report.running }.as_str()));
    if let Some(degrees) = report.temperature {
        let throttled = if report.throttled { ", throttled" } else { "" };
        let tone = if report.throttled { Tone::Warning } else { Tone::Plain };
        lines.push(Line { text: format!("{degrees:.0} °C{throttled}"), tone });
    } else if report.throttled {
        lines.push(Line::warning("throttled"));
    }
    let governor = &report.governor;
    if !governor.state.is_empty() {
        let reason = if governor.reason.is_empty() { String::new() } else { format!(": {}", governor.reason) };
        let tone = if governor.step > 0 { Tone::Warning } else { Tone::Plain };
        lines.push(Line { text: format!("{}{reason}", governor.state), tone });
    }
    if let Some(trouble) = &report.trouble {
        lines.push(Line { text: trouble.clone(), tone: Tone::Trouble });
    }
    lines
}

fn size([width, height]: [usize; 2]) -> String {
    format!("{width}x{height}")
}

/// A title and a reason where there is no picture: none where pictures come.
pub(super) fn notice(report: &Report, seen: bool) -> Option<(&'static str, String)> {
    match (&report.trouble, report.online) {
        (Some(trouble), false) => Some(("NO LIVE VIDEO", trouble.clone())),
        (None, false) if seen => Some(("NO LIVE VIDEO", format!("waiting for {}", report.source))),
        (_, false) => Some(("STARTING", format!("waiting for {}", report.source))),
        (_, true) if !seen => Some(("STARTING", report.format.clone())),
        (_, true) => None,
    }
}

/// Lines broken at spaces so that none is longer than `columns` characters; words that are longer themselves are broken anywhere.
pub(super) fn wrapped(lines: Vec<Line>, columns: usize) -> Vec<Line> {
    let mut result = Vec::new();
    for Line { text, tone } in lines {
        let (mut row, mut length) = (String::new(), 0);
        for word in text.split_whitespace() {
            let word: Vec<char> = word.chars().collect();
            for (part, piece) in word.chunks(columns.max(1)).enumerate() {
                if length > 0 && (part > 0 || length + 1 + piece.len() > columns) {
                    result.push(Line { text: std::mem::take(&mut row), tone });
                    length = 0;
                }
                if length > 0 {
                    row.push(' ');
                    length += 1;
                }
                row.extend(piece);
                length += piece.len();
            }
        }
        if length > 0 {
            result.push(Line { text: row, tone });
        }
    }
    result
}
