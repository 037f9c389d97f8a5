//! What the user sees of a batch: a moving line on a terminal, plain lines elsewhere, JSON for scripts.

use crate::interrupt;
use serde::Serialize;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use upres::device::convert::{Outcome, Report, Summary, Watcher};
use upres::error::{Error, Kind};
use upres::progress::{Progress, readable, time_left};

/// How often the moving line is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

/// Shows a batch.
pub(super) struct Show {
    json: bool,
    quiet: bool,
    terminal: bool,
    items: usize,
    begin: Instant,
    state: Mutex<State>,
}

struct State {
    ended: usize,
    /// Weight done, and weight in all.
    done: u64,
    total: u64,
    drawn: Instant,
    /// Whether the moving line stands on the terminal.
    line: bool,
}

impl State {
    /// Takes the moving line off the terminal.
    fn wipe(&mut self) {
        if std::mem::take(&mut self.line) {
            let _ = write!(stderr().lock(), "\r\x1b[K");
        }
    }

    /// One line on standard error, above the moving line. That nobody reads it stops nothing.
    fn say(&mut self, text: &str) {
        self.wipe();
        let _ = writeln!(stderr().lock(), "{text}");
    }
}

/// One line of JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Item(ItemEvent<'a>),
    Summary { done: usize, skipped: usize, failed: usize, left: usize, interrupted: bool, seconds: f64 },
}

#[derive(Serialize, Default)]
struct ItemEvent<'a> {
    status: &'static str,
    input: std::borrow::Cow<'a, str>,
    /// The name's bytes where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_bytes: Option<&'a [u8]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<[usize; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<[usize; 2]>,
    /// Bytes of memory that were planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl<'a> ItemEvent<'a> {
    fn new(status: &'static str, input: &'a Path) -> Self {
        let input_bytes = input.to_str().is_none().then_some(input.as_os_str().as_encoded_bytes());
        Self { status, input: input.to_string_lossy(), input_bytes, ..Self::default() }
    }

    fn failed(mut self, error: &Error) -> Self {
        self.kind = Some(kind(error.kind()));
        self.error = Some(error.to_string());
        self
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Usage => "usage",
        Kind::Input => "input",
        Kind::Model => "model",
        Kind::Limit => "limit",
        Kind::Io => "io",
        Kind::Interrupted => "interrupted",
        Kind::Internal => "internal",
    }
}

impl Show {
    /// For so many pictures of so much weight in all.
    pub(super) fn new(json: bool, quiet: bool, items: usize, total: u64) -> Self {
        let now = Instant::now();
        let state = State { ended: 0, done: 0, total, drawn: now, line: false };
        let terminal = !quiet && stderr().is_terminal();
        Self { json, quiet, terminal, items, begin: now, state: Mutex::new(state) }
    }

    /// Tells of an input that could not even be listed.
    pub(super) fn problem(&self, path: &Path, error: &Error) {
        let mut state = self.state();
        state.say(&format!("upres: {error}"));
        self.print(&Event::Item(ItemEvent::new("failed", path).failed(error)));
    }

    /// Tells how the batch ended.
    pub(super) fn summary(&self, summary: &Summary, time: Duration) {
        let Summary { done, skipped, failed, left } = *summary;
        let mut state = self.state();
        let interrupted = interrupt::asked();
        self.print(&Event::Summary { done, skipped, failed, left, interrupted, seconds: seconds(time) });
        let counts =
            [(skipped, "skipped"), (failed, "failed"), (left, "left")].into_iter().filter(|(count, _)| *count > 0);
        let mut parts = vec![format!("{done} done")];
        parts.extend(counts.map(|(count, what)| format!("{count} {what}")));
        let hint = if left > 0 { "; run it again with --skip-existing to go on" } else { "" };
        if !self.quiet || failed + left > 0 {
            state.say(&format!("{} in {}{hint}", parts.join(", "), readable(time)));
        }
        state.wipe();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, event: &Event<'_>) {
        if let (true, Ok(text)) = (self.json, serde_json::to_string(event)) {
            let _ = writeln!(stdout().lock(), "{text}");
        }
    }

    fn draw(&self, state: &mut State) {
        if !self.terminal || state.drawn.elapsed() < REDRAW {
            return;
        }
        let percent = 100 * u128::from(state.done) / u128::from(state.total.max(1));
        let left = time_left(state.done, state.total, self.begin.elapsed());
        let left = left.map_or(String::new(), |left| format!(", {} left", readable(left)));
        let _ = write!(stderr().lock(), "\r\x1b[K{percent:3} %  {} of {} pictures{left}", state.ended, self.items);
        (state.drawn, state.line) = (Instant::now(), true);
    }
}

impl Progress for Show {
    fn advance(&self, amount: u64) {
        let mut state = self.state();
        state.done += amount;
        self.draw(&mut state);
    }

    fn stopped(&self) -> bool {
        interrupt::asked()
    }
}

impl Watcher for Show {
    fn ended(&self, report: &Report<'_>) {
        let (input, output) = (&report.item.input, &report.item.output);
        let mut state = self.state();
        state.ended += 1;
        state.total = state.total.saturating_sub(report.rest);
        let mut event = ItemEvent::new("done", input);
        event.output = Some(output.to_string_lossy());
        event.seconds = Some(seconds(report.time));
        let said = match &report.outcome {
            Outcome::Done(done) => {
                event.from = Some([done.from.width, done.from.height]);
                event.to = Some([done.to.width, done.to.height]);
                event.memory = Some(done.memory);
                let sizes = format!("{} to {} in {}", done.from, done.to, readable(report.time));
                (!self.quiet).then(|| format!("{} -> {}: {sizes}", input.display(), output.display()))
            }
            Outcome::Skipped => {
                event.status = "skipped";
                (!self.quiet).then(|| format!("{}: skipped, {} is there", input.display(), output.display()))
            }
            Outcome::Failed(error) => {
                event.status = "failed";
                event = event.failed(error);
                let (text, name) = (error.to_string(), input.display().to_string());
                Some(if text.contains(&name) { format!("upres: {text}") } else { format!("upres: {name}: {text}") })
            }
        };
        if let Some(said) = said {
            state.say(&said);
        }
        self.print(&Event::Item(event));
        self.draw(&mut state);
    }
}

/// Seconds to the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}
