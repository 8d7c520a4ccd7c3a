//! Speed of the CPU engine and its share of the processor's measured FMA peak.
//!
//! `cargo bench --bench cpu_engine [-- FILTER ..]` runs the cases whose name contains one of the filters. Each repeat
//! runs every case once, so that a change in the machine's load meets all of them alike; medians are printed. Rates are
//! by wall time. The share of peak is by processor time, which other programs on the machine do not stretch.
//!
//! `-- --peer HIDDEN SEEDS` instead prints one JSON line for `benches/peer.py`: training and evaluation at I = 50.
//! `-- --family WIDTHS ACTIVATION LOSS SAMPLES SEEDS STEPS` does so for networks of any depth, for
//! `benches/family_peer.py`.

#![expect(clippy::print_stdout, reason = "a benchmark's results go to stdout")]

mod family;
mod fma_peak;
mod timing;

use std::hint::black_box;

use ndarray::Array2;
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, Engine, Route, Status, Trained};
use sharpsweep::model::{Activation, Dataset, OneHidden, Problem, Stream, appendix_c, initial_theta};

use fma_peak::{peak_flops, run_peak};
use timing::{Timings, time};

/// Repeats of every case.
const REPEATS: usize = 5;

/// Seeds of a training: enough that the rounds of a lane hide the last network's end.
const SEEDS: u64 = 4096;

/// Samples of the paper's experiment.
const SAMPLES: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [flag, hidden, seeds] = &arguments[..]
        && flag == "--peer"
    {
        peer(hidden.parse().expect("HIDDEN is a number"), seeds.parse().expect("SEEDS is a number"));
        return;
    }
    if let [flag, of_family @ ..] = &arguments[..]
        && flag == "--family"
    {
        family::run(of_family);
        return;
    }
    let mut cases: Vec<Case> = cases();
    cases.retain(|case| arguments.is_empty() || arguments.iter().any(|filter| case.name.contains(filter.as_str())));
    let set = InstructionSet::available()[0];
    let mut peak = Timings::default();
    for _ in 0..REPEATS {
        peak.push(time(|| run_peak(set)).0);
        for case in &mut cases {
            case.run();
        }
    }
    let peak = peak_flops(set) / peak.processor();
    println!(
        "{set}, {} threads; FMA peak of one: {:.0} GFLOP/s of processor time",
        rayon::current_num_threads(),
        peak / 1e9
    );
    for case in &cases {
        case.print(peak);
    }
}

/// One measurement, repeated.
struct Case {
    name: String,
    work: Work,
    timings: Timings,
}

/// What a case runs.
enum Work {
    /// Trains [`SEEDS`] networks; `gradients` is how many gradients that took.
    Train { problem: Problem, descent: Descent, gradients: f64 },
    /// Evaluates all rows of `theta`.
    Evaluate { problem: Problem, theta: Array2<f64>, route: Route },
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, work| cases.push(Case { name, work, timings: Timings::default() });
    // The paper's two sizes and a wide network, whose parameters no register file holds.
    for hidden in [3, 10, 32] {
        let descent = if hidden > 10 { Descent { max_steps: 500, ..Descent::default() } } else { Descent::default() };
        add(
            format!("train sigmoid N={hidden} M=2 I=50"),
            Work::Train { problem: appendix(hidden, Activation::Sigmoid), descent, gradients: 0.0 },
        );
    }
    for activation in Activation::ALL.into_iter().filter(|a| *a != Activation::Sigmoid) {
        let descent = Descent { max_steps: 500, step_size: 0.01, ..Descent::default() };
        add(
            format!("train {} N=10 M=2 I=50", activation.name()),
            Work::Train { problem: appendix(10, activation), descent, gradients: 0.0 },
        );
    }
    // More inputs than the narrow loop takes, and the shapes of real data.
    for (samples, inputs, hidden) in [(400, 30, 6), (400, 64, 32)] {
        let descent = Descent { max_steps: 20, step_size: 1e-3, tolerance: 0.0, ..Descent::default() };
        let problem = uniform(samples, inputs, hidden);
        add(
            format!("train sigmoid N={hidden} M={inputs} I={samples}"),
            Work::Train { problem, descent, gradients: 0.0 },
        );
    }
    // On both sides of the crossover between the two routes, then many inputs and many samples.
    let small = [(3, 16_384), (10, 8192), (24, 1024), (48, 256)]
        .map(|(hidden, networks)| (appendix(hidden, Activation::Sigmoid), networks));
    let large = [(uniform(400, 30, 6), 128), (uniform(2000, 30, 6), 32), (uniform(10_000, 30, 6), 32)];
    for (problem, networks) in small.into_iter().chain(large) {
        for route in [Route::Pairwise, Route::Assembled] {
            let (shape, samples) = (problem.paper().unwrap().network.shape, problem.data.samples());
            if route == Route::Pairwise && samples > 5000 {
                continue;
            }
            let name = format!("evaluate {route:?} N={} M={} I={samples}", shape.hidden, shape.inputs).to_lowercase();
            add(name, Work::Evaluate { problem: problem.clone(), theta: start_thetas(shape, networks), route });
        }
    }
    cases
}

impl Case {
    fn run(&mut self) {
        let timing = match &mut self.work {
            Work::Train { problem, descent, gradients } => {
                let (timing, trained) = time(|| train(problem, descent, SEEDS));
                *gradients = gradients_of(&trained);
                timing
            }
            Work::Evaluate { problem, theta, route } => {
                time(|| {
                    black_box(
                        Cpu::new(*route).evaluate(problem, theta.view().into()).expect("the CPU engine does not fail"),
                    )
                })
                .0
            }
        };
        self.timings.push(timing);
    }

    fn print(&self, peak: f64) {
        let name = &self.name;
        match &self.work {
            Work::Train { problem, gradients, .. } => {
                let sample_steps = gradients * problem.data.samples() as f64;
                let share = training_flops(problem.paper().unwrap().network.shape) * sample_steps
                    / self.timings.processor()
                    / peak;
                println!(
                    "{name:36} {:8.0} seeds/s {:8.1} M sample steps/s {:4.0} % of FMA peak",
                    SEEDS as f64 / self.timings.wall(),
                    sample_steps / self.timings.wall() / 1e6,
                    100.0 * share,
                );
            }
            Work::Evaluate { theta, .. } => {
                let networks = theta.nrows() as f64;
                println!(
                    "{name:36} {:10.3} us per network, {:10.3} us of processor time",
                    self.timings.wall() * 1e6 / networks,
                    self.timings.processor() * 1e6 / networks,
                );
            }
        }
    }
}

/// Flops of one network and sample in training: at M = 2 the 42 N + 27 of a plain sigmoid network, with exponentials
/// and divisions counted by the multiplications and additions that they take; an input more is a multiply-add forward
/// and one backward.
fn training_flops(shape: OneHidden) -> f64 {
    (42.0 + 4.0 * (shape.inputs as f64 - 2.0)) * shape.hidden as f64 + 27.0
}

fn train(problem: &Problem, descent: &Descent, seeds: u64) -> Trained {
    Cpu::default().train(problem, descent, 0..seeds).expect("the CPU engine does not fail")
}

/// Gradients computed: one before each step and one for the last test.
fn gradients_of(trained: &Trained) -> f64 {
    trained.steps.iter().map(|&steps| f64::from(steps) + 1.0).sum()
}

/// What `benches/peer.py` compares with JAX.
fn peer(hidden: usize, seeds: u64) {
    let (problem, descent) = (appendix(hidden, Activation::Sigmoid), Descent::default());
    let (timing, trained) = time(|| train(&problem, &descent, seeds));
    let theta = trained.theta.mapv(f64::from);
    let (evaluation, _) = time(|| {
        black_box(Cpu::default().evaluate(&problem, theta.view().into()).expect("the CPU engine does not fail"))
    });
    let line = serde_json::json!({
        "hidden": hidden,
        "seeds": seeds,
        "train_s": timing.wall,
        "converged": trained.status.iter().filter(|&&status| status == Status::Converged).count(),
        "useful_sample_steps_per_s": gradients_of(&trained) * SAMPLES as f64 / timing.wall,
        "seeds_per_s": seeds as f64 / timing.wall,
        "evaluate_us_per_seed": evaluation.wall * 1e6 / seeds as f64,
    });
    println!("{line}");
}

/// The paper's data.
fn appendix(hidden: usize, activation: Activation) -> Problem {
    Problem::new(hidden, activation, appendix_c(SAMPLES, 0, Stream::TrainData).expect("some samples"))
}

/// Inputs uniform on (-1, 1), labels by the sign of the first.
fn uniform(samples: usize, inputs: usize, hidden: usize) -> Problem {
    let rows = (0..samples as u64)
        .flat_map(|i| initial_theta(OneHidden::new(inputs, 1).parameters(), i, 1.0).into_iter().take(inputs));
    let x = Array2::from_shape_vec((samples, inputs), rows.map(f64::from).collect()).expect("M values a row");
    let q = x.column(0).mapv(|x| f64::from(u8::from(x > 0.0)));
    Problem::new(hidden, Activation::Sigmoid, Dataset::new(x, q).expect("finite values"))
}

fn start_thetas(shape: OneHidden, networks: usize) -> Array2<f64> {
    let rows = (0..networks as u64).flat_map(|seed| initial_theta(shape.parameters(), seed, 1.0));
    Array2::from_shape_vec((networks, shape.parameters()), rows.map(f64::from).collect()).expect("D values a row")
}
