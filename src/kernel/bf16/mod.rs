//! Stride-1, zero-padded 3×3 convolution in bf16 with f32 sums, and its gradients, for training on CPUs with matrix tiles.
//!
//! An image's feature maps lie position by position, channels together, rows one after another with one zero between them
//! (the *grid*), so that every tap of the kernel is one constant offset. Three views of the same values serve three products:
//! [`Map`] `[position][channel]` is the left operand of a convolution, [`Planes`] `[channel][position]` and [`Pairs`]
//! `[position / 2][channel][2]` are the two operands of a weight gradient.

mod conv;
mod grid;
mod pack;
mod product;
#[cfg(test)]
mod tests;

pub use conv::{Conv, Taps, Weights};
pub use grid::{Grid, Map, Pairs, Planes};

/// Which instructions the bf16 kernels use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiles {
    /// Plain Rust, on every machine: the definition.
    Scalar,
    /// x86-64 with AMX-BF16 and AVX512-BF16, on Linux.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx(super::Found),
}

impl Tiles {
    /// AMX where this machine has it and the system lends it; `None` elsewhere: plain Rust would be slower than f32.
    pub fn fast() -> Option<Self> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        {
            use std::sync::OnceLock;
            static LENT: OnceLock<bool> = OnceLock::new();
            if *LENT.get_or_init(|| product::amx_present() && product::amx_permitted()) {
                return Some(Self::Amx(super::Found(())));
            }
        }
        None
    }
}

/// `value` as bf16, rounded to nearest, ties to even.
pub fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// The value of a bf16.
pub fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
