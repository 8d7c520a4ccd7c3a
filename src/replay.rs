//! One seed trained again in f64, with a record of what changes on the way.

use ndarray::Array2;

use crate::bounds::widened_bounds;
use crate::engine::{Descent, Status};
use crate::model::{Problem, initial_theta};
use crate::polish::Objective;
use crate::reference::{closed_forms, hessian, spectrum, train};

/// One descent, recorded at some of its steps; all arrays have the length of `steps`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trajectory {
    /// The seed it started from.
    pub seed: u64,
    /// eta, the step size. Gradient descent moves away along a direction of curvature above 2 / eta.
    pub step_size: f64,
    /// t, the steps taken before each record, ascending from 0; the last record is the end.
    pub steps: Vec<u32>,
    /// L.
    pub loss: Vec<f64>,
    /// g.g of L.
    pub gradient_sq: Vec<f64>,
    /// The objective L + alpha |theta|^2 / 2; empty without weight decay.
    pub objective: Vec<f64>,
    /// The squared norm of the objective's gradient, which decides when the descent has converged; likewise.
    pub objective_gradient_sq: Vec<f64>,
    /// `lambda_sup` (Theorem 1), widened by its rounding error.
    pub lambda_sup: Vec<f64>,
    /// lambda_1, NaN where the Hessian has no spectrum.
    pub lambda_max: Vec<f64>,
    /// lambda_D, likewise.
    pub lambda_min: Vec<f64>,
}

/// A replayed seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// What was recorded on the way.
    pub trajectory: Trajectory,
    /// How it ended.
    pub status: Status,
    /// Where it ended, (D,).
    pub theta: Vec<f64>,
    /// Where it was at each of the recorded steps, (records, D); the last row is `theta`.
    pub theta_trajectory: Array2<f64>,
}

/// Trains `seed` as the reference engine does, and makes a record at the start, every `every` steps (at least 1), and
/// at the end.
///
/// Long float32 runs need not end at the same point: a seed that starts with lambda_1 above 2 / eta oscillates, and
/// rounding decides where it ends.
pub fn replay(problem: &Problem, descent: &Descent, seed: u64, every: u32) -> Replay {
    replay_with(problem, descent, seed, |taken| taken.saturating_add(every.max(1)))
}

/// Like [`replay`], but `next` says when to make the next record: it gets the steps taken so far, and returns the steps
/// in all after which the next record is wanted. At least one more step is taken.
pub fn replay_with(problem: &Problem, descent: &Descent, seed: u64, mut next: impl FnMut(u32) -> u32) -> Replay {
    let start = initial_theta(problem.network.parameters(), seed, descent.init_range);
    let mut theta: Vec<f64> = start.into_iter().map(f64::from).collect();
    let mut trajectory = Trajectory { seed, step_size: descent.step_size, ..Trajectory::default() };
    let (mut taken, mut along) = (0, theta.clone());
    let objective = Objective { problem, weight_decay: descent.weight_decay };
    trajectory.record(objective, &theta, taken);
    loop {
        let wanted = next(taken).saturating_sub(taken).max(1);
        let max_steps = wanted.min(descent.max_steps - taken);
        let outcome = train(problem, &Descent { max_steps, ..*descent }, &mut theta);
        if outcome.steps > 0 {
            taken += outcome.steps;
            trajectory.record(objective, &theta, taken);
            along.extend_from_slice(&theta);
        }
        if outcome.status != Status::StepLimit || taken == descent.max_steps {
            let shape = (trajectory.steps.len(), theta.len());
            let theta_trajectory = Array2::from_shape_vec(shape, along).unwrap_or_default();
            return Replay { trajectory, status: outcome.status, theta, theta_trajectory };
        }
    }
}

impl Trajectory {
    fn record(&mut self, objective: Objective<'_>, theta: &[f64], step: u32) {
        let problem = objective.problem;
        let found = closed_forms(problem, theta);
        let trace = found.trace();
        let widened = widened_bounds(trace, found.trace_sq, theta.len(), &found.rounding);
        let (lambda_max, lambda_min) = match spectrum(hessian(problem, theta).view(), 0) {
            Ok(spectrum) => (spectrum.lambda_max(), spectrum.lambda_min()),
            Err(_) => (f64::NAN, f64::NAN),
        };
        self.steps.push(step);
        self.loss.push(found.loss);
        self.gradient_sq.push(found.gradient_sq);
        if objective.weight_decay > 0.0 {
            self.objective.push(objective.of_loss(found.loss, theta));
            self.objective_gradient_sq.push(objective.gradient_sq(theta));
        }
        self.lambda_sup.push(widened.bounds.lambda_sup);
        self.lambda_max.push(lambda_max);
        self.lambda_min.push(lambda_min);
    }
}

#[cfg(test)]
mod tests {
    use super::{replay, replay_with};
    use crate::engine::{Descent, Engine, Status};
    use crate::model::{Activation, Problem, Stream, appendix_c};
    use crate::reference::Reference;

    #[test]
    fn a_replay_ends_where_the_reference_engine_does_however_often_it_looks() {
        let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
        let descent = Descent { max_steps: 500, ..Descent::default() };
        let trained = Reference::default().train(&problem, &descent, 4..7).unwrap();
        for (row, seed) in (0..).zip(4..7) {
            let whole = replay(&problem, &descent, seed, u32::MAX);
            let close = replay(&problem, &descent, seed, 7);
            assert_eq!(whole.theta, close.theta);
            assert_eq!((whole.status, close.status), (trained.status[row], trained.status[row]));
            assert_eq!(close.trajectory.steps.last(), Some(&trained.steps[row]));
            let end: Vec<f32> = close.theta.iter().map(|&value| value as f32).collect();
            assert_eq!(end, trained.theta.row(row).to_vec());
            let (sup, max) = (&close.trajectory.lambda_sup, &close.trajectory.lambda_max);
            // The bound holds all the way, as it stands.
            assert!(sup.iter().zip(max).all(|(sup, max)| sup >= max));
        }
    }

    #[test]
    fn the_weights_on_the_way_are_those_that_the_records_are_of() {
        let problem = Problem::new(3, Activation::Tanh, appendix_c(50, 0, Stream::TrainData).unwrap());
        let descent = Descent { max_steps: 90, ..Descent::default() };
        let wanted = [1, 2, 50];
        let found = replay_with(&problem, &descent, 4, |taken| {
            wanted.into_iter().find(|&step| step > taken).unwrap_or(u32::MAX)
        });
        assert_eq!(found.trajectory.steps, [0, 1, 2, 50, 90]);
        assert_eq!(found.theta_trajectory.dim(), (5, 13));
        assert_eq!(found.theta_trajectory.row(4).to_vec(), found.theta);
        for (row, loss) in found.theta_trajectory.rows().into_iter().zip(&found.trajectory.loss) {
            assert_eq!(crate::reference::closed_forms(&problem, &row.to_vec()).loss.to_bits(), loss.to_bits());
        }
        // A descent that is cut off earlier has come as far.
        let shorter = replay(&problem, &Descent { max_steps: 50, ..descent }, 4, u32::MAX);
        assert_eq!(found.theta_trajectory.row(3).to_vec(), shorter.theta);
    }

    #[test]
    fn a_diverging_seed_is_recorded_up_to_its_end() {
        let problem = Problem::new(2, Activation::Linear, appendix_c(50, 0, Stream::TrainData).unwrap());
        let replay = replay(&problem, &Descent { step_size: 1e30, ..Descent::default() }, 0, 1);
        assert_eq!(replay.status, Status::NonFinite);
        assert!(replay.trajectory.gradient_sq.last().is_some_and(|value| !value.is_finite()));
        assert_eq!(replay.trajectory.steps.len(), replay.trajectory.lambda_sup.len());
    }
}
