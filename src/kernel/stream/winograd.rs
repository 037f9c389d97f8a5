//! Winograd's minimal filtering F(4×4, 3×3): four rows of a 3×3 convolution at once, with 36 products where the plain sum
//! takes 144 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, arXiv 1509.09308).
//!
//! A tile of 4 × 4 outputs is Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A, where d are the 6 × 6 inputs around it. Tiles stand at multiples of
//! [`TILE`] pixels from the picture's corner, since the rounding of an output depends on its place in the tile.

use super::accumulate::{accumulate_block, finish, most_vectors};
use super::transforms::{input_transform, output_transform, read_column, transformed};
use super::{Activation, BLOCK, Filter, Group, InputBlock, Row, groups, input_blocks};
use crate::kernel::Level;
use crate::kernel::aligned::Aligned;
use crate::kernel::lanes::{Lanes, Plain};
#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

/// Rows and columns of a tile of outputs.
pub const TILE: usize = 4;
/// Rows and columns that a tile reads.
pub(super) const READ: usize = TILE + 2;
/// Products of a tile.
const PRODUCTS: usize = READ * READ;
/// Tiles that are transformed before they are multiplied.
const BATCH: usize = 12;
/// Scratch of a tile and a block of channels. A product's sums take the place of the inputs of the product before it, which are
/// used up: what is worked on stays small, and in the first cache.
const SLOTS: usize = (PRODUCTS + 1) * BLOCK;

/// A 3×3 convolution, packed for one level.
#[derive(Debug, Clone)]
pub struct Winograd {
    level: Level,
    sources: Vec<usize>,
    blocks: Vec<InputBlock>,
    outputs: usize,
    groups: Vec<Group>,
    /// For each group, product and input: `vectors` vectors of transformed weights.
    weights: Aligned<f32>,
    bias: Vec<f32>,
    activation: Activation,
    add_first: bool,
}

/// Four rows to be made.
#[derive(Debug, Clone, Copy)]
pub struct TileTask<'a> {
    /// For each of the six rows that are read the row of every source.
    pub rows: &'a [Row],
    /// Rows of as many channels as are made, which are added to them.
    pub add: Option<[Row; TILE]>,
    /// The rows that are made.
    pub out: [Row; TILE],
    /// The first of them that there is, below the picture's upper edge.
    pub skip: usize,
    /// One past the last of them that there is, above its lower edge.
    pub end: usize,
    /// Pixels.
    pub width: usize,
}

impl Winograd {
    /// Packs `filter`, whose side is 3.
    ///
    /// # Panics
    /// Where it is not.
    pub fn new(level: Level, filter: &Filter) -> Self {
        assert_eq!(filter.side, 3, "F(4, 3) is for kernels of side 3");
        let lanes = level.lanes();
        let vectors = filter.outputs.div_ceil(lanes);
        let groups = groups(vectors, most_vectors(level), filter.inputs() * PRODUCTS * lanes);
        let mut weights = Vec::with_capacity(vectors * lanes * filter.inputs() * PRODUCTS);
        for group in &groups {
            let outputs = group.first * lanes..(group.first + group.vectors) * lanes;
            for product in 0..PRODUCTS {
                for input in 0..filter.inputs() {
                    let weight = |o| if o < filter.outputs { transformed(filter, o, input, product) } else { 0.0 };
                    weights.extend(outputs.clone().map(weight));
                }
            }
        }
        let weights = Aligned::of(&weights);
        let mut bias = filter.bias.clone();
        bias.resize(vectors * lanes, 0.0);
        let activation = filter.activation.padded(vectors * lanes);
        let (sources, blocks, outputs) = (filter.sources.clone(), input_blocks(&filter.sources, BLOCK), filter.outputs);
        Self { level, sources, blocks, outputs, groups, weights, bias, activation, add_first: filter.add_first }
    }

    /// Elements of scratch that [`Self::run`] needs.
    pub fn scratch(&self) -> usize {
        self.blocks.len().max(self.outputs.div_ceil(BLOCK)) * BATCH * SLOTS
    }

    /// Makes up to four rows.
    ///
    /// # Panics
    /// Where a row does not lie inside the arena with its border, or the scratch is too short.
    pub fn run(&self, arena: &mut [f32], scratch: &mut [f32], task: &TileTask) {
        self.check(arena, scratch, task);
        let (arena, scratch) = (arena.as_mut_ptr(), scratch.as_mut_ptr());
        match self.level {
            // SAFETY: `check` held every row inside the arena; the level was found on this machine.
            Level::Scalar => unsafe { self.batches::<Plain, 1, 1, 1, 1>(arena, scratch, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2(_) | Level::Avx2Vnni(_) => unsafe { self.avx2(arena, scratch, task) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512(_) | Level::Avx512Vnni(_) => unsafe { self.avx512(arena, scratch, task) },
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) | Level::NeonDot(_) => {
                // SAFETY: as above.
                unsafe { self.batches::<float32x4_t, 12, 6, 6, 6>(arena, scratch, task) }
            }
        }
    }

    fn check(&self, arena: &[f32], scratch: &[f32], task: &TileTask) {
        assert_eq!(task.rows.len(), READ * self.sources.len());
        assert!(task.width > 0 && task.skip < task.end && task.end <= TILE && scratch.len() >= self.scratch());
        let end = task.width.next_multiple_of(TILE) + 1;
        for (row, &channels) in task.rows.iter().zip(self.sources.iter().cycle()) {
            assert!(row.pixel == BLOCK && row.start >= BLOCK && row.end(channels, end) <= arena.len());
        }
        for rows in task.add.iter().chain([&task.out]) {
            for row in &rows[task.skip..task.end] {
                assert!(row.pixel == BLOCK && row.end(self.outputs, task.width) <= arena.len());
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2(&self, arena: *mut f32, scratch: *mut f32, task: &TileTask) {
        // SAFETY: the caller's promises are those of `batches`.
        unsafe { self.batches::<__m256, 8, 6, 0, 0>(arena, scratch, task) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
    unsafe fn avx512(&self, arena: *mut f32, scratch: *mut f32, task: &TileTask) {
        // SAFETY: the caller's promises are those of `batches`.
        unsafe { self.batches::<__m512, 12, 12, 8, 6>(arena, scratch, task) }
    }

    /// # Safety
    /// `check` has been called, and `L`'s instructions exist.
    #[inline(always)]
    unsafe fn batches<L: Lanes, const P1: usize, const P2: usize, const P3: usize, const P4: usize>(
        &self,
        arena: *mut f32,
        scratch: *mut f32,
        task: &TileTask,
    ) {
        let tiles = task.width.div_ceil(TILE);
        for first in (0..tiles).step_by(BATCH) {
            let end = tiles.min(first + BATCH);
            // SAFETY: the caller's promises; a batch has at most BATCH tiles, and none begins past the width.
            unsafe {
                self.transform::<L>(arena, scratch, task, first, end - first);
                for product in 0..PRODUCTS {
                    for group in &self.groups {
                        match group.vectors {
                            1 => self.multiply::<L, P1, 1>(group, product, scratch, end - first),
                            2 => self.multiply::<L, P2, 2>(group, product, scratch, end - first),
                            3 => self.multiply::<L, P3, 3>(group, product, scratch, end - first),
                            _ => self.multiply::<L, P4, 4>(group, product, scratch, end - first),
                        }
                    }
                }
                self.gather::<L>(arena, scratch, task, first, end - first);
            }
        }
    }

    /// Bᵀ d B of `count` tiles from tile `first`.
    ///
    /// # Safety
    /// As [`Self::batches`].
    #[inline(always)]
    unsafe fn transform<L: Lanes>(
        &self,
        arena: *mut f32,
        scratch: *mut f32,
        task: &TileTask,
        first: usize,
        count: usize,
    ) {
        for (index, input) in self.blocks.iter().enumerate() {
            for lane in (0..input.channels).step_by(L::WIDTH) {
                // SAFETY: the rows with their border lie inside the arena, and the scratch holds every block of a batch.
                unsafe {
                    let mut rows = [arena.cast_const(); READ];
                    for (r, pointer) in rows.iter_mut().enumerate() {
                        let row = task.rows.get_unchecked(r * self.sources.len() + input.source);
                        let start = row.start + input.block * row.block + first * TILE * BLOCK - BLOCK;
                        *pointer = arena.add(start + lane);
                    }
                    let mut to = scratch.add(index * BATCH * SLOTS + BLOCK + lane);
                    // Bᵀ d, column by column; the last two columns are the next tile's first.
                    let mut columns = [[L::splat(0.0); READ]; READ];
                    for (c, column) in columns.iter_mut().take(2).enumerate() {
                        *column = read_column(&rows, c);
                    }
                    for tile in 0..count {
                        for (c, column) in columns.iter_mut().enumerate().skip(2) {
                            *column = read_column(&rows, tile * TILE + c);
                        }
                        for r in 0..READ {
                            let mut line = [L::splat(0.0); READ];
                            for (value, column) in line.iter_mut().zip(&columns) {
                                *value = column[r];
                            }
                            let line = input_transform(line);
                            for (c, value) in line.into_iter().enumerate() {
                                value.store(to.add((r * READ + c) * BLOCK));
                            }
                        }
                        columns[0] = columns[TILE];
                        columns[1] = columns[TILE + 1];
                        to = to.add(SLOTS);
                    }
                }
            }
        }
    }

    /// The sums of one product over all inputs, for one group of outputs.
    ///
    /// # Safety
    /// As [`Self::batches`].
    #[inline(always)]
    unsafe fn multiply<L: Lanes, const P: usize, const V: usize>(
        &self,
        group: &Group,
        product: usize,
        scratch: *mut f32,
        count: usize,
    ) {
        // The level has no such groups.
        if P == 0 {
            return;
        }
        let inputs: usize = self.sources.iter().sum();
        // SAFETY: the scratch holds every product of a batch, the weights every product of the group.
        unsafe {
            let weights = self.weights.as_ptr().add(group.at + product * inputs * V * L::WIDTH);
            let slot = scratch.add(product * BLOCK);
            let mut tile = 0;
            while tile + P <= count {
                self.product::<L, P, V>(group, weights, slot.add(tile * SLOTS));
                tile += P;
            }
            if P > 8 && tile + 8 <= count {
                self.product::<L, 8, V>(group, weights, slot.add(tile * SLOTS));
                tile += 8;
            }
            while P >= 4 && tile + 4 <= count {
                self.product::<L, 4, V>(group, weights, slot.add(tile * SLOTS));
                tile += 4;
            }
            while tile < count {
                self.product::<L, 1, V>(group, weights, slot.add(tile * SLOTS));
                tile += 1;
            }
        }
    }

    /// One product of `P` tiles and `V` vectors of outputs: from the slot behind `slot` into `slot`.
    ///
    /// # Safety
    /// As [`Self::batches`]; the slots cover `P` tiles.
    #[inline(always)]
    unsafe fn product<L: Lanes, const P: usize, const V: usize>(
        &self,
        group: &Group,
        mut weights: *const f32,
        slot: *mut f32,
    ) {
        // SAFETY: the caller's promises.
        unsafe {
            let mut sums = [[L::splat(0.0); V]; P];
            for (index, input) in self.blocks.iter().enumerate() {
                let from = slot.add(index * BATCH * SLOTS + BLOCK).cast_const();
                accumulate_block(&mut sums, weights, from, SLOTS, input.channels);
                weights = weights.add(input.channels * V * L::WIDTH);
            }
            for v in 0..V {
                let to = slot.add(place((group.first + v) * L::WIDTH));
                for (p, sums) in sums.iter().enumerate() {
                    sums[v].store(to.add(p * SLOTS));
                }
            }
        }
    }

    /// Aᵀ m A, bias, activation and sum of `count` tiles from tile `first`.
    ///
    /// # Safety
    /// As [`Self::batches`].
    #[inline(always)]
    unsafe fn gather<L: Lanes>(&self, arena: *mut f32, made: *mut f32, task: &TileTask, first: usize, count: usize) {
        for vector in 0..self.bias.len() / L::WIDTH {
            let channel = vector * L::WIDTH;
            // SAFETY: the rows lie inside the arena; columns past the width are not written.
            unsafe {
                let bias = L::load(self.bias.as_ptr().add(channel));
                let place_of = |row: &Row| arena.add(row.place(channel, first * TILE));
                let out = task.out.each_ref().map(place_of);
                let add = task.add.as_ref().map(|rows| rows.each_ref().map(place_of));
                for tile in 0..count {
                    let from = made.add(place(channel) + tile * SLOTS);
                    let mut lines = [[L::splat(0.0); READ]; TILE];
                    for c in 0..READ {
                        let mut column = [L::splat(0.0); READ];
                        for (r, value) in column.iter_mut().enumerate() {
                            *value = L::load(from.add((r * READ + c) * BLOCK));
                        }
                        let column = output_transform(column);
                        for (line, value) in lines.iter_mut().zip(column) {
                            line[c] = value;
                        }
                    }
                    // One by one: in a loop the lines would have to stand in memory.
                    let [a, b, c, d] = lines;
                    let (x, at) = ((first + tile) * TILE, tile * TILE * BLOCK);
                    let spot = |r: usize| Spot { x, to: out[r].add(at), add: add.map(|add| add[r].add(at)) };
                    self.put::<L, 0>(task, channel, a, bias, spot(0));
                    self.put::<L, 1>(task, channel, b, bias, spot(1));
                    self.put::<L, 2>(task, channel, c, bias, spot(2));
                    self.put::<L, 3>(task, channel, d, bias, spot(3));
                }
            }
        }
    }

    /// Row `R` of a tile, one vector of channels from `channel`.
    ///
    /// # Safety
    /// As [`Self::batches`].
    #[inline(always)]
    unsafe fn put<L: Lanes, const R: usize>(
        &self,
        task: &TileTask,
        channel: usize,
        line: [L; READ],
        bias: L,
        spot: Spot,
    ) {
        if R < task.skip || R >= task.end {
            return;
        }
        // SAFETY: the row lies inside the arena; columns past the width are not written.
        unsafe {
            let mut values = output_transform(line);
            for value in &mut values {
                *value = value.add(bias);
            }
            let Spot { x, to, add } = spot;
            let add = add.map(<*mut f32>::cast_const);
            if x + TILE <= task.width {
                let values = finish(&self.activation, self.add_first, channel, values, add);
                for (c, value) in values.into_iter().enumerate() {
                    value.store(to.add(c * BLOCK));
                }
                return;
            }
            for (c, value) in values.into_iter().enumerate().take(task.width - x) {
                let add = add.map(|add| add.add(c * BLOCK));
                let [value] = finish(&self.activation, self.add_first, channel, [value], add);
                value.store(to.add(c * BLOCK));
            }
        }
    }
}

/// Where a row of a tile is written.
#[derive(Clone, Copy)]
struct Spot {
    /// Its first pixel.
    x: usize,
    to: *mut f32,
    /// What is added to it.
    add: Option<*mut f32>,
}

/// Where a channel stands in the scratch of a tile.
#[inline(always)]
fn place(channel: usize) -> usize {
    channel / BLOCK * BATCH * SLOTS + channel % BLOCK
}
