//! Networks of any depth on the GPU engine against the reference.

mod support;

use ndarray::Array2;
use sharpsweep::bounds::wolkowicz_styan;
use sharpsweep::engine::{Descent, Engine, Evaluation, Status};
use sharpsweep::gpu::{Family, Gpu, LayerPlan, LayerTarget, Pass, TextChange, Tuning, choose_adapter};
use sharpsweep::model::{Activation, Loss, Problem};
use sharpsweep::reference::Reference;
use support::cells::{HIDDEN, SAMPLES, name, problem, size};
use support::gpu::{gpu, skipped};
use support::is_full;

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
                let problem = problem(&widths, SAMPLES, activation, loss, cells.len() % 2 == 1);
                if problem.paper().is_none() {
                    cells.push(problem);
                }
            }
        }
    }
    cells
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

/// Weights of `count` networks of `problem`, of about `size`.
fn theta(problem: &Problem, count: usize, size: f64) -> Array2<f64> {
    Array2::from_shape_fn((count, problem.network.parameters()), |(k, d)| {
        // As the engine has them.
        f64::from((((k * 31 + d * 7) as f64 * 0.37).sin() * 1.4 * size) as f32)
    })
}

/// What rounding may have done to a value, as the engine says.
fn within(at: &str, what: &str, found: f64, expected: f64, bound: f64) {
    assert!((found - expected).abs() <= bound, "{at} {what}: {found} for {expected}, off by more than {bound}");
}

/// Closed forms, that the bounds of their rounding hold, and that these are small enough to be of use.
#[test]
fn closed_forms_are_those_of_the_reference_within_their_bounds() {
    let test = "closed_forms_are_those_of_the_reference_within_their_bounds";
    let Some(mut gpu) = gpu(test, Tuning::default()) else { return };
    let mut shares = Vec::new();
    for problem in cells() {
        let theta = theta(&problem, 5, f64::from(size(&problem)));
        let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
        let found = gpu.evaluate(&problem, theta.view().into()).unwrap();
        for k in 0..5 {
            let at = format!("{} network {k}", name(&problem));
            let (square, rounding) = (expected.trace_sq[k], found.rounding[k]);
            let norm = square.sqrt();
            let parameters = problem.network.parameters() as f64;
            within(&at, "loss", found.loss[k], expected.loss[k], 1e-5 * (1.0 + expected.loss[k]));
            let gradient_sq = expected.gradient_sq[k];
            within(&at, "gradient_sq", found.gradient_sq[k], gradient_sq, 2e-5 * (1.0 + gradient_sq));
            let traces = found.layer_trace[k].as_slice().iter().zip(expected.layer_trace[k].as_slice());
            traces.for_each(|(&a, &b)| within(&at, "layer_trace", a, b, 1e-5 * (norm * parameters.sqrt() + b.abs())));
            // Of H~, whose entries are as far from those of H as its bound says.
            let moved = rounding.hessian;
            let trace_bound = rounding.trace + parameters.sqrt() * moved;
            within(&at, "trace", found.trace(k), expected.trace(k), trace_bound);
            let square_bound = rounding.trace_sq + moved * (2.0 * norm + moved);
            within(&at, "trace_sq", found.trace_sq[k], square, square_bound);
            within(&at, "trace_sq", found.trace_sq[k], square, 1e-5 * square);
            let lambda_sup = |forms: &Evaluation| {
                wolkowicz_styan(forms.trace(k), forms.trace_sq[k], problem.network.parameters()).lambda_sup
            };
            within(&at, "lambda_sup", lambda_sup(&found), lambda_sup(&expected), 1e-5 * norm);
            shares.push((moved / norm, at));
        }
    }
    shares.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let share = |part: f64| &shares[(part * (shares.len() - 1) as f64) as usize];
    // Beyond 1e-3 of ||H|| a network is evaluated once more, in f64: deep ones, whose bound goes with the product of
    // the norms of their layers.
    assert!(share(0.5).0 < 5e-5 && share(0.85).0 < 1e-3, "{:?} {:?} {:?}", share(0.5), share(0.85), share(1.0));
}

/// Spectra through the Hessian that the device assembles.
#[test]
fn spectra_are_those_of_the_reference() {
    let Some(mut gpu) = gpu("spectra_are_those_of_the_reference", Tuning::default()) else { return };
    for problem in cells() {
        let theta = theta(&problem, 3, f64::from(size(&problem)));
        let expected = Reference::default().spectrum(&problem, theta.view().into()).unwrap();
        let forms = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
        let found = gpu.spectrum(&problem, theta.view().into()).unwrap();
        assert!(found.missing.is_empty(), "{}: {:?}", name(&problem), found.missing);
        for k in 0..3 {
            let (at, scale) = (name(&problem), 2e-5 * forms.trace_sq[k].sqrt());
            within(&at, "lambda_max", found.lambda_max[k], expected.lambda_max[k], scale);
            within(&at, "lambda_min", found.lambda_min[k], expected.lambda_min[k], scale);
        }
    }
}

/// Sizes on both sides of what tiles, blocks of samples and dispatches hold; many networks; weights in f64.
#[test]
fn evaluations_of_every_size_are_those_of_the_reference() {
    let test = "evaluations_of_every_size_are_those_of_the_reference";
    let Some(mut gpu) = gpu(test, Tuning::default()) else { return };
    let cases: [(&[usize], usize, usize); 8] = [
        (&[2, 8, 8, 1], 50, 70),
        (&[4, 16, 16, 3], 20, 3),
        (&[1, 1, 1, 1], 1, 2),
        (&[3, 7, 2], 200, 2),
        (&[3, 2], 65, 5),
        (&[1, 2], 64, 1),
        (&[30, 9, 3], 33, 3),
        (&[3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 2], 12, 3),
    ];
    for (place, (widths, samples, networks)) in cases.into_iter().enumerate() {
        let (loss, activation) =
            [(Loss::Softmax, Activation::Silu), (Loss::Squared, Activation::Tanh), (Loss::Logistic, Activation::Erf)]
                [place % 3];
        let loss = if widths[widths.len() - 1] == 1 { Loss::Squared } else { loss };
        let problem = problem(widths, samples, activation, loss, place % 2 == 0);
        let theta = theta(&problem, networks, 0.9).mapv(|weight| weight * (1.0 + 1e-9));
        let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
        let found = gpu.evaluate(&problem, theta.view().into()).unwrap();
        for k in 0..networks {
            let (at, moved) = (format!("{} on {samples}, network {k}", name(&problem)), found.rounding[k].hessian);
            let (square, norm) = (expected.trace_sq[k], expected.trace_sq[k].sqrt());
            within(
                &at,
                "trace_sq",
                found.trace_sq[k],
                square,
                found.rounding[k].trace_sq + moved * (2.0 * norm + moved),
            );
            within(&at, "trace_sq", found.trace_sq[k], square, 2e-5 * square);
            let traces = found.layer_trace[k].as_slice().iter().zip(expected.layer_trace[k].as_slice());
            let scale = norm * (problem.network.parameters() as f64).sqrt();
            traces.for_each(|(&a, &b)| within(&at, "layer_trace", a, b, 1e-5 * (scale + b.abs())));
        }
        let (spectra, exact) =
            (gpu.spectrum(&problem, theta.view().into()), Reference::default().spectrum(&problem, theta.view().into()));
        let (spectra, exact) = (spectra.unwrap(), exact.unwrap());
        for k in 0..networks {
            let scale = 3e-5 * expected.trace_sq[k].sqrt();
            within(&name(&problem), "lambda_max", spectra.lambda_max[k], exact.lambda_max[k], scale);
        }
    }
}

/// `text` of `pass` with an error that an author might make.
fn wrong(pass: Pass, text: &str) -> String {
    let (from, to) = match pass {
        Pass::LayerTerms => ("+ p)] = slope.x * sum;", "+ p)] = 1.05 * slope.x * sum;"),
        // The last sample is left out.
        Pass::LayerGradient => ("params.end_sample", "(params.end_sample - 1u)"),
        Pass::LayerSums => ("* SUM_BLOCK, params.samples)", "* SUM_BLOCK, params.samples - 1u)"),
        // No entry has a mirror image.
        Pass::LayerTraceSq => ("f32(items[number * ITEM_FIELDS + 11u])", "1.0"),
        // The last row of a tile.
        Pass::LayerHessian => ("p < item.left_count", "p + 1u < item.left_count"),
        // The training kernels.
        _ => ("params.step_size", "(params.step_size * 1.01)"),
    };
    assert!(text.contains(from), "{} has no {from}", pass.name());
    text.replace(from, to)
}

/// How far training, g.g, the loss, tr H^2 and the largest eigenvalue are off, each over what is allowed above.
fn off(gpu: &mut Gpu, problem: &Problem) -> [f64; 5] {
    let descent = Descent { init_range: 1.0, step_size: 2e-3, max_steps: 20, tolerance: 1e-9, ..Descent::default() };
    let mut reference = Reference::default();
    let [trained, ends] =
        [gpu.train(problem, &descent, 0..3).unwrap(), reference.train(problem, &descent, 0..3).unwrap()];
    let miss = trained.theta.iter().zip(&ends.theta).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let theta = theta(problem, 1, 1.0);
    let (found, expected) = (
        gpu.evaluate(problem, theta.view().into()).unwrap(),
        reference.evaluate(problem, theta.view().into()).unwrap(),
    );
    let largest = [gpu.spectrum(problem, theta.view().into()), reference.spectrum(problem, theta.view().into())];
    let [largest, exact] = largest.map(|spectra| spectra.unwrap().lambda_max[0]);
    let (square, gradient_sq, loss) = (expected.trace_sq[0], expected.gradient_sq[0], expected.loss[0]);
    [
        f64::from(miss) / 3e-5,
        (found.gradient_sq[0] - gradient_sq).abs() / (2e-5 * (1.0 + gradient_sq)),
        (found.loss[0] - loss).abs() / (1e-5 * (1.0 + loss)),
        (found.trace_sq[0] - square).abs() / (1e-5 * square),
        (largest - exact).abs() / (2e-5 * square.sqrt()),
    ]
}

/// A wrong kernel is beyond what is allowed, and in what it computes alone.
#[test]
fn a_wrong_kernel_is_seen() {
    if skipped("a_wrong_kernel_is_seen") {
        return;
    }
    let narrow = problem(&[2, 2, 2, 2], SAMPLES, Activation::Tanh, Loss::Softmax, true);
    let shared = problem(&[2, 8, 7, 3], SAMPLES, Activation::Tanh, Loss::Softmax, true);
    let is_off = |problem: &Problem, changed: Option<Pass>| {
        let change = TextChange::new(move |pass, text| (Some(pass) == changed).then(|| wrong(pass, text)));
        let mut gpu = Gpu::with_texts(choose_adapter(None).unwrap(), Tuning::default(), change).unwrap();
        off(&mut gpu, problem).map(|off| off > 1.0)
    };
    for problem in [&narrow, &shared] {
        assert_eq!(is_off(problem, None), [false; 5], "{}", name(problem));
    }
    for (pass, problem, expected) in [
        (Pass::TrainLayers, &narrow, [true, false, false, false, false]),
        (Pass::TrainLayersShared, &shared, [true, false, false, false, false]),
        (Pass::LayerTerms, &shared, [false, true, false, true, true]),
        (Pass::LayerGradient, &shared, [false, true, false, false, false]),
        (Pass::LayerSums, &shared, [false, false, true, false, false]),
        (Pass::LayerTraceSq, &shared, [false, false, false, true, false]),
        (Pass::LayerHessian, &shared, [false, false, false, false, true]),
    ] {
        assert_eq!(is_off(problem, Some(pass)), expected, "{}", pass.name());
    }
}
