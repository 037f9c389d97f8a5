//! The sink: encodes what is shown, while somebody looks.

use super::blank;
use super::encoded::{ABSENT, Encoded, Pool};
use super::site::Site;
use crate::codec::frames::JpegEncoder;
use crate::device::clock;
use crate::device::shot::Shown;
use crate::device::sink::Sink;
use crate::error::Result;
use crate::geometry::Size;
use std::sync::Arc;
use std::time::Duration;

/// How often the picture without video is sent again, so that clients know that we are there.
const AGAIN: Duration = Duration::from_secs(1);

/// Shows frames to all clients of a [`super::HttpServer`].
pub struct HttpSink {
    site: Arc<Site>,
    encoder: JpegEncoder,
    pool: Pool,
    blank: Option<(Size, Vec<u8>)>,
}

impl HttpSink {
    pub(super) fn new(site: Arc<Site>) -> Self {
        let encoder = JpegEncoder::new(site.quality);
        Self { site, encoder, pool: Pool::default(), blank: None }
    }

    fn publish(&mut self, encoded: Encoded) {
        let shared = self.pool.share(encoded);
        self.site.publish(shared);
    }

    /// When "no live video" has to be said, unless a frame comes before.
    fn due(&self) -> Duration {
        let since = self.site.crowd.since();
        match self.site.newest.borrow().as_deref() {
            Some(newest) if newest.live => newest.published.max(since) + ABSENT,
            Some(newest) if newest.published >= since => newest.published + AGAIN,
            _ => since + ABSENT,
        }
    }
}

impl Clone for HttpSink {
    fn clone(&self) -> Self {
        Self::new(self.site.clone())
    }
}

impl Sink for HttpSink {
    fn show(&mut self, shown: &Arc<Shown>) -> Result<()> {
        if self.site.crowd.count() == 0 {
            return Ok(());
        }
        let mut encoded = self.pool.take();
        self.encoder.encode(&shown.large.header, &shown.large.bytes, &mut encoded.large)?;
        encoded.small.clear();
        if self.site.crowd.wants_both() {
            self.encoder.encode(&shown.small.header, &shown.small.bytes, &mut encoded.small)?;
        }
        encoded.reason.clear();
        let (number, taken, published) = (shown.number, shown.taken, clock::now());
        self.publish(Encoded { number, taken, published, size: shown.large.header.size, live: true, ..encoded });
        Ok(())
    }

    fn idle(&mut self) -> Result<()> {
        let now = clock::now();
        if self.site.crowd.count() == 0 || now < self.due() {
            return Ok(());
        }
        // As large as what was shown before, since some viewers cannot bear a change.
        let size = self.site.newest.borrow().as_deref().map_or(blank::SIZE, |newest| newest.size);
        if self.blank.as_ref().is_none_or(|(drawn, _)| *drawn != size) {
            self.blank = Some((size, blank::jpeg(size, &mut self.encoder)?));
        }
        let mut encoded = self.pool.take();
        encoded.large.clear();
        encoded.large.extend_from_slice(self.blank.as_ref().map_or(&[], |(_, jpeg)| jpeg));
        encoded.small.clear();
        let reason = self.site.reason();
        self.publish(Encoded { number: 0, taken: now, published: now, size, live: false, reason, ..encoded });
        Ok(())
    }
}
