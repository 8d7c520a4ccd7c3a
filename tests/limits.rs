//! Sizes, names and files that are too much for the machine or are not what they seem: each is refused with a sentence,
//! and nothing ends in an abort, a panic or an endless wait.

mod support;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use ndarray::{Array1, array};
use ndarray_npy::{read_npy, write_npy};
use support::command::{ended_within, fail, sharpsweep, succeed};
use tempfile::tempdir;

/// Far longer than a refusal takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn counts_that_do_not_fit_are_refused_before_any_work_with_what_would() {
    let dir = tempdir().unwrap();
    const MOST: &str = "18446744073709551615";
    let cases: &[(&str, i32, &str)] = &[
        ("sweep --samples 1000000000000", 2, "samples fit"),
        ("sweep --samples 18446744073709551615", 2, "samples fit"),
        ("sweep --data circles --data-classes 100000 --samples 1000000 --loss squared", 2, "samples fit"),
        ("sweep --backend reference --hidden 300x300 --samples 100000", 1, "hidden units on 100000 samples"),
        ("sweep --backend cpu --gauss-newton --hidden 300x9 --samples 9000000", 1, "units on 9000000 samples"),
        ("replay 7 --samples 1000000000000", 2, "samples fit"),
        ("replay 7 --hidden 262143", 1, "D = 1048573 parameters"),
        ("sweep --backend cpu --spectrum=vectors --hidden 262143", 1, "D = 1048573 parameters"),
        ("sweep --backend cpu --spectrum --hidden 262143", 1, "D = 1048573 parameters"),
        ("sweep --seeds 2305843009213693951", 1, "networks fit"),
        ("sweep --seeds 18446744073709551615", 1, "networks fit"),
        ("sweep --seeds 1000000000000000000 --hidden 3,4", 1, "networks fit"),
        ("reproduce --seeds 18446744073709551615 --backend cpu", 1, "networks fit"),
        ("reproduce --data-seeds 0..18446744073709551615 --backend cpu", 1, "networks fit"),
        ("bench --out b --samples 10000000000000", 2, "samples fit"),
        ("bench --out b --samples 18446744073709551615", 2, "samples fit"),
        ("bench --out b --hidden 1000000000", 2, "parameters"),
        ("bench --out b --hidden 18446744073709551615", 2, "parameters"),
        ("bench --out b --inputs 1000000000", 2, "parameters"),
        ("bench --out b --inputs 18446744073709551615", 2, "parameters"),
        ("bench --out b --samples 10,10", 2, "--samples lists a value twice"),
        ("bench --out b --hidden 3,4,3", 2, "--hidden lists a value twice"),
        ("bench --out b --routes pairwise,pairwise", 2, "--routes lists a value twice"),
        ("shader trace_sq_assembled --inputs 18446744073709551615", 2, "parameters"),
        ("shader trace_sq --samples 18446744073709551615", 2, "--samples"),
        ("shader train --hidden 0", 2, "hidden units"),
        ("sweep --hidden 18446744073709551615", 2, "parameters"),
        ("sweep --init-range 1e-38", 2, "at least 1.9721523e-31"),
        ("sweep --init-range 1e-44", 2, "at least 1.9721523e-31"),
    ];
    for (line, code, says) in cases {
        let args: Vec<&str> = line.split(' ').collect();
        let output = ended_within(&mut sharpsweep(dir.path(), &args), LIMIT);
        assert_eq!(output.status.code(), Some(*code), "{line}: {}", stderr_of(&output));
        assert!(stderr_of(&output).contains(says) && stderr_of(&output).len() < 600, "{line}: {}", stderr_of(&output));
        assert_eq!(names(dir.path()), [""; 0], "{line}");
    }
    // The last possible seeds work.
    let last = format!("18446744073709551600..{MOST}");
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", &last, "--max-steps", "3", "--out", "last"]);
    let seeds: Array1<u64> = read_npy(dir.path().join("last/seed.npy")).unwrap();
    assert_eq!((seeds.len(), seeds[14]), (15, u64::MAX - 1));
}

#[test]
fn a_budget_of_memory_beyond_counting_is_no_limit() {
    let dir = tempdir().unwrap();
    let sweep = ["sweep", "--backend", "cpu", "--seeds", "3000", "--max-steps", "5", "--progress", "json"];
    let output = succeed(dir.path(), &[&sweep[..], &["--memory", "17592186044416", "--out", "run"]].concat());
    assert!(stderr_of(&output).lines().count() < 30, "one network per chunk: {}", stderr_of(&output));
}

#[test]
fn a_grid_of_step_sizes_with_hundreds_of_digits_has_names() {
    let dir = tempdir().unwrap();
    let grid = ["sweep", "--backend", "cpu", "--seeds", "2", "--max-steps", "2", "--out", "grid"];
    let output = succeed(dir.path(), &[&grid[..], &["--step-size", "1e-300,1e-301"]].concat());
    assert!(dir.path().join("grid/sigmoid-n3-eta1e-301").is_dir(), "{:?}", names(&dir.path().join("grid")));
    assert!(String::from_utf8(output.stdout).unwrap().lines().all(|line| line.len() < 200));
}

/// A `.npy` file whose header announces `shape`.
fn announcing(path: &Path, shape: &str) {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let text = format!("{text:117}\n");
    let bytes = [b"\x93NUMPY\x01\x00", (text.len() as u16).to_le_bytes().as_slice(), text.as_bytes(), &[0; 8]].concat();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_file_that_announces_more_than_it_holds_is_refused() {
    let dir = tempdir().unwrap();
    write_npy(dir.path().join("x.npy"), &array![[0.5_f32, -1.0], [1.5, 0.25]]).unwrap();
    write_npy(dir.path().join("q.npy"), &array![0_u8, 1]).unwrap();
    for shape in ["(10000000000, 2)", "(10000000000, 13)", "(18446744073709551615, 2)", "(4294967296, 4294967296)"] {
        announcing(&dir.path().join("bad.npy"), shape);
        for line in [
            "sweep --backend cpu --x bad.npy --q q.npy",
            "sweep --backend cpu --x x.npy --q bad.npy",
            "evaluate --backend cpu --theta bad.npy --x x.npy --q q.npy --out run",
        ] {
            let output = ended_within(&mut sharpsweep(dir.path(), &line.split(' ').collect::<Vec<_>>()), LIMIT);
            assert_eq!(output.status.code(), Some(1), "{line}, {shape}: {}", stderr_of(&output));
            assert!(stderr_of(&output).contains("bad.npy") && stderr_of(&output).len() < 600, "{}", stderr_of(&output));
        }
    }
    // A nonsense header is not shown at length.
    let mut garbage = b"\x93NUMPY\x01\x00\xf0\x1f".to_vec();
    garbage.extend([b'('; 0x1ff0]);
    std::fs::write(dir.path().join("bad.npy"), garbage).unwrap();
    let output = ended_within(&mut sharpsweep(dir.path(), &["sweep", "--x", "bad.npy", "--q", "q.npy"]), LIMIT);
    assert!(output.status.code() == Some(1) && stderr_of(&output).len() < 300, "{}", stderr_of(&output));
}

#[test]
fn a_report_shows_what_a_column_with_a_false_header_allows() {
    let dir = tempdir().unwrap();
    succeed(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "30", "--max-steps", "400", "--out", "run"]);
    for column in ["loss", "status", "theta", "lambda_sup"] {
        let path = dir.path().join("run").join(format!("{column}.npy"));
        let whole = std::fs::read(&path).unwrap();
        announcing(&path, "(10000000000, 2)");
        let output = ended_within(&mut sharpsweep(dir.path(), &["report", "run", "--out", column]), 4 * LIMIT);
        assert!(output.status.success(), "{column}: {}", stderr_of(&output));
        for command in ["duplicates", "resume"] {
            let output = ended_within(&mut sharpsweep(dir.path(), &[command, "run"]), LIMIT);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{command}, {column}: {}", stderr_of(&output));
        }
        std::fs::write(&path, whole).unwrap();
    }
}

#[test]
fn too_many_threads_are_as_many_as_make_sense() {
    let dir = tempdir().unwrap();
    let args = ["sweep", "--backend", "cpu", "--seeds", "20", "--max-steps", "20", "--out", "run"];
    let output = ended_within(sharpsweep(dir.path(), &args).env("RAYON_NUM_THREADS", "100000"), LIMIT);
    assert!(
        output.status.success() && stderr_of(&output).contains("RAYON_NUM_THREADS is 100000"),
        "{}",
        stderr_of(&output)
    );
}

#[test]
fn weights_that_float32_cannot_hold_are_non_finite_on_every_engine() {
    let dir = tempdir().unwrap();
    for backend in ["reference", "cpu"] {
        for step_size in ["1e39", "1e300"] {
            let out = format!("{backend}-{step_size}");
            let args = ["sweep", "--backend", backend, "--step-size", step_size, "--seeds", "8", "--max-steps", "50"];
            succeed(dir.path(), &[&args[..], &["--out", &out]].concat());
            let status: Array1<u8> = read_npy(dir.path().join(&out).join("status.npy")).unwrap();
            let theta: ndarray::Array2<f32> = read_npy(dir.path().join(&out).join("theta.npy")).unwrap();
            for (status, theta) in status.iter().zip(theta.rows()) {
                assert!(*status == 2 || theta.iter().all(|value| value.is_finite()), "{out}: {status} {theta}");
            }
            assert!(status.iter().any(|&status| status == 2), "{out}: {status}");
        }
    }
}

#[test]
fn a_message_says_what_the_system_said_once() {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let message = fail(dir.path(), &["sweep", "--backend", "cpu", "--seeds", "2", "--out", "file/run"], 1);
    assert_eq!(message.matches("os error").count(), 1, "{message}");
}

#[test]
fn a_run_is_made_in_an_empty_directory_of_any_kind() {
    let dir = tempdir().unwrap();
    let sweep = |from: &Path, out: &str| {
        let args = ["sweep", "--backend", "cpu", "--seeds", "2", "--max-steps", "2", "--out", out];
        ended_within(&mut sharpsweep(from, &args), LIMIT)
    };
    let here = dir.path().join("here");
    std::fs::create_dir(&here).unwrap();
    let output = sweep(&here, ".");
    assert!(output.status.success() && here.join("manifest.json").exists(), "{}", stderr_of(&output));
    assert!(names(&here).iter().all(|name| !name.starts_with('.')), "{:?}", names(&here));
    let output = sweep(&here, ".");
    assert!(
        output.status.code() == Some(1) && stderr_of(&output).contains("already holds a run"),
        "{}",
        stderr_of(&output)
    );
    let grid = ["sweep", "--backend", "cpu", "--seeds", "2", "--max-steps", "2", "--hidden", "2,3", "--out", "grid"];
    std::fs::create_dir(dir.path().join("grid")).unwrap();
    succeed(dir.path(), &grid);
    succeed(dir.path(), &["resume", "grid"]);
    // As long as a file system allows.
    let long = "n".repeat(255);
    let output = sweep(dir.path(), &long);
    assert!(output.status.success() && dir.path().join(&long).is_dir(), "{}", stderr_of(&output));
}

#[cfg(unix)]
mod unix {
    use std::fs::OpenOptions;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn bash(dir: &Path, script: &str) -> Output {
        let script = script.replace("SHARPSWEEP", env!("CARGO_BIN_EXE_sharpsweep"));
        ended_within(Command::new("bash").current_dir(dir).args(["-c", &script]), LIMIT)
    }

    #[test]
    fn a_link_to_an_empty_directory_is_that_directory_and_one_to_nothing_is_named() {
        let dir = tempdir().unwrap();
        std::fs::create_dir(dir.path().join("volume")).unwrap();
        symlink("volume", dir.path().join("link")).unwrap();
        symlink("nothing", dir.path().join("dangling")).unwrap();
        let args = |out| ["sweep", "--backend", "cpu", "--seeds", "2", "--max-steps", "2", "--out", out];
        succeed(dir.path(), &args("link"));
        assert!(dir.path().join("volume/manifest.json").exists() && dir.path().join("link").is_symlink());
        let message = fail(dir.path(), &args("dangling"), 1);
        assert!(message.contains("a symbolic link that leads nowhere"), "{message}");
    }

    #[test]
    fn a_pipe_is_refused_and_never_waited_for() {
        let dir = tempdir().unwrap();
        write_npy(dir.path().join("x.npy"), &array![[0.5_f32, -1.0], [1.5, 0.25]]).unwrap();
        write_npy(dir.path().join("q.npy"), &array![0_i64, 1]).unwrap();
        let sweep = "SHARPSWEEP sweep --backend cpu --seeds 2 --max-steps 2";
        for script in [
            format!("mkfifo pipe; {sweep} --x pipe --q q.npy"),
            format!("{sweep} --x x.npy --q <(cat q.npy)"),
            format!("{sweep} --x <(cat x.npy) --q q.npy"),
            "SHARPSWEEP evaluate --theta pipe --out e --backend cpu".into(),
        ] {
            let output = bash(dir.path(), &script);
            assert!(output.status.code() == Some(1), "{script}: {}", stderr_of(&output));
            assert!(stderr_of(&output).contains("a pipe or a device"), "{script}: {}", stderr_of(&output));
        }
        // Also in a run that came from elsewhere.
        let args = ["sweep", "--backend", "cpu", "--seeds", "20", "--max-steps", "200", "--out", "run"];
        succeed(dir.path(), &args);
        for file in ["manifest.json", "status.npy", "theta.npy"] {
            let path = dir.path().join("run").join(file);
            let whole = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            bash(dir.path(), &format!("mkfifo run/{file}"));
            for command in ["duplicates", "resume"] {
                let output = ended_within(&mut sharpsweep(dir.path(), &[command, "run"]), LIMIT);
                // A finished run is resumed without reading its weights.
                let untouched = command == "resume" && file == "theta.npy";
                assert!(
                    untouched || stderr_of(&output).contains("a pipe or a device"),
                    "{command}, {file}: {}",
                    stderr_of(&output)
                );
            }
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, whole).unwrap();
        }
    }

    #[test]
    fn a_limit_on_file_sizes_is_an_error_like_any_other() {
        let dir = tempdir().unwrap();
        let output = bash(dir.path(), "ulimit -f 4; SHARPSWEEP sweep --backend cpu --seeds 9000 --out run");
        assert_eq!(output.status.code(), Some(1), "{}", stderr_of(&output));
        assert!(stderr_of(&output).contains("File too large"), "{}", stderr_of(&output));
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn a_folder_that_a_process_of_the_same_number_left_is_in_nobodys_way() {
        let dir = tempdir().unwrap();
        let sweep = "exec SHARPSWEEP sweep --backend cpu --seeds 2 --max-steps 2 --out run";
        let output = bash(dir.path(), &format!("mkdir .run.new-$$; {sweep}"));
        assert!(output.status.success(), "{}", stderr_of(&output));
    }

    #[test]
    fn results_that_cannot_be_written_are_an_error_and_a_reader_that_went_away_is_none() {
        let dir = tempdir().unwrap();
        for (k, more) in [&["--json"][..], &[]].into_iter().enumerate() {
            let out = k.to_string();
            let args = ["sweep", "--backend", "cpu", "--seeds", "2", "--max-steps", "2", "--out", &out];
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let output = sharpsweep(dir.path(), &[&args[..], more].concat())
                .stdout(Stdio::from(full))
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
                .wait_with_output()
                .unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr_of(&output).contains("cannot write the results"), "{}", stderr_of(&output));
        }
        let output = bash(dir.path(), "set -o pipefail; SHARPSWEEP resume 0 | true");
        assert!(output.status.success(), "{}", stderr_of(&output));
    }

    /// A file system in a mount namespace of its own, if the machine allows one.
    #[test]
    fn an_empty_volume_takes_a_run() {
        let dir = tempdir().unwrap();
        let namespace = ["--user", "--map-root-user", "--mount", "bash", "-ec"];
        let script = "mkdir volume; mount -t tmpfs none volume; SHARPSWEEP sweep --backend cpu --seeds 2 --out volume; \
                      cat volume/manifest.json";
        let script = script.replace("SHARPSWEEP", env!("CARGO_BIN_EXE_sharpsweep"));
        let probe = Command::new("unshare").args(namespace).arg("mount -t tmpfs none /mnt").output();
        if !probe.is_ok_and(|output| output.status.success()) {
            support::notice("SKIPPED an_empty_volume_takes_a_run: this machine allows no mount namespace");
            return;
        }
        let output = Command::new("unshare").current_dir(dir.path()).args(namespace).arg(script).output().unwrap();
        assert!(output.status.success(), "{}", stderr_of(&output));
    }
}
