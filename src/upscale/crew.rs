//! Threads that lead a picture through a generator: bands of rows where it streams, else windows, gathered, run and stitched.

use super::generator::{Generator, Plan};
use super::tile::{Grid, Tile};
use crate::engine::{Ends, Samples, SamplesMut};
use crate::error::{Error, Kind, Result};
use crate::geometry::Size;
use crate::kernel::pool::Pool;
use crate::progress::Progress;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most planes of a picture.
const MOST_PLANES: usize = 3;

/// Where the time went, summed over the threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Copying windows out of the picture.
    pub gather: Duration,
    /// The generator; all of the time where it streams rows.
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
    pub(crate) planes: [Option<Samples<'a>>; MOST_PLANES],
}

/// Rows of the enlarged picture's planes, written by every thread.
pub(crate) struct RowsMut<'a> {
    /// Samples in a row.
    pub(crate) width: usize,
    /// The enlarged picture's row that comes first in `planes`.
    pub(crate) first: usize,
    /// Whole rows.
    pub(crate) planes: [Option<SamplesMut<'a>>; MOST_PLANES],
}

/// As many of `items` as a picture may have planes.
pub(crate) fn planes<T>(items: impl IntoIterator<Item = T>) -> [Option<T>; MOST_PLANES] {
    let mut items = items.into_iter();
    std::array::from_fn(|_| items.next())
}

/// One thread's plan and, where it works on windows, its buffers.
struct Worker {
    plan: Box<dyn Plan>,
    input: Vec<f32>,
    output: Vec<f32>,
}

/// The workers of one grid.
pub(crate) struct Crew {
    workers: Vec<Mutex<Worker>>,
    pool: Pool,
    grid: Grid,
    scale: usize,
}

/// What the threads share while they work on a picture.
struct Shared<'a, 'b> {
    input: &'a Rows<'b>,
    /// The next window or band, and the rows that nobody has taken yet.
    output: Mutex<(usize, RowsMut<'b>)>,
    end: usize,
    failed: AtomicBool,
    progress: &'a dyn Progress,
}

/// A mutex is poisoned by a thread that crashed between two copies: no harm to the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        let copied = |samples: usize| vec![0.0; if grid.is_banded() { 0 } else { samples }];
        let count = threads.clamp(1, grid.len());
        let worker = || {
            let (input, output) = (copied(window.area() * planes), copied(samples));
            Ok(Mutex::new(Worker { plan: generator.plan_on(window, threads / count)?, input, output }))
        };
        let workers = (0..count).map(|_| worker()).collect::<Result<Vec<_>>>()?;
        let pool = Pool::new("upscale", workers.len()).map_err(|e| {
            Error::limit("the system gives no more threads").fix("ask for fewer --threads").caused_by(e)
        })?;
        Ok(Self { workers, pool, grid, scale })
    }

    /// Enlarges the windows or bands `tiles` of the grid. `input` holds every row that they read, `output` every row that they
    /// contribute. Progress is counted in the picture's pixels.
    pub(crate) fn run(
        &mut self,
        tiles: Range<usize>,
        input: &Rows<'_>,
        output: RowsMut<'_>,
        progress: &dyn Progress,
    ) -> Result<Stages> {
        let shared = Shared {
            input,
            output: Mutex::new((tiles.start, output)),
            end: tiles.end,
            failed: AtomicBool::new(false),
            progress,
        };
        let results = Mutex::new(Ok(Stages::default()));
        let (grid, scale, workers) = (self.grid, self.scale, &self.workers);
        let finished = self.pool.run(&|number| {
            let done = lock(&workers[number]).work(grid, scale, &shared);
            if done.is_err() {
                shared.failed.store(true, Ordering::Relaxed);
            }
            let mut results = lock(&results);
            match (&mut *results, done) {
                (Ok(sum), Ok(stages)) => sum.add(stages),
                (Ok(_), Err(error)) => *results = Err(error),
                (Err(_), _) => {}
            }
        });
        if !finished {
            return Err(Error::model("the network crashed on a window of this picture"));
        }
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Takes windows or bands as long as there are any.
    fn work(&mut self, grid: Grid, scale: usize, shared: &Shared<'_, '_>) -> Result<Stages> {
        let mut stages = Stages::default();
        while !shared.failed.load(Ordering::Relaxed) {
            let mut rest = lock(&shared.output);
            let index = rest.0;
            if index >= shared.end {
                break;
            }
            if shared.progress.stopped() {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            rest.0 += 1;
            let tile = grid.tile(index);
            if grid.is_banded() {
                let own = rest.1.split_off(tile.valid.size.height * scale);
                drop(rest);
                stages.add(self.make_rows(tile, shared.input, own)?);
            } else {
                drop(rest);
                stages.add(self.enlarge(tile, scale, shared)?);
            }
            shared.progress.advance(tile.valid.size.area() as u64);
        }
        Ok(stages)
    }

    fn make_rows(&mut self, tile: Tile, input: &Rows<'_>, output: RowsMut<'_>) -> Result<Stages> {
        let begin = Instant::now();
        let Some(plan) = self.plan.rows() else {
            return Err(Error::internal("a generator that streams has a plan that does not"));
        };
        plan.run_rows(tile.valid.y..tile.valid.bottom(), &mut Band { input, output })?;
        Ok(Stages { network: begin.elapsed(), ..Stages::default() })
    }

    fn enlarge(&mut self, tile: Tile, scale: usize, shared: &Shared<'_, '_>) -> Result<Stages> {
        let begin = Instant::now();
        self.gather(tile, shared.input);
        let gathered = Instant::now();
        self.plan.run(&self.input, &mut self.output)?;
        let ran = Instant::now();
        self.stitch(tile, scale, &mut lock(&shared.output).1);
        Ok(Stages { gather: gathered - begin, network: ran - gathered, stitch: ran.elapsed() })
    }

    /// Copies the window; what lies past the picture repeats its last column and row.
    fn gather(&mut self, tile: Tile, input: &Rows<'_>) {
        let Size { width, height } = tile.window.size;
        let inside = width.min(input.picture.width - tile.window.x);
        let windows = self.input.chunks_exact_mut(width * height);
        for (plane, window) in input.planes.iter().flatten().zip(windows) {
            for (y, row) in window.chunks_exact_mut(width).enumerate() {
                let from = (tile.window.y + y).min(input.picture.height - 1) - input.first;
                let first = from * input.picture.width + tile.window.x;
                plane.part(first..first + inside).copy_to(&mut row[..inside]);
                let last = row[inside - 1];
                row[inside..].fill(last);
            }
        }
    }

    fn stitch(&self, tile: Tile, scale: usize, output: &mut RowsMut<'_>) {
        let inside = tile.inside(scale);
        let window = Size::new(tile.window.size.width * scale, tile.window.size.height * scale);
        let (x, y) = (tile.valid.x * scale, tile.valid.y * scale - output.first);
        let stride = output.width;
        for (plane, window_plane) in output.planes.iter_mut().flatten().zip(self.output.chunks_exact(window.area())) {
            for row in 0..inside.size.height {
                let source = &window_plane[(inside.y + row) * window.width + inside.x..][..inside.size.width];
                let first = (y + row) * stride + x;
                plane.part(first..first + inside.size.width).copy_from(source);
            }
        }
    }
}

impl RowsMut<'_> {
    /// Takes the first `rows` rows out.
    fn split_off(&mut self, rows: usize) -> Self {
        let count = rows * self.width;
        let planes = std::array::from_fn(|i| self.planes[i].as_mut().map(|plane| plane.split_off(count)));
        let first = self.first;
        self.first += rows;
        Self { width: self.width, first, planes }
    }
}

/// The rows around one band, and those that it makes.
struct Band<'a, 'b> {
    input: &'a Rows<'b>,
    output: RowsMut<'a>,
}

impl Ends for Band<'_, '_> {
    fn row(&self, _: usize, plane: usize, y: usize) -> Samples<'_> {
        let (width, first) = (self.input.picture.width, (y - self.input.first) * self.input.picture.width);
        self.input.planes[plane].map_or(Samples::Float(&[]), |plane| plane.part(first..first + width))
    }

    fn rows_mut(&mut self, _: usize, plane: usize, y: usize, count: usize) -> SamplesMut<'_> {
        let (length, first) = (count * self.output.width, (y - self.output.first) * self.output.width);
        match &mut self.output.planes[plane] {
            Some(plane) => plane.part(first..first + length),
            None => SamplesMut::Float(&mut []),
        }
    }
}
