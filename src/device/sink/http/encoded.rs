//! A frame as clients get it, and the buffers that go round.

use crate::device::clock;
use crate::geometry::Size;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// After how long without a frame there is no live video any more.
pub(super) const ABSENT: Duration = Duration::from_secs(2);
/// Frames whose buffers are kept: the newest, and some that clients still read.
const KEPT: usize = 8;

/// A frame as JPEG files. Shared by all clients.
#[derive(Debug)]
pub(super) struct Encoded {
    /// As in [`crate::device::shot::Shown`].
    pub(super) number: u64,
    /// When it was taken, on the monotonic clock.
    pub(super) taken: Duration,
    /// When it was laid out for clients, on the monotonic clock.
    pub(super) published: Duration,
    /// Size of the large picture.
    pub(super) size: Size,
    /// Whether it is a picture of the camera's.
    pub(super) live: bool,
    /// Why it is none.
    pub(super) reason: String,
    /// After.
    pub(super) large: Vec<u8>,
    /// Before; empty where no page looked.
    pub(super) small: Vec<u8>,
}

impl Default for Encoded {
    fn default() -> Self {
        Self {
            number: 0,
            taken: Duration::ZERO,
            published: Duration::ZERO,
            size: Size::new(0, 0),
            live: false,
            reason: String::new(),
            large: Vec::new(),
            small: Vec::new(),
        }
    }
}

impl Encoded {
    /// Whether it is still worth sending to someone who just came.
    pub(super) fn is_fresh(&self) -> bool {
        clock::now().saturating_sub(self.published) < ABSENT
    }

    /// How old the frame is by now.
    pub(super) fn age(&self) -> Duration {
        clock::now().saturating_sub(self.taken)
    }

    /// When it was taken, in seconds since 1970 by the machine's clock as it is now.
    pub(super) fn timestamp(&self) -> f64 {
        let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        today.saturating_sub(self.age()).as_secs_f64()
    }
}

struct Large(Arc<Encoded>);
struct Small(Arc<Encoded>);

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.0.large
    }
}

impl AsRef<[u8]> for Small {
    fn as_ref(&self) -> &[u8] {
        &self.0.small
    }
}

/// The large picture, not copied.
pub(super) fn large(encoded: &Arc<Encoded>) -> Bytes {
    Bytes::from_owner(Large(encoded.clone()))
}

/// The small picture, not copied.
pub(super) fn small(encoded: &Arc<Encoded>) -> Bytes {
    Bytes::from_owner(Small(encoded.clone()))
}

/// Frames that were laid out; those that nobody reads any more are filled again.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<Arc<Encoded>>);

impl Pool {
    /// A frame to fill, where possible one whose buffers are large already.
    pub(super) fn take(&mut self) -> Encoded {
        let free = self.0.iter_mut().position(|encoded| Arc::get_mut(encoded).is_some());
        free.and_then(|at| Arc::try_unwrap(self.0.swap_remove(at)).ok()).unwrap_or_default()
    }

    /// Shares a filled frame, and remembers it.
    pub(super) fn share(&mut self, encoded: Encoded) -> Arc<Encoded> {
        let shared = Arc::new(encoded);
        if self.0.len() < KEPT {
            self.0.push(shared.clone());
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_round_but_never_while_someone_reads() {
        let mut pool = Pool::default();
        let first = pool.share(Encoded { large: vec![7; 1000], ..Encoded::default() });
        let (place, read) = (first.large.as_ptr(), large(&first));
        drop(first);
        assert_eq!(pool.take().large.capacity(), 0, "a client still reads it");
        assert_eq!(read, vec![7; 1000]);
        drop(read);
        assert_eq!(pool.take().large.as_ptr(), place);
        assert_eq!(pool.take().large.capacity(), 0, "it was taken");
    }

    #[test]
    fn readers_who_hold_on_to_everything_do_not_make_the_pool_grow() {
        let mut pool = Pool::default();
        let held: Vec<_> = (0..3 * KEPT)
            .map(|_| {
                let encoded = pool.take();
                pool.share(encoded)
            })
            .collect();
        assert_eq!((pool.0.len(), held.len()), (KEPT, 3 * KEPT));
    }
}
