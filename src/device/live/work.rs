//! The thread that enlarges: takes the newest frame, runs the rung that the governor chose, and hands the picture to every sink.

use super::capture::Inbox;
use super::governor::{Governor, GovernorOptions, Step};
use super::ladder::{Catalogue, Ladder, Wished};
use super::mailbox::{Found, Mailbox};
use super::planner::{Planned, Planner};
use super::pool::ShownPool;
use super::stats::{Mean, Quantiles, Rate};
use crate::device::clock;
use crate::device::desk::{self, Desk, Wish, ms};
use crate::device::shot::{Picture, Shot, Shown};
use crate::device::sink::Audience;
use crate::device::stream::{FrameStages, TileCount};
use crate::device::unpack::{Crop, Unpacker};
use crate::error::{Error, Result};
use crate::y4m::Header;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Between two looks around while no frame comes.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two entries in the report.
const REPORT: Duration = Duration::from_millis(500);
/// Time without a damaged frame after which one is worth a line again: a bad cable damages every other frame for weeks.
const QUIET: Duration = Duration::from_secs(60);
/// What a source is taken to give where it does not say.
const USUAL_RATE: f64 = 30.0;

/// One sink, as the working thread sees it.
pub(super) struct Outlet {
    pub(super) mailbox: Arc<Mailbox<Arc<Shown>>>,
    pub(super) audience: Audience,
}

/// The working thread's state.
pub(super) struct Worker<'a> {
    pub(super) inbox: &'a Inbox,
    pub(super) desk: &'a Desk,
    pub(super) outlets: Vec<Outlet>,
    pub(super) catalogue: Arc<dyn Catalogue>,
    pub(super) planner: Planner,
    pub(super) crop: Option<Crop>,
    pub(super) governor: GovernorOptions,
    pub(super) wish: Wished,
    /// Raised with every look around: the watchdog's.
    pub(super) pulse: &'a AtomicU64,
    /// Frames after which the work ends.
    pub(super) most: Option<u64>,
}

/// What is made ready for frames of one kind.
struct Ready {
    header: Header,
    ladder: Ladder,
    governor: Governor,
    /// Whose ladder it is; `None` while bicubic stands in.
    wish: Option<Wished>,
    place: usize,
}

/// What is counted.
#[derive(Default)]
struct Tally {
    rate: Rate,
    ages: Quantiles,
    unpack: Mean,
    generator: Mean,
    chroma: Mean,
    total: Mean,
    tiles: TileCount,
    frames: u64,
    seen: u64,
    reported: Duration,
    /// When a frame was damaged last.
    damaged: Option<Duration>,
}

impl Worker<'_> {
    /// Runs until the inbox is closed, or enough frames were made.
    ///
    /// # Errors
    /// Where not even bicubic can be planned or run.
    pub(super) fn run(mut self) -> Result<()> {
        let (mut unpacker, mut pool, mut tally) =
            (Unpacker::default(), ShownPool::new(self.outlets.len()), Tally::default());
        let mut ready: Option<Ready> = None;
        let ended = loop {
            self.pulse.fetch_add(1, Ordering::Relaxed);
            self.hear(&mut ready);
            if self.most.is_some_and(|most| tally.frames >= most) {
                break Ok(());
            }
            match self.inbox.newest.take(PATIENCE) {
                Found::Closed => break Ok(()),
                Found::Nothing => self.report(&mut tally, ready.as_ref(), clock::now()),
                Found::Letter(shot) => {
                    let done = self.frame(&shot, &mut ready, &mut unpacker, &mut pool, &mut tally);
                    self.inbox.give_back(shot);
                    if let Err(error) = done {
                        break Err(error);
                    }
                }
            }
        };
        tally.reported = Duration::ZERO;
        self.report(&mut tally, ready.as_ref(), clock::now());
        self.outlets.iter().for_each(|outlet| outlet.mailbox.close());
        ended
    }

    /// Hears what is wished, and takes over what was planned.
    fn hear(&mut self, ready: &mut Option<Ready>) {
        while let Some(wish) = self.desk.take(|wish| !matches!(wish, Wish::Snapshot)) {
            match wish {
                Wish::Model(model) => {
                    log::info!("model: {model}");
                    let strength = self.catalogue.strength(&model);
                    self.wish = Wished { model, strength };
                }
                Wish::Strength(strength) if self.wish.strength.is_some() => self.wish.strength = Some(strength),
                Wish::Strength(_) | Wish::Snapshot => {}
            }
        }
        let Some(ready) = ready else { return };
        let finished = self.planner.finished();
        if ready.wish.as_ref() == Some(&self.wish) {
            // What was wished for in between is wanted no more.
            return;
        }
        let wanted = |planned: &Planned| planned.header == ready.header && planned.wish == self.wish;
        let Some(planned) = finished.filter(wanted) else {
            if let Err(error) = self.planner.ask(&self.wish, &ready.header) {
                log::error!("{error}");
            }
            return;
        };
        match planned.ladder {
            Ok(ladder) => {
                ready.governor = Governor::new(ladder.steps.clone(), self.governor);
                (ready.ladder, ready.place, ready.wish) = (ladder, 0, Some(planned.wish));
                self.tell(ready);
            }
            Err(error) => {
                let reason = format!("{}: {error}", planned.wish.model);
                log::error!("{reason}");
                // What ran before goes on; where nothing did, bicubic does.
                if let Some(before) = ready.wish.clone() {
                    self.wish = before;
                } else {
                    ready.wish = Some(self.wish.clone());
                    self.tell(ready);
                }
                self.desk.write(|report| report.governor.reason = reason);
            }
        }
    }

    /// Makes one frame, if somebody looks and there is time.
    fn frame(
        &mut self,
        shot: &Shot,
        ready: &mut Option<Ready>,
        unpacker: &mut Unpacker,
        pool: &mut ShownPool,
        tally: &mut Tally,
    ) -> Result<()> {
        let begin = clock::now();
        let snapshot = self.desk.is_wished(&Wish::Snapshot);
        if !snapshot && self.outlets.iter().all(|outlet| outlet.audience.count() == 0) {
            self.desk.write(|report| report.dropped.unwatched += 1);
            self.report(tally, None, begin);
            return Ok(());
        }
        tally.seen += 1;
        let step = ready.as_ref().map_or(1, |ready| ready.governor.step().0.thinning());
        if step > 1 && !tally.seen.is_multiple_of(u64::from(step)) {
            self.desk.write(|report| report.dropped.thinned += 1);
            return Ok(());
        }
        let Some(mut shown) = pool.take() else {
            self.desk.write(|report| report.dropped.late += 1);
            return Ok(());
        };
        let Some(picture) = Arc::get_mut(&mut shown) else { return Ok(()) };
        if let Err(error) = unpacker.unpack(shot, self.crop, &mut picture.small) {
            let before = tally.damaged.replace(begin);
            if before.is_none_or(|before| begin.saturating_sub(before) >= QUIET) {
                log::warn!("a frame is damaged and left out: {error}");
            }
            self.desk.write(|report| report.dropped.damaged += 1);
            pool.give_back(shown);
            return Ok(());
        }
        let unpacked = clock::now();
        let now = self.ready(ready, &picture.small)?;
        let (tiles, stages) = match enlarge(now, picture, unpacked) {
            Ok(done) => done,
            Err(error) => {
                pool.give_back(shown);
                return self.do_without(now, error);
            }
        };
        picture.number = shot.number;
        picture.taken = shot.taken;
        picture.done = clock::now();
        tally.count(picture, tiles, stages, [begin, unpacked]);
        self.hand_out(&shown);
        let took = clock::now().saturating_sub(begin);
        pool.give_back(shown);
        self.govern(now, took, shot);
        self.report(tally, Some(now), clock::now());
        Ok(())
    }

    /// Puts a picture into every sink's box.
    fn hand_out(&self, shown: &Arc<Shown>) {
        for (place, outlet) in self.outlets.iter().enumerate() {
            if outlet.mailbox.put(shown.clone()).is_some() {
                self.desk.write(|report| {
                    if let Some(sink) = report.sinks.get_mut(place) {
                        sink.skipped += 1;
                    }
                });
            }
        }
    }

    /// A generator that fails on a frame is done without: bicubic from now on, until another is wished for.
    fn do_without(&self, ready: &mut Ready, error: Error) -> Result<()> {
        if ready.ladder.steps == [Step::Bicubic] {
            return Err(error);
        }
        let reason = format!("{}: {error}", ready.ladder.rung(ready.place).name);
        log::error!("{reason}; bicubic stands in for it");
        ready.ladder = Ladder::bicubic(&ready.header, self.planner.options())?;
        ready.governor = Governor::new(ready.ladder.steps.clone(), self.governor);
        (ready.place, ready.wish) = (0, Some(self.wish.clone()));
        self.tell(ready);
        self.desk.write(|report| report.governor.reason = reason);
        Ok(())
    }

    /// What is ready for frames like `small`; bicubic at once where nothing is, and the wished one is planned meanwhile.
    fn ready<'r>(&mut self, ready: &'r mut Option<Ready>, small: &Picture) -> Result<&'r mut Ready> {
        if ready.as_ref().is_none_or(|ready| ready.header != small.header) {
            let ladder = Ladder::bicubic(&small.header, self.planner.options())?;
            let governor = Governor::new(ladder.steps.clone(), self.governor);
            let made = Ready { header: small.header.clone(), ladder, governor, wish: None, place: 0 };
            self.planner.ask(&self.wish, &made.header)?;
            *ready = Some(made);
        }
        ready.as_mut().ok_or_else(|| Error::internal("nothing is ready"))
    }

    fn govern(&self, ready: &mut Ready, took: Duration, shot: &Shot) {
        let rate = shot.format.rate.map_or(USUAL_RATE, |rate| f64::from(rate.num) / f64::from(rate.den));
        let deadline = Duration::from_secs_f64(1.0 / rate.clamp(1.0, 1000.0));
        let now = clock::now();
        let (temperature, throttled) = self.desk.read(|report| (report.temperature, report.throttled));
        if ready.governor.frame(now, took, deadline) | ready.governor.heat(now, temperature, throttled) {
            ready.ladder.rung(ready.place).rest();
            ready.place = ready.governor.step().1;
            self.tell(ready);
        }
    }

    /// Says in which state the governor is.
    fn tell(&self, ready: &mut Ready) {
        let (step, place) = ready.governor.step();
        let reason = ready.governor.reason().map(|reason| reason.to_string()).unwrap_or_default();
        let name = ready.ladder.rung(place).name.clone();
        log::info!("governor: {} ({name}){}{reason}", step.name(), if reason.is_empty() { "" } else { ": " });
        self.desk.write(|report| {
            report.governor = desk::Governor { state: step.name().into(), step: place, reason };
            report.running = name;
        });
    }

    /// Enters what was counted, twice a second.
    fn report(&self, tally: &mut Tally, ready: Option<&Ready>, now: Duration) {
        if now.saturating_sub(tally.reported) < REPORT && tally.reported > Duration::ZERO {
            return;
        }
        tally.reported = now;
        let (fps, age, tiles) = (tally.rate.per_second(now), tally.ages.ages(), std::mem::take(&mut tally.tiles));
        self.desk.write(|report| {
            report.model.clone_from(&self.wish.model);
            report.strength = self.wish.strength;
            (report.fps_out, report.age, report.frames) = (fps, age, tally.frames);
            (report.tiles_run, report.tiles_reused) = (tiles.run, tiles.reused);
            report.ms.unpack = tally.unpack.value();
            report.ms.generator = tally.generator.value();
            report.ms.chroma = tally.chroma.value();
            report.ms.total = tally.total.value();
            match ready {
                Some(ready) => {
                    let size = |header: &Header| [header.size.width, header.size.height];
                    (report.input, report.output) = (size(&ready.header), size(ready.ladder.output()));
                    if ready.wish.is_none() {
                        report.governor.state = "starting".into();
                        report.running = "bicubic".into();
                    } else if report.governor.state == "resting" {
                        report.governor.state = ready.governor.step().0.name().into();
                    }
                }
                None if report.online => report.governor.state = "resting".into(),
                None => {}
            }
        });
    }
}

/// Runs the rung that is chosen.
fn enlarge(ready: &mut Ready, picture: &mut Shown, now: Duration) -> Result<(TileCount, FrameStages)> {
    let rung = ready.ladder.rung(ready.place);
    if picture.large.header != *rung.output() {
        picture.large.header = rung.output().clone();
    }
    picture.large.bytes.resize(picture.large.header.frame_bytes(), 0);
    rung.run(&picture.small.bytes, &mut picture.large.bytes, now)
}

impl Tally {
    fn count(&mut self, shown: &Shown, tiles: TileCount, stages: FrameStages, [begin, unpacked]: [Duration; 2]) {
        self.frames += 1;
        self.rate.count(shown.done);
        self.ages.add(ms(shown.done.saturating_sub(shown.taken)));
        self.unpack.add(ms(unpacked.saturating_sub(begin)));
        self.generator.add(ms(stages.generator));
        self.chroma.add(ms(stages.chroma));
        self.total.add(ms(shown.done.saturating_sub(begin)));
        self.tiles.run += tiles.run;
        self.tiles.reused += tiles.reused;
    }
}
