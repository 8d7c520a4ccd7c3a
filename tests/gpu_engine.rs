//! The shaders against the reference and the golden cases: each pass on the same theta, and whole sweeps by their
//! verdicts.

mod support;

use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, Axis};
use sharpsweep::bounds::wolkowicz_styan;
use sharpsweep::engine::{Descent, Engine, EngineError, Evaluation, LayerTraces, Route, Status};
use sharpsweep::gpu::{Family, Gpu, Pass, Target, TextChange, TrainPlan, Tuning, choose_adapter, wgsl};
use sharpsweep::model::{Activation, Dataset, OneHidden, Problem, Stream, appendix_c, initial_theta};
use sharpsweep::reference::{Reference, gradient_sq, hessian, output, terms, trace_vv, trace_ww};
use support::gpu::gpu;
use support::{GoldenCase, close, close_scaled, golden_cases, is_full, notice, without_the_last};

/// float32 sums of I^2/2 mixed terms reach 1e-6 (worst seen 8e-7); a wrong term of any kind is off by more than 1e-4.
const TRACE_SQ_RELATIVE: f64 = 1e-5;
/// lambda_sup is nearly a square root of tr H^2 and inherits half its error.
const LAMBDA_SUP_RELATIVE: f64 = 5e-6;
/// Traces and losses of f32 terms, relative to the size of what is summed.
const SUM_RELATIVE: f64 = 5e-6;

/// The trace of the block of layer `l`, from 0, of every network.
fn of_layer(evaluation: &Evaluation, l: usize) -> Vec<f64> {
    evaluation.layer_trace.iter().map(|traces| traces.as_slice()[l]).collect()
}

/// lambda_sup of every network.
fn lambda_sup(evaluation: &Evaluation, shape: OneHidden) -> Vec<f64> {
    (0..evaluation.loss.len())
        .map(|k| {
            let trace = evaluation.trace(k);
            wolkowicz_styan(trace, evaluation.trace_sq[k], shape.parameters()).lambda_sup
        })
        .collect()
}

fn appendix_c_problem(hidden: usize, data_seed: u64) -> Problem {
    Problem::new(hidden, Activation::Sigmoid, appendix_c(50, data_seed, Stream::TrainData).unwrap())
}

fn check(case: &GoldenCase, quantity: &str, result: Result<(), String>) {
    if let Err(misses) = result {
        panic!("{} {quantity}: {misses}", case.name);
    }
}

/// sum_i (|l_i| + ...) of the terms in each sum: the scale of its rounding error.
fn loss_scale(case: &GoldenCase) -> Vec<f64> {
    (0..case.seeds())
        .map(|k| {
            let Problem { network, ref data, .. } = case.problem;
            // An error in z of one ulp of its terms is an error of the same size in the loss.
            output(network.one_hidden().unwrap(), data, &case.network(k)).iter().map(|z| 1.0 + z.abs()).sum()
        })
        .collect()
}

#[test]
fn closed_forms_match_the_golden_cases() {
    for (route, case) in both_routes(golden_cases()) {
        let tuning = Tuning { route, ..Tuning::default() };
        let Some(mut gpu) = gpu("closed_forms_match_the_golden_cases", tuning) else { return };
        let found = gpu.evaluate(&case.problem, case.theta.view().into()).unwrap();
        let moment2 = case.column("moment2");
        let d = case.problem.network.parameters() as f64;
        let scale: Vec<f64> = moment2.iter().map(|m| (d * m).sqrt()).collect();
        check(&case, "trace_sq", close(&found.trace_sq, &moment2, 0.0, TRACE_SQ_RELATIVE));
        check(
            &case,
            "lambda_sup",
            close(
                &lambda_sup(&found, case.problem.paper().unwrap().network.shape),
                &case.column("ws_upper"),
                0.0,
                LAMBDA_SUP_RELATIVE,
            ),
        );
        check(&case, "trace_ww", close_scaled(&of_layer(&found, 0), &case.column("trace_ww"), &scale, SUM_RELATIVE));
        check(&case, "trace_vv", close_scaled(&of_layer(&found, 1), &case.column("trace_vv"), &scale, SUM_RELATIVE));
        check(&case, "loss", close_scaled(&found.loss, &case.column("loss"), &loss_scale(&case), SUM_RELATIVE));
        let gradient_sq: Vec<f64> = case.rows("grad").axis_iter(Axis(0)).map(|g| g.dot(&g)).collect();
        check(
            &case,
            "gradient_sq",
            close_scaled(&found.gradient_sq, &gradient_sq, &gradient_scale(&case), SUM_RELATIVE),
        );
    }
}

/// Far more samples than units: tiles of inputs, blocks of samples, sums cut into several dispatches. Few networks keep
/// it quick.
///
/// The pairwise route takes I^2 / 2 pairs, so it is compared on fewer samples. At I = 60,000 the gradient is summed by
/// two dispatches.
#[test]
fn many_samples_give_the_reference_values_by_both_routes() {
    let both = [Route::Assembled, Route::Pairwise];
    let fewer = if is_full() { 8_001 } else { 3_001 };
    for (samples, hidden, routes) in [(60_000, 1, &both[..1]), (fewer, 3, &both[..])] {
        let problem = Problem::new(hidden, Activation::Tanh, noise(samples, 64));
        let theta = Array2::from_shape_fn((2, problem.network.parameters()), |(k, d)| {
            f64::from(((k * 7 + d * 29 + 3) % 97) as f32 / 300.0 - 0.16)
        });
        let values = |problem: &Problem| -> [Vec<f64>; 3] {
            let [mut loss, mut gradients, mut trace] = [const { Vec::new() }; 3];
            for row in theta.rows() {
                let theta = row.to_vec();
                let terms = terms(&problem.paper().unwrap(), &theta);
                loss.push(terms.loss.iter().sum());
                gradients.push(gradient_sq(&problem.paper().unwrap(), &theta, &terms));
                trace.push(trace_ww(&problem.paper().unwrap(), &theta, &terms) + trace_vv(&terms));
            }
            [loss, gradients, trace]
        };
        let expected = values(&problem);
        let expected_trace_sq: Vec<f64> = theta
            .rows()
            .into_iter()
            .map(|row| hessian(&problem, &row.to_vec()).iter().map(|entry| entry * entry).sum())
            .collect();
        // The tolerances notice that the last block of samples is missing.
        let fewer = values(&Problem::new(hidden, Activation::Tanh, without_the_last(&problem.data, 64)));
        for &route in routes {
            let tuning = Tuning { route, ..Tuning::default() };
            let Some(mut gpu) = gpu("many_samples_give_the_reference_values_by_both_routes", tuning) else { return };
            let found = gpu.evaluate(&problem, theta.view().into()).unwrap();
            if let Err(misses) = close(&found.trace_sq, &expected_trace_sq, 0.0, TRACE_SQ_RELATIVE) {
                panic!("I = {samples}, {route:?}: {misses}");
            }
            let wrong: Vec<f64> = found.trace_sq.iter().map(|t| t * (1.0 + 2.0 * TRACE_SQ_RELATIVE)).collect();
            assert!(close(&wrong, &expected_trace_sq, 0.0, TRACE_SQ_RELATIVE).is_err());
            let trace = found.layer_trace.iter().map(LayerTraces::sum).collect();
            // The samples' gradients cancel to a hundredth.
            let quantities = [("loss", SUM_RELATIVE), ("gradient_sq", 10.0 * SUM_RELATIVE), ("trace", SUM_RELATIVE)];
            for (k, (name, relative)) in quantities.into_iter().enumerate() {
                let found = [&found.loss, &found.gradient_sq, &trace][k];
                if let Err(misses) = close(found, &expected[k], 0.0, relative) {
                    panic!("I = {samples}, {name}: {misses}");
                }
                assert!(close(found, &fewer[k], 0.0, relative).is_err(), "I = {samples}, {name}");
            }
        }
    }
}

/// Each case with each route to tr H^2.
fn both_routes(cases: Vec<GoldenCase>) -> impl Iterator<Item = (Route, GoldenCase)> {
    cases.into_iter().flat_map(|case| [Route::Pairwise, Route::Assembled].map(|route| (route, case.clone())))
}

/// The size |g| times sqrt(sum over samples of |g_i|^2): a relative error of one sample's gradient moves g.g by about
/// this times the error.
fn gradient_scale(case: &GoldenCase) -> Vec<f64> {
    (0..case.seeds())
        .map(|k| {
            let theta = case.network(k);
            let terms = terms(&case.problem.paper().unwrap(), &theta);
            let shape = case.problem.paper().unwrap().network.shape;
            let size: f64 = (0..terms.samples)
                .map(|i| {
                    let x = case.problem.data.sample(i);
                    let df = terms.row(&terms.df, i);
                    let r: f64 = terms.row(&terms.r, i).iter().map(|r| r * r).sum();
                    let back: f64 = (0..shape.hidden).map(|n| (theta[shape.v(n)] * df[n]).powi(2)).sum();
                    terms.delta[i].abs() * (1.0 + r + (1.0 + x.dot(&x)) * back).sqrt()
                })
                .sum();
            size * size
        })
        .collect()
}

/// The results of a wrong kernel are outside the tolerances: r_i and r_j exchanged in E, one pair counted once instead
/// of twice.
#[test]
fn the_tolerances_see_a_wrong_term() {
    let Some(mut gpu) = gpu("the_tolerances_see_a_wrong_term", Tuning::default()) else { return };
    for case in golden_cases().iter().filter(|case| case.problem.data.samples() >= 7) {
        let found = gpu.evaluate(&case.problem, case.theta.view().into()).unwrap();
        let wrong = |change: fn(f64, f64, f64) -> f64| -> Vec<f64> {
            (0..case.seeds())
                .map(|k| {
                    let theta = case.network(k);
                    let terms = terms(&case.problem.paper().unwrap(), &theta);
                    let shape = case.problem.paper().unwrap().network.shape;
                    // sum_ij 2 K s_i delta_j (E_ij with r_i and r_j exchanged - E_ij), and a missing mirror pair.
                    let mut exchanged = 0.0;
                    let mut mirror = 0.0;
                    for i in 0..terms.samples {
                        for j in 0..terms.samples {
                            let k = 1.0 + case.problem.data.sample(i).dot(&case.problem.data.sample(j));
                            for n in 0..shape.hidden {
                                let at = |array: &[f64], i: usize| terms.row(array, i)[n];
                                let product = at(&terms.df, i) * at(&terms.df, j) * theta[shape.v(n)];
                                let difference = at(&terms.r, j) - at(&terms.r, i);
                                exchanged += 4.0 * k * terms.s[i] * terms.delta[j] * product * difference;
                            }
                        }
                    }
                    let (a, b) = (0, terms.samples - 1);
                    let forms = sharpsweep::reference::pair_forms(&case.problem.paper().unwrap(), &theta, &terms, a, b);
                    let k_ab = 1.0 + case.problem.data.sample(a).dot(&case.problem.data.sample(b));
                    mirror -=
                        forms.phi * k_ab * k_ab + 2.0 * forms.psi * k_ab + forms.omega * forms.hidden_gram.powi(2);
                    change(found.trace_sq[k], exchanged, mirror)
                })
                .collect()
        };
        let moment2 = case.column("moment2");
        if case.problem.network.activation != Activation::Linear
            || case.problem.paper().unwrap().network.shape.hidden > 1
        {
            let exchanged = wrong(|right, exchanged, _| right + exchanged);
            assert!(close(&exchanged, &moment2, 0.0, TRACE_SQ_RELATIVE).is_err(), "{}: E exchanged", case.name);
        }
        let mirror = wrong(|right, _, mirror| right + mirror);
        assert!(close(&mirror, &moment2, 0.0, TRACE_SQ_RELATIVE).is_err(), "{}: a pair counted once", case.name);
        let mut nan = found.trace_sq.clone();
        nan[0] = f64::NAN;
        assert!(close(&nan, &moment2, 0.0, TRACE_SQ_RELATIVE).is_err(), "{}: NaN", case.name);
    }
}

/// So many hidden units that one row of pairs takes more iterations than a software driver allows an invocation.
#[test]
fn long_rows_of_pairs_are_cut_and_nothing_is_lost() {
    let Some(mut gpu) = gpu("long_rows_of_pairs_are_cut_and_nothing_is_lost", Tuning::default()) else { return };
    let problem = Problem::new(1000, Activation::Sigmoid, appendix_c(151, 0, Stream::TrainData).unwrap());
    let theta = initial_theta(problem.network.parameters(), 0, 0.5).into_iter().map(f64::from).collect();
    let theta = Array2::from_shape_vec((1, problem.network.parameters()), theta).unwrap();
    let found = gpu.evaluate(&problem, theta.view().into()).unwrap();
    let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
    close(&found.trace_sq, &expected.trace_sq, 0.0, TRACE_SQ_RELATIVE).unwrap();
    close(&found.gradient_sq, &expected.gradient_sq, 0.0, 1e-4).unwrap();
}

/// As wide as a software driver allows, and one unit wider: nothing is cut off silently.
#[test]
fn what_a_driver_would_cut_off_is_refused() {
    let Some(mut gpu) = gpu("what_a_driver_would_cut_off_is_refused", Tuning::default()) else { return };
    // The forward pass goes through 101 inputs twice and once through the units: 206 iterations per unit, including
    // those that end a loop.
    for hidden in [317, 318] {
        let problem = Problem::new(hidden, Activation::Tanh, noise(9, 100));
        let theta = initial_theta(problem.network.parameters(), 0, 0.5).into_iter().map(f64::from).collect();
        let theta = Array2::from_shape_vec((1, problem.network.parameters()), theta).unwrap();
        match gpu.evaluate(&problem, theta.view().into()) {
            Ok(found) => {
                let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
                close(&found.trace_sq, &expected.trace_sq, 0.0, TRACE_SQ_RELATIVE).unwrap();
                close(&found.gradient_sq, &expected.gradient_sq, 0.0, 1e-4).unwrap();
            }
            Err(error) => {
                assert_eq!(hidden, 318, "{error}");
                assert!(matches!(&error, EngineError::Limit(text) if text.contains("loop iterations")), "{error}");
            }
        }
    }
}

/// The most samples per step that are planned for a software driver, and far more than it can take.
#[test]
fn a_step_that_a_driver_would_cut_off_is_refused() {
    let tuning = Tuning { plan: Some(TrainPlan::Streamed), ..Tuning::default() };
    let Some(mut gpu) = gpu("a_step_that_a_driver_would_cut_off_is_refused", tuning) else { return };
    for samples in [264, 3000] {
        // The loss is a sum: as many samples need as much shorter a step, or it magnifies the rounding of the first.
        let step_size = 0.25 / samples as f64;
        let descent = Descent { init_range: 1.0, step_size, max_steps: 2, tolerance: 0.0, weight_decay: 0.0 };
        let problem = Problem::new(70, Activation::Sigmoid, noise(samples, 30));
        match gpu.train(&problem, &descent, 0..3) {
            Ok(found) => {
                let expected = Reference::default().train(&problem, &descent, 0..3).unwrap();
                close(&widened(&found.theta), &widened(&expected.theta), 2e-6, 2e-6).unwrap();
            }
            Err(error) => {
                assert_eq!(samples, 3000, "{error}");
                assert!(matches!(&error, EngineError::Limit(text) if text.contains("loop iterations")), "{error}");
            }
        }
    }
}

/// No step at all: the result is theta_0, written by the shader.
#[test]
fn initial_theta_is_bit_equal_to_the_host() {
    let Some(mut gpu) = gpu("initial_theta_is_bit_equal_to_the_host", Tuning::default()) else { return };
    let descent = Descent { max_steps: 0, tolerance: 0.0, ..Descent::default() };
    for (hidden, seeds) in
        [(3, 0..130), (10, u64::from(u32::MAX) - 40..u64::from(u32::MAX) + 40), (1, u64::MAX - 20..u64::MAX)]
    {
        let problem = appendix_c_problem(hidden, 0);
        let trained = gpu.train(&problem, &descent, seeds.clone()).unwrap();
        for (row, seed) in trained.theta.axis_iter(Axis(0)).zip(seeds) {
            let expected = initial_theta(problem.network.parameters(), seed, descent.init_range);
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&row.to_vec()), bits(&expected), "seed {seed}, N = {hidden}");
        }
        assert!(trained.status.iter().all(|&status| status == Status::StepLimit));
    }
}

fn widened(theta: &Array2<f32>) -> Vec<f64> {
    theta.iter().map(|&value| f64::from(value)).collect()
}

/// The default plan, and each plan by force.
fn plans() -> impl Iterator<Item = Tuning> {
    std::iter::once(None).chain(TrainPlan::ALL.map(Some)).map(|plan| Tuning { plan, ..Tuning::default() })
}

/// Whether the kernel at N = 3 and N = 10 does without workgroup barriers, which are slow where tests run: the others
/// get less to do unless the full sets are asked for.
fn is_without_barriers(tuning: Tuning) -> bool {
    matches!(tuning.plan, None | Some(TrainPlan::Narrow))
}

/// Relative to |theta| = 10: f32 rounding of one step, amplified by the steps that follow.
#[test]
fn few_steps_end_where_the_reference_ends() {
    for tuning in plans() {
        let Some(mut gpu) = gpu("few_steps_end_where_the_reference_ends", tuning) else { return };
        for hidden in [3, 10] {
            let problem = appendix_c_problem(hidden, 0);
            // A tolerance of 0 is never reached, so every network takes every step.
            let many = if is_full() || is_without_barriers(tuning) { 1000 } else { 100 };
            for (max_steps, step_size, relative) in [(1, 0.1, 1e-6), (10, 0.1, 1e-5), (many, 0.01, 1e-4)] {
                let descent = Descent { max_steps, step_size, tolerance: 0.0, ..Descent::default() };
                let found = gpu.train(&problem, &descent, 0..64).unwrap();
                let expected = Reference::default().train(&problem, &descent, 0..64).unwrap();
                let (found_theta, expected_theta) = (widened(&found.theta), widened(&expected.theta));
                if let Err(misses) = close(&found_theta, &expected_theta, 10.0 * relative, relative) {
                    panic!("{:?}, N = {hidden}, {max_steps} steps at {step_size}: {misses}", tuning.plan);
                }
                assert_eq!(found.steps, expected.steps);
                // One step fewer is noticed: the comparison is not blind.
                let less = Descent { max_steps: max_steps - 1, ..descent };
                let less = gpu.train(&problem, &less, 0..64).unwrap();
                assert!(close(&widened(&less.theta), &expected_theta, 10.0 * relative, relative).is_err());
            }
        }
    }
}

/// A driver that loses track of what is finished must not keep the program for ever.
#[test]
fn networks_that_never_finish_end_the_training_with_an_error() {
    let test = "networks_that_never_finish_end_the_training_with_an_error";
    if support::gpu::skipped(test) {
        return;
    }
    let endless = TextChange::new(|pass, text| {
        (pass == Pass::Remaining).then(|| text.replace("status[network] == PENDING", "status[network] < 256u"))
    });
    let adapter = choose_adapter(None).unwrap();
    for lanes in [4, 1 << 18] {
        let tuning = Tuning { lanes, ..Tuning::default() };
        let mut gpu = Gpu::with_texts(adapter.clone(), tuning, endless.clone()).unwrap();
        let descent = Descent { max_steps: 30, ..Descent::default() };
        let error = gpu.train(&appendix_c_problem(3, 0), &descent, 0..9).unwrap_err();
        assert!(matches!(&error, EngineError::Device(text) if text.contains("9 networks go on")), "{error}");
    }
}

/// Every kernel with weight decay ends where the reference ends, and elsewhere than without.
#[test]
fn weight_decay_is_that_of_the_reference() {
    for tuning in plans() {
        let Some(mut gpu) = gpu("weight_decay_is_that_of_the_reference", tuning) else { return };
        for hidden in [3, 12] {
            let problem = appendix_c_problem(hidden, 0);
            let descent = Descent { max_steps: 10, tolerance: 0.0, weight_decay: 0.3, ..Descent::default() };
            let found = gpu.train(&problem, &descent, 0..40).unwrap();
            let expected = Reference::default().train(&problem, &descent, 0..40).unwrap();
            let expected = widened(&expected.theta);
            if let Err(misses) = close(&widened(&found.theta), &expected, 1e-4, 1e-5) {
                panic!("{:?}, N = {hidden}: {misses}", tuning.plan);
            }
            let without = gpu.train(&problem, &Descent { weight_decay: 0.0, ..descent }, 0..40).unwrap();
            assert!(close(&widened(&without.theta), &expected, 1e-4, 1e-5).is_err());
            // What ends a descent is the gradient of the objective, and not that of the loss.
            let strict = Descent { max_steps: 2_000, tolerance: 1e-3, weight_decay: 0.3, ..Descent::default() };
            let problem = Problem::new(hidden, Activation::Sigmoid, appendix_c(10, 0, Stream::TrainData).unwrap());
            let (found, expected) =
                (gpu.train(&problem, &strict, 0..8), Reference::default().train(&problem, &strict, 0..8));
            let (found, expected) = (found.unwrap(), expected.unwrap());
            assert!(expected.status.contains(&Status::Converged), "{:?}", expected.status);
            assert_eq!(found.status, expected.status, "{:?}, N = {hidden}", tuning.plan);
        }
    }
}

/// M, N and I: sizes on both sides of a change of plan, of a lane's number of units, of a tile of samples, and of the
/// size at which a software driver stops unrolling loops. The last one with N = 65 is the first whose lanes exceed a
/// workgroup of 64. The golden cases' shapes are among them.
const WIDTHS: [(usize, usize, usize); 13] = [
    (1, 1, 1),
    (2, 1, 1),
    (2, 2, 7),
    (5, 4, 7),
    (2, 11, 8),
    (2, 16, 9),
    (2, 17, 31),
    (2, 32, 33),
    (3, 33, 20),
    (1, 65, 50),
    (64, 3, 20),
    (30, 65, 12),
    (30, 6, 17),
];

/// By force each kernel takes some of them, or all with `SHARPSWEEP_FULL=1`. The kernels whose invocations hold whole
/// networks do not take the widest: llvmpipe's compiler needs half a minute at D = 193, and about six minutes at D =
/// 2,081, where it keeps 4,162 values of every network in arrays. Nor has workgroup memory room for them.
#[test]
fn every_width_trains_as_the_reference_does() {
    for tuning in plans() {
        let Some(mut gpu) = gpu("every_width_trains_as_the_reference_does", tuning) else { return };
        let widest = if is_full() { 1000 } else { 100 };
        for (k, (inputs, hidden, samples)) in WIDTHS.into_iter().enumerate() {
            let sampled = tuning.plan.is_none() || is_full() || k % 2 == 0;
            let whole = matches!(tuning.plan, Some(TrainPlan::Narrow | TrainPlan::Split));
            if !sampled || whole && OneHidden::new(inputs, hidden).parameters() > widest {
                continue;
            }
            let problem = Problem::new(hidden, Activation::Sigmoid, noise(samples, inputs));
            let descent =
                Descent { init_range: 1.0, step_size: 0.01, max_steps: 20, tolerance: 0.0, weight_decay: 0.0 };
            let found = gpu.train(&problem, &descent, 5..14).unwrap();
            let expected = Reference::default().train(&problem, &descent, 5..14).unwrap();
            if let Err(misses) = close(&widened(&found.theta), &widened(&expected.theta), 2e-6, 2e-6) {
                panic!("{:?}, M = {inputs}, N = {hidden}, I = {samples}: {misses}", tuning.plan);
            }
            assert_eq!((found.status, found.steps), (expected.status, expected.steps));
        }
    }
}

/// So many samples that a software driver with a limit of loop iterations gets a step nearly up to that limit. If it
/// counted many more than the program does, it would silently stop early. Two steps round weights of 0.1 by less than
/// 1e-8, and the share of 50 samples is a hundred times the tolerance.
#[test]
fn a_step_as_long_as_a_driver_allows_is_taken_whole() {
    let tuning = Tuning { plan: Some(TrainPlan::Streamed), ..Tuning::default() };
    let Some(mut gpu) = gpu("a_step_as_long_as_a_driver_allows_is_taken_whole", tuning) else { return };
    for activation in Activation::ALL {
        let problem = Problem::new(4, activation, noise(1_650, 64));
        let descent = Descent { init_range: 0.1, step_size: 1e-5, max_steps: 2, tolerance: 0.0, weight_decay: 0.0 };
        let found = gpu.train(&problem, &descent, 0..3).unwrap();
        let expected = Reference::default().train(&problem, &descent, 0..3).unwrap();
        let expected_theta = widened(&expected.theta);
        if let Err(misses) = close(&widened(&found.theta), &expected_theta, 1e-7, 1e-7) {
            panic!("{activation:?}: {misses}");
        }
        // Missing the last 50 samples would be noticed.
        let less = Problem::new(4, activation, noise(1_600, 64));
        let less = gpu.train(&less, &descent, 0..3).unwrap();
        assert!(close(&widened(&less.theta), &expected_theta, 1e-7, 1e-7).is_err(), "{activation:?}");
    }
}

/// Samples on both sides of what a uniform buffer holds: beyond it, the same kernel reads them from storage. The
/// tolerance is that of twenty steps whose gradients are sums over thousands of samples in f32; one sample fewer
/// differs by more.
#[test]
fn more_samples_than_a_uniform_buffer_holds_train_as_the_reference_does() {
    let Some(mut gpu) = gpu("more_samples_than_a_uniform_buffer_holds_train_as_the_reference_does", Tuning::default())
    else {
        return;
    };
    // M = 2 takes three rows of four values for four samples: 4,096 rows hold 5,460.
    for samples in [5_460, 5_461] {
        let problem = Problem::new(3, Activation::Sigmoid, noise(samples, 2));
        assert_eq!(
            wgsl(Pass::Train, Target::of(&problem.paper().unwrap(), Family::Software)).contains("var<uniform> samples"),
            samples == 5_460
        );
        let descent = Descent { init_range: 1.0, step_size: 1e-4, max_steps: 20, tolerance: 0.0, weight_decay: 0.0 };
        let found = gpu.train(&problem, &descent, 5..14).unwrap();
        let expected = Reference::default().train(&problem, &descent, 5..14).unwrap();
        let expected_theta = widened(&expected.theta);
        if let Err(misses) = close(&widened(&found.theta), &expected_theta, 1e-5, 1e-5) {
            panic!("I = {samples}: {misses}");
        }
        // Missing the last sample would be noticed.
        let less = Problem::new(3, Activation::Sigmoid, noise(samples - 1, 2));
        let less = gpu.train(&less, &descent, 5..14).unwrap();
        assert!(close(&widened(&less.theta), &expected_theta, 1e-5, 1e-5).is_err());
    }
}

/// Samples split among 16 to 64 invocations per network, by force since a software adapter gains nothing by it.
#[test]
fn samples_split_among_many_invocations_train_as_the_reference_does() {
    let tuning = Tuning { plan: Some(TrainPlan::Split), ..Tuning::default() };
    let test = "samples_split_among_many_invocations_train_as_the_reference_does";
    let Some(mut gpu) = gpu(test, tuning) else { return };
    for (hidden, samples, lanes) in [(3, 1_003, 16), (10, 2_000, 32), (3, 9_000, 64)] {
        let problem = Problem::new(hidden, Activation::Tanh, noise(samples, 2));
        let text = wgsl(Pass::TrainSplit, Target::of(&problem.paper().unwrap(), Family::Software));
        assert!(text.contains(&format!("LANES: u32 = {lanes}u;")), "N = {hidden}, I = {samples}: {text}");
        let descent = Descent { init_range: 1.0, step_size: 1e-4, max_steps: 20, tolerance: 0.0, weight_decay: 0.0 };
        let found = gpu.train(&problem, &descent, 5..14).unwrap();
        let expected = Reference::default().train(&problem, &descent, 5..14).unwrap();
        let expected_theta = widened(&expected.theta);
        if let Err(misses) = close(&widened(&found.theta), &expected_theta, 1e-5, 1e-5) {
            panic!("N = {hidden}, I = {samples}: {misses}");
        }
        assert_eq!((found.status, found.steps), (expected.status, expected.steps));
        // Missing the last sample would be noticed.
        let less = Problem::new(hidden, Activation::Tanh, noise(samples - 1, 2));
        let less = gpu.train(&less, &descent, 5..14).unwrap();
        assert!(close(&widened(&less.theta), &expected_theta, 1e-5, 1e-5).is_err());
    }
}

/// Samples without structure, at least one per mille apart from each other.
fn noise(samples: usize, inputs: usize) -> Dataset {
    let x = Array2::from_shape_fn((samples, inputs), |(i, m)| ((i * 37 + m * 101 + 13) % 211) as f64 / 100.0 - 1.0);
    Dataset::new(x, Array1::from_shape_fn(samples, |i| (i % 2) as f64)).unwrap()
}

#[test]
fn every_activation_trains_as_the_reference_does() {
    for tuning in plans() {
        let Some(mut gpu) = gpu("every_activation_trains_as_the_reference_does", tuning) else { return };
        for activation in Activation::ALL {
            let problem = Problem::new(4, activation, appendix_c(33, 1, Stream::TrainData).unwrap());
            // With steps as long as those of the others, a square network oscillates.
            let step_size = if activation == Activation::Square { 3e-4 } else { 3e-3 };
            let descent = Descent { init_range: 1.0, step_size, max_steps: 50, tolerance: 0.0, weight_decay: 0.0 };
            let found = gpu.train(&problem, &descent, 5..42).unwrap();
            let expected = Reference::default().train(&problem, &descent, 5..42).unwrap();
            if let Err(misses) = close(&widened(&found.theta), &widened(&expected.theta), 1e-5, 1e-5) {
                panic!("{:?}, {activation:?}: {misses}", tuning.plan);
            }
            // A step moves theta by more than the tolerance.
            let less = gpu.train(&problem, &Descent { max_steps: 49, ..descent }, 5..42).unwrap();
            assert!(close(&widened(&less.theta), &widened(&expected.theta), 1e-5, 1e-5).is_err());
        }
    }
}

/// The same seeds in other batches, lanes and dispatches: the same bits.
#[test]
fn results_do_not_depend_on_batch_size_or_steps_a_dispatch() {
    for whole in plans() {
        let problem = appendix_c_problem(3, 0);
        let max_steps = if is_full() { 700 } else { 120 };
        let descent = Descent { max_steps, ..Descent::default() };
        let tunings = [
            whole,
            Tuning { steps: 1, ..whole },
            Tuning { steps: 7, lanes: 5, ..whole },
            Tuning { dispatch: Duration::from_nanos(1), ..whole },
        ];
        let mut first = None;
        for tuning in tunings {
            let Some(mut gpu) = gpu("results_do_not_depend_on_batch_size_or_steps_a_dispatch", tuning) else { return };
            let seeds = if tuning.steps == 1 { 0..20 } else { 0..90 };
            let trained = gpu.train(&problem, &descent, seeds.clone()).unwrap();
            let first = first.get_or_insert_with(|| trained.clone());
            let count = seeds.end as usize;
            assert_eq!(trained.theta, first.theta.slice(ndarray::s![..count, ..]), "{tuning:?}");
            assert_eq!(trained.status, first.status[..count]);
            assert_eq!(trained.steps, first.steps[..count]);
        }
        let Some(mut gpu) = gpu("results_do_not_depend_on_batch_size_or_steps_a_dispatch", whole) else { return };
        let first = first.unwrap();
        let part = gpu.train(&problem, &descent, 40..90).unwrap();
        assert_eq!(part.theta, first.theta.slice(ndarray::s![40.., ..]));
        let theta = first.theta.mapv(f64::from);
        for route in [Route::Pairwise, Route::Assembled] {
            let tuning = Tuning { route, ..whole };
            let Some(mut gpu) = crate::gpu("results_do_not_depend_on_batch_size_or_steps_a_dispatch", tuning) else {
                return;
            };
            let all = gpu.evaluate(&problem, theta.view().into()).unwrap();
            let row = gpu.evaluate(&problem, theta.slice(ndarray::s![77..78, ..]).into()).unwrap();
            assert_eq!(row.trace_sq[0].to_bits(), all.trace_sq[77].to_bits(), "{route:?}");
            assert_eq!(row.gradient_sq[0].to_bits(), all.gradient_sq[77].to_bits());
        }
    }
}

#[test]
fn training_on_from_where_it_stopped_is_training_in_one_go() {
    for tuning in plans() {
        let Some(mut gpu) = gpu("training_on_from_where_it_stopped_is_training_in_one_go", tuning) else { return };
        // One activation whose f' follows from f, and one that keeps both.
        for activation in [Activation::Sigmoid, Activation::Gelu] {
            let problem = Problem::new(3, activation, appendix_c_problem(3, 0).data);
            let until = |max_steps| Descent { max_steps, tolerance: 1.0, ..Descent::default() };
            let whole = gpu.train(&problem, &until(120), 4..75).unwrap();
            let parts = support::trained_in_parts(&mut gpu, &problem, &until, 4..75, &[0, 1, 37, 120]);
            assert_eq!(parts, whole, "{tuning:?} {activation:?}");
            assert!(whole.steps.iter().any(|&steps| steps > 37));
        }
    }
}

/// Kernels are kept only for the latest problem, and told apart by everything that they are compiled for.
#[test]
fn an_engine_that_changes_problems_gives_what_a_fresh_one_gives() {
    let test = "an_engine_that_changes_problems_gives_what_a_fresh_one_gives";
    let Some(mut kept) = gpu(test, Tuning::default()) else { return };
    let data = |seed| appendix_c(20, seed, Stream::TrainData).unwrap();
    for (hidden, activation, data_seed) in [
        (3, Activation::Sigmoid, 0),
        (3, Activation::Sigmoid, 1),
        (3, Activation::Tanh, 1),
        (4, Activation::Tanh, 1),
        (3, Activation::Sigmoid, 0),
    ] {
        let problem = Problem::new(hidden, activation, data(data_seed));
        let Some(mut fresh) = gpu(test, Tuning::default()) else { return };
        let descent = Descent { max_steps: 30, ..Descent::default() };
        let trained = kept.train(&problem, &descent, 0..70).unwrap();
        assert_eq!(trained, fresh.train(&problem, &descent, 0..70).unwrap(), "{hidden} {activation:?} {data_seed}");
        let theta = trained.theta.mapv(f64::from);
        let (found, expected) =
            (kept.evaluate(&problem, theta.view().into()), fresh.evaluate(&problem, theta.view().into()));
        assert_eq!(found.unwrap(), expected.unwrap(), "{hidden} {activation:?} {data_seed}");
        let (found, expected) =
            (kept.spectrum(&problem, theta.view().into()), fresh.spectrum(&problem, theta.view().into()));
        assert_eq!(found.unwrap(), expected.unwrap(), "{hidden} {activation:?} {data_seed}");
    }
}

/// A software adapter takes so long for the passes that transfers and waits are small beside them: there, the device's
/// clock agrees with the wall's.
#[test]
fn the_device_clock_times_the_passes_and_changes_no_result() {
    let test = "the_device_clock_times_the_passes_and_changes_no_result";
    let tuning = Tuning { route: Route::Pairwise, ..Tuning::default() };
    let Some(mut timed) = gpu(test, tuning) else { return };
    let Some(mut plain) = gpu(test, tuning) else { return };
    timed.start_clock().unwrap();
    assert!(plain.device_time().is_none());
    let Some(none_yet) = timed.device_time() else {
        notice(&format!("SKIPPED {test}: the adapter has no clock"));
        return;
    };
    assert!(none_yet.is_zero());
    let problem = Problem::new(30, Activation::Sigmoid, appendix_c(200, 0, Stream::TrainData).unwrap());
    let values =
        (0..64).flat_map(|seed| initial_theta(problem.network.parameters(), seed, 1.0)).map(f64::from).collect();
    let theta = Array2::from_shape_vec((64, problem.network.parameters()), values).unwrap();
    // The first run compiles.
    let found = timed.evaluate(&problem, theta.view().into()).unwrap();
    assert_eq!(found, plain.evaluate(&problem, theta.view().into()).unwrap());
    let before = timed.device_time().unwrap();
    let start = Instant::now();
    timed.evaluate(&problem, theta.view().into()).unwrap();
    let wall = start.elapsed();
    let device = timed.device_time().unwrap() - before;
    assert!(!device.is_zero() && device <= wall, "{device:?} on the device, {wall:?} in all");
    if !choose_adapter(None).unwrap().summary().hardware {
        assert!(5 * device >= wall, "{device:?} on the device, {wall:?} in all");
    }
}

/// Long runs diverge seed by seed (they start above the stable step size), so verdicts are compared.
#[test]
fn a_full_sweep_ends_with_the_reference_verdicts() {
    let problem = appendix_c_problem(3, 0);
    let descent = Descent::default();
    let expected = Reference::default().train(&problem, &descent, 0..512).unwrap();
    for tuning in plans() {
        let Some(mut gpu) = gpu("a_full_sweep_ends_with_the_reference_verdicts", tuning) else { return };
        let seeds = match is_without_barriers(tuning) {
            true => 512,
            false if is_full() => 64,
            false => 16,
        };
        let found = gpu.train(&problem, &descent, 0..seeds).unwrap();
        let agree = found.status.iter().zip(&expected.status).filter(|(a, b)| a == b).count();
        assert!(agree * 100 >= found.status.len() * 98, "{:?}: {agree} of {seeds} verdicts agree", tuning.plan);
    }
}

/// A step size far too large makes linear units diverge and saturates others; the verdict is a status, not a NaN that
/// passes for a number.
#[test]
fn diverging_networks_end_as_in_the_reference() {
    // Half of the samples contradict the labels of the others, so no loss of 0 stops the growth.
    let x = Array2::from_shape_fn((20, 2), |(i, m)| ((i % 10) as f64 / 5.0 - 0.9) * (1.0 - 0.3 * m as f64));
    let data = Dataset::new(x, Array1::from_shape_fn(20, |i| f64::from(u8::from((i < 10) == (i % 10 < 5))))).unwrap();
    let descent = Descent { step_size: 1e6, max_steps: 300, ..Descent::default() };
    for tuning in plans() {
        let Some(mut gpu) = gpu("diverging_networks_end_as_in_the_reference", tuning) else { return };
        for (activation, diverging) in [(Activation::Linear, 20), (Activation::Sigmoid, 0)] {
            let problem = Problem::new(3, activation, data.clone());
            let expected = Reference::default().train(&problem, &descent, 0..20).unwrap();
            let count = expected.status.iter().filter(|&&status| status == Status::NonFinite).count();
            assert_eq!(count, diverging, "{activation:?}");
            let found = gpu.train(&problem, &descent, 0..20).unwrap();
            assert_eq!(found.status, expected.status, "{:?}, {activation:?}", tuning.plan);
        }
    }
}

/// A step so large that the output's bias overflows. After it every sample is classified beyond doubt and the gradient
/// is 0: it must not count as converged.
#[test]
fn infinite_theta_never_counts_as_converged() {
    // Whole tiles of samples: rows that fill up a tile would turn infinite weights into NaN.
    let x = Array2::from_shape_fn((24, 2), |(i, m)| 0.04 * (i + m + 1) as f64);
    let problem = Problem::new(3, Activation::Sigmoid, Dataset::new(x, Array1::ones(24)).unwrap());
    let descent = Descent { init_range: 2.0, step_size: 5e37, max_steps: 50, ..Descent::default() };
    for tuning in plans() {
        let Some(mut gpu) = gpu("infinite_theta_never_counts_as_converged", tuning) else { return };
        let found = gpu.train(&problem, &descent, 0..40).unwrap();
        assert!(found.status.contains(&Status::NonFinite), "{:?}: {:?}", tuning.plan, found.status);
        for (row, status) in found.theta.axis_iter(Axis(0)).zip(&found.status) {
            let finite = row.iter().all(|value| value.is_finite());
            assert!(finite || *status == Status::NonFinite, "{:?}: {row} is {status:?}", tuning.plan);
        }
    }
}
