//! How far a piece of work is, and whether it should go on.

use std::time::Duration;

/// Someone who watches a piece of work, from any of its threads.
pub trait Progress: Send + Sync {
    /// `amount` more units are finished; the caller says what a unit is.
    fn advance(&self, amount: u64);

    /// Whether the work should end early, leaving nothing half done.
    fn stopped(&self) -> bool {
        false
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn advance(&self, _amount: u64) {}
}

/// Time left, taken from the mean rate so far; `None` while that says nothing yet.
pub fn time_left(done: u64, total: u64, elapsed: Duration) -> Option<Duration> {
    if done == 0 || done > total || elapsed < Duration::from_millis(500) {
        return None;
    }
    let rate = done as f64 / elapsed.as_secs_f64();
    Duration::try_from_secs_f64((total - done) as f64 / rate).ok()
}

/// A duration as people read it: `0.3 s`, `42 s`, `3 min 05 s`, `2 h 07 min`.
pub fn readable(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_the_rest_at_the_rate_so_far() {
        let left = |done, total, ms| time_left(done, total, Duration::from_millis(ms));
        assert_eq!(left(25, 100, 5000), Some(Duration::from_secs(15)));
        assert_eq!(left(100, 100, 5000), Some(Duration::ZERO));
        assert_eq!((left(0, 100, 5000), left(50, 100, 10), left(101, 100, 5000)), (None, None, None));
    }

    #[test]
    fn durations_read_well() {
        let texts = [0.34, 9.96, 10.0, 59.9, 60.0, 185.0, 3600.0, 7625.0].map(|s| readable(Duration::from_secs_f64(s)));
        assert_eq!(
            texts,
            ["0.3 s", "10.0 s", "10 s", "59 s", "1 min 00 s", "3 min 05 s", "1 h 00 min", "2 h 07 min"]
                .map(String::from)
        );
    }
}
