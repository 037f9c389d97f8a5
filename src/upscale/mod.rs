//! From a picture to a larger picture: what a generator is, and how pictures are led through one in tiles.
//!
//! [`PlaneUpscaler`] takes whole planes and is planned once for many frames of one size; [`PicturePlan`] leads one picture
//! of any layout from a row source to a row sink in bands of bounded memory. Both stand on the same [`tile`] arithmetic
//! and the same crew of threads, so both give the same samples, whatever the tile size or the number of threads.

mod crew;
mod generator;
mod planes;
pub mod tile;

#[cfg(test)]
mod testing;

pub use crew::Stages;
pub use generator::{Generator, Plan};
pub use planes::PlaneUpscaler;
pub use tile::TileOptions;
