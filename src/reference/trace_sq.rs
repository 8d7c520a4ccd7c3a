//! tr H^2 from three bilinear forms per pair of samples (paper, Theorem 5 and Eq. 25): no Hessian is formed.

use super::Terms;
use crate::model::PaperProblem;

/// Phi, Psi and Omega of one pair of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairForms {
    /// phi_ij = s_i s_j A_ij^2 + s_i delta_j B_ij + s_j delta_i B_ji + delta_i delta_j C_ij.
    pub phi: f64,
    /// psi_ij = s_i s_j R_ij A_ij + s_i delta_j E_ij + s_j delta_i E_ji + delta_i delta_j G_ij.
    pub psi: f64,
    /// omega_ij = s_i s_j.
    pub omega: f64,
    /// R_ij = 1 + r_i.r_j, the hidden layer's Gram matrix with its bias.
    pub hidden_gram: f64,
}

/// The forms of samples `i` and `j` of the network `theta`, all symmetric in (i, j).
///
/// In B_ij and E_ij the index that goes with s carries f'^2, or r and f': exchanging i and j there gives a plausible,
/// slightly wrong number.
pub fn pair_forms(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms, i: usize, j: usize) -> PairForms {
    let shape = problem.network.shape;
    let (mut a, mut b_ij, mut b_ji, mut c) = (0.0, 0.0, 0.0, 0.0);
    let (mut e_ij, mut e_ji, mut g, mut hidden_gram) = (0.0, 0.0, 0.0, 1.0);
    let (r_i, r_j) = (terms.row(&terms.r, i), terms.row(&terms.r, j));
    let (df_i, df_j) = (terms.row(&terms.df, i), terms.row(&terms.df, j));
    let (ddf_i, ddf_j) = (terms.row(&terms.ddf, i), terms.row(&terms.ddf, j));
    for n in 0..shape.hidden {
        let v = theta[shape.v(n)];
        a += v.powi(2) * df_i[n] * df_j[n];
        b_ij += v.powi(3) * df_i[n].powi(2) * ddf_j[n];
        b_ji += v.powi(3) * df_j[n].powi(2) * ddf_i[n];
        c += v.powi(2) * ddf_i[n] * ddf_j[n];
        e_ij += v * r_i[n] * df_i[n] * df_j[n];
        e_ji += v * r_j[n] * df_j[n] * df_i[n];
        g += df_i[n] * df_j[n];
        hidden_gram += r_i[n] * r_j[n];
    }
    let (ss, sd) = (terms.s[i] * terms.s[j], terms.s[i] * terms.delta[j]);
    let (ds, dd) = (terms.delta[i] * terms.s[j], terms.delta[i] * terms.delta[j]);
    PairForms {
        phi: ss * a * a + sd * b_ij + ds * b_ji + dd * c,
        psi: ss * hidden_gram * a + sd * e_ij + ds * e_ji + dd * g,
        omega: ss,
        hidden_gram,
    }
}

/// tr H^2 = sum_ij \[phi_ij K_ij^2 + 2 psi_ij K_ij + omega_ij R_ij^2\] with K_ij = 1 + x_i.x_j; each unordered pair
/// once, row by row, so that no term goes through more than 2 I additions.
pub fn trace_sq(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> f64 {
    let row = |i: usize| -> f64 {
        (i..terms.samples)
            .map(|j| {
                let forms = pair_forms(problem, theta, terms, i, j);
                let k = 1.0 + problem.data.sample(i).dot(&problem.data.sample(j));
                let pair = forms.phi * k * k + 2.0 * forms.psi * k + forms.omega * forms.hidden_gram.powi(2);
                if i == j { pair } else { 2.0 * pair }
            })
            .sum()
    };
    (0..terms.samples).map(row).sum()
}
