//! What happens to rows between convolutions: numbers to bytes and back, sums, pixel shuffles and repeated pixels. Plain
//! loops: they are a small part of the time.

use super::ends::PixelShuffle;
use super::{Activation, BLOCK, Row};

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
    pub fn byte(self, value: f32) -> u8 {
        ((value / self.step).round_ties_even() + f32::from(self.zero)).clamp(0.0, 255.0) as u8
    }
}

/// Numbers to bytes; bytes are kept exclusive-or'ed with `flip`.
pub fn quantise_row(arena: &[f32], from: Row, bytes: &mut [u8], to: Row, shape: [usize; 2], quantum: Quantum, flip: u8) {
    let [channels, width] = shape;
    for block in 0..channels.div_ceil(BLOCK) {
        let count = (channels - block * BLOCK).min(BLOCK);
        let pixels = arena[from.start + block * from.block..].chunks_exact(BLOCK);
        let places = bytes[to.start + block * to.block..].chunks_exact_mut(BLOCK);
        for (pixel, place) in pixels.zip(places).take(width) {
            for (&value, byte) in pixel.iter().zip(place).take(count) {
                *byte = quantum.byte(value) ^ flip;
            }
        }
    }
}

/// Bytes to numbers.
pub fn dequantise_row(bytes: &[u8], from: Row, arena: &mut [f32], to: Row, shape: [usize; 2], quantum: Quantum, flip: u8) {
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
                let value = match activation {
                    Activation::None => sum,
                    Activation::Rectify => sum.max(0.0),
                    Activation::Slopes(slopes) => {
                        if sum > 0.0 {
                            sum
                        } else {
                            sum * slopes.get(block * BLOCK + lane).copied().unwrap_or_default()
                        }
                    }
                    Activation::Clip(low, high) => sum.max(*low).min(*high),
                };
                arena[to.start + block * to.block + x * BLOCK + lane] = value;
            }
        }
    }
}

/// One of the rows that a row of phases becomes; `to` is as many times wider.
pub fn shuffle_row(arena: &mut [f32], from: Row, to: Row, width: usize, shuffle: PixelShuffle, phase: usize) {
    for plane in 0..shuffle.planes {
        let start = to.start + plane / BLOCK * to.block + plane % BLOCK;
        for i in 0..shuffle.factor {
            let channel = shuffle.channel(plane, phase, i);
            let source = from.start + channel / BLOCK * from.block + channel % BLOCK;
            for x in 0..width {
                arena[start + (x * shuffle.factor + i) * BLOCK] = arena[source + x * BLOCK];
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
    for block in 0..channels.div_ceil(BLOCK) {
        let first = row.start + block * row.block;
        let last = first + (width - 1) * BLOCK;
        for i in 1..=border {
            arena.copy_within(first..first + BLOCK, first - i * BLOCK);
            arena.copy_within(last..last + BLOCK, last + i * BLOCK);
        }
    }
}
