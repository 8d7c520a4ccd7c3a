//! What the figures need of one run: its unique critical points, or all of them, with the columns that the run recorded
//! and what f64 computes from theta.
//!
//! A damaged column costs the figures that need it and a notice, not the report.

use std::ops::Range;

use ndarray::{Array2, Axis};

use super::measured::{Measured, at, measure};
use crate::analysis::{
    AnalysisError, ComparedNetworks, MannWhitney, Maps, duplicates, mann_whitney, median, quantiles, same_networks,
};
use crate::engine::{Descent, Status};
use crate::model::{Network, Problem, Theta};
use crate::reference;
use crate::run::{Population, Run, RunError, State};
use crate::spec::{Experiment, Spec, Work};
use crate::watch::Watch;

/// What a figure of the paper's networks says about others.
pub(super) const NO_PAPER: &str =
    "it is about one hidden layer, one output, the logistic loss, and samples that all count once";

/// The paper calls a critical point a minimum; below this smallest eigenvalue it is none.
const SADDLE: f64 = -1e-3;

/// The level of `lambda_sup` that divides low from high.
const LOW: f64 = 0.9;

/// Which networks of a run are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Selection {
    /// Of those that converged, one of each that are the same by `duplicates --by symmetry`
    #[default]
    Unique,
    /// The same by the paper's rule, `duplicates --by distance`
    #[cfg_attr(feature = "cli", value(skip))]
    UniqueByDistance,
    /// All that converged, or were evaluated without a verdict
    Converged,
    /// All that are computed and finite
    All,
}

impl Selection {
    /// What its networks are called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Unique | Self::UniqueByDistance => "unique critical points",
            Self::Converged => "critical points, unique or not",
            Self::All => "networks that are finite, converged or not",
        }
    }
}

/// The networks of one run that are shown, as a rule its unique critical points. Columns have one value for each of
/// `rows`.
#[derive(Debug, Clone)]
pub struct CriticalPoints {
    /// The run that they belong to.
    pub(super) run: Run,
    /// What was run.
    pub spec: Spec,
    /// The problem and data, unless the run's copy of the data is damaged.
    pub experiment: Option<Experiment>,
    /// How many networks are computed: S, all networks of the run, once it is finished.
    pub networks: usize,
    /// How many networks converged, or were evaluated without a verdict.
    pub converged: usize,
    /// Which networks are shown.
    pub over: Selection,
    /// Their rows, ascending.
    pub rows: Vec<usize>,
    /// How duplicates were found, in words.
    pub duplicates: Option<String>,
    /// Column `lambda_sup`.
    pub lambda_sup: Option<Vec<f64>>,
    /// Column `macro_f1`.
    pub macro_f1: Option<Vec<f64>>,
    /// Column `trace`.
    pub trace: Option<Vec<f64>>,
    /// Column `trace_sq`.
    pub trace_sq: Option<Vec<f64>>,
    /// Column `lambda_max`, of a run with the spectrum.
    pub lambda_max: Option<Vec<f64>>,
    /// Column `theta`, (rows, D).
    pub theta: Option<Array2<f64>>,
    /// What is computed from theta.
    pub measured: Option<Measured>,
}

/// The critical points on both sides of the 90 % quantile of `lambda_sup`.
#[derive(Debug, Clone)]
pub(super) struct LowAndHigh {
    /// The quantile, which counts as low.
    pub(super) threshold: f64,
    /// Finite macro F1 of the low and of the high ones.
    pub(super) macro_f1: Option<(Vec<f64>, Vec<f64>)>,
    /// How many are low.
    pub(super) low: usize,
    /// How many are high.
    pub(super) high: usize,
    /// Whether the macro F1 of the low ones differs from that of the high ones.
    pub(super) test: Option<MannWhitney>,
}

impl CriticalPoints {
    /// Reads `run` and computes what the figures need of the networks that are selected by `over`. What is damaged is
    /// left out, and `notices` say so.
    pub fn of(run: &Run, over: Selection, notices: &mut Vec<String>, watch: &dyn Watch) -> Self {
        let mut reader = Reader { run, over, notices };
        let experiment = reader.value(run.experiment());
        let (networks, converged) = reader.converged();
        let theta = reader.value(run.theta());
        watch.at("comparing networks", 0, 0);
        let (rows, duplicates) = match over {
            Selection::Converged => (converged.clone(), None),
            Selection::All => (reader.computed(), None),
            Selection::Unique | Selection::UniqueByDistance => reader
                .unique(&converged, theta.as_ref())
                .map_or_else(|| (converged.clone(), None), |(rows, words)| (rows, Some(words))),
        };
        // What could not be compared is not said to be unique.
        let is_compared = duplicates.is_some() || rows.len() < 2;
        let over = if over == Selection::All || is_compared { over } else { Selection::Converged };
        let mut column = |name: &str| {
            let values = reader.value(run.floats(name))?;
            Some(rows.iter().map(|&row| values[row]).collect::<Vec<f64>>())
        };
        let lambda_sup = column("lambda_sup");
        let (trace, trace_sq) = (column("trace"), column("trace_sq"));
        let [macro_f1, lambda_max, lambda_min] =
            ["macro_f1", "lambda_max", "lambda_min"].map(|name| if run.has(name) { column(name) } else { None });
        let theta = theta.map(|theta| theta.select(Axis(0), &rows));
        let measured = match (&experiment, &theta) {
            (Some(experiment), Some(theta)) if !rows.is_empty() => {
                let recorded = lambda_max.clone().zip(lambda_min);
                Some(measure(&experiment.problem, theta.view(), recorded, watch))
            }
            _ => None,
        };
        if let Some(measured) = &measured {
            let fewer = [
                ("eigenvalues", &measured.index),
                ("finite differences", &measured.difference_index),
                ("norms of the weights", &measured.norm_index),
            ]
            .into_iter()
            .filter(|(_, index)| index.len() < rows.len())
            .map(|(what, index)| format!("{what} of {}", index.len()))
            .collect::<Vec<String>>();
            if !fewer.is_empty() {
                reader.notices.push(format!(
                    "To end in time, of {} {} some quantities are computed for fewer, evenly spaced in the order of \
                     rows: {}.",
                    rows.len(),
                    over.noun(),
                    fewer.join(", ")
                ));
            }
        }
        Self {
            run: run.clone(),
            spec: run.manifest().spec.clone(),
            experiment,
            networks,
            converged: converged.len(),
            over,
            rows,
            duplicates,
            lambda_sup,
            macro_f1,
            trace,
            trace_sq,
            lambda_max,
            theta,
            measured,
        }
    }

    /// Column `lambda_sup`, or that it is missing, as a clause.
    pub(super) fn bounds(&self) -> Result<&[f64], &'static str> {
        self.lambda_sup.as_deref().ok_or("it needs the column lambda_sup")
    }

    /// Whether the run has the column `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.run.has(name)
    }

    /// The float64 column `name` of the run, one value for each of `rows`.
    pub(super) fn column(&self, name: &str) -> Result<Vec<f64>, RunError> {
        let values = self.run.floats(name)?;
        Ok(at(&values, &self.rows))
    }

    /// The float64 column `name` of the run with several values in a row, for each of `rows`.
    pub(super) fn wide_column(&self, name: &str) -> Result<Array2<f64>, RunError> {
        Ok(self.run.wide_floats(name)?.select(Axis(0), &self.rows))
    }

    /// The problem and theta, or that one is missing, as a clause.
    pub(super) fn weights(&self) -> Result<(&Problem, &Array2<f64>), &'static str> {
        let both = self.experiment.as_ref().zip(self.theta.as_ref()).ok_or("it needs theta and the run's data")?;
        Ok((&both.0.problem, both.1))
    }

    /// The seed of the critical point at position `k` of `rows`, for networks that were trained here.
    pub fn seed(&self, k: usize) -> Option<u64> {
        match self.spec.work {
            Work::Sweep { seeds, .. } => Some(seeds.first + self.rows[k] as u64),
            Work::Evaluate { .. } => None,
        }
    }

    /// What a caption calls the critical point at position `k` of `rows`.
    pub fn label(&self, k: usize) -> String {
        self.seed(k).map_or_else(|| format!("network {}", self.rows[k]), |seed| format!("seed {seed}"))
    }

    /// Positions of the critical points with a finite `lambda_sup`, the sharpest first.
    pub fn by_sharpness(&self) -> Vec<usize> {
        let Ok(lambda_sup) = self.bounds() else { return Vec::new() };
        let mut order: Vec<usize> = (0..lambda_sup.len()).filter(|&k| lambda_sup[k].is_finite()).collect();
        order.sort_by(|&a, &b| lambda_sup[b].total_cmp(&lambda_sup[a]));
        order
    }

    /// Two networks of `order`, positions of critical points: the first, and the next that is not the same by its
    /// function ([`Maps::Function`]); with those passed over in between.
    ///
    /// # Errors
    /// What is missing, as a clause.
    pub(super) fn two_by_function(&self, order: &[usize]) -> Result<(Vec<usize>, Vec<usize>), &'static str> {
        let (problem, theta) = self.weights()?;
        let Network { shape, activation } = problem.network;
        let Some((&first, others)) = order.split_first() else { return Ok((Vec::new(), Vec::new())) };
        let mut passed_over = Vec::new();
        for &other in others {
            let pair = theta.select(Axis(0), &[first, other]);
            let rounded = pair.mapv(|value| value as f32);
            let loss = Theta::from(pair.view()).map_networks(|_, weights| reference::loss(problem, weights));
            let networks = ComparedNetworks {
                shape,
                activation,
                trained_on: problem.loss(),
                theta: rounded.view(),
                loss: &loss,
                // By function it may differ.
                lambda_sup: &[0.0; 2],
            };
            // Networks that cannot be matched are shown as they are.
            if same_networks(&networks, Maps::Function).map_or(2, |same| same.unique()) == 2 {
                return Ok((vec![first, other], passed_over));
            }
            passed_over.push(other);
        }
        Ok((vec![first], passed_over))
    }

    /// Divides the critical points into those of low and those of high `lambda_sup`.
    pub(super) fn low_and_high(&self) -> Result<LowAndHigh, Box<dyn std::error::Error>> {
        let lambda_sup = self.bounds()?;
        let order = self.by_sharpness();
        let threshold = quantiles(&at(lambda_sup, &order), &[LOW])?[0];
        let (high, low): (Vec<usize>, Vec<usize>) = order.iter().partition(|&&k| lambda_sup[k] > threshold);
        let both = |column: &Vec<f64>| (finite(&at(column, &low)), finite(&at(column, &high)));
        let macro_f1 = self.macro_f1.as_ref().map(both);
        let test = macro_f1.as_ref().and_then(|(low, high)| mann_whitney(low, high).ok());
        Ok(LowAndHigh { threshold, macro_f1, low: low.len(), high: high.len(), test })
    }

    /// Whether `lambda_sup` is higher in `wider` than here.
    pub(super) fn test_against(&self, wider: &Self) -> Option<MannWhitney> {
        mann_whitney(&finite(self.bounds().ok()?), &finite(wider.bounds().ok()?)).ok()
    }

    /// The median of the critical points' finite `lambda_sup`.
    pub fn median_lambda_sup(&self) -> Option<f64> {
        median(&finite(self.bounds().ok()?)).ok()
    }

    /// How many critical points have a smallest eigenvalue below -1e-3, of how many whose smallest eigenvalue is known.
    /// The eigenvalues are those of the objective that was trained: with weight decay alpha those of H plus alpha.
    pub fn saddles(&self) -> Option<(usize, usize)> {
        let known = finite(&self.measured.as_ref()?.lambda_min);
        Some((known.iter().filter(|&&value| value + self.spec.work.weight_decay() < SADDLE).count(), known.len()))
    }
}

/// The values of `column` that are numbers.
pub(super) fn finite(column: &[f64]) -> Vec<f64> {
    column.iter().copied().filter(|value| value.is_finite()).collect()
}

/// Reads a run and turns errors into notices.
struct Reader<'a> {
    run: &'a Run,
    over: Selection,
    notices: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn value<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.notices.push(error.to_string())).ok()
    }

    /// The rows of `converged` that are kept as unique, and how they were found, in words; `None` where they cannot be
    /// found.
    fn unique(&mut self, converged: &[usize], theta: Option<&Array2<f64>>) -> Option<(Vec<usize>, String)> {
        let Some(theta) = theta else {
            self.notices.push("without theta no duplicates can be found: every converged network counts".into());
            return None;
        };
        if converged.len() < 2 {
            return None;
        }
        let points = theta.select(Axis(0), converged).mapv(|value| value as f32);
        let found: Result<(String, Vec<bool>), AnalysisError> = if self.over == Selection::UniqueByDistance {
            duplicates(points.view()).map(|found| (found.to_string(), found.kept))
        } else {
            let [Ok(loss), Ok(lambda_sup)] = ["loss", "lambda_sup"].map(|name| self.run.floats(name)) else {
                self.notices.push(
                    "without loss and lambda_sup no duplicates can be found: every converged network counts".into(),
                );
                return None;
            };
            let (loss, lambda_sup) = (at(&loss, converged), at(&lambda_sup, converged));
            let spec = &self.run.manifest().spec;
            let shape = self.value(spec.shape())?;
            let (activation, trained_on, theta) = (spec.activation, spec.loss, points.view());
            let networks =
                ComparedNetworks { shape, activation, trained_on, theta, loss: &loss, lambda_sup: &lambda_sup };
            same_networks(&networks, Maps::Symmetry).map(|found| (found.to_string(), found.kept))
        };
        let (words, kept) = self.value(found)?;
        Some((converged.iter().zip(kept).filter(|(_, kept)| *kept).map(|(&row, _)| row).collect(), words))
    }

    /// The rows of all networks that are computed and finite; of all that are computed where their status is damaged.
    fn computed(&self) -> Vec<usize> {
        // What is wrong with the status is said where those that converged are counted.
        let status = self.run.status().ok();
        let rows = self.run.written().unwrap_or_else(|_| self.every_row());
        rows_of(&rows)
            .filter(|&row| {
                status
                    .as_ref()
                    .is_none_or(|status| status.get(row).is_some_and(|&status| Population::All.holds(status)))
            })
            .collect()
    }

    fn every_row(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.run.manifest().spec.rows()).collect()
    }

    /// How many networks are computed, and the rows of those that converged or were evaluated without a verdict: by the
    /// status column, or where that is damaged by the definition that it follows.
    fn converged(&mut self) -> (usize, Vec<usize>) {
        let manifest = self.run.manifest();
        let work = &manifest.spec.work;
        if manifest.state == State::Running {
            self.notices.push(
                "The run is not finished: rows that are not written yet are left out. Go on with `sharpsweep resume`."
                    .into(),
            );
        }
        let written = self.value(self.run.written()).unwrap_or_else(|| self.every_row());
        if let Some(status) = self.value(self.run.status()) {
            let ended: Vec<(usize, Status)> = rows_of(&written)
                .filter_map(|row| Some((row, Status::from_number(*status.get(row)?)?)))
                .filter(|(_, status)| *status != Status::Pending)
                .collect();
            let critical: Vec<usize> =
                ended.iter().filter(|(_, status)| status.is_critical_point()).map(|(row, _)| *row).collect();
            let diverged = ended.iter().filter(|(_, status)| *status == Status::NonFinite).count();
            let none = if self.over == Selection::All { diverged == ended.len() } else { critical.is_empty() };
            if none && !ended.is_empty() {
                self.notices.push(no_critical_point(work, ended.len(), diverged));
            }
            return (ended.len(), critical);
        }
        let (tolerance, rule) = match *work {
            Work::Sweep { descent: Descent { tolerance, .. }, .. }
            | Work::Evaluate { tolerance: Some(tolerance), .. } => {
                (tolerance, format!("networks with g·g below {tolerance} count as converged"))
            }
            Work::Evaluate { tolerance: None, .. } => (f64::INFINITY, "every network with a finite g·g counts".into()),
        };
        let count = rows_of(&written).count();
        let of_objective = if work.weight_decay() > 0.0 { "objective_gradient_sq" } else { "gradient_sq" };
        let Some(gradient_sq) = self.value(self.run.floats(of_objective)) else { return (count, Vec::new()) };
        self.notices.push(format!("Without the status column, {rule}."));
        // Rows that were never written are all zero; in a finished run there are none.
        let is_written = |value: f64| manifest.state == State::Finished || value > 0.0;
        let below = |row: &usize| gradient_sq.get(*row).is_some_and(|&value| value < tolerance && is_written(value));
        (count, rows_of(&written).filter(below).collect())
    }
}

/// The rows in `ranges`, one by one.
fn rows_of(ranges: &[Range<u64>]) -> impl Iterator<Item = usize> + '_ {
    ranges.iter().flat_map(|rows| rows.start as usize..rows.end as usize)
}

/// That there is no critical point among `networks`, of which `diverged` are not finite, why, and what to do.
fn no_critical_point(work: &Work, networks: usize, diverged: usize) -> String {
    let limit = networks - diverged;
    match work {
        Work::Sweep { .. } if limit == 0 => format!(
            "All {diverged} networks diverged, so there is no critical point to show: try a smaller --step-size."
        ),
        Work::Sweep { .. } => format!(
            "No network converged ({limit} reached the step limit, {diverged} diverged), so there is no critical point \
             to show: try more --max-steps or another --step-size."
        ),
        Work::Evaluate { tolerance: Some(tolerance), .. } if limit > 0 => format!(
            "No network has g·g below the tolerance {tolerance}, so there is no critical point to show: evaluate them \
             with another --tolerance, or without one, which judges none."
        ),
        Work::Evaluate { .. } => {
            "No network is finite (its g·g leaves the range of the engine's numbers), so there is nothing to show."
                .into()
        }
    }
}
