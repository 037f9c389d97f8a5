//! `upres-host export`: writes a trained generator as ONNX.

use std::path::PathBuf;
use std::process::ExitCode;
use upres::error::Result;
use upres::host::export::{Artefact, FLOAT_TOLERANCE, name_of};
use upres::host::weights;

/// Options of `upres-host export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Weights that `upres-host train` wrote, or its checkpoint (of which the averaged weights are taken)
    #[arg(value_name = "WEIGHTS.safetensors")]
    weights: PathBuf,
    /// Folder for model.onnx and card.toml, or a file that ends in .onnx
    #[arg(short, long, value_name = "FOLDER|FILE.onnx")]
    output: PathBuf,
    /// Name on the card; the output's own where not given
    #[arg(long)]
    name: Option<String>,
}

/// Runs `upres-host export`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (chain, recipe) = weights::load(&args.weights)?;
    let name = args.name.clone().map_or_else(|| name_of(&args.output), Ok)?;
    let artefact = Artefact::float(&chain, &recipe, &name)?;
    let worst = artefact.verify(|plane| chain.forward(plane), FLOAT_TOLERANCE)?;
    let model = artefact.save(&args.output)?;
    println!(
        "{}: x{}, {} parameters, {:.1}K multiply-adds a pixel, {} bytes; read back through tract, at most {worst:.1e} off",
        model.display(),
        chain.scale,
        artefact.card.parameters,
        artefact.card.mac_per_pixel / 1e3,
        artefact.model.len(),
    );
    Ok(ExitCode::SUCCESS)
}
