//! The kernel's monotonic clock, by which camera drivers stamp their frames: it never jumps, whatever becomes of the date.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time on the monotonic clock, since some moment before the program began.
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
