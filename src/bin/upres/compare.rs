//! `upres compare`: measures one picture against another.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres compare`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
