//! How a picture is cut into windows: the only owner of halo arithmetic.
//!
//! Along each axis `n` pixels are covered by `k` equal windows of `w` pixels. Window `i` starts at
//! `⌊i·(n − w)/(k − 1)⌋`, so the windows slide inwards at the border and none reaches past it: one concrete shape, and
//! the network's own padding meets exactly the borders that it would meet in the whole picture. Neighbours overlap by at
//! least two halos and are cut in the middle of the overlap, so what a window contributes lies a halo away from every edge
//! of it that is not an edge of the picture: tiled equals untiled.
//!
//! Where a model takes only sides that are multiples of some number, all of this is counted in blocks of so many pixels, so
//! that windows begin where blocks begin; the last block may reach past the picture.
//!
//! A generator that streams rows has no windows: the picture is cut into bands of rows, and each band reads the rows around it
//! where they lie.
//!
//! A picture smaller than the smallest window that a model takes is placed at the window's top left and its last column and
//! row are repeated; what they become is cut off.

pub(crate) mod columns;
use super::generator::{Footing, Generator};
use crate::card::{Card, Tiling};
use crate::error::{Error, Result};
use crate::geometry::{Rect, Size};

/// How a picture may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileOptions {
    /// Longest side of a window in pixels; `None` chooses by halo, picture and threads.
    pub side: Option<usize>,
    /// Threads that work on windows at once; 0 counts as 1.
    pub threads: usize,
}

impl Default for TileOptions {
    fn default() -> Self {
        Self { side: None, threads: 1 }
    }
}

/// One window of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// What the generator reads; reaches past the picture only where the picture is smaller than the model's windows, or
    /// no whole number of its blocks.
    pub window: Rect,
    /// What the window contributes, in the picture's pixels. These regions partition the picture.
    pub valid: Rect,
}

impl Tile {
    /// The valid region inside the enlarged window.
    pub fn inside(&self, scale: usize) -> Rect {
        let (x, y) = (self.valid.x - self.window.x, self.valid.y - self.window.y);
        Rect::new(x * scale, y * scale, Size::new(self.valid.size.width * scale, self.valid.size.height * scale))
    }
}

/// Windows along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    /// Pixels of the picture.
    length: usize,
    /// Pixels of a block.
    block: usize,
    /// Blocks of each window.
    window: usize,
    /// Windows.
    count: usize,
    /// Pixels at whose multiples windows begin.
    alignment: usize,
}

/// What a model asks of its windows.
#[derive(Debug, Clone, Copy)]
struct Needs {
    halo: usize,
    /// Smallest side, in pixels.
    least: usize,
    /// Pixels of a block.
    block: usize,
    /// Windows begin at multiples of so many pixels; only where a block is one pixel.
    alignment: usize,
}

/// Where one window of an axis starts, and the half-open range that it contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    from: usize,
    to: usize,
}

impl Needs {
    fn of(card: &Card, footing: Footing) -> Self {
        let block = card.multiple.max(1);
        Self {
            halo: footing.halo,
            least: card.min_side,
            block,
            alignment: if block == 1 { footing.alignment.max(1) } else { 1 },
        }
    }

    /// As few windows as a longest side allows, and those no longer than they need to be, but at least as long as they must
    /// be. `None` where the halo leaves nothing of such windows.
    fn fit(self, length: usize, side: usize) -> Option<Axis> {
        let (blocks, halo) = (length.div_ceil(self.block), self.halo.div_ceil(self.block));
        let least = self.least.div_ceil(self.block).max(1);
        let side = (side / self.block).clamp(least, blocks.max(least));
        let most = self.exact(length, side)?;
        let needed = (blocks + 2 * halo * (most.count - 1)).div_ceil(most.count);
        // Vectors like rows of four.
        let needed = if self.block == 1 { needed.next_multiple_of(4) } else { needed };
        self.exact(length, needed.max(least).min(side)).or(Some(most))
    }

    /// Windows of exactly `window` blocks; `None` where the halo leaves nothing of them.
    fn exact(self, length: usize, window: usize) -> Option<Axis> {
        let (blocks, halo) = (length.div_ceil(self.block), self.halo.div_ceil(self.block));
        let axis = |window, count| Axis { length, block: self.block, window, count, alignment: self.alignment };
        if blocks <= window {
            return Some(axis(window, 1));
        }
        // The last window ends where the picture ends, and begins at a multiple all the same.
        let window = window.checked_sub((window + self.alignment - blocks % self.alignment) % self.alignment)?;
        // Steps of the alignment from the first window to the last, and from one to the next at most.
        let steps = (blocks - window) / self.alignment;
        let most = (window.checked_sub(2 * halo)? / self.alignment).max(1);
        (window >= 2 * halo + self.alignment).then(|| axis(window, 1 + steps.div_ceil(most)))
    }

    /// One window, however large.
    fn whole(self, length: usize) -> Axis {
        let window = length.max(self.least).div_ceil(self.block);
        Axis { length, block: self.block, window, count: 1, alignment: 1 }
    }
}

impl Axis {
    fn blocks(self) -> usize {
        self.length.div_ceil(self.block)
    }

    /// The first block of window `i`.
    fn start(self, i: usize) -> usize {
        if self.count == 1 {
            return 0;
        }
        let steps = ((self.blocks() - self.window) / self.alignment) as u64;
        (i as u64 * steps / (self.count - 1) as u64) as usize * self.alignment
    }

    /// One past the pixels that window `i` contributes: the middle of its overlap with the next.
    fn cut(self, i: usize) -> usize {
        if i + 1 == self.count {
            return self.length;
        }
        usize::midpoint(self.start(i) + self.window, self.start(i + 1)) * self.block
    }

    fn span(self, i: usize) -> Span {
        let from = if i == 0 { 0 } else { self.cut(i - 1) };
        Span { start: self.start(i) * self.block, from, to: self.cut(i) }
    }
}

/// A picture's windows, row by row from the top left. Plain numbers: copy it freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    across: Axis,
    down: Axis,
    /// Bands of rows instead of windows.
    bands: Option<Bands>,
}

/// Rows that are made together, of the whole width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bands {
    count: usize,
    halo: usize,
    alignment: usize,
}

impl Bands {
    /// The first row of band `i` of a picture of `height` rows. Every band but the first also makes some of the rows above it,
    /// fewer from layer to layer, which is the work of about a third of the halo; so the first one is that much higher.
    fn cut(self, i: usize, height: usize) -> usize {
        let extra = self.halo / 3;
        match i {
            0 => 0,
            i if i == self.count => height,
            i => {
                let work = (height + extra * (self.count - 1)) as u64;
                let even = (i as u64 * work / self.count as u64) as usize;
                (even - (i - 1) * extra) / self.alignment * self.alignment
            }
        }
    }
}

/// Low-resolution pixels of a band at most, unless its halo is large beside it: what is made of them has to be held.
const BAND_PIXELS: usize = 1 << 18;
/// Fewest rows of a band that are worth a thread.
const BAND_ROWS: usize = 16;

impl Grid {
    /// Cuts `picture` for `generator`.
    ///
    /// # Errors
    /// A usage error where tiles are asked of a generator that cannot have them, or are too small for its halo; a model
    /// error where a graph of fixed size cannot cover the picture.
    pub fn new(generator: &dyn Generator, picture: Size, options: &TileOptions) -> Result<Self> {
        Self::cut(generator.card(), generator.footing(), picture, options)
    }

    /// Cuts `picture` as a card and a footing ask.
    fn cut(card: &Card, footing: Footing, picture: Size, options: &TileOptions) -> Result<Self> {
        if picture.width == 0 || picture.height == 0 {
            return Err(Error::input(format!("a picture of {picture} has no pixels")));
        }
        match (card.fixed_size(), &card.tiling) {
            (Some(_), _) if options.side.is_some() => Err(Error::usage(format!(
                "'{}' takes windows of one size only, so no tile size can be chosen",
                card.name
            ))
            .fix("leave --tile out")),
            (_, Tiling::Whole(reason)) if options.side.is_some() => {
                Err(Error::usage(format!("'{}' cannot work in tiles: {reason}", card.name)).fix("leave --tile out"))
            }
            (Some(fixed), tiling) => Self::fixed(card, picture, fixed, tiling),
            (None, Tiling::Whole(_)) => {
                let needs = Needs::of(card, Footing { halo: 0, ..footing });
                Ok(Self::windows(needs.whole(picture.width), needs.whole(picture.height)))
            }
            (None, Tiling::Halo(_)) => match options.side {
                Some(side) => Self::asked(card, picture, footing, side),
                None if footing.streams => Ok(Self::banded(picture, footing, options.threads.max(1))),
                None => Self::chosen(picture, Needs::of(card, footing), options.threads.max(1)),
            },
        }
    }

    fn windows(across: Axis, down: Axis) -> Self {
        Self { across, down, bands: None }
    }

    /// As many bands as threads, or a multiple where the picture is large.
    fn banded(picture: Size, footing: Footing, threads: usize) -> Self {
        let needs = Needs { halo: 0, least: 1, block: 1, alignment: 1 };
        let rows = (BAND_PIXELS / picture.width).max(8 * footing.halo).max(BAND_ROWS);
        let count = picture.height.div_ceil(rows).next_multiple_of(threads);
        // What a band makes beside its own rows must not be most of its work.
        let count = count.clamp(1, (picture.height / BAND_ROWS.max(footing.halo)).max(1));
        let bands = Bands { count, halo: footing.halo, alignment: footing.alignment.max(1) };
        Self { bands: Some(bands), ..Self::windows(needs.whole(picture.width), needs.whole(picture.height)) }
    }

    fn fixed(card: &Card, picture: Size, fixed: Size, tiling: &Tiling) -> Result<Self> {
        let refuse = |why: String| {
            Error::model(format!("'{}' takes pictures of {fixed} only and {why}", card.name))
                .fix("export it with dynamic height and width, or shrink the picture")
        };
        let halo = match tiling {
            Tiling::Halo(halo) => *halo,
            Tiling::Whole(_) if picture.width <= fixed.width && picture.height <= fixed.height => 0,
            Tiling::Whole(reason) => return Err(refuse(format!("cannot work in tiles ({reason})"))),
        };
        // A graph of one size says nothing of blocks; its own side is the only multiple that it is known to take.
        let needs = Needs { halo, least: 1, block: 1, alignment: 1 };
        match (needs.exact(picture.width, fixed.width), needs.exact(picture.height, fixed.height)) {
            (Some(across), Some(down)) => Ok(Self::windows(across, down)),
            _ => Err(refuse(format!("its halo of {halo} pixels leaves nothing of a window"))),
        }
    }

    fn asked(card: &Card, picture: Size, footing: Footing, side: usize) -> Result<Self> {
        let (needs, halo) = (Needs::of(card, footing), footing.halo);
        match (needs.fit(picture.width, side), needs.fit(picture.height, side)) {
            (Some(across), Some(down)) => Ok(Self::windows(across, down)),
            _ => Err(Error::usage(format!("tiles of {side} pixels are too small for '{}' (halo {halo})", card.name))
                .fix(format!("give --tile at least {}", smallest_side(card, footing)))),
        }
    }

    /// Tries the coarsest cut and finer ones, and takes the one whose slowest thread has the fewest pixels.
    fn chosen(picture: Size, needs: Needs, threads: usize) -> Result<Self> {
        let halo = needs.halo.next_multiple_of(needs.block);
        let side = (16 * halo).clamp(128, 512.max(4 * halo)).max(2 * halo + needs.block);
        let axes = |length: usize| {
            let coarsest = needs.fit(length, side).map_or(1, |axis| axis.count);
            (coarsest..coarsest + threads.min(32)).filter_map(move |count| {
                let window = (length + 2 * halo * (count - 1)).div_ceil(count);
                needs.fit(length, window.next_multiple_of(4.max(needs.block)))
            })
        };
        let grids =
            axes(picture.height).flat_map(|down| axes(picture.width).map(move |across| Self::windows(across, down)));
        grids
            .min_by_key(|grid| (grid.len().div_ceil(threads) as u64 * grid.window().area() as u64, grid.len()))
            .ok_or_else(|| Error::internal(format!("no tiles found for {picture} with a halo of {halo}")))
    }

    /// The picture.
    pub fn picture(&self) -> Size {
        Size::new(self.across.length, self.down.length)
    }

    /// The one shape of every window; the whole picture where there are bands.
    pub fn window(&self) -> Size {
        Size::new(self.across.window * self.across.block, self.down.window * self.down.block)
    }

    /// Whether the picture is smaller than a window, so that its edge is repeated to fill one.
    pub fn is_padded(&self) -> bool {
        self.across.window > self.across.blocks() || self.down.window > self.down.blocks()
    }

    /// Whether bands of rows are made instead of windows.
    pub fn is_banded(&self) -> bool {
        self.bands.is_some()
    }

    /// Rows that a window or band reads at most.
    pub fn tallest(&self) -> usize {
        match self.bands {
            None => self.window().height,
            Some(bands) => {
                // The first band has the most rows.
                let rows = bands.cut(1, self.down.length) + bands.alignment;
                (rows + 2 * bands.halo).min(self.down.length)
            }
        }
    }

    /// Windows or bands in all.
    pub fn len(&self) -> usize {
        self.across.count * self.rows()
    }

    /// Never: a picture has at least one window.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Windows beside each other.
    pub fn columns(&self) -> usize {
        self.across.count
    }

    /// Rows of windows.
    pub fn rows(&self) -> usize {
        self.bands.map_or(self.down.count, |bands| bands.count)
    }

    /// Window `index`, counted along the rows; must be below [`Grid::len`].
    pub fn tile(&self, index: usize) -> Tile {
        if let Some(bands) = self.bands {
            return self.band(bands, index);
        }
        let (x, y) = (self.across.span(index % self.across.count), self.down.span(index / self.across.count));
        Tile {
            window: Rect::new(x.start, y.start, self.window()),
            valid: Rect::new(x.from, y.from, Size::new(x.to - x.from, y.to - y.from)),
        }
    }

    fn band(&self, bands: Bands, index: usize) -> Tile {
        let picture = self.picture();
        let (from, to) = (bands.cut(index, picture.height), bands.cut(index + 1, picture.height));
        let (top, bottom) = (from.saturating_sub(bands.halo), (to + bands.halo).min(picture.height));
        Tile {
            window: Rect::new(0, top, Size::new(picture.width, bottom - top)),
            valid: Rect::new(0, from, Size::new(picture.width, to - from)),
        }
    }

    /// Every window.
    pub fn tiles(&self) -> impl ExactSizeIterator<Item = Tile> + use<> {
        let grid = *self;
        (0..grid.len()).map(move |index| grid.tile(index))
    }

    /// Bytes of one thread's window and of what becomes of it, as 32-bit floats. Bands are not copied.
    pub fn window_bytes(&self, planes: usize, scale: usize) -> u64 {
        if self.bands.is_some() {
            return 0;
        }
        self.window().area() as u64 * planes as u64 * (1 + (scale * scale) as u64) * 4
    }
}

/// The smallest tile side that leaves something inside a halo.
fn smallest_side(card: &Card, footing: Footing) -> usize {
    let block = card.multiple.max(1);
    // A window is cut down to begin where it must, and moves on by an alignment at least.
    let least = if block == 1 { 2 * footing.alignment.max(1) - 1 } else { block };
    (2 * footing.halo.next_multiple_of(block) + least).max(card.min_side)
}

#[cfg(test)]
mod tests;
