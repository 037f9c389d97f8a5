//! Plans generators on a thread of its own, while the picture goes on.

use super::ladder::{Catalogue, Ladder, LadderOptions, Wished};
use super::mailbox::{Found, Mailbox};
use crate::error::{Error, Result};
use crate::y4m::Header;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// What was asked for, and what became of it.
pub(super) struct Planned {
    pub(super) wish: Wished,
    pub(super) header: Header,
    pub(super) ladder: Result<Ladder>,
}

/// Takes one wish at a time, however fast they come: plans are large.
pub(super) struct Planner {
    catalogue: Arc<dyn Catalogue>,
    options: LadderOptions,
    finished: Arc<Mailbox<Planned>>,
    busy: bool,
}

impl Planner {
    pub(super) fn new(catalogue: Arc<dyn Catalogue>, options: LadderOptions) -> Self {
        Self { catalogue, options, finished: Arc::default(), busy: false }
    }

    /// How frames are to be enlarged.
    pub(super) fn options(&self) -> &LadderOptions {
        &self.options
    }

    /// Begins to plan, unless something is being planned already: who still wants this when that is finished asks again.
    ///
    /// # Errors
    /// A limit error where the system gives no thread.
    pub(super) fn ask(&mut self, wish: &Wished, header: &Header) -> Result<()> {
        if self.busy {
            return Ok(());
        }
        let (catalogue, options, finished) = (self.catalogue.clone(), self.options, self.finished.clone());
        let (wish, header) = (wish.clone(), header.clone());
        let work = move || {
            let plan = || Ladder::plan(catalogue.as_ref(), &wish, &header, &options);
            // Nobody would hear of a thread that crashed.
            let ladder =
                catch_unwind(AssertUnwindSafe(plan)).unwrap_or_else(|_| Err(Error::internal("planning crashed")));
            finished.put(Planned { wish, header, ladder });
        };
        let spawned = std::thread::Builder::new().name("plan".into()).spawn(work);
        self.busy = spawned.is_ok();
        spawned.map(drop).map_err(|e| Error::limit("the system gives no more threads").caused_by(e))
    }

    /// What is finished; whether it is still wanted is for the caller to say.
    pub(super) fn finished(&mut self) -> Option<Planned> {
        let Found::Letter(planned) = self.finished.take(Duration::ZERO) else { return None };
        self.busy = false;
        Some(planned)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::upscale::Generator;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts how often it is asked, and crashes.
    #[derive(Default)]
    struct Crashing(AtomicUsize);

    impl Catalogue for Crashing {
        fn open(&self, name: &str, _: Option<f32>) -> Result<Arc<dyn Generator>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("{name}")
        }

        fn names(&self) -> Vec<String> {
            Vec::new()
        }

        fn smaller(&self, _: &str) -> Option<String> {
            None
        }

        fn strength(&self, _: &str) -> Option<f32> {
            None
        }
    }

    #[test]
    fn one_thing_is_planned_at_a_time_and_a_crash_is_an_answer() {
        let catalogue = Arc::new(Crashing::default());
        let options = LadderOptions { scale: 2.0, threads: 1, tile: None, sparing: None, governed: true };
        let mut planner = Planner::new(catalogue.clone(), options);
        let header = Header::parse("YUV4MPEG2 W16 H16 C420jpeg").unwrap();
        for round in 1..3 {
            for name in ["first", "second", "third"] {
                planner.ask(&Wished { model: name.into(), strength: None }, &header).unwrap();
            }
            let planned = loop {
                if let Some(planned) = planner.finished() {
                    break planned;
                }
                std::thread::yield_now();
            };
            assert_eq!(planned.wish.model, "first");
            assert!(planned.ladder.is_err_and(|error| error.to_string().contains("crashed")));
            assert_eq!(catalogue.0.load(Ordering::Relaxed), round);
        }
    }
}
