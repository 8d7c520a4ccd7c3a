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
use crate::engine::{Engine, EngineError, ExactRoute, Route};
use crate::gpu::{Adapter, Gpu, Tuning, adapters, choose_adapter};
use crate::model::{Activation, HiddenLayers, Loss};
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
    /// N, hidden units of one hidden layer; 8x8 is two hidden layers of 8 units each, none is no hidden layer
    #[arg(long, value_name = "N|NxN,..", value_delimiter = ',', default_value = "3,10,30,100", value_parser = layers)]
    hidden: Vec<HiddenLayers>,
    /// I, samples
    #[arg(long, value_name = "I,..", value_delimiter = ',', default_value = "10,50,200,1000")]
    samples: Vec<usize>,
    /// M, inputs
    #[arg(long, value_name = "M,..", value_delimiter = ',', default_value = "2,30")]
    inputs: Vec<usize>,
    /// K, outputs [default: 1, with the softmax loss 3]
    #[arg(long, value_name = "K")]
    outputs: Option<usize>,
    /// The loss. The data of the grid are Gaussian classes: the paper's two, or K for K outputs
    #[arg(long, default_value = "logistic")]
    loss: Loss,
    /// The hidden units' activation
    #[arg(long, default_value = "sigmoid")]
    activation: Activation,
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

/// Hidden layers, of which `0` is no way to say that there are none: it stands among widths.
fn layers(text: &str) -> Result<HiddenLayers, String> {
    if text == "0" {
        return Err("every hidden layer needs at least one unit: give none for networks without hidden layers".into());
    }
    text.parse()
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
        let sizes = self.sizes()?;
        let measured = Pieces::new(&watched, "sizes", sizes.len());
        for size in sizes {
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
        check_distinct("--hidden", &self.hidden)?;
        for (option, sizes) in [("--samples", &self.samples), ("--inputs", &self.inputs)] {
            if sizes.contains(&0) {
                return Err(Failure::Usage(anyhow!("{option} holds 0: every size must be at least 1")));
            }
            check_distinct(option, sizes)?;
        }
        check_distinct("--routes", &self.routes)?;
        check_distinct("--on", &self.on)?;
        for size in self.sizes()? {
            size.check().map_err(|error| Failure::Usage(anyhow!("{size}: {error}")))?;
            // One sample cannot be of each of several classes.
            let outputs = size.shape.outputs();
            if outputs > 1 && size.samples < outputs {
                return Err(Failure::Usage(anyhow!(
                    "{size}: {outputs} outputs need as many samples, one of each class"
                )));
            }
        }
        if (self.loss, self.outputs()) == (Loss::Softmax, 1) {
            return Err(Failure::Usage(anyhow!(
                "--outputs 1: the softmax of one output is always 1: give --outputs 2 or more, or --loss logistic"
            )));
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
            activation: self.activation,
            loss: self.loss,
            measurements: Vec::new(),
            auto: Vec::new(),
            table_columns: Bench::TABLE_COLUMNS,
        })
    }

    /// K.
    fn outputs(&self) -> usize {
        self.outputs.unwrap_or(if self.loss == Loss::Softmax { 3 } else { 1 })
    }

    fn sizes(&self) -> Result<Vec<Size>, Failure> {
        let mut sizes = Vec::new();
        for &inputs in &self.inputs {
            for hidden in &self.hidden {
                for &samples in &self.samples {
                    let size = Size::new(inputs, hidden.widths(), self.outputs(), samples);
                    sizes.push(size.map_err(|error| {
                        Failure::Usage(anyhow!("M = {inputs}, --hidden {hidden}, K = {}: {error}", self.outputs()))
                    })?);
                }
            }
        }
        Ok(sizes)
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
        let problem = size.problem(self.activation, self.loss).context("the data of the grid")?;
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
            let gpu = Gpu::new(adapter.clone(), Tuning::default())?;
            // Of networks of any depth the GPU engine assembles the Hessian.
            let route = problem.paper().map_or(ExactRoute::Assembled, |paper| gpu.route(&paper));
            chosen.push((Site::Gpu, of_route(route)));
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
        let is_of_paper = |size: &&Size| (size.shape.widths(), size.samples) == (&[2, 3, 1], 50);
        let sizes = self.sizes()?;
        if let Some(size) = sizes.iter().find(is_of_paper).or(sizes.first()) {
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
