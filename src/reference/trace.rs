//! The trace of the Hessian in its two blocks (paper, Theorem 2).

use super::Terms;
use crate::model::PaperProblem;

/// tr H(w,w) = sum_i (1 + x_i.x_i) (s_i sum_n (v_n f'_in)^2 + delta_i sum_n v_n f''_in).
pub fn trace_ww(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> f64 {
    let (shape, data) = (problem.network.shape, &problem.data);
    (0..terms.samples)
        .map(|i| {
            let x = data.sample(i);
            let (df, ddf) = (terms.row(&terms.df, i), terms.row(&terms.ddf, i));
            let (mut square, mut curvature) = (0.0, 0.0);
            for n in 0..shape.hidden {
                let v = theta[shape.v(n)];
                square += (v * df[n]).powi(2);
                curvature += v * ddf[n];
            }
            (1.0 + x.dot(&x)) * (terms.s[i] * square + terms.delta[i] * curvature)
        })
        .sum()
}

/// tr H(v,v) = sum_i s_i (1 + r_i.r_i).
pub fn trace_vv(terms: &Terms) -> f64 {
    (0..terms.samples)
        .map(|i| {
            let r = terms.row(&terms.r, i);
            terms.s[i] * (1.0 + r.iter().map(|r| r * r).sum::<f64>())
        })
        .sum()
}
