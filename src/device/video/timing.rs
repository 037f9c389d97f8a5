//! When frames are shown: at a constant rate, or each at its own time.

use crate::y4m::Ratio;

/// Ticks a second in which variable times are kept: what MP4 and MPEG use, and whole for milliseconds.
pub(super) const TICKS: u32 = 90_000;

/// When frames are shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Timing {
    /// Frame i at i/rate.
    Constant(Ratio),
    /// Frame i after so many ticks; the first at 0. The rate is the mean.
    Variable(Vec<i64>, Ratio),
}

/// A file's clock and the frame rates that it claims.
pub(super) struct Clock {
    /// Seconds of one unit.
    pub(super) unit: Ratio,
    /// The likeliest first.
    pub(super) rates: Vec<Ratio>,
}

impl Timing {
    /// Frames a second, the mean where it varies.
    pub(super) fn rate(&self) -> Ratio {
        match self {
            Self::Constant(rate) | Self::Variable(_, rate) => *rate,
        }
    }

    /// Seconds from the first frame to frame `i`.
    pub(super) fn seconds(&self, i: u64) -> f64 {
        let at = |i: u64, rate: &Ratio| i as f64 * f64::from(rate.den) / f64::from(rate.num);
        match self {
            Self::Constant(rate) => at(i, rate),
            Self::Variable(ticks, rate) => match (ticks.get(i as usize), ticks.last()) {
                (Some(&tick), _) => tick as f64 / f64::from(TICKS),
                (None, Some(&last)) => last as f64 / f64::from(TICKS) + at(i + 1 - ticks.len() as u64, rate),
                (None, None) => at(i, rate),
            },
        }
    }

    /// The filter that gives frames `first` … `first + count` their times, the first of them 0; `None` at a constant rate.
    pub(super) fn filter(&self, first: u64, count: u64) -> Option<String> {
        let Self::Variable(ticks, _) = self else { return None };
        let rest = ticks.get(first as usize..).unwrap_or_default();
        let start = rest.first().copied().unwrap_or(0);
        let times = rest.iter().take(count as usize).enumerate().skip(1);
        let terms: Vec<String> = times.map(|(n, tick)| format!("eq(N\\,{n})*{}", tick - start)).collect();
        let sum = if terms.is_empty() { "0".to_owned() } else { terms.join("+") };
        Some(format!("settb=1/{TICKS},setpts={sum}"))
    }
}

impl Clock {
    /// Units as seconds.
    pub(super) fn seconds(&self, units: i64) -> f64 {
        units as f64 * f64::from(self.unit.num) / f64::from(self.unit.den)
    }

    /// The constant rate that `times` (in order, one for each of `count` frames) keep, to a unit or a hundredth of a
    /// frame. A file without any times keeps the rate it claims.
    pub(super) fn constant(&self, times: &[i64], count: u64) -> Option<Timing> {
        let keeps = |rate: &&Ratio| {
            let frame = f64::from(rate.den) / f64::from(rate.num) * f64::from(self.unit.den) / f64::from(self.unit.num);
            let slack = 1.001_f64.max(frame / 100.0);
            let first = times.first().copied().unwrap_or(0);
            let on_time = |(i, &time): (usize, &i64)| ((time - first) as f64 - i as f64 * frame).abs() <= slack;
            frame > 1.5 && times.iter().enumerate().all(on_time)
        };
        let whole = times.is_empty() || times.len() as u64 == count;
        self.rates.iter().find(keeps).filter(|_| whole).copied().map(Timing::Constant)
    }

    /// The times themselves; `None` where some frame has none.
    pub(super) fn variable(&self, times: &[i64], count: u64) -> Option<Timing> {
        if times.len() as u64 != count {
            return None;
        }
        let (first, last) = (*times.first()?, *times.last()?);
        let ticks: Vec<i64> =
            times.iter().map(|time| (self.seconds(time - first) * f64::from(TICKS)).round() as i64).collect();
        let mean = (count - 1).max(1) as f64 / self.seconds(last - first).max(1e-3);
        let rate = Ratio { num: (mean * 1000.0).round().clamp(1.0, 1e6) as u32, den: 1000 };
        // Two frames at one time cannot be kept apart.
        ticks.windows(2).all(|pair| pair[0] < pair[1]).then_some(Timing::Variable(ticks, rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NTSC: Ratio = Ratio { num: 30_000, den: 1001 };

    fn clock(den: u32) -> Clock {
        Clock { unit: Ratio { num: 1, den }, rates: vec![NTSC] }
    }

    #[test]
    fn milliseconds_of_a_constant_rate_are_told_from_a_varying_one() {
        let rounded: Vec<i64> = (0..500).map(|i| 70 + (f64::from(i) * 1001.0 / 30.0).round() as i64).collect();
        assert_eq!(clock(1000).constant(&rounded, 500), Some(Timing::Constant(NTSC)));
        let mut gap = rounded.clone();
        gap[300..].iter_mut().for_each(|time| *time += 33);
        assert_eq!(clock(1000).constant(&gap, 500), None);
        let mut drift = rounded.clone();
        drift.iter_mut().enumerate().for_each(|(i, time)| *time = 70 + i as i64 * 33);
        assert_eq!(clock(1000).constant(&drift, 500), None, "33 ms is not 33.37 ms");
        assert_eq!(clock(1000).constant(&rounded[1..], 500), None, "a frame without a time");
        assert_eq!(clock(1000).constant(&[], 500), Some(Timing::Constant(NTSC)), "raw H.264 has no times");
    }

    #[test]
    fn varying_times_become_a_filter() {
        let timing = clock(1000).variable(&[40, 60, 100, 200], 4).unwrap_or_else(|| panic!("times"));
        assert_eq!(timing.filter(0, 2).as_deref(), Some("settb=1/90000,setpts=eq(N\\,1)*1800"));
        assert_eq!(timing.filter(1, 9).as_deref(), Some("settb=1/90000,setpts=eq(N\\,1)*3600+eq(N\\,2)*12600"));
        assert_eq!(timing.filter(3, 1).as_deref(), Some("settb=1/90000,setpts=0"));
        assert_eq!(timing.rate(), Ratio { num: 18_750, den: 1000 });
        assert!((timing.seconds(3) - 0.16).abs() < 1e-9 && (timing.seconds(4) - 0.16 - 1.0 / 18.75).abs() < 1e-9);
    }

    #[test]
    fn equal_or_missing_times_are_refused() {
        assert_eq!(clock(1000).variable(&[1, 1, 2], 3), None);
        assert_eq!(clock(1000).variable(&[1, 2], 3), None);
        assert_eq!(clock(1000).variable(&[], 0), None);
    }
}
