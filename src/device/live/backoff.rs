//! Trying again: soon at first, then less and less often; said once, with the cause, and once more when all is well again.

use crate::device::clock;
use crate::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two tries at most, as a multiple of the shortest time.
const LONGEST: u32 = 32;

/// Patience with one thing.
#[derive(Debug)]
pub(super) struct Backoff {
    what: String,
    shortest: Duration,
    wait: Duration,
    failing: Option<Failing>,
}

/// Something that does not work, or not reliably.
#[derive(Debug)]
struct Failing {
    since: Duration,
    /// What was said of it.
    said: String,
    /// Since when it has worked again.
    back: Option<Duration>,
}

impl Backoff {
    /// For `what`, such as "the source"; the second try comes `shortest` after the first failure.
    pub(super) fn new(what: impl Into<String>, shortest: Duration) -> Self {
        Self { what: what.into(), shortest, wait: shortest, failing: None }
    }

    /// It failed; logged unless the same was said last.
    pub(super) fn failed(&mut self, error: &Error) {
        let (text, now) = (error.to_string(), clock::now());
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        if self.failing.as_ref().is_none_or(|failing| failing.said != text) {
            log::warn!("{}: {text}; it will be tried again", self.what);
        }
        self.failing = Some(Failing { since, said: text, back: None });
    }

    /// It works. That is believed when it has gone on for as long as the next wait would be: what comes for a moment and goes
    /// again, as cameras with too little power do, must neither fill the log nor be tried four times a second for weeks.
    pub(super) fn well(&mut self, now: Duration) {
        let Some(failing) = &mut self.failing else { return };
        let back = *failing.back.get_or_insert(now);
        if now.saturating_sub(back) >= self.wait {
            let away = back.saturating_sub(failing.since);
            log::warn!("{} is back after {}", self.what, crate::progress::readable(away));
            (self.failing, self.wait) = (None, self.shortest);
        }
    }

    /// Waits before the next try, and longer the next time.
    pub(super) fn wait(&mut self, stop: &AtomicBool) {
        let until = clock::now() + self.step();
        while clock::now() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50).min(until.saturating_sub(clock::now())));
        }
    }

    /// How long to wait now.
    pub(super) fn step(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (2 * self.wait).min(LONGEST * self.shortest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_begin_anew() {
        let mut backoff = Backoff::new("it", Duration::from_millis(250));
        let mut steps = || (0..8).map(|_| backoff.step().as_millis()).collect::<Vec<_>>();
        assert_eq!(steps(), [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        backoff.failed(&Error::internal("x"));
        let second = Duration::from_secs;
        backoff.well(second(100));
        backoff.well(second(107));
        assert_eq!(backoff.step(), second(8), "it comes and goes");
        backoff.failed(&Error::internal("x"));
        backoff.well(second(200));
        backoff.well(second(208));
        assert_eq!(backoff.step(), Duration::from_millis(250));
    }
}
