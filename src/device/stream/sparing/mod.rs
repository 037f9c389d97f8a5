//! Frames of a camera that hardly moves: only what changed is enlarged again.
//!
//! The generator is fed with a frame that is new where blocks changed by more than the camera's noise, and as it was where they
//! did not. What comes out is what the generator makes of that frame: every byte of it where it computes in bytes; where it computes in
//! floats, up to single codes that were rounded the other way. And that frame is never off the camera's by more than the
//! [`Threshold`]; with a threshold of 0 both are the same.

mod changes;

pub use changes::Threshold;

use super::enlarger::{Enlarger, FrameStages, StreamOptions};
use crate::error::Result;
use crate::geometry::{Rect, Size};
use crate::upscale::{Patch, PatchUpscaler};
use crate::y4m::Header;
use changes::Changes;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Rows of a tile: columns' rows are made in any number, so tiles are low.
const TILE_ROWS: usize = 16;
/// Pixels of a tile's rows, about; the halo is computed on both sides.
const TILE_WIDTH: usize = 64;
/// Rows of one patch at most, so that threads find something to share.
const PATCH_ROWS: usize = 96;

/// How frames are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparingOptions {
    /// What counts as a change.
    pub threshold: Threshold,
    /// Everything is made anew as often as this, whatever changed.
    pub refresh: Duration,
}

/// Tiles of one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TileCount {
    /// Computed.
    pub run: u64,
    /// Taken from the picture before.
    pub reused: u64,
}

/// An [`Enlarger`] that computes only what changed.
pub struct Sparing {
    enlarger: Enlarger,
    changes: Changes,
    refresh: Duration,
    /// When everything was made last.
    refreshed: Option<Duration>,
    /// `None` where the generator can only make whole frames.
    patches: Option<PatchUpscaler>,
    threads: usize,
    /// The enlarged frame as it stands.
    large: Vec<u8>,
    list: Vec<Patch>,
    stages: FrameStages,
}

impl Sparing {
    /// Plans for frames of `input`.
    ///
    /// # Errors
    /// Those of [`Enlarger::new`].
    pub fn new(input: &Header, options: &StreamOptions, sparing: SparingOptions) -> Result<Self> {
        let enlarger = Enlarger::new(input, options)?;
        let threads = options.tiles.threads.max(1);
        let patches = if enlarger.codes_alone() {
            PatchUpscaler::new(options.generator.as_ref(), input.size, TILE_WIDTH, threads)?
        } else {
            None
        };
        let large = vec![0; enlarger.output().frame_bytes()];
        Ok(Self {
            changes: Changes::new(enlarger.input(), sparing.threshold),
            enlarger,
            refresh: sparing.refresh,
            refreshed: None,
            patches,
            threads,
            large,
            list: Vec::new(),
            stages: FrameStages::default(),
        })
    }

    /// What goes in.
    pub fn input(&self) -> &Header {
        self.enlarger.input()
    }

    /// What comes out.
    pub fn output(&self) -> &Header {
        self.enlarger.output()
    }

    /// The mean difference from which on a block counts as changed just now, in codes.
    pub fn threshold(&self) -> f32 {
        self.changes.threshold()
    }

    /// The frame of which the last result was made: the camera's, but for what did not change.
    pub fn fed(&self) -> &[u8] {
        self.changes.kept()
    }

    /// Where the time of the last frame went.
    pub fn stages(&self) -> FrameStages {
        self.stages
    }

    /// Enlarges the frame `small`, which came at `now`, into `large`.
    ///
    /// # Errors
    /// The generator's.
    pub fn run(&mut self, small: &[u8], large: &mut [u8], now: Duration) -> Result<TileCount> {
        if self.refreshed.is_none_or(|last| now.saturating_sub(last) >= self.refresh) {
            self.refreshed = Some(now);
            self.changes.forget();
        }
        let changed = self.changes.update(small);
        self.list.clear();
        let count = if changed == 0 {
            self.stages = FrameStages::default();
            TileCount { run: 0, reused: self.tiles() }
        } else {
            self.enlarge()?
        };
        large.copy_from_slice(&self.large);
        Ok(count)
    }

    /// Makes all of the next frame anew.
    pub fn forget(&mut self) {
        self.refreshed = None;
    }

    fn tiles(&self) -> u64 {
        let columns = self.patches.as_ref().map_or(1, PatchUpscaler::columns);
        let rows = if self.patches.is_some() { self.input().size.height.div_ceil(TILE_ROWS) } else { 1 };
        (columns * rows) as u64
    }

    /// Makes what changed: in patches, or all of it where that is hardly more work.
    fn enlarge(&mut self) -> Result<TileCount> {
        let tiles = self.tiles();
        let run = self.plan_patches();
        let Size { width, height } = self.input().size;
        let Some(patches) = &self.patches else { return self.whole(tiles) };
        let work: usize = self.list.iter().map(|patch| patches.work(patch.rows.len())).sum();
        let whole = width * (height + (self.threads - 1) * patches.halo() * 2 / 3);
        if work * 10 >= whole * 9 {
            return self.whole(tiles);
        }
        self.some()?;
        Ok(TileCount { run, reused: tiles - run })
    }

    fn whole(&mut self, tiles: u64) -> Result<TileCount> {
        self.enlarger.run(self.changes.kept(), &mut self.large)?;
        self.stages = self.enlarger.stages();
        Ok(TileCount { run: tiles, reused: 0 })
    }

    /// Lists the rows of each column that changed or lie a halo away from what did; gives the tiles among them.
    fn plan_patches(&mut self) -> u64 {
        let Some(patches) = &self.patches else { return 0 };
        let Size { width, height } = self.enlarger.input().size;
        let halo = patches.halo();
        let mut run = 0;
        for column in 0..patches.columns() {
            let span = patches.span(column);
            let across = span.start.saturating_sub(halo)..(span.end + halo).min(width);
            for top in (0..height).step_by(TILE_ROWS) {
                let rows = top..(top + TILE_ROWS).min(height);
                let down = rows.start.saturating_sub(halo)..(rows.end + halo).min(height);
                let seen = Rect::new(across.start, down.start, Size::new(across.len(), down.len()));
                if self.changes.touches(seen) {
                    run += 1;
                    extend(&mut self.list, column, rows);
                }
            }
        }
        run
    }

    fn some(&mut self) -> Result<()> {
        let Some(patches) = &mut self.patches else { return Ok(()) };
        let begin = Instant::now();
        let (input, output) = (self.enlarger.input(), self.enlarger.output());
        let levels = input.effective_range().luma(input.bits);
        let (luma, chroma) = self.changes.kept().split_at(input.luma_bytes());
        let (luma_out, chroma_out) = self.large.split_at_mut(output.luma_bytes());
        patches.run(&self.list, luma, luma_out, levels)?;
        let generator = begin.elapsed();
        for rows in changed_rows(&self.changes, input.size) {
            self.enlarger.enlarge_chroma(chroma, chroma_out, rows)?;
        }
        self.stages = FrameStages { generator, chroma: begin.elapsed().saturating_sub(generator) };
        Ok(())
    }
}

/// Adds rows of a column to the list, to the patch above where they continue it.
fn extend(list: &mut Vec<Patch>, column: usize, rows: Range<usize>) {
    match list.last_mut() {
        Some(last)
            if last.column == column && last.rows.end == rows.start && last.rows.len() + rows.len() <= PATCH_ROWS =>
        {
            last.rows.end = rows.end;
        }
        _ => list.push(Patch { column, rows }),
    }
}

/// Runs of luma rows in which a block changed.
fn changed_rows(changes: &Changes, size: Size) -> impl Iterator<Item = Range<usize>> + use<'_> {
    let step = changes::BLOCK;
    let changed = move |top: usize| {
        top < size.height && changes.touches(Rect::new(0, top, Size::new(size.width, step.min(size.height - top))))
    };
    let mut top = 0;
    std::iter::from_fn(move || {
        while top < size.height && !changed(top) {
            top += step;
        }
        let begin = top;
        while changed(top) {
            top += step;
        }
        (begin < size.height).then(|| begin..top.min(size.height))
    })
}

#[cfg(test)]
mod tests;
