//! Where enlarged frames go: screens, browsers, virtual cameras, files.

mod date;
pub mod http;
pub mod loopback;
pub mod probe;
pub mod record;
pub mod screen;
pub mod snapshot;

use super::shot::Shown;
use crate::error::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Someone who shows frames, on a thread of its own. Errors mean that it must be opened anew.
pub trait Sink: Send {
    /// Shows one frame. Frames that come while this works are passed over, but for the newest.
    ///
    /// # Errors
    /// Where the display, device or disk is gone or full.
    fn show(&mut self, shown: &Arc<Shown>) -> Result<()>;

    /// Called about twice a second while no frame comes: the time to say "no live video", or to notice that a display is
    /// gone.
    ///
    /// # Errors
    /// As [`Sink::show`].
    fn idle(&mut self) -> Result<()> {
        Ok(())
    }
}

/// How many look at a sink just now. Where nobody looks at any sink, nothing is enlarged.
#[derive(Debug, Clone, Default)]
pub struct Audience(Arc<AtomicUsize>);

impl Audience {
    /// Someone always looks.
    pub fn always() -> Self {
        let audience = Self::default();
        audience.enter();
        audience
    }

    /// One more.
    pub fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
