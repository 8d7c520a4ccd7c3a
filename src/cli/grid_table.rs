//! The table over the runs of a grid: for a person, as JSON, and in a file for programs.

use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;
use serde_json::json;

use super::args::SummaryArgs;
use super::failure::Failure;
use super::terminal::{notice, print, print_json};
use super::words::unfinished;
use crate::run::{Grid, GridRun, Population, Run, StatusCounts, create_file, number};
use crate::summary::{LAMBDA_MIN, Quantiles, Share, left_out, percent, short};

/// The table's name in a grid's directory.
pub(super) const FILE: &str = "table.csv";

/// The heads of the table in version 0.1.0, which did not say which networks a row was over.
const OLD_HEADS: &str = "name,activation,hidden,step_size,seeds,converged,step_limit,non_finite,\
                         lambda_sup_10,lambda_sup_50,lambda_sup_90,macro_f1_50";

/// What the table shows of one run.
#[derive(Debug, Serialize)]
struct RunRow<'a> {
    #[serde(flatten)]
    run: &'a GridRun,
    seeds: u64,
    /// How many of them are written: all of a finished run.
    written: u64,
    #[serde(flatten)]
    outcome: StatusCounts,
    /// The networks that the numbers below are over: the same in every row.
    over: Population,
    /// How many networks these are.
    networks: u64,
    /// 10 %, 50 % and 90 % quantile.
    lambda_sup: Vec<f64>,
    /// Medians.
    loss: Option<f64>,
    steps: Option<f64>,
    macro_f1: Option<f64>,
    lambda_max: Option<f64>,
    lambda_min: Option<f64>,
    /// How many of the networks have `lambda_min` < 0.
    lambda_min_below_zero: Option<Share>,
    seconds: Option<f64>,
}

/// Leaves the table over the finished grid in `dir` beside its runs and prints it.
pub(super) fn leave(dir: &Path, grid: &Grid, args: &SummaryArgs) -> Result<(), Failure> {
    let rows = rows(dir, grid, args.over)?;
    let written = leave_table(&dir.join(FILE), &csv(&rows)?, &rows)?;
    print_rows(dir, &rows, written, args)
}

/// Prints the table over the grid in `dir`, of which some runs may not be finished.
pub(super) fn show(dir: &Path, grid: &Grid, args: &SummaryArgs) -> Result<(), Failure> {
    print_rows(dir, &rows(dir, grid, args.over)?, false, args)
}

fn print_rows(dir: &Path, rows: &[RunRow<'_>], in_file: bool, args: &SummaryArgs) -> Result<(), Failure> {
    if args.output.json {
        return print_json(&json!({ "directory": dir, "runs": rows }));
    }
    print(&text(rows))?;
    let table = if in_file { format!("this table in {FILE}; ") } else { String::new() };
    print(&format!("\n{} runs in {}, {table}each run is a directory of columns", rows.len(), dir.display()))?;
    let sum = |of: fn(&RunRow<'_>) -> u64| rows.iter().map(of).sum::<u64>();
    match (sum(|row| row.written), sum(|row| row.seeds)) {
        (written, seeds) if written < seeds => print(&unfinished(written, seeds, dir)),
        _ => Ok(()),
    }
}

/// Removes the table over the finished grid in `dir` if it is as [`leave`] left it: the extended grid gets another one.
pub(super) fn take_away(dir: &Path, grid: &Grid) -> Result<(), Failure> {
    let path = dir.join(FILE);
    if path.is_symlink() {
        return Ok(());
    }
    let Ok(found) = std::fs::read(&path) else { return Ok(()) };
    for over in [Population::Converged, Population::All] {
        if found == csv(&rows(dir, grid, Some(over))?)? {
            return std::fs::remove_file(&path)
                .map_err(|error| anyhow!("cannot replace {}: {error}", path.display()).into());
        }
    }
    Ok(())
}

/// Leaves `csv`, the table of `rows`, in the file `path`, unless something else is there: then it says so. Whether it
/// is there now.
fn leave_table(path: &Path, csv: &[u8], rows: &[RunRow<'_>]) -> Result<bool, Failure> {
    if path.symlink_metadata().is_err() {
        create_file(path, csv).map_err(|error| anyhow!("cannot write {}: {error}", path.display()))?;
        return Ok(true);
    }
    let found = std::fs::read(path).unwrap_or_default();
    if found == csv {
        return Ok(true);
    }
    let other = match rows.first().map(|row| row.over) {
        Some(Population::All) => Population::Converged,
        _ => Population::All,
    };
    let what = if found.starts_with(OLD_HEADS.as_bytes()) {
        "was left by an older version of sharpsweep, which did not say over which networks a row is,".into()
    } else if over_of(&found).as_deref() == Some(other.name()) {
        format!("holds this table over {}", networks_of(other))
    } else {
        "holds something else than this table".into()
    };
    notice(&format!(
        "{} {what} and stays as it is: move it away and repeat `sharpsweep resume` to have the table written",
        path.display()
    ));
    Ok(false)
}

/// The networks that the table in the file `csv` is over, by its first row.
fn over_of(csv: &[u8]) -> Option<String> {
    let mut reader = csv::Reader::from_reader(csv);
    let headers: Vec<String> = reader.headers().ok()?.iter().map(str::to_owned).collect();
    if ![true, false].into_iter().any(|several| file_columns(several).map(|(head, _)| head).eq(&headers)) {
        return None;
    }
    let place = headers.iter().position(|head| head == OVER)?;
    Some(reader.records().next()?.ok()?.get(place)?.to_owned())
}

/// A population in words.
fn networks_of(over: Population) -> &'static str {
    match over {
        Population::Converged => "the converged networks",
        Population::All => "all networks",
    }
}

/// A row for each run, over the given population, or else over the converged networks if every run has some.
fn rows<'a>(dir: &Path, grid: &'a Grid, over: Option<Population>) -> Result<Vec<RunRow<'a>>, Failure> {
    let mut runs = Vec::with_capacity(grid.runs.len());
    for entry in &grid.runs {
        let run = Run::open(&dir.join(&entry.name))?;
        run.check_complete()?;
        let outcome = run.outcome()?;
        runs.push((entry, run, outcome));
    }
    // One population for all, so that rows can be compared.
    let every_run_converged = || {
        let mut begun = runs.iter().map(|(_, _, outcome)| outcome).filter(|outcome| outcome.ended() > 0);
        begun.all(|outcome| outcome.converged > 0)
    };
    let default = || if every_run_converged() { Population::Converged } else { Population::All };
    let over = over.unwrap_or_else(default);
    runs.iter().map(|(entry, run, outcome)| row(entry, run, *outcome, over)).collect()
}

fn row<'a>(entry: &'a GridRun, run: &Run, outcome: StatusCounts, over: Population) -> Result<RunRow<'a>, Failure> {
    let median = |column: &'static str| -> Result<Option<f64>, Failure> {
        if !run.has(column) {
            return Ok(None);
        }
        Ok(Quantiles::of(run, column, over, &[0.5])?.values.first().copied())
    };
    Ok(RunRow {
        run: entry,
        seeds: run.manifest().spec.rows(),
        written: outcome.ended(),
        outcome,
        over,
        networks: over.size(&outcome),
        lambda_sup: Quantiles::of(run, "lambda_sup", over, &[0.1, 0.5, 0.9])?.values,
        loss: median("loss")?,
        steps: median("steps")?,
        macro_f1: median("macro_f1")?,
        lambda_max: median("lambda_max")?,
        lambda_min: median(LAMBDA_MIN)?,
        lambda_min_below_zero: Share::below_zero(run, over)?,
        seconds: run.manifest().seconds.map(|seconds| seconds.total),
    })
}

/// A column of the file: its head, and the cell of a row.
type FileColumn = (&'static str, fn(&RunRow<'_>) -> String);

/// The columns of the file, numbers in full; `data_seed` only where runs differ in their data. The name of a column of
/// the run with 10, 50 or 90 is its quantile at that many percent; `lambda_min_below_zero` is a part, 0 to 1. What was
/// not computed is empty.
const COLUMNS: [FileColumn; 20] = [
    ("name", |row| row.run.name.clone()),
    ("activation", |row| row.run.activation.name().into()),
    ("hidden", |row| row.run.hidden.to_string()),
    ("step_size", |row| number(row.run.step_size)),
    (DATA_SEED, |row| row.run.data_seed.map_or_else(String::new, |data_seed| data_seed.to_string())),
    ("seeds", |row| row.seeds.to_string()),
    ("converged", |row| row.outcome.converged.to_string()),
    ("step_limit", |row| row.outcome.step_limit.to_string()),
    ("non_finite", |row| row.outcome.non_finite.to_string()),
    (OVER, |row| row.over.name().into()),
    ("networks", |row| row.networks.to_string()),
    ("lambda_sup_10", |row| in_full(row.lambda_sup.first().copied())),
    ("lambda_sup_50", |row| in_full(row.lambda_sup.get(1).copied())),
    ("lambda_sup_90", |row| in_full(row.lambda_sup.get(2).copied())),
    ("loss_50", |row| in_full(row.loss)),
    ("steps_50", |row| in_full(row.steps)),
    ("macro_f1_50", |row| in_full(row.macro_f1)),
    ("lambda_max_50", |row| in_full(row.lambda_max)),
    ("lambda_min_50", |row| in_full(row.lambda_min)),
    ("lambda_min_below_zero", |row| {
        in_full(row.lambda_min_below_zero.map(|share| share.networks as f64 / share.of as f64))
    }),
];

/// The column that says which networks a row is over.
const OVER: &str = "over";

/// The column of a grid over several draws of its data.
const DATA_SEED: &str = "data_seed";

/// The columns of the file of a grid whose runs differ in their data, or do not.
fn file_columns(several_draws: bool) -> impl Iterator<Item = FileColumn> {
    COLUMNS.into_iter().filter(move |(head, _)| several_draws || *head != DATA_SEED)
}

fn in_full(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// The content of the file.
fn csv(rows: &[RunRow<'_>]) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let several_draws = rows.iter().any(|row| row.run.data_seed.is_some());
    writer.write_record(file_columns(several_draws).map(|(head, _)| head))?;
    for row in rows {
        writer.write_record(file_columns(several_draws).map(|(_, cell)| cell(row)))?;
    }
    Ok(writer.into_inner()?)
}

/// A column of the table for a person: its head, and the cell of a row; `None` if there is nothing to show.
type TextColumn<'a> = (&'static str, &'a dyn Fn(&RunRow<'_>) -> Option<String>);

/// The table for a person, with the columns that at least one run has.
fn text(rows: &[RunRow<'_>]) -> String {
    let share = |part: u64, whole: u64| (whole > 0).then(|| percent(part, whole));
    let quantile = |row: &RunRow<'_>, k: usize| row.lambda_sup.get(k).copied().map(short);
    let below_zero = |row: &RunRow<'_>| row.lambda_min_below_zero.map(|share| percent(share.networks, share.of));
    let is_unfinished = rows.iter().any(|row| row.written < row.seeds);
    let columns: [TextColumn<'_>; 18] = [
        ("activation", &|row| Some(row.run.activation.name().into())),
        ("hidden", &|row| Some(row.run.hidden.to_string())),
        ("step_size", &|row| Some(number(row.run.step_size))),
        (DATA_SEED, &|row| row.run.data_seed.map(|data_seed| data_seed.to_string())),
        ("seeds", &|row| Some(row.seeds.to_string())),
        ("written", &|row| is_unfinished.then(|| row.written.to_string())),
        ("converged", &|row| share(row.outcome.converged, row.written)),
        ("non-finite", &|row| share(row.outcome.non_finite, row.written)),
        ("networks", &|row| Some(row.networks.to_string())),
        ("lambda_sup 10 %", &|row| quantile(row, 0)),
        ("median", &|row| quantile(row, 1)),
        ("90 %", &|row| quantile(row, 2)),
        ("loss", &|row| row.loss.map(short)),
        ("steps", &|row| row.steps.map(short)),
        ("macro_f1", &|row| row.macro_f1.map(short)),
        ("lambda_max", &|row| row.lambda_max.map(short)),
        ("lambda_min", &|row| row.lambda_min.map(short)),
        ("lambda_min < 0", &below_zero),
    ];
    let mut lines = vec![String::new(); rows.len() + 1];
    for (head, cell) in columns {
        let cells: Vec<Option<String>> = rows.iter().map(cell).collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let cells: Vec<String> = std::iter::once(head.to_owned())
            .chain(cells.into_iter().map(|cell| cell.unwrap_or_else(|| "-".into())))
            .collect();
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(cells) {
            // Names are aligned left, numbers right.
            *line += &if line.is_empty() { format!("{cell:width$}") } else { format!("  {cell:>width$}") };
        }
    }
    let over = rows.first().map_or(Population::All, |row| row.over);
    lines.push(format!(
        "\nQuantiles are over {} of each run, as many as `networks` says; loss and what follows it are medians",
        networks_of(over)
    ));
    let non_finite = rows.iter().map(|row| row.outcome.non_finite).sum();
    lines.extend((over == Population::All && non_finite > 0).then(|| left_out(non_finite)));
    lines.join("\n")
}
