//! The state as Prometheus reads it: text, format 0.0.4.

use super::site::Site;
use super::state::shown;
use crate::device::desk::Report;
use std::fmt::Write;

/// The kind of the text.
pub(super) const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Text that grows; writing to memory cannot fail.
#[derive(Default)]
struct Page(String);

impl Page {
    /// A family of values, each with its labels.
    fn family(&mut self, kind: &str, name: &str, help: &str, values: &[(&[(&str, &str)], f64)]) {
        let text = &mut self.0;
        let _ = write!(text, "# HELP upres_{name} {help}\n# TYPE upres_{name} {kind}\n");
        for (labels, value) in values {
            let _ = write!(text, "upres_{name}");
            for (i, (label, content)) in labels.iter().enumerate() {
                let _ = write!(text, "{}{label}=\"{}\"", if i == 0 { '{' } else { ',' }, escaped(content));
            }
            let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family("gauge", name, help, &[(&[], value)]);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family("counter", name, help, &[(&[], value as f64)]);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The answer to `/metrics`.
pub(super) fn metrics(site: &Site) -> String {
    let report = shown(site);
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    let labels = [
        ("version", version),
        ("source", &report.source),
        ("format", &report.format),
        ("model", &report.model),
        ("running", &report.running),
    ];
    page.family("gauge", "info", "What is at work.", &[(&labels, 1.0)]);
    page.gauge("uptime_seconds", "Seconds since the beginning.", report.uptime);
    frames(&mut page, &report);
    times(&mut page, &report);
    page.gauge("tiles_run", "Tiles of the last second that were computed.", report.tiles_run as f64);
    page.gauge("tiles_reused", "Tiles of the last second that were taken from before.", report.tiles_reused as f64);
    let state = [("state", report.governor.state.as_str())];
    page.family("gauge", "governor_state", "What the governor chose.", &[(&state, 1.0)]);
    page.gauge("governor_step", "Steps below what was asked for.", report.governor.step as f64);
    if let Some(temperature) = report.temperature {
        page.gauge("temperature_celsius", "The hottest thermal zone.", temperature);
    }
    page.gauge("throttled", "Whether the board says that it is throttled.", f64::from(u8::from(report.throttled)));
    page.gauge("http_clients", "Who watches in a browser or by a stream.", site.crowd.count() as f64);
    page.gauge("http_queued_fps", "Frames a second that were encoded for them.", f64::from(site.queued_fps()));
    sinks(&mut page, &report);
    page.0
}

fn frames(page: &mut Page, report: &Report) {
    page.gauge("source_online", "Whether frames come.", f64::from(u8::from(report.online)));
    page.counter("source_reopened_total", "Times that the source was opened anew.", report.reopened);
    page.counter("frames_captured_total", "Frames that came.", report.captured);
    page.counter("frames_enlarged_total", "Frames that were enlarged.", report.frames);
    let dropped = &report.dropped;
    let reasons = [
        ("late", dropped.late),
        ("damaged", dropped.damaged),
        ("thinned", dropped.thinned),
        ("unwatched", dropped.unwatched),
        ("lost", dropped.lost),
    ];
    let labels = reasons.map(|(reason, _)| [("reason", reason)]);
    let values: Vec<_> = labels.iter().zip(reasons).map(|(label, (_, n))| (label.as_slice(), n as f64)).collect();
    page.family("counter", "frames_dropped_total", "Frames that were not shown, by reason.", &values);
    page.gauge("captured_fps", "Frames a second that come.", report.fps_in);
    page.gauge("enlarged_fps", "Frames a second that are enlarged.", report.fps_out);
}

fn times(page: &mut Page, report: &Report) {
    let (ms, age) = (&report.ms, &report.age);
    let stages = [("unpack", ms.unpack), ("generator", ms.generator), ("chroma", ms.chroma), ("total", ms.total)];
    let labels = stages.map(|(stage, _)| [("stage", stage)]);
    let values: Vec<_> = labels.iter().zip(stages).map(|(label, (_, ms))| (label.as_slice(), ms / 1e3)).collect();
    page.family("gauge", "stage_seconds", "Mean time of a frame by stage, of the last second.", &values);
    let quantiles = [("0.5", age.p50), ("0.95", age.p95), ("0.99", age.p99)];
    let labels = quantiles.map(|(quantile, _)| [("quantile", quantile)]);
    let values: Vec<_> = labels.iter().zip(quantiles).map(|(label, (_, ms))| (label.as_slice(), ms / 1e3)).collect();
    page.family("gauge", "age_seconds", "Age of enlarged frames, by quantile.", &values);
}

fn sinks(page: &mut Page, report: &Report) {
    let labels: Vec<_> = report.sinks.iter().map(|sink| [("sink", sink.name.as_str())]).collect();
    let mut family = |kind: &str, name: &str, help: &str, values: Vec<f64>| {
        let values: Vec<_> = labels.iter().map(<[_; 1]>::as_slice).zip(values).collect();
        page.family(kind, name, help, &values);
    };
    let sinks = &report.sinks;
    family("gauge", "sink_fps", "Frames a second by sink.", sinks.iter().map(|s| s.fps).collect());
    family("gauge", "sink_seconds", "Time that showing a frame takes.", sinks.iter().map(|s| s.ms / 1e3).collect());
    let skipped = sinks.iter().map(|s| s.skipped as f64).collect();
    family("counter", "sink_frames_skipped_total", "Frames passed over because a newer one came.", skipped);
    let well = sinks.iter().map(|s| f64::from(u8::from(s.trouble.is_none()))).collect();
    family("gauge", "sink_up", "Whether nothing is wrong with it.", well);
}
