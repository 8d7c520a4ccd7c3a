//! A few steps of training from given weights, beside the same in float64.

use ndarray::Array2;

use super::cases::{Case, GoldenTraining};
use super::comparison::Comparison;
use crate::engine::{Descent, Engine, Status};
use crate::model::Theta;
use crate::reference::{self, hessian};

/// Steps of each training: they fit the first dispatch, so that no list of unfinished networks is needed.
const STEPS: u32 = 7;

/// The most that f32 moves a weight in so many steps, relative to the network's largest: rounding leaves up to 2e-6.
pub(super) const IN_F32: f64 = 1e-5;

/// Where training ends in float64.
pub(super) struct TrainedEnds {
    descent: Descent,
    theta: Array2<f64>,
}

/// Where the networks of `case` end: known from elsewhere, or else trained in float64, with a step that is stable for
/// the sharpest of them, 1 / ||H||_F.
pub(super) fn expected(case: &Case) -> TrainedEnds {
    if let Some(GoldenTraining { step_size, weight_decay, steps, theta }) = &case.training {
        let (step_size, weight_decay, max_steps) = (*step_size, *weight_decay, *steps);
        let descent = Descent { step_size, weight_decay, max_steps, tolerance: 0.0, ..Descent::default() };
        let theta = Array2::from_shape_fn(case.theta.dim(), |(k, d)| theta[k][d]);
        return TrainedEnds { descent, theta };
    }
    let norm_sq = |_: usize, theta: &[f64]| hessian(&case.problem, theta).iter().map(|h| h * h).sum::<f64>();
    let sharpest = Theta::from(case.theta.view()).map_networks(norm_sq).into_iter().fold(0.0, f64::max);
    // The step is a number in f32 on every engine that trains in it.
    let step_size = f64::from((1.0 / sharpest.sqrt()) as f32);
    let descent = Descent { step_size, max_steps: STEPS, tolerance: 0.0, ..Descent::default() };
    TrainedEnds { descent, theta: in_f64(case, &descent) }
}

fn in_f64(case: &Case, descent: &Descent) -> Array2<f64> {
    let mut theta = case.theta.clone();
    for mut row in theta.rows_mut() {
        let mut weights = row.to_vec();
        reference::train(&case.problem, descent, &mut weights);
        row.iter_mut().zip(weights).for_each(|(to, weight)| *to = weight);
    }
    theta
}

/// Trains the networks of `case` on `engine`.
pub(super) fn compare(engine: &mut dyn Engine, case: &Case, expected: &TrainedEnds, comparison: &mut Comparison) {
    let outcome = engine.train_on(&case.problem, &expected.descent, case.theta_in_f32().view(), 0);
    comparison.outcome(&case.name, outcome, |comparison, trained| {
        for (k, (found, end)) in trained.theta.rows().into_iter().zip(expected.theta.rows()).enumerate() {
            let at = case.at(k);
            let (status, steps, all) = (trained.status[k], trained.steps[k], expected.descent.max_steps);
            if status != Status::StepLimit || steps != all {
                comparison.fail(&at, &format!("it ended as {status:?} after {steps} steps, not after all {all}"));
            }
            let largest = end.iter().fold(0.0, |largest: f64, weight| largest.max(weight.abs()));
            let found: Vec<f64> = found.iter().map(|&weight| weight.into()).collect();
            comparison.add(&at, &found, &end.to_vec(), |_| largest);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{Case, expected, in_f64};

    /// Gradients by automatic differentiation take the reference's way, and weight decay decides about it.
    #[test]
    fn golden_training_ends_where_the_reference_does() {
        let cases: Vec<Case> = Case::all().unwrap().into_iter().filter(|case| case.training.is_some()).collect();
        assert!(!cases.is_empty());
        for case in &cases {
            let golden = expected(case);
            let farthest = |other: &ndarray::Array2<f64>| {
                let differences = golden.theta.iter().zip(other).map(|(a, b)| (a - b).abs());
                differences.fold(0.0, f64::max)
            };
            assert!(farthest(&in_f64(case, &golden.descent)) < 1e-12, "{}", case.name);
            let without = crate::engine::Descent { weight_decay: 0.0, ..golden.descent };
            assert!(farthest(&in_f64(case, &without)) > 1e-2, "{}", case.name);
        }
    }
}
