//! What only the device program needs.
