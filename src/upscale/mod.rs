//! From a picture to a larger picture: what a generator is, and how pictures are led through one in tiles.
//!
//! [`PlaneUpscaler`] takes whole planes and is planned once for many frames of one size; [`PicturePlan`] leads one picture
//! of any layout from a row source to a row sink in bands of bounded memory. Both stand on the same [`tile`] arithmetic
//! and the same crew of threads, so both give the same samples, whatever the tile size or the number of threads.

mod bands;
mod bleed;
mod channels;
mod crew;
mod factor;
mod generator;
mod interpolation;
mod patches;
mod picture;
mod planes;
mod rows;
pub mod tile;

#[cfg(test)]
mod testing;

pub use crew::Stages;
pub use factor::Factor;
pub use generator::{Footing, Generator, Plan, RowPlan};
pub use interpolation::Interpolation;
pub use patches::{Patch, PatchUpscaler};
pub use picture::PicturePlan;
pub use planes::PlaneUpscaler;
pub use tile::TileOptions;
