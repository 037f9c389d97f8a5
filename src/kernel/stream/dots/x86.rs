//! AVX2, AVX-VNNI, AVX-512 and AVX512-VNNI.

use super::super::BLOCK;
use super::Dots;
use std::arch::x86_64::{
    __m256i, __m512i, _mm_packs_epi32, _mm_packus_epi16, _mm_storel_epi64, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castsi256_si128, _mm256_cvtepi32_ps, _mm256_cvtps_epi32, _mm256_dpbusd_avx_epi32,
    _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_max_ps, _mm256_min_ps,
    _mm256_mul_ps, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi16, _mm256_srai_epi16,
    _mm256_srli_epi16, _mm512_add_epi32, _mm512_adds_epi16, _mm512_and_si512, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps,
    _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_max_epu8,
    _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_packs_epi32, _mm512_packus_epi16, _mm512_permutexvar_epi32,
    _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_slli_epi16,
    _mm512_srai_epi16, _mm512_srli_epi16, _mm512_storeu_si512,
};

/// AVX2: bytes widened to 16 bits, since its product of bytes saturates.
#[derive(Clone, Copy)]
pub(in super::super) struct Wide(__m256i);
/// AVX-VNNI.
#[derive(Clone, Copy)]
pub(in super::super) struct Vnni256(__m256i);
/// AVX512-VNNI.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(in super::super) struct Vnni512(__m512i);
/// AVX-512 without VNNI.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(in super::super) struct Wide512(__m512i);

/// # Safety
/// AVX2 exists; the pointers cover 8 lanes.
#[inline(always)]
unsafe fn requantise_256(sums: __m256i, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        let value = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(scale));
        let value = _mm256_min_ps(_mm256_max_ps(value, _mm256_set1_ps(low)), _mm256_set1_ps(high));
        let value = _mm256_add_epi32(_mm256_cvtps_epi32(value), _mm256_set1_epi32(zero));
        let words = _mm_packs_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value));
        _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
    }
}

/// # Safety
/// AVX-512F exists; the pointers cover 16 lanes.
#[inline(always)]
unsafe fn requantise_512(sums: __m512i, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        let value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(scale));
        let value = _mm512_min_ps(_mm512_max_ps(value, _mm512_set1_ps(low)), _mm512_set1_ps(high));
        let value = _mm512_add_epi32(_mm512_cvtps_epi32(value), _mm512_set1_epi32(zero));
        _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(value));
    }
}

/// The same for four pixels. Whole numbers are held between 0 and 255 as they are packed; what rounds to less than `low` is
/// lifted as a byte, and what is too large for 32 bits is held back before.
///
/// # Safety
/// AVX-512BW exists; the pointers cover 16 lanes and four pixels.
#[inline(always)]
unsafe fn requantise_512_four(sums: [__m512i; 4], scale: *const f32, [low, high]: [f32; 2], zero: i32, to: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        let [a, b, c, d] = sums;
        let (scale, high, zero16) = (_mm512_loadu_ps(scale), _mm512_set1_ps(high), _mm512_set1_epi16(zero as i16));
        let a = _mm512_cvtps_epi32(_mm512_min_ps(high, _mm512_mul_ps(_mm512_cvtepi32_ps(a), scale)));
        let b = _mm512_cvtps_epi32(_mm512_min_ps(high, _mm512_mul_ps(_mm512_cvtepi32_ps(b), scale)));
        let c = _mm512_cvtps_epi32(_mm512_min_ps(high, _mm512_mul_ps(_mm512_cvtepi32_ps(c), scale)));
        let d = _mm512_cvtps_epi32(_mm512_min_ps(high, _mm512_mul_ps(_mm512_cvtepi32_ps(d), scale)));
        let ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero16);
        let cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero16);
        let bytes = _mm512_max_epu8(_mm512_packus_epi16(ab, cd), _mm512_set1_epi8((low as i32 + zero) as i8));
        let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi32(order, bytes));
    }
}

/// # Safety
/// AVX-512BW exists; each place covers `P` pixels, `scale` the lanes of `V` vectors.
#[inline(always)]
unsafe fn requantise_512_all<const P: usize, const V: usize>(
    sums: &[[__m512i; V]; P],
    scale: *const f32,
    range: [f32; 2],
    zero: i32,
    places: [*mut u8; V],
) {
    let (fours, rest) = sums.as_chunks::<4>();
    for (v, to) in places.into_iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = scale.add(v * 16);
            for (p, [a, b, c, d]) in fours.iter().enumerate() {
                requantise_512_four([a[v], b[v], c[v], d[v]], scale, range, zero, to.add(4 * p * BLOCK));
            }
            for (p, sums) in rest.iter().enumerate() {
                requantise_512(sums[v], scale, range[0], range[1], zero, to.add((4 * fours.len() + p) * BLOCK));
            }
        }
    }
}

// SAFETY (every block here): the caller runs where these instructions exist, and its pointers cover what is read and
// written.
impl Dots for Wide {
    const WIDTH: usize = 8;
    const FLIP: u8 = 0;
    /// Even and odd bytes as 16 bits.
    type Weights = (__m256i, __m256i);
    type Value = (__m256i, __m256i);

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        // SAFETY: see above.
        unsafe {
            let bytes = _mm256_loadu_si256(from.cast());
            (_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes)), _mm256_srai_epi16::<8>(bytes))
        }
    }
    #[inline(always)]
    unsafe fn value(from: *const u8) -> Self::Value {
        // SAFETY: see above.
        unsafe {
            let bytes = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            (_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16::<8>(bytes))
        }
    }
    #[inline(always)]
    unsafe fn dot(self, value: Self::Value, weights: Self::Weights) -> Self {
        // SAFETY: see above.
        unsafe {
            let even = _mm256_madd_epi16(value.0, weights.0);
            let odd = _mm256_madd_epi16(value.1, weights.1);
            Self(_mm256_add_epi32(self.0, _mm256_add_epi32(even, odd)))
        }
    }
    #[inline(always)]
    unsafe fn requantise(self, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
        // SAFETY: see above.
        unsafe { requantise_256(self.0, scale, low, high, zero, to) }
    }
}

// SAFETY (every block here): as above.
impl Dots for Vnni256 {
    const WIDTH: usize = 8;
    const FLIP: u8 = 0;
    type Weights = __m256i;
    type Value = __m256i;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn value(from: *const u8) -> Self::Value {
        // SAFETY: see above.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn dot(self, value: Self::Value, weights: Self::Weights) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_dpbusd_avx_epi32(self.0, value, weights)) }
    }
    #[inline(always)]
    unsafe fn requantise(self, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
        // SAFETY: see above.
        unsafe { requantise_256(self.0, scale, low, high, zero, to) }
    }
}

// SAFETY (every block here): as above.
impl Dots for Vnni512 {
    const WIDTH: usize = 16;
    const FLIP: u8 = 0;
    type Weights = __m512i;
    type Value = __m512i;

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn value(from: *const u8) -> Self::Value {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn dot(self, value: Self::Value, weights: Self::Weights) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_dpbusd_epi32(self.0, value, weights)) }
    }
    #[inline(always)]
    unsafe fn requantise(self, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
        // SAFETY: see above.
        unsafe { requantise_512(self.0, scale, low, high, zero, to) }
    }
    #[inline(always)]
    unsafe fn requantise_all<const P: usize, const V: usize>(
        sums: &[[Self; V]; P],
        scale: *const f32,
        range: [f32; 2],
        zero: i32,
        places: [*mut u8; V],
    ) {
        // SAFETY: see above; what wraps a vector is laid out as the vector.
        unsafe { requantise_512_all::<P, V>(&*std::ptr::from_ref(sums).cast(), scale, range, zero, places) }
    }
}

// SAFETY (every block here): as above.
impl Dots for Wide512 {
    const WIDTH: usize = 16;
    const FLIP: u8 = 0;
    type Weights = (__m512i, __m512i);
    type Value = (__m512i, __m512i);

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        // SAFETY: see above.
        unsafe {
            let bytes = _mm512_loadu_si512(from.cast());
            (_mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(bytes)), _mm512_srai_epi16::<8>(bytes))
        }
    }
    #[inline(always)]
    unsafe fn value(from: *const u8) -> Self::Value {
        // SAFETY: see above.
        unsafe {
            let bytes = _mm512_set1_epi32(from.cast::<i32>().read_unaligned());
            (_mm512_and_si512(bytes, _mm512_set1_epi16(255)), _mm512_srli_epi16::<8>(bytes))
        }
    }
    #[inline(always)]
    unsafe fn dot(self, value: Self::Value, weights: Self::Weights) -> Self {
        // SAFETY: see above.
        unsafe {
            let even = _mm512_madd_epi16(value.0, weights.0);
            let odd = _mm512_madd_epi16(value.1, weights.1);
            Self(_mm512_add_epi32(self.0, _mm512_add_epi32(even, odd)))
        }
    }
    #[inline(always)]
    unsafe fn requantise(self, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
        // SAFETY: see above.
        unsafe { requantise_512(self.0, scale, low, high, zero, to) }
    }
    #[inline(always)]
    unsafe fn requantise_all<const P: usize, const V: usize>(
        sums: &[[Self; V]; P],
        scale: *const f32,
        range: [f32; 2],
        zero: i32,
        places: [*mut u8; V],
    ) {
        // SAFETY: see above; what wraps a vector is laid out as the vector.
        unsafe { requantise_512_all::<P, V>(&*std::ptr::from_ref(sums).cast(), scale, range, zero, places) }
    }
}
