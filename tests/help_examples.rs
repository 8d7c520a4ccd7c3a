//! Every example of `--help` runs as it stands, on fewer seeds and steps where it would take long.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use ndarray::{Array1, Array2};
use ndarray_npy::write_npy;

fn sharpsweep(dir: &Path, args: &[String]) -> Output {
    Command::cargo_bin("sharpsweep").unwrap().current_dir(dir).args(args).output().unwrap()
}

fn help(command: &[&str]) -> String {
    let output = Command::cargo_bin("sharpsweep").unwrap().args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of the program, from its own list.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|&name| name != "help").map(str::to_owned).collect()
}

/// The examples of a help text: lines that begin with the program's name, without what is said beside them.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  sharpsweep "));
    lines.map(|line| line.split("   ").next().unwrap_or(line).trim().to_owned()).collect()
}

/// The same example on fewer seeds, draws and sizes, and with fewer steps.
fn shortened(words: Vec<String>) -> Vec<String> {
    let mut short: Vec<String> = Vec::new();
    for word in words {
        let after = short.last().map(String::as_str);
        let count = after == Some("--seeds") && !word.contains("..");
        short.push(if count { "48".into() } else { word });
    }
    let more: &[&str] = match short[0].as_str() {
        "sweep" if short.contains(&"--seeds".into()) => &["--tolerance", "1"],
        "sweep" => &["--seeds", "24", "--max-steps", "50"],
        "reproduce" => &["--seeds", "24", "--data-seeds", "1"],
        "replay" => &["--max-steps", "50"],
        "bench" => &["--hidden", "2", "--samples", "6", "--inputs", "2", "--repeats", "1", "--budget", "0.05"],
        _ => &[],
    };
    short.extend(more.iter().map(|&word| word.to_owned()));
    short
}

/// `part-*` as a shell would expand it.
fn expanded(dir: &Path, words: Vec<String>) -> Vec<String> {
    words
        .into_iter()
        .flat_map(|word| match word.strip_suffix('*') {
            Some(start) => {
                let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
                names.filter(|name| name.starts_with(start)).collect::<BTreeSet<String>>().into_iter().collect()
            }
            None => vec![word],
        })
        .collect()
}

#[test]
fn every_example_of_the_help_runs() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let value = |i: usize, m: usize| ((i * 7 + m * 3) as f64 * 0.618_033_988_749_895).fract() * 4.0 - 2.0;
    write_npy(dir.join("X.npy"), &Array2::from_shape_fn((30, 3), |(i, m)| value(i, m))).unwrap();
    write_npy(dir.join("Q.npy"), &Array1::from_shape_fn(30, |i| u8::from(value(i, 0) > 0.3))).unwrap();
    // N = 6 hidden units, as the examples have it: D = (3+1) 6 + 6 + 1.
    write_npy(dir.join("T.npy"), &Array2::from_shape_fn((5, 31), |(s, d)| value(s, d) as f32)).unwrap();

    let top = help(&[]);
    let mut found = examples(&top);
    for command in commands(&top) {
        found.extend(examples(&help(&[&command])));
    }
    assert!(found.len() > 12, "{found:?}");
    for example in found {
        let words = shlex::split(&example).unwrap();
        // One part of eight stands for all.
        let parts: Vec<Vec<String>> = match words.iter().any(|word| word == "2/8") {
            true => (1..=8)
                .map(|k| {
                    words
                        .iter()
                        .map(|word| word.replace("2/8", &format!("{k}/8")).replace("part-2", &format!("part-{k}")))
                        .collect()
                })
                .collect(),
            false => vec![words],
        };
        for words in parts {
            let words = expanded(dir, shortened(words));
            let output = sharpsweep(dir, &words);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "sharpsweep {example}, as {words:?}: {said}");
        }
    }
}
