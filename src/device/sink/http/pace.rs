//! Frames a second, counted by whole seconds.

/// Counts within seconds of a clock that the caller holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    second: u64,
    count: u32,
    last: u32,
}

impl Pace {
    /// One more, at `second`.
    pub(super) fn note(&mut self, second: u64) {
        if second != self.second {
            self.last = self.rate(second);
            (self.second, self.count) = (second, 0);
        }
        self.count += 1;
    }

    /// How many there were in the last whole second before `second`.
    pub(super) fn rate(&self, second: u64) -> u32 {
        match second.saturating_sub(self.second) {
            0 => self.last,
            1 => self.count,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_whole_second() {
        let mut pace = Pace::default();
        assert_eq!(pace.rate(9), 0);
        (0..30).for_each(|_| pace.note(10));
        assert_eq!((pace.rate(10), pace.rate(11), pace.rate(12)), (0, 30, 0));
        (0..25).for_each(|_| pace.note(11));
        assert_eq!((pace.rate(11), pace.rate(12)), (30, 25));
        pace.note(20);
        assert_eq!(pace.rate(20), 0);
    }
}
