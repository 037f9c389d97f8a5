//! Rows made by several threads.

use crate::error::{Error, Result};
use crate::kernel::pool::Pool;
use std::sync::{Mutex, PoisonError};

/// Calls `make` with the number and the samples of every band of `rows` rows of `data`, which has `width` samples a row.
/// Who makes which band is left to chance, so `make` must not depend on it.
///
/// # Errors
/// An internal error where `make` panicked.
pub(super) fn by_row<T, F>(pool: &mut Pool, data: &mut [T], width: usize, rows: usize, make: F) -> Result<()>
where
    T: Send,
    F: Fn(usize, &mut [T]) + Sync,
{
    let queue = Mutex::new(data.chunks_mut((width * rows).max(1)).enumerate());
    // A queue is poisoned between two bands at worst, and whole then.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let finished = pool.run(&|_| {
        while let Some((band, samples)) = next() {
            make(band, samples);
        }
    });
    finished.then_some(()).ok_or_else(|| Error::internal("a search for patches crashed"))
}
