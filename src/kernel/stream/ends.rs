//! The two ends of a chain of layers: a picture's planar rows in, and rows of the enlarged picture out.

use super::{BLOCK, Row};
use crate::kernel::Level;

/// A row of a plane.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// 0 (black) to 1 (white).
    Float(&'a [f32]),
    /// 8-bit codes; a sample is `gain · code + offset`.
    Codes(&'a [u8], [f32; 2]),
}

/// A row of a plane, to be written.
#[derive(Debug)]
pub enum SamplesMut<'a> {
    /// 0 to 1 and beyond.
    Float(&'a mut [f32]),
    /// The nearest codes to `(sample − offset) / gain`, held between 0 and 255.
    Codes(&'a mut [u8], [f32; 2]),
}

/// Something that an output row is the sum of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Term {
    /// A row of `planes · factor²` channels, to be shuffled.
    Phases(Row),
    /// The same as bytes: `(byte − zero) · step`.
    Bytes {
        /// In the arena of bytes.
        row: Row,
        /// One step of the bytes.
        step: f32,
        /// The byte that stands for 0.
        zero: u8,
    },
    /// A row of `planes` channels, each repeated `factor` times (nearest neighbour).
    Repeated(Row),
}

/// How `planes · factor²` channels become `factor` times the rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelShuffle {
    /// Rows and columns for each of the map's.
    pub factor: usize,
    /// Channels that come out.
    pub planes: usize,
    /// Whether a channel's phases stand together (ONNX's CRD, PyTorch's PixelShuffle) or a phase's channels (DCR).
    pub channels_first: bool,
}

impl PixelShuffle {
    /// The channel that becomes `plane` at row `j` and column `i` of a pixel's square.
    pub fn channel(self, plane: usize, j: usize, i: usize) -> usize {
        let phase = j * self.factor + i;
        if self.channels_first { plane * self.factor * self.factor + phase } else { phase * self.planes + plane }
    }
}

/// Copies a row of a plane to channel `channel` of a map's row, `range[0]` for black and `range[1]` for white.
pub fn take_row(arena: &mut [f32], row: Row, channel: usize, samples: Samples, range: [f32; 2]) {
    let start = row.start + channel / BLOCK * row.block + channel % BLOCK;
    let places = arena[start..].iter_mut().step_by(BLOCK);
    let [black, span] = [range[0], range[1] - range[0]];
    match (samples, black.to_bits() == 0 && span.to_bits() == 1.0_f32.to_bits()) {
        (Samples::Float(samples), true) => places.zip(samples).for_each(|(to, &x)| *to = x),
        (Samples::Float(samples), false) => places.zip(samples).for_each(|(to, &x)| *to = x * span + black),
        (Samples::Codes(codes, [gain, offset]), true) => {
            places.zip(codes).for_each(|(to, &code)| *to = f32::from(code) * gain + offset);
        }
        (Samples::Codes(codes, [gain, offset]), false) => {
            places.zip(codes).for_each(|(to, &code)| *to = (f32::from(code) * gain + offset) * span + black);
        }
    }
}

/// One row of the enlarged picture.
#[derive(Debug, Clone, Copy)]
pub struct OutputRow<'a> {
    /// What is added up.
    pub terms: &'a [Term],
    /// How phases become pixels.
    pub shuffle: PixelShuffle,
    /// The plane that is made.
    pub plane: usize,
    /// The row among the `factor` rows that a row of the map becomes.
    pub phase: usize,
    /// The numbers that mean black and white.
    pub range: [f32; 2],
    /// The arena of bytes is kept exclusive-or'ed with this.
    pub flip: u8,
}

impl OutputRow<'_> {
    /// Writes the row; `line` is scratch as long as the row.
    ///
    /// # Panics
    /// Where a term's row does not lie inside its arena.
    pub fn run(&self, level: Level, arena: &[f32], bytes: &[u8], line: &mut [f32], to: SamplesMut) {
        match level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level was found on this machine; the body is safe code.
            Level::Avx2(_) | Level::Avx2Vnni(_) => unsafe { self.avx2(arena, bytes, line, to) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512(_) | Level::Avx512Vnni(_) => unsafe { self.avx512(arena, bytes, line, to) },
            _ => self.body(arena, bytes, line, to),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(&self, arena: &[f32], bytes: &[u8], line: &mut [f32], to: SamplesMut) {
        self.body(arena, bytes, line, to);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
    fn avx512(&self, arena: &[f32], bytes: &[u8], line: &mut [f32], to: SamplesMut) {
        self.body(arena, bytes, line, to);
    }

    #[inline(always)]
    fn body(&self, arena: &[f32], bytes: &[u8], line: &mut [f32], to: SamplesMut) {
        match to {
            SamplesMut::Float(out) => {
                self.sum(arena, bytes, out);
                self.unrange(out);
            }
            SamplesMut::Codes(out, [gain, offset]) => {
                let line = &mut line[..out.len()];
                self.sum(arena, bytes, line);
                self.unrange(line);
                let inverse = 1.0 / gain;
                for (code, &sample) in out.iter_mut().zip(&*line) {
                    *code = ((sample - offset) * inverse + 0.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
    }

    #[inline(always)]
    fn sum(&self, arena: &[f32], bytes: &[u8], out: &mut [f32]) {
        for (index, term) in self.terms.iter().enumerate() {
            let add = index > 0;
            match *term {
                Term::Repeated(row) => {
                    let start = row.start + self.plane / BLOCK * row.block + self.plane % BLOCK;
                    let pixels = arena[start..].iter().step_by(BLOCK);
                    put(pixels.zip(out.chunks_exact_mut(self.shuffle.factor)), add, |&x, _| x);
                }
                Term::Phases(row) => self.phases(&arena[..], row, out, add, |x: f32| x),
                Term::Bytes { row, step, zero } => {
                    let (zero, flip) = (i32::from(zero), self.flip);
                    self.phases(bytes, row, out, add, |q: u8| (i32::from(q ^ flip) - zero) as f32 * step);
                }
            }
        }
    }

    /// Adds a map's phases, or writes them.
    #[inline(always)]
    fn phases<T: Copy>(&self, arena: &[T], row: Row, out: &mut [f32], add: bool, number: impl Fn(T) -> f32 + Copy) {
        let first = self.shuffle.channel(self.plane, self.phase, 0);
        let source = |channel: usize| &arena[row.start + channel / BLOCK * row.block + channel % BLOCK..];
        // Phases that stand together, and not across two blocks, are copied together.
        match (self.shuffle.factor, self.shuffle.channels_first) {
            (4, true) => together::<4, T>(source(first), out, add, number),
            (2, true) => together::<2, T>(source(first), out, add, number),
            (factor, _) => {
                for i in 0..factor {
                    let channel = self.shuffle.channel(self.plane, self.phase, i);
                    let places = out[i..].iter_mut().step_by(factor);
                    for (to, &value) in places.zip(source(channel).iter().step_by(BLOCK)) {
                        *to = if add { *to + number(value) } else { number(value) };
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn unrange(&self, line: &mut [f32]) {
        let [black, span] = [self.range[0], self.range[1] - self.range[0]];
        if black.to_bits() != 0 || span.to_bits() != 1.0_f32.to_bits() {
            line.iter_mut().for_each(|x| *x = (*x - black) / span);
        }
    }
}

/// `N` channels that stand together become `N` columns.
#[inline(always)]
fn together<const N: usize, T: Copy>(source: &[T], out: &mut [f32], add: bool, number: impl Fn(T) -> f32 + Copy) {
    let pixels = source.chunks(BLOCK).zip(out.as_chunks_mut::<N>().0);
    for (pixel, to) in pixels {
        let Some(pixel) = pixel.first_chunk::<N>() else { return };
        for (to, &value) in to.iter_mut().zip(pixel) {
            *to = if add { *to + number(value) } else { number(value) };
        }
    }
}

/// Writes what `number` makes of each item to all of its places, or adds it.
#[inline(always)]
fn put<'a, T: Copy>(items: impl Iterator<Item = (T, &'a mut [f32])>, add: bool, number: impl Fn(T, usize) -> f32) {
    for (item, places) in items {
        for (i, to) in places.iter_mut().enumerate() {
            *to = if add { *to + number(item, i) } else { number(item, i) };
        }
    }
}
