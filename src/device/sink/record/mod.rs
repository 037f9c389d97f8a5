//! Recording: the enlarged picture in files of a minute or so, the oldest deleted when a quota is full.
//!
//! ```text
//! upres-20261121-184134.mkv · upres-20261121-184234.mkv · upres-20261121-184334.part.mkv (in hand)
//! ```
//! A power cut costs the last second or two: a file left behind under its temporary name can be played, and gets its name
//! when the next run begins.

mod ebml;
mod flusher;
mod matroska;
mod segment;
mod shelf;
#[cfg(test)]
pub(in crate::device::sink) mod testing;

use super::Sink;
use crate::codec::frames::JpegEncoder;
use crate::device::shot::Shown;
use crate::error::{Error, Result};
use flusher::Flusher;
use segment::{SPARE, Segment};
use shelf::Shelf;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What recordings are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Container {
    /// JPEGs in Matroska, each shown at the time when it was taken.
    #[default]
    Mkv,
    /// Raw frames: nothing is lost, and an hour of them fills any disk.
    Y4m,
}

impl FromStr for Container {
    type Err = Error;

    /// Reads `mkv` or `y4m`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "mkv" => Ok(Self::Mkv),
            "y4m" => Ok(Self::Y4m),
            _ => Err(Error::usage(format!("recordings are mkv or y4m, not '{text}'"))),
        }
    }
}

/// What is recorded where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOptions {
    /// An existing folder. Files of other names in it are left alone.
    pub folder: PathBuf,
    /// What files are.
    pub container: Container,
    /// How long a file lasts.
    pub segment: Duration,
    /// The most bytes that all recordings in the folder may have.
    pub quota: u64,
    /// Of JPEGs, 1 to 100.
    pub quality: u8,
}

impl RecordOptions {
    /// A minute a file, 2 GB, quality 85.
    pub fn new(folder: PathBuf) -> Self {
        let (container, segment) = (Container::default(), Duration::from_secs(60));
        Self { folder, container, segment, quota: 2_000_000_000, quality: 85 }
    }
}

/// The smallest quota, in bytes.
const LEAST_QUOTA: u64 = 4 << 20;

/// Records what is shown. The file in hand is ended when this is dropped.
pub struct Recorder {
    options: RecordOptions,
    shelf: Shelf,
    encoder: JpegEncoder,
    jpeg: Vec<u8>,
    segment: Option<Segment>,
    flusher: Flusher,
}

impl Recorder {
    /// Looks into the folder, and gives files their names that an earlier run could not end.
    ///
    /// # Errors
    /// A usage error where an option is out of range, an I/O error where the folder is not there or cannot be read.
    pub fn open(options: &RecordOptions) -> Result<Self> {
        if options.segment < Duration::from_secs(1) {
            return Err(Error::usage("a file of a recording lasts a second at least"));
        }
        if options.quota < LEAST_QUOTA {
            return Err(Error::usage(format!("recordings need {LEAST_QUOTA} bytes at least, not {}", options.quota)));
        }
        if !(1..=100).contains(&options.quality) {
            return Err(Error::usage(format!("the quality of JPEGs is 1 to 100, not {}", options.quality)));
        }
        let shelf = Shelf::open(&options.folder, options.quota)?;
        let encoder = JpegEncoder::new(options.quality);
        Ok(Self {
            options: options.clone(),
            shelf,
            encoder,
            jpeg: Vec::new(),
            segment: None,
            flusher: Flusher::start()?,
        })
    }

    fn ending(&self) -> &'static str {
        match self.options.container {
            Container::Mkv => "mkv",
            Container::Y4m => "y4m",
        }
    }

    /// Ends the file in hand.
    fn finish(&mut self) -> Result<()> {
        if let Some(segment) = self.segment.take()
            && let Some((path, bytes)) = segment.finish(&self.shelf)?
        {
            self.shelf.add(&path, bytes);
        }
        Ok(())
    }

    /// Encodes the frame and tells how many bytes it will take.
    fn encode(&mut self, shown: &Shown) -> Result<u64> {
        Ok(match self.options.container {
            Container::Mkv => {
                self.encoder.encode(&shown.large.header, &shown.large.bytes, &mut self.jpeg)?;
                self.jpeg.len() as u64 + 64
            }
            Container::Y4m => shown.large.bytes.len() as u64 + 6,
        })
    }

    fn record(&mut self, shown: &Shown) -> Result<()> {
        let bytes = self.encode(shown)? + SPARE;
        // A file may have half the quota, so that there is always something to look at.
        let most = self.options.quota / 2;
        if bytes > most {
            let what = format!("a frame of {bytes} bytes is too large for a quota of {} bytes", self.options.quota);
            return Err(Error::limit(what).fix("give recordings a larger quota"));
        }
        let length = self.options.segment;
        if self.segment.as_ref().is_some_and(|own| !own.fits(shown, length) || own.bytes() + bytes > most) {
            self.finish()?;
        }
        let ending = self.ending();
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => {
                let now = SystemTime::now();
                let part = self.shelf.begin(ending, now)?;
                none.insert(Segment::begin(part, self.options.container, shown, now)?)
            }
        };
        self.shelf.make_room(segment.bytes() + bytes)?;
        segment.add(shown, &self.jpeg, &self.flusher)
    }

    /// What is to be done after `result`: where it is an error, what is whole of the file in hand is kept.
    fn settle(&mut self, result: Result<()>) -> Result<()> {
        if result.is_err()
            && let Some(segment) = self.segment.take()
        {
            segment.salvage(&self.shelf);
        }
        result
    }
}

impl Sink for Recorder {
    fn show(&mut self, shown: &Arc<Shown>) -> Result<()> {
        let recorded = self.record(shown);
        self.settle(recorded)
    }

    fn idle(&mut self) -> Result<()> {
        let length = self.options.segment;
        let done = match &mut self.segment {
            None => return Ok(()),
            Some(segment) if segment.is_over(length) => self.finish(),
            Some(segment) => segment.flush(&self.flusher),
        };
        self.settle(done)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            log::warn!("the last recording was not ended: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
