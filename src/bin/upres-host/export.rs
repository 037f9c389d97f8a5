//! `upres-host export`: writes a trained generator as ONNX.

use std::process::ExitCode;
use upres::error::{Error, Result};

/// Options of `upres-host export`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs `upres-host export`.
pub fn run(_args: &Args) -> Result<ExitCode> {
    Err(Error::internal("not built yet"))
}
