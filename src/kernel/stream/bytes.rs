//! Convolution of bytes, as ONNX's QLinearConv defines it: exact 32-bit sums, scaled and rounded to bytes once.

use super::accumulate::most_vectors;
use super::dots::{Dots, PlainDots};
use super::{BLOCK, Group, InputBlock, Task, groups, input_blocks};
use crate::kernel::Level;
use crate::kernel::aligned::Aligned;

/// A quantised convolution, the same for every level.
///
/// q = clamp(round((b + Σ (x − zero_in) · w) · scale), low, high) + zero_out, rounded to nearest even.
#[derive(Debug, Clone, PartialEq)]
pub struct ByteFilter {
    /// Side of the kernel, odd.
    pub side: usize,
    /// Channels read.
    pub inputs: usize,
    /// Channels made.
    pub outputs: usize,
    /// `outputs × inputs × side × side`.
    pub weights: Vec<i8>,
    /// One for each output, in steps of input times weight.
    pub bias: Vec<i32>,
    /// The byte that stands for zero in the input; the border is full of it.
    pub zero_in: u8,
    /// The output's steps in one step of input times weight, for each output.
    pub scale: Vec<f32>,
    /// The byte that stands for zero in the output.
    pub zero_out: u8,
    /// The smallest byte that is made: `zero_out` where a ReLU follows.
    pub least: u8,
}

/// A [`ByteFilter`], packed for one level.
#[derive(Debug, Clone)]
pub struct ByteKernel {
    level: Level,
    side: usize,
    inputs: usize,
    blocks: Vec<InputBlock>,
    outputs: usize,
    groups: Vec<Group>,
    /// For each group, in the order of the sum: four inputs of each output.
    weights: Aligned<i8>,
    bias: Vec<i32>,
    scale: Vec<f32>,
    low: f32,
    high: f32,
    zero: i32,
    /// Whether two products of signed bytes that NEON adds always fit into 16 bits: not where both weights are -128.
    #[cfg(target_arch = "aarch64")]
    narrow: bool,
}

/// What activations are kept exclusive-or'ed with at a level.
pub fn flip(level: Level) -> u8 {
    match level {
        #[cfg(target_arch = "aarch64")]
        Level::Neon(_) | Level::NeonDot(_) => super::dots::arm::Sdot::FLIP,
        _ => PlainDots::FLIP,
    }
}

impl ByteKernel {
    /// Packs `filter`.
    pub fn new(level: Level, filter: &ByteFilter) -> Self {
        let lanes = level.lanes();
        let blocks = input_blocks(&[filter.inputs], BLOCK);
        let (vectors, taps) = (filter.outputs.div_ceil(lanes), filter.side * filter.side);
        let quads: usize = blocks.iter().map(|b| b.channels.div_ceil(4)).sum();
        let groups = groups(vectors, most_vectors(level), quads * taps * lanes * 4);
        let mut weights = Vec::with_capacity(vectors * lanes * quads * 4 * taps);
        for group in &groups {
            let outputs = group.first * lanes..(group.first + group.vectors) * lanes;
            for row in 0..filter.side {
                for block in &blocks {
                    for column in 0..filter.side {
                        for quad in (0..block.channels).step_by(4) {
                            let inputs = |o: usize| (0..4).map(move |i| (o, block.first + quad + i));
                            let weight = |(o, i)| filter.weight(o, i, row, column);
                            weights.extend(outputs.clone().flat_map(inputs).map(weight));
                        }
                    }
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        let narrow = weights.chunks_exact(4).all(|w: &[i8]| w[0].max(w[2]) > -128 && w[1].max(w[3]) > -128);
        #[cfg(target_arch = "aarch64")]
        if matches!(level, Level::Neon(_)) {
            super::dots::arm::halve(&mut weights);
        }
        let offset = i32::from(filter.zero_in) - if flip(level) == 0 { 0 } else { 128 };
        let mut bias = vec![0; vectors * lanes];
        let sums = filter.weights.chunks_exact((filter.inputs * taps).max(1));
        for ((to, &bias), weights) in bias.iter_mut().zip(&filter.bias).zip(sums) {
            let sum: i32 = weights.iter().map(|&w| i32::from(w)).sum();
            *to = bias.wrapping_sub(offset.wrapping_mul(sum));
        }
        let mut scale = filter.scale.clone();
        scale.resize(vectors * lanes, 0.0);
        let zero = i32::from(filter.zero_out);
        Self {
            level,
            side: filter.side,
            inputs: filter.inputs,
            blocks,
            outputs: filter.outputs,
            groups,
            weights: Aligned::of(&weights),
            bias,
            scale,
            low: (i32::from(filter.least) - zero) as f32,
            high: (255 - zero) as f32,
            zero,
            #[cfg(target_arch = "aarch64")]
            narrow,
        }
    }

    /// Makes a row of bytes from rows of bytes.
    ///
    /// # Panics
    /// Where a row does not lie inside the arena with its border.
    pub fn run(&self, arena: &mut [u8], task: &Task) {
        self.check(arena, task);
        let arena = arena.as_mut_ptr();
        match self.level {
            // SAFETY: `check` held every row inside the arena; the level was found on this machine.
            Level::Scalar => unsafe { self.groups::<PlainDots, 4, 4, 4, 4>(arena, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2(_) => unsafe { self.avx2(arena, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2Vnni(_) => unsafe { self.avx2_vnni(arena, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512(_) => unsafe { self.avx512(arena, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512Vnni(_) => unsafe { self.avx512_vnni(arena, task) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::Neon(_) if self.narrow => unsafe {
                self.groups::<super::dots::arm::Pairs<true>, 12, 8, 5, 4>(arena, task);
            },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::Neon(_) => unsafe { self.groups::<super::dots::arm::Pairs<false>, 12, 8, 5, 4>(arena, task) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::NeonDot(_) => unsafe { self.groups::<super::dots::arm::Sdot, 14, 10, 7, 6>(arena, task) },
        }
    }

    fn check(&self, arena: &[u8], task: &Task) {
        let half = self.side / 2;
        assert_eq!(task.rows.len(), self.side);
        assert!(task.width > 0 && task.add.is_none());
        for row in task.rows {
            assert!(row.pixel == BLOCK && row.start >= half * BLOCK);
            assert!(row.end(self.inputs, task.width + half) <= arena.len());
        }
        assert!(task.out.pixel == BLOCK && task.out.end(self.outputs, task.width) <= arena.len());
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(&self, arena: *mut u8, task: &Task) {
        // SAFETY: the caller's promises are those of `groups`.
        unsafe { self.groups::<super::dots::x86::Wide, 6, 4, 2, 2>(arena, task) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avxvnni")]
    unsafe fn avx2_vnni(&self, arena: *mut u8, task: &Task) {
        // SAFETY: the caller's promises are those of `groups`.
        unsafe { self.groups::<super::dots::x86::Vnni256, 10, 6, 4, 3>(arena, task) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
    unsafe fn avx512(&self, arena: *mut u8, task: &Task) {
        // SAFETY: the caller's promises are those of `groups`.
        unsafe { self.groups::<super::dots::x86::Wide512, 16, 10, 6, 4>(arena, task) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")]
    unsafe fn avx512_vnni(&self, arena: *mut u8, task: &Task) {
        // SAFETY: the caller's promises are those of `groups`.
        unsafe { self.groups::<super::dots::x86::Vnni512, 20, 12, 8, 6>(arena, task) }
    }

    /// Every group, with as many pixels at a time as its number of vectors leaves registers for.
    ///
    /// # Safety
    /// `check` has been called, and `D`'s instructions exist.
    #[inline(always)]
    unsafe fn groups<D: Dots, const P1: usize, const P2: usize, const P3: usize, const P4: usize>(
        &self,
        arena: *mut u8,
        task: &Task,
    ) {
        for group in &self.groups {
            // SAFETY: the caller's promises.
            unsafe {
                match group.vectors {
                    1 => self.across::<D, P1, 1>(group, arena, task),
                    2 => self.across::<D, P2, 2>(group, arena, task),
                    3 => self.across::<D, P3, 3>(group, arena, task),
                    _ => self.across::<D, P4, 4>(group, arena, task),
                }
            }
        }
    }

    /// # Safety
    /// As [`Self::groups`].
    #[inline(always)]
    unsafe fn across<D: Dots, const P: usize, const V: usize>(&self, group: &Group, arena: *mut u8, task: &Task) {
        let mut x = 0;
        // SAFETY: x + P ≤ width in each call.
        unsafe {
            while x + P <= task.width {
                self.block::<D, P, V>(group, arena, task, x);
                x += P;
            }
            if x < task.width && task.width >= P {
                self.block::<D, P, V>(group, arena, task, task.width - P);
                return;
            }
            while x < task.width {
                self.block::<D, 1, V>(group, arena, task, x);
                x += 1;
            }
        }
    }

    /// `P` pixels from `x`.
    ///
    /// # Safety
    /// As [`Self::groups`], and `x + P` is not past the width.
    #[inline(always)]
    unsafe fn block<D: Dots, const P: usize, const V: usize>(
        &self,
        group: &Group,
        arena: *mut u8,
        task: &Task,
        x: usize,
    ) {
        // SAFETY: `check` held rows and border inside the arena; weights, bias and scale were packed for these groups. A
        // pixel's block has BLOCK bytes, so that its last four channels may be read whole.
        unsafe {
            let bias = self.bias.as_ptr().add(group.first * D::WIDTH);
            let mut sums = [[D::load(bias); V]; P];
            for sums in &mut sums {
                for (v, sum) in sums.iter_mut().enumerate().skip(1) {
                    *sum = D::load(bias.add(v * D::WIDTH));
                }
            }
            let mut weights = self.weights.as_ptr().add(group.at);
            for row in task.rows {
                for input in &self.blocks {
                    let mut from = arena.add(row.start + input.block * row.block + x * BLOCK - self.side / 2 * BLOCK);
                    for _ in 0..self.side {
                        if D::BY_BLOCK && input.channels == BLOCK {
                            D::dot_block(&mut sums, weights, from);
                            weights = weights.add(V * D::WIDTH * BLOCK);
                            from = from.add(BLOCK);
                            continue;
                        }
                        if input.channels == BLOCK {
                            let step = V * D::WIDTH * 4;
                            dot_four(&mut sums, weights, from);
                            dot_four(&mut sums, weights.add(step), from.add(4));
                            dot_four(&mut sums, weights.add(2 * step), from.add(8));
                            dot_four(&mut sums, weights.add(3 * step), from.add(12));
                            weights = weights.add(4 * step);
                        } else {
                            for i in (0..input.channels).step_by(4) {
                                dot_four(&mut sums, weights, from.add(i));
                                weights = weights.add(V * D::WIDTH * 4);
                            }
                        }
                        from = from.add(BLOCK);
                    }
                }
            }
            let scale = self.scale.as_ptr().add(group.first * D::WIDTH);
            let mut places = [arena; V];
            for (v, place) in places.iter_mut().enumerate() {
                *place = arena.add(task.out.place((group.first + v) * D::WIDTH, x));
            }
            D::requantise_all(&sums, scale, [self.low, self.high], self.zero, places);
        }
    }
}

/// Adds the share of four input channels to the sums of `P` pixels and `V` vectors.
///
/// # Safety
/// `D`'s instructions exist, and the pointers cover that much.
#[inline(always)]
unsafe fn dot_four<D: Dots, const P: usize, const V: usize>(
    sums: &mut [[D; V]; P],
    weights: *const i8,
    from: *const u8,
) {
    // SAFETY: the caller's promises.
    unsafe {
        let mut w = [D::weights(weights); V];
        for (v, w) in w.iter_mut().enumerate().skip(1) {
            *w = D::weights(weights.add(v * D::WIDTH * 4));
        }
        for (p, sums) in sums.iter_mut().enumerate() {
            let value = D::value(from.add(p * BLOCK));
            for (sum, w) in sums.iter_mut().zip(w) {
                *sum = sum.dot(value, w);
            }
        }
    }
}

impl ByteFilter {
    /// The weight at a tap; nothing for the channels that fill up vectors.
    fn weight(&self, output: usize, input: usize, row: usize, column: usize) -> i8 {
        if output >= self.outputs || input >= self.inputs {
            return 0;
        }
        self.weights[((output * self.inputs + input) * self.side + row) * self.side + column]
    }
}
