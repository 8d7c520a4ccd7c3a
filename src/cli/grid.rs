//! A sweep over several parameters: one run a combination, and a table over them.

use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;

use super::progress::{ProgressArgs, go_on_with};
use super::resume::finish;
use super::summary::{OutputArgs, ended, quantiles_of, short};
use super::{Failure, interruption, notice, print};
use crate::backend::Choice;
use crate::run::{self, Grid, GridRun, Outcome, Run, State, create_file};

/// The table's name in a grid's directory.
const TABLE: &str = "table.csv";

/// What the table shows of one run.
#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    run: &'a GridRun,
    seeds: u64,
    #[serde(flatten)]
    outcome: Outcome,
    /// 10 %, 50 % and 90 % quantile over the converged networks, or where none converged over those at the step limit.
    lambda_sup: Vec<f64>,
    /// The median over the same networks.
    loss: Option<f64>,
    macro_f1: Option<f64>,
    seconds: Option<f64>,
}

/// Finishes every run of the grid in `dir` that is not finished and prints the table.
pub(super) fn carry_out(
    dir: &Path,
    grid: &Grid,
    choice: &Choice,
    progress: &ProgressArgs,
    output: &OutputArgs,
) -> Result<(), Failure> {
    for (k, entry) in grid.runs.iter().enumerate() {
        interruption::leaves(format!("finished rows are kept; {}", go_on_with(dir)));
        interruption::check()?;
        let run = Run::open(&dir.join(&entry.name))?;
        if run.manifest().state == State::Finished {
            run.tidy()?;
            continue;
        }
        notice(&format!("run {} of {}: {}", k + 1, grid.runs.len(), entry.name));
        finish(dir, &run, choice, progress)?;
    }
    interruption::leaves(format!("every run is finished; for the table, {}", go_on_with(dir)));
    show(dir, grid, output)
}

/// Leaves the table over the finished grid in `dir` beside its runs and prints it.
pub(super) fn show(dir: &Path, grid: &Grid, output: &OutputArgs) -> Result<(), Failure> {
    let rows: Vec<Row<'_>> = grid.runs.iter().map(|run| row(dir, run)).collect::<Result<_, _>>()?;
    let written = leave_table(&dir.join(TABLE), &csv(&rows))?;
    if output.json() {
        return print(&serde_json::to_string_pretty(&serde_json::json!({ "directory": dir, "runs": rows }))?);
    }
    print(&text(&rows))?;
    let table = if written { format!("this table in {TABLE}; ") } else { String::new() };
    print(&format!("\n{} runs in {}, {table}each run is a directory of columns", rows.len(), dir.display()))
}

/// Takes the table over the finished grid in `dir` away where it is as [`show`] leaves it: of the extended grid there is another one.
pub(super) fn take_away_table(dir: &Path, grid: &Grid) -> Result<(), Failure> {
    let rows: Vec<Row<'_>> = grid.runs.iter().map(|run| row(dir, run)).collect::<Result<_, _>>()?;
    let path = dir.join(TABLE);
    if !path.is_symlink() && std::fs::read(&path).is_ok_and(|found| found == csv(&rows).as_bytes()) {
        std::fs::remove_file(&path).map_err(|error| anyhow!("cannot replace {}: {error}", path.display()))?;
    }
    Ok(())
}

/// The file of the table.
fn csv(rows: &[Row<'_>]) -> String {
    let lines = std::iter::once(HEADS.join(",")).chain(rows.iter().map(|row| cells(row).join(",")));
    lines.map(|line| line + "\n").collect()
}

/// Leaves `csv` in the file `path` unless something else is there, which is said. Whether it is there now.
fn leave_table(path: &Path, csv: &str) -> Result<bool, Failure> {
    if path.symlink_metadata().is_err() {
        create_file(path, csv.as_bytes()).map_err(|error| anyhow!("cannot write {}: {error}", path.display()))?;
        return Ok(true);
    }
    let same = std::fs::read(path).is_ok_and(|found| found == csv.as_bytes());
    if !same {
        notice(&format!(
            "{} holds something else than this table and stays as it is: move it away and repeat `sharpsweep resume` to have the table \
             written",
            path.display()
        ));
    }
    Ok(same)
}

fn row<'a>(dir: &Path, run: &'a GridRun) -> Result<Row<'a>, Failure> {
    let found = Run::open(&dir.join(&run.name))?;
    let (outcome, over) = ended(&found)?;
    let median = |column: &'static str| -> Result<Option<f64>, Failure> {
        if !found.has(column) {
            return Ok(None);
        }
        Ok(quantiles_of(&found, column, over, &[0.5])?.values.first().copied())
    };
    Ok(Row {
        run,
        seeds: found.manifest().spec.rows(),
        outcome,
        lambda_sup: quantiles_of(&found, "lambda_sup", over, &[0.1, 0.5, 0.9])?.values,
        loss: median("loss")?,
        macro_f1: median("macro_f1")?,
        seconds: found.manifest().seconds.map(|seconds| seconds.total),
    })
}

const HEADS: [&str; 12] = [
    "name",
    "activation",
    "hidden",
    "step_size",
    "seeds",
    "converged",
    "step_limit",
    "non_finite",
    "lambda_sup_10",
    "lambda_sup_50",
    "lambda_sup_90",
    "macro_f1_50",
];

/// The row of the file, numbers in full.
fn cells(row: &Row<'_>) -> [String; 12] {
    let quantile = |k: usize| row.lambda_sup.get(k).map_or_else(String::new, f64::to_string);
    let GridRun { name, hidden, activation, step_size } = row.run;
    [
        name.clone(),
        activation.name().into(),
        hidden.to_string(),
        run::number(*step_size),
        row.seeds.to_string(),
        row.outcome.converged.to_string(),
        row.outcome.step_limit.to_string(),
        row.outcome.non_finite.to_string(),
        quantile(0),
        quantile(1),
        quantile(2),
        row.macro_f1.map_or_else(String::new, |value| value.to_string()),
    ]
}

/// The table for a person.
fn text(rows: &[Row<'_>]) -> String {
    let mut lines = vec![format!(
        "{:10}{:>4}{:>10}{:>10}{:>12}{:>11}{:>27}{:>11}{:>11}",
        "f", "N", "eta", "seeds", "converged", "diverged", "lambda_sup 10 %, median", "90 %", "macro F1"
    )];
    for row in rows {
        let GridRun { hidden, activation, step_size, .. } = row.run;
        let share = |count: u64| format!("{:.1} %", 100.0 * count as f64 / row.seeds as f64);
        let number = |value: Option<f64>| value.map_or_else(|| "-".into(), short);
        let quantile = |k: usize| number(row.lambda_sup.get(k).copied());
        lines.push(format!(
            "{:10}{hidden:>4}{:>10}{:>10}{:>12}{:>11}{:>13}, {:>12}{:>11}{:>11}",
            activation.name(),
            run::number(*step_size),
            row.seeds,
            share(row.outcome.converged),
            share(row.outcome.non_finite),
            quantile(0),
            quantile(1),
            quantile(2),
            number(row.macro_f1)
        ));
    }
    lines.join("\n")
}
