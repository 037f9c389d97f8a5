//! What every convolution of floats does with its registers: products added to sums, and what becomes of the sums.

use super::{Activation, BLOCK};
use crate::kernel::Level;
use crate::kernel::lanes::Lanes;

/// Adds the shares of a block's `channels`.
///
/// # Safety
/// As [`accumulate`].
#[inline(always)]
pub(super) unsafe fn accumulate_block<L: Lanes, const P: usize, const V: usize>(
    sums: &mut [[L; V]; P],
    weights: *const f32,
    from: *const f32,
    stride: usize,
    channels: usize,
) {
    let step = V * L::WIDTH;
    // SAFETY: the caller's promises.
    unsafe {
        // A whole block has a loop of its own, whose length the compiler knows.
        if channels == BLOCK && L::BY_LANE {
            for i in (0..BLOCK).step_by(4) {
                accumulate_four(sums, weights.add(i * step), from.add(i), stride);
            }
        } else if channels == BLOCK && L::UNROLLED {
            // Written out, since the compiler keeps the loop, whose end is mispredicted once a call.
            accumulate_quarter(sums, weights, from, stride);
            accumulate_quarter(sums, weights.add(4 * step), from.add(4), stride);
            accumulate_quarter(sums, weights.add(8 * step), from.add(8), stride);
            accumulate_quarter(sums, weights.add(12 * step), from.add(12), stride);
        } else {
            for i in 0..channels {
                accumulate(sums, weights.add(i * step), from.add(i), stride);
            }
        }
    }
}

/// Adds four input channels' share.
///
/// # Safety
/// As [`accumulate`].
#[inline(always)]
unsafe fn accumulate_quarter<L: Lanes, const P: usize, const V: usize>(
    sums: &mut [[L; V]; P],
    weights: *const f32,
    from: *const f32,
    stride: usize,
) {
    let step = V * L::WIDTH;
    // SAFETY: the caller's promises.
    unsafe {
        accumulate(sums, weights, from, stride);
        accumulate(sums, weights.add(step), from.add(1), stride);
        accumulate(sums, weights.add(2 * step), from.add(2), stride);
        accumulate(sums, weights.add(3 * step), from.add(3), stride);
    }
}

/// Adds four input channels' share, which are read as one vector of four lanes.
///
/// # Safety
/// As [`accumulate`], and lanes can be multiplied by a lane.
#[inline(always)]
unsafe fn accumulate_four<L: Lanes, const P: usize, const V: usize>(
    sums: &mut [[L; V]; P],
    weights: *const f32,
    from: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promises.
    unsafe {
        if 4 * V <= P {
            // The weights fit beside the sums, and pixels come one by one.
            let mut w = [[L::splat(0.0); V]; 4];
            for (i, w) in w.iter_mut().enumerate() {
                for (v, w) in w.iter_mut().enumerate() {
                    *w = L::load(weights.add((i * V + v) * L::WIDTH));
                }
            }
            for (p, sums) in sums.iter_mut().enumerate() {
                let value = L::load(from.add(p * stride));
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.fma_lane::<0>(w[0][v], value);
                }
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.fma_lane::<1>(w[1][v], value);
                }
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.fma_lane::<2>(w[2][v], value);
                }
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.fma_lane::<3>(w[3][v], value);
                }
            }
        } else {
            let mut values = [L::splat(0.0); P];
            for (p, value) in values.iter_mut().enumerate() {
                *value = L::load(from.add(p * stride));
            }
            accumulate_lane::<L, 0, P, V>(sums, weights, &values);
            accumulate_lane::<L, 1, P, V>(sums, weights, &values);
            accumulate_lane::<L, 2, P, V>(sums, weights, &values);
            accumulate_lane::<L, 3, P, V>(sums, weights, &values);
        }
    }
}

/// Adds the share of one of four channels.
///
/// # Safety
/// As [`accumulate_four`].
#[inline(always)]
unsafe fn accumulate_lane<L: Lanes, const LANE: i32, const P: usize, const V: usize>(
    sums: &mut [[L; V]; P],
    weights: *const f32,
    values: &[L; P],
) {
    for v in 0..V {
        // SAFETY: the caller's promises.
        unsafe {
            let w = L::load(weights.add((LANE as usize * V + v) * L::WIDTH));
            for (sums, &value) in sums.iter_mut().zip(values) {
                sums[v] = sums[v].fma_lane::<LANE>(w, value);
            }
        }
    }
}

/// Adds one input channel's share to the sums: `P` pixels that stand `stride` apart, `V` vectors of weights.
///
/// # Safety
/// `L`'s instructions exist, and the pointers cover that much.
#[inline(always)]
pub(super) unsafe fn accumulate<L: Lanes, const P: usize, const V: usize>(
    sums: &mut [[L; V]; P],
    weights: *const f32,
    from: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promises.
    unsafe {
        let mut w = [L::splat(0.0); V];
        for (v, w) in w.iter_mut().enumerate() {
            *w = L::load(weights.add(v * L::WIDTH));
        }
        for (p, sums) in sums.iter_mut().enumerate() {
            let value = L::splat(*from.add(p * stride));
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = sum.fma(value, w);
            }
        }
    }
}

/// The most output vectors that are summed together.
pub(super) fn most_vectors(level: Level) -> usize {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(_) | Level::Avx2Vnni(_) => 2,
        _ => 4,
    }
}

/// Activation and sum of one vector of channels, `P` pixels of it; `add` points at the first of the pixels to be added.
///
/// # Safety
/// `L`'s instructions exist, slopes reach past `channel`'s vector, `add` covers `P` pixels.
#[inline(always)]
pub(super) unsafe fn finish<L: Lanes, const P: usize>(
    activation: &Activation,
    add_first: bool,
    channel: usize,
    mut values: [L; P],
    add: Option<*const f32>,
) -> [L; P] {
    // Loops and not closures: a closure that were not inlined would have lost the level's instructions.
    // SAFETY: the caller's promises.
    unsafe {
        if let (Some(add), true) = (add, add_first) {
            for (p, value) in values.iter_mut().enumerate() {
                *value = value.add(L::load(add.add(p * BLOCK)));
            }
        }
        let zero = L::splat(0.0);
        match activation {
            Activation::None => {}
            Activation::Rectify => {
                for value in &mut values {
                    *value = value.max(zero);
                }
            }
            Activation::Slopes(slopes) => {
                let slope = L::load(slopes.as_ptr().add(channel));
                for value in &mut values {
                    *value = value.max(zero).fma(slope, value.min(zero));
                }
            }
            Activation::Clip(low, high) => {
                let (low, high) = (L::splat(*low), L::splat(*high));
                for value in &mut values {
                    *value = value.max(low).min(high);
                }
            }
        }
        if let (Some(add), false) = (add, add_first) {
            for (p, value) in values.iter_mut().enumerate() {
                *value = value.add(L::load(add.add(p * BLOCK)));
            }
        }
        values
    }
}
