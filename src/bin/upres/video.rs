//! `upres video`: enlarges a video with the user's ffmpeg.

use crate::interrupt;
use crate::limits::{half_of_memory, parse_bytes};
use crate::model::ModelArgs;
use serde_json::json;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use upres::device::stream::{End, StreamOptions};
use upres::device::video::{self, Begin, EncoderOptions, Summary, Tools, VideoOptions};
use upres::error::{Error, Kind, Result};
use upres::progress::{Progress, readable, time_left};
use upres::upscale::{Factor, Generator, TileOptions};

/// Options of `upres video`.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // each is a switch of the command line
pub(crate) struct Args {
    /// The video
    input: PathBuf,
    /// The video to write; its ending chooses the container (.mp4, .mkv, .webm, .mov, ...)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Enlarge by this factor, 1 to 8; fractions are welcome [default: the model's own, or 4]
    #[arg(short, long, value_name = "FACTOR")]
    scale: Option<Factor>,
    /// Threads that share a frame [default: one for each core]
    #[arg(short, long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Longest side of the tiles that a frame is worked on in [default: chosen for the model]
    #[arg(long, value_name = "PIXELS")]
    tile: Option<NonZeroUsize>,
    /// One of ffmpeg's video encoders [default: libvpx-vp9 for .webm, otherwise libx264]
    #[arg(long, value_name = "NAME")]
    encoder: Option<String>,
    /// Constant quality on the encoder's scale, smaller is better [default: the encoder's]
    #[arg(long, value_name = "N")]
    crf: Option<u32>,
    /// Speed against size, in the encoder's words
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    preset: Option<String>,
    /// A further option of the encoder, such as pix_fmt=yuv420p or b:v=8M; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_option)]
    encoder_option: Vec<(String, String)>,
    /// The ffmpeg to use; ffprobe is expected beside it [default: the one in PATH]
    #[arg(long, value_name = "PATH")]
    ffmpeg: Option<PathBuf>,
    /// Seconds of video in a segment: what a kill may lose
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = parse_seconds)]
    segment: f64,
    /// Leave the finished segments where they are
    #[arg(long)]
    keep_segments: bool,
    /// Leave out streams that the output's container cannot hold
    #[arg(long)]
    drop_unsupported: bool,
    /// Memory for frames, such as 600M or 2GiB; what needs more is refused with the figure [default: half of this
    /// machine's]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    max_memory: Option<u64>,
    /// Replace the output if it is there
    #[arg(long)]
    overwrite: bool,
    /// Print one JSON object a line: begin, progress, end
    #[arg(long)]
    json: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

fn parse_option(text: &str) -> Result<(String, String)> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| Error::usage(format!("'{text}' is no option")).fix("write NAME=VALUE"))
}

fn parse_seconds(text: &str) -> Result<f64> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=36_000.0).contains(seconds));
    seconds.ok_or_else(|| Error::usage(format!("'{text}' is not from 0.1 to 36000 seconds")))
}

/// Runs `upres video`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let tools = Tools::find(args.ffmpeg.as_deref())?;
    let generator = args.model.generator(args.scale)?;
    let threads = args.model.threads(args.threads, generator.as_ref())?;
    let options = options(args, generator, threads);
    let watcher = Watcher::new(args);
    interrupt::listen();
    let summary = video::run(&tools, &options, |begin| watcher.begin(begin), &watcher)?;
    watcher.end(args, &summary);
    if summary.end == End::Stopped {
        return Err(Error::new(Kind::Interrupted, "interrupted").fix("the same command goes on from the last segment"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed, as it is meant.
fn options(args: &Args, generator: Arc<dyn Generator>, threads: usize) -> VideoOptions {
    let factor = args.scale.unwrap_or(Factor::of_model(generator.card().scale));
    VideoOptions {
        input: args.input.clone(),
        output: args.output.clone(),
        stream: StreamOptions {
            generator,
            scale: factor.value(),
            tiles: TileOptions { side: args.tile.map(NonZeroUsize::get), threads },
            range: None,
            matrix: None,
            max_memory: args.max_memory.or_else(half_of_memory),
        },
        encoder: EncoderOptions {
            name: args.encoder.clone(),
            crf: args.crf,
            preset: args.preset.clone(),
            extra: args.encoder_option.clone(),
        },
        segment: Duration::from_secs_f64(args.segment),
        keep_segments: args.keep_segments,
        overwrite: args.overwrite,
        drop_unsupported: args.drop_unsupported,
    }
}

/// Tells how far the work is: a line that is rewritten on a terminal, a line now and then elsewhere, or JSON.
struct Watcher {
    json: bool,
    quiet: bool,
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    frames: u64,
    reused: u64,
    done: u64,
    begun: Instant,
    told: Instant,
}

impl Watcher {
    fn new(args: &Args) -> Self {
        let (json, quiet) = (args.json, args.quiet);
        let now = Instant::now();
        let state = State { frames: 0, reused: 0, done: 0, begun: now, told: now };
        Self { json, quiet, terminal: !json && !quiet && stderr().is_terminal(), state: Mutex::new(state) }
    }

    fn begin(&self, begin: &Begin) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *state = State { frames: begin.frames, reused: begin.done, done: begin.done, begun: now, told: now };
        if self.json {
            print_line(&json!({
                "event": "begin", "frames": begin.frames, "done": begin.done, "notes": begin.notes,
                "segments": begin.folder.to_string_lossy(),
            }));
            return;
        }
        for note in &begin.notes {
            self.say(&format!("note: {note}\n"));
        }
        match begin.done {
            0 => self.say(&format!("{} frames; an interrupted run is continued by the same command\n", begin.frames)),
            done => self.say(&format!("{} frames, {done} of them done by an earlier run\n", begin.frames)),
        }
    }

    /// That nobody reads it stops nothing.
    fn say(&self, text: &str) {
        if !self.quiet {
            let _ = stderr().lock().write_all(text.as_bytes());
        }
    }

    fn tell(&self, state: &State) {
        let elapsed = state.begun.elapsed();
        let fresh = state.done - state.reused;
        let rate = fresh as f64 / elapsed.as_secs_f64().max(1e-3);
        let left = time_left(fresh, state.frames.saturating_sub(state.reused), elapsed);
        if self.json {
            print_line(&json!({
                "event": "progress", "done": state.done, "frames": state.frames, "frames_per_second": rate,
                "seconds_left": left.map(|left| left.as_secs_f64()),
            }));
            return;
        }
        let percent = state.done * 100 / state.frames.max(1);
        let left = left.map_or_else(String::new, |left| format!(", {} left", readable(left)));
        let line = format!("{percent:3} %  {}/{} frames, {rate:.1} a second{left}", state.done, state.frames);
        self.say(&if self.terminal { format!("\r\x1b[K{line}") } else { format!("{line}\n") });
    }

    fn end(&self, args: &Args, summary: &Summary) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = state.begun.elapsed();
        if self.terminal {
            self.say("\r\x1b[K");
        }
        if self.json {
            print_line(&json!({
                "event": if summary.end == End::Finished { "end" } else { "stopped" },
                "output": args.output.to_string_lossy(), "frames": summary.frames, "reused": summary.reused,
                "seconds": seconds.as_secs_f64(),
            }));
        } else if summary.end == End::Finished {
            let missing = state.frames.abs_diff(summary.frames);
            if missing > 0 {
                self.say(&format!("note: {} frames were expected; the video may be damaged\n", state.frames));
            }
            let (name, frames) = (args.output.display(), summary.frames);
            self.say(&format!("{name}: {frames} frames in {}\n", readable(seconds)));
        }
    }
}

/// A line for a script; one that no longer listens does not end the work.
fn print_line(value: &serde_json::Value) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{value}").and_then(|()| out.flush());
}

impl Progress for Watcher {
    fn advance(&self, amount: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += amount;
        let pause = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(5) };
        if state.told.elapsed() >= pause {
            state.told = Instant::now();
            self.tell(&state);
        }
    }

    fn stopped(&self) -> bool {
        interrupt::asked()
    }
}
