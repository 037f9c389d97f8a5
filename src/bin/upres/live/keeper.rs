//! Looks after the live work: signals, the service manager, the end of the time.

use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use upres::device::desk::{Desk, Report, Wish};
use upres::device::live::Keeper;

/// Signals that were heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    end: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    snapshot: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on: a second Ctrl-C ends at once. A hang-up ends too, unless there is a configuration to read again.
    pub(super) fn listen(configured: bool) -> Self {
        let signals = Self::default();
        let hang_up = if configured { &signals.reload } else { &signals.end };
        let heard = [SIGINT, SIGTERM].into_iter().try_for_each(|signal| {
            flag::register_conditional_shutdown(signal, 130, signals.end.clone())?;
            flag::register(signal, signals.end.clone()).map(drop)
        });
        let heard = heard
            .and_then(|()| flag::register(SIGHUP, hang_up.clone()))
            .and_then(|_| flag::register(SIGUSR1, signals.snapshot.clone()));
        if let Err(error) = heard {
            log::warn!("signals are not heard: {error}");
        }
        signals
    }

    /// Whether the end was asked for.
    pub(super) fn ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Whether a signal called for the end, or for another beginning.
    pub(super) fn heard(&self) -> bool {
        self.ended() || self.reload.load(Ordering::Relaxed)
    }

    /// Whether the configuration is to be read again; forgets it.
    pub(super) fn reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }
}

/// Ends the work when it is time.
pub(super) struct Watch<'a> {
    signals: &'a Signals,
    desk: Arc<Desk>,
    until: Option<Instant>,
    /// Between two signs of life to the service manager.
    watchdog: Option<Duration>,
    alive: Instant,
    line: Instant,
    ready: bool,
    /// Whether someone sits at the terminal.
    attended: bool,
}

impl<'a> Watch<'a> {
    /// Ends after `seconds`, if they are given.
    pub(super) fn new(signals: &'a Signals, desk: Arc<Desk>, seconds: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            signals,
            desk,
            until: seconds.and_then(|seconds| now.checked_add(seconds)),
            watchdog: sd_notify::watchdog_enabled().map(|limit| limit / 3),
            alive: now,
            line: now,
            ready: false,
            attended: stderr().is_terminal(),
        }
    }

    fn notify(&mut self, alive: bool, now: Instant) {
        if !self.ready {
            self.ready = true;
            tell(&[NotifyState::Ready]);
        }
        if let Some(gap) = self.watchdog
            && alive
            && now.duration_since(self.alive) >= gap
        {
            self.alive = now;
            tell(&[NotifyState::Watchdog]);
        }
    }

    fn say(&mut self, now: Instant) {
        if now.duration_since(self.line) < Duration::from_secs(1) {
            return;
        }
        self.line = now;
        let line = self.desk.read(status);
        tell(&[NotifyState::Status(&line)]);
        if self.attended {
            eprint!("\r{line}\x1b[K");
            let _ = stderr().flush();
        }
    }
}

impl Keeper for Watch<'_> {
    fn tick(&mut self, alive: bool) -> bool {
        let now = Instant::now();
        self.notify(alive, now);
        self.say(now);
        if self.signals.snapshot.swap(false, Ordering::Relaxed) {
            if !self.desk.read(|report| report.snapshots) {
                log::warn!("no snapshot is taken: no folder for them was given (--snapshots DIR)");
            } else if !self.desk.wish(Wish::Snapshot) {
                log::warn!("no snapshot is taken: too many are waiting");
            }
        }
        let over = self.until.is_some_and(|until| now >= until);
        over || self.signals.heard()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.attended {
            eprintln!();
        }
        if self.signals.ended() {
            tell(&[NotifyState::Stopping]);
        }
    }
}

/// Tells the service manager; nobody minds where there is none.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("the service manager does not hear: {error}");
    }
}

/// How it goes, on one line.
fn status(report: &Report) -> String {
    let size = |[width, height]: [usize; 2]| format!("{width}x{height}");
    if !report.online {
        return format!("no live video: {}", report.trouble.as_deref().unwrap_or("waiting for the first frame"));
    }
    let tiles = report.tiles_run + report.tiles_reused;
    let reused = (100 * report.tiles_reused).checked_div(tiles).unwrap_or(0);
    format!(
        "{:.1} -> {:.1} frames/s, {} -> {}, {:.1} ms, age {:.0} ms, {reused} % reused, {} ({})",
        report.fps_in,
        report.fps_out,
        size(report.input),
        size(report.output),
        report.ms.total,
        report.age.p50,
        report.running,
        report.governor.state
    )
}
