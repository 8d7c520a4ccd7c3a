//! Arguments that several commands share: the data, the network, the descent, the engine.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::Failure;
use crate::backend::{Backend, Choice, choose, choose_begun};
use crate::engine::{Descent, Description, Route};
use crate::gpu::Tuning;
use crate::input::{InputError, read_dataset};
use crate::model::{Activation, Dataset, RoundedInput};
use crate::spec::{
    DataSource, Experiment, ExtraColumns, SourcedDataset, SpecError, SpectrumColumns, Work, appendix_c_data,
};

/// Data sets that need no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BuiltIn {
    /// The paper's: two Gaussian classes in the plane, and ten test samples
    AppendixC,
}

/// The training and test data.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Data")]
pub(super) struct DataArgs {
    /// Built-in data
    #[arg(long, default_value = "appendix-c", conflicts_with = "x")]
    data: BuiltIn,
    /// I, how many samples of the built-in data to draw
    #[arg(long, value_name = "I", default_value_t = 50, conflicts_with = "x")]
    samples: usize,
    /// Which draw of the built-in data
    #[arg(long, value_name = "SEED", default_value_t = 0, conflicts_with = "x")]
    data_seed: u64,
    /// Your samples: a .npy array (I, M), one row a sample
    #[arg(long, value_name = "X.npy", requires = "q")]
    x: Option<PathBuf>,
    /// Your labels: a .npy array (I,) of 0 and 1
    #[arg(long, value_name = "Q.npy", requires = "x")]
    q: Option<PathBuf>,
    /// Test samples, for the macro F1
    #[arg(long, value_name = "X.npy", requires_all = ["test_q", "x"])]
    test_x: Option<PathBuf>,
    /// Test labels
    #[arg(long, value_name = "Q.npy", requires_all = ["test_x", "x"])]
    test_q: Option<PathBuf>,
    /// Centre each input and scale it to standard deviation 1, by the training samples; the manifest keeps means and deviations
    #[arg(long)]
    standardize: bool,
}

impl DataArgs {
    /// Reads or draws the training data and, if there are any, the test data.
    fn load(&self) -> Result<(SourcedDataset, Option<SourcedDataset>), Failure> {
        let read = |x: &Option<PathBuf>, q: &Option<PathBuf>| -> Result<Option<SourcedDataset>, InputError> {
            let (Some(x), Some(q)) = (x, q) else { return Ok(None) };
            let source = DataSource::Files { x: x.display().to_string(), q: q.display().to_string() };
            Ok(Some((read_dataset(x, q)?, source)))
        };
        if let Some(train) = read(&self.x, &self.q)? {
            return Ok((train, read(&self.test_x, &self.test_q)?));
        }
        let BuiltIn::AppendixC = self.data;
        let (train, test) = appendix_c_data(self.samples, self.data_seed).map_err(usage)?;
        Ok((train, Some(test)))
    }

    /// The experiment of `work` with `network` on these data.
    pub(super) fn experiment(&self, work: Work, network: &NetworkArgs) -> Result<Experiment, Failure> {
        let (train, test) = self.load()?;
        Experiment::new(work, network.hidden, network.activation, train, test)
            .and_then(|experiment| if self.standardize { experiment.standardized() } else { Ok(experiment) })
            .map_err(|error| match error {
                SpecError::Data(_) | SpecError::Inputs { .. } => Failure::Failed(error.into()),
                _ => usage(error),
            })
    }
}

/// The most inputs that are named one by one.
const NAMED_INPUTS: usize = 5;

/// Names the inputs that f32 rounds notably, and `what` is computed in f32, which `instead` is not.
pub(super) fn name_rounded_inputs(data: &Dataset, what: &str, instead: &str) {
    let rounded = data.inputs_rounded_by_f32();
    for RoundedInput { input, rounding, range } in rounded.iter().take(NAMED_INPUTS) {
        super::notice(&format!(
            "x[:, {input}] changes by {range:.3e} in all, and float32 rounds it by up to {rounding:.1e}: {what} in float32 sees other data. \
             Use --standardize, or {instead}"
        ));
    }
    if rounded.len() > NAMED_INPUTS {
        super::notice(&format!("and so does float32 with {} more inputs", rounded.len() - NAMED_INPUTS));
    }
}

fn usage(error: SpecError) -> Failure {
    Failure::Usage(error.into())
}

/// The network.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArgs {
    /// N, the number of hidden units
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) hidden: usize,
    /// The hidden units' activation
    #[arg(long, default_value = "sigmoid")]
    pub(super) activation: Activation,
}

/// Networks, one for each combination.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworksArgs {
    /// N, the number of hidden units; a list, as 3,10, makes a grid
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "3")]
    hidden: Vec<usize>,
    /// The hidden units' activation; a list makes a grid
    #[arg(long, value_delimiter = ',', default_value = "sigmoid")]
    activation: Vec<Activation>,
}

impl NetworksArgs {
    /// Every combination.
    pub(super) fn each(&self) -> Result<Vec<NetworkArgs>, Failure> {
        check_distinct("--hidden", &self.hidden)?;
        check_distinct("--activation", &self.activation)?;
        let with = |activation: Activation| self.hidden.iter().map(move |&hidden| NetworkArgs { hidden, activation });
        Ok(self.activation.iter().copied().flat_map(with).collect())
    }
}

/// Fails if a value comes twice in the list given to `option`: its run would be there twice.
pub(super) fn check_distinct<T: PartialEq>(option: &str, values: &[T]) -> Result<(), Failure> {
    let twice = values.iter().enumerate().any(|(k, value)| values[..k].contains(value));
    if twice { Err(Failure::Usage(anyhow::anyhow!("{option} lists a value twice"))) } else { Ok(()) }
}

/// Columns that are not always computed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Columns")]
pub(super) struct ColumnArgs {
    /// Also the closed-form bounds of the traces and the norms they are made of (Theorems 3, 4 and 6)
    #[arg(long)]
    bounds: bool,
    /// Also the Hessian's largest and smallest eigenvalue, and with `vectors` the eigenvectors u_1 to u_4
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "values")]
    spectrum: Option<SpectrumColumns>,
}

impl ColumnArgs {
    pub(super) fn extra(&self) -> ExtraColumns {
        ExtraColumns { bounds: self.bounds, spectrum: self.spectrum }
    }
}

/// The gradient descent. The defaults are the paper's, with the step size fitted to its published counts.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Training")]
pub(super) struct DescentsArgs {
    /// Initial weights are drawn uniformly from (-A, A)
    #[arg(long, value_name = "A", allow_negative_numbers = true, default_value_t = Descent::default().init_range)]
    init_range: f32,
    /// eta in theta <- theta - eta dL/dtheta; a list makes a grid
    #[arg(long, value_name = "ETA", allow_negative_numbers = true, value_delimiter = ',',
          default_values_t = [Descent::default().step_size])]
    step_size: Vec<f64>,
    /// The most steps a network takes
    #[arg(long, value_name = "T", default_value_t = Descent::default().max_steps)]
    max_steps: u32,
    /// Converged once the squared gradient norm g.g is below this
    #[arg(long, value_name = "G", allow_negative_numbers = true, default_value_t = Descent::default().tolerance)]
    tolerance: f64,
}

impl DescentsArgs {
    /// One descent a step size.
    pub(super) fn each(&self) -> Result<Vec<Descent>, Failure> {
        check_distinct("--step-size", &self.step_size)?;
        let Self { init_range, max_steps, tolerance, .. } = *self;
        let with = |&step_size: &f64| Descent { init_range, step_size, max_steps, tolerance };
        Ok(self.step_size.iter().map(with).collect())
    }
}

/// The engine.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Engine")]
pub(super) struct EngineArgs {
    /// Where to compute [default: auto]
    #[arg(long)]
    backend: Option<Backend>,
    /// The graphics adapter: its number, or a part of its name or id (see `sharpsweep adapters`)
    #[arg(long, value_name = "WHICH")]
    adapter: Option<String>,
    /// How to compute tr H^2; both are exact [default: auto]
    #[arg(long)]
    route: Option<Route>,
    /// Milliseconds that one dispatch on a graphics adapter should take: fewer keep a desktop smoother. Changes no result
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    dispatch_ms: u64,
}

impl EngineArgs {
    /// Chooses the engine and says so on stderr.
    pub(super) fn choose(&self) -> Result<Choice, Failure> {
        let backend = self.backend.unwrap_or_default();
        if self.adapter.is_some() && matches!(backend, Backend::Cpu | Backend::Reference) {
            return Err(Failure::Usage(anyhow::anyhow!(
                "--adapter names a graphics adapter: use it with --backend gpu or auto"
            )));
        }
        let choice = choose(backend, self.adapter.as_deref(), self.route.unwrap_or_default(), self.tuning())?;
        super::notice(&choice.reason);
        Ok(choice)
    }

    /// Chooses the engine that a run was begun with, unless another one is asked for, and says so on stderr. Its route is that run's
    /// own affair: see [`Choice::as_begun`].
    pub(super) fn choose_as(&self, begun: &Description) -> Result<Choice, Failure> {
        if self.backend.is_some() || self.adapter.is_some() {
            return self.choose();
        }
        let backend = Backend::from_str(&begun.machine.engine, true).ok();
        if backend != Some(Backend::Gpu) {
            return Self { backend, ..self.clone() }.choose();
        }
        let choice = choose_begun(&begun.machine, self.route.unwrap_or_default(), self.tuning())?;
        super::notice(&choice.reason);
        Ok(choice)
    }

    fn tuning(&self) -> Tuning {
        Tuning { dispatch: Duration::from_millis(self.dispatch_ms), ..Tuning::default() }
    }
}

/// `512` (seeds 0 to 511) or `100..200` (100 to 199).
pub(super) fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("`{text}` is no seed ({error}): give a count, as 512, or a range, as 100..200"))
    };
    let range = match text.split_once("..") {
        Some((first, end)) => number(first)?..number(end)?,
        None => 0..number(text)?,
    };
    if range.is_empty() {
        return Err(format!(
            "{text} holds no seed: the end of a range is not part of it, so it must be above the start"
        ));
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::parse_seeds;

    #[test]
    fn seeds_are_a_count_or_a_range() {
        assert_eq!(parse_seeds("512"), Ok(0..512));
        assert_eq!(parse_seeds("100..200"), Ok(100..200));
        for wrong in ["0", "5..5", "7..3", "x", "1..", "-3", "1.5"] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
    }
}
