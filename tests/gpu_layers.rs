//! Networks of any depth on the GPU engine against the reference.

mod support;

use ndarray::{Array1, Array2};
use sharpsweep::engine::{Descent, Engine, Status};
use sharpsweep::gpu::{Family, LayerPlan, LayerTarget, Tuning};
use sharpsweep::model::{Activation, Dataset, Loss, Problem, Targets};
use sharpsweep::reference::Reference;
use support::gpu::gpu;
use support::is_full;

/// A small problem: `widths` is M, the hidden widths and K.
fn problem(widths: &[usize], samples: usize, activation: Activation, loss: Loss, weighted: bool) -> Problem {
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

/// The losses with the numbers of outputs for which each makes sense.
const OUTPUTS: [(Loss, usize); 7] = [
    (Loss::Logistic, 1),
    (Loss::Logistic, 3),
    (Loss::Logistic, 10),
    (Loss::Softmax, 3),
    (Loss::Softmax, 10),
    (Loss::Squared, 1),
    (Loss::Squared, 3),
];
const HIDDEN: [&[usize]; 4] = [&[], &[5], &[4, 3], &[3, 2, 5, 4]];

/// Cells of activation x loss and outputs x depth: all of them in the full run, else a set in which each pair of values
/// occurs.
fn cells() -> Vec<Problem> {
    let mut cells = Vec::new();
    for (a, activation) in Activation::ALL.into_iter().enumerate() {
        for (o, (loss, outputs)) in OUTPUTS.into_iter().enumerate() {
            for (h, hidden) in HIDDEN.into_iter().enumerate() {
                // The depth that belongs to an activation and a loss: over nine and seven it takes each pair.
                if !is_full() && (a + o) % HIDDEN.len() != h {
                    continue;
                }
                let widths: Vec<usize> = [2].iter().chain(hidden).chain(&[outputs]).copied().collect();
                let problem = problem(&widths, 23, activation, loss, cells.len() % 2 == 1);
                if problem.paper().is_none() {
                    cells.push(problem);
                }
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

#[test]
fn the_cells_hold_every_pair_of_values() {
    let cells = cells();
    let seen = |loss: Loss, outputs: usize, activation: Activation| {
        cells.iter().any(|cell| {
            (cell.loss(), cell.network.shape.outputs(), cell.network.activation) == (loss, outputs, activation)
        })
    };
    let deep = |depth: usize, test: &dyn Fn(&Problem) -> bool| {
        cells.iter().any(|cell| cell.network.shape.hidden().len() == depth && test(cell))
    };
    for (loss, outputs) in OUTPUTS {
        for activation in Activation::ALL {
            assert!(seen(loss, outputs, activation), "{loss:?} {outputs} {activation:?}");
            for depth in [0, 1, 2, 4] {
                assert!(deep(depth, &|cell| cell.network.activation == activation), "{depth} {activation:?}");
                let same = |cell: &Problem| cell.loss() == loss && cell.network.shape.outputs() == outputs;
                // One hidden layer and one logit are the paper's, unless samples have weights.
                assert!(deep(depth, &same) || (loss, outputs, depth) == (Loss::Logistic, 1, 1), "{depth} {loss:?}");
            }
        }
    }
}

/// Few steps stay together: float32 has not had the time to part from float64.
#[test]
fn few_steps_are_those_of_the_reference() {
    let Some(mut gpu) = gpu("few_steps_are_those_of_the_reference", Tuning::default()) else { return };
    let descent = Descent { init_range: 1.0, step_size: 2e-3, max_steps: 20, tolerance: 1e-9, ..Descent::default() };
    let mut plans = Vec::new();
    for (number, problem) in cells().iter().enumerate() {
        let weight_decay = if number % 3 == 0 { 0.01 } else { 0.0 };
        let descent = Descent { init_range: size(problem), weight_decay, ..descent };
        let expected = Reference::default().train(problem, &descent, 0..11).unwrap();
        let found = gpu.train(problem, &descent, 0..11).unwrap();
        assert_eq!((&found.status, &found.steps), (&expected.status, &expected.steps), "{}", name(problem));
        assert!(found.status.iter().all(|&status| status == Status::StepLimit));
        let miss = found.theta.iter().zip(&expected.theta).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(miss < 3e-5, "{}: {miss}", name(problem));
        plans.push(LayerPlan::of(LayerTarget::of(problem, Family::Software)));
    }
    assert!(plans.contains(&LayerPlan::Narrow) && plans.contains(&LayerPlan::Shared));
}

/// Widths and numbers of samples on both sides of what a block, a tile, a workgroup and workgroup memory hold.
#[test]
fn every_size_trains() {
    let Some(mut gpu) = gpu("every_size_trains", Tuning::default()) else { return };
    let cases: [(&[usize], usize); 11] = [
        (&[2, 8, 8, 1], 50),
        (&[4, 16, 16, 3], 120),
        (&[1, 1, 1, 1], 1),
        (&[3, 7, 2], 64),
        (&[3, 9, 5, 2], 65),
        (&[5, 33, 2], 7),
        (&[30, 20, 3], 33),
        (&[64, 32, 10], 20),
        (&[8, 120, 3], 9),
        (&[2, 100, 40, 2], 10),
        (&[3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 2], 12),
    ];
    for (place, (widths, samples)) in cases.into_iter().enumerate() {
        let (loss, activation) =
            [(Loss::Logistic, Activation::Tanh), (Loss::Softmax, Activation::Relu), (Loss::Squared, Activation::Gelu)]
                [place % 3];
        let problem = problem(widths, samples, activation, loss, place % 2 == 0);
        if problem.paper().is_some() {
            continue;
        }
        let init_range = 1.0 / (*widths.iter().max().unwrap() as f32).sqrt();
        let descent = Descent { init_range, step_size: 1e-4, max_steps: 5, tolerance: 1e-9, ..Descent::default() };
        let expected = Reference::default().train(&problem, &descent, 3..8).unwrap();
        let found = gpu.train(&problem, &descent, 3..8).unwrap();
        assert_eq!((&found.status, &found.steps), (&expected.status, &expected.steps), "{}", name(&problem));
        let miss = found.theta.iter().zip(&expected.theta).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(miss < 2e-6, "{} on {samples} samples: {miss}", name(&problem));
        let moved = Reference::default().train(&problem, &Descent { max_steps: 0, ..descent }, 3..8).unwrap();
        let step = moved.theta.iter().zip(&expected.theta).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(step > 20.0 * miss, "{}: {step}", name(&problem));
    }
}
