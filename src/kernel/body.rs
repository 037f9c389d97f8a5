//! The two inner loops of training: eight output channels of a convolution, and eight rows of its weight gradient. Each
//! is written twice: plainly, which defines it, and over [`Lanes`], which every instruction set runs.

use super::Level;
use super::lanes::Lanes;

/// Output channels computed together.
pub(super) const BLOCK: usize = 8;

/// Eight output channels at every position of a sheet.
pub(super) struct Forward<'a> {
    pub(super) sheet: &'a [f32],
    pub(super) len: usize,
    pub(super) inputs: usize,
    pub(super) offsets: &'a [usize],
    pub(super) weight: &'a [f32],
    pub(super) start: &'a [f32; BLOCK],
    pub(super) span: usize,
}

impl Forward<'_> {
    /// Fills `scratch`: eight planes of `span`.
    pub(super) fn run(&self, level: Level, scratch: &mut [f32]) {
        self.check(scratch);
        match level {
            Level::Scalar => self.scalar(scratch),
            // SAFETY: the level was found on this machine, and `check` held every index inside its slice.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(_) | Level::Avx2Vnni(_) => unsafe { self.avx2(scratch) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(_) | Level::Avx512Vnni(_) => unsafe { self.avx512(scratch) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) | Level::NeonDot(_) => unsafe {
                self.vectors::<std::arch::aarch64::float32x4_t, 8, 3>(scratch)
            },
        }
    }

    fn check(&self, scratch: &[f32]) {
        let reach = self.offsets.iter().max().copied().unwrap_or(0);
        assert!(self.span.is_multiple_of(48) && reach + self.span <= self.len);
        assert!(self.sheet.len() >= self.inputs * self.len);
        assert!(self.weight.len() == self.inputs * self.offsets.len() * BLOCK);
        assert!(scratch.len() >= BLOCK * self.span);
    }

    /// The definition: each output starts at its bias and adds input after input, tap after tap, each product rounded once.
    fn scalar(&self, scratch: &mut [f32]) {
        for (lane, out) in scratch.chunks_exact_mut(self.span).take(BLOCK).enumerate() {
            for (q, out) in out.iter_mut().enumerate() {
                let mut sum = self.start[lane];
                for i in 0..self.inputs {
                    for (tap, offset) in self.offsets.iter().enumerate() {
                        let weight = self.weight[(i * self.offsets.len() + tap) * BLOCK + lane];
                        sum = weight.mul_add(self.sheet[i * self.len + q + offset], sum);
                    }
                }
                *out = sum;
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(&self, scratch: &mut [f32]) {
        // SAFETY: `check` has been called, and this function only runs where AVX2 and FMA exist.
        unsafe { self.vectors::<std::arch::x86_64::__m256, 4, 3>(scratch) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq")]
    fn avx512(&self, scratch: &mut [f32]) {
        // SAFETY: `check` has been called, and this function only runs where AVX-512F exists.
        unsafe { self.vectors::<std::arch::x86_64::__m512, 8, 3>(scratch) }
    }

    /// `CHANNELS × VECTORS` accumulators at a time. `VECTORS · WIDTH` divides 48, hence the span.
    ///
    /// # Safety
    /// `check` has been called, and `L`'s instructions exist.
    #[inline(always)]
    unsafe fn vectors<L: Lanes, const CHANNELS: usize, const VECTORS: usize>(&self, scratch: &mut [f32]) {
        let taps = self.offsets.len();
        for first in (0..BLOCK).step_by(CHANNELS) {
            for q in (0..self.span).step_by(VECTORS * L::WIDTH) {
                // SAFETY: q + VECTORS · WIDTH ≤ span, span + offset ≤ len, i < inputs, first + CHANNELS ≤ BLOCK; `check`
                // has compared these with the slices' lengths.
                unsafe {
                    let mut sums = [[L::splat(0.0); VECTORS]; CHANNELS];
                    for (lane, sums) in sums.iter_mut().enumerate() {
                        *sums = [L::splat(self.start[first + lane]); VECTORS];
                    }
                    let mut weight = self.weight.as_ptr().add(first);
                    for i in 0..self.inputs {
                        let plane = self.sheet.as_ptr().add(i * self.len + q);
                        for tap in 0..taps {
                            let pixels = plane.add(*self.offsets.get_unchecked(tap));
                            let mut x = [L::splat(0.0); VECTORS];
                            for (v, x) in x.iter_mut().enumerate() {
                                *x = L::load(pixels.add(v * L::WIDTH));
                            }
                            for (lane, sums) in sums.iter_mut().enumerate() {
                                let w = L::splat(*weight.add(lane));
                                for (sum, x) in sums.iter_mut().zip(x) {
                                    *sum = sum.fma(w, x);
                                }
                            }
                            weight = weight.add(BLOCK);
                        }
                    }
                    for (lane, sums) in sums.iter().enumerate() {
                        for (v, sum) in sums.iter().enumerate() {
                            sum.store(scratch.as_mut_ptr().add((first + lane) * self.span + q + v * L::WIDTH));
                        }
                    }
                }
            }
        }
    }
}

/// Eight deltas correlated with one input plane at `group` neighbouring taps.
pub(super) struct Correlate<'a> {
    pub(super) plane: &'a [f32],
    pub(super) offset: usize,
    pub(super) delta: &'a [f32],
    pub(super) len: usize,
    pub(super) origin: usize,
    pub(super) span: usize,
}

impl Correlate<'_> {
    /// Writes `sums[lane · 3 + tap]`.
    pub(super) fn run(&self, level: Level, group: usize, sums: &mut [f32; BLOCK * 3]) {
        self.check(group);
        match (level, group) {
            (Level::Scalar, group) => self.scalar(group, sums),
            // SAFETY: the level was found on this machine, and `check` held every index inside its slice.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2(_) | Level::Avx2Vnni(_), 3) => unsafe { self.avx2::<3>(sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2(_) | Level::Avx2Vnni(_), _) => unsafe { self.avx2::<1>(sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512(_) | Level::Avx512Vnni(_), 3) => unsafe { self.avx512::<3>(sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512(_) | Level::Avx512Vnni(_), _) => unsafe { self.avx512::<1>(sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            (Level::Neon(_) | Level::NeonDot(_), 3) => unsafe {
                self.vectors::<std::arch::aarch64::float32x4_t, 8, 3>(sums)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            (Level::Neon(_) | Level::NeonDot(_), _) => unsafe {
                self.vectors::<std::arch::aarch64::float32x4_t, 8, 1>(sums)
            },
        }
    }

    fn check(&self, group: usize) {
        assert!(self.span.is_multiple_of(16) && group <= 3);
        assert!(self.offset + group - 1 + self.span <= self.plane.len());
        assert!(self.delta.len() == BLOCK * self.len && self.origin + self.span <= self.len);
    }

    /// The definition, up to the order of the sum.
    fn scalar(&self, group: usize, sums: &mut [f32; BLOCK * 3]) {
        for lane in 0..BLOCK {
            let delta = &self.delta[lane * self.len + self.origin..][..self.span];
            for k in 0..group {
                let pixels = &self.plane[self.offset + k..][..self.span];
                sums[lane * 3 + k] = delta.iter().zip(pixels).map(|(d, x)| d * x).sum();
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<const GROUP: usize>(&self, sums: &mut [f32; BLOCK * 3]) {
        // SAFETY: `check` has been called, and this function only runs where AVX2 and FMA exist.
        unsafe { self.vectors::<std::arch::x86_64::__m256, 4, GROUP>(sums) }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq")]
    fn avx512<const GROUP: usize>(&self, sums: &mut [f32; BLOCK * 3]) {
        // SAFETY: `check` has been called, and this function only runs where AVX-512F exists.
        unsafe { self.vectors::<std::arch::x86_64::__m512, 8, GROUP>(sums) }
    }

    /// # Safety
    /// `check` has been called, and `L`'s instructions exist.
    #[inline(always)]
    unsafe fn vectors<L: Lanes, const CHANNELS: usize, const GROUP: usize>(&self, sums: &mut [f32; BLOCK * 3]) {
        for first in (0..BLOCK).step_by(CHANNELS) {
            // SAFETY: q + WIDTH ≤ span; `check` has compared span and offsets with the slices' lengths.
            unsafe {
                let mut totals = [[L::splat(0.0); GROUP]; CHANNELS];
                let delta = self.delta.as_ptr().add(first * self.len + self.origin);
                let plane = self.plane.as_ptr().add(self.offset);
                for q in (0..self.span).step_by(L::WIDTH) {
                    let mut x = [L::splat(0.0); GROUP];
                    for (k, x) in x.iter_mut().enumerate() {
                        *x = L::load(plane.add(q + k));
                    }
                    for (lane, totals) in totals.iter_mut().enumerate() {
                        let d = L::load(delta.add(lane * self.len + q));
                        for (total, x) in totals.iter_mut().zip(x) {
                            *total = total.fma(d, x);
                        }
                    }
                }
                for (lane, totals) in totals.iter().enumerate() {
                    for (k, total) in totals.iter().enumerate() {
                        sums[(first + lane) * 3 + k] = total.sum();
                    }
                }
            }
        }
    }
}
