//! Where a picture lies on a canvas.

use crate::geometry::{Rect, Size};

/// A picture's place: how large it is drawn, what of it is seen, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The whole picture as it is drawn.
    pub(super) full: Size,
    /// The pixel of `full` that lies in the window's upper left corner.
    pub(super) first: (usize, usize),
    /// The canvas' pixels that it takes.
    pub(super) window: Rect,
}

impl Place {
    /// The largest place in the middle of `canvas` for a picture of `size`: all of it, or, where it is to fill the canvas,
    /// its middle.
    pub(super) fn new(size: Size, canvas: Size, fill: bool) -> Self {
        let full = scaled(size, canvas, fill);
        let seen = Size::new(full.width.min(canvas.width), full.height.min(canvas.height));
        let first = ((full.width - seen.width) / 2, (full.height - seen.height) / 2);
        let (x, y) = ((canvas.width - seen.width) / 2, (canvas.height - seen.height) / 2);
        Self { full, first, window: Rect::new(x, y, seen) }
    }
}

/// The size of the picture's shape that touches the canvas on two sides, from within or without.
fn scaled(size: Size, canvas: Size, fill: bool) -> Size {
    let (width, height) = (size.width.max(1) as u64, size.height.max(1) as u64);
    let (across, down) = (canvas.width as u64, canvas.height as u64);
    let ratio = |side: u64, by: u64, of: u64| ((side * by + of / 2) / of).max(1) as usize;
    let flatter = width * down >= height * across;
    if flatter == fill {
        Size::new(ratio(width, down, height), canvas.height)
    } else {
        Size::new(canvas.width, ratio(height, across, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(full: [usize; 2], first: (usize, usize), window: [usize; 4]) -> Place {
        let [x, y, width, height] = window;
        let window = Rect::new(x, y, Size::new(width, height));
        Place { full: Size::new(full[0], full[1]), first, window }
    }

    #[test]
    fn letterbox_shows_all_and_fill_covers_all() {
        let canvas = Size::new(1920, 1080);
        let four_to_three = Size::new(1280, 960);
        assert_eq!(Place::new(four_to_three, canvas, false), place([1440, 1080], (0, 0), [240, 0, 1440, 1080]));
        assert_eq!(Place::new(four_to_three, canvas, true), place([1920, 1440], (0, 180), [0, 0, 1920, 1080]));
        let wide = Size::new(200, 50);
        assert_eq!(Place::new(wide, canvas, false), place([1920, 480], (0, 0), [0, 300, 1920, 480]));
        assert_eq!(Place::new(wide, canvas, true), place([4320, 1080], (1200, 0), [0, 0, 1920, 1080]));
        assert_eq!(Place::new(canvas, canvas, true), Place::new(canvas, canvas, false));
    }

    #[test]
    fn slivers_keep_a_pixel() {
        assert_eq!(Place::new(Size::new(4000, 1), Size::new(8, 8), false).full, Size::new(8, 1));
        assert_eq!(Place::new(Size::new(1, 4000), Size::new(8, 8), false).full, Size::new(1, 8));
    }
}
