//! The device program: enlarges pictures where the camera is.

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use upres::error::{Kind, Result};

mod bench;
mod boards;
mod compare;
mod completions;
mod devices;
mod doctor;
mod info;
mod interrupt;
mod limits;
mod live;
mod model;
mod models;
mod sample;
mod tune;
mod upscale;
mod verify;
mod video;

/// Super-resolution that runs where the camera is: enlarges pictures and videos with small trained networks.
#[derive(Debug, Parser)]
#[command(name = "upres", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Enlarge pictures, folders of pictures, or a Y4M stream
    Upscale(upscale::Args),
    /// Enlarge a video with the ffmpeg on this machine; audio and subtitles are copied
    Video(video::Args),
    /// List the generators at hand
    Models(models::Args),
    /// Tell all about one generator: card, size, work, operators, digest
    Info(info::Args),
    /// Look models over: digest, signature, limits, receptive field
    Verify(verify::Args),
    /// Measure a picture against its original: PSNR, SSIM, difference picture
    Compare(compare::Args),
    /// Enlarge a camera's picture as it comes: on a screen, in a browser, as a virtual camera
    Live(Box<live::Args>),
    /// Time a generator on this machine, frame by frame
    Bench(bench::Args),
    /// Measure this machine: floats or bytes, how many threads; later runs use what was found
    Tune(tune::Args),
    /// List cameras, virtual cameras and screens
    Devices(devices::Args),
    /// List the profiles of boards, or print one; they choose models and threads for `upres live`
    Boards(boards::Args),
    /// Look for what stands between this machine and a live picture, and say what to do about it
    Doctor(doctor::Args),
    /// Draw the sample picture
    Sample(sample::Args),
    /// Write shell completions or the man page
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    end_with_the_reader();
    log_to_stderr(matches!(cli.command, Command::Live(_)));
    run(&cli).unwrap_or_else(|error| {
        eprintln!("upres: {error}");
        match error.kind() {
            Kind::Usage => ExitCode::from(2),
            Kind::Interrupted => ExitCode::from(130),
            _ => ExitCode::FAILURE,
        }
    })
}

/// A reader that wants no more, such as `head`, ends the program as it ends every other, instead of making `println` panic.
fn end_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            std::process::exit(141);
        }
        usual(panic);
    }));
}

/// Warnings, and what happens to a program that runs for months; as the journal likes it where the journal reads.
fn log_to_stderr(service: bool) {
    let filter = if service { "upres=info" } else { "upres=warn" };
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter));
    builder.format_timestamp(None).format_target(!service);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.format(|buffer, record| {
            use std::io::Write;
            // syslog's levels: 3 is an error, 7 for those who look for one.
            let level = match record.level() {
                log::Level::Error => 3,
                log::Level::Warn => 4,
                log::Level::Info => 6,
                log::Level::Debug | log::Level::Trace => 7,
            };
            writeln!(buffer, "<{level}>{}", record.args())
        });
    }
    builder.init();
}

fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Upscale(args) => upscale::run(args),
        Command::Video(args) => video::run(args),
        Command::Models(args) => models::run(args),
        Command::Info(args) => info::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Live(args) => live::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Tune(args) => tune::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Boards(args) => boards::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Sample(args) => sample::run(args),
        Command::Completions(args) => completions::run(args),
    }
}
