//! What a call asks for. Python has checked types; values are checked here or in the crate.

use std::time::Duration;

use pyo3::prelude::*;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoSuchValue, StrDeserializer};
use sharpsweep::backend::EngineRequest;
use sharpsweep::engine::Descent;
use sharpsweep::gpu::Tuning;
use sharpsweep::model::{Activation, Draw, HiddenLayers, Loss, Reduction};
use sharpsweep::polish::{Polish, PolishMode};
use sharpsweep::spec::{
    Brackets, BuiltInName, BuiltInOptions, Experiment, ExtraColumns, Keep, Seeds, SourcedDataset, SpectrumColumns,
    Work, drawn_data, parse_seeds, parse_shard,
};

use crate::arrays::{Networks, Numbers, dataset, weights};
use crate::errors::{Failure, value_error};

/// The value of option `name` that is written `text`.
pub(crate) fn named<'de, T: Deserialize<'de>>(name: &str, text: &'de str) -> PyResult<T> {
    let deserializer: StrDeserializer<'de, NoSuchValue> = text.into_deserializer();
    T::deserialize(deserializer).map_err(|problem| value_error(&format!("{name}: {problem}")))
}

pub(crate) fn parsed<T>(name: &str, text: &str, parse: impl Fn(&str) -> Result<T, String>) -> PyResult<T> {
    parse(text).map_err(|problem| value_error(&format!("{name}: {problem}")))
}

/// Built-in data.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct BuiltInData {
    data: String,
    samples: usize,
    test_samples: Option<usize>,
    data_seed: u64,
    data_label_noise: f64,
    data_noise: Option<f64>,
    data_classes: Option<usize>,
    data_inputs: Option<usize>,
    teacher_hidden: Option<String>,
    teacher_activation: Option<String>,
}

impl BuiltInData {
    /// The training and the test data.
    pub(crate) fn drawn(&self, loss: Option<Loss>) -> PyResult<(SourcedDataset, SourcedDataset)> {
        let hidden = self.teacher_hidden.as_deref().map(|text| parsed("teacher_hidden", text, str::parse));
        let activation = self.teacher_activation.as_deref().map(|text| named("teacher_activation", text));
        let options = BuiltInOptions {
            noise: self.data_noise,
            classes: self.data_classes,
            inputs: self.data_inputs,
            teacher_hidden: hidden.transpose()?,
            teacher_activation: activation.transpose()?,
        };
        let name: BuiltInName = named("data", &self.data)?;
        let built_in = name.with(&options).map_err(|error| error.raised())?;
        let draw = Draw { built_in, data_seed: self.data_seed, label_noise: self.data_label_noise };
        drawn_data(&draw, self.samples, self.test_samples, loss).map_err(|error| error.raised())
    }
}

/// The network and its data.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Data<'py> {
    built_in: BuiltInData,
    x: Option<Numbers<'py>>,
    q: Option<Numbers<'py>>,
    test_x: Option<Numbers<'py>>,
    test_q: Option<Numbers<'py>>,
    standardize: bool,
    loss: Option<String>,
    sample_weights: Option<Numbers<'py>>,
    reduction: String,
    hidden: Option<String>,
    activation: String,
}

impl Data<'_> {
    /// The experiment that does `work` on these data. Without hidden layers given, they are those of the networks
    /// `theta`.
    pub(crate) fn experiment(&self, work: Work, theta: Option<&Networks<'_>>) -> PyResult<Experiment> {
        let activation: Activation = named("activation", &self.activation)?;
        let loss: Option<Loss> = self.loss.as_deref().map(|loss| named("loss", loss)).transpose()?;
        let reduction: Reduction = named("reduction", &self.reduction)?;
        let both = |x, q, names| match (x, q) {
            (Some(x), Some(q)) => dataset((x, q), names, loss.unwrap_or_default()).map(Some),
            _ => Ok(None),
        };
        let raised = |error: sharpsweep::input::InputError| error.raised();
        let (train, test) = match both(self.x.as_ref(), self.q.as_ref(), ["x", "q"]).map_err(raised)? {
            Some(train) => {
                let test = both(self.test_x.as_ref(), self.test_q.as_ref(), ["test_x", "test_q"]);
                (train, test.map_err(raised)?)
            }
            None => {
                let (train, test) = self.built_in.drawn(loss)?;
                (train, Some(test))
            }
        };
        let weights = self.sample_weights.as_ref().map(weights).transpose().map_err(raised)?;
        let hidden = match (&self.hidden, theta) {
            (Some(text), _) => parsed("hidden", text, str::parse)?,
            (None, Some(theta)) => {
                let outputs = test.iter().map(|(test, _)| test.targets().outputs());
                let outputs = outputs.fold(train.0.targets().outputs(), usize::max);
                one_hidden_layer(theta.columns().map_err(raised)?, train.0.x().ncols(), outputs)?
            }
            (None, None) => {
                return Err(value_error(
                    "hidden is None: give a width, a sequence of widths, or \"none\" for no layer",
                ));
            }
        };
        Experiment::new(work, hidden, activation, train, test)
            .and_then(|experiment| if self.standardize { experiment.standardized() } else { Ok(experiment) })
            .and_then(|experiment| experiment.weighted(weights, reduction))
            .map_err(|error| error.raised())
    }
}

/// The hidden layer of networks with D = `columns` weights each: D = (M+1) N + (N+1) K for M `inputs` and K `outputs`.
fn one_hidden_layer(columns: Option<usize>, inputs: usize, outputs: usize) -> PyResult<HiddenLayers> {
    // What is no matrix is refused as that, for any layers.
    let Some(columns) = columns else { return Ok(1.into()) };
    let (units, rest) = (columns.saturating_sub(outputs), inputs + 1 + outputs);
    if units == 0 || !units.is_multiple_of(rest) {
        return Err(value_error(&format!(
            "theta has {columns} columns, and no number N of hidden units in one layer has D = (M+1) N + (N+1) K of \
             them, with M = {inputs} inputs and K = {outputs} outputs: pass hidden"
        )));
    }
    Ok((units / rest).into())
}

/// The columns beyond the closed forms.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct More {
    bounds: bool,
    gauss_newton: bool,
    spectrum: Option<String>,
    brackets: Option<String>,
    polish: Option<String>,
    polish_radius: Option<f64>,
}

impl More {
    pub(crate) fn columns(&self) -> PyResult<ExtraColumns> {
        let radius = self.polish_radius.unwrap_or(PolishMode::RADIUS);
        let mode = match self.polish.as_deref() {
            None => None,
            Some("descend") => Some(PolishMode::Descend),
            Some("nearest") => Some(PolishMode::Nearest { radius }),
            Some(other) => return Err(value_error(&format!("polish: `{other}` is neither `descend` nor `nearest`"))),
        };
        if self.polish_radius.is_some() && !matches!(mode, Some(PolishMode::Nearest { .. })) {
            return Err(value_error("--polish-radius is for --polish=nearest: a descent goes as far as it takes"));
        }
        if !(radius.is_finite() && radius > 0.0) {
            return Err(value_error(&format!("--polish-radius is {radius}: it must be finite and greater than 0")));
        }
        let spectrum = self.spectrum.as_deref().map(|text| parsed("spectrum", text, SpectrumColumns::parse));
        let brackets = self.brackets.as_deref().map(|text| parsed("brackets", text, Brackets::parse));
        Ok(ExtraColumns {
            bounds: self.bounds,
            gauss_newton: self.gauss_newton,
            spectrum: spectrum.transpose()?,
            brackets: brackets.transpose()?,
            polish: mode.map(|mode| Polish { mode, ..Polish::default() }),
        })
    }
}

/// The engine, and its limits.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct EngineOptions {
    backend: Option<String>,
    adapter: Option<String>,
    route: String,
    dispatch_ms: u64,
    memory: u64,
}

impl EngineOptions {
    /// The engine that is asked for. It is chosen once there is time to look at the machine.
    pub(crate) fn request(&self) -> PyResult<EngineRequest> {
        if !(1..=1000).contains(&self.dispatch_ms) {
            return Err(value_error(&format!("--dispatch-ms is {}: it must be in 1..=1000", self.dispatch_ms)));
        }
        let request = EngineRequest {
            backend: self.backend.as_deref().map(|text| named("backend", text)).transpose()?,
            adapter: self.adapter.clone(),
            route: named("route", &self.route)?,
            tuning: Tuning { dispatch: Duration::from_millis(self.dispatch_ms), ..Tuning::default() },
        };
        request.contradiction().map_or(Ok(request), |why| Err(value_error(why)))
    }

    /// The bytes that networks in flight may take.
    pub(crate) fn memory(&self) -> PyResult<u64> {
        match self.memory {
            0 => Err(value_error("--memory is 0: it must be at least 1 MiB")),
            memory => Ok(memory.saturating_mul(1 << 20)),
        }
    }
}

/// How networks are trained, and which.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Training {
    seeds: String,
    shard: Option<String>,
    keep: String,
    init_range: f64,
    step_size: f64,
    max_steps: u32,
    tolerance: f64,
    weight_decay: f64,
}

impl Training {
    pub(crate) fn work(&self) -> PyResult<Work> {
        let &Self { init_range, step_size, max_steps, tolerance, weight_decay, .. } = self;
        let init_range = init_range as f32;
        let descent = Descent { init_range, step_size, max_steps, tolerance, weight_decay };
        let seeds = parsed("seeds", &self.seeds, parse_seeds)?;
        let Some(shard) = &self.shard else { return Ok(Work::sweep(seeds, descent)) };
        let (part, parts) = parsed("shard", shard, parse_shard)?;
        let whole = Seeds::new(&seeds);
        let part = whole.part(part, parts).ok_or_else(|| {
            value_error(&format!("{} seeds cannot be cut into {parts} parts: part {part} would hold none", whole.count))
        })?;
        Ok(Work::shard(part, whole, descent))
    }

    pub(crate) fn keep(&self) -> PyResult<Keep> {
        named("keep", &self.keep)
    }
}

/// The networks to judge, and how.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Judging {
    pub(crate) tolerance: Option<f64>,
    pub(crate) weight_decay: f64,
}
