//! Gradient descent of one network (paper, Appendix C).

use super::layers;
use super::terms::pre_activation;
use crate::engine::{Descent, Status};
use crate::model::{Network, PaperProblem, Problem, cross_entropy_residual};

/// How one network's descent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescentEnd {
    /// Why it stopped.
    pub status: Status,
    /// t, the number of steps taken.
    pub steps: u32,
}

/// theta <- theta - eta g, g = dL/dtheta + alpha theta, until g.g < tolerance, g.g is not finite, or `max_steps` steps
/// were taken.
///
/// The test comes before the step, so a network that starts at a critical point takes none, and it comes once more
/// after the last step.
pub fn train(problem: &Problem, descent: &Descent, theta: &mut [f64]) -> DescentEnd {
    match problem.paper() {
        Some(problem) => {
            let mut units = vec![(0.0, 0.0); problem.network.shape.hidden];
            descend(descent, theta, |theta, gradient| gradient_into(&problem, theta, &mut units, gradient))
        }
        None => descend(descent, theta, |theta, gradient| gradient.copy_from_slice(&layers::gradient(problem, theta))),
    }
}

/// Gradient descent by the gradient that `gradient_into` writes, which gets theta (D,).
fn descend(descent: &Descent, theta: &mut [f64], mut gradient_into: impl FnMut(&[f64], &mut [f64])) -> DescentEnd {
    let mut gradient = vec![0.0; theta.len()];
    let mut steps = 0;
    loop {
        gradient_into(theta, &mut gradient);
        if descent.weight_decay > 0.0 {
            gradient.iter_mut().zip(&*theta).for_each(|(g, t)| *g += descent.weight_decay * t);
        }
        let gradient_sq: f64 = gradient.iter().map(|g| g * g).sum();
        if let Some(status) = descent.verdict(gradient_sq, steps) {
            return DescentEnd { status, steps };
        }
        for (theta, gradient) in theta.iter_mut().zip(&gradient) {
            *theta -= descent.step_size * gradient;
        }
        steps += 1;
    }
}

/// dL/dtheta as in [`super::gradient()`], but in one pass over the samples and without allocating: this runs once per
/// step. `units` has room for N pairs (r_n, v_n f'_n).
fn gradient_into(problem: &PaperProblem<'_>, theta: &[f64], units: &mut [(f64, f64)], gradient: &mut [f64]) {
    let PaperProblem { network: Network { shape, activation }, data, q } = problem;
    gradient.fill(0.0);
    for (i, &q) in q.iter().enumerate() {
        let mut z = theta[shape.v_bias()];
        for (n, unit) in units.iter_mut().enumerate() {
            let f = activation.derivatives(pre_activation(*shape, theta, data, i, n));
            let v = theta[shape.v(n)];
            z += v * f.value;
            *unit = (f.value, v * f.df);
        }
        let delta = cross_entropy_residual(z, q);
        gradient[shape.v_bias()] += delta;
        for (n, &(r, v_df)) in units.iter().enumerate() {
            gradient[shape.v(n)] += delta * r;
            gradient[shape.w(n, 0)] += delta * v_df;
            for (m, &x) in (1..).zip(data.sample(i)) {
                gradient[shape.w(n, m)] += delta * v_df * x;
            }
        }
    }
}
