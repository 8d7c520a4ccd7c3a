//! The reference as an engine: one network a task, all cores.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::rounding::{UNIT, spread};
use super::{gradient_sq, spectra, terms, trace_sq, trace_vv, trace_ww, train};
use crate::engine::{
    Arithmetic, Descent, Description, Engine, EngineError, Evaluation, Machine, Rounding, Route, Spectra, Tasks,
    Trained,
};
use crate::model::{Problem, initial_theta};

/// The revision of this engine's numerics. Raise it with every change after which a column may hold other bits than before, whether
/// here or in what the processor computes beside the engine: runs of another revision are then neither gone on with nor merged
/// with, instead of ending in columns of two kinds. Revision 1 is that of runs that record none.
const REVISION: u32 = 2;

/// The closed forms of one network.
pub(crate) struct ClosedForms {
    /// L.
    pub(crate) loss: f64,
    /// g.g.
    pub(crate) gradient_sq: f64,
    /// tr H(w,w).
    pub(crate) trace_ww: f64,
    /// tr H(v,v).
    pub(crate) trace_vv: f64,
    /// tr H^2.
    pub(crate) trace_sq: f64,
    /// By how much the traces may be off.
    pub(crate) rounding: Rounding,
}

/// The closed forms of the network `theta` (D,).
pub(crate) fn closed_forms(problem: &Problem, theta: &[f64]) -> ClosedForms {
    let samples = problem.data.samples();
    let arithmetic = Arithmetic { unit: UNIT, trace_chain: samples, underflow: UNDERFLOW };
    let terms = terms(problem, theta);
    ClosedForms {
        loss: terms.loss.iter().sum(),
        gradient_sq: gradient_sq(problem, theta, &terms),
        trace_ww: trace_ww(problem, theta, &terms),
        trace_vv: trace_vv(&terms),
        trace_sq: trace_sq(problem, theta, &terms),
        // A term of tr H^2 goes through the sum of its row of pairs and that of the rows.
        rounding: arithmetic.of_pairs(problem.shape, spread(problem, theta, &terms), 2 * samples),
    }
}

/// What underflow may leave of tr H^2 in f64, with room for factors of 1e60: below it the Hessian is as good as 0.
const UNDERFLOW: f64 = 1e-240;

/// The f64 oracle behind the [`Engine`] interface.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reference;

impl Engine for Reference {
    fn machine(&self) -> Machine {
        Machine {
            engine: "reference".into(),
            precision: "f64".into(),
            device: format!("CPU, {} threads", rayon::current_num_threads()),
            driver: String::new(),
        }
    }

    fn description(&self, _problem: &Problem, _tasks: Tasks) -> Description {
        // The paper's forms over pairs are the only route here, whatever is asked for.
        let route = Route::Pairwise;
        Description { machine: self.machine(), revision: REVISION, code_hash: String::new(), route }
    }

    fn batch_size(&self, _problem: &Problem) -> Result<usize, EngineError> {
        // Enough that uneven step counts still fill the cores, few enough that progress shows.
        Ok(32 * rayon::current_num_threads())
    }

    fn train(&mut self, problem: &Problem, descent: &Descent, seeds: Range<u64>) -> Result<Trained, EngineError> {
        let networks: Vec<_> = seeds
            .into_par_iter()
            .map(|seed| {
                let start = initial_theta(problem.shape, seed, descent.init_range);
                let mut theta: Vec<f64> = start.into_iter().map(f64::from).collect();
                let outcome = train(problem, descent, &mut theta);
                (theta, outcome)
            })
            .collect();
        let mut theta = Array2::zeros((networks.len(), problem.shape.parameters()));
        for (mut row, (network, _)) in theta.axis_iter_mut(Axis(0)).zip(&networks) {
            row.iter_mut().zip(network).for_each(|(to, &from)| *to = from as f32);
        }
        let (status, steps) = networks.iter().map(|(_, outcome)| (outcome.status, outcome.steps)).unzip();
        Ok(Trained { theta, status, steps })
    }

    fn evaluates_in_f64(&self) -> bool {
        true
    }

    fn evaluate(&mut self, problem: &Problem, theta: ArrayView2<'_, f64>) -> Result<Evaluation, EngineError> {
        let networks: Vec<ClosedForms> =
            theta.axis_iter(Axis(0)).into_par_iter().map(|row| closed_forms(problem, &row.to_vec())).collect();
        let column = |of: fn(&ClosedForms) -> f64| networks.iter().map(of).collect();
        Ok(Evaluation {
            loss: column(|found| found.loss),
            gradient_sq: column(|found| found.gradient_sq),
            trace_ww: column(|found| found.trace_ww),
            trace_vv: column(|found| found.trace_vv),
            trace_sq: column(|found| found.trace_sq),
            rounding: networks.iter().map(|found| found.rounding).collect(),
        })
    }

    fn spectrum(&mut self, problem: &Problem, theta: ArrayView2<'_, f64>) -> Result<Spectra, EngineError> {
        let mut found = Spectra::default();
        for spectrum in spectra(problem, theta, 0) {
            found.push(match spectrum {
                Ok(spectrum) => Ok((spectrum.lambda_max(), spectrum.lambda_min())),
                Err(error) => Err(error.to_string()),
            });
        }
        Ok(found)
    }
}
