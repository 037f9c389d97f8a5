//! A few lines of text on a ground that lets half of the picture through.

use super::canvas::{Canvas, Zoomed};
use super::face::Face;
use super::lines::{Line, Tone};
use crate::geometry::Size;
use embedded_graphics::Drawable;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{Point, RgbColor, WebColors};
use embedded_graphics::text::{Baseline, Text};

/// Text as it was drawn, where it belongs, and what it covers just now.
#[derive(Debug)]
pub(super) struct Strip {
    /// Ink where it is not black.
    text: Canvas,
    left: usize,
    top: usize,
    /// What the canvas held under the strip, its rows one after the other, with the place and size it was taken from.
    under: Vec<u32>,
    covered: Option<(usize, usize, Size)>,
}

impl Default for Strip {
    fn default() -> Self {
        Self { text: Canvas::new(Size::new(0, 0)), left: 0, top: 0, under: Vec::new(), covered: None }
    }
}

impl Tone {
    fn ink(self) -> Rgb888 {
        match self {
            Self::Plain => Rgb888::WHITE,
            Self::Warning => Rgb888::CSS_GOLD,
            Self::Trouble => Rgb888::CSS_TOMATO,
        }
    }
}

impl Strip {
    /// Width and height, the ground included.
    pub(super) fn size(&self) -> Size {
        self.text.size()
    }

    /// Draws `lines`, each in its face (or the last one given), centred where the ground is to be at least `width` wide.
    pub(super) fn write(&mut self, lines: &[Line], faces: &[Face], width: usize) {
        let Some(last) = faces.last() else { return };
        let with_faces = || lines.iter().zip(faces.iter().chain(std::iter::repeat(last)));
        let pad = last.pad();
        let widest = with_faces().map(|(line, face)| line.text.chars().count() * face.advance()).max().unwrap_or(0);
        let inner = Size::new(widest.max(width), with_faces().map(|(_, face)| face.line()).sum());
        self.text.reset(Size::new(inner.width + 2 * pad, inner.height + 2 * pad));
        let mut top = pad;
        for (line, face) in with_faces() {
            let own = line.text.chars().count() * face.advance();
            let left = pad + if width > 0 { (inner.width - own) / 2 } else { 0 };
            let style = MonoTextStyle::new(face.font, line.tone.ink());
            let mut target = Zoomed { canvas: &mut self.text, zoom: face.zoom, left, top };
            let text = Text::with_baseline(&line.text, Point::zero(), style, Baseline::Top);
            // A canvas cannot refuse.
            let _ = text.draw(&mut target);
            top += face.line();
        }
    }

    /// Says where the upper left corner belongs.
    pub(super) fn place(&mut self, left: usize, top: usize) {
        (self.left, self.top) = (left, top);
    }

    /// Blends it over the canvas, whose pixels it keeps.
    pub(super) fn lay(&mut self, canvas: &mut Canvas) {
        self.lift(canvas);
        let (whole, own) = (canvas.size(), self.text.size());
        let width = own.width.min(whole.width.saturating_sub(self.left));
        let height = own.height.min(whole.height.saturating_sub(self.top));
        self.under.clear();
        for y in 0..height {
            let row = &mut canvas.row_mut(self.top + y)[self.left..][..width];
            self.under.extend_from_slice(row);
            for (pixel, &ink) in row.iter_mut().zip(self.text.row(y)) {
                let ground = (*pixel >> 1) & 0x007f_7f7f;
                *pixel = if ink == 0 { ground } else { ink };
            }
        }
        self.covered = Some((self.left, self.top, Size::new(width, height)));
    }

    /// Gives the canvas back what it covers.
    pub(super) fn lift(&mut self, canvas: &mut Canvas) {
        let Some((left, top, size)) = self.covered.take() else { return };
        if size.width == 0 {
            return;
        }
        for (y, kept) in self.under.chunks_exact(size.width).enumerate() {
            if let Some(row) = canvas.row_mut(top + y).get_mut(left..left + size.width) {
                row.copy_from_slice(kept);
            }
        }
    }
}
