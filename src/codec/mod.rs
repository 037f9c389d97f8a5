//! Pictures in files: rows in, rows out, with their metadata kept and their sizes limited.

mod exif;
mod format;
pub mod frames;
mod icc;
mod input;
mod jpeg;
mod limits;
mod memory;
mod orientation;
mod output;
mod plain;
mod png;
mod tiff;
mod tiff_in;
mod webp;

use crate::atomic::AtomicFile;
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use crate::geometry::Size;
use input::Input;
use output::{Output, Sink};
use std::io::{Read, Write};
use std::path::Path;

pub use format::{EncodeOptions, Format, Subsampling, TiffCompression};
pub use limits::Limits;
pub use memory::Memory;
pub use output::encoder_bytes;

/// What is known of a picture before its first row is read.
#[derive(Debug, Clone)]
pub struct PictureInfo {
    /// Width and height of the rows that come (EXIF orientation already applied).
    pub size: Size,
    /// Channels of the rows.
    pub layout: Layout,
    /// Precision of the file's samples.
    pub depth: Depth,
    /// What travels beside the samples.
    pub metadata: Metadata,
    /// Whether rows are decoded one by one; where not, the decoded picture is held in memory.
    pub streams: bool,
}

/// What travels beside the samples, as raw blocks. XMP, IPTC, comments, and PNG's gamma and chromaticities do not.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// ICC profile, fit for the rows' colours.
    pub icc: Option<Vec<u8>>,
    /// EXIF block (TIFF header first); its orientation says "upright", since the rows are.
    pub exif: Option<Vec<u8>>,
}

/// A picture read from the top, row by row.
pub trait RowSource: Send {
    /// What comes.
    fn info(&self) -> &PictureInfo;

    /// Bytes that the first [`RowSource::next_row`] will allocate and the source then hold: the decoded picture and what
    /// its decoder needs beside it. Nothing where the picture [streams](PictureInfo::streams).
    fn held_bytes(&self) -> u64 {
        0
    }

    /// Fills `row` with the next row: `width × channels` interleaved samples from 0.0 to 1.0.
    ///
    /// # Errors
    /// An input error where the file is damaged or ends early.
    fn next_row(&mut self, row: &mut [f32]) -> Result<()>;
}

/// A picture written from the top, row by row.
pub trait RowSink: Send {
    /// Takes the next row: `width × channels` interleaved samples, clamped to 0..1 and rounded to the file's depth here.
    fn write_row(&mut self, row: &[f32]) -> Result<()>;

    /// Ends the file. Until this has returned `Ok` nothing stands under the output's name.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Reads the header of the picture at `path`, whatever its name promises. Nothing is decoded before the first row is
/// asked for. A path that is a pipe is read into memory.
///
/// # Errors
/// An I/O error where it cannot be read, an input error for what is no picture or a damaged one, a limit error for what
/// passes `limits`; all of them, and those of the rows, begin with the path.
pub fn open(path: &Path, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let input = Input::open(path, limits)?;
    let source = open_input(input, limits).map_err(|e| e.at(path.display()))?;
    Ok(Box::new(Named { source, name: path.display().to_string() }))
}

/// As [`open`], for a picture that comes through a pipe; it is read to its end first.
///
/// # Errors
/// As [`open`], without a name in front.
pub fn read_from(reader: impl Read, limits: &Limits) -> Result<Box<dyn RowSource>> {
    open_input(Input::read(reader, limits)?, limits)
}

/// Bytes that decoding the picture at `path` will hold, from its header alone; 0 where its rows stream.
///
/// # Errors
/// As [`open`].
pub fn decoded_bytes(path: &Path, limits: &Limits) -> Result<u64> {
    Ok(open(path, limits)?.held_bytes())
}

fn open_input(mut input: Input, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let start = input.reader.fill_buf().map_err(input::unreadable)?;
    let Some(format) = Format::sniff(start) else {
        return Err(Error::input(if start.is_empty() {
            "the file is empty"
        } else {
            "this is not a picture that is read"
        })
        .fix("pictures are read as PNG, JPEG, WebP, TIFF, BMP, GIF and PNM"));
    };
    match format {
        Format::Png => png::open(input, limits),
        Format::Jpeg => jpeg::open(input, limits),
        Format::WebP => webp::open(input, limits),
        Format::Tiff => tiff::open(input, limits),
        Format::Bmp => plain::open_bmp(input, limits),
        Format::Gif => plain::open_gif(input, limits),
        Format::Pnm => plain::open_pnm(input, limits),
    }
}

/// A source whose errors say which file they are about.
struct Named {
    source: Box<dyn RowSource>,
    name: String,
}

impl RowSource for Named {
    fn info(&self) -> &PictureInfo {
        self.source.info()
    }

    fn held_bytes(&self) -> u64 {
        self.source.held_bytes()
    }

    fn next_row(&mut self, row: &mut [f32]) -> Result<()> {
        self.source.next_row(row).map_err(|e| e.at(&self.name))
    }
}

/// Begins a picture at `path` with rows of `header`'s size and layout, in the format that `options` ask for or else that
/// of the extension. Nothing stands at `path` before [`RowSink::finish`] has returned; a sink that is dropped leaves
/// nothing behind. `header.streams` plays no part.
///
/// What the format cannot hold is given up in the nearest way: alpha is laid on white with a warning in the log (JPEG), 16
/// bits are rounded to 8 (JPEG, WebP), grey becomes RGB (WebP), and a profile that fits no longer is dropped.
///
/// # Errors
/// A usage error where no format can be told or an option is out of range, a limit error where the format cannot hold the
/// size, an I/O error where the folder cannot be written to.
pub fn create(path: &Path, header: &PictureInfo, options: &EncodeOptions) -> Result<Box<dyn RowSink>> {
    let format = Format::for_output(path, options.format)?;
    let place = path.display().to_string();
    Ok(Box::new(Sink::start(header, options, format, &place, || AtomicFile::create(path).map(Output::file))?))
}

/// As [`create`], into a pipe.
///
/// # Errors
/// As [`create`].
pub fn write_to(
    stream: impl Write + Send + 'static,
    format: Format,
    header: &PictureInfo,
    options: &EncodeOptions,
) -> Result<Box<dyn RowSink>> {
    let format = Format::for_output(Path::new("-"), Some(format))?;
    Ok(Box::new(Sink::start(header, options, format, "the picture to its pipe", || {
        Ok(Output::stream(Box::new(stream)))
    })?))
}

#[cfg(test)]
mod tests;
