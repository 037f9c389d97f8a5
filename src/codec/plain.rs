//! BMP, PNM and GIF: read whole, never written.

use super::input::{Header, Held, Input, ReadSeek, Samples, guarded, unreadable};
use super::{Limits, RowSource};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use crate::geometry::Size;
use image::codecs::{bmp::BmpDecoder, pnm::PnmDecoder};
use image::{ColorType, ImageDecoder, ImageError};
use std::num::NonZeroU64;

/// Reads the header of a Windows bitmap.
pub(super) fn open_bmp(input: Input, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let decoder = guarded(|| BmpDecoder::new(input.reader).map_err(damaged))?;
    open(decoder, limits)
}

/// Reads the header of a portable anymap.
pub(super) fn open_pnm(input: Input, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let decoder = guarded(|| PnmDecoder::new(input.reader).map_err(damaged))?;
    open(decoder, limits)
}

fn open(decoder: impl ImageDecoder + Send + 'static, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let (width, height) = decoder.dimensions();
    let size = limits.check_size(width.into(), height.into())?;
    let (layout, depth) = match decoder.color_type() {
        ColorType::L8 => (Layout::Grey, Depth::Eight),
        ColorType::La8 => (Layout::GreyAlpha, Depth::Eight),
        ColorType::Rgb8 => (Layout::Rgb, Depth::Eight),
        ColorType::Rgba8 => (Layout::Rgba, Depth::Eight),
        ColorType::L16 => (Layout::Grey, Depth::Sixteen),
        ColorType::La16 => (Layout::GreyAlpha, Depth::Sixteen),
        ColorType::Rgb16 => (Layout::Rgb, Depth::Sixteen),
        ColorType::Rgba16 => (Layout::Rgba, Depth::Sixteen),
        other => return Err(Error::input(format!("samples of the kind {other:?} are not read"))),
    };
    let header = Header::new((size, layout, depth), None, None, limits)?;
    let working = if depth == Depth::Sixteen { header.decoded_bytes() } else { 0 };
    let bytes = usize::try_from(decoder.total_bytes()).map_err(|_| Error::limit("the picture is too large"))?;
    Held::source(header, working, limits, move || {
        let mut samples = vec![0; bytes];
        decoder.read_image(&mut samples).map_err(damaged)?;
        Ok(if depth == Depth::Eight { Samples::Eight(samples) } else { Samples::from_native(&samples) })
    })
}

fn damaged(error: ImageError) -> Error {
    match error {
        ImageError::IoError(e) => unreadable(e),
        other => Error::input("the file is damaged").caused_by(other),
    }
}

/// Reads the header of a GIF and of its first frame.
pub(super) fn open_gif(input: Input, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    options.check_frame_consistency(true);
    if let Some(most) = NonZeroU64::new(limits.decoded) {
        options.set_memory_limit(gif::MemoryLimit::Bytes(most));
    }
    let mut decoder = guarded(|| options.read_info(input.reader).map_err(gif_damaged))?;
    let size = limits.check_size(decoder.width().into(), decoder.height().into())?;
    let frame = guarded(|| {
        let frame = decoder.next_frame_info().map_err(gif_damaged)?;
        frame.map(FrameInfo::of).ok_or_else(|| Error::input("the GIF holds no picture"))
    })?;
    let covers = (frame.left, frame.top) == (0, 0) && frame.size == size;
    let layout = if covers && frame.transparent.is_none() { Layout::Rgb } else { Layout::Rgba };
    let header = Header::new((size, layout, Depth::Eight), None, None, limits)?;
    let working = frame.size.area() as u64;
    Held::source(header, working, limits, move || draw_gif(&mut decoder, &frame, size, layout))
}

/// Where the first frame lies on the canvas.
struct FrameInfo {
    left: usize,
    top: usize,
    size: Size,
    transparent: Option<u8>,
}

impl FrameInfo {
    fn of(frame: &gif::Frame) -> Self {
        Self {
            left: frame.left.into(),
            top: frame.top.into(),
            size: Size::new(frame.width.into(), frame.height.into()),
            transparent: frame.transparent,
        }
    }
}

/// The first frame on a canvas that is transparent elsewhere.
fn draw_gif(
    decoder: &mut gif::Decoder<Box<dyn ReadSeek>>,
    frame: &FrameInfo,
    canvas: Size,
    layout: Layout,
) -> Result<Samples> {
    let mut indices = vec![0; frame.size.area()];
    decoder.read_into_buffer(&mut indices).map_err(gif_damaged)?;
    let palette = decoder.palette().map_err(gif_damaged)?;
    let channels = layout.channels();
    let mut samples = vec![0; canvas.area() * channels];
    for (y, row) in indices.chunks_exact(frame.size.width.max(1)).enumerate() {
        let start = ((frame.top + y) * canvas.width + frame.left) * channels;
        let Some(line) = samples.get_mut(start..start + row.len() * channels) else { break };
        for (pixel, &index) in line.chunks_exact_mut(channels).zip(row) {
            if Some(index) == frame.transparent {
                continue;
            }
            let colour = palette.get(3 * usize::from(index)..3 * usize::from(index) + 3).unwrap_or(&[0, 0, 0]);
            pixel[..3].copy_from_slice(colour);
            if let Some(alpha) = pixel.get_mut(3) {
                *alpha = 255;
            }
        }
    }
    Ok(Samples::Eight(samples))
}

fn gif_damaged(error: gif::DecodingError) -> Error {
    match error {
        gif::DecodingError::Io(e) => unreadable(e),
        other => Error::input("the GIF is damaged").caused_by(other),
    }
}
