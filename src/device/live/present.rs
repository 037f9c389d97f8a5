//! The threads that show frames: one for each sink, which opens it, feeds it, and opens it again when it is gone.

use super::backoff::Backoff;
use super::mailbox::{Found, Mailbox};
use super::stats::{Mean, Rate};
use crate::device::clock;
use crate::device::desk::{Desk, SinkReport, ms};
use crate::device::shot::Shown;
use crate::device::sink::{Audience, Sink};
use crate::error::{Error, Kind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Opens a sink, as often as it takes.
pub type OpenSink = Box<dyn FnMut() -> Result<Box<dyn Sink>> + Send>;

/// A sink that is wished for.
pub struct SinkPlan {
    /// `screen`, `http`, `camera` …
    pub name: &'static str,
    /// Who looks at it.
    pub audience: Audience,
    /// How it is opened.
    pub open: OpenSink,
}

/// Between two looks around while no frame comes.
const PATIENCE: Duration = Duration::from_millis(500);

/// The state of the thread of sink number `place`.
pub(super) struct Presenter<'a> {
    pub(super) plan: SinkPlan,
    pub(super) place: usize,
    pub(super) mailbox: &'a Mailbox<Arc<Shown>>,
    pub(super) desk: &'a Desk,
    pub(super) stop: &'a AtomicBool,
    /// Between a failure and the next try.
    pub(super) retry: Duration,
}

impl Presenter<'_> {
    /// Runs until the mailbox is closed.
    pub(super) fn run(mut self) {
        let mut backoff = Backoff::new(self.plan.name, self.retry);
        let (mut sink, mut rate, mut took) = (None, Rate::default(), Mean::default());
        loop {
            let found = self.mailbox.take(PATIENCE);
            if matches!(found, Found::Closed) {
                return;
            }
            let begin = clock::now();
            let done = self.serve(&mut sink, &found);
            let now = clock::now();
            if matches!(found, Found::Letter(_)) && done.is_ok() {
                rate.count(now);
                took.add(ms(now.saturating_sub(begin)));
                backoff.well(now);
            }
            let fps = rate.per_second(now);
            self.report(|report| (report.fps, report.ms) = (fps, took.value()));
            match done {
                Ok(()) => self.report(|report| report.trouble = None),
                Err(error) => {
                    sink = None;
                    // The buffer goes back to the pool while this waits.
                    drop(found);
                    self.report(|report| report.trouble = Some(error.to_string()));
                    backoff.failed(&error);
                    backoff.wait(self.stop);
                }
            }
        }
    }

    /// Opens the sink where it is not, and shows what was found.
    fn serve(&mut self, sink: &mut Option<Box<dyn Sink>>, found: &Found<Arc<Shown>>) -> Result<()> {
        let open = &mut self.plan.open;
        let work = || {
            if sink.is_none() {
                *sink = Some(open()?);
            }
            match (sink.as_mut(), found) {
                (Some(sink), Found::Letter(shown)) => sink.show(shown),
                (Some(sink), _) => sink.idle(),
                (None, _) => Ok(()),
            }
        };
        let crashed = |_| Err(Error::new(Kind::Internal, "its driver crashed"));
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(crashed)
    }

    fn report(&self, change: impl FnOnce(&mut SinkReport)) {
        self.desk.write(|report| {
            if let Some(own) = report.sinks.get_mut(self.place) {
                change(own);
            }
        });
    }
}
