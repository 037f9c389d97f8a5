//! Threads that lead windows through a generator: gather, run, stitch.

use super::generator::{Generator, Plan};
use super::tile::{Grid, Tile};
use crate::error::{Error, Kind, Result};
use crate::geometry::Size;
use crate::progress::Progress;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the time went, summed over the threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Copying windows out of the picture.
    pub gather: Duration,
    /// The generator.
    pub network: Duration,
    /// Copying what the windows contribute into the enlarged picture.
    pub stitch: Duration,
}

impl Stages {
    fn add(&mut self, other: Self) {
        self.gather += other.gather;
        self.network += other.network;
        self.stitch += other.stitch;
    }
}

/// Rows of a picture's planes, read by every thread.
pub(crate) struct Rows<'a> {
    /// The whole picture.
    pub(crate) picture: Size,
    /// The picture's row that comes first in `planes`.
    pub(crate) first: usize,
    /// Whole rows, `picture.width` samples each.
    pub(crate) planes: &'a [&'a [f32]],
}

/// Rows of the enlarged picture's planes, written by every thread.
pub(crate) struct RowsMut<'a> {
    /// Samples in a row.
    pub(crate) width: usize,
    /// The enlarged picture's row that comes first in `planes`.
    pub(crate) first: usize,
    /// Whole rows.
    pub(crate) planes: Vec<&'a mut [f32]>,
}

/// One thread's plan and buffers.
struct Worker {
    plan: Box<dyn Plan>,
    input: Vec<f32>,
    output: Vec<f32>,
}

/// The workers of one grid.
pub(crate) struct Crew {
    workers: Vec<Worker>,
    grid: Grid,
    scale: usize,
}

impl Crew {
    /// Plans the generator once for each thread that can have work.
    pub(crate) fn new(generator: &dyn Generator, grid: Grid, threads: usize) -> Result<Self> {
        let (scale, planes) = (generator.card().scale, generator.card().colour.planes());
        let window = grid.window();
        let samples = window
            .checked_scale(scale)?
            .area()
            .checked_mul(planes)
            .ok_or_else(|| Error::limit(format!("a window of {window} is larger than this machine can address")))?;
        let worker = || {
            Ok(Worker {
                plan: generator.plan(window)?,
                input: vec![0.0; window.area() * planes],
                output: vec![0.0; samples],
            })
        };
        let workers = (0..threads.clamp(1, grid.len())).map(|_| worker()).collect::<Result<_>>()?;
        Ok(Self { workers, grid, scale })
    }

    /// Enlarges the windows `tiles` of the grid. `input` holds every row that they read, `output` every row that they
    /// contribute. Progress is counted in the picture's pixels.
    pub(crate) fn run(
        &mut self,
        tiles: Range<usize>,
        input: &Rows<'_>,
        output: RowsMut<'_>,
        progress: &dyn Progress,
    ) -> Result<Stages> {
        let (next, failed, output) = (AtomicUsize::new(tiles.start), AtomicBool::new(false), Mutex::new(output));
        let (grid, scale) = (self.grid, self.scale);
        let work = |worker: &mut Worker| -> Result<Stages> {
            let mut stages = Stages::default();
            while !failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= tiles.end {
                    break;
                }
                if progress.stopped() {
                    return Err(Error::new(Kind::Interrupted, "interrupted"));
                }
                let tile = grid.tile(index);
                stages.add(worker.enlarge(tile, scale, input, &output)?);
                progress.advance(tile.valid.size.area() as u64);
            }
            Ok(stages)
        };
        let results: Vec<Result<Stages>> = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .workers
                .iter_mut()
                .map(|worker| scope.spawn(|| work(worker).inspect_err(|_| failed.store(true, Ordering::Relaxed))))
                .collect();
            let crashed = |_| Err(Error::model("the network crashed on a window of this picture"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).collect()
        });
        let mut stages = Stages::default();
        for result in results {
            stages.add(result?);
        }
        Ok(stages)
    }
}

impl Worker {
    fn enlarge(&mut self, tile: Tile, scale: usize, input: &Rows<'_>, output: &Mutex<RowsMut<'_>>) -> Result<Stages> {
        let begin = Instant::now();
        self.gather(tile, input);
        let gathered = Instant::now();
        self.plan.run(&self.input, &mut self.output)?;
        let ran = Instant::now();
        // A thread that crashed left the rows as they were between two copies: no harm to the others.
        self.stitch(tile, scale, &mut output.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Stages { gather: gathered - begin, network: ran - gathered, stitch: ran.elapsed() })
    }

    /// Copies the window; what lies past the picture repeats its last column and row.
    fn gather(&mut self, tile: Tile, input: &Rows<'_>) {
        let Size { width, height } = tile.window.size;
        let inside = width.min(input.picture.width - tile.window.x);
        for (plane, window) in input.planes.iter().zip(self.input.chunks_exact_mut(width * height)) {
            for (y, row) in window.chunks_exact_mut(width).enumerate() {
                let from = (tile.window.y + y).min(input.picture.height - 1) - input.first;
                let source = &plane[from * input.picture.width + tile.window.x..][..inside];
                row[..inside].copy_from_slice(source);
                row[inside..].fill(source[inside - 1]);
            }
        }
    }

    fn stitch(&self, tile: Tile, scale: usize, output: &mut RowsMut<'_>) {
        let inside = tile.inside(scale);
        let window = Size::new(tile.window.size.width * scale, tile.window.size.height * scale);
        let (x, y) = (tile.valid.x * scale, tile.valid.y * scale - output.first);
        let stride = output.width;
        for (plane, window_plane) in output.planes.iter_mut().zip(self.output.chunks_exact(window.area())) {
            for row in 0..inside.size.height {
                let source = &window_plane[(inside.y + row) * window.width + inside.x..][..inside.size.width];
                plane[(y + row) * stride + x..][..inside.size.width].copy_from_slice(source);
            }
        }
    }
}
