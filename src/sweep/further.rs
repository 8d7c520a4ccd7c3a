//! The columns of a run beyond the closed forms: scores, norms and bounds, the spectrum.

use ndarray::Array2;

use super::error::SweepError;
use crate::analysis::macro_f1_of_each;
use crate::bounds::{NetworkBounds, network_bounds_of_each};
use crate::engine::{Engine, EngineError, MissingSpectrum, Spectra, Status, Stop};
use crate::fallback;
use crate::model::{Problem, Theta};
use crate::polish::{End, Objective, Polish, Polished, polish_each};
use crate::records::{EIGENVECTORS, Values};
use crate::reference::{self, Spectrum, SpectrumError};
use crate::spec::{Experiment, Keep, SpectrumColumns};

/// The further columns of a batch.
#[derive(Default)]
pub(super) struct Further {
    /// In the order of [`crate::records::columns`].
    pub(super) columns: Vec<Values>,
    /// The networks whose spectrum is NaN.
    pub(super) no_spectrum: Vec<MissingSpectrum>,
}

impl Further {
    /// The columns that `experiment` asks for, of the networks `theta`. Spectra come from `engine`, and for the rows
    /// `again` from f64 on the processor.
    pub(super) fn of(
        experiment: &Experiment,
        engine: &mut dyn Engine,
        theta: Theta<'_>,
        again: &[usize],
        stop: &Stop,
    ) -> Result<Self, SweepError> {
        let Experiment { spec, problem, test } = experiment;
        let mut further = Self::default();
        stop.check()?;
        if let Some(test) = test {
            further.columns.push(Values::Float64(macro_f1_of_each(problem.network, test, theta)?));
        }
        stop.check()?;
        if spec.extra.bounds {
            let bounds = network_bounds_of_each(problem, theta);
            let column = |(_, value)| Values::Float64(bounds.iter().map(value).collect());
            further.columns.extend(NetworkBounds::COLUMNS.map(column));
        }
        stop.check()?;
        match spec.extra.spectrum {
            None => {}
            Some(SpectrumColumns::Values) => {
                let Spectra { lambda_max, lambda_min, missing } =
                    fallback::spectra(engine, problem, theta, again, stop)?;
                further.columns.extend([Values::Float64(lambda_max), Values::Float64(lambda_min)]);
                further.no_spectrum = missing;
            }
            Some(SpectrumColumns::Vectors) => further.add_vectors(problem, theta, stop)?,
        }
        Ok(further)
    }

    /// Adds the objective and its g.g, the column `gradient_sq`, of networks whose loss is `loss`.
    pub(super) fn add_objective(
        &mut self,
        objective: Objective<'_>,
        theta: Theta<'_>,
        loss: &[f64],
        gradient_sq: Vec<f64>,
    ) {
        let values = theta.map_networks(|row, network| objective.of_loss(loss[row], network));
        self.columns.extend([Values::Float64(values), Values::Float64(gradient_sq)]);
    }

    /// Adds where the descents of the networks `theta`, which ended training as `status` says, end.
    pub(super) fn add_ends(
        &mut self,
        objective: Objective<'_>,
        theta: Theta<'_>,
        how: &Polish,
        (keep, status): (Keep, &[Status]),
        stop: &Stop,
    ) -> Result<(), EngineError> {
        let polished = polish_each(objective, theta, how, stop)?;
        let mut weights = Array2::from_elem((theta.nrows(), theta.ncols()), f64::NAN);
        for (mut row, network) in weights.outer_iter_mut().zip(&polished) {
            row.iter_mut().zip(network.iter().flat_map(|network| &network.theta)).for_each(|(to, &from)| *to = from);
        }
        self.columns.extend(keep.theta(weights.view().into(), status));
        let float = |of: fn(&Polished) -> f64| {
            Values::Float64(polished.iter().map(|network| network.as_ref().map_or(f64::NAN, of)).collect())
        };
        let count = |of: fn(&Polished) -> usize| {
            let count = |network: &Option<Polished>| network.as_ref().map_or(0, of) as u32;
            Values::Uint32(polished.iter().map(count).collect())
        };
        let end = |network: &Option<Polished>| network.as_ref().map_or(End::Unfinished, |network| network.end) as u8;
        self.columns.extend([
            Values::Uint8(polished.iter().map(end).collect()),
            float(|network| network.objective),
            float(|network| network.gradient_sq),
            float(|network| network.distance),
            count(|network| network.index),
            count(|network| network.nullity),
            float(|network| network.lambda_sup),
            float(|network| network.lambda_max),
        ]);
        Ok(())
    }

    /// Adds lambda_max, lambda_min and u_1 to u_4 of every network, all in f64; NaN for a network without a spectrum.
    fn add_vectors(&mut self, problem: &Problem, theta: Theta<'_>, stop: &Stop) -> Result<(), EngineError> {
        let mut spectra = Vec::with_capacity(theta.nrows());
        for rows in theta.chunks(rayon::current_num_threads()) {
            stop.check()?;
            spectra.extend(reference::spectra(problem, rows, EIGENVECTORS));
        }
        let reason = |(row, spectrum): (usize, &Result<Spectrum, SpectrumError>)| {
            Some(MissingSpectrum { row, reason: spectrum.as_ref().err()?.to_string() })
        };
        self.no_spectrum = (0..).zip(&spectra).filter_map(reason).collect();
        let value = |of: fn(&Spectrum) -> f64| {
            Values::Float64(spectra.iter().map(|spectrum| spectrum.as_ref().map_or(f64::NAN, of)).collect())
        };
        self.columns.extend([value(Spectrum::lambda_max), value(Spectrum::lambda_min)]);
        let parameters = problem.network.parameters();
        for k in 0..EIGENVECTORS {
            let mut column = Vec::with_capacity(spectra.len() * parameters);
            for spectrum in &spectra {
                match spectrum {
                    Ok(spectrum) => column.extend(spectrum.eigenvectors.row(k)),
                    Err(_) => column.extend(std::iter::repeat_n(f64::NAN, parameters)),
                }
            }
            self.columns.push(Values::Float64(column));
        }
        Ok(())
    }
}
