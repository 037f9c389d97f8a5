#![allow(clippy::unwrap_used)]

use super::*;
use crate::device::desk::{Report, Wish};
use crate::device::shot::{Format, Packing, Shot, Shown};
use crate::device::sink::{Audience, Sink};
use crate::device::source::pattern::{Pattern, read_number};
use crate::device::source::{Next, Source};
use crate::resample::Filter;
use crate::upscale::{Footing, Generator, Interpolation, Plan};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Filters by name; `slow` takes its time.
struct Filters;

struct Slow(Interpolation);

impl Generator for Slow {
    fn card(&self) -> &crate::card::Card {
        self.0.card()
    }

    fn plan(&self, input: crate::geometry::Size) -> Result<Box<dyn Plan>> {
        Ok(Box::new(Waiting(self.0.plan(input)?)))
    }

    fn footing(&self) -> Footing {
        self.0.footing()
    }
}

struct Waiting(Box<dyn Plan>);

/// Fails on its tenth frame.
struct Failing(Interpolation);

struct Countdown(Box<dyn Plan>, u32);

impl Generator for Failing {
    fn card(&self) -> &crate::card::Card {
        self.0.card()
    }

    fn plan(&self, input: crate::geometry::Size) -> Result<Box<dyn Plan>> {
        Ok(Box::new(Countdown(self.0.plan(input)?, 10)))
    }
}

impl Plan for Countdown {
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
        self.1 = self.1.checked_sub(1).ok_or_else(|| Error::model("numbers that are none"))?;
        self.0.run(input, output)
    }
}

impl Plan for Waiting {
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
        std::thread::sleep(Duration::from_millis(40));
        self.0.run(input, output)
    }
}

impl Catalogue for Filters {
    fn open(&self, name: &str, _: Option<f32>) -> Result<Arc<dyn Generator>> {
        match name {
            "failing" => Ok(Arc::new(Failing(Interpolation::new(Filter::Lanczos3, 2)?))),
            "slow" => Ok(Arc::new(Slow(Interpolation::new(Filter::Bicubic, 2)?))),
            "lanczos" => Ok(Arc::new(Interpolation::new(Filter::Lanczos3, 2)?)),
            "nearest" => Ok(Arc::new(Interpolation::new(Filter::Nearest, 2)?)),
            _ => Err(Error::usage(format!("there is no '{name}'"))),
        }
    }

    fn names(&self) -> Vec<String> {
        ["slow", "lanczos", "nearest"].map(String::from).into()
    }

    fn smaller(&self, name: &str) -> Option<String> {
        (name == "lanczos").then(|| "nearest".into())
    }

    fn strength(&self, _: &str) -> Option<f32> {
        None
    }
}

/// Notes the numbers of the frames that it is shown.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<u32>>>);

impl Sink for Notes {
    fn show(&mut self, shown: &Arc<Shown>) -> Result<()> {
        let header = &shown.large.header;
        let number = read_number(&shown.large.bytes, header.size, 2).unwrap();
        assert_eq!(u64::from(number), shown.number);
        self.0.lock().unwrap().push(number);
        Ok(())
    }
}

/// Ends when the report says so; a test that hangs ends too.
struct Until<F>(Arc<Desk>, F, std::time::Instant);

impl<F: FnMut(&Report) -> bool> Keeper for Until<F> {
    fn tick(&mut self, alive: bool) -> bool {
        assert!(alive && self.2.elapsed() < Duration::from_secs(60), "{:?}", self.0.report());
        self.1(&self.0.report())
    }
}

fn options(source: OpenSource, sinks: Vec<SinkPlan>) -> LiveOptions {
    LiveOptions {
        source_name: "test".into(),
        source,
        crop: None,
        catalogue: Arc::new(Filters),
        model: "lanczos".into(),
        strength: None,
        ladder: LadderOptions { scale: 2.0, threads: 1, tile: None, sparing: None, governed: true },
        governor: GovernorOptions { fall: Duration::from_millis(100), ..GovernorOptions::default() },
        sinks,
        retry: Duration::from_micros(100),
        most: None,
    }
}

fn card(text: &'static str) -> OpenSource {
    Box::new(move || Ok(Box::new(Pattern::new(text.parse()?)?)))
}

fn noting(notes: &Notes) -> SinkPlan {
    let notes = notes.clone();
    SinkPlan { name: "notes", audience: Audience::always(), open: Box::new(move || Ok(Box::new(notes.clone()))) }
}

fn run_until(options: LiveOptions, until: impl FnMut(&Report) -> bool) -> (Arc<Desk>, Result<()>) {
    let desk = Arc::new(Desk::default());
    let ended = run(options, &desk, &mut Until(desk.clone(), until, std::time::Instant::now()));
    (desk, ended)
}

#[test]
fn frames_arrive_in_order_with_their_numbers_and_the_network_takes_over() {
    let notes = Notes::default();
    let (desk, ended) = run_until(options(card("size=128x64,rate=25"), vec![noting(&notes)]), |report| {
        report.frames > 25 && report.governor.state == "full"
    });
    ended.unwrap();
    let (report, numbers) = (desk.report(), notes.0.lock().unwrap().clone());
    assert!(numbers.len() > 20 && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!((report.running.as_str(), report.model.as_str()), ("lanczos-x2", "lanczos"));
    assert_eq!((report.input, report.output), ([128, 64], [256, 128]));
    assert!(report.online && report.age.p99 > 0.0 && report.format.contains("128x64"), "{report:?}");
}

/// A camera that gives one frame.
struct Gone(Arc<Pattern>, u64, bool);
impl Source for Gone {
    fn format(&self) -> Format {
        self.0.format()
    }
    fn next(&mut self, shot: &mut Shot) -> Result<Next> {
        if std::mem::replace(&mut self.2, true) {
            return Err(Error::new(crate::error::Kind::Io, "unplugged"));
        }
        (shot.format, shot.number, shot.taken) = (self.format(), self.1, clock::now());
        self.0.draw(self.1, &mut shot.bytes);
        Ok(Next::Frame)
    }
}

#[test]
fn a_thousand_unplugs_lose_nothing_but_their_frames() {
    let notes = Notes::default();
    let opened = Arc::new(AtomicU64::new(0));
    let count = opened.clone();
    // The card is drawn once; each camera gives a frame and is gone.
    let card = Arc::new(Pattern::new("size=128x64,rate=1000,scene=static".parse().unwrap()).unwrap());
    let source = Box::new(move || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        // Every third time it is not there yet.
        if number % 3 == 2 {
            return Err(Error::new(crate::error::Kind::Io, "no such device"));
        }
        Ok(Box::new(Gone(card.clone(), number, false)) as Box<dyn Source>)
    });
    let (desk, ended) = run_until(options(source, vec![noting(&notes)]), |report| report.reopened >= 1000);
    ended.unwrap();
    let report = desk.report();
    let shown = notes.0.lock().unwrap().len() as u64;
    assert!(shown > 0 && report.captured >= 666, "{shown} of {}", report.captured);
    // What was in the box, or on its way into it, when all ended is the only thing that is in no count.
    let counted = report.frames + report.dropped.late + report.dropped.thinned;
    assert!(report.captured - counted <= 3, "{counted} of {}", report.captured);
}

#[test]
fn nobody_looks_and_nothing_is_made_but_a_snapshot() {
    let notes = Notes::default();
    let mut plan = noting(&notes);
    plan.audience = Audience::default();
    let audience = plan.audience.clone();
    let mut looked = 0;
    let (desk, ended) = run_until(options(card("size=128x64,rate=200"), vec![plan]), |report| {
        if report.dropped.unwatched > 30 && report.governor.state == "resting" && looked == 0 {
            assert_eq!(report.frames, 0);
            audience.enter();
            looked = 1;
        }
        looked == 1 && report.frames > 10
    });
    ended.unwrap();
    assert!(desk.report().frames > 10);
}

#[test]
fn damaged_frames_are_left_out_and_counted() {
    struct Broken(Pattern, u64);
    impl Source for Broken {
        fn format(&self) -> Format {
            self.0.format()
        }
        fn next(&mut self, shot: &mut Shot) -> Result<Next> {
            let next = self.0.next(shot)?;
            self.1 += 1;
            match self.1 % 4 {
                0 => shot.bytes.truncate(77),
                1 => shot.format = Format { packing: Packing::Jpeg, ..shot.format },
                _ => {}
            }
            Ok(next)
        }
    }
    let notes = Notes::default();
    let source: OpenSource =
        Box::new(|| Ok(Box::new(Broken(Pattern::new("size=128x64,rate=300,scene=static".parse()?)?, 0))));
    let (_, ended) =
        run_until(options(source, vec![noting(&notes)]), |report| report.dropped.damaged > 20 && report.frames > 20);
    ended.unwrap();
}

#[test]
fn a_sink_that_fails_is_opened_again_and_the_others_go_on() {
    struct Weak(u32);
    impl Sink for Weak {
        fn show(&mut self, _: &Arc<Shown>) -> Result<()> {
            self.0 += 1;
            assert!(self.0 != 3, "a driver's own panic");
            if self.0 == 2 { Err(Error::internal("display unplugged")) } else { Ok(()) }
        }
    }
    let opened = Arc::new(AtomicU64::new(0));
    let count = opened.clone();
    let weak = SinkPlan {
        name: "weak",
        audience: Audience::always(),
        open: Box::new(move || match count.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Ok(Box::new(Weak(0))),
            1 => Ok(Box::new(Weak(2))),
            _ => Err(Error::internal("no display")),
        }),
    };
    let notes = Notes::default();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (desk, ended) = run_until(options(card("size=128x64,rate=300"), vec![weak, noting(&notes)]), |_| {
        opened.load(Ordering::Relaxed) > 20
    });
    std::panic::set_hook(hook);
    ended.unwrap();
    assert!(notes.0.lock().unwrap().len() > 20);
    assert!(desk.report().sinks[1].trouble.is_none());
}

#[test]
fn another_generator_takes_over_while_it_runs_and_a_wrong_name_changes_nothing() {
    let notes = Notes::default();
    let wishes = Arc::new(Mutex::new(vec!["nearest", "nonsense", "lanczos"]));
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let desk = Arc::new(Desk::default());
    let (own, names) = (desk.clone(), seen.clone());
    let until = move |report: &Report| {
        names.lock().unwrap().insert(report.running.clone());
        let settled = report.governor.state == "full" && report.running.starts_with(&report.model);
        if settled && let Some(wish) = wishes.lock().unwrap().pop() {
            assert!(own.wish(Wish::Model(wish.into())));
        }
        report.running == "nearest-x2" && wishes.lock().unwrap().is_empty() && settled
    };
    let mut keeper = Until(desk.clone(), until, std::time::Instant::now());
    run(options(card("size=128x64,rate=25"), vec![noting(&notes)]), &desk, &mut keeper).unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.contains("lanczos-x2") && seen.contains("nearest-x2"), "{seen:?}");
}

#[test]
fn too_slow_a_generator_is_stepped_down_from_and_it_is_said() {
    let slow =
        LiveOptions { model: "slow".into(), ..options(card("size=128x64,rate=50"), vec![noting(&Notes::default())]) };
    let (desk, ended) = run_until(slow, |report| report.governor.state == "bicubic" && report.frames > 20);
    ended.unwrap();
    let governor = desk.report().governor;
    assert!(governor.reason.contains("ms") && governor.step == 2, "{governor:?}");
}

#[test]
fn a_generator_that_cannot_be_had_leaves_bicubic_and_its_reason() {
    let wrong = LiveOptions {
        model: "nonsense".into(),
        ..options(card("size=128x64,rate=50"), vec![noting(&Notes::default())])
    };
    let (desk, ended) = run_until(wrong, |report| report.governor.state == "bicubic" && report.frames > 20);
    ended.unwrap();
    let reason = desk.report().governor.reason;
    assert!(reason.contains("there is no 'nonsense'"), "{reason}");
}

#[test]
fn a_source_that_crashes_is_opened_again_and_a_slow_sink_s_frames_are_counted() {
    struct Crashing(Pattern, u32);
    impl Source for Crashing {
        fn format(&self) -> Format {
            self.0.format()
        }
        fn next(&mut self, shot: &mut Shot) -> Result<Next> {
            self.1 += 1;
            assert!(!self.1.is_multiple_of(5), "a driver's own panic");
            self.0.next(shot)
        }
    }
    struct Tired;
    impl Sink for Tired {
        fn show(&mut self, _: &Arc<Shown>) -> Result<()> {
            std::thread::sleep(Duration::from_millis(150));
            Ok(())
        }
    }
    let source: OpenSource = Box::new(|| Ok(Box::new(Crashing(Pattern::new("size=128x64,rate=300".parse()?)?, 0))));
    let tired = SinkPlan { name: "tired", audience: Audience::always(), open: Box::new(|| Ok(Box::new(Tired))) };
    let mut steady = options(source, vec![tired]);
    // Without its thinning, and no more is asked for than a slow machine gives in time: each opening waits longer than the one before.
    steady.ladder.governed = false;
    let (_, ended) =
        run_until(steady, |report| report.reopened > 2 && report.frames > 5 && report.sinks[0].skipped > 0);
    ended.unwrap();
}

#[test]
fn a_generator_that_fails_on_a_frame_is_done_without() {
    let failing = LiveOptions {
        model: "failing".into(),
        ..options(card("size=128x64,rate=25"), vec![noting(&Notes::default())])
    };
    let (desk, ended) = run_until(failing, |report| report.governor.reason.contains("none") && report.frames > 20);
    ended.unwrap();
    let report = desk.report();
    assert_eq!((report.running.as_str(), report.governor.state.as_str()), ("bicubic-x2", "bicubic"));
}
