//! `upres-host evaluate`: scores generators on benchmark sets.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres-host evaluate`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `upres-host evaluate`.
pub fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
