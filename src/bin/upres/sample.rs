//! `upres sample`: draws the sample picture.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres sample`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
