//! How a training picture is made small: the two degradations that the papers train for, and a webcam.

use crate::codec::{self, EncodeOptions, Format, Limits, Memory, Metadata, PictureInfo, Subsampling};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use crate::geometry::Size;
use crate::host::random::Random;
use crate::resample;
use std::fmt;
use std::str::FromStr;

/// The way from a high-resolution picture to its low-resolution twin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Degradation {
    /// MATLAB's antialiased `imresize`, rounded to 8 bits after each pass: what the benchmark sets are made with.
    Bicubic,
    /// The text of SRGAN: a Gaussian filter, then every r-th sample. The text names no width; `sigma` is in
    /// high-resolution pixels for each pixel of enlargement, so that ×r filters with `sigma·r`.
    Gaussian {
        /// Standard deviation over enlargement.
        sigma: f64,
    },
    /// What a webcam does, milder than Real-ESRGAN (Wang 2021): blur of 0.2 to 0.7 small pixels or bicubic in turn, noise of
    /// up to 6 levels that grows with brightness, and JPEG 4:2:0 of quality 55 to 95. Every draw differs.
    Camera,
}

impl Degradation {
    /// The width that follow-up work uses: σ = 1.6 pixels for ×4.
    pub const GAUSSIAN: Self = Self::Gaussian { sigma: 0.4 };

    /// Whether two draws of one picture differ.
    pub fn is_random(self) -> bool {
        self == Self::Camera
    }

    /// Makes an 8-bit picture of interleaved `channels` smaller by `factor`; what is random is drawn by the picture itself,
    /// so that a picture always becomes the same.
    ///
    /// # Errors
    /// As [`Degradation::draw`].
    pub fn apply(self, pixels: &[u8], size: Size, channels: usize, factor: usize) -> Result<(Vec<u8>, Size)> {
        let seed = pixels.iter().fold(0u64, |seed, &sample| seed.wrapping_mul(31).wrapping_add(u64::from(sample)));
        self.draw(pixels, size, channels, factor, &mut Random::new(seed))
    }

    /// Makes an 8-bit picture of interleaved `channels` smaller by `factor`.
    ///
    /// # Errors
    /// A usage error where `factor` is 0 or a side is not a multiple of it, an internal one where `pixels` is not
    /// `size` × `channels` long.
    pub fn draw(
        self,
        pixels: &[u8],
        size: Size,
        channels: usize,
        factor: usize,
        random: &mut Random,
    ) -> Result<(Vec<u8>, Size)> {
        if factor == 0 || !size.width.is_multiple_of(factor) || !size.height.is_multiple_of(factor) {
            return Err(Error::usage(format!("a picture of {size} cannot be cut down {factor} times"))
                .fix("crop both sides to multiples of the factor"));
        }
        if size.checked_area().and_then(|area| area.checked_mul(channels)) != Some(pixels.len()) {
            return Err(Error::internal(format!("{} samples are not {size} of {channels} channels", pixels.len())));
        }
        Ok(match self {
            Self::Bicubic => resample::shrink_u8(pixels, size, channels, factor),
            Self::Gaussian { sigma } => {
                resample::gaussian_shrink_u8(pixels, size, channels, factor, sigma * factor as f64)
            }
            Self::Camera => camera(pixels, size, channels, factor, random)?,
        })
    }
}

/// See [`Degradation::Camera`].
fn camera(pixels: &[u8], size: Size, channels: usize, factor: usize, random: &mut Random) -> Result<(Vec<u8>, Size)> {
    let sigma = (0.2 + 0.5 * random.unit()) * factor as f64;
    let (mut small, to) = match random.below(2) {
        0 => resample::shrink_u8(pixels, size, channels, factor),
        _ => resample::gaussian_shrink_u8(pixels, size, channels, factor, sigma),
    };
    let noise = 6.0 * random.unit() * random.unit();
    for pixel in small.chunks_exact_mut(channels) {
        // What a sensor counts is noisier where it is bright; its channels share half of it.
        let shared = random.normal();
        for sample in pixel {
            let level = noise * (0.4 + 0.6 * (f64::from(*sample) / 255.0).sqrt());
            *sample =
                (f64::from(*sample) + level * (0.7 * shared + 0.7 * random.normal())).round().clamp(0.0, 255.0) as u8;
        }
    }
    let quality = 55 + random.below(41) as u8;
    Ok((through_jpeg(&small, to, channels, quality)?, to))
}

/// What is left of a picture after JPEG 4:2:0.
fn through_jpeg(pixels: &[u8], size: Size, channels: usize, quality: u8) -> Result<Vec<u8>> {
    let layout = if channels == 1 { Layout::Grey } else { Layout::Rgb };
    let info = PictureInfo { size, layout, depth: Depth::Eight, metadata: Metadata::default(), streams: true };
    let options =
        EncodeOptions { jpeg_quality: quality, jpeg_subsampling: Subsampling::Quarter, ..EncodeOptions::default() };
    let file = Memory::default();
    let mut sink = codec::write_to(file.clone(), Format::Jpeg, &info, &options)?;
    for row in pixels.chunks_exact(size.width * channels) {
        sink.write_row(&row.iter().map(|&sample| f32::from(sample) / 255.0).collect::<Vec<_>>())?;
    }
    sink.finish()?;
    let bytes = file.take();
    let mut source = codec::read_from(bytes.as_slice(), &Limits::default())?;
    let mut row = vec![0.0; size.width * source.info().layout.channels()];
    let mut again = Vec::with_capacity(pixels.len());
    for _ in 0..size.height {
        source.next_row(&mut row)?;
        again.extend(row.iter().map(|&sample| Depth::Eight.quantise(sample) as u8));
    }
    if again.len() == pixels.len() { Ok(again) } else { Err(Error::internal("a JPEG came back with other channels")) }
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bicubic => f.write_str("bicubic"),
            Self::Camera => f.write_str("camera"),
            Self::Gaussian { sigma } => write!(f, "gaussian:{sigma}"),
        }
    }
}

impl FromStr for Degradation {
    type Err = Error;

    /// Reads `bicubic`, `camera`, `gaussian`, or `gaussian:SIGMA` (0.05 to 2, for each pixel of enlargement).
    fn from_str(text: &str) -> Result<Self> {
        let sigma = |text: &str| text.parse().ok().filter(|s| (0.05..=2.0).contains(s));
        let known = match text.split_once(':') {
            None if text == "bicubic" => Some(Self::Bicubic),
            None if text == "camera" => Some(Self::Camera),
            None if text == "gaussian" => Some(Self::GAUSSIAN),
            Some(("gaussian", number)) => sigma(number).map(|sigma| Self::Gaussian { sigma }),
            _ => None,
        };
        known.ok_or_else(|| {
            Error::usage(format!("'{text}' is no degradation"))
                .fix("write bicubic, camera, gaussian, or gaussian:SIGMA with a SIGMA from 0.05 to 2")
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for name in ["bicubic", "camera", "gaussian:0.4", "gaussian:1.5"] {
            assert_eq!(name.parse::<Degradation>().map(|d| d.to_string()).ok().as_deref(), Some(name));
        }
        for bad in ["", "lanczos", "gaussian:", "gaussian:0", "gaussian:NaN", "gaussian:9", "bicubic:1"] {
            assert!(bad.parse::<Degradation>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sides_that_do_not_divide_are_refused() {
        let error = Degradation::Bicubic.apply(&[0; 35], Size::new(7, 5), 1, 4).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("7x5") && e.contains("multiples")));
        assert!(Degradation::Bicubic.apply(&[0; 16], Size::new(4, 4), 1, 0).is_err());
    }

    #[test]
    fn a_camera_blurs_and_adds_noise_but_keeps_the_picture() {
        let size = Size::new(128, 96);
        let level = |n: usize| (60 + 120 * usize::from(n % 384 / 3 > 64)) as u8;
        let picture: Vec<u8> = (0..size.area() * 3).map(level).collect();
        let (exact, to) = Degradation::Bicubic.apply(&picture, size, 3, 4).unwrap();
        let mut random = Random::new(2);
        let mut draw = || Degradation::Camera.draw(&picture, size, 3, 4, &mut random).unwrap();
        let (one, other) = (draw(), draw());
        assert_eq!(one.1, to);
        assert_ne!(one.0, other.0);
        for (drawn, _) in [one, other] {
            let off =
                drawn.iter().zip(&exact).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / exact.len() as f64;
            assert!(off > 0.05 && off < 8.0, "{off}");
        }
        let apply = || Degradation::Camera.apply(&picture, size, 3, 4).unwrap();
        assert_eq!(apply(), apply());
    }

    #[test]
    fn every_factor_shrinks_every_channel_alone() {
        let size = Size::new(24, 12);
        let picture: Vec<u8> = (0..size.area()).flat_map(|_| [10, 100, 250]).collect();
        for way in [Degradation::Bicubic, Degradation::GAUSSIAN] {
            for factor in [2, 3, 4] {
                let (small, to) = way.apply(&picture, size, 3, factor).unwrap();
                assert_eq!(to, Size::new(24 / factor, 12 / factor));
                assert!(small.chunks(3).all(|pixel| pixel == [10, 100, 250]), "{way} by {factor}");
            }
        }
    }
}
