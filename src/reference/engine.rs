//! The reference as an engine: one network per task, on all cores.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, aview1};
use rayon::prelude::*;

use super::rounding::spread;
use super::{
    DescentEnd, gradient_sq, hessian, hessian_moments, layers, proven_ends, spectra, terms, trace_sq, trace_vv,
    trace_ww, train,
};
use crate::engine::{
    Arithmetic, ClosedForms, Descent, Description, EndEstimates, Engine, EngineError, Evaluation, HessianMoments,
    LayerTraces, Machine, Powers, ProvenEnds, Route, Spectra, Status, Stop, Tasks, Trained,
};
use crate::model::{Layer, PaperProblem, Problem, Theta, initial_theta};
use crate::room::check_memory;

/// [`Description::revision`] of this engine.
const REVISION: u32 = 2;

/// The closed forms of the network `theta` (D,): those of the paper for its networks, else those by layers.
pub(crate) fn closed_forms(problem: &Problem, theta: &[f64]) -> ClosedForms {
    match problem.paper() {
        Some(problem) => closed_forms_of_paper(&problem, theta),
        None => {
            let samples = problem.data.samples();
            let spread = layers::spread(problem, theta);
            ClosedForms {
                loss: layers::loss(problem, theta),
                gradient_sq: layers::gradient(problem, theta).iter().map(|g| g * g).sum(),
                layer_trace: LayerTraces::new(layers::layer_traces(problem, theta)),
                trace_sq: layers::trace_sq(problem, theta),
                rounding: Arithmetic::in_f64(samples).of_pairs(problem.network.shape, spread, 2 * samples),
            }
        }
    }
}

fn closed_forms_of_paper(problem: &PaperProblem<'_>, theta: &[f64]) -> ClosedForms {
    let samples = problem.data.samples();
    let arithmetic = Arithmetic::in_f64(samples);
    let terms = terms(problem, theta);
    ClosedForms {
        loss: terms.loss.iter().sum(),
        gradient_sq: gradient_sq(problem, theta, &terms),
        layer_trace: LayerTraces::new([trace_ww(problem, theta, &terms), trace_vv(&terms)]),
        trace_sq: trace_sq(problem, theta, &terms),
        // A term of tr H^2 goes through the sum over its row of pairs, then through that over the rows.
        rounding: arithmetic.of_pairs(problem.network.shape, spread(problem, theta, &terms), 2 * samples),
    }
}

/// A bound of how far the entries of [`hessian`] at `theta` (D,) are off, in the Frobenius norm.
fn hessian_error(problem: &Problem, theta: &[f64]) -> f64 {
    let samples = problem.data.samples();
    let arithmetic = Arithmetic::in_f64(samples);
    let rounding = match problem.paper() {
        Some(problem) => {
            let spread = spread(&problem, theta, &terms(&problem, theta));
            arithmetic.of_entries(problem.network.shape, spread, samples, (0.0, 0))
        }
        None => arithmetic.of_entries(problem.network.shape, layers::spread(problem, theta), samples, (0.0, 0)),
    };
    rounding.hessian
}

/// The f64 oracle behind the [`Engine`] interface.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    stop: Stop,
}

/// The steps of one network between two checks for a stop, times I D: about ten milliseconds of work.
const PATIENCE: usize = 1 << 20;

impl Reference {
    /// Trains one network from `seed`; its theta is rounded to f32, as it is recorded.
    ///
    /// Cutting a descent into parts does not change it: each part begins with the test that ended the one before.
    fn train_one(
        &self,
        problem: &Problem,
        descent: &Descent,
        seed: u64,
    ) -> Result<(Vec<f32>, DescentEnd), EngineError> {
        let start = initial_theta(problem.network.parameters(), seed, descent.init_range);
        let mut theta: Vec<f64> = start.into_iter().map(f64::from).collect();
        let part = (PATIENCE / (problem.data.samples() * theta.len())).clamp(1, 1 << 16) as u32;
        let mut steps = 0;
        loop {
            let max_steps = part.min(descent.max_steps - steps);
            let end = train(problem, &Descent { max_steps, ..*descent }, &mut theta);
            steps += end.steps;
            if end.status != Status::StepLimit || steps == descent.max_steps {
                let theta: Vec<f32> = theta.into_iter().map(|t| t as f32).collect();
                // A weight beyond the range of f32 is recorded as infinite: whoever reads the network finds it
                // non-finite.
                let finite = theta.iter().all(|t| t.is_finite());
                let status = if finite { end.status } else { Status::NonFinite };
                return Ok((theta, DescentEnd { status, steps }));
            }
            self.stop.check()?;
        }
    }
}

/// Fails unless memory holds the terms of one network of `problem` for every core.
///
/// # Errors
/// [`EngineError::Room`].
pub(crate) fn check_terms(problem: &Problem) -> Result<(), EngineError> {
    // y, r, f' and f'' of every unit and sample.
    let of_sample = 4 * problem.network.shape.hidden().iter().sum::<usize>();
    check_samples(problem, if problem.paper().is_some() { of_sample } else { of_sample + of_derivatives(problem) })
}

/// Fails unless memory holds what the Gauss-Newton part of one network of `problem` takes for every core.
///
/// # Errors
/// [`EngineError::Room`].
pub(crate) fn check_gauss_newton(problem: &Problem) -> Result<(), EngineError> {
    let outputs = problem.network.shape.outputs();
    // h, E and S of every sample, and all derivatives of one.
    let of_sample = problem.network.shape.layers().map(|layer| layer.inputs + 1 + outputs * layer.units).sum::<usize>();
    let of_one = of_derivatives(problem).div_ceil(problem.data.samples());
    check_samples(problem, of_sample + outputs * outputs + of_one)
}

/// The numbers of M_lm, R_lm and E_l of one sample.
fn of_derivatives(problem: &Problem) -> usize {
    let layers: Vec<Layer> = problem.network.shape.layers().collect();
    let outputs = problem.network.shape.outputs();
    let pairs = |l: usize| {
        let of_pair = |m: &Layer| (m.units + m.inputs) * layers[l].units;
        layers[l..].iter().map(of_pair).sum::<usize>() + outputs * layers[l].units
    };
    (0..layers.len()).map(pairs).sum()
}

/// Fails unless memory holds `of_sample` numbers of f64 for every sample of `problem` and every core.
fn check_samples(problem: &Problem, of_sample: usize) -> Result<(), EngineError> {
    let hidden = problem.network.shape.hidden().iter().sum::<usize>();
    let samples = problem.data.samples() as u64;
    let bytes = samples.saturating_mul(of_sample as u64).saturating_mul(8 * rayon::current_num_threads() as u64);
    Ok(check_memory(&format!("{hidden} hidden units on {samples} samples"), bytes)?)
}

/// Fails unless memory holds what the spectrum of one network of D = `parameters` takes on every core.
///
/// # Errors
/// [`EngineError::Room`].
pub(crate) fn check_spectra(parameters: usize) -> Result<(), EngineError> {
    let parameters = parameters as u64;
    // The Hessian, its shifted copy, and the eigenvectors twice, in f64.
    let bytes = parameters.saturating_pow(2).saturating_mul(4 * 8 * rayon::current_num_threads() as u64);
    Ok(check_memory(&format!("the Hessians of D = {parameters} parameters"), bytes)?)
}

impl Engine for Reference {
    fn machine(&self) -> Machine {
        Machine {
            engine: "reference".into(),
            precision: "f64".into(),
            device: format!("CPU, {} threads", rayon::current_num_threads()),
            driver: String::new(),
            id: String::new(),
        }
    }

    fn description(&self, _problem: &Problem, _tasks: Tasks) -> Description {
        // The reference has one route, forms over pairs, whatever route is asked for.
        Description::of_processor(self.machine(), REVISION, Route::Pairwise)
    }

    fn batch_size(&self, problem: &Problem) -> Result<usize, EngineError> {
        check_terms(problem)?;
        // Enough networks to fill the cores despite uneven step counts, few enough that progress shows.
        Ok(32 * self.smallest_batch())
    }

    fn smallest_batch(&self) -> usize {
        rayon::current_num_threads()
    }

    fn stop_on(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    fn train(&mut self, problem: &Problem, descent: &Descent, seeds: Range<u64>) -> Result<Trained, EngineError> {
        let each = seeds.into_par_iter().map(|seed| {
            self.stop.check()?;
            self.train_one(problem, descent, seed)
        });
        let networks: Vec<_> = each.collect::<Result<_, _>>()?;
        let mut theta = Array2::zeros((networks.len(), problem.network.parameters()));
        for (mut row, (network, _)) in theta.axis_iter_mut(Axis(0)).zip(&networks) {
            row.assign(&aview1(network));
        }
        let (status, steps) = networks.iter().map(|(_, end)| (end.status, end.steps)).unzip();
        Ok(Trained { theta, status, steps })
    }

    fn train_on(
        &mut self,
        _problem: &Problem,
        _descent: &Descent,
        _theta: ArrayView2<'_, f32>,
        _taken: u32,
    ) -> Result<Trained, EngineError> {
        Err(EngineError::Limit(
            "the reference engine trains in f64, but records weights in float32: training that goes on from those \
             would end elsewhere. Start another run with more steps, or use --backend cpu for runs that are to be \
             extended"
                .into(),
        ))
    }

    fn evaluates_in_f64(&self) -> bool {
        true
    }

    fn evaluate(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Evaluation, EngineError> {
        let each = theta.map_networks(|_, network| {
            self.stop.check()?;
            Ok(closed_forms(problem, network))
        });
        each.into_iter().collect()
    }

    fn spectrum(&mut self, problem: &Problem, theta: Theta<'_>) -> Result<Spectra, EngineError> {
        check_spectra(problem.network.parameters())?;
        let mut found = Spectra::default();
        // One network per core at a time: the time of one spectrum grows with the cube of D.
        for rows in theta.chunks(self.smallest_batch()) {
            self.stop.check()?;
            for spectrum in spectra(problem, rows, 0) {
                found.push(match spectrum {
                    Ok(spectrum) => Ok((spectrum.lambda_max(), spectrum.lambda_min())),
                    Err(error) => Err(error.to_string()),
                });
            }
        }
        Ok(found)
    }

    fn moments(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        powers: Powers,
    ) -> Result<Vec<HessianMoments>, EngineError> {
        check_spectra(problem.network.parameters())?;
        let each = theta.map_networks(|_, network| {
            self.stop.check()?;
            Ok(hessian_moments(hessian(problem, network).view(), powers, hessian_error(problem, network)))
        });
        each.into_iter().collect()
    }

    fn prove(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        estimates: &[EndEstimates],
    ) -> Result<Vec<ProvenEnds>, EngineError> {
        check_spectra(problem.network.parameters())?;
        let each = theta.map_networks(|row, network| {
            self.stop.check()?;
            let error = hessian_error(problem, network);
            Ok(proven_ends(hessian(problem, network).view(), estimates[row], error))
        });
        each.into_iter().collect()
    }
}
