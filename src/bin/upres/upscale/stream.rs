//! A Y4M stream, frame after frame.

use super::{Args, pipe};
use crate::interrupt;
use std::io::{IsTerminal, Read, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use upres::atomic::AtomicFile;
use upres::device::stream::{self, End, StreamOptions};
use upres::error::{Error, Kind, Result};
use upres::progress::{Progress, readable};
use upres::upscale::TileOptions;

/// Enlarges the Y4M stream `input`.
pub(super) fn run(args: &Args, input: impl Read + Send, name: &Path) -> Result<ExitCode> {
    let options = args.options()?;
    let options = StreamOptions {
        generator: options.generator,
        scale: options.factor.value(),
        tiles: TileOptions { side: options.tile, threads: options.threads },
        range: None,
        matrix: None,
        max_memory: Some(options.memory),
    };
    let frames = Frames::new(args.quiet);
    let begin = Instant::now();
    let said = if pipe::is_pipe(name) { "standard input".into() } else { name.to_string_lossy() };
    let place = |error: Error| error.at(&said);
    let end = if pipe::is_pipe(&args.output) {
        let mut output = stdout();
        let end = stream::run(input, &mut output, &options, &frames);
        // Whoever reads it may have had enough already; what matters was told by the run.
        let _ = output.flush();
        end.map_err(place)?.1
    } else {
        pipe::refuse_existing(args, name)?;
        let mut output = AtomicFile::create(&args.output)?;
        let (_, end) = stream::run(input, &mut output, &options, &frames).map_err(place)?;
        if end == End::Finished {
            output.commit()?;
        }
        end
    };
    frames.wipe();
    if end == End::Stopped {
        return Err(Error::new(Kind::Interrupted, "interrupted"));
    }
    told(args, frames.count.load(Ordering::Relaxed), begin.elapsed());
    Ok(ExitCode::SUCCESS)
}

fn told(args: &Args, frames: u64, time: Duration) {
    let seconds = time.as_secs_f64();
    if args.json {
        let line = serde_json::json!({ "event": "stream", "frames": frames, "seconds": seconds });
        let _ = writeln!(stdout().lock(), "{line}");
    }
    if !args.quiet {
        let rate = frames as f64 / seconds.max(1e-9);
        let _ = writeln!(stderr().lock(), "{frames} frames in {}, {rate:.1} frames/s", readable(time));
    }
}

/// Counts frames, and shows the count on a terminal.
struct Frames {
    count: AtomicU64,
    terminal: bool,
}

impl Frames {
    fn new(quiet: bool) -> Self {
        Self { count: AtomicU64::new(0), terminal: !quiet && stderr().is_terminal() }
    }

    fn wipe(&self) {
        if self.terminal {
            let _ = write!(stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Progress for Frames {
    fn advance(&self, amount: u64) {
        let count = self.count.fetch_add(amount, Ordering::Relaxed) + amount;
        if self.terminal {
            let _ = write!(stderr().lock(), "\r\x1b[K{count} frames");
        }
    }

    fn stopped(&self) -> bool {
        interrupt::asked()
    }
}
