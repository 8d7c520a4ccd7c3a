//! `reproduce`, `report` and `replay` as a user sees them, on sound and on damaged run directories.

mod support {
    pub(crate) mod browser;
}

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use ndarray::{Array1, ArrayD};
use predicates::prelude::*;
use predicates::str::contains;
use sharpsweep::engine::{Descent, Engine};
use sharpsweep::model::Activation;
use sharpsweep::records::{Dtype, columns};
use sharpsweep::reference::Reference;
use sharpsweep::run::RunWriter;
use sharpsweep::spec::{Experiment, Work, appendix_c_data};
use tempfile::TempDir;

fn sharpsweep(arguments: &[&str], paths: &[&Path]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("sharpsweep").unwrap().args(arguments).args(paths).assert()
}

/// A finished run of `seeds` seeds of the paper's experiment, with further arguments.
fn run_of(seeds: &str, more: &[&str]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let arguments = [&["sweep", "--backend", "cpu", "--seeds", seeds], more, &["--out"]].concat();
    sharpsweep(&arguments, &[&run]).success();
    (directory, run)
}

/// The numbers behind the figures of a report directory.
fn figures(report: &Path) -> Vec<u32> {
    (2..=13).filter(|k| report.join(format!("figures/figure-{k:02}.svg")).is_file()).collect()
}

fn page(report: &Path) -> String {
    fs::read_to_string(report.join("report.html")).unwrap()
}

#[test]
fn reproduce_leaves_every_figure_the_tables_and_a_page_that_opens() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("reproduction");
    let arguments = ["reproduce", "--backend", "cpu", "--seeds", "60", "--data-seeds", "2", "--out"];
    sharpsweep(&arguments, &[&out])
        .success()
        .stdout(contains("Published against here, 2 draws").and(contains("460 of 500")).and(contains("5.44×10^−5")))
        .stderr(contains("A small gradient does not make a minimum"));
    assert_eq!(figures(&out), (2..=13).collect::<Vec<u32>>());
    for run in ["data-seed-0/n3", "data-seed-0/n10", "data-seed-1/n3", "data-seed-1/n10"] {
        assert!(out.join(run).join("manifest.json").is_file(), "{run}");
    }
    // The numbers behind a figure are those of the run's unique critical points.
    let drawn: ArrayD<f64> = ndarray_npy::read_npy(out.join("figures/figure-06/lambda_sup.npy")).unwrap();
    let column: Array1<f64> = ndarray_npy::read_npy(out.join("data-seed-0/n3/lambda_sup.npy")).unwrap();
    assert!(
        drawn.len() > 10 && drawn.iter().all(|value| column.iter().any(|found| found.to_bits() == value.to_bits()))
    );

    let tables: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("tables.json")).unwrap()).unwrap();
    assert_eq!(tables[1]["rows"].as_array().unwrap().len(), 2);
    let difference = &tables[0]["rows"][4];
    assert_eq!((&difference["cells"][1], &difference["holds"]), (&"5.44×10^{−5}".into(), &true.into()));

    let Some(seen) = support::browser::open_in_browser(&page(&out), support::browser::PHONE) else { return };
    assert_eq!(seen.console, Vec::<String>::new());
    assert!(seen.scroll_width <= 390.0, "{}", seen.scroll_width);
    assert_eq!(seen.images.len(), 13);
    assert_eq!(seen.cut, Vec::<String>::new());
    assert!(seen.images.iter().all(|(_, natural, _)| *natural > 0.0));

    // Nothing is overwritten.
    sharpsweep(&arguments, &[&out]).code(1).stderr(contains("already holds"));
}

#[test]
fn a_report_of_any_run_has_every_figure_that_one_run_allows() {
    let (_directory, run) = run_of("80", &[]);
    sharpsweep(&["report"], &[&run])
        .success()
        .stdout(contains("unique critical points"))
        .stderr(contains("Figure 11 is not drawn: it compares two widths"));
    let report = run.join("report");
    assert_eq!(figures(&report), [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13]);
    assert!(page(&report).contains("manifest.json") && page(&report).contains("&#34;engine&#34;"));
    // A second report replaces the first; a folder with other contents is left alone.
    sharpsweep(&["report"], &[&run]).success();
    sharpsweep(&["report"], &[&run, Path::new("--out"), &run.join("data")]).code(1).stderr(contains("already holds"));
}

#[test]
fn networks_with_other_inputs_are_shown_without_a_plane_and_without_a_test_set() {
    let directory = tempfile::tempdir().unwrap();
    let (x, q) = (directory.path().join("x.npy"), directory.path().join("q.npy"));
    let value = |i: usize, m: usize| ((i * 7 + m * 3) as f64 * 0.618_033_988_749_895).fract() * 4.0 - 2.0;
    let samples = ndarray::Array2::from_shape_fn((30, 3), |(i, m)| value(i, m));
    let labels = Array1::from_shape_fn(30, |i| f64::from(u8::from(value(i, 0) + value(i, 1) > 0.3)));
    ndarray_npy::write_npy(&x, &samples).unwrap();
    ndarray_npy::write_npy(&q, &labels).unwrap();
    let files = ["--x", x.to_str().unwrap(), "--q", q.to_str().unwrap(), "--activation", "tanh", "--tolerance", "0.05"];
    let (_run_directory, run) = run_of("60", &files);
    sharpsweep(&["report"], &[&run]).success().stderr(contains("Figure 7 is not drawn: it needs test data"));
    let drawn = figures(&run.join("report"));
    assert!(drawn.starts_with(&[2, 3, 4]), "{drawn:?}");
    assert!(!run.join("report/figures/figure-03/probability_a.npy").exists());
    assert!(run.join("report/figures/figure-03/losses_a.npy").is_file());
}

#[test]
fn networks_from_a_file_are_shown_without_their_training() {
    let (directory, run) = run_of("40", &[]);
    let evaluated = directory.path().join("evaluated");
    let file = |name: &str| run.join(name).to_str().unwrap().to_owned();
    let (theta, x, q) = (file("theta.npy"), file("data/x.npy"), file("data/q.npy"));
    let arguments = ["evaluate", "--hidden", "3", "--theta", &theta, "--x", &x, "--q", &q, "--out"];
    sharpsweep(&arguments, &[&evaluated]).success();
    sharpsweep(&["report"], &[&evaluated])
        .success()
        .stderr(contains("Figure 5 is not drawn: the networks were not trained here"));
    assert_eq!(figures(&evaluated.join("report")), [2, 3, 4, 6, 8, 9, 10, 12, 13]);
    assert!(page(&evaluated.join("report")).contains("(a) network "));
}

#[test]
fn a_missing_column_costs_its_figures_and_is_named() {
    let (_directory, run) = run_of("40", &[]);
    fs::remove_file(run.join("lambda_sup.npy")).unwrap();
    sharpsweep(&["report"], &[&run]).success().stderr(
        contains("lambda_sup.npy: the column is missing")
            .and(contains("Figure 6 is not drawn: it needs the column lambda_sup")),
    );
    assert_eq!(figures(&run.join("report")), [9, 13]);
    assert!(page(&run.join("report")).contains("the column is missing"));
}

#[test]
fn a_shortened_column_costs_its_figures_and_is_named() {
    let (_directory, run) = run_of("40", &[]);
    let theta = run.join("theta.npy");
    let bytes = fs::read(&theta).unwrap();
    fs::write(&theta, &bytes[..bytes.len() - 100]).unwrap();
    sharpsweep(&["report"], &[&run]).success().stderr(
        contains("theta.npy: the file is shorter than its header says").and(contains("no duplicates can be found")),
    );
    assert_eq!(figures(&run.join("report")), [6, 7, 13]);
}

#[test]
fn without_the_status_column_the_gradient_tells_what_converged() {
    let (_directory, run) = run_of("40", &[]);
    sharpsweep(&["report"], &[&run]).success();
    let whole: ArrayD<f64> = ndarray_npy::read_npy(run.join("report/figures/figure-06/lambda_sup.npy")).unwrap();
    fs::remove_file(run.join("status.npy")).unwrap();
    sharpsweep(&["report"], &[&run]).success().stderr(contains("status.npy: the column is missing"));
    let found: ArrayD<f64> = ndarray_npy::read_npy(run.join("report/figures/figure-06/lambda_sup.npy")).unwrap();
    assert_eq!(found, whole);
}

#[test]
fn damaged_data_leave_what_the_columns_show() {
    let (_directory, run) = run_of("40", &[]);
    fs::write(run.join("data/x.npy"), "no array").unwrap();
    sharpsweep(&["report"], &[&run]).success().stderr(contains("the run's own copy of its data cannot be used"));
    assert_eq!(figures(&run.join("report")), [6, 7, 13]);
}

#[test]
fn a_manifest_of_another_version_is_refused_with_both_versions() {
    let (_directory, run) = run_of("4", &[]);
    let path = run.join("manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, manifest.replacen("\"format\": 1", "\"format\": 7", 1)).unwrap();
    sharpsweep(&["report"], &[&run]).code(1).stderr(contains("layout version 7").and(contains("reads version 1")));
    assert!(!run.join("report").exists());
    fs::write(&path, &manifest[..manifest.len() / 2]).unwrap();
    sharpsweep(&["report"], &[&run]).code(1).stderr(contains("is damaged"));
    sharpsweep(&["report"], &[&run.join("nowhere")]).code(1).stderr(contains("is no run directory"));
}

#[test]
fn a_single_critical_point_is_shown_and_what_needs_two_is_named() {
    let (_directory, run) = run_of("1", &["--tolerance", "0.5"]);
    sharpsweep(&["report"], &[&run])
        .success()
        .stderr(contains("Figure 6 needs networks with finite values, at least 2, but there is only 1"));
    let drawn = figures(&run.join("report"));
    assert!(drawn.starts_with(&[2, 3, 4, 5]) && drawn.ends_with(&[13]) && !drawn.contains(&6), "{drawn:?}");
}

#[test]
fn a_run_whose_networks_all_diverged_says_so_and_still_gives_a_page() {
    let (_directory, run) = run_of("8", &["--step-size", "1e38"]);
    sharpsweep(&["report"], &[&run])
        .success()
        .stdout(contains("0 of 8"))
        .stderr(contains("All 8 networks diverged").and(contains("a smaller --step-size")));
    assert_eq!(figures(&run.join("report")), [13]);
    assert!(page(&run.join("report")).contains("All 8 networks diverged"));
}

#[test]
fn a_run_without_a_converged_network_says_what_to_try() {
    let (_directory, run) = run_of("8", &["--max-steps", "2"]);
    sharpsweep(&["report"], &[&run])
        .success()
        .stderr(contains("No network converged").and(contains("more --max-steps")));
    assert_eq!(figures(&run.join("report")), [13]);
}

#[test]
fn rows_that_are_not_written_yet_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let (train, test) = appendix_c_data(50, 0).unwrap();
    let work = Work::sweep(0..6, Descent::default());
    let experiment = Experiment::new(work, 3, Activation::Sigmoid, train, Some(test)).unwrap();
    let columns = columns(&experiment.spec, Dtype::Float32);
    drop(
        RunWriter::create(
            &run,
            &experiment,
            Reference::default().description(&experiment.problem, experiment.spec.tasks()),
            columns,
        )
        .unwrap(),
    );
    sharpsweep(&["report"], &[&run])
        .success()
        .stdout(contains("0 computed, of 6 asked for"))
        .stderr(contains("The run is not finished"));
    assert_eq!(figures(&run.join("report")), [13]);
}

#[test]
fn replay_records_one_seed_as_columns_and_a_figure() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("replay");
    let arguments = ["replay", "7", "--record-every", "10", "--max-steps", "105", "--out"];
    sharpsweep(&arguments, &[&out]).success().stdout(contains("seed 7 ").and(contains("lambda_sup = ")));
    let column = |name: &str| -> ArrayD<f64> { ndarray_npy::read_npy(out.join(format!("replay/{name}.npy"))).unwrap() };
    let steps: Vec<f64> = (0..=10).map(|k| f64::from(10 * k)).chain([105.0]).collect();
    assert_eq!(column("steps").into_raw_vec_and_offset().0, steps);
    for name in ["loss", "gradient_sq", "lambda_sup", "lambda_max", "lambda_min"] {
        assert_eq!(column(name).len(), 12, "{name}");
    }
    assert_eq!(column("theta").len(), 13);
    let along = column("theta_trajectory");
    assert_eq!(along.shape(), [12, 13]);
    assert_eq!(along.index_axis(ndarray::Axis(0), 11), column("theta"));
    assert!(out.join("replay.svg").is_file() && out.join("replay.png").is_file());
    let record: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("replay.json")).unwrap()).unwrap();
    assert_eq!((&record["ended"], &record["steps"]), (&"reached the step limit".into(), &105.into()));
    sharpsweep(&arguments, &[&out]).code(1).stderr(contains("already holds"));
}

#[test]
fn a_replay_of_a_diverging_seed_still_leaves_its_record() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("replay");
    let arguments = ["replay", "3", "--step-size", "1e38", "--activation", "linear", "--out"];
    sharpsweep(&arguments, &[&out]).success().stdout(contains("seed 3 diverged"));
    assert!(out.join("replay/loss.npy").is_file());
}

#[test]
fn replay_of_several_seeds_leaves_for_each_what_it_leaves_of_one() {
    let directory = tempfile::tempdir().unwrap();
    let [one, several] = ["one", "several"].map(|name| directory.path().join(name));
    // The former name of the interval.
    let options = ["--every", "50", "--max-steps", "120", "--out"];
    sharpsweep(&[&["replay", "5"], &options[..]].concat(), &[&one]).success();
    sharpsweep(&[&["replay", "5,1..3"], &options[..]].concat(), &[&several])
        .success()
        .stdout(contains("seed 5 ").and(contains("seed 1 ")).and(contains("seed 2 ")).and(contains("12 records")));
    let mut folders: Vec<_> = fs::read_dir(&several).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    folders.sort();
    assert_eq!(folders, ["seed-1", "seed-2", "seed-5"]);
    for name in ["replay.json", "replay.svg", "replay/lambda_sup.npy", "replay/theta_trajectory.npy"] {
        assert_eq!(fs::read(several.join("seed-5").join(name)).unwrap(), fs::read(one.join(name)).unwrap(), "{name}");
    }
    let json = sharpsweep(&["replay", "1,2", "--max-steps", "3", "--json", "--out"], &[&directory.path().join("json")]);
    let record: serde_json::Value = serde_json::from_slice(&json.success().get_output().stdout).unwrap();
    assert_eq!((&record[0]["seed"], &record[1]["seed"]), (&1.into(), &2.into()));
}

#[test]
fn replay_says_nothing_of_grids() {
    sharpsweep(&["replay", "--help"], &[]).success().stdout(contains("makes a grid").not());
    sharpsweep(&["replay", "1", "--step-size", "0.1,0.2"], &[]).code(2).stderr(contains("0.1,0.2"));
}

#[test]
fn a_report_without_the_list_of_its_files_is_left_alone_and_told_of() {
    let (_directory, run) = run_of("4", &[]);
    sharpsweep(&["report"], &[&run]).success();
    fs::remove_file(run.join("report/files.json")).unwrap();
    sharpsweep(&["report"], &[&run]).code(1).stderr(contains("without files.json").and(contains("Remove ")));
}

#[test]
fn eigenvalues_that_the_run_has_are_not_computed_again() {
    let (_directory, run) = run_of("40", &["--spectrum=vectors"]);
    let path = run.join("lambda_max.npy");
    sharpsweep(&["report"], &[&run]).success().stdout(contains("as the run recorded them"));
    let column: Array1<f64> = ndarray_npy::read_npy(&path).unwrap();
    let shown = |figure: &str, name: &str| -> ArrayD<f64> {
        ndarray_npy::read_npy(run.join(format!("report/figures/{figure}/{name}.npy"))).unwrap()
    };
    assert!(shown("figure-02", "lambda_max").iter().all(|value| column.iter().any(|c| c.to_bits() == value.to_bits())));
    // Sharpness is lambda_1 if the run has it, and the loss is drawn along the recorded eigenvectors.
    assert_eq!(shown("sharpness-against-f1", "sharpness"), shown("figure-02", "lambda_max"));
    assert!(page(&run.join("report")).contains("Sharpness λ<sub>1</sub> against the macro F1"));
    let (_other, without) = run_of("40", &[]);
    sharpsweep(&["report"], &[&without]).success().stdout(contains("computed from theta in float64"));
    assert!(page(&without.join("report")).contains("Sharpness λ<sub>sup</sub> against the macro F1"));
    let losses: ArrayD<f64> = ndarray_npy::read_npy(without.join("report/figures/figure-04/losses_a.npy")).unwrap();
    let along = shown("figure-04", "losses_a");
    assert!(along.iter().zip(&losses).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs()), "{along} {losses}");
}

#[test]
fn wrong_usage_is_told_before_any_work() {
    sharpsweep(&["replay"], &[]).code(2).stderr(contains("SEED"));
    sharpsweep(&["replay", "x"], &[]).code(2);
    sharpsweep(&["replay", "1", "--every", "0"], &[]).code(2);
    sharpsweep(&["replay", "18446744073709551615"], &[]).code(2).stderr(contains("take a smaller one"));
    sharpsweep(&["report"], &[]).code(2).stderr(contains("RUN"));
    sharpsweep(&["reproduce", "--seeds", "0"], &[]).code(2);
    sharpsweep(&["reproduce", "--data-seeds", "3..3"], &[]).code(2);
}
