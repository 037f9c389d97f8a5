//! A picture in memory to be drawn on.

use crate::geometry::Size;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{Dimensions, DrawTarget, OriginDimensions, Pixel, PointsIter, RgbColor};
use embedded_graphics::primitives::Rectangle;
use std::convert::Infallible;

/// Rows of pixels, `0x00RRGGBB` each (XRGB8888).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canvas {
    size: Size,
    pixels: Vec<u32>,
}

impl Canvas {
    /// A black canvas.
    pub fn new(size: Size) -> Self {
        Self { size, pixels: vec![0; size.area()] }
    }

    /// Makes it black and of another size; the memory is kept.
    pub fn reset(&mut self, size: Size) {
        self.pixels.clear();
        self.pixels.resize(size.area(), 0);
        self.size = size;
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The pixels of row `y`, none beyond the last row.
    pub fn row(&self, y: usize) -> &[u32] {
        let begin = y.saturating_mul(self.size.width);
        self.pixels.get(begin..begin.saturating_add(self.size.width)).unwrap_or_default()
    }

    /// The pixels of row `y`, none beyond the last row.
    pub fn row_mut(&mut self, y: usize) -> &mut [u32] {
        let begin = y.saturating_mul(self.size.width);
        self.pixels.get_mut(begin..begin.saturating_add(self.size.width)).unwrap_or_default()
    }

    /// Makes it black.
    pub fn clear_black(&mut self) {
        self.pixels.fill(0);
    }

    /// Takes three quarters of the light from every pixel.
    pub fn darken(&mut self) {
        for pixel in &mut self.pixels {
            *pixel = (*pixel >> 2) & 0x003f_3f3f;
        }
    }
}

/// A colour as a canvas holds it.
pub(super) fn packed(colour: Rgb888) -> u32 {
    u32::from_be_bytes([0, colour.r(), colour.g(), colour.b()])
}

impl OriginDimensions for Canvas {
    fn size(&self) -> embedded_graphics::geometry::Size {
        embedded_graphics::geometry::Size::new(self.size.width as u32, self.size.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y))
                && let Some(pixel) = self.row_mut(y).get_mut(x)
            {
                *pixel = packed(colour);
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Infallible> {
        let area = area.intersection(&self.bounding_box());
        let (left, right) = (area.columns().start as usize, area.columns().end as usize);
        for y in area.rows() {
            self.row_mut(y as usize)[left..right].fill(packed(colour));
        }
        Ok(())
    }
}

/// Draws every pixel as a square of `zoom` × `zoom`, from `left`, `top` on.
pub(super) struct Zoomed<'a> {
    pub(super) canvas: &'a mut Canvas,
    pub(super) zoom: usize,
    pub(super) left: usize,
    pub(super) top: usize,
}

impl Dimensions for Zoomed<'_> {
    fn bounding_box(&self) -> Rectangle {
        self.canvas.bounding_box()
    }
}

impl DrawTarget for Zoomed<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y)) else { continue };
            let (x, y) = (self.left + x * self.zoom, self.top + y * self.zoom);
            for row in y..y + self.zoom {
                if let Some(square) = self.canvas.row_mut(row).get_mut(x..x + self.zoom) {
                    square.fill(packed(colour));
                }
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Infallible> {
        self.draw_iter(area.points().map(|point| Pixel(point, colour)))
    }
}
