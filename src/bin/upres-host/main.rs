//! The host program: trains generators, quantises them, exports them and measures them.

use candle_core::Device;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use upres::error::{Kind, Result};

mod bench;
mod by_recipe;
mod evaluate;
mod export;
#[allow(dead_code, reason = "shared with the device program, which needs more of it")]
#[path = "../upres/model.rs"]
mod model;
mod mos;
mod quantise;
mod ranks;
mod recipes;
mod train;

/// Training makes and drops tensors of many megabytes all the time; the system's allocator gives their pages back each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Makes the generators that `upres` runs: trains, quantises, exports and measures them.
#[derive(Debug, Parser)]
#[command(name = "upres-host", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a generator on a folder of photographs
    Train(train::Args),
    /// List the recipes and networks that can be trained, or print a recipe
    Recipes(recipes::Args),
    /// Make an int8 generator of a trained one
    Quantise(quantise::Args),
    /// Write a trained generator as plain ONNX
    Export(export::Args),
    /// Score generators and resamplers on benchmark sets
    Evaluate(evaluate::Args),
    /// Ask people: a page on which raters judge pictures from 1 to 5, and what its ratings come to
    #[command(subcommand)]
    Mos(mos::Command),
    /// Time a generator on candle, on the GPU where the program was built for one
    Bench(bench::Args),
}

/// The GPU where the program was built for one, else the CPU.
fn device() -> Result<Device> {
    Ok(if cfg!(feature = "cuda") { Device::new_cuda(0)? } else { Device::Cpu })
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("upres=warn,upres_host=warn"))
        .format_timestamp(None)
        .init();
    run(&Cli::parse()).unwrap_or_else(|error| {
        eprintln!("upres-host: {error}");
        match error.kind() {
            Kind::Usage => ExitCode::from(2),
            Kind::Interrupted => ExitCode::from(130),
            _ => ExitCode::FAILURE,
        }
    })
}

fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Train(args) => train::run(args),
        Command::Recipes(args) => recipes::run(args),
        Command::Quantise(args) => quantise::run(args),
        Command::Export(args) => export::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Mos(command) => mos::run(command),
        Command::Bench(args) => bench::run(args),
    }
}
