//! Who watches: counted, limited, each with a number and a pace.

use super::pace::Pace;
use crate::device::clock;
use crate::device::sink::Audience;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a client looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// The enlarged picture.
    Large,
    /// Before and after.
    Both,
}

#[derive(Debug, Default)]
struct Inside {
    clients: BTreeMap<u64, (View, Pace)>,
    next: u64,
    since: Duration,
}

/// Everyone who watches just now.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    audience: Audience,
    inside: Mutex<Inside>,
}

/// Someone who watches, until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    crowd: Arc<Crowd>,
    id: u64,
}

impl Crowd {
    pub(super) fn new(most: usize, audience: Audience) -> Arc<Self> {
        Arc::new(Self { most, audience, inside: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more in; `None` where it is full.
    pub(super) fn enter(self: &Arc<Self>, view: View) -> Option<Watch> {
        let mut inside = self.lock();
        if inside.clients.len() >= self.most {
            return None;
        }
        if inside.clients.is_empty() {
            inside.since = clock::now();
        }
        let id = inside.next;
        inside.next += 1;
        inside.clients.insert(id, (view, Pace::default()));
        self.audience.enter();
        Some(Watch { crowd: self.clone(), id })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().clients.len()
    }

    /// Whether someone looks at the picture before.
    pub(super) fn wants_both(&self) -> bool {
        self.lock().clients.values().any(|(view, _)| *view == View::Both)
    }

    /// Since when someone has been there, without a gap, on the monotonic clock.
    pub(super) fn since(&self) -> Duration {
        self.lock().since
    }

    /// As though the first had come at `time`.
    #[cfg(test)]
    pub(super) fn came(&self, time: Duration) {
        self.lock().since = time;
    }

    /// Frames a second by client.
    pub(super) fn rates(&self) -> Vec<(u64, u32)> {
        let second = clock::now().as_secs();
        self.lock().clients.iter().map(|(id, (_, pace))| (*id, pace.rate(second))).collect()
    }
}

impl Watch {
    /// A frame was handed over.
    pub(super) fn note(&self) {
        let second = clock::now().as_secs();
        if let Some((_, pace)) = self.crowd.lock().clients.get_mut(&self.id) {
            pace.note(second);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.crowd.lock().clients.remove(&self.id);
        self.crowd.audience.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_and_goes_is_counted_and_no_more_than_allowed() {
        let audience = Audience::default();
        let crowd = Crowd::new(2, audience.clone());
        let first = crowd.enter(View::Large);
        assert!(first.is_some() && !crowd.wants_both());
        let second = crowd.enter(View::Both);
        assert!(second.is_some() && crowd.wants_both());
        assert!(crowd.enter(View::Large).is_none());
        assert_eq!((crowd.count(), audience.count()), (2, 2));
        drop(second);
        assert!(!crowd.wants_both());
        let third = crowd.enter(View::Large);
        let ids: Vec<_> = crowd.rates().into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [0, 2], "numbers are not given twice");
        drop((first, third));
        assert_eq!((crowd.count(), audience.count()), (0, 0));
    }
}
