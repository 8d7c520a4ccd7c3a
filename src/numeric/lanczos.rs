//! The Lanczos method: both ends of the spectrum from a few products with the matrix.

use nalgebra::DMatrix;

use super::{Symmetric, dot, norm, start_vector};
use crate::reference::symmetric_eigen;

/// What [`lanczos`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Extremes {
    /// The largest Ritz value. Never above lambda_1 beyond rounding.
    pub lambda_max: f64,
    /// The smallest Ritz value. Never below lambda_D beyond rounding.
    pub lambda_min: f64,
    /// ||H u - lambda u|| of the Ritz pairs of `lambda_max` and of `lambda_min`: an eigenvalue of H lies within it.
    pub residuals: [f64; 2],
    /// Products with the matrix.
    pub products: usize,
}

/// The largest and the smallest eigenvalue of `matrix` by the Lanczos method with full reorthogonalisation.
///
/// Stops when both residuals are at most `tolerance` times the largest |Ritz value|, when the Krylov space is
/// invariant, or after `most_products` (at most D) products. The start vector is that of `seed`.
///
/// Cost: k products and about 8 D k^2 flops to reorthogonalise twice. Error of lambda_1 after k steps: at most
/// (lambda_1 - lambda_D) (tan(start, u_1) / T_{k-1}(1 + 2 gap))^2 with the Chebyshev polynomial T and gap = (lambda_1 -
/// lambda_2) / (lambda_2 - lambda_D) (Kaniel 1966, Saad 1980; Golub and Van Loan, Matrix Computations, Section 10.1);
/// at k = D only rounding is left. An eigenvalue is found whatever its multiplicity, but only once.
///
/// NaN in a product gives NaN in both values.
pub fn lanczos(matrix: &(impl Symmetric + ?Sized), tolerance: f64, most_products: usize, seed: u64) -> Extremes {
    let size = matrix.size();
    let mut basis: Vec<Vec<f64>> = vec![start_vector(size, seed)];
    let (mut diagonal, mut off_diagonal): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut product = vec![0.0; size];
    let most = most_products.clamp(1, size);
    let mut next_check = 1;
    loop {
        let products = diagonal.len() + 1;
        let last = &basis[products - 1];
        matrix.apply(last, &mut product);
        diagonal.push(dot(last, &product));
        // In exact arithmetic this is the three-term recurrence; in rounded arithmetic, two passes against the whole
        // basis are enough.
        for _ in 0..2 {
            for vector in &basis {
                let along = dot(vector, &product);
                product.iter_mut().zip(vector).for_each(|(x, v)| *x -= along * v);
            }
        }
        let length = norm(&product);
        // If only rounding is left of the product, the space is invariant, and its extremes are those of the matrix.
        let scale = diagonal.iter().chain(&off_diagonal).fold(0.0_f64, |largest, x| largest.max(x.abs()));
        let invariant = length <= 1e-14 * scale * (size as f64).sqrt();
        let done = products == most || invariant || !length.is_finite();
        // The projection's eigenvalues are cheap beside a product only if they are not computed at every step.
        if done || products == next_check {
            next_check += (products / 4).max(1);
            let found = extremes(&diagonal, &off_diagonal, length);
            let largest = found.lambda_max.abs().max(found.lambda_min.abs());
            if done || found.residuals.iter().all(|&residual| residual <= tolerance * largest) {
                return found;
            }
        }
        off_diagonal.push(length);
        basis.push(product.iter().map(|x| x / length).collect());
    }
}

/// The extremes of the tridiagonal projection; `length` is that of the last product's part outside the space.
fn extremes(diagonal: &[f64], off_diagonal: &[f64], length: f64) -> Extremes {
    let size = diagonal.len();
    let projection = DMatrix::from_fn(size, size, |row, column| match row.abs_diff(column) {
        0 => diagonal[row],
        1 => off_diagonal[row.min(column)],
        _ => 0.0,
    });
    let nothing = Extremes { lambda_max: f64::NAN, lambda_min: f64::NAN, residuals: [f64::NAN; 2], products: size };
    if !length.is_finite() || projection.iter().any(|x| !x.is_finite()) {
        return nothing;
    }
    let Some(eigen) = symmetric_eigen(projection) else { return nothing };
    let (largest, smallest) = (eigen.values.imax(), eigen.values.imin());
    let residual = |column| length * eigen.vectors[(size - 1, column)].abs();
    Extremes {
        lambda_max: eigen.values[largest],
        lambda_min: eigen.values[smallest],
        residuals: [residual(largest), residual(smallest)],
        products: size,
    }
}
