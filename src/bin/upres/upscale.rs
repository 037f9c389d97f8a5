//! `upres upscale`: enlarges pictures, folders and Y4M streams.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres upscale`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres upscale`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
