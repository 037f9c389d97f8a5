//! One picture of a batch, and what became of it.

use super::single::Enlarged;
use crate::error::Error;
use std::path::PathBuf;

/// A picture and where its enlargement goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The file that is read.
    pub input: PathBuf,
    /// The file that is written.
    pub output: PathBuf,
    /// Bytes of the input: how much work it is beside the others, before it is opened.
    pub weight: u64,
}

/// What became of a picture.
#[derive(Debug)]
pub enum Outcome {
    /// It was enlarged and stands whole under its name.
    Done(Enlarged),
    /// Its output was there already.
    Skipped,
    /// It was not enlarged, and why; nothing of it was written.
    Failed(Error),
}
