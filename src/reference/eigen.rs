//! The eigenvalue solver for symmetric matrices, with a guard against stalling.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// The eigenvalues of a symmetric matrix, in no order, and its eigenvectors.
pub(crate) struct Eigen {
    /// lambda_k.
    pub(crate) values: DVector<f64>,
    /// u_k, one per column.
    pub(crate) vectors: DMatrix<f64>,
}

/// The iterations allowed for a matrix of `size` rows: LAPACK allows 30 per eigenvalue; the floor keeps small matrices
/// from failing.
pub(crate) fn iterations(size: usize) -> usize {
    1000.max(30 * size)
}

/// All eigenvalues and eigenvectors of the symmetric `matrix`, whose elements must be finite; `None` if the iteration
/// does not converge to finite values. Eigenvalues are accurate to a few roundings of ||matrix||_F, not relative to
/// their own size.
///
/// The matrix is shifted by twice its norm, which puts all eigenvalues into [norm, 3 norm]. The solver deflates
/// relative to neighbouring diagonal elements. Without the shift, those are rounding noise in the null space of a
/// low-rank Hessian, and the solver was seen to stall there (1 of 60,000 random networks) or to divide underflowed
/// numbers (2 of 12,000). The price is that small eigenvalues are accurate only relative to the norm.
pub(crate) fn symmetric_eigen(matrix: DMatrix<f64>) -> Option<Eigen> {
    let size = matrix.nrows();
    let shift = 2.0 * norm(&matrix);
    let shifted = matrix + DMatrix::from_diagonal_element(size, size, shift);
    let eigen = SymmetricEigen::try_new(shifted, f64::EPSILON, iterations(size))?;
    let finite = eigen.eigenvalues.iter().all(|value| value.is_finite());
    finite.then(|| Eigen { values: eigen.eigenvalues.add_scalar(-shift), vectors: eigen.eigenvectors })
}

/// The Frobenius norm, without overflow or underflow of the squares.
fn norm(matrix: &DMatrix<f64>) -> f64 {
    let largest = matrix.amax();
    // Row by row, though nalgebra stores columns: the order decides the sum's last bits, and with them those of every
    // eigenvalue.
    let rows = matrix.row_iter().flat_map(|row| row.iter().copied().collect::<Vec<f64>>());
    if largest > 0.0 { largest * rows.fold(0.0, |sum, value| sum + (value / largest).powi(2)).sqrt() } else { 0.0 }
}
