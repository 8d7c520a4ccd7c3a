//! Quantiles, as NumPy's `quantile` computes them by default.

use super::AnalysisError;

/// The quantiles of `values` at every one of `levels` (0 to 1), in the order of the levels, by NumPy's default
/// ("linear"): with the n values sorted, level q stands at position q (n - 1), and between two values the line joining
/// them is taken.
///
/// Infinite values are allowed: a quantile between a finite and an infinite value is infinite (NumPy has NaN in places
/// there), one between -inf and inf is NaN.
///
/// # Errors
/// [`AnalysisError::TooFew`] for no values, [`AnalysisError::NotFinite`] for a NaN, [`AnalysisError::Level`] for a level
/// outside 0 to 1.
pub fn quantiles(values: &[f64], levels: &[f64]) -> Result<Vec<f64>, AnalysisError> {
    if values.is_empty() {
        return Err(AnalysisError::TooFew { what: "a quantile", of: "value", needed: 1, found: 0 });
    }
    if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| value.is_nan()) {
        return Err(AnalysisError::NotFinite { of: "the quantile's values", index, value });
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    levels.iter().map(|&level| of_sorted(&sorted, level)).collect()
}

/// The quantile of `values` at level 1/2.
///
/// # Errors
/// As [`quantiles`].
pub fn median(values: &[f64]) -> Result<f64, AnalysisError> {
    Ok(quantiles(values, &[0.5])?[0])
}

fn of_sorted(sorted: &[f64], level: f64) -> Result<f64, AnalysisError> {
    if !(0.0..=1.0).contains(&level) {
        return Err(AnalysisError::Level { level });
    }
    let position = level * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    let weight = position - position.floor();
    // Equal infinite neighbours, or a weight of 0 beside an infinite one, have no difference that could be weighted.
    if low.total_cmp(&high).is_eq() || weight <= 0.0 {
        return Ok(low);
    }
    // From the nearer end, as NumPy does, so that both ends are met exactly.
    let step = high - low;
    if step.is_infinite() {
        return Ok(low * (1.0 - weight) + high * weight);
    }
    Ok(if weight < 0.5 { low + step * weight } else { high - step * (1.0 - weight) })
}
