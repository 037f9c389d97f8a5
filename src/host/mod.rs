//! What only the host program needs: data, training, quantisation, export.

pub mod adversarial;
pub mod calibrate;
pub mod chain;
pub mod chain_loss;
pub mod checkpoint;
pub mod curve;
pub mod dataset;
pub mod degrade;
mod eager;
pub mod export;
pub mod fine_tune;
pub mod forward;
pub mod graph;
pub mod integer;
pub mod loss;
pub mod lpips;
pub mod net;
pub mod ops;
pub mod optimise;
pub mod papers;
pub mod photographs;
pub mod quantise;
pub mod random;
pub mod recipe;
pub mod train;
pub mod trunk;
pub mod weights;
