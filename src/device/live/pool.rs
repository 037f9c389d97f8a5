//! The few pictures that go round between the working thread and the sinks.

use crate::device::shot::{Picture, Shown};
use std::sync::Arc;
use std::time::Duration;

/// Pictures that nobody looks at are filled again; there is a limit to their number, so that memory does not grow.
#[derive(Debug)]
pub(super) struct ShownPool {
    pictures: Vec<Arc<Shown>>,
    most: usize,
    made: usize,
}

impl ShownPool {
    /// A pool for so many sinks: one in hand and one waiting for each, and one to be filled.
    pub(super) fn new(sinks: usize) -> Self {
        Self { pictures: Vec::with_capacity(2 * sinks + 2), most: 2 * sinks + 2, made: 0 }
    }

    /// A picture that is nobody else's; `None` where all are still being looked at.
    pub(super) fn take(&mut self) -> Option<Arc<Shown>> {
        if let Some(place) = self.pictures.iter().position(|shown| Arc::strong_count(shown) == 1) {
            return Some(self.pictures.swap_remove(place));
        }
        if self.made == self.most {
            return None;
        }
        self.made += 1;
        let (small, large) = (Picture::empty(), Picture::empty());
        Some(Arc::new(Shown { number: 0, taken: Duration::ZERO, done: Duration::ZERO, small, large }))
    }

    /// Keeps an eye on a picture that was handed out.
    pub(super) fn give_back(&mut self, shown: Arc<Shown>) {
        self.pictures.push(shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_go_round_and_their_number_is_bounded() {
        let mut pool = ShownPool::new(1);
        let mut looked_at = Vec::new();
        for _ in 0..4 {
            let shown = pool.take();
            looked_at.extend(shown.clone());
            if let Some(shown) = shown {
                pool.give_back(shown);
            }
        }
        assert_eq!(looked_at.len(), 4);
        assert!(pool.take().is_none(), "a fifth was made");
        let freed = looked_at.pop().map(|shown| Arc::as_ptr(&shown));
        assert_eq!(pool.take().map(|shown| Arc::as_ptr(&shown)), freed);
    }
}
