//! The results of one forward pass, sample by sample, from which the closed forms are computed.

use super::layers;
use crate::model::{
    Dataset, Network, OneHidden, PaperProblem, Problem, cross_entropy, cross_entropy_curvature, cross_entropy_residual,
};

/// Per-sample quantities of one network. Arrays over units are (I, N), row-major: unit n of sample i at i N + n.
#[derive(Debug, Clone)]
pub struct Terms {
    /// I, the number of samples.
    pub samples: usize,
    /// N, the number of hidden units.
    pub hidden: usize,
    /// z_i, the network's output before the logistic function.
    pub z: Vec<f64>,
    /// l_i = softplus(z_i) - q_i z_i, the cross-entropy of sample i.
    pub loss: Vec<f64>,
    /// s_i = p_i (1 - p_i).
    pub s: Vec<f64>,
    /// delta_i = p_i - q_i.
    pub delta: Vec<f64>,
    /// r_in = f(y_in).
    pub r: Vec<f64>,
    /// f'_in = f'(y_in).
    pub df: Vec<f64>,
    /// f''_in = f''(y_in).
    pub ddf: Vec<f64>,
}

impl Terms {
    /// Row i of an (I, N) array of these terms.
    pub fn row<'a>(&self, array: &'a [f64], i: usize) -> &'a [f64] {
        &array[i * self.hidden..(i + 1) * self.hidden]
    }
}

/// Runs the network `theta` (D,) on every sample of `problem`.
pub fn terms(problem: &PaperProblem<'_>, theta: &[f64]) -> Terms {
    let PaperProblem { network: Network { shape, activation }, data, q } = problem;
    let (samples, hidden) = (data.samples(), shape.hidden);
    let mut terms = Terms {
        samples,
        hidden,
        z: Vec::with_capacity(samples),
        loss: Vec::with_capacity(samples),
        s: Vec::with_capacity(samples),
        delta: Vec::with_capacity(samples),
        r: Vec::with_capacity(samples * hidden),
        df: Vec::with_capacity(samples * hidden),
        ddf: Vec::with_capacity(samples * hidden),
    };
    for (i, &q) in q.iter().enumerate() {
        let mut z = theta[shape.v_bias()];
        for n in 0..hidden {
            let f = activation.derivatives(pre_activation(*shape, theta, data, i, n));
            z += theta[shape.v(n)] * f.value;
            terms.r.push(f.value);
            terms.df.push(f.df);
            terms.ddf.push(f.ddf);
        }
        terms.z.push(z);
        terms.loss.push(cross_entropy(z, q));
        terms.s.push(cross_entropy_curvature(z));
        terms.delta.push(cross_entropy_residual(z, q));
    }
    terms
}

/// z_i, the network's output before the logistic function, for every sample of `data`: class 1 is predicted where z_i >
/// 0.
pub fn output(network: Network<OneHidden>, data: &Dataset, theta: &[f64]) -> Vec<f64> {
    let Network { shape, activation } = network;
    (0..data.samples())
        .map(|i| {
            (0..shape.hidden).fold(theta[shape.v_bias()], |z, n| {
                let y = pre_activation(shape, theta, data, i, n);
                z + theta[shape.v(n)] * activation.derivatives(y).value
            })
        })
        .collect()
}

/// L = sum_i l_i, the loss of the network `theta` on all samples: a sum, not a mean (paper, Section 2).
///
/// For others than the paper's networks see [`layers::loss`].
pub fn loss(problem: &Problem, theta: &[f64]) -> f64 {
    match problem.paper() {
        Some(PaperProblem { network, data, q }) => {
            output(network, data, theta).into_iter().zip(q).map(|(z, &q)| cross_entropy(z, q)).sum()
        }
        None => layers::loss(problem, theta),
    }
}

/// y_in = W\[n, 0\] + sum_m W\[n, m\] x_im.
pub(super) fn pre_activation(shape: OneHidden, theta: &[f64], data: &Dataset, i: usize, n: usize) -> f64 {
    (1..).zip(data.sample(i)).fold(theta[shape.w(n, 0)], |y, (m, &x)| y + theta[shape.w(n, m)] * x)
}
