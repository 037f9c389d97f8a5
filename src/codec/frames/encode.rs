//! Planes to JPEG.

use crate::error::{Error, Result};
use crate::y4m::{Chroma, Header, Range};
use jpeg_encoder::{ChromaSubsamplingMethod, Encoder, ImageBuffer, JpegColorType, SamplingFactor};

/// Encodes planar frames; JPEG is always full range, so studio codes are stretched on the way.
pub struct JpegEncoder {
    quality: u8,
    /// Full-range codes of studio's luma and chroma.
    stretch: Box<[[u8; 256]; 2]>,
}

impl JpegEncoder {
    /// An encoder of `quality` 1 (smallest) to 100.
    pub fn new(quality: u8) -> Self {
        let [luma, chroma] = [Range::luma, Range::chroma].map(|levels| {
            let [gain, offset] = levels(Range::Studio, 8);
            // Full-range chroma has its middle at 128, not at half of 255.
            let [full, zero] = levels(Range::Full, 8);
            std::array::from_fn(|code| ((code as f32 * gain + offset - zero) / full + 0.5).clamp(0.0, 255.0) as u8)
        });
        Self { quality: quality.clamp(1, 100), stretch: Box::new([luma, chroma]) }
    }

    /// Writes the frame `planar` ([`Header::frame_bytes`] bytes of 8 bits) into `jpeg`, which is cleared first.
    ///
    /// # Errors
    /// A limit error where a side is beyond JPEG's 65,535 pixels; an internal error where the bytes do not fit the header.
    pub fn encode(&mut self, header: &Header, planar: &[u8], jpeg: &mut Vec<u8>) -> Result<()> {
        jpeg.clear();
        let (Ok(width), Ok(height)) = (u16::try_from(header.size.width), u16::try_from(header.size.height)) else {
            return Err(Error::limit(format!("a JPEG cannot hold {} pixels", header.size)));
        };
        if header.bits != 8 || planar.len() != header.frame_bytes() || width == 0 || height == 0 {
            return Err(Error::internal(format!("{} bytes are no frame of {header}", planar.len())));
        }
        let mut encoder = Encoder::new(jpeg, self.quality);
        encoder.set_sampling_factor(match header.chroma {
            Chroma::C420(_) | Chroma::Mono => SamplingFactor::F_2_2,
            Chroma::C422 => SamplingFactor::F_2_1,
            Chroma::C444 => SamplingFactor::F_1_1,
        });
        // Samples that were doubled are the mean of themselves.
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        let (luma, chroma) = planar.split_at(header.luma_bytes());
        let (blue, red) = chroma.split_at(header.chroma_bytes());
        let stretch = (header.effective_range() == Range::Studio).then_some(&*self.stretch);
        let planes =
            Planes { size: [width, height], samples: [luma, blue, red], group: header.chroma.group(), stretch };
        encoder
            .encode_image(planes)
            .map_err(|error| Error::internal("the JPEG encoder failed").caused_by(error.to_string()))
    }
}

/// A planar frame as the encoder reads it: row by row, chroma as wide as luma.
struct Planes<'a> {
    size: [u16; 2],
    samples: [&'a [u8]; 3],
    group: Option<(usize, usize)>,
    stretch: Option<&'a [[u8; 256]; 2]>,
}

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.group.is_some() { JpegColorType::Ycbcr } else { JpegColorType::Luma }
    }

    fn width(&self) -> u16 {
        self.size[0]
    }

    fn height(&self) -> u16 {
        self.size[1]
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (width, y) = (usize::from(self.size[0]), usize::from(y));
        let luma = &self.samples[0][y * width..][..width];
        match self.stretch {
            None => buffers[0].extend_from_slice(luma),
            Some([stretch, _]) => buffers[0].extend(luma.iter().map(|&code| stretch[usize::from(code)])),
        }
        let Some((across, down)) = self.group else { return };
        let stride = width.div_ceil(across);
        for (plane, buffer) in self.samples[1..].iter().zip(&mut buffers[1..]) {
            let begin = buffer.len();
            let row = plane[y / down * stride..][..stride].iter().copied();
            let code = |code: u8| self.stretch.map_or(code, |[_, stretch]| stretch[usize::from(code)]);
            match across {
                1 => buffer.extend(row.map(code)),
                _ => buffer.extend(row.map(code).flat_map(|code| [code; 2])),
            }
            buffer.truncate(begin + width);
        }
    }
}
