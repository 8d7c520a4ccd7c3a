//! What the help says about networks from elsewhere, checked on a network that is computed by hand.

use assert_cmd::Command;
use ndarray::{Array1, Array2, Axis, array, concatenate};
use sharpsweep::model::{Activation, Dataset, OneHidden, Problem};
use sharpsweep::reference::loss;

/// A network as torch and scikit-learn store it: weights (N, M) and biases (N,) of the hidden layer, weights and bias
/// of the output.
struct Layers {
    w1: Array2<f64>,
    b1: Array1<f64>,
    w2: Array1<f64>,
    b2: f64,
}

fn layers() -> Layers {
    Layers { w1: array![[0.5, -1.0, 0.25], [2.0, 0.75, -0.5]], b1: array![0.1, -0.4], w2: array![1.5, -0.75], b2: 0.3 }
}

impl Layers {
    /// The logit of each sample.
    fn logits(&self, x: &Array2<f64>) -> Array1<f64> {
        let hidden = (x.dot(&self.w1.t()) + &self.b1).mapv(f64::tanh);
        hidden.dot(&self.w2) + self.b2
    }

    /// `np.r_[np.c_[b1, W1].ravel("F"), b2, w2]`.
    fn theta(&self) -> Vec<f64> {
        let columns = concatenate![Axis(1), self.b1.clone().insert_axis(Axis(1)), self.w1];
        // ravel("F") goes down the columns.
        let mut theta: Vec<f64> = columns.columns().into_iter().flat_map(|column| column.to_vec()).collect();
        theta.push(self.b2);
        theta.extend(&self.w2);
        theta
    }
}

fn data() -> (Array2<f64>, Array1<f64>) {
    let x = array![[0.3, 1.0, -0.7], [-1.2, 0.4, 0.9], [0.8, -0.6, 0.1], [1.1, 0.2, -1.5]];
    (x, array![0.0, 1.0, 1.0, 0.0])
}

fn loss_of(theta: &[f64]) -> f64 {
    let (x, q) = data();
    loss(&Problem::new(2, Activation::Tanh, Dataset::new(x, q).unwrap()), theta)
}

#[test]
fn theta_is_laid_out_as_the_help_says() {
    let (layers, shape) = (layers(), OneHidden::new(3, 2));
    let theta = layers.theta();
    assert_eq!(theta.len(), shape.parameters());
    for n in 0..2 {
        assert_eq!(theta[n].to_bits(), layers.b1[n].to_bits());
        for m in 1..=3 {
            // w[m N + n] = W[n, m], with m = 0 the bias.
            assert_eq!(theta[m * 2 + n].to_bits(), layers.w1[[n, m - 1]].to_bits());
        }
    }
    let (x, q) = data();
    let by_hand: f64 = layers.logits(&x).iter().zip(&q).map(|(z, q)| (1.0 + z.exp()).ln() - q * z).sum();
    let found = loss_of(&theta);
    assert!((found - by_hand).abs() < 1e-12 * by_hand, "{found} {by_hand}");
    // Another order has the right D and another loss.
    let mut rows: Vec<f64> = layers.w1.iter().chain(&layers.b1).chain(&layers.w2).copied().collect();
    rows.push(layers.b2);
    assert_eq!(rows.len(), theta.len());
    assert!((loss_of(&rows) - by_hand).abs() > 0.01);
}

#[test]
fn two_logits_have_the_loss_of_their_difference() {
    let one = layers();
    let (w_0, b_0) = (array![0.2, 0.9], -0.6);
    let two =
        [Layers { w2: w_0.clone(), b2: b_0, ..layers() }, Layers { w2: &one.w2 + &w_0, b2: one.b2 + b_0, ..layers() }];
    let (x, q) = data();
    let logits = two.map(|layers| layers.logits(&x));
    let softmax: f64 = (0..q.len())
        .map(|i| (logits[0][i].exp() + logits[1][i].exp()).ln() - if q[i] > 0.5 { logits[1][i] } else { logits[0][i] })
        .sum();
    let found = loss_of(&one.theta());
    assert!((found - softmax).abs() < 1e-12 * softmax, "{found} {softmax}");
}

#[test]
fn the_help_has_the_snippets_that_are_checked_here() {
    let help = Command::cargo_bin("sharpsweep").unwrap().args(["evaluate", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for says in [
        "np.r_[np.c_[b1, W1.T].ravel(\"F\"), b2, w2.ravel()]",
        "np.r_[np.c_[b1, W1].ravel(\"F\"), b2, w2.ravel()]",
        "theta[m N + n] = W[n, m]",
        "compare `loss` with yours first",
    ] {
        let one_line = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains(says), "{says}: {help}");
    }
}
