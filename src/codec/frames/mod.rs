//! JPEG frames of video, to and from planes of luma and chroma: no RGB picture exists in between, and buffers go round.

mod decode;
mod encode;

pub use decode::JpegDecoder;
pub use encode::JpegEncoder;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::geometry::Size;
    use crate::y4m::{Chroma, Header, Range, Siting};

    const C420: Chroma = Chroma::C420(Siting::Centre);

    fn header(size: Size, chroma: Chroma, range: Range) -> Header {
        Header { size, chroma, bits: 8, rate: None, aspect: None, range: Some(range), comments: Vec::new() }
    }

    /// Smooth luma and two flat colours, so that JPEG's loss is small.
    fn picture(header: &Header) -> Vec<u8> {
        let Size { width, height } = header.size;
        let luma = (0..height).flat_map(|y| (0..width).map(move |x| (40 + 2 * x + y) as u8));
        let chroma = header.chroma_bytes();
        luma.chain(std::iter::repeat_n(100, chroma)).chain(std::iter::repeat_n(150, chroma)).collect()
    }

    fn encoded(header: &Header, planar: &[u8]) -> Vec<u8> {
        let mut jpeg = Vec::new();
        JpegEncoder::new(95).encode(header, planar, &mut jpeg).unwrap();
        jpeg
    }

    #[test]
    fn frames_come_back_at_every_sampling_and_odd_size() {
        for chroma in [Chroma::Mono, C420, Chroma::C422, Chroma::C444] {
            for size in [Size::new(48, 32), Size::new(33, 17), Size::new(1, 1)] {
                let own = header(size, chroma, Range::Full);
                let planar = picture(&own);
                let (mut out, mut decoder) = (Vec::new(), JpegDecoder::default());
                let got = decoder.decode(&encoded(&own, &planar), 1 << 20, &mut out).unwrap();
                assert_eq!(got.chroma, if chroma == Chroma::Mono { Chroma::Mono } else { C420 });
                assert_eq!((got.size, got.range, out.len()), (size, Some(Range::Full), got.frame_bytes()));
                let near = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(&a, &b)| a.abs_diff(b) <= 4);
                assert!(near(&out[..size.area()], &planar[..size.area()]), "{chroma:?} {size} luma");
                let colours = [100, 150].map(|code| vec![code; got.chroma_bytes()]).concat();
                assert!(near(&out[size.area()..], &colours), "{chroma:?} {size} chroma");
            }
        }
    }

    #[test]
    fn studio_range_is_stretched_once() {
        let own = header(Size::new(16, 16), C420, Range::Studio);
        let planar = [vec![16; 128], vec![235; 128], vec![240; 64], vec![16; 64]].concat();
        let (mut out, mut decoder) = (Vec::new(), JpegDecoder::default());
        decoder.decode(&encoded(&own, &planar), 1 << 20, &mut out).unwrap();
        assert!(out[..128].iter().all(|&y| y <= 2) && out[128..256].iter().all(|&y| y >= 253));
        assert!(out[256..320].iter().all(|&b| b >= 253) && out[320..].iter().all(|&r| r <= 2));
    }

    #[test]
    fn webcams_leave_the_usual_tables_out() {
        let own = header(Size::new(48, 32), C420, Range::Full);
        let planar = picture(&own);
        let mut jpeg = encoded(&own, &planar);
        while let Some(at) = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC4]) {
            let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            jpeg.drain(at..at + 2 + length);
        }
        let (mut out, mut whole, mut decoder) = (Vec::new(), Vec::new(), JpegDecoder::default());
        decoder.decode(&encoded(&own, &planar), 1 << 20, &mut whole).unwrap();
        decoder.decode(&jpeg, 1 << 20, &mut out).unwrap();
        assert_eq!(out, whole);
    }

    #[test]
    fn damage_is_an_error_at_every_place() {
        let own = header(Size::new(48, 32), C420, Range::Full);
        let jpeg = encoded(&own, &picture(&own));
        let (mut out, mut decoder) = (Vec::new(), JpegDecoder::default());
        for cut in 0..jpeg.len() - 2 {
            assert!(decoder.decode(&jpeg[..cut], 1 << 20, &mut out).is_err(), "cut at {cut}");
        }
        let mut state = 7_u32;
        for _ in 0..3000 {
            let mut bytes = jpeg.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % bytes.len();
                bytes[at] = (state >> 3) as u8;
            }
            // Damage may be invisible; whatever happens, nothing panics and the header fits the bytes.
            if let Ok(header) = decoder.decode(&bytes, 1 << 20, &mut out) {
                assert_eq!(out.len(), header.frame_bytes());
            }
        }
        let error = decoder.decode(&jpeg, 1000, &mut out).unwrap_err();
        assert!(error.to_string().contains("1000"), "{error}");
    }
}
