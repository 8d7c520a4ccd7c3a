//! `sharpsweep bench`: what each route to sharpness costs here.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use ndarray_npy::WriteNpyExt;

use crate::bench::{AutoRoute, Bench, Engines, Method, Runner, Settings, Site, Size, measure};
use crate::cli::args::check_distinct;
use crate::cli::failure::Failure;
use crate::cli::interruption;
use crate::cli::progress::Watched;
use crate::cli::terminal::{notice, print};
use crate::cpu::Cpu;
use crate::engine::{Engine, EngineError, ExactRoute, Route, paper_only};
use crate::gpu::{Adapter, Gpu, Tuning, adapters, choose_adapter};
use crate::model::HiddenLayers;
use crate::reference::Reference;
use crate::report::{FigureError, cost_against_error, cost_against_hidden, cost_against_samples, cost_table};
use crate::run::Output;
use crate::watch::Pieces;

/// Measures what each route to sharpness costs on this machine, and how far each is from the truth
///
/// Every size of the grid --hidden x --samples x --inputs is one batch of briefly trained networks. All routes run in
/// turn, every repeat once through all of them, so nothing runs beside anything else. The table goes to stdout; DIR
/// gets bench.json, bench.npy (a row per measurement, its columns named in bench.json) and figures with their numbers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// N, hidden units of the one hidden layer
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "3,10,30,100", value_parser = one_layer)]
    hidden: Vec<usize>,
    /// I, samples
    #[arg(long, value_name = "I,..", value_delimiter = ',', default_value = "10,50,200,1000")]
    samples: Vec<usize>,
    /// M, inputs
    #[arg(long, value_name = "M,..", value_delimiter = ',', default_value = "2,30")]
    inputs: Vec<usize>,
    /// The routes to measure [default: all]
    #[arg(long, value_name = "ROUTE,..", value_delimiter = ',')]
    routes: Vec<Method>,
    /// Where to measure them [default: wherever they exist]
    #[arg(long, value_name = "DEVICE,..", value_delimiter = ',')]
    on: Vec<Site>,
    /// How often each measurement is repeated
    #[arg(long, value_name = "K", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Seconds that the repeats of a route may take together at a size; where the fewest networks that keep the device
    /// busy take longer, the route is skipped there
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    budget: f64,
    /// The graphics adapter: its number, or a part of its name or id (see `sharpsweep adapters`)
    #[arg(long, value_name = "WHICH")]
    adapter: Option<String>,
    /// The directory for bench.json and the figures; it must not hold anything yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// The width of one hidden layer.
fn one_layer(text: &str) -> Result<usize, String> {
    match text.parse::<HiddenLayers>()?.widths() {
        &[width] => Ok(width),
        _ => Err("the routes are compared on networks of one hidden layer: give its number of hidden units".into()),
    }
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut output = Output::new(&self.out)?;
        let budget = self.check()?;
        let adapter = self.adapter()?;
        let all = [Site::Reference, Site::Cpu, Site::Gpu];
        let mut sites = if self.on.is_empty() { all.to_vec() } else { self.on.clone() };
        sites.retain(|&site| site != Site::Gpu || adapter.is_some());
        let every_route = Method::value_variants();
        let methods = if self.routes.is_empty() { every_route.to_vec() } else { self.routes.clone() };
        let settings = Settings { methods, sites, repeats: self.repeats as usize, budget };
        let graphics = adapter.as_ref().filter(|_| settings.sites.contains(&Site::Gpu));
        let hardware = graphics.is_some_and(|adapter| adapter.summary().hardware);
        let mut engines = Engines::new(graphics.map(by_each_route).transpose()?, hardware, interruption::stop());
        let mut bench = self.bench(&settings, adapter.clone())?;
        let watched = Watched::start("sizes");
        let measured = Pieces::new(&watched, "sizes", self.sizes().len());
        for size in self.sizes() {
            self.measure_size(&mut bench, &mut engines, &settings, size, adapter.as_ref())?;
            // After every size, so that an interrupted bench leaves what it has.
            let json = serde_json::to_vec_pretty(&bench)?;
            let mut table = Vec::new();
            bench.table().write_npy(&mut table)?;
            output.write(&[("bench.json".into(), json), ("bench.npy".into(), table)])?;
            interruption::leaves(format!("what was measured is in {}", self.out.display()));
            measured.one();
        }
        drop(watched);
        self.draw(&bench, &mut output)
    }

    /// Checks the arguments, before any work; the budget.
    fn check(&self) -> Result<Duration, Failure> {
        let budget = Duration::try_from_secs_f64(self.budget)
            .map_err(|_| Failure::Usage(anyhow!("--budget is {}: it must be a number of seconds", self.budget)))?;
        for (option, sizes) in [("--hidden", &self.hidden), ("--samples", &self.samples), ("--inputs", &self.inputs)] {
            if sizes.contains(&0) {
                return Err(Failure::Usage(anyhow!("{option} holds 0: every size must be at least 1")));
            }
            check_distinct(option, sizes)?;
        }
        check_distinct("--routes", &self.routes)?;
        check_distinct("--on", &self.on)?;
        for size in self.sizes() {
            size.check().map_err(|error| {
                let Size { hidden, samples, inputs } = size;
                Failure::Usage(anyhow!("N = {hidden}, I = {samples}, M = {inputs}: {error}"))
            })?;
        }
        Ok(budget)
    }

    /// The adapter to measure: the given one, or the best one.
    fn adapter(&self) -> Result<Option<Adapter>, Failure> {
        if let Some(name) = &self.adapter {
            return Ok(Some(choose_adapter(Some(name))?));
        }
        let adapter = adapters().into_iter().next();
        if adapter.is_none() {
            notice("there is no graphics adapter: the routes on the GPU are left out");
        }
        Ok(adapter)
    }

    fn bench(&self, settings: &Settings, adapter: Option<Adapter>) -> Result<Bench, Failure> {
        let mut engines = Vec::new();
        for site in &settings.sites {
            engines.push(match (site, &adapter) {
                (Site::Reference, _) => Reference::default().machine(),
                (Site::Cpu, _) => Cpu::default().machine(),
                (Site::Gpu, Some(adapter)) => Gpu::new(adapter.clone(), Tuning::default())?.machine(),
                (Site::Gpu, None) => continue,
            });
        }
        for engine in &engines {
            notice(&format!("engine: {}, {}, {}", engine.engine, engine.device, engine.precision));
        }
        let repeats = self.repeats as usize;
        Ok(Bench {
            version: env!("CARGO_PKG_VERSION").into(),
            engines,
            repeats,
            budget: self.budget,
            measurements: Vec::new(),
            auto: Vec::new(),
            table_columns: Bench::TABLE_COLUMNS,
        })
    }

    fn sizes(&self) -> Vec<Size> {
        let mut sizes = Vec::new();
        for &inputs in &self.inputs {
            for &hidden in &self.hidden {
                sizes.extend(self.samples.iter().map(|&samples| Size { hidden, samples, inputs }));
            }
        }
        sizes
    }

    /// Measures one size and prints its table. If the size cannot be measured, it says so, and the next one is
    /// measured.
    fn measure_size(
        &self,
        bench: &mut Bench,
        engines: &mut Engines,
        settings: &Settings,
        size: Size,
        adapter: Option<&Adapter>,
    ) -> Result<(), Failure> {
        let problem = size.problem().context("the data of the grid")?;
        let announce = |runner: Runner| notice(&format!("{size}: {runner}"));
        let measured = match measure(engines, settings, size, &problem, announce) {
            Ok(measured) => measured,
            Err(stopped @ EngineError::Stopped) => return Err(stopped.into()),
            Err(error) => {
                notice(&format!("{size} is left out: {error}"));
                return Ok(());
            }
        };
        bench.measurements.extend(measured);
        let of_route = |route| match route {
            ExactRoute::Pairwise => Method::Pairwise,
            ExactRoute::Assembled => Method::Assembled,
        };
        let mut chosen = vec![(Site::Cpu, of_route(Cpu::default().route(&problem)))];
        if let Some(adapter) = adapter.filter(|_| settings.sites.contains(&Site::Gpu)) {
            chosen.push((
                Site::Gpu,
                of_route(Gpu::new(adapter.clone(), Tuning::default())?.route(&paper_only(&problem)?)),
            ));
        }
        let choices = chosen.into_iter();
        bench.auto.extend(choices.filter_map(|(site, method)| AutoRoute::new(&bench.measurements, size, site, method)));
        print(&cost_table(bench, size).to_text())
    }

    fn draw(&self, bench: &Bench, output: &mut Output) -> Result<(), Failure> {
        let mut figures = Vec::new();
        for &inputs in &self.inputs {
            figures.extend([cost_against_samples(bench, inputs), cost_against_hidden(bench, inputs)]);
        }
        let paper = Size { hidden: 3, samples: 50, inputs: 2 };
        let sizes = self.sizes();
        if let Some(size) = sizes.iter().find(|&&size| size == paper).or(sizes.first()) {
            figures.push(cost_against_error(bench, *size));
        }
        for figure in figures {
            match figure {
                Ok(figure) => output.write(&figure.files()?)?,
                Err(error @ FigureError::TooFew { .. }) => notice(&format!("a figure is left out: {error}")),
                Err(error) => return Err(error.into()),
            }
        }
        let wrong = bench.auto.iter().filter(|auto| auto.is_wrong()).count();
        print(&format!(
            "\n--route auto took the slower route at {wrong} of the {} sizes and devices where both were measured",
            bench.auto.len()
        ))?;
        notice(&format!("written to {}", self.out.display()));
        Ok(())
    }
}

/// The GPU engine by the pairwise route and the one that assembles, timed by the device's own clock.
fn by_each_route(adapter: &Adapter) -> Result<[Box<dyn Engine>; 2], EngineError> {
    let open = |route| -> Result<Box<dyn Engine>, EngineError> {
        let mut gpu = Gpu::new(adapter.clone(), Tuning { route, ..Tuning::default() })?;
        gpu.start_clock()?;
        Ok(Box::new(gpu))
    };
    Ok([open(Route::Pairwise)?, open(Route::Assembled)?])
}
