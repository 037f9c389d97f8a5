//! The three transforms of Winograd's minimal filtering F(4×4, 3×3): Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A.

use super::winograd::{READ, TILE};
use super::{BLOCK, Filter};
use crate::kernel::lanes::Lanes;

/// G of F(4, 3).
const KERNEL: [[f64; 3]; READ] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// G g Gᵀ at `product`.
pub(super) fn transformed(filter: &Filter, output: usize, input: usize, product: usize) -> f32 {
    let (rows, columns) = (KERNEL[product / READ], KERNEL[product % READ]);
    let mut sum = 0.0;
    for (row, r) in rows.into_iter().enumerate() {
        for (column, c) in columns.into_iter().enumerate() {
            sum += r * c * f64::from(filter.weight(output, input, row, column));
        }
    }
    sum as f32
}

/// Bᵀ of column `x` of six rows.
///
/// # Safety
/// The rows cover that column.
#[inline(always)]
pub(super) unsafe fn read_column<L: Lanes>(rows: &[*const f32; READ], x: usize) -> [L; READ] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut column = [L::splat(0.0); READ];
        for (value, row) in column.iter_mut().zip(rows) {
            *value = L::load(row.add(x * BLOCK));
        }
        input_transform(column)
    }
}

/// Bᵀ d of F(4, 3).
///
/// # Safety
/// `L`'s instructions exist.
#[inline(always)]
pub(super) unsafe fn input_transform<L: Lanes>(d: [L; READ]) -> [L; READ] {
    // SAFETY: the caller's promise.
    unsafe {
        let (two, four, five) = (L::splat(2.0), L::splat(4.0), L::splat(5.0));
        let (even, odd) = (d[4].fnma(four, d[2]), d[3].fnma(four, d[1]));
        let (even_near, odd_near) = (d[4].sub(d[2]), d[3].sub(d[1]));
        [
            d[4].fnma(five, d[2]).fma(four, d[0]),
            even.add(odd),
            even.sub(odd),
            even_near.fma(two, odd_near),
            even_near.fnma(two, odd_near),
            d[5].fnma(five, d[3]).fma(four, d[1]),
        ]
    }
}

/// Aᵀ m of F(4, 3).
///
/// # Safety
/// `L`'s instructions exist.
#[inline(always)]
pub(super) unsafe fn output_transform<L: Lanes>(m: [L; READ]) -> [L; TILE] {
    // SAFETY: the caller's promise.
    unsafe {
        let (two, four, eight) = (L::splat(2.0), L::splat(4.0), L::splat(8.0));
        let (sum_near, less_near) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (sum_far, less_far) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(sum_near).add(sum_far),
            less_near.fma(two, less_far),
            sum_near.fma(four, sum_far),
            less_near.fma(eight, less_far).add(m[5]),
        ]
    }
}
