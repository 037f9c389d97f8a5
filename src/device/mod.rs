//! What only the device program needs.

pub mod stream;
