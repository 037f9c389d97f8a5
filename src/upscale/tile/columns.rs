//! Windows that are as tall as the picture, for generators that make any rows of them.
//!
//! Their halo is the receptive field's radius. Winograd's rounding looks farther, across whole tiles, and is let be: samples are those of
//! the whole picture up to the last bits of a float, and codes of them differ by one where a sample lies that near to the middle
//! between two. What computes in bytes is exact.

use super::{Axis, Needs, smallest_side};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::upscale::generator::{Footing, Generator};
use std::ops::Range;

/// A picture cut into columns. Plain numbers: copy it freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    across: Axis,
    footing: Footing,
    height: usize,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// The first pixel of its window.
    pub(crate) start: usize,
    /// The pixels of the picture's rows that it contributes.
    pub(crate) valid: Range<usize>,
}

impl Columns {
    /// Columns that contribute about `wanted` pixels of `picture`'s rows each.
    pub(crate) fn new(generator: &dyn Generator, picture: Size, wanted: usize) -> Result<Self> {
        let card = generator.card();
        let footing = Footing { halo: Footing::of(card).halo, ..generator.footing() };
        let side = (wanted + 2 * footing.halo).max(smallest_side(card, footing));
        let across = Needs::of(card, footing).fit(picture.width, side);
        let across = across.ok_or_else(|| Error::internal(format!("no columns of {side} pixels for {picture}")))?;
        Ok(Self { across, footing, height: picture.height })
    }

    pub(crate) fn len(self) -> usize {
        self.across.count
    }

    /// Size of every column's window.
    pub(crate) fn window(self) -> Size {
        Size::new(self.across.window * self.across.block, self.height)
    }

    /// Pixels around a pixel that its value depends on.
    pub(crate) fn halo(self) -> usize {
        self.footing.halo
    }

    /// Bands of rows begin at multiples of this.
    pub(crate) fn alignment(self) -> usize {
        self.footing.alignment.max(1)
    }

    /// Column `index`, below [`Columns::len`].
    pub(crate) fn column(self, index: usize) -> Column {
        let span = self.across.span(index);
        Column { start: span.start, valid: span.from..span.to }
    }

    /// Multiply-adds, in pixels, of `rows` rows of one column: those rows and about a third of the halo above and below.
    pub(crate) fn work(self, rows: usize) -> usize {
        self.window().width * (rows + self.footing.halo * 2 / 3)
    }
}
