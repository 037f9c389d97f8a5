//! A vector of 32-bit sums of products of bytes: four unsigned activations times four signed weights a lane and step.
//!
//! ARM multiplies signed by signed bytes only. There activations are kept with their top bit flipped, which is 128 less as a
//! signed byte, and the bias makes up for it; see [`Dots::FLIP`].

use super::BLOCK;

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
    /// The same for `V` vectors, each with its place, of `P` pixels that stand one after the other.
    #[inline(always)]
    unsafe fn requantise_all<const P: usize, const V: usize>(
        sums: &[[Self; V]; P],
        scale: *const f32,
        [low, high]: [f32; 2],
        zero: i32,
        places: [*mut u8; V],
    ) {
        // A copy to be counted through: what is indexed by a counter stands in memory, and the sums must stay in registers.
        let mut copy = [[sums[0][0]; V]; P];
        for (copy, sums) in copy.iter_mut().zip(sums) {
            for (copy, sum) in copy.iter_mut().zip(sums) {
                *copy = *sum;
            }
        }
        for (v, to) in places.into_iter().enumerate() {
            for (p, sums) in copy.iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe { sums[v].requantise(scale.add(v * Self::WIDTH), low, high, zero, to.add(p * BLOCK)) }
            }
        }
    }
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
pub(super) mod x86;

#[cfg(target_arch = "aarch64")]
pub(super) mod arm;
