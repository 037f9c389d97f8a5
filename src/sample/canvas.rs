//! A surface to paint on, much finer than the picture that is taken of it.

use super::noise::hash;
use crate::geometry::Size;

/// A colour in linear light, 0 to 1 and beyond.
pub(super) type Colour = [f32; 3];
/// A place in the scene: x from 0 to 1.5, y from 0 (top) to 1.
pub(super) type Point = (f32, f32);

/// The scene in linear light.
pub(super) struct Canvas {
    size: Size,
    pixels: Vec<Colour>,
    /// Pixels in one unit of the scene.
    unit: f32,
    /// Where the scene's origin lies, in pixels.
    origin: Point,
}

impl Canvas {
    pub(super) fn new(size: Size) -> Self {
        let (width, height) = (size.width as f32, size.height as f32);
        let unit = (width / 1.5).max(height);
        let origin = ((width - 1.5 * unit) / 2.0, (height - unit) / 2.0);
        Self { size, pixels: vec![[0.0; 3]; size.area()], unit, origin }
    }

    /// Repaints every pixel between two corners: `paint(x, y, colour there)`; `None` leaves it.
    pub(super) fn paint(&mut self, from: Point, to: Point, paint: impl Fn(f32, f32, Colour) -> Option<Colour>) {
        let side = |at: f32, origin: f32, most: usize| ((at * self.unit + origin).max(0.0) as usize).min(most);
        let (left, right) =
            (side(from.0, self.origin.0, self.size.width), side(to.0, self.origin.0, self.size.width - 1));
        let (top, bottom) =
            (side(from.1, self.origin.1, self.size.height), side(to.1, self.origin.1, self.size.height - 1));
        for row in top..=bottom {
            let y = (row as f32 + 0.5 - self.origin.1) / self.unit;
            for column in left..=right {
                let x = (column as f32 + 0.5 - self.origin.0) / self.unit;
                let pixel = &mut self.pixels[row * self.size.width + column];
                if let Some(colour) = paint(x, y, *pixel) {
                    *pixel = colour;
                }
            }
        }
    }

    /// A disc; `paint` gets the place relative to the centre in radii, and the colour there.
    pub(super) fn disc(&mut self, centre: Point, radius: f32, paint: impl Fn(f32, f32, Colour) -> Colour) {
        let (from, to) = ((centre.0 - radius, centre.1 - radius), (centre.0 + radius, centre.1 + radius));
        self.paint(from, to, |x, y, under| {
            let (x, y) = ((x - centre.0) / radius, (y - centre.1) / radius);
            (x * x + y * y <= 1.0).then(|| paint(x, y, under))
        });
    }

    /// A line with round ends; `paint(along, across)` with along of 0..1 and across of −1..1.
    pub(super) fn line(&mut self, a: Point, b: Point, width: f32, paint: impl Fn(f32, f32) -> Colour) {
        let (r, dx, dy) = (width / 2.0, b.0 - a.0, b.1 - a.1);
        let square = (dx * dx + dy * dy).max(1e-12);
        let from = (a.0.min(b.0) - r, a.1.min(b.1) - r);
        let to = (a.0.max(b.0) + r, a.1.max(b.1) + r);
        self.paint(from, to, |x, y, _| {
            let along = (((x - a.0) * dx + (y - a.1) * dy) / square).clamp(0.0, 1.0);
            let (ex, ey) = (x - a.0 - along * dx, y - a.1 - along * dy);
            let distance = ex * ex + ey * ey;
            (distance <= r * r).then(|| {
                let side = if ex * dy - ey * dx > 0.0 { -1.0 } else { 1.0 };
                paint(along, side * distance.sqrt() / r)
            })
        });
    }

    /// A line through many points; `width` and `paint` get the way along it, 0..1.
    pub(super) fn stroke(&mut self, points: &[Point], width: impl Fn(f32) -> f32, paint: impl Fn(f32, f32) -> Colour) {
        let pieces = points.len().saturating_sub(1).max(1) as f32;
        for (i, pair) in points.windows(2).enumerate() {
            let along = |t: f32| (i as f32 + t) / pieces;
            self.line(pair[0], pair[1], width(along(0.5)), |t, across| paint(along(t), across));
        }
    }

    /// The picture of it: squares of `factor` pixels averaged, darker towards the corners, a grain of half a step,
    /// and the square root in place of sRGB's curve.
    pub(super) fn photograph(&self, factor: usize) -> Vec<u8> {
        let (width, height) = (self.size.width / factor, self.size.height / factor);
        let share = 1.0 / (factor * factor) as f32;
        let mut picture = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32 / width as f32 - 0.5, y as f32 / height as f32 - 0.5);
                let lens = share * (1.0 - 0.55 * (u * u + v * v));
                let grain = hash(x as i32, y as i32, 99) - 0.5;
                let sum = self.sum(x * factor, y * factor, factor);
                picture.extend(
                    sum.map(|c| ((c * lens).max(0.0).sqrt() * 255.0 + 0.5 + 1.6 * grain).clamp(0.0, 255.0) as u8),
                );
            }
        }
        picture
    }

    fn sum(&self, x: usize, y: usize, factor: usize) -> Colour {
        let mut sum = [0.0; 3];
        for row in y..y + factor {
            for pixel in &self.pixels[row * self.size.width + x..][..factor] {
                for (sum, c) in sum.iter_mut().zip(pixel) {
                    *sum += c.min(1.0);
                }
            }
        }
        sum
    }
}
