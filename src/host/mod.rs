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
pub mod events;
pub mod export;
pub mod fine_tune;
pub mod forward;
#[cfg(all(test, feature = "cuda"))]
mod gpu;
pub mod graph;
pub mod integer;
pub mod judge;
pub mod loss;
pub mod lpips;
pub mod mos;
pub mod net;
pub mod ops;
pub mod optimise;
pub mod papers;
pub mod peers;
pub mod photographs;
pub mod precision;
pub mod quantise;
pub mod random;
pub mod recipe;
pub mod run_page;
pub mod train;
pub mod trunk;
pub mod weights;
