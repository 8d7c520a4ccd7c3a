//! The CPU engine against the f64 reference, for every instruction set of this machine, and against itself with other
//! batches and thread counts.

mod support;

use ndarray::{Array2, Axis, concatenate, s};
use sharpsweep::bounds::wolkowicz_styan;
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, Engine, EngineError, Evaluation, LayerTraces, Route, Status, Trained};
use sharpsweep::model::{Activation, Dataset, Problem, Stream, appendix_c, initial_theta};
use sharpsweep::reference::{Reference, gradient_sq, hessian, terms, trace_vv, trace_ww};
use support::{GoldenCase, golden_cases, is_full, without_the_last};

const ROUTES: [Route; 2] = [Route::Pairwise, Route::Assembled];

/// lambda_sup and tr H^2, relative, and tr H against sqrt(D tr H^2), which it cannot exceed. A z of some hundreds is
/// off by 1e-13 in f64, and what depends on it is off by as much, relatively.
const RELATIVE: f64 = 1e-11;

fn cpu(route: Route, instruction_set: InstructionSet) -> Cpu {
    Cpu::with_instruction_set(route, instruction_set).expect("listed as available")
}

/// Lists every value of `found` that is not within `tolerance` (network, value) of `expected`.
fn misses(name: &str, found: &[f64], expected: &[f64], tolerance: impl Fn(usize) -> f64) -> Vec<String> {
    assert_eq!(found.len(), expected.len(), "{name}: lengths");
    let within = |k: usize| (found[k] - expected[k]).abs() <= tolerance(k);
    let text = |k: usize| {
        let error = (found[k] - expected[k]).abs();
        format!("{name}[{k}] = {:e}, expected {:e}, off by {error:e} of {:e}", found[k], expected[k], tolerance(k))
    };
    (0..found.len()).filter(|&k| !within(k)).map(text).collect()
}

fn lambda_sup(evaluation: &Evaluation, parameters: usize) -> Vec<f64> {
    (0..evaluation.loss.len())
        .map(|k| {
            let trace = evaluation.trace(k);
            wolkowicz_styan(trace, evaluation.trace_sq[k], parameters).lambda_sup
        })
        .collect()
}

fn evaluation_misses(problem: &Problem, found: &Evaluation, expected: &Evaluation) -> Vec<String> {
    let d = problem.network.parameters();
    let samples = problem.data.samples() as f64;
    let largest_x = problem.data.x().fold(1.0_f64, |m, x| m.max(x.abs()));
    let trace_scale = |k: usize| (d as f64 * expected.trace_sq[k]).sqrt();
    let trace = |e: &Evaluation| e.layer_trace.iter().map(LayerTraces::sum).collect::<Vec<_>>();
    let mut all = misses("lambda_sup", &lambda_sup(found, d), &lambda_sup(expected, d), |k| {
        RELATIVE * lambda_sup(expected, d)[k].abs()
    });
    all.extend(misses("trace_sq", &found.trace_sq, &expected.trace_sq, |k| RELATIVE * expected.trace_sq[k]));
    all.extend(misses("trace", &trace(found), &trace(expected), |k| RELATIVE * trace_scale(k)));
    let of_layer =
        |e: &Evaluation, l: usize| e.layer_trace.iter().map(|traces| traces.as_slice()[l]).collect::<Vec<_>>();
    let trace_vv = of_layer(expected, 1);
    all.extend(misses("trace_ww", &of_layer(found, 0), &of_layer(expected, 0), |k| RELATIVE * trace_scale(k)));
    all.extend(misses("trace_vv", &of_layer(found, 1), &trace_vv, |k| RELATIVE * trace_vv[k]));
    // The absolute error of the loss is that of z, per sample.
    all.extend(misses("loss", &found.loss, &expected.loss, |k| 1e-13 * samples + RELATIVE * expected.loss[k]));
    // The gradient's terms delta, delta r and delta v f' x are at most about 10 max |x| here and cancel.
    let gradient_error = 1e-14 * samples.sqrt() * 10.0 * largest_x;
    all.extend(misses("gradient_sq", &found.gradient_sq, &expected.gradient_sq, |k| {
        RELATIVE * expected.gradient_sq[k]
            + 2.0 * gradient_error * expected.gradient_sq[k].sqrt()
            + gradient_error.powi(2)
    }));
    all
}

#[test]
fn golden_networks_evaluate_as_in_the_reference_on_both_routes() {
    let mut all = Vec::new();
    for GoldenCase { name, problem, theta, .. } in golden_cases() {
        let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
        for set in InstructionSet::available() {
            for route in ROUTES {
                let found = cpu(route, set).evaluate(&problem, theta.view().into()).unwrap();
                let misses = evaluation_misses(&problem, &found, &expected);
                all.extend(misses.into_iter().map(|miss| format!("{name} {set} {route:?}: {miss}")));
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// `samples` rows of `inputs` values uniform on (-1, 1), with labels by the sign of the sum.
fn random_data(samples: usize, inputs: usize) -> Dataset {
    let values = (0..samples as u64).flat_map(|i| {
        initial_theta(sharpsweep::model::OneHidden::new(inputs, 1).parameters(), i, 1.0).into_iter().take(inputs)
    });
    let x = Array2::from_shape_vec((samples, inputs), values.map(f64::from).collect()).unwrap();
    let q = x.sum_axis(Axis(1)).mapv(|sum| f64::from(u8::from(sum > 0.0)));
    Dataset::new(x, q).unwrap()
}

fn start_thetas(problem: &Problem, networks: u64, range: f32) -> Array2<f64> {
    let rows: Vec<f64> = (0..networks)
        .flat_map(|seed| initial_theta(problem.network.parameters(), seed, range))
        .map(f64::from)
        .collect();
    Array2::from_shape_vec((usize::try_from(networks).unwrap(), problem.network.parameters()), rows).unwrap()
}

/// Sizes around every block, tile and group, and numbers of networks that do not fill a vector.
#[test]
fn odd_sizes_evaluate_as_in_the_reference_on_both_routes() {
    let mut all = Vec::new();
    for (samples, inputs, hidden) in [(1, 1, 1), (2, 2, 2), (3, 7, 5), (63, 2, 4), (65, 3, 9), (129, 9, 2), (31, 1, 17)]
    {
        for activation in Activation::ALL {
            let problem = Problem::new(hidden, activation, random_data(samples, inputs));
            let theta = start_thetas(&problem, 19, 2.0);
            let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
            for set in InstructionSet::available() {
                for route in ROUTES {
                    let found = cpu(route, set).evaluate(&problem, theta.view().into()).unwrap();
                    let misses = evaluation_misses(&problem, &found, &expected);
                    let name = format!("I={samples} M={inputs} N={hidden} {activation:?} {set} {route:?}");
                    all.extend(misses.into_iter().map(|miss| format!("{name}: {miss}")));
                }
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// More entries of H than the assembled route holds at a time.
#[test]
fn a_hessian_of_several_passes_evaluates_as_in_the_reference() {
    let problem = Problem::new(32, Activation::Sigmoid, random_data(20, 64));
    let theta = start_thetas(&problem, 2, 1.0);
    let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
    for set in InstructionSet::available() {
        let found = cpu(Route::Assembled, set).evaluate(&problem, theta.view().into()).unwrap();
        let misses = evaluation_misses(&problem, &found, &expected);
        assert!(misses.is_empty(), "{set}: {}", misses.join("\n"));
    }
}

/// Sums over many samples must not lose accuracy with their length.
#[test]
fn long_data_sets_evaluate_as_in_the_reference() {
    let problem = Problem::new(2, Activation::Tanh, random_data(4001, 3));
    let theta = start_thetas(&problem, 2, 2.0);
    let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
    for set in InstructionSet::available() {
        for route in ROUTES {
            let found = cpu(route, set).evaluate(&problem, theta.view().into()).unwrap();
            let misses = evaluation_misses(&problem, &found, &expected);
            assert!(misses.is_empty(), "{set} {route:?}: {}", misses.join("\n"));
        }
    }
}

/// The closed forms in f64, with tr H^2 from the assembled Hessian, whose work grows with I instead of I^2.
fn assembled_reference(problem: &Problem, theta: &Array2<f64>) -> Evaluation {
    let mut all = Evaluation::default();
    for row in theta.rows() {
        let theta = row.to_vec();
        let terms = terms(&problem.paper().unwrap(), &theta);
        all.loss.push(terms.loss.iter().sum());
        all.gradient_sq.push(gradient_sq(&problem.paper().unwrap(), &theta, &terms));
        let traces = [trace_ww(&problem.paper().unwrap(), &theta, &terms), trace_vv(&terms)];
        all.layer_trace.push(LayerTraces::new(traces));
        all.trace_sq.push(hessian(problem, &theta).iter().map(|entry| entry * entry).sum());
    }
    all
}

/// The two routes and the reference on many samples of many inputs: pairs of blocks of samples, and rows of tiles in
/// several runs. The smaller size is for every instruction set; the larger, with 1.8e9 pairs, takes the fastest one a
/// few seconds.
#[test]
fn both_routes_agree_with_the_reference_on_up_to_60000_samples_of_64_inputs() {
    let sets = InstructionSet::available();
    let most = if is_full() { 60_000 } else { 20_000 };
    for (samples, hidden, sets) in [(8_001, 3, &sets[..]), (most, 1, &sets[..1])] {
        let problem = Problem::new(hidden, Activation::Tanh, random_data(samples, 64));
        let theta = start_thetas(&problem, 1, 0.5);
        let expected = assembled_reference(&problem, &theta);
        for &set in sets {
            let [pairwise, assembled] =
                ROUTES.map(|route| cpu(route, set).evaluate(&problem, theta.view().into()).unwrap());
            for (route, found) in [("pairwise", &pairwise), ("assembled", &assembled)] {
                let misses = evaluation_misses(&problem, found, &expected);
                assert!(misses.is_empty(), "I = {samples}, {set}, {route}: {}", misses.join("\n"));
            }
            // The routes share no sum, so they are as close to each other as to the reference.
            assert!(
                misses("routes", &pairwise.trace_sq, &assembled.trace_sq, |_| RELATIVE * expected.trace_sq[0])
                    .is_empty()
            );
            // What one block of 64 samples adds with all the others is far outside.
            let fewer = Problem::new(hidden, Activation::Tanh, without_the_last(&problem.data, 64));
            let fewer = cpu(Route::Assembled, set).evaluate(&fewer, theta.view().into()).unwrap();
            let missed = misses("fewer", &fewer.trace_sq, &pairwise.trace_sq, |_| RELATIVE * expected.trace_sq[0]);
            assert_eq!(missed.len(), 1, "I = {samples}");
        }
    }
}

/// Every comparison above can fail: one wrong parameter, one relabelled sample and NaN are noticed.
#[test]
fn comparisons_see_a_wrong_parameter_a_wrong_label_and_nan() {
    let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
    let theta = start_thetas(&problem, 1, 2.0);
    let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
    let mut engine = Cpu::default();

    let mut wrong = theta.clone();
    wrong[[0, 4]] *= 1.001;
    assert!(
        !evaluation_misses(&problem, &engine.evaluate(&problem, wrong.view().into()).unwrap(), &expected).is_empty()
    );

    let mut q = problem.data.q().unwrap().to_owned();
    q[0] = 1.0 - q[0];
    let relabelled = Problem { data: Dataset::new(problem.data.x().to_owned(), q).unwrap(), ..problem.clone() };
    assert!(
        !evaluation_misses(&problem, &engine.evaluate(&relabelled, theta.view().into()).unwrap(), &expected).is_empty()
    );

    wrong[[0, 4]] = f64::NAN;
    let found = engine.evaluate(&problem, wrong.view().into()).unwrap();
    assert!(found.loss[0].is_nan() && found.gradient_sq[0].is_nan() && found.trace_sq[0].is_nan());
    // loss, gradient_sq, trace_ww, trace_vv, trace_sq, trace and lambda_sup.
    assert_eq!(evaluation_misses(&problem, &found, &expected).len(), 7);
}

/// The largest |found - expected| of each network against its largest |theta|.
fn theta_errors(found: &Trained, expected: &Trained) -> Vec<f64> {
    assert_eq!(found.theta.dim(), expected.theta.dim());
    (found.theta.axis_iter(Axis(0)).zip(expected.theta.axis_iter(Axis(0))))
        .map(|(found, expected)| {
            let scale = expected.fold(1.0_f32, |m, t| m.max(t.abs()));
            let error = found
                .iter()
                .zip(expected)
                .fold(0.0_f32, |m, (a, b)| if (a - b).is_nan() { f32::NAN } else { m.max((a - b).abs()) });
            f64::from(error / scale)
        })
        .collect()
}

fn no_tolerance(step_size: f64, max_steps: u32) -> Descent {
    Descent { step_size, max_steps, tolerance: 0.0, ..Descent::default() }
}

/// Bars for few steps: with more, step sizes above 2 / lambda_1 amplify rounding.
#[test]
fn short_descents_end_where_the_reference_ends() {
    for hidden in [3, 10] {
        let problem = Problem::new(hidden, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
        let decayed = Descent { weight_decay: 0.3, ..no_tolerance(0.1, 10) };
        for (descent, seeds, tolerance) in
            [(no_tolerance(0.1, 10), 0..100, 1e-5), (no_tolerance(0.01, 1000), 0..19, 1e-4), (decayed, 0..100, 1e-5)]
        {
            let expected = Reference::default().train(&problem, &descent, seeds.clone()).unwrap();
            for set in InstructionSet::available() {
                let found = cpu(Route::Auto, set).train(&problem, &descent, seeds.clone()).unwrap();
                assert_eq!(found.steps, expected.steps);
                assert_eq!(found.status, expected.status);
                for (seed, error) in theta_errors(&found, &expected).into_iter().enumerate() {
                    assert!(error <= tolerance, "N={hidden} {set} {descent:?} seed {seed}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn training_on_from_where_it_stopped_is_training_in_one_go() {
    for (activation, inputs, hidden) in
        [(Activation::Sigmoid, 2, 3), (Activation::Tanh, 2, 10), (Activation::Softplus, 5, 6), (Activation::Gelu, 3, 5)]
    {
        let problem = Problem::new(hidden, activation, random_data(30, inputs));
        let until = |max_steps| Descent { max_steps, tolerance: 1e-2, init_range: 3.0, ..Descent::default() };
        for set in InstructionSet::available() {
            let mut cpu = cpu(Route::Auto, set);
            let whole = cpu.train(&problem, &until(90), 4..75).unwrap();
            let parts = support::trained_in_parts(&mut cpu, &problem, &until, 4..75, &[0, 1, 37, 90]);
            assert_eq!(parts, whole, "{activation:?} {set}");
            assert!(whole.steps.iter().any(|&steps| steps > 37), "{activation:?}");
        }
        let mut cpu = Cpu::default();
        let theta = Array2::zeros((1, problem.network.parameters()));
        let refused = |result: Result<_, EngineError>| matches!(result, Err(EngineError::Limit(_)));
        assert!(refused(cpu.train_on(&problem, &until(9), theta.view(), 10)));
        assert!(refused(cpu.train_on(&problem, &until(9), theta.slice(s![.., 1..]), 3)));
        assert!(refused(Reference::default().train_on(&problem, &until(9), theta.view(), 3)));
    }
}

/// Both loops over the inputs (M = 2 and any M), every group size and both ways to f', for all activations.
#[test]
fn descents_of_any_size_and_activation_end_where_the_reference_ends() {
    for (samples, inputs, hidden) in [(1, 1, 1), (5, 2, 3), (65, 2, 6), (67, 7, 5), (130, 9, 12), (40, 3, 100)] {
        for activation in Activation::ALL {
            let problem = Problem::new(hidden, activation, random_data(samples, inputs));
            // The steps are so small that no network oscillates: the bar of ten steps holds.
            let descent = Descent { init_range: 1.0, ..no_tolerance(0.02 / samples as f64, 10) };
            let expected = Reference::default().train(&problem, &descent, 3..22).unwrap();
            for set in InstructionSet::available() {
                let found = cpu(Route::Auto, set).train(&problem, &descent, 3..22).unwrap();
                for (network, error) in theta_errors(&found, &expected).into_iter().enumerate() {
                    assert!(
                        error <= 1e-5,
                        "I={samples} M={inputs} N={hidden} {activation:?} {set} {network}: {error:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn theta_comparison_sees_one_more_step() {
    let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
    let expected = Reference::default().train(&problem, &no_tolerance(0.1, 10), 0..5).unwrap();
    let found = Cpu::default().train(&problem, &no_tolerance(0.1, 11), 0..5).unwrap();
    assert!(theta_errors(&found, &expected).into_iter().all(|error| error > 1e-5));
}

/// Long descents from the same seed may diverge, yet nearly all of them end in the same way.
#[test]
fn verdicts_of_long_descents_agree_for_98_of_100_seeds_and_with_tanh_for_95() {
    let cases = [(Activation::Sigmoid, 98), (Activation::Softplus, 98), (Activation::Gelu, 98), (Activation::Tanh, 95)];
    let seeds: u64 = if is_full() { 512 } else { 128 };
    for (activation, share) in cases {
        let problem = Problem::new(3, activation, appendix_c(50, 0, Stream::TrainData).unwrap());
        let descent = Descent::default();
        let expected = Reference::default().train(&problem, &descent, 0..seeds).unwrap();
        for set in InstructionSet::available() {
            let found = cpu(Route::Auto, set).train(&problem, &descent, 0..seeds).unwrap();
            let agreeing = found.status.iter().zip(&expected.status).filter(|(a, b)| a == b).count();
            assert!(agreeing * 100 >= found.status.len() * share, "{activation:?} {set}: {agreeing} of {seeds}");
        }
    }
}

/// The status tells what the last test saw, `steps` counts the updates, and no step is taken at a critical point.
#[test]
fn converged_networks_satisfy_the_test_and_their_predecessors_do_not() {
    let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
    let descent = Descent { max_steps: 3000, ..Descent::default() };
    let mut engine = Cpu::default();
    let trained = engine.train(&problem, &descent, 0..100).unwrap();
    let evaluation = engine.evaluate(&problem, trained.theta.mapv(f64::from).view().into()).unwrap();
    let converged: Vec<usize> = (0..100).filter(|&k| trained.status[k] == Status::Converged).collect();
    assert!(converged.len() > 20 && converged.len() < 100, "{}", converged.len());
    for k in 0..100 {
        // g.g is computed in another order here: equal to 1e-4 where the gradient is as large as its tolerance.
        let small = evaluation.gradient_sq[k] < descent.tolerance * 1.0001;
        match trained.status[k] {
            Status::Converged => assert!(small && trained.steps[k] < 3000, "{k}"),
            Status::StepLimit => assert!(trained.steps[k] == 3000, "{k}"),
            other => panic!("{k}: {other:?}"),
        }
    }
    // With one step fewer it does not converge; with as many it does.
    let k = converged[0];
    let seed = k as u64;
    let fewer = Descent { max_steps: trained.steps[k] - 1, ..descent };
    assert_eq!(engine.train(&problem, &fewer, seed..seed + 1).unwrap().status, [Status::StepLimit]);
    let just = Descent { max_steps: trained.steps[k], ..descent };
    let again = engine.train(&problem, &just, seed..seed + 1).unwrap();
    assert_eq!((again.status[0], again.steps[0]), (Status::Converged, trained.steps[k]));
    assert_eq!(again.theta.row(0), trained.theta.row(k));

    let none = Descent { tolerance: f64::INFINITY, ..descent };
    let trained = engine.train(&problem, &none, 0..3).unwrap();
    assert_eq!((trained.status, trained.steps), (vec![Status::Converged; 3], vec![0; 3]));
    let none = Descent { max_steps: 0, ..descent };
    let trained = engine.train(&problem, &none, 0..3).unwrap();
    assert_eq!((trained.status, trained.steps), (vec![Status::StepLimit; 3], vec![0; 3]));
    assert_eq!(trained.theta.row(1).to_vec(), initial_theta(problem.network.parameters(), 1, 10.0));
}

/// Steps far too large: linear and square units grow without bound, and others end in one way or another, but as with
/// the reference.
#[test]
fn diverging_networks_end_non_finite_as_in_the_reference() {
    for activation in Activation::ALL {
        // Half of the samples contradict the labels of the others, so no loss of 0 stops the growth.
        let data = random_data(20, 2);
        let mut q = data.q().unwrap().to_owned();
        q.slice_mut(s![..10]).mapv_inplace(|q| 1.0 - q);
        let problem = Problem::new(3, activation, Dataset::new(data.x().to_owned(), q).unwrap());
        let descent = Descent { step_size: 1e6, max_steps: 2000, ..Descent::default() };
        let expected = Reference::default().train(&problem, &descent, 0..20).unwrap();
        let diverged = expected.status.iter().filter(|&&s| s == Status::NonFinite).count();
        let all = matches!(activation, Activation::Linear | Activation::Square);
        assert_eq!(diverged, if all { 20 } else { 0 }, "{activation:?}");
        for set in InstructionSet::available() {
            let found = cpu(Route::Auto, set).train(&problem, &descent, 0..20).unwrap();
            assert_eq!(found.status, expected.status, "{activation:?} {set}");
        }
    }
}

/// A step so large that theta itself overflows, where every unit saturates and the gradient is 0: it must not count as
/// converged.
#[test]
fn infinite_theta_never_counts_as_converged() {
    let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
    let descent = Descent { step_size: 1e38, max_steps: 50, ..Descent::default() };
    for set in InstructionSet::available() {
        let found = cpu(Route::Auto, set).train(&problem, &descent, 0..40).unwrap();
        for (row, status) in found.theta.axis_iter(Axis(0)).zip(&found.status) {
            assert!(row.iter().all(|t| t.is_finite()) || *status == Status::NonFinite, "{set}: {row}");
        }
        assert!(found.status.contains(&Status::NonFinite), "{set}");
    }
}

fn bytes(trained: &Trained) -> (Vec<u32>, Vec<Status>, Vec<u32>) {
    (trained.theta.iter().map(|t| t.to_bits()).collect(), trained.status.clone(), trained.steps.clone())
}

/// Lanes, neighbours, threads and the moment at which a network enters a lane change nothing.
#[test]
fn training_gives_the_same_bytes_for_any_batch_and_thread_count() {
    for (inputs, hidden, activation) in [(2, 3, Activation::Sigmoid), (4, 5, Activation::Gelu)] {
        let data = if inputs == 2 { appendix_c(50, 0, Stream::TrainData).unwrap() } else { random_data(70, inputs) };
        let problem = Problem::new(hidden, activation, data);
        let descent = Descent { max_steps: 400, tolerance: 0.05, ..Descent::default() };
        for set in InstructionSet::available() {
            let engine = cpu(Route::Auto, set);
            let on = |threads: usize, seeds: std::ops::Range<u64>| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| engine.clone().train(&problem, &descent, seeds).unwrap())
            };
            let whole = on(1, 10..153);
            assert_eq!(bytes(&whole), bytes(&on(2, 10..153)), "two threads");
            assert_eq!(bytes(&whole), bytes(&on(3, 10..153)), "three threads");
            let parts = [on(2, 10..11), on(1, 11..60), on(2, 60..153)];
            let joined = Trained {
                theta: concatenate(Axis(0), &parts.each_ref().map(|part| part.theta.view())).unwrap(),
                status: parts.iter().flat_map(|part| part.status.clone()).collect(),
                steps: parts.iter().flat_map(|part| part.steps.clone()).collect(),
            };
            assert_eq!(bytes(&whole), bytes(&joined), "{set} in parts");
            assert_ne!(bytes(&whole), bytes(&on(1, 11..154)), "other seeds");
        }
    }
}

#[test]
fn evaluation_gives_the_same_bytes_for_any_batch_and_thread_count() {
    let problem = Problem::new(5, Activation::Sigmoid, random_data(70, 4));
    let theta = start_thetas(&problem, 45, 2.0);
    let bytes = |e: &Evaluation| -> Vec<u64> {
        let of = |k: usize| {
            let traces = e.layer_trace[k].as_slice();
            [e.loss[k], e.gradient_sq[k], traces[0], traces[1], e.trace_sq[k]].map(f64::to_bits)
        };
        (0..e.loss.len()).flat_map(of).collect()
    };
    for set in InstructionSet::available() {
        for route in ROUTES {
            let engine = cpu(route, set);
            let on = |threads: usize, rows: std::ops::Range<usize>| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                bytes(&pool.install(|| engine.clone().evaluate(&problem, theta.slice(s![rows, ..]).into()).unwrap()))
            };
            let whole = on(1, 0..45);
            assert_eq!(whole, on(2, 0..45), "two threads");
            assert_eq!(whole, [on(2, 0..3), on(1, 3..20), on(2, 20..45)].concat(), "in parts");
        }
    }
}

#[test]
fn nothing_to_do_is_done() {
    let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
    let mut engine = Cpu::default();
    assert_eq!(engine.train(&problem, &Descent::default(), 7..7).unwrap().theta.dim(), (0, 13));
    assert!(engine.evaluate(&problem, Array2::<f64>::zeros((0, 13)).view().into()).unwrap().loss.is_empty());
}

/// The published experiment converges for 460 (N = 3) and 453 (N = 10) of 500 seeds, on a data set that was not
/// published.
///
/// How many converge depends far more on the draw than on the seeds: over the draws 0 to 15 it is 383 to 498 at N = 3
/// and 184 to 500 at N = 10, in f64 and in an independent NumPy version alike. So the median draw is compared with the
/// range, and so are several draws one by one.
#[test]
fn the_published_experiment_converges_for_most_seeds() {
    let converged = |hidden| -> Vec<usize> {
        (0..8)
            .map(|data_seed| {
                let data = appendix_c(50, data_seed, Stream::TrainData).unwrap();
                let problem = Problem::new(hidden, Activation::Sigmoid, data);
                let trained = Cpu::default().train(&problem, &Descent::default(), 0..500).unwrap();
                trained.status.iter().filter(|&&status| status == Status::Converged).count()
            })
            .collect()
    };
    let (narrow, wide) = (converged(3), converged(10));
    let range = 400..=500;
    for (hidden, counts) in [(3, &narrow), (10, &wide)] {
        let mut sorted = counts.clone();
        sorted.sort_unstable();
        assert!(range.contains(&sorted[4]), "N = {hidden}: the median of {counts:?} is outside {range:?}");
    }
    for data_seed in [5, 6, 7] {
        let pair = (narrow[data_seed], wide[data_seed]);
        assert!(
            range.contains(&pair.0) && range.contains(&pair.1),
            "data seed {data_seed}: {pair:?} outside {range:?}"
        );
    }
}
