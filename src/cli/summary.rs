//! What a run came to, for a person or as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Failure, print};
use crate::analysis::streamed_quantiles;
use crate::bounds::no_bound;
use crate::engine::Status;
use crate::records::Dtype;
use crate::run::{Manifest, Outcome, Run};
use crate::spec::{DataSource, Spec, Work};

/// How results are printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct OutputArgs {
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl OutputArgs {
    /// Whether a program reads the results.
    pub(super) fn json(&self) -> bool {
        self.json
    }
}

/// The quantiles of a summary, as levels and as column heads.
const LEVELS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
const HEADS: [&str; 5] = ["10 %", "25 %", "median", "75 %", "90 %"];

#[derive(Debug, Serialize)]
struct Summary<'a> {
    directory: String,
    manifest: &'a Manifest,
    outcome: Outcome,
    /// Which networks the quantiles are over.
    over: &'static str,
    /// The levels of the quantiles below.
    levels: [f64; 5],
    quantiles: Vec<Quantiles>,
    /// The values that are NaN.
    missing: Vec<Missing>,
}

/// Networks whose value in some column is NaN for one reason.
#[derive(Debug, Serialize)]
struct Missing {
    column: String,
    networks: u64,
    reason: &'static str,
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

#[derive(Debug, Serialize)]
pub(super) struct Quantiles {
    pub(super) column: &'static str,
    pub(super) values: Vec<f64>,
}

/// How the networks of a finished run ended, and which of them a summary is over.
pub(super) fn ended(run: &Run) -> Result<(Outcome, Status), Failure> {
    let outcome = run.outcome()?;
    // Where nothing converged, the finite networks are better than no word at all.
    Ok((outcome, if outcome.converged > 0 { Status::Converged } else { Status::StepLimit }))
}

/// The quantiles of a column at `levels` over the networks that ended as `over`; none where none did. Memory does not grow with
/// the run.
pub(super) fn quantiles_of(
    run: &Run,
    column: &'static str,
    over: Status,
    levels: &[f64],
) -> Result<Quantiles, Failure> {
    let each = |take: &mut dyn FnMut(f64)| -> anyhow::Result<()> {
        // An f32 engine can overflow to NaN in one column of a network whose gradient is still finite.
        let mut numbers = |value: f64| {
            if !value.is_nan() {
                take(value)
            }
        };
        Ok(run.each_value(column, over, &mut numbers)?)
    };
    Ok(Quantiles { column, values: streamed_quantiles(each, levels)? })
}

/// Prints the summary of a finished `run` to stdout.
pub(super) fn show(run: &Run, output: &OutputArgs) -> Result<(), Failure> {
    let (outcome, status) = ended(run)?;
    let mut columns = vec!["lambda_sup", "lambda_max_lower", "trace", "loss", "gradient_sq"];
    if matches!(run.manifest().spec.work, Work::Sweep { .. }) {
        columns.push("steps");
    }
    columns.extend(run.has("macro_f1").then_some("macro_f1"));
    let shown = outcome.converged > 0 || outcome.step_limit > 0;
    let table = columns
        .into_iter()
        .filter(|_| shown)
        .map(|column| quantiles_of(run, column, status, &LEVELS))
        .collect::<Result<_, _>>()?;
    let over = if status == Status::Converged { "converged" } else { "step limit" };
    let directory = run.dir().display().to_string();
    let missing = missing(run)?;
    let summary =
        Summary { directory, manifest: run.manifest(), outcome, over, levels: LEVELS, quantiles: table, missing };
    if output.json { print(&serde_json::to_string_pretty(&summary)?) } else { print(&text(&summary)) }
}

fn text(summary: &Summary<'_>) -> String {
    let spec = &summary.manifest.spec;
    let rows = spec.rows();
    let share = |count: u64| 100.0 * count as f64 / rows as f64;
    let Outcome { converged, step_limit, non_finite } = summary.outcome;
    let mut lines = vec![
        describe(spec),
        format!(
            "converged {converged} ({:.1} %)   step limit {step_limit} ({:.1} %)   non-finite {non_finite} ({:.1} %)",
            share(converged),
            share(step_limit),
            share(non_finite)
        ),
    ];
    if let Some(seconds) = summary.manifest.seconds {
        lines.push(format!(
            "{:.2} s: training {:.2} s, closed forms {:.2} s   ({:.0} networks a second)",
            seconds.total,
            seconds.train,
            seconds.evaluate,
            rows as f64 / seconds.total.max(1e-9)
        ));
    }
    if converged == 0 {
        lines.push("no network converged: try more --max-steps or another --step-size".into());
    }
    if !summary.quantiles.is_empty() {
        lines.push(format!("\n{:18}{}", summary.over, HEADS.map(|head| format!("{head:>12}")).concat()));
        for row in &summary.quantiles {
            let values: String = row.values.iter().map(|&value| format!("{:>12}", short(value))).collect();
            lines.push(format!("{:18}{values}", row.column));
        }
        lines.push(
            "\nlambda_sup bounds the largest Hessian eigenvalue from above, lambda_max_lower from below. A small gradient does not \
             make\na minimum: the smallest eigenvalue of a converged network can be below zero."
                .into(),
        );
    }
    lines.extend(summary.missing.iter().map(|Missing { column, networks, reason }| {
        format!("{column} is NaN for {networks} of {rows} networks: {reason}")
    }));
    let columns = summary.manifest.columns.len();
    lines
        .push(format!("{columns} columns of {rows} rows in {}: numpy.load(\"{0}/lambda_sup.npy\")", summary.directory));
    lines.join("\n")
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
