//! From a source's bytes to planes: unpacked or decoded, cut to the region of interest, with no RGB picture in between.

mod crop;

pub use crop::Crop;

use super::shot::{Format, MOST_PIXELS, Packing, Picture, Shot};
use crate::codec::frames::JpegDecoder;
use crate::error::{Error, Result};
use crate::geometry::{Rect, Size};
use crate::y4m::{Chroma, Header, Range, Siting};

/// Takes frames apart; its buffers go round.
#[derive(Debug, Default)]
pub struct Unpacker {
    jpeg: JpegDecoder,
    /// A decoded JPEG.
    decoded: Vec<u8>,
}

/// Planes as they lie in a source's buffer.
struct Layout<'a> {
    luma: &'a [u8],
    stride: usize,
    chroma: Option<Planes<'a>>,
}

/// Chroma as it lies in a source's buffer.
struct Planes<'a> {
    /// Blue and red from their first sample on.
    samples: [&'a [u8]; 2],
    /// From a row to the next.
    stride: usize,
    /// From a sample to the next.
    step: usize,
}

impl Picture {
    /// A picture without pixels, to be filled.
    pub fn empty() -> Self {
        Self { header: header(Size::new(0, 0), Chroma::Mono, Range::Full), bytes: Vec::new() }
    }
}

/// A header of 8 bits.
fn header(size: Size, chroma: Chroma, range: Range) -> Header {
    Header { size, chroma, bits: 8, rate: None, aspect: None, range: Some(range), comments: Vec::new() }
}

impl Unpacker {
    /// What `crop` leaves of `shot`, as planes into `into`: 4:2:0 where the source has more chroma than that (two rows' mean).
    ///
    /// # Errors
    /// An input error where the frame is shorter than its format says or its JPEG is damaged; a limit error where it is too
    /// large.
    pub fn unpack(&mut self, shot: &Shot, crop: Option<Crop>, into: &mut Picture) -> Result<()> {
        let Format { packing, size, stride, range, .. } = shot.format;
        if packing == Packing::Jpeg {
            let whole = self.jpeg.decode(&shot.bytes, MOST_PIXELS, &mut self.decoded)?;
            let layout = Layout::planar(&self.decoded, whole.size, whole.size.width, whole.chroma);
            let layout = layout.ok_or_else(|| Error::internal("a decoded JPEG is shorter than its header"))?;
            return layout.cut(whole.size, whole.chroma, Range::Full, crop, into);
        }
        if size.checked_area().is_none_or(|area| area == 0 || area > MOST_PIXELS)
            || stride < packing.row_bytes(size.width)
        {
            return Err(Error::limit(format!("frames of {size} are empty or larger than {MOST_PIXELS} pixels")));
        }
        let short = || Error::input(format!("a frame of {} bytes is too short for {}", shot.bytes.len(), shot.format));
        let bytes = shot.bytes.get(..shot.format.least_bytes()).ok_or_else(short)?;
        match packing {
            Packing::Planar(chroma) => {
                let layout = Layout::planar(bytes, size, stride, chroma).ok_or_else(short)?;
                layout.cut(size, chroma, range, crop, into)
            }
            Packing::Nv12 => {
                let layout = Layout::nv12(bytes, size, stride).ok_or_else(short)?;
                layout.cut(size, Chroma::C420(Siting::Left), range, crop, into)
            }
            Packing::Yuyv | Packing::Rgb24 => {
                packed(packing, bytes, stride, size, range, crop, into);
                Ok(())
            }
            Packing::Jpeg => Err(Error::internal("a JPEG was not decoded")),
        }
    }
}

impl<'a> Layout<'a> {
    fn planar(bytes: &'a [u8], size: Size, stride: usize, chroma: Chroma) -> Option<Self> {
        // Behind the last row of all there may be no padding.
        let Some((across, down)) = chroma.group() else {
            let luma = bytes.get(..stride * (size.height - 1) + size.width)?;
            return Some(Self { luma, stride, chroma: None });
        };
        let luma = bytes.get(..stride * size.height)?;
        let (own, rows) = (stride.div_ceil(across), size.height.div_ceil(down));
        let (begin, last) = (luma.len() + own * rows, own * (rows - 1) + size.width.div_ceil(across));
        let blue = bytes.get(luma.len()..begin)?;
        let red = bytes.get(begin..begin + last)?;
        Some(Self { luma, stride, chroma: Some(Planes { samples: [blue, red], stride: own, step: 1 }) })
    }

    fn nv12(bytes: &'a [u8], size: Size, stride: usize) -> Option<Self> {
        let luma = bytes.get(..stride * size.height)?;
        let own = stride.next_multiple_of(2);
        let length = own * (size.height.div_ceil(2) - 1) + size.width.next_multiple_of(2);
        let pairs = bytes.get(luma.len()..luma.len() + length)?;
        let chroma = Planes { samples: [pairs, pairs.get(1..)?], stride: own, step: 2 };
        Some(Self { luma, stride, chroma: Some(chroma) })
    }

    /// Copies the region of interest.
    fn cut(&self, size: Size, chroma: Chroma, range: Range, crop: Option<Crop>, into: &mut Picture) -> Result<()> {
        let group = chroma.group().unwrap_or((1, 1));
        let rect = crop.map_or(Rect::new(0, 0, size), |crop| crop.inside(size, group));
        into.header = header(rect.size, chroma, range);
        into.bytes.resize(into.header.frame_bytes(), 0);
        let (luma, rest) = into.bytes.split_at_mut(into.header.luma_bytes());
        for (y, row) in luma.chunks_exact_mut(rect.size.width).enumerate() {
            row.copy_from_slice(&self.luma[(rect.y + y) * self.stride + rect.x..][..rect.size.width]);
        }
        let (Some(planes), Some(own)) = (&self.chroma, into.header.chroma_size()) else { return Ok(()) };
        let (x, first) = (rect.x / group.0, rect.y / group.1);
        for (samples, plane) in planes.samples.iter().zip(rest.chunks_exact_mut(own.area())) {
            for (y, row) in plane.chunks_exact_mut(own.width).enumerate() {
                let from = samples.get((first + y) * planes.stride + x * planes.step..);
                let from = from.ok_or_else(|| Error::input("chroma is shorter than luma"))?;
                if planes.step == 1 {
                    row.copy_from_slice(&from[..own.width]);
                } else {
                    row.iter_mut().zip(from.iter().step_by(planes.step)).for_each(|(to, &code)| *to = code);
                }
            }
        }
        Ok(())
    }
}

/// Packed pixels to 4:2:0: luma as it is, chroma as the mean of two rows.
fn packed(
    packing: Packing,
    bytes: &[u8],
    stride: usize,
    size: Size,
    range: Range,
    crop: Option<Crop>,
    into: &mut Picture,
) {
    let rect = crop.map_or(Rect::new(0, 0, size), |crop| crop.inside(size, (2, 2)));
    let rgb = packing == Packing::Rgb24;
    let (siting, range) = if rgb { (Siting::Centre, Range::Full) } else { (Siting::Left, range) };
    into.header = header(rect.size, Chroma::C420(siting), range);
    into.bytes.resize(into.header.frame_bytes(), 0);
    let (width, height) = (rect.size.width, rect.size.height);
    let own = width.div_ceil(2);
    let (luma, chroma) = into.bytes.split_at_mut(width * height);
    let (blue, red) = chroma.split_at_mut(own * height.div_ceil(2));
    let begin = rect.x * if rgb { 3 } else { 2 };
    let row = |y: usize| &bytes[(rect.y + y) * stride + begin..][..packing.row_bytes(width)];
    let pairs = luma.chunks_mut(2 * width).zip(blue.chunks_exact_mut(own).zip(red.chunks_exact_mut(own)));
    for (y, (luma, (blue, red))) in pairs.enumerate() {
        let rows = [row(2 * y), row((2 * y + 1).min(height - 1))];
        let (first, second) = luma.split_at_mut(width);
        if rgb {
            rgb_rows(rows, [first, second], blue, red);
        } else {
            yuyv_rows(rows, [first, second], blue, red);
        }
    }
}

fn yuyv_rows(rows: [&[u8]; 2], luma: [&mut [u8]; 2], blue: &mut [u8], red: &mut [u8]) {
    for (row, luma) in rows.iter().zip(luma) {
        luma.iter_mut().zip(row.iter().step_by(2)).for_each(|(luma, &code)| *luma = code);
    }
    let groups = rows[0].as_chunks::<4>().0.iter().zip(rows[1].as_chunks::<4>().0);
    for ((blue, red), (above, below)) in blue.iter_mut().zip(red).zip(groups) {
        *blue = above[1].midpoint(below[1]);
        *red = above[3].midpoint(below[3]);
    }
}

/// Full-range BT.601 in 16-bit fractions.
fn rgb_rows(rows: [&[u8]; 2], luma: [&mut [u8]; 2], blue: &mut [u8], red: &mut [u8]) {
    for (row, luma) in rows.iter().zip(luma) {
        for (luma, &[r, g, b]) in luma.iter_mut().zip(row.as_chunks::<3>().0) {
            *luma = ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 32768) >> 16) as u8;
        }
    }
    for ((blue, red), (above, below)) in blue.iter_mut().zip(red).zip(rows[0].chunks(6).zip(rows[1].chunks(6))) {
        let right = above.len() - 3;
        let sum = |channel: usize| {
            [above[channel], above[right + channel], below[channel], below[right + channel]].map(i32::from).iter().sum()
        };
        let [r, g, b]: [i32; 3] = [sum(0), sum(1), sum(2)];
        // Sums of four: two bits more to shift away; 128 in the middle.
        let code = |sum: i32| ((sum + (128 << 18) + (1 << 17)) >> 18).clamp(0, 255) as u8;
        *blue = code(-11059 * r - 21709 * g + 32768 * b);
        *red = code(32768 * r - 27439 * g - 5329 * b);
    }
}

#[cfg(test)]
mod tests;
