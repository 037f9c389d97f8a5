//! Plans generators on a thread of its own, while the picture goes on.

use super::ladder::{Catalogue, Ladder, LadderOptions, Wished};
use super::mailbox::{Found, Mailbox};
use crate::error::{Error, Result};
use crate::y4m::Header;
use std::sync::Arc;
use std::time::Duration;

/// What was asked for, and what became of it.
pub(super) struct Planned {
    pub(super) wish: Wished,
    pub(super) header: Header,
    pub(super) ladder: Result<Ladder>,
}

/// Takes one wish at a time; the newest counts.
pub(super) struct Planner {
    catalogue: Arc<dyn Catalogue>,
    options: LadderOptions,
    finished: Arc<Mailbox<Planned>>,
    /// What is being planned.
    pending: Option<(Wished, Header)>,
}

impl Planner {
    pub(super) fn new(catalogue: Arc<dyn Catalogue>, options: LadderOptions) -> Self {
        Self { catalogue, options, finished: Arc::default(), pending: None }
    }

    /// How frames are to be enlarged.
    pub(super) fn options(&self) -> &LadderOptions {
        &self.options
    }

    /// Begins to plan, unless that very thing is being planned already.
    ///
    /// # Errors
    /// A limit error where the system gives no thread.
    pub(super) fn ask(&mut self, wish: &Wished, header: &Header) -> Result<()> {
        if self.pending.as_ref().is_some_and(|(own, size)| own == wish && size == header) {
            return Ok(());
        }
        self.pending = Some((wish.clone(), header.clone()));
        let (catalogue, options, finished) = (self.catalogue.clone(), self.options, self.finished.clone());
        let (wish, header) = (wish.clone(), header.clone());
        let work = move || {
            let ladder = Ladder::plan(catalogue.as_ref(), &wish, &header, &options);
            finished.put(Planned { wish, header, ladder });
        };
        let spawned = std::thread::Builder::new().name("plan".into()).spawn(work);
        spawned.map(drop).map_err(|e| Error::limit("the system gives no more threads").caused_by(e))
    }

    /// What is finished, if it is still wanted.
    pub(super) fn finished(&mut self) -> Option<Planned> {
        let Found::Letter(planned) = self.finished.take(Duration::ZERO) else { return None };
        let wanted =
            self.pending.as_ref().is_some_and(|(wish, header)| *wish == planned.wish && *header == planned.header);
        if wanted {
            self.pending = None;
        }
        wanted.then_some(planned)
    }
}
