//! The program as a child process, and the columns that it leaves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The program, to be run inside `dir`.
pub(crate) fn sharpsweep(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharpsweep"));
    command.current_dir(dir).args(args);
    command
}

/// Runs the program inside `dir`; it must succeed.
pub(crate) fn succeed(dir: &Path, args: &[&str]) -> Output {
    let output = sharpsweep(dir, args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs the program inside `dir`; it must fail with exit code `code`. What it said on stderr.
pub(crate) fn fail(dir: &Path, args: &[&str], code: i32) -> String {
    let output = sharpsweep(dir, args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

/// Starts the program inside `dir` with `--progress json` and returns once its first chunk is written, with what it says on stderr
/// from then on.
pub(crate) fn start(dir: &Path, args: &[&str]) -> (Child, JoinHandle<String>) {
    let mut command = sharpsweep(dir, args);
    command.args(["--progress", "json"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with('{'));
    assert!(first.is_some(), "{args:?} ended before its first chunk");
    // The pipe must be read on, or the child would be killed by its next line.
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    (child, rest)
}

/// Changes what a run was begun with, in its manifest and in its journal, so that they go on fitting each other.
pub(crate) fn begin_as(run: &Path, change: impl Fn(&mut serde_json::Value)) {
    let mut changed = manifest(run);
    change(&mut changed);
    fs::write(run.join("manifest.json"), changed.to_string()).unwrap();
    let Ok(journal) = fs::read_to_string(run.join("journal")) else { return };
    let mut digest = String::new();
    let mut rewritten = String::new();
    for (number, line) in journal.lines().enumerate() {
        let mut text = line.rsplit_once(' ').unwrap().0.to_owned();
        if number == 0 {
            let mut begun: serde_json::Value = serde_json::from_str(&text).unwrap();
            change(&mut begun);
            text = begun.to_string();
        }
        // As src/run/journal.rs says: over the digest before it and the line.
        digest = blake3::hash(format!("{digest} {text}").as_bytes()).to_hex()[..16].to_owned();
        rewritten += &format!("{text} {digest}\n");
    }
    fs::write(run.join("journal"), rewritten).unwrap();
}

/// Every file in `dir` and below it, by path, with its bytes; of a link what it points to.
pub(crate) fn files(dir: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            let target = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
            found.insert(path, target);
        } else if path.is_dir() {
            found.extend(files(&path));
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, content);
        }
    }
    found
}

/// Sends `signal` to the process.
#[cfg(unix)]
pub(crate) fn send(child: &Child, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// The bytes of every column of `run`, by name.
pub(crate) fn columns(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "npy"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

/// Fails unless two runs have the same columns with the same bytes.
pub(crate) fn assert_same_columns(run: &Path, expected: &Path) {
    let (run_columns, expected_columns) = (columns(run), columns(expected));
    assert!(!expected_columns.is_empty(), "{} has no column", expected.display());
    let names = |columns: &BTreeMap<String, Vec<u8>>| columns.keys().cloned().collect::<Vec<String>>();
    assert_eq!(names(&run_columns), names(&expected_columns));
    let differing: Vec<&String> =
        expected_columns.keys().filter(|name| run_columns[*name] != expected_columns[*name]).collect();
    assert!(differing.is_empty(), "{} and {} differ in {differing:?}", run.display(), expected.display());
}

/// A run's manifest.
pub(crate) fn manifest(run: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(run.join("manifest.json")).unwrap()).unwrap()
}

/// Runs `command`, which must end within `limit`; what it said and how it ended. A command that does not is killed.
pub(crate) fn ended_within(command: &mut Command, limit: Duration) -> Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let read = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What a killed child leaves unsaid is not missed.
            let _ = pipe.read_to_end(&mut bytes);
            bytes
        })
    };
    let stdout = read(Box::new(child.stdout.take().unwrap()));
    let stderr = read(Box::new(child.stderr.take().unwrap()));
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
        }
        if start.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} has not ended after {limit:?}: {}", String::from_utf8_lossy(&stderr.join().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
