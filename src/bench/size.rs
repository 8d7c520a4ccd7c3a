//! One size of the grid: its problem, its networks, and the f64 truth about them.

use ndarray::{Array1, Array2, s};
use serde::Serialize;

use crate::bounds::wolkowicz_styan;
use crate::cpu::Cpu;
use crate::engine::{Descent, Engine, EngineError, Route};
use crate::model::{Activation, DataError, Dataset, Problem, Shape, Stream, appendix_c};
use crate::numeric::{for_each_network, lanczos};
use crate::reference::{hessian, terms, trace_sq, trace_vv, trace_ww};

/// Network and data sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Size {
    /// N.
    pub hidden: usize,
    /// I.
    pub samples: usize,
    /// M.
    pub inputs: usize,
}

/// Different networks of a batch; larger batches repeat them.
const NETWORKS: usize = 64;

/// Networks whose truth is computed.
pub(super) const COMPARED: usize = 16;

/// Up to this D the truth of tr H^2 comes from the assembled Hessian, beyond from the pairs of samples.
const ASSEMBLED_TRUTH: usize = 500;

impl Size {
    /// M and N.
    pub const fn shape(&self) -> Shape {
        Shape::new(self.inputs, self.hidden)
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
            q.assign(&plane.q());
        }
        Ok(Problem::new(self.hidden, Activation::Sigmoid, Dataset::new(x, q)?))
    }

    /// Networks after 100 steps, (64, D): no longer random, not yet flat. The step shrinks with the samples, since the loss is a sum.
    pub(super) fn networks(problem: &Problem) -> Result<Array2<f64>, EngineError> {
        let step_size = 2.0 / problem.data.samples() as f64;
        let descent = Descent { init_range: 2.0, step_size, max_steps: 100, tolerance: 0.0 };
        let trained = Cpu::new(Route::Auto).train(problem, &descent, 0..NETWORKS as u64)?;
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
    pub(super) fn of(problem: &Problem, theta: &Array2<f64>) -> Self {
        let rows = theta.slice(s![..COMPARED.min(theta.nrows()), ..]);
        let parameters = problem.shape.parameters();
        let found = for_each_network(problem, rows, |k, operator| {
            let theta = rows.row(k).to_vec();
            let terms = terms(problem, &theta);
            let trace = trace_ww(problem, &theta, &terms) + trace_vv(&terms);
            let trace_sq = if parameters <= ASSEMBLED_TRUTH {
                hessian(problem, &theta).iter().map(|h| h * h).sum()
            } else {
                trace_sq(problem, &theta, &terms)
            };
            let lambda_max = lanczos(operator, 1e-12, parameters, 0).lambda_max;
            [wolkowicz_styan(trace, trace_sq, parameters).lambda_sup, lambda_max, trace, trace_sq]
        });
        let column = |k: usize| found.iter().map(|values| values[k]).collect();
        Self { lambda_sup: column(0), lambda_max: column(1), trace: column(2), trace_sq: column(3) }
    }
}
