//! The two ends of the bands: rows split and kept for the windows that still need them, and enlarged rows put together.

use super::bleed::Bleed;
use super::channels::Channels;
use super::planes::FIT;
use super::rows::RowResampler;
use crate::codec::{RowSink, RowSource};
use crate::error::Result;
use crate::geometry::Size;
use crate::resample::Filter;

/// Enlarges what goes beside the generator: chroma and alpha.
pub(crate) const BESIDE: Filter = Filter::Bicubic;

/// Some rows of the enlarged picture, with the picture's rows that were read for them.
#[derive(Default)]
pub(crate) struct Band {
    /// The generator's planes at its own scale, whole rows.
    pub(crate) planes: Vec<Vec<f32>>,
    /// Rows of the planes beside it, at the picture's size, that were not in an earlier band.
    pub(crate) beside: Vec<Vec<f32>>,
}

/// Reads a picture row by row and keeps what the windows still need.
pub(crate) struct Intake<'a> {
    source: &'a mut dyn RowSource,
    channels: Channels,
    size: Size,
    bleed: Option<Bleed>,
    interleaved: Vec<f32>,
    split: Vec<Vec<f32>>,
    /// The generator's planes, rows `first` to `end`.
    pub(crate) planes: Vec<Vec<f32>>,
    pub(crate) first: usize,
    end: usize,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(source: &'a mut dyn RowSource, channels: Channels, size: Size) -> Self {
        let count = channels.layout.channels();
        Self {
            source,
            channels,
            size,
            bleed: channels.layout.has_alpha().then(|| Bleed::new(size.width, size.height, count)),
            interleaved: vec![0.0; size.width * count],
            split: vec![vec![0.0; size.width]; channels.through() + channels.beside()],
            planes: vec![Vec::new(); channels.through()],
            first: 0,
            end: 0,
        }
    }

    /// Forgets the rows before `first` and reads those up to `end`; what goes beside the generator is put into `band`.
    pub(crate) fn advance(&mut self, first: usize, end: usize, band: &mut Band) -> Result<()> {
        for plane in &mut self.planes {
            plane.drain(..(first - self.first) * self.size.width);
        }
        self.first = first;
        band.beside.resize(self.channels.beside(), Vec::new());
        band.beside.iter_mut().for_each(Vec::clear);
        while self.end < end {
            self.read()?;
            let (through, beside) = self.split.split_at(self.planes.len());
            self.planes.iter_mut().zip(through).for_each(|(plane, row)| plane.extend_from_slice(row));
            band.beside.iter_mut().zip(beside).for_each(|(plane, row)| plane.extend_from_slice(row));
            self.end += 1;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        match &mut self.bleed {
            None => self.source.next_row(&mut self.interleaved)?,
            Some(bleed) => {
                while bleed.wants() {
                    self.source.next_row(&mut self.interleaved)?;
                    bleed.push(&self.interleaved);
                }
                bleed.pull(&mut self.interleaved);
            }
        }
        self.channels.split(&self.interleaved, &mut self.split);
        Ok(())
    }
}

/// Puts enlarged rows together and writes them.
pub(crate) struct Composer<'a> {
    sink: &'a mut dyn RowSink,
    channels: Channels,
    size: Size,
    model: Size,
    /// One for each plane, the generator's first.
    resamplers: Vec<RowResampler>,
    rows: Vec<Vec<f32>>,
    interleaved: Vec<f32>,
}

impl<'a> Composer<'a> {
    /// For a picture of `size` that the generator enlarges to `model` and that is written at `target`.
    pub(crate) fn new(sink: &'a mut dyn RowSink, channels: Channels, size: Size, model: Size, target: Size) -> Self {
        let through = (0..channels.through()).map(|_| RowResampler::new(model, target, FIT));
        let beside = (0..channels.beside()).map(|_| RowResampler::new(size, target, BESIDE));
        Self {
            sink,
            channels,
            size,
            model,
            resamplers: through.chain(beside).collect(),
            rows: vec![vec![0.0; target.width]; channels.through() + channels.beside()],
            interleaved: vec![0.0; target.width * channels.layout.channels()],
        }
    }

    /// Writes every row that the band completes.
    pub(crate) fn take(&mut self, band: &Band) -> Result<()> {
        let (through, beside) = self.resamplers.split_at_mut(self.channels.through());
        for (resampler, plane) in beside.iter_mut().zip(&band.beside) {
            plane.chunks_exact(self.size.width).for_each(|row| resampler.push(row));
        }
        let rows = band.planes.first().map_or(0, |plane| plane.len() / self.model.width);
        for y in 0..rows {
            for (resampler, plane) in through.iter_mut().zip(&band.planes) {
                resampler.push(&plane[y * self.model.width..][..self.model.width]);
            }
            while through.iter().chain(&*beside).all(RowResampler::is_ready) {
                for (resampler, row) in through.iter_mut().chain(&mut *beside).zip(&mut self.rows) {
                    resampler.pull(row);
                }
                self.channels.join(&self.rows, &mut self.interleaved);
                self.sink.write_row(&self.interleaved)?;
            }
        }
        Ok(())
    }
}
