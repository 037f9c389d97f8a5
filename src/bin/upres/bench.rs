//! `upres bench`: times a generator frame by frame.

mod reuse;

use crate::model::ModelArgs;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use upres::device::shot::{Format, Packing, Picture, Shot};
use upres::device::stream::{Enlarger, StreamOptions, Threshold};
use upres::device::unpack::Unpacker;
use upres::error::{Error, Result};
use upres::frame::Plane;
use upres::geometry::Size;
use upres::upscale::{Generator, PlaneUpscaler, Stages, TileOptions};
use upres::y4m::Range;

/// Options of `upres bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Size of the low-resolution frames [default: the model's own, or 320x180]
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// Factor whose nearest model is timed where none is named
    #[arg(long, default_value_t = 4.0, value_name = "FACTOR")]
    scale: f64,
    /// Threads that share a frame
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Longest side of a tile [default: chosen for the frame and the threads]
    #[arg(long, value_name = "PIXELS")]
    tile: Option<usize>,
    /// Frames that are timed
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    frames: u32,
    /// Frames before those, which are not [default: 3 at least, and a tenth of a second]
    #[arg(long)]
    warmup: Option<u32>,
    /// Time every layer of the network too, on one thread
    #[arg(long)]
    layers: bool,
    /// Time whole camera frames too: 8-bit YUYV in, planar 4:2:0 out
    #[arg(long)]
    camera: bool,
    /// Enlarge this Y4M video whole and sparingly instead: what taking unchanged tiles from the picture before saves and costs
    #[arg(long, value_name = "FILE.y4m")]
    video: Option<PathBuf>,
    /// What counts as a change there: auto, or a mean difference in codes
    #[arg(long, value_name = "THRESHOLD", default_value = "auto", requires = "video")]
    reuse: Threshold,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Milliseconds of each frame: all of it, and its stages summed over the threads.
#[derive(Default)]
struct Times {
    frame: Vec<f64>,
    gather: Vec<f64>,
    network: Vec<f64>,
    stitch: Vec<f64>,
}

impl Times {
    fn push(&mut self, frame: Duration, stages: Stages) {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        self.frame.push(ms(frame));
        self.gather.push(ms(stages.gather));
        self.network.push(ms(stages.network));
        self.stitch.push(ms(stages.stitch));
    }
}

/// Milliseconds of the stages of camera frames, medians.
struct CameraTimes {
    unpack: f64,
    generator: f64,
    chroma: f64,
}

/// Runs `upres bench`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let opened = Arc::new(args.model.open(args.scale)?);
    let (engine, level) = (if opened.is_whole() { "upres" } else { "tract" }, opened.level().name());
    let generator: Arc<dyn Generator> = opened.clone();
    let card = generator.card().clone();
    let size = args.size.or(card.fixed_size()).unwrap_or(Size::new(320, 180));
    let target = size.checked_scale(card.scale)?;
    let options = TileOptions { side: args.tile, threads: usize::from(args.threads) };
    if let Some(video) = &args.video {
        let scale = card.scale as f64;
        let stream = StreamOptions { generator, scale, tiles: options, range: None, matrix: None, max_memory: None };
        reuse::run(video, &stream, args.reuse, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let begin = Instant::now();
    let mut upscaler = PlaneUpscaler::new(generator.clone(), size, target, &options)?;
    let plan_ms = begin.elapsed().as_secs_f64() * 1e3;
    let input = noise(size, card.colour.planes());
    let times = frames(args, &mut upscaler, &input, &card.name)?;
    let tiles = upscaler.grid().len();
    let layers = if args.layers { opened.map_times(&input, args.frames)? } else { Vec::new() };
    let camera = if args.camera { Some(camera(args, generator, size, &options)?) } else { None };
    if args.json {
        let layers = layers.iter().map(|layer| {
            json!({"what": layer.what, "multiply_adds": layer.multiply_adds, "ms": layer.time.as_secs_f64() * 1e3})
        });
        let camera = camera.map(|c| json!({"unpack_ms": c.unpack, "generator_ms": c.generator, "chroma_ms": c.chroma}));
        let answer = json!({
            "model": card.name, "digest": card.digest, "engine": engine, "cpu": level, "size": size.to_string(), "scale": card.scale,
            "threads": args.threads, "tiles": tiles, "plan_ms": plan_ms, "frame_ms": times.frame,
            "gather_ms": times.gather, "network_ms": times.network, "stitch_ms": times.stitch,
            "layers": layers.collect::<Vec<_>>(), "camera": camera,
        });
        println!("{answer}");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}: {size} to {target}, {} thread(s), {tiles} tile(s), {} frames", card.name, args.threads, args.frames);
    println!("planning  {plan_ms:9.2} ms, once");
    println!("frame     {:9.2} ms median, {:.1} frames/s", median(&times.frame), 1e3 / median(&times.frame));
    for (stage, list) in [("gather", &times.gather), ("network", &times.network), ("stitch", &times.stitch)] {
        println!("{stage:8}  {:9.2} ms median, summed over the threads", median(list));
    }
    for layer in layers {
        let rate = 2e-9 * layer.multiply_adds as f64 / layer.time.as_secs_f64().max(1e-9);
        println!("{:9.3} ms  {rate:7.1} Gop/s  {}", layer.time.as_secs_f64() * 1e3, layer.what);
    }
    if let Some(CameraTimes { unpack, generator, chroma }) = camera {
        println!(
            "camera    {:9.2} ms: unpacking YUYV {unpack:.2}, generator {generator:.2}, chroma {chroma:.2}",
            unpack + generator + chroma
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Times planes of floats to planes of floats.
fn frames(args: &Args, upscaler: &mut PlaneUpscaler, input: &[Plane], name: &str) -> Result<Times> {
    let mut output = vec![Plane::new(upscaler.target()); input.len()];
    let mut times = Times::default();
    warm(args.warmup, || upscaler.run(input, &mut output))?;
    for _ in 0..args.frames {
        let begin = Instant::now();
        upscaler.run(input, &mut output)?;
        times.push(begin.elapsed(), upscaler.stages());
    }
    if !output.iter().flat_map(|p| &p.data).all(|v| v.is_finite()) {
        return Err(Error::model(format!("'{name}' makes numbers that are not finite")));
    }
    Ok(times)
}

/// Times what a webcam gives, as live work takes it: bytes to bytes, chroma included.
fn camera(args: &Args, generator: Arc<dyn Generator>, size: Size, tiles: &TileOptions) -> Result<CameraTimes> {
    let bytes = noise(Size::new(2 * size.width, size.height), 1)[0].data.iter().map(|v| (v * 255.0) as u8).collect();
    let shot = Shot { format: Format::new(Packing::Yuyv, size, Range::Studio, None), bytes, ..Shot::empty() };
    let (mut unpacker, mut small) = (Unpacker::default(), Picture::empty());
    unpacker.unpack(&shot, None, &mut small)?;
    let scale = generator.card().scale as f64;
    let options = StreamOptions { generator, scale, tiles: *tiles, range: None, matrix: None, max_memory: None };
    let mut enlarger = Enlarger::new(&small.header, &options)?;
    let mut large = vec![0; enlarger.output().frame_bytes()];
    let [mut unpack, mut generator, mut chroma] = [(); 3].map(|()| Vec::new());
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    warm(args.warmup, || enlarger.run(&small.bytes, &mut large))?;
    for _ in 0..args.frames {
        let begin = Instant::now();
        unpacker.unpack(&shot, None, &mut small)?;
        unpack.push(ms(begin.elapsed()));
        enlarger.run(&small.bytes, &mut large)?;
        generator.push(ms(enlarger.stages().generator));
        chroma.push(ms(enlarger.stages().chroma));
    }
    Ok(CameraTimes { unpack: median(&unpack), generator: median(&generator), chroma: median(&chroma) })
}

/// Runs `frame` as often as is asked, or until the threads have found their cores.
fn warm(frames: Option<u32>, mut frame: impl FnMut() -> Result<()>) -> Result<()> {
    let (begin, mut done) = (Instant::now(), 0);
    while frames.map_or(done < 3 || begin.elapsed() < Duration::from_millis(100), |frames| done < frames) {
        frame()?;
        done += 1;
    }
    Ok(())
}

/// Repeatable noise: nothing in it is easy.
pub(crate) fn noise(size: Size, planes: usize) -> Vec<Plane> {
    let mut state = 1_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    };
    (0..planes).map(|_| Plane::from_fn(size, |_, _| next())).collect()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n => f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]),
    }
}
