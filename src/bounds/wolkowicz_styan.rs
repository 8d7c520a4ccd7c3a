//! Bounds on the extreme eigenvalues from tr H and tr H^2 alone.

use std::ops::RangeInclusive;

/// Bounds on the largest and smallest eigenvalue from tr H and tr H^2 (paper, Theorem 1; Wolkowicz and Styan 1980).
///
/// With mu = tr H / D and sigma^2 = tr H^2 / D - mu^2:
/// mu + sigma / sqrt(D-1) <= lambda_1 <= mu + sqrt(D-1) sigma and
/// mu - sqrt(D-1) sigma <= lambda_D <= mu - sigma / sqrt(D-1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WolkowiczStyan {
    /// `lambda_sup`, the upper bound of the largest eigenvalue lambda_1.
    pub lambda_sup: f64,
    /// The lower bound of lambda_1.
    pub lambda_max_lower: f64,
    /// The upper bound of the smallest eigenvalue lambda_D.
    pub lambda_min_upper: f64,
    /// The lower bound of lambda_D.
    pub lambda_min_lower: f64,
}

/// The bounds for a symmetric D x D matrix with D = `parameters`, `trace` = tr H and `trace_sq` = tr H^2.
///
/// sigma^2 is cut at 0, where rounding of the traces could leave it just below; NaN stays NaN.
pub fn wolkowicz_styan(trace: f64, trace_sq: f64, parameters: usize) -> WolkowiczStyan {
    let d = parameters as f64;
    let mu = trace / d;
    let variance = trace_sq / d - mu * mu;
    let sigma = if variance < 0.0 { 0.0 } else { variance.sqrt() };
    let far = (d - 1.0).sqrt() * sigma;
    // D = 1 never occurs: the smallest network has D = (1+1) 1 + 1+1 = 4.
    let near = sigma / (d - 1.0).sqrt();
    WolkowiczStyan {
        lambda_sup: mu + far,
        lambda_max_lower: mu + near,
        lambda_min_upper: mu - near,
        lambda_min_lower: mu - far,
    }
}

/// The range of tr H^2 that a positive semidefinite Hessian with this trace can have (paper, Proposition 8):
/// (tr H)^2 / D <= tr H^2 <= (tr H)^2.
///
/// The lower end holds for every symmetric matrix; the upper end needs lambda_D >= 0, which a small gradient does not
/// imply: check the smallest eigenvalue before relying on it. Equality holds below when all eigenvalues agree, above at
/// rank 1.
pub fn trace_sq_range_if_psd(trace: f64, parameters: usize) -> RangeInclusive<f64> {
    let square = trace * trace;
    square / parameters as f64..=square
}

#[cfg(test)]
mod tests {
    use super::wolkowicz_styan;

    /// Proposition 1: with eigenvalues (7, 2, 2, 2) the upper bound is attained, and so is the upper bound of lambda_D.
    #[test]
    fn equal_eigenvalues_but_one_attain_the_bound() {
        let bounds = wolkowicz_styan(13.0, 49.0 + 12.0, 4);
        assert!((bounds.lambda_sup - 7.0).abs() < 1e-14);
        assert!((bounds.lambda_min_upper - 2.0).abs() < 1e-14);
    }

    #[test]
    fn rounding_below_zero_variance_is_no_nan_and_nan_stays_nan() {
        let bounds = wolkowicz_styan(4.0, 4.0 - 1e-15, 4);
        assert!((bounds.lambda_sup - 1.0).abs() < 1e-7);
        assert!(wolkowicz_styan(f64::NAN, 1.0, 4).lambda_sup.is_nan());
        assert!(wolkowicz_styan(1.0, f64::NAN, 4).lambda_sup.is_nan());
    }
}
