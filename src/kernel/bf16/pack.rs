//! What happens between two products: sums to bf16 with bias and ReLU, and the views of a map that weight gradients take.
//! Each is written plainly first, which defines it, and once more with AVX-512.

use super::grid::{Line, values, values_mut};
use super::product::{Sums, TILE};
use super::{Tiles, round, widen};

/// How sums become lines of a map: line n takes two rows of 16 sums, `first(n)` and `gap` values after it.
pub(super) struct Finish<'a> {
    /// Added to the low and the high half of each line.
    pub(super) bias: &'a [f32; 32],
    /// `max(0, ·)`.
    pub(super) relu: bool,
    /// Keep a value only where this map is positive, line for line: the backward pass of its ReLU.
    pub(super) active: Option<&'a [Line]>,
    /// Columns of tiles in the product: 1 puts two positions in a line, 2 puts 32 channels of one.
    pub(super) columns: usize,
    /// Lines from one result to the next.
    pub(super) step: usize,
}

impl Finish<'_> {
    fn place(&self, n: usize) -> (usize, usize) {
        match self.columns {
            1 => (n * 32, 16),
            _ => (n / 16 * 2 * TILE + n % 16 * 16, TILE),
        }
    }

    /// Writes 32 lines from `first` on.
    ///
    /// # Panics
    /// Where they do not fit.
    pub(super) fn run(&self, tiles: Tiles, sums: &Sums, lines: &mut [Line], first: usize) {
        assert!(first + 31 * self.step < lines.len() && self.active.is_none_or(|a| a.len() == lines.len()));
        match tiles {
            Tiles::Scalar => self.scalar(sums, lines, first),
            // SAFETY: the level says that AVX-512 is there; the lines are checked above.
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Tiles::Amx(_) => unsafe { self.avx512(sums, lines, first) },
        }
    }

    fn scalar(&self, sums: &Sums, lines: &mut [Line], first: usize) {
        for n in 0..32 {
            let ((from, gap), at) = (self.place(n), first + n * self.step);
            for lane in 0..32 {
                let mut value = sums.0[from + lane / 16 * gap + lane % 16] + self.bias[lane];
                if self.relu {
                    value = value.max(0.0);
                }
                let kept = self.active.is_none_or(|active| widen(active[at].0[lane]) > 0.0);
                lines[at].0[lane] = if kept { round(value) } else { 0 };
            }
        }
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn avx512(&self, sums: &Sums, lines: &mut [Line], first: usize) {
        use std::arch::x86_64::{
            __m512bh, __m512i, _mm512_add_ps, _mm512_cmpgt_epi16_mask, _mm512_cvtne2ps_pbh, _mm512_load_si512,
            _mm512_loadu_ps, _mm512_maskz_mov_epi16, _mm512_max_ps, _mm512_setzero_ps, _mm512_setzero_si512,
            _mm512_store_si512,
        };
        let floor = _mm512_setzero_ps();
        // SAFETY: `place` stays within four tiles for n < 32; `run` has checked the lines.
        unsafe {
            let low = _mm512_loadu_ps(self.bias.as_ptr());
            let high = _mm512_loadu_ps(self.bias.as_ptr().add(16));
            for n in 0..32 {
                let ((from, gap), at) = (self.place(n), first + n * self.step);
                let sum = sums.0.as_ptr().add(from);
                let mut a = _mm512_add_ps(_mm512_loadu_ps(sum), low);
                let mut b = _mm512_add_ps(_mm512_loadu_ps(sum.add(gap)), high);
                if self.relu {
                    (a, b) = (_mm512_max_ps(a, floor), _mm512_max_ps(b, floor));
                }
                let mut line = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
                if let Some(active) = self.active {
                    // A positive bf16 is a positive i16.
                    let active = _mm512_load_si512(active.as_ptr().add(at).cast());
                    line = _mm512_maskz_mov_epi16(_mm512_cmpgt_epi16_mask(active, _mm512_setzero_si512()), line);
                }
                _mm512_store_si512(lines.as_mut_ptr().add(at).cast(), line);
            }
        }
    }
}

/// 32 positions × 16 channels of a map as 16 lines `[position / 2][channel][2]`; `first` is the value to start from.
pub(super) fn pair(tiles: Tiles, map: &[Line], first: usize, channels: usize, out: &mut [Line; 16]) {
    assert!(first + 31 * channels + 16 <= map.len() * 32, "the map is too short");
    match tiles {
        Tiles::Scalar => {
            let map = values(map);
            for (p, line) in out.iter_mut().enumerate() {
                for (lane, value) in line.0.iter_mut().enumerate() {
                    *value = map[first + (2 * p + lane % 2) * channels + lane / 2];
                }
            }
        }
        // SAFETY: the level says that AVX-512 is there; the map's length is checked above.
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Tiles::Amx(_) => unsafe { vector::pair(map, first, channels, out) },
    }
}

/// The 16 lines of [`pair`] as 16 rows of 32 positions, written to `planes` every `step` lines from `first` on.
pub(super) fn transpose(tiles: Tiles, pairs: &[Line; 16], planes: &mut [Line], first: usize, step: usize) {
    assert!(first + 15 * step < planes.len(), "the planes are too short");
    match tiles {
        Tiles::Scalar => {
            let planes = values_mut(planes);
            for (p, line) in pairs.iter().enumerate() {
                for (lane, &value) in line.0.iter().enumerate() {
                    planes[(first + lane / 2 * step) * 32 + 2 * p + lane % 2] = value;
                }
            }
        }
        // SAFETY: the level says that AVX-512 is there; the planes' length is checked above.
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Tiles::Amx(_) => unsafe { vector::transpose(pairs, planes, first, step) },
    }
}

/// Adds to each of 16 channels its sum over all of `pairs`, every `step`-th group of 16 lines from group `first` on.
pub(super) fn sum_pairs(tiles: Tiles, pairs: &[Line], first: usize, step: usize, sums: &mut [f32; 16]) {
    match tiles {
        Tiles::Scalar => {
            for group in pairs.chunks_exact(16).skip(first).step_by(step) {
                for line in group {
                    for (lane, &value) in line.0.iter().enumerate() {
                        sums[lane / 2] += widen(value);
                    }
                }
            }
        }
        // SAFETY: the level says that AVX512-BF16 is there.
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Tiles::Amx(_) => unsafe { vector::sum_pairs(pairs, first, step, sums) },
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod vector {
    use super::Line;
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm256_loadu_si256, _mm512_add_ps, _mm512_castsi256_si512, _mm512_dpbf16_ps,
        _mm512_load_si512, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_permutex2var_epi16, _mm512_permutexvar_epi16,
        _mm512_set1_epi16, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_store_si512,
        _mm512_storeu_ps, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    /// Lane 2c takes channel c of the first position, lane 2c + 1 that of the second, `from` channels on in both.
    const fn interleave(second: i16) -> [i16; 32] {
        let mut lanes = [0; 32];
        let mut c = 0;
        while c < 16 {
            lanes[2 * c] = c as i16;
            lanes[2 * c + 1] = second + c as i16;
            c += 1;
        }
        lanes
    }

    /// Two positions that share a line, or lie in two.
    static TOGETHER: [i16; 32] = interleave(16);
    static APART: [i16; 32] = interleave(32);

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn pair(map: &[Line], first: usize, channels: usize, out: &mut [Line; 16]) {
        // SAFETY: the caller has checked that 31 · channels + 16 values follow `first`. Where positions lie apart, only
        // their first 16 channels are read.
        unsafe {
            let from = map.as_ptr().cast::<u16>().add(first);
            if channels == 16 {
                let lanes = _mm512_loadu_si512(TOGETHER.as_ptr().cast());
                for (p, out) in out.iter_mut().enumerate() {
                    let line = _mm512_loadu_si512(from.add(p * 32).cast());
                    _mm512_store_si512((&raw mut *out).cast(), _mm512_permutexvar_epi16(lanes, line));
                }
            } else {
                let lanes = _mm512_loadu_si512(APART.as_ptr().cast());
                for (p, out) in out.iter_mut().enumerate() {
                    let a = _mm512_castsi256_si512(_mm256_loadu_si256(from.add(2 * p * channels).cast()));
                    let b = _mm512_castsi256_si512(_mm256_loadu_si256(from.add((2 * p + 1) * channels).cast()));
                    _mm512_store_si512((&raw mut *out).cast(), _mm512_permutex2var_epi16(a, lanes, b));
                }
            }
        }
    }

    /// A transposition of 16 × 16 pairs: by two, by four, then by quarters of a vector.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn transpose(pairs: &[Line; 16], planes: &mut [Line], first: usize, step: usize) {
        let mut rows = [_mm512_setzero_si512(); 16];
        // SAFETY: sixteen lines are read, and sixteen written that the caller has checked.
        unsafe {
            for (row, line) in rows.iter_mut().zip(pairs) {
                *row = _mm512_load_si512((&raw const *line).cast());
            }
            let mut twos = rows;
            for n in (0..16).step_by(2) {
                twos[n] = _mm512_unpacklo_epi32(rows[n], rows[n + 1]);
                twos[n + 1] = _mm512_unpackhi_epi32(rows[n], rows[n + 1]);
            }
            let mut fours = twos;
            for n in (0..16).step_by(4) {
                fours[n] = _mm512_unpacklo_epi64(twos[n], twos[n + 2]);
                fours[n + 1] = _mm512_unpackhi_epi64(twos[n], twos[n + 2]);
                fours[n + 2] = _mm512_unpacklo_epi64(twos[n + 1], twos[n + 3]);
                fours[n + 3] = _mm512_unpackhi_epi64(twos[n + 1], twos[n + 3]);
            }
            // fours[4g + j] holds, in quarter l, column 4l + j of rows 4g..4g+4.
            for j in 0..4 {
                let ab = _mm512_shuffle_i32x4::<0x88>(fours[j], fours[4 + j]);
                let ab_odd = _mm512_shuffle_i32x4::<0xdd>(fours[j], fours[4 + j]);
                let cd = _mm512_shuffle_i32x4::<0x88>(fours[8 + j], fours[12 + j]);
                let cd_odd = _mm512_shuffle_i32x4::<0xdd>(fours[8 + j], fours[12 + j]);
                let columns = [
                    _mm512_shuffle_i32x4::<0x88>(ab, cd),
                    _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd),
                    _mm512_shuffle_i32x4::<0xdd>(ab, cd),
                    _mm512_shuffle_i32x4::<0xdd>(ab_odd, cd_odd),
                ];
                for (quarter, column) in columns.into_iter().enumerate() {
                    let at = first + (4 * quarter + j) * step;
                    _mm512_store_si512(planes.as_mut_ptr().add(at).cast(), column);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) unsafe fn sum_pairs(pairs: &[Line], first: usize, step: usize, sums: &mut [f32; 16]) {
        // SAFETY: whole lines of the slice are read, and the sixteen sums; a bf16 vector is 32 u16.
        unsafe {
            let ones = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi16(0x3f80));
            let mut total = [_mm512_loadu_ps(sums.as_ptr()), _mm512_setzero_ps()];
            for group in pairs.chunks_exact(16).skip(first).step_by(step) {
                for (n, line) in group.iter().enumerate() {
                    let line = std::mem::transmute::<__m512i, __m512bh>(_mm512_load_si512((&raw const *line).cast()));
                    total[n % 2] = _mm512_dpbf16_ps(total[n % 2], line, ones);
                }
            }
            _mm512_storeu_ps(sums.as_mut_ptr(), _mm512_add_ps(total[0], total[1]));
        }
    }
}
