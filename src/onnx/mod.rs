//! ONNX files as data: reading with limits, writing, and working out what a graph is.

pub mod build;
pub mod proto;
