//! The sample picture: a still life that this program draws, so that nobody's photograph is needed.
//!
//! It holds what enlargers are judged by: bricks and wood (texture), a plant and yarn (strands), type in several sizes,
//! a zone plate, a star and wedges (resolution), pencils (clean edges and colours), lights out of focus (gradients).
//! Only additions, multiplications, divisions, square roots and whole numbers are used, which are exact alike on every
//! machine, so that the same bytes come out everywhere.

mod canvas;
mod font;
mod noise;
mod objects;
mod poster;
mod room;

use crate::error::{Error, Result};
use crate::geometry::Size;
use canvas::Canvas;

/// The size of the sample that the project carries, `models/sample.png`.
pub const SMALL: Size = Size::new(320, 214);
/// The most pixels that a sample may have.
pub const MAX_PIXELS: usize = 1 << 24;
/// Width to which the scene is drawn at least, before it is averaged down.
const DRAWN_WIDTH: usize = 1920;

/// Draws the picture: rows of interleaved 8-bit sRGB. The scene is 3 : 2; other shapes show its middle.
///
/// # Errors
/// A usage error where `size` is empty or beyond [`MAX_PIXELS`].
pub fn draw(size: Size) -> Result<Vec<u8>> {
    if size.checked_area().is_none_or(|area| area == 0 || area > MAX_PIXELS) {
        let fix = format!("at most {MAX_PIXELS} pixels");
        return Err(Error::usage(format!("a sample of {size} cannot be drawn")).fix(fix));
    }
    let factor = DRAWN_WIDTH.div_ceil(size.width).clamp(2, 8);
    let mut canvas = Canvas::new(size.checked_scale(factor)?);
    room::draw(&mut canvas);
    poster::draw(&mut canvas);
    objects::draw(&mut canvas);
    Ok(canvas.photograph(factor))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;
    use sha2::{Digest, Sha256};
    use std::fmt::Write;

    /// A picture drawn by an earlier run of this very code: it must come out alike on every machine and at every
    /// optimisation level. Changed only where the scene is changed.
    const DIGEST: &str = "f4132dc691991f50bc41cef865dc4848af61b2a94672b6734442af686c56cc4c";

    #[test]
    fn every_machine_draws_the_same_bytes() {
        let pixels = draw(Size::new(96, 64)).expect("a small picture");
        let mut hex = String::new();
        Sha256::digest(&pixels).iter().for_each(|byte| write!(hex, "{byte:02x}").expect("memory"));
        assert_eq!(hex, DIGEST);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(draw(Size::new(0, 5)).is_err());
        assert!(draw(Size::new(1 << 20, 1 << 20)).is_err());
        assert!(draw(Size::new(usize::MAX, 2)).is_err());
    }

    #[test]
    fn any_shape_is_filled() {
        for size in [Size::new(1, 1), Size::new(7, 40), Size::new(40, 7)] {
            assert_eq!(draw(size).map(|pixels| pixels.len()).ok(), Some(size.area() * 3));
        }
    }
}
