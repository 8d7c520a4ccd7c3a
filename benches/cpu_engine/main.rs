//! Speed of the CPU engine, end to end and against the processor's measured FMA peak.
//!
//! `cargo bench --bench cpu_engine [-- FILTER]`. Times are medians of repeats; each of them runs every case once, so that a change in
//! the machine's load meets all cases alike.

#![expect(clippy::print_stdout, reason = "a benchmark's results go to stdout")]

mod fma_peak;

use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, Engine, Route, Trained};
use sharpsweep::model::{Activation, Dataset, Problem, Stream, appendix_c, initial_theta};

/// Repeats of every case.
const REPEATS: usize = 5;

/// Flops of one network and sample in training at M = 2, sigmoid: 42 a hidden unit and 27 for the output, exponentials and
/// divisions counted by the multiplications and additions that they take.
fn training_flops(hidden: usize) -> f64 {
    42.0 * hidden as f64 + 27.0
}

fn main() {
    let filter: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|f| name.contains(f.as_str()));
    if wanted("train") {
        train(&[3, 10]);
    }
    if wanted("evaluate") {
        evaluate();
    }
}

fn train(sizes: &[usize]) {
    let descent = Descent::default();
    let mut peaks = Vec::new();
    let mut times = vec![Vec::new(); sizes.len()];
    let mut steps = vec![0.0; sizes.len()];
    let seeds = 4096;
    for _ in 0..REPEATS {
        peaks.push(fma_peak::fma_peak(InstructionSet::available()[0]));
        for (k, &hidden) in sizes.iter().enumerate() {
            let data = appendix_c(50, 0, Stream::TrainData).expect("50 samples");
            let problem = Problem::new(hidden, Activation::Sigmoid, data);
            let start = Instant::now();
            let trained = Cpu::default().train(&problem, &descent, 0..seeds).expect("the CPU engine does not fail");
            times[k].push(start.elapsed().as_secs_f64());
            steps[k] = gradients(&trained);
        }
    }
    let peak = median(&mut peaks);
    println!("FMA peak, all threads: {:.0} GFLOP/s", peak / 1e9);
    for (k, &hidden) in sizes.iter().enumerate() {
        let time = median(&mut times[k]);
        let rate = steps[k] * 50.0 / time;
        println!(
            "train N = {hidden:2}, I = 50, {seeds} seeds: {:.0} seeds/s, {:.0} M sample steps/s, {:.0} % of FMA peak",
            seeds as f64 / time,
            rate / 1e6,
            100.0 * rate * training_flops(hidden) / peak,
        );
    }
}

/// Gradients computed: one before each step and one for the last test.
fn gradients(trained: &Trained) -> f64 {
    trained.steps.iter().map(|&s| f64::from(s) + 1.0).sum()
}

fn evaluate() {
    let small = |hidden| Problem::new(hidden, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).expect("50 samples"));
    let cases = [
        ("N =  3, M =  2, I =    50", small(3), 16_384),
        ("N = 10, M =  2, I =    50", small(10), 4096),
        ("N = 30, M =  2, I =    50", small(30), 512),
        ("N =  6, M = 30, I =   400", random_problem(400, 30, 6), 64),
        ("N =  6, M = 30, I = 10000", random_problem(10_000, 30, 6), 32),
    ];
    for (name, problem, networks) in cases {
        let theta = start_thetas(&problem, networks);
        for route in [Route::Pairwise, Route::Assembled] {
            if route == Route::Pairwise && problem.data.samples() > 1000 {
                continue;
            }
            let mut times: Vec<f64> = (0..REPEATS)
                .map(|_| {
                    let start = Instant::now();
                    black_box(Cpu::new(route).evaluate(&problem, theta.view()).expect("the CPU engine does not fail"));
                    start.elapsed().as_secs_f64()
                })
                .collect();
            println!("evaluate {name}: {route:?} {:.3} us a network", median(&mut times) * 1e6 / networks as f64);
        }
    }
}

fn start_thetas(problem: &Problem, networks: usize) -> Array2<f64> {
    let rows = (0..networks as u64).flat_map(|seed| initial_theta(problem.shape, seed, 1.0));
    Array2::from_shape_vec((networks, problem.shape.parameters()), rows.map(f64::from).collect()).expect("D values a row")
}

/// `samples` rows of `inputs` uniform values on (-1, 1), labels by the sign of the first.
fn random_problem(samples: usize, inputs: usize, hidden: usize) -> Problem {
    let shape = sharpsweep::model::Shape::new(samples, inputs);
    let x = initial_theta(shape, 0, 1.0).into_iter().take(samples * inputs).map(f64::from).collect();
    let x = Array2::from_shape_vec((samples, inputs), x).expect("enough values");
    let q = x.column(0).mapv(|x| f64::from(u8::from(x > 0.0)));
    Problem::new(hidden, Activation::Sigmoid, Dataset::new(x, q).expect("finite values"))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
