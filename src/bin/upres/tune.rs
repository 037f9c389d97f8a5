//! `upres tune`: measures this machine and keeps what it found.

use crate::bench::{median, noise};
use crate::model::{ProfileArgs, ZooArgs};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use upres::card::{Card, Precision};
use upres::error::{Error, Result};
use upres::frame::Plane;
use upres::geometry::Size;
use upres::kernel::Level;
use upres::profile::{Profile, Timing, choose};
use upres::session::Overrides;
use upres::upscale::{Generator, PlaneUpscaler, TileOptions};
use upres::zoo::Zoo;

/// Options of `upres tune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    zoo: ZooArgs,
    #[command(flatten)]
    profile: ProfileArgs,
    /// Size of the frames that are timed
    #[arg(long, default_value = "480x270", value_name = "WxH")]
    size: Size,
    /// Seconds for each measurement
    #[arg(long, default_value_t = 0.5, value_name = "SECONDS")]
    seconds: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Frames that are timed at least.
const FEWEST: usize = 3;

/// Runs `upres tune`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let place = args.profile.place().ok_or_else(|| {
        Error::usage("there is no home to keep the profile in").fix("give --profile FILE, or set UPRES_PROFILE")
    })?;
    if !(args.seconds > 0.0 && args.seconds <= 60.0) {
        return Err(Error::usage(format!("{} seconds are not between 0 and 60", args.seconds)));
    }
    let zoo = args.zoo.zoo()?;
    let cards: Vec<Card> = zoo.list()?.into_iter().map(|entry| entry.card).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let counts = thread_counts(cores);
    let mut profile = Profile { cpu: Level::best().name().into(), size: args.size.to_string(), ..Profile::default() };
    let families: Vec<&Card> = cards.iter().filter(|card| card.precision == Precision::F32).collect();
    let mut all = Vec::new();
    for (done, card) in families.iter().enumerate() {
        let twin = format!("{}-int8", card.name);
        let mut timings = Vec::new();
        for model in cards.iter().filter(|c| c.name == card.name || c.name == twin) {
            for &threads in &counts {
                if !args.json {
                    eprintln!("{} of {}: {} on {threads} thread(s)", done + 1, families.len(), model.name);
                }
                timings.push(measure(&zoo, model, args, threads)?);
            }
        }
        if let Some(choice) = choose(&timings) {
            profile.models.insert(card.name.clone(), choice);
        }
        all.extend(timings);
    }
    profile.save(&place)?;
    report(args, &profile, &all);
    if !args.json {
        println!("kept in {}", place.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// One, doubled as long as there are cores, and all of them.
fn thread_counts(cores: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|&n| n < cores).collect();
    counts.push(cores);
    counts
}

fn measure(zoo: &Zoo, card: &Card, args: &Args, threads: usize) -> Result<Timing> {
    let generator: Arc<dyn Generator> = Arc::new(zoo.open(&card.name, &Overrides::default())?);
    let target = args.size.checked_scale(card.scale)?;
    let input = noise(args.size, card.colour.planes());
    let mut output = vec![Plane::new(target); input.len()];
    let mut upscaler = PlaneUpscaler::new(generator, args.size, target, &TileOptions { side: None, threads })?;
    upscaler.run(&input, &mut output)?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < FEWEST || begin.elapsed() < Duration::from_secs_f64(args.seconds) {
        let frame = Instant::now();
        upscaler.run(&input, &mut output)?;
        times.push(frame.elapsed().as_secs_f64() * 1e3);
    }
    let quantised = card.precision != Precision::F32;
    Ok(Timing { model: card.name.clone(), quantised, threads, ms: median(&times) })
}

fn report(args: &Args, profile: &Profile, timings: &[Timing]) {
    if args.json {
        let timings: Vec<_> =
            timings.iter().map(|t| json!({"model": t.model, "threads": t.threads, "ms": t.ms})).collect();
        println!("{:#}", json!({"profile": profile, "timings": timings}));
        return;
    }
    println!("{} on {}, {} frames, ms each:", profile.models.len(), profile.cpu, profile.size);
    for (name, choice) in &profile.models {
        let own = timings.iter().filter(|t| &t.model == name || t.model == format!("{name}-int8"));
        let list: Vec<String> =
            own.map(|t| format!("{}×{} {:.1}", if t.quantised { "int8" } else { "f32" }, t.threads, t.ms)).collect();
        println!("{name:12} {:16} {} thread(s)   of {}", choice.model, choice.threads, list.join(", "));
    }
}
