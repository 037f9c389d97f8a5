//! What leaving unchanged tiles alone saves on a video, and what it costs.

use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};
use upres::device::stream::{Enlarger, Sparing, SparingOptions, StreamOptions, Threshold};
use upres::error::{Error, Result};
use upres::geometry::Size;
use upres::y4m::Reader;

/// Pixels of a block's side, before it is enlarged.
const BLOCK: usize = 8;
/// Frames a second, where the file does not say.
const RATE: f64 = 30.0;

/// What was found, frame by frame summed or at most.
#[derive(Default)]
struct Found {
    frames: u32,
    run: u64,
    reused: u64,
    whole: Duration,
    spare: Duration,
    threshold: f32,
    /// Largest mean difference of a block: of what the network was fed with, and of what it made.
    fed: f64,
    made: f64,
    /// Blocks of the enlarged picture that are off by more than the threshold, and all of them.
    beyond: u64,
    blocks: u64,
    squares: f64,
    samples: f64,
}

/// Enlarges the Y4M video at `path` whole and sparingly, and compares.
pub(super) fn run(path: &Path, options: &StreamOptions, threshold: Threshold, json: bool) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::io("cannot read", path, e))?;
    let mut reader = Reader::new(file).map_err(|e| e.at(path.display()))?;
    let header = reader.header().clone();
    if header.bits != 8 {
        return Err(Error::usage("a camera's frames have 8 bits").fix("ffmpeg -i VIDEO -pix_fmt yuv420p FILE.y4m"));
    }
    let refresh = Duration::from_secs(10);
    let mut whole = Enlarger::new(&header, options)?;
    let mut spare = Sparing::new(&header, options, SparingOptions { threshold, refresh })?;
    let (mut small, mut expected) = (Vec::new(), vec![0; whole.output().frame_bytes()]);
    let mut large = expected.clone();
    let gap = header.rate.map_or(1.0 / RATE, |rate| f64::from(rate.den) / f64::from(rate.num));
    let mut found = Found::default();
    while reader.next_frame(&mut small).map_err(|e| e.at(path.display()))? {
        let begin = Instant::now();
        whole.run(&small, &mut expected)?;
        let middle = Instant::now();
        let count = spare.run(&small, &mut large, Duration::from_secs_f64(gap * f64::from(found.frames)))?;
        found.spare += middle.elapsed();
        found.whole += middle - begin;
        found.frames += 1;
        (found.run, found.reused) = (found.run + count.run, found.reused + count.reused);
        found.threshold = found.threshold.max(spare.threshold());
        found.compare([spare.fed(), &small], header.size, 1);
        let (size, side) = (whole.output().size, (BLOCK as f64 * options.scale) as usize);
        found.compare([&large, &expected], size, side / BLOCK);
    }
    found.tell(json);
    Ok(())
}

impl Found {
    /// Compares the luma of two frames in blocks of 8 · `scale` pixels.
    fn compare(&mut self, frames: [&[u8]; 2], size: Size, scale: usize) {
        let side = BLOCK * scale;
        for top in (0..size.height).step_by(side) {
            for left in (0..size.width).step_by(side) {
                let (right, bottom) = ((left + side).min(size.width), (top + side).min(size.height));
                let (mut sum, mut squares) = (0_u64, 0_u64);
                for y in top..bottom {
                    let row = y * size.width + left..y * size.width + right;
                    for (&a, &b) in frames[0][row.clone()].iter().zip(&frames[1][row]) {
                        let off = u64::from(a.abs_diff(b));
                        sum += off;
                        squares += off * off;
                    }
                }
                let count = ((right - left) * (bottom - top)) as f64;
                let mean = sum as f64 / count;
                if scale == 1 {
                    self.fed = self.fed.max(mean);
                    continue;
                }
                self.made = self.made.max(mean);
                self.blocks += 1;
                self.beyond += u64::from(mean > f64::from(self.threshold));
                self.squares += squares as f64;
                self.samples += count;
            }
        }
    }

    fn tell(&self, json: bool) {
        let saved = 100.0 * self.reused as f64 / (self.run + self.reused).max(1) as f64;
        let ms = |time: Duration| time.as_secs_f64() * 1e3 / f64::from(self.frames.max(1));
        let psnr = 10.0 * (255.0 * 255.0 * self.samples / self.squares.max(1e-9)).log10();
        if json {
            let answer = json!({
                "frames": self.frames, "tiles_run": self.run, "tiles_reused": self.reused, "threshold": self.threshold,
                "whole_ms": ms(self.whole), "spare_ms": ms(self.spare), "fed_most": self.fed, "made_most": self.made,
                "blocks": self.blocks, "blocks_beyond": self.beyond, "psnr": psnr,
            });
            println!("{answer}");
            return;
        }
        println!("{} frames, {saved:.1} % of the tiles were taken from the picture before", self.frames);
        println!(
            "{:.2} ms a frame whole, {:.2} ms sparing: {:.2} times faster",
            ms(self.whole),
            ms(self.spare),
            ms(self.whole) / ms(self.spare)
        );
        println!(
            "threshold {:.2} codes at most; a block that was fed is off by {:.2} at most",
            self.threshold, self.fed
        );
        println!(
            "a block of the enlarged picture is off by {:.2} at most; {} of {} by more than the threshold; {psnr:.1} dB",
            self.made, self.beyond, self.blocks
        );
    }
}
