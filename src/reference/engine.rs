//! The reference as an engine: one network a task, all cores.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::rounding::{UNIT, spread};
use super::{gradient_sq, spectra, terms, trace_sq, trace_vv, trace_ww, train};
use crate::engine::{
    Arithmetic, Descent, Description, Engine, EngineError, Evaluation, Rounding, Route, Spectra, Trained,
};
use crate::model::{Problem, initial_theta};

/// What underflow may leave of tr H^2 in f64, with room for factors of 1e60: below it the Hessian is as good as 0.
const UNDERFLOW: f64 = 1e-240;

/// The f64 oracle behind the [`Engine`] interface.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reference;

impl Engine for Reference {
    fn description(&self) -> Description {
        Description {
            engine: "reference".into(),
            precision: "f64".into(),
            device: format!("CPU, {} threads", rayon::current_num_threads()),
            driver: String::new(),
            code_hash: String::new(),
            route: Route::Pairwise,
        }
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

    fn evaluate(&mut self, problem: &Problem, theta: ArrayView2<'_, f64>) -> Result<Evaluation, EngineError> {
        let samples = problem.data.samples();
        let arithmetic = Arithmetic { unit: UNIT, trace_chain: samples, underflow: UNDERFLOW };
        let networks: Vec<([f64; 5], Rounding)> = theta
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|row| {
                let theta = row.to_vec();
                let terms = terms(problem, &theta);
                let values = [
                    terms.loss.iter().sum(),
                    gradient_sq(problem, &theta, &terms),
                    trace_ww(problem, &theta, &terms),
                    trace_vv(&terms),
                    trace_sq(problem, &theta, &terms),
                ];
                (values, arithmetic.of_pairs(problem.shape, spread(problem, &theta, &terms), 2 * samples))
            })
            .collect();
        let column = |k: usize| networks.iter().map(|(values, _)| values[k]).collect();
        Ok(Evaluation {
            loss: column(0),
            gradient_sq: column(1),
            trace_ww: column(2),
            trace_vv: column(3),
            trace_sq: column(4),
            rounding: networks.iter().map(|(_, rounding)| *rounding).collect(),
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
