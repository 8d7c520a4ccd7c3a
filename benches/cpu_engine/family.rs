//! Networks of any depth: the speed of one architecture, for `benches/family_peer.py`.

use std::hint::black_box;

use ndarray::{Array1, Array2};
use sharpsweep::cpu::{Cpu, InstructionSet};
use sharpsweep::engine::{Descent, Engine};
use sharpsweep::model::{Activation, Dataset, Loss, Problem, Targets, initial_theta};

use crate::fma_peak::{peak_flops, run_peak};
use crate::timing::time;

/// `WIDTHS ACTIVATION LOSS SAMPLES SEEDS STEPS`: trains so many steps, evaluates the closed forms of so many networks,
/// and prints one JSON line.
pub(crate) fn run(arguments: &[String]) {
    let [widths, activation, loss, samples, seeds, steps] = arguments else {
        panic!("--family WIDTHS ACTIVATION LOSS SAMPLES SEEDS STEPS")
    };
    let widths: Vec<usize> = widths.split(',').map(|width| width.parse().expect("a width is a number")).collect();
    let activation = Activation::ALL.into_iter().find(|known| known.name() == activation).expect("an activation");
    let loss = [Loss::Logistic, Loss::Softmax, Loss::Squared].into_iter().find(|known| known.name() == loss);
    let (samples, seeds): (usize, u64) = (samples.parse().expect("SAMPLES"), seeds.parse().expect("SEEDS"));
    let max_steps = steps.parse().expect("STEPS");
    let problem = problem(&widths, activation, loss.expect("a loss"), samples);
    let descent = Descent { init_range: 1.0, step_size: 1e-3, max_steps, tolerance: 0.0, ..Descent::default() };
    let mut engine = Cpu::default();
    let set = InstructionSet::available()[0];
    let peak = peak_flops(set) / time(|| run_peak(set)).0.processor;
    let (timing, trained) = time(|| engine.train(&problem, &descent, 0..seeds).expect("the CPU engine does not fail"));
    let steps_taken: f64 = trained.steps.iter().copied().map(f64::from).sum();
    // The last verdict of each network takes a gradient and no step.
    let flops = (steps_taken + seeds as f64) * samples as f64 * products(&problem);
    let theta = trained.theta.mapv(f64::from);
    let networks = seeds.min(256) as usize;
    let theta = theta.slice(ndarray::s![..networks, ..]);
    let evaluate = || black_box(engine.evaluate(&problem, theta.into())).is_ok();
    let (evaluation, evaluated) = time(evaluate);
    let line = serde_json::json!({
        "widths": widths,
        "activation": activation.name(),
        "loss": problem.loss().name(),
        "samples": samples,
        "parameters": problem.network.parameters(),
        "seed_steps_per_s": steps_taken / timing.wall,
        "share_of_peak_by_products": flops / timing.processor / peak,
        "evaluate_us": if evaluated { evaluation.wall * 1e6 / networks as f64 } else { f64::NAN },
    });
    println!("{line}");
}

/// Floating-point operations per sample in the products of one gradient alone: a multiply-add forward and one for dL/dW
/// per weight, and one back through the layers above the first.
fn products(problem: &Problem) -> f64 {
    let layers = problem.network.shape.layers().enumerate();
    let of_layer = |inputs: usize, units: usize, l: usize| inputs * units * if l == 0 { 2 } else { 3 } + 2 * units;
    2.0 * layers.map(|(l, layer)| of_layer(layer.inputs, layer.units, l)).sum::<usize>() as f64
}

/// Inputs uniform on (-1, 1), targets by them.
fn problem(widths: &[usize], activation: Activation, loss: Loss, samples: usize) -> Problem {
    let (inputs, outputs) = (widths[0], widths[widths.len() - 1]);
    let rows = (0..samples as u64).flat_map(|i| initial_theta(inputs, i, 1.0));
    let x = Array2::from_shape_vec((samples, inputs), rows.map(f64::from).collect()).expect("M values per row");
    let value = |i: usize, k: usize| (3.0 * x[[i, k % inputs]] + k as f64).sin();
    let targets = match loss {
        Loss::Logistic => {
            Targets::Labels(Array2::from_shape_fn((samples, outputs), |(i, k)| f64::from(u8::from(value(i, k) > 0.0))))
        }
        Loss::Softmax => {
            let of: Array1<usize> = (0..samples).map(|i| i % outputs).collect();
            Targets::Classes { of: of.to_vec(), count: outputs }
        }
        Loss::Squared => Targets::Values(Array2::from_shape_fn((samples, outputs), |(i, k)| value(i, k))),
    };
    let data = Dataset::new(x, targets).expect("finite values");
    Problem::with_layers(&widths[1..widths.len() - 1], activation, data).expect("widths that are supported")
}
