//! A vector of f32 lanes: the few operations that the convolution bodies are written in.

/// A vector register. Every method may only be called where the instructions behind it exist.
pub(super) trait Lanes: Copy {
    /// Lanes in a vector.
    const WIDTH: usize;
    /// Whether a block of channels is worth more than a loop over them.
    const UNROLLED: bool = true;

    /// All lanes `value`.
    unsafe fn splat(value: f32) -> Self;
    /// Reads `WIDTH` values; no alignment needed.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes `WIDTH` values; no alignment needed.
    unsafe fn store(self, to: *mut f32);
    /// `self + a · b`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// `self − a · b`, rounded once.
    unsafe fn fnma(self, a: Self, b: Self) -> Self;
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self − other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// The larger of each pair of lanes.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller of each pair of lanes.
    unsafe fn min(self, other: Self) -> Self;
    /// The sum of all lanes.
    unsafe fn sum(self) -> f32;
    /// Whether lanes can be multiplied by one lane of another vector: [`Self::fma_lane`].
    const BY_LANE: bool = false;
    /// self + a · by[LANE], rounded once; only where [`Self::BY_LANE`] says so.
    #[inline(always)]
    unsafe fn fma_lane<const LANE: i32>(self, _a: Self, _by: Self) -> Self {
        self
    }
}

/// Implements [`Lanes`] by one intrinsic for each operation.
macro_rules! lanes {
    ($(@$lane:path,)? $vector:ty, $width:literal, $splat:path, $load:path, $store:path, $fma:path, $fnma:path, $add:path, $sub:path,
     $max:path, $min:path, $sum:path) => {
        // SAFETY (every block here): the caller runs where these instructions exist, and its pointers cover WIDTH values.
        impl Lanes for $vector {
            const WIDTH: usize = $width;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: see above.
                unsafe { $splat(value) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: see above.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: see above.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn fma(self, a: Self, b: Self) -> Self {
                // SAFETY: see above.
                unsafe { $fma(self, a, b) }
            }
            #[inline(always)]
            unsafe fn fnma(self, a: Self, b: Self) -> Self {
                // SAFETY: see above.
                unsafe { $fnma(self, a, b) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $sub(self, other) }
            }
            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $max(self, other) }
            }
            #[inline(always)]
            unsafe fn min(self, other: Self) -> Self {
                // SAFETY: see above.
                unsafe { $min(self, other) }
            }
            #[inline(always)]
            unsafe fn sum(self) -> f32 {
                // SAFETY: see above.
                unsafe { $sum(self) }
            }
            $(
                const BY_LANE: bool = true;
                #[inline(always)]
                unsafe fn fma_lane<const LANE: i32>(self, a: Self, by: Self) -> Self {
                    use $lane as fma;
                    // SAFETY: see above.
                    unsafe { fma::<LANE>(self, a, by) }
                }
            )?
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_loadu_ps, _mm256_max_ps,
        _mm256_min_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps, _mm512_fmadd_ps,
        _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_min_ps, _mm512_reduce_add_ps, _mm512_set1_ps,
        _mm512_storeu_ps, _mm512_sub_ps,
    };

    // SAFETY (these five): the instructions exist where a vector of their type is used at all.
    #[inline(always)]
    unsafe fn fma_256(sum: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn fnma_256(sum: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_fnmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn fma_512(sum: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn fnma_512(sum: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fnmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn sum_256(vector: __m256) -> f32 {
        let mut lanes = [0.0; 8];
        // SAFETY: see above; the array holds all lanes.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), vector) };
        super::pairwise(lanes)
    }

    lanes!(
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        fma_256,
        fnma_256,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        sum_256
    );

    lanes!(
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        fma_512,
        fnma_512,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_max_ps,
        _mm512_min_ps,
        _mm512_reduce_add_ps
    );
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::Lanes;
    use std::arch::aarch64::{
        float32x4_t, vaddq_f32, vaddvq_f32, vdupq_n_f32, vfmaq_f32, vfmsq_f32, vld1q_f32, vmaxq_f32, vminq_f32,
        vst1q_f32, vsubq_f32,
    };

    lanes!(
        @std::arch::aarch64::vfmaq_laneq_f32,
        float32x4_t,
        4,
        vdupq_n_f32,
        vld1q_f32,
        vst1q_f32,
        vfmaq_f32,
        vfmsq_f32,
        vaddq_f32,
        vsubq_f32,
        vmaxq_f32,
        vminq_f32,
        vaddvq_f32
    );
}

/// Four lanes of plain Rust: the definition of every vector body where it has no other.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; 4]);

impl Plain {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

// SAFETY (every block here): the caller's pointers cover WIDTH values.
impl Lanes for Plain {
    const WIDTH: usize = 4;
    // Without such an instruction each product is a call, and written out they would be most of the program.
    const UNROLLED: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(from.cast::<[f32; 4]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| a.0[i].mul_add(b.0[i], self.0[i])))
    }
    #[inline(always)]
    unsafe fn fnma(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| (-a.0[i]).mul_add(b.0[i], self.0[i])))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        self.0.iter().sum()
    }
}

#[cfg(target_arch = "x86_64")]
fn pairwise(lanes: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}
