//! Brackets of the extreme eigenvalues of a symmetric matrix that is given.

use std::cmp::Ordering;

use ndarray::ArrayView2;

use super::in_f64;
use crate::bounds::{Bracket, bracket};
use crate::engine::{ClosedForms, EndEstimates, LayerTraces, Powers, Rounding};
use crate::reference::{SpectrumError, hessian_moments, proven_ends, spectrum};
use crate::room::{NoRoom, check_memory};
use crate::spec::Brackets;

/// Why a matrix has no bracket.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MatrixError {
    /// No rows, or not as many columns.
    #[error("the matrix has the shape ({rows}, {columns}): it must be square and not empty")]
    Shape {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// An element is NaN or infinite.
    #[error("matrix[{row}, {column}] is {value}: every element must be finite")]
    NotFinite {
        /// Row of the first such element.
        row: usize,
        /// Its column.
        column: usize,
        /// The value found.
        value: f64,
    },
    /// An element and the one opposite are not equal.
    #[error(
        "the matrix is not symmetric: matrix[{row}, {column}] is {value:e} and matrix[{column}, {row}] is \
         {opposite:e}; bounds of (matrix + matrix.T) / 2 may be asked for"
    )]
    NotSymmetric {
        /// Row of the first such element below the diagonal.
        row: usize,
        /// Its column.
        column: usize,
        /// The value found.
        value: f64,
        /// The value opposite.
        opposite: f64,
    },
    /// The products of D x D matrices do not fit memory.
    #[error(transparent)]
    Room(#[from] NoRoom),
    /// The eigenvalues around which a narrow bracket would be proven were not found.
    #[error(transparent)]
    Spectrum(#[from] SpectrumError),
}

/// Provably holding bounds of lambda_1 and lambda_D of the symmetric `matrix` (D, D), rounding included, with as much
/// work as is `asked` for; see [`crate::bounds::bracket`]. The matrix is taken as exact.
///
/// # Errors
/// [`MatrixError`] for a matrix that is empty, not square, not finite or not symmetric, and where memory or the
/// eigenvalue solver fails.
pub fn bracket_of_matrix(matrix: ArrayView2<'_, f64>, asked: Brackets) -> Result<Bracket, MatrixError> {
    let (rows, columns) = matrix.dim();
    if rows != columns || rows == 0 {
        return Err(MatrixError::Shape { rows, columns });
    }
    if let Some(((row, column), &value)) = matrix.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(MatrixError::NotFinite { row, column, value });
    }
    let differs = |&((row, column), value): &((usize, usize), &f64)| {
        column < row && value.partial_cmp(&matrix[[column, row]]).is_none_or(Ordering::is_ne)
    };
    if let Some(((row, column), &value)) = matrix.indexed_iter().find(differs) {
        return Err(MatrixError::NotSymmetric { row, column, value, opposite: matrix[[column, row]] });
    }
    // C, its powers, and the matrices of a proof.
    check_memory(&format!("brackets of a {rows} x {rows} matrix"), 8 * 12 * (rows as u64).saturating_pow(2))?;
    let forms = closed_forms(matrix);
    let powers = if asked == Brackets::Eight { Powers::Eight } else { Powers::Four };
    let moments = hessian_moments(matrix, powers, 0.0);
    let found = bracket(&forms, rows, &moments, None);
    let Brackets::Width(width) = asked else { return Ok(found) };
    if found.width() <= width && found.min_width() <= width {
        return Ok(found);
    }
    let eigenvalues = spectrum(matrix, 0)?;
    let (lambda_max, lambda_min) = (eigenvalues.lambda_max(), eigenvalues.lambda_min());
    let within = in_f64(moments.hessian_norm(), rows);
    let proven = proven_ends(matrix, EndEstimates { lambda_max, lambda_min, within }, 0.0);
    Ok(bracket(&forms, rows, &moments, Some(&proven)))
}

/// The traces of `matrix` and its square. A sum of n terms is off by at most n u times the sum of their magnitudes.
fn closed_forms(matrix: ArrayView2<'_, f64>) -> ClosedForms {
    let unit = f64::EPSILON / 2.0;
    let parameters = matrix.nrows() as f64;
    let diagonal = matrix.diag();
    let trace_sq: f64 = matrix.outer_iter().map(|row| row.dot(&row)).sum();
    let rounding = Rounding {
        hessian: 0.0,
        trace: 1.01 * parameters * unit * diagonal.iter().map(|element| element.abs()).sum::<f64>(),
        // Row by row: a square goes through at most 2 D additions. What underflows is below 1e-240.
        trace_sq: 1.01 * (2.0 * parameters + 2.0) * unit * trace_sq + 1e-240,
    };
    // No gradient and no loss belong to a matrix, and no bracket needs them.
    let layer_trace = LayerTraces::new([diagonal.sum()]);
    ClosedForms { loss: f64::NAN, gradient_sq: f64::NAN, layer_trace, trace_sq, rounding }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::{MatrixError, bracket_of_matrix};
    use crate::reference::spectrum;
    use crate::spec::Brackets;

    #[test]
    fn brackets_of_a_matrix_hold_its_extreme_eigenvalues() {
        for size in [1, 2, 3, 7, 20] {
            for scale in [1e-120, 1.0, 1e100] {
                let wave = |k: usize| ((k * k + 3 * k + 1) as f64 * 0.77).sin();
                let matrix = Array2::from_shape_fn((size, size), |(i, j)| scale * (wave(i + j) + wave(i * j) * 0.3));
                let eigenvalues = spectrum(matrix.view(), 0).unwrap();
                let norm = scale * size as f64;
                for asked in [Brackets::Four, Brackets::Eight, Brackets::Width(1e-9)] {
                    let found = bracket_of_matrix(matrix.view(), asked).unwrap();
                    let (max, min, near) = (eigenvalues.lambda_max(), eigenvalues.lambda_min(), 1e-13 * norm);
                    assert!(found.lower.bound <= max + near && found.upper.bound >= max - near, "{size} {asked:?}");
                    assert!(found.min_lower.bound <= min + near && found.min_upper.bound >= min - near);
                    if let Brackets::Width(width) = asked {
                        assert!(found.width() <= width, "{size} {scale}: {}", found.width());
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_symmetric_matrix_is_refused_with_its_place() {
        let refused = |matrix: Array2<f64>| bracket_of_matrix(matrix.view(), Brackets::Four).unwrap_err();
        assert!(matches!(refused(Array2::zeros((0, 0))), MatrixError::Shape { .. }));
        assert!(matches!(refused(Array2::zeros((2, 3))), MatrixError::Shape { rows: 2, columns: 3 }));
        assert!(matches!(refused(array![[1.0, f64::NAN], [0.0, 1.0]]), MatrixError::NotFinite { column: 1, .. }));
        let refused = refused(array![[1.0, 2.0], [2.5, 1.0]]);
        assert!(matches!(refused, MatrixError::NotSymmetric { row: 1, column: 0, .. }), "{refused}");
    }
}
