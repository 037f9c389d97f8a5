//! `upres-host quantise`: makes an int8 generator of a trained one.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use upres::error::{Error, Result};
use upres::host::calibrate::{Method, Sample, psnr};
use upres::host::chain::{Chain, Recipe};
use upres::host::dataset::{Dataset, SCORED_SIDE};
use upres::host::degrade::Degradation;
use upres::host::export::{Artefact, Form, name_of};
use upres::host::fine_tune::{self, Bench, fine_tune};
use upres::host::integer::IntegerChain;
use upres::host::photographs::Photographs;
use upres::host::quantise::{Options, equalise, quantise, spread_idle};
use upres::host::train::enlarge;
use upres::host::weights;
use upres::progress::{readable, time_left};

/// Options of `upres-host quantise`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Weights that `upres-host train` wrote, or its checkpoint (of which the averaged weights are taken)
    #[arg(value_name = "WEIGHTS.safetensors")]
    weights: PathBuf,
    /// Folder of photographs on which steps are chosen, and on which the result is measured
    #[arg(long, value_name = "DIR")]
    calibrate: PathBuf,
    /// Folder for model.onnx and card.toml, or a file that ends in .onnx
    #[arg(short, long, value_name = "FOLDER|FILE.onnx")]
    output: PathBuf,
    /// Name on the card; the output's own where not given
    #[arg(long)]
    name: Option<String>,
    /// How steps are chosen: minmax, percentile, percentile:SHARE or mse
    #[arg(long, default_value = "mse")]
    method: Method,
    /// Bits of a weight: 7 gives the same everywhere, 8 overflows in ONNX Runtime on x86 without VNNI
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u8).range(7..=8))]
    weight_bits: u8,
    /// How a quantised convolution is spelt: one QLinearConv, or Conv between DequantizeLinear and QuantizeLinear
    #[arg(long, value_enum, default_value = "qlinear")]
    form: FormArg,
    /// Pictures to calibrate on at most, spread evenly over the folder
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pictures: u32,
    /// Side of the middle that is taken of each, in low-resolution pixels
    #[arg(long, default_value_t = 64, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..=1024))]
    side: u32,
    /// How photographs are made small: bicubic, camera, gaussian or gaussian:SIGMA
    #[arg(long, default_value = "bicubic")]
    degradation: Degradation,
    /// What the int8 pictures shall be near: the originals, or those of the float network, which invents detail on purpose
    /// where it was trained against a discriminator
    #[arg(long, value_enum, default_value = "original")]
    near: Near,
    #[command(flatten)]
    tuning: Tuning,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Quantisation-aware fine-tuning")]
struct Tuning {
    /// Updates with rounded activations after calibration; 0 leaves it at calibration
    #[arg(long, default_value_t = 0, value_name = "STEPS", requires = "photographs")]
    fine_tune: u64,
    /// Folder of photographs to learn from
    #[arg(long, value_name = "DIR")]
    photographs: Option<PathBuf>,
    /// Peak learning rate
    #[arg(long, default_value_t = 1e-4)]
    rate: f64,
    /// Patches an update
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Low-resolution side of a patch
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(8..=512))]
    patch: u16,
    /// Seed of the batches
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Updates between two measurements, the best of which is kept
    #[arg(long, default_value_t = 500, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    measure: u64,
    /// Threads; 0 takes every core
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Near {
    Original,
    Float,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormArg {
    Qlinear,
    Qdq,
}

impl From<FormArg> for Form {
    fn from(form: FormArg) -> Self {
        match form {
            FormArg::Qlinear => Self::QLinear,
            FormArg::Qdq => Self::Qdq,
        }
    }
}

/// Low-resolution side of the middles that a network of red, green and blue is measured on.
const MEASURED_SIDE: usize = 128;

/// Runs `upres-host quantise`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let name = args.name.clone().map_or_else(|| name_of(&args.output), Ok)?;
    if !(args.tuning.rate > 0.0 && args.tuning.rate < 1.0) {
        return Err(Error::usage(format!("a learning rate of {} learns nothing", args.tuning.rate)).fix("try 1e-4"));
    }
    if args.tuning.threads > 0 {
        // Fails only where a pool already exists, which no earlier line makes.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(args.tuning.threads).build_global();
    }
    let (chain, mut recipe) = weights::load(&args.weights)?;
    if args.tuning.fine_tune > 0 && (args.near == Near::Float || chain.planes() > 1) {
        return Err(Error::usage("fine-tuning learns luma from the originals")
            .fix("leave out --fine-tune: calibration alone does for three colours, and with --near float"));
    }
    let (mut whole, mut samples) = pictures(args, &chain)?;
    let mut float = psnr(&whole, chain.scale, |low| enlarge(&chain, low));
    eprintln!("float: {float:.3} dB on {} pictures", whole.len());
    if args.near == Near::Float {
        for sample in whole.iter_mut().chain(&mut samples) {
            sample.high = enlarge(&chain, &sample.low);
        }
        // From here on decibels tell how near the float network's pictures are.
        float = 0.0;
    }
    let options = Options { method: args.method, weight_bits: args.weight_bits };
    let (chain, share, idle) = prepared(&chain, &samples, options)?;
    let quantised = quantise(&chain, &samples, options)?;
    let measure = |quantised: &IntegerChain| psnr(&whole, chain.scale, |low| quantised.forward(low));
    let mut score = measure(&quantised);
    match args.near {
        Near::Original => eprintln!("calibrated by {}: {score:.3} dB, {:+.3}", args.method, score - float),
        Near::Float => eprintln!("calibrated by {}: {score:.3} dB from the float network's pictures", args.method),
    }
    let mut best = quantised;
    if args.tuning.fine_tune > 0 {
        let bench = Bench { calibration: &samples, validation: &whole, limit: options.weight_limit()? };
        best = tuned(args, &chain, &best, bench)?;
        score = measure(&best);
        eprintln!("fine-tuned: {score:.3} dB, {:+.3}", score - float);
    }
    describe(args, &mut recipe, (share, idle), score - float);
    let artefact = Artefact::int8(&best, args.form.into(), &recipe, &name)?;
    let step = best.layers.last().map_or(0.0, |layer| layer.step);
    // Bytes are exact; the base that they are added to is rounded as floats are.
    let worst = artefact.verify(|plane| best.forward(plane), 0.01 * step)? / step;
    let model = artefact.save(&args.output)?;
    println!(
        "{}: x{}, int8, {score:.3} dB ({}), {} bytes; read back, at most {worst:.4} steps of {step:.5} off",
        model.display(),
        chain.scale,
        if args.near == Near::Float { "to float's".into() } else { format!("{:+.3} to float", score - float) },
        artefact.model.len(),
    );
    Ok(ExitCode::SUCCESS)
}

/// What the result is measured on, and what steps are chosen on.
fn pictures(args: &Args, chain: &Chain) -> Result<(Vec<Sample>, Vec<Sample>)> {
    let (side, most) = (args.side as usize, args.pictures as usize);
    if chain.planes() == 1 {
        let data = Dataset::read(&args.calibrate, chain.scale, SCORED_SIDE, args.degradation)?;
        return Ok((Sample::whole(&data), Sample::middles(&data, side, most)));
    }
    let data = Photographs::read(&args.calibrate, chain.scale, SCORED_SIDE, args.degradation)?;
    let middles = |side, most| Sample::colour_middles(&data, side, most);
    Ok((middles(MEASURED_SIDE, data.len()), middles(side, most)))
}

/// The same network as it is quantised best, how far its channels went to one range, and how many were idle.
fn prepared(chain: &Chain, samples: &[Sample], options: Options) -> Result<(Chain, f32, usize)> {
    let (chain, share) = equalise(chain, samples, options)?;
    if share > 0.0 {
        eprintln!("hidden channels are scaled {:.0} % of the way to one range", 100.0 * share);
    }
    let (chain, idle) = spread_idle(&chain, samples, options)?;
    if idle > 0 {
        eprintln!(
            "{idle} hidden channels are idle on these pictures: they become copies of busy ones, for finer steps"
        );
    }
    Ok((chain, share, idle))
}

fn tuned(args: &Args, chain: &Chain, start: &IntegerChain, bench: Bench) -> Result<IntegerChain> {
    let Tuning { fine_tune: steps, rate, seed, measure, ref photographs, .. } = args.tuning;
    let folder = photographs.as_ref().ok_or_else(|| Error::usage("fine-tuning needs --photographs"))?;
    let patch = usize::from(args.tuning.patch);
    let data = Dataset::read(folder, start.scale, patch, args.degradation)?;
    let decay = fine_tune::Options::default().decay;
    let tuning = fine_tune::Options { steps, batch: args.tuning.batch.into(), patch, rate, decay, seed, measure };
    let began = Instant::now();
    fine_tune(chain, start, &data, bench, &tuning, |measured| {
        let left = time_left(measured.step, steps, began.elapsed())
            .map_or_else(String::new, |t| format!(", {} left", readable(t)));
        eprintln!("step {} of {steps}: loss {:.5}, {:.3} dB{left}", measured.step, measured.loss, measured.psnr);
        true
    })
}

/// Adds to the recipe how the integer chain was made.
fn describe(args: &Args, recipe: &mut Recipe, (share, idle): (f32, usize), change: f64) {
    let mut add = |key: &str, value: String| drop(recipe.insert(format!("quantisation.{key}"), value));
    add("method", args.method.to_string());
    add("weight_bits", args.weight_bits.to_string());
    add("pictures", args.pictures.to_string());
    if share > 0.0 {
        add("channels_equalised", share.to_string());
    }
    if idle > 0 {
        add("idle_channels_reused", idle.to_string());
    }
    match args.near {
        Near::Original => add("change_db", format!("{change:+.3}")),
        Near::Float => add("db_to_float", format!("{change:.3}")),
    }
    if args.tuning.fine_tune > 0 {
        add("fine_tune_steps", args.tuning.fine_tune.to_string());
        add("fine_tune_rate", args.tuning.rate.to_string());
        add("fine_tune_batch", args.tuning.batch.to_string());
        add("fine_tune_patch", args.tuning.patch.to_string());
        add("fine_tune_seed", args.tuning.seed.to_string());
    }
}
