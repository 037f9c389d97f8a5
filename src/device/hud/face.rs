//! Type in the size that a screen asks for.

use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::iso_8859_1::{FONT_5X8, FONT_6X10, FONT_9X15_BOLD, FONT_10X20};

/// Fonts of one width, the largest first.
const FONTS: [&MonoFont<'static>; 4] = [&FONT_10X20, &FONT_9X15_BOLD, &FONT_6X10, &FONT_5X8];

/// A font, and how many pixels wide and high each of its pixels is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Face {
    pub(super) font: &'static MonoFont<'static>,
    pub(super) zoom: usize,
}

impl Face {
    /// The face with the highest lines of at most `height` pixels, or the smallest there is.
    pub(super) fn of_height(height: usize) -> Self {
        let mut best = Self { font: &FONT_5X8, zoom: 1 };
        for font in FONTS {
            // Small type that is enlarged is worse to read than large type.
            let most = if font.character_size.height < 15 { 1 } else { usize::MAX };
            let zoom = (height / font.character_size.height as usize).min(most);
            let face = Self { font, zoom };
            if face.line() > best.line() {
                best = face;
            }
        }
        best
    }

    /// Pixels from one character to the next.
    pub(super) fn advance(self) -> usize {
        (self.font.character_size.width + self.font.character_spacing) as usize * self.zoom
    }

    /// Pixels from one line to the next.
    pub(super) fn line(self) -> usize {
        self.font.character_size.height as usize * self.zoom
    }

    /// Pixels between text and the edge of its ground.
    pub(super) fn pad(self) -> usize {
        self.line() / 4
    }

    /// Characters that fit a width, one at least.
    pub(super) fn columns(self, width: usize) -> usize {
        (width / self.advance()).max(1)
    }
}
