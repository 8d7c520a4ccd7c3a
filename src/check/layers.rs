//! Networks of several layers and outputs, with the losses that the paper has not, beside the reference in float64.

use ndarray::{Array1, Array2};

use super::comparison::Comparison;
use super::training::IN_F32;
use crate::bounds::wolkowicz_styan;
use crate::engine::{Descent, Engine, EngineError, Stop};
use crate::model::{Activation, DataError, Dataset, Loss, Problem, Targets, initial_theta};
use crate::reference::{self, Reference};

/// What is compared, and how far off it may be: weights after a few steps, lambda_sup and the extreme eigenvalues,
/// these relative to ||H||_F.
const COMPARED: [(&str, f64); 3] =
    [("layers, training", IN_F32), ("layers, lambda_sup", 1e-5), ("layers, extreme eigenvalues", 2e-5)];

/// M, the widths of the hidden layers and K, with f and the loss: networks that one invocation of a GPU trains, that
/// several share, and whose weights do not fit the memory that they share.
const CASES: [(&[usize], Activation, Loss); 4] = [
    (&[2, 2, 2], Activation::Tanh, Loss::Softmax),
    (&[2, 8, 8, 1], Activation::Gelu, Loss::Logistic),
    (&[4, 7, 5, 3], Activation::Sigmoid, Loss::Squared),
    (&[20, 60, 4], Activation::Relu, Loss::Softmax),
];

/// The most parameters of networks whose eigenvalues are compared: the GPU engine takes no larger Hessians.
const MOST_PARAMETERS: usize = 1000;

/// I and S of every case.
const SAMPLES: usize = 23;
const NETWORKS: u64 = 3;

/// A small step, and few of them: float32 has not had the time to part from float64.
const DESCENT: Descent = Descent { init_range: 0.5, step_size: 1e-3, weight_decay: 0.0, max_steps: 7, tolerance: 0.0 };

/// The problem of a case; every number is exact in f32, and some samples weigh more than others.
fn problem(widths: &[usize], activation: Activation, loss: Loss) -> Result<Problem, DataError> {
    let (inputs, outputs, hidden) = (widths[0], widths[widths.len() - 1], &widths[1..widths.len() - 1]);
    let value = |(i, m): (usize, usize)| f64::from(((i * 37 + m * 101 + 13) % 211) as f32 / 128.0 - 1.0);
    let targets = match loss {
        Loss::Logistic => Targets::Labels(Array2::from_shape_fn((SAMPLES, outputs), |(i, k)| ((i + k) % 2) as f64)),
        Loss::Softmax => Targets::Classes { of: (0..SAMPLES).map(|i| i * i % outputs).collect(), count: outputs },
        Loss::Squared => Targets::Values(Array2::from_shape_fn((SAMPLES, outputs), |(i, k)| value((k, i)))),
    };
    let data = Dataset::new(Array2::from_shape_fn((SAMPLES, inputs), value), targets)?;
    let data = data.weighted(Array1::from_shape_fn(SAMPLES, |i| 0.5 + 0.25 * (i % 4) as f64))?;
    let shaped = Problem::with_layers(hidden, activation, data);
    Ok(shaped.expect("the widths of the cases are supported"))
}

/// Compares what `engine` makes of networks of several layers and outputs with the reference.
///
/// # Errors
/// [`EngineError::Stopped`] once `stop` was requested. What else goes wrong is in the comparisons.
pub(super) fn compare_layers(engine: &mut dyn Engine, stop: &Stop) -> Result<Vec<Comparison>, EngineError> {
    let [mut training, mut lambda_sup, mut eigenvalues] =
        COMPARED.map(|(name, allowed)| Comparison::new(name, allowed));
    for (widths, activation, loss) in CASES {
        let problem = match problem(widths, activation, loss) {
            Ok(problem) => problem,
            Err(error) => {
                training.fail("the data of a case", &error.to_string());
                continue;
            }
        };
        let (shape, parameters) = (problem.network.shape, problem.network.parameters());
        let name = format!("{shape} {} {}", activation.name(), loss.name());
        let at = |k: usize| format!("{name}, network {k}");
        let start: Vec<Vec<f32>> =
            (0..NETWORKS).map(|seed| initial_theta(parameters, seed, DESCENT.init_range)).collect();
        let trained = engine.train(&problem, &DESCENT, 0..NETWORKS);
        stop.check()?;
        training.outcome(&name, trained, |training, found| {
            for (k, start) in start.iter().enumerate() {
                let mut end: Vec<f64> = start.iter().map(|&weight| weight.into()).collect();
                reference::train(&problem, &DESCENT, &mut end);
                let found: Vec<f64> = found.theta.row(k).iter().map(|&weight| weight.into()).collect();
                training.add(&at(k), &found, &end, |_| f64::from(DESCENT.init_range));
            }
        });
        let theta = Array2::from_shape_fn((start.len(), parameters), |(k, d)| f64::from(start[k][d]));
        let theta = theta.view().into();
        let exact = Reference::default().evaluate(&problem, theta)?;
        let evaluated = engine.evaluate(&problem, theta);
        stop.check()?;
        lambda_sup.outcome(&name, evaluated, |lambda_sup, found| {
            for k in 0..start.len() {
                let [found, expected] = [&found, &exact]
                    .map(|forms| wolkowicz_styan(forms.trace(k), forms.trace_sq[k], parameters).lambda_sup);
                lambda_sup.add(&at(k), &[found], &[expected], |_| exact.trace_sq[k].sqrt());
            }
        });
        if parameters > MOST_PARAMETERS {
            continue;
        }
        let spectra = Reference::default().spectrum(&problem, theta)?;
        let found = engine.spectrum(&problem, theta);
        stop.check()?;
        eigenvalues.outcome(&name, found, |eigenvalues, found| {
            for k in 0..start.len() {
                let (found, expected) =
                    ([found.lambda_max[k], found.lambda_min[k]], [spectra.lambda_max[k], spectra.lambda_min[k]]);
                eigenvalues.add(&at(k), &found, &expected, |_| exact.trace_sq[k].sqrt());
            }
        });
    }
    Ok(vec![training, lambda_sup, eigenvalues])
}
