//! NEON, with and without dot products.

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
