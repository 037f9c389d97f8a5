//! What only the host program needs: data, training, quantisation, export.

pub mod calibrate;
pub mod chain;
pub mod chain_loss;
pub mod checkpoint;
pub mod convolution;
pub mod curve;
pub mod dataset;
pub mod degrade;
mod eager;
pub mod export;
pub mod fine_tune;
pub mod forward;
pub mod integer;
pub mod loss;
pub mod net;
pub mod optimise;
pub mod quantise;
pub mod random;
pub mod train;
pub mod weights;
