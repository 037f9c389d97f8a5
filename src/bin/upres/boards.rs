//! `upres boards`: the profiles of boards.

use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use upres::device::board::machine::Machine;
use upres::device::board::{Board, text};
use upres::device::tree::Tree;
use upres::error::{Error, Result};

/// Options of `upres boards`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print this profile, to be copied and changed [default: list all]
    name: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "name")]
    json: bool,
    /// Look at a folder that looks like a machine's files
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

/// Runs `upres boards`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(name) = &args.name {
        print!("{}", text(name)?);
        return Ok(ExitCode::SUCCESS);
    }
    let machine = Machine::read(&tree(args.root.as_deref())?);
    let (all, own) = (Board::all()?, Board::of(&machine)?);
    if args.json {
        let list: Vec<_> = all
            .iter()
            .map(
                |board| json!({ "name": board.name, "description": board.description, "this": board.name == own.name }),
            )
            .collect();
        println!("{:#}", json!({ "machine": machine.name(), "boards": list }));
        return Ok(ExitCode::SUCCESS);
    }
    for Board { name, description, .. } in &all {
        println!("{} {name:17} {description}", if *name == own.name { "*" } else { " " });
    }
    println!("* is for this machine ({}); 'upres boards NAME' prints one", machine.name());
    Ok(ExitCode::SUCCESS)
}

/// The machine's files, or those below `root`.
pub(crate) fn tree(root: Option<&Path>) -> Result<Tree> {
    match root {
        None => Ok(Tree::default()),
        Some(root) if root.is_dir() => Ok(Tree::new(root)),
        Some(root) => Err(Error::usage(format!("{} is no folder", root.display()))),
    }
}
