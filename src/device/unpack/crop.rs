//! The region of interest.

use crate::error::{Error, Result};
use crate::geometry::{Rect, Size};
use std::str::FromStr;

/// The part of a camera's frame that is enlarged: digital zoom. Written `320x240` (in the middle), `320x240+64+32` (from the left
/// and top), or `2.5` (so many times closer, in the middle).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crop {
    /// So many pixels; in the middle where no place is given.
    Pixels(Size, Option<(usize, usize)>),
    /// So many times closer, at least once.
    Zoom(f64),
}

impl Crop {
    /// The rectangle inside of frames of `size`, its corner at whole groups of chroma (`group` pixels across and down) and at
    /// least one group large. What reaches past the frame is moved in, or cut where it is larger than the frame.
    pub fn inside(self, size: Size, group: (usize, usize)) -> Rect {
        let (wished, place) = match self {
            Self::Pixels(wished, place) => (wished, place),
            Self::Zoom(zoom) => {
                let side = |side: usize| (side as f64 / zoom).round() as usize;
                (Size::new(side(size.width), side(size.height)), None)
            }
        };
        let axis = |length: usize, wished: usize, at: Option<usize>, group: usize| {
            let taken = if wished >= length { length } else { (wished.max(1).next_multiple_of(group)).min(length) };
            let at = at.unwrap_or((length - taken) / 2).min(length - taken) / group * group;
            (at, taken)
        };
        let (x, width) = axis(size.width, wished.width, place.map(|place| place.0), group.0);
        let (y, height) = axis(size.height, wished.height, place.map(|place| place.1), group.1);
        Rect::new(x, y, Size::new(width, height))
    }
}

impl FromStr for Crop {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("'{text}' is no region of interest"))
                .fix("write WxH, WxH+LEFT+TOP, or a factor such as 2")
        };
        if let Ok(zoom) = text.parse::<f64>() {
            return if (1.0..=64.0).contains(&zoom) { Ok(Self::Zoom(zoom)) } else { Err(wrong()) };
        }
        let mut parts = text.split('+');
        let size = parts.next().and_then(|size| size.parse().ok()).ok_or_else(wrong)?;
        let numbers: Vec<usize> = parts.map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        match numbers[..] {
            [] => Ok(Self::Pixels(size, None)),
            [x, y] => Ok(Self::Pixels(size, Some((x, y)))),
            _ => Err(wrong()),
        }
    }
}
