//! A frame on its way: as the source gave it, and as it is shown.

use crate::geometry::Size;
use crate::y4m::{Chroma, Header, Range, Ratio, Siting};
use std::fmt;
use std::time::Duration;

/// Pixels of a source's frames at most.
pub const MOST_PIXELS: usize = 1 << 26;
/// Bytes of the shortest JPEG that could be one: those that mark its parts take more.
const LEAST_JPEG: usize = 100;

/// How a source packs the pixels of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Luma, then the two chroma planes (`YU12` is 4:2:0).
    Planar(Chroma),
    /// Luma, then rows of blue and red in turn, one pair for 2 × 2 pixels.
    Nv12,
    /// Two pixels in four bytes: luma, blue, luma, red.
    Yuyv,
    /// Red, green, blue.
    Rgb24,
    /// A JPEG file a frame.
    Jpeg,
}

impl Packing {
    /// The packing with the fourcc that V4L2 knows it by, among those that are read.
    pub const ALL: [(Self, [u8; 4]); 6] = [
        (Self::Jpeg, *b"MJPG"),
        (Self::Yuyv, *b"YUYV"),
        (Self::Nv12, *b"NV12"),
        (Self::Planar(Chroma::C420(Siting::Left)), *b"YU12"),
        (Self::Planar(Chroma::Mono), *b"GREY"),
        (Self::Rgb24, *b"RGB3"),
    ];

    /// The packing of a fourcc; `JPEG` is `MJPG`.
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        let fourcc = if &fourcc == b"JPEG" { *b"MJPG" } else { fourcc };
        Self::ALL.into_iter().find(|(_, own)| *own == fourcc).map(|(packing, _)| packing)
    }

    /// Bytes of a luma row of `width` pixels, or of a packed row; 0 where rows have no length of their own.
    pub fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::Planar(_) | Self::Nv12 => width,
            Self::Yuyv => 4 * width.div_ceil(2),
            Self::Rgb24 => 3 * width,
            Self::Jpeg => 0,
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(packing, _)| packing == self);
        match (self, found) {
            (_, Some((_, fourcc))) => f.write_str(&String::from_utf8_lossy(fourcc)),
            (Self::Planar(chroma), None) => f.write_str(match chroma {
                Chroma::Mono => "GREY",
                Chroma::C420(_) => "planar 4:2:0",
                Chroma::C422 => "planar 4:2:2",
                Chroma::C444 => "planar 4:4:4",
            }),
            (_, None) => write!(f, "{self:?}"),
        }
    }
}

/// What the frames of a source look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// How pixels are packed.
    pub packing: Packing,
    /// Width and height.
    pub size: Size,
    /// Bytes from one luma (or packed) row to the next; chroma rows of planar formats have their share of it. 0 for JPEG.
    pub stride: usize,
    /// Codes of black and white. JPEG frames are full range whatever stands here.
    pub range: Range,
    /// Frames a second that were promised.
    pub rate: Option<Ratio>,
}

impl Format {
    /// A format whose rows follow each other without padding.
    pub fn new(packing: Packing, size: Size, range: Range, rate: Option<Ratio>) -> Self {
        Self { packing, size, stride: packing.row_bytes(size.width), range, rate }
    }

    /// Bytes that a frame must have at the least; padding behind the last row is not asked for. The size must be within
    /// [`MOST_PIXELS`] and not empty.
    pub fn least_bytes(&self) -> usize {
        let Size { width, height } = self.size;
        let rows = |rows: usize, stride: usize, row: usize| rows.saturating_sub(1) * stride + row;
        let row = self.packing.row_bytes(width);
        match self.packing {
            Packing::Jpeg => LEAST_JPEG,
            Packing::Planar(chroma) => match chroma.group() {
                None => rows(height, self.stride, row),
                Some((across, down)) => {
                    let (row, stride) = (width.div_ceil(across), self.stride.div_ceil(across));
                    let lines = height.div_ceil(down);
                    self.stride * height + stride * lines + rows(lines, stride, row)
                }
            },
            Packing::Nv12 => {
                let pairs = rows(height.div_ceil(2), self.stride.next_multiple_of(2), 2 * width.div_ceil(2));
                self.stride * height + pairs
            }
            Packing::Yuyv | Packing::Rgb24 => rows(height, self.stride, row),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.packing, self.size)?;
        match self.rate {
            Some(rate) => write!(f, " at {:.3} frames/s", f64::from(rate.num) / f64::from(rate.den)),
            None => Ok(()),
        }
    }
}

/// One frame as the source gave it. The buffer goes round: `bytes` keeps its capacity.
#[derive(Debug, Clone)]
pub struct Shot {
    /// What `bytes` hold.
    pub format: Format,
    /// The frame.
    pub bytes: Vec<u8>,
    /// Counted by the source, from 0; gaps are frames that the driver lost.
    pub number: u64,
    /// When it was taken, on [`super::clock`]: the driver's stamp where it gives one.
    pub taken: Duration,
}

impl Shot {
    /// An empty buffer.
    pub fn empty() -> Self {
        let format = Format::new(Packing::Planar(Chroma::Mono), Size::new(0, 0), Range::Full, None);
        Self { format, bytes: Vec::new(), number: 0, taken: Duration::ZERO }
    }
}

/// A planar 8-bit picture: luma, then the two chroma planes, rows without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Size, chroma sampling, range.
    pub header: Header,
    /// `header.frame_bytes()` bytes.
    pub bytes: Vec<u8>,
}

/// A frame as it is shown: what the generator saw, what it made of it, and when. Shared by all sinks, never copied.
#[derive(Debug)]
pub struct Shown {
    /// As in [`Shot`].
    pub number: u64,
    /// As in [`Shot`].
    pub taken: Duration,
    /// When the enlarged picture was done.
    pub done: Duration,
    /// Before: the camera's frame, cut to the region of interest.
    pub small: Picture,
    /// After.
    pub large: Picture,
}
