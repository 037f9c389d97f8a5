//! `upres bench`: times a generator frame by frame.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres bench`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
