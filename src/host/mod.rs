//! What only the host program needs: data, training, quantisation, export.

pub mod calibrate;
pub mod chain;
pub mod convolution;
pub mod degrade;
pub mod export;
pub mod integer;
pub mod quantise;
pub mod net;
pub mod optimise;
pub mod random;
