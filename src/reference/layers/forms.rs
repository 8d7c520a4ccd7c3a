//! What is summed over samples and pairs of samples.

use nalgebra::{DMatrix, DVector};
use ndarray::Array2;

use super::rounding::gauss_newton_spread;
use super::{LayerDerivatives, LayerValues, backward, forward, outputs};
use crate::engine::{Arithmetic, FormOperations, Rounding};
use crate::model::{Layer, Problem};

/// One sample's forward pass and its derivatives.
struct Sample {
    forward: LayerValues,
    backward: LayerDerivatives,
}

/// Every sample of `problem` at `theta` (D,), in order.
fn samples<'a>(problem: &'a Problem, theta: &'a [f64]) -> impl Iterator<Item = Sample> + 'a {
    (0..problem.data.samples()).map(move |i| {
        let forward = forward(problem.network, theta, problem.data.sample(i));
        let backward = backward(problem, theta, i, &forward);
        Sample { forward, backward }
    })
}

/// L = sum_i omega_i l(z_i, t_i).
pub fn loss(problem: &Problem, theta: &[f64]) -> f64 {
    let z = outputs(problem.network, &problem.data, theta).into_iter().enumerate();
    let each = z.map(|(i, z)| problem.data.targets().sample(i).loss(&z));
    match problem.data.weights() {
        Some(weights) => each.zip(weights).map(|(loss, weight)| weight * loss).sum(),
        None => each.sum(),
    }
}

/// dL/dtheta (D,): dL/dW_l = sum_i g_l h_{l-1}^T.
pub fn gradient(problem: &Problem, theta: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; theta.len()];
    for Sample { forward, backward } in samples(problem, theta) {
        for (l, layer) in (1..).zip(problem.network.shape.layers()) {
            let (h, g) = (&forward.h[l - 1], backward.g(l));
            for p in 0..=layer.inputs {
                for a in 0..layer.units {
                    gradient[layer.at(a, p)] += g[a] * h[p];
                }
            }
        }
    }
    gradient
}

/// The Hessian of the loss at `theta`, (D, D), symmetric.
///
/// The block of layers l <= m is sum_i h_{l-1} h_{m-1}^T (x) M_lm, and for l < m another sum_i h_{l-1}\[p\]
/// R_lm\[q, a\] g_m\[b\] at the weights W_l\[a, p\] and W_m\[b, q\], where q = 1 .. N_{m-1}: a bias of layer m is fed
/// by no unit.
pub fn hessian(problem: &Problem, theta: &[f64]) -> Array2<f64> {
    let layers: Vec<Layer> = problem.network.shape.layers().collect();
    let mut hessian = Array2::zeros((theta.len(), theta.len()));
    for Sample { forward, backward } in samples(problem, theta) {
        for (l, first) in (1..).zip(&layers) {
            for (m, second) in (l..).zip(&layers[l - 1..]) {
                let (h, k, curvature, g) = (&forward.h[l - 1], &forward.h[m - 1], backward.m(l, m), backward.g(m));
                for (a, p) in weights(first) {
                    for (b, q) in weights(second) {
                        let direct = if l < m && q > 0 { backward.r(l, m)[(q - 1, a)] * g[b] } else { 0.0 };
                        hessian[[first.at(a, p), second.at(b, q)]] += h[p] * (curvature[(a, b)] * k[q] + direct);
                    }
                }
            }
        }
    }
    for row in 0..theta.len() {
        for column in 0..row {
            hessian[[row, column]] = hessian[[column, row]];
        }
    }
    hessian
}

/// The places (a, p) of the weights of `layer`, in the order of theta.
fn weights(layer: &Layer) -> impl Iterator<Item = (usize, usize)> + use<> {
    let Layer { inputs, units, .. } = *layer;
    (0..=inputs).flat_map(move |p| (0..units).map(move |a| (a, p)))
}

/// tr of the diagonal block of each layer, (P,): sum_i |h_{l-1}|^2 tr M_ll. Their sum is tr H.
pub fn layer_traces(problem: &Problem, theta: &[f64]) -> Vec<f64> {
    let mut traces = vec![0.0; problem.network.shape.layers().len()];
    for Sample { forward, backward } in samples(problem, theta) {
        for (l, trace) in (1..).zip(&mut traces) {
            *trace += forward.h[l - 1].norm_squared() * backward.m(l, l).trace();
        }
    }
    traces
}

/// The forms of a pair of samples (i, j), of which tr H^2 consists; all symmetric in the two.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPairForms {
    /// K^{l-1}_ij = h_{l-1},i . h_{l-1},j at place l - 1, (P,).
    pub gram: Vec<f64>,
    /// Phi^l_ij = <M_ll,i, M_ll,j> at place l - 1, (P,).
    pub phi: Vec<f64>,
    /// Psi^lm_ij for l < m at place (l - 1, m - l - 1).
    pub psi: Vec<Vec<f64>>,
}

impl LayerPairForms {
    /// sum_l (K^{l-1}_ij)^2 Phi^l_ij + 2 sum_{l<m} K^{l-1}_ij Psi^lm_ij, the pair's part of tr H^2.
    fn sum(&self) -> f64 {
        let mut sum = 0.0;
        for ((&below, phi), psi) in self.gram.iter().zip(&self.phi).zip(&self.psi) {
            sum += below * below * phi;
            for psi in psi {
                sum += 2.0 * below * psi;
            }
        }
        sum
    }
}

/// The forms of every pair i <= j of samples at `theta` (D,), in order.
pub fn pair_forms(problem: &Problem, theta: &[f64]) -> impl Iterator<Item = (usize, usize, LayerPairForms)> + use<> {
    let all: Vec<Sample> = samples(problem, theta).collect();
    let count = all.len();
    (0..count).flat_map(move |i| (i..count).map(move |j| (i, j))).map(move |(i, j)| (i, j, pair(&all[i], &all[j])))
}

/// tr H^2 from forms of pairs of samples: no Hessian is formed. With K^l_ij = h_l,i . h_l,j, and h' for h without its
/// leading 1,
///
/// tr H^2 = sum_ij { sum_l (K^{l-1}_ij)^2 Phi^l_ij + 2 sum_{l<m} K^{l-1}_ij Psi^lm_ij }, Phi^l_ij = <M_ll,i, M_ll,j>,
/// Psi^lm_ij = K^{m-1}_ij <M_lm,i, M_lm,j> + (R_lm,j^T h'_{m-1},i) . (M_lm,i g_m,j) + (R_lm,i^T h'_{m-1},j) . (M_lm,j
/// g_m,i) + (g_m,i . g_m,j) <R_lm,i, R_lm,j>.
///
/// For the paper's networks Phi^1 is Phi, Psi^12 is Psi, and Phi^2 is Omega. The index that goes with M also goes with
/// h', and the other with R and g: exchanging them gives a plausible, slightly wrong number.
pub fn trace_sq(problem: &Problem, theta: &[f64]) -> f64 {
    let all: Vec<Sample> = samples(problem, theta).collect();
    let row = |i: usize| -> f64 {
        (i..all.len())
            .map(|j| {
                let pair = pair(&all[i], &all[j]).sum();
                if i == j { pair } else { 2.0 * pair }
            })
            .sum()
    };
    (0..all.len()).map(row).sum()
}

/// The forms of the samples `i` and `j`.
fn pair(i: &Sample, j: &Sample) -> LayerPairForms {
    let layers = i.forward.h.len();
    let gram: Vec<f64> = i.forward.h.iter().zip(&j.forward.h).map(|(i, j)| i.dot(j)).collect();
    // (R_lm,second^T h'_first) . (M_lm,first g_m,second).
    let crossed = |first: &Sample, second: &Sample, l: usize, m: usize| {
        let units = without_bias(&first.forward.h[m - 1]);
        let fed = second.backward.r(l, m).tr_mul(&units);
        fed.dot(&(first.backward.m(l, m) * second.backward.g(m)))
    };
    let psi = |l: usize, m: usize| {
        let curvatures = gram[m - 1] * i.backward.m(l, m).dot(j.backward.m(l, m));
        let direct = i.backward.g(m).dot(j.backward.g(m)) * i.backward.r(l, m).dot(j.backward.r(l, m));
        curvatures + crossed(i, j, l, m) + crossed(j, i, l, m) + direct
    };
    let phi = (1..=layers).map(|l| i.backward.m(l, l).dot(j.backward.m(l, l))).collect();
    let psi = (1..=layers).map(|l| (l + 1..=layers).map(|m| psi(l, m)).collect()).collect();
    LayerPairForms { gram, phi, psi }
}

/// h without its leading 1.
fn without_bias(h: &DVector<f64>) -> DVector<f64> {
    h.rows(1, h.len() - 1).into_owned()
}

/// What the tangent kernel needs of a sample: far less than all of its derivatives.
struct TangentFeatures {
    /// h_0 .. h_{P-1}.
    h: Vec<DVector<f64>>,
    /// E_1 .. E_P.
    e: Vec<DMatrix<f64>>,
    /// omega S.
    s: DMatrix<f64>,
}

impl TangentFeatures {
    fn of(Sample { forward, backward }: Sample) -> Self {
        let e = (1..=forward.h.len()).map(|l| backward.e(l).clone()).collect();
        Self { e, s: backward.s().clone(), h: forward.h }
    }
}

/// Traces of G = sum_i omega_i J_i^T S_i J_i with J_i = dz_i/dtheta, the Gauss-Newton part of the Hessian. G is
/// positive semidefinite; the rest, H - G, is what the residuals multiply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussNewton {
    /// tr G.
    pub trace: f64,
    /// tr G^2.
    pub trace_sq: f64,
    /// How far off they may be: the bounds of [`Rounding`], with G in the place of H.
    pub rounding: Rounding,
}

/// tr G = sum_i tr(S_i Theta_ii) and tr G^2 = sum_ij tr(S_i Theta_ij S_j Theta_ji), with the weights omega in S, and
/// Theta_ij = J_i J_j^T = sum_l K^{l-1}_ij E_l,i E_l,j^T, (K, K), the empirical tangent kernel.
pub fn gauss_newton(problem: &Problem, theta: &[f64]) -> GaussNewton {
    let all: Vec<TangentFeatures> = samples(problem, theta).map(TangentFeatures::of).collect();
    let kernel = |i: &TangentFeatures, j: &TangentFeatures| {
        let layers = i.h.iter().zip(&j.h).zip(i.e.iter().zip(&j.e));
        let parts = layers.map(|((h_i, h_j), (e_i, e_j))| h_i.dot(h_j) * (e_i * e_j.transpose()));
        // A network has at least one layer.
        parts.reduce(|sum, part| sum + part).unwrap_or_default()
    };
    let trace = all.iter().map(|sample| (&sample.s * kernel(sample, sample)).trace()).sum();
    let row = |i: usize| -> f64 {
        (i..all.len())
            .map(|j| {
                let theta = kernel(&all[i], &all[j]);
                let pair = (&all[i].s * &theta * &all[j].s * theta.transpose()).trace();
                if i == j { pair } else { 2.0 * pair }
            })
            .sum()
    };
    let trace_sq = (0..all.len()).map(row).sum();
    let operations = FormOperations::of_gauss_newton(problem.network.shape);
    let spread = gauss_newton_spread(problem, theta);
    let rounding = Arithmetic::in_f64(all.len()).of_pairs(operations, spread, 2 * all.len());
    GaussNewton { trace, trace_sq, rounding }
}

/// G at `theta`, (D, D), symmetric: sum_i J_i^T omega_i S_i J_i, where dz/dW_l\[a, p\] = E_l\[., a\] h_{l-1}\[p\].
pub fn gauss_newton_matrix(problem: &Problem, theta: &[f64]) -> Array2<f64> {
    let outputs = problem.network.shape.outputs();
    let mut matrix = DMatrix::<f64>::zeros(theta.len(), theta.len());
    for Sample { forward, backward } in samples(problem, theta) {
        let mut jacobian = DMatrix::<f64>::zeros(outputs, theta.len());
        for (l, layer) in (1..).zip(problem.network.shape.layers()) {
            let (h, e) = (&forward.h[l - 1], backward.e(l));
            for (a, p) in weights(&layer) {
                jacobian.column_mut(layer.at(a, p)).axpy(h[p], &e.column(a), 0.0);
            }
        }
        matrix.gemm_tr(1.0, &jacobian, &(backward.s() * &jacobian), 1.0);
    }
    // Symmetric but for rounding, and the eigenvalues are those of one half.
    Array2::from_shape_fn(matrix.shape(), |(row, column)| matrix[(row.max(column), row.min(column))])
}
