//! `upres-host evaluate`: scores generators on benchmark sets.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres-host evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres-host evaluate`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
