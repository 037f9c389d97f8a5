//! What only the host program needs: data, training, quantisation, export.

pub mod chain;
pub mod degrade;
pub mod integer;
