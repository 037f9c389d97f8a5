//! `upres-host train`: trains a generator on a folder of photographs.

use crate::ranks::{Ranks, join};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use upres::error::{Error, Result};
use upres::host::chain::Chain;
use upres::host::checkpoint::{Point, Recipe, Run};
use upres::host::dataset::{Dataset, SCORED_SIDE};
use upres::host::degrade::Degradation;
use upres::host::events::{self, Events};
use upres::host::loss::Loss;
use upres::host::net::{Block, Net, Shape};
use upres::host::optimise::Schedule;
use upres::host::precision::Precision;
use upres::host::random::Random;
use upres::host::run_page;
use upres::host::train::{Observer, Rhythm, alive, train};

/// Options of `upres-host train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of photographs to learn from
    pub(crate) photographs: PathBuf,
    /// Folder for the checkpoint, the weights, the curve, the page of the run (run.html) and TensorBoard's events
    #[arg(short, long)]
    pub(crate) out: PathBuf,
    /// Folder of photographs to measure on while training; the best weights there are kept
    #[arg(long)]
    pub(crate) validation: Option<PathBuf>,
    /// Enlargement: 2, 3 or 4
    #[arg(long, default_value_t = 4)]
    scale: usize,
    /// Channels of the hidden layers
    #[arg(long, default_value_t = 16)]
    channels: usize,
    /// Hidden layers
    #[arg(long, default_value_t = 4)]
    blocks: usize,
    /// How kernels are made in training: plain, ecb or collapsible
    #[arg(long, default_value = "ecb", value_parser = parse_block)]
    block: Block,
    /// How photographs are made small: bicubic, gaussian or gaussian:SIGMA
    #[arg(long, default_value = "bicubic")]
    degradation: Degradation,
    /// Low-resolution side of a training patch
    #[arg(long, default_value_t = 40)]
    patch: usize,
    /// Patches a step
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Steps in all
    #[arg(long, default_value_t = 100_000)]
    steps: u64,
    /// Peak learning rate of Adam; wide networks want less: 4e-4 for 32 channels
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// Course of the learning rate: constant or cosine
    #[arg(long, default_value = "cosine", value_parser = parse_schedule)]
    schedule: Schedule,
    /// Steps in which the rate rises to its peak
    #[arg(long, default_value_t = 2000)]
    warm_up: u64,
    /// What an error costs: l1, or l2 for the last steps of a run
    #[arg(long, default_value = "l1", value_parser = parse_loss)]
    loss: Loss,
    /// What activations are held in: f32, or bf16 on an NVIDIA GPU or a CPU with AMX (there not by recipe), several times as
    /// fast. Without it f32, or what the recipe says
    #[arg(long, value_parser = parse_precision)]
    pub(crate) precision: Option<Precision>,
    /// Weights to start from; they decide scale, channels, and blocks
    #[arg(long, visible_alias = "from", value_name = "WEIGHTS.safetensors", conflicts_with_all = ["scale", "channels", "blocks"])]
    pub(crate) start: Option<PathBuf>,
    /// Decay of the moving average of the weights
    #[arg(long, default_value_t = 0.999)]
    decay: f64,
    /// Seed of the initialisation and of every batch
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps between two measurements and checkpoints
    #[arg(long, default_value_t = 1000)]
    pub(crate) measure: u64,
    /// Continue from the checkpoint in the output folder
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) ranks: Ranks,
    /// Follow a named recipe or a file of TOML, which decides everything but what stands below: edge-gan, srgan-vgg22, esrgan ...
    #[arg(long, value_name = "NAME|FILE.toml", help_heading = "By recipe", conflicts_with_all = [
        "scale", "channels", "blocks", "block", "degradation", "patch", "batch", "steps", "rate", "schedule", "warm_up", "loss",
        "decay", "seed",
    ])]
    recipe: Option<String>,
    /// Override a value of the recipe; may be given again
    #[arg(long, value_name = "KEY=VALUE", requires = "recipe", help_heading = "By recipe")]
    pub(crate) set: Vec<String>,
    /// Folder of the perceptual weights: LPIPS, VGG
    #[arg(long, value_name = "DIR", env = "UPRES_WEIGHTS", help_heading = "By recipe")]
    pub(crate) weights: Option<PathBuf>,
    /// torchvision's VGG-19
    #[arg(long, value_name = "FILE.safetensors", requires = "recipe", help_heading = "By recipe")]
    pub(crate) vgg: Option<PathBuf>,
    /// Weights of a network to learn from
    #[arg(long, value_name = "WEIGHTS.safetensors", requires = "recipe", help_heading = "By recipe")]
    pub(crate) teacher: Option<PathBuf>,
    /// Photographs of the validation folder that a measurement looks at
    #[arg(long, default_value_t = 12, help_heading = "By recipe")]
    pub(crate) judged: usize,
    /// Low-resolution side of the middle that is taken of each
    #[arg(long, default_value_t = 72, help_heading = "By recipe", value_parser = clap::value_parser!(u16).range(8..=1024))]
    pub(crate) judged_side: u16,
    /// Print one JSON object a measurement instead of lines to read
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_block(text: &str) -> Result<Block, String> {
    serde_json::from_value(text.into()).map_err(|_| "write plain, ecb or collapsible".into())
}

fn parse_loss(text: &str) -> Result<Loss, String> {
    serde_json::from_value(text.into()).map_err(|_| "write l1 or l2".into())
}

fn parse_precision(text: &str) -> Result<Precision, String> {
    serde_json::from_value(text.into()).map_err(|_| "write f32 or bf16".into())
}

fn parse_schedule(text: &str) -> Result<Schedule, String> {
    serde_json::from_value(text.into()).map_err(|_| "write constant or cosine".into())
}

impl Args {
    /// The recipe, and the weights to start from.
    fn recipe(&self) -> Result<(Recipe, Option<Chain>)> {
        let mut shape = Shape { scale: self.scale, channels: self.channels, blocks: self.blocks, block: self.block };
        let start = self.start.as_ref().map(|path| Chain::load(path).map(|(chain, _)| chain)).transpose()?;
        if let Some(chain) = &start {
            shape = Shape { block: self.block, ..Shape::of(chain) };
        }
        shape.validate()?;
        if !(8..=512).contains(&self.patch) || !(1..=4096).contains(&self.batch) {
            return Err(
                Error::usage("patch or batch is out of range").fix("use a patch of 8 to 512 and a batch of 1 to 4096")
            );
        }
        if !(self.rate > 0.0 && self.rate <= 1.0 && (0.0..1.0).contains(&self.decay)) {
            return Err(Error::usage("the rate must lie in 0..1 and the decay below 1"));
        }
        let recipe = Recipe {
            shape,
            degradation: self.degradation.to_string(),
            patch: self.patch,
            batch: self.batch,
            steps: self.steps,
            rate: self.rate,
            schedule: self.schedule,
            warm_up: self.warm_up,
            loss: self.loss,
            precision: self.precision.unwrap_or_default(),
            start: self.start.as_ref().map(|path| digest(path)).transpose()?,
            decay: self.decay,
            seed: self.seed,
        };
        Ok((recipe, start))
    }
}

/// The SHA-256 of the file at `path`.
pub(crate) fn digest(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("cannot read", path, e))?;
    Ok(upres::session::digest(&bytes))
}

/// Runs `upres-host train`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(name) = &args.recipe {
        return crate::by_recipe::run(args, name);
    }
    let (recipe, start) = args.recipe()?;
    if args.ranks.are_to_start() {
        return args.ranks.launch(recipe.batch);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.ranks.threads()).build();
    let pool = pool.map_err(|e| Error::internal("the threads cannot be started").caused_by(e))?;
    // The whole loop lives in the pool: no step waits for another thread to wake.
    pool.install(|| learn(args, recipe, start))
}

fn learn(args: &Args, recipe: Recipe, start: Option<Chain>) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("cannot make the folder", &args.out, e))?;
    let checkpoint = args.out.join("checkpoint.safetensors");
    let (device, peers) = join()?;
    recipe.precision.validate_chain(&device)?;
    let began = Instant::now();
    let data = Dataset::read(&args.photographs, recipe.shape.scale, args.patch, args.degradation)?;
    let validation = args.validation.as_ref().filter(|_| peers.rank() == 0);
    let validation =
        validation.map(|v| Dataset::read(v, recipe.shape.scale, SCORED_SIDE, args.degradation)).transpose()?;
    let run = match (args.resume, start) {
        (true, _) => Run::load(&checkpoint, &device)?,
        (false, _) if checkpoint.exists() => {
            return Err(Error::usage(format!("{} holds a run already", args.out.display()))
                .fix("continue it with --resume, or give another folder"));
        }
        (false, Some(mut chain)) => {
            let lives = alive(&chain, validation.as_ref().unwrap_or(&data));
            match Net::revive(&mut chain, &lives, &mut Random::new(recipe.seed)) {
                0 => {}
                dead => log::info!("{dead} dead channels of the weights to start from get fresh kernels"),
            }
            Run::from_chain(recipe.clone(), &chain, &device)?
        }
        (false, None) => Run::new(recipe.clone(), &device)?,
    };
    if run.recipe != recipe {
        return Err(
            Error::usage("the checkpoint was made with other options").fix("give the same ones, or another folder")
        );
    }
    let mut run = run.joined(peers)?;
    let rhythm = Rhythm { measure: args.measure };
    if run.peers.rank() > 0 {
        train(&mut run, &data, None, rhythm, &mut Silent)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.json {
        let shape = run.net.merge()?;
        eprintln!(
            "{} photographs read in {:.1} s; {} parameters, {:.1}K multiply-adds a pixel",
            data.pairs().len(),
            began.elapsed().as_secs_f64(),
            shape.parameters(),
            shape.mac_per_pixel() / 1000.0
        );
    }
    let mut reporter = Reporter::new(args, &checkpoint, &run)?;
    train(&mut run, &data, validation.as_ref(), rhythm, &mut reporter)?;
    Ok(ExitCode::SUCCESS)
}

/// What ranks after the first have to say.
struct Silent;

impl Observer for Silent {
    fn step(&mut self, _step: u64, _loss: f64) {}

    fn alarm(&mut self, _what: &str) {}

    fn measured(&mut self, _run: &Run) -> Result<bool> {
        Ok(true)
    }
}

/// Tells how the run goes, and saves it.
struct Reporter<'a> {
    args: &'a Args,
    checkpoint: &'a Path,
    began: Instant,
    first: u64,
    shown: Instant,
    loss: f64,
    events: Events,
}

impl<'a> Reporter<'a> {
    fn new(args: &'a Args, checkpoint: &'a Path, run: &Run) -> Result<Self> {
        let now = Instant::now();
        let mut events = Events::append(&args.out.join(events::NAME))?;
        if args.resume {
            events.resumed(run.adam.step)?;
        }
        Ok(Self { args, checkpoint, began: now, first: run.adam.step, shown: now, loss: 0.0, events })
    }

    fn pace(&self, step: u64) -> f64 {
        (step - self.first) as f64 / self.began.elapsed().as_secs_f64().max(1e-9)
    }
}

impl Observer for Reporter<'_> {
    fn step(&mut self, step: u64, loss: f64) {
        self.loss = if self.loss == 0.0 { loss } else { 0.99 * self.loss + 0.01 * loss };
        if !self.args.json && self.shown.elapsed() > Duration::from_secs(10) {
            self.shown = Instant::now();
            let left = (self.args.steps - step) as f64 / self.pace(step);
            eprintln!(
                "step {step} of {}, loss {:.5}, {:.1} steps/s, {:.0} min left",
                self.args.steps,
                self.loss,
                self.pace(step),
                left / 60.0
            );
        }
    }

    fn alarm(&mut self, what: &str) {
        log::warn!("{what}: lower --rate, lengthen --warm-up, or try another --seed");
    }

    fn measured(&mut self, run: &Run) -> Result<bool> {
        self.draw(run)?;
        let best = run.history.iter().filter_map(|p| p.psnr).fold(f32::MIN, f32::max);
        if run.history.last().is_some_and(|p| p.psnr.is_none_or(|psnr| psnr >= best)) {
            let weights = run.averaged()?.merge()?.to_bytes(&run.description())?;
            upres::atomic::write(&self.args.out.join("weights.safetensors"), &weights)?;
        }
        // Last: a run that is killed before this writes the rest again.
        run.save(self.checkpoint)?;
        if let Some(point) = run.history.last() {
            self.tell(point);
        }
        Ok(true)
    }
}

impl Reporter<'_> {
    /// Writes the curve, the page of the run and the events of the last measurement.
    fn draw(&mut self, run: &Run) -> Result<()> {
        let scale = run.recipe.shape.scale;
        let title = format!("loss and validation PSNR, x{scale} luma");
        upres::atomic::write(
            &self.args.out.join("curve.svg"),
            run_page::svg(&title, &run_page::course(&run.history)).as_bytes(),
        )?;
        let live = run.adam.step < run.recipe.steps;
        let charts = run_page::charts(&run.history);
        let page = run_page::page(&format!("Training x{scale} luma"), &self.facts(run), &charts, &[], live);
        upres::atomic::write(&self.args.out.join("run.html"), page.as_bytes())?;
        if let Some(point) = run.history.last() {
            self.events.scalar(point.step, "train/loss", point.loss.into())?;
            if let Some(psnr) = point.psnr {
                self.events.scalar(point.step, "validation/psnr", psnr.into())?;
            }
        }
        Ok(())
    }

    /// What the page tells of a run beside its curves.
    fn facts(&self, run: &Run) -> Vec<(String, String)> {
        let Shape { scale, channels, blocks, .. } = run.recipe.shape;
        let pace = self.pace(run.adam.step);
        let left = (run.recipe.steps - run.adam.step) as f64 / pace;
        let best = run.history.iter().filter_map(|p| p.psnr).reduce(f32::max);
        let mut facts = vec![
            ("photographs".to_string(), self.args.photographs.display().to_string()),
            ("network".to_string(), format!("x{scale}, {blocks} layers of {channels} channels")),
        ];
        facts.extend(run.description());
        facts.push(("steps in all".to_string(), run.recipe.steps.to_string()));
        facts.push(("pace".to_string(), format!("{pace:.1} steps/s, {:.0} min left", left / 60.0)));
        facts.extend(best.map(|best| ("best PSNR".to_string(), format!("{best:.3} dB"))));
        facts
    }

    /// Prints a measurement. A reader that has gone away is no reason to stop learning.
    fn tell(&self, point: &Point) {
        let pace = self.pace(point.step);
        if self.args.json {
            let line = serde_json::json!({
                "step": point.step, "loss": point.loss, "psnr": point.psnr, "alive": point.alive, "steps_per_second": pace
            });
            let _ = writeln!(std::io::stdout(), "{line}");
        } else {
            let psnr = point.psnr.map_or_else(String::new, |psnr| format!(", validation {psnr:.3} dB"));
            let Point { step, loss, alive, .. } = point;
            eprintln!("step {step}: loss {loss:.5}{psnr}, alive {alive:?}, {pace:.1} steps/s, saved");
        }
    }
}
