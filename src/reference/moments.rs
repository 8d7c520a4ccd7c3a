//! The moments of one Hessian, and proofs of how far its extreme eigenvalues are from estimates, from its entries.

use ndarray::{Array1, Array2, ArrayView2};

use crate::engine::{EndEstimates, HessianMoments, Powers, Proof, ProvenEnds, Rayleigh};

/// A symmetric matrix, scaled and centred.
struct Scaled {
    /// C.
    centred: Array2<f64>,
    scale: f64,
    shift: f64,
    /// ||C||_F.
    norm: f64,
}

fn inner(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    // Row by row, so that no sum is longer than 2 D.
    a.outer_iter().zip(b.outer_iter()).map(|(a, b)| a.dot(&b)).sum()
}

fn scaled(hessian: ArrayView2<'_, f64>) -> Scaled {
    let scale = hessian.iter().fold(1e-290_f64, |largest, element| largest.max(element.abs()));
    let mut centred = hessian.mapv(|element| element / scale);
    let shift = centred.diag().sum() / hessian.nrows() as f64;
    centred.diag_mut().mapv_inplace(|element| element - shift);
    Scaled { norm: inner(&centred, &centred).sqrt(), centred, scale, shift }
}

/// The Rayleigh quotient of `vector`.
fn rayleigh(centred: &Array2<f64>, vector: &Array1<f64>) -> Rayleigh {
    let image = centred.dot(vector);
    let length_sq = vector.dot(vector);
    let quotient = vector.dot(&image) / length_sq;
    let residual = image - quotient * vector;
    Rayleigh { quotient, residual: (residual.dot(&residual) / length_sq).sqrt() }
}

/// Power iteration with the positive semidefinite `power`, from its column with the largest diagonal element.
fn iterated(power: &Array2<f64>, products: usize) -> Array1<f64> {
    let start = (0..power.nrows()).max_by(|&a, &b| power[[a, a]].total_cmp(&power[[b, b]])).unwrap_or(0);
    let mut vector = power.column(start).to_owned();
    for _ in 0..=products {
        vector /= vector.dot(&vector).sqrt().max(1e-150);
        vector = power.dot(&vector);
    }
    vector
}

/// The moments of the symmetric `hessian` (D, D), whose entries are within `error` of the exact ones in the Frobenius
/// norm.
///
/// Both vectors of [`HessianMoments::rayleigh`] come from power iteration: one with C^2, or with C^4 where that is at
/// hand, the other with (C - rho)^2, rho the Rayleigh quotient of the first. So they converge to the eigenvector with
/// the largest |eigenvalue| and to that at the other end of the spectrum.
pub fn hessian_moments(hessian: ArrayView2<'_, f64>, powers: Powers, error: f64) -> HessianMoments {
    let parameters = hessian.nrows();
    let Scaled { centred, scale, shift, norm } = scaled(hessian);
    let square = centred.dot(&centred);
    let higher = (powers == Powers::Eight).then(|| [centred.dot(&square), square.dot(&square)]);
    let power = higher.as_ref().map_or(&square, |[_, fourth]| fourth);
    let first = rayleigh(&centred, &iterated(power, 2));
    let rho = first.quotient;
    let opposite = &square - 2.0 * rho * &centred + rho * rho * Array2::eye(parameters);
    let second = rayleigh(&centred, &iterated(&opposite, if higher.is_some() { 4 } else { 2 }));
    let diagonal = centred.diag();
    let discs = centred.outer_iter().zip(diagonal).map(|(row, element)| {
        let radius = row.iter().map(|element| element.abs()).sum::<f64>() - element.abs();
        [element + radius, element - radius]
    });
    let extremes = |[high, low]: [f64; 2], [also, also_low]: [f64; 2]| [high.max(also), low.min(also_low)];
    let none = [f64::NEG_INFINITY, f64::INFINITY];
    HessianMoments {
        parameters,
        scale,
        shift,
        // Maxima leave out NaN; the norm does not.
        norm,
        third_and_fourth: [inner(&centred, &square), inner(&square, &square)],
        sixth_to_eighth: higher
            .as_ref()
            .map(|[cube, fourth]| [inner(cube, cube), inner(cube, fourth), inner(fourth, fourth)]),
        diagonal: diagonal.iter().map(|&element| [element; 2]).fold(none, extremes),
        discs: discs.fold(none, extremes),
        rayleigh: [first, second],
        error,
    }
}

/// Proves how far lambda_1 and lambda_D of the symmetric `hessian` (D, D) are at most from `estimates`; `error` as in
/// [`hessian_moments`].
pub fn proven_ends(hessian: ArrayView2<'_, f64>, estimates: EndEstimates, error: f64) -> ProvenEnds {
    let Scaled { centred, scale, shift, norm } = scaled(hessian);
    let proof = Proof { parameters: hessian.nrows(), scale, shift, norm, error };
    let candidates = proof.candidates(estimates);
    let matrices = [0, 1, 2, 3].map(|which| {
        let sign = if Proof::is_above(which) { -1.0 } else { 1.0 };
        let mut matrix = &centred * sign;
        matrix.diag_mut().mapv_inplace(|element| element - sign * candidates[which]);
        matrix
    });
    let diagonals = [0, 1, 2, 3].map(|which: usize| matrices[which].diag().iter().map(|element| element.abs()).sum());
    proof.ends(candidates, diagonals, matrices.map(|matrix| pivots(&matrix).into_iter()))
}

/// The pivots D of the factorisation `matrix` = L D L^T, up to the first that is not positive.
fn pivots(matrix: &Array2<f64>) -> Vec<f64> {
    let size = matrix.nrows();
    let mut lower = Array2::<f64>::zeros((size, size));
    let mut pivots = Vec::with_capacity(size);
    for row in 0..size {
        let mut scaled = Array1::<f64>::zeros(row);
        for column in 0..row {
            let known = (0..column).map(|k| scaled[k] * lower[[column, k]]).sum::<f64>();
            scaled[column] = matrix[[row, column]] - known;
            lower[[row, column]] = scaled[column] / pivots[column];
        }
        let pivot = matrix[[row, row]] - (0..row).map(|k| scaled[k] * lower[[row, k]]).sum::<f64>();
        pivots.push(pivot);
        let positive = pivot > 0.0;
        if !positive {
            break;
        }
    }
    pivots
}
