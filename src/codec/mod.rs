//! Pictures in files: rows in, rows out, with their metadata kept and their sizes limited.

use crate::error::Result;
use crate::frame::{Depth, Layout};
use crate::geometry::Size;

/// What is known of a picture before its first row is read.
#[derive(Debug, Clone)]
pub struct PictureInfo {
    /// Width and height of the rows that come (EXIF orientation already applied).
    pub size: Size,
    /// Channels of the rows.
    pub layout: Layout,
    /// Precision of the file's samples.
    pub depth: Depth,
    /// What travels beside the samples.
    pub metadata: Metadata,
    /// Whether rows are decoded one by one; where not, the decoded picture is held in memory.
    pub streams: bool,
}

/// What travels beside the samples, as raw blocks.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// ICC profile, fit for the rows' colours.
    pub icc: Option<Vec<u8>>,
    /// EXIF block (TIFF header first); its orientation says "upright", since the rows are.
    pub exif: Option<Vec<u8>>,
}

/// A picture read from the top, row by row.
pub trait RowSource: Send {
    /// What comes.
    fn info(&self) -> &PictureInfo;

    /// Fills `row` with the next row: `width × channels` interleaved samples from 0.0 to 1.0.
    ///
    /// # Errors
    /// An input error where the file is damaged or ends early.
    fn next_row(&mut self, row: &mut [f32]) -> Result<()>;
}

/// A picture written from the top, row by row.
pub trait RowSink: Send {
    /// Takes the next row: `width × channels` interleaved samples, clamped to 0..1 and rounded to the file's depth here.
    fn write_row(&mut self, row: &[f32]) -> Result<()>;

    /// Ends the file. Until this has returned `Ok` nothing stands under the output's name.
    fn finish(self: Box<Self>) -> Result<()>;
}
