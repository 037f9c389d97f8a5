//! JPEG: read whole, written as the rows come.

use super::input::{Header, Held, Input, Samples, guarded};
use super::output::{Job, Output, Rows};
use super::{Limits, RowSource, Subsampling};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use jpeg_encoder::{Encoder, EncodingError, ImageBuffer, JpegColorType, SamplingFactor, rgb_to_ycbcr};
use std::cell::RefCell;
use std::io::{self, Write};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Reads the header of a JPEG.
pub(super) fn open(input: Input, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let bytes = input.into_bytes(limits)?;
    let survey = Survey::take(&bytes).ok_or_else(|| Error::input("the JPEG ends inside its header"))?;
    let size = limits.check_size(survey.width.into(), survey.height.into())?;
    if !survey.ends {
        return Err(Error::input("the JPEG ends early").fix("it was probably cut off while being copied"));
    }
    let (colour, icc, exif) = guarded(|| {
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes.as_slice()), options(ColorSpace::RGB));
        decoder.decode_headers().map_err(damaged)?;
        Ok((decoder.input_colorspace(), decoder.icc_profile(), decoder.exif().cloned()))
    })?;
    let (layout, target) = match (survey.components, colour) {
        (1, _) => (Layout::Grey, ColorSpace::Luma),
        (3, _) => (Layout::Rgb, ColorSpace::RGB),
        (4, Some(stored @ (ColorSpace::CMYK | ColorSpace::YCCK))) => (Layout::Rgb, stored),
        (n, _) => return Err(Error::input(format!("a JPEG of {n} channels is not read"))),
    };
    let header = Header::new((size, layout, Depth::Eight), icc, exif, limits)?;
    let working = survey.working_bytes();
    Held::source(header, working, limits, move || {
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes.as_slice()), options(target));
        let mut samples = decoder.decode().map_err(damaged)?;
        if target.num_components() == 4 {
            inks_to_rgb(&mut samples, target == ColorSpace::YCCK, survey.adobe);
        }
        Ok(Samples::Eight(samples))
    })
}

/// Our own limits hold; a scan that breaks off is an error, not grey.
pub(super) fn options(target: ColorSpace) -> DecoderOptions {
    DecoderOptions::default()
        .jpeg_set_out_colorspace(target)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .set_strict_mode(true)
}

pub(super) fn damaged(error: DecodeErrors) -> Error {
    match error {
        DecodeErrors::Unsupported(scheme) => Error::input(format!("a JPEG of this kind is not read ({scheme:?})"))
            .fix("convert it to a baseline or progressive JPEG"),
        other => Error::input("the JPEG is damaged").caused_by(other.to_string()),
    }
}

/// What stands in the segments in front of the first scan.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Survey {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) components: u8,
    /// Samples of all channels as stored, for each pixel, in sixteenths.
    sampled: u64,
    pub(super) progressive: bool,
    /// Whether there are Huffman tables.
    pub(super) tables: bool,
    /// Whether Adobe's marker is there: its inks are stored inverted.
    adobe: bool,
    /// Whether an end marker follows the scans. Scans cannot contain one, since they escape every 0xFF.
    pub(super) ends: bool,
}

impl Survey {
    pub(super) fn take(bytes: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut at = 2;
        loop {
            at += bytes.get(at..)?.iter().position(|&b| b == 0xFF)?;
            let marker = *bytes.get(at + 1)?;
            at += 1;
            if matches!(marker, 0 | 1 | 0xD0..=0xD8 | 0xFF) {
                continue;
            }
            at += 1;
            let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
            let segment = bytes.get(at + 2..at + length.max(2))?;
            match marker {
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => found.frame(marker, segment)?,
                0xC4 => found.tables = true,
                0xEE if segment.starts_with(b"Adobe") => found.adobe = true,
                0xDA => {
                    found.ends = bytes.get(at..)?.windows(2).any(|pair| pair == [0xFF, 0xD9]);
                    return Some(found);
                }
                _ => {}
            }
            at += length.max(2);
        }
    }

    /// Precision, height, width, number of channels, and for each its name, sampling factors and table.
    fn frame(&mut self, marker: u8, segment: &[u8]) -> Option<()> {
        let &[_, h0, h1, w0, w1, components, ref rest @ ..] = segment else { return None };
        self.height = u16::from_be_bytes([h0, h1]);
        self.width = u16::from_be_bytes([w0, w1]);
        self.components = components;
        self.progressive = marker & 3 == 2;
        let factors: Vec<u64> = rest.chunks_exact(3).map(|c| u64::from(c[1] >> 4) * u64::from(c[1] & 15)).collect();
        let largest = factors.iter().max().copied().unwrap_or(1).max(1);
        self.sampled = factors.iter().sum::<u64>() * 16 / largest;
        Some(())
    }

    /// Bytes for decoding beside the picture: progressive files keep every coefficient (2 bytes) to the end, and inks are
    /// decoded into a fourth channel.
    fn working_bytes(&self) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height);
        let coefficients = if self.progressive { pixels * self.sampled * 2 / 16 } else { 0 };
        coefficients + if self.components == 4 { pixels } else { 0 }
    }
}

/// Four channels of ink to red, green, blue in place: each is what paper reflects through its ink and through black.
/// Adobe stores ink as the light that passes (255 minus ink), without a marker it is the ink itself.
fn inks_to_rgb(samples: &mut Vec<u8>, luma_chroma: bool, inverted: bool) {
    let pixels = samples.len() / 4;
    for i in 0..pixels {
        let mut light = [samples[4 * i], samples[4 * i + 1], samples[4 * i + 2]];
        let mut black = samples[4 * i + 3];
        if luma_chroma {
            // YCCK holds the luma and chroma of the inks' complement.
            light = ycc_to_rgb(light).map(|v| 255 - v);
        }
        if !inverted {
            light = light.map(|v| 255 - v);
            black = 255 - black;
        }
        for (channel, value) in light.into_iter().enumerate() {
            samples[3 * i + channel] = ((u32::from(value) * u32::from(black) + 127) / 255) as u8;
        }
    }
    samples.truncate(3 * pixels);
}

/// Full-range BT.601, as JFIF has it.
pub(super) fn ycc_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let red = y + 1.402 * cr;
    let green = y - 0.344_136 * cb - 0.714_136 * cr;
    let blue = y + 1.772 * cb;
    [red, green, blue].map(|v| (v + 0.5).clamp(0.0, 255.0) as u8)
}

/// Writes a JPEG, a band of blocks at a time.
pub(super) fn encode(job: &Job, rows: &mut Rows, output: &mut Output) -> Result<()> {
    let (Ok(width), Ok(height)) = (u16::try_from(job.size.width), u16::try_from(job.size.height)) else {
        return Err(Error::limit(format!("a JPEG cannot hold {} pixels", job.size)));
    };
    let source = Puller {
        size: (width, height),
        grey: job.layout == Layout::Grey,
        state: RefCell::new(Pulled { rows, row: Vec::new(), next: 0, failure: None }),
    };
    let mut encoder = Encoder::new(Guarded { output, state: &source.state }, job.options.jpeg_quality);
    encoder.set_sampling_factor(match job.options.jpeg_subsampling {
        Subsampling::Full => SamplingFactor::F_1_1,
        Subsampling::Half => SamplingFactor::F_2_1,
        Subsampling::Quarter => SamplingFactor::F_2_2,
    });
    if let Some(exif) = &job.metadata.exif
        && encoder.add_exif_metadata(exif).is_err()
    {
        log::warn!("the EXIF block has {} bytes, more than a JPEG holds, and is dropped", exif.len());
    }
    if let Some(icc) = &job.metadata.icc
        && encoder.add_icc_profile(icc).is_err()
    {
        log::warn!("the colour profile has {} bytes, more than a JPEG holds, and is dropped", icc.len());
    }
    let ended = encoder.encode_image(&source);
    if let Some(failure) = source.state.into_inner().failure {
        return Err(failure);
    }
    ended.map_err(|e| match e {
        EncodingError::IoError(e) => job.unwritable(e),
        other => Error::internal("the JPEG encoder failed").caused_by(other.to_string()),
    })
}

/// The encoder asks for rows by number, upwards; the last one several times, to fill its blocks.
struct Puller<'a> {
    size: (u16, u16),
    grey: bool,
    state: RefCell<Pulled<'a>>,
}

struct Pulled<'a> {
    rows: &'a mut Rows,
    row: Vec<u8>,
    next: u32,
    failure: Option<Error>,
}

impl ImageBuffer for &Puller<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.grey { JpegColorType::Luma } else { JpegColorType::Ycbcr }
    }

    fn width(&self) -> u16 {
        self.size.0
    }

    fn height(&self) -> u16 {
        self.size.1
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let mut state = self.state.borrow_mut();
        while state.next <= u32::from(y) && state.failure.is_none() {
            match state.rows.take_row() {
                Ok(row) => state.row = row,
                Err(e) => state.failure = Some(e),
            }
            state.next += 1;
        }
        // After a failure the rows no longer matter; the writer ends the encoding.
        state.row.resize(usize::from(self.size.0) * if self.grey { 1 } else { 3 }, 0);
        if self.grey {
            buffers[0].extend_from_slice(&state.row);
            return;
        }
        for pixel in state.row.chunks_exact(3) {
            let (y, cb, cr) = rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
            buffers[0].push(y);
            buffers[1].push(cb);
            buffers[2].push(cr);
        }
    }
}

/// Refuses further bytes once the rows have failed, because [`ImageBuffer`] cannot.
struct Guarded<'a, 'b> {
    output: &'a mut Output,
    state: &'a RefCell<Pulled<'b>>,
}

impl Write for Guarded<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.state.borrow().failure.is_some() {
            return Err(io::Error::other("no more rows"));
        }
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
