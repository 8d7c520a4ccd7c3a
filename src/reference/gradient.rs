//! The gradient of the loss (paper, Eqs. 11-12).

use super::{Terms, layers, terms};
use crate::model::{PaperProblem, Problem};

/// dL/dtheta (D,): for the paper's networks dL/dw = sum_i delta_i h(x_i) (x) (F'_i Vt^T) and dL/dv = sum_i delta_i
/// h(r_i); for others see [`layers::gradient`].
pub fn gradient(problem: &Problem, theta: &[f64]) -> Vec<f64> {
    match problem.paper() {
        Some(problem) => gradient_of(&problem, theta, &terms(&problem, theta)),
        None => layers::gradient(problem, theta),
    }
}

/// g.g, the squared Euclidean norm of the gradient, from the terms of `theta`.
pub fn gradient_sq(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> f64 {
    gradient_of(problem, theta, terms).iter().map(|g| g * g).sum()
}

/// The gradient from the terms of `theta`, (D,).
pub(crate) fn gradient_of(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> Vec<f64> {
    let (shape, data) = (problem.network.shape, &problem.data);
    let mut gradient = vec![0.0; shape.parameters()];
    for i in 0..terms.samples {
        let delta = terms.delta[i];
        let (r, df) = (terms.row(&terms.r, i), terms.row(&terms.df, i));
        gradient[shape.v_bias()] += delta;
        for n in 0..shape.hidden {
            gradient[shape.v(n)] += delta * r[n];
            let back = delta * theta[shape.v(n)] * df[n];
            gradient[shape.w(n, 0)] += back;
            for (m, &x) in (1..).zip(data.sample(i)) {
                gradient[shape.w(n, m)] += back * x;
            }
        }
    }
    gradient
}
