//! `upres-host train --recipe`: trains any generator of the papers as a recipe says.

use crate::ranks::join;
use crate::train::Args;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use upres::error::{Error, Result};
use upres::host::adversarial::{Game, TWICE};
use upres::host::degrade::Degradation;
use upres::host::events::{self, Events};
use upres::host::lpips::Lpips;
use upres::host::photographs::Photographs;
use upres::host::recipe::{self, Finished, Observer, Recipe, Rhythm, Run, Sample, Sources, teach};
use upres::host::run_page::{self, Series};
use upres::progress::readable;

/// Runs the recipe that `args` name.
pub(crate) fn run(args: &Args, name: &str) -> Result<ExitCode> {
    let mut recipe = recipe::load(name, &args.set)?;
    let start = args.start.as_deref().map(Finished::load).transpose()?;
    if let Some(path) = &args.start {
        recipe.start = Some(crate::train::digest(path)?);
    }
    if let (Some(start), true) =
        (&start, recipe.generator == upres::host::papers::Choice::named(&recipe.generator.name))
    {
        recipe.generator = start.choice.clone();
    }
    if let Some(precision) = args.precision {
        recipe.precision = precision;
    }
    if recipe.adversary.as_ref().is_some_and(|adversary| adversary.game == Game::Wasserstein)
        && std::env::var_os(TWICE).is_none_or(|word| word != "1")
    {
        return again();
    }
    if args.ranks.are_to_start() {
        return args.ranks.launch(recipe.batch);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.ranks.threads()).build_global();
    pool.map_err(|e| Error::internal("the threads cannot be started").caused_by(e))?;
    learn(args, recipe, start.as_ref())
}

/// Starts this program once more, with second derivatives: candle reads that from its environment. Where the system can, the
/// new one takes this one's place, so that what ends a run by its number ends the run.
fn again() -> Result<ExitCode> {
    let failed = |e: std::io::Error| Error::internal("the program cannot be started again").caused_by(e);
    let own = std::env::current_exe().map_err(failed)?;
    let mut command = std::process::Command::new(own);
    command.args(std::env::args_os().skip(1)).env(TWICE, "1");
    #[cfg(unix)]
    return Err(failed(std::os::unix::process::CommandExt::exec(&mut command)));
    #[cfg(not(unix))]
    {
        let code = command.status().map_err(failed)?.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

fn learn(args: &Args, recipe: Recipe, start: Option<&Finished>) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("cannot make the folder", &args.out, e))?;
    let checkpoint = args.out.join("checkpoint.safetensors");
    let (device, peers) = join()?;
    recipe.precision.validate(&device)?;
    let sources = Sources { folder: args.weights.clone(), vgg: args.vgg.clone() };
    let teacher = args.teacher.as_deref().map(Finished::load).transpose()?;
    let run = match (args.resume, checkpoint.exists()) {
        (true, _) => Run::load(&checkpoint, teacher.as_ref(), &sources, &device)?.lengthened(recipe)?,
        (false, true) => {
            return Err(Error::usage(format!("{} holds a run already", args.out.display()))
                .fix("continue it with --resume, or give another folder"));
        }
        (false, false) => Run::new(recipe, start, teacher.as_ref(), &sources, &device)?,
    };
    let mut run = run.joined(peers)?;
    let degradation: Degradation = run.recipe.degradation.parse()?;
    let read = |folder: &Path, patch| {
        run.scales()
            .iter()
            .map(|&scale| Photographs::read(folder, scale, patch, degradation))
            .collect::<Result<Vec<_>>>()
    };
    let data = read(&args.photographs, run.recipe.patch)?;
    let first = run.peers.rank() == 0;
    let validation = args.validation.as_deref().filter(|_| first).map(|folder| read(folder, 8)).transpose()?;
    let lpips = match &args.weights {
        Some(folder) if Lpips::at_hand(folder) => Some(Lpips::open(folder, &device)?),
        _ => None,
    };
    let workers = args.ranks.workers(&device);
    let rhythm = Rhythm { measure: args.measure, photographs: args.judged, side: args.judged_side.into(), workers };
    if !first {
        teach(&mut run, &data, None, rhythm, &mut Silent)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut reporter = Reporter::new(args, &checkpoint, &run)?;
    let validation = validation.as_deref().map(|photographs| (photographs, lpips.as_ref()));
    teach(&mut run, &data, validation, rhythm, &mut reporter)?;
    Ok(ExitCode::SUCCESS)
}

/// What ranks after the first have to say.
struct Silent;

impl Observer for Silent {
    fn step(&mut self, _step: u64, _costs: &BTreeMap<&'static str, f64>) {}

    fn measured(&mut self, _run: &Run, _samples: Vec<Sample>) -> Result<bool> {
        Ok(true)
    }
}

/// Tells how the run goes, and saves it.
struct Reporter<'a> {
    args: &'a Args,
    checkpoint: &'a Path,
    began: Instant,
    first: u64,
    steps: u64,
    shown: Instant,
    losses: BTreeMap<&'static str, f64>,
    events: Events,
}

impl<'a> Reporter<'a> {
    fn new(args: &'a Args, checkpoint: &'a Path, run: &Run) -> Result<Self> {
        let now = Instant::now();
        let mut events = Events::append(&args.out.join(events::NAME))?;
        if args.resume {
            events.resumed(run.step)?;
        }
        Ok(Self {
            args,
            checkpoint,
            began: now,
            first: run.step,
            steps: run.recipe.steps,
            shown: now,
            losses: BTreeMap::new(),
            events,
        })
    }

    /// Writes the page of the run and the events of the last measurement.
    fn draw(&mut self, run: &Run, samples: &[run_page::Sample]) -> Result<()> {
        let facts: Vec<(String, String)> = run.recipe.description(run.step).into_iter().collect();
        let live = run.step < self.steps;
        let page = run_page::page(&run.recipe.title, &facts, &charts(run), samples, live);
        upres::atomic::write(&self.file("run.html"), page.as_bytes())?;
        if let Some(point) = run.history.last() {
            for (name, value) in &point.values {
                self.events.scalar(point.step, name, f64::from(*value))?;
            }
        }
        Ok(())
    }

    fn pace(&self, step: u64) -> f64 {
        (step - self.first) as f64 / self.began.elapsed().as_secs_f64().max(1e-9)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.args.out.join(name)
    }

    /// Whether the last measurement is the best: by LPIPS where it is measured and more than samples are learned, else by
    /// PSNR.
    fn is_best(run: &Run) -> bool {
        let perceptual = run.recipe.adversary.is_some() || run.recipe.loss.lpips > 0.0;
        let by_lpips = perceptual && run.history.iter().all(|point| point.values.contains_key("lpips_metric"));
        let merit = |values: &BTreeMap<String, f32>| {
            if by_lpips {
                values.get("lpips_metric").map_or(f32::MIN, |lpips| -lpips)
            } else {
                values.get("psnr").copied().unwrap_or(0.0)
            }
        };
        let best = run.history.iter().map(|point| merit(&point.values)).fold(f32::MIN, f32::max);
        run.history.last().is_none_or(|point| merit(&point.values) >= best)
    }
}

/// The generator's losses by the names that steps tell them under.
const LOSSES: [&str; 9] =
    ["loss", "pixel", "supervised", "lpips", "features", "texture", "teacher", "attention", "adversarial"];

/// What is measured in a run, by what belongs on one chart.
fn charts(run: &Run) -> Vec<(String, Vec<Series>)> {
    let series = |name: &str| {
        let points = run.history.iter().filter_map(|point| Some((point.step, f64::from(*point.values.get(name)?))));
        Series::new(name, if name == "psnr" { "dB" } else { "" }, points.collect())
    };
    let chart = |title: &str, names: &[&str]| {
        let series = names.iter().map(|name| series(name)).filter(|series| !series.points.is_empty());
        (title.to_string(), series.collect::<Vec<_>>())
    };
    [
        chart("The generator's losses, weighted", &LOSSES),
        chart("The discriminator's loss, and the means of its logits", &["d_loss", "d_real", "d_fake"]),
        chart("On the validation folder", &["psnr", "lpips_metric"]),
    ]
    .into_iter()
    .filter(|(_, series)| !series.is_empty())
    .collect()
}

impl Observer for Reporter<'_> {
    fn step(&mut self, step: u64, costs: &BTreeMap<&'static str, f64>) {
        for (name, cost) in costs {
            let mean = self.losses.entry(name).or_insert(*cost);
            *mean = 0.98 * *mean + 0.02 * cost;
        }
        if !self.args.json && self.shown.elapsed() > Duration::from_secs(10) {
            self.shown = Instant::now();
            let pace = self.pace(step);
            let left = Duration::from_secs_f64(((self.steps - step) as f64 / pace.max(1e-9)).min(1e9));
            let losses: Vec<String> = self.losses.iter().map(|(name, loss)| format!("{name} {loss:.4}")).collect();
            eprintln!(
                "step {step} of {}, {}, {pace:.2} steps/s, {} left",
                self.steps,
                losses.join(", "),
                readable(left)
            );
        }
    }

    fn measured(&mut self, run: &Run, samples: Vec<Sample>) -> Result<bool> {
        let mut shown = Vec::new();
        for (n, sample) in samples.iter().enumerate() {
            let (png, size) = (sample.picture.to_png()?, sample.picture.size);
            self.events.image(run.step, &format!("sample/{}", n + 1), png.clone(), size.width, size.height)?;
            shown.push(run_page::Sample { caption: sample.caption.clone(), png });
        }
        self.draw(run, &shown)?;
        let finished = run.finished()?.to_bytes()?;
        upres::atomic::write(&self.file("last.safetensors"), &finished)?;
        if Self::is_best(run) {
            upres::atomic::write(&self.file("weights.safetensors"), &finished)?;
        }
        // Last: a run that is killed before this writes the rest again.
        run.save(self.checkpoint)?;
        if let Some(point) = run.history.last() {
            let pace = self.pace(point.step);
            if self.args.json {
                let line = serde_json::json!({ "step": point.step, "values": point.values, "steps_per_second": pace });
                let _ = writeln!(std::io::stdout(), "{line}");
            } else {
                let values: Vec<String> =
                    point.values.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
                eprintln!("step {}: {}, {pace:.2} steps/s, saved", point.step, values.join(", "));
            }
        }
        Ok(true)
    }
}
