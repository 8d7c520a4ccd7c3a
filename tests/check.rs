//! `sharpsweep check`: its table and exit code on the adapters that are here and without one, and that it names a pass
//! that is wrong.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sharpsweep::check::{Check, Comparison};
use sharpsweep::engine::Stop;
use sharpsweep::gpu::{Gpu, Pass, TextChange, choose_adapter};
use sharpsweep::watch::Unwatched;
use support::gpu::skipped;
use support::{is_full, notice};

fn check(args: &[&str], environment: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpsweep"));
    command.arg("check").args(args).envs(environment.iter().copied()).output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// The names of a list of comparisons in `check --json`, of which each must hold.
fn holding(comparisons: &Value) -> Vec<String> {
    let of_each = |comparison: &Value| {
        let (worst, allowed) = (comparison["worst"].as_f64().unwrap(), comparison["allowed"].as_f64().unwrap());
        assert!(worst <= allowed && comparison["failure"].is_null(), "{comparison}");
        assert!(comparison["values"].as_u64().unwrap() > 0, "{comparison}");
        comparison["name"].as_str().unwrap().to_owned()
    };
    comparisons.as_array().unwrap().iter().map(of_each).collect()
}

const RESULTS: [&str; 12] = [
    "loss",
    "gradient_sq",
    "trace",
    "trace_sq",
    "lambda_sup",
    "bounds hold",
    "lambda_max",
    "lambda_min",
    "layers, training",
    "layers, lambda_sup",
    "layers, extreme eigenvalues",
    "verdicts",
];

fn assert_is_whole(found: &Value) {
    assert_eq!(holding(&found["passes"]), Pass::ONE_HIDDEN.map(Pass::name));
    assert_eq!(holding(&found["results"]), RESULTS);
    let rates = found["speed"]["rates"].as_array().unwrap();
    assert_eq!(rates.len(), 8);
    for rate in rates {
        let speeds = ["engine", "cpu"].map(|side| rate[side]["per_second"].as_f64().unwrap());
        // The slowest, eigenvalues at N = 10 on a software adapter under load, are some hundred per second.
        assert!(speeds.iter().all(|speed| *speed > 10.0), "{rate}");
        let trains = rate["task"].as_str().unwrap().starts_with("training");
        let share = rate["share_of_peak"].as_f64();
        // Above 1 only if something else slowed the measurement of the peak.
        assert!(share.is_some() == trains && share.is_none_or(|share| share > 0.0 && share < 2.0), "{rate}");
    }
    assert_eq!(found["failures"], serde_json::json!([]));
    let device = &found["speed"]["device"];
    for what in ["flops", "upload", "download", "round_trip"] {
        assert!(device[what].as_f64().unwrap() > 0.0, "{what}: {device}");
    }
    let compiled = device["compile"].as_array().unwrap().iter();
    assert!(compiled.clone().count() == Pass::ONE_HIDDEN.len() && compiled.clone().all(|pass| pass["texts"] != 0));
}

#[test]
fn the_adapter_computes_what_it_should_and_its_speed_is_told() {
    if skipped("the_adapter_computes_what_it_should_and_its_speed_is_told") {
        return;
    }
    let output = check(&["--json"], &[]);
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(found["engine"]["engine"], "gpu");
    assert_is_whole(&found);
}

/// Every pass and result has a row that holds, every task a row with both speeds, and the last line says so.
#[test]
fn the_table_has_a_row_for_everything() {
    if skipped("the_table_has_a_row_for_everything") {
        return;
    }
    let (table, stderr) = texts(&check(&[], &[]));
    let rows: Vec<&str> = table.lines().map(str::trim).collect();
    let has = |name: &str, says: &str| {
        let row = rows.iter().find(|row| row.strip_prefix(name).is_some_and(|rest| rest.starts_with("  ")));
        assert!(row.is_some_and(|row| row.contains(says)), "{name}, {says}: {table}{stderr}");
    };
    Pass::ONE_HIDDEN.iter().for_each(|pass| has(pass.name(), " holds"));
    RESULTS.iter().for_each(|result| has(result, " holds"));
    for task in ["training, seed-steps", "training 512 networks, seed-steps"] {
        has(task, " %");
    }
    ["closed forms, networks", "extreme eigenvalues, networks"].iter().for_each(|task| has(task, " "));
    has("multiply-adds (FMA), TFLOP/s", " ");
    Pass::ONE_HIDDEN.iter().for_each(|pass| has(&format!("compiling {}, milliseconds", pass.name()), "longest of"));
    let all = Pass::ONE_HIDDEN.len() + RESULTS.len();
    assert_eq!(rows.last(), Some(&&*format!("all {all} comparisons hold")), "{table}{stderr}");
}

/// A Vulkan driver file that is not there leaves no adapter.
fn no_driver() -> PathBuf {
    PathBuf::from("/nowhere/driver.json")
}

#[test]
fn without_an_adapter_the_cpu_engine_is_checked() {
    if cfg!(not(target_os = "linux")) {
        notice("SKIPPED without_an_adapter_the_cpu_engine_is_checked: only Vulkan's loader can be pointed elsewhere");
        return;
    }
    let nowhere = no_driver();
    let output = check(&["--json"], &[("VK_DRIVER_FILES", &nowhere), ("VK_ICD_FILENAMES", &nowhere)]);
    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("no Vulkan, Metal or DX12 adapter was found: checking the CPU engine"), "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&found["engine"]["engine"], &found["adapter"]), (&"cpu".into(), &Value::Null));
    assert_eq!(holding(&found["passes"]).len(), 0);
    assert_eq!(holding(&found["results"]), [&["training"][..], &RESULTS].concat());
    assert_eq!(found["speed"]["rates"].as_array().unwrap().len(), 8);
}

#[test]
fn an_adapter_that_is_not_there_is_exit_code_1() {
    let nowhere = no_driver();
    for environment in [&[][..], &[("VK_DRIVER_FILES", nowhere.as_path()), ("VK_ICD_FILENAMES", nowhere.as_path())]] {
        let output = check(&["--adapter", "no such card"], environment);
        let (stdout, stderr) = texts(&output);
        assert_eq!((output.status.code(), stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.contains("no adapter has") || stderr.contains("no Vulkan, Metal or DX12 adapter"), "{stderr}");
    }
}

/// The text of `pass` with an error that a driver might make, or an author.
fn wrong(pass: Pass, text: &str) -> String {
    let (from, to) = match pass {
        Pass::Seeds => ("params.init_range", "(params.init_range * 1.0000002)"),
        Pass::Terms => ("df[at] = f.y", "df[at] = 1.0001 * f.y"),
        // The last sample is left out.
        Pass::Trace | Pass::TraceSqAssembled => ("params.samples", "(params.samples - 1u)"),
        Pass::Gradient | Pass::Hessian | Pass::TraceSq => ("params.end_sample", "(params.end_sample - 1u)"),
        Pass::Eigenvalues => ("HALVINGS: u32 = 28u", "HALVINGS: u32 = 13u"),
        // The first network of a list is left out.
        Pass::Remaining => ("slot = id.x;", "slot = id.x + 1u;"),
        // The training kernels.
        _ => ("params.step_size", "(params.step_size * 1.01)"),
    };
    assert!(text.contains(from), "{} has no {from}", pass.name());
    text.replace(from, to)
}

/// The comparisons of all passes where `changed` says what stands for the text of a pass.
fn with_texts(changed: impl Fn(Pass, &str) -> Option<String> + Send + Sync + 'static) -> Vec<Comparison> {
    let adapter = choose_adapter(None).unwrap();
    let change = TextChange::new(changed);
    let open = |tuning| Gpu::with_texts(adapter.clone(), tuning, change.clone());
    Check::passes(&open, &Stop::default(), &Unwatched).unwrap()
}

fn off(comparisons: &[Comparison]) -> Vec<&str> {
    let off = comparisons.iter().filter(|comparison| !comparison.holds());
    off.map(|comparison| comparison.name.as_str()).collect()
}

/// Each pass is off by itself: those that get its values are compared with what they make of them.
#[test]
fn a_wrong_pass_is_off_and_no_other() {
    if skipped("a_wrong_pass_is_off_and_no_other") {
        return;
    }
    let all: Vec<Pass> = Pass::ONE_HIDDEN.into();
    let every_second = |first: usize| all.iter().skip(first).step_by(2).copied().collect::<Vec<Pass>>();
    let sets: Vec<Vec<Pass>> =
        if is_full() { all.iter().map(|&pass| vec![pass]).collect() } else { [0, 1].map(every_second).into() };
    for set in sets {
        let expected: Vec<&str> = set.iter().map(|pass| pass.name()).collect();
        let found = with_texts(move |pass, text| set.contains(&pass).then(|| wrong(pass, text)));
        assert_eq!(off(&found), expected, "{found:#?}");
    }
}

/// Every kernel that trains is compared under weight decay too.
#[test]
fn weight_decay_that_is_left_out_is_noticed() {
    if skipped("weight_decay_that_is_left_out_is_noticed") {
        return;
    }
    let found =
        with_texts(|_, text| text.contains("params.weight_decay").then(|| text.replace("params.weight_decay", "0.0")));
    let expected = [Pass::Train, Pass::TrainSplit, Pass::TrainShared, Pass::TrainStreamed].map(Pass::name);
    assert_eq!(off(&found), expected, "{found:#?}");
}

/// The bound of what the rounding of the terms does: one that is far too small, or far too large.
#[test]
fn a_perturbation_of_the_wrong_size_is_noticed() {
    if skipped("a_perturbation_of_the_wrong_size_is_noticed") {
        return;
    }
    for factor in ["1e-3", "30.0"] {
        let found = with_texts(move |pass, text| {
            let from = "select(UNBOUNDED, perturbation, bounded)";
            assert!(pass != Pass::Terms || text.contains(from));
            (pass == Pass::Terms).then(|| text.replace(from, &format!("{factor} * {from}")))
        });
        assert_eq!(off(&found), ["terms"], "{factor}: {found:#?}");
        let failure = found.iter().find_map(|comparison| comparison.failure.as_deref()).unwrap();
        assert!(failure.contains("their perturbation is"), "{failure}");
    }
}

#[test]
fn a_pass_that_the_driver_refuses_is_off_with_its_reason() {
    if skipped("a_pass_that_the_driver_refuses_is_off_with_its_reason") {
        return;
    }
    let found = with_texts(|pass, _| (pass == Pass::Trace).then(|| "no shader".into()));
    assert_eq!(off(&found), ["trace"]);
    let failure = found.iter().find_map(|comparison| comparison.failure.as_deref()).unwrap();
    assert!(failure.contains("the graphics driver refused a command"), "{failure}");
}
