//! Dense linear algebra of the fits: Gram matrices, Cholesky solutions, pseudo-inverses; one thread each, so that the
//! bits never depend on how many there are.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::solvers::{Llt, SelfAdjointEigen, SolveCore};
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par, Side};
use ndarray::Array2;

fn view(matrix: &Array2<f64>) -> MatRef<'_, f64> {
    let slice = matrix.as_slice().expect("own matrices are row-major");
    MatRef::from_row_major_slice(slice, matrix.nrows(), matrix.ncols())
}

/// Adds `factor`·AᵀA to the lower triangle of `gram` (P × P) for A of any number of rows and P columns.
pub(super) fn add_gram(gram: &mut Array2<f64>, a: &Array2<f64>, factor: f64) {
    let size = a.ncols();
    if a.nrows() == 0 || size == 0 {
        return;
    }
    let slice = gram.as_slice_mut().expect("own matrices are row-major");
    triangular::matmul(
        MatMut::from_row_major_slice_mut(slice, size, size),
        BlockStructure::TriangularLower,
        Accum::Add,
        view(a).transpose(),
        BlockStructure::Rectangular,
        view(a),
        BlockStructure::Rectangular,
        factor,
        Par::Seq,
    );
}

/// Adds `factor`·Aᵀt to `sum`.
pub(super) fn add_transposed_product(sum: &mut [f64], a: &Array2<f64>, t: &[f64], factor: f64) {
    for (row, value) in a.rows().into_iter().zip(t) {
        let scaled = factor * value;
        for (sum, entry) in sum.iter_mut().zip(row) {
            *sum += scaled * entry;
        }
    }
}

/// A·c.
pub(super) fn product(a: &Array2<f64>, c: &[f64]) -> Vec<f64> {
    a.rows()
        .into_iter()
        .map(|row| row.iter().zip(c).map(|(entry, c)| entry * c).sum())
        .collect()
}

/// x·Ax for the symmetric A whose lower triangle is given.
pub(super) fn quadratic_form(a: &Array2<f64>, x: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (i, row) in a.rows().into_iter().enumerate() {
        let off: f64 = row.iter().zip(&x[..i]).map(|(entry, x)| entry * x).sum();
        sum += x[i] * (2.0 * off + a[[i, i]] * x[i]);
    }
    sum
}

/// The solution of (A + λ)x = b for the symmetric A whose lower triangle is given, or `None` where the Cholesky
/// factorisation breaks down.
pub(super) fn solve_regularised(a: &Array2<f64>, lambda: f64, b: &[f64]) -> Option<Vec<f64>> {
    let size = b.len();
    let mut matrix = view(a).to_owned();
    for i in 0..size {
        matrix[(i, i)] += lambda;
    }
    let factor = Llt::new(matrix.as_ref(), Side::Lower).ok()?;
    let mut x = Mat::from_fn(size, 1, |i, _| b[i]);
    factor.solve_in_place_with_conj(Conj::No, x.as_mut());
    let x: Vec<f64> = (0..size).map(|i| x[(i, 0)]).collect();
    x.iter().all(|value| value.is_finite()).then_some(x)
}

/// The eigenvectors (columns) of a small symmetric matrix with their eigenvalues, those too small to tell from zero
/// left out.
pub(super) fn range(a: &Array2<f64>) -> Vec<(f64, Vec<f64>)> {
    let size = a.nrows();
    let Ok(decomposition) = SelfAdjointEigen::new(view(a), Side::Lower) else {
        return Vec::new();
    };
    let (vectors, values) = (decomposition.U(), decomposition.S());
    let largest = (0..size).map(|i| values[i]).fold(0.0, f64::max);
    (0..size)
        .filter(|i| values[*i] > 1e-10 * largest)
        .map(|i| (values[i], (0..size).map(|k| vectors[(k, i)]).collect()))
        .collect()
}

/// The eigenvalues of a symmetric matrix whose lower triangle is given with their eigenvectors, the largest first.
pub(super) fn eigen(a: &Array2<f64>) -> Vec<(f64, Vec<f64>)> {
    let size = a.nrows();
    let Ok(decomposition) = SelfAdjointEigen::new(view(a), Side::Lower) else {
        return Vec::new();
    };
    let (vectors, values) = (decomposition.U(), decomposition.S());
    (0..size)
        .rev()
        .map(|i| (values[i], (0..size).map(|k| vectors[(k, i)]).collect()))
        .collect()
}

/// The shortest x that minimises |Ax − t|².
pub(super) fn minimum_norm(a: &Array2<f64>, t: &[f64]) -> Vec<f64> {
    let mut gram = Array2::zeros((a.ncols(), a.ncols()));
    add_gram(&mut gram, a, 1.0);
    let range = range(&gram);
    let mut x = vec![0.0; a.ncols()];
    // The second round removes what rounding left of the first.
    for _ in 0..2 {
        let rest: Vec<f64> = product(a, &x).iter().zip(t).map(|(p, t)| t - p).collect();
        let mut rhs = vec![0.0; a.ncols()];
        add_transposed_product(&mut rhs, a, &rest, 1.0);
        for (value, vector) in &range {
            let amount: f64 = vector.iter().zip(&rhs).map(|(v, r)| v * r).sum::<f64>() / value;
            for (x, v) in x.iter_mut().zip(vector) {
                *x += amount * v;
            }
        }
    }
    x
}

/// The mean of the diagonal.
pub(super) fn mean_diagonal(matrix: &Array2<f64>) -> f64 {
    matrix.diag().sum() / matrix.nrows().max(1) as f64
}

/// Removes from rows and targets their projections on the columns of `compositions`.
pub(super) fn project_out(compositions: &Array2<f64>, rows: &mut Array2<f64>, targets: &mut [f64]) {
    let mut gram = Array2::zeros((compositions.ncols(), compositions.ncols()));
    add_gram(&mut gram, compositions, 1.0);
    for (value, vector) in range(&gram) {
        let mut direction = product(compositions, &vector);
        for entry in &mut direction {
            *entry /= value.sqrt();
        }
        // Twice, because rounding of a large mean would otherwise stay.
        for _ in 0..2 {
            let mut means = vec![0.0; rows.ncols()];
            add_transposed_product(&mut means, rows, &direction, 1.0);
            let mean: f64 = direction.iter().zip(&*targets).map(|(d, t)| d * t).sum();
            for (index, d) in direction.iter().enumerate() {
                for (entry, mean) in rows.row_mut(index).iter_mut().zip(&means) {
                    *entry -= d * mean;
                }
                targets[index] -= d * mean;
            }
        }
    }
}
