//! Bounds of the traces for networks of any depth, with K outputs and any loss: what Theorems 3, 4 and 6 of the paper
//! become for them.

use std::f64::consts::LN_2;

use nalgebra::DMatrix;
use ndarray::Array2;

use super::traces::is_bounded_by_1;
use super::{gram_norms, zeta1, zeta2};
use crate::model::{Activation, Layer, Loss, Problem, Theta};
use crate::reference::layers::{forward, loss, pair_forms};
use crate::reference::symmetric_eigen;

/// The largest values that norms of S = d^2l/dz^2 take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvatureSuprema {
    /// Of tr S: K/4 for logistic, 1 - 1/K for softmax, K for squared.
    pub trace: f64,
    /// Of ||S||_2: 1/4, 1/2 and 1.
    pub norm: f64,
    /// Of ||S||_F^2: K/16, 1/4 and K.
    pub frobenius_sq: f64,
}

/// The suprema for `outputs` outputs over all z.
///
/// For logistic S = diag(p_k (1 - p_k)) and p (1 - p) <= 1/4; for squared S is the identity. For softmax S = diag(p) -
/// p p^T, q = |p|^2 >= 1/K: tr S = 1 - q; the sums of sizes along its rows are 2 p_k (1 - p_k) <= 1/2, which bounds
/// ||S||_2 by Gershgorin; and ||S||_F^2 = q - 2 sum_k p_k^3 + q^2 <= q - q^2 <= 1/4, since q^2 <= (sum_k p_k) (sum_k
/// p_k^3) by the Cauchy-Schwarz inequality. All are reached, the last two for softmax at p = (1/2, 1/2, 0, ..). With
/// one class S = 0.
pub fn curvature_suprema(loss: Loss, outputs: usize) -> CurvatureSuprema {
    let k = outputs as f64;
    let (trace, norm, frobenius_sq) = match loss {
        Loss::Logistic => (k / 4.0, 0.25, k / 16.0),
        Loss::Softmax if outputs == 1 => (0.0, 0.0, 0.0),
        Loss::Softmax => (1.0 - 1.0 / k, 0.5, 0.25),
        Loss::Squared => (k, 1.0, k),
    };
    CurvatureSuprema { trace, norm, frobenius_sq }
}

/// The bounds of one network's traces, and the norms they are made of, layer by layer.
///
/// NaN in theta gives NaN wherever the value depends on theta.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerBounds {
    /// The trace of the block of layer l is at most this, at place l - 1, (P,).
    pub trace_bounds: Vec<f64>,
    /// tr H^2 is at most this.
    pub trace_sq_bound: f64,
    /// phi^l_max, the largest <M_ll,i, M_ll,j> of samples that count once, (P,); never negative beyond rounding.
    pub phi_max: Vec<f64>,
    /// ||W_l||_F^2, biases included, (P,).
    pub norm_sq: Vec<f64>,
    /// sum_ij (h'_{l-1},i . h'_{l-1},j)^2 of the values h' that go into layer l, without the bias, (P,).
    pub gram_sq: Vec<f64>,
}

/// The bounds of the network `theta` (D,), in about as many multiplications as tr H^2 takes from pairs of samples:
/// those of [`layer_trace_bounds`], and Theorem 6 for networks of any depth, with K outputs and any loss.
///
/// With Phi^l_ij, Psi^lm_ij and K^l_ij of [`LayerPairForms`](crate::reference::layers::LayerPairForms), divided by
/// omega_i omega_j, phi^l_max the largest Phi^l_ij, and sums weighted by omega_i omega_j,
///
/// tr H^2 <= sum_{l<m} sum_ij (Psi^lm_ij)^2 + sum_{l<P} (P - l + phi^l_max) sum_ij (K^{l-1}_ij)^2 + C sum_ij
/// (K^{P-1}_ij)^2.
///
/// *Proof*, term by term of tr H^2: Phi^l_ij (K^{l-1}_ij)^2 <= phi^l_max (K^{l-1}_ij)^2, as the square is not negative;
/// 2 K^{l-1}_ij Psi^lm_ij <= (K^{l-1}_ij)^2 + (Psi^lm_ij)^2, and a layer l has P - l layers m above; Phi^P_ij = <S_i,
/// S_j> <= ||S_i||_F ||S_j||_F <= C, the largest ||S||_F^2. For P = 2, K = 1 and logistic, C = 1/16 and it is Theorem
/// 6 as it stands.
pub fn layer_bounds(problem: &Problem, theta: &[f64]) -> LayerBounds {
    let layers: Vec<Layer> = problem.network.shape.layers().collect();
    let grams = grams(problem, theta, &layers);
    let (trace_sq_bound, phi_max) = trace_sq_bound(problem, theta, &grams);
    let norm_sq = |layer: &Layer| theta[layer.start..layer.start + layer.parameters()].iter().map(|w| w * w).sum();
    LayerBounds {
        trace_bounds: layer_trace_bounds(problem, theta),
        trace_sq_bound,
        phi_max,
        norm_sq: layers.iter().map(norm_sq).collect(),
        gram_sq: grams.iter().map(|gram| gram.plain).collect(),
    }
}

/// The bounds of every row of `theta` (S, D), in order, on all cores.
pub fn layer_bounds_of_each(problem: &Problem, theta: Theta<'_>) -> Vec<LayerBounds> {
    theta.map_networks(|_, network| layer_bounds(problem, network))
}

/// Norms of the Gram matrix of what goes into one layer.
struct LayerGram {
    /// sum_ij (h'_i . h'_j)^2.
    plain: f64,
    /// sum_ij omega_i omega_j (1 + h'_i . h'_j)^2.
    weighted: f64,
}

fn grams(problem: &Problem, theta: &[f64], layers: &[Layer]) -> Vec<LayerGram> {
    let samples = problem.data.samples();
    let mut values: Vec<Array2<f64>> = layers.iter().map(|layer| Array2::zeros((samples, layer.inputs + 1))).collect();
    for i in 0..samples {
        let h = forward(problem.network, theta, problem.data.sample(i)).h;
        for (values, h) in values.iter_mut().zip(&h) {
            values.row_mut(i).iter_mut().zip(h.iter()).for_each(|(to, from)| *to = *from);
        }
    }
    let gram = |mut values: Array2<f64>| {
        let norms = gram_norms(values.slice(ndarray::s![.., 1..]));
        let Some(weights) = problem.data.weights() else {
            return LayerGram { plain: norms.plain, weighted: norms.with_bias };
        };
        for (mut row, weight) in values.outer_iter_mut().zip(weights) {
            row *= weight.sqrt();
        }
        LayerGram { plain: norms.plain, weighted: gram_norms(values.view()).plain }
    };
    values.into_iter().map(gram).collect()
}

/// The bound of tr H^2, and phi^l_max of every layer.
fn trace_sq_bound(problem: &Problem, theta: &[f64], grams: &[LayerGram]) -> (f64, Vec<f64>) {
    let (shape, layers) = (problem.network.shape, grams.len());
    let weight = |i: usize| problem.data.weights().map_or(1.0, |weights| weights[i]);
    let (mut psi_sq, mut phi_max) = (0.0, vec![f64::NEG_INFINITY; layers]);
    for (i, j, forms) in pair_forms(problem, theta) {
        let (times, weight) = (if i == j { 1.0 } else { 2.0 }, weight(i) * weight(j));
        // The forms hold omega_i omega_j once, and their squares twice.
        psi_sq += times * forms.psi.iter().flatten().map(|psi| psi * psi).sum::<f64>() / weight;
        for (largest, phi) in phi_max.iter_mut().zip(&forms.phi) {
            *largest = greater(*largest, phi / weight);
        }
    }
    let below: f64 = (1..layers).map(|l| ((layers - l) as f64 + phi_max[l - 1]) * grams[l - 1].weighted).sum();
    let last = curvature_suprema(problem.loss(), shape.outputs()).frobenius_sq * grams[layers - 1].weighted;
    (psi_sq + below + last, phi_max)
}

/// The trace of the block of every layer is at most these in size, (P,): Theorems 3 and 4 for networks of any depth,
/// with K outputs and any loss. Every one is finite, unless it leaves the range of f64.
///
/// The notation is that of [`crate::reference::layers`]; zeta_1 = sup f'^2 and zeta_2 = sup |f''|. S_i = d^2 l_i/dz_i^2
/// and delta_i = dl_i/dz_i are those of a sample that counts once, in L = sum_i omega_i l_i. |v|_r is the r-norm of a
/// vector, r = 1, 2 or inf; ||A||_2, ||A||_F and ||A||_* are the largest singular value of a matrix, the root of the
/// sum of all squared, and their sum.
///
/// tr H_ll = sum_i omega_i |h_{l-1},i|^2 tr M_ll,i. For l = P, M_PP = S, and [`curvature_suprema`] has the largest tr
/// S: Theorem 3. Below, M_ll = G_l + N_l, the part of S and the part of delta:
///
/// G_l = F'_l V^T G_{l+1} V F'_l, G_P = S; N_l = F'_l V^T N_{l+1} V F'_l + diag(f''_l o V^T g_{l+1}), N_P = 0; g_l =
/// F'_l V^T g_{l+1}, g_P = delta; V = V_{l+1}.
///
/// *Theorem.* |tr G_l| <= a_l and |tr N_l| <= n_l, where, with a_l, b_l for G, n_l, m_l for N, and c_l^r for g,
///
/// - a_l = zeta_1 min(||V||_2^2 a_{l+1}, ||V||_F^2 b_{l+1}) and b_l = zeta_1 ||V||_2^2 b_{l+1};
/// - n_l = zeta_1 min(||V||_2^2 n_{l+1}, ||V||_F^2 m_{l+1}) + zeta_2 u^1 and m_l = zeta_1 ||V||_2^2 m_{l+1} + zeta_2
///   u^inf;
/// - c_l^r = sqrt(zeta_1) u^r, u^r = min_s ||V^T||_{s,r} c_{l+1}^s over what is known of the operator norms of V^T from
///   the s-norm to the r-norm: u^1 from the largest row sum of |V| (s = 1), sqrt(N_l) ||V||_2 (s = 2) and the sum of
///   all |V_kn| (s = inf); u^2 from ||V||_2; u^inf from the largest |V_kn|, the longest column and the largest column
///   sum of |V|;
/// - a_P and b_P bound tr S and ||S||_2, n_P = m_P = 0, and c_P^r bounds |delta|_r.
///
/// *Proof*, from above downwards: a_l >= ||G_l||_*, b_l >= ||G_l||_2, n_l >= ||N_l||_*, m_l >= ||N_l||_2 and c_l^r >=
/// |g_l|_r, and a trace is at most ||.||_* in size. S is positive semidefinite, so ||S||_* = tr S. For any A, ||V^T A
/// V||_* <= ||V||_2^2 ||A||_*, and also <= ||V||_F ||A V||_F <= ||V||_F^2 ||A||_2, as ||V^T A V||_* is the largest <V^T
/// A V, U> = <A V, V U> over ||U||_2 <= 1, by the Cauchy-Schwarz inequality. F'_l is diagonal with ||F'_l||_2 <=
/// sqrt(zeta_1), and diag(f''_l o u) has the norms |f''_l o u|_1 <= zeta_2 |u|_1 and |f''_l o u|_inf <= zeta_2 |u|_inf.
/// The rest is the definition of an operator norm, and |u|_1 <= sqrt(N_l) |u|_2.
///
/// - *logistic*: |delta_k| <= 1, so c_P = (K, sqrt K, 1).
/// - *softmax*: S 1 = 0 and 1.delta = 0, so V_P may be replaced by its rows less their mean, and |delta|_1 <= 2,
///   |delta|_2 <= sqrt 2, |delta|_inf <= 1. Besides, with V_k the rows of V_P and d_r the largest |V_k - V_j|_r: delta
///   is a convex combination of the e_k - e_t, so |V_P^T delta|_r <= d_r. V_P^T S V_P is the covariance of a row drawn
///   with probabilities p, whose trace sum_{k<j} p_k p_j |V_k - V_j|^2 <= (1 - |p|^2) d_2^2 / 2 is at most (1 - 1/K)
///   d_2^2 / 2, and whose largest eigenvalue is the variance of a number that ranges over d_2 at most, so no more than
///   d_2^2 / 4. The smaller is taken.
/// - *squared*: delta has no bound. c_P = (sqrt K, 1, 1) is for |delta|_2 = 1, and N_l is linear in delta, so |tr N_l|
///   <= n_l |delta|_2. sum_i omega_i |delta_i|^2 = 2 L, so sum_i omega_i |h_i|^2 n_l |delta_i| <= sqrt(2 L sum_i
///   omega_i (|h_i|^2 n_l)^2) by the Cauchy-Schwarz inequality. At a loss of 0 nothing is left of it.
///
/// |h_0|^2 = 1 + |x|^2. |h_l|^2 <= 1 + N_l where |f| <= 1. Otherwise |y_l| <= ||W_l||_2 |h_{l-1}|, W_l with its biases,
/// and |h_l|^2 <= 1 + |y_l|^2 for linear, relu, gelu and silu, for which |f(y)| <= |y|; 1 + (sqrt(N_l) ln 2 + |y_l|)^2
/// for softplus, f(y) <= ln 2 + |y|; and 1 + |y_l|^4 for square. The slope 2 |y| of square has no bound for all y; in
/// the place of zeta_1 stands 4 (w |h_{l-1}|)^2, w the length of the longest row of W_l. So every bound is finite.
///
/// For the paper's networks ||V||_2 = ||V||_F, b_P = a_P = 1/4, and u^1 = ||Vt||_1: Theorem 4 as it stands, and Theorem
/// 3 where it has a bound.
pub fn layer_trace_bounds(problem: &Problem, theta: &[f64]) -> Vec<f64> {
    let chain = TraceChain::of(problem, theta);
    let last = chain.layers.len();
    // Of every layer: the part of S, and the part of delta, summed and in squares.
    let (mut smooth, mut bent, mut bent_sq) = (vec![0.0; last], vec![0.0; last], vec![0.0; last]);
    for i in 0..problem.data.samples() {
        let weight = problem.data.weights().map_or(1.0, |weights| weights[i]);
        let x = problem.data.sample(i);
        let Reach { size_sq, slope_sq } = chain.reach(1.0 + x.dot(&x));
        let traces = chain.traces(&slope_sq);
        for l in 0..last {
            let (smooth_i, bent_i) = (times(size_sq[l], traces[l].0), times(size_sq[l], traces[l].1));
            smooth[l] += weight * smooth_i;
            bent[l] += weight * bent_i;
            bent_sq[l] += weight * bent_i * bent_i;
        }
    }
    let residuals = |l: usize| match problem.loss() {
        Loss::Logistic | Loss::Softmax => bent[l],
        Loss::Squared if l + 1 == last => 0.0,
        Loss::Squared => times(2.0 * loss(problem, theta), bent_sq[l]).sqrt(),
    };
    (0..last).map(|l| smooth[l] + residuals(l)).collect()
}

/// What the bounds of the traces need of a network: nothing here depends on a sample.
struct TraceChain {
    activation: Activation,
    layers: Vec<Layer>,
    /// a_P, tr S at most.
    curvature: f64,
    /// The bounds of V_P^T S V_P and V_P^T delta; `None` without a hidden layer.
    top: Option<Back>,
    /// Norms of V_2 .. V_{P-1}, of which V_{l+1} is at place l - 1.
    back: Vec<BackNorms>,
    /// ||W_l||_2 and the length of the longest row of W_l, for l < P; empty where no bound needs them.
    forth: Vec<(f64, f64)>,
}

/// How large one sample may become on its way.
struct Reach {
    /// |h_0|^2 .. |h_{P-1}|^2 at most.
    size_sq: Vec<f64>,
    /// f'(y_1)^2 .. f'(y_{P-1})^2 at most.
    slope_sq: Vec<f64>,
}

/// Bounds of what comes back through V = V_{l+1} to the values of layer l.
#[derive(Clone, Copy)]
struct Back {
    /// ||V^T G V||_* and ||V^T G V||_2.
    smooth: (f64, f64),
    /// ||V^T N V||_* and ||V^T N V||_2.
    bent: (f64, f64),
    /// |V^T g|_r for r = 1, 2 and inf.
    gradient: [f64; 3],
}

impl TraceChain {
    fn of(problem: &Problem, theta: &[f64]) -> Self {
        let (shape, activation) = (problem.network.shape, problem.network.activation);
        let layers: Vec<Layer> = shape.layers().collect();
        let hidden = shape.hidden().len();
        let suprema = curvature_suprema(problem.loss(), shape.outputs());
        let top = (hidden > 0).then(|| top(&matrix(&layers[hidden], theta, 1), problem.loss(), suprema));
        let back = layers[..hidden].iter().skip(1).map(|layer| BackNorms::of(&matrix(layer, theta, 1))).collect();
        let forth = if is_bounded_by_1(activation) {
            Vec::new()
        } else {
            let norms = |layer: &Layer| {
                let w = matrix(layer, theta, 0);
                (spectral_norm(&w), largest(w.row_iter().map(|row| row.norm())))
            };
            layers[..hidden].iter().map(norms).collect()
        };
        Self { activation, layers, curvature: suprema.trace, top, back, forth }
    }

    /// The way of a sample with |h_0|^2 = `input_sq`.
    fn reach(&self, input_sq: f64) -> Reach {
        let mut reach = Reach { size_sq: vec![input_sq], slope_sq: Vec::new() };
        let hidden = self.layers.len() - 1;
        for (l, layer) in self.layers[..hidden].iter().enumerate() {
            let units = layer.units as f64;
            let (values_sq, slope_sq) = match self.forth.get(l) {
                None => (units, zeta1(self.activation)),
                Some(&(norm, longest_row)) => {
                    let below = reach.size_sq[l].sqrt();
                    let y = times(norm, below);
                    let values = match self.activation {
                        Activation::Softplus => units.sqrt() * LN_2 + y,
                        Activation::Square => y * y,
                        _ => y,
                    };
                    let slope_sq = match self.activation {
                        Activation::Square => (2.0 * times(longest_row, below)).powi(2),
                        other => zeta1(other),
                    };
                    (values * values, slope_sq)
                }
            };
            reach.size_sq.push(1.0 + values_sq);
            reach.slope_sq.push(slope_sq);
        }
        reach
    }

    /// Bounds of |tr G_l| and |tr N_l| of every layer, (P,), for a sample whose slopes are at most `slope_sq`.
    fn traces(&self, slope_sq: &[f64]) -> Vec<(f64, f64)> {
        let mut traces = vec![(self.curvature, 0.0)];
        let curvature = zeta2(self.activation);
        let mut back = self.top;
        for (l, &slope_sq) in slope_sq.iter().enumerate().rev() {
            let Some(Back { smooth, bent, gradient }) = back else { break };
            let smooth = (times(slope_sq, smooth.0), times(slope_sq, smooth.1));
            let bent = (
                times(slope_sq, bent.0) + times(curvature, gradient[0]),
                times(slope_sq, bent.1) + times(curvature, gradient[2]),
            );
            traces.push((smooth.0, bent.0));
            let gradient = gradient.map(|norm| times(slope_sq.sqrt(), norm));
            back = l.checked_sub(1).map(|below| self.back[below].through(&Back { smooth, bent, gradient }));
        }
        traces.reverse();
        traces
    }
}

/// What comes back through `v` = V_P.
fn top(v: &DMatrix<f64>, loss: Loss, suprema: CurvatureSuprema) -> Back {
    let (outputs, root) = (v.nrows() as f64, (v.nrows() as f64).sqrt());
    let smooth = (suprema.trace, suprema.norm);
    let of = |v: &DMatrix<f64>, gradient| BackNorms::of(v).through(&Back { smooth, bent: (0.0, 0.0), gradient });
    match loss {
        Loss::Logistic => of(v, [outputs, root, 1.0]),
        Loss::Squared => of(v, [root, 1.0, 1.0]),
        Loss::Softmax => {
            let mean = v.row_mean();
            let centred = DMatrix::from_fn(v.nrows(), v.ncols(), |k, n| v[(k, n)] - mean[n]);
            let Back { smooth, bent, .. } = of(&centred, [2.0, 2.0_f64.sqrt(), 1.0]);
            let gradient = diameters(v);
            let apart_sq = gradient[1] * gradient[1];
            let smooth = (smooth.0.min(suprema.trace * apart_sq / 2.0), smooth.1.min(apart_sq / 4.0));
            Back { smooth, bent, gradient }
        }
    }
}

/// The largest |V_k - V_j|_r over the rows of `v`, for r = 1, 2 and inf.
fn diameters(v: &DMatrix<f64>) -> [f64; 3] {
    let mut most = [0.0; 3];
    for k in 0..v.nrows() {
        for j in 0..k {
            let (mut sum, mut square, mut greatest) = (0.0, 0.0, 0.0);
            for (a, b) in v.row(k).iter().zip(v.row(j).iter()) {
                let apart = (a - b).abs();
                sum += apart;
                square += apart * apart;
                greatest = greater(greatest, apart);
            }
            most = [greater(most[0], sum), greater(most[1], square.sqrt()), greater(most[2], greatest)];
        }
    }
    most
}

/// Norms of V_{l+1}.
struct BackNorms {
    /// ||V||_2.
    spectral: f64,
    /// ||V||_F.
    frobenius: f64,
    /// N_l, the columns of V.
    units: f64,
    /// The largest sum of |V_kn| along a row, the sum of all, the largest sum along a column.
    sums: [f64; 3],
    /// The largest |V_kn|.
    entry: f64,
    /// The length of the longest column.
    column: f64,
}

impl BackNorms {
    fn of(v: &DMatrix<f64>) -> Self {
        let sum = |values: &mut dyn Iterator<Item = &f64>| values.map(|v| v.abs()).sum::<f64>();
        let rows = v.row_iter().map(|row| sum(&mut row.iter()));
        let columns = v.column_iter().map(|column| sum(&mut column.iter()));
        Self {
            spectral: spectral_norm(v),
            frobenius: v.norm(),
            units: v.ncols() as f64,
            sums: [largest(rows), sum(&mut v.iter()), largest(columns)],
            entry: largest(v.iter().map(|v| v.abs())),
            column: largest(v.column_iter().map(|column| column.norm())),
        }
    }

    /// What comes back through V of G, N and g of layer l + 1.
    fn through(&self, above: &Back) -> Back {
        let spectral_sq = self.spectral * self.spectral;
        let frobenius_sq = self.frobenius * self.frobenius;
        let both = |(trace, norm): (f64, f64)| {
            (times(spectral_sq, trace).min(times(frobenius_sq, norm)), times(spectral_sq, norm))
        };
        let [one, two, most] = above.gradient;
        let two_below = times(self.spectral, two);
        let gradient = [
            times(self.sums[0], one).min(times(self.sums[1], most)).min(self.units.sqrt() * two_below),
            two_below,
            times(self.entry, one).min(times(self.column, two)).min(times(self.sums[2], most)),
        ];
        Back { smooth: both(above.smooth), bent: both(above.bent), gradient }
    }
}

/// The columns of W_l from the one numbered `from` on: W_l itself from 0, V_l from 1.
fn matrix(layer: &Layer, theta: &[f64], from: usize) -> DMatrix<f64> {
    DMatrix::from_fn(layer.units, layer.inputs + 1 - from, |a, p| theta[layer.at(a, p + from)])
}

/// ||A||_2, the largest singular value; NaN where an entry is not finite.
fn spectral_norm(a: &DMatrix<f64>) -> f64 {
    let (largest, frobenius) = (largest(a.iter().map(|a| a.abs())), a.norm());
    if !largest.is_finite() {
        return f64::NAN;
    }
    if largest <= 0.0 || a.nrows() == 1 || a.ncols() == 1 {
        return frobenius;
    }
    let scaled = a / largest;
    let gram = if a.nrows() <= a.ncols() { &scaled * scaled.transpose() } else { scaled.tr_mul(&scaled) };
    // Without eigenvalues, the Frobenius norm bounds it as well.
    symmetric_eigen(gram).map_or(frobenius, |eigen| largest * eigen.values.max().sqrt())
}

/// The largest of `values`, none of which is negative; NaN if any is.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, greater)
}

/// The larger of two numbers; NaN if either is.
fn greater(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The product of two bounds, where a factor that is 0 makes it 0 even if the other has left the range of f64: each
/// bounds something finite.
fn times(a: f64, b: f64) -> f64 {
    if (a == 0.0 && b.is_infinite()) || (b == 0.0 && a.is_infinite()) { 0.0 } else { a * b }
}
