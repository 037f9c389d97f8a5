//! ONNX files as data: reading with limits, writing, and working out what a graph is.

mod analyse;
pub mod blend;
pub mod build;
mod hints;
mod infer;
mod node;
pub mod proto;
mod reach;
mod read;
mod wire;

pub use analyse::{Analysis, Grid, analyse, check_size, grids};
pub use node::Attributes;
pub use read::{Limits, check_run, graph, label, load, picture_input, read};

#[cfg(test)]
mod tests;
