//! The messages to a user who comes with other kinds of labels, arrays, scales and options: each names what works.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use ndarray::{Array1, Array2, Array3, ArrayD, array};
use ndarray_npy::write_npy;
use predicates::prelude::*;
use predicates::str::contains;
use sharpsweep::input::{read_dataset, read_theta};
use sharpsweep::model::{Loss, OneHidden, Targets};
use tempfile::TempDir;

fn sharpsweep(dir: &Path, args: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("sharpsweep").unwrap().current_dir(dir).args(args).assert()
}

/// A `.npy` file with a header of this type and shape, and as much data as the header announces.
fn write_raw(path: &Path, descr: &str, shape: &str, bytes: usize) {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(std::iter::repeat_n(0, bytes));
    fs::write(path, file).unwrap();
}

fn refused(x: &Path, q: &Path) -> String {
    read_dataset(x, q, Loss::Logistic).unwrap_err().to_string()
}

#[test]
fn labels_of_every_kind_come_with_their_conversion() {
    let dir = tempfile::tempdir().unwrap();
    let (x, q) = (dir.path().join("x.npy"), dir.path().join("q.npy"));
    let refusal = |labels: Array1<f64>| {
        write_npy(&x, &Array2::<f64>::zeros((labels.len(), 2))).unwrap();
        write_npy(&q, &labels).unwrap();
        refused(&x, &q)
    };
    for (labels, says) in [
        (array![-1.0, 1.0, 1.0], "q holds two classes, -1 and 1: save (q == 1).astype(np.uint8)"),
        (array![1.0, 2.0, 2.0], "q holds two classes, 1 and 2: save (q == 2).astype(np.uint8)"),
        (array![2.0, 2.0], "q holds nothing but 2: two classes are needed"),
        (
            array![0.0, 1.0, 2.0],
            "q holds 3 classes (0, 1, 2), but the logistic loss tells two apart: use --loss softmax, or save (q == \
             0).astype(np.uint8) for one against the rest",
        ),
        (array![0.0, 1.0, 2.0], "two = np.isin(q, [0, 1]), x[two] and (q[two] == 1).astype(np.uint8)"),
        (array![1.0, 2.0, 3.0], "use --loss softmax on np.unique(q, return_inverse=True)[1], or save"),
        (array![0.0, f64::NAN, 1.0], "save x[~np.isnan(q)] and q[~np.isnan(q)]"),
        (array![0.0, 0.2, 0.9, 1.0], "as probabilities do: save (q > 0.5).astype(np.uint8)"),
        (Array1::range(0.0, 30.0, 1.0), "q holds 30 classes (0, 1, 2, 3, 4, ..)"),
        (Array1::linspace(0.5, 30.2, 40), "as a quantity does, where two classes are needed: use --loss squared"),
    ] {
        let message = refusal(labels.clone());
        assert!(
            message.contains(says) && message.contains("labels must be 0 or 1") && message.contains("q.npy"),
            "{labels}: {message}"
        );
    }
    let columns = |labels: Array2<f64>, samples: usize| {
        write_npy(&x, &Array2::<f64>::zeros((samples, 2))).unwrap();
        write_npy(&q, &labels).unwrap();
        refused(&x, &q)
    };
    for (labels, says) in [
        (array![[0.25, 0.75], [0.5, 0.5]], "q has the shape (2, 2) and q[0, 0] is 0.25, but labels must be 0 or 1"),
        (array![[0.25, 0.75], [0.5, 0.5]], "save q.argmax(1)"),
        (array![[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], "3 classes: save q.argmax(1) and use --loss softmax"),
        (array![[f64::NAN, 1.0], [0.0, 0.0]], "save x[~np.isnan(q).any(1)] and q[~np.isnan(q).any(1)]"),
        (array![[5.0, 1.0], [7.0, 0.0]], "save the one column that holds them, q[:, 0] for instance; --loss squared"),
    ] {
        let message = columns(labels.clone(), labels.nrows());
        assert!(message.contains(says) && message.contains("one-dimensional"), "{labels}: {message}");
    }
    assert!(columns(array![[0.0, 1.0, 1.0, 0.0]], 4).contains("save q.ravel()"));
    assert!(columns(array![[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]], 3).contains("save q.T"));
    write_npy(&x, &Array2::<f64>::zeros((2, 5))).unwrap();
    write_npy(&q, &array![0.0, 1.0, 1.0, 0.0, 1.0]).unwrap();
    assert!(refused(&x, &q).contains("if x holds one sample per column, save x.T"));
}

#[test]
fn targets_of_every_kind_are_read_as_the_loss_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    let (x, q) = (dir.path().join("x.npy"), dir.path().join("q.npy"));
    let read = |targets: ArrayD<f64>, loss: Loss| {
        write_npy(&x, &Array2::<f64>::zeros((targets.shape()[0], 2))).unwrap();
        write_npy(&q, &targets).unwrap();
        read_dataset(&x, &q, loss).map(|data| data.targets().clone()).map_err(|error| error.to_string())
    };
    let flat = |values: &[f64]| Array1::from(values.to_vec()).into_dyn();
    let of = |of: &[usize], count| Targets::Classes { of: of.to_vec(), count };
    let marks = array![[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]];
    let column = array![[0.0], [2.0]];
    for (targets, loss, expected) in [
        (marks.clone().into_dyn(), Loss::Logistic, Targets::Labels(marks.clone())),
        (marks.clone().into_dyn(), Loss::Softmax, of(&[2, 1], 3)),
        (marks.clone().into_dyn(), Loss::Squared, Targets::Values(marks)),
        (flat(&[0.0, 2.0]), Loss::Softmax, of(&[0, 2], 3)),
        (column.clone().into_dyn(), Loss::Softmax, of(&[0, 2], 3)),
        (flat(&[0.0, 2.0]), Loss::Squared, Targets::Values(column)),
        (flat(&[-0.5, 1e9]), Loss::Squared, Targets::Values(array![[-0.5], [1e9]])),
    ] {
        assert_eq!(read(targets.clone(), loss), Ok(expected), "{loss:?} {targets}");
    }
    for (targets, loss, says) in [
        (
            flat(&[0.0, -1.0]),
            Loss::Softmax,
            "q[1] is -1: classes must be whole numbers from 0 to 1048575; save np.unique(q,",
        ),
        (flat(&[0.0, 1e18]), Loss::Softmax, "save np.unique(q, return_inverse=True)[1]"),
        (flat(&[0.0, 0.5]), Loss::Softmax, "as probabilities do: save (q > 0.5)"),
        (flat(&[0.5, 7.5]), Loss::Softmax, "use --loss squared for a quantity"),
        (flat(&[0.0, f64::NAN]), Loss::Softmax, "save x[~np.isnan(q)] and q[~np.isnan(q)]"),
        (array![[0.2, 0.8], [1.0, 0.0]].into_dyn(), Loss::Softmax, "row 0 of q is [0.2, 0.8]"),
        (array![[0.2, 0.8], [1.0, 0.0]].into_dyn(), Loss::Softmax, "soft labels are not taken: save q.argmax(1)"),
        (array![[1.0, 1.0], [1.0, 0.0]].into_dyn(), Loss::Softmax, "use --loss logistic for samples of several"),
        (array![[3.0, 7.0], [1.0, 0.0]].into_dyn(), Loss::Softmax, "save the one column that holds the classes"),
        (flat(&[0.0, f64::NAN]), Loss::Squared, "q[1, 0] is NaN: every value must be finite"),
        (Array3::zeros((2, 2, 2)).into_dyn(), Loss::Squared, "q has the shape (2, 2, 2), but values must be"),
    ] {
        let message = read(targets.clone(), loss).unwrap_err();
        assert!(message.contains(says) && message.contains("q.npy"), "{loss:?} {targets}: {message}");
    }
}

#[test]
fn types_that_hold_no_plain_numbers_come_with_a_conversion_that_fits_them() {
    let dir = tempfile::tempdir().unwrap();
    let (x, q, odd) = (dir.path().join("x.npy"), dir.path().join("q.npy"), dir.path().join("odd.npy"));
    write_npy(&x, &Array2::<f64>::zeros((2, 2))).unwrap();
    write_npy(&q, &array![0.0, 1.0]).unwrap();
    for (descr, as_labels, as_samples) in [
        (
            "'<U6'",
            "np.unique(q, return_inverse=True)[1]",
            "x.astype(np.float32), which works where every text is a number",
        ),
        ("'|S6'", "np.unique(q, return_inverse=True)[1]", "where every text is a number"),
        ("'|O'", "np.unique(q, return_inverse=True)[1]", "np.asarray(x, dtype=np.float32), or df.to_numpy(np.float32)"),
        ("[('a', '<f8'), ('b', '<i8')]", "q[q.dtype.names[-1]]", "df.to_numpy(np.float32) instead of df.to_records()"),
        ("'<f2'", "q.astype(np.float32)", "save x.astype(np.float32)"),
        ("'<c16'", "q.real", "save x.real"),
        ("'<M8[ns]'", "save labels 0 and 1", "x.astype(np.int64)"),
    ] {
        write_raw(&odd, descr, "(2,)", 64);
        let message = refused(&x, &odd);
        assert!(
            message.contains(as_labels) && message.contains("is not float32, float64, integer or bool"),
            "{descr}: {message}"
        );
        write_raw(&odd, descr, "(2, 2)", 128);
        let message = refused(&odd, &q);
        assert!(message.contains(as_samples) && !message.contains("byte order"), "{descr}: {message}");
        let message = read_theta(&odd, OneHidden::new(2, 3)).unwrap_err().to_string();
        assert!(message.contains("odd.npy: the array's type") && !message.contains("save x"), "{descr}: {message}");
    }
}

#[test]
fn shapes_are_printed_as_numpy_prints_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write_npy(path("flat.npy"), &Array1::<f64>::zeros(6)).unwrap();
    write_npy(path("deep.npy"), &ndarray::Array3::<f64>::zeros((2, 3, 4))).unwrap();
    write_npy(path("q.npy"), &Array1::<f64>::zeros(6)).unwrap();
    assert!(refused(&path("flat.npy"), &path("q.npy")).contains("the array has the shape (6,), but"));
    assert!(refused(&path("deep.npy"), &path("q.npy")).contains("the array has the shape (2, 3, 4), but"));
    let message = read_theta(&path("flat.npy"), OneHidden::new(2, 3)).unwrap_err().to_string();
    assert!(message.contains("the array has the shape (6,), but"), "{message}");
}

/// Two overlapping classes in the plane, with inputs stretched by `stretch` and moved by `shift`.
fn write_data(dir: &TempDir, stretch: f64, shift: f64) {
    let value = |k: usize| ((k as f64 * 0.618_033_988_749_895).fract() - 0.5) * 3.0;
    let x = Array2::from_shape_fn((60, 2), |(i, m)| (value(7 * i + 3 * m) + (i % 2) as f64) * stretch + shift);
    write_npy(dir.path().join("x.npy"), &x).unwrap();
    write_npy(dir.path().join("q.npy"), &Array1::from_shape_fn(60, |i| (i % 2) as i64)).unwrap();
}

/// A sweep of twelve seeds over these data.
fn sweep_own(dir: &TempDir, activation: &str, more: &[&str]) -> assert_cmd::assert::Assert {
    let own =
        ["sweep", "--backend", "cpu", "--x", "x.npy", "--q", "q.npy", "--seeds", "12", "--activation", activation];
    sharpsweep(dir.path(), &[&own[..], more].concat()).success()
}

#[test]
fn inputs_that_are_not_standardised_are_named_before_training_and_the_step_size_after_it() {
    let dir = tempfile::tempdir().unwrap();
    write_data(&dir, 300.0, 700.0);
    sweep_own(&dir, "tanh", &["--max-steps", "60", "--out", "raw"])
        .stderr(contains("has mean 8.").and(contains("(and 1 more inputs")).and(contains("Use --standardize")))
        .stderr(
            contains(
                "Within 4 steps of --step-size 0.1 the loss rises for 12 of the first 12 networks at the step limit",
            )
            .and(contains(" lowers it in the median. Try that")),
        );
    sweep_own(&dir, "tanh", &["--max-steps", "60", "--standardize", "--out", "scaled"])
        .stderr(contains("Use --standardize").not());
    // Only the steps are too few.
    sweep_own(&dir, "tanh", &["--max-steps", "3", "--standardize", "--step-size", "1e-5", "--out", "short"]).stderr(
        contains(
            "4 more steps of --step-size 0.00001 lower the loss of 12 of the first 12 networks at the step limit: try \
             more --max-steps",
        ),
    );
    // The paper's experiment gets no message.
    sharpsweep(dir.path(), &["sweep", "--seeds", "4", "--max-steps", "3", "--step-size", "1e-4", "--out", "own"])
        .success()
        .stderr(contains("standardize").not());
}

#[test]
fn networks_that_diverge_are_told_a_step_size_from_their_start() {
    let dir = tempfile::tempdir().unwrap();
    write_data(&dir, 1.0, 0.0);
    sweep_own(&dir, "linear", &["--step-size", "1e30", "--max-steps", "50", "--out", "run"]).stderr(
        contains(
            "of 12 networks diverged. Within 4 steps of --step-size 1e30 the loss rises for 12 of the first 12 \
            networks at their initial weights, where 2 / lambda_sup is ",
        )
        .and(contains(" lowers it in the median. Try that")),
    );
}

#[test]
fn networks_that_converge_to_a_constant_prediction_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    // Saturated hidden units: only the output bias is left to train.
    write_data(&dir, 1.0, 1000.0);
    sweep_own(&dir, "tanh", &["--step-size", "0.01", "--max-steps", "3000", "--out", "run"]).stderr(contains(
        "converged networks have the loss of a constant prediction (41.5888, the share of each class",
    ));
}

#[test]
fn one_class_alone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write_data(&dir, 1.0, 0.0);
    write_npy(dir.path().join("q.npy"), &Array1::<i64>::ones(60)).unwrap();
    sweep_own(&dir, "tanh", &["--max-steps", "20", "--out", "run"])
        .stderr(contains("all 60 labels are 1: a constant prediction is right everywhere").and(contains("no minimum")));
    write_npy(dir.path().join("t.npy"), &Array2::<f32>::ones((2, 13))).unwrap();
    sharpsweep(dir.path(), &["evaluate", "--theta", "t.npy", "--x", "x.npy", "--q", "q.npy", "--backend", "cpu"])
        .success()
        .stderr(contains("all 60 labels are 1"))
        .stdout(contains("runs/evaluate-sigmoid-m2-n3-001"));
}

#[test]
fn options_of_other_programs_are_answered_with_what_there_is_instead() {
    let dir = tempfile::tempdir().unwrap();
    for (args, says) in [
        (&["sweep", "--lr", "0.1"][..], "the step size is --step-size"),
        (&["sweep", "--lr=0.1"], "give lr / I"),
        (&["sweep", "--epochs", "5"], "--max-steps"),
        (&["sweep", "--batch-size", "32"], "full-batch gradient descent"),
        (&["sweep", "--optimizer", "adam"], "`sharpsweep evaluate`"),
        (&["sweep", "--l2", "1e-3"], "--weight-decay"),
        (&["sweep", "--layers", "2"], "8x8 for two of them"),
        (&["sweep", "--mean"], "--reduction mean"),
        (&["sweep", "--weights", "w.npy"], "--sample-weights W.npy"),
        (&["sweep", "--class-weight", "balanced"], "w[q] makes weights of samples"),
        (&["sweep", "--criterion", "mse"], "logistic, softmax or squared"),
        (&["sweep", "--classes", "3"], "as many as classes"),
        (&["sweep", "--theta", "t.npy"], "`sharpsweep evaluate --theta`"),
        (&["sweep", "--init", "xavier"], "--init-range A"),
        (&["evaluate", "--max-steps", "9"], "`sharpsweep evaluate` does without it, it belongs to "),
        (&["sweep", "--activation", "leaky_relu"], "relu is the one with a kink"),
    ] {
        sharpsweep(dir.path(), args).code(2).stdout("").stderr(contains(says).and(contains("a similar").not()));
    }
    // Options without a known meaning are answered as before.
    sharpsweep(dir.path(), &["sweep", "--hiden", "3"]).code(2).stderr(contains("--hidden"));
}

#[test]
fn activations_have_the_names_of_other_programs_and_manifests_ours() {
    let dir = tempfile::tempdir().unwrap();
    for (theirs, ours) in [("logistic", "sigmoid"), ("identity", "linear")] {
        sharpsweep(dir.path(), &["sweep", "--seeds", "2", "--max-steps", "2", "--activation", theirs, "--out", ours])
            .success();
        let manifest = fs::read_to_string(dir.path().join(ours).join("manifest.json")).unwrap();
        assert!(manifest.contains(&format!("\"activation\": \"{ours}\"")) && !manifest.contains(theirs), "{manifest}");
    }
}

#[test]
fn unlike_parts_of_a_merge_are_told_apart_in_three_lines() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = |out: &str, more: &[&str]| {
        sharpsweep(dir.path(), &[&["sweep", "--backend", "cpu", "--max-steps", "2", "--out", out][..], more].concat())
            .success();
    };
    sweep("a", &["--seeds", "0..3"]);
    sweep("b", &["--seeds", "3..6", "--spectrum"]);
    sweep("c", &["--seeds", "3..6", "--hidden", "4", "--step-size", "0.2"]);
    sweep("g1", &["--seeds", "0..3", "--hidden", "3,4"]);
    sweep("g2", &["--seeds", "3..6", "--hidden", "3,5"]);
    for (parts, says) in [
        (["a", "b"], vec!["a and b are not parts of one experiment:\n  --spectrum: nothing in a, \"values\" in b\n"]),
        (["a", "c"], vec!["--hidden: 3 in a, 4 in c", "--step-size: 0.1 in a, 0.2 in c"]),
        (["g1", "g2"], vec!["runs that only g1 has: sigmoid-n4-eta0.1; runs that only g2 has: sigmoid-n5-eta0.1"]),
    ] {
        let assert = sharpsweep(dir.path(), &["merge", parts[0], parts[1], "--out", "whole"]).code(1);
        let message = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert_eq!(message.trim().lines().count(), 3, "{message}");
        assert!(message.len() < 400 && !message.contains('{') && !message.contains("; :"), "{message}");
        assert!(says.iter().all(|says| message.contains(says)), "{message}");
    }
}
