//! A vector of 32-bit sums of products of bytes: four unsigned activations times four signed weights a lane and step.
//!
//! ARM multiplies signed by signed bytes only. There activations are kept with their top bit flipped, which is 128 less as a
//! signed byte, and the bias makes up for it; see [`Dots::FLIP`].

/// A vector register of sums. Every method may only be called where the instructions behind it exist.
pub(super) trait Dots: Copy {
    /// Lanes in a vector.
    const WIDTH: usize;
    /// What activations are kept exclusive-or'ed with.
    const FLIP: u8;
    /// Weights of one vector, four for each lane.
    type Weights: Copy;
    /// Four activations, the same for all lanes.
    type Value: Copy;

    /// Reads `WIDTH` sums.
    unsafe fn load(from: *const i32) -> Self;
    /// Reads `4 · WIDTH` weights.
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Reads 4 activations.
    unsafe fn value(from: *const u8) -> Self::Value;
    /// Adds the four products to each lane, exactly.
    unsafe fn dot(self, value: Self::Value, weights: Self::Weights) -> Self;
    /// Whether there is a way of its own for a whole block of input channels: [`Self::dot_block`].
    const BY_BLOCK: bool = false;
    /// Adds a block's share to the sums of `P` pixels and `V` vectors; only where [`Self::BY_BLOCK`] says so.
    #[inline(always)]
    unsafe fn dot_block<const P: usize, const V: usize>(_: &mut [[Self; V]; P], _: *const i8, _: *const u8) {}
    /// Writes `WIDTH` bytes: lanes times `scale`, held between `low` and `high`, rounded to nearest even, plus `zero`.
    unsafe fn requantise(self, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8);
}

/// Four lanes of plain Rust: the definition.
#[derive(Clone, Copy)]
pub(super) struct PlainDots([i32; 4]);

// SAFETY (every block here): the caller's pointers cover what is read and written.
impl Dots for PlainDots {
    const WIDTH: usize = 4;
    const FLIP: u8 = 0;
    type Weights = [[i8; 4]; 4];
    type Value = [u8; 4];

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        // SAFETY: see above.
        unsafe { Self(from.cast::<[i32; 4]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::Weights {
        // SAFETY: see above.
        unsafe { from.cast::<[[i8; 4]; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn value(from: *const u8) -> Self::Value {
        // SAFETY: see above.
        unsafe { from.cast::<[u8; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn dot(mut self, value: Self::Value, weights: Self::Weights) -> Self {
        for (sum, weights) in self.0.iter_mut().zip(weights) {
            for (x, w) in value.into_iter().zip(weights) {
                *sum = sum.wrapping_add(i32::from(x) * i32::from(w));
            }
        }
        self
    }
    #[inline(always)]
    unsafe fn requantise(self, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
        for (i, sum) in self.0.into_iter().enumerate() {
            // SAFETY: see above.
            unsafe {
                let value = (sum as f32 * *scale.add(i)).clamp(low, high).round_ties_even();
                *to.add(i) = (value as i32 + zero) as u8 ^ Self::FLIP;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::Dots;
    use std::arch::x86_64::{
        __m256i, __m512i, _mm_packs_epi32, _mm_packus_epi16, _mm_storel_epi64, _mm_storeu_si128, _mm256_add_epi32,
        _mm256_and_si256, _mm256_castsi256_si128, _mm256_cvtepi32_ps, _mm256_cvtps_epi32, _mm256_dpbusd_avx_epi32,
        _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_max_ps, _mm256_min_ps,
        _mm256_mul_ps, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi16, _mm256_srai_epi16,
        _mm256_srli_epi16, _mm512_add_epi32, _mm512_and_si512, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps,
        _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_max_ps,
        _mm512_min_ps, _mm512_mul_ps, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi16,
        _mm512_srai_epi16, _mm512_srli_epi16,
    };

    /// AVX2: bytes widened to 16 bits, since its product of bytes saturates.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Wide(__m256i);
    /// AVX-VNNI.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Vnni256(__m256i);
    /// AVX512-VNNI.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Vnni512(__m512i);
    /// AVX-512 without VNNI.
    #[derive(Clone, Copy)]
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
    }
}

#[cfg(target_arch = "aarch64")]
pub(super) mod arm {
    use super::super::BLOCK;
    use super::Dots;
    use std::arch::aarch64::*;
    use std::arch::asm;

    /// NEON: products of bytes as 16 bits, added in pairs. Weights lie as [`halve`] lays them. `NARROW`: the sum of two
    /// products fits into 16 bits.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Pairs<const NARROW: bool>(int32x4_t);
    /// NEON with dot products.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Sdot(int32x4_t);

    /// Brings every vector of weights, four inputs of four outputs, into this order: the first two inputs of every output,
    /// then the last two.
    pub(in super::super) fn halve(weights: &mut [i8]) {
        for vector in weights.as_chunks_mut::<16>().0 {
            let old = *vector;
            for (at, weight) in vector.iter_mut().enumerate() {
                *weight = old[at % 8 / 2 * 4 + at / 8 * 2 + at % 2];
            }
        }
    }

    impl<const NARROW: bool> Pairs<NARROW> {
        /// Adds the products by two inputs and by the two after them.
        ///
        /// # Safety
        /// NEON exists, as it always does.
        #[inline(always)]
        unsafe fn pairs(self, first: int8x8_t, last: int8x16_t, weights: int8x16_t) -> Self {
            // SAFETY: see above.
            unsafe {
                let products = vmull_s8(first, vget_low_s8(weights));
                if NARROW {
                    return Self(vpadalq_s16(self.0, vmlal_high_s8(products, last, weights)));
                }
                Self(vpadalq_s16(vpadalq_s16(self.0, products), vmull_high_s8(last, weights)))
            }
        }

        /// Adds the share of four channels, the 16-bit lanes `FIRST` and `LAST`.
        ///
        /// # Safety
        /// The weights cover `V` vectors.
        #[inline(always)]
        unsafe fn quad<const FIRST: i32, const LAST: i32, const P: usize, const V: usize>(
            sums: &mut [[Self; V]; P],
            weights: *const i8,
            values: &[int16x8_t; P],
        ) {
            // SAFETY: the caller's promise.
            unsafe {
                let mut w = [vdupq_n_s8(0); V];
                for (v, w) in w.iter_mut().enumerate() {
                    *w = vld1q_s8(weights.add((FIRST as usize / 2 * V + v) * 16));
                }
                for (sums, &value) in sums.iter_mut().zip(values) {
                    let first = vreinterpret_s8_s16(vdup_laneq_s16::<FIRST>(value));
                    let last = vreinterpretq_s8_s16(vdupq_laneq_s16::<LAST>(value));
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = sum.pairs(first, last, w);
                    }
                }
            }
        }
    }

    impl Sdot {
        /// Adds four channels' products; the channels are the 32-bit lane `LANE`.
        ///
        /// # Safety
        /// `sdot` exists.
        #[inline(always)]
        unsafe fn lane<const LANE: i32>(mut self, weights: int8x16_t, value: int8x16_t) -> Self {
            // SAFETY: the instruction exists, and touches these three registers only.
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    "sdot {sum:v}.4s, {weights:v}.16b, {value:v}.4b[{lane}]",
                    sum = inout(vreg) self.0,
                    weights = in(vreg) weights,
                    value = in(vreg) value,
                    lane = const LANE,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            self
        }

        /// Adds the share of four channels.
        ///
        /// # Safety
        /// As [`Self::lane`], and the weights cover `V` vectors.
        #[inline(always)]
        unsafe fn quad<const LANE: i32, const P: usize, const V: usize>(
            sums: &mut [[Self; V]; P],
            weights: *const i8,
            values: &[int8x16_t; P],
        ) {
            for v in 0..V {
                // SAFETY: the caller's promise.
                unsafe {
                    let w = vld1q_s8(weights.add((LANE as usize * V + v) * 16));
                    for (sums, &value) in sums.iter_mut().zip(values) {
                        sums[v] = sums[v].lane::<LANE>(w, value);
                    }
                }
            }
        }
    }

    /// # Safety
    /// The pointers cover 4 lanes.
    #[inline(always)]
    unsafe fn requantise(sums: int32x4_t, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe {
            let value = vmulq_f32(vcvtq_f32_s32(sums), vld1q_f32(scale));
            let value = vminq_f32(vmaxq_f32(value, vdupq_n_f32(low)), vdupq_n_f32(high));
            // Flipping the top bit of a byte takes 128 from it.
            let value = vaddq_s32(vcvtnq_s32_f32(value), vdupq_n_s32(zero - 128));
            let words = vmovn_s32(value);
            let bytes = vmovn_s16(vcombine_s16(words, words));
            to.cast::<i32>().write_unaligned(vget_lane_s32::<0>(vreinterpret_s32_s8(bytes)));
        }
    }

    // SAFETY (every block here): NEON is part of every 64-bit ARM target, and the caller's pointers cover what is read and
    // written.
    impl<const NARROW: bool> Dots for Pairs<NARROW> {
        const WIDTH: usize = 4;
        const FLIP: u8 = 0x80;
        type Weights = int8x16_t;
        type Value = int8x16_t;

        #[inline(always)]
        unsafe fn load(from: *const i32) -> Self {
            // SAFETY: see above.
            unsafe { Self(vld1q_s32(from)) }
        }
        #[inline(always)]
        unsafe fn weights(from: *const i8) -> Self::Weights {
            // SAFETY: see above.
            unsafe { vld1q_s8(from) }
        }
        #[inline(always)]
        unsafe fn value(from: *const u8) -> Self::Value {
            // SAFETY: see above.
            unsafe { vreinterpretq_s8_s32(vdupq_n_s32(from.cast::<i32>().read_unaligned())) }
        }
        #[inline(always)]
        unsafe fn dot(self, value: Self::Value, weights: Self::Weights) -> Self {
            // SAFETY: see above.
            unsafe {
                let value = vreinterpretq_s16_s8(value);
                let first = vreinterpret_s8_s16(vdup_laneq_s16::<0>(value));
                self.pairs(first, vreinterpretq_s8_s16(vdupq_laneq_s16::<1>(value)), weights)
            }
        }
        const BY_BLOCK: bool = true;
        #[inline(always)]
        unsafe fn dot_block<const P: usize, const V: usize>(
            sums: &mut [[Self; V]; P],
            weights: *const i8,
            from: *const u8,
        ) {
            // SAFETY: see above.
            unsafe {
                let mut values = [vdupq_n_s16(0); P];
                for (p, value) in values.iter_mut().enumerate() {
                    *value = vreinterpretq_s16_u8(vld1q_u8(from.add(p * BLOCK)));
                }
                Self::quad::<0, 1, P, V>(sums, weights, &values);
                Self::quad::<2, 3, P, V>(sums, weights, &values);
                Self::quad::<4, 5, P, V>(sums, weights, &values);
                Self::quad::<6, 7, P, V>(sums, weights, &values);
            }
        }
        #[inline(always)]
        unsafe fn requantise(self, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
            // SAFETY: see above.
            unsafe { requantise(self.0, scale, low, high, zero, to) }
        }
    }

    // SAFETY (every block here): as above, and the caller runs where `sdot` exists.
    impl Dots for Sdot {
        const WIDTH: usize = 4;
        const FLIP: u8 = 0x80;
        type Weights = int8x16_t;
        type Value = int8x16_t;

        #[inline(always)]
        unsafe fn load(from: *const i32) -> Self {
            // SAFETY: see above.
            unsafe { Self(vld1q_s32(from)) }
        }
        #[inline(always)]
        unsafe fn weights(from: *const i8) -> Self::Weights {
            // SAFETY: see above.
            unsafe { vld1q_s8(from) }
        }
        #[inline(always)]
        unsafe fn value(from: *const u8) -> Self::Value {
            // SAFETY: see above.
            unsafe { vreinterpretq_s8_s32(vdupq_n_s32(from.cast::<i32>().read_unaligned())) }
        }
        #[inline(always)]
        unsafe fn dot(mut self, value: Self::Value, weights: Self::Weights) -> Self {
            // The intrinsic is not stable yet.
            // SAFETY: the instruction exists, and touches these three registers only.
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    "sdot {sum:v}.4s, {value:v}.16b, {weights:v}.16b",
                    sum = inout(vreg) self.0,
                    value = in(vreg) value,
                    weights = in(vreg) weights,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            self
        }
        const BY_BLOCK: bool = true;
        #[inline(always)]
        unsafe fn dot_block<const P: usize, const V: usize>(
            sums: &mut [[Self; V]; P],
            weights: *const i8,
            from: *const u8,
        ) {
            // SAFETY: see above.
            unsafe {
                let mut values = [vdupq_n_s8(0); P];
                for (p, value) in values.iter_mut().enumerate() {
                    *value = vld1q_s8(from.add(p * BLOCK).cast());
                }
                Self::quad::<0, P, V>(sums, weights, &values);
                Self::quad::<1, P, V>(sums, weights, &values);
                Self::quad::<2, P, V>(sums, weights, &values);
                Self::quad::<3, P, V>(sums, weights, &values);
            }
        }
        #[inline(always)]
        unsafe fn requantise(self, scale: *const f32, low: f32, high: f32, zero: i32, to: *mut u8) {
            // SAFETY: see above.
            unsafe { requantise(self.0, scale, low, high, zero, to) }
        }
    }
}
