//! What networks compute with while they are trained.

use crate::error::{Error, Result};
use crate::kernel::bf16::Tiles;
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// What activations, kernels and their deltas are held in while training. Weights, their gradients, the statistics of batch
/// normalisation, losses and the optimiser are f32 throughout, and so are measurements. bf16 has f32's range: no loss needs to
/// be scaled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 bits of mantissa.
    #[default]
    F32,
    /// 8 bits of mantissa: several times as fast on NVIDIA GPUs and, for the luma chain, on CPUs with AMX; refused elsewhere.
    Bf16,
}

impl Precision {
    /// Checks that the luma chain's fused loss is fast at it on `device`.
    ///
    /// # Errors
    /// A usage error on a CPU without AMX.
    pub fn validate_chain(self, device: &Device) -> Result<()> {
        if self == Self::Bf16 && device.is_cpu() && Tiles::fast().is_none() {
            return Err(Error::usage("this machine has no AMX, and bf16 would be slow on it").fix("use f32"));
        }
        Ok(())
    }

    /// Checks that networks made of candle's operators are fast at it on `device`.
    ///
    /// # Errors
    /// A usage error on a CPU.
    pub fn validate(self, device: &Device) -> Result<()> {
        if self == Self::Bf16 && !device.is_cuda() {
            return Err(Error::usage("bf16 needs an NVIDIA GPU here")
                .fix("use f32, or build upres-host with --features cuda on a machine that has one"));
        }
        Ok(())
    }

    /// Whether it is the one that a recipe need not name.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// `x` held so; the gradient comes back as what x is. What a network is given decides what it computes with.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn cast(self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.to_dtype(match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bf16_is_refused_where_it_is_slow() {
        assert!(Precision::F32.validate(&Device::Cpu).is_ok() && Precision::F32.validate_chain(&Device::Cpu).is_ok());
        let refused = Precision::Bf16.validate(&Device::Cpu).unwrap_err().to_string();
        assert!(refused.contains("needs an NVIDIA GPU"), "{refused}");
        assert_eq!(Precision::Bf16.validate_chain(&Device::Cpu).is_ok(), Tiles::fast().is_some());
    }
}
