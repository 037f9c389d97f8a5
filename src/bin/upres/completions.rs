//! `upres completions`: writes shell completions and the man page.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres completions`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
