//! Bounds on the extreme eigenvalues from tr H and tr H^2 alone.

use std::ops::RangeInclusive;

use serde::Serialize;

use crate::engine::Rounding;

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

/// [`WolkowiczStyan`] bounds that hold as they stand, whatever rounding did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WidenedBounds {
    /// The bounds, each moved outwards by `error`; all NaN where [`no_bound`] gives a reason.
    pub bounds: WolkowiczStyan,
    /// `bound_error`, what the formulas were widened by.
    pub error: f64,
}

/// Why a network has no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoBound {
    /// tr H or tr H^2 overflowed or is NaN.
    NotFinite,
    /// tr H^2 is less than (tr H)^2 / D by more than rounding explains, so one of them is wrong.
    Contradiction,
    /// Rounding may have moved the bounds by more than ||H||_F.
    Rounding,
}

impl NoBound {
    /// The reason, worded as the end of a sentence.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFinite => "the traces are not finite in the engine's precision",
            Self::Contradiction => "tr H^2 is below (tr H)^2 / D",
            Self::Rounding => "the rounding error may exceed ||H||_F",
        }
    }
}

/// An error below this is always accepted: the Hessian is then as good as 0.
const AS_GOOD_AS_ZERO: f64 = 1e-30;

/// The bounds for a symmetric D x D matrix with D = `parameters`, `trace` = tr H and `trace_sq` = tr H^2, straight from
/// the formulas.
///
/// All are NaN where sigma^2 is NaN or negative. They are only as accurate as the traces: at rank 1, where Theorem 1 is
/// an equality, rounding can leave `lambda_sup` below lambda_1. The [`widened_bounds`] always hold.
pub fn wolkowicz_styan(trace: f64, trace_sq: f64, parameters: usize) -> WolkowiczStyan {
    let d = parameters as f64;
    let mu = trace / d;
    around(mu, variance(trace, trace_sq, d), d)
}

/// sigma^2 = tr H^2 / D - mu^2.
fn variance(trace: f64, trace_sq: f64, d: f64) -> f64 {
    trace_sq / d - (trace / d).powi(2)
}

/// The four bounds from mu and sigma^2. D = 1 never occurs: the smallest network, without a hidden layer, has D = 1 +
/// 1, and no rank below 2 is counted with.
fn around(mu: f64, variance: f64, d: f64) -> WolkowiczStyan {
    let sigma = variance.sqrt();
    let far = (d - 1.0).sqrt() * sigma;
    let near = sigma / (d - 1.0).sqrt();
    WolkowiczStyan {
        lambda_sup: mu + far,
        lambda_max_lower: mu + near,
        lambda_min_upper: mu - near,
        lambda_min_lower: mu - far,
    }
}

/// The bounds of [`wolkowicz_styan`], widened by one error that covers `rounding` and the formulas' own rounding in
/// f64: `lambda_sup` and `lambda_min_upper` are larger by it, the two lower bounds smaller.
///
/// With sigma_+^2 and sigma_-^2 the largest and smallest sigma^2 that the rounding allows, cut at 0, the error is ||H -
/// H~||_F + d(tr H) / D + sqrt(D-1) max(sigma_+ - sigma, sigma - sigma_-). A sigma^2 that rounding may have moved below
/// 0 counts as 0.
pub fn widened_bounds(trace: f64, trace_sq: f64, parameters: usize, rounding: &Rounding) -> WidenedBounds {
    let d = parameters as f64;
    let known = |error: f64| if error.is_nan() { f64::INFINITY } else { error };
    let (mu, shift) = (trace / d, known(rounding.trace) / d);
    // The formulas round too: a few units of f64 of each term.
    let formula = 8.0 * f64::EPSILON * (trace_sq / d + mu * mu);
    let found = variance(trace, trace_sq, d);
    let spread = known(rounding.trace_sq) / d + shift * (2.0 * mu.abs() + shift) + formula;
    let sigma = found.max(0.0).sqrt();
    let error = if found + spread < 0.0 {
        f64::NAN
    } else {
        let (largest, smallest) = ((found + spread).sqrt(), (found - spread).max(0.0).sqrt());
        let moved = (d - 1.0).sqrt() * (largest - sigma).max(sigma - smallest);
        known(rounding.hessian) + shift + moved + 8.0 * f64::EPSILON * (mu.abs() + (d - 1.0).sqrt() * sigma)
    };
    let none = no_bound(trace, trace_sq, error);
    let bounds = around(mu, if none.is_some() { f64::NAN } else { found.max(0.0) }, d);
    let WolkowiczStyan { lambda_sup, lambda_max_lower, lambda_min_upper, lambda_min_lower } = bounds;
    WidenedBounds {
        bounds: WolkowiczStyan {
            lambda_sup: lambda_sup + error,
            lambda_max_lower: lambda_max_lower - error,
            lambda_min_upper: lambda_min_upper + error,
            lambda_min_lower: lambda_min_lower - error,
        },
        error,
    }
}

/// Why a network with these values in its columns has no bounds; `None` if it has them.
pub fn no_bound(trace: f64, trace_sq: f64, bound_error: f64) -> Option<NoBound> {
    if !(trace.is_finite() && trace_sq.is_finite()) {
        Some(NoBound::NotFinite)
    } else if bound_error.is_nan() {
        // sigma^2 is below 0 even with all that rounding may have taken from it.
        Some(NoBound::Contradiction)
    } else if bound_error > trace_sq.sqrt() && bound_error > AS_GOOD_AS_ZERO {
        Some(NoBound::Rounding)
    } else {
        None
    }
}

/// The range of tr H^2 that a positive semidefinite Hessian with this trace can have (paper, Proposition 8):
/// (tr H)^2 / D <= tr H^2 <= (tr H)^2.
///
/// The lower end holds for every symmetric matrix. The upper end needs lambda_D >= 0, which a small gradient does not
/// imply: check the smallest eigenvalue before relying on it. The lower end is attained when all eigenvalues are equal,
/// the upper end at rank 1.
pub fn trace_sq_range_if_psd(trace: f64, parameters: usize) -> RangeInclusive<f64> {
    let square = trace * trace;
    square / parameters as f64..=square
}

#[cfg(test)]
mod tests {
    use super::{NoBound, no_bound, widened_bounds, wolkowicz_styan};
    use crate::engine::Rounding;

    /// Proposition 1: with eigenvalues (7, 2, 2, 2) the upper bound is attained, and so is the upper bound of lambda_D.
    #[test]
    fn equal_eigenvalues_but_one_attain_the_bound() {
        let bounds = wolkowicz_styan(13.0, 49.0 + 12.0, 4);
        assert!((bounds.lambda_sup - 7.0).abs() < 1e-14);
        assert!((bounds.lambda_min_upper - 2.0).abs() < 1e-14);
    }

    #[test]
    fn no_formula_hides_a_negative_variance_or_nan() {
        assert!(wolkowicz_styan(4.0, 3.0, 4).lambda_sup.is_nan());
        assert!(wolkowicz_styan(f64::NAN, 1.0, 4).lambda_sup.is_nan());
        assert!(wolkowicz_styan(1.0, f64::NAN, 4).lambda_sup.is_nan());
    }

    /// Traces moved by as much as the rounding says, in either direction: the eigenvalues 7, 2, 2, 2 stay within the
    /// bounds.
    #[test]
    fn widened_bounds_hold_whatever_rounding_did() {
        let rounding = Rounding { hessian: 1e-6, trace: 3e-6, trace_sq: 1e-4 };
        for [trace, trace_sq] in [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]] {
            let (trace, trace_sq) = (13.0 + trace * rounding.trace, 61.0 + trace_sq * rounding.trace_sq);
            let found = widened_bounds(trace, trace_sq, 4, &rounding);
            assert!(
                found.bounds.lambda_sup >= 7.0 + rounding.hessian && found.bounds.lambda_sup < 7.0 + 1e-4,
                "{found:?}"
            );
            assert!(found.bounds.lambda_min_upper >= 2.0 + rounding.hessian, "{found:?}");
            assert!(
                (found.bounds.lambda_sup - wolkowicz_styan(trace, trace_sq, 4).lambda_sup - found.error).abs() < 1e-14
            );
        }
        // All eigenvalues equal: sigma is the root of rounding alone.
        let equal = widened_bounds(8.0, 16.0 - 1e-5, 4, &rounding);
        assert!(equal.bounds.lambda_sup >= 2.0 && equal.bounds.lambda_min_lower <= 2.0, "{equal:?}");
        let exact = widened_bounds(8.0, 16.0, 4, &Rounding::default());
        assert!(exact.bounds.lambda_sup >= 2.0 && exact.error < 1e-6, "{exact:?}");
    }

    #[test]
    fn a_bound_that_cannot_be_formed_is_nan_with_a_reason() {
        let reason = |trace: f64, trace_sq: f64, rounding: Rounding| {
            let found = widened_bounds(trace, trace_sq, 4, &rounding);
            assert!(found.bounds.lambda_sup.is_nan() && found.bounds.lambda_max_lower.is_nan(), "{found:?}");
            no_bound(trace, trace_sq, found.error)
        };
        let exact = Rounding::default();
        assert_eq!(reason(f64::NAN, 1.0, exact), Some(NoBound::NotFinite));
        assert_eq!(reason(1.0, f64::INFINITY, exact), Some(NoBound::NotFinite));
        assert_eq!(reason(4.0, 3.9, exact), Some(NoBound::Contradiction));
        assert_eq!(reason(1e-100, 0.0, exact), Some(NoBound::Contradiction));
        assert_eq!(reason(1.0, 1.0, Rounding { hessian: 2.0, ..exact }), Some(NoBound::Rounding));
        assert_eq!(reason(1.0, 1.0, Rounding { hessian: f64::INFINITY, ..exact }), Some(NoBound::Rounding));
        // A Hessian of zeros has bounds, and one that is nearly zero has bounds the size of its error.
        assert!(widened_bounds(0.0, 0.0, 4, &exact).bounds.lambda_sup.abs() < f64::MIN_POSITIVE);
        let tiny = widened_bounds(0.0, 0.0, 4, &Rounding { hessian: 1e-40, ..exact });
        assert!(tiny.bounds.lambda_sup >= 1e-40);
    }
}
