//! Runs of networks of any depth, with several outputs and other losses, from the command line to the columns.

mod support;

use std::path::Path;

use ndarray::{Array1, Array2, Axis};
use ndarray_npy::{read_npy, write_npy};
use sharpsweep::analysis::Scorer;
use sharpsweep::bounds::{LayerBounds, layer_bounds_of_each, widened_bounds};
use sharpsweep::engine::{Engine, Evaluation, LayerTraces};
use sharpsweep::model::{Activation, Dataset, HiddenLayers, Loss, Problem, Reduction, Targets};
use sharpsweep::polish::Objective;
use sharpsweep::reference::layers::{gauss_newton, gauss_newton_matrix, outputs};
use sharpsweep::reference::{Reference, hessian, spectrum};
use sharpsweep::run::Run;
use support::Draws;
use support::command::{assert_same_columns, fail, manifest, succeed};
use support::cut::cut;
use support::gpu::skipped;
use tempfile::{TempDir, tempdir};

/// Training and test samples.
const SAMPLES: [usize; 2] = [10, 6];

/// The targets of a test: what they are called, and whether a network needs several outputs for them.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    loss: Loss,
    outputs: usize,
}

const KINDS: [Kind; 5] = [
    Kind { name: "labels", loss: Loss::Logistic, outputs: 1 },
    Kind { name: "several-labels", loss: Loss::Logistic, outputs: 3 },
    Kind { name: "classes", loss: Loss::Softmax, outputs: 3 },
    Kind { name: "values", loss: Loss::Squared, outputs: 1 },
    Kind { name: "several-values", loss: Loss::Squared, outputs: 3 },
];

/// Leaves the files of samples and of targets of every kind, for training and for test.
fn data(dir: &Path) {
    let mut draws = Draws::new(7);
    for (part, samples) in ["", "test-"].into_iter().zip(SAMPLES) {
        let mut array = |columns: usize, of: &dyn Fn(f64) -> f64| {
            Array2::from_shape_simple_fn((samples, columns), || of(draws.unit()))
        };
        let file = |name: &str| dir.join(format!("{part}{name}.npy"));
        write_npy(file("x"), &array(2, &|unit| 2.0 * unit - 1.0)).unwrap();
        let labels = array(3, &|unit| f64::from(u8::from(unit > 0.4)));
        write_npy(file("labels"), &labels.column(0)).unwrap();
        write_npy(file("several-labels"), &labels.mapv(|label| label as u8)).unwrap();
        // Class 2 occurs in the training data alone.
        let classes = array(1, &|unit| (unit * if part.is_empty() { 2.99 } else { 1.99 }).floor());
        write_npy(file("classes"), &classes.column(0).mapv(|class| class as i32)).unwrap();
        let values = array(3, &|unit| 3.0 * unit - 1.0);
        write_npy(file("values"), &values.column(0)).unwrap();
        write_npy(file("several-values"), &values.mapv(|value| value as f32)).unwrap();
    }
    write_npy(dir.join("w.npy"), &Array1::from_iter((0..SAMPLES[0]).map(|i| 0.5 + (i % 4) as f64))).unwrap();
}

fn in_dir() -> TempDir {
    let dir = tempdir().unwrap();
    data(dir.path());
    dir
}

/// The arguments of a short sweep of networks with these hidden layers on targets of this kind.
fn sweep_of<'a>(hidden: &'a str, kind: &Kind, out: &'a str) -> Vec<String> {
    let name = kind.name;
    let mut args: Vec<String> = [
        "sweep --backend reference --activation tanh --seeds 3..7 --max-steps 15 --init-range 1 --step-size 0.02",
        "--tolerance 0.5 --x x.npy --test-x test-x.npy --q",
    ]
    .join(" ")
    .split(' ')
    .map(str::to_owned)
    .collect();
    args.extend([format!("{name}.npy"), "--test-q".into(), format!("test-{name}.npy")]);
    args.extend(["--hidden".into(), hidden.into(), "--out".into(), out.into()]);
    if kind.loss != Loss::Logistic {
        args.extend(["--loss".into(), kind.loss.name().into()]);
    }
    args
}

/// `args` with `more`, whose options take the place of equal ones.
fn with(args: &[String], more: &[&str]) -> Vec<String> {
    let mut all = args.to_vec();
    for &word in more {
        match all.iter().position(|arg| arg == word) {
            Some(at) if word.starts_with("--") => drop(all.drain(at..at + 2)),
            _ => {}
        }
        all.push(word.into());
    }
    all
}

fn run(dir: &Path, args: &[String], more: &[&str]) -> std::process::Output {
    let args = with(args, more);
    succeed(dir, &args.iter().map(String::as_str).collect::<Vec<&str>>())
}

/// The targets in `file`, as the library takes them.
fn targets(dir: &Path, file: &str, kind: &Kind) -> Targets {
    let path = dir.join(format!("{file}.npy"));
    match kind.name {
        "labels" => read_npy::<_, Array1<f64>>(path).unwrap().into(),
        "several-labels" => Targets::Labels(read_npy::<_, Array2<u8>>(path).unwrap().mapv(f64::from)),
        "classes" => Targets::Classes {
            of: read_npy::<_, Array1<i32>>(path).unwrap().iter().map(|&c| c as usize).collect(),
            count: 3,
        },
        "values" => Targets::Values(read_npy::<_, Array1<f64>>(path).unwrap().insert_axis(Axis(1))),
        _ => Targets::Values(read_npy::<_, Array2<f32>>(path).unwrap().mapv(f64::from)),
    }
}

/// The training and the test data, by the library alone.
fn datasets(dir: &Path, kind: &Kind) -> [Dataset; 2] {
    ["", "test-"].map(|part| {
        let x: Array2<f64> = read_npy(dir.join(format!("{part}x.npy"))).unwrap();
        Dataset::new(x, targets(dir, &format!("{part}{}", kind.name), kind)).unwrap()
    })
}

fn evaluation(problem: &Problem, theta: &Array2<f64>) -> Evaluation {
    Reference::default().evaluate(problem, theta.view().into()).unwrap()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Every kind of network is trained, and its columns are what the library computes of its weights.
#[test]
fn columns_are_those_of_the_library_for_every_depth_loss_and_number_of_outputs() {
    let dir = in_dir();
    let dir = dir.path();
    for kind in &KINDS {
        for hidden in ["none", "3", "4x3"] {
            let out = format!("{}-{hidden}", kind.name);
            let wanted =
                ["--gauss-newton", "--spectrum=values,blocks", "--brackets", "--polish", "--weight-decay", "0.01"];
            let summary = run(dir, &sweep_of(hidden, kind, &out), &wanted);
            let summary = String::from_utf8(summary.stdout).unwrap();
            let run = Run::open(&dir.join(&out)).unwrap();
            let theta = run.theta().unwrap();
            let [train, test] = datasets(dir, kind);
            let layers: HiddenLayers = hidden.parse().unwrap();
            let problem = Problem::with_layers(layers.widths(), Activation::Tanh, train).unwrap();
            let shape = problem.network.shape;
            assert_eq!(shape.outputs(), kind.outputs, "{out}");
            let spec = &run.manifest().spec;
            assert_eq!((spec.shape(), spec.parameters()), (Ok(shape), shape.parameters()), "{out}");

            let found = evaluation(&problem, &theta);
            let column = |name: &str| run.floats(name).unwrap();
            let same = |name: &str, expected: &[f64]| assert_eq!(bits(&column(name)), bits(expected), "{out} {name}");
            same("loss", &found.loss);
            same("gradient_sq", &found.gradient_sq);
            same("trace_sq", &found.trace_sq);
            same("trace", &found.layer_trace.iter().map(LayerTraces::sum).collect::<Vec<f64>>());
            let of_layer = |l: usize| found.layer_trace.iter().map(|t| t.as_slice()[l]).collect::<Vec<f64>>();
            if hidden == "3" {
                same("trace_ww", &of_layer(0));
                same("trace_vv", &of_layer(1));
                assert!(!run.has("layer_trace") && run.has("lambda_max_ww"), "{out}");
            } else {
                let traces = run.wide_floats("layer_trace").unwrap();
                assert_eq!(traces.dim(), (4, layers.widths().len() + 1), "{out}");
                for (l, traces) in traces.columns().into_iter().enumerate() {
                    assert_eq!(bits(&traces.to_vec()), bits(&of_layer(l)), "{out} {l}");
                }
                assert!(!run.has("trace_ww") && !run.has("lambda_max_ww"), "{out}");
            }

            let (lambda_max, lambda_min, lambda_sup) =
                (column("lambda_max"), column("lambda_min"), column("lambda_sup"));
            let (lower, upper) = (column("bracket_lower"), column("bracket_upper"));
            let [gn_trace, gn_trace_sq, gn_sup, gn_max] =
                ["gn_trace", "gn_trace_sq", "gn_lambda_sup", "gn_lambda_max"].map(column);
            let objective = column("objective_gradient_sq");
            for (row, network) in theta.outer_iter().enumerate() {
                let network = network.to_vec();
                let eigenvalues = spectrum(hessian(&problem, &network).view(), 0).unwrap();
                assert!((lambda_max[row] - eigenvalues.lambda_max()).abs() <= 1e-12 * eigenvalues.lambda_max().abs());
                assert!((lambda_min[row] - eigenvalues.lambda_min()).abs() <= 1e-12 * eigenvalues.lambda_max().abs());
                assert!(
                    lambda_sup[row] >= lambda_max[row] && (lower[row]..=upper[row]).contains(&lambda_max[row]),
                    "{out}"
                );
                let part = gauss_newton(&problem, &network);
                let bound = widened_bounds(part.trace, part.trace_sq, network.len(), &part.rounding).bounds.lambda_sup;
                assert_eq!(
                    bits(&[gn_trace[row], gn_trace_sq[row], gn_sup[row]]),
                    bits(&[part.trace, part.trace_sq, bound])
                );
                let of_matrix = spectrum(gauss_newton_matrix(&problem, &network).view(), 0).unwrap().lambda_max();
                assert_eq!(gn_max[row].to_bits(), of_matrix.to_bits(), "{out}");
                assert!(gn_sup[row] >= gn_max[row] && gn_max[row] > 0.0, "{out}: {} {}", gn_sup[row], gn_max[row]);
                let decayed = Objective { problem: &problem, weight_decay: 0.01 }.gradient_sq(&network);
                assert_eq!(objective[row].to_bits(), decayed.to_bits(), "{out}");
                if hidden == "4x3" {
                    let blocks = run.values_of("layer_lambda_max", row).unwrap();
                    let largest = blocks.iter().copied().fold(f64::MIN, f64::max);
                    assert!(blocks.len() == 3 && largest <= lambda_max[row] * (1.0 + 1e-12), "{out} {blocks:?}");
                }
                if run.manifest().spec.is_of_paper() {
                    assert!(!run.has("accuracy") && !run.has("test_loss") && run.has("macro_f1"), "{out}");
                    continue;
                }
                let scores = Scorer::new(&test).score(outputs(problem.network, &test, &network)).unwrap();
                assert_eq!(column("test_loss")[row].to_bits(), scores.loss.to_bits(), "{out}");
                for (name, score) in [("macro_f1", scores.macro_f1), ("accuracy", scores.accuracy), ("r2", scores.r2)] {
                    assert_eq!(run.has(name), score.is_some(), "{out} {name}");
                    assert!(score.is_none_or(|score| score.to_bits() == column(name)[row].to_bits()), "{out} {name}");
                }
            }
            let network = if kind.outputs > 1 { ", K = 3" } else { "" };
            assert!(summary.contains(&format!("N = {hidden} tanh{network}")), "{summary}");

            // The run holds all that is needed to compute its columns again.
            let recorded = run.experiment().unwrap();
            assert_eq!((&recorded.problem.data, recorded.test.as_ref()), (&problem.data, Some(&test)), "{out}");
            let again = format!("again-{out}");
            let name = kind.name;
            let mut args = sweep_of(hidden, kind, &again);
            let start = args.iter().position(|arg| arg == "--seeds").unwrap();
            args.drain(start..start + 10);
            args[0] = "evaluate".into();
            args.extend(["--theta".into(), format!("{out}/theta.npy"), "--tolerance".into(), "0.5".into()]);
            self::run(dir, &args, &[&wanted[..3], &["--weight-decay", "0.01"]].concat());
            for column in ["loss", "lambda_sup", "trace_sq", "gn_lambda_max", "lambda_max"] {
                let [a, b] =
                    [&out, &again].map(|run| std::fs::read(dir.join(run).join(format!("{column}.npy"))).unwrap());
                assert!(a == b, "{name} {hidden} {column}");
            }
        }
    }
}

/// A seed of one of the paper's networks, and its manifest, are what they always were.
/// With one hidden layer the bounds have the names that they have for the paper's networks, and hold what the traces of
/// the same names are; at any other depth they stand in wide columns.
#[test]
fn bounds_of_the_traces_are_recorded_for_networks_of_any_depth_outputs_and_loss() {
    let dir = in_dir();
    let dir = dir.path();
    let mut plain = 0;
    for (kind, hidden, weighted) in KINDS.iter().flat_map(|kind| {
        ["none", "3", "4x3"].into_iter().flat_map(move |hidden| [false, true].map(|weighted| (kind, hidden, weighted)))
    }) {
        let out = format!("{}-{hidden}-{weighted}", kind.name);
        let counted: &[&str] = if weighted { &["--sample-weights", "w.npy", "--reduction", "mean"] } else { &[] };
        run(dir, &sweep_of(hidden, kind, &out), &[&["--bounds"], counted].concat());
        let run = Run::open(&dir.join(&out)).unwrap();
        let [train, _] = datasets(dir, kind);
        let train = if weighted {
            let weights: Array1<f64> = read_npy(dir.join("w.npy")).unwrap();
            let sum = weights.sum();
            train.weighted(weights / sum).unwrap()
        } else {
            train
        };
        let layers: HiddenLayers = hidden.parse().unwrap();
        let problem = Problem::with_layers(layers.widths(), Activation::Tanh, train).unwrap();
        if problem.paper().is_some() {
            assert!(run.has("phi_max") && !run.has("layer_trace_bound"), "{out}");
            continue;
        }
        let bounds = layer_bounds_of_each(&problem, run.theta().unwrap().view().into());
        let same = |name: &str, found: &[f64], expected: Vec<f64>| {
            let close = |(found, expected): (&f64, &f64)| (found - expected).abs() <= 1e-12 * expected.abs();
            assert!(found.iter().zip(&expected).all(close) && found.len() == expected.len(), "{out} {name}: {found:?}");
        };
        let single = |name: &str, expected: Vec<f64>| same(name, &run.floats(name).unwrap(), expected);
        single("trace_sq_bound", bounds.iter().map(|bounds| bounds.trace_sq_bound).collect());
        let holds = |small: &[f64], large: &[f64]| {
            assert!(small.iter().zip(large).all(|(small, large)| small.abs() <= large * (1.0 + 1e-12)), "{out}");
        };
        holds(&run.floats("trace_sq").unwrap(), &run.floats("trace_sq_bound").unwrap());
        if hidden == "3" {
            plain += 1;
            for (l, letter) in ["w", "v"].into_iter().enumerate() {
                let name = format!("trace_{letter}{letter}");
                single(&format!("{name}_bound"), bounds.iter().map(|bounds| bounds.trace_bounds[l]).collect());
                single(&format!("{letter}_norm_sq"), bounds.iter().map(|bounds| bounds.norm_sq[l]).collect());
                holds(&run.floats(&name).unwrap(), &run.floats(&format!("{name}_bound")).unwrap());
            }
            single("phi_max", bounds.iter().map(|bounds| bounds.phi_max[0]).collect());
            single("input_gram_sq", bounds.iter().map(|bounds| bounds.gram_sq[0]).collect());
            single("hidden_gram_sq", bounds.iter().map(|bounds| bounds.gram_sq[1]).collect());
            assert!(!run.has("layer_trace_bound") && !run.has("layer_phi_max"), "{out}");
        } else {
            let wide = |name: &str| run.wide_floats(name).unwrap().iter().copied().collect::<Vec<f64>>();
            let expected = |of: fn(&LayerBounds) -> &Vec<f64>| bounds.iter().flat_map(of).copied().collect();
            same("layer_trace_bound", &wide("layer_trace_bound"), expected(|bounds| &bounds.trace_bounds));
            same("layer_phi_max", &wide("layer_phi_max"), expected(|bounds| &bounds.phi_max));
            same("layer_norm_sq", &wide("layer_norm_sq"), expected(|bounds| &bounds.norm_sq));
            same("layer_gram_sq", &wide("layer_gram_sq"), expected(|bounds| &bounds.gram_sq));
            holds(&wide("layer_trace"), &wide("layer_trace_bound"));
            assert!(!run.has("trace_ww_bound") && !run.has("phi_max"), "{out}");
        }
        let shown = succeed(dir, &["show", &out]);
        assert!(String::from_utf8(shown.stdout).unwrap().contains("lambda_sup"), "{out}");
    }
    assert!(plain > 5, "{plain}");
}

#[test]
fn networks_of_the_paper_are_recorded_as_before() {
    let dir = in_dir();
    let dir = dir.path();
    run(dir, &sweep_of("3", &KINDS[0], "paper"), &[]);
    let found = manifest(&dir.join("paper"));
    assert_eq!(found["spec"]["hidden"], 3);
    for absent in ["loss", "outputs", "reduction"] {
        assert!(found["spec"].get(absent).is_none(), "{absent}");
    }
    assert!(
        found["spec"]["data"].get("weights_hash").is_none() && found["spec"]["extra"].get("gauss_newton").is_none()
    );
    let q: Array1<f64> = read_npy(dir.join("paper/data/q.npy")).unwrap();
    assert_eq!(q, read_npy::<_, Array1<f64>>(dir.join("labels.npy")).unwrap());
    let names: Vec<&str> = found["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"trace_ww") && names.contains(&"trace_vv") && !names.contains(&"layer_trace"), "{names:?}");
    // With one layer more, the first weights of a seed are the same.
    run(dir, &sweep_of("3", &KINDS[0], "start"), &["--max-steps", "0"]);
    run(dir, &sweep_of("3x2", &KINDS[0], "deep"), &["--max-steps", "0"]);
    let theta = |run: &str| read_npy::<_, Array2<f32>>(dir.join(run).join("theta.npy")).unwrap();
    let (shallow, deep) = (theta("start"), theta("deep"));
    assert_eq!(
        shallow.columns().into_iter().take(13).collect::<Vec<_>>(),
        deep.columns().into_iter().take(13).collect::<Vec<_>>()
    );
}

/// Weights are looked at as they were given: divided by their sum, another one would seem wrong. One class is none.
#[test]
fn weights_are_named_as_they_were_given_and_one_class_is_refused() {
    let dir = in_dir();
    let dir = dir.path();
    for (number, name) in [(f64::INFINITY, "inf"), (-2.0, "-2"), (0.0, "0")] {
        let mut weights: Array1<f64> = read_npy(dir.join("w.npy")).unwrap();
        weights[3] = number;
        write_npy(dir.join("bad.npy"), &weights).unwrap();
        for reduction in ["sum", "mean"] {
            let args = ["sweep", "--x", "x.npy", "--q", "labels.npy", "--sample-weights", "bad.npy"];
            let says = fail(dir, &[&args[..], &["--reduction", reduction]].concat(), 1);
            assert!(says.contains(&format!("sample 3 is {name}")), "{says}");
        }
    }
    let one: Array1<f64> = read_npy::<_, Array1<f64>>(dir.join("labels.npy")).unwrap() * 0.0;
    write_npy(dir.join("one.npy"), &one).unwrap();
    let says = fail(dir, &["sweep", "--x", "x.npy", "--q", "one.npy", "--loss", "softmax"], 1);
    assert!(says.contains("all samples are of class 0"), "{says}");
}

/// Weights and the mean are parts of the loss that is trained, and are kept with the run.
#[test]
fn weights_and_the_mean_belong_to_the_loss() {
    let dir = in_dir();
    let dir = dir.path();
    let weights: Array1<f64> = read_npy(dir.join("w.npy")).unwrap();
    let kind = KINDS[2];
    let [train, _] = datasets(dir, &kind);
    for (out, more, reduction, given) in [
        ("mean", &["--reduction", "mean"][..], Reduction::Mean, None),
        ("weighted", &["--sample-weights", "w.npy"], Reduction::Sum, Some(weights.clone())),
        ("both", &["--sample-weights", "w.npy", "--reduction", "mean"], Reduction::Mean, Some(weights.clone())),
    ] {
        run(dir, &sweep_of("4x3", &kind, out), more);
        let run = Run::open(&dir.join(out)).unwrap();
        let of_loss = reduction.weights(SAMPLES[0], given.clone()).unwrap();
        let data = train.clone().weighted(of_loss.clone()).unwrap();
        let problem = Problem::with_layers(&[4, 3], Activation::Tanh, data).unwrap();
        let theta = run.theta().unwrap();
        let found = evaluation(&problem, &theta);
        assert_eq!(bits(&run.floats("loss").unwrap()), bits(&found.loss), "{out}");
        assert_eq!(bits(&run.floats("trace_sq").unwrap()), bits(&found.trace_sq), "{out}");
        // What is trained is this loss: the last step from the weights before it.
        let plain = Problem { data: train.clone(), ..problem.clone() };
        let losses = |problem: &Problem| evaluation(problem, &theta).loss;
        if out == "mean" {
            let means: Vec<f64> = losses(&plain).iter().map(|loss| loss / SAMPLES[0] as f64).collect();
            let close = found.loss.iter().zip(&means).all(|(a, b)| (a - b).abs() <= 1e-14 * b);
            assert!(close && run.floats("test_loss").unwrap()[0] < 5.0, "{means:?}");
        }
        let manifest = manifest(&dir.join(out));
        assert_eq!(manifest["spec"]["reduction"].as_str().unwrap_or("sum"), reduction.name());
        let kept: Array1<f64> = read_npy(dir.join(out).join("data/sample_weights.npy")).unwrap();
        assert_eq!(kept, of_loss);
        assert_eq!(run.experiment().unwrap().problem.data, problem.data);
        // Other weights are not those of the manifest.
        write_npy(dir.join(out).join("data/sample_weights.npy"), &(kept * 2.0)).unwrap();
        let refused = run.experiment().unwrap_err().to_string();
        assert!(refused.contains("does not hold the data") && refused.contains("weights_hash"), "{refused}");
    }
    // A step size on the mean is one that is as many times smaller on the sum.
    let [mean, sum] = [("as-mean", "mean", "0.2"), ("as-sum", "sum", "0.02")].map(|(out, reduction, step)| {
        let more = ["--reduction", reduction, "--tolerance", "0", "--step-size", step];
        run(dir, &sweep_of("4x3", &kind, out), &more);
        Run::open(&dir.join(out)).unwrap().theta().unwrap()
    });
    assert!((&mean - &sum).iter().all(|difference| difference.abs() < 1e-5), "{mean} {sum}");
}

/// Runs of such networks go on after a kill, are computed in shards, and make grids.
#[test]
fn runs_are_resumed_merged_and_listed_in_grids() {
    let dir = in_dir();
    let dir = dir.path();
    let kind = KINDS[2];
    let more = ["--sample-weights", "w.npy", "--reduction", "mean", "--gauss-newton", "--seeds", "40"];
    let args = |out: &'static str| with(&sweep_of("4x3", &kind, out), &more);
    run(dir, &args("whole"), &[]);
    let cut_args = args("cut");
    cut(dir, &cut_args.iter().map(String::as_str).collect::<Vec<_>>(), "cut");
    succeed(dir, &["resume", "cut"]);
    assert_same_columns(&dir.join("cut"), &dir.join("whole"));
    for part in ["1/3", "2/3", "3/3"] {
        run(dir, &args("whole"), &["--shard", part, "--out", &format!("part-{}", &part[..1])]);
    }
    succeed(dir, &["merge", "part-3", "part-1", "part-2", "--out", "merged"]);
    assert_same_columns(&dir.join("merged"), &dir.join("whole"));
    assert!(dir.join("merged/data/sample_weights.npy").exists());
    // A part with other weights, or of another loss, is named with the option.
    let mut other = args("other");
    other.retain(|arg| arg != "--sample-weights" && arg != "w.npy");
    run(dir, &other, &["--shard", "3/3"]);
    let stderr = fail(dir, &["merge", "part-1", "part-2", "other", "--out", "no"], 1);
    assert!(stderr.contains("--sample-weights"), "{stderr}");

    let grid = run(dir, &sweep_of("none,3,4x3", &kind, "grid"), &[]);
    let table = String::from_utf8(grid.stdout).unwrap();
    for name in ["tanh-none-eta0.02", "tanh-n3-eta0.02", "tanh-n4x3-eta0.02"] {
        assert!(dir.join("grid").join(name).join("manifest.json").exists(), "{name}");
    }
    assert!(table.contains("accuracy") && table.contains("test_loss") && table.contains("4x3"), "{table}");
    let csv = std::fs::read_to_string(dir.join("grid/table.csv")).unwrap();
    assert!(csv.lines().next().unwrap().contains("macro_f1_50,accuracy_50,test_loss_50,"), "{csv}");
    succeed(dir, &["resume", "grid"]);
    succeed(dir, &["show", "grid"]);
}

/// The CPU engine takes all of them, agrees with the reference about the weights that it records, and trains them on.
#[test]
fn the_cpu_engine_records_what_the_reference_finds() {
    records_what_the_reference_finds("cpu", 1e-10);
}

/// So does the GPU engine, in f32.
#[test]
fn the_gpu_engine_records_what_the_reference_finds() {
    if !skipped("the_gpu_engine_records_what_the_reference_finds") {
        records_what_the_reference_finds("gpu", 1e-5);
    }
}

fn records_what_the_reference_finds(backend: &str, relative: f64) {
    let dir = in_dir();
    let dir = dir.path();
    for (kind, hidden) in KINDS.iter().zip(["none", "4x3", "3", "4x3", "none"]) {
        let more = ["--backend", backend, "--gauss-newton", "--sample-weights", "w.npy", "--tolerance", "0"];
        let out = format!("{backend}-{}", kind.name);
        run(dir, &sweep_of(hidden, kind, &out), &more);
        let found = Run::open(&dir.join(&out)).unwrap();
        let theta = found.theta().unwrap();
        let problem = found.experiment().unwrap().problem;
        let expected = evaluation(&problem, &theta);
        for (name, expected) in [("loss", &expected.loss), ("trace_sq", &expected.trace_sq)] {
            let values = found.floats(name).unwrap();
            let close = values.iter().zip(expected).all(|(a, b)| (a - b).abs() <= relative * b.abs());
            assert!(close, "{out} {name}: {values:?} {expected:?}");
        }
        let parts: Vec<f64> =
            theta.outer_iter().map(|network| gauss_newton(&problem, &network.to_vec()).trace).collect();
        assert_eq!(bits(&found.floats("gn_trace").unwrap()), bits(&parts), "{out}");
        // As many steps again give the sweep that was asked for them from the start.
        succeed(dir, &["resume", &out, "--max-steps", "25", "--seeds", "3..9"]);
        let whole = format!("whole-{}", kind.name);
        run(dir, &sweep_of(hidden, kind, &whole), &[&more[..], &["--max-steps", "25", "--seeds", "3..9"]].concat());
        assert_same_columns(&dir.join(&out), &dir.join(&whole));
        assert!(dir.join(&out).join("data/sample_weights.npy").exists());
    }
    // The bounds hold as they stand in the files, also where f32 was not enough.
    let args = sweep_of("4x3", &KINDS[2], "bounds");
    run(dir, &args, &["--backend", backend, "--init-range", "8", "--step-size", "1", "--seeds", "40", "--spectrum"]);
    let found = Run::open(&dir.join("bounds")).unwrap();
    let theta = found.theta().unwrap();
    let problem = found.experiment().unwrap().problem;
    let exact = Reference::default().spectrum(&problem, theta.view().into()).unwrap();
    let lambda_sup = found.floats("lambda_sup").unwrap();
    for (seed, (&bound, &lambda)) in lambda_sup.iter().zip(&exact.lambda_max).enumerate() {
        assert!(bound >= lambda && bound.is_finite(), "{backend} {seed}: {bound} for {lambda}");
    }
}

/// What does not go is refused before any work, and says what does.
#[test]
fn what_is_not_offered_is_refused_in_words() {
    let dir = in_dir();
    let dir = dir.path();
    let plain = "sweep --backend reference --seeds 2 --max-steps 2 --out no --x x.npy";
    for (args, code, says) in [
        ("--q classes.npy", 1, "use --loss softmax"),
        ("--q values.npy --loss softmax", 1, "use --loss squared for a quantity"),
        ("--q classes.npy --loss softmax --hidden 4x0", 2, "at least one unit"),
        ("--q classes.npy --loss softmax --hidden 4-3", 2, "`4-3` is no width"),
        ("--q classes.npy --loss softmax --hidden 1x1x1x1x1x1x1x1x1x1", 2, "10 hidden layers are more than 9"),
        ("--q classes.npy --loss softmax --hidden 3,3", 2, "lists a value twice"),
        ("--q classes.npy --loss softmax --hidden 3000x3000", 2, "parameters; at most"),
        (
            "--q labels.npy --test-x test-x.npy --test-q test-several-labels.npy",
            1,
            "the test data have 3 columns of labels",
        ),
        ("--q labels.npy --sample-weights test-labels.npy", 1, "6 sample weights"),
        ("--q labels.npy --sample-weights labels.npy", 1, "weights must be above 0"),
        ("--q labels.npy --sample-weights x.npy", 1, "sample weights must be one-dimensional"),
        ("--q labels.npy --loss hinge", 2, "squared"),
    ] {
        let args: Vec<&str> = plain.split(' ').chain(args.split(' ')).collect();
        let stderr = fail(dir, &args, code);
        assert!(stderr.contains(says), "{args:?}: {stderr}");
        assert!(!dir.join("no").exists(), "{args:?}");
    }
    let spirals = ["sweep", "--backend", "reference", "--data", "spirals", "--data-classes", "3", "--seeds", "2"];
    let stderr = fail(dir, &[&spirals[..], &["--loss", "logistic"]].concat(), 2);
    assert!(stderr.contains("use --loss softmax"), "{stderr}");
    succeed(dir, &[&spirals[..], &["--max-steps", "2", "--out", "spirals"]].concat());
    assert_eq!(manifest(&dir.join("spirals"))["spec"]["loss"], "softmax");
    succeed(dir, &[&spirals[..], &["--max-steps", "2", "--loss", "squared", "--out", "squared"]].concat());
    assert_eq!(manifest(&dir.join("squared"))["spec"]["outputs"], 3);

    // Units are matched at any depth but for linear, relu and square ones; weights as they stand are compared for any.
    run(dir, &sweep_of("4x3", &KINDS[2], "deep"), &["--tolerance", "1e9", "--polish", "--weight-decay", "0.1"]);
    for by in ["symmetry", "function", "end", "distance"] {
        succeed(dir, &["duplicates", "deep", "--by", by]);
    }
    run(dir, &sweep_of("4x3", &KINDS[2], "linear"), &["--tolerance", "1e9", "--activation", "linear"]);
    let stderr = fail(dir, &["duplicates", "linear", "--by", "symmetry"], 1);
    assert!(stderr.contains("2-4-3-3") && stderr.contains("--by distance"), "{stderr}");
    succeed(dir, &["duplicates", "linear", "--by", "function"]);
    // Replay and report take any network.
    let replay = ["replay", "3", "--hidden", "4x3", "--loss", "softmax", "--x", "x.npy", "--q", "classes.npy"];
    succeed(dir, &[&replay[..], &["--max-steps", "20", "--out", "replay", "--activation", "tanh"]].concat());
    // Regions of three classes in the plane; residuals of values.
    succeed(dir, &["report", "deep"]);
    let class_of = read_npy::<_, Array1<f64>>(dir.join("deep/report/figures/figure-04/samples_q.npy")).unwrap();
    let classes: Array1<i32> = read_npy(dir.join("classes.npy")).unwrap();
    assert_eq!(class_of, classes.mapv(f64::from));
    assert!(dir.join("deep/report/figures/figure-04/probability_a.npy").exists());
    let page = std::fs::read_to_string(dir.join("deep/report/report.html")).unwrap();
    assert!(!page.contains("whether unique or not") && page.contains("unique by symmetry"), "{page}");
    // What nobody compared is not called unique.
    succeed(dir, &["report", "linear"]);
    let page = std::fs::read_to_string(dir.join("linear/report/report.html")).unwrap();
    assert!(page.contains("whether unique or not") && !page.contains("unique by symmetry"), "{page}");
    run(dir, &sweep_of("4x3", &KINDS[4], "values"), &[]);
    succeed(dir, &["report", "values", "--over", "all"]);
    let residuals: Array1<f64> = read_npy(dir.join("values/report/figures/residuals/residual.npy")).unwrap();
    let sharpness = Run::open(&dir.join("values")).unwrap().floats("lambda_sup").unwrap();
    let flattest = (0..sharpness.len()).min_by(|&a, &b| sharpness[a].total_cmp(&sharpness[b])).unwrap();
    let of_flattest = Run::open(&dir.join("values")).unwrap().floats("loss").unwrap()[flattest];
    let loss = residuals.mapv(|residual| residual * residual).sum() / 2.0;
    assert!((loss - of_flattest).abs() <= 1e-12 * loss, "{loss} {of_flattest}");
}

/// What may be meant otherwise is said.
#[test]
fn notices_say_what_may_be_meant_otherwise() {
    let dir = in_dir();
    let dir = dir.path();
    let marks = Array2::from_shape_fn((SAMPLES[0], 2), |(i, k)| f64::from(u8::from(i % 2 == k)));
    write_npy(dir.join("marks.npy"), &marks).unwrap();
    write_npy(dir.join("gap.npy"), &Array1::from_iter((0..SAMPLES[0]).map(|i| 2 * (i % 2) as i64))).unwrap();
    for (q, loss, says) in [
        ("marks.npy", "logistic", "--loss softmax takes the rows for classes, and q.argmax(1) makes one label"),
        ("gap.npy", "softmax", "1 of 3 classes have no training sample, class 1 the first"),
    ] {
        let args = ["sweep", "--backend", "reference", "--seeds", "2", "--max-steps", "2", "--x", "x.npy", "--q", q];
        let output = succeed(dir, &[&args[..], &["--loss", loss]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(says), "{stderr}");
    }
}
