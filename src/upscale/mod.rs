//! From a picture to a larger picture: what a generator is, and how pictures are led through one in tiles.

mod generator;

pub use generator::{Generator, Plan};
