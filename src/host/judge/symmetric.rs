//! Symmetric matrices: eigenvalues by Jacobi's method, and what numpy's `pinv` makes of them.

/// Sweeps after which the method gives up; a matrix of 36 rows needs about ten.
const MAX_SWEEPS: usize = 100;

/// The parts of a symmetric matrix: `A = Σ λₖ vₖ vₖᵀ`.
#[derive(Debug, Clone)]
pub(super) struct Eigen {
    /// The eigenvalues λₖ, in no order.
    pub(super) values: Vec<f64>,
    /// Row k is the unit eigenvector vₖ.
    pub(super) vectors: Vec<Vec<f64>>,
}

impl Eigen {
    /// The parts of `matrix`, rows of a symmetric matrix of which the upper half is read.
    ///
    /// Cyclic Jacobi rotations (Golub and Van Loan, Matrix Computations, section 8.5): each makes one entry off the diagonal
    /// zero, and sweeps are repeated until what is left off the diagonal is nothing beside the diagonal in f64.
    pub(super) fn of(mut matrix: Vec<Vec<f64>>) -> Self {
        let n = matrix.len();
        let unit = |k: usize| (0..n).map(|i| f64::from(u8::from(i == k))).collect();
        let mut vectors: Vec<Vec<f64>> = (0..n).map(unit).collect();
        for _ in 0..MAX_SWEEPS {
            let square = |p: usize, q: usize| matrix[p][q] * matrix[p][q];
            let beside: f64 = (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))).map(|(p, q)| square(p, q)).sum();
            let diagonal: f64 = (0..n).map(|p| square(p, p)).sum();
            // Also leaves a matrix that holds no numbers.
            if beside.is_nan() || beside <= f64::EPSILON.powi(4) * diagonal {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    rotate(&mut matrix, &mut vectors, p, q);
                }
            }
        }
        Self { values: (0..n).map(|k| matrix[k][k]).collect(), vectors }
    }

    /// `xᵀ A⁺ x` with the pseudo-inverse of numpy's `pinv`: eigenvalues of at most 10⁻¹⁵ of the largest, in magnitude, count
    /// as zero and are left out.
    pub(super) fn inverse_form(&self, x: &[f64]) -> f64 {
        let largest = self.values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let parts = self.values.iter().zip(&self.vectors).filter(|(value, _)| value.abs() > 1e-15 * largest);
        parts.map(|(value, v)| v.iter().zip(x).map(|(v, x)| v * x).sum::<f64>().powi(2) / value).sum()
    }
}

/// Turns rows and columns p and q so that their common entry becomes zero. Both halves of the matrix are kept up.
fn rotate(matrix: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    let entry = matrix[p][q];
    if entry == 0.0 {
        return;
    }
    let half = (matrix[q][q] - matrix[p][p]) / (2.0 * entry);
    let tangent = half.signum() / (half.abs() + half.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |a: f64, b: f64| (cosine * a - sine * b, sine * a + cosine * b);
    for row in matrix.iter_mut() {
        (row[p], row[q]) = turn(row[p], row[q]);
    }
    for rows in [&mut *matrix, vectors] {
        let (head, tail) = rows.split_at_mut(q);
        for (a, b) in head[p].iter_mut().zip(&mut tail[0]) {
            (*a, *b) = turn(*a, *b);
        }
    }
    // But for rounding they are zero already; what rounding leaves would never go away.
    (matrix[p][q], matrix[q][p]) = (0.0, 0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hilbert(n: usize) -> Vec<Vec<f64>> {
        (0..n).map(|i| (0..n).map(|j| 1.0 / (i + j + 1) as f64).collect()).collect()
    }

    // tests/data/niqe.py: n = 6; a = 1 / (np.add.outer(np.arange(n), np.arange(n)) + 1)
    // np.linalg.eigvalsh(a)
    #[test]
    fn eigenvalues_are_those_of_numpy() {
        let mut values = Eigen::of(hilbert(6)).values;
        values.sort_by(f64::total_cmp);
        let expected = [
            1.082_799_484_453_290_8e-7,
            1.257_075_712_262_841e-5,
            6.157_483_541_826_39e-4,
            0.016_321_521_319_875_815,
            0.242_360_870_575_209_33,
            1.618_899_858_924_339,
        ];
        for (got, want) in values.iter().zip(expected) {
            assert!((got - want).abs() < 1e-15 + 1e-13 * want, "{got} {want}");
        }
    }

    #[test]
    fn the_parts_make_the_matrix_again() {
        let n = 36;
        let entry = |i: usize, j: usize| ((i.min(j) * 7 + i.max(j) * 3) % 11) as f64 - 4.5;
        let matrix: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect();
        let Eigen { values, vectors } = Eigen::of(matrix.clone());
        for i in 0..n {
            for j in 0..n {
                let sum: f64 = (0..n).map(|k| values[k] * vectors[k][i] * vectors[k][j]).sum();
                assert!((sum - matrix[i][j]).abs() < 1e-12, "({i}, {j}): {sum}");
                let product: f64 = vectors[i].iter().zip(&vectors[j]).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-13, "({i}, {j}): {product}");
            }
        }
    }

    // tests/data/niqe.py: x = np.array([1., -2, 3, -4]); b = np.array([[1., 2, 0, 1], [2, 4, 0, 2], [0, 0, -3, 1], [1, 2, 1, 5]])
    // x @ np.linalg.pinv(b) @ x, where b has rank 3
    #[test]
    fn a_direction_of_no_weight_is_left_out() {
        let matrix = [[1.0, 2.0, 0.0, 1.0], [2.0, 4.0, 0.0, 2.0], [0.0, 0.0, -3.0, 1.0], [1.0, 2.0, 1.0, 5.0]];
        let form = Eigen::of(matrix.map(Vec::from).to_vec()).inverse_form(&[1.0, -2.0, 3.0, -4.0]);
        let expected = -1.310_769_230_769_231_2;
        assert!((form - expected).abs() < 1e-12, "{form}");
    }

    #[test]
    fn what_holds_no_numbers_ends() {
        assert!(Eigen::of(vec![vec![f64::NAN; 3]; 3]).inverse_form(&[1.0; 3]).abs() < 1.0);
    }
}
