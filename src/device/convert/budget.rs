//! Memory shared by pictures that are worked on at once.

use crate::error::{Error, Result};
use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes of the program, its threads' stacks and the model, held back from every budget.
const PROGRAM: u64 = 48 << 20;

/// So many bytes, taken and given back.
#[derive(Debug)]
pub(super) struct Budget {
    given: u64,
    total: u64,
    free: Mutex<u64>,
    returned: Condvar,
}

/// A share of a budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of `total` bytes for the whole program.
    pub(super) fn new(given: u64) -> Self {
        let total = given.saturating_sub(PROGRAM);
        Self { given, total, free: Mutex::new(total), returned: Condvar::new() }
    }

    /// Waits until `bytes` are free and takes them.
    ///
    /// # Errors
    /// A limit error with the figure that would be enough, where the whole budget is not.
    pub(super) fn take(&self, bytes: u64) -> Result<Share<'_>> {
        if bytes > self.total {
            let needed = readable(bytes.saturating_add(PROGRAM));
            return Err(Error::limit(format!(
                "this takes {needed} of memory; {} are given",
                readable(self.given)
            ))
            .fix(format!(
                "give --max-memory {needed}, fewer --threads, a smaller --tile or --scale, or PNG in and out, which stream by rows",
                needed = needed.replace(' ', "")
            )));
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < bytes {
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= bytes;
        Ok(Share { budget: self, bytes })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.returned.notify_all();
    }
}

/// Bytes in whole megabytes, rounded up: a figure that is enough when typed.
fn readable(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[test]
    fn too_much_is_refused_with_a_figure_that_is_enough() {
        let error = Budget::new(100 << 20).take(1_000_000_000).unwrap_err().to_string();
        let figure = error.split("--max-memory ").nth(1).and_then(|rest| rest.split("MB").next()).unwrap();
        let enough: u64 = figure.parse::<u64>().unwrap() * 1_000_000;
        assert!(Budget::new(enough).take(1_000_000_000).is_ok(), "{error}");
        assert!(Budget::new(enough - 1_000_000).take(1_000_000_000).is_err(), "{error}");
        assert!(Budget::new(0).take(1).is_err());
    }

    #[test]
    fn one_waits_for_what_another_gives_back() {
        let budget = Budget::new(PROGRAM + 100);
        let first = budget.take(60).unwrap();
        let taken = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _second = budget.take(60).unwrap();
                taken.store(true, Ordering::SeqCst);
            });
            std::thread::sleep(Duration::from_millis(50));
            assert!(!taken.load(Ordering::SeqCst));
            drop(first);
        });
        assert!(taken.load(Ordering::SeqCst));
        assert!(budget.take(100).is_ok());
    }
}
