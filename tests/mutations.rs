//! Damaged and made-up files, many thousands from a fixed seed: none ends in an abort, a panic or an endless wait, and
//! none takes more memory than a file of its size should.
//!
//! `SHARPSWEEP_MUTATIONS` scales the numbers of cases in percent.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ndarray::{Array2, array};
use ndarray_npy::write_npy;
use rayon::prelude::*;
use sharpsweep::analysis::duplicates;
use sharpsweep::engine::Stop;
use sharpsweep::input::{read_dataset, read_theta};
use sharpsweep::model::{Loss, OneHidden, philox4x32_10};
use sharpsweep::run::{Grid, Population, Run, RunWriter, Sink, merge};
use support::command::{ended_within, sharpsweep, succeed};
use tempfile::{TempDir, tempdir, tempdir_in};

/// Records the largest allocation that was asked for.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// More than the files here, of at most about ten KiB, should need; less than any size that could hurt.
const MOST_BYTES: usize = 32 << 20;

fn assert_allocations_were_bounded() {
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < MOST_BYTES, "{largest} bytes at once");
}

/// `count`, or the share of it that the environment asks for.
fn cases(count: u32) -> u32 {
    let percent = std::env::var("SHARPSWEEP_MUTATIONS").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(100);
    u32::try_from(u64::from(count) * percent / 100).unwrap_or(count).max(1)
}

/// A folder in memory, if the system has one: a run makes its files durable, which takes most of the time of so many
/// small ones.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempdir_in(memory).unwrap() } else { tempdir().unwrap() }
}

/// The random numbers of one case.
struct Draws {
    case: u32,
    purpose: u32,
    next: u32,
}

impl Draws {
    fn new(case: u32, purpose: u32) -> Self {
        Self { case, purpose, next: 0 }
    }

    fn word(&mut self) -> u32 {
        self.next += 1;
        philox4x32_10([self.case, self.next, self.purpose, 0], [0x5EED, 7])[0]
    }

    fn below(&mut self, bound: usize) -> usize {
        self.word() as usize % bound.max(1)
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "2",
    "3",
    "13",
    "00",
    "-1",
    "4294967296",
    "10000000000",
    "4611686018427387904",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999999999",
    "1e3",
    "0x10",
    "",
];

const TYPES: [&str; 20] = [
    "<f4", "<f8", ">f4", ">f8", "|b1", "|u1", "|i1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<c16", "|O",
    "<U8", "", "f4", "<f40",
];

/// A header, mostly of valid grammar.
fn header(draws: &mut Draws) -> String {
    let mut shape: Vec<&str> = (0..draws.below(4)).map(|_| draws.one_of(&NUMBERS)).collect();
    if draws.below(50) == 0 {
        shape = vec!["1"; 2000];
    }
    let comma = draws.one_of(&[",", ",", "", ", ,"]);
    let shape = format!("({}{comma})", shape.join(", "));
    let quote = draws.one_of(&["'", "'", "\"", ""]);
    let order = draws.one_of(&["False", "False", "True", "0", "None"]);
    let mut fields = vec![
        format!("{quote}descr{quote}: {quote}{}{quote}", draws.one_of(&TYPES)),
        format!("{quote}fortran_order{quote}: {order}"),
        format!("{quote}shape{quote}: {shape}"),
    ];
    match draws.below(12) {
        0 => drop(fields.pop()),
        1 => fields.push("'shape': (1,)".into()),
        2 => fields.push("'extra': [[[[".into()),
        3 => fields.swap(0, 2),
        4 => fields[0] = format!("'descr': {}", "[".repeat(draws.below(5000))),
        _ => {}
    }
    format!("{{{}, }}{}\n", fields.join(", "), " ".repeat(draws.below(70)))
}

/// One of `originals`, damaged, or a new file.
fn mutated(originals: &[Vec<u8>], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = originals[draws.below(originals.len())].clone();
    match draws.below(8) {
        0 | 1 => {
            for _ in 0..=draws.below(4) {
                let at = draws.below(bytes.len());
                bytes[at] ^= 1 << draws.below(8);
            }
        }
        2 => bytes.truncate(draws.below(bytes.len() + 1)),
        3 => bytes.extend((0..draws.below(40)).map(|_| 0)),
        4 => {
            let at = draws.below(128.min(bytes.len()));
            bytes[at] = draws.word() as u8;
        }
        5 => bytes = (0..draws.below(300)).map(|_| draws.word() as u8).collect(),
        _ => {
            let text = header(draws);
            let length = if draws.below(10) == 0 { draws.word() as usize } else { text.len() };
            bytes = b"\x93NUMPY".to_vec();
            match draws.below(4) {
                0 => bytes.extend([2, 0].into_iter().chain((length as u32).to_le_bytes())),
                1 => bytes.extend([3, 0].into_iter().chain((length as u32).to_le_bytes())),
                _ => bytes.extend([1, 0].into_iter().chain((length as u16).to_le_bytes())),
            }
            bytes.extend(text.as_bytes());
            bytes.extend((0..8 * draws.below(30)).map(|_| 0));
        }
    }
    bytes
}

/// x, q and theta that fit each other, in several types; the first of each is valid.
fn originals(dir: &Path) -> [Vec<Vec<u8>>; 3] {
    let written = |write: &dyn Fn(&Path)| {
        let path = dir.join("original.npy");
        write(&path);
        fs::read(&path).unwrap()
    };
    let x = array![[0.5, -1.0], [1.5, 0.25], [-0.5, 2.0], [0.0, -0.75]];
    let q = array![0_u8, 1, 1, 0];
    let theta = Array2::from_shape_fn((3, 13), |(row, column)| 0.1 * (1.0 + row as f64) + 0.013 * column as f64);
    [
        vec![
            written(&|path| write_npy(path, &x.mapv(|v| v as f32)).unwrap()),
            written(&|path| write_npy(path, &x).unwrap()),
            written(&|path| write_npy(path, &x.mapv(|v| v as i16)).unwrap()),
        ],
        vec![
            written(&|path| write_npy(path, &q).unwrap()),
            written(&|path| write_npy(path, &q.mapv(|q| q == 1)).unwrap()),
            written(&|path| write_npy(path, &q.mapv(i64::from)).unwrap()),
        ],
        vec![
            written(&|path| write_npy(path, &theta.mapv(|v| v as f32)).unwrap()),
            written(&|path| write_npy(path, &theta).unwrap()),
        ],
    ]
}

#[test]
fn a_hundred_thousand_damaged_arrays_are_read_or_refused() {
    let dir = in_memory();
    let originals = originals(dir.path());
    let accepted = AtomicUsize::new(0);
    (0..cases(100_000)).into_par_iter().for_each(|case| {
        let mut draws = Draws::new(case, 1);
        let thread = rayon::current_thread_index().unwrap_or(usize::MAX);
        let path = |name: &str| dir.path().join(format!("{thread}-{name}.npy"));
        let which = draws.below(3);
        for (k, name) in ["x", "q", "theta"].into_iter().enumerate() {
            let bytes = if k == which { mutated(&originals[k], &mut draws) } else { originals[k][0].clone() };
            // Only the files that are read.
            if k == which || (k < 2 && which < 2) {
                fs::write(path(name), bytes).unwrap();
            }
        }
        let read = if which < 2 {
            read_dataset(&path("x"), &path("q"), [Loss::Logistic, Loss::Softmax, Loss::Squared][case as usize % 3])
                .map(drop)
                .map_err(|error| error.to_string())
        } else {
            read_theta(&path("theta"), OneHidden::new(2, 3)).map(drop).map_err(|error| error.to_string())
        };
        match read {
            Ok(()) => drop(accepted.fetch_add(1, Ordering::Relaxed)),
            Err(error) => assert!(error.len() < 600, "case {case}: {error}"),
        }
    });
    assert_allocations_were_bounded();
    // Flipped data bits are not damage, so a program that refused everything would fail here.
    let accepted = accepted.into_inner();
    assert!(accepted > cases(100_000) as usize / 40, "{accepted} accepted");
}

/// A finished run, an unfinished one and a grid, small enough to copy often.
fn runs(dir: &Path) -> Vec<PathBuf> {
    let args = ["sweep", "--backend", "cpu", "--seeds", "20", "--samples", "6"];
    succeed(dir, &[&args[..], &["--max-steps", "3000", "--bounds", "--spectrum", "--out", "whole"]].concat());
    succeed(dir, &[&args[..], &["--max-steps", "40", "--hidden", "1,2", "--out", "grid"]].concat());
    // What a kill leaves before the first row is finished.
    let run = Run::open(&dir.join("whole")).unwrap();
    let engine = run.manifest().engine.clone();
    drop(RunWriter::create(&dir.join("begun"), &run.experiment().unwrap(), engine, run.manifest().columns.clone()));
    ["whole", "begun", "grid"].map(|name| dir.join(name)).to_vec()
}

/// Every file under `dir`, with its content.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (path, content) in files(from) {
        let place = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }
}

/// `content` with a value of another kind or size somewhere if it is JSON; otherwise with changed bytes.
fn other_content(path: &Path, content: &[u8], draws: &mut Draws) -> Vec<u8> {
    if path.extension().is_some_and(|extension| extension == "npy") {
        return mutated(&[content.to_vec()], draws);
    }
    let mut text = String::from_utf8_lossy(content).into_owned();
    let places: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
    if draws.below(3) == 0 || places.is_empty() {
        return mutated(&[content.to_vec()], draws);
    }
    const VALUES: [&str; 16] = [
        "0",
        "1",
        "-1",
        "2",
        "1000000",
        "9223372036854775807",
        "18446744073709551615",
        "1e400",
        "null",
        "true",
        "\"\"",
        "\"../up\"",
        "\"\\u001b[2J\"",
        "[]",
        "{}",
        "[[[[[[[[[[[[",
    ];
    for _ in 0..=draws.below(2) {
        let places: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
        if let Some(&at) = places.get(draws.below(places.len())) {
            let end = text[at..].find([',', '\n']).map_or(text.len(), |length| at + length);
            text.replace_range(at..end, draws.one_of(&VALUES));
        }
    }
    text.into_bytes()
}

/// Every command that reads a run, except those that draw.
fn read_everything(dir: &Path, out: &Path, merged: bool) {
    let Ok(run) = Run::open(dir) else {
        if let Ok(grid) = Grid::open(dir) {
            grid.runs.iter().for_each(|run| drop(Run::open(&dir.join(&run.name))));
        }
        let _ = merge(&[dir.to_owned()], out, true, &Stop::default());
        return;
    };
    let _ = (run.experiment(), run.outcome(), run.seeds(), run.status(), run.steps(), run.theta());
    for column in ["loss", "lambda_sup", "lambda_max", "phi_max", "macro_f1"] {
        let _ = run.floats(column);
        let _ = run.each_value(column, Population::Converged, &mut |_| {});
    }
    if let Ok((_, points)) = run.critical_points() {
        let _ = duplicates(points.view());
    }
    if let Ok(writer) = RunWriter::resume(dir, &run.manifest().engine) {
        let _ = (writer.missing(), writer.outcome());
    }
    if !merged {
        return;
    }
    let _ = merge(&[dir.to_owned()], out, true, &Stop::default());
}

#[test]
fn ten_thousand_damaged_run_directories_are_read_or_refused() {
    let dir = in_memory();
    let originals = runs(dir.path());
    let all: Vec<Vec<(PathBuf, Vec<u8>)>> = originals.iter().map(|run| files(run)).collect();
    (0..cases(10_000)).into_par_iter().for_each(|case| {
        let mut draws = Draws::new(case, 2);
        let thread = rayon::current_thread_index().unwrap_or(usize::MAX);
        let which = draws.below(originals.len());
        let own = dir.path().join(format!("{thread}-{which}"));
        if !own.exists() {
            copy(&originals[which], &own);
        }
        let (path, content) = &all[which][draws.below(all[which].len())];
        let place = own.join(path.strip_prefix(&originals[which]).unwrap());
        match draws.below(20) {
            0 => fs::remove_file(&place).unwrap(),
            _ => fs::write(&place, other_content(path, content, &mut draws)).unwrap(),
        }
        let out = dir.path().join(format!("{thread}-out"));
        // A merge writes as much as everything else reads.
        read_everything(&own, &out, case % 4 == 0);
        if out.exists() {
            fs::remove_dir_all(&out).unwrap();
        }
        fs::write(&place, content).unwrap();
        // A torn journal is shortened when it is opened.
        let journal = own.join("journal");
        if let Some((_, content)) = all[which].iter().find(|(path, _)| path.ends_with("journal")) {
            fs::write(journal, content).unwrap();
        }
    });
    assert_allocations_were_bounded();
}

#[test]
fn two_thousand_damaged_files_end_no_command_in_any_other_way() {
    let dir = in_memory();
    let arrays = originals(dir.path());
    let originals = runs(dir.path());
    let all: Vec<Vec<(PathBuf, Vec<u8>)>> = originals.iter().map(|run| files(run)).collect();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    threads.install(|| {
        (0..cases(2_000)).into_par_iter().for_each(|case| {
            let mut draws = Draws::new(case, 3);
            let own = dir.path().join(format!("case-{case}"));
            fs::create_dir(&own).unwrap();
            let line = if case % 2 == 0 {
                let which = draws.below(3);
                for (k, name) in ["x", "q", "theta"].into_iter().enumerate() {
                    let bytes = if k == which { mutated(&arrays[k], &mut draws) } else { arrays[k][0].clone() };
                    fs::write(own.join(format!("{name}.npy")), bytes).unwrap();
                }
                let data = "--backend cpu --x x.npy --q q.npy --out out";
                match which {
                    2 => format!("evaluate --theta theta.npy {data}"),
                    _ => format!("sweep --seeds 3 --max-steps 5 {data}"),
                }
            } else {
                let which = draws.below(originals.len());
                copy(&originals[which], &own.join("run"));
                let (path, content) = &all[which][draws.below(all[which].len())];
                let place = own.join("run").join(path.strip_prefix(&originals[which]).unwrap());
                fs::write(place, other_content(path, content, &mut draws)).unwrap();
                // A report takes the longest.
                let commands =
                    ["resume run", "merge run --out out", "duplicates run", "resume run --json", "report run"];
                let command = draws.below(if case % 20 == 1 { 5 } else { 4 });
                commands[command].to_owned()
            };
            let args: Vec<&str> = line.split(' ').collect();
            let mut command = sharpsweep(&own, &args);
            let output = ended_within(command.env("RAYON_NUM_THREADS", "1"), Duration::from_secs(60));
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(matches!(output.status.code(), Some(0..=2)), "case {case}, {line}: {:?}, {stderr}", output.status);
            assert!(!stderr.contains("panicked") && stderr.len() < 20_000, "case {case}, {line}: {stderr}");
            fs::remove_dir_all(&own).unwrap();
        });
    });
}
