//! Sizes, rectangles and factors. Pixels are counted in `usize`; products are checked where they come from outside.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// A size of `width` × `height` pixels.
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Pixels in all. For sizes that are already known to fit in memory.
    pub const fn area(self) -> usize {
        self.width * self.height
    }

    /// Pixels in all, or `None` where the product overflows.
    pub fn checked_area(self) -> Option<usize> {
        self.width.checked_mul(self.height)
    }

    /// Both sides times `factor`; a limit error where that overflows.
    pub fn checked_scale(self, factor: usize) -> Result<Self> {
        match (self.width.checked_mul(factor), self.height.checked_mul(factor)) {
            (Some(width), Some(height)) if width.checked_mul(height).is_some() => Ok(Self { width, height }),
            _ => Err(Error::limit(format!("{self} times {factor} is larger than this machine can address"))),
        }
    }

    /// Width and height exchanged.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = Error;

    /// Reads `WIDTHxHEIGHT`, both at least 1.
    fn from_str(text: &str) -> Result<Self> {
        let parse = |side: &str| side.parse().ok().filter(|&n: &usize| n > 0);
        text.split_once(['x', 'X'])
            .and_then(|(w, h)| Some(Self::new(parse(w)?, parse(h)?)))
            .ok_or_else(|| Error::usage(format!("'{text}' is not a size")).fix("write WIDTHxHEIGHT, such as 320x180"))
    }
}

/// A rectangle of pixels: left, top, and a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Extent.
    pub size: Size,
}

impl Rect {
    /// The rectangle with its top left corner at (`x`, `y`).
    pub const fn new(x: usize, y: usize, size: Size) -> Self {
        Self { x, y, size }
    }

    /// One past the last column.
    pub const fn right(self) -> usize {
        self.x + self.size.width
    }

    /// One past the last row.
    pub const fn bottom(self) -> usize {
        self.y + self.size.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_refused() {
        assert_eq!("320x180".parse::<Size>().ok(), Some(Size::new(320, 180)));
        for bad in ["320", "0x4", "4x0", "-1x4", "x", "1x2x3", "99999999999999999999x1"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn overflow_is_a_limit_not_a_wrap() {
        assert!(Size::new(usize::MAX / 2, 3).checked_scale(4).is_err());
        assert!(Size::new(usize::MAX / 2, 3).checked_area().is_none());
    }
}
