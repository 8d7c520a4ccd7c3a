//! Networks of any depth on the CPU engine against the reference, and both against what defines them.

use ndarray::{Array1, Array2};
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, EndEstimates, Engine, Powers, Route, Status};
use sharpsweep::model::{Activation, Dataset, Loss, Problem, Targets};
use sharpsweep::reference::Reference;

/// A small problem: `widths` is M, the hidden widths and K.
fn problem(widths: &[usize], activation: Activation, loss: Loss, weighted: bool) -> Problem {
    let (inputs, outputs, samples) = (widths[0], widths[widths.len() - 1], 23);
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
fn cells() -> Vec<Problem> {
    let mut cells = Vec::new();
    for activation in Activation::ALL {
        for hidden in [&[][..], &[5], &[4, 3], &[3, 2, 5, 4]] {
            for (loss, outputs) in [
                (Loss::Logistic, 1),
                (Loss::Logistic, 3),
                (Loss::Softmax, 3),
                (Loss::Softmax, 10),
                (Loss::Squared, 1),
                (Loss::Squared, 3),
            ] {
                let widths: Vec<usize> = [2].iter().chain(hidden).chain(&[outputs]).copied().collect();
                cells.push(problem(&widths, activation, loss, cells.len() % 2 == 1));
            }
        }
    }
    cells
}

/// The size of weights at which nothing overflows: a power of two per layer grows fast.
fn size(problem: &Problem) -> f32 {
    if problem.network.activation == Activation::Square { 0.4 } else { 1.0 }
}

fn name(problem: &Problem) -> String {
    let weighted = if problem.data.weights().is_some() { ", weighted" } else { "" };
    let (network, loss) = (problem.network, problem.loss().name());
    format!("{} {} {loss}{weighted}", network.shape, network.activation.name())
}

/// Few steps stay together: float32 has not had the time to part from float64.
#[test]
fn few_steps_on_every_instruction_set_are_those_of_the_reference() {
    let descent = Descent { init_range: 1.0, step_size: 2e-3, max_steps: 20, tolerance: 1e-9, ..Descent::default() };
    for problem in cells() {
        let descent = Descent { init_range: size(&problem), ..descent };
        let expected = Reference::default().train(&problem, &descent, 0..11).unwrap();
        for set in InstructionSet::available() {
            let mut cpu = Cpu::with_instruction_set(Route::Auto, set).unwrap();
            let found = cpu.train(&problem, &descent, 0..11).unwrap();
            assert_eq!((&found.status, &found.steps), (&expected.status, &expected.steps), "{}", name(&problem));
            assert!(found.status.iter().all(|&status| status == Status::StepLimit));
            let miss = found.theta.iter().zip(&expected.theta).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(miss < 3e-5, "{set} {}: {miss}", name(&problem));
        }
    }
}

/// The sizes of f64 sums, relative to what their terms are.
const RELATIVE: f64 = 1e-11;

/// Closed forms by both routes, on every instruction set, and that the bounds of their rounding hold and are small.
#[test]
fn closed_forms_by_both_routes_are_those_of_the_reference() {
    for problem in cells() {
        let parameters = problem.network.parameters();
        let theta = Array2::from_shape_fn((5, parameters), |(k, d)| {
            ((k * 31 + d * 7) as f64 * 0.37).sin() * 1.4 * f64::from(size(&problem))
        });
        let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
        for set in InstructionSet::available() {
            for route in [Route::Pairwise, Route::Assembled] {
                let mut cpu = Cpu::with_instruction_set(route, set).unwrap();
                let found = cpu.evaluate(&problem, theta.view().into()).unwrap();
                for k in 0..5 {
                    let at = format!("{set} {route:?} {} network {k}", name(&problem));
                    let near = |what: &str, a: f64, b: f64, scale: f64| {
                        assert!((a - b).abs() <= RELATIVE * scale, "{at} {what}: {a} for {b}");
                    };
                    let square = expected.trace_sq[k];
                    let scale = square.sqrt() * (parameters as f64).sqrt();
                    near("loss", found.loss[k], expected.loss[k], expected.loss[k].abs());
                    near("gradient_sq", found.gradient_sq[k], expected.gradient_sq[k], expected.gradient_sq[k]);
                    near("trace_sq", found.trace_sq[k], square, square);
                    let traces = found.layer_trace[k].as_slice().iter().zip(expected.layer_trace[k].as_slice());
                    traces.for_each(|(&a, &b)| near("layer_trace", a, b, scale + b.abs()));
                    let (rounding, of_expected) = (found.rounding[k], expected.rounding[k]);
                    let off = (found.trace(k) - expected.trace(k)).abs();
                    let allowed = |of: f64, by: f64| of.is_finite() && of >= 0.0 && of <= 1e-8 * by;
                    assert!(off <= rounding.trace + of_expected.trace + rounding.hessian * parameters as f64, "{at}");
                    assert!(
                        allowed(rounding.hessian, square.sqrt()) && allowed(rounding.trace, scale),
                        "{at} {rounding:?}"
                    );
                    assert!(allowed(rounding.trace_sq, square), "{at} {rounding:?} of {square}");
                    // The same bound, derived twice, but for the order of sums.
                    let ratio = rounding.hessian / of_expected.hessian;
                    assert!(route == Route::Assembled || (0.5..2.0).contains(&ratio), "{at}: {ratio}");
                }
            }
        }
    }
}

/// Spectra, brackets and proofs of the CPU engine against those of the reference.
#[test]
fn spectra_and_brackets_are_those_of_the_reference() {
    for problem in cells().into_iter().step_by(7) {
        let parameters = problem.network.parameters();
        let theta = Array2::from_shape_fn((5, parameters), |(k, d)| ((k * 17 + d * 5) as f64 * 0.71).sin() * 1.2);
        let (mut cpu, mut reference) = (Cpu::default(), Reference::default());
        let found = cpu.spectrum(&problem, theta.view().into()).unwrap();
        let expected = reference.spectrum(&problem, theta.view().into()).unwrap();
        let moments = cpu.moments(&problem, theta.view().into(), Powers::Eight).unwrap();
        let exact = reference.moments(&problem, theta.view().into(), Powers::Eight).unwrap();
        let estimates: Vec<EndEstimates> = (0..5)
            .map(|k| EndEstimates {
                lambda_max: expected.lambda_max[k],
                lambda_min: expected.lambda_min[k],
                within: 1e-10 * exact[k].hessian_norm(),
            })
            .collect();
        let proven = cpu.prove(&problem, theta.view().into(), &estimates).unwrap();
        assert!(found.missing.is_empty() && expected.missing.is_empty(), "{}", name(&problem));
        for k in 0..5 {
            let (norm, at) = (exact[k].hessian_norm(), format!("{} network {k}", name(&problem)));
            for (a, b) in [(&found.lambda_max, &expected.lambda_max), (&found.lambda_min, &expected.lambda_min)] {
                assert!((a[k] - b[k]).abs() <= 1e-11 * norm, "{at}: {} for {}", a[k], b[k]);
            }
            assert!((moments[k].hessian_norm() - norm).abs() <= 1e-12 * norm, "{at}");
            let [third, fourth] = moments[k].third_and_fourth;
            let [of_third, of_fourth] = exact[k].third_and_fourth;
            let size = exact[k].norm.powi(3);
            assert!(
                (third - of_third).abs() <= 1e-10 * size && (fourth - of_fourth).abs() <= 1e-10 * of_fourth,
                "{at}"
            );
            let [low, high] = proven[k].lambda_max;
            assert!(low <= expected.lambda_max[k] && expected.lambda_max[k] <= high, "{at}: {low} {high}");
            assert!(high - low <= 1e-6 * norm, "{at}: {low} {high}");
        }
    }
}
