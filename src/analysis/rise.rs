//! Whether a descent goes on downwards, and the step with which it would.

use crate::polish::Objective;

/// The steps that are looked at: a descent that leaps to and fro raises the loss in every other one.
pub const STEPS: usize = 4;

/// The shortest step that is tried, as a power of ten.
const SHORTEST: i32 = -30;

/// Where a step theta - eta g of the descent raises the objective F, with g = dF/dtheta, and which step would lower it;
/// all in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Rise {
    /// The weights before that step, (D,).
    pub theta: Vec<f64>,
    /// The longest step eta, among 3 and 1 times powers of ten and below that of the descent, that lowers F by
    /// at least half of what it would on a straight slope, (eta/2) g.g; `None` where no step down to 10^-30 does.
    pub fits: Option<f64>,
}

impl Rise {
    /// The first such step among the next [`STEPS`] of the descent from `theta` (D,) with step size eta = `step`, if
    /// there is one.
    pub fn of(objective: Objective<'_>, theta: &[f64], step: f64) -> Option<Self> {
        let mut theta = theta.to_vec();
        let mut here = objective.value(&theta);
        for _ in 0..STEPS {
            let gradient = objective.gradient(&theta);
            let moved =
                |step: f64| -> Vec<f64> { theta.iter().zip(&gradient).map(|(theta, g)| theta - step * g).collect() };
            let next = moved(step);
            let there = objective.value(&next);
            // Sums of this size round by about this much. NaN counts as risen, too.
            let rounding = 1e-12 * here;
            if there <= here + rounding {
                (theta, here) = (next, there);
                continue;
            }
            let gradient_sq: f64 = gradient.iter().map(|g| g * g).sum();
            let falls = |step: f64| objective.value(&moved(step)) <= here - 0.5 * step * gradient_sq + rounding;
            let decade = step.log10().ceil() as i32;
            let mut shorter = (SHORTEST..=decade).rev().flat_map(|k| [3.0, 1.0].map(|digit| digit * 10_f64.powi(k)));
            let fits = shorter.find(|&shorter| shorter < step && falls(shorter));
            return Some(Self { theta, fits });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Rise;
    use crate::model::{Activation, Problem, Stream, appendix_c, initial_theta};
    use crate::polish::Objective;

    #[test]
    fn a_step_that_is_too_long_is_found_and_one_that_fits_lowers_the_loss() {
        let problem = Problem::new(3, Activation::Tanh, appendix_c(20, 0, Stream::TrainData).unwrap());
        let theta: Vec<f64> = initial_theta(problem.network.parameters(), 1, 1.0).into_iter().map(f64::from).collect();
        let objective = Objective { problem: &problem, weight_decay: 1e-3 };
        assert_eq!(Rise::of(objective, &theta, 1e-4), None);
        let Some(Rise { theta: before, fits: Some(fits) }) = Rise::of(objective, &theta, 1e3) else { panic!() };
        let slope = objective.gradient(&before);
        let after = |step: f64| -> Vec<f64> { before.iter().zip(&slope).map(|(theta, g)| theta - step * g).collect() };
        let gradient_sq: f64 = slope.iter().map(|g| g * g).sum();
        let falls = |step: f64| objective.value(&after(step)) <= objective.value(&before) - 0.5 * step * gradient_sq;
        assert!(fits < 1e3 && falls(fits), "{fits}");
        // The next longer one that is tried does not.
        let is_power_of_ten = (fits.log10() - fits.log10().round()).abs() < 1e-9;
        assert!(!falls(if is_power_of_ten { 3.0 * fits } else { fits / 0.3 }), "{fits}");
    }
}
