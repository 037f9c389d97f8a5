//! Ranks that are processes, each with a GPU of its own, which add up through NVIDIA's NCCL.

use super::Peers;
use crate::error::{Error, Result};
use candle_core::cuda_backend::cudarc::nccl::result::NcclError;
use candle_core::cuda_backend::cudarc::nccl::{Comm, Id, ReduceOp};
use candle_core::cuda_backend::{CudaStorage, CudaStorageSlice};
use candle_core::op::BackpropOp;
use candle_core::{Device, Storage, Tensor, bail};
use std::ffi::c_char;
use std::fmt::Write;

/// One process's place among them.
#[derive(Debug)]
pub struct Nccl(Comm);

/// Bytes of what processes find one another by.
const ID_BYTES: usize = 128;

fn failed(error: NcclError) -> Error {
    Error::internal("NCCL failed").caused_by(format!("{error:?}")).fix("NCCL_DEBUG=INFO makes it say more")
}

impl Nccl {
    /// What the ranks of one run find one another by, in hexadecimal. The process that asked for it must live until all have
    /// joined.
    ///
    /// # Errors
    /// An internal error where NCCL fails.
    pub fn id() -> Result<String> {
        let id = Id::new().map_err(failed)?;
        let mut text = String::with_capacity(2 * ID_BYTES);
        for &byte in id.internal() {
            // Writing into a string cannot fail.
            let _ = write!(text, "{:02x}", byte as u8);
        }
        Ok(text)
    }

    /// Joins `count` ranks as number `rank` with the GPU `device`; waits for all of them.
    ///
    /// # Errors
    /// A usage error where `id` is not what [`Nccl::id`] gave or the device is no GPU; an internal error where NCCL fails.
    pub fn join(device: &Device, rank: usize, count: usize, id: &str) -> Result<Self> {
        let Device::Cuda(device) = device else { return Err(Error::usage("NCCL joins NVIDIA GPUs alone")) };
        let id = parse(id).ok_or_else(|| Error::usage("what the GPUs should find one another by is damaged"))?;
        Ok(Self(Comm::from_rank(device.cuda_stream(), rank, count, Id::uninit(id)).map_err(failed)?))
    }
}

/// The bytes that `text` writes in hexadecimal.
fn parse(text: &str) -> Option<[c_char; ID_BYTES]> {
    if text.len() != 2 * ID_BYTES {
        return None;
    }
    let mut id: [c_char; ID_BYTES] = [0; ID_BYTES];
    for (n, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()? as c_char;
    }
    Some(id)
}

impl Peers for Nccl {
    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn count(&self) -> usize {
        self.0.world_size()
    }

    fn sum(&self, numbers: &Tensor) -> candle_core::Result<Tensor> {
        let numbers = numbers.contiguous()?;
        let (storage, layout) = numbers.storage_and_layout();
        let (Storage::Cuda(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
            bail!("NCCL adds up what lies on GPUs")
        };
        let CudaStorageSlice::F32(own) = &storage.slice else { bail!("f32 is added up") };
        let mut sum = self.0.stream().alloc_zeros::<f32>(to - from)?;
        let done = self.0.all_reduce(&own.slice(from..to), &mut sum, &ReduceOp::Sum);
        done.map_err(|error| candle_core::Error::Msg(format!("NCCL failed: {error:?}")))?;
        let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(sum, storage.device.clone()));
        Ok(Tensor::from_storage(storage, numbers.shape().clone(), BackpropOp::none(), false))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn identities_are_hexadecimal() {
        let text = "7f80ff00".repeat(32);
        assert_eq!(parse(&text).unwrap()[..4].iter().map(|&c| c as u8).collect::<Vec<_>>(), [0x7f, 0x80, 0xff, 0]);
        assert!(parse(&text[2..]).is_none() && parse(&"zz".repeat(ID_BYTES)).is_none());
        assert!(Nccl::join(&Device::Cpu, 0, 1, &text).is_err());
    }

    /// One rank's sum is its own numbers.
    #[test]
    fn one_gpu_adds_up_alone() {
        let Some(device) = crate::host::gpu::found() else { return };
        let peers = Nccl::join(&device, 0, 1, &Nccl::id().unwrap()).unwrap();
        assert_eq!((peers.rank(), peers.count()), (0, 1));
        let numbers = Tensor::arange(0f32, 1000.0, &device).unwrap().narrow(0, 3, 500).unwrap();
        let sum = peers.sum(&numbers).unwrap();
        assert_eq!(sum.to_vec1::<f32>().unwrap(), numbers.to_vec1::<f32>().unwrap());
    }
}
