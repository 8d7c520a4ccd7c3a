//! The CPU engine behind the [`Engine`] interface.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use ndarray::{Array2, ArrayView2, aview1};
use rayon::prelude::*;

use super::activation::{Erf, Gelu, Linear, Relu, Sigmoid, Silu, Softplus, Square, Tanh, UnitFunction};
use super::descents::{Descents, TrainedNetwork};
use super::evaluate::Evaluating;
use super::hessians::HessianBatch;
use super::instruction_set::InstructionSet;
use super::lanes::LaneTask;
use super::layers::{EvaluatingLayers, LayerBatch, LayerSamples, LayerTraining, layer_memory};
use super::moments::FindingMoments;
use super::network::Layout;
use super::pivots::Proving;
use super::route::{exact_route, layer_route};
use super::samples::Samples;
use super::spectrum::FindingSpectra;
use super::train::Training;
use crate::engine::{
    Descent, Description, EndEstimates, Engine, EngineError, Evaluation, ExactRoute, HessianMoments, Machine, Powers,
    ProvenEnds, Route, Spectra, Start, Status, Stop, Tasks, Trained,
};
use crate::model::{Activation, MAX_PARAMETERS, Network, PaperProblem, Problem, Theta};
use crate::room::check_memory;

/// [`Description::revision`] of this engine.
const REVISION: u32 = 2;

/// Trains in f32 and evaluates in f64 on all threads of the current rayon pool.
///
/// Closed forms and spectra take theta and the data as they are given, in f64, and agree with the reference to within
/// rounding. Training rounds the data to f32 first.
#[derive(Debug, Clone)]
pub struct Cpu {
    route: Route,
    instruction_set: InstructionSet,
    stop: Stop,
}

impl Cpu {
    /// An engine with the fastest instruction set of this processor.
    pub fn new(route: Route) -> Self {
        Self { route, instruction_set: InstructionSet::available()[0], stop: Stop::default() }
    }

    /// An engine in plain code, whose results are the same on all processors of an architecture.
    pub fn plain() -> Self {
        Self { route: Route::Auto, instruction_set: InstructionSet::plain(), stop: Stop::default() }
    }

    /// An engine with `instruction_set`; `None` if this processor lacks it.
    pub fn with_instruction_set(route: Route, instruction_set: InstructionSet) -> Option<Self> {
        let available = InstructionSet::available().contains(&instruction_set);
        available.then(|| Self { route, instruction_set, stop: Stop::default() })
    }

    /// The route to tr H^2 that an evaluation of `problem` takes.
    pub fn route(&self, problem: &Problem) -> ExactRoute {
        let samples = problem.data.samples();
        match problem.paper() {
            Some(problem) => exact_route(self.route, problem.network.shape, samples),
            None => layer_route(self.route, problem.network.shape, samples),
        }
    }

    /// Numbers per lane that a thread takes for the route to tr H^2, besides some copies of theta.
    fn route_memory(&self, problem: &Problem) -> u64 {
        let route = self.route(problem);
        match (problem.paper(), route) {
            (None, _) => layer_memory(problem.network, problem.data.samples(), route),
            // The products of pairs of inputs, for a block of at least 16 samples, once for all lanes.
            (Some(_), ExactRoute::Assembled) => {
                let inputs = problem.network.shape.inputs() as u64;
                (inputs + 1).saturating_mul(inputs + 2) / 2 * 17 / self.instruction_set.lanes() as u64
            }
            (Some(_), ExactRoute::Pairwise) => 0,
        }
    }

    fn train_from(&self, problem: &Problem, descent: &Descent, start: &Start<'_>) -> Result<Trained, EngineError> {
        let Some(paper) = problem.paper() else { return self.train_layers(problem, descent, start) };
        let problem = &paper;
        match paper.network.activation {
            Activation::Linear => self.train_as::<Linear>(problem, descent, start),
            Activation::Sigmoid => self.train_as::<Sigmoid>(problem, descent, start),
            Activation::Tanh => self.train_as::<Tanh>(problem, descent, start),
            Activation::Softplus => self.train_as::<Softplus>(problem, descent, start),
            Activation::Gelu => self.train_as::<Gelu>(problem, descent, start),
            Activation::Relu => self.train_as::<Relu>(problem, descent, start),
            Activation::Silu => self.train_as::<Silu>(problem, descent, start),
            Activation::Erf => self.train_as::<Erf>(problem, descent, start),
            Activation::Square => self.train_as::<Square>(problem, descent, start),
        }
    }

    fn train_as<A: UnitFunction + Sync>(
        &self,
        problem: &PaperProblem<'_>,
        descent: &Descent,
        start: &Start<'_>,
    ) -> Result<Trained, EngineError> {
        if descent.weight_decay > 0.0 {
            self.train_with::<A, true>(problem, descent, start)
        } else {
            self.train_with::<A, false>(problem, descent, start)
        }
    }

    fn train_with<A: UnitFunction + Sync, const DECAY: bool>(
        &self,
        problem: &PaperProblem<'_>,
        descent: &Descent,
        start: &Start<'_>,
    ) -> Result<Trained, EngineError> {
        let (layout, samples) = (Layout::new(problem.network.shape), Samples::new(problem, |x| x as f32));
        let next = AtomicU64::new(0);
        self.trained(start.count(), layout.order.len(), || Training::<A, DECAY> {
            shape: problem.network.shape,
            layout: &layout,
            samples: &samples,
            descents: Descents {
                descent,
                start: start.view(),
                next: &next,
                stop: &self.stop,
                order: &layout.order,
                samples: samples.count(),
            },
            activation: PhantomData,
        })
    }

    fn train_layers(&self, problem: &Problem, descent: &Descent, start: &Start<'_>) -> Result<Trained, EngineError> {
        let order: Vec<usize> = (0..problem.network.parameters()).collect();
        let samples = LayerSamples::new(problem, |x| x as f32);
        let next = AtomicU64::new(0);
        self.trained(start.count(), order.len(), || LayerTraining {
            network: problem.network,
            samples: &samples,
            descents: Descents {
                descent,
                start: start.view(),
                next: &next,
                stop: &self.stop,
                order: &order,
                samples: samples.count(),
            },
        })
    }

    /// So many networks of D = `parameters`, trained by one `task` per worker.
    fn trained<L: LaneTask<Output = Vec<TrainedNetwork>>>(
        &self,
        count: usize,
        parameters: usize,
        task: impl Fn() -> L + Sync,
    ) -> Result<Trained, EngineError> {
        let workers =
            self.workers(count.div_ceil(self.instruction_set.lanes())).map(|_| self.instruction_set.dispatch(task()));
        let mut trained = Trained {
            theta: Array2::zeros((count, parameters)),
            status: vec![Status::Pending; count],
            steps: vec![0; count],
        };
        let networks: Vec<_> = workers.flatten_iter().collect();
        if networks.len() < count {
            return Err(EngineError::Stopped);
        }
        for network in networks {
            trained.theta.row_mut(network.index).assign(&aview1(&network.theta));
            trained.status[network.index] = network.status;
            trained.steps[network.index] = network.steps;
        }
        Ok(trained)
    }

    /// What `task` finds for each of so many `networks`, in order.
    fn each<T: Send, L: LaneTask<Output = Vec<(usize, T)>>>(
        &self,
        networks: usize,
        task: impl Fn() -> L + Sync,
    ) -> Result<Vec<T>, EngineError> {
        let workers = self
            .workers(networks.div_ceil(self.instruction_set.double_lanes()))
            .map(|_| self.instruction_set.dispatch(task()));
        let rows: Vec<(usize, T)> = workers.flatten_iter().collect();
        let mut in_order: Vec<Option<T>> = std::iter::repeat_with(|| None).take(networks).collect();
        for (row, found) in rows {
            in_order[row] = Some(found);
        }
        in_order.into_iter().collect::<Option<_>>().ok_or(EngineError::Stopped)
    }

    /// Fails if a thread cannot hold so many `squares` of D x D numbers for each network of a vector.
    fn check_hessians(&self, problem: &Problem, squares: f64) -> Result<(), EngineError> {
        let (shape, parameters) = (problem.network.shape, problem.network.parameters());
        let lanes = self.instruction_set.double_lanes();
        // Those of networks beyond the paper's are assembled whole, about half a square, before they are put in place.
        let squares = if problem.paper().is_some() { squares } else { squares + 0.5 };
        let bytes = (8.0 * squares) as usize * parameters * parameters * lanes;
        if bytes > MOST_HESSIAN_BYTES {
            return Err(EngineError::Limit(format!(
                "a network of the widths {shape} has D = {parameters} parameters, and {lanes} Hessians of that size \
                 side by side, with what is computed from them, fill {} MiB, more than the {} MiB that a thread may \
                 take: use fewer hidden units, or --backend reference",
                bytes >> 20,
                MOST_HESSIAN_BYTES >> 20,
            )));
        }
        Ok(())
    }

    /// One worker per thread, but no more workers than `vectors` of networks.
    fn workers(&self, vectors: usize) -> impl IndexedParallelIterator<Item = usize> + use<> {
        (0..rayon::current_num_threads().min(vectors)).into_par_iter().with_max_len(1)
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new(Route::Auto)
    }
}

impl Engine for Cpu {
    fn machine(&self) -> Machine {
        Machine {
            engine: "cpu".into(),
            precision: "f32, closed forms f64".into(),
            device: format!("CPU, {} threads", rayon::current_num_threads()),
            driver: self.instruction_set.to_string(),
            id: String::new(),
        }
    }

    fn description(&self, problem: &Problem, _tasks: Tasks) -> Description {
        Description::of_processor(self.machine(), REVISION, self.route(problem).into())
    }

    fn batch_size(&self, problem: &Problem) -> Result<usize, EngineError> {
        let (shape, parameters) = (problem.network.shape, problem.network.parameters());
        if parameters > MAX_PARAMETERS {
            return Err(EngineError::Limit(format!(
                "a network of the widths {shape} has {parameters} parameters: at most {MAX_PARAMETERS} fit, so use \
                 fewer hidden units"
            )));
        }
        // In f64. Per thread and lane: three copies of theta and the working memory of the routes. Once: the samples.
        let (inputs, lanes) = (shape.inputs() as u64, self.instruction_set.lanes() as u64);
        let of_networks = (6 * parameters as u64).saturating_add(self.route_memory(problem)).saturating_mul(lanes);
        let of_samples = (problem.data.samples() as u64).saturating_mul(inputs + 1);
        let threads = rayon::current_num_threads() as u64;
        let bytes = of_networks.saturating_mul(threads).saturating_add(of_samples).saturating_mul(8);
        check_memory(&format!("networks of the widths {shape}"), bytes)?;
        // When no seed is left, lanes idle until the last network has ended. Many rounds make that time small beside
        // the whole; few rounds keep a call on a large problem short.
        let work = problem.data.samples() * parameters;
        let rounds = (SMALL_PROBLEM_WORK / work.max(1)).clamp(4, 128);
        Ok(rounds * self.smallest_batch())
    }

    fn smallest_batch(&self) -> usize {
        self.instruction_set.lanes() * rayon::current_num_threads()
    }

    fn stop_on(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    fn train(&mut self, problem: &Problem, descent: &Descent, seeds: Range<u64>) -> Result<Trained, EngineError> {
        self.train_from(problem, descent, &Start::Seeds(seeds))
    }

    fn train_on(
        &mut self,
        problem: &Problem,
        descent: &Descent,
        theta: ArrayView2<'_, f32>,
        taken: u32,
    ) -> Result<Trained, EngineError> {
        self.train_from(problem, descent, &Start::at(theta, taken, problem.network.parameters(), descent)?)
    }

    fn evaluates_in_f64(&self) -> bool {
        true
    }

    fn evaluate(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Evaluation, EngineError> {
        let route = self.route(problem);
        let Some(problem) = problem.paper() else {
            let batch = LayerBatch::new(problem, theta, &self.stop);
            let found = self.each(theta.nrows(), || EvaluatingLayers { batch: &batch, route })?;
            return Ok(found.into_iter().collect());
        };
        let Network { shape, activation } = problem.network;
        let (layout, samples) = (Layout::new(shape), Samples::new(&problem, |x| x));
        let next = AtomicUsize::new(0);
        let found = self.each(theta.nrows(), || Evaluating {
            shape,
            activation,
            layout: &layout,
            samples: &samples,
            route,
            theta,
            next: &next,
            stop: &self.stop,
        })?;
        Ok(found.into_iter().collect())
    }

    fn spectrum(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Spectra, EngineError> {
        // Lower triangles.
        self.check_hessians(problem, 0.5)?;
        let batch = HessianBatch::new(problem, theta, &self.stop);
        let mut spectra = Spectra::default();
        self.each(theta.nrows(), || FindingSpectra(&batch))?.into_iter().for_each(|extremes| spectra.push(extremes));
        Ok(spectra)
    }

    fn moments(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        powers: Powers,
    ) -> Result<Vec<HessianMoments>, EngineError> {
        // The Hessian and its square, or its powers up to the fourth.
        self.check_hessians(problem, if powers == Powers::Eight { 4.0 } else { 2.0 })?;
        let batch = HessianBatch::new(problem, theta, &self.stop);
        self.each(theta.nrows(), || FindingMoments { batch: &batch, powers })
    }

    fn prove(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        estimates: &[EndEstimates],
    ) -> Result<Vec<ProvenEnds>, EngineError> {
        // The Hessian and two factors.
        self.check_hessians(problem, 3.0)?;
        let batch = HessianBatch::new(problem, theta, &self.stop);
        self.each(theta.nrows(), || Proving { batch: &batch, estimates })
    }
}

/// The most bytes that the Hessians of one vector of networks may fill in each thread. The reduction takes as much
/// again for its copy.
const MOST_HESSIAN_BYTES: usize = 1 << 29;

/// Rounds of networks per lane in a batch, times I D: a batch of the paper's wider network then takes a few seconds.
const SMALL_PROBLEM_WORK: usize = 128 * 50 * 41;
