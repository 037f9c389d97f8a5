//! `upres upscale`: enlarges pictures, folders and Y4M streams.

mod pipe;
mod show;
mod stream;

use crate::interrupt;
use crate::limits::LimitArgs;
use crate::model::ModelArgs;
use show::Show;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use upres::codec::{EncodeOptions, Format, Subsampling, TiffCompression};
use upres::device::convert::{self, Converter, Existing, Options};
use upres::error::{Error, Result};
use upres::frame::Depth;
use upres::upscale::Factor;

/// Options of `upres upscale`.
#[derive(Debug, clap::Args)]
#[command(after_help = "A batch that was interrupted or killed goes on where it ended when it is run again with \
    --skip-existing: outputs appear whole or not at all.\n\nExit codes: 0 all done, 1 some failed, 2 the command cannot \
    be followed, 130 interrupted.")]
pub(crate) struct Args {
    /// Pictures, folders (searched to the bottom) and glob patterns; or one Y4M stream; or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// A file, a folder (the tree below an input folder is kept), a pattern with {name}, {ext}, {scale} or {dir}, or -
    /// for standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Enlarge by this factor, 1 to 8; fractions are welcome [default: the model's own, or 4]
    #[arg(short, long, value_name = "FACTOR")]
    scale: Option<Factor>,
    #[command(flatten)]
    model: ModelArgs,
    /// Longest side of the tiles that a picture is worked on in; the result is the same for every size
    /// [default: chosen for the model]
    #[arg(long, value_name = "PIXELS")]
    tile: Option<NonZeroUsize>,
    /// Threads for all pictures together [default: one for each core]
    #[arg(short, long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Pictures worked on at once [default: as many as threads]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    existing: ExistingArgs,
    /// Print one JSON object a picture and one for the batch on standard output
    #[arg(long)]
    json: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    writing: WritingArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What happens where an output is there already; without either, that picture fails and the rest is done.
#[derive(Debug, clap::Args)]
struct ExistingArgs {
    /// Replace outputs that are there already
    #[arg(long, conflicts_with = "skip_existing")]
    overwrite: bool,
    /// Pass over pictures whose output is there already
    #[arg(long)]
    skip_existing: bool,
}

/// How outputs are written.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Writing")]
struct WritingArgs {
    /// Write this format: png, jpeg, webp or tiff [default: by the output's name, or the input's format]
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Quality of JPEG (1 to 100) and lossy WebP (0 to 100) [default: 92 and 90]
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u8).range(0..=100))]
    quality: Option<u8>,
    /// Write WebP without loss
    #[arg(long)]
    lossless: bool,
    /// Bits a sample where the format has a choice: 8 or 16 [default: the input's]
    #[arg(long, value_name = "BITS", value_parser = parse_depth)]
    depth: Option<Depth>,
    /// Colour resolution of JPEG: 4:4:4, 4:2:2 or 4:2:0 [default: 4:4:4]
    #[arg(long, value_name = "J:A:B")]
    subsampling: Option<Subsampling>,
    /// PNG compression: 0 stores, 1 is fast, 9 is small [default: 6]
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(0..=9))]
    png_level: Option<u8>,
    /// TIFF compression: none, lzw or deflate [default: deflate]
    #[arg(long, value_name = "KIND")]
    tiff_compression: Option<TiffCompression>,
}

impl WritingArgs {
    fn options(&self) -> EncodeOptions {
        let default = EncodeOptions::default();
        EncodeOptions {
            format: self.format,
            jpeg_quality: self.quality.unwrap_or(default.jpeg_quality),
            jpeg_subsampling: self.subsampling.unwrap_or(default.jpeg_subsampling),
            webp_quality: self.quality.unwrap_or(default.webp_quality),
            webp_lossless: self.lossless,
            png_level: self.png_level.unwrap_or(default.png_level),
            tiff_compression: self.tiff_compression.unwrap_or(default.tiff_compression),
        }
    }
}

impl Args {
    fn options(&self) -> Result<Options> {
        let generator = self.model.generator(self.scale)?;
        let threads = self.model.threads(self.threads, generator.as_ref())?;
        let encode = self.writing.options();
        encode.check()?;
        Ok(Options {
            factor: self.scale.unwrap_or(Factor::of_model(generator.card().scale)),
            generator,
            tile: self.tile.map(NonZeroUsize::get),
            threads,
            jobs: self.jobs.map_or(threads, NonZeroUsize::get),
            depth: self.writing.depth,
            encode,
            limits: self.limits.codec(),
            memory: self.limits.memory(),
            existing: match (self.existing.overwrite, self.existing.skip_existing) {
                (true, _) => Existing::Overwrite,
                (_, true) => Existing::Skip,
                _ => Existing::Refuse,
            },
        })
    }
}

/// Runs `upres upscale`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    interrupt::listen();
    if args.inputs.iter().any(|input| is_alone(input)) || pipe::is_pipe(&args.output) {
        let [input] = args.inputs.as_slice() else {
            return Err(Error::usage("a pipe or stream is enlarged alone").fix("give one INPUT"));
        };
        if args.json && pipe::is_pipe(&args.output) {
            return Err(Error::usage("--json and -o - cannot both have standard output"));
        }
        return pipe::run(args, input);
    }
    let options = args.options()?;
    let begin = Instant::now();
    let scale = options.factor.to_string();
    let listing = convert::list(&args.inputs, &args.output, args.writing.format, &scale)?;
    let total = listing.items.iter().map(|item| item.weight).sum();
    let show = Show::new(args.json, args.quiet, listing.items.len(), total);
    for (path, error) in &listing.problems {
        show.problem(path, error);
    }
    let mut summary = convert::run(&Converter::new(options), &listing.items, &show);
    summary.failed += listing.problems.len();
    show.summary(&summary, begin.elapsed());
    Ok(match summary {
        _ if interrupt::asked() => ExitCode::from(130),
        summary if summary.failed + summary.left > 0 => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// Whether `input` is no picture of a batch: a pipe, or a Y4M stream.
fn is_alone(input: &Path) -> bool {
    pipe::is_pipe(input) || input.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("y4m"))
}

fn parse_depth(text: &str) -> Result<Depth> {
    match text {
        "8" => Ok(Depth::Eight),
        "16" => Ok(Depth::Sixteen),
        _ => Err(Error::usage(format!("'{text}' is not a depth")).fix("write 8 or 16")),
    }
}
