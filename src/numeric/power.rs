//! Power iteration: the simplest way to `lambda_max`, and a slow one.

use super::{Symmetric, dot, norm, start_vector};

/// What [`power_iteration`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerIteration {
    /// The Rayleigh quotient of the last vector. Never above lambda_1 beyond rounding.
    pub lambda_max: f64,
    /// ||H u - lambda u||: an eigenvalue of H lies within it. Large if the iteration was stopped by `most_products`.
    pub residual: f64,
    /// What was subtracted from the diagonal: 0, or about lambda_D where that has the larger magnitude.
    pub shift: f64,
    /// Products with the matrix.
    pub products: usize,
}

/// `lambda_max` of `matrix` by power iteration from the start vector of `seed`.
///
/// u <- (H - shift) u, normalised, until the residual is at most `tolerance` times |Rayleigh quotient - shift|, or
/// `most_products` products were taken. Unshifted it converges to the eigenvalue of largest magnitude. Where that turns
/// out to be negative, which is lambda_D, it starts again on H - lambda_D I, whose eigenvalues are all >= 0 and of
/// which lambda_1 is the largest. (Near a minimum lambda_1 dominates, and the second run is not needed.)
///
/// Cost: one product per step, plus 6 D flops. Error after k steps: proportional to rho^2k with rho = |lambda_2| /
/// |lambda_1|, the magnitudes of the two eigenvalues that are largest after the shift (Golub and Van Loan, Matrix
/// Computations, Section 8.2); a pair +lambda, -lambda of equal magnitude never converges and ends with a large
/// residual.
pub fn power_iteration(
    matrix: &(impl Symmetric + ?Sized),
    tolerance: f64,
    most_products: usize,
    seed: u64,
) -> PowerIteration {
    let first = run(matrix, 0.0, tolerance, most_products, seed);
    if first.lambda_max < 0.0 && first.products < most_products {
        let second = run(matrix, first.lambda_max, tolerance, most_products - first.products, seed);
        return PowerIteration { products: first.products + second.products, ..second };
    }
    first
}

fn run(
    matrix: &(impl Symmetric + ?Sized),
    shift: f64,
    tolerance: f64,
    most_products: usize,
    seed: u64,
) -> PowerIteration {
    let mut vector = start_vector(matrix.size(), seed);
    let mut product = vec![0.0; vector.len()];
    let mut products = 0;
    loop {
        matrix.apply(&vector, &mut product);
        products += 1;
        product.iter_mut().zip(&vector).for_each(|(y, x)| *y -= shift * x);
        let quotient = dot(&vector, &product);
        let residual = product.iter().zip(&vector).map(|(y, x)| (y - quotient * x).powi(2)).sum::<f64>().sqrt();
        let length = norm(&product);
        // A product of length 0 or NaN leads nowhere; its residual tells which.
        if residual <= tolerance * quotient.abs() || products >= most_products || !length.is_normal() {
            return PowerIteration { lambda_max: quotient + shift, residual, shift, products };
        }
        vector.iter_mut().zip(&product).for_each(|(x, y)| *x = y / length);
    }
}
