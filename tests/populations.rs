//! Tables say over which networks their numbers are: one population a table, its size beside it, one definition of the median.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2};
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;
use support::command::{fail, succeed};
use support::cut::cut;
use tempfile::{TempDir, tempdir};

/// A grid of two step sizes: at the larger one some networks converge, at the smaller one none.
const GRID: [&str; 15] = [
    "sweep",
    "--backend",
    "cpu",
    "--seeds",
    "80",
    "--max-steps",
    "300",
    "--tolerance",
    "0.05",
    "--step-size",
    "0.1,0.00001",
    "--spectrum",
    "--samples",
    "20",
    "--out",
];

fn grid(dir: &Path, out: &str, more: &[&str]) -> String {
    let output = succeed(dir, &[&GRID[..], &[out], more].concat());
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of a grid's table.csv, by the heads.
fn table(grid: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(grid.join("table.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn json(dir: &Path, args: &[&str]) -> Value {
    serde_json::from_slice(&succeed(dir, &[args, &["--json"]].concat()).stdout).unwrap()
}

fn status(run: &Path) -> Vec<u8> {
    read_npy::<_, Array1<u8>>(run.join("status.npy")).unwrap().to_vec()
}

fn floats(run: &Path, column: &str) -> Vec<f64> {
    read_npy::<_, Array1<f64>>(run.join(format!("{column}.npy"))).unwrap().to_vec()
}

/// NumPy's `quantile`, by its definition.
fn quantile(values: impl Iterator<Item = f64>, level: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let position = level * (values.len() - 1) as f64;
    let (low, high) = (values[position.floor() as usize], values[position.ceil() as usize]);
    low + (high - low) * position.fract()
}

/// The values of `column` of the networks that a population holds.
fn of<'a>(column: &'a [f64], status: &'a [u8], over: &str) -> impl Iterator<Item = f64> + 'a {
    let holds: fn(u8) -> bool = if over == "converged" { |status| status == 0 } else { |status| status != 2 };
    column.iter().zip(status).filter(move |(_, status)| holds(**status)).map(|(value, _)| *value)
}

fn near(found: &str, expected: f64) -> bool {
    (found.parse::<f64>().unwrap() - expected).abs() <= 1e-12 * expected.abs()
}

#[test]
fn the_rows_of_a_grids_table_are_over_one_kind_of_network() {
    let dir = tempdir().unwrap();
    let printed = grid(dir.path(), "grid", &[]);
    let rows = table(&dir.path().join("grid"));
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["converged"] != "0" && rows[1]["converged"] == "0", "{rows:?}");
    for row in &rows {
        let run = dir.path().join("grid").join(&row["name"]);
        let (status, lambda_sup) = (status(&run), floats(&run, "lambda_sup"));
        assert_eq!((row["over"].as_str(), row["networks"].as_str()), ("all", "80"));
        for (head, level) in [("lambda_sup_10", 0.1), ("lambda_sup_50", 0.5), ("lambda_sup_90", 0.9)] {
            let expected = quantile(of(&lambda_sup, &status, "all"), level);
            assert!(near(&row[head], expected), "{head}: {} for {expected}", row[head]);
        }
    }
    assert!(printed.contains("over all networks"), "{printed}");
    assert!(!printed.contains("eta "), "{printed}");
}

#[test]
fn a_grid_in_which_every_run_converges_somewhere_is_over_the_converged() {
    let dir = tempdir().unwrap();
    let args = ["sweep", "--backend", "cpu", "--seeds", "60", "--max-steps", "100", "--tolerance", "0.05"];
    let more = ["--samples", "20", "--hidden", "2,3", "--spectrum", "--out", "grid"];
    let printed = String::from_utf8(succeed(dir.path(), &[&args[..], &more].concat()).stdout).unwrap();
    for row in table(&dir.path().join("grid")) {
        let run = dir.path().join("grid").join(&row["name"]);
        let status = status(&run);
        assert_eq!((row["over"].as_str(), &row["networks"]), ("converged", &row["converged"]));
        for (head, column) in [("loss_50", "loss"), ("lambda_max_50", "lambda_max"), ("lambda_min_50", "lambda_min")] {
            let expected = quantile(of(&floats(&run, column), &status, "converged"), 0.5);
            assert!(near(&row[head], expected), "{head}: {} for {expected}", row[head]);
        }
        let lambda_min: Vec<f64> = of(&floats(&run, "lambda_min"), &status, "converged").collect();
        let below = lambda_min.iter().filter(|&&value| value < 0.0).count() as f64 / lambda_min.len() as f64;
        assert!(near(&row["lambda_min_below_zero"], below), "{row:?}");
        assert!(row["macro_f1_50"].parse::<f64>().is_ok() && row["steps_50"].parse::<f64>().is_ok());
    }
    assert!(printed.contains("over the converged networks"), "{printed}");
    let heads = std::fs::read_to_string(dir.path().join("grid/table.csv")).unwrap();
    let plain = |head: &str| head.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    assert!(heads.lines().next().unwrap().split(',').all(plain), "{heads}");
    // Both are offered, and the file is not overwritten by the other.
    let output = succeed(dir.path(), &["resume", "grid", "--over", "all"]);
    let (printed, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(printed.contains("over all networks"), "{printed}");
    assert!(said.contains("table.csv holds this table over the converged networks and stays as it is"), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("grid/table.csv")).unwrap(), heads);
}

/// As version 0.1.0 has left them.
#[test]
fn a_table_of_an_older_version_stays_and_is_called_so() {
    let dir = tempdir().unwrap();
    let args = ["sweep", "--backend", "cpu", "--seeds", "4", "--max-steps", "3", "--hidden", "2,3", "--out", "grid"];
    succeed(dir.path(), &args);
    let path = dir.path().join("grid/table.csv");
    let old = "name,activation,hidden,step_size,seeds,converged,step_limit,non_finite,lambda_sup_10,lambda_sup_50,lambda_sup_90,\
               macro_f1_50\nsigmoid-n2-eta0.1,sigmoid,2,0.1,4,0,4,0,1.5,2.5,3.5,0.9\n";
    std::fs::write(&path, old).unwrap();
    let said = String::from_utf8(succeed(dir.path(), &["resume", "grid"]).stderr).unwrap();
    assert!(said.contains("table.csv was left by an older version") && said.contains("stays as it is"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), old);
}

#[test]
fn every_quantile_of_a_summary_says_over_how_many_and_which_networks() {
    let dir = tempdir().unwrap();
    let args = ["sweep", "--backend", "cpu", "--seeds", "80", "--max-steps", "100", "--tolerance", "0.05"];
    let text = succeed(dir.path(), &[&args[..], &["--samples", "20", "--spectrum", "--out", "run"]].concat()).stdout;
    let text = String::from_utf8(text).unwrap();
    let run = dir.path().join("run");
    let status = status(&run);
    let converged = status.iter().filter(|&&status| status == 0).count();
    assert!((1..80).contains(&converged));
    assert!(text.contains(&format!("\n{converged} converged ")), "{text}");
    for (over, networks) in [("converged", converged), ("all", 80)] {
        let summary = json(dir.path(), &["show", "run", "--over", over]);
        assert_eq!((&summary["over"], &summary["networks"]), (&over.into(), &networks.into()));
        for row in summary["quantiles"].as_array().unwrap() {
            let column = row["column"].as_str().unwrap();
            if column == "steps" {
                continue;
            }
            assert_eq!(row["networks"], networks, "{over} {column}");
            let expected = quantile(of(&floats(&run, column), &status, over), 0.5);
            assert!(near(&row["values"][2].to_string(), expected), "{over} {column}");
        }
        let columns: Vec<&str> =
            summary["quantiles"].as_array().unwrap().iter().map(|row| row["column"].as_str().unwrap()).collect();
        for column in ["lambda_max", "lambda_min"] {
            assert!(columns.contains(&column), "{columns:?}");
        }
        let below = of(&floats(&run, "lambda_min"), &status, over).filter(|&value| value < 0.0).count();
        let told = &summary["lambda_min_below_zero"];
        assert_eq!((&told["networks"], &told["of"]), (&below.into(), &networks.into()));
        let text = succeed(dir.path(), &["show", "run", "--over", over]).stdout;
        let said = format!("lambda_min is below zero for {below} of the {networks} networks");
        assert!(String::from_utf8_lossy(&text).contains(&said), "{}", String::from_utf8_lossy(&text));
    }
    // As it was printed at the end of the sweep.
    assert_eq!(json(dir.path(), &["show", "run"])["over"], "converged");
}

#[test]
fn networks_that_are_not_finite_are_left_out_in_words() {
    let dir = tempdir().unwrap();
    let args = ["sweep", "--backend", "cpu", "--seeds", "40", "--max-steps", "30", "--activation", "softplus"];
    let args = [&args[..], &["--step-size", "0.2,0.5", "--out", "grid"]].concat();
    let text = String::from_utf8(succeed(dir.path(), &args).stdout).unwrap();
    for row in table(&dir.path().join("grid")) {
        let status = status(&dir.path().join("grid").join(&row["name"]));
        let finite = status.iter().filter(|&&status| status != 2).count();
        assert!(finite < 40);
        assert_eq!(row["networks"], finite.to_string());
        let summary = json(dir.path(), &["show", &format!("grid/{}", row["name"]), "--over", "all"]);
        assert_eq!((&summary["networks"], &summary["over"]), (&finite.into(), &"all".into()));
        assert_eq!(summary["left_out"], 40 - finite);
    }
    assert!(text.contains("non-finite networks are left out"), "{text}");
}

/// A run that holds two networks, and what they are sharp by.
fn two_networks(dir: &TempDir) -> [f64; 2] {
    let theta = Array2::from_shape_fn((2, 13), |(row, column)| (0.2 + row as f64) * (1.0 + column as f64 * 0.37).sin());
    write_npy(dir.path().join("theta.npy"), &theta).unwrap();
    let args = ["evaluate", "--backend", "cpu", "--theta", "theta.npy", "--tolerance", "1e30", "--out", "run"];
    succeed(dir.path(), &args);
    floats(&dir.path().join("run"), "lambda_sup").try_into().unwrap()
}

#[test]
fn the_summary_and_the_report_have_one_median() {
    let dir = tempdir().unwrap();
    let [a, b] = two_networks(&dir);
    let median = (a + b) / 2.0;
    assert!((a - b).abs() > 0.1 * median);
    let summary = json(dir.path(), &["resume", "run"]);
    let row = summary["quantiles"].as_array().unwrap().iter().find(|row| row["column"] == "lambda_sup").unwrap();
    assert!(near(&row["values"][2].to_string(), median));
    let report = String::from_utf8(succeed(dir.path(), &["report", "run"]).stdout).unwrap();
    let line = report.lines().find(|line| line.contains("smallest, median, largest")).unwrap();
    let told: Vec<f64> = line.split_once("largest").unwrap().1.split(',').map(|v| v.trim().parse().unwrap()).collect();
    assert!((told[1] - median).abs() < 1e-2 * median, "{line}: the median is {median}");
}

#[test]
fn rows_that_are_not_written_are_in_no_denominator() {
    let dir = tempdir().unwrap();
    let args = ["sweep", "--backend", "cpu", "--seeds", "3000", "--samples", "400", "--max-steps", "600"];
    cut(dir.path(), &[&args[..], &["--tolerance", "100", "--memory", "1", "--out", "run"]].concat(), "run");
    let shown = json(dir.path(), &["show", "run"]);
    let [written, converged] = [&shown["written"], &shown["outcome"]["converged"]].map(|count| count.as_u64().unwrap());
    assert!(converged > 1 && written < 3000, "{converged} of {written}");
    let report = String::from_utf8(succeed(dir.path(), &["report", "run"]).stdout).unwrap();
    let share = 100.0 * converged as f64 / written as f64;
    assert!(report.contains(&format!("{converged} of {written} ({share:.1}")), "{report}");
    let page = std::fs::read_to_string(dir.path().join("run/report/report.html")).unwrap();
    assert!(page.contains(&format!("{converged} of the {written} that are computed converged")));
}

#[test]
fn nobody_converged_where_nobody_was_judged() {
    let dir = tempdir().unwrap();
    let theta = Array2::from_elem((2, 13), 0.3);
    write_npy(dir.path().join("theta.npy"), &theta).unwrap();
    let evaluate = ["evaluate", "--backend", "cpu", "--theta", "theta.npy", "--out", "run"];
    let said = fail(dir.path(), &[&evaluate[..], &["--over", "converged"]].concat(), 2);
    assert!(said.contains("--tolerance"), "{said}");
    assert!(!dir.path().join("run").exists());
    succeed(dir.path(), &evaluate);
    let said = fail(dir.path(), &["show", "run", "--over", "converged"], 2);
    assert!(said.contains("--over all"), "{said}");
}
