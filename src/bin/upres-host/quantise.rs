//! `upres-host quantise`: makes an int8 generator of a trained one.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres-host quantise`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres-host quantise`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
