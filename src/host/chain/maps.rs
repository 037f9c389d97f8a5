//! Feature maps with a border, and the 3×3 convolution over them that every plain forward pass of the host uses.

use crate::frame::Plane;
use crate::geometry::Size;
use std::ops::{AddAssign, Mul};

/// Columns computed at a time; rows are padded to a multiple of it.
const COLUMNS: usize = 8;
/// Output channels computed at a time.
const BLOCK: usize = 4;

/// Channels of one size, each with a border one sample wide: zeros, until [`Maps::replicate_border`].
#[derive(Debug, Clone, PartialEq)]
pub struct Maps<T> {
    /// Width and height without the border.
    pub size: Size,
    /// How many there are.
    pub channels: usize,
    data: Vec<T>,
}

impl<T: Copy + Default> Maps<T> {
    /// `channels` maps of zeros.
    pub fn new(size: Size, channels: usize) -> Self {
        let mut maps = Self { size, channels, data: Vec::new() };
        maps.data = vec![T::default(); channels * maps.rows() * maps.stride()];
        maps
    }

    fn stride(&self) -> usize {
        self.size.width.next_multiple_of(COLUMNS) + 2
    }

    fn rows(&self) -> usize {
        self.size.height + 2
    }

    fn start(&self, channel: usize, bordered_row: usize) -> usize {
        (channel * self.rows() + bordered_row) * self.stride()
    }

    /// Row `y` of one channel, without its border.
    pub fn row(&self, channel: usize, y: usize) -> &[T] {
        &self.data[self.start(channel, y + 1) + 1..][..self.size.width]
    }

    /// Row `y` of one channel, to write.
    pub fn row_mut(&mut self, channel: usize, y: usize) -> &mut [T] {
        let start = self.start(channel, y + 1) + 1;
        &mut self.data[start..][..self.size.width]
    }

    /// The rows of all channels, one after the other.
    pub fn all_rows(&self) -> impl Iterator<Item = &[T]> {
        (0..self.channels).flat_map(move |channel| (0..self.size.height).map(move |y| self.row(channel, y)))
    }

    /// All samples, one channel's rows after the other's.
    pub fn samples(&self) -> Vec<T> {
        self.all_rows().flatten().copied().collect()
    }

    /// The sample at (x, y) of one channel; −1 and the size itself reach the border.
    pub fn at(&self, channel: usize, x: isize, y: isize) -> T {
        self.data[self.start(channel, (y + 1) as usize) + (x + 1) as usize]
    }

    /// Fills the border with the nearest samples inside.
    pub fn replicate_border(&mut self) {
        let Size { width, height } = self.size;
        for channel in 0..self.channels {
            for y in 0..height {
                let start = self.start(channel, y + 1);
                self.data[start] = self.data[start + 1];
                self.data[start + width + 1] = self.data[start + width];
            }
            for (from, to) in [(1, 0), (height, height + 1)] {
                let (from, to) = (self.start(channel, from), self.start(channel, to));
                self.data.copy_within(from..from + width + 2, to);
            }
        }
    }

    /// Every sample inside the border, changed by `f`.
    pub fn map<U: Copy + Default>(&self, mut f: impl FnMut(usize, T) -> U) -> Maps<U> {
        let mut out = Maps::new(self.size, self.channels);
        for channel in 0..self.channels {
            for y in 0..self.size.height {
                for (to, &from) in out.row_mut(channel, y).iter_mut().zip(self.row(channel, y)) {
                    *to = f(channel, from);
                }
            }
        }
        out
    }
}

impl<T: Copy + Default + Mul<Output = T> + AddAssign> Maps<T> {
    /// Convolves with `weight` (`[outputs][channels][3][3]`) over the bordered maps and passes each sum, with its output
    /// channel, through `finish`.
    ///
    /// The taps are summed in the order input channel, row, column, in `T`'s own arithmetic.
    pub fn convolve<U: Copy + Default>(&self, weight: &[T], outputs: usize, finish: impl Fn(usize, T) -> U) -> Maps<U> {
        let taps = self.channels * 9;
        let mut out = Maps::new(self.size, outputs);
        for first in (0..outputs).step_by(BLOCK) {
            let used = BLOCK.min(outputs - first);
            let block = interleave(&weight[first * taps..][..used * taps], taps);
            for y in 0..self.size.height {
                for x in (0..self.size.width).step_by(COLUMNS) {
                    let sums = self.sums(&block, x, y);
                    let columns = COLUMNS.min(self.size.width - x);
                    for (o, sums) in sums.iter().enumerate().take(used) {
                        for (to, &sum) in out.row_mut(first + o, y)[x..].iter_mut().zip(&sums[..columns]) {
                            *to = finish(first + o, sum);
                        }
                    }
                }
            }
        }
        out
    }

    /// Convolves every channel by itself with `weight` (`[outputs][3][3]`), as [`Maps::convolve`] does.
    #[must_use]
    pub fn convolve_each(&self, weight: &[T]) -> Self {
        let (outputs, length) = (weight.len() / 9, self.rows() * self.stride());
        let mut data = Vec::with_capacity(length * outputs * self.channels);
        for channel in self.data.chunks_exact(length) {
            let one = Self { size: self.size, channels: 1, data: channel.to_vec() };
            data.extend(one.convolve(weight, outputs, |_, sum| sum).data);
        }
        Self { size: self.size, channels: outputs * self.channels, data }
    }

    /// `BLOCK` output channels at `COLUMNS` pixels of row `y`, from column `x` on.
    fn sums(&self, block: &[[T; BLOCK]], x: usize, y: usize) -> [[T; COLUMNS]; BLOCK] {
        let mut sums = [[T::default(); COLUMNS]; BLOCK];
        let mut taps = block.iter();
        for channel in 0..self.channels {
            for ky in 0..3 {
                let row = &self.data[self.start(channel, y + ky) + x..][..COLUMNS + 2];
                for kx in 0..3 {
                    let (Some(weights), Some(samples)) = (taps.next(), row[kx..].first_chunk::<COLUMNS>()) else {
                        continue;
                    };
                    for (sum, &w) in sums.iter_mut().zip(weights) {
                        for (s, &sample) in sum.iter_mut().zip(samples) {
                            *s += sample * w;
                        }
                    }
                }
            }
        }
        sums
    }
}

impl Maps<f32> {
    /// One map, from a plane.
    pub fn from_plane(plane: &Plane) -> Self {
        let mut maps = Self::new(plane.size, 1);
        for y in 0..plane.size.height {
            maps.row_mut(0, y).copy_from_slice(plane.row(y));
        }
        maps
    }

    /// As many maps as `samples`, one channel's rows after the other's, fill.
    pub fn from_samples(size: Size, samples: &[f32]) -> Self {
        let mut maps = Self::new(size, samples.len() / size.area().max(1));
        for (n, row) in samples.chunks_exact(size.width.max(1)).enumerate() {
            maps.row_mut(n / size.height, n % size.height).copy_from_slice(row);
        }
        maps
    }

    /// The pixel shuffle of ESPCN: each `scale²` maps to one `scale` times as large.
    #[must_use]
    pub fn shuffle(&self, scale: usize) -> Self {
        let size = Size::new(self.size.width * scale, self.size.height * scale);
        let mut large = Self::new(size, self.channels / (scale * scale).max(1));
        for channel in 0..large.channels * scale * scale {
            let (plane, phase) = (channel / (scale * scale), channel % (scale * scale));
            let (j, i) = (phase / scale, phase % scale);
            for y in 0..self.size.height {
                let to = large.row_mut(plane, y * scale + j)[i..].iter_mut().step_by(scale);
                for (to, &from) in to.zip(self.row(channel, y)) {
                    *to = from;
                }
            }
        }
        large
    }
}

impl AddAssign<&Maps<f32>> for Maps<f32> {
    /// Adds sample by sample, borders too; both must have one shape.
    fn add_assign(&mut self, other: &Maps<f32>) {
        for (to, &from) in self.data.iter_mut().zip(&other.data) {
            *to += from;
        }
    }
}

/// `[out][tap]` to `[tap][BLOCK]`, missing outputs as zeros.
fn interleave<T: Copy + Default>(weight: &[T], taps: usize) -> Vec<[T; BLOCK]> {
    let mut block = vec![[T::default(); BLOCK]; taps];
    for (o, weights) in weight.chunks_exact(taps).enumerate() {
        for (lane, &w) in block.iter_mut().zip(weights) {
            lane[o] = w;
        }
    }
    block
}

#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    #[test]
    fn convolution_equals_its_definition_at_awkward_sizes() {
        for (width, height, inputs, outputs) in [(1, 1, 1, 1), (7, 3, 2, 5), (8, 2, 3, 4), (17, 5, 1, 9)] {
            let size = Size::new(width, height);
            let mut maps = Maps::new(size, inputs);
            for c in 0..inputs {
                for y in 0..height {
                    for (x, v) in maps.row_mut(c, y).iter_mut().enumerate() {
                        *v = (c * 31 + y * 7 + x * 3) as i32 % 11 - 5;
                    }
                }
            }
            let weight: Vec<i32> = (0..outputs * inputs * 9).map(|i| (i as i32 * 5) % 13 - 6).collect();
            let got = maps.convolve(&weight, outputs, |o, sum| sum + o as i32);
            for o in 0..outputs {
                for y in 0..height as isize {
                    for x in 0..width as isize {
                        let mut sum = o as i32;
                        for c in 0..inputs {
                            for k in 0..9 {
                                let (dx, dy) = (k % 3 - 1, k / 3 - 1);
                                sum += maps.at(c, x + dx, y + dy) * weight[(o * inputs + c) * 9 + k as usize];
                            }
                        }
                        assert_eq!(got.at(o, x, y), sum, "{size} {inputs}->{outputs} at {o} {x} {y}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_border_replicates_edges_and_corners() {
        let mut maps = Maps::from_plane(&Plane::from_fn(Size::new(3, 2), |x, y| (10 * y + x) as f32));
        maps.replicate_border();
        let at = |x, y| maps.at(0, x, y);
        assert_eq!([at(-1, -1), at(3, -1), at(-1, 2), at(3, 2)], [0.0, 2.0, 10.0, 12.0]);
        assert_eq!([at(1, -1), at(1, 2), at(-1, 1), at(3, 0)], [1.0, 11.0, 10.0, 2.0]);
    }

    #[test]
    fn shuffle_puts_channel_j_r_plus_i_at_row_j_column_i() {
        let mut maps = Maps::new(Size::new(2, 1), 8);
        for c in 0..8 {
            maps.row_mut(c, 0).copy_from_slice(&[c as f32, 10.0 + c as f32]);
        }
        let large = maps.shuffle(2);
        assert_eq!((large.size, large.channels), (Size::new(4, 2), 2));
        assert_eq!(large.row(0, 0), [0.0, 1.0, 10.0, 11.0]);
        assert_eq!(large.row(0, 1), [2.0, 3.0, 12.0, 13.0]);
        assert_eq!(large.row(1, 1), [6.0, 7.0, 16.0, 17.0]);
        assert_eq!(Maps::from_samples(large.size, &large.samples()), large);
    }
}
