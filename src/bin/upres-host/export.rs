//! `upres-host export`: writes a trained generator as ONNX.

use std::path::PathBuf;
use std::process::ExitCode;
use upres::error::{Error, Result};
use upres::host::export::{Artefact, FLOAT_TOLERANCE, name_of};
use upres::host::papers;
use upres::host::recipe::Finished;
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
    /// Other weights of the same network, such as those that the run started from: the file can then be blended between the
    /// two, with --strength on the device
    #[arg(long, value_name = "WEIGHTS.safetensors")]
    from: Option<PathBuf>,
    /// Blend now: 0 gives the weights of --from, 1 the others
    #[arg(long, value_name = "0..1", requires = "from")]
    alpha: Option<f32>,
    /// Which of the network's enlargements, where it has several
    #[arg(long)]
    scale: Option<usize>,
}

/// Runs `upres-host export`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let name = args.name.clone().map_or_else(|| name_of(&args.output), Ok)?;
    let chain = if args.from.is_none() { weights::load(&args.weights).ok() } else { None };
    let (artefact, worst) = match chain {
        Some((chain, recipe)) => {
            if let Some(scale) = args.scale.filter(|scale| *scale != chain.scale) {
                return Err(
                    Error::usage(format!("this network has no x{scale}")).fix(format!("it gives x{}", chain.scale))
                );
            }
            let artefact = Artefact::float(&chain, &recipe, &name)?;
            let worst = artefact.verify(|plane| chain.forward(plane), FLOAT_TOLERANCE)?;
            (artefact, worst)
        }
        None => network(args, &name)?,
    };
    let model = artefact.save(&args.output)?;
    println!(
        "{}: x{}, {} parameters, {:.1}K multiply-adds a pixel, {} bytes; read back through tract, at most {worst:.1e} off",
        model.display(),
        artefact.card.scale,
        artefact.card.parameters,
        artefact.card.mac_per_pixel / 1e3,
        artefact.model.len(),
    );
    Ok(ExitCode::SUCCESS)
}

/// Any network that a recipe trained, alone or with another end.
fn network(args: &Args, name: &str) -> Result<(Artefact, f32)> {
    let finished = Finished::load(&args.weights)?;
    let from = args.from.as_deref().map(Finished::load).transpose()?;
    // Luma weights fit an RGB network as those of its twin.
    let from = from
        .map(|from| {
            let table = from.fitted(&finished.choice)?;
            Ok::<_, Error>(Finished { choice: finished.choice.clone(), table, training: from.training })
        })
        .transpose()?;
    let scales = papers::generator(&finished.choice)?.heads;
    let scale = args.scale.or(scales.last().map(|head| head.scale)).unwrap_or(4);
    let artefact = Artefact::network(&finished, scale, from.as_ref(), name)?;
    let worst = artefact.verify_network(&finished, scale)?;
    Ok((args.alpha.map_or(Ok(artefact.clone()), |alpha| artefact.blended(alpha))?, worst))
}
