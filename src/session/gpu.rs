//! The network on an NVIDIA GPU, such as a Jetson's: tract's CUDA runtime, whose convolutions are cuDNN's.
//!
//! It loads the driver's libraries while the program runs, so a program with this feature starts on machines without a GPU too. Sums are
//! in cuDNN's order, which may depend on the size of a window: tiles agree up to the last bits, not bit for bit.

use super::Runner;
use crate::error::{Error, Result};
use crate::onnx::Analysis;
use std::sync::Arc;
use tract_onnx::prelude::{TractResult, TypedModel, TypedSimplePlan};

/// Whether a generator may be run on the GPU by this program, on this machine.
///
/// # Errors
/// A usage error for a program built without the feature `jetson`, a machine without a GPU, or a quantised generator, whose operators
/// the GPU's runtime does not have.
pub(super) fn check(runner: Runner, analysis: &Analysis) -> Result<()> {
    if !runner.runs(analysis.precision) {
        return Err(Error::usage("a quantised generator runs on the CPU only")
            .fix("take the generator in floats, whose name has no -int8, or leave --runner out"));
    }
    available()
}

#[cfg(not(feature = "jetson"))]
fn available() -> Result<()> {
    Err(Error::usage("this program was built without the GPU")
        .fix("build it with --features jetson, or leave --runner out"))
}

#[cfg(not(feature = "jetson"))]
pub(super) fn compile(_: TypedModel, _: bool) -> TractResult<Arc<TypedSimplePlan>> {
    Err(tract_core::internal::anyhow!("this program was built without the GPU"))
}

#[cfg(feature = "jetson")]
fn runtime() -> TractResult<&'static dyn tract_core::runtime::Runtime> {
    // The crate registers its runtime where it is linked, and it is linked where it is named.
    use tract_cuda as _;
    tract_core::runtime::runtime_for_name("cuda")?
        .ok_or_else(|| tract_core::internal::anyhow!("tract has no CUDA runtime"))
}

#[cfg(feature = "jetson")]
fn available() -> Result<()> {
    let found = std::panic::catch_unwind(|| runtime().and_then(tract_core::runtime::Runtime::check));
    let why = match found {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "its libraries cannot be loaded".to_owned(),
    };
    Err(Error::usage(format!("the GPU cannot be used: {why}"))
        .fix("install CUDA 12.2 or later with cuDNN (JetPack 6), or leave --runner out"))
}

/// Compiles for the GPU; in 16-bit floats from end to end where `half`.
#[cfg(feature = "jetson")]
pub(super) fn compile(mut model: TypedModel, half: bool) -> TractResult<Arc<TypedSimplePlan>> {
    if half {
        let halves = tract_core::transform::get_transform("f32_to_f16")?;
        halves.ok_or_else(|| tract_core::internal::anyhow!("tract has no 16-bit floats"))?.transform(&mut model)?;
    }
    let runnable = runtime()?.prepare(model)?;
    let plan = runnable.typed_plan().cloned();
    plan.ok_or_else(|| tract_core::internal::anyhow!("the GPU's runtime gives no plan"))
}
