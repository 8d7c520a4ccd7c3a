//! One size of the grid: its problem, its networks, and the f64 truth about them.

use std::fmt;

use ndarray::{Array1, Array2, s};
use serde::Serialize;

use crate::bounds::wolkowicz_styan;
use crate::cpu::Cpu;
use crate::engine::{Descent, Engine, EngineError};
use crate::model::{
    Activation, BuiltIn, DataError, Dataset, Draw, HiddenLayers, Loss, OneHidden, Problem, Shape, ShapeError, Stream,
    Targets, appendix_c,
};
use crate::numeric::{for_each_network, lanczos};
use crate::reference::{hessian, layers, terms, trace_sq, trace_vv, trace_ww};
use crate::room::check_memory;
use crate::spec::SpecError;

/// Network and data sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "SizeInJson")]
pub struct Size {
    /// The widths of the layers.
    pub shape: Shape,
    /// I, samples.
    pub samples: usize,
}

/// [`Size`] as bench.json holds it.
#[derive(Serialize)]
struct SizeInJson {
    /// N for one hidden layer, else the widths of all.
    hidden: HiddenLayers,
    samples: usize,
    inputs: usize,
    outputs: usize,
}

impl From<Size> for SizeInJson {
    fn from(Size { shape, samples }: Size) -> Self {
        let hidden = shape.hidden().to_vec().into();
        Self { hidden, samples, inputs: shape.inputs(), outputs: shape.outputs() }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shape, samples } = self;
        match shape.one_hidden() {
            Some(OneHidden { inputs, hidden }) => write!(f, "N = {hidden}, I = {samples}, M = {inputs}"),
            None => write!(f, "{shape}, I = {samples}"),
        }
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
    /// Networks of `inputs` inputs, hidden layers of the widths `hidden` and `outputs` outputs on `samples` samples.
    ///
    /// # Errors
    /// [`ShapeError`] for widths that engines do not take.
    pub fn new(inputs: usize, hidden: &[usize], outputs: usize, samples: usize) -> Result<Self, ShapeError> {
        Ok(Self { shape: Shape::new(inputs, hidden, outputs)?, samples })
    }

    /// All hidden units: N for one hidden layer.
    pub fn hidden_units(&self) -> usize {
        self.shape.hidden().iter().sum()
    }

    /// Fails unless memory holds the data of this size and what the truth about a network takes.
    ///
    /// # Errors
    /// [`SpecError`] says what does not fit, and what would.
    pub fn check(&self) -> Result<(), SpecError> {
        let (samples, cores) = (self.samples as u64, rayon::current_num_threads() as u64);
        let (inputs, outputs) = (self.shape.inputs() as u64, self.shape.outputs() as u64);
        // The data twice in f64; for every core the seven arrays over samples and units behind exact products with the
        // Hessian, and S.
        let units = (self.hidden_units() as u64).saturating_add(outputs.saturating_sub(1));
        let curvature = if outputs > 1 { outputs.saturating_pow(2) } else { 0 };
        let sample = (2 * 8 * (inputs + outputs)).saturating_add((7 * 8 * units + 8 * curvature) * cores);
        check_memory(&format!("{samples} samples"), samples.saturating_mul(sample))
            .map_err(|room| room.at_most("samples", sample))?;
        let parameters = self.shape.parameters() as u64;
        let bytes = 8 * parameters * (NETWORKS as u64 + TRUTH_VECTORS * cores);
        Ok(check_memory(&format!("{NETWORKS} networks of D = {parameters} parameters and their eigenvalues"), bytes)?)
    }

    /// Gaussian classes in M dimensions. With one output they are the paper's two, two coordinates at a time; with K
    /// outputs they are a mixture of K. The target of a sample is the number of its class for softmax, else a label or
    /// a value for each output, which is 1 for that of the class and 0 for the others.
    ///
    /// # Errors
    /// [`DataError`] for sizes of 0, fewer samples than classes, and softmax of one output.
    pub fn problem(&self, activation: Activation, loss: Loss) -> Result<Problem, SpecError> {
        let outputs = self.shape.outputs();
        let data = if outputs == 1 {
            self.two_classes()?.with_targets(|targets| targets.for_loss(loss))?
        } else {
            let mixture = BuiltIn::Mixture { classes: outputs, inputs: self.shape.inputs(), noise: 1.0 };
            Draw::new(mixture, 0).train(self.samples)?.with_targets(|targets| Ok(one_per_output(targets, loss)))?
        };
        if data.targets().outputs() != outputs {
            return Err(DataError::OneClass.into());
        }
        Ok(Problem::with_layers(self.shape.hidden(), activation, data)?)
    }

    /// The paper's two classes, two coordinates at a time.
    fn two_classes(&self) -> Result<Dataset, DataError> {
        let (samples, inputs) = (self.samples, self.shape.inputs());
        let mut x = Array2::zeros((samples, inputs));
        let mut q = Array1::zeros(samples);
        for (first, seed) in (0..inputs).step_by(2).zip(0..) {
            let plane = appendix_c(samples, seed, Stream::TrainData)?;
            let width = 2.min(inputs - first);
            x.slice_mut(s![.., first..first + width]).assign(&plane.x().slice(s![.., ..width]));
            if let Some(labels) = plane.q() {
                q.assign(&labels);
            }
        }
        Dataset::new(x, q)
    }

    /// Networks after 100 steps, (64, D): no longer random, not yet flat.
    pub(super) fn networks(problem: &Problem, cpu: &mut Cpu) -> Result<Array2<f64>, EngineError> {
        let mut descent = Descent { init_range: 2.0, max_steps: 0, tolerance: 0.0, ..Descent::default() };
        // The loss is a sum, so the step shrinks with the samples.
        descent.step_size = 2.0 / problem.data.samples() as f64;
        let is_of_paper = problem.paper().is_some_and(|paper| paper.network.activation == Activation::Sigmoid);
        if !is_of_paper {
            // Others may be too sharp for that, and diverge.
            let theta = cpu.train(problem, &descent, 0..NETWORKS as u64)?.theta;
            let found = cpu.evaluate(problem, theta.view().into())?;
            let parameters = problem.network.parameters();
            let bound = |k: usize| wolkowicz_styan(found.trace(k), found.trace_sq[k], parameters).lambda_sup;
            let sharpest = (0..NETWORKS).map(bound).fold(0.0, f64::max);
            if sharpest.is_normal() {
                descent.step_size = descent.step_size.min(1.0 / sharpest);
            }
        }
        descent.max_steps = 100;
        Ok(cpu.train(problem, &descent, 0..NETWORKS as u64)?.theta.mapv(f64::from))
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
        let paper = problem.paper();
        let rows = theta.slice(s![..COMPARED.min(theta.nrows()), ..]);
        let parameters = problem.network.parameters();
        let found = for_each_network(problem, rows.into(), |k, operator| {
            let theta = rows.row(k).to_vec();
            let assembled =
                (parameters <= ASSEMBLED_TRUTH).then(|| hessian(problem, &theta).iter().map(|h| h * h).sum::<f64>());
            let (trace, trace_sq) = match &paper {
                Some(paper) => {
                    let terms = terms(paper, &theta);
                    let trace = trace_ww(paper, &theta, &terms) + trace_vv(&terms);
                    (trace, assembled.unwrap_or_else(|| trace_sq(paper, &theta, &terms)))
                }
                None => {
                    let trace = layers::layer_traces(problem, &theta).iter().sum();
                    (trace, assembled.unwrap_or_else(|| layers::trace_sq(problem, &theta)))
                }
            };
            let lambda_max = lanczos(operator, 1e-12, parameters, 0).lambda_max;
            [wolkowicz_styan(trace, trace_sq, parameters).lambda_sup, lambda_max, trace, trace_sq]
        });
        let column = |k: usize| found.iter().map(|values| values[k]).collect();
        Self { lambda_sup: column(0), lambda_max: column(1), trace: column(2), trace_sq: column(3) }
    }
}

/// The targets of K classes for networks of K outputs.
fn one_per_output(targets: Targets, loss: Loss) -> Targets {
    let classes: Vec<usize> = match targets {
        Targets::Classes { of, count } if loss == Loss::Softmax => return Targets::Classes { of, count },
        Targets::Classes { of, .. } => of,
        // Two classes come as one label.
        Targets::Labels(t) | Targets::Values(t) => t.column(0).iter().map(|&t| usize::from(t > 0.5)).collect(),
    };
    let count = classes.iter().max().map_or(0, |largest| largest + 1);
    let each = |(i, k): (usize, usize)| f64::from(u8::from(classes[i] == k));
    match loss {
        Loss::Softmax => Targets::Classes { of: classes, count },
        Loss::Logistic => Targets::Labels(Array2::from_shape_fn((classes.len(), count), each)),
        Loss::Squared => Targets::Values(Array2::from_shape_fn((classes.len(), count), each)),
    }
}
