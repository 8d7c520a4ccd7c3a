//! What the tests share: the oracle's values of the golden cases, and one comparison that reports every miss.

#![allow(dead_code, reason = "every test program compiles this module and uses its own part of it")]

pub(crate) mod cells;
pub(crate) mod command;
pub(crate) mod cut;
pub(crate) mod gpu;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use std::ops::Range;

use ndarray::{Array1, Array2, Array3, ArrayBase, ArrayView1, Axis, Dimension, OwnedRepr, s};
use ndarray_npy::{ReadNpyExt, read_npy};
use serde::Deserialize;
use sharpsweep::engine::{Descent, Engine, Status, Trained};
use sharpsweep::model::{Activation, Dataset, Problem, philox4x32_10};

/// Whether `SHARPSWEEP_FULL=1` asks for the full sets of what the suite samples.
pub(crate) fn is_full() -> bool {
    std::env::var_os("SHARPSWEEP_FULL").is_some_and(|value| value == "1")
}

/// Whether float32 can tell on which side of 0 every hidden unit of the paper's network `theta` is, on every sample of
/// `problem`: the sums are further from 0 than the terms may lose in a few roundings. Where it cannot, the slope of a
/// relu unit is unknown.
pub(crate) fn signs_are_certain(problem: &Problem, theta: ArrayView1<'_, f64>) -> bool {
    let shape = problem.paper().expect("a network of the paper's").network.shape;
    let is_certain = |x: ArrayView1<'_, f64>, n: usize| {
        let bias = theta[shape.w(n, 0)];
        let terms = x.iter().enumerate().map(|(m, x)| theta[shape.w(n, m + 1)] * x);
        let (y, size) = terms.fold((bias, bias.abs()), |(y, size), term| (y + term, size + term.abs()));
        y.abs() > 8.0 * f64::from(f32::EPSILON) * size
    };
    problem.data.x().rows().into_iter().all(|x| (0..shape.hidden).all(|n| is_certain(x, n)))
}

/// How many misses a message lists before it only counts them.
const LISTED: usize = 12;

/// Checks |actual - expected| <= atol + rtol |expected| for every element, so that NaN on either side is a miss.
///
/// `Err` holds one message with every miss (only the number of those beyond the first few): index, both values, their
/// difference and the tolerance. A test asserts `Ok`; its negative control asserts `Err`.
pub(crate) fn close(actual: &[f64], expected: &[f64], atol: f64, rtol: f64) -> Result<(), String> {
    compare(actual, expected, |k| atol + rtol * expected[k].abs())
}

/// As [`close`], with |actual - expected| <= rtol scale for every element: for values that cancellation may bring near
/// 0, where `scale` is the size of the terms that cancelled.
pub(crate) fn close_scaled(actual: &[f64], expected: &[f64], scale: &[f64], rtol: f64) -> Result<(), String> {
    if scale.len() != expected.len() {
        return Err(format!("{} scales for {} expected values", scale.len(), expected.len()));
    }
    compare(actual, expected, |k| rtol * scale[k].abs())
}

fn compare(actual: &[f64], expected: &[f64], tolerance: impl Fn(usize) -> f64) -> Result<(), String> {
    if actual.len() != expected.len() {
        return Err(format!("{} values where {} are expected", actual.len(), expected.len()));
    }
    let within = |k: usize| (actual[k] - expected[k]).abs() <= tolerance(k);
    let misses: Vec<usize> = (0..actual.len()).filter(|&k| !within(k)).collect();
    if misses.is_empty() {
        return Ok(());
    }
    let mut message = format!("{} of {} values miss:", misses.len(), actual.len());
    for &k in misses.iter().take(LISTED) {
        let (a, e) = (actual[k], expected[k]);
        let _ = write!(message, "\n  [{k}] {a:e}, expected {e:e}: off by {:e}, allowed {:e}", a - e, tolerance(k));
    }
    if misses.len() > LISTED {
        let _ = write!(message, "\n  and {} more", misses.len() - LISTED);
    }
    Err(message)
}

/// The networks of `seeds` trained to each of `ends` steps in turn, by continuing those that stopped at the end before.
pub(crate) fn trained_in_parts(
    engine: &mut dyn Engine,
    problem: &Problem,
    until: &dyn Fn(u32) -> Descent,
    seeds: Range<u64>,
    ends: &[u32],
) -> Trained {
    let mut all = engine.train(problem, &until(ends[0]), seeds).unwrap();
    for pair in ends.windows(2) {
        let stopped: Vec<usize> = (0..all.status.len()).filter(|&k| all.status[k] == Status::StepLimit).collect();
        let theta = all.theta.select(Axis(0), &stopped);
        let more = engine.train_on(problem, &until(pair[1]), theta.view(), pair[0]).unwrap();
        for (from, &to) in stopped.iter().enumerate() {
            all.theta.row_mut(to).assign(&more.theta.row(from));
            (all.status[to], all.steps[to]) = (more.status[from], more.steps[from]);
        }
    }
    all
}

/// One golden case: a problem, S networks on it, and the oracle's values for them.
#[derive(Debug, Clone)]
pub(crate) struct GoldenCase {
    /// The folder's name, such as `sigmoid-m2-n3-i50`.
    pub(crate) name: String,
    /// Network and data.
    pub(crate) problem: Problem,
    /// The networks, (S, D); every value is exact in f32.
    pub(crate) theta: Array2<f64>,
    folder: PathBuf,
}

#[derive(Deserialize)]
struct CaseFile {
    activation: Activation,
    hidden: usize,
}

impl GoldenCase {
    /// S, the number of networks.
    pub(crate) fn seeds(&self) -> usize {
        self.theta.nrows()
    }

    /// The parameters of network `k`, (D,).
    pub(crate) fn network(&self, k: usize) -> Vec<f64> {
        self.theta.row(k).to_vec()
    }

    /// An oracle value of every network, (S,): `loss`, `trace`, `moment2` and so on, the stem of its file.
    pub(crate) fn column(&self, quantity: &str) -> Vec<f64> {
        self.array::<ndarray::Ix1>(quantity).to_vec()
    }

    /// An oracle vector of every network, (S, D): `grad`, or `ws_upper_gradient` where [`Self::has`] says so.
    pub(crate) fn rows(&self, quantity: &str) -> Array2<f64> {
        self.array(quantity)
    }

    /// The oracle's Hessian of every network, (S, D, D); the cases with D <= 64 have it.
    pub(crate) fn hessians(&self) -> Option<Array3<f64>> {
        self.has("hessian").then(|| self.array("hessian"))
    }

    /// Whether the case holds `quantity`.
    pub(crate) fn has(&self, quantity: &str) -> bool {
        self.file(quantity).exists()
    }

    fn file(&self, quantity: &str) -> PathBuf {
        self.folder.join(format!("{quantity}.npy"))
    }

    fn array<X: Dimension>(&self, quantity: &str) -> ArrayBase<OwnedRepr<f64>, X>
    where
        ArrayBase<OwnedRepr<f64>, X>: ReadNpyExt,
    {
        let file = self.file(quantity);
        read_npy(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    fn load(folder: PathBuf) -> Self {
        let text = std::fs::read_to_string(folder.join("case.json"))
            .unwrap_or_else(|error| panic!("{}/case.json: {error}", folder.display()));
        let case: CaseFile =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}/case.json: {error}", folder.display()));
        let read = |stem: &str| folder.join(format!("{stem}.npy"));
        let x: Array2<f64> = read_npy(read("x")).unwrap();
        let q: Array1<f64> = read_npy(read("q")).unwrap();
        let theta = read_npy(read("theta")).unwrap();
        let problem = Problem::new(case.hidden, case.activation, Dataset::new(x, q).unwrap());
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, problem, theta, folder }
    }
}

/// Every golden case, in the order of their names: the whole set beside the project if it exists, else the small part
/// under `tests/golden`, with a line on stderr that says so.
pub(crate) fn golden_cases() -> Vec<GoldenCase> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (whole, part) = (project.join("../shared/golden"), project.join("tests/golden"));
    let root = if whole.is_dir() {
        whole
    } else {
        let compared = folders(&part).len();
        notice(&format!("SKIPPED golden cases: {} is not there, only {compared} cases are compared", whole.display()));
        part
    };
    let cases: Vec<GoldenCase> = folders(&root).into_iter().map(GoldenCase::load).collect();
    assert!(!cases.is_empty(), "no golden case under {}", root.display());
    cases
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap_or_else(|error| panic!("{}: {error}", root.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("case.json").exists())
        .collect();
    folders.sort();
    folders
}

/// Says on stderr that a test compares less than it could, past the test harness, which hides the output of passing
/// tests.
pub(crate) fn notice(text: &str) {
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{text}\n"));
}

/// The first of `data`'s samples, without the last `count`.
pub(crate) fn without_the_last(data: &Dataset, count: usize) -> Dataset {
    let kept = data.samples() - count;
    Dataset::new(data.x().slice(s![..kept, ..]).to_owned(), data.q().unwrap().slice(s![..kept]).to_owned()).unwrap()
}

/// Uniform numbers on (0, 1), reproducible by a key.
pub(crate) struct Draws {
    key: u32,
    next: u32,
}

impl Draws {
    /// The numbers of `key`.
    pub(crate) fn new(key: u32) -> Self {
        Self { key, next: 0 }
    }

    /// The next one.
    pub(crate) fn unit(&mut self) -> f64 {
        let word = philox4x32_10([self.next, 0, 0, 0x7465_7374], [self.key, 0])[0];
        self.next += 1;
        (f64::from(word) + 0.5) / 4_294_967_296.0
    }

    /// The next one, scaled to (`low`, `high`).
    pub(crate) fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// The next one as a whole number from 1 to `most`.
    pub(crate) fn count(&mut self, most: usize) -> usize {
        1 + (self.unit() * most as f64) as usize
    }
}
