//! What only the device program needs.

pub mod convert;
pub mod profile;
pub mod stream;
pub mod video;
