//! Small problems that cover the networks of any depth.

use ndarray::{Array1, Array2};
use sharpsweep::model::{Activation, Dataset, Loss, Problem, Targets};

/// I of the cells.
pub(crate) const SAMPLES: usize = 23;

/// The hidden layers of the cells.
pub(crate) const HIDDEN: [&[usize]; 4] = [&[], &[5], &[4, 3], &[3, 2, 5, 4]];

/// A small problem: `widths` is M, the hidden widths and K.
pub(crate) fn problem(widths: &[usize], samples: usize, activation: Activation, loss: Loss, weighted: bool) -> Problem {
    let (inputs, outputs) = (widths[0], widths[widths.len() - 1]);
    let x = Array2::from_shape_fn((samples, inputs), |(i, m)| (0.9 * i as f64 + 1.7 * m as f64).sin());
    let value = |i: usize, k: usize| (1.3 * i as f64 + 0.7 * k as f64).cos();
    let targets = match loss {
        Loss::Logistic => {
            Targets::Labels(Array2::from_shape_fn((samples, outputs), |(i, k)| f64::from(u8::from(value(i, k) > 0.0))))
        }
        Loss::Softmax => Targets::Classes { of: (0..samples).map(|i| (i * i) % outputs).collect(), count: outputs },
        Loss::Squared => Targets::Values(Array2::from_shape_fn((samples, outputs), |(i, k)| value(i, k))),
    };
    let mut data = Dataset::new(x, targets).unwrap();
    if weighted {
        data = data.weighted(Array1::from_shape_fn(samples, |i| 0.5 + 0.1 * i as f64)).unwrap();
    }
    Problem::with_layers(&widths[1..widths.len() - 1], activation, data).unwrap()
}

/// Every cell of activation x loss x depth x outputs.
pub(crate) fn cells() -> Vec<Problem> {
    let mut cells = Vec::new();
    for activation in Activation::ALL {
        for hidden in HIDDEN {
            for (loss, outputs) in [
                (Loss::Logistic, 1),
                (Loss::Logistic, 3),
                (Loss::Softmax, 3),
                (Loss::Softmax, 10),
                (Loss::Squared, 1),
                (Loss::Squared, 3),
            ] {
                let widths: Vec<usize> = [2].iter().chain(hidden).chain(&[outputs]).copied().collect();
                cells.push(problem(&widths, SAMPLES, activation, loss, cells.len() % 2 == 1));
            }
        }
    }
    cells
}

/// The size of weights at which nothing overflows: a power of two per layer grows fast.
pub(crate) fn size(problem: &Problem) -> f32 {
    if problem.network.activation == Activation::Square { 0.4 } else { 1.0 }
}

/// What a problem is, for a message.
pub(crate) fn name(problem: &Problem) -> String {
    let weighted = if problem.data.weights().is_some() { ", weighted" } else { "" };
    let (network, loss) = (problem.network, problem.loss().name());
    format!("{} {} {loss}{weighted}", network.shape, network.activation.name())
}
