//! `upres compare`: measures one picture against another.

use serde_json::json;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use upres::codec::{self, EncodeOptions, Limits, RowSource};
use upres::error::{Error, Result};
use upres::evaluate::{Comparison, compare, difference_info, draw_difference, visible_factor};

/// Options of `upres compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The picture to measure
    a: PathBuf,
    /// The picture to measure against, of the same size
    b: PathBuf,
    /// Write |A − B|, amplified; the format goes by the extension
    #[arg(long, value_name = "FILE")]
    difference: Option<PathBuf>,
    /// Amplify the difference picture by this; without it, by a power of two that goes by the mean
    /// difference
    #[arg(long, value_name = "FACTOR", requires = "difference", value_parser = clap::value_parser!(u32).range(1..=255))]
    amplify: Option<u32>,
    /// Leave out this many pixels on each side (papers leave out as many as the enlargement)
    #[arg(long, value_name = "PIXELS", default_value_t = 0)]
    crop: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs `upres compare`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (mut a, mut b) = (open(&args.a)?, open(&args.b)?);
    let pair = format!("{} and {}", args.a.display(), args.b.display());
    let comparison = compare(a.as_mut(), b.as_mut(), args.crop).map_err(|e| e.at(&pair))?;
    let drawn = match &args.difference {
        Some(path) => Some((path, draw(args, path, &comparison)?)),
        None => None,
    };
    print(&if args.json { json(args, &comparison, drawn) } else { text(args, &comparison, drawn) })?;
    Ok(ExitCode::SUCCESS)
}

fn open(path: &Path) -> Result<Box<dyn RowSource>> {
    codec::open(path, &Limits::default())
}

/// Writes the difference picture and returns its factor.
fn draw(args: &Args, path: &Path, comparison: &Comparison) -> Result<u32> {
    let same = |other: &Path| path.canonicalize().is_ok_and(|path| other.canonicalize().is_ok_and(|o| o == path));
    if same(&args.a) || same(&args.b) {
        return Err(Error::usage(format!("{} is one of the pictures to compare", path.display()))
            .fix("write the difference somewhere else"));
    }
    let factor = args.amplify.unwrap_or_else(|| visible_factor(&comparison.scores));
    let (mut a, mut b) = (open(&args.a)?, open(&args.b)?);
    let sink = codec::create(path, &difference_info(a.info()), &EncodeOptions::default())?;
    draw_difference(a.as_mut(), b.as_mut(), factor, sink)?;
    Ok(factor)
}

/// A reader of ours that has gone away, such as `head`, is no error.
fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io("cannot write to", Path::new("stdout"), error))
        }
        _ => Ok(()),
    }
}

fn text(args: &Args, comparison: &Comparison, drawn: Option<(&PathBuf, u32)>) -> String {
    let decibels = |value: f64| if value.is_infinite() { "equal".to_string() } else { format!("{value:.3} dB") };
    let scores = &comparison.scores;
    let cut = if args.crop > 0 { format!(", {} pixels cut on each side", args.crop) } else { String::new() };
    let ssim = scores.ssim_y.map_or_else(|| "needs at least 11x11 pixels".to_string(), |ssim| format!("{ssim:.5}"));
    let mut lines = vec![format!("{} against {}, {}{cut}", args.a.display(), args.b.display(), comparison.size)];
    let mut line = |name: &str, value: String| lines.push(format!("{name:<20}{value}"));
    line("PSNR-Y", decibels(scores.psnr_y));
    line("PSNR-RGB", decibels(scores.psnr_rgb));
    line("SSIM-Y", ssim);
    if let Some(psnr) = comparison.psnr_alpha {
        line("PSNR of alpha", format!("{} (colours laid over black)", decibels(psnr)));
    }
    line("largest difference", format!("{:.2} of 255", scores.largest_difference));
    if let Some((path, factor)) = drawn {
        line("difference picture", format!("{}, amplified {factor} times", path.display()));
    }
    lines.join("\n")
}

fn json(args: &Args, comparison: &Comparison, drawn: Option<(&PathBuf, u32)>) -> String {
    let scores = &comparison.scores;
    json!({
        "a": args.a.display().to_string(),
        "b": args.b.display().to_string(),
        "size": [comparison.size.width, comparison.size.height],
        "crop": args.crop,
        "equal": scores.psnr_rgb.is_infinite() && comparison.psnr_alpha.is_none_or(f64::is_infinite),
        "psnr_y": scores.psnr_y,
        "psnr_rgb": scores.psnr_rgb,
        "ssim_y": scores.ssim_y,
        "psnr_alpha": comparison.psnr_alpha,
        "largest_difference": scores.largest_difference,
        "difference": drawn.map(|(path, factor)| json!({ "file": path.display().to_string(), "amplified": factor })),
    })
    .to_string()
}
