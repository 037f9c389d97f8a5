//! The two ends of a chain of layers: a picture's planar rows in, and rows of the enlarged picture out.

use super::samples::code;
use super::{BLOCK, Row, Samples, SamplesMut};
use crate::kernel::Level;

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
    let places = arena[row.place(channel, 0)..].iter_mut();
    match row.pixel {
        1 => take(places, samples, range),
        _ => take(places.step_by(BLOCK), samples, range),
    }
}

fn take<'a>(places: impl Iterator<Item = &'a mut f32>, samples: Samples, range: [f32; 2]) {
    let [black, span] = [range[0], range[1] - range[0]];
    match (samples, is_plain(range)) {
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

/// Whether black is 0 and white is 1, so that samples stay what they are, to the bit.
fn is_plain([black, white]: [f32; 2]) -> bool {
    black.to_bits() == 0 && white.to_bits() == 1.0_f32.to_bits()
}

/// The rows of one plane of the enlarged picture that a row of the maps becomes.
#[derive(Debug, Clone, Copy)]
pub struct OutputRows<'a> {
    /// What is added up.
    pub terms: &'a [Term],
    /// How phases become pixels.
    pub shuffle: PixelShuffle,
    /// The plane that is made.
    pub plane: usize,
    /// The numbers that mean black and white.
    pub range: [f32; 2],
    /// The arena of bytes is kept exclusive-or'ed with this.
    pub flip: u8,
}

impl OutputRows<'_> {
    /// Writes the rows, one after the other. `scratch` is as long as they are.
    ///
    /// # Panics
    /// Where a term's row does not lie inside its arena.
    pub fn run(&self, level: Level, arena: &[f32], bytes: &[u8], scratch: &mut [f32], to: SamplesMut) {
        match level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level was found on this machine; the body is safe code.
            Level::Avx2(_) | Level::Avx2Vnni(_) => unsafe { self.avx2(arena, bytes, scratch, to) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512(_) | Level::Avx512Vnni(_) => unsafe { self.avx512(arena, bytes, scratch, to) },
            _ => self.body(arena, bytes, scratch, to),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(&self, arena: &[f32], bytes: &[u8], scratch: &mut [f32], to: SamplesMut) {
        self.body(arena, bytes, scratch, to);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
    fn avx512(&self, arena: &[f32], bytes: &[u8], scratch: &mut [f32], to: SamplesMut) {
        self.body(arena, bytes, scratch, to);
    }

    #[inline(always)]
    fn body(&self, arena: &[f32], bytes: &[u8], scratch: &mut [f32], to: SamplesMut) {
        match to {
            SamplesMut::Float(out) => {
                self.sum(arena, bytes, out);
                self.unrange(out);
            }
            SamplesMut::Codes(out, levels) => {
                let line = &mut scratch[..out.len()];
                self.sum(arena, bytes, line);
                self.unrange(line);
                code(line, levels, out);
            }
        }
    }

    #[inline(always)]
    fn sum(&self, arena: &[f32], bytes: &[u8], out: &mut [f32]) {
        match (self.shuffle.factor, self.shuffle.channels_first) {
            (4, true) => self.squares::<4, 16>(arena, bytes, out),
            (2, true) => self.squares::<2, 4>(arena, bytes, out),
            _ => self.any(arena, bytes, out),
        }
    }

    /// One or two terms whose `M` phases stand together and become squares of `N` by `N` pixels.
    #[inline(always)]
    fn squares<const N: usize, const M: usize>(&self, arena: &[f32], bytes: &[u8], out: &mut [f32]) {
        let (width, channel) = (out.len() / M, self.shuffle.channel(self.plane, 0, 0));
        let (a, b) = match self.terms {
            [a] => (a, None),
            [a @ Term::Repeated(_), b] => (b, Some(a)),
            [a, b] => (a, Some(b)),
            _ => return self.any(arena, bytes, out),
        };
        let a = match *a {
            Term::Phases(row) => Phases(from(arena, row, channel, width, M)),
            Term::Bytes { row, step, zero } => {
                let codes = from(bytes, row, channel, width, M);
                let a = Coded { codes, step, zero: i32::from(zero), flip: self.flip };
                return self.with::<N, M, _>(a, b, arena, bytes, out);
            }
            Term::Repeated(_) => return self.any(arena, bytes, out),
        };
        self.with::<N, M, _>(a, b, arena, bytes, out);
    }

    /// `a` and another term, if there is one.
    #[inline(always)]
    fn with<const N: usize, const M: usize, A: Numbers<N>>(
        &self,
        a: A,
        b: Option<&Term>,
        arena: &[f32],
        bytes: &[u8],
        out: &mut [f32],
    ) {
        let (width, channel) = (out.len() / M, self.shuffle.channel(self.plane, 0, 0));
        match b {
            None => fill::<N, _, _>(a, None::<Repeated<1>>, out),
            Some(&Term::Repeated(row)) => {
                let numbers = from(arena, row, self.plane, width, 1);
                match row.pixel {
                    1 => fill::<N, _, _>(a, Some(Repeated::<1>(numbers)), out),
                    _ => fill::<N, _, _>(a, Some(Repeated::<BLOCK>(numbers)), out),
                }
            }
            Some(&Term::Phases(row)) => fill::<N, _, _>(a, Some(Phases(from(arena, row, channel, width, M))), out),
            Some(Term::Bytes { .. }) => self.any(arena, bytes, out),
        }
    }

    /// Any terms, any factor: seldom taken, so that it stands in the program once, not in each level's ways through the others.
    #[inline(never)]
    fn any(&self, arena: &[f32], bytes: &[u8], out: &mut [f32]) {
        let factor = self.shuffle.factor;
        let (wide, width) = (out.len() / factor, out.len() / factor / factor);
        for (index, term) in self.terms.iter().enumerate() {
            for phase in 0..factor * factor {
                let (j, i) = (phase / factor, phase % factor);
                let channel = self.shuffle.channel(self.plane, j, i);
                let mut put = |x: usize, value: f32| {
                    let to = &mut out[j * wide + x * factor + i];
                    *to = if index > 0 { *to + value } else { value };
                };
                match *term {
                    Term::Repeated(row) => {
                        let source = from(arena, row, self.plane, width, 1);
                        (0..width).for_each(|x| put(x, source[x * row.pixel]));
                    }
                    Term::Phases(row) => {
                        let source = from(arena, row, channel, width, 1);
                        (0..width).for_each(|x| put(x, source[x * BLOCK]));
                    }
                    Term::Bytes { row, step, zero } => {
                        let source = from(bytes, row, channel, width, 1);
                        let number = |q: u8| (i32::from(q ^ self.flip) - i32::from(zero)) as f32 * step;
                        (0..width).for_each(|x| put(x, number(source[x * BLOCK])));
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn unrange(&self, line: &mut [f32]) {
        if !is_plain(self.range) {
            let [black, span] = [self.range[0], self.range[1] - self.range[0]];
            for x in line {
                *x = (*x - black) / span;
            }
        }
    }
}

/// The whole part of `value`, held between 0 and 255; not-a-number becomes 0.
#[inline(always)]
pub(super) fn byte(value: f32) -> u8 {
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    // SAFETY: 0 ≤ value ≤ 255, and a comparison with not-a-number is false.
    let whole: i32 = unsafe { value.to_int_unchecked() };
    whole as u8
}

/// `channel` of a row's pixels and the `count − 1` channels after it.
#[inline(always)]
fn from<T>(arena: &[T], row: Row, channel: usize, width: usize, count: usize) -> &[T] {
    assert!(channel % row.pixel + count <= row.pixel && width > 0);
    &arena[row.place(channel, 0)..][..(width - 1) * row.pixel + count]
}

/// A term's numbers for the columns that one pixel becomes.
trait Numbers<const N: usize>: Copy {
    /// Whether they have to be computed, which is done for a line of the cache at once.
    const CONVERTED: bool = false;
    /// Pixels that there are.
    fn pixels(self) -> usize;
    /// The numbers of pixel `x` in row `j` of its square.
    ///
    /// # Safety
    /// There is such a pixel, and `j` is below `N`.
    unsafe fn at(self, x: usize, j: usize) -> [f32; N];
}

/// One number for each pixel, `PIXEL` apart.
#[derive(Clone, Copy)]
struct Repeated<'a, const PIXEL: usize>(&'a [f32]);
/// N · N numbers for each pixel.
#[derive(Clone, Copy)]
struct Phases<'a>(&'a [f32]);

/// N · N bytes for each pixel.
#[derive(Clone, Copy)]
struct Coded<'a> {
    codes: &'a [u8],
    step: f32,
    zero: i32,
    flip: u8,
}

impl<const N: usize> Numbers<N> for Coded<'_> {
    const CONVERTED: bool = true;
    #[inline(always)]
    fn pixels(self) -> usize {
        if self.codes.len() < N * N { 0 } else { (self.codes.len() - N * N) / BLOCK + 1 }
    }
    #[inline(always)]
    unsafe fn at(self, x: usize, j: usize) -> [f32; N] {
        // SAFETY: the last pixel's N · N bytes are the slice's last.
        let codes = unsafe { self.codes.as_ptr().add(x * BLOCK + j * N).cast::<[u8; N]>().read_unaligned() };
        std::array::from_fn(|i| (i32::from(codes[i] ^ self.flip) - self.zero) as f32 * self.step)
    }
}

impl<const N: usize, const PIXEL: usize> Numbers<N> for Repeated<'_, PIXEL> {
    #[inline(always)]
    fn pixels(self) -> usize {
        self.0.len().div_ceil(PIXEL)
    }
    #[inline(always)]
    unsafe fn at(self, x: usize, _: usize) -> [f32; N] {
        // SAFETY: the last pixel's number is the slice's last.
        unsafe { [*self.0.get_unchecked(x * PIXEL); N] }
    }
}

impl<const N: usize> Numbers<N> for Phases<'_> {
    #[inline(always)]
    fn pixels(self) -> usize {
        if self.0.len() < N * N { 0 } else { (self.0.len() - N * N) / BLOCK + 1 }
    }
    #[inline(always)]
    unsafe fn at(self, x: usize, j: usize) -> [f32; N] {
        // SAFETY: the last pixel's N · N numbers are the slice's last.
        unsafe { self.0.as_ptr().add(x * BLOCK + j * N).cast::<[f32; N]>().read_unaligned() }
    }
}

/// Numbers of an output row that are written at once: a line of the cache.
const LINE: usize = 16;

/// The sum of one or two terms, `N` rows of as many columns a pixel.
#[inline(always)]
fn fill<const N: usize, A: Numbers<N>, B: Numbers<N>>(a: A, b: Option<B>, out: &mut [f32]) {
    let width = out.len() / (N * N);
    assert!(width <= a.pixels() && b.is_none_or(|b| width <= b.pixels()) && LINE.is_multiple_of(N));
    let (together, wide) = (LINE / N, width * N);
    let whole = width / together * together;
    for x in (0..whole).step_by(together) {
        for j in 0..N {
            // SAFETY: there are as many pixels, and j < N; the rows are `wide` long and there are N of them.
            unsafe {
                let to = out.as_mut_ptr().add(j * wide + x * N);
                if A::CONVERTED {
                    let mut line = [0.0; LINE];
                    for p in 0..together {
                        let numbers: [f32; N] = pixel(a, b, x + p, j);
                        line[p * N..][..N].copy_from_slice(&numbers);
                    }
                    to.cast::<[f32; LINE]>().write_unaligned(line);
                } else {
                    for p in 0..together {
                        to.add(p * N).cast::<[f32; N]>().write_unaligned(pixel(a, b, x + p, j));
                    }
                }
            }
        }
    }
    for (j, row) in out.chunks_exact_mut(wide).enumerate().take(N) {
        for (x, to) in row.as_chunks_mut::<N>().0.iter_mut().enumerate().skip(whole) {
            // SAFETY: as above.
            *to = unsafe { pixel(a, b, x, j) };
        }
    }
}

/// Row `j` of what pixel `x` becomes.
///
/// # Safety
/// As [`Numbers::at`].
#[inline(always)]
unsafe fn pixel<const N: usize, A: Numbers<N>, B: Numbers<N>>(a: A, b: Option<B>, x: usize, j: usize) -> [f32; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sum = a.at(x, j);
        if let Some(b) = b {
            for (sum, b) in sum.iter_mut().zip(b.at(x, j)) {
                *sum += b;
            }
        }
        sum
    }
}
