//! Spearman's rank correlation.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::AnalysisError;
use super::ranks::ranks;

/// Spearman's rank correlation of paired values x and y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankCorrelation {
    /// How many pairs.
    pub pairs: usize,
    /// rho, the correlation coefficient of the ranks, ties at their mean rank; NaN where all values of x or of y agree.
    pub rho: f64,
    /// The two-sided p-value of no association: t = rho sqrt((n - 2) / (1 - rho^2)) by Student's distribution with n -
    /// 2 degrees of freedom, which is an approximation for few pairs; NaN for two pairs and where rho is.
    pub p_value: f64,
}

/// Whether `y` tends to rise or fall with `x`, in O(n log n); equal to SciPy's `spearmanr`.
///
/// # Errors
/// [`AnalysisError::Unpaired`] for lists of different lengths, [`AnalysisError::TooFew`] for fewer than two pairs,
/// [`AnalysisError::NotFinite`] for a NaN; infinite values have ranks like any other.
pub fn rank_correlation(x: &[f64], y: &[f64]) -> Result<RankCorrelation, AnalysisError> {
    if x.len() != y.len() {
        return Err(AnalysisError::Unpaired { first: x.len(), second: y.len() });
    }
    if x.len() < 2 {
        let (what, of) = ("a rank correlation", "pairs");
        return Err(AnalysisError::TooFew { what, of, needed: 2, found: x.len() });
    }
    for (values, of) in [(x, "the first of the pairs"), (y, "the second of the pairs")] {
        if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| value.is_nan()) {
            return Err(AnalysisError::NotFinite { of, index, value });
        }
    }
    let (x, y) = (ranks(x).of, ranks(y).of);
    // The mean of the ranks 1 .. n, ties or not.
    let pairs = x.len();
    let mean = f64::midpoint(pairs as f64, 1.0);
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    // Rounding can carry it beyond 1.
    let rho = (sum(&x, &y) / (sum(&x, &x) * sum(&y, &y)).sqrt()).clamp(-1.0, 1.0);
    let freedom = pairs as f64 - 2.0;
    let t = rho.abs() * (freedom / ((1.0 - rho) * (1.0 + rho))).sqrt();
    let p_value = match StudentsT::new(0.0, 1.0, freedom) {
        Ok(_) if rho.is_nan() => f64::NAN,
        Ok(_) if t.is_infinite() => 0.0,
        Ok(student) => 2.0 * student.sf(t),
        // No degree of freedom is left.
        Err(_) => f64::NAN,
    };
    Ok(RankCorrelation { pairs, rho, p_value })
}

#[cfg(test)]
mod tests {
    use super::rank_correlation;
    use crate::analysis::AnalysisError;

    /// x, y, rho and p.
    type Case = (Vec<f64>, Vec<f64>, f64, f64);

    #[test]
    fn the_correlation_is_that_of_scipy() {
        // scipy.stats.spearmanr (1.17) of the same values.
        let x: Vec<f64> = (0..40).map(|k| f64::from(k * 17 % 40)).collect();
        let y: Vec<f64> = (0..40).map(|k| f64::from(k * 17 % 40 / 7 - k * 11 % 5)).collect();
        let cases: [Case; 4] = [
            (x.clone(), y.clone(), 0.7341221497352138, 7.015173163080381e-08),
            (x.clone(), x.iter().map(|x| (x - 20.0).powi(2)).collect(), -0.07323602744407072, 0.6533583344689867),
            (vec![1.0, 2.0, 2.0, 4.0, 9.0], vec![0.3, 0.2, 0.2, -0.0, 0.0], -0.9733285267845753, 0.005207858944662805),
            (
                x.clone(),
                x.iter().map(|x| if *x < 4.0 { 3.0 - x } else { *x }).collect(),
                0.9981238273921202,
                1.0327013080873988e-47,
            ),
        ];
        for (x, y, rho, p_value) in cases {
            let found = rank_correlation(&x, &y).unwrap();
            assert_eq!(found.pairs, x.len());
            assert!((found.rho - rho).abs() <= 1e-12, "{found:?} {rho}");
            assert!((found.p_value - p_value).abs() <= 1e-9 * p_value, "{found:?} {p_value}");
        }
    }

    #[test]
    fn what_has_no_correlation_is_told() {
        assert!(rank_correlation(&[1.0, 2.0, 3.0], &[5.0; 3]).unwrap().rho.is_nan());
        assert!(rank_correlation(&[1.0, 2.0], &[1.0, 2.0]).unwrap().p_value.is_nan());
        assert!(matches!(rank_correlation(&[1.0], &[1.0]), Err(AnalysisError::TooFew { found: 1, .. })));
        assert!(matches!(rank_correlation(&[1.0], &[]), Err(AnalysisError::Unpaired { first: 1, second: 0 })));
        let error = rank_correlation(&[1.0, 2.0], &[1.0, f64::NAN]).unwrap_err().to_string();
        assert!(error.contains("value 1 of the second of the pairs"), "{error}");
    }
}
