//! Where live frames come from: cameras, pipes, the user's ffmpeg, files, and a moving test card.

mod assemble;
pub mod camera;
mod feed;
pub mod file;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod launch;
pub mod mjpeg;
pub mod pattern;
pub mod pipe;
mod planes;
pub mod spawn;
pub mod uri;

use super::shot::{Format, Shot};
use crate::error::Result;

/// What became of a wait for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The shot was filled.
    Frame,
    /// None came in a while; the source is still there. Given about twice a second, so that who waits can look around.
    Nothing,
    /// There will be no more: the input ended.
    End,
}

/// Something that gives frames as they come. Errors mean that it must be opened anew.
pub trait Source: Send {
    /// What frames look like, as far as it is known before one came.
    fn format(&self) -> Format;

    /// Waits for the next frame, half a second at most, and fills `shot` with it (format included).
    ///
    /// # Errors
    /// Where the source is gone or damaged beyond this frame: it has to be opened again.
    fn next(&mut self, shot: &mut Shot) -> Result<Next>;
}
