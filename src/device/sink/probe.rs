//! Reads the test card's number back from the enlarged picture: latency from end to end, and what was dropped on the way.

use super::Sink;
use crate::device::clock;
use crate::device::desk::Ages;
use crate::device::shot::Shown;
use crate::device::source::pattern::read_number;
use crate::error::Result;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// Ages that are kept: hours of frames.
const MOST: usize = 1 << 20;
/// Numbers go round after so many.
const ROUND: u32 = 1 << 20;

/// What the probe saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Frames whose number was read and right.
    pub read: u64,
    /// Frames whose number could not be read, or was another frame's.
    pub misread: u64,
    /// Numbers that were left out between frames: the source's frames that were not shown.
    pub dropped: u64,
    /// From the moment the card was drawn to the moment its number had been read, in milliseconds.
    pub age: Ages,
}

#[derive(Debug, Default)]
struct Seen {
    report: ProbeReport,
    ages: Vec<f32>,
    last: Option<u32>,
}

/// A sink that reads numbers.
#[derive(Debug, Clone, Default)]
pub struct Probe(Arc<Mutex<Seen>>);

impl Probe {
    /// What was seen since the beginning.
    pub fn report(&self) -> ProbeReport {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ages.sort_unstable_by(f32::total_cmp);
        ProbeReport { age: Ages::of(&seen.ages), ..seen.report }
    }
}

impl Sink for Probe {
    fn show(&mut self, shown: &Arc<Shown>) -> Result<()> {
        let (small, large) = (shown.small.header.size, shown.large.header.size);
        let scale = large.width / small.width.max(1);
        let number = read_number(&shown.large.bytes, large, scale);
        let age = clock::now().saturating_sub(shown.taken);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match number.filter(|&number| u64::from(number) == shown.number % u64::from(ROUND)) {
            None => seen.report.misread += 1,
            Some(number) => {
                // A card that was opened again counts from 0.
                let ahead = seen.last.map_or(0, |last| number.wrapping_sub(last + 1) % ROUND);
                let left_out = if ahead < ROUND / 2 { ahead } else { 0 };
                seen.report.read += 1;
                seen.report.dropped += u64::from(left_out);
                seen.last = Some(number);
                if seen.ages.len() < MOST {
                    seen.ages.push(age.as_secs_f32() * 1e3);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::device::shot::Picture;
    use crate::device::source::pattern::Pattern;
    use crate::y4m::Header;
    use std::time::Duration;

    #[test]
    fn gaps_are_counted_and_a_new_beginning_is_none() {
        let pattern = Pattern::new("size=112x32,scene=static".parse().unwrap()).unwrap();
        let header = Header::parse("YUV4MPEG2 W112 H32 C420jpeg").unwrap();
        let mut probe = Probe::default();
        let mut show = |number: u64, said: u64| {
            let mut bytes = Vec::new();
            pattern.draw(number, &mut bytes);
            let large = Picture { header: header.clone(), bytes };
            let (small, zero) = (large.clone(), Duration::ZERO);
            probe.show(&Arc::new(Shown { number: said, taken: zero, done: zero, small, large })).unwrap();
        };
        for number in [5, 6, 9, 0, 1, 1_048_575, 1_048_576, 1_048_578] {
            show(number, number);
        }
        show(3, 4);
        let report = probe.report();
        // 7 and 8; 2 to 1,048,574 is a new beginning backwards; 1,048,577.
        assert_eq!((report.read, report.misread, report.dropped), (8, 1, 3));
    }
}
