//! The Mann-Whitney U test.

use std::f64::consts::SQRT_2;

use super::AnalysisError;
use super::ranks::{Ranks, ranks};

/// The outcome of a two-sided Mann-Whitney U test of samples x and y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// U of x: the number of pairs (x_i, y_j) in which x_i is larger, where a tie counts as one half. U of y is n_x n_y - U.
    pub u: f64,
    /// z = (max(U_x, U_y) - n_x n_y / 2 - 1/2) / s, with 1/2 for continuity and s^2 = n_x n_y / 12 ((n + 1) - sum_k
    /// (t_k^3 - t_k) / (n (n - 1))), t_k the sizes of the groups of ties and n = n_x + n_y. -inf where all values
    /// agree.
    pub z: f64,
    /// The two-sided p-value from the normal distribution, 2 (1 - G(z)), at most 1.
    pub p_value: f64,
}

/// Tests whether values of `x` tend to be higher or lower than those of `y`; equal to SciPy's
/// `mannwhitneyu(x, y, alternative="two-sided", method="asymptotic")`, in O(n log n).
///
/// The normal approximation is meant for more than 8 values on each side.
///
/// # Errors
/// [`AnalysisError::TooFew`] if a side is empty, [`AnalysisError::NotFinite`] for a NaN; infinite values have ranks like
/// any other.
pub fn mann_whitney(x: &[f64], y: &[f64]) -> Result<MannWhitney, AnalysisError> {
    for (side, of) in [(x, "the first sample"), (y, "the second sample")] {
        if side.is_empty() {
            let what = "a Mann-Whitney test";
            return Err(AnalysisError::TooFew { what, of: "value on each side", needed: 1, found: 0 });
        }
        if let Some((index, &value)) = side.iter().enumerate().find(|(_, value)| value.is_nan()) {
            return Err(AnalysisError::NotFinite { of, index, value });
        }
    }
    let Ranks { of, ties } = ranks(&[x, y].concat());
    // Halves and wholes: the sum is exact.
    let rank_sum: f64 = of[..x.len()].iter().sum();
    let (n_x, n_y) = (x.len() as f64, y.len() as f64);
    let (pairs, n) = (n_x * n_y, n_x + n_y);
    let u = rank_sum - n_x * (n_x + 1.0) / 2.0;
    let s = (pairs / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)))).sqrt();
    let z = (u.max(pairs - u) - pairs / 2.0 - 0.5) / s;
    Ok(MannWhitney { u, z, p_value: libm::erfc(z / SQRT_2).min(1.0) })
}
