//! What all connections and the sink share.

use super::crowd::Crowd;
use super::door::Door;
use super::encoded::Encoded;
use super::options::HttpOptions;
use super::pace::Pace;
use crate::device::clock;
use crate::device::desk::Desk;
use crate::device::sink::Audience;
use crate::device::source::uri::redact;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What all connections and the sink share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) desk: Arc<Desk>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) door: Door,
    pub(super) quality: u8,
    /// How many may watch.
    pub(super) clients: usize,
    /// The newest frame.
    pub(super) newest: watch::Sender<Option<Arc<Encoded>>>,
    /// Becomes true, or loses its sender, when the server ends.
    pub(super) closing: watch::Receiver<bool>,
    queued: Mutex<Pace>,
}

impl Site {
    pub(super) fn new(
        options: HttpOptions,
        desk: Arc<Desk>,
        audience: Audience,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self {
            desk,
            crowd: Crowd::new(options.clients, audience),
            door: Door::new(&options),
            quality: options.quality,
            clients: options.clients,
            newest: watch::Sender::new(None),
            closing,
            queued: Mutex::default(),
        }
    }

    /// Lays a frame out for everyone.
    pub(super) fn publish(&self, encoded: Arc<Encoded>) {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).note(clock::now().as_secs());
        self.newest.send_replace(Some(encoded));
    }

    /// Frames that were laid out in the last second.
    pub(super) fn queued_fps(&self) -> u32 {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).rate(clock::now().as_secs())
    }

    /// The newest frame, unless it is old.
    pub(super) fn fresh(&self) -> Option<Arc<Encoded>> {
        self.newest.borrow().clone().filter(|encoded| encoded.is_fresh())
    }

    /// Why there is no live video.
    pub(super) fn reason(&self) -> String {
        let trouble = self.desk.read(|report| report.trouble.as_deref().map(redact));
        trouble.unwrap_or_else(|| "no frames come from the source".to_owned())
    }
}
