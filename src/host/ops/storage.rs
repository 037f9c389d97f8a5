//! The samples behind candle's tensors on the CPU.

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor, bail};

/// Whether our own operators take `x`; what they do not take is composed of candle's.
pub(super) fn ours(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// The samples of a contiguous f32 tensor.
pub(super) fn samples<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((from, to))) => Ok(&data[from..to]),
        _ => bail!("the operator takes contiguous f32 tensors"),
    }
}

/// Runs `f` on the samples of a CPU tensor.
pub(super) fn with_samples<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(samples(storage, layout)?)),
        _ => bail!("the operator's backward pass takes CPU tensors"),
    }
}
