//! Super-resolution that runs where the camera is.
//!
//! Two programs, one idea. The *device* program (`upres`) enlarges pictures where the camera is, on tract; the *host*
//! program (`upres-host`) makes the generators, on candle. They meet in exactly two things: the model [`card`] and the
//! [`upscale::Generator`] trait (low-resolution planes in, high-resolution planes out). A candle network, a tract session
//! and plain bicubic are the same thing to everyone else.
//!
//! Imports look down only: words ([`error`], [`geometry`], [`frame`], [`card`], [`atomic`]), then pixels ([`resample`],
//! [`colour`], [`metric`], [`codec`], [`onnx`]), then the idea ([`upscale`], [`evaluate`]), then the device or the
//! host, then the programs. `tests/layers.rs` holds that order.

pub mod atomic;
pub mod card;
pub mod codec;
pub mod colour;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod frame;
pub mod geometry;
pub mod kernel;
pub mod metric;
pub mod onnx;
pub mod profile;
pub mod progress;
pub mod resample;
pub mod sample;
pub mod self_exemplar;
pub mod upscale;
pub mod written;
pub mod y4m;

#[cfg(any(feature = "device", feature = "host"))]
pub mod session;
#[cfg(any(feature = "device", feature = "host"))]
pub mod trust;
#[cfg(any(feature = "device", feature = "host"))]
pub mod zoo;

#[cfg(feature = "device")]
pub mod device;
#[cfg(feature = "host")]
pub mod host;
