//! The writing side that all formats share: rows are shaped and rounded where they arrive, and encoded by a thread of
//! their own, so that packing goes on while the next rows are being made and no format needs the whole picture to begin.

use super::{EncodeOptions, Format, Metadata, PictureInfo, RowSink, exif, icc, jpeg, png, tiff, webp};
use crate::atomic::AtomicFile;
use crate::error::{Error, Kind, Result};
use crate::frame::{Depth, Layout};
use crate::geometry::Size;
use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Bytes of rows that may wait for the encoder.
const WAITING: usize = 1 << 20;

/// What the rows are lifted off where a format cannot hold alpha.
const BACKGROUND: f32 = 1.0;

/// Where the encoded bytes go.
pub(super) enum Output {
    File(BufWriter<AtomicFile>),
    Stream(BufWriter<Box<dyn Write + Send>>),
}

impl Output {
    pub(super) fn file(file: AtomicFile) -> Self {
        Self::File(BufWriter::with_capacity(1 << 16, file))
    }

    pub(super) fn stream(stream: Box<dyn Write + Send>) -> Self {
        Self::Stream(BufWriter::with_capacity(1 << 16, stream))
    }

    fn commit(self, place: &str) -> Result<()> {
        match self {
            Self::File(writer) => {
                let file = writer.into_inner().map_err(|e| unwritable(e.into_error(), place))?;
                file.commit()
            }
            Self::Stream(mut writer) => writer.flush().map_err(|e| unwritable(e, place)),
        }
    }
}

fn unwritable(error: io::Error, place: &str) -> Error {
    Error::new(Kind::Io, format!("cannot write {place}")).caused_by(error)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(writer) => writer.write(bytes),
            Self::Stream(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(writer) => writer.flush(),
            Self::Stream(writer) => writer.flush(),
        }
    }
}

/// What an encoder is to write.
pub(super) struct Job {
    pub(super) format: Format,
    pub(super) size: Size,
    /// Layout of the file, which may be poorer than that of the rows that come.
    pub(super) layout: Layout,
    /// Depth of the file.
    pub(super) depth: Depth,
    /// Metadata fit for the file.
    pub(super) metadata: Metadata,
    pub(super) options: EncodeOptions,
    /// What errors call the output.
    place: String,
}

impl Job {
    fn new(header: &PictureInfo, options: &EncodeOptions, format: Format, place: &str) -> Result<Self> {
        options.check()?;
        let limit = largest_side(format);
        let size = header.size;
        if size.width == 0 || size.height == 0 || size.width.max(size.height) > limit {
            return Err(Error::limit(format!(
                "cannot write {place}: {format:?} holds sides of 1 to {limit}, not {size}"
            ))
            .fix("write a PNG or a TIFF, or ask for a smaller picture"));
        }
        let (layout, depth) = held_by(format, header);
        if header.layout.has_alpha() && !layout.has_alpha() {
            log::warn!("{format:?} holds no transparency: the picture is laid on white");
        }
        let mut metadata = header.metadata.clone();
        metadata.icc = icc::keep_fitting(metadata.icc, layout);
        if let Some(block) = &mut metadata.exif {
            exif::set_size(block, size);
        }
        Ok(Self { format, size, layout, depth, metadata, options: options.clone(), place: place.into() })
    }

    pub(super) fn size_u32(&self) -> Result<(u32, u32)> {
        match (u32::try_from(self.size.width), u32::try_from(self.size.height)) {
            (Ok(width), Ok(height)) => Ok((width, height)),
            _ => Err(Error::limit(format!("{} pixels are more than any picture file holds", self.size))),
        }
    }

    /// Bytes of one encoded row.
    pub(super) fn row_bytes(&self) -> usize {
        self.size.width * self.layout.channels() * self.depth.bytes()
    }

    pub(super) fn unwritable(&self, error: io::Error) -> Error {
        unwritable(error, &self.place)
    }

    fn encode(&self, rows: &mut Rows, output: &mut Output) -> Result<()> {
        match self.format {
            Format::Png => png::encode(self, rows, output),
            Format::Jpeg => jpeg::encode(self, rows, output),
            Format::WebP => webp::encode(self, rows, output),
            Format::Tiff => tiff::encode(self, rows, output),
            Format::Bmp | Format::Gif | Format::Pnm => {
                Err(Error::internal(format!("{:?} is not written", self.format)))
            }
        }
    }
}

fn largest_side(format: Format) -> usize {
    match format {
        Format::Jpeg => 65_535,
        Format::WebP => 16_383,
        _ => i32::MAX as usize,
    }
}

/// The nearest layout and depth that a file of `format` can hold.
fn held_by(format: Format, header: &PictureInfo) -> (Layout, Depth) {
    match (format, header.layout) {
        (Format::Jpeg, Layout::Grey | Layout::GreyAlpha) => (Layout::Grey, Depth::Eight),
        (Format::Jpeg, Layout::Rgb | Layout::Rgba) | (Format::WebP, Layout::Grey | Layout::Rgb) => {
            (Layout::Rgb, Depth::Eight)
        }
        (Format::WebP, Layout::GreyAlpha | Layout::Rgba) => (Layout::Rgba, Depth::Eight),
        (_, layout) => (layout, header.depth),
    }
}

/// Bytes that writing a picture of `header` as `format` holds beside the rows in hand.
///
/// PNG, JPEG and TIFF are written as the rows come. WebP needs the whole picture at once, and its encoder planes, tokens
/// and tables of its own; measured on 4 and 16 megapixels it took 11 bytes a pixel, or 37 without loss.
pub fn encoder_bytes(header: &PictureInfo, options: &EncodeOptions, format: Format) -> u64 {
    let row = header.size.width as u64 * (header.layout.channels() * header.depth.bytes()) as u64;
    let pixels = header.size.width as u64 * header.size.height as u64;
    match format {
        Format::WebP => {
            let per_pixel = if options.webp_lossless { 44 } else { 16 };
            pixels.saturating_mul(per_pixel)
        }
        // Rows that wait, and the strip or block of rows in the encoder's hands.
        _ => (2 * WAITING as u64).saturating_add(row.saturating_mul(48)),
    }
}

/// The encoder's end of the rows.
pub(super) struct Rows {
    receiver: Receiver<Vec<u8>>,
}

impl Rows {
    /// The next row: samples as bytes, 16-bit ones big-endian.
    ///
    /// # Errors
    /// Where the picture was given up before its last row.
    pub(super) fn take_row(&mut self) -> Result<Vec<u8>> {
        self.receiver.recv().map_err(|_| Error::new(Kind::Interrupted, "the picture was given up half-way"))
    }
}

/// Rows on their way to an encoding thread.
pub(super) struct Sink {
    layout: Layout,
    target: Layout,
    depth: Depth,
    width: usize,
    left: usize,
    sender: Option<SyncSender<Vec<u8>>>,
    encoder: Option<JoinHandle<Result<Output>>>,
    shaped: Vec<f32>,
    place: String,
}

impl Sink {
    pub(super) fn start(
        header: &PictureInfo,
        options: &EncodeOptions,
        format: Format,
        place: &str,
        output: impl FnOnce() -> Result<Output>,
    ) -> Result<Self> {
        let job = Job::new(header, options, format, place)?;
        let mut output = output()?;
        let (target, depth) = (job.layout, job.depth);
        let waiting = (WAITING / job.row_bytes().max(1)).clamp(1, 64);
        let (sender, receiver) = sync_channel(waiting);
        let encoder = std::thread::Builder::new()
            .name("encode".into())
            .spawn(move || {
                job.encode(&mut Rows { receiver }, &mut output)?;
                Ok(output)
            })
            .map_err(|e| Error::new(Kind::Io, "cannot start a thread for the encoder").caused_by(e))?;
        Ok(Self {
            layout: header.layout,
            target,
            depth,
            width: header.size.width,
            left: header.size.height,
            sender: Some(sender),
            encoder: Some(encoder),
            shaped: Vec::new(),
            place: place.into(),
        })
    }

    /// What the encoder ended with.
    fn join(&mut self) -> Result<Output> {
        self.sender = None;
        match self.encoder.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Error::internal("the encoder failed")),
            None => Err(Error::internal("the picture has already ended")),
        }
    }
}

impl RowSink for Sink {
    fn write_row(&mut self, row: &[f32]) -> Result<()> {
        let expected = self.width * self.layout.channels();
        if row.len() != expected || self.left == 0 {
            return Err(Error::internal(format!(
                "{} samples, {} rows left of {expected} samples",
                row.len(),
                self.left
            )));
        }
        let shaped = shape(row, self.layout, self.target, &mut self.shaped);
        let packed = pack(shaped, self.depth);
        if self.sender.as_ref().is_none_or(|sender| sender.send(packed).is_err()) {
            return Err(self.join().err().unwrap_or_else(|| Error::internal("the encoder ended early")));
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.left > 0 {
            return Err(Error::internal(format!("the picture was ended {} rows early", self.left)));
        }
        self.join()?.commit(&self.place)
    }
}

impl Drop for Sink {
    /// Waits for the encoder, so that a picture that is given up has left nothing behind when this returns.
    fn drop(&mut self) {
        if self.encoder.is_some() {
            let _ = self.join();
        }
    }
}

/// `row` in the file's layout: alpha laid on the background, grey spread over three channels.
fn shape<'a>(row: &'a [f32], from: Layout, to: Layout, shaped: &'a mut Vec<f32>) -> &'a [f32] {
    if from == to {
        return row;
    }
    shaped.clear();
    let lift = |colour: f32, alpha: f32| {
        let alpha = alpha.clamp(0.0, 1.0);
        colour.clamp(0.0, 1.0) * alpha + BACKGROUND * (1.0 - alpha)
    };
    for pixel in row.chunks_exact(from.channels()) {
        match (from, to, pixel) {
            (Layout::Grey, Layout::Rgb, &[g]) => shaped.extend([g, g, g]),
            (Layout::GreyAlpha, Layout::Rgba, &[g, a]) => shaped.extend([g, g, g, a]),
            (Layout::GreyAlpha, Layout::Grey, &[g, a]) => shaped.push(lift(g, a)),
            (Layout::Rgba, Layout::Rgb, &[r, g, b, a]) => shaped.extend([lift(r, a), lift(g, a), lift(b, a)]),
            _ => shaped.extend_from_slice(pixel),
        }
    }
    shaped
}

/// Samples rounded to the file's depth, as bytes; 16-bit ones big-endian.
fn pack(row: &[f32], depth: Depth) -> Vec<u8> {
    match depth {
        Depth::Eight => row.iter().map(|&v| depth.quantise(v) as u8).collect(),
        Depth::Sixteen => row.iter().flat_map(|&v| depth.quantise(v).to_be_bytes()).collect(),
    }
}
