//! Timing the routes at one size, in turn.

use std::time::{Duration, Instant};

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;
use serde::Serialize;

use super::method::PROBES;
use super::size::COMPARED;
use super::{Device, Method, Quantity, Runner, Size, Truth};
use crate::analysis::{median, quantiles};
use crate::bounds::wolkowicz_styan;
use crate::cpu::Cpu;
use crate::engine::{Engine, EngineError, Evaluation, Route};
use crate::gpu::{Adapter, Gpu, Tuning};
use crate::model::Problem;
use crate::numeric::{for_each_network, hutch_plus_plus, hutchinson, hutchinson_sq, lanczos, power_iteration};
use crate::reference::{Reference, central_difference_hessian, spectrum};

/// What is measured, and how long it may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The routes.
    pub methods: Vec<Method>,
    /// Where they may run.
    pub devices: Vec<Device>,
    /// Repeats of every measurement.
    pub repeats: usize,
    /// A route that one run of takes longer at some size is left out there.
    pub longest_run: Duration,
}

/// The engines that are measured: one an exact route, since the route is fixed when an engine is opened.
#[derive(Debug)]
pub struct Engines {
    gpu: Option<[Gpu; 2]>,
}

/// A route at one size.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// The size.
    pub size: Size,
    /// The route and where it ran.
    pub runner: Runner,
    /// What was found, or why nothing was.
    pub outcome: Result<Outcome, String>,
}

/// What was found about a route at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Networks of one run.
    pub networks: usize,
    /// Wall time a network, the median over the repeats.
    pub seconds: f64,
    /// The quarter and three-quarter quantiles of it; `None` for a single repeat.
    pub spread: Option<[f64; 2]>,
    /// Time a network in passes on the device, by its own clock, median; the rest of `seconds` is transfer and waiting.
    pub device_seconds: Option<f64>,
    /// Flops a network by count ([`Method::flops`]).
    pub flops: f64,
    /// Hessian-vector products a network, for the routes that take some.
    pub products: Option<f64>,
    /// |value - truth| / |truth| of the quantity that the route gives: the median over the networks.
    pub error: f64,
    /// The largest of them.
    pub worst_error: f64,
    /// |value - lambda_1| / lambda_1, the median, for the routes that bound or find lambda_1.
    pub distance_from_lambda_max: Option<f64>,
}

/// Values of some networks, and the products that each took.
type Values = (Vec<f64>, Option<f64>);

impl Engines {
    /// Opens `adapter`, if there is one.
    ///
    /// # Errors
    /// [`EngineError`] if the driver gives no device.
    pub fn open(adapter: Option<Adapter>) -> Result<Self, EngineError> {
        let open = |adapter: &Adapter, route| -> Result<Gpu, EngineError> {
            let mut gpu = Gpu::new(adapter.clone(), Tuning { route, ..Tuning::default() })?;
            gpu.start_clock()?;
            Ok(gpu)
        };
        let gpu = match adapter {
            Some(adapter) => Some([open(&adapter, Route::Pairwise)?, open(&adapter, Route::Assembled)?]),
            None => None,
        };
        Ok(Self { gpu })
    }

    /// The GPU engine that takes the pairwise route, or the one that assembles.
    fn gpu(&mut self, method: Method) -> Result<&mut Gpu, EngineError> {
        let missing = || EngineError::NoAdapter("there is no graphics adapter".into());
        self.gpu
            .as_mut()
            .map(|[pairs, assembled]| if method == Method::Pairwise { pairs } else { assembled })
            .ok_or_else(missing)
    }

    fn device_time(&mut self, runner: Runner) -> Option<Duration> {
        if runner.device != Device::Gpu {
            return None;
        }
        self.gpu(runner.method).ok()?.device_time()
    }

    fn run(&mut self, runner: Runner, problem: &Problem, theta: ArrayView2<'_, f64>) -> Result<Values, EngineError> {
        let parameters = problem.shape.parameters();
        let bounds = |found: Evaluation| -> Values {
            let values = (0..found.loss.len()).map(|k| {
                wolkowicz_styan(found.trace_ww[k] + found.trace_vv[k], found.trace_sq[k], parameters).lambda_sup
            });
            (values.collect(), None)
        };
        let with_products = |found: Vec<(f64, usize)>| -> Values {
            let mean = found.iter().map(|(_, products)| *products as f64).sum::<f64>() / found.len().max(1) as f64;
            (found.into_iter().map(|(value, _)| value).collect(), Some(mean))
        };
        let differences = |k: usize| {
            let h = central_difference_hessian(problem, &theta.row(k).to_vec(), 1e-4);
            let mirrored = h.t().to_owned();
            0.5 * (h + mirrored)
        };
        Ok(match (runner.method, runner.device) {
            (Method::Pairwise, Device::Reference) => bounds(Reference.evaluate(problem, theta)?),
            (Method::Pairwise, Device::Cpu) => bounds(Cpu::new(Route::Pairwise).evaluate(problem, theta)?),
            (Method::Assembled, Device::Cpu) => bounds(Cpu::new(Route::Assembled).evaluate(problem, theta)?),
            (Method::Pairwise | Method::Assembled, _) => bounds(self.gpu(runner.method)?.evaluate(problem, theta)?),
            (Method::Eigenvalues, device) => {
                let spectra = match device {
                    Device::Reference => Reference.spectrum(problem, theta)?,
                    Device::Cpu => Cpu::new(Route::Assembled).spectrum(problem, theta)?,
                    Device::Gpu => self.gpu(runner.method)?.spectrum(problem, theta)?,
                };
                (spectra.lambda_max, None)
            }
            (Method::Lanczos, _) => with_products(for_each_network(problem, theta, |k, operator| {
                let found = lanczos(operator, 1e-6, parameters, k as u64);
                (found.lambda_max, found.products)
            })),
            (Method::Power, _) => with_products(for_each_network(problem, theta, |k, operator| {
                let found = power_iteration(operator, 1e-3, 1000, k as u64);
                (found.lambda_max, found.products)
            })),
            (Method::Hutchinson, _) => with_products(for_each_network(problem, theta, |k, operator| {
                (hutchinson(operator, PROBES, k as u64), PROBES as usize)
            })),
            (Method::HutchinsonSq, _) => with_products(for_each_network(problem, theta, |k, operator| {
                (hutchinson_sq(operator, PROBES, k as u64), PROBES as usize)
            })),
            (Method::HutchPlusPlus, _) => with_products(for_each_network(problem, theta, |k, operator| {
                (hutch_plus_plus(operator, PROBES, k as u64), PROBES as usize)
            })),
            (Method::Differences, _) => {
                let values = for_each_row(theta, |k| {
                    let h = differences(k);
                    wolkowicz_styan(h.diag().sum(), h.iter().map(|h| h * h).sum(), parameters).lambda_sup
                });
                (values, None)
            }
            (Method::DifferencesEigenvalues, _) => {
                let values = for_each_row(theta, |k| {
                    spectrum(differences(k).view(), 0).map_or(f64::NAN, |spectrum| spectrum.lambda_max())
                });
                (values, None)
            }
        })
    }
}

fn for_each_row(theta: ArrayView2<'_, f64>, value: impl Fn(usize) -> f64 + Send + Sync) -> Vec<f64> {
    (0..theta.nrows()).into_par_iter().map(value).collect()
}

/// How long a timed run should take: long against the clock and the start of threads.
const RUN: Duration = Duration::from_millis(60);

/// What a core or a software adapter surely does a second, to leave out what would take minutes before it starts.
const SURE_FLOPS: f64 = 1e9;

/// A route that takes part in the repeats at one size.
struct Entrant {
    runner: Runner,
    theta: Array2<f64>,
    values: Vec<f64>,
    products: Option<f64>,
    seconds: Vec<f64>,
    device_seconds: Vec<f64>,
}

/// Measures every route of `settings` at `size`, in turn. `told` hears of each route as it is prepared.
///
/// # Errors
/// [`EngineError`] if the networks could not be trained; what goes wrong with one route is its own outcome.
pub fn measure(
    engines: &mut Engines,
    settings: &Settings,
    size: Size,
    problem: &Problem,
    mut told: impl FnMut(Runner),
) -> Result<Vec<Measurement>, EngineError> {
    let networks = Size::networks(problem)?;
    let truth = Truth::of(problem, &networks);
    let runners = settings.methods.iter().flat_map(|&method| {
        let devices = method.devices().iter().filter(|device| settings.devices.contains(device));
        devices.map(move |&device| Runner { method, device })
    });
    let mut entrants: Vec<Result<Entrant, Measurement>> = Vec::new();
    for runner in runners {
        told(runner);
        let entrant = prepare(engines, settings, size, problem, &networks, runner);
        entrants.push(entrant.map_err(|reason| Measurement { size, runner, outcome: Err(reason) }));
    }
    for _ in 0..settings.repeats {
        for entrant in &mut entrants {
            let Ok(active) = entrant else { continue };
            let before = engines.device_time(active.runner);
            let start = Instant::now();
            if let Err(error) = engines.run(active.runner, problem, active.theta.view()) {
                let runner = active.runner;
                *entrant = Err(Measurement { size, runner, outcome: Err(error.to_string()) });
                continue;
            }
            let count = active.theta.nrows() as f64;
            active.seconds.push(start.elapsed().as_secs_f64() / count);
            if let (Some(before), Some(after)) = (before, engines.device_time(active.runner)) {
                active.device_seconds.push((after - before).as_secs_f64() / count);
            }
        }
    }
    Ok(entrants
        .into_iter()
        .map(|entrant| {
            entrant.map_or_else(
                |left_out| left_out,
                |entrant| Measurement { size, runner: entrant.runner, outcome: outcome(&entrant, size, &truth) },
            )
        })
        .collect())
}

/// Runs a route once on few networks, for its values and to choose how many a timed run takes.
fn prepare(
    engines: &mut Engines,
    settings: &Settings,
    size: Size,
    problem: &Problem,
    networks: &Array2<f64>,
    runner: Runner,
) -> Result<Entrant, String> {
    let least = match runner.device {
        Device::Reference => COMPARED,
        // A vector full for every core, and some workgroups.
        Device::Cpu | Device::Gpu => networks.nrows(),
    };
    let flops = runner.method.flops(size, runner.method.expected_products(size)) * least as f64;
    let cores = rayon::current_num_threads() as f64;
    let longest = settings.longest_run.as_secs_f64();
    if flops / (SURE_FLOPS * cores) > longest {
        return Err(format!(
            "left out: {least} networks take {:.1e} flops, {:.0} s at 1 GFLOP/s a core, and --longest-run is {longest} s",
            flops,
            flops / (SURE_FLOPS * cores)
        ));
    }
    let few = networks.slice(s![..least, ..]);
    // The first run compiles shaders and wakes threads.
    let (values, products) = engines.run(runner, problem, few).map_err(|error| error.to_string())?;
    let start = Instant::now();
    engines.run(runner, problem, few).map_err(|error| error.to_string())?;
    let once = start.elapsed();
    if once > settings.longest_run {
        return Err(format!("left out: {least} networks took {once:.1?}, and --longest-run is {longest} s"));
    }
    // What a run costs however few its networks are, on the GPU mostly compiling shaders, is not what is measured: enough networks
    // that it fades.
    let start = Instant::now();
    engines.run(runner, problem, networks.slice(s![..1, ..])).map_err(|error| error.to_string())?;
    let fixed = start.elapsed();
    let varying = once.saturating_sub(fixed).as_secs_f64().max(0.02 * once.as_secs_f64());
    let wanted = (RUN.max(3 * fixed).as_secs_f64() / varying).clamp(1.0, 256.0) as usize;
    let copies: Vec<_> = (0..wanted).map(|_| few).collect();
    let theta = ndarray::concatenate(Axis(0), &copies).map_err(|error| error.to_string())?;
    Ok(Entrant { runner, theta, values, products, seconds: Vec::new(), device_seconds: Vec::new() })
}

fn outcome(entrant: &Entrant, size: Size, truth: &Truth) -> Result<Outcome, String> {
    let method = entrant.runner.method;
    let expected = match method.quantity() {
        Quantity::LambdaSup => &truth.lambda_sup,
        Quantity::LambdaMax => &truth.lambda_max,
        Quantity::Trace => &truth.trace,
        Quantity::TraceSq => &truth.trace_sq,
    };
    let relative = |expected: &[f64]| -> Vec<f64> {
        entrant.values.iter().zip(expected).map(|(value, truth)| (value - truth).abs() / truth.abs()).collect()
    };
    let errors = relative(expected);
    let said = |error: crate::analysis::AnalysisError| format!("no value to compare: {error}");
    let seconds = median(&entrant.seconds).map_err(said)?;
    let spread = match quantiles(&entrant.seconds, &[0.25, 0.75]) {
        Ok(spread) if entrant.seconds.len() > 1 => Some([spread[0], spread[1]]),
        _ => None,
    };
    let bounds = matches!(method.quantity(), Quantity::LambdaSup | Quantity::LambdaMax);
    let products = entrant.products;
    Ok(Outcome {
        networks: entrant.theta.nrows(),
        seconds,
        spread,
        device_seconds: median(&entrant.device_seconds).ok(),
        flops: method.flops(size, products.unwrap_or(0.0)),
        products,
        error: median(&errors).map_err(said)?,
        worst_error: errors.iter().fold(0.0, |worst: f64, &error| worst.max(error)),
        distance_from_lambda_max: if bounds { Some(median(&relative(&truth.lambda_max)).map_err(said)?) } else { None },
    })
}
