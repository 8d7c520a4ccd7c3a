//! The roots behind the bounds of lambda_1 from three and four moments, as [`super::bracket`] has them.

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
    use super::{largest_root, orthogonal_root};

    /// gamma and kappa of eigenvalues with mean 0 and variance 1.
    fn skewness_and_kurtosis(eigenvalues: &[f64]) -> [f64; 2] {
        let d = eigenvalues.len() as f64;
        let mean = eigenvalues.iter().sum::<f64>() / d;
        let central = |power: i32| eigenvalues.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / d;
        [central(3) / central(2).powf(1.5), central(4) / central(2).powi(2)]
    }

    #[test]
    fn two_distinct_eigenvalues_attain_the_lower_bound() {
        // 5, 5, 1, 1, 1: mean 2.6, variance 3.84.
        let [gamma, _] = skewness_and_kurtosis(&[5.0, 5.0, 1.0, 1.0, 1.0]);
        assert!((2.6 + 3.84_f64.sqrt() * orthogonal_root(gamma) - 5.0).abs() < 1e-13);
    }

    #[test]
    fn one_eigenvalue_above_two_others_attains_the_upper_bound() {
        // Mass exactly 1/D at lambda_1 and two more points: all of the measure is in the three polynomials.
        let [gamma, kappa] = skewness_and_kurtosis(&[9.0, 2.0, 2.0, -1.0, -1.0, -1.0]);
        // Their mean is 5/3, their variance 92/6 - 25/9 = 113/9.
        let root = largest_root(gamma, kappa - gamma * gamma - 1.0, 6.0);
        assert!((5.0 / 3.0 + (113.0_f64 / 9.0).sqrt() * root - 9.0).abs() < 1e-12);
        assert!(largest_root(f64::NAN, 1.0, 6.0).is_nan());
    }
}
