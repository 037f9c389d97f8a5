//! `upres sample`: draws the sample picture.

use std::path::PathBuf;
use std::process::ExitCode;
use upres::codec::{self, EncodeOptions, Metadata, PictureInfo};
use upres::error::Result;
use upres::frame::{Depth, Layout};
use upres::geometry::Size;
use upres::sample;

/// Options of `upres sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The picture to write; the extension tells the format
    out: PathBuf,
    /// Its size; the scene is 3:2
    #[arg(long, value_name = "WxH", default_value = "480x320", value_parser = str::parse::<Size>)]
    size: Size,
}

/// Runs `upres sample`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let pixels = sample::draw(args.size)?;
    let (layout, depth) = (Layout::Rgb, Depth::Eight);
    let header = PictureInfo { size: args.size, layout, depth, metadata: Metadata::default(), streams: true };
    let mut sink = codec::create(&args.out, &header, &EncodeOptions::default())?;
    for row in pixels.chunks_exact(args.size.width * 3) {
        let row: Vec<f32> = row.iter().map(|&sample| f32::from(sample) / 255.0).collect();
        sink.write_row(&row)?;
    }
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}
