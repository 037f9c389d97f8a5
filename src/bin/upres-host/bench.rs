//! `upres-host bench`: times a generator on candle, frame by frame, as `upres bench` does on the device.

use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use upres::error::Result;
use upres::frame::Plane;
use upres::geometry::Size;
use upres::host::forward::Forward;

/// Options of `upres-host bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The generator, of 32-bit floats
    #[arg(value_name = "FILE.onnx")]
    model: PathBuf,
    /// Size of the low-resolution frames
    #[arg(long, value_name = "WxH", default_value = "320x180")]
    size: Size,
    /// Frames that are timed, one after the other
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    frames: u32,
    /// Frames before those, which are not
    #[arg(long, default_value_t = 3)]
    warmup: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs `upres-host bench`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let device = crate::device()?;
    let forward = Forward::open(&args.model, &device)?;
    args.size.checked_scale(forward.scale())?;
    let ramp = |x: usize, y: usize| ((x * 7 + y * 13) % 256) as f32 / 255.0;
    let input = vec![Plane::from_fn(args.size, ramp); forward.planes()];
    let mut frame_ms = Vec::new();
    for frame in 0..args.warmup.saturating_add(args.frames) {
        let begin = Instant::now();
        forward.run(&input)?;
        if frame >= args.warmup {
            frame_ms.push(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
    let on = if device.is_cuda() { "cuda" } else { "cpu" };
    if args.json {
        let model = args.model.display().to_string();
        println!("{}", json!({ "model": model, "device": on, "size": args.size.to_string(), "frame_ms": frame_ms }));
    } else {
        frame_ms.sort_by(f64::total_cmp);
        let median = frame_ms[frame_ms.len() / 2];
        println!("{} at {} on {on}, copies in and out counted", args.model.display(), args.size);
        println!("frame     {median:9.2} ms median, {:.1} frames/s", 1e3 / median);
    }
    Ok(ExitCode::SUCCESS)
}
