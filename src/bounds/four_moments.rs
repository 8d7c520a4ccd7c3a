//! Bounds of lambda_1 from four moments of the spectrum: one more D x D product than Wolkowicz-Styan, and much tighter.
//!
//! With mu and sigma the mean and the standard deviation of the D eigenvalues, gamma = m_3 / sigma^3 and kappa = m_4 /
//! sigma^4:
//!
//! - Upper, four moments: lambda_1 <= mu + sigma u*, where u* is the largest root of (u^2 - gamma u - 1)^2 + d (u^2 +
//!   1 - D) = 0 and d = kappa - gamma^2 - 1 >= 0. The spectral measure has mass at least 1/D at lambda_1, so the
//!   squares of its orthonormal polynomials there sum to at most D: 1 + u^2 <= D is Wolkowicz-Styan, and 1 + u^2 +
//!   (u^2 - gamma u - 1)^2 / d <= D is this bound. So u* <= sqrt(D-1).
//! - Lower, three moments: lambda_1 >= mu + sigma (gamma + sqrt(gamma^2 + 4)) / 2.

use ndarray::{Array2, ArrayView2};

/// Mean, standard deviation, skewness and kurtosis of the D eigenvalues of a symmetric matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpectralMoments {
    /// D, the number of eigenvalues.
    pub parameters: usize,
    /// mu = tr H / D.
    pub mean: f64,
    /// sigma, with sigma^2 = tr (H - mu)^2 / D.
    pub deviation: f64,
    /// gamma = m_3 / sigma^3, with m_3 = tr (H - mu)^3 / D; 0 where sigma is 0.
    pub skewness: f64,
    /// kappa = m_4 / sigma^4, with m_4 = tr (H - mu)^4 / D; 0 where sigma is 0.
    pub kurtosis: f64,
}

impl SpectralMoments {
    /// The moments of a symmetric `hessian` (D, D): with C = (H - mu) / ||H - mu||_F, gamma = sqrt(D) <C, C^2> and
    /// kappa = D ||C^2||_F^2.
    ///
    /// Subtracting mu first keeps what the raw traces tr H^3 and tr H^4 would lose to cancellation, and the division
    /// keeps the fourth power of a small Hessian from underflowing.
    pub fn of(hessian: ArrayView2<'_, f64>) -> Self {
        let parameters = hessian.nrows();
        let d = parameters as f64;
        let mean = hessian.diag().sum() / d;
        let mut centred = hessian.to_owned();
        centred.diag_mut().mapv_inplace(|h| h - mean);
        let inner = |a: &Array2<f64>, b: &Array2<f64>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let norm = inner(&centred, &centred).sqrt();
        if norm > 0.0 {
            centred /= norm;
        }
        let square = centred.dot(&centred);
        Self {
            parameters,
            mean,
            deviation: norm / d.sqrt(),
            skewness: d.sqrt() * inner(&centred, &square),
            kurtosis: d * inner(&square, &square),
        }
    }
}

/// Bounds of lambda_1 from four moments, and how far rounding may have moved the upper one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FourMomentBounds {
    /// lambda_1 <= this in exact arithmetic; never above lambda_sup.
    pub lambda_max_upper: f64,
    /// lambda_1 >= this in exact arithmetic (three moments).
    pub lambda_max_lower: f64,
    /// lambda_1 <= `lambda_max_upper` + this, rounding of the moments included: the sum is certified.
    pub upper_error: f64,
}

/// The four-moment upper and the three-moment lower bound of lambda_1. The moments must come from
/// [`SpectralMoments::of`], or from the same sums in arithmetic with unit roundoff `roundoff` (f64: 2^-53, f32: 2^-24).
///
/// The stated error is a worst case to first order. With e = `roundoff` and F = ||H||_F = sqrt(D (mu^2 + sigma^2)):
/// summing D diagonal elements moves mu by at most sqrt(D) e F. With the rounding of H - mu, this moves C by at most
/// eta = 2 sqrt(D) e F / sigma relative to ||C||_F; the sums behind the moments add D^2 e relative to ||C||_F^k. So
/// sigma is off by at most (eta + D^2 e) sigma, gamma by sqrt(D) (6 eta + D^2 e) and kappa by sqrt(kappa D) (8 eta + 2
/// D^2 e). u* grows with gamma at fixed d and with d, so the bound at the upper ends of gamma and d holds for certain,
/// and u* <= sqrt(D-1) always. It covers the moments of the matrix as given: an error of the Hessian itself moves
/// lambda_1 by up to its Frobenius norm (Weyl) and must be added.
///
/// All values are mu where sigma = 0 (all eigenvalues are equal), up to the stated error; NaN stays NaN.
pub fn four_moment_bounds(moments: &SpectralMoments, roundoff: f64) -> FourMomentBounds {
    let SpectralMoments { parameters, mean, deviation: sigma, skewness: gamma, kurtosis: kappa } = *moments;
    let d = parameters as f64;
    let norm = (d * (mean * mean + sigma * sigma)).sqrt();
    let mean_error = d.sqrt() * roundoff * norm;
    let largest = (d - 1.0).sqrt();
    let eta = 2.0 * mean_error / sigma;
    let sums = d * d * roundoff;
    if sigma <= 0.0 || eta >= 0.1 {
        // The moments above the first are pure rounding: only the Wolkowicz-Styan bound can be given.
        let sigma_error = 2.0 * d.sqrt() * mean_error + sums * sigma;
        return FourMomentBounds {
            lambda_max_upper: mean + largest * sigma,
            lambda_max_lower: mean,
            upper_error: mean_error + largest * sigma_error,
        };
    }
    let excess = (kappa - gamma * gamma - 1.0).max(0.0);
    let root = largest_root(gamma, excess, d);

    let gamma_error = d.sqrt() * (6.0 * eta + sums);
    let kappa_error = (kappa * d).sqrt() * (8.0 * eta + 2.0 * sums);
    let excess_error = kappa_error + (2.0 * gamma.abs() + gamma_error) * gamma_error;
    let certain = largest_root(gamma + gamma_error, excess + excess_error, d);
    let sigma_error = (eta + sums) * sigma;
    FourMomentBounds {
        lambda_max_upper: mean + sigma * root,
        lambda_max_lower: mean + sigma * orthogonal_root(gamma),
        upper_error: (certain - root) * sigma + certain * sigma_error + mean_error,
    }
}

/// The positive root of u^2 - gamma u - 1 = 0.
pub(super) fn orthogonal_root(gamma: f64) -> f64 {
    let far = f64::midpoint(gamma.abs(), (gamma * gamma + 4.0).sqrt());
    // The roots multiply to -1: for gamma < 0 the small one would cancel.
    if gamma < 0.0 { 1.0 / far } else { far }
}

/// The largest root u* <= sqrt(D-1) of (u^2 - gamma u - 1)^2 = d (D - 1 - u^2), from above by at most one rounding.
///
/// There u^2 - gamma u - 1 >= 0, so it is the root of q(u) = u^2 - gamma u - 1 - sqrt(d (D - 1 - u^2)), which grows
/// from q <= 0 at the positive root of u^2 - gamma u - 1 to q >= 0 at sqrt(D-1). Bisection cannot miss it, not even
/// when d is near 0, where the quartic has a double root and Newton's method slows down.
pub(super) fn largest_root(gamma: f64, excess: f64, parameters: f64) -> f64 {
    let (mut below, mut above) = (orthogonal_root(gamma), (parameters - 1.0).sqrt());
    if gamma.is_nan() || excess.is_nan() {
        return f64::NAN;
    }
    // Rounding, or a widened gamma, can lift the lower end past the upper one, which holds for every matrix.
    while below < above {
        let middle = f64::midpoint(below, above);
        if middle <= below || middle >= above {
            break;
        }
        let remainder = (excess * (parameters - 1.0 - middle * middle)).max(0.0).sqrt();
        if middle * middle - gamma * middle - 1.0 >= remainder {
            above = middle;
        } else {
            below = middle;
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::{SpectralMoments, four_moment_bounds};

    const ROUNDOFF: f64 = f64::EPSILON / 2.0;

    fn of_spectrum(eigenvalues: &[f64]) -> SpectralMoments {
        SpectralMoments::of(Array2::from_diag(&Array1::from(eigenvalues.to_vec())).view())
    }

    #[test]
    fn two_distinct_eigenvalues_attain_the_lower_bound() {
        let bounds = four_moment_bounds(&of_spectrum(&[5.0, 5.0, 1.0, 1.0, 1.0]), ROUNDOFF);
        assert!((bounds.lambda_max_lower - 5.0).abs() < 1e-13, "{bounds:?}");
    }

    #[test]
    fn one_eigenvalue_above_two_others_attains_the_upper_bound() {
        // Mass exactly 1/D at lambda_1 and two more points: all of the measure is in the three polynomials.
        let bounds = four_moment_bounds(&of_spectrum(&[9.0, 2.0, 2.0, -1.0, -1.0, -1.0]), ROUNDOFF);
        assert!((bounds.lambda_max_upper - 9.0).abs() < 1e-12, "{bounds:?}");
        assert!(bounds.lambda_max_upper + bounds.upper_error >= 9.0 && bounds.upper_error < 1e-10, "{bounds:?}");
    }

    #[test]
    fn equal_eigenvalues_give_that_eigenvalue_and_nan_stays_nan() {
        let bounds = four_moment_bounds(&of_spectrum(&[0.1; 7]), ROUNDOFF);
        assert!(
            (bounds.lambda_max_upper - 0.1).abs() <= bounds.upper_error && bounds.upper_error < 1e-13,
            "{bounds:?}"
        );
        let zero = four_moment_bounds(&of_spectrum(&[0.0; 7]), ROUNDOFF);
        assert!(zero.lambda_max_upper.abs() < f64::MIN_POSITIVE && zero.upper_error.abs() < f64::MIN_POSITIVE);
        assert!(four_moment_bounds(&of_spectrum(&[1.0, f64::NAN]), ROUNDOFF).lambda_max_upper.is_nan());
    }
}
