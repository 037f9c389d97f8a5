//! `upres video`: enlarges a video with the user's ffmpeg.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres video`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `upres video`.
pub fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
