//! How a training picture is made small: the two degradations that the papers train for.

use crate::error::{Error, Result};
use crate::geometry::Size;
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
}

impl Degradation {
    /// The width that follow-up work uses: σ = 1.6 pixels for ×4.
    pub const GAUSSIAN: Self = Self::Gaussian { sigma: 0.4 };

    /// Makes an 8-bit picture of interleaved `channels` smaller by `factor`.
    ///
    /// # Errors
    /// A usage error where `factor` is 0 or a side is not a multiple of it, an internal one where `pixels` is not
    /// `size` × `channels` long.
    pub fn apply(self, pixels: &[u8], size: Size, channels: usize, factor: usize) -> Result<(Vec<u8>, Size)> {
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
        })
    }
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bicubic => f.write_str("bicubic"),
            Self::Gaussian { sigma } => write!(f, "gaussian:{sigma}"),
        }
    }
}

impl FromStr for Degradation {
    type Err = Error;

    /// Reads `bicubic`, `gaussian`, or `gaussian:SIGMA` (0.05 to 2, for each pixel of enlargement).
    fn from_str(text: &str) -> Result<Self> {
        let sigma = |text: &str| text.parse().ok().filter(|s| (0.05..=2.0).contains(s));
        let known = match text.split_once(':') {
            None if text == "bicubic" => Some(Self::Bicubic),
            None if text == "gaussian" => Some(Self::GAUSSIAN),
            Some(("gaussian", number)) => sigma(number).map(|sigma| Self::Gaussian { sigma }),
            _ => None,
        };
        known.ok_or_else(|| {
            Error::usage(format!("'{text}' is no degradation"))
                .fix("write bicubic, gaussian, or gaussian:SIGMA with a SIGMA from 0.05 to 2")
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for name in ["bicubic", "gaussian:0.4", "gaussian:1.5"] {
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
