//! `upres sample`: draws the sample picture.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use upres::error::{Error, Kind, Result};
use upres::geometry::Size;
use upres::sample;

/// Options of `upres sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The PNG to write
    out: PathBuf,
    /// Its size; the scene is 3:2
    #[arg(long, value_name = "WxH", default_value = "480x320", value_parser = str::parse::<Size>)]
    size: Size,
}

/// Runs `upres sample`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let pixels = sample::draw(args.size)?;
    let file = File::create(&args.out).map_err(|error| Error::io("cannot write", &args.out, error))?;
    let failed = |error| Error::new(Kind::Io, format!("cannot write {}", args.out.display())).caused_by(error);
    let mut encoder = png::Encoder::new(std::io::BufWriter::new(file), args.size.width as u32, args.size.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).and_then(|()| writer.finish()).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
