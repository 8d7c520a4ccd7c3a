//! The summary of a run, in a directory or in memory: for a person by `Display`, or as JSON.

mod error;
mod numbers;
mod source;
mod statistics;

use std::fmt::{self, Display};

use serde::Serialize;

use crate::analysis::macro_f1;
use crate::model::{Dataset, Loss, Reduction};
use crate::polish::PolishMode;
use crate::run::{EndCounts, Manifest, Population, RunError, StatusCounts};
use crate::spec::{DataSource, Spec, Work};
use source::has;
use statistics::Missing;

pub use error::SummaryError;
pub(crate) use numbers::{left_out, percent, short};
pub use source::{InMemoryRun, SummarySource, ValuesView};
pub(crate) use statistics::{LAMBDA_MIN, Quantiles, Share};

/// The quantiles of a summary, as levels and as column heads.
const LEVELS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
const HEADS: [&str; 5] = ["10 %", "25 %", "median", "75 %", "90 %"];

/// What the summary says, as its JSON. `Display` writes it as a table, without a line break at the end.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    /// `None` for a run in memory.
    directory: Option<String>,
    manifest: &'a Manifest,
    /// How many rows are written: all of a finished run.
    pub(crate) written: u64,
    /// How the networks of the written rows ended.
    outcome: StatusCounts,
    /// Which networks the quantiles are over.
    over: Population,
    /// How many these are.
    networks: u64,
    /// How many of the written rows' networks are not finite, and so in no population.
    left_out: u64,
    /// The levels of the quantiles below.
    levels: [f64; 5],
    quantiles: Vec<Quantiles>,
    /// Of the same networks, where eigenvalues were computed.
    lambda_min_below_zero: Option<Share>,
    /// Where the descents of the same networks end, where they were followed.
    ends: Option<EndCounts>,
    /// The values that are NaN.
    missing: Vec<Missing>,
    /// What may be wrong with the networks or the data, a sentence each.
    hints: Vec<String>,
}

/// The columns of a summary, where a run has them.
const COLUMNS: [&str; 16] = [
    "lambda_sup",
    "lambda_max",
    "lambda_max_lower",
    "bracket_lower",
    "bracket_upper",
    "bracket_width",
    LAMBDA_MIN,
    "trace",
    "loss",
    "gradient_sq",
    "steps",
    "macro_f1",
    "accuracy",
    "r2",
    "test_loss",
    "gn_lambda_sup",
];

impl<'a> Summary<'a> {
    /// Sums up the written rows of `run`. The quantiles are over the networks of `over`: those that converged, if none
    /// are named and some did, else all.
    ///
    /// # Errors
    /// [`SummaryError`] for columns that cannot be read.
    pub fn of(run: &'a dyn SummarySource, over: Option<Population>) -> Result<Self, SummaryError> {
        let outcome = run.outcome()?;
        let is_trained = matches!(run.manifest().spec.work, Work::Sweep { .. });
        let default = if is_trained && outcome.converged > 0 { Population::Converged } else { Population::All };
        let over = over.unwrap_or(default);
        let networks = over.size(&outcome);
        let quantiles = COLUMNS
            .into_iter()
            .filter(|&column| networks > 0 && has(run, column) && (is_trained || column != "steps"))
            .map(|column| Quantiles::of(run, column, over, &LEVELS))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            directory: run.dir().map(|dir| dir.display().to_string()),
            manifest: run.manifest(),
            written: outcome.ended(),
            outcome,
            over,
            networks,
            left_out: outcome.non_finite,
            levels: LEVELS,
            hints: wrong_order(run, &quantiles)?,
            quantiles,
            lambda_min_below_zero: Share::below_zero(run, over)?,
            ends: run.ends(over)?,
            missing: Missing::of(run)?,
        })
    }
}

/// Networks whose median loss is above this part of the loss of a constant answer may as well have learnt nothing.
const NOTHING_LEARNT: f64 = 0.9;

/// A hint, for networks that were trained elsewhere, that they do no better than an answer which does not look at the
/// inputs: so it looks where the weights in theta do not stand in the expected order.
fn wrong_order(run: &dyn SummarySource, quantiles: &[Quantiles]) -> Result<Vec<String>, SummaryError> {
    if !matches!(run.manifest().spec.work, Work::Evaluate { .. }) {
        return Ok(Vec::new());
    }
    let (train, test) = match run.data() {
        Ok(data) => data,
        // The columns can be shown without the data.
        Err(RunError::Data(_) | RunError::Experiment { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let median = |column: &str| quantiles.iter().find(|of| of.column == column)?.values.get(2).copied();
    let constant = train.loss_of_constant();
    let mut signs = Vec::new();
    if let Some(loss) = median("loss").filter(|&loss| constant > 0.0 && loss > NOTHING_LEARNT * constant) {
        signs.push(format!("the median loss is {}, and the best constant answer has {}", short(loss), short(constant)));
    }
    if let Some(test) = &test
        && let Some(score) = median("macro_f1")
        && let Some(constant) = macro_f1_of_a_constant(test).filter(|&constant| score <= constant && constant < 1.0)
    {
        signs.push(format!("the median macro F1 is {}, and a constant answer has {}", short(score), short(constant)));
    }
    if signs.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![
        format!("{}: compare `loss` with yours first.", signs.join("; ")),
        "Other data or another activation can be the reason, and a wrong order of theta looks like this.".into(),
        if run.manifest().spec.one_hidden().is_some() {
            "The order is w[m N + n] = W[n, m] with m = 0 the biases, then v_0 .. v_N with v_0 the bias.".into()
        } else {
            "The order is layer by layer, W_l[a, p] at p N_l + a of layer l, with p = 0 the biases.".into()
        },
    ])
}

/// The higher macro F1 of the two answers that are the same for every sample.
fn macro_f1_of_a_constant(test: &Dataset) -> Option<f64> {
    let labels: Vec<bool> = test.q()?.iter().map(|&q| q > 0.5).collect();
    let score = |answer: bool| macro_f1(&vec![answer; labels.len()], &labels).ok();
    Some(score(false)?.max(score(true)?))
}

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self))
    }
}

fn text(summary: &Summary<'_>) -> String {
    let &Summary { manifest, written, over, networks, ref outcome, ref quantiles, .. } = summary;
    let spec = &manifest.spec;
    let mut lines = vec![describe(spec), ends(&spec.work, outcome)];
    lines.extend(manifest.seconds.map(|seconds| {
        format!(
            "{:.2} s: training {:.2} s, closed forms {:.2} s   ({:.0} networks per second)",
            seconds.total,
            seconds.train,
            seconds.evaluate,
            written as f64 / seconds.total.max(1e-9)
        )
    }));
    if matches!(spec.work, Work::Sweep { .. }) && written > 0 && outcome.converged == 0 {
        lines.push(match outcome.step_limit {
            0 => "every network diverged: try a smaller --step-size".into(),
            _ => "no network converged: try more --max-steps or another --step-size".into(),
        });
    }
    if networks > 0 {
        lines.push(table(summary));
        lines.extend((over == Population::All && summary.left_out > 0).then(|| left_out(summary.left_out)));
        lines.push(what_the_bounds_bound(summary.lambda_min_below_zero, spec.work.weight_decay()));
        let bracketed = quantiles.iter().any(|of| of.column == "bracket_width");
        lines.extend(bracketed.then(|| WHAT_THE_BRACKET_HOLDS.to_owned()));
        lines.extend(summary.ends.map(|ends| where_it_ends(spec, &ends, networks)));
    } else if written > 0 {
        let wanted = if over == Population::Converged { "converged" } else { "is finite" };
        lines.push(format!("no network {wanted}, so there is nothing to show of their columns"));
    }
    let marks = std::iter::once("hint: ").chain(std::iter::repeat(""));
    lines.extend(marks.zip(&summary.hints).map(|(mark, hint)| format!("{mark}{hint}")));
    lines.extend(summary.missing.iter().map(|Missing { column, networks, reason }| {
        format!("{column} is NaN for {networks} of {written} networks: {reason}")
    }));
    let (columns, rows) = (manifest.columns.len(), spec.rows());
    lines.push(match &summary.directory {
        Some(dir) => format!("{columns} columns of {rows} rows in {dir}: numpy.load(\"{dir}/lambda_sup.npy\")"),
        None => format!("{columns} columns of {rows} rows in memory"),
    });
    lines.join("\n")
}

/// The line below the quantiles of a run with brackets.
const WHAT_THE_BRACKET_HOLDS: &str = "The largest eigenvalue lies between bracket_lower and bracket_upper: this is \
                                      proven, rounding included.";

fn what_the_bounds_bound(below_zero: Option<Share>, decay: f64) -> String {
    let below = if decay > 0.0 { format!("below -{decay}, the objective's below zero,") } else { "below zero".into() };
    let is_no_minimum = match below_zero {
        Some(Share { networks, of }) => {
            format!("lambda_min is {below} for {networks} of the {of} networks ({})", percent(networks, of))
        }
        None => format!("the smallest eigenvalue can be {below} (--spectrum computes it)"),
    };
    format!(
        "\nlambda_sup bounds the largest Hessian eigenvalue from above, lambda_max_lower from below. A small gradient \
         does not make\n\
         a minimum: {is_no_minimum}."
    )
}

/// Where the descents of the networks that the quantiles are over end.
fn where_it_ends(spec: &Spec, ends: &EndCounts, networks: u64) -> String {
    let &EndCounts { minimum, saddle, valley, left_radius, unfinished } = ends;
    let counts = [
        ("minimum", minimum),
        ("saddle", saddle),
        ("valley", valley),
        ("left the radius", left_radius),
        ("unfinished", unfinished),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|&(end, count)| format!("{end} {count} ({})", percent(count, networks)))
        .collect();
    let what = match spec.extra.polish.map(|polish| polish.mode) {
        Some(PolishMode::Nearest { .. }) => "the nearest critical points",
        _ => "the ends of their descents",
    };
    let decay = match spec.work.weight_decay() {
        0.0 => String::new(),
        decay => format!(" with weight decay {decay}"),
    };
    format!("{what}{decay}: {}", counts.join("   "))
}

/// The quantiles, with the population as their head.
fn table(summary: &Summary<'_>) -> String {
    let &Summary { over, networks, ref quantiles, .. } = summary;
    let population = match over {
        Population::Converged => format!("{networks} converged"),
        Population::All => format!("all {networks}"),
    };
    let mut lines = vec![format!("\n{population:18}{}", HEADS.map(|head| format!("{head:>12}")).concat())];
    for row in quantiles {
        let values: String = row.values.iter().map(|&value| format!("{:>12}", short(value))).collect();
        // The others have none.
        let fewer = if row.networks == networks { String::new() } else { format!("   over {}", row.networks) };
        lines.push(format!("{:18}{values}{fewer}", row.column));
    }
    lines.join("\n")
}

/// How many networks ended in which way, and their part of those that are written.
fn ends(work: &Work, outcome: &StatusCounts) -> String {
    let &StatusCounts { converged, step_limit, non_finite, evaluated } = outcome;
    let ways = match work {
        Work::Sweep { .. } => vec![("converged", converged), ("step limit", step_limit), ("non-finite", non_finite)],
        Work::Evaluate { tolerance: Some(_), .. } => {
            vec![("converged", converged), ("not converged", step_limit), ("non-finite", non_finite)]
        }
        Work::Evaluate { tolerance: None, .. } => vec![("evaluated", evaluated), ("non-finite", non_finite)],
    };
    let all = outcome.ended().max(1);
    let count = |(way, count): (&str, u64)| format!("{way} {count} ({})", percent(count, all));
    let counts = ways.into_iter().map(count).collect::<Vec<_>>().join("   ");
    match work {
        Work::Evaluate { tolerance: Some(tolerance), .. } => format!("{counts}   (converged: g.g < {tolerance})"),
        _ => counts,
    }
}

/// One line on what was run.
fn describe(spec: &Spec) -> String {
    let what = match &spec.work {
        Work::Sweep { seeds, .. } => format!("{} seeds from {}", seeds.count, seeds.first),
        Work::Evaluate { networks, .. } => format!("{networks} networks from elsewhere"),
    };
    let data = match &spec.data.source {
        DataSource::Drawn(draw) => draw.to_string(),
        DataSource::Files { x, .. } => x.clone(),
        DataSource::Arrays => "arrays".into(),
    };
    format!(
        "{what}, N = {} {}{}, D = {}, {data} (I = {}, M = {})",
        spec.hidden,
        spec.activation.name(),
        minimised(spec),
        spec.parameters(),
        spec.data.samples,
        spec.data.inputs
    ) + &match spec.work.weight_decay() {
        0.0 => String::new(),
        decay => format!(", weight decay {decay}"),
    }
}

/// What the networks minimise beyond the cross-entropy of one label per sample, summed up, as a part of a list.
pub(crate) fn minimised(spec: &Spec) -> String {
    let mut parts = String::new();
    if spec.outputs > 1 {
        parts += &format!(", K = {}", spec.outputs);
    }
    if spec.loss != Loss::Logistic {
        parts += &format!(", {} loss", spec.loss.name());
    }
    parts
        + match (spec.reduction, spec.data.weights_hash.is_some()) {
            (Reduction::Mean, _) => ", mean over the samples",
            (Reduction::Sum, true) => ", weighted samples",
            (Reduction::Sum, false) => "",
        }
}
