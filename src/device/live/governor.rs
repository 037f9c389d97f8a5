//! Keeps the deadline: a step down when frames come late or the board is hot, up again when there is room. It only counts; the
//! clock and the thermometer are told to it.

use std::time::Duration;

/// What is given up at a step of the ladder, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Full,
    /// A smaller generator.
    Smaller,
    /// Every other frame.
    HalfRate,
    /// The network.
    Bicubic,
}

impl Step {
    /// As it is told to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Smaller => "smaller model",
            Self::HalfRate => "half rate",
            Self::Bicubic => "bicubic",
        }
    }

    /// Frames of the source for one that is shown.
    pub const fn thinning(self) -> u32 {
        match self {
            Self::HalfRate => 2,
            _ => 1,
        }
    }
}

/// Why a step was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// Frames took so long, where only so much was left for them.
    Late(Duration, Duration),
    /// So many degrees Celsius.
    Hot(f64),
    /// The board says that it slows itself down.
    Throttled,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        match self {
            Self::Late(took, left) => write!(f, "frames took {:.0} ms of {:.0}", ms(took), ms(left)),
            Self::Hot(degrees) => write!(f, "{degrees:.0} °C"),
            Self::Throttled => f.write_str("the board is throttled"),
        }
    }
}

/// How patient the governor is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GovernorOptions {
    /// Degrees Celsius that are too many.
    pub hot: f64,
    /// Lateness that is borne before a step down.
    pub fall: Duration,
    /// Ease after which a step up is tried; doubled each time that it was a mistake.
    pub climb: Duration,
}

impl Default for GovernorOptions {
    fn default() -> Self {
        Self { hot: 80.0, fall: Duration::from_secs(1), climb: Duration::from_secs(5) }
    }
}

/// Share of the deadline below which there is room for more.
const ROOM: f64 = 0.7;
/// Longest ease that is asked for before a step up.
const LONGEST: Duration = Duration::from_secs(300);
/// Degrees by which it must have cooled down before a step up.
const COOLER: f64 = 5.0;

/// Chooses a step of the ladder.
#[derive(Debug)]
pub struct Governor {
    options: GovernorOptions,
    ladder: Vec<Step>,
    place: usize,
    reason: Option<Reason>,
    /// Smoothed time of a frame at this step; zero before the first.
    took: f64,
    /// Since when frames are late, or easy, without a break.
    late: Option<Duration>,
    easy: Option<Duration>,
    /// Ease that is asked for now.
    patience: Duration,
    /// When the last step was taken.
    moved: Duration,
    /// When the last step up was taken, unless a step down followed.
    climbed: Option<Duration>,
    hot: Option<Reason>,
}

impl Governor {
    /// A governor for the steps of `ladder`, the best first.
    pub fn new(ladder: Vec<Step>, options: GovernorOptions) -> Self {
        let ladder = if ladder.is_empty() { vec![Step::Full] } else { ladder };
        Self {
            patience: options.climb,
            options,
            ladder,
            place: 0,
            reason: None,
            took: 0.0,
            late: None,
            easy: None,
            moved: Duration::ZERO,
            climbed: None,
            hot: None,
        }
    }

    /// The step that is taken, and how many there are above it.
    pub fn step(&self) -> (Step, usize) {
        (self.ladder[self.place], self.place)
    }

    /// Why it is not the first.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Takes note of a frame that took `took` of the `deadline` that frames of the source leave; `true` where the step changed.
    pub fn frame(&mut self, now: Duration, took: Duration, deadline: Duration) -> bool {
        let left = deadline * self.step().0.thinning();
        let took = took.as_secs_f64();
        self.took = if self.took == 0.0 { took } else { self.took + 0.2 * (took - self.took) };
        let load = self.took / left.as_secs_f64().max(1e-6);
        self.late = (load > 1.0).then(|| self.late.unwrap_or(now));
        self.easy = (load < ROOM && self.hot.is_none()).then(|| self.easy.unwrap_or(now));
        let since = |begin: Option<Duration>| begin.map(|begin| now.saturating_sub(begin));
        if since(self.late).is_some_and(|time| time >= self.options.fall) {
            if let Some(climbed) = self.climbed {
                let held = now.saturating_sub(climbed);
                if held < 4 * self.options.fall {
                    // It fell right after it had climbed: the next try comes later.
                    self.patience = (2 * self.patience).min(LONGEST);
                } else if held >= LONGEST {
                    self.patience = self.options.climb;
                }
            }
            return self.fall(now, Reason::Late(Duration::from_secs_f64(self.took), left));
        }
        if self.place > 0 && since(self.easy).is_some_and(|time| time >= self.patience) {
            self.place -= 1;
            if self.place == 0 {
                self.reason = None;
            }
            self.settle(now);
            self.climbed = Some(now);
            return true;
        }
        false
    }

    /// Takes note of the board's state; `true` where the step changed.
    pub fn heat(&mut self, now: Duration, temperature: Option<f64>, throttled: bool) -> bool {
        let limit = self.options.hot - if self.hot.is_some() { COOLER } else { 0.0 };
        self.hot = match temperature {
            Some(degrees) if degrees >= limit => Some(Reason::Hot(degrees)),
            _ if throttled => Some(Reason::Throttled),
            _ => None,
        };
        let Some(reason) = self.hot else { return false };
        self.easy = None;
        // Heat goes slowly: one step, then wait for what it does.
        let waited = now.saturating_sub(self.moved) >= 5 * self.options.fall;
        let still = !matches!(reason, Reason::Hot(degrees) if degrees < self.options.hot);
        waited && still && self.fall(now, reason)
    }

    fn fall(&mut self, now: Duration, reason: Reason) -> bool {
        self.reason = Some(reason);
        if self.place + 1 >= self.ladder.len() {
            return false;
        }
        self.place += 1;
        self.settle(now);
        true
    }

    fn settle(&mut self, now: Duration) {
        (self.took, self.late, self.easy, self.moved, self.climbed) = (0.0, None, None, now, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: [Step; 4] = [Step::Full, Step::Smaller, Step::HalfRate, Step::Bicubic];
    const DEADLINE: Duration = Duration::from_millis(40);

    fn governor() -> Governor {
        Governor::new(LADDER.to_vec(), GovernorOptions::default())
    }

    /// Runs `seconds` of frames that take what `cost` says of the step; gives the steps that were taken and when.
    fn run(governor: &mut Governor, from: u64, seconds: u64, cost: impl Fn(Step) -> u64) -> Vec<(u64, Step)> {
        let mut steps = Vec::new();
        for frame in 0..seconds * 25 {
            let now = Duration::from_secs(from) + DEADLINE * frame as u32;
            if governor.frame(now, Duration::from_millis(cost(governor.step().0)), DEADLINE) {
                steps.push((frame / 25, governor.step().0));
            }
        }
        steps
    }

    #[test]
    fn what_fits_stays_full() {
        let mut governor = governor();
        assert!(run(&mut governor, 1, 60, |_| 39).is_empty());
        assert_eq!((governor.step(), governor.reason()), ((Step::Full, 0), None));
    }

    #[test]
    fn it_falls_until_it_fits_and_tries_again_less_and_less_often() {
        let mut governor = governor();
        let cost = |step| match step {
            Step::Full => 100,
            Step::Smaller => 20,
            _ => 5,
        };
        let steps = run(&mut governor, 1, 60, cost);
        let first: Vec<Step> = steps.iter().take(3).map(|&(_, step)| step).collect();
        assert_eq!(first, [Step::Smaller, Step::Full, Step::Smaller]);
        let tries: Vec<u64> = steps.iter().filter(|(_, step)| *step == Step::Full).map(|&(at, _)| at).collect();
        assert!(tries.len() >= 2 && tries.len() <= 4, "{steps:?}");
        assert!(tries.windows(3).all(|t| t[2] - t[1] > t[1] - t[0]), "{tries:?}");
        assert!(matches!(governor.reason(), Some(Reason::Late(..))));
    }

    #[test]
    fn falling_several_steps_at_once_costs_no_patience() {
        let mut governor = governor();
        // All is late for ten seconds, then nothing is: five seconds of ease for each step up.
        assert_eq!(run(&mut governor, 1, 10, |_| 500).len(), 3);
        let up: Vec<u64> = run(&mut governor, 11, 30, |_| 1).into_iter().map(|(at, _)| at).collect();
        assert!(up.len() == 3 && up[2] <= 16, "{up:?}");
    }

    #[test]
    fn half_rate_has_twice_the_time() {
        let mut governor = governor();
        let steps = run(&mut governor, 1, 20, |_| 70);
        assert_eq!(steps.iter().map(|&(_, step)| step).collect::<Vec<_>>(), [Step::Smaller, Step::HalfRate]);
    }

    #[test]
    fn one_slow_frame_is_no_reason() {
        let mut governor = governor();
        for frame in 0..1000_u32 {
            let took = if frame % 50 == 0 { 90 } else { 20 };
            assert!(!governor.frame(DEADLINE * frame, Duration::from_millis(took), DEADLINE));
        }
    }

    #[test]
    fn heat_takes_a_step_at_a_time_and_must_go_before_the_climb() {
        let mut governor = governor();
        let at = Duration::from_secs;
        assert!(!governor.heat(at(10), Some(79.0), false));
        assert!(governor.heat(at(11), Some(81.0), false));
        assert_eq!(governor.step().0, Step::Smaller);
        assert!(!governor.heat(at(12), Some(83.0), false), "no second step right after the first");
        assert!(governor.heat(at(17), Some(83.0), false));
        assert_eq!(governor.step().0, Step::HalfRate);
        // Still warm: neither down nor up.
        for second in 18..60 {
            assert!(!governor.heat(at(second), Some(77.0), false));
            assert!(!governor.frame(at(second), Duration::from_millis(1), DEADLINE));
        }
        governor.heat(at(60), Some(70.0), false);
        assert!(run(&mut governor, 60, 30, |_| 1).len() >= 2);
        assert_eq!((governor.step(), governor.reason()), ((Step::Full, 0), None));
        assert!(governor.heat(at(200), None, true));
        assert_eq!(governor.reason(), Some(Reason::Throttled));
    }
}
