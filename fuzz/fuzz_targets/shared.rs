//! What every target does around its door.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

static LAST: Mutex<String> = Mutex::new(String::new());

/// Takes libFuzzer's hook away, which ends the program at every panic: those of foreign decoders and of tract are caught in our
/// code and become errors. Only what gets out of the door is a finding.
pub fn begin() {
    set_hook(Box::new(|panic| *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string()));
}

/// Goes through the door.
pub fn enter(door: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(door)).is_err() {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        std::process::abort();
    }
}
