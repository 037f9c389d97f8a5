//! `upres video`: enlarges a video with the user's ffmpeg.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres video`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres video`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
