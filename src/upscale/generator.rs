//! The one idea that device, host and plain resampling share: low-resolution planes in, high-resolution planes out.

use crate::card::Card;
use crate::error::Result;
use crate::geometry::Size;

/// A network, a session or a resampler that enlarges planes by its card's scale.
pub trait Generator: Send + Sync {
    /// What it expects and gives.
    fn card(&self) -> &Card;

    /// Prepares for inputs of exactly `input` pixels. Everything that allocates or compiles happens here.
    ///
    /// # Errors
    /// A model error where the network does not accept that size.
    fn plan(&self, input: Size) -> Result<Box<dyn Plan>>;
}

/// A generator made ready for one input size; each thread owns its own.
pub trait Plan: Send {
    /// Reads `planes × height × width` samples from 0.0 to 1.0 and writes `planes × height·scale × width·scale` samples
    /// on the same footing, which may overshoot 0..1 and are not clamped. Value ranges such as 0…255 are this
    /// function's business, not the caller's.
    ///
    /// # Errors
    /// A model error where the network fails; never a panic, whatever the samples are.
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()>;
}
