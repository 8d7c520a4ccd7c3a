//! One size of the grid: its problem, its networks, and the f64 truth about them.

use std::fmt;

use ndarray::{Array1, Array2, s};
use serde::Serialize;

use crate::bounds::wolkowicz_styan;
use crate::cpu::Cpu;
use crate::engine::{Descent, Engine, EngineError, paper_only};
use crate::model::{Activation, DataError, Dataset, OneHidden, Problem, Stream, appendix_c};
use crate::numeric::{for_each_network, lanczos};
use crate::reference::{hessian, terms, trace_sq, trace_vv, trace_ww};
use crate::room::check_memory;
use crate::spec::{SpecError, check_size};

/// Network and data sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Size {
    /// N, hidden units.
    pub hidden: usize,
    /// I, samples.
    pub samples: usize,
    /// M, inputs.
    pub inputs: usize,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hidden, samples, inputs } = self;
        write!(f, "N = {hidden}, I = {samples}, M = {inputs}")
    }
}

/// How many different networks a batch holds; larger batches repeat them.
const NETWORKS: usize = 64;

/// Networks whose truth is computed.
pub(super) const COMPARED: usize = 16;

/// Vectors of D numbers that Lanczos keeps for one network: many more than it has ever taken to reach 1e-12.
const TRUTH_VECTORS: u64 = 200;

/// Up to this D the truth of tr H^2 comes from the assembled Hessian, beyond it from the pairs of samples.
const ASSEMBLED_TRUTH: usize = 500;

impl Size {
    /// The shape of its networks.
    pub const fn shape(&self) -> OneHidden {
        OneHidden::new(self.inputs, self.hidden)
    }

    /// Fails unless engines take networks of this size, and memory holds its data and what the truth about a network
    /// takes.
    ///
    /// # Errors
    /// [`SpecError`] says what does not fit, and what would.
    pub fn check(&self) -> Result<(), SpecError> {
        check_size(self.inputs, self.hidden)?;
        let (samples, inputs, hidden) = (self.samples as u64, self.inputs as u64, self.hidden as u64);
        // The data twice in f64; for every core the seven arrays over samples and units behind exact products with the
        // Hessian.
        let sample = (2 * 8 * (inputs + 1)).saturating_add(7 * 8 * hidden * rayon::current_num_threads() as u64);
        check_memory(&format!("{samples} samples"), samples.saturating_mul(sample))
            .map_err(|room| room.at_most("samples", sample))?;
        let parameters = self.shape().parameters() as u64;
        let bytes = 8 * parameters * (NETWORKS as u64 + TRUTH_VECTORS * rayon::current_num_threads() as u64);
        Ok(check_memory(&format!("{NETWORKS} networks of D = {parameters} parameters and their eigenvalues"), bytes)?)
    }

    /// Two Gaussian classes in M dimensions: the paper's, two coordinates at a time.
    ///
    /// # Errors
    /// [`DataError`] for sizes of 0.
    pub fn problem(&self) -> Result<Problem, DataError> {
        let mut x = Array2::zeros((self.samples, self.inputs));
        let mut q = Array1::zeros(self.samples);
        for (first, seed) in (0..self.inputs).step_by(2).zip(0..) {
            let plane = appendix_c(self.samples, seed, Stream::TrainData)?;
            let width = 2.min(self.inputs - first);
            x.slice_mut(s![.., first..first + width]).assign(&plane.x().slice(s![.., ..width]));
            if let Some(labels) = plane.q() {
                q.assign(&labels);
            }
        }
        Ok(Problem::new(self.hidden, Activation::Sigmoid, Dataset::new(x, q)?))
    }

    /// Networks after 100 steps, (64, D): no longer random, not yet flat. The loss is a sum, so the step shrinks with
    /// the samples.
    pub(super) fn networks(problem: &Problem, cpu: &mut Cpu) -> Result<Array2<f64>, EngineError> {
        let step_size = 2.0 / problem.data.samples() as f64;
        let descent = Descent { init_range: 2.0, step_size, max_steps: 100, tolerance: 0.0, weight_decay: 0.0 };
        let trained = cpu.train(problem, &descent, 0..NETWORKS as u64)?;
        Ok(trained.theta.mapv(f64::from))
    }
}

/// The f64 truth about some networks.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Theorem 1's bound.
    pub lambda_sup: Vec<f64>,
    /// lambda_1, by as many Lanczos steps as rounding allows.
    pub lambda_max: Vec<f64>,
    /// tr H.
    pub trace: Vec<f64>,
    /// tr H^2.
    pub trace_sq: Vec<f64>,
}

impl Truth {
    /// The truth about the first [`COMPARED`] rows of `theta`.
    ///
    /// # Errors
    /// [`EngineError::Limit`] for others than the paper's problems.
    pub(super) fn of(problem: &Problem, theta: &Array2<f64>) -> Result<Self, EngineError> {
        let paper = paper_only(problem)?;
        let rows = theta.slice(s![..COMPARED.min(theta.nrows()), ..]);
        let parameters = problem.network.parameters();
        let found = for_each_network(&paper, rows.into(), |k, operator| {
            let theta = rows.row(k).to_vec();
            let terms = terms(&paper, &theta);
            let trace = trace_ww(&paper, &theta, &terms) + trace_vv(&terms);
            let trace_sq = if parameters <= ASSEMBLED_TRUTH {
                hessian(problem, &theta).iter().map(|h| h * h).sum()
            } else {
                trace_sq(&paper, &theta, &terms)
            };
            let lambda_max = lanczos(operator, 1e-12, parameters, 0).lambda_max;
            [wolkowicz_styan(trace, trace_sq, parameters).lambda_sup, lambda_max, trace, trace_sq]
        });
        let column = |k: usize| found.iter().map(|values| values[k]).collect();
        Ok(Self { lambda_sup: column(0), lambda_max: column(1), trace: column(2), trace_sq: column(3) })
    }
}
