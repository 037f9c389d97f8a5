//! A canvas as its screen wants it: row by row, turned.

use super::options::Rotation;
use crate::device::hud::Canvas;
use crate::error::Result;
use crate::geometry::Size;

/// Rows that are turned at once, so that each read of the canvas is a whole cache line.
const BLOCK: usize = 16;

/// A canvas seen turned; `block` is memory that goes round.
pub(super) struct Turned<'a> {
    pub(super) canvas: &'a Canvas,
    pub(super) rotation: Rotation,
    pub(super) block: &'a mut Vec<u32>,
}

impl Rotation {
    /// The size that a picture of `size` has when it is turned.
    pub(super) fn turned(self, size: Size) -> Size {
        match self {
            Self::None | Self::Half => size,
            Self::Quarter | Self::ThreeQuarters => size.transposed(),
        }
    }
}

impl Turned<'_> {
    /// Gives every row of the screen, from the top, with its number.
    ///
    /// # Errors
    /// Those of `each`.
    pub(super) fn rows(&mut self, mut each: impl FnMut(usize, &[u32]) -> Result<()>) -> Result<()> {
        let height = self.canvas.size().height;
        match self.rotation {
            Rotation::None => (0..height).try_for_each(|y| each(y, self.canvas.row(y))),
            Rotation::Half => (0..height).try_for_each(|y| {
                self.block.clear();
                self.block.extend(self.canvas.row(height - 1 - y).iter().rev());
                each(y, self.block)
            }),
            Rotation::Quarter | Rotation::ThreeQuarters => self.columns(each),
        }
    }

    /// Columns of the canvas are rows of the screen.
    fn columns(&mut self, mut each: impl FnMut(usize, &[u32]) -> Result<()>) -> Result<()> {
        let Size { width, height } = self.canvas.size();
        let backwards = self.rotation == Rotation::ThreeQuarters;
        self.block.clear();
        self.block.resize(BLOCK * height, 0);
        for first in (0..width).step_by(BLOCK) {
            let rows = BLOCK.min(width - first);
            for y in 0..height {
                let line = self.canvas.row(y);
                if backwards {
                    let part = line[width - first - rows..width - first].iter().rev();
                    self.block[y..].iter_mut().step_by(height).zip(part).for_each(|(to, &from)| *to = from);
                } else {
                    let part = &line[first..first + rows];
                    let column = self.block[height - 1 - y..].iter_mut().step_by(height);
                    column.zip(part).for_each(|(to, &from)| *to = from);
                }
            }
            for (row, pixels) in self.block.chunks_exact(height).take(rows).enumerate() {
                each(first + row, pixels)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    /// The rows of a canvas of `size` whose pixels are counted from 0, turned.
    fn turn(size: Size, rotation: Rotation) -> Vec<Vec<u32>> {
        let mut canvas = Canvas::new(size);
        for y in 0..size.height {
            let row = canvas.row_mut(y).iter_mut().enumerate();
            row.for_each(|(x, pixel)| *pixel = (y * size.width + x) as u32);
        }
        let mut rows = Vec::new();
        let mut turned = Turned { canvas: &canvas, rotation, block: &mut vec![7; 3] };
        let each = |y: usize, row: &[u32]| {
            assert_eq!(y, rows.len());
            rows.push(row.to_vec());
            Ok(())
        };
        turned.rows(each).expect("rows");
        rows
    }

    #[test]
    fn every_rotation_is_clockwise() {
        // 0 1 2
        // 3 4 5
        let size = Size::new(3, 2);
        assert_eq!(turn(size, Rotation::None), [[0, 1, 2], [3, 4, 5]]);
        assert_eq!(turn(size, Rotation::Quarter), [[3, 0], [4, 1], [5, 2]]);
        assert_eq!(turn(size, Rotation::Half), [[5, 4, 3], [2, 1, 0]]);
        assert_eq!(turn(size, Rotation::ThreeQuarters), [[2, 5], [1, 4], [0, 3]]);
    }

    #[test]
    fn sizes_beyond_a_block_turn_alike() {
        let (width, height) = (2 * BLOCK + 3, 5);
        let size = Size::new(width, height);
        let quarter = turn(size, Rotation::Quarter);
        let back = turn(size, Rotation::ThreeQuarters);
        assert_eq!((quarter.len(), back.len()), (width, width));
        for x in 0..width {
            for y in 0..height {
                let pixel = (y * width + x) as u32;
                assert_eq!(quarter[x][height - 1 - y], pixel);
                assert_eq!(back[width - 1 - x][y], pixel);
            }
        }
    }
}
