//! Parts of a picture: only the rows of those columns that are asked for are made, as they are in the whole: in bytes exactly,
//! in floats up to a float's last bits, which may round one code to the next.

use super::generator::{Generator, Plan};
use super::tile::columns::{Column, Columns};
use crate::engine::{Ends, Samples, SamplesMut};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::kernel::pool::Pool;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Rows of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Which column.
    pub column: usize,
    /// Rows of the picture before it is enlarged; they begin and end at multiples of [`PatchUpscaler::alignment`], or at the
    /// picture's end.
    pub rows: Range<usize>,
}

/// Enlarges parts of luma planes of 8-bit codes, on several threads.
pub struct PatchUpscaler {
    workers: Vec<Mutex<Worker>>,
    pool: Pool,
    columns: Columns,
    picture: Size,
    scale: usize,
}

struct Worker {
    plan: Box<dyn Plan>,
    /// A patch as wide as its window.
    made: Vec<u8>,
}

impl PatchUpscaler {
    /// Plans for pictures of `picture` in columns of about `wanted` pixels; `None` where the generator does not stream rows of
    /// one plane, and so can only be run on windows.
    ///
    /// # Errors
    /// The generator's; a limit error where there are no threads.
    pub fn new(generator: &dyn Generator, picture: Size, wanted: usize, threads: usize) -> Result<Option<Self>> {
        if !generator.footing().streams || generator.card().colour.planes() != 1 {
            return Ok(None);
        }
        let columns = Columns::new(generator, picture, wanted)?;
        if columns.window().width > picture.width {
            return Ok(None);
        }
        let worker = || Ok(Mutex::new(Worker { plan: generator.plan(columns.window())?, made: Vec::new() }));
        let workers = (0..threads.max(1)).map(|_| worker()).collect::<Result<Vec<_>>>()?;
        let pool = Pool::new("patches", workers.len()).map_err(|e| {
            Error::limit("the system gives no more threads").fix("ask for fewer --threads").caused_by(e)
        })?;
        Ok(Some(Self { workers, pool, columns, picture, scale: generator.card().scale }))
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The pixels of a row that column `index` contributes.
    pub fn span(&self, index: usize) -> Range<usize> {
        self.columns.column(index).valid
    }

    /// Pixels around a pixel that it depends on.
    pub fn halo(&self) -> usize {
        self.columns.halo()
    }

    /// Patches begin at rows that are multiples of this.
    pub fn alignment(&self) -> usize {
        self.columns.alignment()
    }

    /// What `rows` rows of a column cost, in pixels of the network's work.
    pub fn work(&self, rows: usize) -> usize {
        self.columns.work(rows)
    }

    /// Makes `patches` of the enlarged picture `output` from `input`; both are codes of which a sample is
    /// `levels[0] · code + levels[1]`. The rest of `output` stays as it is.
    ///
    /// # Errors
    /// The generator's; an internal error where planes or patches are not as planned.
    pub fn run(&mut self, patches: &[Patch], input: &[u8], output: &mut [u8], levels: [f32; 2]) -> Result<()> {
        let whole = |patch: &Patch| {
            let aligned = |row: usize| row.is_multiple_of(self.columns.alignment()) || row == self.picture.height;
            patch.column < self.columns.len()
                && patch.rows.end <= self.picture.height
                && aligned(patch.rows.start)
                && aligned(patch.rows.end)
        };
        let large = self.picture.area() * self.scale * self.scale;
        if input.len() != self.picture.area() || output.len() != large || !patches.iter().all(whole) {
            return Err(Error::internal(format!("patches or planes are not as planned for {}", self.picture)));
        }
        let (next, output, result) = (AtomicUsize::new(0), Mutex::new(output), Mutex::new(Ok(())));
        let (columns, picture, scale, workers) = (self.columns, self.picture, self.scale, &self.workers);
        let finished = self.pool.run(&|number| {
            let mut worker = workers[number].lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(patch) = patches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let column = columns.column(patch.column);
                let window = Window { input, levels, picture, column, width: columns.window().width, scale };
                if let Err(error) = worker.make(&window, patch.rows.clone()) {
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                    return;
                }
                window.stitch(
                    &worker.made,
                    patch.rows.start,
                    &mut output.lock().unwrap_or_else(PoisonError::into_inner),
                );
            }
        });
        if !finished {
            return Err(Error::model("the network crashed on a part of this picture"));
        }
        result.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn make(&mut self, window: &Window<'_>, rows: Range<usize>) -> Result<()> {
        let Some(plan) = self.plan.rows() else {
            return Err(Error::internal("a generator that streams has a plan that does not"));
        };
        self.made.resize(rows.len() * window.scale * window.width * window.scale, 0);
        let first = rows.start * window.scale;
        plan.run_rows(rows, &mut Made { window, first, codes: &mut self.made })
    }
}

/// Where a column's window lies.
struct Window<'a> {
    input: &'a [u8],
    levels: [f32; 2],
    picture: Size,
    column: Column,
    /// Pixels of a row of the window.
    width: usize,
    scale: usize,
}

impl Window<'_> {
    /// Copies what the column contributes of the rows from `first` on.
    fn stitch(&self, made: &[u8], first: usize, output: &mut [u8]) {
        let valid = &self.column.valid;
        let (from, length) = ((valid.start - self.column.start) * self.scale, valid.len() * self.scale);
        let stride = self.picture.width * self.scale;
        for (y, row) in made.chunks_exact(self.width * self.scale).enumerate() {
            let to = (first * self.scale + y) * stride + valid.start * self.scale;
            output[to..to + length].copy_from_slice(&row[from..from + length]);
        }
    }
}

/// Reads the window's rows where they lie in the picture; writes whole rows of the window.
struct Made<'a, 'b> {
    window: &'a Window<'b>,
    /// The enlarged row that comes first.
    first: usize,
    codes: &'a mut [u8],
}

impl Ends for Made<'_, '_> {
    fn row(&self, _: usize, _: usize, y: usize) -> Samples<'_> {
        let Window { input, levels, picture, column, width, .. } = self.window;
        Samples::Codes(&input[y * picture.width + column.start..][..*width], *levels)
    }

    fn rows_mut(&mut self, _: usize, _: usize, y: usize, count: usize) -> SamplesMut<'_> {
        let stride = self.window.width * self.window.scale;
        SamplesMut::Codes(&mut self.codes[(y - self.first) * stride..][..count * stride], self.window.levels)
    }
}
