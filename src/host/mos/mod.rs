//! The mean-opinion-score test of the SRGAN paper (Ledig et al. 2017, arXiv:1609.04802, section 3.3): raters see pictures in
//! many versions, blind and in an order of their own, and rate each from 1 (bad) to 5 (excellent); they are calibrated before
//! on nearest neighbour (1) and originals (5) of pictures that the test does not show.
//!
//! ```text
//! pictures ─▶ choose ─▶ versions ─▶ Study ─▶ page for raters ─▶ ratings ─▶ Tally ─▶ table and report
//!                                      └───▶ Key: which code is which method ──┘
//! ```

mod choose;
mod page;
mod plot;
mod ratings;
mod report;
mod statistics;

pub use choose::{Choice, choose};
pub use page::{Plan, Study, Version, order};
pub use plot::svg;
pub use ratings::{Entry, Key, Ratings};
pub use report::{Row, SetRows, Tally};
pub use statistics::{Summary, student_quantile};

/// What the ratings mean, from 1 to 5.
pub const WORDS: [&str; 5] = ["bad", "poor", "fair", "good", "excellent"];
/// The name of the untouched picture among the methods.
pub const ORIGINAL: &str = "original";
/// The name of the method that calibrates the lowest rating.
pub const NEAREST: &str = "nearest";
/// The most raters that a page is made for.
pub const MAX_RATERS: u16 = 200;
