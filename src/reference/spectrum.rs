//! All eigenvalues of the closed-form Hessian: what every bound is measured against.

use nalgebra::DMatrix;
use ndarray::{Array2, ArrayView2};

use super::eigen::{iterations, symmetric_eigen};
use super::hessian;
use crate::model::{Problem, Theta};

/// The eigenvalues of a symmetric matrix and the eigenvectors of the largest ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// lambda_1 >= .. >= lambda_D, in descending order.
    pub eigenvalues: Vec<f64>,
    /// u_1 .. u_k, one per row, (k, D), of unit length. The component of largest magnitude (the first of several) is
    /// positive, since the sign of an eigenvector means nothing.
    pub eigenvectors: Array2<f64>,
}

impl Spectrum {
    /// lambda_1, the largest eigenvalue.
    pub fn lambda_max(&self) -> f64 {
        self.eigenvalues[0]
    }

    /// lambda_D, the smallest eigenvalue.
    pub fn lambda_min(&self) -> f64 {
        self.eigenvalues[self.eigenvalues.len() - 1]
    }
}

/// Why a matrix has no spectrum.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpectrumError {
    /// An element is NaN or infinite.
    #[error(
        "H[{row}, {column}] is {value}: the network has diverged or its Hessian overflows, so it has no eigenvalues"
    )]
    NotFinite {
        /// Row of the first such element.
        row: usize,
        /// Its column.
        column: usize,
        /// The value found.
        value: f64,
    },
    /// The matrix is empty or not square.
    #[error("a matrix of the shape ({rows}, {columns}) has no spectrum: it must be square and not empty")]
    Shape {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// The QR iteration did not converge.
    #[error(
        "the eigenvalues of a {parameters} x {parameters} matrix did not converge to finite values in {iterations} \
         iterations"
    )]
    NotConverged {
        /// D, the number of rows and of columns.
        parameters: usize,
        /// The iterations allowed.
        iterations: usize,
    },
}

/// The spectrum of the symmetric `matrix` (D, D) with the eigenvectors of its `vectors` largest eigenvalues (at most
/// D).
///
/// Eigenvalues are accurate to a few roundings of ||H||_F, not relative to their own size. The solver itself reads only
/// the lower triangle.
///
/// # Errors
/// [`SpectrumError`] for elements that are not finite, an empty or rectangular matrix, or an iteration that does not
/// converge.
pub fn spectrum(matrix: ArrayView2<'_, f64>, vectors: usize) -> Result<Spectrum, SpectrumError> {
    let (rows, columns) = matrix.dim();
    if rows != columns || rows == 0 {
        return Err(SpectrumError::Shape { rows, columns });
    }
    if let Some(((row, column), &value)) = matrix.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(SpectrumError::NotFinite { row, column, value });
    }
    let eigen = symmetric_eigen(DMatrix::from_fn(rows, columns, |row, column| matrix[[row, column]]))
        .ok_or_else(|| SpectrumError::NotConverged { parameters: rows, iterations: iterations(rows) })?;
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|&a, &b| eigen.values[b].total_cmp(&eigen.values[a]));
    let mut eigenvectors = Array2::zeros((vectors.min(rows), rows));
    for (mut row, &column) in eigenvectors.outer_iter_mut().zip(&order) {
        let vector = eigen.vectors.column(column);
        let largest = vector.iter().fold(0.0_f64, |largest, &u| if u.abs() > largest.abs() { u } else { largest });
        row.iter_mut().zip(&vector).for_each(|(to, &u)| *to = u * largest.signum());
    }
    let eigenvalues = order.iter().map(|&k| eigen.values[k]).collect();
    Ok(Spectrum { eigenvalues, eigenvectors })
}

/// The spectrum of the Hessian at every row of `theta` (S, D), in order, on all cores.
///
/// A network without a spectrum, such as one that diverged, has its own error and does not affect the others.
pub fn spectra(problem: &Problem, theta: Theta<'_>, vectors: usize) -> Vec<Result<Spectrum, SpectrumError>> {
    theta.map_networks(|_, network| spectrum(hessian(problem, network).view(), vectors))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::{SpectrumError, spectrum};

    #[test]
    fn eigenvalues_descend_and_vectors_follow_them() {
        let found = spectrum(array![[1.0, 0.0, 0.0], [0.0, -4.0, 0.0], [0.0, 0.0, 3.0]].view(), 2).unwrap();
        assert!(found.eigenvalues.iter().zip([3.0, 1.0, -4.0]).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?}");
        assert_eq!(found.eigenvectors.dim(), (2, 3));
        assert!((found.eigenvectors[[0, 2]] - 1.0).abs() < 1e-15 && (found.eigenvectors[[1, 0]] - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_matrix_without_a_spectrum_is_an_error_that_says_where() {
        let nan = array![[1.0, f64::NAN], [f64::NAN, 2.0]];
        assert!(matches!(spectrum(nan.view(), 1), Err(SpectrumError::NotFinite { row: 0, column: 1, .. })));
        let infinite = array![[1.0, 0.0], [0.0, f64::INFINITY]];
        assert!(matches!(spectrum(infinite.view(), 1), Err(SpectrumError::NotFinite { row: 1, column: 1, .. })));
        let rectangular = array![[1.0, 2.0]];
        assert_eq!(spectrum(rectangular.view(), 1), Err(SpectrumError::Shape { rows: 1, columns: 2 }));
        assert!(spectrum(array![[0.0, 0.0], [0.0, 0.0]].view(), 9).unwrap().lambda_max().abs() < 1e-300);
    }
}
