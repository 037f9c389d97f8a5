//! A letter box for one: whoever looks finds the newest, and nothing queues up.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Hands things from one thread to another; a new one takes the place of one that nobody fetched.
#[derive(Debug)]
pub struct Mailbox<T> {
    state: Mutex<State<T>>,
    bell: Condvar,
}

#[derive(Debug)]
struct State<T> {
    letter: Option<T>,
    closed: bool,
}

/// What is found in a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// The newest.
    Letter(T),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { letter: None, closed: false }), bell: Condvar::new() }
    }
}

impl<T> Mailbox<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a letter in and gives back the one that nobody fetched.
    pub fn put(&self, letter: T) -> Option<T> {
        let passed = self.lock().letter.replace(letter);
        self.bell.notify_one();
        passed
    }

    /// Waits for a letter, `patience` at most. A letter that was put in before the box was closed is still found.
    pub fn take(&self, patience: Duration) -> Found<T> {
        let empty = |state: &mut State<T>| state.letter.is_none() && !state.closed;
        let waited = self.bell.wait_timeout_while(self.lock(), patience, empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (state.letter.take(), state.closed) {
            (Some(letter), _) => Found::Letter(letter),
            (None, true) => Found::Closed,
            (None, false) => Found::Nothing,
        }
    }

    /// Says that no more letters will come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_newest_is_found_and_the_passed_over_come_back() {
        let mailbox = Mailbox::default();
        assert_eq!((mailbox.put(1), mailbox.put(2), mailbox.put(3)), (None, Some(1), Some(2)));
        assert_eq!(mailbox.take(Duration::ZERO), Found::Letter(3));
        assert_eq!(mailbox.take(Duration::ZERO), Found::Nothing);
        mailbox.put(4);
        mailbox.close();
        assert_eq!(mailbox.take(Duration::MAX), Found::Letter(4));
        assert_eq!(mailbox.take(Duration::MAX), Found::Closed);
    }

    #[test]
    fn who_waits_is_woken() {
        let mailbox = Arc::new(Mailbox::default());
        let waiting = {
            let mailbox = mailbox.clone();
            std::thread::spawn(move || mailbox.take(Duration::from_secs(600)))
        };
        mailbox.put(7);
        assert_eq!(waiting.join().ok(), Some(Found::Letter(7)));
    }
}
