//! A validated experiment: everything that determines a run's columns, and nothing else. Manifests store it.

mod drawn;
mod seeds;

use std::fmt;
use std::ops::Range;

use ndarray::{Array1, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::engine::{Descent, Tasks, is_zero};
use crate::fingerprint::Fingerprint;
use crate::model::{
    Activation, DataError, Dataset, Draw, HiddenLayers, Loss, MAX_PARAMETERS, Network, OneHidden, Problem, Reduction,
    SMALLEST_INIT_RANGE, Shape, ShapeError, Standardization, Targets,
};
use crate::polish::Polish;
use crate::room::NoRoom;
pub use drawn::{APPENDIX_C_TEST_SAMPLES, BuiltInName, BuiltInOptions, TEST_SAMPLES, appendix_c_data, drawn_data};
pub use seeds::{SeedList, parse_seed_list, parse_seeds, parse_shard};

/// What a run computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Which networks: seeds to train, or networks that came as a file.
    pub work: Work,
    /// The widths of the hidden layers: N for a network of the paper.
    pub hidden: HiddenLayers,
    /// K, the number of outputs.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub outputs: usize,
    /// f, the activation function.
    pub activation: Activation,
    /// What is minimised.
    #[serde(default, skip_serializing_if = "is_default")]
    pub loss: Loss,
    /// How the losses of the samples become one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reduction: Reduction,
    /// The training data.
    pub data: DataSpec,
    /// The test data, if there are any.
    pub test: Option<DataSpec>,
    /// Which networks' weights are kept.
    #[serde(default)]
    pub keep: Keep,
    /// Which columns there are beyond the closed forms.
    #[serde(default)]
    pub extra: ExtraColumns,
}

/// K of a manifest that names none: the paper's networks have one output.
const fn one() -> usize {
    1
}

fn is_one(number: &usize) -> bool {
    *number == 1
}

/// Whether a value is the default: then no manifest names it.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The columns of a run beyond those that every run has. Each takes time per network, so each must be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ExtraColumns {
    /// The closed-form bounds of the traces, and the norms they are made of (Theorems 3, 4 and 6, and what they become
    /// for networks beyond the paper's).
    pub bounds: bool,
    /// The traces of the Gauss-Newton part of the Hessian, and the bound of its largest eigenvalue.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gauss_newton: bool,
    /// The Hessian's eigenvalues, computed numerically.
    pub spectrum: Option<SpectrumColumns>,
    /// Brackets of the extreme eigenvalues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brackets: Option<Brackets>,
    /// The networks at the end of their descent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polish: Option<Polish>,
}

/// How much work goes into the brackets of the extreme eigenvalues.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Brackets {
    /// Moments of the Hessian up to the fourth: one product of D x D matrices.
    Four,
    /// Moments up to the eighth: three products.
    Eight,
    /// Moments up to the fourth, and where these leave a bracket wider than this, relative to |`bracket_upper`|, the
    /// eigenvalues with a proof of their error. Finite, and not negative.
    Width(f64),
}

impl Brackets {
    /// What `text` asks for: `four`, `eight` or a width.
    ///
    /// # Errors
    /// A text about what it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "four" => Ok(Self::Four),
            "eight" => Ok(Self::Eight),
            _ => match text.parse::<f64>() {
                Ok(width) if width.is_finite() && width >= 0.0 => Ok(Self::Width(width)),
                _ => Err("it must be four, eight or a width, a number that is not negative".into()),
            },
        }
    }
}

/// How much of the Hessian's spectrum becomes columns, beyond lambda_max and lambda_min, which any of it has.
///
/// A manifest holds a list of words and numbers, or one word where that says it all, which is `values` for the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SpectrumWords", into = "SpectrumWords")]
pub struct SpectrumColumns {
    /// The eigenvectors u_1 to u_4 of the four largest eigenvalues.
    pub vectors: bool,
    /// All eigenvalues.
    pub all: bool,
    /// So many of the largest and of the smallest eigenvalues, from 1 to D.
    pub ends: Option<usize>,
    /// The largest eigenvalues of the diagonal blocks of the layers: H(w,w) and H(v,v) for one hidden layer.
    pub blocks: bool,
}

impl SpectrumColumns {
    /// Those that `text` lists, separated by commas: `values`, `vectors`, `all`, `blocks` or a number.
    ///
    /// # Errors
    /// A text about the first word that is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let word = |word: &str| match word.parse::<usize>() {
            Ok(count) => SpectrumWord::Count(count),
            Err(_) => SpectrumWord::Name(word.into()),
        };
        Self::try_from(SpectrumWords::Several(text.split(',').map(str::trim).map(word).collect()))
    }

    /// Whether all of the spectrum is computed, which is done in f64 on the processor; otherwise the engine finds
    /// lambda_max and lambda_min alone.
    pub fn is_whole(self) -> bool {
        self.vectors || self.all || self.ends.is_some()
    }
}

/// [`SpectrumColumns`] as a manifest holds them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum SpectrumWords {
    One(String),
    Several(Vec<SpectrumWord>),
}

/// A word or a number of [`SpectrumWords`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum SpectrumWord {
    Count(usize),
    Name(String),
}

impl TryFrom<SpectrumWords> for SpectrumColumns {
    type Error = String;

    fn try_from(words: SpectrumWords) -> Result<Self, String> {
        let words = match words {
            SpectrumWords::One(word) => vec![SpectrumWord::Name(word)],
            SpectrumWords::Several(words) => words,
        };
        let mut columns = Self::default();
        for word in words {
            match word {
                SpectrumWord::Count(0) => return Err("the number of eigenvalues must be at least 1".into()),
                SpectrumWord::Count(count) => {
                    if columns.ends.replace(count).is_some_and(|before| before != count) {
                        return Err("there can be only one number of eigenvalues".into());
                    }
                }
                SpectrumWord::Name(name) => match name.as_str() {
                    "values" => {}
                    "vectors" => columns.vectors = true,
                    "all" => columns.all = true,
                    "blocks" => columns.blocks = true,
                    _ => return Err(format!("`{name}` is not values, vectors, all, blocks or a number")),
                },
            }
        }
        Ok(columns)
    }
}

impl From<SpectrumColumns> for SpectrumWords {
    fn from(SpectrumColumns { vectors, all, ends, blocks }: SpectrumColumns) -> Self {
        let named = [(vectors, "vectors"), (all, "all"), (blocks, "blocks")];
        let mut words: Vec<SpectrumWord> =
            named.iter().filter(|(asked, _)| *asked).map(|&(_, name)| SpectrumWord::Name(name.into())).collect();
        words.extend(ends.map(SpectrumWord::Count));
        match &words[..] {
            [] => Self::One("values".into()),
            [SpectrumWord::Name(name)] => Self::One(name.clone()),
            _ => Self::Several(words),
        }
    }
}

/// Which networks' weights a run keeps. The other columns hold every network either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The weights of every network
    #[default]
    All,
    /// The weights of converged networks; the rows of the others are NaN
    Converged,
    /// No weights: the run has no `theta` column
    Summary,
}

/// A range of seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeds {
    /// The first seed.
    #[serde(rename = "first_seed")]
    pub first: u64,
    /// S, how many there are.
    #[serde(rename = "seeds")]
    pub count: u64,
}

impl Seeds {
    /// The seeds of `range`.
    pub fn new(range: &Range<u64>) -> Self {
        Self { first: range.start, count: range.end.saturating_sub(range.start) }
    }

    /// The seed after the last one.
    pub fn end(self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Part `part` (from 1) of these seeds, divided in order into `parts` ranges whose lengths differ by at most one;
    /// `None` if there is no such part or it would be empty.
    pub fn part(self, part: u64, parts: u64) -> Option<Range<u64>> {
        let bound = |part: u64| {
            let seeds = u128::from(self.count) * u128::from(part) / u128::from(parts.max(1));
            self.first + u64::try_from(seeds).unwrap_or(self.count)
        };
        let range = bound(part.checked_sub(1)?)..bound(part.min(parts));
        (part <= parts && !range.is_empty()).then_some(range)
    }
}

/// Where a run's networks come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// Networks trained from random seeds; row k of every column is the k-th seed.
    Sweep {
        /// The seeds.
        #[serde(flatten)]
        seeds: Seeds,
        /// The seeds that these are a shard of; `None` for a run that is not a shard.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shard_of: Option<Seeds>,
        /// How they are trained.
        #[serde(flatten)]
        descent: Descent,
    },
    /// Networks trained elsewhere; row k of every column is row k of the file.
    Evaluate {
        /// S, the number of networks.
        networks: u64,
        /// Hash of the theta file's values.
        theta_hash: String,
        /// g.g below this counts as converged in `status`; without it no network is judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tolerance: Option<f64>,
        /// alpha, the weight decay of their objective.
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_decay: f64,
    },
}

/// A data set's origin and fingerprint; the values themselves are kept beside the columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSpec {
    /// Where the data came from.
    pub source: DataSource,
    /// I, the number of samples.
    pub samples: usize,
    /// M, the number of inputs.
    pub inputs: usize,
    /// Hash of shape and values.
    pub hash: String,
    /// Hash of the weights by which the samples count, if they do not all count once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_hash: Option<String>,
    /// How the values were centred and scaled after they were drawn or read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standardization: Option<Standardization>,
}

/// Where a data set came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum DataSource {
    /// Read from two files.
    Files {
        /// The samples' file, as it was given.
        x: String,
        /// The labels' file, as it was given.
        q: String,
    },
    /// Handed over in memory by a program that uses this library.
    Arrays,
    /// Built in. A manifest holds the name of the distribution in the place of the others' names.
    #[serde(untagged)]
    Drawn(Draw),
}

/// A data set and where it came from.
pub type SourcedDataset = (Dataset, DataSource);

/// An experiment that cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// A number outside its range.
    #[error("{what} is {value}: it must be {must}")]
    Value {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// Training and test data with targets of different kinds.
    #[error("the test data have {test} {test_targets}, the training data {train} {targets}: they must agree")]
    Targets {
        /// K of the training data.
        train: usize,
        /// What these are.
        targets: &'static str,
        /// K of the test data.
        test: usize,
        /// What these are.
        test_targets: &'static str,
    },
    /// Widths that no engine takes.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// More parameters than any engine takes.
    #[error(
        "a network of M = {inputs} inputs and N = {hidden} hidden units has {parameters} parameters; at most \
         {MAX_PARAMETERS} are supported"
    )]
    TooManyParameters {
        /// M, the number of inputs.
        inputs: usize,
        /// N, the number of hidden units.
        hidden: usize,
        /// D, the number of parameters.
        parameters: usize,
    },
    /// Training and test data of different widths.
    #[error("the test data have {test} inputs per sample, the training data {train}: they must agree")]
    Inputs {
        /// M of the training data.
        train: usize,
        /// M of the test data.
        test: usize,
    },
    /// An option that the data have no use for.
    #[error("{option} is for other built-in data: {data} takes {}", OptionNames(used))]
    Unused {
        /// The option.
        option: &'static str,
        /// The data's name.
        data: &'static str,
        /// The options that such data take.
        used: &'static [&'static str],
    },
    /// Unusable data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// More than this machine has room for.
    #[error(transparent)]
    Room(#[from] NoRoom),
}

/// Options, separated by commas; `none of these options` for none.
struct OptionNames<'a>(&'a [&'static str]);

impl fmt::Display for OptionNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("none of these options") } else { f.write_str(&self.0.join(", ")) }
    }
}

/// An experiment with its data in memory, ready to run.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// What determines the results.
    pub spec: Spec,
    /// Network and training data.
    pub problem: Problem,
    /// Test data for the scores.
    pub test: Option<Dataset>,
}

impl Experiment {
    /// Joins `work`, the network and data into one experiment. The targets say which loss is minimised and how many
    /// outputs there are; with classes as many as in the training and the test data together.
    ///
    /// # Errors
    /// [`SpecError`] for numbers outside their range and data that do not fit together.
    pub fn new(
        work: Work,
        hidden: impl Into<HiddenLayers>,
        activation: Activation,
        (data, source): SourcedDataset,
        test: Option<SourcedDataset>,
    ) -> Result<Self, SpecError> {
        work.check()?;
        let hidden = hidden.into();
        let inputs = data.inputs();
        if let Some((test, _)) = &test
            && test.inputs() != inputs
        {
            return Err(SpecError::Inputs { train: inputs, test: test.inputs() });
        }
        let (data, test) = with_all_classes(data, test)?;
        let (loss, outputs) = (data.targets().loss(), data.targets().outputs());
        if (loss, outputs) == (Loss::Softmax, 1) {
            return Err(DataError::OneClass.into());
        }
        if let [width] = *hidden.widths()
            && outputs == 1
        {
            check_size(inputs, width)?;
        }
        let spec = Spec {
            work,
            hidden,
            outputs,
            activation,
            loss,
            reduction: Reduction::Sum,
            data: DataSpec::new(&data, source),
            test: test.as_ref().map(|(data, source)| DataSpec::new(data, source.clone())),
            keep: Keep::All,
            extra: ExtraColumns::default(),
        };
        let problem = Problem::with_layers(spec.hidden.widths(), activation, data)?;
        Ok(Self { spec, problem, test: test.map(|(data, _)| data) })
    }

    /// The same with a loss to which sample i of the training data adds `weights`\[i\] times its own, (I,), or once
    /// without weights, summed up by `reduction`.
    ///
    /// # Errors
    /// [`SpecError::Data`] for weights that cannot be used.
    pub fn weighted(mut self, weights: Option<Array1<f64>>, reduction: Reduction) -> Result<Self, SpecError> {
        if let Some(weights) = &weights {
            // As they were given: once divided, another one may seem wrong.
            self.problem.data.check_weights(weights)?;
        }
        if let Some(weights) = reduction.weights(self.problem.data.samples(), weights) {
            self = self.with_weights(weights)?;
        }
        self.spec.reduction = reduction;
        Ok(self)
    }

    /// The same with these weights of the training samples, whatever the reduction, (I,).
    pub(crate) fn with_weights(mut self, weights: Array1<f64>) -> Result<Self, SpecError> {
        self.problem.data = self.problem.data.weighted(weights)?;
        self.spec.data = self.spec.data.of_weights(&self.problem.data);
        Ok(self)
    }

    /// The same with training and test inputs centred and scaled by the mean and the standard deviation of each over
    /// the training samples.
    ///
    /// # Errors
    /// [`SpecError::Data`] where a test input leaves the range of f32.
    pub fn standardized(mut self) -> Result<Self, SpecError> {
        let standardization = self.problem.data.standardization();
        let standardized = |data: &Dataset, spec: &DataSpec| -> Result<(Dataset, DataSpec), SpecError> {
            let data = data.standardized(&standardization)?;
            let spec = DataSpec {
                standardization: Some(standardization.clone()),
                ..DataSpec::new(&data, spec.source.clone()).of_weights(&data)
            };
            Ok((data, spec))
        };
        (self.problem.data, self.spec.data) = standardized(&self.problem.data, &self.spec.data)?;
        if let (Some(test), Some(spec)) = (&self.test, &self.spec.test) {
            let (test, spec) = standardized(test, spec)?;
            (self.test, self.spec.test) = (Some(test), Some(spec));
        }
        Ok(self)
    }
}

/// Training and test data with targets of one kind: classes are counted over both.
fn with_all_classes(
    data: Dataset,
    test: Option<SourcedDataset>,
) -> Result<(Dataset, Option<SourcedDataset>), SpecError> {
    let Some((test, source)) = test else { return Ok((data, None)) };
    let count = data.targets().outputs().max(test.targets().outputs());
    let [data, test] = [data, test].map(|data| data.with_targets(|targets| Ok(targets.of_at_least(count))));
    let (data, test) = (data?, test?);
    let of = |data: &Dataset| (data.targets().loss(), data.targets().outputs());
    let ((loss, outputs), (test_loss, test_outputs)) = (of(&data), of(&test));
    if (loss, outputs) == (test_loss, test_outputs) {
        return Ok((data, Some((test, source))));
    }
    let name = |loss: Loss| match loss {
        Loss::Logistic => "columns of labels",
        Loss::Softmax => "classes",
        Loss::Squared => "columns of values",
    };
    let (targets, test_targets) = (name(loss), name(test_loss));
    Err(SpecError::Targets { train: outputs, targets, test: test_outputs, test_targets })
}

/// Fails unless engines take networks of this size.
///
/// # Errors
/// [`SpecError::Value`] for no inputs or no hidden units, [`SpecError::TooManyParameters`].
pub fn check_size(inputs: usize, hidden: usize) -> Result<(), SpecError> {
    for (what, count) in [("the number of inputs", inputs), ("the number of hidden units", hidden)] {
        if count == 0 {
            return Err(SpecError::Value { what, value: "0".into(), must: "at least 1" });
        }
    }
    let parameters = inputs.saturating_add(2).saturating_mul(hidden).saturating_add(1);
    if parameters > MAX_PARAMETERS {
        return Err(SpecError::TooManyParameters { inputs, hidden, parameters });
    }
    Ok(())
}

impl Spec {
    /// The widths of all layers.
    ///
    /// # Errors
    /// [`ShapeError`] for widths that no engine takes; [`Experiment::new`] and [`Run::open`](crate::run::Run::open) let
    /// none through.
    pub fn shape(&self) -> Result<Shape, ShapeError> {
        Shape::new(self.data.inputs, self.hidden.widths(), self.outputs)
    }

    /// The networks, if they have one hidden layer and one output as the paper's have.
    pub fn one_hidden(&self) -> Option<Network<OneHidden>> {
        let shape = self.shape().ok()?.one_hidden()?;
        Some(Network { shape, activation: self.activation })
    }

    /// Whether the problem is one of the paper's: one hidden layer, one output, cross-entropy of labels, and every
    /// sample counts once.
    pub fn is_of_paper(&self) -> bool {
        let one_hidden = matches!(self.hidden.widths(), [_]) && self.outputs == 1;
        one_hidden && self.loss == Loss::Logistic && self.data.weights_hash.is_none()
    }

    /// D, the number of parameters; `usize::MAX` for all that are too many to count.
    pub fn parameters(&self) -> usize {
        self.shape().map_or(usize::MAX, |shape| shape.parameters())
    }

    /// What the run asks of its engine.
    pub fn tasks(&self) -> Tasks {
        Tasks {
            train: matches!(self.work, Work::Sweep { .. }),
            weight_decay: self.work.weight_decay() > 0.0,
            spectrum: self.extra.spectrum.is_some_and(|spectrum| !spectrum.is_whole()),
        }
    }

    /// The seed of row 0; 0 for networks from a file.
    pub fn first_seed(&self) -> u64 {
        match self.work {
            Work::Sweep { seeds, .. } => seeds.first,
            Work::Evaluate { .. } => 0,
        }
    }

    /// S, the number of networks and of rows in every column.
    pub fn rows(&self) -> u64 {
        match self.work {
            Work::Sweep { seeds, .. } => seeds.count,
            Work::Evaluate { networks, .. } => networks,
        }
    }
}

impl Work {
    /// Training of the seeds in `range`.
    pub fn sweep(range: Range<u64>, descent: Descent) -> Self {
        Self::Sweep { seeds: Seeds::new(&range), shard_of: None, descent }
    }

    /// Training of the seeds in `range`, a shard of `whole`.
    pub fn shard(range: Range<u64>, whole: Seeds, descent: Descent) -> Self {
        Self::Sweep { seeds: Seeds::new(&range), shard_of: Some(whole), descent }
    }

    /// alpha, the weight decay of the networks' objective.
    pub fn weight_decay(&self) -> f64 {
        match self {
            Self::Sweep { descent, .. } => descent.weight_decay,
            Self::Evaluate { weight_decay, .. } => *weight_decay,
        }
    }

    /// Whether a rule decides which networks converged.
    pub fn is_judged(&self) -> bool {
        !matches!(self, Self::Evaluate { tolerance: None, .. })
    }

    fn check(&self) -> Result<(), SpecError> {
        let positive = |what, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(SpecError::Value { what, value: value.to_string(), must: "finite and greater than 0" })
        };
        let (rows, tolerance) = match self {
            Self::Sweep { seeds: Seeds { first, count }, descent, .. } => {
                if first.checked_add(*count).is_none() {
                    let value = format!("{first} + {count}");
                    return Err(SpecError::Value { what: "the end of the seeds", value, must: "below 2^64" });
                }
                positive("the step size", descent.step_size)?;
                positive("the initial range", descent.init_range.into())?;
                if descent.init_range < SMALLEST_INIT_RANGE {
                    let value = format!("{:e}", descent.init_range);
                    let must = "at least 1.9721523e-31, since below it float32 has too few numbers for initial weights";
                    return Err(SpecError::Value { what: "the initial range", value, must });
                }
                (*count, Some(descent.tolerance))
            }
            Self::Evaluate { networks, tolerance, .. } => (*networks, *tolerance),
        };
        if rows == 0 {
            return Err(SpecError::Value { what: "the number of networks", value: "0".into(), must: "at least 1" });
        }
        for (what, value) in [("the tolerance", tolerance), ("the weight decay", Some(self.weight_decay()))] {
            if let Some(value) = value.filter(|value| !(value.is_finite() && *value >= 0.0)) {
                return Err(SpecError::Value { what, value: value.to_string(), must: "finite and not negative" });
            }
        }
        Ok(())
    }
}

impl DataSpec {
    fn new(data: &Dataset, source: DataSource) -> Self {
        let sizes = Fingerprint::default().add(&(data.samples() as u64).to_le_bytes());
        let samples = sizes.add_floats(data.x());
        let hash = match data.targets() {
            // One label per sample: as it was before there were other targets.
            Targets::Labels(t) if t.ncols() == 1 => samples.add_floats(t),
            targets => {
                let of = samples.add(targets.loss().name().as_bytes()).add(&(targets.outputs() as u64).to_le_bytes());
                match targets {
                    Targets::Labels(t) | Targets::Values(t) => of.add_floats(t),
                    Targets::Classes { of: classes, .. } => {
                        classes.iter().fold(of, |hash, &class| hash.add(&(class as u64).to_le_bytes()))
                    }
                }
            }
        }
        .digits();
        let (samples, inputs) = (data.samples(), data.inputs());
        Self { source, samples, inputs, hash, weights_hash: None, standardization: None }
    }

    /// The same with the fingerprint of the weights of `data`.
    fn of_weights(self, data: &Dataset) -> Self {
        let hash = |weights: ArrayView1<'_, f64>| Fingerprint::default().add_floats(weights).digits();
        Self { weights_hash: data.weights().map(hash), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::{Experiment, SpecError, SpectrumColumns, Work, appendix_c_data};
    use crate::engine::Descent;
    use crate::model::Activation;

    fn sweep(hidden: usize, descent: Descent, seeds: u64) -> Result<Experiment, SpecError> {
        let (train, test) = appendix_c_data(50, 0)?;
        Experiment::new(Work::sweep(0..seeds, descent), hidden, Activation::Sigmoid, train, Some(test))
    }

    #[test]
    fn numbers_outside_their_range_are_refused_by_name() {
        let message = |result: Result<Experiment, SpecError>| result.unwrap_err().to_string();
        let descent = Descent::default();
        assert!(sweep(3, descent, 1).is_ok());
        let wide = message(sweep(super::MAX_PARAMETERS, descent, 1));
        assert!(wide.contains("hidden units"), "{wide}");
        assert!(message(sweep(3, descent, 0)).contains("number of networks"));
        let beyond = Work::Sweep { seeds: super::Seeds { first: u64::MAX, count: 2 }, shard_of: None, descent };
        let (train, test) = appendix_c_data(50, 0).unwrap();
        let beyond = Experiment::new(beyond, 3, Activation::Sigmoid, train, Some(test));
        assert!(message(beyond).contains("end of the seeds"));
        assert!(message(sweep(3, Descent { step_size: f64::NAN, ..descent }, 1)).contains("step size is NaN"));
        assert!(message(sweep(3, Descent { init_range: -1.0, ..descent }, 1)).contains("initial range is -1"));
        let range = |init_range| sweep(3, Descent { init_range, ..descent }, 1);
        assert!(message(range(1e-38)).contains("at least 1.9721523e-31"));
        assert!(message(range(1.972_152_3e-31_f32.next_down())).contains("initial range"));
        assert!(range(1.972_152_3e-31).is_ok());
        assert!(message(sweep(3, Descent { tolerance: -1.0, ..descent }, 1)).contains("tolerance"));
        assert!(message(sweep(usize::MAX, descent, 1)).contains("parameters"));
        for samples in [1 << 40, usize::MAX] {
            assert!(appendix_c_data(samples, 0).unwrap_err().to_string().contains("samples fit"));
        }
        assert!(appendix_c_data(1, 0).unwrap_err().to_string().contains("at least 2"));
    }

    #[test]
    fn the_data_hash_tells_draws_apart() {
        let hash = |seed| {
            let (train, _) = appendix_c_data(50, seed).unwrap();
            Experiment::new(Work::sweep(0..1, Descent::default()), 3, Activation::Sigmoid, train, None)
                .unwrap()
                .spec
                .data
                .hash
        };
        assert_eq!(hash(0), hash(0));
        assert_ne!(hash(0), hash(1));
    }

    #[test]
    fn the_parts_of_a_range_cover_it_in_order_and_differ_by_one_seed() {
        for (first, count, parts) in [(0, 10, 3), (7, 1000, 8), (0, 8, 8), (5, u64::MAX - 5, 3), (3, 1, 1)] {
            let whole = super::Seeds { first, count };
            let ranges: Vec<_> = (1..=parts).map(|part| whole.part(part, parts).unwrap()).collect();
            assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (first, whole.end()));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "{ranges:?}");
            let lengths = ranges.iter().map(|range| range.end - range.start);
            assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1, "{ranges:?}");
        }
        let few = super::Seeds { first: 0, count: 2 };
        assert_eq!((few.part(0, 2), few.part(3, 2), few.part(1, 3), few.part(3, 3)), (None, None, None, Some(1..2)));
    }

    #[test]
    fn columns_of_the_spectrum_are_stored_as_they_always_were() {
        let stored = |text: &str| {
            let columns = SpectrumColumns::parse(text).unwrap();
            let json = serde_json::to_string(&columns).unwrap();
            assert_eq!(serde_json::from_str::<SpectrumColumns>(&json).unwrap(), columns, "{json}");
            json
        };
        assert_eq!(stored("values"), "\"values\"");
        assert_eq!(stored("vectors"), "\"vectors\"");
        assert_eq!(stored("values,vectors"), "\"vectors\"");
        assert_eq!(stored("blocks, 3,all"), "[\"all\",\"blocks\",3]");
        assert_eq!(stored("2"), "[2]");
        for wrong in ["", "vector", "0", "1,2", "values,,all", "-1"] {
            assert!(SpectrumColumns::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_spec_survives_its_manifest() {
        // A parser that is off by one unit in the last place would read this step size back as another number.
        let descent = Descent { step_size: 0.1 + 0.2, tolerance: 1.0 / 3.0e3, ..Descent::default() };
        let spec = sweep(3, descent, 512).unwrap().spec;
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<super::Spec>(&text).unwrap(), spec);
    }
}
