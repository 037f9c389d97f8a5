//! What everyone tells about the live work, and what is wished of it: read by the HUD, the page and the log, written by the
//! threads of the work.

use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where the time of frames goes, in milliseconds: the mean of the last second or so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct StageTimes {
    /// Taking the camera's frame apart, or decoding its JPEG.
    pub unpack: f64,
    /// The generator.
    pub generator: f64,
    /// Chroma beside it.
    pub chroma: f64,
    /// From the frame's arrival on the working thread to the finished picture.
    pub total: f64,
}

/// Quantiles of a frame's age, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Ages {
    /// The median.
    pub p50: f64,
    /// One in twenty is older.
    pub p95: f64,
    /// One in a hundred is older.
    pub p99: f64,
}

impl Ages {
    /// The quantiles of ages that are sorted; zeros of none.
    pub fn of(sorted: &[f32]) -> Self {
        let last = sorted.len().saturating_sub(1) as f64;
        let at = |share: f64| sorted.get((share * last).round() as usize).map_or(0.0, |&ms| f64::from(ms));
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
    }
}

/// Frames that were not shown, by reason, since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Drops {
    /// A newer one came before there was time for it.
    pub late: u64,
    /// Its bytes were damaged.
    pub damaged: u64,
    /// Left out on purpose, to keep the pace.
    pub thinned: u64,
    /// Nobody looked.
    pub unwatched: u64,
    /// The driver lost it.
    pub lost: u64,
}

/// What the governor chose, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Governor {
    /// What is running: `full`, `smaller model`, `half rate`, `bicubic`, `starting` or `resting`.
    pub state: String,
    /// Steps below what was asked for; 0 is all of it.
    pub step: usize,
    /// Why it is not `full`: empty where it is.
    pub reason: String,
}

/// One sink.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SinkReport {
    /// `screen`, `http`, `camera` …
    pub name: String,
    /// Frames shown a second.
    pub fps: f64,
    /// Frames passed over because a newer one came, since the beginning.
    pub skipped: u64,
    /// Milliseconds that showing one takes.
    pub ms: f64,
    /// What is wrong with it, where something is.
    pub trouble: Option<String>,
}

/// All that is told of the live work.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The source's name as it was asked for.
    pub source: String,
    /// Whether frames come.
    pub online: bool,
    /// What is wrong with the source, where something is.
    pub trouble: Option<String>,
    /// What the source gives, such as `MJPG 640x480 at 30.000 frames/s`.
    pub format: String,
    /// Width and height of what goes into the generator; 0 before the first frame.
    pub input: [usize; 2],
    /// Width and height of what comes out.
    pub output: [usize; 2],
    /// Frames a second that the source promised, or 0.
    pub asked_fps: f64,
    /// Frames a second that come.
    pub fps_in: f64,
    /// Frames a second that are enlarged.
    pub fps_out: f64,
    /// The generator that is wished for.
    pub model: String,
    /// The generator that is running.
    pub running: String,
    /// How strongly it invents detail, for generators with two ends.
    pub strength: Option<f32>,
    /// The generators that can be chosen.
    pub models: Vec<String>,
    /// What the governor chose.
    pub governor: Governor,
    /// Where the time goes.
    pub ms: StageTimes,
    /// From the driver's stamp to the finished picture.
    pub age: Ages,
    /// Tiles of the last second that were computed.
    pub tiles_run: u64,
    /// Tiles of the last second that were taken from the picture before.
    pub tiles_reused: u64,
    /// Frames enlarged since the beginning.
    pub frames: u64,
    /// Frames that came since the beginning.
    pub captured: u64,
    /// Frames that were not shown.
    pub dropped: Drops,
    /// Times that the source was opened anew.
    pub reopened: u64,
    /// Degrees Celsius of the hottest thermal zone.
    pub temperature: Option<f64>,
    /// Whether the board says that it is throttled.
    pub throttled: bool,
    /// Seconds since the beginning.
    pub uptime: f64,
    /// Whether there is a folder for snapshots.
    pub snapshots: bool,
    /// Everyone who shows frames.
    pub sinks: Vec<SinkReport>,
}

/// What someone at a page, a signal or a configuration asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Another generator, by name.
    Model(String),
    /// Another strength, 0 to 1.
    Strength(f32),
    /// A picture into the snapshots' folder.
    Snapshot,
}

/// The one place where the live work is reported and wishes are laid down.
#[derive(Debug, Default)]
pub struct Desk {
    report: Mutex<Report>,
    wishes: Mutex<Vec<Wish>>,
}

/// Wishes of a kind that may wait.
const MOST_WISHES: usize = 16;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// All that is known now.
    pub fn report(&self) -> Report {
        lock(&self.report).clone()
    }

    /// Reads of the report without copying it.
    pub fn read<T>(&self, look: impl FnOnce(&Report) -> T) -> T {
        look(&lock(&self.report))
    }

    /// Corrects the report.
    pub fn write(&self, change: impl FnOnce(&mut Report)) {
        change(&mut lock(&self.report));
    }

    /// Lays a wish down; `false` where too many of its kind wait already.
    pub fn wish(&self, wish: Wish) -> bool {
        let mut wishes = lock(&self.wishes);
        let alike = |other: &&Wish| std::mem::discriminant(*other) == std::mem::discriminant(&wish);
        let room = wishes.iter().filter(alike).count() < MOST_WISHES;
        if room {
            wishes.push(wish);
        }
        room
    }

    /// Whether that is wished for just now.
    pub fn is_wished(&self, wish: &Wish) -> bool {
        lock(&self.wishes).contains(wish)
    }

    /// Takes the oldest wish for which `mine` holds.
    pub fn take(&self, mine: impl Fn(&Wish) -> bool) -> Option<Wish> {
        let mut wishes = lock(&self.wishes);
        let place = wishes.iter().position(mine)?;
        Some(wishes.remove(place))
    }
}

/// Milliseconds of a duration.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
