//! TIFF and BigTIFF: written in strips as the rows come.

use super::TiffCompression;
use super::exif::{self, EXIF_DIRECTORY, Field, Fields, GPS_DIRECTORY, ORIENTATION};
use super::output::{Job, Output, Rows};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use std::io::{Cursor, Seek, Write};
use tiff::Directory;
use tiff::TiffError;
use tiff::encoder::compression::{CompressionAlgorithm, Compressor, Deflate, DeflateLevel, Lzw, Uncompressed};
use tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard};
use tiff::tags::{CompressionMethod, PhotometricInterpretation, Predictor, Tag, Type};

pub(super) use super::tiff_in::open;

/// Bytes that a strip has before it is packed; at least one row.
const STRIP: usize = 1 << 18;

/// Bytes from which on a file's 32-bit offsets might not suffice.
const BIG: u64 = 3_900_000_000;

/// Writes a TIFF; one that might pass 4 GB as BigTIFF.
pub(super) fn encode(job: &Job, rows: &mut Rows, output: &mut Output) -> Result<()> {
    if let Output::File(file) = output
        && file.get_ref().is_seekable()
    {
        return encode_to(job, rows, file);
    }
    // The directory's offset stands at the file's beginning, and a pipe cannot go back to it.
    let mut held = Cursor::new(Vec::new());
    encode_to(job, rows, &mut held)?;
    output.write_all(held.get_ref()).map_err(|e| job.unwritable(e))
}

fn encode_to(job: &Job, rows: &mut Rows, file: &mut (impl Write + Seek)) -> Result<()> {
    let bytes = job.row_bytes() as u64 * job.size.height as u64;
    if bytes > BIG {
        let encoder = TiffEncoder::<_, TiffKindBig>::new_generic(file).map_err(|e| failed(job, e))?;
        encode_as::<_, TiffKindBig>(job, rows, encoder)
    } else {
        let encoder = TiffEncoder::<_, TiffKindStandard>::new_generic(file).map_err(|e| failed(job, e))?;
        encode_as::<_, TiffKindStandard>(job, rows, encoder)
    }
}

fn failed(job: &Job, error: TiffError) -> Error {
    match error {
        TiffError::IoError(e) => job.unwritable(e),
        other => Error::internal("the TIFF encoder failed").caused_by(other),
    }
}

fn encode_as<W: Write + Seek, K: TiffKind>(job: &Job, rows: &mut Rows, mut file: TiffEncoder<W, K>) -> Result<()> {
    let failed = |e| failed(job, e);
    let fields = job.metadata.exif.as_deref().and_then(Fields::of).unwrap_or_default();
    let mut links = Vec::new();
    for (tag, fields) in [(EXIF_DIRECTORY, &fields.exif), (GPS_DIRECTORY, &fields.gps)] {
        if !fields.is_empty() {
            let mut directory = file.extra_directory().map_err(failed)?;
            put_fields(&mut directory, fields).map_err(failed)?;
            links.push((tag, directory.finish_with_offsets().map_err(failed)?.offset));
        }
    }
    let mut picture = file.image_directory().map_err(failed)?;
    let (offsets, lengths, rows_each) = put_strips(job, rows, &mut picture)?;
    put_fields(&mut picture, &fields.first).map_err(failed)?;
    for (tag, offset) in links {
        picture.write_tag(Tag::from_u16_exhaustive(tag), offset).map_err(failed)?;
    }
    put_layout(job, &mut picture, rows_each).map_err(failed)?;
    let offsets = offsets.into_iter().map(K::convert_offset).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let lengths = lengths.into_iter().map(K::convert_offset).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    picture.write_tag(Tag::StripOffsets, K::convert_slice(&offsets)).map_err(failed)?;
    picture.write_tag(Tag::StripByteCounts, K::convert_slice(&lengths)).map_err(failed)?;
    picture.finish().map_err(failed)
}

/// Packs the rows in strips; where each begins, its bytes, and the rows in each but the last.
fn put_strips<W: Write + Seek, K: TiffKind>(
    job: &Job,
    rows: &mut Rows,
    picture: &mut DirectoryEncoder<'_, W, K>,
) -> Result<(Vec<u64>, Vec<u64>, usize)> {
    let rows_each = (STRIP / job.row_bytes().max(1)).clamp(1, job.size.height);
    let mut packer = match job.options.tiff_compression {
        TiffCompression::None => Compressor::Uncompressed(Uncompressed),
        TiffCompression::Lzw => Compressor::Lzw(Lzw),
        TiffCompression::Deflate => Compressor::Deflate(Deflate::with_level(DeflateLevel::Fast)),
    };
    let predict = job.options.tiff_compression != TiffCompression::None;
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    let mut left = job.size.height;
    while left > 0 {
        let mut strip = Vec::with_capacity(rows_each * job.row_bytes());
        for _ in 0..rows_each.min(left) {
            let mut row = rows.take_row()?;
            to_native(&mut row, job.depth);
            if predict {
                difference(&mut row, job.layout.channels(), job.depth);
            }
            strip.extend(row);
        }
        let mut packed = Vec::with_capacity(strip.len() / 2);
        packer.write_to(&mut packed, &strip).map_err(|e| job.unwritable(e))?;
        offsets.push(picture.write_data(packed.as_slice()).map_err(|e| failed(job, e))?);
        lengths.push(packed.len() as u64);
        left -= rows_each.min(left);
    }
    Ok((offsets, lengths, rows_each))
}

/// From the sink's big-endian samples to this machine's order, which is the file's.
fn to_native(row: &mut [u8], depth: Depth) {
    if depth == Depth::Sixteen {
        for pair in row.chunks_exact_mut(2) {
            let sample = u16::from_be_bytes([pair[0], pair[1]]);
            pair.copy_from_slice(&sample.to_ne_bytes());
        }
    }
}

/// The horizontal predictor: each sample less the same channel's to its left.
fn difference(row: &mut [u8], channels: usize, depth: Depth) {
    match depth {
        Depth::Eight => {
            for i in (channels..row.len()).rev() {
                row[i] = row[i].wrapping_sub(row[i - channels]);
            }
        }
        Depth::Sixteen => {
            let at = |row: &[u8], i: usize| u16::from_ne_bytes([row[2 * i], row[2 * i + 1]]);
            for i in (channels..row.len() / 2).rev() {
                let value = at(row, i).wrapping_sub(at(row, i - channels));
                row[2 * i..2 * i + 2].copy_from_slice(&value.to_ne_bytes());
            }
        }
    }
}

/// The tags that say how the samples are stored, and the colour profile.
fn put_layout<W: Write + Seek, K: TiffKind>(
    job: &Job,
    picture: &mut DirectoryEncoder<'_, W, K>,
    rows_each: usize,
) -> Result<(), TiffError> {
    const UNASSOCIATED_ALPHA: u16 = 2;
    let channels = job.layout.channels();
    let colours = match job.layout {
        Layout::Grey | Layout::GreyAlpha => PhotometricInterpretation::BlackIsZero,
        Layout::Rgb | Layout::Rgba => PhotometricInterpretation::RGB,
    };
    let (method, predictor) = match job.options.tiff_compression {
        TiffCompression::None => (CompressionMethod::None, Predictor::None),
        TiffCompression::Lzw => (CompressionMethod::LZW, Predictor::Horizontal),
        TiffCompression::Deflate => (CompressionMethod::Deflate, Predictor::Horizontal),
    };
    picture.write_tag(Tag::ImageWidth, job.size.width as u32)?;
    picture.write_tag(Tag::ImageLength, job.size.height as u32)?;
    picture.write_tag(Tag::BitsPerSample, vec![8 * job.depth.bytes() as u16; channels].as_slice())?;
    picture.write_tag(Tag::Compression, method.to_u16())?;
    picture.write_tag(Tag::PhotometricInterpretation, colours.to_u16())?;
    picture.write_tag(Tag::Predictor, predictor.to_u16())?;
    picture.write_tag(Tag::SamplesPerPixel, channels as u16)?;
    picture.write_tag(Tag::RowsPerStrip, rows_each as u32)?;
    picture.write_tag(Tag::PlanarConfiguration, 1_u16)?;
    picture.write_tag(Tag::from_u16_exhaustive(ORIENTATION), 1_u16)?;
    if job.layout.has_alpha() {
        picture.write_tag(Tag::ExtraSamples, [UNASSOCIATED_ALPHA].as_slice())?;
    }
    if let Some(icc) = &job.metadata.icc {
        let field = Field { tag: Tag::IccProfile.to_u16(), kind: Type::UNDEFINED.to_u16(), value: icc.clone() };
        put_fields(picture, &[field])?;
    }
    Ok(())
}

fn put_fields<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    fields: &[Field],
) -> Result<(), TiffError> {
    let mut entries = Directory::empty();
    for field in fields {
        let Some(kind) = Type::from_u16(field.kind) else { continue };
        let mut value = field.value.clone();
        if cfg!(target_endian = "big") {
            exif::swap_order(field.kind, &mut value);
        }
        entries.extend([(Tag::from_u16_exhaustive(field.tag), directory.write_entry_bytes(kind, &value)?)]);
    }
    directory.extend_from(&entries);
    Ok(())
}
