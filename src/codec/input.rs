//! The bytes of a file or a pipe, and pictures that must be decoded whole before their first row comes.

use super::orientation::Orientation;
use super::{Limits, Metadata, PictureInfo, RowSource, exif, icc};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use crate::geometry::Size;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// What decoders read from.
pub(super) trait ReadSeek: BufRead + Seek + Send {}
impl<T: BufRead + Seek + Send> ReadSeek for T {}

/// An encoded picture, positioned at its beginning.
pub(super) struct Input {
    pub(super) reader: Box<dyn ReadSeek>,
    /// Bytes in all.
    pub(super) length: u64,
}

impl Input {
    /// Opens the file at `path`; what cannot be rewound (a pipe) is read into memory.
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let cannot = |e| Error::io("cannot read", path, e);
        let file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            return Err(Error::input(format!("{} is a folder, not a picture", path.display())));
        }
        if !metadata.is_file() {
            return Self::read(file, limits);
        }
        Ok(Self { reader: Box::new(BufReader::with_capacity(1 << 16, file)), length: metadata.len() })
    }

    /// Reads everything that `reader` has.
    pub(super) fn read(reader: impl Read, limits: &Limits) -> Result<Self> {
        let mut bytes = Vec::new();
        reader.take(limits.input.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
        limits.check_input(bytes.len() as u64)?;
        Ok(Self { length: bytes.len() as u64, reader: Box::new(Cursor::new(bytes)) })
    }

    /// The whole file, for decoders that do not read on demand.
    pub(super) fn into_bytes(self, limits: &Limits) -> Result<Vec<u8>> {
        limits.check_input(self.length)?;
        let mut bytes = Vec::with_capacity(self.length as usize);
        self.reader.take(limits.input.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
        limits.check_input(bytes.len() as u64)?;
        Ok(bytes)
    }
}

/// The operating system could not hand over the file's bytes, or they ended.
pub(super) fn unreadable(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        Error::input("the file ends early").fix("it was probably cut off while being copied")
    } else {
        Error::input("the file cannot be read").caused_by(error)
    }
}

/// Runs a decoder of others, which might panic on files made to harm it.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(Error::input("the file is damaged: its decoder failed")))
}

/// Decoded samples, interleaved row by row.
pub(super) enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

impl Samples {
    /// From big-endian pairs.
    pub(super) fn from_big_endian(bytes: &[u8]) -> Self {
        Self::Sixteen(bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
    }

    /// From pairs in this machine's order.
    pub(super) fn from_native(bytes: &[u8]) -> Self {
        Self::Sixteen(bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect())
    }

    /// Fills `row` with pixels from number `start` on, in steps of `step`, as samples from 0.0 to 1.0.
    pub(super) fn copy_row(&self, start: usize, step: isize, channels: usize, row: &mut [f32]) {
        match self {
            Self::Eight(samples) => gather(samples, channels, (start, step), row, |v| f32::from(v) / 255.0),
            Self::Sixteen(samples) => gather(samples, channels, (start, step), row, |v| f32::from(v) / 65535.0),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Eight(samples) => samples.len(),
            Self::Sixteen(samples) => samples.len(),
        }
    }
}

/// What a format's reader found in the header.
pub(super) struct Header {
    /// Size as stored, before the orientation is applied.
    pub(super) stored: Size,
    pub(super) layout: Layout,
    pub(super) depth: Depth,
    pub(super) orientation: Orientation,
    pub(super) metadata: Metadata,
}

impl Header {
    /// A header whose orientation is the EXIF block's. Blocks that are too large are refused, profiles that do not fit
    /// and EXIF that is none are dropped.
    pub(super) fn new(
        (stored, layout, depth): (Size, Layout, Depth),
        icc: Option<Vec<u8>>,
        exif: Option<Vec<u8>>,
        limits: &Limits,
    ) -> Result<Self> {
        limits.check_metadata("colour profile", icc.as_ref().map_or(0, Vec::len) as u64)?;
        limits.check_metadata("EXIF block", exif.as_ref().map_or(0, Vec::len) as u64)?;
        let mut exif = exif.and_then(|bytes| exif::accept(&bytes));
        let orientation = exif.as_deref().map_or(Orientation::UPRIGHT, exif::orientation);
        if let Some(block) = &mut exif {
            exif::make_upright(block);
        }
        Ok(Self {
            stored,
            layout,
            depth,
            orientation,
            metadata: Metadata { icc: icc::keep_fitting(icc, layout), exif },
        })
    }

    /// Bytes of the decoded picture.
    pub(super) fn decoded_bytes(&self) -> u64 {
        let pixels = self.stored.width as u64 * self.stored.height as u64;
        pixels.saturating_mul((self.layout.channels() * self.depth.bytes()) as u64)
    }

    pub(super) fn into_info(self, streams: bool) -> PictureInfo {
        PictureInfo {
            size: self.orientation.apply(self.stored),
            layout: self.layout,
            depth: self.depth,
            metadata: self.metadata,
            streams,
        }
    }
}

/// A picture that is decoded whole when its first row is asked for.
pub(super) struct Held {
    info: PictureInfo,
    stored: Size,
    orientation: Orientation,
    bytes: u64,
    decode: Option<Box<dyn FnOnce() -> Result<Samples> + Send>>,
    samples: Samples,
    next: usize,
}

impl Held {
    /// A picture of which `decode` gives the stored rows; decoding takes `working` bytes beside the decoded picture.
    ///
    /// # Errors
    /// A limit error where that is too much to hold.
    pub(super) fn source(
        header: Header,
        working: u64,
        limits: &Limits,
        decode: impl FnOnce() -> Result<Samples> + Send + 'static,
    ) -> Result<Box<dyn RowSource>> {
        let bytes = header.decoded_bytes().saturating_add(working);
        limits.check_decoded(bytes)?;
        let (stored, orientation) = (header.stored, header.orientation);
        Ok(Box::new(Self {
            info: header.into_info(false),
            stored,
            orientation,
            bytes,
            decode: Some(Box::new(decode)),
            samples: Samples::Eight(Vec::new()),
            next: 0,
        }))
    }
}

impl RowSource for Held {
    fn info(&self) -> &PictureInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        self.bytes
    }

    fn next_row(&mut self, row: &mut [f32]) -> Result<()> {
        let channels = self.info.layout.channels();
        check_row(row, &self.info, self.next)?;
        if let Some(decode) = self.decode.take() {
            self.samples = guarded(decode)?;
        }
        if self.samples.len() != self.stored.area() * channels {
            return Err(Error::input("the file holds fewer pixels than its header says"));
        }
        let (start, step) = self.orientation.walk(self.stored, self.next);
        self.samples.copy_row(start, step, channels, row);
        self.next += 1;
        Ok(())
    }
}

/// That `row` is one row of the picture and that there is a row `next` to come.
pub(super) fn check_row(row: &[f32], info: &PictureInfo, next: usize) -> Result<()> {
    if next >= info.size.height {
        return Err(Error::internal(format!("row {next} asked of a picture with {} rows", info.size.height)));
    }
    let expected = info.size.width * info.layout.channels();
    if row.len() == expected {
        Ok(())
    } else {
        Err(Error::internal(format!("a row of {} samples where there must be {expected}", row.len())))
    }
}

/// Takes pixels from `start` on in steps of `step`.
fn gather<T: Copy>(
    samples: &[T],
    channels: usize,
    (start, step): (usize, isize),
    row: &mut [f32],
    convert: impl Fn(T) -> f32,
) {
    let mut at = start;
    for pixel in row.chunks_exact_mut(channels) {
        for (out, &sample) in pixel.iter_mut().zip(&samples[at * channels..]) {
            *out = convert(sample);
        }
        at = at.wrapping_add_signed(step);
    }
}
