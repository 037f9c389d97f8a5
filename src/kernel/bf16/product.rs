//! The one product behind all three: `M × N` tiles of 16 × 16 sums over steps of 32 bf16 products.

use super::Tiles;
use super::grid::{Line, values};
use super::widen;

/// The operands of a product.
///
/// `out[m][n][r][c] = Σ_s Σ_k a[start + m·tile + r·row + offsets[s] + k] · b[from + s·step + 16n + k/2][2c + k%2]`
/// for r, c in 0..16 and k in 0..32.
pub(super) struct Product<'a> {
    pub(super) a: &'a [Line],
    /// In values, as are `tile`, `row` and the offsets.
    pub(super) start: usize,
    pub(super) tile: usize,
    pub(super) row: usize,
    pub(super) steps: &'a Steps,
    pub(super) b: &'a [Line],
    /// In lines, as is `step`.
    pub(super) from: usize,
    pub(super) step: usize,
}

/// Where each step of a product starts in its left operand.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    offsets: Vec<usize>,
    reach: usize,
}

impl Steps {
    pub(super) fn new(offsets: Vec<usize>) -> Self {
        let reach = offsets.iter().max().copied().unwrap_or(0);
        Self { offsets, reach }
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }
}

/// 16 × 16 sums.
pub(super) const TILE: usize = 256;
/// The largest product: four tiles.
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [f32; 4 * TILE]);

/// How many tiles of rows and columns a product has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    M4N1,
    M3N1,
    M2N1,
    M2N2,
}

impl Shape {
    pub(super) fn tiles(self) -> (usize, usize) {
        match self {
            Self::M4N1 => (4, 1),
            Self::M3N1 => (3, 1),
            Self::M2N1 => (2, 1),
            Self::M2N2 => (2, 2),
        }
    }
}

impl Product<'_> {
    /// Writes the first `M · N` tiles of `out`.
    ///
    /// # Panics
    /// Where an operand is too short.
    pub(super) fn run(&self, tiles: Tiles, shape: Shape, out: &mut Sums) {
        let (m, n) = shape.tiles();
        let last = self.start + (m - 1) * self.tile + 15 * self.row + self.steps.reach + 31;
        let lines = self.from + self.steps.len().saturating_sub(1) * self.step + 16 * n;
        assert!(self.steps.len() > 0 && last < self.a.len() * 32 && lines <= self.b.len(), "an operand is too short");
        match tiles {
            Tiles::Scalar => self.scalar((m, n), out),
            // SAFETY: the level says that the tiles are there and permitted; the reach of both operands is checked above.
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Tiles::Amx(_) => unsafe { self.amx(shape, out) },
        }
    }

    /// The definition: f32 sums of exact products.
    fn scalar(&self, (m, n): (usize, usize), out: &mut Sums) {
        let (a, b) = (values(self.a), values(self.b));
        for (tile, out) in out.0.chunks_exact_mut(TILE).take(m * n).enumerate() {
            let (tile_row, tile_column) = (tile / n, tile % n);
            for (index, out) in out.iter_mut().enumerate() {
                let (r, c) = (index / 16, index % 16);
                let mut sum = 0.0f32;
                for (s, offset) in self.steps.offsets.iter().enumerate() {
                    let left = &a[self.start + tile_row * self.tile + r * self.row + offset..][..32];
                    let right = (self.from + s * self.step + 16 * tile_column) * 32 + 2 * c;
                    for (k, &left) in left.iter().enumerate() {
                        sum += widen(left) * widen(b[right + k / 2 * 32 + k % 2]);
                    }
                }
                *out = sum;
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) use amx::{amx_permitted, amx_present};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx {
    use super::{Product, Shape, Sums};
    use std::arch::asm;

    /// Palette 1: eight tiles of 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct Configuration([u8; 64]);

    static CONFIGURATION: Configuration = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = 16;
            tile += 1;
        }
        Configuration(bytes)
    };

    /// Whether the processor has AMX-TILE, AMX-BF16 and the AVX-512 parts that the kernels around them use.
    pub(in super::super) fn amx_present() -> bool {
        let leaf = std::arch::x86_64::__cpuid_count(7, 0);
        let tiles = leaf.edx >> 24 & leaf.edx >> 22 & 1 == 1;
        tiles
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16")
    }

    /// Asks Linux for the tiles' state, which it gives to no process unasked.
    pub(in super::super) fn amx_permitted() -> bool {
        const REQUEST_PERMISSION: libc::c_int = 0x1023;
        const TILE_DATA: libc::c_ulong = 18;
        // SAFETY: arch_prctl(ARCH_REQ_XCOMP_PERM, …) takes a number and changes nothing but what this process may use.
        unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 }
    }

    /// One asm block a product: it configures the tiles, sums over the steps, stores the sums and gives the tiles back, so
    /// that no state lives between blocks. `t` points at the step's left operand, `b` at its right one.
    macro_rules! product {
        ($job:expr, $out:expr, [$($body:expr),*], [$($store:expr),*]) => {
            asm!(
                "ldtilecfg [{cfg}]",
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "2:",
                "mov {t}, qword ptr [{offsets}]",
                "lea {t}, [{a} + {t}*2]",
                $($body,)*
                "add {offsets}, 8",
                "add {b}, {b_step}",
                "dec {steps}",
                "jnz 2b",
                "mov {t}, 64",
                $($store,)*
                "tilerelease",
                cfg = in(reg) &raw const CONFIGURATION,
                t = out(reg) _,
                offsets = inout(reg) $job.steps.offsets.as_ptr() => _,
                steps = inout(reg) $job.steps.offsets.len() => _,
                a = in(reg) $job.a.as_ptr().cast::<u16>().add($job.start),
                row = in(reg) 2 * $job.row,
                tile = in(reg) 2 * $job.tile,
                b = inout(reg) $job.b.as_ptr().add($job.from) => _,
                b_step = in(reg) 64 * $job.step,
                line = in(reg) 64usize,
                out = in(reg) $out.0.as_mut_ptr(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            )
        };
    }

    /// Loads right tile `$at` of a step.
    macro_rules! right {
        ($tile:literal, $at:literal) => {
            concat!("tileloadd tmm", $tile, ", [{b} + {line}*1 + 1024*", $at, "]")
        };
    }

    /// Loads the next left tile of a step.
    macro_rules! left {
        ($tile:literal) => {
            concat!("tileloadd tmm", $tile, ", [{t} + {row}*1]\nadd {t}, {tile}")
        };
    }

    /// Adds the product of two tiles to a third.
    macro_rules! multiply {
        ($sum:literal, $left:literal, $right:literal) => {
            concat!("tdpbf16ps tmm", $sum, ", tmm", $left, ", tmm", $right)
        };
    }

    /// Stores a tile of sums.
    macro_rules! store {
        ($tile:literal) => {
            concat!("tilestored [{out} + {t}*1 + 1024*", $tile, "], tmm", $tile)
        };
    }

    impl Product<'_> {
        /// # Safety
        /// The processor has AMX and the process may use it; the operands reach as far as `run` checks.
        #[rustfmt::skip]
        pub(super) unsafe fn amx(&self, shape: Shape, out: &mut Sums) {
            // SAFETY: each block reads 16 rows of 64 bytes of `a` per tile and step and 16 lines of `b` per tile and step,
            // which `run` has compared with their lengths, and writes up to four tiles of 1024 bytes to `out`, which holds
            // four. The tile registers are used by nothing else in this program and are released at the end.
            unsafe {
                match shape {
                    Shape::M2N2 => product!(
                        self, out,
                        [
                            left!(4), right!(6, 0), multiply!(0, 4, 6), right!(7, 1), multiply!(1, 4, 7),
                            left!(5), multiply!(2, 5, 6), multiply!(3, 5, 7)
                        ],
                        [store!(0), store!(1), store!(2), store!(3)]
                    ),
                    Shape::M4N1 => product!(
                        self, out,
                        [
                            right!(7, 0), left!(4), multiply!(0, 4, 7), left!(5), multiply!(1, 5, 7),
                            left!(6), multiply!(2, 6, 7), left!(4), multiply!(3, 4, 7)
                        ],
                        [store!(0), store!(1), store!(2), store!(3)]
                    ),
                    Shape::M3N1 => product!(
                        self, out,
                        [
                            right!(7, 0), left!(4), multiply!(0, 4, 7), left!(5), multiply!(1, 5, 7),
                            left!(6), multiply!(2, 6, 7)
                        ],
                        [store!(0), store!(1), store!(2)]
                    ),
                    Shape::M2N1 => product!(
                        self, out,
                        [right!(7, 0), left!(4), multiply!(0, 4, 7), left!(5), multiply!(1, 5, 7)],
                        [store!(0), store!(1)]
                    ),
                }
            }
        }
    }
}
