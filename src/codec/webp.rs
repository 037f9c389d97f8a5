//! WebP: read and written whole, with the metadata blocks put around what the encoder gives.

use super::input::{Header, Held, Input, Samples, guarded, unreadable};
use super::output::{Job, Output, Rows};
use super::{Limits, RowSource};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use image_webp::{DecodingError, WebPDecoder};
use std::io::{Read, Seek, SeekFrom, Write};

/// Flags of the `VP8X` chunk.
const PROFILE: u8 = 0x20;
const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;

/// Reads the header of a WebP.
pub(super) fn open(mut input: Input, limits: &Limits) -> Result<Box<dyn RowSource>> {
    limits.check_input(input.length)?;
    let mut head = [0; 8];
    input.reader.read_exact(&mut head).map_err(unreadable)?;
    let promised = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]])) + 8;
    if promised > input.length {
        return Err(Error::input(format!("the WebP ends early: {} bytes of {promised}", input.length))
            .fix("it was probably cut off while being copied"));
    }
    input.reader.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut decoder = guarded(|| WebPDecoder::new(input.reader).map_err(damaged))?;
    let (width, height) = decoder.dimensions();
    let size = limits.check_size(width.into(), height.into())?;
    limits.check_frames(decoder.num_frames().into())?;
    decoder.set_memory_limit(limits.metadata as usize);
    let (icc, exif) = guarded(|| {
        let icc = decoder.icc_profile().map_err(|e| too_large(e, "colour profile"))?;
        Ok((icc, decoder.exif_metadata().map_err(|e| too_large(e, "EXIF block"))?))
    })?;
    let layout = if decoder.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let header = Header::new((size, layout, Depth::Eight), icc, exif, limits)?;
    decoder.set_memory_limit(limits.decoded as usize);
    // The encoded blocks, and the decoder's own pixels: planes at 1.5 bytes each, or 4 where nothing was lost.
    let working = input.length.saturating_add(4 * u64::from(width) * u64::from(height));
    Held::source(header, working, limits, move || {
        let mut samples = vec![0; decoder.output_buffer_size().unwrap_or(0)];
        decoder.read_image(&mut samples).map_err(damaged)?;
        Ok(Samples::Eight(samples))
    })
}

fn damaged(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(e) => unreadable(e),
        other => Error::input("the WebP is damaged").caused_by(other),
    }
}

fn too_large(error: DecodingError, what: &str) -> Error {
    match error {
        DecodingError::MemoryLimitExceeded => Error::limit(format!("the {what} is larger than what is read"))
            .fix("raise --max-metadata if the file is to be trusted"),
        other => damaged(other),
    }
}

/// Collects the rows and writes a WebP.
pub(super) fn encode(job: &Job, rows: &mut Rows, output: &mut Output) -> Result<()> {
    let (width, height) = job.size_u32()?;
    let mut samples = Vec::with_capacity(job.row_bytes() * job.size.height);
    for _ in 0..height {
        samples.extend(rows.take_row()?);
    }
    let broken = || Error::internal("the WebP encoder cannot be set up");
    let mut config = webp::WebPConfig::new().map_err(|()| broken())?;
    config.lossless = job.options.webp_lossless.into();
    config.quality = if job.options.webp_lossless { 75.0 } else { f32::from(job.options.webp_quality) };
    config.exact = job.options.webp_lossless.into(); // colours under full transparency count as well
    let encoder = match job.layout {
        Layout::Rgba => webp::Encoder::from_rgba(&samples, width, height),
        _ => webp::Encoder::from_rgb(&samples, width, height),
    };
    let encoded = encoder
        .encode_advanced(&config)
        .map_err(|e| Error::internal(format!("the WebP encoder failed: {e:?}")).fix("it may have run out of memory"))?;
    drop(samples);
    let file = with_metadata(&encoded, job).ok_or_else(|| Error::internal("the WebP encoder gave no picture"))?;
    output.write_all(&file).map_err(|e| job.unwritable(e))
}

/// `encoded` with the blocks of `job`'s metadata around it.
///
/// A file with metadata begins with a `VP8X` chunk of flags and the canvas's size; the profile stands in front of the
/// picture's chunks and EXIF behind them.
fn with_metadata(encoded: &[u8], job: &Job) -> Option<Vec<u8>> {
    if job.metadata.icc.is_none() && job.metadata.exif.is_none() {
        return Some(encoded.to_vec());
    }
    let mut pictures = chunks(encoded)?;
    pictures.retain(|(name, _)| name != b"VP8X");
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    let flags = flag(job.metadata.icc.is_some(), PROFILE)
        | flag(job.layout.has_alpha(), ALPHA)
        | flag(job.metadata.exif.is_some(), EXIF);
    let mut extended = vec![flags, 0, 0, 0];
    for side in [job.size.width, job.size.height] {
        extended.extend_from_slice(&(side as u32 - 1).to_le_bytes()[..3]);
    }
    let mut body = b"WEBP".to_vec();
    put_chunk(&mut body, *b"VP8X", &extended);
    if let Some(icc) = &job.metadata.icc {
        put_chunk(&mut body, *b"ICCP", icc);
    }
    for (name, content) in pictures {
        put_chunk(&mut body, name, content);
    }
    if let Some(exif) = &job.metadata.exif {
        put_chunk(&mut body, *b"EXIF", exif);
    }
    let mut file = b"RIFF".to_vec();
    file.extend(u32::try_from(body.len()).ok()?.to_le_bytes());
    file.extend(body);
    Some(file)
}

/// The chunks of a RIFF file.
fn chunks(file: &[u8]) -> Option<Vec<([u8; 4], &[u8])>> {
    let mut found = Vec::new();
    let mut rest = file.get(12..)?;
    while rest.len() >= 8 {
        let name = rest[..4].try_into().ok()?;
        let length = u32::from_le_bytes(rest[4..8].try_into().ok()?) as usize;
        found.push((name, rest.get(8..8 + length)?));
        rest = rest.get(8 + length + length % 2..).unwrap_or(&[]);
    }
    Some(found)
}

fn put_chunk(body: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    body.extend(name);
    body.extend((content.len() as u32).to_le_bytes());
    body.extend_from_slice(content);
    if content.len() % 2 == 1 {
        body.push(0);
    }
}
