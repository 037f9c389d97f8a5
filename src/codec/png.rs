//! PNG: rows in as they are unpacked and rows out as they come.

use super::input::{Header, Held, Input, ReadSeek, Samples, check_row, guarded, unreadable};
use super::orientation::Orientation;
use super::output::{Job, Output, Rows};
use super::{Limits, PictureInfo, RowSource};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use png::{BitDepth, ColorType, Compression, DecodingError, DeflateCompression, Filter, Transformations};
use std::io::{SeekFrom, Write};

type Reader = png::Reader<Box<dyn ReadSeek>>;

/// Bytes that the decoder may take for rows and blocks in hand, beside the metadata.
const WORKING: usize = 64 << 20;

/// Reads the header of a PNG.
pub(super) fn open(mut input: Input, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let survey = Survey::take(&mut *input.reader, limits)?;
    let size = limits.check_size(survey.width.into(), survey.height.into())?;
    let mut decoder = png::Decoder::new(input.reader);
    decoder.set_limits(png::Limits { bytes: WORKING.saturating_add(limits.metadata as usize) });
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = guarded(|| decoder.read_info().map_err(damaged))?;
    limits.check_frames(reader.info().animation_control.map_or(1, |a| u64::from(a.num_frames)))?;
    let (layout, depth) = layout_of(&reader)?;
    let icc = reader.info().icc_profile.as_ref().map(|profile| profile.to_vec());
    if survey.has_profile && icc.is_none() {
        log::warn!("the colour profile is damaged or too large and is dropped");
    }
    let header = Header::new((size, layout, depth), icc, survey.exif, limits)?;
    if reader.info().interlaced {
        let working = if depth == Depth::Sixteen { header.decoded_bytes() } else { 0 };
        return Held::source(header, working, limits, move || read_interlaced(&mut reader, depth));
    }
    if header.orientation != Orientation::UPRIGHT {
        return Held::source(header, 0, limits, move || read_rows(&mut reader, depth));
    }
    Ok(Box::new(Streamed { info: header.into_info(true), reader, next: 0 }))
}

/// What stands in the chunks, found without unpacking any: the size, and the EXIF block wherever it is.
struct Survey {
    width: u32,
    height: u32,
    exif: Option<Vec<u8>>,
    has_profile: bool,
}

impl Survey {
    /// Steps over the chunks of `reader` and returns to its beginning.
    fn take(reader: &mut dyn ReadSeek, limits: &Limits) -> Result<Self> {
        let mut survey = Self { width: 0, height: 0, exif: None, has_profile: false };
        reader.seek(SeekFrom::Start(8)).map_err(unreadable)?;
        loop {
            let mut head = [0; 8];
            reader.read_exact(&mut head).map_err(unreadable)?;
            let [l0, l1, l2, l3, kind @ ..] = head;
            let length = u32::from_be_bytes([l0, l1, l2, l3]);
            let mut skip = i64::from(length) + 4;
            match &kind {
                b"IHDR" if length == 13 => {
                    let mut size = [0; 8];
                    reader.read_exact(&mut size).map_err(unreadable)?;
                    let [w0, w1, w2, w3, h0, h1, h2, h3] = size;
                    survey.width = u32::from_be_bytes([w0, w1, w2, w3]);
                    survey.height = u32::from_be_bytes([h0, h1, h2, h3]);
                    skip -= 8;
                }
                b"eXIf" => {
                    limits.check_metadata("EXIF block", length.into())?;
                    let mut block = vec![0; length as usize];
                    reader.read_exact(&mut block).map_err(unreadable)?;
                    survey.exif.get_or_insert(block);
                    skip = 4;
                }
                b"iCCP" => {
                    limits.check_metadata("colour profile", length.into())?;
                    survey.has_profile = true;
                }
                b"IEND" => break,
                _ => {}
            }
            reader.seek_relative(skip).map_err(unreadable)?;
        }
        reader.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        Ok(survey)
    }
}

fn layout_of(reader: &Reader) -> Result<(Layout, Depth)> {
    let (colour, depth) = reader.output_color_type();
    let layout = match colour {
        ColorType::Grayscale => Layout::Grey,
        ColorType::GrayscaleAlpha => Layout::GreyAlpha,
        ColorType::Rgb => Layout::Rgb,
        ColorType::Rgba => Layout::Rgba,
        ColorType::Indexed => return Err(Error::input("the PNG's palette is missing")),
    };
    Ok((layout, if depth == BitDepth::Sixteen { Depth::Sixteen } else { Depth::Eight }))
}

/// A PNG whose rows are unpacked when they are asked for.
struct Streamed {
    info: PictureInfo,
    reader: Reader,
    next: usize,
}

impl RowSource for Streamed {
    fn info(&self) -> &PictureInfo {
        &self.info
    }

    fn next_row(&mut self, row: &mut [f32]) -> Result<()> {
        check_row(row, &self.info, self.next)?;
        self.next += 1;
        let (reader, depth) = (&mut self.reader, self.info.depth);
        guarded(|| {
            let packed = next_packed(reader)?;
            match depth {
                Depth::Eight => row.iter_mut().zip(packed).for_each(|(out, &v)| *out = f32::from(v) / 255.0),
                Depth::Sixteen => row.iter_mut().zip(packed.chunks_exact(2)).for_each(|(out, pair)| {
                    *out = f32::from(u16::from_be_bytes([pair[0], pair[1]])) / 65535.0;
                }),
            }
            Ok(())
        })
    }
}

fn next_packed(reader: &mut Reader) -> Result<&[u8]> {
    let row = reader.next_row().map_err(damaged)?;
    row.map(|row| row.data()).ok_or_else(|| Error::input("the PNG has fewer rows than its header says"))
}

/// All rows of a picture that is not interlaced.
fn read_rows(reader: &mut Reader, depth: Depth) -> Result<Samples> {
    let rows = reader.info().height;
    let samples = reader.output_buffer_size().unwrap_or(0) / depth.bytes();
    if depth == Depth::Eight {
        let mut all = Vec::with_capacity(samples);
        for _ in 0..rows {
            all.extend_from_slice(next_packed(reader)?);
        }
        return Ok(Samples::Eight(all));
    }
    let mut all = Vec::with_capacity(samples);
    for _ in 0..rows {
        all.extend(next_packed(reader)?.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])));
    }
    Ok(Samples::Sixteen(all))
}

fn read_interlaced(reader: &mut Reader, depth: Depth) -> Result<Samples> {
    let mut all = vec![0; reader.output_buffer_size().unwrap_or(0)];
    reader.next_frame(&mut all).map_err(damaged)?;
    Ok(if depth == Depth::Eight { Samples::Eight(all) } else { Samples::from_big_endian(&all) })
}

fn damaged(error: DecodingError) -> Error {
    match error {
        DecodingError::LimitsExceeded => {
            Error::limit("the PNG's blocks are larger than a decoder should be asked to hold")
                .fix("raise --max-metadata")
        }
        DecodingError::IoError(e) => unreadable(e),
        other => Error::input("the PNG is damaged").caused_by(other),
    }
}

/// Writes a PNG row by row.
pub(super) fn encode(job: &Job, rows: &mut Rows, output: &mut Output) -> Result<()> {
    let (width, height) = job.size_u32()?;
    let mut info = png::Info::with_size(width, height);
    info.color_type = match job.layout {
        Layout::Grey => ColorType::Grayscale,
        Layout::GreyAlpha => ColorType::GrayscaleAlpha,
        Layout::Rgb => ColorType::Rgb,
        Layout::Rgba => ColorType::Rgba,
    };
    info.bit_depth = if job.depth == Depth::Sixteen { BitDepth::Sixteen } else { BitDepth::Eight };
    info.icc_profile = job.metadata.icc.as_deref().map(Into::into);
    info.exif_metadata = job.metadata.exif.as_deref().map(Into::into);
    let failed = |e: png::EncodingError| match e {
        png::EncodingError::IoError(e) => job.unwritable(e),
        other => Error::internal("the PNG encoder failed").caused_by(other),
    };
    let mut encoder = png::Encoder::with_info(output, info).map_err(failed)?;
    match job.options.png_level {
        0 => encoder.set_compression(Compression::NoCompression),
        1 => encoder.set_compression(Compression::Fast),
        level => {
            encoder.set_deflate_compression(DeflateCompression::Level(level));
            encoder.set_filter(Filter::Adaptive);
        }
    }
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut packer = writer.stream_writer_with_size(1 << 16).map_err(failed)?;
    for _ in 0..height {
        let row = rows.take_row()?;
        packer.write_all(&row).map_err(|e| job.unwritable(e))?;
    }
    packer.finish().map_err(failed)?;
    writer.finish().map_err(failed)
}
