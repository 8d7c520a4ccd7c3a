//! What a run records about its engine: what it used, and nothing else.

mod support;

use sharpsweep::cpu::Cpu;
use sharpsweep::engine::{Engine, Route, Tasks};
use sharpsweep::gpu::{Family, Target, TrainPlan, Tuning};
use sharpsweep::model::{Activation, Problem, Stream, appendix_c};
use sharpsweep::reference::Reference;

const SWEEP: Tasks = Tasks { train: true, weight_decay: false, spectrum: false };

fn problem(hidden: usize, samples: usize) -> Problem {
    Problem::new(hidden, Activation::Sigmoid, appendix_c(samples, 0, Stream::TrainData).unwrap())
}

#[test]
fn the_route_is_the_one_that_was_taken() {
    let (narrow, wide) = (problem(3, 50), problem(100, 10));
    let cpu = |route, problem: &Problem| Cpu::new(route).description(problem, SWEEP).route;
    assert_eq!((cpu(Route::Auto, &narrow), cpu(Route::Auto, &wide)), (Route::Assembled, Route::Pairwise));
    assert_eq!(cpu(Route::Assembled, &wide), Route::Assembled);
    assert_eq!(Reference::default().description(&narrow, SWEEP).route, Route::Pairwise);
    for route in [Route::Auto, Route::Pairwise, Route::Assembled] {
        let Some(gpu) = support::gpu::gpu("the_route_is_the_one_that_was_taken", Tuning { route, ..Tuning::default() })
        else {
            return;
        };
        for problem in [&narrow, &wide] {
            let taken = gpu.description(problem, SWEEP).route;
            assert_eq!(taken, gpu.route(&problem.paper().unwrap()).into());
            assert!(taken != Route::Auto && (route == Route::Auto || route == taken), "{route:?}: {taken:?}");
        }
    }
}

#[test]
fn the_code_is_that_of_the_passes_that_a_run_goes_through() {
    let test = "the_code_is_that_of_the_passes_that_a_run_goes_through";
    let problem = problem(3, 50);
    let hash = |tuning, tasks| Some(support::gpu::gpu(test, tuning)?.description(&problem, tasks).code_hash);
    let routed = |route| Tuning { route, ..Tuning::default() };
    let trained = |plan| Tuning { plan: Some(plan), ..Tuning::default() };
    let Some(sweep) = hash(Tuning::default(), SWEEP) else { return };
    let with_spectrum = Tasks { spectrum: true, ..SWEEP };
    let evaluation = Tasks { train: false, ..SWEEP };
    // Asking for the route that auto takes gives the same.
    assert_eq!(hash(routed(Route::Assembled), SWEEP).unwrap(), sweep);
    assert_eq!(
        hash(trained(TrainPlan::of(Target::of(&problem.paper().unwrap(), Family::Software))), SWEEP).unwrap(),
        sweep
    );
    // Another route, another training kernel, and more or fewer passes are other code.
    let others = [
        hash(routed(Route::Pairwise), SWEEP),
        hash(trained(TrainPlan::Streamed), SWEEP),
        hash(Tuning::default(), with_spectrum),
        hash(Tuning::default(), evaluation),
        hash(Tuning::default(), Tasks { weight_decay: true, ..SWEEP }),
    ];
    assert!(others.iter().all(|other| *other.as_ref().unwrap() != sweep), "{sweep}: {others:?}");
    // An evaluation does not train, so no training kernel counts.
    assert_eq!(hash(trained(TrainPlan::Streamed), evaluation), hash(Tuning::default(), evaluation));
}
