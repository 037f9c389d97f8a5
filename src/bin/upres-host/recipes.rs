//! `upres-host recipes`: what can be trained by name.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use upres::error::{Error, Result};
use upres::host::{papers, recipe};

/// Options of `upres-host recipes`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print this recipe as TOML, to be changed and followed with `train --recipe FILE`
    name: Option<String>,
}

/// Runs `upres-host recipes`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let text = match &args.name {
        Some(name) => recipe::text(name)
            .ok_or_else(|| {
                Error::usage(format!("there is no recipe '{name}'")).fix("`upres-host recipes` lists those there are")
            })?
            .to_string(),
        None => list()?,
    };
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io("cannot write to", Path::new("stdout"), error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn list() -> Result<String> {
    let recipes = recipe::list()?.into_iter().map(|(name, title)| format!("{name:18} {title}\n"));
    let networks = papers::names().map(|(name, title)| format!("{name:18} {title}\n"));
    Ok(format!("Recipes:\n{}\nNetworks:\n{}", recipes.collect::<String>(), networks.collect::<String>()))
}
