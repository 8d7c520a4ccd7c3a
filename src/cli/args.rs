//! Arguments that several commands share, in groups as `--help` shows them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::ValueEnum;

use super::failure::Failure;
use super::progress::Watched;
use super::terminal::notice;
use crate::backend::{Backend, Choice, EngineRequest};
use crate::engine::{Descent, Description, Route};
use crate::gpu::Tuning;
use crate::input::{InputError, read_dataset, read_weights};
use crate::model::{Activation, Draw, HiddenLayers, Loss, Reduction};
use crate::polish::{Polish, PolishMode};
use crate::run::Population;
use crate::spec::{
    Brackets, BuiltInName, BuiltInOptions, DataSource, Experiment, ExtraColumns, SourcedDataset, SpecError,
    SpectrumColumns, Work, drawn_data,
};

/// The training and test data.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Data")]
pub(super) struct DataArgs {
    /// Built-in data; docs/built-in-data.md has their formulas
    #[arg(long, default_value = "appendix-c", conflicts_with = "x")]
    data: BuiltInName,
    /// I, how many samples of the built-in data to draw
    #[arg(long, value_name = "I", default_value_t = 50, conflicts_with = "x")]
    samples: usize,
    /// How many test samples of the built-in data to draw, for the scores [default: 10 of appendix-c, 100 of others]
    #[arg(long, value_name = "I", conflicts_with = "x")]
    test_samples: Option<usize>,
    /// Which draw of the built-in data; a list, such as 0,1,2, makes a grid
    #[arg(long, value_name = "SEED", value_delimiter = ',', default_value = "0", conflicts_with = "x")]
    data_seed: Vec<u64>,
    /// The probability with which each training label of the built-in data is replaced by another class, all the others
    /// being equally likely; test labels stay
    #[arg(long, value_name = "P", allow_negative_numbers = true, default_value_t = 0.0, conflicts_with = "x")]
    data_label_noise: f64,
    /// sigma, the standard deviation of the Gaussian noise in each input of moons, circles, spirals, mixture and parity
    /// [default: 0.1, of a mixture 0.5]
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true, conflicts_with = "x")]
    data_noise: Option<f64>,
    /// K, the classes of circles, spirals, mixture, teacher and random-labels [default: 2]
    #[arg(long, value_name = "K", conflicts_with = "x")]
    data_classes: Option<usize>,
    /// M, the inputs of mixture, parity, teacher and random-labels [default: 2]
    #[arg(long, value_name = "M", conflicts_with = "x")]
    data_inputs: Option<usize>,
    /// The widths of the teacher's hidden layers, such as 8x8, or none [default: 3]
    #[arg(long, value_name = "N|NxN", conflicts_with = "x")]
    teacher_hidden: Option<HiddenLayers>,
    /// The teacher's activation [default: tanh]
    #[arg(long, conflicts_with = "x")]
    teacher_activation: Option<Activation>,
    /// Your samples: a .npy array (I, M), one row per sample
    #[arg(long, value_name = "X.npy", requires = "q")]
    x: Option<PathBuf>,
    /// Your targets, one row per sample, as --loss takes them: labels 0 and 1, class numbers, or values
    #[arg(long, value_name = "Q.npy", requires = "x")]
    q: Option<PathBuf>,
    /// Test samples, for the scores: the macro F1 of labels and classes, R^2 of values
    #[arg(long, value_name = "X.npy", requires_all = ["test_q", "x"])]
    test_x: Option<PathBuf>,
    /// Test targets
    #[arg(long, value_name = "Q.npy", requires_all = ["test_x", "x"])]
    test_q: Option<PathBuf>,
    /// Centre each input and scale it to standard deviation 1, by the training samples; the manifest records means and
    /// deviations
    #[arg(long)]
    standardize: bool,
    #[command(flatten)]
    loss: LossArgs,
}

/// What is minimised.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Loss")]
struct LossArgs {
    /// The loss of a sample as a function of the network's outputs z, and with it the targets it takes: logistic, sum_k
    /// softplus(z_k) - q_k z_k, takes labels 0 and 1, (I,), or (I, K) for K outputs; softmax, ln(sum_k exp(z_k)) - z_q,
    /// takes class numbers from 0 on, (I,), or rows with a single 1, (I, K); squared, |z - q|^2 / 2, takes any values,
    /// (I,), or (I, K) [default: logistic; softmax on built-in data of more than two classes]
    #[arg(long)]
    loss: Option<Loss>,
    /// How often each training sample counts: a .npy array (I,) of numbers above 0
    #[arg(long, value_name = "W.npy")]
    sample_weights: Option<PathBuf>,
    /// Whether the losses of the samples, times their weights, are added up, or averaged: divided by the sum of the
    /// weights. --step-size and --tolerance are those of the loss as reduced
    #[arg(long, default_value = "sum")]
    reduction: Reduction,
}

impl DataArgs {
    /// The same for each of the data seeds.
    pub(super) fn each(&self) -> Result<Vec<Self>, Failure> {
        check_distinct("--data-seed", &self.data_seed)?;
        Ok(self.data_seed.iter().map(|&data_seed| Self { data_seed: vec![data_seed], ..self.clone() }).collect())
    }

    /// The data seed, if it is one of several in a grid.
    pub(super) fn seed_among(&self, grid: &Self) -> Option<u64> {
        self.data_seed.first().copied().filter(|_| grid.data_seed.len() > 1)
    }

    /// Reads or draws the training data and, if there are any, the test data.
    fn load(&self) -> Result<(SourcedDataset, Option<SourcedDataset>), Failure> {
        let read = |x: &Option<PathBuf>, q: &Option<PathBuf>| -> Result<Option<SourcedDataset>, InputError> {
            let (Some(x), Some(q)) = (x, q) else { return Ok(None) };
            let source = DataSource::Files { x: x.display().to_string(), q: q.display().to_string() };
            Ok(Some((read_dataset(x, q, self.loss.loss.unwrap_or_default())?, source)))
        };
        if let Some(train) = read(&self.x, &self.q)? {
            return Ok((train, read(&self.test_x, &self.test_q)?));
        }
        let &[data_seed] = &self.data_seed[..] else {
            return Err(Failure::Usage(anyhow!("only a sweep is over several data sets: give one --data-seed")));
        };
        let options = BuiltInOptions {
            noise: self.data_noise,
            classes: self.data_classes,
            inputs: self.data_inputs,
            teacher_hidden: self.teacher_hidden.clone(),
            teacher_activation: self.teacher_activation,
        };
        let built_in = self.data.with(&options).map_err(usage)?;
        let draw = Draw { built_in, data_seed, label_noise: self.data_label_noise };
        let (train, test) = drawn_data(&draw, self.samples, self.test_samples, self.loss.loss).map_err(usage)?;
        Ok((train, Some(test)))
    }

    /// The experiment that does `work` with `network` on these data.
    pub(super) fn experiment(&self, work: Work, network: &NetworkArgs) -> Result<Experiment, Failure> {
        let (train, test) = self.load()?;
        let weights = self.loss.sample_weights.as_deref().map(read_weights).transpose()?;
        Experiment::new(work, network.hidden.clone(), network.activation, train, test)
            .and_then(|experiment| if self.standardize { experiment.standardized() } else { Ok(experiment) })
            .and_then(|experiment| experiment.weighted(weights, self.loss.reduction))
            .map_err(|error| match error {
                SpecError::Data(_) | SpecError::Inputs { .. } | SpecError::Targets { .. } => {
                    Failure::Failed(error.into())
                }
                _ => usage(error),
            })
    }
}

fn usage(error: SpecError) -> Failure {
    Failure::Usage(error.into())
}

/// One network.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArgs {
    /// N, the number of hidden units; 8x8 is two hidden layers of 8 units each, none (or 0) is no hidden layer
    #[arg(long, value_name = "N|NxN", default_value = "3")]
    pub(super) hidden: HiddenLayers,
    /// The hidden units' activation
    #[arg(long, default_value = "sigmoid")]
    pub(super) activation: Activation,
}

/// The networks of a sweep: one for each combination.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworksArgs {
    /// N, the number of hidden units; 8x8 is two hidden layers of 8 units each, none (or 0) is no hidden layer, that is
    /// logistic, softmax or linear regression. A list, such as 3,10,8x8, makes a grid
    #[arg(long, value_name = "N|NxN", value_delimiter = ',', default_value = "3")]
    hidden: Vec<HiddenLayers>,
    /// The hidden units' activation; a list makes a grid
    #[arg(long, value_delimiter = ',', default_value = "sigmoid")]
    activation: Vec<Activation>,
}

impl NetworksArgs {
    /// Every combination.
    pub(super) fn each(&self) -> Result<Vec<NetworkArgs>, Failure> {
        check_distinct("--hidden", &self.hidden)?;
        check_distinct("--activation", &self.activation)?;
        let with = |activation: Activation| {
            self.hidden.iter().map(move |hidden| NetworkArgs { hidden: hidden.clone(), activation })
        };
        Ok(self.activation.iter().copied().flat_map(with).collect())
    }
}

/// Fails if a value comes twice in the list that was given to `option`: two runs would have one name.
pub(super) fn check_distinct<T: PartialEq>(option: &str, values: &[T]) -> Result<(), Failure> {
    let is_twice = values.iter().enumerate().any(|(k, value)| values[..k].contains(value));
    if is_twice { Err(Failure::Usage(anyhow!("{option} lists a value twice"))) } else { Ok(()) }
}

/// Columns that are computed only where they are asked for.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Columns")]
pub(super) struct ColumnArgs {
    /// Also the closed-form bounds of the traces and the norms they are made of: Theorems 3, 4 and 6 for the paper's
    /// networks, and what they become with any depth, several outputs, other losses and weights. Theorem 3 has none for
    /// hidden values without a bound, and Theorem 4 none for square, whose slope has no bound: the paper's networks
    /// then have inf, all others a bound by their weights
    #[arg(long)]
    bounds: bool,
    /// Also tr G, tr G^2 and the bound of the largest eigenvalue of the Gauss-Newton part G = sum_i J_i^T S_i J_i of
    /// the Hessian, J_i = dz_i/dtheta and S_i = d^2 l_i/dz_i^2; with --spectrum also that eigenvalue. H - G is what the
    /// residuals add
    #[arg(long)]
    gauss_newton: bool,
    /// Also the Hessian's largest and smallest eigenvalue; with `vectors` the eigenvectors u_1 to u_4, with `all` all
    /// eigenvalues, with a number K the K largest and the K smallest, with `blocks` the largest of H(w,w) and of
    /// H(v,v), or of each layer's block where there is not one hidden layer. A list, such as vectors,all, gives several
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "values",
          value_parser = SpectrumColumns::parse)]
    spectrum: Option<SpectrumColumns>,
    /// Also a bracket of the largest and of the smallest eigenvalue: two numbers that provably hold it. By moments of H
    /// up to the fourth, `four`, or the eighth, `eight`; or no wider than W of the largest, such as 0.001
    #[arg(long, value_name = "four|eight|W", num_args = 0..=1, require_equals = true, default_missing_value = "four",
          value_parser = Brackets::parse)]
    brackets: Option<Brackets>,
    /// Also where the descent of each network ends, whether it converged or not: its weights are followed in f64, and
    /// minima, saddles and valleys told apart
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "descend")]
    polish: Option<PolishWay>,
    /// The farthest that --polish=nearest looks: the Euclidean distance from the weights [default: 10]
    #[arg(long, value_name = "R", allow_negative_numbers = true, requires = "polish")]
    polish_radius: Option<f64>,
}

/// How --polish looks for the end of a descent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PolishWay {
    /// Downhill, past every saddle, by Newton steps in a trust region
    Descend,
    /// To the nearest critical point of any index, by damped steps on the norm of the gradient
    Nearest,
}

impl ColumnArgs {
    pub(super) fn extra(&self) -> Result<ExtraColumns, Failure> {
        let radius = self.polish_radius.unwrap_or(PolishMode::RADIUS);
        if !(radius.is_finite() && radius > 0.0) {
            return Err(Failure::Usage(anyhow!("--polish-radius is {radius}: it must be finite and greater than 0")));
        }
        if self.polish_radius.is_some() && self.polish != Some(PolishWay::Nearest) {
            return Err(Failure::Usage(anyhow!(
                "--polish-radius is for --polish=nearest: a descent goes as far as it takes"
            )));
        }
        let polish = self.polish.map(|way| Polish {
            mode: match way {
                PolishWay::Descend => PolishMode::Descend,
                PolishWay::Nearest => PolishMode::Nearest { radius },
            },
            ..Polish::default()
        });
        let Self { bounds, gauss_newton, spectrum, brackets, .. } = *self;
        Ok(ExtraColumns { bounds, gauss_newton, spectrum, brackets, polish })
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
    #[command(flatten)]
    decay: DecayArgs,
}

/// The objective besides the loss.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Training")]
pub(super) struct DecayArgs {
    /// alpha of the objective L + alpha |theta|^2 / 2, biases included. --tolerance and --polish are about its
    /// gradient; loss, gradient_sq, traces and bounds stay those of L
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true, default_value_t = 0.0)]
    pub(super) weight_decay: f64,
}

impl DescentsArgs {
    /// One descent for each step size.
    pub(super) fn each(&self) -> Result<Vec<Descent>, Failure> {
        check_distinct("--step-size", &self.step_size)?;
        let Self { init_range, max_steps, tolerance, decay: DecayArgs { weight_decay }, .. } = *self;
        let with = |&step_size: &f64| Descent { init_range, step_size, max_steps, tolerance, weight_decay };
        Ok(self.step_size.iter().map(with).collect())
    }
}

/// The engine and its settings.
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
    /// Milliseconds that one dispatch on a graphics adapter should take: fewer keep a desktop smoother. It changes no
    /// result
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    dispatch_ms: u64,
}

impl EngineArgs {
    /// Chooses the engine and says so on stderr.
    pub(super) fn choose(&self) -> Result<Choice, Failure> {
        said(self.request()?.choose()?)
    }

    /// Chooses the engine that a run was begun with, unless another one is asked for, and says so on stderr. For the
    /// route see [`Choice::as_begun`].
    pub(super) fn choose_as(&self, begun: &Description) -> Result<Choice, Failure> {
        said(self.request()?.choose_as(begun)?)
    }

    fn request(&self) -> Result<EngineRequest, Failure> {
        let &Self { backend, ref adapter, route, dispatch_ms } = self;
        let tuning = Tuning { dispatch: Duration::from_millis(dispatch_ms), ..Tuning::default() };
        let request = EngineRequest { backend, adapter: adapter.clone(), route: route.unwrap_or_default(), tuning };
        match request.contradiction() {
            Some(why) => Err(Failure::Usage(anyhow!(why))),
            None => Ok(request),
        }
    }
}

/// `choice`, which is said on stderr.
fn said(choice: Choice) -> Result<Choice, Failure> {
    notice(&choice.reason);
    Ok(choice)
}

/// How progress is shown, on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Show {
    /// A bar on a terminal, a line every 30 s elsewhere
    Auto,
    /// One JSON object per line, after every chunk
    Json,
    /// Nothing
    None,
}

/// Watching and limiting a run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct ProgressArgs {
    /// How to show progress, on stderr
    #[arg(long, default_value = "auto")]
    progress: Show,
    /// MiB of memory that the networks in flight may take, not counting the driver's
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    memory: u64,
}

impl ProgressArgs {
    /// Whether a program reads stderr: after its first line nothing but progress comes there.
    pub(super) fn json(&self) -> bool {
        self.progress == Show::Json
    }

    /// The memory for networks in flight, bytes.
    pub(super) fn memory(&self) -> u64 {
        self.memory.saturating_mul(1 << 20)
    }

    /// Shows work, the first part of which is called `what`, unless progress is not to be shown or is for a program.
    pub(super) fn watch(&self, what: &str) -> Watched {
        if self.progress == Show::Auto { Watched::start(what) } else { Watched::silent() }
    }
}

/// How results are printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct OutputArgs {
    /// Print the results as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// How summaries and tables of runs are printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct SummaryArgs {
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// The networks that the quantiles are over [default: those that converged, if some did (in a grid: in every run),
    /// else all; for networks from a file all]
    #[arg(long, value_name = "NETWORKS")]
    pub(super) over: Option<Population>,
}

impl SummaryArgs {
    /// Fails if the converged networks of `work` are asked for and no rule says which these are.
    pub(super) fn check(&self, work: &Work) -> Result<(), Failure> {
        if self.over == Some(Population::Converged) && !work.is_judged() {
            return Err(Failure::Usage(anyhow!(
                "no network is known to have converged: they were evaluated without --tolerance. Use --over all, or \
                 evaluate with --tolerance G"
            )));
        }
        Ok(())
    }
}
