//! How far the rounding of one sample's terms may have moved its Hessian; see [`crate::engine::Rounding`].
//!
//! For every quantity of the recursion, a bound of its error goes along: entry by entry for vectors, in the Frobenius
//! norm for matrices, where ||A B||_F <= ||A||_F ||B||_F. A sum of n products is off by at most n u times the sum of
//! their magnitudes, besides what the errors of its factors give.

use super::{LayerDerivatives, LayerValues, backward, forward};
use crate::engine::{Spread, UNIT};
use crate::model::{Layer, Loss, Problem, SampleTarget};
use crate::reference::rounding::{FUNCTION, unit_errors};

/// The size of a quantity, a norm or a magnitude, and a bound of its error.
#[derive(Debug, Clone, Copy)]
struct Approximate {
    size: f64,
    error: f64,
}

impl Approximate {
    /// A product of two quantities whose products add up in sums of at most `terms`.
    fn times(self, other: Self, terms: usize) -> Self {
        let size = self.size * other.size;
        let rounded = (terms + 1) as f64 * UNIT * size;
        Self { size, error: self.error * (other.size + other.error) + self.size * other.error + rounded }
    }

    fn plus(self, other: Self) -> Self {
        let size = self.size + other.size;
        Self { size, error: self.error + other.error + UNIT * size }
    }

    /// |values|, whose entries are off by `errors`.
    fn norm(values: &[f64], errors: &[f64]) -> Self {
        let length = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
        Self { size: length(values), error: length(errors) }
    }
}

/// Sizes and errors, summed over the samples.
pub(crate) fn spread(problem: &Problem, theta: &[f64]) -> Spread {
    let mut total = Spread::default();
    for i in 0..problem.data.samples() {
        let forward = forward(problem.network, theta, problem.data.sample(i));
        let backward = backward(problem, theta, i, &forward);
        let Spread { size, perturbation } = spread_of_sample(problem, theta, i, &forward, &backward);
        total.size += size;
        total.perturbation += perturbation;
    }
    total
}

/// The size of the Hessian of one sample, and a bound of how far it is off.
///
/// With X_l = |h_{l-1}|^2 ||M_ll|| and Y_lm = |h_{l-1}| (|h_{m-1}| ||M_lm|| + ||R_lm|| |g_m|), the square of the size
/// is sum_l X_l^2 + 2 sum_{l<m} Y_lm^2, at least ||H_i||_F^2. By the Cauchy-Schwarz inequality the magnitudes of all
/// products in the forms of a pair of samples add up to at most the product of their sizes.
fn spread_of_sample(
    problem: &Problem,
    theta: &[f64],
    i: usize,
    forward: &LayerValues,
    backward: &LayerDerivatives,
) -> Spread {
    let layers: Vec<Layer> = problem.network.shape.layers().collect();
    let last = layers.len();
    let ForwardErrors { h: h_errors, df: df_errors, ddf: ddf_errors, z: z_errors } =
        forward_errors(problem, theta, forward);

    let (mut g_errors, s_error) = loss_errors(problem, i, forward.z.as_slice(), &z_errors);
    let mut own = Approximate { size: backward.s().norm(), error: s_error };
    // From the last layer down: |g_l|, ||M_ll|| and ||V_{l+1} F'_l||.
    let mut g = vec![Approximate::norm(backward.g(last).as_slice(), &g_errors)];
    let mut curvatures = vec![own];
    let mut steps = Vec::new();
    for l in (1..last).rev() {
        let (next, df) = (&layers[l], forward.df[l - 1].as_slice());
        let (mut back, mut back_errors, mut bent_errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut errors = Vec::with_capacity(next.inputs);
        for p in 0..next.inputs {
            let products = (0..next.units).map(|a| (theta[next.at(a, p + 1)], backward.g(l + 1)[a], g_errors[a]));
            let (mut sum, mut size, mut error) = (0.0, 0.0, 0.0);
            for (weight, g, g_error) in products {
                sum += weight * g;
                size += (weight * g).abs();
                error += weight.abs() * g_error;
            }
            error += next.units as f64 * UNIT * size;
            back.push(sum);
            back_errors.push(error);
            let of_product = |value: f64, value_error: f64| {
                value_error * (sum.abs() + error) + value.abs() * error + UNIT * (value * sum).abs()
            };
            errors.push(of_product(df[p], df_errors[l - 1][p]));
            bent_errors.push(of_product(forward.ddf[l - 1][p], ddf_errors[l - 1][p]));
        }
        let step = step(next, theta, df, &df_errors[l - 1]);
        let bent: Vec<f64> = back.iter().zip(&forward.ddf[l - 1]).map(|(back, ddf)| back * ddf).collect();
        let moved = step.times(own, next.units).times(step, next.units).plus(Approximate::norm(&bent, &bent_errors));
        own = Approximate { size: backward.m(l, l).norm(), error: moved.error };
        g_errors = errors;
        g.push(Approximate::norm(backward.g(l).as_slice(), &g_errors));
        curvatures.push(own);
        steps.push(step);
    }
    g.reverse();
    curvatures.reverse();
    steps.reverse();

    let h: Vec<Approximate> =
        forward.h.iter().zip(&h_errors).map(|(h, errors)| Approximate::norm(h.as_slice(), errors)).collect();
    let df: Vec<Approximate> =
        forward.df.iter().zip(&df_errors).map(|(df, errors)| Approximate::norm(df.as_slice(), errors)).collect();
    let (mut size_sq, mut error_sq) = (0.0, 0.0);
    let mut add = |block: Approximate, times: f64| {
        size_sq += times * block.size * block.size;
        error_sq += times * block.error * block.error;
    };
    for l in 1..=last {
        add(h[l - 1].times(h[l - 1], 0).times(curvatures[l - 1], 0), 1.0);
        // ||E_{l,m}||, from m = l on; R_{l,l+1} = F'_l.
        let mut reach: Option<Approximate> = None;
        for m in l + 1..=last {
            let units = layers[m - 1].inputs;
            let fed = reach.map_or(df[m - 2], |reach| df[m - 2].times(reach, 0));
            let reached = reach.map_or(steps[m - 2], |reach| steps[m - 2].times(reach, units));
            let curvature = reached.times(curvatures[m - 1], layers[m - 1].units);
            // The sizes of the matrices as they are: products of norms may be far larger.
            let of = |found: Approximate, size: f64| Approximate { size, error: found.error };
            let curvature = of(curvature, backward.m(l, m).norm());
            let fed = of(fed, backward.r(l, m).norm());
            let direct = fed.times(g[m - 1], 0);
            add(h[l - 1].times(h[m - 1].times(curvature, 0).plus(direct), 0), 2.0);
            reach = Some(reached);
        }
    }
    Spread { size: size_sq.sqrt(), perturbation: error_sq.sqrt() }
}

/// Sizes and errors of the Gauss-Newton part, summed over the samples: of ||omega_i S_i|| |J_i|^2, where |J_i|^2 =
/// sum_l |h_{l-1}|^2 ||E_l||^2 and J_i^T omega_i S_i J_i is off by at most
///
/// ||dS|| (|J| + |dJ|)^2 + ||S|| (2 |J| + |dJ|) |dJ|.
pub(super) fn gauss_newton_spread(problem: &Problem, theta: &[f64]) -> Spread {
    let mut total = Spread::default();
    let layers: Vec<Layer> = problem.network.shape.layers().collect();
    let last = layers.len();
    for i in 0..problem.data.samples() {
        let forward = forward(problem.network, theta, problem.data.sample(i));
        let backward = backward(problem, theta, i, &forward);
        let errors = forward_errors(problem, theta, &forward);
        let (_, s_error) = loss_errors(problem, i, forward.z.as_slice(), &errors.z);
        let steps: Vec<Approximate> =
            (1..last).map(|l| step(&layers[l], theta, forward.df[l - 1].as_slice(), &errors.df[l - 1])).collect();
        let (mut size_sq, mut error_sq) = (0.0, 0.0);
        for l in 1..=last {
            let h = Approximate::norm(forward.h[l - 1].as_slice(), &errors.h[l - 1]);
            // E_l is the product of all steps above, and exact for the last layer.
            let above = steps[l - 1..].iter().zip(&layers[l..]);
            let reached = above.fold(None, |reach: Option<Approximate>, (step, layer)| {
                Some(reach.map_or(*step, |reach| reach.times(*step, layer.inputs)))
            });
            let e = Approximate { size: backward.e(l).norm(), error: reached.map_or(0.0, |reached| reached.error) };
            let block = h.times(e, 0);
            size_sq += block.size * block.size;
            error_sq += block.error * block.error;
        }
        let (s, j, dj) = (backward.s().norm(), f64::sqrt(size_sq), f64::sqrt(error_sq));
        total.size += s * size_sq;
        total.perturbation += s_error * (j + dj).powi(2) + s * (2.0 * j + dj) * dj;
    }
    total
}

/// The errors of the forward pass of one sample, entry by entry.
struct ForwardErrors {
    /// Of h_0 .. h_{P-1}, whose first entries are the exact 1.
    h: Vec<Vec<f64>>,
    /// Of f'(y_1) .. f'(y_{P-1}).
    df: Vec<Vec<f64>>,
    /// Of f''(y_1) .. f''(y_{P-1}).
    ddf: Vec<Vec<f64>>,
    /// Of z.
    z: Vec<f64>,
}

fn forward_errors(problem: &Problem, theta: &[f64], forward: &LayerValues) -> ForwardErrors {
    let layers: Vec<Layer> = problem.network.shape.layers().collect();
    let last = layers.len();
    let mut h_errors = vec![vec![0.0; layers[0].inputs + 1]];
    let (mut df_errors, mut ddf_errors, mut z_errors) = (Vec::new(), Vec::new(), Vec::new());
    for (l, layer) in layers.iter().enumerate() {
        let errors = pre_activation_errors(layer, theta, forward.h[l].as_slice(), &h_errors[l]);
        if l + 1 == last {
            z_errors = errors;
            break;
        }
        let mut of_units = [vec![0.0], Vec::new(), Vec::new()];
        for (a, &error) in errors.iter().enumerate() {
            let y = pre_activation(layer, theta, forward.h[l].as_slice(), a);
            let unit = [forward.h[l + 1][a + 1], forward.df[l][a], forward.ddf[l][a]];
            let found = unit_errors(problem.network.activation, y, error, unit);
            of_units.iter_mut().zip(found).for_each(|(errors, error)| errors.push(error));
        }
        let [of_h, of_df, of_ddf] = of_units;
        h_errors.push(of_h);
        df_errors.push(of_df);
        ddf_errors.push(of_ddf);
    }
    ForwardErrors { h: h_errors, df: df_errors, ddf: ddf_errors, z: z_errors }
}

/// ||V_{l+1} F'_l||, where `next` is layer l + 1 and `df` is f'(y_l).
fn step(next: &Layer, theta: &[f64], df: &[f64], df_errors: &[f64]) -> Approximate {
    let weight = |a: usize, p: usize| theta[next.at(a, p + 1)];
    let places = || (0..next.units).flat_map(|a| (0..next.inputs).map(move |p| (a, p)));
    let step: Vec<f64> = places().map(|(a, p)| weight(a, p) * df[p]).collect();
    let errors: Vec<f64> =
        places().map(|(a, p)| weight(a, p).abs() * df_errors[p] + UNIT * (weight(a, p) * df[p]).abs()).collect();
    Approximate::norm(&step, &errors)
}

/// W_l h for unit `a`.
fn pre_activation(layer: &Layer, theta: &[f64], h: &[f64], a: usize) -> f64 {
    (0..=layer.inputs).map(|p| theta[layer.at(a, p)] * h[p]).sum()
}

/// The errors of W_l h, whose h is off by `h_errors`.
fn pre_activation_errors(layer: &Layer, theta: &[f64], h: &[f64], h_errors: &[f64]) -> Vec<f64> {
    let of_unit = |a: usize| {
        let each = (0..=layer.inputs).map(|p| (theta[layer.at(a, p)].abs(), h[p].abs(), h_errors[p]));
        let rounded = (layer.inputs + 1) as f64 * UNIT;
        each.map(|(weight, h, error)| weight * (rounded * h + error)).sum()
    };
    (0..layer.units).map(of_unit).collect()
}

/// The errors of omega delta, entry by entry, and of omega S, in the Frobenius norm, at outputs `z` that are off by
/// `z_errors`.
///
/// Logistic loss: |dp/dz| = p (1 - p) grows by less than the factor exp(|dz|). Softmax: each p_k is off by less than
/// the factor exp(2 max |dz|), its exponent is rounded, and so are the exponential, the sum and the quotient. All p are
/// between 0 and 1, which bounds their errors where nothing else does.
fn loss_errors(problem: &Problem, i: usize, z: &[f64], z_errors: &[f64]) -> (Vec<f64>, f64) {
    let weight = problem.data.weights().map_or(1.0, |weights| weights[i]);
    let target = problem.data.targets().sample(i);
    let delta = target.residual(z);
    let curvature = problem.loss().curvature(z);
    let (errors, s_error) = match problem.loss() {
        Loss::Logistic => {
            let relative = |dz: f64| dz.exp_m1() + FUNCTION * UNIT;
            let errors = delta
                .iter()
                .zip(z_errors.iter().zip(&curvature.diagonal))
                .map(|(delta, (&dz, s))| (s * relative(dz)).min(1.0) + FUNCTION * UNIT * delta.abs());
            let squares = z_errors.iter().zip(&curvature.diagonal).map(|(&dz, s)| (s * relative(dz)).min(0.25).powi(2));
            (errors.collect::<Vec<f64>>(), squares.sum::<f64>().sqrt())
        }
        Loss::Softmax => {
            let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let moved = z_errors.iter().copied().fold(0.0, f64::max);
            // exp(-750) is 0 in f64.
            let exponent = z.iter().map(|z| (largest - z).min(750.0)).fold(0.0, f64::max);
            let rounded = (FUNCTION + z.len() as f64 + exponent) * UNIT;
            let relative = (2.0 * moved).exp_m1() + rounded;
            let p = &curvature.diagonal;
            let others = |k: usize| (0..p.len()).filter(|&j| j != k).map(|j| p[j]).sum::<f64>();
            let wrong = |k: usize| match target {
                SampleTarget::Class(t) if t == k => others(k),
                _ => p[k],
            };
            let errors = (0..p.len()).map(|k| (relative * wrong(k)).min(1.0)).collect();
            let size = (0..p.len()).flat_map(|a| (0..p.len()).map(move |b| (a, b)));
            let size = size.map(|(a, b)| curvature.at(a, b).powi(2)).sum::<f64>().sqrt();
            // ||S||_F is below 1.
            (errors, ((2.0 * relative + relative * relative) * size).min(1.0))
        }
        Loss::Squared => {
            let errors = delta.iter().zip(z_errors).map(|(delta, dz)| dz + UNIT * delta.abs());
            (errors.collect(), 0.0)
        }
    };
    let of_weight = UNIT * weight;
    let errors = errors.iter().zip(&delta).map(|(error, delta)| weight * error + of_weight * delta.abs()).collect();
    let size = (0..z.len()).flat_map(|a| (0..z.len()).map(move |b| (a, b)));
    let size = size.map(|(a, b)| curvature.at(a, b).powi(2)).sum::<f64>().sqrt();
    (errors, weight * s_error + of_weight * size)
}
