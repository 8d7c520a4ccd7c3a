//! Time per matrix for all eigenvalues of a batch, on two samples so that assembling the Hessians costs next to
//! nothing: the CPU engine in lanes, and the GPU engine on both sides of every size where its layout changes. Prints
//! one line per size.
//!
//! `cargo bench --bench eigenvalues`; `benches/eigenvalues_peer.py` runs this and JAX's eigvalsh in turn.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::time::Instant;

use ndarray::{Array1, Array2};
use sharpsweep::cpu::Cpu;
use sharpsweep::engine::{Engine, Route};
use sharpsweep::gpu::{Gpu, Tuning, adapters};
use sharpsweep::model::{Activation, Dataset, Problem, initial_theta};

/// (M, N) of networks with D = 13, 16, 31, 32, 33, 41, 64, 65, 97, 128 and 129 parameters.
const SHAPES: [(usize, usize); 11] =
    [(2, 3), (1, 5), (1, 10), (29, 1), (2, 8), (2, 10), (1, 21), (2, 16), (1, 32), (125, 1), (2, 32)];

/// Runs of each, of which the median counts.
const REPEATS: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gpu = adapters().into_iter().next();
    for (inputs, hidden) in SHAPES {
        let x = Array2::from_shape_fn((2, inputs), |(i, m)| if (i + m) % 3 == 0 { 0.7 } else { -0.4 });
        let problem = Problem::new(hidden, Activation::Tanh, Dataset::new(x, Array1::from(vec![0.0, 1.0]))?);
        let parameters = problem.network.parameters();
        let theta = |networks: u64| -> Result<Array2<f64>, ndarray::ShapeError> {
            let values =
                (0..networks).flat_map(|seed| initial_theta(problem.network.parameters(), seed, 1.0)).map(f64::from);
            Array2::from_shape_vec((networks as usize, parameters), values.collect())
        };
        // About as much work at every size.
        let networks = (1 << 22) / (parameters * parameters) as u64;
        let cpu = median_seconds(&mut Cpu::new(Route::Auto), &problem, &theta(networks)?)? / networks as f64;
        let mut line = format!("D = {parameters:3}   cpu {:8.3} us", cpu * 1e6);
        if let Some(adapter) = &gpu {
            let networks = (networks / 4).max(64);
            let mut engine = Gpu::new(adapter.clone(), Tuning::default())?;
            engine.start_clock()?;
            let theta = theta(networks)?;
            let wall = median_seconds(&mut engine, &problem, &theta)? / networks as f64;
            let runs = (REPEATS + 1) as f64 * networks as f64;
            let device = engine.device_time().map_or(f64::NAN, |time| time.as_secs_f64() / runs);
            line += &format!("   gpu {:9.3} us, {:9.3} us on the device", wall * 1e6, device * 1e6);
        }
        println!("{line}");
    }
    Ok(())
}

fn median_seconds(
    engine: &mut dyn Engine,
    problem: &Problem,
    theta: &Array2<f64>,
) -> Result<f64, sharpsweep::engine::EngineError> {
    engine.spectrum(problem, theta.view().into())?;
    let mut seconds = Vec::new();
    for _ in 0..REPEATS {
        let start = Instant::now();
        engine.spectrum(problem, theta.view().into())?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[REPEATS / 2])
}
