//! From the outputs back to every layer: the derivatives of one sample's loss in the pre-activations.

use nalgebra::{DMatrix, DVector};

use super::LayerValues;
use crate::model::{Layer, Problem};

/// First and second derivatives of one sample's loss omega l in the pre-activations y_1 .. y_P, omega the sample's
/// weight. Layers are counted from 1, as in the formulas.
#[derive(Debug, Clone)]
pub struct LayerDerivatives {
    /// g_l = d(omega l)/dy_l at place l - 1, (N_l,).
    g: Vec<DVector<f64>>,
    /// M_lm = d^2(omega l)/dy_l dy_m for l <= m at place (l - 1, m - l), (N_l, N_m).
    m: Vec<Vec<DMatrix<f64>>>,
    /// R_lm = d f(y_{m-1})/dy_l for l < m at place (l - 1, m - l - 1), (N_{m-1}, N_l).
    r: Vec<Vec<DMatrix<f64>>>,
    /// E_l = dz/dy_l at place l - 1, (K, N_l).
    e: Vec<DMatrix<f64>>,
    /// omega S, the second derivative in the outputs, (K, K).
    s: DMatrix<f64>,
}

impl LayerDerivatives {
    /// g_l, (N_l,).
    pub fn g(&self, l: usize) -> &DVector<f64> {
        &self.g[l - 1]
    }

    /// M_lm with `l` <= `m`, (N_l, N_m).
    pub fn m(&self, l: usize, m: usize) -> &DMatrix<f64> {
        &self.m[l - 1][m - l]
    }

    /// R_lm with `l` < `m`, (N_{m-1}, N_l).
    pub fn r(&self, l: usize, m: usize) -> &DMatrix<f64> {
        &self.r[l - 1][m - l - 1]
    }

    /// E_l = dz/dy_l, (K, N_l).
    pub fn e(&self, l: usize) -> &DMatrix<f64> {
        &self.e[l - 1]
    }

    /// omega S, (K, K).
    pub fn s(&self) -> &DMatrix<f64> {
        &self.s
    }
}

/// The derivatives of sample `i` of `problem`, whose forward pass is `forward`:
///
/// - g_P = omega delta, g_l = F'_l V_{l+1}^T g_{l+1};
/// - M_PP = omega S, M_ll = F'_l V_{l+1}^T M_{l+1,l+1} V_{l+1} F'_l + F''_l diag(V_{l+1}^T g_{l+1}), and M_lm =
///   E_{l,m}^T M_mm for l < m;
/// - with E_{l,m} = dy_m/dy_l: E_{l,l} = 1, E_{l,m+1} = V_{m+1} F'_m E_{l,m}, and R_lm = F'_{m-1} E_{l,m-1}.
pub fn backward(problem: &Problem, theta: &[f64], i: usize, forward: &LayerValues) -> LayerDerivatives {
    let layers: Vec<Layer> = problem.network.shape.layers().collect();
    let last = layers.len();
    let weight = problem.data.weights().map_or(1.0, |weights| weights[i]);
    let z = forward.z.as_slice();
    let delta = problem.data.targets().sample(i).residual(z);
    let curvature = problem.loss().curvature(z);
    let s = DMatrix::from_fn(z.len(), z.len(), |a, b| weight * curvature.at(a, b));
    // V_{l+1} F'_l for l = 1 .. P-1: how y_{l+1} moves with y_l.
    let steps: Vec<DMatrix<f64>> = layers[1..]
        .iter()
        .zip(&forward.df)
        .map(|(next, df)| DMatrix::from_fn(next.units, next.inputs, |a, p| theta[next.at(a, p + 1)] * df[p]))
        .collect();

    let mut g = vec![DVector::from_iterator(z.len(), delta.iter().map(|delta| weight * delta))];
    let mut own = vec![s.clone()];
    for l in (1..last).rev() {
        let next = &layers[l];
        let (g_next, m_next) = (&g[g.len() - 1], &own[own.len() - 1]);
        let back = DVector::from_fn(next.inputs, |p, _| {
            (0..next.units).map(|a| theta[next.at(a, p + 1)] * g_next[a]).sum::<f64>()
        });
        let bent = DMatrix::from_diagonal(&forward.ddf[l - 1].component_mul(&back));
        let m = steps[l - 1].transpose() * m_next * &steps[l - 1] + bent;
        g.push(forward.df[l - 1].component_mul(&back));
        own.push(m);
    }
    g.reverse();
    own.reverse();

    let (mut m, mut r, mut e) = (Vec::new(), Vec::new(), Vec::new());
    for l in 1..=last {
        // E_{l,m}, from m = l on.
        let mut reach = DMatrix::identity(layers[l - 1].units, layers[l - 1].units);
        let (mut m_of_l, mut r_of_l) = (vec![own[l - 1].clone()], Vec::new());
        for next in l..last {
            let df = DMatrix::from_diagonal(&forward.df[next - 1]);
            r_of_l.push(df * &reach);
            reach = &steps[next - 1] * reach;
            m_of_l.push(reach.transpose() * &own[next]);
        }
        m.push(m_of_l);
        r.push(r_of_l);
        e.push(reach);
    }
    LayerDerivatives { g, m, r, e, s }
}
