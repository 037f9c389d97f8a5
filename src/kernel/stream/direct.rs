//! Convolution as it is written: every tap times every channel, for a few pixels and a few vectors of outputs at a time.

use super::accumulate::{accumulate, accumulate_block, finish, most_vectors};
use super::{Activation, BLOCK, Filter, Group, InputBlock, Task, groups, input_blocks};
use crate::kernel::Level;
use crate::kernel::aligned::Aligned;
use crate::kernel::lanes::{Lanes, Plain};
#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

/// A convolution of any odd side, packed for one level.
#[derive(Debug, Clone)]
pub struct Direct {
    level: Level,
    /// Rows and columns of taps.
    taps: [usize; 2],
    sources: Vec<usize>,
    /// Whether the sources' channels stand one after the other.
    planar: bool,
    blocks: Vec<InputBlock>,
    outputs: usize,
    groups: Vec<Group>,
    /// For each group, in the order of the sum: `vectors` vectors of weights.
    weights: Aligned<f32>,
    bias: Vec<f32>,
    activation: Activation,
    add_first: bool,
}

impl Direct {
    /// Packs `filter`, whose sources stand in blocks, or one channel after the other if `planar`.
    pub fn new(level: Level, filter: &Filter, planar: bool) -> Self {
        let weight = |o, input, row, column| filter.weight(o, input, row, column);
        let mut direct = Self::sums(level, filter, planar, [filter.side; 2], filter.outputs, weight);
        let lanes = direct.bias.len();
        direct.bias[..filter.outputs].copy_from_slice(&filter.bias);
        direct.activation = filter.activation.padded(lanes);
        direct.add_first = filter.add_first;
        direct
    }

    /// Plain sums of other `taps` and `outputs` than `filter` has; `weight` is given output, input, row and column.
    pub(super) fn sums(
        level: Level,
        filter: &Filter,
        planar: bool,
        taps: [usize; 2],
        outputs: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let lanes = level.lanes();
        let vectors = outputs.div_ceil(lanes);
        let each = filter.inputs() * taps[0] * taps[1] * lanes;
        let groups = groups(vectors, most_vectors(level), each);
        let blocks = input_blocks(&filter.sources, if planar { 1 } else { BLOCK });
        let mut weights = Vec::with_capacity(vectors * each);
        for group in &groups {
            let made = group.first * lanes..(group.first + group.vectors) * lanes;
            for row in 0..taps[0] {
                for block in &blocks {
                    for column in 0..taps[1] {
                        for input in block.first..block.first + block.channels {
                            let weight = |o| if o < outputs { weight(o, input, row, column) } else { 0.0 };
                            weights.extend(made.clone().map(weight));
                        }
                    }
                }
            }
        }
        Self {
            level,
            taps,
            sources: filter.sources.clone(),
            planar,
            blocks,
            outputs,
            groups,
            weights: Aligned::of(&weights),
            bias: vec![0.0; vectors * lanes],
            activation: Activation::None,
            add_first: false,
        }
    }

    /// Makes a row.
    ///
    /// # Panics
    /// Where a row does not lie inside the arena with its border.
    pub fn run(&self, arena: &mut [f32], task: &Task) {
        self.check(arena, task);
        self.check_out(arena, task);
        let arena = arena.as_mut_ptr();
        // SAFETY: both checks have been made.
        unsafe { self.run_unchecked(arena, arena, task) }
    }

    /// The same with the row that is made in another place; nothing is added to it.
    ///
    /// # Panics
    /// As [`Self::run`], and where a row is added.
    pub(super) fn run_to(&self, arena: &[f32], to: &mut [f32], task: &Task) {
        self.check(arena, task);
        self.check_out(to, task);
        assert!(task.add.is_none());
        // SAFETY: both checks have been made, and nothing is written to `arena`.
        unsafe { self.run_unchecked(arena.as_ptr().cast_mut(), to.as_mut_ptr(), task) }
    }

    /// # Safety
    /// `check` has been called for `arena` and `check_out` for `to`; only `to` is written.
    unsafe fn run_unchecked(&self, arena: *mut f32, to: *mut f32, task: &Task) {
        match self.level {
            // SAFETY: the caller's promise; the level was found on this machine.
            Level::Scalar => unsafe { self.groups::<Plain, 1, 1, 1, 1>(arena, to, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2(_) | Level::Avx2Vnni(_) => unsafe { self.avx2(arena, to, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512(_) | Level::Avx512Vnni(_) => unsafe { self.avx512(arena, to, task) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::Neon(_) | Level::NeonDot(_) => unsafe { self.groups::<float32x4_t, 16, 10, 7, 6>(arena, to, task) },
        }
    }

    fn check(&self, arena: &[f32], task: &Task) {
        let half = self.taps[1] / 2;
        assert_eq!(task.rows.len(), self.taps[0] * self.sources.len());
        assert!(task.width > 0);
        for (row, &channels) in task.rows.iter().zip(self.sources.iter().cycle()) {
            assert_eq!(row.pixel, if self.planar { 1 } else { BLOCK });
            assert!(row.start >= half * row.pixel && row.end(channels, task.width + half) <= arena.len());
        }
        if let Some(row) = &task.add {
            assert!(row.pixel == BLOCK && row.end(self.outputs, task.width) <= arena.len());
        }
    }

    fn check_out(&self, to: &[f32], task: &Task) {
        assert!(task.out.pixel == BLOCK && task.out.end(self.outputs, task.width) <= to.len());
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(&self, arena: *mut f32, to: *mut f32, task: &Task) {
        // SAFETY: the caller's promises are those of `groups`.
        unsafe { self.groups::<__m256, 8, 6, 0, 0>(arena, to, task) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
    unsafe fn avx512(&self, arena: *mut f32, to: *mut f32, task: &Task) {
        // SAFETY: the caller's promises are those of `groups`.
        unsafe { self.groups::<__m512, 16, 12, 8, 6>(arena, to, task) }
    }

    /// Every group, with as many pixels at a time as its number of vectors leaves registers for; none where the level has no such groups.
    ///
    /// # Safety
    /// `check` has been called, and `L`'s instructions exist.
    #[inline(always)]
    unsafe fn groups<L: Lanes, const P1: usize, const P2: usize, const P3: usize, const P4: usize>(
        &self,
        arena: *mut f32,
        to: *mut f32,
        task: &Task,
    ) {
        for group in &self.groups {
            // SAFETY: the caller's promises.
            unsafe {
                match (group.vectors, self.planar) {
                    (1, false) => self.across::<L, P1, 1, BLOCK>(group, arena, to, task),
                    (2, false) => self.across::<L, P2, 2, BLOCK>(group, arena, to, task),
                    (3, false) => self.across::<L, P3, 3, BLOCK>(group, arena, to, task),
                    (_, false) => self.across::<L, P4, 4, BLOCK>(group, arena, to, task),
                    (1, true) => self.across::<L, P1, 1, 1>(group, arena, to, task),
                    (2, true) => self.across::<L, P2, 2, 1>(group, arena, to, task),
                    (3, true) => self.across::<L, P3, 3, 1>(group, arena, to, task),
                    (_, true) => self.across::<L, P4, 4, 1>(group, arena, to, task),
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::groups`].
    #[inline(always)]
    unsafe fn across<L: Lanes, const P: usize, const V: usize, const PIXEL: usize>(
        &self,
        group: &Group,
        arena: *mut f32,
        to: *mut f32,
        task: &Task,
    ) {
        if P == 0 {
            return;
        }
        let mut x = 0;
        // SAFETY: x + P ≤ width in each call.
        unsafe {
            while x + P <= task.width {
                self.block::<L, P, V, PIXEL>(group, arena, to, task, x);
                x += P;
            }
            if x < task.width && task.width >= P {
                self.block::<L, P, V, PIXEL>(group, arena, to, task, task.width - P);
                return;
            }
            while x < task.width {
                self.block::<L, 1, V, PIXEL>(group, arena, to, task, x);
                x += 1;
            }
        }
    }

    /// `P` pixels from `x`; those that are read stand `PIXEL` apart.
    ///
    /// # Safety
    /// As [`Self::groups`], and `x + P` is not past the width.
    #[inline(always)]
    unsafe fn block<L: Lanes, const P: usize, const V: usize, const PIXEL: usize>(
        &self,
        group: &Group,
        arena: *mut f32,
        to: *mut f32,
        task: &Task,
        x: usize,
    ) {
        // SAFETY: `check` held rows and border inside the arena; weights and bias were packed for these groups.
        unsafe {
            let mut sums = [[L::splat(0.0); V]; P];
            let bias = self.bias.as_ptr().add(group.first * L::WIDTH);
            for sums in &mut sums {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(bias.add(v * L::WIDTH));
                }
            }
            let mut weights = self.weights.as_ptr().add(group.at);
            for rows in task.rows.chunks_exact(self.sources.len()) {
                for input in &self.blocks {
                    let row = rows.get_unchecked(input.source);
                    let mut from =
                        arena.add(row.start + input.block * row.block + x * PIXEL - self.taps[1] / 2 * PIXEL);
                    let step = input.channels * V * L::WIDTH;
                    if PIXEL == 1 && self.taps[1] == 3 {
                        accumulate(&mut sums, weights, from, PIXEL);
                        accumulate(&mut sums, weights.add(step), from.add(1), PIXEL);
                        accumulate(&mut sums, weights.add(2 * step), from.add(2), PIXEL);
                        weights = weights.add(3 * step);
                        continue;
                    }
                    for _ in 0..self.taps[1] {
                        accumulate_block(&mut sums, weights, from, PIXEL, input.channels);
                        weights = weights.add(step);
                        from = from.add(PIXEL);
                    }
                }
            }
            for v in 0..V {
                let channel = (group.first + v) * L::WIDTH;
                let mut column = [L::splat(0.0); P];
                for (value, sums) in column.iter_mut().zip(&sums) {
                    *value = sums[v];
                }
                let add = task.add.map(|row| arena.add(row.place(channel, x)).cast_const());
                let column = finish(&self.activation, self.add_first, channel, column, add);
                let to = to.add(task.out.place(channel, x));
                for (p, sum) in column.into_iter().enumerate() {
                    sum.store(to.add(p * BLOCK));
                }
            }
        }
    }
}
