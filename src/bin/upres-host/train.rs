//! `upres-host train`: trains a generator on a folder of photographs.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres-host train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres-host train`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
