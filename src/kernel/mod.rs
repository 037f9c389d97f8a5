//! All SIMD and all `unsafe` of the package. The scalar body is the definition; its twins are tested against it.

#![allow(unsafe_code)]
// A body written once over `Lanes` becomes AVX2, AVX-512 or NEON only where it is inlined into a function that has them.
#![allow(clippy::inline_always)]
// Other machines have the scalar bodies and nothing to choose from.
#![cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code, unused_macros, unused_mut))]

pub mod aligned;
pub mod bf16;
mod body;
pub mod conv;
#[cfg(feature = "cuda")]
pub mod cuda;
mod lanes;
pub mod pool;
pub mod stream;

/// Proof that instructions were found on this machine: only this module makes one, and levels that need one hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found(());

/// Which instructions the kernels may use. Chosen once, then handed down, so that tests can loop over all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Plain Rust, on every machine.
    Scalar,
    /// x86-64 with AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(Found),
    /// The same with AVX-VNNI, which multiplies bytes.
    #[cfg(target_arch = "x86_64")]
    Avx2Vnni(Found),
    /// x86-64 with AVX-512F, VL, DQ and BW.
    #[cfg(target_arch = "x86_64")]
    Avx512(Found),
    /// The same with AVX512-VNNI, which multiplies bytes.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Found),
    /// 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon(Found),
    /// The same with the dot products of ARMv8.2, which multiply bytes.
    #[cfg(target_arch = "aarch64")]
    NeonDot(Found),
}

impl Level {
    /// Every level this machine can run, the best last.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw");
            if avx2 {
                levels.push(Self::Avx2(Found(())));
            }
            if avx2 && is_x86_feature_detected!("avxvnni") {
                levels.push(Self::Avx2Vnni(Found(())));
            }
            if avx512 {
                levels.push(Self::Avx512(Found(())));
            }
            if avx512 && is_x86_feature_detected!("avx512vnni") {
                levels.push(Self::Avx512Vnni(Found(())));
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            levels.push(Self::Neon(Found(())));
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                levels.push(Self::NeonDot(Found(())));
            }
        }
        levels
    }

    /// The best level this machine can run.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Scalar)
    }

    /// The level's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Vnni(_) => "avx2-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni(_) => "avx512-vnni",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot(_) => "neon-dotprod",
        }
    }

    /// The level of that name, if this machine can run it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|level| level.name() == name)
    }

    /// f32 lanes of a vector.
    pub fn lanes(self) -> usize {
        match self {
            Self::Scalar => 4,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) | Self::Avx2Vnni(_) => 8,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) | Self::Avx512Vnni(_) => 16,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) | Self::NeonDot(_) => 4,
        }
    }
}

/// Repeatable values of -1 to 1 for tests.
#[cfg(test)]
fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}
