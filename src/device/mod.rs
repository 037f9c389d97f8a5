//! What only the device program needs.

pub mod convert;
pub mod stream;
pub mod video;
