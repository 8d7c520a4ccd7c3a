//! What `--spectrum` and `--brackets` leave as columns, and what they refuse.

mod support;

use std::path::Path;

use ndarray::{Array1, Array2, s};
use ndarray_npy::read_npy;
use sharpsweep::model::Problem;
use sharpsweep::reference::{hessian, spectra, spectrum};
use sharpsweep::run::Run;
use support::command::{fail, succeed};
use tempfile::tempdir;

const SWEEP: [&str; 7] = ["sweep", "--backend", "cpu", "--seeds", "20", "--max-steps", "40"];

fn column(run: &Path, name: &str) -> Vec<f64> {
    read_npy::<_, Array1<f64>>(run.join(format!("{name}.npy"))).unwrap().to_vec()
}

/// What the program prints to stdout.
fn stdout(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(succeed(dir, args).stdout).unwrap()
}

#[test]
fn a_list_gives_every_column_that_it_names() {
    let dir = tempdir().unwrap();
    let sweep = |options: &[&str]| succeed(dir.path(), &[&SWEEP[..], options].concat());
    sweep(&["--spectrum=vectors", "--out", "vectors"]);
    sweep(&["--spectrum=blocks, vectors,all,2", "--out", "list"]);
    let (vectors, list) = (dir.path().join("vectors"), dir.path().join("list"));
    // What was there before keeps its bytes.
    for name in ["lambda_max", "lambda_min", "u_1", "u_4"] {
        let bytes = |run: &Path| std::fs::read(run.join(format!("{name}.npy"))).unwrap();
        assert_eq!(bytes(&vectors), bytes(&list), "{name}");
    }
    let run = Run::open(&list).unwrap();
    let Problem { network, .. } = run.experiment().unwrap().problem;
    let (problem, theta) = (run.experiment().unwrap().problem, run.theta().unwrap());
    let [all, largest, smallest] = ["eigenvalues", "eigenvalues_largest", "eigenvalues_smallest"]
        .map(|name| read_npy::<_, Array2<f64>>(list.join(format!("{name}.npy"))).unwrap());
    assert_eq!((all.dim(), largest.dim(), smallest.dim()), ((20, 13), (20, 2), (20, 2)));
    let [ww, vv] = ["lambda_max_ww", "lambda_max_vv"].map(|name| column(&list, name));
    let bias = network.one_hidden().unwrap().shape.v_bias();
    for (k, truth) in spectra(&problem, theta.view().into(), 0).into_iter().enumerate() {
        let truth = truth.unwrap().eigenvalues;
        assert_eq!(all.row(k).to_vec(), truth);
        assert_eq!(largest.row(k).to_vec(), truth[..2]);
        assert_eq!(smallest.row(k).to_vec(), [truth[12], truth[11]]);
        let hessian = hessian(&problem, &theta.row(k).to_vec());
        for (found, block) in [(ww[k], s![..bias, ..bias]), (vv[k], s![bias.., bias..])] {
            let expected = spectrum(hessian.slice(block), 0).unwrap().lambda_max();
            assert!((found - expected).abs() <= 1e-13 * truth[0].abs(), "{k}: {found} {expected}");
            // By interlacing, no block has a larger one than the whole.
            assert!(found <= truth[0] * (1.0 + 1e-12), "{k}: {found} {}", truth[0]);
        }
    }
    // Without a list the engine finds two values, and blocks add theirs.
    sweep(&["--spectrum", "--out", "values"]);
    sweep(&["--spectrum=blocks", "--out", "blocks"]);
    let (values, blocks) = (dir.path().join("values"), dir.path().join("blocks"));
    assert_eq!(column(&values, "lambda_max"), column(&blocks, "lambda_max"));
    assert_eq!(column(&blocks, "lambda_max_vv"), vv);
    assert!(!blocks.join("eigenvalues.npy").exists() && !values.join("lambda_max_ww.npy").exists());
}

#[test]
fn what_cannot_be_asked_for_is_refused_before_a_directory_is_made() {
    let dir = tempdir().unwrap();
    for (option, code, words) in [
        ("--spectrum=vector", 2, "`vector` is not values, vectors, all, blocks or a number"),
        ("--spectrum=0", 2, "at least 1"),
        ("--spectrum=14", 1, "a Hessian has D = 13"),
        ("--brackets=two", 2, "it must be four, eight or a width"),
        ("--brackets=-0.1", 2, "it must be four, eight or a width"),
        ("--brackets=nan", 2, "it must be four, eight or a width"),
    ] {
        let error = fail(dir.path(), &[&SWEEP[..], &[option, "--out", "run"]].concat(), code);
        assert!(error.contains(words), "{option}: {error}");
        assert!(!dir.path().join("run").exists());
    }
}

/// Which columns a run has, and what its summary says of them.
#[test]
fn a_run_with_brackets_says_what_they_are() {
    let dir = tempdir().unwrap();
    let said = stdout(dir.path(), &[&SWEEP[..], &["--brackets", "--out", "run"]].concat());
    assert!(said.contains("\nbracket_width ") && said.contains("this is proven, rounding included"), "{said}");
    let run = dir.path().join("run");
    let by: Array1<u8> = read_npy(run.join("bracket_by.npy")).unwrap();
    assert!(by.iter().all(|&by| (1..=8).contains(&(by / 10)) && (1..=8).contains(&(by % 10))), "{by}");
    let [lower, upper, width, sup] =
        ["bracket_lower", "bracket_upper", "bracket_width", "lambda_sup"].map(|name| column(&run, name));
    for k in 0..20 {
        assert!(lower[k] <= upper[k] && upper[k] <= sup[k], "{k}");
        assert!(((upper[k] - lower[k]) / upper[k].abs() - width[k]).abs() <= 1e-15, "{k}");
    }
}
