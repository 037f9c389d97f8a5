//! Counts of the last second and quantiles of the last minutes, in memory that does not grow.

use crate::device::desk::Ages;
use std::collections::VecDeque;
use std::time::Duration;

/// Over how long rates are counted.
const WINDOW: Duration = Duration::from_secs(2);
/// Events of a window at most.
const MOST: usize = 2048;
/// Ages that are kept.
const AGES: usize = 4096;

/// Events a second.
#[derive(Debug)]
pub(super) struct Rate(VecDeque<Duration>);

impl Default for Rate {
    fn default() -> Self {
        Self(VecDeque::with_capacity(MOST))
    }
}

impl Rate {
    /// One more, now.
    pub(super) fn count(&mut self, now: Duration) {
        self.forget(now);
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    fn forget(&mut self, now: Duration) {
        while self.0.front().is_some_and(|&first| now.saturating_sub(first) > WINDOW) {
            self.0.pop_front();
        }
    }

    /// Events a second, of the last two.
    pub(super) fn per_second(&mut self, now: Duration) -> f64 {
        self.forget(now);
        match (self.0.front(), self.0.len()) {
            (Some(&first), 2..) => {
                // Between so many events lie so many intervals; a silence at the end counts too.
                let last = self.0.back().copied().unwrap_or(now);
                let intervals = (self.0.len() - 1) as f64;
                let spacing = (last.saturating_sub(first)).as_secs_f64() / intervals;
                let quiet = now.saturating_sub(last).as_secs_f64();
                intervals / (intervals * spacing + (quiet - spacing).max(0.0)).max(1e-3)
            }
            _ => 0.0,
        }
    }
}

/// A mean that forgets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean(Option<f64>);

impl Mean {
    /// One more value.
    pub(super) fn add(&mut self, value: f64) {
        self.0 = Some(self.0.map_or(value, |mean| mean + 0.1 * (value - mean)));
    }

    /// The mean of the last few.
    pub(super) fn value(self) -> f64 {
        self.0.unwrap_or(0.0)
    }
}

/// The last few thousand ages, in milliseconds.
#[derive(Debug)]
pub(super) struct Quantiles {
    ring: Vec<f32>,
    next: usize,
    sorted: Vec<f32>,
}

impl Default for Quantiles {
    fn default() -> Self {
        Self { ring: Vec::with_capacity(AGES), next: 0, sorted: Vec::with_capacity(AGES) }
    }
}

impl Quantiles {
    /// One more.
    pub(super) fn add(&mut self, ms: f64) {
        if self.ring.len() < AGES {
            self.ring.push(ms as f32);
        } else {
            self.ring[self.next] = ms as f32;
            self.next = (self.next + 1) % AGES;
        }
    }

    /// Median and the two quantiles that matter.
    pub(super) fn ages(&mut self) -> Ages {
        self.sorted.clear();
        self.sorted.extend_from_slice(&self.ring);
        self.sorted.sort_unstable_by(f32::total_cmp);
        Ages::of(&self.sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_two_seconds() {
        let mut rate = Rate::default();
        let ms = Duration::from_millis;
        (0..500).for_each(|i| rate.count(ms(40 * i)));
        assert!((rate.per_second(ms(20_000)) - 25.0).abs() < 0.1);
        assert!(rate.per_second(ms(21_000)) < 25.0, "a silence counts");
        assert!(rate.per_second(ms(30_000)).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_ages() {
        let mut quantiles = Quantiles::default();
        assert!(quantiles.ages().p99.abs() < 1e-9);
        (0..=1000).rev().for_each(|age| quantiles.add(f64::from(age)));
        assert_eq!(quantiles.ages(), Ages { p50: 500.0, p95: 950.0, p99: 990.0 });
        (0..5000).for_each(|_| quantiles.add(7.0));
        assert_eq!(quantiles.ages(), Ages { p50: 7.0, p95: 7.0, p99: 7.0 });
    }
}
