//! JPEG to planes.

use crate::codec::input::guarded;
use crate::codec::jpeg::{Survey, damaged};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::y4m::{Chroma, Header, Range, Siting};
use zune_jpeg::JpegDecoder as Decoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;

/// An empty `AVI1` segment: it tells the decoder that absent Huffman tables are the usual ones.
const AVI1: [u8; 18] = *b"\xFF\xE0\0\x10AVI1\0\0\0\0\0\0\0\0\0\0";

/// Decodes JPEG frames; its buffers go round.
#[derive(Debug, Default)]
pub struct JpegDecoder {
    /// Luma, blue and red of each pixel in turn.
    interleaved: Vec<u8>,
    /// The file with [`AVI1`] put in.
    completed: Vec<u8>,
}

impl JpegDecoder {
    /// Decodes one frame of at most `pixels` pixels into `planar` and says what it is: 4:2:0 with chroma in the middle of its
    /// group, or luma alone; full range. Frames without Huffman tables, as webcams send them, are read with the usual ones.
    ///
    /// # Errors
    /// An input error where the frame is damaged, cut off, or in colours that no camera sends; a limit error where it is too
    /// large.
    pub fn decode(&mut self, jpeg: &[u8], pixels: usize, planar: &mut Vec<u8>) -> Result<Header> {
        let cut_off = || Error::input("the JPEG ends inside its header");
        let survey = Survey::take(jpeg).filter(|_| jpeg.starts_with(&[0xFF, 0xD8])).ok_or_else(cut_off)?;
        let size = Size::new(survey.width.into(), survey.height.into());
        if size.area() == 0 || size.area() > pixels {
            return Err(Error::limit(format!(
                "a JPEG frame of {size} is empty or beyond the limit of {pixels} pixels"
            )));
        }
        if !survey.ends {
            return Err(Error::input("the JPEG frame ends early"));
        }
        if survey.progressive || !matches!(survey.components, 1 | 3) {
            return Err(Error::input(
                "a JPEG frame that is progressive or of other colours than a camera's is not read",
            ));
        }
        let jpeg = if survey.tables {
            jpeg
        } else {
            self.completed.clear();
            self.completed.extend_from_slice(&jpeg[..2]);
            self.completed.extend_from_slice(&AVI1);
            self.completed.extend_from_slice(&jpeg[2..]);
            &self.completed
        };
        let colours = if survey.components == 1 { ColorSpace::Luma } else { ColorSpace::YCbCr };
        self.interleaved.resize(size.area() * colours.num_components(), 0);
        let interleaved = &mut self.interleaved;
        guarded(|| {
            let mut decoder = Decoder::new_with_options(ZCursor::new(jpeg), crate::codec::jpeg::options(colours));
            decoder.decode_headers().map_err(damaged)?;
            // What the survey found is what the decoder goes by, or the buffer would not fit.
            if decoder.output_buffer_size() != Some(interleaved.len()) {
                return Err(Error::input("the JPEG frame contradicts itself"));
            }
            decoder.decode_into(interleaved).map_err(damaged)
        })?;
        let chroma = if survey.components == 1 { Chroma::Mono } else { Chroma::C420(Siting::Centre) };
        let header =
            Header { size, chroma, bits: 8, rate: None, aspect: None, range: Some(Range::Full), comments: Vec::new() };
        planar.resize(header.frame_bytes(), 0);
        match chroma {
            Chroma::Mono => planar.copy_from_slice(&self.interleaved),
            _ => take_apart(&self.interleaved, size, planar),
        }
        Ok(header)
    }
}

/// Interleaved 4:4:4 to planar 4:2:0: the mean of each group, whose last column and row are repeated where a side is odd.
fn take_apart(interleaved: &[u8], size: Size, planar: &mut [u8]) {
    let (luma, chroma) = planar.split_at_mut(size.area());
    let stride = size.width.div_ceil(2);
    let (blue, red) = chroma.split_at_mut(stride * size.height.div_ceil(2));
    for (row, pixels) in luma.chunks_exact_mut(size.width).zip(interleaved.chunks_exact(3 * size.width)) {
        row.iter_mut().zip(pixels.as_chunks::<3>().0).for_each(|(luma, pixel)| *luma = pixel[0]);
    }
    for (y, (blue, red)) in blue.chunks_exact_mut(stride).zip(red.chunks_exact_mut(stride)).enumerate() {
        let row = |y: usize| &interleaved[y.min(size.height - 1) * 3 * size.width..][..3 * size.width];
        let rows = row(2 * y).chunks(6).zip(row(2 * y + 1).chunks(6));
        for ((blue, red), (above, below)) in blue.iter_mut().zip(red).zip(rows) {
            let right = above.len() - 3;
            let mean = |channel: usize| {
                let sum = [above[channel], above[right + channel], below[channel], below[right + channel]];
                (sum.iter().map(|&code| u16::from(code)).sum::<u16>() + 2) / 4
            };
            (*blue, *red) = (mean(1) as u8, mean(2) as u8);
        }
    }
}
