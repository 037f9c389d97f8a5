//! A Y4M file, over and over, at its own rate. Other videos come through ffmpeg.

use super::feed::WAIT;
use super::planes::accept;
use super::{Next, Source};
use crate::codec::{self, Limits};
use crate::device::clock;
use crate::device::shot::{Format, Shot};
use crate::error::{Error, Kind, Result};
use crate::y4m::{Ratio, Reader};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Frames a second where the file does not say.
const RATE: Ratio = Ratio { num: 30, den: 1 };
/// More frames a second are not shown.
const MOST_RATE: f64 = 1000.0;
/// So late, the beat is begun anew instead of hurrying.
const LATE: Duration = Duration::from_secs(1);

/// A Y4M file that never ends.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    reader: Reader<std::fs::File>,
    format: Format,
    gap: Duration,
    due: Option<Duration>,
    number: u64,
    /// Frames since the file's beginning.
    frames: u64,
}

impl File {
    /// Whether the file at `path` is Y4M.
    ///
    /// # Errors
    /// An I/O error where it cannot be read, a usage error where it is a folder or a picture.
    pub fn is_y4m(path: &Path) -> Result<bool> {
        let cannot = |error| Error::io("cannot read", path, error);
        let metadata = std::fs::metadata(path).map_err(cannot)?;
        if !metadata.is_file() {
            let fix = "name a video; for a named pipe, pipe:PATH";
            return Err(Error::usage(format!("{} is no file", path.display())).fix(fix));
        }
        let mut start = Vec::with_capacity(10);
        std::fs::File::open(path).map_err(cannot)?.take(10).read_to_end(&mut start).map_err(cannot)?;
        if start.is_empty() {
            return Err(Error::input(format!("{} is empty", path.display())));
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let many = ["mjpeg", "mjpg", "gif"].contains(&extension.as_str());
        if !many && codec::open(path, &Limits::default()).is_ok() {
            let fix = format!("upres upscale {}", path.display());
            return Err(Error::usage(format!("{} is a picture, not a video", path.display())).fix(fix));
        }
        Ok(start == b"YUV4MPEG2 ")
    }

    /// Opens a Y4M file.
    ///
    /// # Errors
    /// An I/O error where it cannot be read; an input error where it is no Y4M of 8 bits a sample.
    pub fn open(path: &Path) -> Result<Self> {
        let (reader, format) = begin(path)?;
        let gap = gap(format.rate);
        Ok(Self { path: path.to_path_buf(), reader, format, gap, due: None, number: 0, frames: 0 })
    }

    /// Reads a frame, from the beginning again after the last.
    fn read(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        if self.read_on(bytes)? {
            return Ok(());
        }
        if self.frames > 0 {
            (self.reader, self.format) = begin(&self.path)?;
            (self.gap, self.frames) = (gap(self.format.rate), 0);
            if self.read_on(bytes)? {
                return Ok(());
            }
        }
        Err(self.place(Error::input("the video has no frame")))
    }

    /// Reads the next frame; `false` at the end.
    fn read_on(&mut self, bytes: &mut Vec<u8>) -> Result<bool> {
        let whole = match self.reader.next_frame(bytes) {
            // A file that is cut off is shown up to there.
            Err(error) if self.frames > 0 && error.kind() != Kind::Io => false,
            whole => whole.map_err(|error| self.place(error))?,
        };
        self.frames += u64::from(whole);
        Ok(whole)
    }

    fn place(&self, error: Error) -> Error {
        error.at(self.path.display())
    }
}

fn begin(path: &Path) -> Result<(Reader<std::fs::File>, Format)> {
    let file = std::fs::File::open(path).map_err(|error| Error::io("cannot read", path, error))?;
    let reader = Reader::new(file).map_err(|error| error.at(path.display()))?;
    let mut format = accept(reader.header()).map_err(|error| error.at(path.display()))?;
    format.rate = format.rate.or(Some(RATE));
    Ok((reader, format))
}

fn gap(rate: Option<Ratio>) -> Duration {
    let rate = rate.unwrap_or(RATE);
    let rate = f64::from(rate.num) / f64::from(rate.den);
    if rate > 0.0 && rate.is_finite() {
        Duration::try_from_secs_f64(1.0 / rate.min(MOST_RATE)).unwrap_or(LATE)
    } else {
        Duration::from_secs(1) / RATE.num
    }
}

impl Source for File {
    fn format(&self) -> Format {
        self.format
    }

    fn next(&mut self, shot: &mut Shot) -> Result<Next> {
        let now = clock::now();
        let due = self.due.filter(|&due| now.saturating_sub(due) < LATE).unwrap_or(now);
        let left = due.saturating_sub(now);
        sleep(left.min(WAIT));
        if left > WAIT {
            return Ok(Next::Nothing);
        }
        self.read(&mut shot.bytes)?;
        (shot.format, shot.number, shot.taken) = (self.format, self.number, clock::now());
        self.number += 1;
        self.due = Some(due + self.gap);
        Ok(Next::Frame)
    }
}

#[cfg(test)]
mod tests;
