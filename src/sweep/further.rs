//! The columns of a run beyond the closed forms: scores, norms and bounds, the spectrum.

use ndarray::{Array2, s};

use super::error::SweepError;
use crate::analysis::{Scorer, Scores, macro_f1_of_each};
use crate::bounds::{LayerBounds, NetworkBounds, layer_bounds_of_each, network_bounds_of_each};
use crate::engine::{Engine, EngineError, MissingSpectrum, Spectra, Status, Stop};
use crate::fallback::{self, Completed, end_estimates};
use crate::model::{Dataset, Layer, Problem, Reduction, Theta};
use crate::polish::{End, Objective, Polish, Polished, polish_each};
use crate::records::{EIGENVECTORS, Values, bracket_columns, gauss_newton_columns, layer_bound_columns, score_columns};
use crate::reference::layers::{GaussNewton, gauss_newton, gauss_newton_matrix};
use crate::reference::{self, Spectrum, SpectrumError};
use crate::spec::{Experiment, Keep, Spec, SpectrumColumns};

/// The further columns of a batch.
#[derive(Default)]
pub(super) struct Further {
    /// In the order of [`crate::records::columns`].
    pub(super) columns: Vec<Values>,
    /// The networks whose spectrum is NaN.
    pub(super) no_spectrum: Vec<MissingSpectrum>,
}

impl Further {
    /// The columns that `experiment` asks for, of the networks `theta`, whose closed forms are at hand. Spectra come
    /// from `engine`, and for the rows that were computed again from f64 on the processor.
    pub(super) fn of(
        experiment: &Experiment,
        engine: &mut dyn Engine,
        theta: Theta<'_>,
        Completed { evaluation, again }: &Completed,
        stop: &Stop,
    ) -> Result<Self, SweepError> {
        let Experiment { spec, problem, test } = experiment;
        let mut further = Self::default();
        stop.check()?;
        if let Some(test) = test {
            further.add_scores(spec, problem, test, theta)?;
        }
        stop.check()?;
        if spec.extra.bounds {
            further.add_bounds(problem, theta, stop)?;
        }
        stop.check()?;
        if spec.extra.gauss_newton {
            further.add_gauss_newton(problem, theta, spec.extra.spectrum.is_some(), stop)?;
        }
        stop.check()?;
        let first_of_spectrum = further.columns.len();
        if let Some(spectrum) = spec.extra.spectrum {
            if spectrum.is_whole() {
                further.add_spectra(problem, theta, spectrum, stop)?;
            } else {
                let Spectra { lambda_max, lambda_min, missing } =
                    fallback::spectra(engine, problem, theta, again, stop)?;
                further.columns.extend([Values::Float64(lambda_max), Values::Float64(lambda_min)]);
                further.no_spectrum = missing;
            }
            if spectrum.blocks {
                further.add_blocks(problem, theta, stop)?;
            }
        }
        stop.check()?;
        if let Some(asked) = spec.extra.brackets {
            let in_f64 = engine.evaluates_in_f64() || spec.extra.spectrum.is_some_and(SpectrumColumns::is_whole);
            let estimates = match &further.columns[first_of_spectrum..] {
                [Values::Float64(lambda_max), Values::Float64(lambda_min), ..] => {
                    let precise = |row: usize| in_f64 || again.binary_search(&row).is_ok();
                    Some(end_estimates(evaluation, (lambda_max, lambda_min), theta.ncols(), precise))
                }
                _ => None,
            };
            let brackets = fallback::brackets(engine, problem, theta, evaluation, (asked, estimates.as_deref()), stop)?;
            further.columns.extend(bracket_columns(&brackets));
        }
        Ok(further)
    }

    /// Adds the objective of networks whose loss is `loss`, and the squared norm of its gradient.
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

    /// Adds lambda_max and lambda_min of every network and what `columns` say beyond those, all in f64; NaN for a
    /// network without a spectrum.
    fn add_spectra(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        columns: SpectrumColumns,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        let vectors = if columns.vectors { EIGENVECTORS } else { 0 };
        let mut spectra = Vec::with_capacity(theta.nrows());
        for rows in theta.chunks(rayon::current_num_threads()) {
            stop.check()?;
            spectra.extend(reference::spectra(problem, rows, vectors));
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
        let rows = |width: usize, of: &dyn Fn(&Spectrum, &mut Vec<f64>)| {
            let mut column = Vec::with_capacity(spectra.len() * width);
            for spectrum in &spectra {
                match spectrum {
                    Ok(spectrum) => of(spectrum, &mut column),
                    Err(_) => column.extend(std::iter::repeat_n(f64::NAN, width)),
                }
            }
            Values::Float64(column)
        };
        for k in 0..vectors {
            self.columns.push(rows(parameters, &|spectrum, column| column.extend(spectrum.eigenvectors.row(k))));
        }
        if columns.all {
            self.columns.push(rows(parameters, &|spectrum, column| column.extend(&spectrum.eigenvalues)));
        }
        if let Some(count) = columns.ends {
            let largest = |spectrum: &Spectrum, column: &mut Vec<f64>| column.extend(&spectrum.eigenvalues[..count]);
            let smallest = |spectrum: &Spectrum, column: &mut Vec<f64>| {
                column.extend(spectrum.eigenvalues.iter().rev().take(count));
            };
            self.columns.extend([rows(count, &largest), rows(count, &smallest)]);
        }
        Ok(())
    }

    /// Adds the scores of every network on the `test` samples.
    fn add_scores(
        &mut self,
        spec: &Spec,
        problem: &Problem,
        test: &Dataset,
        theta: Theta<'_>,
    ) -> Result<(), SweepError> {
        if let Some(paper) = problem.paper() {
            self.columns.push(Values::Float64(macro_f1_of_each(paper.network, test, theta)?));
            return Ok(());
        }
        let scorer = Scorer::new(test);
        let each = theta.map_networks(|_, network| {
            scorer.clone().score(reference::layers::outputs(problem.network, test, network))
        });
        let scores: Vec<Scores> = each.into_iter().collect::<Result<_, _>>()?;
        let samples = match spec.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => test.samples() as f64,
        };
        let nan = f64::NAN;
        self.columns.extend(score_columns(spec).into_iter().map(|(name, _)| {
            let of = |scores: &Scores| match name {
                "macro_f1" => scores.macro_f1.unwrap_or(nan),
                "accuracy" => scores.accuracy.unwrap_or(nan),
                "r2" => scores.r2.unwrap_or(nan),
                _ => scores.loss / samples,
            };
            Values::Float64(scores.iter().map(of).collect())
        }));
        Ok(())
    }

    /// Adds the bounds of every network's traces and the norms in them, in f64: the paper's for a network of the
    /// paper's, else those of its layers.
    fn add_bounds(&mut self, problem: &Problem, theta: Theta<'_>, stop: &Stop) -> Result<(), EngineError> {
        if let Some(paper) = problem.paper() {
            let bounds = network_bounds_of_each(&paper, theta);
            let column = |(_, value)| Values::Float64(bounds.iter().map(value).collect());
            self.columns.extend(NetworkBounds::COLUMNS.map(column));
            return Ok(());
        }
        let mut bounds: Vec<LayerBounds> = Vec::with_capacity(theta.nrows());
        for rows in theta.chunks(rayon::current_num_threads()) {
            stop.check()?;
            bounds.extend(layer_bounds_of_each(problem, rows));
        }
        self.columns.extend(layer_bound_columns(problem.network.shape, &bounds));
        Ok(())
    }

    /// Adds the traces of the Gauss-Newton part of every network's Hessian, the bound of its largest eigenvalue, and if
    /// `numerically` that eigenvalue, all in f64; NaN where it cannot be computed.
    fn add_gauss_newton(
        &mut self,
        problem: &Problem,
        theta: Theta<'_>,
        numerically: bool,
        stop: &Stop,
    ) -> Result<(), EngineError> {
        let mut found = Vec::with_capacity(theta.nrows());
        for rows in theta.chunks(rayon::current_num_threads()) {
            stop.check()?;
            found.extend(rows.map_networks(|_, network| {
                let largest = numerically.then(|| {
                    let matrix = gauss_newton_matrix(problem, network);
                    reference::spectrum(matrix.view(), 0).map_or(f64::NAN, |spectrum| spectrum.lambda_max())
                });
                (gauss_newton(problem, network), largest)
            }));
        }
        let (parts, largest): (Vec<GaussNewton>, Vec<Option<f64>>) = found.into_iter().unzip();
        self.columns.extend(gauss_newton_columns(&parts, theta.ncols()));
        if numerically {
            self.columns.push(Values::Float64(largest.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect()));
        }
        Ok(())
    }

    /// Adds the largest eigenvalue of each layer's block of the Hessian of every network, in f64; NaN where a block has
    /// none.
    fn add_blocks(&mut self, problem: &Problem, theta: Theta<'_>, stop: &Stop) -> Result<(), EngineError> {
        let layers: Vec<Layer> = problem.network.shape.layers().collect();
        let mut found = Vec::with_capacity(theta.nrows());
        for rows in theta.chunks(rayon::current_num_threads()) {
            stop.check()?;
            found.extend(rows.map_networks(|_, network| {
                let hessian = reference::hessian(problem, network);
                let largest = |layer: &Layer| {
                    let own = layer.start..layer.start + layer.parameters();
                    let block = hessian.slice(s![own.clone(), own]);
                    reference::spectrum(block, 0).map_or(f64::NAN, |spectrum| spectrum.lambda_max())
                };
                layers.iter().map(largest).collect::<Vec<f64>>()
            }));
        }
        match problem.network.shape.hidden() {
            [_] => self.columns.extend((0..2).map(|l| Values::Float64(found.iter().map(|of| of[l]).collect()))),
            _ => self.columns.push(Values::Float64(found.concat())),
        }
        Ok(())
    }
}
