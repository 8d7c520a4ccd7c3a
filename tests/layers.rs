//! Networks of any depth on the CPU engine against the reference, and both against what defines them.

mod support;

use std::collections::BTreeSet;

use ndarray::Array2;
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, EndEstimates, Engine, Powers, Route, Status};
use sharpsweep::model::{Activation, Problem};
use sharpsweep::reference::Reference;
use support::cells::{cells, name, size};

/// The problems of this file are every cell that docs/formulas.md names.
#[test]
fn cells_are_every_activation_with_every_loss_at_every_depth() {
    let key = |problem: &Problem| {
        let shape = problem.network.shape;
        (problem.network.activation.name(), problem.loss().name(), shape.hidden().len(), shape.outputs())
    };
    let found: BTreeSet<_> = cells().iter().map(key).collect();
    let (losses, depths) = (["logistic", "softmax", "squared"], [0, 1, 2, 4]);
    for activation in Activation::ALL {
        for (loss, depth) in losses.into_iter().flat_map(|loss| depths.map(|depth| (loss, depth))) {
            for outputs in if loss == "softmax" { [3, 10] } else { [1, 3] } {
                let cell = (activation.name(), loss, depth, outputs);
                assert!(found.contains(&cell), "{cell:?} is missing");
            }
        }
    }
    assert_eq!(found.len(), Activation::ALL.len() * losses.len() * depths.len() * 2);
    let weighted = cells().iter().filter(|problem| problem.data.weights().is_some()).count();
    assert_eq!(2 * weighted, found.len());
    // What is compared at each seventh of them still has every activation, loss and depth.
    let seventh: Vec<Problem> = cells().into_iter().step_by(7).collect();
    let kinds = |of: &dyn Fn(&Problem) -> String| seventh.iter().map(of).collect::<BTreeSet<String>>().len();
    assert_eq!(kinds(&|p| key(p).0.into()), Activation::ALL.len());
    assert_eq!((kinds(&|p| key(p).1.into()), kinds(&|p| key(p).2.to_string())), (losses.len(), depths.len()));
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
