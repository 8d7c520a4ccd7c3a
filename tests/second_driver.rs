//! The engine on SwiftShader, a second Vulkan driver beside Mesa's: drawn problems against the reference, `sharpsweep
//! check`, and several adapters in one machine. `tests/swiftshader.sh` installs the drivers and runs this.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use ndarray::{Array1, Array2, Axis};
use sharpsweep::engine::{Descent, Engine, Route, Status};
use sharpsweep::gpu::{Gpu, TrainPlan, Tuning, choose_adapter};
use sharpsweep::model::{Activation, Dataset, Problem, initial_theta};
use sharpsweep::reference::{Reference, gradient, hessian, spectrum};
use support::command::{assert_same_columns, manifest};
use support::{Draws, is_full, notice};

const SWIFTSHADER: &str = "SwiftShader";
const LAVAPIPE: &str = "llvmpipe";

fn gpu(tuning: Tuning) -> Gpu {
    let adapter = choose_adapter(Some(SWIFTSHADER));
    Gpu::new(adapter.unwrap_or_else(|error| panic!("{error}\nrun tests/swiftshader.sh")), tuning).unwrap()
}

/// The seed of the draws: that of `SHARPSWEEP_DRAW`, or of this moment.
fn seed() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = std::env::var("SHARPSWEEP_DRAW").map_or(now.as_secs() as u32, |seed| seed.parse().unwrap());
    notice(&format!("problems drawn with SHARPSWEEP_DRAW={seed}"));
    seed
}

/// The largest error so far of a kind of value, relative to the size of what it is added up from.
#[derive(Debug)]
struct Worst {
    of: &'static str,
    allowed: f64,
    error: f64,
}

impl Worst {
    const fn new(of: &'static str, allowed: f64) -> Self {
        Self { of, allowed, error: 0.0 }
    }

    fn add(&mut self, at: &str, found: f64, expected: f64, scale: f64) {
        let error = (found - expected).abs() / scale;
        assert!(error <= self.allowed, "{} of {at}: {found:e}, not {expected:e} (size {scale:e})", self.of);
        self.error = self.error.max(error);
    }
}

/// Training by every plan, closed forms by both routes and eigenvalues of drawn networks.
#[test]
fn drawn_problems_come_out_as_in_the_reference() {
    let mut draws = Draws::new(seed());
    let mut training = Worst::new("theta after training", 1e-5);
    let mut loss = Worst::new("loss", 5e-6);
    let mut gradient_sq = Worst::new("g.g", 1e-5);
    let mut trace = Worst::new("tr H", 5e-6);
    let mut trace_sq = Worst::new("tr H^2", 1e-5);
    let mut eigenvalues = Worst::new("an extreme eigenvalue", 1e-5);
    let (problems, networks) = if is_full() { (60, 5) } else { (6, 3) };
    for number in 0..problems {
        let activation = Activation::ALL[number % Activation::ALL.len()];
        let (inputs, hidden, samples) = (draws.count(8), draws.count(20), draws.count(90));
        let x = Array2::from_shape_fn((samples, inputs), |_| f64::from(draws.within(-2.0, 2.0) as f32));
        let data = Dataset::new(x, Array1::from_shape_fn(samples, |i| (i % 2) as f64)).unwrap();
        let problem = Problem::new(hidden, activation, data);
        let at = format!("{} M = {inputs}, N = {hidden}, I = {samples}", activation.name());
        let shape = problem.network.shape;
        let weights: Vec<f32> = (0..networks).flat_map(|seed| initial_theta(shape.parameters(), seed, 1.0)).collect();
        let theta = Array2::from_shape_vec((networks as usize, shape.parameters()), weights).unwrap();
        let theta = theta.mapv(f64::from);
        let hessians: Vec<Array2<f64>> = theta.rows().into_iter().map(|row| hessian(&problem, &row.to_vec())).collect();
        let norms: Vec<f64> = hessians.iter().map(|h| h.iter().map(|h| h * h).sum::<f64>().sqrt()).collect();

        // A step that is stable for the sharpest of them, with weight decay in every other problem.
        let weight_decay = if number % 2 == 0 { 0.0 } else { 0.5 };
        let sharpest = norms.iter().fold(0.0, |sharpest: f64, &norm| sharpest.max(norm));
        let step_size = f64::from((1.0 / (sharpest + weight_decay)) as f32);
        let descent = Descent { init_range: 1.0, step_size, max_steps: 6, tolerance: 0.0, weight_decay };
        let expected = Reference::default().train(&problem, &descent, 0..networks).unwrap();
        for plan in TrainPlan::ALL {
            let trained = gpu(Tuning { plan: Some(plan), ..Tuning::default() }).train(&problem, &descent, 0..networks);
            let trained = trained.unwrap();
            assert!(trained.status.iter().all(|&status| status == Status::StepLimit), "{at}: {:?}", trained.status);
            for (found, expected) in trained.theta.axis_iter(Axis(0)).zip(expected.theta.axis_iter(Axis(0))) {
                let largest = expected.iter().fold(0.0, |largest: f64, &weight| largest.max(f64::from(weight).abs()));
                for (found, expected) in found.iter().zip(expected) {
                    training.add(&format!("{at}, {plan:?}"), f64::from(*found), f64::from(*expected), largest);
                }
            }
        }

        let expected = Reference::default().evaluate(&problem, theta.view().into()).unwrap();
        for route in [Route::Pairwise, Route::Assembled] {
            let mut gpu = gpu(Tuning { route, ..Tuning::default() });
            let found = gpu.evaluate(&problem, theta.view().into()).unwrap();
            for (k, norm) in norms.iter().enumerate() {
                let at = format!("{at}, network {k}, {route:?}");
                let root = (shape.parameters() as f64).sqrt();
                // Of a loss of 0.7 a sample, errors of z are a few times that.
                loss.add(&at, found.loss[k], expected.loss[k], 4.0 * samples as f64);
                let size = gradient_size(&problem, &theta.row(k).to_vec());
                gradient_sq.add(&at, found.gradient_sq[k], expected.gradient_sq[k], size * size);
                let of = |found: &sharpsweep::engine::Evaluation| found.trace(k);
                trace.add(&at, of(&found), of(&expected), root * norm);
                trace_sq.add(&at, found.trace_sq[k], expected.trace_sq[k], expected.trace_sq[k]);
            }
        }
        let spectra = gpu(Tuning::default()).spectrum(&problem, theta.view().into()).unwrap();
        assert!(spectra.missing.is_empty(), "{at}");
        for (k, matrix) in hessians.iter().enumerate() {
            let expected = spectrum(matrix.view(), 0).unwrap();
            let at = format!("{at}, network {k}");
            eigenvalues.add(&at, spectra.lambda_max[k], expected.lambda_max(), norms[k]);
            eigenvalues.add(&at, spectra.lambda_min[k], expected.lambda_min(), norms[k]);
        }
    }
    for Worst { of, allowed, error } in [&training, &loss, &gradient_sq, &trace, &trace_sq, &eigenvalues] {
        notice(&format!("{problems} problems, {of}: off by {error:.1e} at most, {allowed:.0e} is allowed"));
    }
}

/// The sum over the samples of |g_i|: no component of the gradient is added up from more.
fn gradient_size(problem: &Problem, theta: &[f64]) -> f64 {
    let of_sample = |i: usize| {
        let one = Dataset::new(problem.data.x().select(Axis(0), &[i]), problem.data.q().unwrap().select(Axis(0), &[i]))
            .unwrap();
        let alone = Problem::new(problem.paper().unwrap().network.shape.hidden, problem.network.activation, one);
        gradient(&alone, theta).iter().map(|g| g * g).sum::<f64>().sqrt()
    };
    (0..problem.data.samples()).map(of_sample).sum()
}

fn sharpsweep(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sharpsweep")).current_dir(dir).args(args).output().unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The table of a check, with its last line: the exit code is 0, and it takes minutes at most.
#[test]
fn a_check_holds_within_minutes() {
    let start = std::time::Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let table = succeeded(&sharpsweep(dir.path(), &["check", "--adapter", SWIFTSHADER]));
    let took = start.elapsed().as_secs_f64();
    notice(&format!("sharpsweep check took {took:.0} s:\n{table}"));
    assert!(table.trim_end().ends_with("all 25 comparisons hold"), "{table}");
    assert!(table.contains(SWIFTSHADER) && !table.contains("OFF"), "{table}");
    assert!(took < 300.0, "{took} s");
}

/// The commands of README's recipe for several cards, from the block that names `--adapter $card`.
fn recipe() -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    let block = blocks.into_iter().find(|block| block.contains("--adapter $card")).unwrap();
    assert!(block.contains("--seeds 1000000") && block.contains("sharpsweep "));
    block
}

/// Two adapters that are equal, as two cards of one kind are: the same driver, given to Vulkan's loader twice.
fn run_recipe(dir: &Path, driver: &str) {
    std::fs::copy(driver, dir.join("again.json")).unwrap();
    // A driver that says where its library is relative to its own file has to say it otherwise.
    let text = std::fs::read_to_string(driver).unwrap();
    let folder = Path::new(driver).parent().unwrap().display().to_string();
    std::fs::write(dir.join("again.json"), text.replace("\"./", &format!("\"{folder}/"))).unwrap();
    let both = format!("{driver}:{}", dir.join("again.json").display());
    let program = Path::new(env!("CARGO_BIN_EXE_sharpsweep")).parent().unwrap().display().to_string();
    let commands = recipe().replace("--seeds 1000000", "--seeds 48 --max-steps 20 --hidden 3");
    let path = format!("{program}:{}", std::env::var("PATH").unwrap());
    let ended = Command::new("bash")
        .args(["-euc", &commands])
        .current_dir(dir)
        .env("PATH", path)
        .env("VK_DRIVER_FILES", &both)
        .env("VK_ICD_FILENAMES", &both)
        .output();
    succeeded(&ended.unwrap());
}

/// The driver files that `tests/swiftshader.sh` names, lavapipe's and SwiftShader's.
fn drivers() -> [String; 2] {
    let files = std::env::var("VK_DRIVER_FILES").expect("run tests/swiftshader.sh, which names the drivers");
    let (lavapipe, swiftshader) = files.split_once(':').unwrap();
    [lavapipe.to_owned(), swiftshader.to_owned()]
}

const SWEEP: [&str; 9] = ["sweep", "--backend", "gpu", "--seeds", "48", "--max-steps", "20", "--hidden", "3"];

/// The recipe of README, on two equal adapters of either kind: the whole is that of one adapter, byte for byte.
#[test]
fn one_process_for_each_card_makes_the_run_of_one_card() {
    for (driver, adapter) in drivers().iter().zip([LAVAPIPE, SWIFTSHADER]) {
        let dir = tempfile::tempdir().unwrap();
        run_recipe(dir.path(), driver);
        succeeded(&sharpsweep(dir.path(), &[&SWEEP[..], &["--adapter", adapter, "--out", "one"]].concat()));
        assert_same_columns(&dir.path().join("runs/whole"), &dir.path().join("one"));
        let device = manifest(&dir.path().join("runs/whole"))["engine"]["device"].as_str().unwrap().to_owned();
        assert!(device.contains(adapter), "{device}");
    }
}

/// Different adapters round differently: their shards are refused as parts of one run, unless it is asked for.
#[test]
fn shards_of_different_adapters_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    for (adapter, shard) in [(LAVAPIPE, "1/2"), (LAVAPIPE, "2/2"), (SWIFTSHADER, "2/2")] {
        let out = format!("{adapter}-{}", &shard[..1]);
        succeeded(&sharpsweep(
            dir.path(),
            &[&SWEEP[..], &["--adapter", adapter, "--shard", shard, "--out", &out]].concat(),
        ));
    }
    let columns = |run: &str| std::fs::read(dir.path().join(run).join("theta.npy")).unwrap();
    assert_ne!(columns("llvmpipe-2"), columns("SwiftShader-2"));
    let parts = ["merge", "llvmpipe-1", "SwiftShader-2", "--out", "mixed"];
    let refused = sharpsweep(dir.path(), &parts);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{message}");
    for part in ["were computed by different engines", LAVAPIPE, SWIFTSHADER, "--allow-mixed-engines"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert!(!dir.path().join("mixed").exists());
    notice(&format!("refused: {}", message.trim()));
    succeeded(&sharpsweep(dir.path(), &[&parts[..], &["--allow-mixed-engines"]].concat()));
    let engines = manifest(&dir.path().join("mixed")).to_string();
    assert!(engines.contains(LAVAPIPE) && engines.contains(SWIFTSHADER), "{engines}");
}
