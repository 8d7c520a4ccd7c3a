//! What the figures need of one run: its unique critical points, or all of them, the columns that the run recorded of them, and what
//! f64 computes from theta.
//!
//! A damaged column costs the figures that need it and a notice, not the report.

use ndarray::{Array2, Axis};

use super::lettering::number;
use super::measured::{Measured, measure};
use crate::analysis::{Maps, Networks, duplicates, median, same_networks};
use crate::engine::{Descent, Status};
use crate::reference;
use crate::run::{Population, Run, State};
use crate::spec::{DataSource, Experiment, Spec, Work};
use crate::watch::Watch;

/// The paper calls a critical point a minimum; below this smallest eigenvalue it is none.
pub(super) const SADDLE: f64 = -1e-3;

/// Which networks of a run are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Over {
    /// One of each that are the same by [`Maps::Symmetry`], of those that converged.
    #[default]
    Unique,
    /// The same by the paper's rule, [`duplicates`](fn@duplicates).
    UniqueByDistance,
    /// All that converged, or were evaluated without a verdict.
    Converged,
    /// All that are computed and finite ([`Population::All`]).
    All,
}

impl Over {
    /// What its networks are called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Unique | Self::UniqueByDistance => "unique critical points",
            Self::Converged => "critical points, unique or not",
            Self::All => "networks that are finite, converged or not",
        }
    }
}

/// The networks of one run that are shown, as a rule its unique critical points. Columns have one value for each of `rows`.
#[derive(Debug, Clone)]
pub struct CriticalPoints {
    /// The run that they are of.
    pub(super) run: Run,
    /// What was run.
    pub spec: Spec,
    /// The problem and data, unless the run's copy of the data is damaged.
    pub experiment: Option<Experiment>,
    /// The networks that are computed: S, the networks of the run, once it is finished.
    pub networks: usize,
    /// Networks that converged, or that were evaluated without a verdict.
    pub converged: usize,
    /// Which networks are shown.
    pub over: Over,
    /// Their rows, ascending.
    pub rows: Vec<usize>,
    /// How duplicates were told, in words.
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

impl CriticalPoints {
    /// Reads `run` and computes what the figures need of the networks that it is `over`; what is damaged is left out, and
    /// `notices` say so.
    pub fn of(run: &Run, over: Over, notices: &mut Vec<String>, watch: &dyn Watch) -> Self {
        let spec = run.manifest().spec.clone();
        let mut take = Take { notices };
        let experiment = take.value(run.experiment());
        let (networks, converged) = take.converged(run, over);
        let theta = take.value(run.theta());
        watch.at("comparing networks", 0, 0);
        let (rows, duplicates) = match over {
            Over::Converged => (converged.clone(), None),
            Over::All => (take.computed(run), None),
            Over::Unique | Over::UniqueByDistance => take.unique(run, over, &converged, theta.as_ref()),
        };
        let mut column = |name: &str| {
            let values = take.value(run.floats(name))?;
            Some(rows.iter().map(|&row| values[row]).collect::<Vec<f64>>())
        };
        let lambda_sup = column("lambda_sup");
        let (trace, trace_sq) = (column("trace"), column("trace_sq"));
        let macro_f1 = if run.has("macro_f1") { column("macro_f1") } else { None };
        let [lambda_max, lambda_min] =
            ["lambda_max", "lambda_min"].map(|name| if run.has(name) { column(name) } else { None });
        let theta = theta.map(|theta| theta.select(Axis(0), &rows));
        let measured = match (&experiment, &theta) {
            (Some(experiment), Some(theta)) if !rows.is_empty() => {
                let recorded = lambda_max.clone().zip(lambda_min);
                Some(measure(&experiment.problem, theta.view(), recorded, watch))
            }
            _ => None,
        };
        if let Some(measured) = &measured {
            let of =
                |what: &str, index: &[usize]| (index.len() < rows.len()).then(|| format!("{what} of {}", index.len()));
            let parts = [
                of("eigenvalues", &measured.index),
                of("finite differences", &measured.difference_index),
                of("norms of the weights", &measured.norm_index),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            if !parts.is_empty() {
                take.notices.push(format!(
                    "To end in time, of {} {} some quantities are computed for fewer, evenly spaced in the order of rows: {}.",
                    rows.len(),
                    over.noun(),
                    parts.join(", ")
                ));
            }
        }
        let converged = converged.len();
        Self {
            run: run.clone(),
            spec,
            experiment,
            networks,
            converged,
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

    /// What a caption calls the critical point at position `k` of `rows`.
    pub fn label(&self, k: usize) -> String {
        match self.spec.work {
            Work::Sweep { first_seed, .. } => format!("seed {}", first_seed + self.rows[k] as u64),
            Work::Evaluate { .. } => format!("network {}", self.rows[k]),
        }
    }

    /// The seed of the critical point at position `k`, for networks that were trained here.
    pub fn seed(&self, k: usize) -> Option<u64> {
        match self.spec.work {
            Work::Sweep { first_seed, .. } => Some(first_seed + self.rows[k] as u64),
            Work::Evaluate { .. } => None,
        }
    }

    /// Positions of the critical points with a finite `lambda_sup`, the sharpest first.
    pub fn by_sharpness(&self) -> Vec<usize> {
        let Some(lambda_sup) = &self.lambda_sup else { return Vec::new() };
        let mut order: Vec<usize> = (0..lambda_sup.len()).filter(|&k| lambda_sup[k].is_finite()).collect();
        order.sort_by(|&a, &b| lambda_sup[b].total_cmp(&lambda_sup[a]));
        order
    }

    /// Of `order`, positions of critical points, the first and the next that is not the same network by its function
    /// ([`Maps::Function`]), with those passed over in between.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(super) fn two_by_function(&self, order: &[usize]) -> Result<(Vec<usize>, Vec<usize>), String> {
        let needs = "it needs theta and the run's data";
        let problem = &self.experiment.as_ref().ok_or(needs)?.problem;
        let theta = self.theta.as_ref().ok_or(needs)?;
        let Some((&first, others)) = order.split_first() else { return Ok((Vec::new(), Vec::new())) };
        let mut passed = Vec::new();
        for &other in others {
            let pair = theta.select(Axis(0), &[first, other]);
            let rounded = pair.mapv(|value| value as f32);
            let loss: Vec<f64> = pair.rows().into_iter().map(|row| reference::loss(problem, &row.to_vec())).collect();
            let networks = Networks {
                shape: problem.network.shape,
                activation: problem.network.activation,
                theta: rounded.view(),
                loss: &loss,
                // By function it may differ.
                lambda_sup: &[0.0; 2],
            };
            // Networks too wide to be matched are shown as they are.
            if same_networks(&networks, Maps::Function).map_or(2, |same| same.unique()) == 2 {
                return Ok((vec![first, other], passed));
            }
            passed.push(other);
        }
        Ok((vec![first], passed))
    }

    /// The median of the critical points' finite `lambda_sup`.
    pub fn median_lambda_sup(&self) -> Option<f64> {
        let finite: Vec<f64> =
            self.lambda_sup.as_ref()?.iter().copied().filter(|lambda_sup| lambda_sup.is_finite()).collect();
        median(&finite).ok()
    }

    /// Which critical points have a smallest eigenvalue below -1e-3, as (how many, of how many).
    pub fn saddles(&self) -> Option<(usize, usize)> {
        let known: Vec<f64> =
            self.measured.as_ref()?.lambda_min.iter().copied().filter(|value| value.is_finite()).collect();
        Some((known.iter().filter(|&&value| value < SADDLE).count(), known.len()))
    }

    /// The sentence on what a small gradient does not promise.
    pub fn saddle_note(&self) -> Option<String> {
        let (saddles, known) = self.saddles().filter(|(_, known)| *known > 0)?;
        Some(format!(
            "A small gradient does not make a minimum: {saddles} of {known} {} at N = {} ({:.0}\u{a0}%) have a smallest \
             eigenvalue λ_{{D}} below −10^{{−3}}.",
            self.over.noun(),
            self.spec.hidden,
            100.0 * saddles as f64 / known as f64
        ))
    }

    /// Mean of ||H_closed - H_difference||_F over the measured critical points.
    pub fn mean_difference(&self) -> Option<f64> {
        let differences = &self.measured.as_ref()?.difference;
        (!differences.is_empty()).then(|| differences.iter().sum::<f64>() / differences.len() as f64)
    }

    /// One sentence on what was run and how it ended.
    pub fn summary(&self) -> String {
        let Spec { work, hidden, activation, data, .. } = &self.spec;
        let what = match work {
            Work::Sweep { seeds, descent, .. } => format!(
                "{seeds} seeds trained for at most {} steps of size {} from weights uniform on (−{range}, {range})",
                descent.max_steps,
                descent.step_size,
                range = descent.init_range
            ),
            Work::Evaluate { networks, .. } => format!("{networks} networks from a file"),
        };
        let source = match &data.source {
            DataSource::AppendixC { data_seed } => format!("the data of Appendix C, draw {data_seed}"),
            DataSource::Files { x, .. } => x.clone(),
        };
        let networks = match self.networks {
            all if self.spec.rows() == all as u64 => all.to_string(),
            computed => format!("the {computed} that are computed"),
        };
        let ended = if self.spec.work.is_judged() { "converged" } else { "are finite" };
        format!(
            "{what}; N = {hidden}, {}, D = {}, on {source} (I = {}, M = {}). {} of {networks} {ended}{}",
            activation.name(),
            self.spec.shape().parameters(),
            data.samples,
            data.inputs,
            self.converged,
            self.shown()
        )
    }

    /// The end of a sentence that begins with how many networks converged: how many are shown.
    pub(super) fn shown(&self) -> String {
        match self.over {
            Over::Unique => format!(", {} of them are unique by symmetry.", self.rows.len()),
            Over::UniqueByDistance => format!(", {} of them are unique by the paper's rule.", self.rows.len()),
            Over::Converged => "; they are shown, whether unique or not.".into(),
            Over::All => format!("; all {} that are finite are shown.", self.rows.len()),
        }
    }

    /// What a table of one run says, as (what, value).
    pub fn facts(&self) -> Vec<(String, String)> {
        let ended =
            if self.spec.work.is_judged() { "converged (g·g below the tolerance)" } else { "evaluated and finite" };
        let networks = match self.spec.rows() {
            all if all == self.networks as u64 => self.networks.to_string(),
            all => format!("{} computed, of {all} asked for", self.networks),
        };
        let mut facts = vec![("networks".into(), networks), (ended.into(), share(self.converged, self.networks))];
        if matches!(self.over, Over::Unique | Over::UniqueByDistance) {
            facts.push((self.over.noun().into(), share(self.rows.len(), self.converged)));
        }
        if let Some(duplicates) = &self.duplicates {
            facts.push(("duplicates".into(), duplicates.clone()));
        }
        let order = self.by_sharpness();
        if let (Some(lambda_sup), Some(&flattest), Some(&sharpest)) = (&self.lambda_sup, order.last(), order.first()) {
            let middle = self.median_lambda_sup().unwrap_or(f64::NAN);
            facts.push((
                "λ_{sup}: smallest, median, largest".into(),
                [lambda_sup[flattest], middle, lambda_sup[sharpest]].map(number).join(", "),
            ));
        }
        if let Some((saddles, known)) = self.saddles() {
            facts.push(("no minimum: λ_{D} < −10^{−3}".into(), share(saddles, known)));
        }
        if let Some(measured) = &self.measured {
            let whence = if measured.recorded { "as the run recorded them" } else { "computed from theta in float64" };
            let of = |index: &[usize]| share(index.len(), self.rows.len());
            facts.push(("eigenvalues of".into(), format!("{}, {whence}", of(&measured.index))));
            if let Some(mean) = self.mean_difference() {
                let of = of(&measured.difference_index);
                facts.push(("mean ‖H_{closed} − H_{difference}‖_{F}".into(), format!("{} over {of}", number(mean))));
            }
        }
        facts
    }
}

fn share(count: usize, of: usize) -> String {
    if of == 0 {
        format!("{count} of 0")
    } else {
        format!("{count} of {of} ({:.1}\u{a0}%)", 100.0 * count as f64 / of as f64)
    }
}

/// Takes values out of results and turns errors into notices.
struct Take<'a> {
    notices: &'a mut Vec<String>,
}

impl Take<'_> {
    fn value<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.notices.push(error.to_string())).ok()
    }

    /// The rows of `converged` that are kept as unique, and how that was told; all of them where it cannot be told.
    fn unique(
        &mut self,
        run: &Run,
        over: Over,
        converged: &[usize],
        theta: Option<&Array2<f64>>,
    ) -> (Vec<usize>, Option<String>) {
        let all = converged.to_vec();
        let Some(theta) = theta else {
            self.notices.push("without theta no duplicates can be found: every converged network counts".into());
            return (all, None);
        };
        if converged.len() < 2 {
            return (all, None);
        }
        let points = theta.select(Axis(0), converged).mapv(|value| value as f32);
        let found = if over == Over::UniqueByDistance {
            duplicates(points.view()).map(|found| (found.to_string(), found.kept))
        } else {
            let columns = ["loss", "lambda_sup"].map(|name| run.floats(name));
            let [Ok(loss), Ok(lambda_sup)] = columns else {
                self.notices.push(
                    "without loss and lambda_sup no duplicates can be found: every converged network counts".into(),
                );
                return (all, None);
            };
            let of = |column: Vec<f64>| converged.iter().map(|&row| column[row]).collect::<Vec<f64>>();
            let (loss, lambda_sup) = (of(loss), of(lambda_sup));
            let Spec { activation, .. } = run.manifest().spec;
            let shape = run.manifest().spec.shape();
            let networks = Networks { shape, activation, theta: points.view(), loss: &loss, lambda_sup: &lambda_sup };
            same_networks(&networks, Maps::Symmetry).map(|found| (found.to_string(), found.kept))
        };
        let Some((told, kept)) = self.value(found) else { return (all, None) };
        (converged.iter().zip(kept).filter(|(_, kept)| *kept).map(|(&row, _)| row).collect(), Some(told))
    }

    /// The rows of all networks that are computed and finite; of all that are computed where their status is damaged.
    fn computed(&mut self, run: &Run) -> Vec<usize> {
        let rows = run.written().unwrap_or_else(|_| std::iter::once(0..run.manifest().spec.rows()).collect());
        let rows = rows.into_iter().flat_map(|rows| rows.start as usize..rows.end as usize);
        // Whoever counts what converged says what is wrong with the status.
        let status = run.status().ok();
        rows.filter(|&row| {
            status.as_ref().is_none_or(|status| status.get(row).is_some_and(|&status| Population::All.holds(status)))
        })
        .collect()
    }

    /// How many networks are computed, and the rows of those that converged or were evaluated without a verdict: by the status column, or
    /// where that is damaged by the definition it follows.
    fn converged(&mut self, run: &Run, over: Over) -> (usize, Vec<usize>) {
        let manifest = run.manifest();
        let work = &manifest.spec.work;
        if manifest.state == State::Running {
            self.notices.push(
                "The run is not finished: rows that are not written yet are left out. Go on with `sharpsweep resume`."
                    .into(),
            );
        }
        let written = self.value(run.written()).unwrap_or_else(|| std::iter::once(0..manifest.spec.rows()).collect());
        let written = || written.iter().flat_map(|rows| rows.start as usize..rows.end as usize);
        if let Some(status) = self.value(run.status()) {
            let ended: Vec<(usize, Status)> = written()
                .filter_map(|row| Some((row, Status::from_number(*status.get(row)?)?)))
                .filter(|(_, status)| *status != Status::Pending)
                .collect();
            let critical: Vec<usize> =
                ended.iter().filter(|(_, status)| status.is_critical_point()).map(|(row, _)| *row).collect();
            let diverged = ended.iter().filter(|(_, status)| *status == Status::NonFinite).count();
            let none = if over == Over::All { diverged == ended.len() } else { critical.is_empty() };
            if none && !ended.is_empty() {
                self.notices.push(no_critical_point(work, ended.len(), diverged));
            }
            return (ended.len(), critical);
        }
        let (tolerance, told) = match *work {
            Work::Sweep { descent: Descent { tolerance, .. }, .. }
            | Work::Evaluate { tolerance: Some(tolerance), .. } => {
                (tolerance, format!("networks with g·g below {tolerance} count as converged"))
            }
            Work::Evaluate { tolerance: None, .. } => (f64::INFINITY, "every network with a finite g·g counts".into()),
        };
        let Some(gradient_sq) = self.value(run.floats("gradient_sq")) else { return (written().count(), Vec::new()) };
        self.notices.push(format!("Without the status column, {told}."));
        // Rows that were never written are all zero; in a finished run there are none.
        let there = |value: f64| manifest.state == State::Finished || value > 0.0;
        let below = |row: &usize| gradient_sq.get(*row).is_some_and(|&value| value < tolerance && there(value));
        (written().count(), written().filter(below).collect())
    }
}

/// Why there is no critical point among `networks`, of which `diverged` are not finite, and what to do.
fn no_critical_point(work: &Work, networks: usize, diverged: usize) -> String {
    let limit = networks - diverged;
    match work {
        Work::Sweep { .. } if limit == 0 => format!(
            "All {diverged} networks diverged, so there is no critical point to show: try a smaller --step-size."
        ),
        Work::Sweep { .. } => format!(
            "No network converged ({limit} reached the step limit, {diverged} diverged), so there is no critical point to show: try more \
             --max-steps or another --step-size."
        ),
        Work::Evaluate { tolerance: Some(tolerance), .. } if limit > 0 => format!(
            "No network has g·g below the tolerance {tolerance}, so there is no critical point to show: evaluate them with another \
             --tolerance, or without one, which judges none."
        ),
        Work::Evaluate { .. } => {
            "No network is finite (its g·g leaves the range of the engine's numbers), so there is nothing to show."
                .into()
        }
    }
}
