//! The recording in hand.

use super::Container;
use super::flusher::Flusher;
use super::matroska::Matroska;
use super::shelf::{Part, Shelf, cannot_write};
use crate::device::clock;
use crate::device::shot::Shown;
use crate::error::Result;
use crate::y4m::{Header, Writer};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often frames are brought to the disk: how much a power cut may cost.
const SYNC: Duration = Duration::from_secs(1);
/// What the end of a file may need beside its frames: an entry of 60 bytes for every second of an hour.
pub(super) const SPARE: u64 = 1 << 18;

#[derive(Debug)]
enum Format {
    Mkv(Matroska),
    Y4m { writer: Writer<File>, written: u64 },
}

/// A file being written, all of whose frames have one size.
#[derive(Debug)]
pub(super) struct Segment {
    part: Part,
    format: Format,
    header: Header,
    /// Bytes in front of the first frame.
    header_bytes: u64,
    frames: u64,
    first: Duration,
    last: Duration,
    opened: Duration,
    synced: Duration,
}

impl Segment {
    /// Begins a file for frames like `shown`.
    pub(super) fn begin(mut part: Part, container: Container, shown: &Shown, now: SystemTime) -> Result<Self> {
        let header = shown.large.header.clone();
        let begun = match container {
            Container::Mkv => Matroska::new(&mut part.file, header.size, now).map(Format::Mkv),
            Container::Y4m => part.file.try_clone().and_then(|file| {
                let written = header.to_string().len() as u64 + 1;
                Ok(Format::Y4m { writer: Writer::new(file, &header)?, written })
            }),
        };
        let format = match begun {
            Ok(format) => format,
            Err(error) => {
                let error = cannot_write(&part.path, error);
                // A file without a frame is of no use to anybody.
                let _ = std::fs::remove_file(&part.path);
                return Err(error);
            }
        };
        let (first, now) = (shown.taken, clock::now());
        let mut own =
            Self { part, format, header, header_bytes: 0, frames: 0, first, last: first, opened: now, synced: now };
        own.header_bytes = own.written();
        Ok(own)
    }

    /// Whether `shown` may follow: the same kind of frame, taken after the others, in this file's time of `length`.
    pub(super) fn fits(&self, shown: &Shown, length: Duration) -> bool {
        let header = &shown.large.header;
        let alike = match self.format {
            Format::Mkv(_) => header.size == self.header.size,
            Format::Y4m { .. } => *header == self.header,
        };
        // A step back of a frame or two is a driver's; more is another clock.
        let forward = shown.taken + Duration::from_secs(1) >= self.last;
        alike && forward && shown.taken.saturating_sub(self.first) < length
    }

    /// Whether its time is over, though no frame has come to end it.
    pub(super) fn is_over(&self, length: Duration) -> bool {
        clock::now().saturating_sub(self.opened) >= length
    }

    /// Bytes that it has, or will have with what waits to be written.
    pub(super) fn bytes(&self) -> u64 {
        self.written() + if let Format::Mkv(matroska) = &self.format { matroska.waiting() as u64 } else { 0 }
    }

    /// Bytes of the file that hold whole frames.
    fn written(&self) -> u64 {
        match &self.format {
            Format::Mkv(matroska) => matroska.written(),
            Format::Y4m { written, .. } => *written,
        }
    }

    /// Adds a frame, of which `jpeg` is the file; Y4M takes the planes.
    pub(super) fn add(&mut self, shown: &Shown, jpeg: &[u8], flusher: &Flusher) -> Result<()> {
        let before = self.written();
        let added = match &mut self.format {
            Format::Mkv(matroska) => matroska.add(&mut self.part.file, jpeg, shown.taken),
            Format::Y4m { writer, written } => writer.write_frame(&shown.large.bytes).map(|()| {
                *written += shown.large.bytes.len() as u64 + 6;
            }),
        };
        let synced = added.and_then(|()| if self.written() > before { self.sync(flusher) } else { Ok(()) });
        synced.map_err(|error| cannot_write(&self.part.path, error))?;
        self.frames += 1;
        self.last = self.last.max(shown.taken);
        Ok(())
    }

    /// Writes all that came so far.
    ///
    /// # Errors
    /// An I/O error.
    pub(super) fn flush(&mut self, flusher: &Flusher) -> Result<()> {
        let flushed = match &mut self.format {
            Format::Mkv(matroska) => matroska.flush(&mut self.part.file),
            Format::Y4m { .. } => Ok(false),
        };
        let flushed = flushed.and_then(|any| if any { self.sync(flusher) } else { Ok(()) });
        flushed.map_err(|error| cannot_write(&self.part.path, error))
    }

    fn sync(&mut self, flusher: &Flusher) -> io::Result<()> {
        let now = clock::now();
        if now.saturating_sub(self.synced) < SYNC {
            return Ok(());
        }
        self.synced = now;
        flusher.ask(&self.part.file)
    }

    /// Ends the file and puts it on the shelf; its bytes come with its name.
    ///
    /// # Errors
    /// An I/O error; what was whole before is kept all the same where that is possible.
    pub(super) fn finish(mut self, shelf: &Shelf) -> Result<Option<(PathBuf, u64)>> {
        if let Format::Mkv(matroska) = &mut self.format
            && let Err(error) = matroska.finish(&mut self.part.file)
        {
            let error = cannot_write(&self.part.path, error);
            self.salvage(shelf);
            return Err(error);
        }
        if self.frames == 0 {
            self.discard();
            return Ok(None);
        }
        let bytes = self.written();
        Ok(Some((shelf.keep(self.part)?, bytes)))
    }

    /// Keeps what is whole of a file that cannot be written any more.
    pub(super) fn salvage(self, shelf: &Shelf) {
        let whole = self.written();
        if whole == self.header_bytes {
            return self.discard();
        }
        let path = self.part.path.clone();
        let cut = self.part.file.set_len(whole).map_err(|error| cannot_write(&path, error));
        if let Err(error) = cut.and_then(|()| shelf.keep(self.part)) {
            log::warn!("the recording in hand stays as it is: {error}");
        }
    }

    fn discard(self) {
        // A file without a frame is of no use to anybody; where it cannot go, it is adopted one day.
        let _ = std::fs::remove_file(&self.part.path);
    }
}
