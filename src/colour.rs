//! Luma and chroma: the full-range BT.601 that generators see, and the studio luma that papers measure on.
//!
//! Full range (as in JPEG), all of 0..1, chroma centred on ½:
//! `Y = 0.299 R + 0.587 G + 0.114 B`, `Cb = ½ + (B − Y)/1.772`, `Cr = ½ + (R − Y)/1.402`.

/// Weights of red, green and blue in luma.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Full-range luma, blue difference and red difference of a colour, all of 0..1.
pub fn ycbcr_from_rgb([r, g, b]: [f32; 3]) -> [f32; 3] {
    let y = LUMA[0] * r + LUMA[1] * g + LUMA[2] * b;
    [y, 0.5 + (b - y) / 1.772, 0.5 + (r - y) / 1.402]
}

/// The colour of a full-range luma, blue difference and red difference. Not clamped.
pub fn rgb_from_ycbcr([y, cb, cr]: [f32; 3]) -> [f32; 3] {
    let (b, r) = (y + 1.772 * (cb - 0.5), y + 1.402 * (cr - 0.5));
    [r, (y - LUMA[0] * r - LUMA[2] * b) / LUMA[1], b]
}

/// MATLAB's `rgb2ycbcr` luma of a colour of 0..1, unrounded: `16 + 65.481 R + 128.553 G + 24.966 B`, from 16 to 235.
pub fn studio_luma([r, g, b]: [f64; 3]) -> f64 {
    16.0 + 65.481 * r + 128.553 * g + 24.966 * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours() {
        let close = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(ycbcr_from_rgb([1.0; 3]), [1.0, 0.5, 0.5]));
        assert!(close(ycbcr_from_rgb([0.0, 0.0, 1.0]), [0.114, 1.0, 0.5 - 0.114 / 1.402]));
        assert!(close(ycbcr_from_rgb([1.0, 0.0, 0.0]), [0.299, 0.5 - 0.299 / 1.772, 1.0]));
        assert!((studio_luma([1.0; 3]) - 235.0).abs() < 1e-9);
        assert!((studio_luma([0.0; 3]) - 16.0).abs() < 1e-9);
        assert!((studio_luma([10.0, 200.0, 30.0].map(|x| x / 255.0)) - 122.330_941_176).abs() < 1e-6);
    }

    #[test]
    fn there_and_back_is_the_same_colour() {
        for i in 0..=1000_u32 {
            let colour = [7, 31, 101].map(|prime| (i * prime % 256) as f32 / 255.0);
            let back = rgb_from_ycbcr(ycbcr_from_rgb(colour));
            assert!(colour.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-6), "{colour:?} {back:?}");
        }
    }
}
