//! The full Hessian, from its closed form (paper, Eqs. 15-18) and from differences of the gradient: what the traces are
//! checked against.

use ndarray::Array2;

use super::{Terms, gradient, layers, terms};
use crate::model::{PaperProblem, Problem};

/// The Hessian of the loss at `theta`, (D, D), symmetric.
///
/// For the paper's networks, per sample, with F' = diag(f'), F'' = diag(f'') and (x) the Kronecker product: H(w,w) =
/// h(x) h(x)^T (x) (s F' Vt^T Vt F' + delta diag(Vt^T) F''), H(v,v) = s h(r) h(r)^T, H(w,v) = h(x) (x) (s F' Vt^T
/// h(r)^T + delta \[0_N F'\]).
///
/// For others see [`layers::hessian`].
pub fn hessian(problem: &Problem, theta: &[f64]) -> Array2<f64> {
    match problem.paper() {
        Some(problem) => hessian_of(&problem, theta, &terms(&problem, theta)),
        None => layers::hessian(problem, theta),
    }
}

/// The Hessian from the terms of `theta`.
pub(crate) fn hessian_of(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> Array2<f64> {
    let (shape, data) = (problem.network.shape, &problem.data);
    let mut hessian = Array2::zeros((shape.parameters(), shape.parameters()));
    for i in 0..terms.samples {
        let (s, delta) = (terms.s[i], terms.delta[i]);
        let with_bias = |row: &[f64]| -> Vec<f64> { std::iter::once(1.0).chain(row.iter().copied()).collect() };
        let h_x = with_bias(data.sample(i).as_slice().unwrap_or_default());
        let h_r = with_bias(terms.row(&terms.r, i));
        let (df, ddf) = (terms.row(&terms.df, i), terms.row(&terms.ddf, i));
        for n in 0..shape.hidden {
            let back_n = theta[shape.v(n)] * df[n];
            for k in 0..shape.hidden {
                let back_k = theta[shape.v(k)] * df[k];
                let curvature = if n == k { delta * theta[shape.v(n)] * ddf[n] } else { 0.0 };
                let block = s * back_n * back_k + curvature;
                for (m, x_m) in h_x.iter().enumerate() {
                    for (l, x_l) in h_x.iter().enumerate() {
                        hessian[[shape.w(n, m), shape.w(k, l)]] += x_m * x_l * block;
                    }
                }
            }
            for (k, r_k) in h_r.iter().enumerate() {
                let direct = if k == n + 1 { delta * df[n] } else { 0.0 };
                let block = s * back_n * r_k + direct;
                for (m, x_m) in h_x.iter().enumerate() {
                    hessian[[shape.w(n, m), shape.v_bias() + k]] += x_m * block;
                }
            }
        }
        for (k, r_k) in h_r.iter().enumerate() {
            for (l, r_l) in h_r.iter().enumerate() {
                hessian[[shape.v_bias() + k, shape.v_bias() + l]] += s * r_k * r_l;
            }
        }
    }
    // H(v,w) is the transpose of H(w,v).
    for row in 0..shape.hidden_weights() {
        for column in shape.hidden_weights()..shape.parameters() {
            hessian[[column, row]] = hessian[[row, column]];
        }
    }
    hessian
}

/// The three-point central difference of the gradient, (D, D): column d is (g(theta + h e_d) - g(theta - h e_d)) / 2h
/// with h = `step`; not symmetrised.
pub fn central_difference_hessian(problem: &Problem, theta: &[f64], step: f64) -> Array2<f64> {
    let parameters = problem.network.parameters();
    let mut hessian = Array2::zeros((parameters, parameters));
    let mut shifted = theta.to_vec();
    for d in 0..parameters {
        shifted[d] = theta[d] + step;
        let plus = gradient(problem, &shifted);
        shifted[d] = theta[d] - step;
        let minus = gradient(problem, &shifted);
        shifted[d] = theta[d];
        for (row, (plus, minus)) in plus.iter().zip(&minus).enumerate() {
            hessian[[row, d]] = (plus - minus) / (2.0 * step);
        }
    }
    hessian
}
