//! `upres models`: lists the generators at hand.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres models`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres models`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
