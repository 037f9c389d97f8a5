//! `upres info`: tells all about one generator.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres info`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres info`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
