//! The thread that waits for the camera: opens it, reads it, and opens it again when it is gone.

use super::backoff::Backoff;
use super::mailbox::Mailbox;
use super::stats::Rate;
use crate::device::clock;
use crate::device::desk::Desk;
use crate::device::shot::Shot;
use crate::device::source::{Next, Source};
use crate::error::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Opens a source, as often as it takes.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source>> + Send>;

/// Silence after which the camera counts as away.
const SILENCE: Duration = Duration::from_secs(2);

/// What the capturing thread and the working thread share.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The newest frame.
    pub(super) newest: Mailbox<Shot>,
    /// Buffers to be filled again.
    pub(super) spare: Mutex<Vec<Shot>>,
}

impl Inbox {
    /// Gives a buffer back.
    pub(super) fn give_back(&self, shot: Shot) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(shot);
    }

    fn spare(&self) -> Shot {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_else(Shot::empty)
    }
}

/// The capturing thread's state.
pub(super) struct Capture<'a> {
    pub(super) open: OpenSource,
    pub(super) inbox: &'a Inbox,
    pub(super) desk: &'a Desk,
    pub(super) stop: &'a AtomicBool,
    /// Between a failure and the next try.
    pub(super) retry: Duration,
}

impl Capture<'_> {
    /// Runs until the source ends or the stop is called; the inbox is closed then.
    pub(super) fn run(mut self) {
        let mut backoff = Backoff::new("the source", self.retry);
        while !self.stop.load(Ordering::Relaxed) {
            // A thread that is gone would leave the picture standing for ever.
            let round = catch_unwind(AssertUnwindSafe(|| self.round(&mut backoff)));
            match round.unwrap_or_else(|_| Err(Error::internal("its driver crashed"))) {
                Ok(()) => break,
                Err(error) => self.away(&error, &mut backoff),
            }
        }
        self.inbox.newest.close();
    }

    /// Opens the source once and reads it.
    fn round(&mut self, backoff: &mut Backoff) -> Result<()> {
        let mut source = (self.open)()?;
        log::info!("source: {}", source.format());
        self.read(source.as_mut(), backoff)
    }

    /// Reads until the source ends (`Ok`) or fails.
    fn read(&mut self, source: &mut dyn Source, backoff: &mut Backoff) -> Result<()> {
        let mut shot = self.inbox.spare();
        let (mut rate, mut last, mut number) = (Rate::default(), clock::now(), None);
        while !self.stop.load(Ordering::Relaxed) {
            let next = source.next(&mut shot)?;
            let now = clock::now();
            match next {
                Next::End => return Ok(()),
                Next::Nothing => {
                    if now.saturating_sub(last) > SILENCE {
                        let fps = rate.per_second(now);
                        self.desk.write(|report| {
                            report.online = false;
                            report.fps_in = fps;
                            report.trouble.get_or_insert_with(|| "no frames come".into());
                        });
                    }
                }
                Next::Frame => {
                    rate.count(now);
                    let lost = number.map_or(0, |number: u64| shot.number.saturating_sub(number + 1));
                    (last, number) = (now, Some(shot.number));
                    backoff.well(now);
                    let fps = rate.per_second(now);
                    self.desk.write(|report| {
                        report.captured += 1;
                        report.dropped.lost += lost;
                        report.fps_in = fps;
                        if !report.online {
                            report.format.clear();
                            let _ = std::fmt::Write::write_fmt(&mut report.format, format_args!("{}", shot.format));
                            (report.online, report.trouble) = (true, None);
                            report.asked_fps =
                                shot.format.rate.map_or(0.0, |rate| f64::from(rate.num) / f64::from(rate.den));
                        }
                    });
                    let filled = std::mem::replace(&mut shot, self.inbox.spare());
                    if let Some(passed) = self.inbox.newest.put(filled) {
                        self.desk.write(|report| report.dropped.late += 1);
                        self.inbox.give_back(passed);
                    }
                }
            }
        }
        Ok(())
    }

    /// The source is gone: say so once, and wait a little longer each time.
    fn away(&mut self, error: &Error, backoff: &mut Backoff) {
        self.desk.write(|report| {
            report.online = false;
            report.fps_in = 0.0;
            report.trouble = Some(error.to_string());
            report.reopened += 1;
        });
        backoff.failed(error);
        backoff.wait(self.stop);
    }
}
