//! Bounds of the traces from norms of the weights, the hidden values and the data (paper, Theorems 3, 4, 6, 7 and
//! Propositions 5 to 7).

use std::f64::consts::{E, FRAC_2_SQRT_PI, PI};

use ndarray::ArrayView2;

use crate::model::{Activation, Dataset, Network, PaperProblem};
use crate::reference::{Terms, pair_forms};

/// zeta_1 = sup_y f'(y)^2 of an activation function (Theorem 4).
///
/// - linear, tanh, softplus: 1. For tanh f' = 1 - f^2 is largest at y = 0; for softplus f' = sigmoid(y) approaches 1.
/// - sigmoid: f' = f (1 - f) is largest at f = 1/2, so zeta_1 = 1/16.
/// - GELU: f'' = g(y) (2 - y^2) vanishes at y = +-sqrt(2), and f'(y) + f'(-y) = 1, so f' is largest at sqrt(2), where
///   f' = G(sqrt 2) + sqrt(2) g(sqrt 2) = (1 + erf(1)) / 2 + 1 / (e sqrt(pi)) = 1.1289..., and smallest at -sqrt(2),
///   where it is 1 - 1.1289... = -0.1289...
/// - relu: f' is 0 or 1, so zeta_1 = 1.
/// - silu: with s = sigmoid(y), f'' = s (1-s) (2 - y tanh(y/2)) vanishes where y tanh(y/2) = 2, at y = +-2.3993...; as
///   y tanh(y/2) grows with |y|, nowhere else. f'(y) + f'(-y) = 1, so f' is largest at the positive one. There s = 1/2
///   + 1/y, and f' = s (1 + y (1-s)) = (y + 2) / 4 = 1.0998...; it is smallest at the other, -0.0998...
/// - erf: f' = 2/sqrt(pi) exp(-y^2) is largest at y = 0, so zeta_1 = 4/pi.
/// - square: f' = 2y has no bound, so zeta_1 is `inf`.
pub fn zeta1(activation: Activation) -> f64 {
    match activation {
        Activation::Linear | Activation::Tanh | Activation::Softplus | Activation::Relu => 1.0,
        Activation::Sigmoid => 1.0 / 16.0,
        Activation::Gelu => {
            let steepest = 0.5 * (1.0 + libm::erf(1.0)) + 1.0 / (E * PI.sqrt());
            steepest * steepest
        }
        Activation::Silu => {
            let steepest = (SILU_STEEPEST + 2.0) / 4.0;
            steepest * steepest
        }
        Activation::Erf => 4.0 / PI,
        Activation::Square => f64::INFINITY,
    }
}

/// The root of y tanh(y/2) = 2, where silu is steepest, to the last digit of f64.
const SILU_STEEPEST: f64 = 2.399_357_280_515_467_5;

/// zeta_2 = sup_y |f''(y)| of an activation function (Theorem 4).
///
/// - linear: 0.
/// - sigmoid: with f = 1/2 + t, f'' = -2t (1/4 - t^2) is extremal at t^2 = 1/12, so zeta_2 = sqrt(3)/18.
/// - tanh: f'' = -2 f (1 - f^2) is extremal at f^2 = 1/3, so zeta_2 = 4 sqrt(3)/9.
/// - softplus: f'' = f' (1 - f') is largest at y = 0, so zeta_2 = 1/4.
/// - GELU: f''' = -y g(y) (4 - y^2) vanishes at 0 and +-2; |f''| is 2 g(0) = sqrt(2/pi) = 0.798 there, against 2 g(2) =
///   0.108.
/// - relu: 0, as f'' is 0 almost everywhere and counts as 0 at the kink.
/// - silu: f'' = s (1-s) (2 - y tanh(y/2)) is 1/2 at y = 0. No |f''| is larger: s (1-s) is at most 1/4 and exp(-|y|),
///   the bracket is at most 2, and where it is negative, |f''| < (|y| - 2) exp(-|y|) <= exp(-3).
/// - erf: f''' = (4 y^2 - 2) f' vanishes at y^2 = 1/2, where |f''| = 2 |y| f' = 2 sqrt(2/(pi e)) = 0.9678...
/// - square: 2.
pub fn zeta2(activation: Activation) -> f64 {
    match activation {
        Activation::Linear | Activation::Relu => 0.0,
        Activation::Sigmoid => 3.0_f64.sqrt() / 18.0,
        Activation::Tanh => 4.0 * 3.0_f64.sqrt() / 9.0,
        Activation::Softplus => 0.25,
        Activation::Gelu => (2.0 / PI).sqrt(),
        Activation::Silu => 0.5,
        Activation::Erf => FRAC_2_SQRT_PI * (2.0 / E).sqrt(),
        Activation::Square => 2.0,
    }
}

/// Whether |f| <= 1 everywhere, which Theorem 3 and Proposition 7 need.
pub(super) const fn is_bounded_by_1(activation: Activation) -> bool {
    matches!(activation, Activation::Sigmoid | Activation::Tanh | Activation::Erf)
}

/// tr H(v,v) <= I (N+1) / 4 for sigmoid, tanh and erf (Theorem 3), since s_i <= 1/4 and |r_in| <= 1.
///
/// `inf` for all others: their hidden values, and with them tr H(v,v), have no bound that holds for all weights.
pub fn trace_vv_bound(problem: &PaperProblem<'_>) -> f64 {
    if is_bounded_by_1(problem.network.activation) {
        problem.data.samples() as f64 * (problem.network.shape.hidden + 1) as f64 / 4.0
    } else {
        f64::INFINITY
    }
}

/// tr H(w,w) <= (zeta_1/4 ||Vt||_F^2 + zeta_2 ||Vt||_1) sum_i (1 + x_i.x_i) (Theorem 4), with Vt the output weights of
/// `theta` without their bias. From s_i <= 1/4 and |delta_i| <= 1. `inf` for square, whose slope has no bound; finite
/// for every other activation.
pub fn trace_ww_bound(problem: &PaperProblem<'_>, theta: &[f64]) -> f64 {
    let Network { shape, activation } = problem.network;
    let (slope, curvature) = (zeta1(activation), zeta2(activation));
    if slope.is_infinite() {
        return f64::INFINITY;
    }
    let (mut square, mut absolute) = (0.0, 0.0);
    for n in 0..shape.hidden {
        let v = theta[shape.v(n)];
        square += v * v;
        absolute += v.abs();
    }
    (slope / 4.0 * square + curvature * absolute) * input_trace(problem.data)
}

/// sum_i (1 + x_i.x_i), the trace of J + X^T X: the factor of the data in Theorem 4.
pub fn input_trace(data: &Dataset) -> f64 {
    data.samples() as f64 + data.x().iter().map(|x| x * x).sum::<f64>()
}

/// sum_i (1 + x_i.x_i) <= I (1+M) where every |x_im| <= 1 (Proposition 5), `inf` for other data.
///
/// The paper states it for x in \[0, 1\]^M; the proof needs no more than x_im^2 <= 1. Equality when every |x_im| = 1.
pub fn input_trace_bound(data: &Dataset) -> f64 {
    if is_in_unit_cube(data) { data.samples() as f64 * (1 + data.inputs()) as f64 } else { f64::INFINITY }
}

/// ||J + X^T X||_F^2 <= I^2 (1+M)^2 where every |x_im| <= 1 (Proposition 6), `inf` for other data.
///
/// The paper states it for x in \[0, 1\]^M; the proof needs no more than |x_i.x_j| <= M. Equality when all samples are
/// the same corner of the cube.
pub fn input_gram_bound(data: &Dataset) -> f64 {
    input_trace_bound(data).powi(2)
}

/// ||J + R^T R||_F^2 <= I^2 (1+N)^2 for sigmoid, tanh and erf (Proposition 7), `inf` for all others.
///
/// Equality is approached when every hidden unit saturates at the same end for all samples.
pub fn hidden_gram_bound(problem: &PaperProblem<'_>) -> f64 {
    if is_bounded_by_1(problem.network.activation) {
        (problem.data.samples() as f64 * (1 + problem.network.shape.hidden) as f64).powi(2)
    } else {
        f64::INFINITY
    }
}

fn is_in_unit_cube(data: &Dataset) -> bool {
    data.x().iter().all(|x| x.abs() <= 1.0)
}

/// Two squared Frobenius norms of the Gram matrix of I vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GramNorms {
    /// ||R^T R||_F^2 = sum_ij (r_i.r_j)^2.
    pub plain: f64,
    /// ||J + R^T R||_F^2 = sum_ij (1 + r_i.r_j)^2, J the matrix of ones: the same for the vectors \[1; r_i\].
    pub with_bias: f64,
}

/// The Gram norms of the rows of `vectors`, (I, N), in min(I^2 N, I N^2) multiplications, since ||R^T R||_F = ||R
/// R^T||_F.
pub fn gram_norms(vectors: ArrayView2<'_, f64>) -> GramNorms {
    let (samples, width) = vectors.dim();
    let short = if width <= samples { vectors.t() } else { vectors };
    let mut plain = 0.0;
    for (a, row) in short.outer_iter().enumerate() {
        plain += row.dot(&row).powi(2);
        plain += 2.0 * short.outer_iter().take(a).map(|other| row.dot(&other).powi(2)).sum::<f64>();
    }
    // sum_ij (1 + r_i.r_j)^2 = I^2 + 2 |sum_i r_i|^2 + sum_ij (r_i.r_j)^2, and nothing cancels.
    let count = samples as f64;
    let sum_sq: f64 = vectors.columns().into_iter().map(|column| column.sum().powi(2)).sum();
    GramNorms { plain, with_bias: count * count + 2.0 * sum_sq + plain }
}

/// What Theorem 6 needs from the pair forms of one network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairNorms {
    /// ||Psi||_F^2 = sum_ij psi_ij^2.
    pub psi_sq: f64,
    /// The largest phi_ij; NaN if any of them is. Never negative beyond rounding, since phi_ii is the squared Frobenius
    /// norm of the N x N factor s_i F' Vt^T Vt F' + delta_i diag(Vt) F'' of H(w,w); phi_ij of two samples can have
    /// either sign.
    pub phi_max: f64,
}

/// ||Psi||_F^2 and the largest phi_ij of the network `theta`; each unordered pair of samples once.
pub fn pair_norms(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> PairNorms {
    let mut norms = PairNorms { psi_sq: 0.0, phi_max: f64::NEG_INFINITY };
    for i in 0..terms.samples {
        for j in i..terms.samples {
            let forms = pair_forms(problem, theta, terms, i, j);
            norms.psi_sq += if i == j { 1.0 } else { 2.0 } * forms.psi * forms.psi;
            // Not f64::max, which would drop a NaN on either side.
            if forms.phi.is_nan() || forms.phi > norms.phi_max {
                norms.phi_max = forms.phi;
            }
            if forms.phi.is_nan() {
                return PairNorms { psi_sq: f64::NAN, phi_max: f64::NAN };
            }
        }
    }
    norms
}

/// tr H^2 <= ||Psi||_F^2 + (1 + phi_max) ||J + X^T X||_F^2 + ||J + R^T R||_F^2 / 16 (Theorem 6), from the pair norms
/// and the two Gram norms with bias of one network.
///
/// With K_ij = 1 + x_i.x_j and R_ij = 1 + r_i.r_j, tr H^2 = sum_ij \[phi_ij K_ij^2 + 2 psi_ij K_ij + omega_ij R_ij^2\].
/// Term by term:
///
/// - phi_ij K_ij^2 <= phi_max K_ij^2, because K_ij^2 >= 0, whatever the sign of phi_ij: phi_max is the largest phi_ij
///   itself, not the largest |phi_ij|;
/// - 2 psi_ij K_ij <= psi_ij^2 and K_ij^2 together, because (psi_ij - K_ij)^2 >= 0, whatever the sign of psi_ij;
/// - omega_ij R_ij^2 <= R_ij^2 / 16, because omega_ij = s_i s_j and s <= 1/4.
///
/// Equality needs phi_ij = phi_max, psi_ij = K_ij and s_i = 1/4 for all samples at once.
pub fn trace_sq_bound(pairs: PairNorms, input_gram: GramNorms, hidden_gram: GramNorms) -> f64 {
    pairs.psi_sq + (1.0 + pairs.phi_max) * input_gram.with_bias + hidden_gram.with_bias / 16.0
}

/// lambda_sup <= sum_i |delta_i| (g_i.g_i + ||Z_i||_F), with g_i and Z_i the gradient and the Hessian of z_i over
/// theta: a rate for Theorem 7, delta -> 0 implies lambda_sup -> 0.
///
/// Here g_i.g_i = K_ii sum_n (v_n f'_in)^2 + R_ii and ||Z_i||_F^2 = K_ii^2 sum_n (v_n f''_in)^2 + 2 K_ii sum_n f'_in^2,
/// with K_ii = 1 + x_i.x_i and R_ii = 1 + r_i.r_i. The steps: lambda_sup = mu + sqrt(D-1) sigma <= sqrt(D) sqrt(mu^2 +
/// sigma^2) = ||H||_F by Cauchy-Schwarz; H = sum_i (s_i g_i g_i^T + delta_i Z_i), so ||H||_F <= sum_i (s_i g_i.g_i +
/// |delta_i| ||Z_i||_F); and s_i = |delta_i| (1 - |delta_i|) <= |delta_i|, for either label. Weights that grow to make
/// delta vanish enter as powers, while delta falls exponentially in z, so the product vanishes too.
pub fn residual_bound(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> f64 {
    let (shape, data) = (problem.network.shape, &problem.data);
    (0..terms.samples)
        .map(|i| {
            let (r, df) = (terms.row(&terms.r, i), terms.row(&terms.df, i));
            let ddf = terms.row(&terms.ddf, i);
            let x = data.sample(i);
            let input = 1.0 + x.dot(&x);
            let (mut hidden, mut back, mut curvature, mut slope) = (1.0, 0.0, 0.0, 0.0);
            for n in 0..shape.hidden {
                let v = theta[shape.v(n)];
                hidden += r[n] * r[n];
                back += (v * df[n]).powi(2);
                curvature += (v * ddf[n]).powi(2);
                slope += df[n] * df[n];
            }
            let gradient_sq = input * back + hidden;
            let output_hessian = (input * input * curvature + 2.0 * input * slope).sqrt();
            terms.delta[i].abs() * (gradient_sq + output_hessian)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::{SILU_STEEPEST, gram_norms, zeta1, zeta2};
    use crate::model::Activation;

    /// The largest of |quantity| over a grid on \[-40, 40\], refined around its best point.
    fn supremum(quantity: impl Fn(f64) -> f64) -> f64 {
        let (mut centre, mut width, mut best) = (0.0_f64, 40.0_f64, 0.0_f64);
        while width > 1e-9 {
            let start = centre;
            for k in -2000..=2000 {
                let y = start + width * f64::from(k) / 2000.0;
                if quantity(y).abs() > best {
                    (best, centre) = (quantity(y).abs(), y);
                }
            }
            width /= 100.0;
        }
        best
    }

    #[test]
    fn activation_constants_are_the_suprema_found_numerically() {
        for activation in Activation::ALL.into_iter().filter(|activation| *activation != Activation::Square) {
            let df = supremum(|y| activation.derivatives(y).df.powi(2));
            let ddf = supremum(|y| activation.derivatives(y).ddf);
            // The grid ends at y = 40, where softplus has come within 1e-17 of its supremum; near a smooth maximum the
            // refinement's error is of second order.
            assert!((df - zeta1(activation)).abs() <= 1e-14, "{activation:?} zeta1: {df} {}", zeta1(activation));
            assert!((ddf - zeta2(activation)).abs() <= 1e-14, "{activation:?} zeta2: {ddf} {}", zeta2(activation));
        }
        assert!(zeta1(Activation::Square).is_infinite() && (zeta2(Activation::Square) - 2.0).abs() < 1e-300);
        // The constant of silu is the root, to the last digit: the sign of what vanishes there changes beside it.
        let excess = |y: f64| y * libm::tanh(0.5 * y) - 2.0;
        assert!(excess(SILU_STEEPEST - 4e-15) < 0.0 && excess(SILU_STEEPEST + 4e-15) > 0.0);
        assert!((zeta1(Activation::Gelu).sqrt() - 1.128_904_145).abs() < 1e-9, "the value in three digits is 1.128...");
    }

    #[test]
    fn gram_norms_agree_with_the_matrix_on_both_sides_of_the_crossover() {
        for (samples, width) in [(1, 1), (2, 5), (5, 5), (6, 5), (9, 2)] {
            let vectors = Array2::from_shape_fn((samples, width), |(i, n)| ((3 * i + 5 * n) as f64).sin() + 0.3);
            let gram = vectors.dot(&vectors.t());
            let plain: f64 = gram.iter().map(|g| g * g).sum();
            let with_bias: f64 = gram.iter().map(|g| (1.0 + g) * (1.0 + g)).sum();
            let norms = gram_norms(vectors.view());
            assert!((norms.plain - plain).abs() <= 1e-13 * plain, "{samples} x {width}");
            assert!((norms.with_bias - with_bias).abs() <= 1e-13 * with_bias, "{samples} x {width}");
        }
        assert!(gram_norms(array![[1.0, f64::NAN]].view()).plain.is_nan());
    }
}
