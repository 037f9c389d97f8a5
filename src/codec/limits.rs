//! What a picture may ask of the machine before it is refused. The one place for these defaults.

use crate::error::{Error, Result};
use crate::geometry::Size;

/// Bounds that a file's header is held against before anything is allocated for it.
///
/// Each refusal is an [`Error::limit`] that names the option raising it: `--max-side`, `--max-pixels`, `--max-decoded`,
/// `--max-metadata`, `--max-frames`, `--max-input`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Pixels in a row or a column (`--max-side`).
    pub side: usize,
    /// Pixels in all (`--max-pixels`).
    pub pixels: u64,
    /// Bytes held at once to decode a picture that cannot be read row by row (`--max-decoded`).
    pub decoded: u64,
    /// Bytes of one metadata block, ICC or EXIF, unpacked (`--max-metadata`).
    pub metadata: u64,
    /// Frames that an animated file may announce; only the first is ever decoded (`--max-frames`).
    pub frames: u64,
    /// Bytes of a file that must be read whole: JPEG, WebP, and everything from a pipe (`--max-input`).
    pub input: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { side: 65_535, pixels: 1 << 30, decoded: 1 << 30, metadata: 16 << 20, frames: 65_536, input: 1 << 30 }
    }
}

impl Limits {
    /// Whether a picture of `width` × `height` may be read.
    ///
    /// # Errors
    /// An input error for an empty picture, a limit error for one that is too large.
    pub fn check_size(&self, width: u64, height: u64) -> Result<Size> {
        if width == 0 || height == 0 {
            return Err(Error::input(format!("the picture is empty: {width}x{height} pixels")));
        }
        if width.max(height) > self.side as u64 {
            return Err(Error::limit(format!(
                "the picture's sides are {width}x{height}; at most {} is read",
                self.side
            ))
            .fix("raise it with --max-side if the file is to be trusted"));
        }
        let pixels = width.saturating_mul(height);
        if pixels > self.pixels {
            return Err(Error::limit(format!(
                "the picture has {pixels} pixels ({width}x{height}); at most {} are read",
                self.pixels
            ))
            .fix("raise it with --max-pixels if the file is to be trusted"));
        }
        Ok(Size::new(width as usize, height as usize))
    }

    /// Whether decoding may hold `bytes` in memory.
    ///
    /// # Errors
    /// A limit error.
    pub fn check_decoded(&self, bytes: u64) -> Result<()> {
        if bytes <= self.decoded {
            return Ok(());
        }
        Err(Error::limit(format!(
            "decoding takes {} MB, because this file cannot be read row by row; at most {} MB are given",
            bytes.div_ceil(1_000_000),
            self.decoded / 1_000_000
        ))
        .fix("raise it with --max-decoded, or convert the picture to a PNG that is not interlaced, which is read by rows"))
    }

    /// Whether a metadata block called `what` may have `bytes`.
    ///
    /// # Errors
    /// A limit error.
    pub fn check_metadata(&self, what: &str, bytes: u64) -> Result<()> {
        if bytes <= self.metadata {
            return Ok(());
        }
        Err(Error::limit(format!("the {what} has {bytes} bytes; at most {} are read", self.metadata))
            .fix("raise it with --max-metadata if the file is to be trusted"))
    }

    /// Whether a file may announce `frames` frames.
    ///
    /// # Errors
    /// A limit error.
    pub fn check_frames(&self, frames: u64) -> Result<()> {
        if frames <= self.frames {
            return Ok(());
        }
        Err(Error::limit(format!("the file announces {frames} frames; at most {} are accepted", self.frames))
            .fix("raise it with --max-frames if the file is to be trusted"))
    }

    /// Whether a file of `bytes` may be read whole.
    ///
    /// # Errors
    /// A limit error.
    pub fn check_input(&self, bytes: u64) -> Result<()> {
        if bytes <= self.input {
            return Ok(());
        }
        Err(Error::limit(format!("the file must be read whole and has more than {} bytes", self.input))
            .fix("raise it with --max-input if the file is to be trusted"))
    }
}
