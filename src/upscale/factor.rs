//! How many times larger a picture is to become.

use crate::error::{Error, Result};
use crate::geometry::Size;
use std::fmt;
use std::str::FromStr;

/// Output pixels for each input pixel, along each side.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Factor(f64);

impl Factor {
    /// The smallest that may be asked for: the picture as it is.
    pub const LEAST: f64 = 1.0;
    /// The largest that may be asked for.
    pub const MOST: f64 = 8.0;

    /// A factor that someone asks for.
    ///
    /// # Errors
    /// A usage error outside of 1 to 8.
    pub fn new(factor: f64) -> Result<Self> {
        if (Self::LEAST..=Self::MOST).contains(&factor) {
            return Ok(Self(factor));
        }
        Err(Error::usage(format!("a factor of {factor} is not between {} and {}", Self::LEAST, Self::MOST))
            .fix("write --scale 2, 2.5, 4 and so on"))
    }

    /// What a model gives by itself; never refused.
    pub fn of_model(scale: usize) -> Self {
        Self(scale as f64)
    }

    /// The plain number.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Both sides of `size` times the factor, rounded, at least one pixel.
    ///
    /// # Errors
    /// A limit error where the picture is larger than this machine can address.
    pub fn apply(self, size: Size) -> Result<Size> {
        let side = |length: usize| ((length as f64 * self.0).round() as usize).max(1);
        let target = Size::new(side(size.width), side(size.height));
        match target.checked_area() {
            Some(area) if area < usize::MAX / 64 => Ok(target),
            _ => Err(Error::limit(format!("{size} times {self} is larger than this machine can address"))),
        }
    }

    /// The scale to take of those at hand: the smallest that reaches the factor, or else the largest.
    pub fn nearest(self, scales: impl IntoIterator<Item = usize>) -> Option<usize> {
        scales
            .into_iter()
            .min_by_key(|&scale| if scale as f64 >= self.0 { (0, scale) } else { (1, usize::MAX - scale) })
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Factor {
    type Err = Error;

    /// Reads `4`, `2.5`, `x4` or `4x`.
    fn from_str(text: &str) -> Result<Self> {
        let number = text.trim_matches(['x', 'X', '×']);
        number.parse().map_or_else(
            |_| Err(Error::usage(format!("'{text}' is not a factor")).fix("write --scale 2, 2.5, 4 and so on")),
            Self::new,
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn factors_are_read_and_refused() {
        let read = |text: &str| text.parse::<Factor>().map(|factor| factor.0).ok();
        assert_eq!(
            (read("4"), read("2.5"), read("x3"), read("1"), read("8")),
            (Some(4.0), Some(2.5), Some(3.0), Some(1.0), Some(8.0))
        );
        for bad in ["", "0.99", "8.01", "0", "-2", "nan", "inf", "two"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn sides_are_rounded() {
        let factor = Factor::new(2.5).unwrap();
        assert_eq!(factor.apply(Size::new(3, 1)).unwrap(), Size::new(8, 3));
        assert!(Factor::of_model(16).apply(Size::new(usize::MAX / 2, 2)).is_err());
    }

    #[test]
    fn the_nearest_model_reaches_the_factor_where_one_does() {
        let nearest = |factor, scales: &[usize]| Factor::new(factor).unwrap().nearest(scales.iter().copied());
        assert_eq!(nearest(2.0, &[4, 2, 3]), Some(2));
        assert_eq!(nearest(2.1, &[4, 2, 3]), Some(3));
        assert_eq!(nearest(8.0, &[2, 4, 3]), Some(4));
        assert_eq!(nearest(1.0, &[]), None);
    }
}
