//! A vector of f32 lanes: the few operations that the convolution bodies are written in.

/// A vector register. Every method may only be called where the instructions behind it exist.
pub(super) trait Lanes: Copy {
    /// Lanes in a vector.
    const WIDTH: usize;

    /// All lanes `value`.
    unsafe fn splat(value: f32) -> Self;
    /// Reads `WIDTH` values; no alignment needed.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes `WIDTH` values; no alignment needed.
    unsafe fn store(self, to: *mut f32);
    /// `self + a · b`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// The sum of all lanes.
    unsafe fn sum(self) -> f32;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    // SAFETY (every block here): the caller runs on a machine with AVX2 and FMA, and its pointers cover WIDTH values.
    impl Lanes for __m256 {
        const WIDTH: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: see above.
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: see above.
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: see above.
            unsafe { _mm256_storeu_ps(to, self) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm256_fmadd_ps(a, b, self) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            let mut lanes = [0.0; 8];
            // SAFETY: the array holds WIDTH values.
            unsafe { self.store(lanes.as_mut_ptr()) };
            super::pairwise(lanes)
        }
    }

    // SAFETY (every block here): the caller runs on a machine with AVX-512F, and its pointers cover WIDTH values.
    impl Lanes for __m512 {
        const WIDTH: usize = 16;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: see above.
            unsafe { _mm512_storeu_ps(to, self) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_fmadd_ps(a, b, self) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            // SAFETY: see above.
            unsafe { _mm512_reduce_add_ps(self) }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::Lanes;
    use std::arch::aarch64::{float32x4_t, vaddvq_f32, vdupq_n_f32, vfmaq_f32, vld1q_f32, vst1q_f32};

    // SAFETY (every block here): NEON is part of every 64-bit ARM target, and the caller's pointers cover WIDTH values.
    impl Lanes for float32x4_t {
        const WIDTH: usize = 4;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: see above.
            unsafe { vdupq_n_f32(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: see above.
            unsafe { vld1q_f32(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: see above.
            unsafe { vst1q_f32(to, self) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            // SAFETY: see above.
            unsafe { vfmaq_f32(self, a, b) }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            // SAFETY: see above.
            unsafe { vaddvq_f32(self) }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn pairwise(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
