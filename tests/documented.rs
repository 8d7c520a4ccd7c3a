//! Every example of `--help` and every command of README.md runs as it stands, with fewer seeds and steps where it
//! would take long, and README.md shows what the program prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use ndarray::{Array1, Array2, Axis, concatenate};
use ndarray_npy::{read_npy, write_npy};
use sharpsweep::analysis::{median, rank_correlation};

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

/// The examples of a help text: lines that begin with the program's name, without the remarks beside them.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  sharpsweep "));
    lines.map(|line| line.split("   ").next().unwrap_or(line).trim().to_owned()).collect()
}

/// The same example with fewer seeds, draws, sizes and steps.
fn shortened(words: Vec<String>) -> Vec<String> {
    let mut short: Vec<String> = Vec::new();
    for word in words {
        let after = short.last().map(String::as_str);
        // An extended run gets more than the 48 that it begins with.
        let seeds = if short[..].first().is_some_and(|command| command == "resume") { "64" } else { "48" };
        let count = after == Some("--seeds") && !word.contains("..");
        short.push(if count { seeds.into() } else { word });
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

/// A directory with the files that examples name.
fn files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let value = |i: usize, m: usize| ((i * 7 + m * 3) as f64 * 0.618_033_988_749_895).fract() * 4.0 - 2.0;
    write_npy(dir.join("X.npy"), &Array2::from_shape_fn((30, 3), |(i, m)| value(i, m))).unwrap();
    write_npy(dir.join("Q.npy"), &Array1::from_shape_fn(30, |i| u8::from(value(i, 0) > 0.3))).unwrap();
    // N = 6 hidden units, as in the examples: D = (3+1) 6 + 6 + 1.
    write_npy(dir.join("T.npy"), &Array2::from_shape_fn((5, 31), |(s, d)| value(s, d) as f32)).unwrap();
    directory
}

/// Runs `example` in `dir`.
fn run(dir: &Path, example: &str) {
    let words = shlex::split(example).unwrap();
    // One part of eight stands for all.
    let of_part = |k: usize| {
        words
            .iter()
            .map(|word| word.replace("2/8", &format!("{k}/8")).replace("part-2", &format!("part-{k}")))
            .collect()
    };
    let parts: Vec<Vec<String>> =
        if words.iter().any(|word| word == "2/8") { (1..=8).map(of_part).collect() } else { vec![words] };
    for words in parts {
        let words = expanded(dir, shortened(words));
        let output = sharpsweep(dir, &words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sharpsweep {example}, as {words:?}: {stderr}");
    }
}

#[test]
fn every_example_of_the_help_runs() {
    let dir = files();
    let top = help(&[]);
    let mut found = examples(&top);
    for command in commands(&top) {
        found.extend(examples(&help(&[&command])));
    }
    assert!(found.len() > 12, "{found:?}");
    found.iter().for_each(|example| run(dir.path(), example));
}

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The blocks of `language` in a Markdown text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let begins = format!("```{language}\n");
    text.split(&begins).skip(1).map(|rest| rest.split("```").next().unwrap_or(rest)).collect()
}

#[test]
fn every_command_of_the_readme_runs() {
    let (dir, readme) = (files(), readme());
    let lines = blocks(&readme, "sh").into_iter().flat_map(str::lines);
    let commands: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("sharpsweep "))
        .map(|line| line.split(" #").next().unwrap_or(line).trim())
        .collect();
    assert!(commands.len() > 12, "{commands:?}");
    commands.iter().for_each(|command| run(dir.path(), command));
}

/// README.md shows every picture that is kept for it, and no other.
#[test]
fn the_pictures_of_the_readme_are_there() {
    let (root, readme) = (Path::new(env!("CARGO_MANIFEST_DIR")), readme());
    let shown: BTreeSet<&str> =
        readme.split(r#"<img src=""#).skip(1).filter_map(|rest| rest.split_once('"')).map(|(path, _)| path).collect();
    let kept: Vec<String> = fs::read_dir(root.join("src/report/gallery"))
        .unwrap()
        .map(|entry| format!("src/report/gallery/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    assert_eq!(shown, kept.iter().map(String::as_str).collect());
}

/// What the first command prints, word for word. Instruction sets differ by up to 5 %, and times differ between
/// machines.
#[test]
fn the_readme_shows_what_the_first_command_prints() {
    let readme = readme();
    let shown = blocks(&readme, "text")[0].trim();
    let dir = tempfile::tempdir().unwrap();
    let output = sharpsweep(dir.path(), &["sweep".into(), "--backend".into(), "cpu".into()]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let (shown, printed): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), printed.trim().lines().collect());
    assert_eq!(shown.len(), printed.len(), "{printed:#?}");
    let number = |word: &str| word.trim_matches(['(', ')', ',']).parse::<f64>().ok();
    for (shown, printed) in shown.into_iter().zip(printed) {
        let timed = shown.contains("per second");
        let [a, b] = [shown, printed].map(|line| line.split_whitespace().collect::<Vec<_>>());
        let same = |(a, b): (&&str, &&str)| {
            a == b
                || number(a).zip(number(b)).is_some_and(|(a, b)| timed || (a - b).abs() <= 0.05 * a.abs().max(b.abs()))
        };
        assert!(a.len() == b.len() && a.iter().zip(&b).all(same), "README.md shows\n{shown}\nbut it prints\n{printed}");
    }
}

/// The data sets of `docs/depth.md`, of which `tests/data` has a training and a test part.
fn data_of_depth(dir: &Path) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for (name, targets) in [("iris", "q"), ("diabetes", "t")] {
        let stem = if name == "iris" { "iris-3" } else { name };
        let file = |part: &str| data.join(format!("{stem}-{part}.npy"));
        let x = ["train-x", "test-x"].map(|part| read_npy::<_, Array2<f32>>(file(part)).unwrap());
        write_npy(dir.join(format!("{name}-x.npy")), &concatenate![Axis(0), x[0], x[1]]).unwrap();
        let out = dir.join(format!("{name}-{targets}.npy"));
        if name == "iris" {
            let q = ["train-q", "test-q"].map(|part| read_npy::<_, Array1<u8>>(file(part)).unwrap());
            write_npy(out, &concatenate![Axis(0), q[0], q[1]]).unwrap();
        } else {
            let t = ["train-q", "test-q"].map(|part| read_npy::<_, Array1<f32>>(file(part)).unwrap());
            let t = concatenate![Axis(0), t[0], t[1]].mapv(f64::from);
            let (mean, deviation) = (t.mean().unwrap(), t.std(0.0));
            write_npy(out, &t.mapv(|t| (t - mean) / deviation)).unwrap();
        }
    }
}

/// Every command of the page runs as it stands, and the numbers of its table and of its words are those of the runs.
/// Instruction sets differ a little in where descent ends.
#[test]
fn the_page_about_depth_shows_what_its_commands_give() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/depth.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    data_of_depth(dir);
    let commands = blocks(&page, "sh").join("").replace("\\\n", " ");
    assert_eq!(commands.lines().count(), 5, "{commands}");
    for command in commands.lines() {
        let words = shlex::split(command.strip_prefix("sharpsweep ").unwrap()).unwrap();
        let output = sharpsweep(dir, &words);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(dir.join("runs/bench-depth/bench.json").is_file());
    let rows: Vec<Vec<&str>> = (page.lines().filter(|line| line.starts_with("| ") && line.contains(" of ")))
        .map(|line| line.trim_matches(['|', ' ']).split(" | ").collect())
        .collect();
    assert_eq!(rows.len(), 4, "{rows:?}");
    for (row, name) in rows.iter().zip(["spirals", "moons", "iris", "diabetes"]) {
        let run = dir.join("runs").join(name);
        let status: Array1<u8> = read_npy(run.join("status.npy")).unwrap();
        let column = |column: &str| -> Vec<f64> {
            let values: Array1<f64> = read_npy(run.join(format!("{column}.npy"))).unwrap();
            values.iter().zip(&status).filter(|&(_, &status)| status == 0).map(|(&value, _)| value).collect()
        };
        let [sup, max, min] = ["lambda_sup", "lambda_max", "lambda_min"].map(column);
        let [trace, square] = ["trace", "trace_sq"].map(column);
        let each = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..sup.len()).map(f).collect() };
        let ratio = each(&|k| sup[k] / max[k]);
        let largest = ratio.iter().copied().fold(0.0, f64::max);
        assert!(ratio.iter().all(|&ratio| ratio >= 1.0 - 1e-9), "{name}");
        let number = |text: &str| text.parse::<f64>().unwrap();
        let count = |text: &str| text.parse::<usize>().unwrap();
        let (converged, seeds) = row[3].split_once(" of ").unwrap();
        let theta: Array2<f32> = read_npy(run.join("theta.npy")).unwrap();
        assert_eq!((count(seeds), count(row[2])), theta.dim(), "{name}");
        for (shown, found, within) in [
            (number(converged), sup.len() as f64, 0.05 * number(seeds)),
            (number(row[4]), median(&ratio).unwrap(), 0.03),
            (number(row[5]), largest, 0.15),
        ] {
            assert!((shown - found).abs() <= within, "{name}: the page has {shown}, but {found} was found");
        }
        assert!(rank_correlation(&sup, &max).unwrap().rho > 0.95, "{name}");
        let counting = median(&each(&|k| trace[k].powi(2) / square[k])).unwrap();
        match name {
            "moons" => assert!((0..sup.len()).all(|k| min[k] < -1e-3 * max[k])),
            "iris" => assert!((counting - 1.6).abs() < 0.1 && median(&ratio).unwrap() < 1.05, "{counting}"),
            "diabetes" => assert!((counting - 10.0).abs() < 0.6 && median(&ratio).unwrap() > 1.33, "{counting}"),
            _ => {}
        }
    }
}
