//! Rounding a convolution's weights so that its *outputs* change least.
//!
//! With H = E[x xᵀ] over the inputs' 3×3 patches, the squared change of an output whose weights move by e is eᵀHe. Rounding
//! each weight to its nearest step ignores that the patches are correlated; Babai's nearest-plane rounding over H = LLᵀ
//! fixes one weight after the other and lets those not yet fixed make up for it. (GPTQ, Frantar 2022, is the same with the
//! order reversed.)

use crate::host::chain::Maps;

/// Patches that are looked at, about.
const PATCHES: usize = 24_000;
/// Share of the mean diagonal that is added to it: inputs seldom seen must not carry others' errors.
const DAMPING: f64 = 0.01;
/// Smallest step that is tried, as a share of the one that clips nothing.
const NARROWEST: f32 = 0.6;
/// Steps tried.
const TRIALS: usize = 25;

/// First and second moments of the 3×3 patches of quantised maps, and the first of their unquantised twins.
#[derive(Debug)]
pub(super) struct Moments {
    /// E[q], in steps.
    pub(super) mean: Vec<f64>,
    /// E[x] of the unquantised maps.
    pub(super) exact_mean: Vec<f64>,
    /// E[q qᵀ], lower triangle of `taps × taps`.
    second: Vec<f64>,
}

impl Moments {
    /// Measures the same patches of both.
    pub(super) fn measure(quantised: &[Maps<u8>], exact: &[Maps<f32>]) -> Self {
        let taps = quantised.first().map_or(0, |maps| maps.channels * 9);
        let area: usize = quantised.iter().map(|maps| maps.size.area()).sum();
        // A stride that shares no factor with usual widths visits all columns.
        let stride = (area / PATCHES).max(1) | 1;
        let mut moments = Self { mean: vec![0.0; taps], exact_mean: vec![0.0; taps], second: vec![0.0; taps * taps] };
        let (mut patch, mut count) = (Vec::with_capacity(taps), 0.0);
        for (maps, exact) in quantised.iter().zip(exact) {
            for place in (0..maps.size.area()).step_by(stride) {
                let (x, y) = (place % maps.size.width, place / maps.size.width);
                patch.clear();
                patch.extend(around(maps, x, y).map(f64::from));
                moments.add(&patch);
                for (mean, value) in moments.exact_mean.iter_mut().zip(around(exact, x, y)) {
                    *mean += f64::from(value);
                }
                count += 1.0;
            }
        }
        for sum in [&mut moments.mean, &mut moments.exact_mean, &mut moments.second] {
            for value in sum.iter_mut() {
                *value /= f64::max(count, 1.0);
            }
        }
        moments
    }

    fn add(&mut self, patch: &[f64]) {
        let taps = patch.len();
        for (i, &value) in patch.iter().enumerate() {
            self.mean[i] += value;
            if value != 0.0 {
                for (sum, &other) in self.second[i * taps..].iter_mut().zip(&patch[..=i]) {
                    *sum += value * other;
                }
            }
        }
    }
}

/// The 3×3 patch of every channel around (x, y), in the order of the weights.
fn around<T: Copy + Default>(maps: &Maps<T>, x: usize, y: usize) -> impl Iterator<Item = T> {
    let tap = move |n: usize| maps.at(n / 9, (x + n % 3) as isize - 1, (y + n / 3 % 3) as isize - 1);
    (0..maps.channels * 9).map(tap)
}

/// Rounds weights against one layer's second moments.
#[derive(Debug)]
pub(super) struct Rounder {
    /// Weight indices, least used first.
    order: Vec<usize>,
    /// Lower triangle of L in that order.
    root: Vec<f64>,
    limit: f32,
}

impl Rounder {
    /// Prepares for weights of −`limit` to `limit` steps.
    pub(super) fn new(moments: &Moments, limit: i8) -> Self {
        let taps = moments.mean.len();
        let diagonal = |i: usize| moments.second[i * taps + i];
        let damping = DAMPING * (0..taps).map(diagonal).sum::<f64>() / taps.max(1) as f64 + 1e-9;
        let mut order: Vec<usize> = (0..taps).collect();
        order.sort_by(|&a, &b| diagonal(a).total_cmp(&diagonal(b)));
        let mut root = vec![0.0; taps * taps];
        for (i, &a) in order.iter().enumerate() {
            for (j, &b) in order[..=i].iter().enumerate() {
                root[i * taps + j] = moments.second[a.max(b) * taps + a.min(b)];
            }
            root[i * taps + i] += damping;
        }
        cholesky(&mut root, taps);
        Self { order, root, limit: f32::from(limit) }
    }

    /// The step and the rounded weights of one output channel; `least_step` is the smallest step allowed.
    pub(super) fn round(&self, weight: &[f32], least_step: f32) -> (f32, Vec<i8>) {
        let widest = weight.iter().fold(0.0f32, |most, w| most.max(w.abs())) / self.limit;
        let mut best = (f64::INFINITY, widest.max(least_step), vec![0; weight.len()]);
        for trial in 0..TRIALS {
            let share = 1.0 - (1.0 - NARROWEST) * trial as f32 / (TRIALS - 1) as f32;
            let step = (widest * share).max(least_step);
            let (error, rounded) = self.round_at(weight, step);
            if error < best.0 {
                best = (error, step, rounded);
            }
        }
        (best.1, best.2)
    }

    /// The nearest-plane rounding at one step, and eᵀHe of it.
    fn round_at(&self, weight: &[f32], step: f32) -> (f64, Vec<i8>) {
        let taps = self.order.len();
        let mut rounded = vec![0; weight.len()];
        // carried[k] = Σ_{j>k} L[j][k]·e[j] of the weights already fixed.
        let (mut carried, mut total) = (vec![0.0; taps], 0.0);
        for k in (0..taps).rev() {
            let row = &self.root[k * taps..][..=k];
            let wanted = f64::from(weight[self.order[k]]) + carried[k] / row[k];
            let fixed = ((wanted / f64::from(step)) as f32).round_ties_even().clamp(-self.limit, self.limit);
            let error = f64::from(weight[self.order[k]]) - f64::from(fixed) * f64::from(step);
            total += (carried[k] + row[k] * error).powi(2);
            for (sum, l) in carried.iter_mut().zip(row) {
                *sum += l * error;
            }
            rounded[self.order[k]] = fixed as i8;
        }
        (total, rounded)
    }
}

/// Replaces the lower triangle of a positive definite matrix by its root.
fn cholesky(matrix: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..=i {
            let (above, row) = matrix.split_at(i * n);
            let other = if i == j { row } else { &above[j * n..] };
            let dot: f64 = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
            let rest = row[j] - dot;
            matrix[i * n + j] = if i == j { rest.max(1e-12).sqrt() } else { rest / matrix[j * n + j] };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;

    fn maps() -> Vec<Maps<u8>> {
        // A smooth picture: neighbouring taps are strongly correlated, as in photographs.
        let mut maps = Maps::new(Size::new(40, 30), 2);
        for c in 0..2 {
            for y in 0..30 {
                for (x, q) in maps.row_mut(c, y).iter_mut().enumerate() {
                    *q = (110.0 + 60.0 * ((x + c * 3) as f32 / 7.0).sin() + 40.0 * (y as f32 / 5.0).cos()) as u8;
                }
            }
        }
        vec![maps]
    }

    fn weights() -> Vec<f32> {
        (0..18).map(|i| ((i * 29) % 37) as f32 / 37.0 - 0.45).collect()
    }

    /// Mean squared change of the output over all patches.
    fn change(rounded: &[i8], step: f32) -> f64 {
        let maps = &maps()[0];
        let mut sum = 0.0;
        for place in 0..maps.size.area() {
            let patch = around(maps, place % 40, place / 40);
            let change: f32 = patch
                .zip(weights().iter().zip(rounded))
                .map(|(x, (w, &q))| f32::from(x) * (w - f32::from(q) * step))
                .sum();
            sum += f64::from(change * change);
        }
        sum / maps.size.area() as f64
    }

    #[test]
    fn the_root_squared_is_the_matrix() {
        let matrix = [4.0, 0.0, 0.0, 2.0, 5.0, 0.0, -1.0, 3.0, 6.0];
        let mut root = matrix;
        cholesky(&mut root, 3);
        for i in 0..3 {
            for j in 0..=i {
                let product: f64 = (0..=j).map(|k| root[i * 3 + k] * root[j * 3 + k]).sum();
                assert!((product - matrix[i * 3 + j]).abs() < 1e-12, "{i} {j}");
            }
        }
    }

    #[test]
    fn rounding_with_the_patches_in_view_changes_the_output_far_less() {
        let exact = [maps()[0].map(|_, q| f32::from(q))];
        let rounder = Rounder::new(&Moments::measure(&maps(), &exact), 7);
        let (step, rounded) = rounder.round(&weights(), 0.0);
        let widest = weights().iter().fold(0.0f32, |m, w| m.max(w.abs())) / 7.0;
        let nearest: Vec<i8> = weights().iter().map(|w| (w / widest).round() as i8).collect();
        let (ours, plain) = (change(&rounded, step), change(&nearest, widest));
        assert!(ours < plain / 10.0, "{ours} against {plain}");
        assert!(rounded.iter().all(|q| (-7..=7).contains(q)));
    }

    #[test]
    fn the_error_it_reports_is_the_change_it_makes() {
        let exact = [maps()[0].map(|_, q| f32::from(q))];
        let rounder = Rounder::new(&Moments::measure(&maps(), &exact), 7);
        let (error, rounded) = rounder.round_at(&weights(), 0.1);
        let change = change(&rounded, 0.1);
        // The damping adds a little.
        assert!(error >= change * 0.999 && error < change + 0.01 * 0.1 * 0.1 * 18.0 * 20_000.0, "{error} {change}");
    }
}
