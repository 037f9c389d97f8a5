//! The convolution engine: whole chains of convolutions as one operation, on 32-bit floats or bytes.
//!
//! A [`Network`] says what is computed, [`Packed`] holds its weights as one level of instructions wants them, a [`Stream`] runs
//! it over pictures of one size. Rows are streamed depth first through rings of a few rows, so that feature maps stay in the
//! cache, and nothing is allocated for a frame.

mod making;
mod network;
mod packed;
mod recognise;
mod schedule;
mod stream;

pub use crate::kernel::stream::{Samples, SamplesMut};
pub use network::{Border, Format, Make, Map, MapId, Network, Output, Spread};
pub use packed::{Method, Packed};
pub use recognise::{Island, Recognised, recognise};
pub use stream::{Ends, Stream};

#[cfg(test)]
pub(crate) use packed::packed_so_far;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
