//! Where an image's values lie, and the three views of them.

/// 32 bf16 values: one row of a tile, one cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u16; 32]);

impl Line {
    pub(super) const ZERO: Self = Self([0; 32]);
}

/// `lines` as values.
pub(super) fn values(lines: &[Line]) -> &[u16] {
    // SAFETY: a Line is 32 u16 without padding (64 bytes, aligned to 64), so its memory is that many u16.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 32) }
}

/// `lines` as values to write.
pub(super) fn values_mut(lines: &mut [Line]) -> &mut [u16] {
    // SAFETY: as in `values`; every u16 is valid.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * 32) }
}

/// The positions of one image size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Grid {
    /// Positions from a row to the next: the row and one zero.
    pub(super) fn stride(self) -> usize {
        self.width + 1
    }

    /// Position of pixel (0, 0): a row and a pixel of zeros before it, at the start of a tile.
    pub(super) fn origin(self) -> usize {
        (self.stride() + 1).next_multiple_of(32)
    }

    /// Positions that are computed, from pixel (0, 0) on: all pixels, in whole tiles.
    pub(super) fn span(self) -> usize {
        ((self.height - 1) * self.stride() + self.width).next_multiple_of(64)
    }

    /// Positions in all.
    pub(super) fn len(self) -> usize {
        2 * self.origin() + self.span() + 64
    }

    /// Position of the first pixel of row `y`.
    pub fn row(self, y: usize) -> usize {
        self.origin() + y * self.stride()
    }

    /// Cache lines from one plane of [`Planes`] to the next: odd, so that a tile's rows fall into different cache sets.
    pub(super) fn plane_lines(self) -> usize {
        self.len().div_ceil(32) | 1
    }
}

/// Channels as they are stored: 16, or a multiple of 32.
pub(super) fn padded(channels: usize) -> usize {
    if channels <= 16 { 16 } else { channels.next_multiple_of(32) }
}

/// Feature maps `[position][channel]`.
#[derive(Debug, Clone, Default)]
pub struct Map {
    pub(super) channels: usize,
    pub(super) lines: Vec<Line>,
}

impl Map {
    /// Makes room for `channels` maps over `grid`; all zero where the shape is new, as it was otherwise.
    pub fn shape(&mut self, grid: Grid, channels: usize) {
        let channels = padded(channels);
        let lines = grid.len() * channels / 32;
        if self.channels != channels || self.lines.len() != lines {
            self.channels = channels;
            self.lines.clear();
            self.lines.resize(lines, Line::ZERO);
        }
    }

    /// The channels at `position`, the ones that fill up included.
    pub fn at(&self, position: usize) -> &[u16] {
        &values(&self.lines)[position * self.channels..][..self.channels]
    }

    /// The same, to write.
    pub fn at_mut(&mut self, position: usize) -> &mut [u16] {
        let channels = self.channels;
        &mut values_mut(&mut self.lines)[position * channels..][..channels]
    }

    /// Sets everything outside the picture to zero that lies inside the span.
    pub(super) fn clear_margins(&mut self, grid: Grid) {
        let channels = self.channels;
        let all = values_mut(&mut self.lines);
        for y in 0..grid.height - 1 {
            let margin = grid.row(y) + grid.width;
            all[margin * channels..(margin + 1) * channels].fill(0);
        }
        let end = grid.row(grid.height - 1) + grid.width;
        all[end * channels..(grid.origin() + grid.span()) * channels].fill(0);
    }
}

/// Feature maps `[channel][position]`: the left operand of a weight gradient.
#[derive(Debug, Clone, Default)]
pub struct Planes {
    pub(super) channels: usize,
    pub(super) lines: Vec<Line>,
}

/// Deltas `[32 positions][16 channels][position / 2][channel][2]`, from the grid's origin on: the right operand.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    pub(super) channels: usize,
    pub(super) lines: Vec<Line>,
}
