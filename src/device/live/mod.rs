//! Live: a camera in, the enlarged picture out, for months.
//!
//! One thread waits for the camera (`capture`), one enlarges (`upscale`, with its crew), one shows for each sink. Between them
//! lie letter boxes for one, so the newest frame wins and nothing queues up; the buffers go round. Whatever fails at an edge is
//! opened again, and said once.

mod backoff;
mod capture;
pub mod governor;
pub mod health;
mod ladder;
mod mailbox;
mod planner;
mod pool;
mod present;
mod stats;
mod work;

pub use capture::OpenSource;
pub use ladder::{Catalogue, LadderOptions};
pub use mailbox::{Found, Mailbox};
pub use present::{OpenSink, SinkPlan};

use crate::device::clock;
use crate::device::desk::{Desk, SinkReport};
use crate::device::unpack::Crop;
use crate::error::{Error, Result};
use capture::{Capture, Inbox};
use governor::GovernorOptions;
use health::Health;
use ladder::Wished;
use planner::Planner;
use present::Presenter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use work::{Outlet, Worker};

/// What is to run.
pub struct LiveOptions {
    /// The source's name, as it may be shown.
    pub source_name: String,
    /// How the source is opened.
    pub source: OpenSource,
    /// The region of interest.
    pub crop: Option<Crop>,
    /// Where generators come from.
    pub catalogue: Arc<dyn Catalogue>,
    /// The generator to begin with.
    pub model: String,
    /// How strongly it invents, where it has two ends.
    pub strength: Option<f32>,
    /// How frames are enlarged.
    pub ladder: LadderOptions,
    /// How the deadline is kept.
    pub governor: GovernorOptions,
    /// Who shows frames.
    pub sinks: Vec<SinkPlan>,
    /// Between a failure of the source or a sink and the next try; it grows to 32 times that.
    pub retry: Duration,
    /// Frames after which all ends.
    pub most: Option<u64>,
}

/// What someone who looks after the work is called with a few times a second.
pub trait Keeper {
    /// Whether the work should end. `alive`: whether the working thread has come round since the last few seconds.
    fn tick(&mut self, alive: bool) -> bool;
}

/// Between two looks around.
const TICK: Duration = Duration::from_millis(50);
/// Silence of the working thread that counts as death: no network that anyone would watch takes so long for a frame.
const DEAD: Duration = Duration::from_secs(60);
/// How long threads are waited for at the end.
const FAREWELL: Duration = Duration::from_millis(700);

/// Runs until the keeper says so, the source ends, or enough frames were made. All state is on `desk`.
///
/// # Errors
/// Where the work itself fails: not the source and not a sink, which are opened again.
pub fn run(options: LiveOptions, desk: &Arc<Desk>, keeper: &mut dyn Keeper) -> Result<()> {
    let shared = Arc::new(Shared { stop: AtomicBool::new(false), pulse: AtomicU64::new(0), inbox: Inbox::default() });
    let names =
        options.sinks.iter().map(|sink| SinkReport { name: sink.name.into(), ..SinkReport::default() }).collect();
    desk.write(|report| {
        report.source = options.source_name.clone();
        report.model.clone_from(&options.model);
        report.models = options.catalogue.names();
        report.sinks = names;
        report.governor.state = "starting".into();
    });
    let mut threads = start(options, desk, &shared)?;
    let worker = threads.work;
    watch(&shared, desk, &worker, keeper);
    shared.stop.store(true, Ordering::Relaxed);
    shared.inbox.newest.close();
    threads.rest.push(threads.capture);
    // A thread that hangs in a driver is left behind; the program ends all the same.
    let until = clock::now() + FAREWELL;
    let done = |thread: &JoinHandle<()>| thread.is_finished();
    while clock::now() < until && !(worker.is_finished() && threads.rest.iter().all(done)) {
        std::thread::sleep(Duration::from_millis(5));
    }
    if !worker.is_finished() {
        return Ok(());
    }
    worker.join().unwrap_or_else(|_| Err(Error::internal("the working thread crashed")))
}

/// What the threads share.
struct Shared {
    stop: AtomicBool,
    pulse: AtomicU64,
    inbox: Inbox,
}

struct Threads {
    capture: JoinHandle<()>,
    work: JoinHandle<Result<()>>,
    rest: Vec<JoinHandle<()>>,
}

fn start(options: LiveOptions, desk: &Arc<Desk>, shared: &Arc<Shared>) -> Result<Threads> {
    let refused = |e| Error::limit("the system gives no more threads").caused_by(e);
    let (mut rest, mut outlets) = (Vec::new(), Vec::new());
    for (place, plan) in options.sinks.into_iter().enumerate() {
        let mailbox = Arc::new(Mailbox::default());
        outlets.push(Outlet { mailbox: mailbox.clone(), audience: plan.audience.clone() });
        let (desk, shared, retry) = (desk.clone(), shared.clone(), options.retry);
        let builder = Builder::new().name(plan.name.into());
        let show = move || Presenter { plan, place, mailbox: &mailbox, desk: &desk, stop: &shared.stop, retry }.run();
        rest.push(builder.spawn(show).map_err(refused)?);
    }
    let (own, parts, open, retry) = (desk.clone(), shared.clone(), options.source, options.retry);
    let capture = Builder::new()
        .name("capture".into())
        .spawn(move || Capture { open, inbox: &parts.inbox, desk: &own, stop: &parts.stop, retry }.run())
        .map_err(refused)?;
    let strength = options.strength.or_else(|| options.catalogue.strength(&options.model));
    let wish = Wished { model: options.model, strength };
    let planner = Planner::new(options.catalogue.clone(), options.ladder);
    let (own, parts) = (desk.clone(), shared.clone());
    let (catalogue, crop, governor, most) = (options.catalogue, options.crop, options.governor, options.most);
    let work = move || {
        let worker = Worker {
            inbox: &parts.inbox,
            desk: &own,
            outlets,
            catalogue,
            planner,
            crop,
            governor,
            wish,
            pulse: &parts.pulse,
            most,
        };
        worker.run()
    };
    let work = Builder::new().name("upscale".into()).spawn(work).map_err(refused)?;
    Ok(Threads { capture, work, rest })
}

/// Looks after the threads until one of them, or the keeper, says that it is enough.
fn watch(shared: &Shared, desk: &Desk, worker: &JoinHandle<Result<()>>, keeper: &mut dyn Keeper) {
    let (health, begin) = (Health::default(), clock::now());
    let (mut pulse, mut beat, mut measured) = (0, begin, Duration::ZERO);
    while !worker.is_finished() {
        let now = clock::now();
        let heard = shared.pulse.load(Ordering::Relaxed);
        if heard != pulse {
            (pulse, beat) = (heard, now);
        }
        if now.saturating_sub(measured) >= Duration::from_secs(1) {
            measured = now;
            let (temperature, throttled) = (health.temperature(), health.throttled());
            desk.write(|report| {
                (report.temperature, report.throttled) = (temperature, throttled);
                report.uptime = now.saturating_sub(begin).as_secs_f64();
            });
        }
        if keeper.tick(now.saturating_sub(beat) < DEAD) {
            break;
        }
        std::thread::sleep(TICK);
    }
    let now = clock::now();
    desk.write(|report| report.uptime = now.saturating_sub(begin).as_secs_f64());
}

#[cfg(test)]
mod tests;
