//! What happens to rows between convolutions: numbers to bytes and back, sums, pixel shuffles and repeated pixels. Plain
//! loops: they are a small part of the time.

use super::ends::{PixelShuffle, byte};
use super::{Activation, BLOCK, Row};
use crate::kernel::Level;

/// A map's step and zero, as ONNX's QuantizeLinear has them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantum {
    /// What one step of the bytes is.
    pub step: f32,
    /// The byte that stands for 0.
    pub zero: u8,
}

impl Quantum {
    /// round(value / step) + zero, rounded to nearest even, held between 0 and 255.
    #[inline(always)]
    pub fn byte(self, value: f32) -> u8 {
        byte((value / self.step).round_ties_even() + f32::from(self.zero))
    }
}

/// Numbers to bytes; bytes are kept exclusive-or'ed with `flip`.
#[derive(Debug, Clone, Copy)]
pub struct QuantiseRow {
    /// In the arena of floats.
    pub from: Row,
    /// In the arena of bytes.
    pub to: Row,
    /// Channels.
    pub channels: usize,
    /// Pixels.
    pub width: usize,
    /// Step and zero of the bytes.
    pub quantum: Quantum,
    /// What the arena of bytes is kept exclusive-or'ed with.
    pub flip: u8,
}

impl QuantiseRow {
    /// Writes the row.
    ///
    /// # Panics
    /// Where a row does not lie inside its arena.
    pub fn run(&self, level: Level, arena: &[f32], bytes: &mut [u8]) {
        match level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level was found on this machine; the body is safe code.
            Level::Avx2(_) | Level::Avx2Vnni(_) => unsafe { self.avx2(arena, bytes) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512(_) | Level::Avx512Vnni(_) => unsafe { self.avx512(arena, bytes) },
            _ => self.body(arena, bytes),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(&self, arena: &[f32], bytes: &mut [u8]) {
        self.body(arena, bytes);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
    fn avx512(&self, arena: &[f32], bytes: &mut [u8]) {
        self.body(arena, bytes);
    }

    #[inline(always)]
    fn body(&self, arena: &[f32], bytes: &mut [u8]) {
        if self.from.pixel == 1 {
            return self.planes(arena, bytes);
        }
        for first in (0..self.channels).step_by(4) {
            let (block, lane) = (first / BLOCK, first % BLOCK);
            let from = &arena[self.from.start + block * self.from.block..][..self.width * BLOCK];
            let to = &mut bytes[self.to.start + block * self.to.block..][..self.width * BLOCK];
            let pixels = from.as_chunks::<BLOCK>().0.iter().zip(to.as_chunks_mut::<BLOCK>().0);
            for (pixel, to) in pixels {
                let four: [u8; 4] = std::array::from_fn(|i| self.quantum.byte(pixel[lane + i]) ^ self.flip);
                to[lane..lane + 4].copy_from_slice(&four);
            }
        }
    }

    /// The same where the numbers' channels stand one after the other.
    #[inline(always)]
    fn planes(&self, arena: &[f32], bytes: &mut [u8]) {
        let mut codes = [0; 64];
        for channel in 0..self.channels {
            let from = &arena[self.from.place(channel, 0)..][..self.width];
            let to = &mut bytes[self.to.place(channel, 0)..][..=(self.width - 1) * BLOCK];
            for (from, to) in from.chunks(codes.len()).zip(to.chunks_mut(codes.len() * BLOCK)) {
                for (code, &value) in codes.iter_mut().zip(from) {
                    *code = self.quantum.byte(value) ^ self.flip;
                }
                to.iter_mut().step_by(BLOCK).zip(&codes).for_each(|(to, &code)| *to = code);
            }
        }
    }
}

/// Bytes to numbers.
pub fn dequantise_row(
    bytes: &[u8],
    from: Row,
    arena: &mut [f32],
    to: Row,
    shape: [usize; 2],
    quantum: Quantum,
    flip: u8,
) {
    let [channels, width] = shape;
    for block in 0..channels.div_ceil(BLOCK) {
        let pixels = bytes[from.start + block * from.block..].chunks_exact(BLOCK);
        let places = arena[to.start + block * to.block..].chunks_exact_mut(BLOCK);
        for (pixel, place) in pixels.zip(places).take(width) {
            for (&byte, value) in pixel.iter().zip(place) {
                *value = (i32::from(byte ^ flip) - i32::from(quantum.zero)) as f32 * quantum.step;
            }
        }
    }
}

/// The sum of two rows, or a copy of one, and what follows it.
pub fn combine_rows(arena: &mut [f32], from: &[Row], to: Row, shape: [usize; 2], activation: &Activation) {
    let [channels, width] = shape;
    for block in 0..channels.div_ceil(BLOCK) {
        let count = (channels - block * BLOCK).min(BLOCK);
        for x in 0..width {
            for lane in 0..count {
                let sum = from.iter().map(|row| arena[row.start + block * row.block + x * BLOCK + lane]);
                let sum = sum.reduce(|a, b| a + b).unwrap_or_default();
                arena[to.start + block * to.block + x * BLOCK + lane] = activation.of(block * BLOCK + lane, sum);
            }
        }
    }
}

/// One of the rows that a row of phases becomes; `to` is as many times wider.
pub fn shuffle_row(arena: &mut [f32], from: Row, to: Row, width: usize, shuffle: PixelShuffle, phase: usize) {
    for first in (0..shuffle.planes).step_by(BLOCK) {
        let count = (shuffle.planes - first).min(BLOCK);
        for i in 0..shuffle.factor {
            // A pixel's channels, which stand together where they go, one by one from where they are.
            let mut places = [0; BLOCK];
            for (lane, place) in places.iter_mut().enumerate().take(count) {
                *place = from.place(shuffle.channel(first + lane, phase, i), 0);
            }
            for x in 0..width {
                let mut pixel = [0.0; BLOCK];
                for (value, place) in pixel.iter_mut().zip(places).take(count) {
                    *value = arena[place + x * BLOCK];
                }
                let start = to.place(first, x * shuffle.factor + i);
                arena[start..start + BLOCK].copy_from_slice(&pixel);
            }
        }
    }
}

/// Every pixel `factor` times.
pub fn repeat_row(arena: &mut [f32], from: Row, to: Row, shape: [usize; 2], factor: usize) {
    let [channels, width] = shape;
    for block in 0..channels.div_ceil(BLOCK) {
        for x in 0..width {
            let source = from.start + block * from.block + x * BLOCK;
            for i in 0..factor {
                let place = to.start + block * to.block + (x * factor + i) * BLOCK;
                arena.copy_within(source..source + BLOCK, place);
            }
        }
    }
}

/// Continues a row by its first and last pixel, `border` pixels to each side.
pub fn edge_row(arena: &mut [f32], row: Row, shape: [usize; 2], border: usize) {
    let [channels, width] = shape;
    let pixel = row.pixel;
    for block in 0..channels.div_ceil(pixel) {
        let first = row.start + block * row.block;
        let last = first + (width - 1) * pixel;
        for i in 1..=border {
            arena.copy_within(first..first + pixel, first - i * pixel);
            arena.copy_within(last..last + pixel, last + i * pixel);
        }
    }
}
