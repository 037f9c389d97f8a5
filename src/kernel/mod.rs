//! All SIMD and all `unsafe` of the package. The scalar body is the definition; its twins are tested against it.

#![allow(unsafe_code)]
// A body written once over `Lanes` becomes AVX2, AVX-512 or NEON only where it is inlined into a function that has them.
#![allow(clippy::inline_always)]

pub mod bf16;
mod body;
pub mod conv;
#[cfg(feature = "cuda")]
pub mod cuda;
mod lanes;

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
    /// x86-64 with AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512(Found),
    /// 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon(Found),
}

impl Level {
    /// Every level this machine can run, the best last.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Self::Avx2(Found(())));
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
            {
                levels.push(Self::Avx512(Found(())));
            }
        }
        #[cfg(target_arch = "aarch64")]
        levels.push(Self::Neon(Found(())));
        levels
    }

    /// The best level this machine can run.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Scalar)
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
