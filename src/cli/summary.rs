//! What a run came to, for a person or as JSON.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;

use super::progress::go_on_with;
use super::{Failure, print};
use crate::analysis::{macro_f1, streamed_quantiles};
use crate::bounds::no_bound;
use crate::model::Dataset;
use crate::records::Dtype;
use crate::run::{Manifest, Population, Run, RunError, State, StatusCounts};
use crate::spec::{DataSource, Spec, Work};

/// How results are printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct OutputArgs {
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl OutputArgs {
    /// Whether a program reads the results.
    pub(super) fn json(&self) -> bool {
        self.json
    }
}

/// How summaries and tables of runs are printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct SummaryArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Over which networks the quantiles are [default: those that converged, where some did (in a grid: in every run), else all; of
    /// networks from a file all]
    #[arg(long, value_name = "NETWORKS")]
    over: Option<Population>,
}

impl SummaryArgs {
    /// Whether a program reads the results.
    pub(super) fn json(&self) -> bool {
        self.output.json()
    }

    /// The population that was asked for.
    pub(super) fn over(&self) -> Option<Population> {
        self.over
    }

    /// Fails if the converged networks of `work` are asked for and nothing says which these are.
    pub(super) fn check(&self, work: &Work) -> Result<(), Failure> {
        if self.over == Some(Population::Converged) && !work.is_judged() {
            return Err(Failure::Usage(anyhow!(
                "no network is known to have converged: they were evaluated without --tolerance. Use --over all, or evaluate with \
                 --tolerance G"
            )));
        }
        Ok(())
    }
}

/// The quantiles of a summary, as levels and as column heads.
const LEVELS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
const HEADS: [&str; 5] = ["10 %", "25 %", "median", "75 %", "90 %"];

#[derive(Debug, Serialize)]
struct Summary<'a> {
    directory: String,
    manifest: &'a Manifest,
    /// How many rows are written: all of a finished run.
    written: u64,
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
    /// The values that are NaN.
    missing: Vec<Missing>,
    /// What may be wrong with the networks or the data, a sentence each.
    hints: Vec<String>,
}

/// Networks whose value in some column is NaN for one reason.
#[derive(Debug, Serialize)]
struct Missing {
    column: String,
    networks: u64,
    reason: &'static str,
}

/// A part of the networks of a population.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Share {
    networks: u64,
    /// The networks of the population that have the value asked about.
    of: u64,
}

impl Share {
    /// The part, 0 to 1; NaN of none.
    pub(super) fn part(self) -> f64 {
        self.networks as f64 / self.of as f64
    }
}

/// The bounds that have a reason of their own to be NaN, all four at once.
const BOUNDS: [&str; 4] = ["lambda_sup", "lambda_max_lower", "lambda_min_upper", "lambda_min_lower"];

/// How many networks hold NaN in each column, and why.
fn missing(run: &Run) -> Result<Vec<Missing>, Failure> {
    let is_plain = |column: &&crate::records::Column| column.width.is_none() && column.dtype == Dtype::Float64;
    let names: Vec<&str> = run.manifest().columns.iter().filter(is_plain).map(|column| column.name.as_str()).collect();
    let place = |name: &str| names.iter().position(|&other| other == name);
    let traces = place("trace").zip(place("trace_sq")).zip(place("bound_error"));
    let mut counts: BTreeMap<(usize, &'static str), u64> = BTreeMap::new();
    run.each_row(&names, &mut |values| {
        for (k, (&name, value)) in names.iter().zip(values).enumerate() {
            if !value.is_nan() || name == "bound_error" {
                continue;
            }
            let reason = match traces {
                Some(((trace, trace_sq), error)) if BOUNDS.contains(&name) => {
                    no_bound(values[trace], values[trace_sq], values[error]).map(|none| none.reason())
                }
                _ if ["lambda_max", "lambda_min"].contains(&name) => Some("no eigenvalues were found"),
                _ => None,
            };
            *counts.entry((k, reason.unwrap_or("it is not finite in the engine's precision"))).or_default() += 1;
        }
    })?;
    let missing =
        counts.into_iter().map(|((k, reason), networks)| Missing { column: names[k].to_owned(), networks, reason });
    Ok(missing.collect())
}

/// The column of which the part below zero is told.
const LAMBDA_MIN: &str = "lambda_min";

/// Quantiles of one column.
#[derive(Debug, Serialize)]
pub(super) struct Quantiles {
    column: &'static str,
    /// How many networks they are over: those of the population whose value is finite.
    networks: u64,
    values: Vec<f64>,
}

impl Quantiles {
    /// The value at the `k`-th level, if there are networks.
    pub(super) fn value(&self, k: usize) -> Option<f64> {
        self.values.get(k).copied()
    }

    /// The values at all levels; none without networks.
    pub(super) fn values(self) -> Vec<f64> {
        self.values
    }
}

/// The quantiles of a column at `levels` over the networks of `over` whose value is finite; none where there are none. Memory does not
/// grow with the run.
pub(super) fn quantiles_of(
    run: &Run,
    column: &'static str,
    over: Population,
    levels: &[f64],
) -> Result<Quantiles, Failure> {
    let networks = Cell::new(0);
    let each = |take: &mut dyn FnMut(f64)| -> anyhow::Result<()> {
        // Every pass is over the same values.
        networks.set(0);
        // An f32 engine can overflow in one column of a network whose gradient is still finite.
        let mut numbers = |value: f64| {
            if value.is_finite() {
                networks.set(networks.get() + 1);
                take(value)
            }
        };
        Ok(run.each_value(column, over, &mut numbers)?)
    };
    let values = streamed_quantiles(each, levels)?;
    Ok(Quantiles { column, networks: networks.get(), values })
}

/// How many networks of `over` have a smallest eigenvalue below zero, as it was computed; `None` where none was.
pub(super) fn lambda_min_below_zero(run: &Run, over: Population) -> Result<Option<Share>, Failure> {
    if !run.has(LAMBDA_MIN) {
        return Ok(None);
    }
    let mut share = Share { networks: 0, of: 0 };
    run.each_value(LAMBDA_MIN, over, &mut |value| {
        share.of += u64::from(value.is_finite());
        share.networks += u64::from(value < 0.0 && value.is_finite());
    })?;
    Ok((share.of > 0).then_some(share))
}

/// Prints the summary of `run` to stdout: that of its written rows, if it is not finished.
pub(super) fn show(run: &Run, args: &SummaryArgs) -> Result<(), Failure> {
    let spec = &run.manifest().spec;
    args.check(&spec.work)?;
    let outcome = run.outcome()?;
    let over = args.over().unwrap_or(match spec.work {
        Work::Sweep { .. } if outcome.converged > 0 => Population::Converged,
        _ => Population::All,
    });
    let networks = over.size(&outcome);
    let columns = [
        "lambda_sup",
        "lambda_max",
        "lambda_max_lower",
        LAMBDA_MIN,
        "trace",
        "loss",
        "gradient_sq",
        "steps",
        "macro_f1",
    ];
    let is_trained = matches!(spec.work, Work::Sweep { .. });
    let quantiles = columns
        .into_iter()
        .filter(|&column| networks > 0 && run.has(column) && (is_trained || column != "steps"))
        .map(|column| quantiles_of(run, column, over, &LEVELS))
        .collect::<Result<Vec<_>, _>>()?;
    let summary = Summary {
        directory: run.dir().display().to_string(),
        manifest: run.manifest(),
        written: outcome.ended(),
        outcome,
        over,
        networks,
        left_out: outcome.non_finite,
        levels: LEVELS,
        hints: wrong_order(run, &quantiles)?,
        quantiles,
        lambda_min_below_zero: lambda_min_below_zero(run, over)?,
        missing: missing(run)?,
    };
    if args.json() {
        return print(&serde_json::to_string_pretty(&summary)?);
    }
    print(&text(&summary))?;
    match run.manifest().state {
        State::Finished => Ok(()),
        State::Running => print(&unfinished(outcome.ended(), spec.rows(), run.dir())),
    }
}

/// That the run or grid in `dir` is not finished, and what to do with it.
pub(super) fn unfinished(written: u64, rows: u64, dir: &Path) -> String {
    format!(
        "not finished: {written} of {rows} rows are written, and nothing above counts the others; {}",
        go_on_with(dir)
    )
}

/// Networks whose median loss is above this part of the loss that a constant answer has may as well have learnt nothing.
const NOTHING_LEARNT: f64 = 0.9;

/// A hint, for networks that were trained elsewhere, that they do no better than an answer which does not look at the inputs: where theta
/// holds other weights than its writer thinks, that is what comes out.
fn wrong_order(run: &Run, quantiles: &[Quantiles]) -> Result<Vec<String>, Failure> {
    if !matches!(run.manifest().spec.work, Work::Evaluate { .. }) {
        return Ok(Vec::new());
    }
    let experiment = match run.experiment() {
        Ok(experiment) => experiment,
        // The columns can be shown without the data.
        Err(RunError::Data(_) | RunError::Experiment { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let median = |column: &str| quantiles.iter().find(|found| found.column == column)?.value(2);
    let constant = experiment.problem.data.targets().loss_of_constant();
    let mut signs = Vec::new();
    if let Some(loss) = median("loss").filter(|&loss| constant > 0.0 && loss > NOTHING_LEARNT * constant) {
        signs.push(format!("the median loss is {}, and the best constant answer has {}", short(loss), short(constant)));
    }
    if let Some(test) = &experiment.test
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
        "The order is w[m N + n] = W[n, m] with m = 0 the biases, then v_0 .. v_N with v_0 the bias.".into(),
    ])
}

/// The higher macro F1 of the two answers that are the same for every sample.
fn macro_f1_of_a_constant(test: &Dataset) -> Option<f64> {
    let labels: Vec<bool> = test.q().iter().map(|&q| q > 0.5).collect();
    let score = |answer: bool| macro_f1(&vec![answer; labels.len()], &labels).ok();
    Some(score(false)?.max(score(true)?))
}

fn text(summary: &Summary<'_>) -> String {
    let &Summary { manifest, written, over, networks, left_out, ref outcome, .. } = summary;
    let spec = &manifest.spec;
    let mut lines = vec![describe(spec), ends(&spec.work, outcome)];
    if let Some(seconds) = manifest.seconds {
        lines.push(format!(
            "{:.2} s: training {:.2} s, closed forms {:.2} s   ({:.0} networks a second)",
            seconds.total,
            seconds.train,
            seconds.evaluate,
            written as f64 / seconds.total.max(1e-9)
        ));
    }
    if matches!(spec.work, Work::Sweep { .. }) && written > 0 && outcome.converged == 0 {
        lines.push(match outcome.step_limit {
            0 => "every network diverged: try a smaller --step-size".into(),
            _ => "no network converged: try more --max-steps or another --step-size".into(),
        });
    }
    if networks > 0 {
        lines.push(table(summary));
        if over == Population::All && left_out > 0 {
            lines.push(left_out_in_words(left_out));
        }
        let is_no_minimum = match summary.lambda_min_below_zero {
            Some(share @ Share { networks, of }) => {
                format!("lambda_min is below zero for {networks} of the {of} networks ({:.1} %)", 100.0 * share.part())
            }
            None => "the smallest eigenvalue can be below zero (--spectrum computes it)".into(),
        };
        lines.push(format!(
            "\nlambda_sup bounds the largest Hessian eigenvalue from above, lambda_max_lower from below. A small gradient does not make\n\
             a minimum: {is_no_minimum}."
        ));
    } else if written > 0 {
        let wanted = if over == Population::Converged { "converged" } else { "is finite" };
        lines.push(format!("no network {wanted}, so there is nothing to show of their columns"));
    }
    lines.extend(
        summary
            .hints
            .iter()
            .zip(["hint: "].into_iter().chain(std::iter::repeat("")))
            .map(|(hint, mark)| format!("{mark}{hint}")),
    );
    lines.extend(summary.missing.iter().map(|Missing { column, networks, reason }| {
        format!("{column} is NaN for {networks} of {written} networks: {reason}")
    }));
    let (columns, rows) = (manifest.columns.len(), spec.rows());
    lines
        .push(format!("{columns} columns of {rows} rows in {}: numpy.load(\"{0}/lambda_sup.npy\")", summary.directory));
    lines.join("\n")
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

/// That networks are in no population.
pub(super) fn left_out_in_words(networks: u64) -> String {
    match networks {
        1 => "1 non-finite network is left out".into(),
        _ => format!("{networks} non-finite networks are left out"),
    }
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
    let all = outcome.ended().max(1) as f64;
    let told = |(way, count): (&str, u64)| format!("{way} {count} ({:.1} %)", 100.0 * count as f64 / all);
    let told = ways.into_iter().map(told).collect::<Vec<_>>().join("   ");
    match work {
        Work::Evaluate { tolerance: Some(tolerance), .. } => format!("{told}   (converged: g.g < {tolerance})"),
        _ => told,
    }
}

/// One line on what was run.
fn describe(spec: &Spec) -> String {
    let what = match &spec.work {
        Work::Sweep { first_seed, seeds, .. } => format!("{seeds} seeds from {first_seed}"),
        Work::Evaluate { networks, .. } => format!("{networks} networks from a file"),
    };
    let data = match &spec.data.source {
        DataSource::AppendixC { data_seed } => format!("appendix-c, data seed {data_seed}"),
        DataSource::Files { x, .. } => x.clone(),
    };
    format!(
        "{what}, N = {} {}, D = {}, {data} (I = {}, M = {})",
        spec.hidden,
        spec.activation.name(),
        spec.shape().parameters(),
        spec.data.samples,
        spec.data.inputs
    )
}

/// Four significant digits, in whichever notation is shorter to read.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = if size >= 1.0 { 3 - (size.log10() as usize).min(3) } else { 4 };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short_and_keep_four_digits() {
        for (value, text) in [
            (0.0, "0.0000"),
            (4.5678, "4.568"),
            (123.456, "123.5"),
            (45678.9, "45679"),
            (0.98765, "0.9877"),
            (1.234_5e-5, "1.234e-5"),
            (-7.0, "-7.000"),
            (1e9, "1.000e9"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
