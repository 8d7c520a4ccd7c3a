//! The engines' eigenvalues against those of the reference: golden cases, trained networks, and sizes around every
//! block boundary.

mod support;

use std::time::Duration;

use ndarray::Array2;
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, Engine, Route, Spectra, Status};
use sharpsweep::gpu::Tuning;
use sharpsweep::model::{Activation, Dataset, Problem, Stream, appendix_c, initial_theta};
use sharpsweep::reference::Reference;
use support::gpu::gpu;
use support::{golden_cases, is_full};

/// How far off the worst network and half of the networks may be, relative to the eigenvalue of largest magnitude. On
/// the GPU: f32 rounding of the terms, of the Hessian's sums and of the reduction. In f64: the error from inputs of
/// some hundreds to the logistic function.
fn allowed(engine: &dyn Engine) -> (f64, f64) {
    if engine.evaluates_in_f64() { (1e-11, 1e-12) } else { (1e-5, 1e-6) }
}

/// Every engine except the reference: the GPU if there is one, and each instruction set of this processor.
fn engines(test: &str) -> Vec<(String, Box<dyn Engine>)> {
    let mut engines: Vec<(String, Box<dyn Engine>)> = Vec::new();
    if let Some(gpu) = gpu(test, Tuning::default()) {
        engines.push(("gpu".into(), Box::new(gpu)));
    }
    for set in InstructionSet::available() {
        engines.push((set.to_string(), Box::new(Cpu::with_instruction_set(Route::Auto, set).unwrap())));
    }
    engines
}

/// The larger of the errors of both extreme eigenvalues, over the larger magnitude of the two.
fn errors(found: &Spectra, expected: &Spectra) -> Vec<f64> {
    assert_eq!(found.missing, [], "rows without a spectrum");
    assert_eq!(found.lambda_max.len(), expected.lambda_max.len());
    (0..expected.lambda_max.len())
        .map(|k| {
            let scale = expected.lambda_max[k].abs().max(expected.lambda_min[k].abs());
            let miss = |found: f64, expected: f64| (found - expected).abs() / scale;
            miss(found.lambda_max[k], expected.lambda_max[k]).max(miss(found.lambda_min[k], expected.lambda_min[k]))
        })
        .collect()
}

fn assert_accurate(what: &str, engine: &dyn Engine, mut errors: Vec<f64>) {
    let (most, half) = allowed(engine);
    // NaN sorts last, so it is the worst.
    errors.sort_by(f64::total_cmp);
    let (worst, median) = (errors[errors.len() - 1], errors[errors.len() / 2]);
    assert!(worst <= most && median <= half, "{what}: worst {worst:e}, median {median:e}");
}

fn random_theta(problem: &Problem, networks: usize, range: f32) -> Array2<f64> {
    let parameters = problem.network.parameters();
    let values =
        (0..networks as u64).flat_map(|seed| initial_theta(problem.network.parameters(), seed, range)).map(f64::from);
    Array2::from_shape_vec((networks, parameters), values.collect()).unwrap()
}

/// Networks of M inputs and N units on samples that a few numbers determine.
fn grid_problem(inputs: usize, hidden: usize, samples: usize) -> Problem {
    let x = Array2::from_shape_fn((samples, inputs), |(i, m)| ((i * 37 + m * 61 + i * m) % 41) as f64 / 20.0 - 1.0);
    let q: ndarray::Array1<f64> = (0..samples).map(|i| f64::from(u8::from(i % 3 == 0))).collect();
    Problem::new(hidden, Activation::Tanh, Dataset::new(x, q).unwrap())
}

#[test]
fn eigenvalues_match_the_reference_on_the_golden_cases() {
    for (name, mut engine) in engines("eigenvalues_match_the_reference_on_the_golden_cases") {
        for case in golden_cases() {
            let expected = Reference::default().spectrum(&case.problem, case.theta.view().into()).unwrap();
            let found = engine.spectrum(&case.problem, case.theta.view().into()).unwrap();
            assert_accurate(&format!("{name} {}", case.name), engine.as_ref(), errors(&found, &expected));
        }
    }
}

/// Trained networks, converged or not, as a sweep leaves them: 10,000 in full, a fifth of them else.
#[test]
fn eigenvalues_match_the_reference_on_trained_networks() {
    let mut engines = engines("eigenvalues_match_the_reference_on_trained_networks");
    let part = if is_full() { 1 } else { 5 };
    for (hidden, networks, data_seed) in [(3, 5000 / part, 0), (3, 4000 / part, 5), (10, 1000 / part, 0)] {
        let problem = Problem::new(hidden, Activation::Sigmoid, appendix_c(50, data_seed, Stream::TrainData).unwrap());
        let trained = Cpu::new(Route::Auto).train(&problem, &Descent::default(), 0..networks).unwrap();
        let converged = trained.status.iter().filter(|&&status| status == Status::Converged).count();
        assert!(converged * 2 > networks as usize, "only {converged} of {networks} networks converged");
        let theta = trained.theta.mapv(f64::from);
        let expected = Reference::default().spectrum(&problem, theta.view().into()).unwrap();
        for (name, engine) in &mut engines {
            let found = engine.spectrum(&problem, theta.view().into()).unwrap();
            assert_accurate(
                &format!("{name} N = {hidden}, data {data_seed}"),
                engine.as_ref(),
                errors(&found, &expected),
            );
        }
    }
}

/// D on both sides of every power of two and of every change in how matrices share a workgroup; batches that end within
/// one.
#[test]
fn eigenvalues_match_the_reference_at_every_size() {
    let shapes =
        [(1, 1), (13, 1), (1, 5), (1, 10), (29, 1), (2, 8), (2, 10), (1, 21), (2, 16), (125, 1), (6, 16), (3, 31)];
    for (name, mut engine) in engines("eigenvalues_match_the_reference_at_every_size") {
        for (inputs, hidden) in shapes {
            let problem = grid_problem(inputs, hidden, 70);
            let theta = random_theta(&problem, 21, 2.0);
            let expected = Reference::default().spectrum(&problem, theta.view().into()).unwrap();
            let found = engine.spectrum(&problem, theta.view().into()).unwrap();
            let parameters = problem.network.parameters();
            assert_accurate(&format!("{name} D = {parameters}"), engine.as_ref(), errors(&found, &expected));
            // The spectrum of another network is noticed.
            let mut exchanged = found.clone();
            exchanged.lambda_max.swap(0, 20);
            assert!(errors(&exchanged, &expected)[0] > allowed(engine.as_ref()).0, "{name} D = {parameters}");
            let one = engine.spectrum(&problem, theta.slice(ndarray::s![17..18, ..]).into()).unwrap();
            assert_eq!(one.lambda_max[0].to_bits(), found.lambda_max[17].to_bits(), "{name} D = {parameters}");
            assert_eq!(one.lambda_min[0].to_bits(), found.lambda_min[17].to_bits(), "{name} D = {parameters}");
        }
    }
}

/// D beyond the rows of one workgroup, whose invocations then own two or more rows each, up to the largest D that the
/// GPU takes.
#[test]
fn eigenvalues_match_the_reference_beyond_one_row_an_invocation() {
    for (name, mut engine) in engines("eigenvalues_match_the_reference_beyond_one_row_an_invocation") {
        let shapes = [(3, 51, 3), (2, 64, 3), (21, 13, 3), (2, 128, 3), (35, 27, 1)];
        // The largest takes a software driver most of a minute.
        let sampled = if is_full() { shapes.len() } else { shapes.len() - 1 };
        for &(inputs, hidden, networks) in &shapes[..sampled] {
            let problem = grid_problem(inputs, hidden, 40);
            let theta = random_theta(&problem, networks, 1.0);
            let expected = Reference::default().spectrum(&problem, theta.view().into()).unwrap();
            let found = engine.spectrum(&problem, theta.view().into()).unwrap();
            let parameters = problem.network.parameters();
            assert_accurate(&format!("{name} D = {parameters}"), engine.as_ref(), errors(&found, &expected));
        }
    }
}

/// Whatever a dispatch may take, and so wherever the steps of a matrix are cut: the bits are the same.
#[test]
fn eigenvalues_do_not_depend_on_how_the_pass_is_cut_into_dispatches() {
    let test = "eigenvalues_do_not_depend_on_how_the_pass_is_cut_into_dispatches";
    // More workgroups than the first dispatch has, so that later ones are cut step by step; and one size with several
    // dispatches anyway.
    for (inputs, hidden, networks) in [(2, 3, 64 * 19 + 20), (2, 32, 66), (6, 32, 2)] {
        let problem = grid_problem(inputs, hidden, 20);
        let theta = random_theta(&problem, networks, 1.0);
        let spectra = [60_000_000_000, 200_000, 1].map(|nanoseconds| {
            let dispatch = Duration::from_nanos(nanoseconds);
            let mut gpu = gpu(test, Tuning { dispatch, ..Tuning::default() })?;
            Some(gpu.spectrum(&problem, theta.view().into()).unwrap())
        });
        let [Some(whole), Some(some), Some(single)] = spectra else { return };
        let bits = |spectra: &Spectra| -> Vec<u64> {
            spectra.lambda_max.iter().chain(&spectra.lambda_min).map(|value| value.to_bits()).collect()
        };
        assert_eq!(whole.missing, []);
        assert!(bits(&whole) == bits(&some) && bits(&whole) == bits(&single), "M = {inputs}, N = {hidden}");
    }
}

/// Long sums in which every sample counts: more samples than an invocation may go through where a software driver
/// limits its loops.
#[test]
fn eigenvalues_match_the_reference_for_many_samples() {
    for (name, mut engine) in engines("eigenvalues_match_the_reference_for_many_samples") {
        for (inputs, hidden, samples) in [(4, 3, 20_000), (1, 2, 130_000)] {
            let problem = grid_problem(inputs, hidden, samples);
            let theta = random_theta(&problem, 3, 1.0);
            let expected = Reference::default().spectrum(&problem, theta.view().into()).unwrap();
            let found = engine.spectrum(&problem, theta.view().into()).unwrap();
            assert_accurate(&format!("{name} I = {samples}"), engine.as_ref(), errors(&found, &expected));
        }
    }
}

/// Far more than the GPU's workgroups hold with one row per invocation: rounding must not fail the checks.
#[test]
fn large_hessians_pass_their_checks_in_lanes() {
    let mut cpu = Cpu::new(Route::Auto);
    for (inputs, hidden) in [(2, 100), (30, 20)] {
        let problem = grid_problem(inputs, hidden, 60);
        let theta = random_theta(&problem, 4, 1.0);
        let expected = Reference::default().spectrum(&problem, theta.view().into()).unwrap();
        let found = cpu.spectrum(&problem, theta.view().into()).unwrap();
        assert_accurate(&format!("M = {inputs}, N = {hidden}"), &cpu, errors(&found, &expected));
    }
}

/// A network that diverged is listed, and its neighbours keep their values.
#[test]
fn a_hessian_that_is_not_finite_is_named_and_harms_no_other() {
    for (name, mut engine) in engines("a_hessian_that_is_not_finite_is_named_and_harms_no_other") {
        let problem = Problem::new(3, Activation::Softplus, appendix_c(20, 0, Stream::TrainData).unwrap());
        let mut theta = random_theta(&problem, 40, 1.0);
        let clean = engine.spectrum(&problem, theta.view().into()).unwrap();
        theta[[11, 2]] = f64::NAN;
        // Two units whose huge output weights, powers of two, cancel exactly in z, so that nothing saturates.
        for m in 0..3 {
            theta[[30, 3 * m + 1]] = theta[[30, 3 * m]];
        }
        theta[[30, 10]] = 2_f64.powi(700);
        theta[[30, 11]] = -2_f64.powi(700);
        let found = engine.spectrum(&problem, theta.view().into()).unwrap();
        let rows: Vec<usize> = found.missing.iter().map(|missing| missing.row).collect();
        assert_eq!(rows, [11, 30], "{name}: {:?}", found.missing);
        assert!(found.missing[0].reason.contains("not finite"), "{name}: {:?}", found.missing);
        for k in 0..40 {
            let same = found.lambda_max[k].to_bits() == clean.lambda_max[k].to_bits();
            assert!(if rows.contains(&k) { found.lambda_max[k].is_nan() } else { same }, "{name}: row {k}");
        }
    }
}

/// Zero weights leave a Hessian of one entry block, huge ones saturate every unit: eigenvalues are 0 or nearly so, not
/// NaN.
#[test]
fn degenerate_hessians_have_eigenvalues_too() {
    for (name, mut engine) in engines("degenerate_hessians_have_eigenvalues_too") {
        let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
        let mut theta = Array2::zeros((3, 13));
        theta.row_mut(1).fill(1.0);
        theta.row_mut(2).fill(3000.0);
        let expected = Reference::default().spectrum(&problem, theta.view().into()).unwrap();
        let found = engine.spectrum(&problem, theta.view().into()).unwrap();
        assert_eq!(found.missing, [], "{name}");
        for k in 0..3 {
            let scale = expected.lambda_max[k].abs();
            let miss = (found.lambda_max[k] - expected.lambda_max[k]).abs();
            assert!(
                miss <= allowed(engine.as_ref()).0 * scale,
                "{name} row {k}: {} {}",
                found.lambda_max[k],
                expected.lambda_max[k]
            );
        }
    }
}

#[test]
fn a_network_too_large_for_the_engine_is_refused_with_advice() {
    let Some(mut gpu) = gpu("a_network_too_large_for_the_engine_is_refused_with_advice", Tuning::default()) else {
        return;
    };
    let problem = grid_problem(2, 250, 5);
    let error = gpu.spectrum(&problem, random_theta(&problem, 1, 1.0).view().into()).unwrap_err();
    assert!(error.to_string().contains("D = 1001") && error.to_string().contains("--backend cpu"), "{error}");
}
