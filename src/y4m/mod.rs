//! YUV4MPEG2: raw video on pipes, as ffmpeg, mpv, x264 and the AV1 tools speak it.
//!
//! A stream is one header line (`YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg`), then frames: a line `FRAME` and the
//! planes Y, Cb, Cr without padding, samples of more than 8 bits as two bytes, low byte first.

mod header;
mod stream;

pub use header::{Chroma, Header, Range, Ratio, Siting};
pub use stream::{Reader, Writer};

/// The longest header line that is read, in bytes.
pub const MAX_HEADER: usize = 2048;
/// The longest line in front of a frame that is read, in bytes.
pub const MAX_FRAME_HEADER: usize = 256;
/// The most pixels that a frame may have: above 16K video.
pub const MAX_PIXELS: usize = 1 << 28;

/// Reads samples of `bits` bits as `code · gain + offset`. As many as `samples` has; `bytes` must hold them.
pub fn load(bytes: &[u8], bits: u32, [gain, offset]: [f32; 2], samples: &mut [f32]) {
    if bits == 8 {
        for (sample, &byte) in samples.iter_mut().zip(bytes) {
            *sample = f32::from(byte) * gain + offset;
        }
    } else {
        for (sample, pair) in samples.iter_mut().zip(bytes.chunks_exact(2)) {
            *sample = f32::from(u16::from_le_bytes([pair[0], pair[1]])) * gain + offset;
        }
    }
}

/// The inverse of [`load`]: the nearest code of `bits` bits to `(sample − offset)/gain`, clamped to what the bits hold.
/// Not-a-number becomes 0.
pub fn store(samples: &[f32], bits: u32, [gain, offset]: [f32; 2], bytes: &mut [u8]) {
    let (top, inverse) = (((1_u32 << bits) - 1) as f32, 1.0 / gain);
    let code = |sample: f32| ((sample - offset) * inverse + 0.5).clamp(0.0, top);
    if bits == 8 {
        for (byte, &sample) in bytes.iter_mut().zip(samples) {
            *byte = code(sample) as u8;
        }
    } else {
        for (pair, &sample) in bytes.chunks_exact_mut(2).zip(samples) {
            pair.copy_from_slice(&(code(sample) as u16).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_way_there_and_back() {
        for bits in [8, 9, 10, 12, 14, 16] {
            for range in [Range::Full, Range::Studio] {
                for levels in [range.luma(bits), range.chroma(bits)] {
                    let codes: Vec<u32> = (0..1 << bits).collect();
                    let bytes: Vec<u8> = match bits {
                        8 => codes.iter().map(|&code| code as u8).collect(),
                        _ => codes.iter().flat_map(|&code| (code as u16).to_le_bytes()).collect(),
                    };
                    let mut samples = vec![0.0; codes.len()];
                    load(&bytes, bits, levels, &mut samples);
                    let mut back = vec![0; bytes.len()];
                    store(&samples, bits, levels, &mut back);
                    assert_eq!(bytes, back, "{bits} bits, {range:?}");
                }
            }
        }
    }

    #[test]
    fn studio_black_and_white_are_zero_and_one() {
        let mut samples = [9.0; 3];
        load(&[16, 235, 128], 8, Range::Studio.luma(8), &mut samples);
        assert!(samples[0].abs() < 1e-6 && (samples[1] - 1.0).abs() < 1e-6, "{samples:?}");
        load(&[64, 0, 172, 3], 10, Range::Studio.luma(10), &mut samples[..2]);
        assert!(samples[0].abs() < 1e-6 && (samples[1] - 1.0).abs() < 1e-6, "{samples:?}");
        load(&[16, 128, 240], 8, Range::Studio.chroma(8), &mut samples);
        assert!((samples[0]).abs() < 1e-6 && (samples[1] - 0.5).abs() < 1e-6 && (samples[2] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_number_or_far_away_is_clamped() {
        let mut bytes = [7; 3];
        store(&[f32::NAN, 1e9, -1e9], 8, Range::Full.luma(8), &mut bytes);
        assert_eq!(bytes, [0, 255, 0]);
    }
}
