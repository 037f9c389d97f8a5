//! What a picture is made of: planes of samples, and the layout in which a file holds them.

use crate::geometry::{Rect, Size};

/// One channel: `size.width * size.height` samples, row by row without padding. Pictures use 0.0 (black) to 1.0 (white).
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// Width and height.
    pub size: Size,
    /// The samples, `size.area()` of them.
    pub data: Vec<f32>,
}

impl Plane {
    /// A plane of zeros.
    pub fn new(size: Size) -> Self {
        Self { size, data: vec![0.0; size.area()] }
    }

    /// A plane whose sample at (x, y) is `f(x, y)`.
    pub fn from_fn(size: Size, mut f: impl FnMut(usize, usize) -> f32) -> Self {
        let mut data = Vec::with_capacity(size.area());
        for y in 0..size.height {
            data.extend((0..size.width).map(|x| f(x, y)));
        }
        Self { size, data }
    }

    /// Row `y`.
    pub fn row(&self, y: usize) -> &[f32] {
        &self.data[y * self.size.width..][..self.size.width]
    }

    /// Row `y`, to write.
    pub fn row_mut(&mut self, y: usize) -> &mut [f32] {
        &mut self.data[y * self.size.width..][..self.size.width]
    }

    /// A copy of the samples inside `rect`, which must lie inside the plane.
    #[must_use]
    pub fn crop(&self, rect: Rect) -> Self {
        let mut data = Vec::with_capacity(rect.size.area());
        for y in rect.y..rect.bottom() {
            data.extend_from_slice(&self.row(y)[rect.x..rect.right()]);
        }
        Self { size: rect.size, data }
    }
}

/// Which channels a picture holds, in the order in which its rows interleave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One luma channel.
    Grey,
    /// Luma, then alpha.
    GreyAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
}

impl Layout {
    /// Channels in all, alpha counted.
    pub const fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Channels that carry colour: 1 or 3.
    pub const fn colours(self) -> usize {
        match self {
            Self::Grey | Self::GreyAlpha => 1,
            Self::Rgb | Self::Rgba => 3,
        }
    }

    /// Whether the last channel is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }
}

/// Bits a sample in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// 0 to 255.
    Eight,
    /// 0 to 65535.
    Sixteen,
}

impl Depth {
    /// The largest sample.
    pub const fn max(self) -> f32 {
        match self {
            Self::Eight => 255.0,
            Self::Sixteen => 65535.0,
        }
    }

    /// Bytes a sample.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Sixteen => 2,
        }
    }

    /// The nearest sample to `value` (0.0 to 1.0, clamped; not-a-number becomes 0).
    pub fn quantise(self, value: f32) -> u16 {
        (value * self.max() + 0.5).clamp(0.0, self.max()) as u16
    }
}
