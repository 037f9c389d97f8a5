//! One picture from a row source to a row sink, in bands of bounded memory.
//!
//! ```text
//! source ▸ colour spread under transparency ▸ split ─▸ rows kept for the windows ─▸ crew of threads ─▸ band ┐
//!                                                 └─▸ chroma and alpha, at the picture's size ──────────────┤ thread
//!                     sink ◂ interleave ◂ generator's rows to the target, chroma and alpha by bicubic ◂─────┘ "writer"
//! ```
//!
//! A band is one or more rows of windows. While one is enlarged, the one before is written: at most two exist.

use super::bands::{BESIDE, Band, Composer, Intake};
use super::bleed::Bleed;
use super::channels::Channels;
use super::crew::{Crew, Rows, RowsMut, planes};
use super::generator::Generator;
use super::planes::FIT;
use super::rows::RowResampler;
use super::tile::{Grid, TileOptions};
use crate::codec::{RowSink, RowSource};
use crate::engine::{Samples, SamplesMut};
use crate::error::{Error, Kind, Result};
use crate::frame::Layout;
use crate::geometry::Size;
use crate::progress::Progress;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// Bytes that one band's generator planes may take before it is cut down to a single row of windows.
const BAND_BYTES: u64 = 64 << 20;

/// How one picture is led through a generator.
pub struct PicturePlan {
    size: Size,
    target: Size,
    layout: Layout,
    /// `None` where the picture passes as it is.
    work: Option<Work>,
}

struct Work {
    generator: Arc<dyn Generator>,
    channels: Channels,
    grid: Grid,
    model: Size,
    threads: usize,
    /// Rows of windows in a band.
    group: usize,
}

impl PicturePlan {
    /// Plans a picture of `size` and `layout` that becomes `target`: through the generator and then, where its scale is
    /// not the one asked, through a resampler. Where `target` is `size` the picture passes unchanged. Nothing large is
    /// allocated before [`PicturePlan::run`].
    ///
    /// # Errors
    /// Those of [`Grid::new`]; a limit error where sizes overflow.
    pub fn new(
        generator: Arc<dyn Generator>,
        size: Size,
        layout: Layout,
        target: Size,
        tiles: &TileOptions,
    ) -> Result<Self> {
        if size == target {
            return Ok(Self { size, target, layout, work: None });
        }
        let card = generator.card();
        let grid = Grid::new(generator.as_ref(), size, tiles)?;
        let model = size.checked_scale(card.scale)?;
        let channels = Channels { layout, colour: card.colour };
        let window_rows = (grid.tallest() * card.scale) as u64 * model.width as u64 * channels.through() as u64 * 4;
        let threads = tiles.threads.max(1);
        let each = if grid.is_banded() { threads } else { 4 * threads };
        let wanted = each.div_ceil(grid.columns()).clamp(1, grid.rows());
        let group = wanted.min((BAND_BYTES / window_rows.max(1)).max(1) as usize);
        let work = Work { generator, channels, grid, model, threads, group };
        Ok(Self { size, target, layout, work: Some(work) })
    }

    /// Whether the picture is smaller than the model's windows, so that its edge is repeated to fill one.
    pub fn is_padded(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.grid.is_padded())
    }

    /// Bytes that [`PicturePlan::run`] allocates at most, without those of the source and the sink.
    pub fn memory(&self) -> u64 {
        let row = |size: Size| (size.width * self.layout.channels()) as u64 * 4;
        match &self.work {
            None => row(self.size),
            Some(work) => row(self.size) + row(self.target) + work.memory(self.size, self.target),
        }
    }

    /// Reads the whole picture and writes the whole enlarged one; the caller finishes the sink. One unit of progress is one
    /// pixel read.
    ///
    /// # Errors
    /// Those of source, generator and sink; an interruption where `progress` asks for it.
    pub fn run(&self, source: &mut dyn RowSource, sink: &mut dyn RowSink, progress: &dyn Progress) -> Result<()> {
        match &self.work {
            None => self.pass(source, sink, progress),
            Some(work) => work.run(self.target, source, sink, progress),
        }
    }

    fn pass(&self, source: &mut dyn RowSource, sink: &mut dyn RowSink, progress: &dyn Progress) -> Result<()> {
        let mut row = vec![0.0; self.size.width * self.layout.channels()];
        for _ in 0..self.size.height {
            if progress.stopped() {
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            source.next_row(&mut row)?;
            sink.write_row(&row)?;
            progress.advance(self.size.width as u64);
        }
        Ok(())
    }
}

impl Work {
    fn run(
        &self,
        target: Size,
        source: &mut dyn RowSource,
        sink: &mut dyn RowSink,
        progress: &dyn Progress,
    ) -> Result<()> {
        let size = self.grid.picture();
        let mut crew = Crew::new(self.generator.as_ref(), self.grid, self.threads)?;
        let mut intake = Intake::new(source, self.channels, size);
        let mut composer = Composer::new(sink, self.channels, size, self.model, target);
        let (full, arriving) = sync_channel::<Band>(0);
        let (give_back, empty) = channel::<Band>();
        for _ in 0..2 {
            let _ = give_back.send(Band::default());
        }
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || write(&mut composer, &arriving, &give_back));
            let read = self.enlarge(&mut intake, &mut crew, &empty, &full, progress);
            drop(full);
            let wrote = writer.join().unwrap_or_else(|_| Err(Error::internal("writing the picture crashed")));
            // When writing fails, reading fails after it for want of someone who takes the bands: the first cause counts.
            wrote.and(read)
        })
    }

    /// The windows of each band, in order.
    fn bands(&self) -> impl Iterator<Item = Range<usize>> {
        let (columns, rows, group) = (self.grid.columns(), self.grid.rows(), self.group);
        (0..rows).step_by(group).map(move |row| row * columns..(row + group).min(rows) * columns)
    }

    fn enlarge(
        &self,
        intake: &mut Intake<'_>,
        crew: &mut Crew,
        empty: &Receiver<Band>,
        full: &SyncSender<Band>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let nobody = |_| Error::internal("the writer has gone");
        let scale = self.generator.card().scale;
        for tiles in self.bands() {
            let mut band = empty.recv().map_err(|_| Error::internal("the writer has gone"))?;
            let (first, last) = (self.grid.tile(tiles.start), self.grid.tile(tiles.end - 1));
            let end = last.window.bottom().min(self.grid.picture().height);
            intake.advance(first.window.y, end, &mut band)?;
            let rows = (last.valid.bottom() - first.valid.y) * scale;
            band.planes.resize(self.channels.through(), Vec::new());
            band.planes.iter_mut().for_each(|plane| plane.resize(rows * self.model.width, 0.0));
            let sources = planes(intake.planes.iter().map(|plane| Samples::Float(plane)));
            let input = Rows { picture: self.grid.picture(), first: intake.first, planes: sources };
            let targets = planes(band.planes.iter_mut().map(|plane| SamplesMut::Float(plane)));
            let output = RowsMut { width: self.model.width, first: first.valid.y * scale, planes: targets };
            crew.run(tiles, &input, output, progress)?;
            full.send(band).map_err(nobody)?;
        }
        Ok(())
    }

    fn memory(&self, size: Size, target: Size) -> u64 {
        let scale = self.generator.card().scale;
        let (through, beside) = (self.channels.through(), self.channels.beside());
        let window = self.grid.window();
        // Rows of windows overlap, so this is more than a band ever reads or contributes.
        let tallest = self.grid.tallest();
        let rows = (tallest * self.group).min(size.height.max(tallest));
        let kept = (rows * size.width * 4) as u64 * (through + 3 * beside) as u64;
        let bands = 2 * (rows * scale) as u64 * self.model.width as u64 * through as u64 * 4;
        let resamplers = through as u64 * RowResampler::bytes(self.model, target, FIT, 2)
            + beside as u64 * RowResampler::bytes(size, target, BESIDE, rows);
        let bleed = if self.channels.layout.has_alpha() {
            Bleed::bytes(size.width, self.channels.layout.channels())
        } else {
            0
        };
        let split = ((through + beside) * (size.width + target.width) * 4) as u64;
        let workers = self.threads.min(self.grid.len()) as u64
            * (self.grid.window_bytes(through, scale) + self.generator.working_bytes(window));
        kept + bands + resamplers + bleed + split + workers
    }
}

fn write(composer: &mut Composer<'_>, arriving: &Receiver<Band>, give_back: &Sender<Band>) -> Result<()> {
    for band in arriving {
        composer.take(&band)?;
        // The last bands find nobody who wants them back.
        let _ = give_back.send(band);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
