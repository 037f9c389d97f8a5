//! `upres-host export`: writes a trained generator as ONNX.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres-host export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs `upres-host export`.
pub(crate) fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
