//! Operators of our own under candle's autograd: where candle has none, is slow, or is wrong.
//!
//! candle 0.11 goes back through `max_pool2d` with a gradient that is too small by the window's area, and through
//! `upsample_nearest2d` overwriting what the input's other uses have given; both are here anew.

mod convolution;
mod enlarge;
mod pool;
mod prelu;
mod storage;
mod unfold;
mod unit_distance;

pub use convolution::{convolve, leaky};
pub use enlarge::{Bicubic, nearest, shuffle};
pub use pool::{Window, max_pool};
pub use prelu::prelu;
pub use unfold::{Patches, convolve_patches, convolve_twice, depthwise, edged, reflected, unfold};
pub use unit_distance::unit_distance;

#[cfg(test)]
mod tests;
