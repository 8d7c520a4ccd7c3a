//! Timing the routes at one size, in turn.

use std::collections::HashMap;
use std::time::Duration;

use ndarray::{Array2, ArrayView2, Axis, s};
use serde::Serialize;

use super::method::PROBES;
use super::size::COMPARED;
use super::{Method, Quantity, Runner, Site, Size, Truth};
use crate::analysis::{AnalysisError, median, quantiles};
use crate::bounds::wolkowicz_styan;
use crate::clock::Instant;
use crate::cpu::{Cpu, InstructionSet};
use crate::engine::{Engine, EngineError, Evaluation, Route, Stop};
use crate::fallback;
use crate::model::{Problem, Theta};
use crate::numeric::{
    Symmetric, for_each_network, hutch_plus_plus, hutchinson, hutchinson_sq, lanczos, power_iteration,
};
use crate::reference::{Reference, central_difference_hessian, spectrum};
use crate::room::check_memory;
use crate::spec::Brackets;

/// What is measured, and how long it may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The routes.
    pub methods: Vec<Method>,
    /// Where they may run.
    pub sites: Vec<Site>,
    /// Repeats of every measurement.
    pub repeats: usize,
    /// The most time for all repeats of a route at one size. Where the fewest networks of a fair run take longer, the
    /// route is skipped.
    pub budget: Duration,
}

/// The engines that are measured, and how fast they have been.
pub struct Engines {
    /// One for each exact route, since the route is fixed when an engine is opened: pairwise, assembled.
    gpu: Option<[Box<dyn Engine>; 2]>,
    /// Whether that is graphics hardware.
    hardware: bool,
    /// Pairwise, assembled.
    cpu: [Cpu; 2],
    reference: Reference,
    /// Ends the work early.
    stop: Stop,
    /// Flops per second of each route at the last size where it ran, counted with the products that it is expected to
    /// take.
    rates: HashMap<Runner, f64>,
}

/// A route at one size.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// The size.
    pub size: Size,
    /// The route and where it ran.
    pub runner: Runner,
    /// What was found, or why nothing was.
    pub outcome: Result<CostAndError, String>,
}

/// What was found about a route at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostAndError {
    /// Networks of one run.
    pub networks: usize,
    /// Wall time per network, the median over the repeats.
    pub seconds: f64,
    /// Its quartiles, 25 and 75 %; `None` for a single repeat.
    pub spread: Option<[f64; 2]>,
    /// Time per network in passes on the device, by the device's own clock, median; the rest of `seconds` is transfer
    /// and waiting.
    pub device_seconds: Option<f64>,
    /// Flops per network by count ([`Method::flops`]).
    pub flops: f64,
    /// Hessian-vector products per network, for the routes that take any.
    pub products: Option<f64>,
    /// |value - truth| / |truth| of the quantity that the route gives: the median over the networks.
    pub error: f64,
    /// The largest such error.
    pub worst_error: f64,
    /// |value - lambda_1| / lambda_1, the median, for the routes that bound or find lambda_1.
    pub distance_from_lambda_max: Option<f64>,
}

/// What a route gives for some networks.
struct Estimates {
    /// The route's [`Quantity`] for each network.
    values: Vec<f64>,
    /// Mean number of Hessian-vector products per network, for the routes that take any.
    products: Option<f64>,
}

impl Engines {
    /// With `gpu`, an engine that takes the pairwise route and one that assembles, on graphics hardware or a software
    /// adapter for it. All work ends soon after `stop` is requested.
    pub fn new(mut gpu: Option<[Box<dyn Engine>; 2]>, hardware: bool, stop: &Stop) -> Self {
        gpu.iter_mut().flatten().for_each(|gpu| gpu.stop_on(stop));
        let mut cpu = [Cpu::new(Route::Pairwise), Cpu::new(Route::Assembled)];
        cpu.iter_mut().for_each(|cpu| cpu.stop_on(stop));
        let mut reference = Reference::default();
        reference.stop_on(stop);
        Self { gpu, hardware, cpu, reference, stop: stop.clone(), rates: HashMap::new() }
    }

    /// The GPU engine that takes the pairwise route, or the one that assembles.
    fn gpu(&mut self, method: Method) -> Result<&mut Box<dyn Engine>, EngineError> {
        let missing = || EngineError::NoAdapter("there is no graphics adapter".into());
        self.gpu
            .as_mut()
            .map(|[pairs, assembled]| if method == Method::Pairwise { pairs } else { assembled })
            .ok_or_else(missing)
    }

    /// Flops per second to expect of a route: what it achieved at the last size, else a low guess for where it runs.
    fn rate(&self, runner: Runner) -> f64 {
        let cores = rayon::current_num_threads() as f64;
        let guess = match runner.site {
            Site::Gpu if self.hardware => 1e11,
            Site::Reference | Site::Gpu => 1e9 * cores,
            Site::Cpu => 1e10 * cores,
        };
        self.rates.get(&runner).copied().unwrap_or(guess)
    }

    fn device_time(&mut self, runner: Runner) -> Option<Duration> {
        if runner.site != Site::Gpu {
            return None;
        }
        self.gpu(runner.method).ok()?.device_time()
    }

    fn run(&mut self, runner: Runner, problem: &Problem, theta: ArrayView2<'_, f64>) -> Result<Estimates, EngineError> {
        self.stop.check()?;
        let parameters = problem.network.parameters();
        let exactly = |values: Vec<f64>| Estimates { values, products: None };
        let bounds = |found: Evaluation| {
            let bound = |k: usize| wolkowicz_styan(found.trace(k), found.trace_sq[k], parameters).lambda_sup;
            exactly((0..found.loss.len()).map(bound).collect())
        };
        let by_products = |estimate: &(dyn Fn(&dyn Symmetric, u64) -> (f64, usize) + Sync)| {
            let found = for_each_network(problem, theta.into(), |k, operator| estimate(operator, k as u64));
            let mean = found.iter().map(|(_, products)| *products as f64).sum::<f64>() / found.len().max(1) as f64;
            Estimates { values: found.into_iter().map(|(value, _)| value).collect(), products: Some(mean) }
        };
        let probed = |value: f64| (value, PROBES as usize);
        let by_differences = |estimate: &(dyn Fn(Array2<f64>) -> f64 + Sync)| {
            exactly(Theta::from(theta).map_networks(|_, weights| {
                let h = central_difference_hessian(problem, weights, 1e-4);
                let mirrored = h.t().to_owned();
                estimate(0.5 * (h + mirrored))
            }))
        };
        Ok(match (runner.method, runner.site) {
            (Method::Pairwise, Site::Reference) => bounds(self.reference.evaluate(problem, theta.into())?),
            (Method::Pairwise, Site::Cpu) => bounds(self.cpu[0].evaluate(problem, theta.into())?),
            (Method::Assembled, Site::Cpu) => bounds(self.cpu[1].evaluate(problem, theta.into())?),
            (Method::Pairwise | Method::Assembled, _) => {
                bounds(self.gpu(runner.method)?.evaluate(problem, theta.into())?)
            }
            (Method::Eigenvalues, site) => exactly(
                match site {
                    Site::Reference => self.reference.spectrum(problem, theta.into())?,
                    Site::Cpu => self.cpu[1].spectrum(problem, theta.into())?,
                    Site::Gpu => self.gpu(runner.method)?.spectrum(problem, theta.into())?,
                }
                .lambda_max,
            ),
            (Method::FourMoments | Method::EightMoments, site) => {
                let asked = if runner.method == Method::FourMoments { Brackets::Four } else { Brackets::Eight };
                let (theta, stop) = (theta.into(), self.stop.clone());
                let engine: &mut dyn Engine =
                    if site == Site::Reference { &mut self.reference } else { &mut self.cpu[1] };
                let evaluation = engine.evaluate(problem, theta)?;
                let found = fallback::brackets(engine, problem, theta, &evaluation, (asked, None), &stop)?;
                exactly(found.into_iter().map(|bracket| bracket.upper.bound).collect())
            }
            (Method::Lanczos, _) => by_products(&|hessian, seed| {
                let found = lanczos(hessian, 1e-6, parameters, seed);
                (found.lambda_max, found.products)
            }),
            (Method::Power, _) => by_products(&|hessian, seed| {
                let found = power_iteration(hessian, 1e-3, 1000, seed);
                (found.lambda_max, found.products)
            }),
            (Method::Hutchinson, _) => by_products(&|hessian, seed| probed(hutchinson(hessian, PROBES, seed))),
            (Method::HutchinsonSq, _) => by_products(&|hessian, seed| probed(hutchinson_sq(hessian, PROBES, seed))),
            (Method::HutchPlusPlus, _) => by_products(&|hessian, seed| probed(hutch_plus_plus(hessian, PROBES, seed))),
            (Method::Differences, _) => by_differences(&|h| {
                wolkowicz_styan(h.diag().sum(), h.iter().map(|h| h * h).sum(), parameters).lambda_sup
            }),
            (Method::DifferencesEigenvalues, _) => {
                by_differences(&|h| spectrum(h.view(), 0).map_or(f64::NAN, |spectrum| spectrum.lambda_max()))
            }
        })
    }
}

/// How long a timed run should take: long against the clock and the start of threads.
const RUN: Duration = Duration::from_millis(60);

/// The most networks of a run.
const MOST_NETWORKS: usize = 1 << 18;

/// A route that takes part in the repeats at one size.
struct Entrant {
    runner: Runner,
    /// The networks of one run, (S, D).
    theta: Array2<f64>,
    /// What the last run before the repeats found for the first [`COMPARED`] networks.
    found: Estimates,
    /// Wall time per network of each repeat.
    seconds: Vec<f64>,
    /// The part of it in passes on the device.
    device_seconds: Vec<f64>,
}

/// Measures every route of `settings` at `size`, in turn. `announce` is called with each route before it is prepared.
///
/// # Errors
/// [`EngineError`] if the networks could not be trained, and once the engines are to stop. What goes wrong with one
/// route is its outcome.
pub fn measure(
    engines: &mut Engines,
    settings: &Settings,
    size: Size,
    problem: &Problem,
    mut announce: impl FnMut(Runner),
) -> Result<Vec<Measurement>, EngineError> {
    let networks = Size::networks(problem, &mut engines.cpu[1])?;
    engines.stop.check()?;
    let truth = Truth::of(problem, &networks);
    let runners = settings.methods.iter().flat_map(|&method| {
        let sites = method.sites().iter().filter(|site| settings.sites.contains(site));
        sites.map(move |&site| Runner { method, site })
    });
    let mut entrants: Vec<Result<Entrant, Measurement>> = Vec::new();
    for runner in runners {
        engines.stop.check()?;
        announce(runner);
        let entrant = prepare(engines, settings, size, problem, &networks, runner);
        entrants.push(entrant.map_err(|reason| Measurement { size, runner, outcome: Err(reason) }));
    }
    for _ in 0..settings.repeats {
        for entrant in &mut entrants {
            let Ok(active) = entrant else { continue };
            let before = engines.device_time(active.runner);
            let start = Instant::now();
            if let Err(error) = engines.run(active.runner, problem, active.theta.view()) {
                engines.stop.check()?;
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
    let measured = entrants.into_iter().map(|entrant| match entrant {
        Ok(entrant) => Measurement { size, runner: entrant.runner, outcome: outcome(&entrant, size, &truth) },
        Err(skipped) => skipped,
    });
    Ok(measured.collect())
}

/// The fewest networks of a run that is fair to where it runs: one for every core, a vector full for every core, a
/// workgroup.
fn fewest_networks(site: Site) -> usize {
    let cores = rayon::current_num_threads();
    match site {
        Site::Reference => cores,
        Site::Cpu => cores * InstructionSet::available().into_iter().map(InstructionSet::lanes).max().unwrap_or(1),
        Site::Gpu => 64,
    }
}

/// Runs a route on few networks first, then on more until a run is long enough to be timed. This gives its values, and
/// how many networks a timed run takes. `Err` says why the route is skipped.
fn prepare(
    engines: &mut Engines,
    settings: &Settings,
    size: Size,
    problem: &Problem,
    networks: &Array2<f64>,
    runner: Runner,
) -> Result<Entrant, String> {
    let fewest = fewest_networks(runner.site);
    let flops = runner.method.flops(size, runner.method.expected_products(size));
    let (budget, runs) = (settings.budget.as_secs_f64(), settings.repeats as f64);
    let skipped = |once: f64| {
        let seconds = runs * once;
        let digits = if seconds < 10.0 { 2 } else { 0 };
        Err(format!(
            "skipped: {runs} runs of {fewest} networks would take about {seconds:.digits$} s (--budget {budget} s)"
        ))
    };
    let bytes = runner.method.bytes(size).saturating_mul(rayon::current_num_threads() as u64);
    check_memory(&format!("{} on every core", runner.method.name()), bytes)
        .map_err(|room| format!("skipped: {room}"))?;
    if runner.site == Site::Gpu {
        // A batch without networks takes no time, and is refused where any other would be.
        engines.run(runner, problem, networks.slice(s![..0, ..])).map_err(|error| error.to_string())?;
    }
    // The rate of another size says no more than the order of magnitude.
    let estimate = flops * fewest as f64 / engines.rate(runner);
    if runs * estimate > 3.0 * budget {
        return skipped(estimate);
    }
    let long_enough = RUN.as_secs_f64().min(budget / runs);
    let mut theta = cycled(networks, fewest);
    // The first run compiles shaders and wakes threads.
    engines.run(runner, problem, theta.view()).map_err(|error| error.to_string())?;
    let mut found = loop {
        let start = Instant::now();
        let found = engines.run(runner, problem, theta.view()).map_err(|error| error.to_string())?;
        let once = start.elapsed().as_secs_f64();
        let count = theta.nrows();
        engines.rates.insert(runner, flops * count as f64 / once);
        if count == fewest && runs * once > budget {
            return skipped(once);
        }
        if once > 0.5 * long_enough || count >= MOST_NETWORKS {
            break found;
        }
        // Not many more at once, since one measured time says little.
        let growth = (long_enough / once).clamp(2.0, 8.0);
        theta = cycled(networks, ((count as f64 * growth) as usize).min(MOST_NETWORKS));
    };
    found.values.truncate(COMPARED);
    Ok(Entrant { runner, theta, found, seconds: Vec::new(), device_seconds: Vec::new() })
}

/// `count` rows of `networks`, from the first again after the last.
fn cycled(networks: &Array2<f64>, count: usize) -> Array2<f64> {
    let rows: Vec<usize> = (0..count).map(|k| k % networks.nrows()).collect();
    networks.select(Axis(0), &rows)
}

fn outcome(entrant: &Entrant, size: Size, truth: &Truth) -> Result<CostAndError, String> {
    let method = entrant.runner.method;
    let expected = match method.quantity() {
        Quantity::LambdaSup => &truth.lambda_sup,
        Quantity::LambdaMax => &truth.lambda_max,
        Quantity::Trace => &truth.trace,
        Quantity::TraceSq => &truth.trace_sq,
    };
    let relative = |expected: &[f64]| -> Vec<f64> {
        entrant.found.values.iter().zip(expected).map(|(value, truth)| (value - truth).abs() / truth.abs()).collect()
    };
    let errors = relative(expected);
    let incomparable = |error: AnalysisError| format!("no value to compare: {error}");
    let seconds = median(&entrant.seconds).map_err(incomparable)?;
    let spread = match quantiles(&entrant.seconds, &[0.25, 0.75]) {
        Ok(spread) if entrant.seconds.len() > 1 => Some([spread[0], spread[1]]),
        _ => None,
    };
    let bounds = matches!(method.quantity(), Quantity::LambdaSup | Quantity::LambdaMax);
    let products = entrant.found.products;
    Ok(CostAndError {
        networks: entrant.theta.nrows(),
        seconds,
        spread,
        device_seconds: median(&entrant.device_seconds).ok(),
        flops: method.flops(size, products.unwrap_or(0.0)),
        products,
        error: median(&errors).map_err(incomparable)?,
        worst_error: errors.iter().fold(0.0, |worst: f64, &error| worst.max(error)),
        distance_from_lambda_max: if bounds {
            Some(median(&relative(&truth.lambda_max)).map_err(incomparable)?)
        } else {
            None
        },
    })
}
