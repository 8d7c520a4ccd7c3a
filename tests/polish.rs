//! Where descents end: minima with weight decay, valleys without, saddles where they are looked for; and what a run
//! says about it.

mod support;

use std::path::Path;

use ndarray::{Array1, Array2, Axis};
use ndarray_npy::read_npy;
use sharpsweep::analysis::{ComparedNetworks, distinct_ends, macro_f1_of_each, mann_whitney, median, quantiles};
use sharpsweep::cpu::Cpu;
use sharpsweep::engine::{Descent, Engine, EngineError, Stop, Trained};
use sharpsweep::model::{Activation, Network, Problem, Stream, appendix_c};
use sharpsweep::polish::{End, Objective, Polish, PolishMode, Polished, polish, polish_each};
use sharpsweep::reference::{hessian, loss, spectrum};
use sharpsweep::run::Run;
use support::Draws;
use support::command::{assert_same_columns, columns, fail, manifest, succeed};
use support::cut::cut;
use tempfile::tempdir;

fn paper(hidden: usize, activation: Activation) -> Problem {
    Problem::new(hidden, activation, appendix_c(50, 0, Stream::TrainData).unwrap())
}

fn trained(problem: &Problem, weight_decay: f64, seeds: u64) -> Trained {
    Cpu::default().train(problem, &Descent { weight_decay, ..Descent::default() }, 0..seeds).unwrap()
}

fn ends(problem: &Problem, weight_decay: f64, trained: &Trained, how: &Polish) -> Vec<Polished> {
    let objective = Objective { problem, weight_decay };
    let found = polish_each(objective, trained.theta.view().into(), how, &Stop::default()).unwrap();
    found.into_iter().map(Option::unwrap).collect()
}

#[test]
fn with_decay_every_descent_ends_at_a_minimum() {
    for (hidden, seeds) in if support::is_full() { [(3, 500), (10, 500)] } else { [(3, 8), (10, 2)] } {
        let problem = paper(hidden, Activation::Sigmoid);
        let objective = Objective { problem: &problem, weight_decay: 1e-3 };
        let start = trained(&problem, 1e-3, seeds);
        let found = ends(&problem, 1e-3, &start, &Polish::default());
        let arrived =
            |end: &&Polished| end.end == End::Minimum && end.gradient_sq <= 1e-24 && (end.index, end.nullity) == (0, 0);
        let count = found.iter().filter(arrived).count() as u64;
        assert!(100 * count >= 99 * seeds, "{count} of {seeds} at N = {hidden}");
        for (row, end) in found.iter().enumerate() {
            let from: Vec<f64> = start.theta.row(row).iter().copied().map(f64::from).collect();
            assert!(end.objective <= objective.value(&from), "{row}");
            assert_eq!(end.objective.to_bits(), objective.value(&end.theta).to_bits());
            let apart = end.theta.iter().zip(&from).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!((end.distance - apart).abs() <= 1e-12 * apart);
            // Eigenvalues are those of the loss, and each is lower by alpha than that of the objective.
            let eigenvalues = spectrum(hessian(&problem, &end.theta).view(), 0).unwrap().eigenvalues;
            assert!((end.lambda_max - eigenvalues[0]).abs() <= 1e-12 * eigenvalues[0]);
            assert!(end.lambda_sup >= end.lambda_max && eigenvalues.iter().all(|value| value + 1e-3 > 0.0));
        }
    }
}

/// A hundred times the steps, and a tolerance as strict as rounding allows, change next to no verdict. A tolerance a
/// hundred times as strict, 1e-14, is below 4 u |theta|, the rounding of the weights of a valley, once these are 12
/// long: any as small asks for the same.
#[test]
fn without_decay_descents_end_in_valleys_however_strictly_one_looks() {
    let strict = Polish { max_steps: 100_000, tolerance: 1e-14, ..Polish::default() };
    for (hidden, seeds) in if support::is_full() { [(3, 500), (10, 500)] } else { [(3, 6), (10, 1)] } {
        let problem = paper(hidden, Activation::Sigmoid);
        let start = trained(&problem, 0.0, seeds);
        let found = ends(&problem, 0.0, &start, &Polish::default());
        let again = ends(&problem, 0.0, &start, &strict);
        let same = found.iter().zip(&again).filter(|(a, b)| a.end == b.end).count() as u64;
        let stricter = found.iter().zip(&again).filter(|(a, b)| b.gradient_sq < a.gradient_sq).count();
        let length = |theta: &[f64]| theta.iter().map(|t| t * t).sum::<f64>().sqrt();
        assert!(again.iter().all(|end| length(&end.theta) > 12.0) && stricter > 0, "{stricter}");
        support::notice(&format!("N = {hidden}: {same} of {seeds} ends are the same, {stricter} have a smaller g.g"));
        assert!(100 * same >= 98 * seeds, "{same} of {seeds} at N = {hidden}");
        let valleys = found.iter().filter(|end| end.end == End::Valley).count() as u64;
        assert!(100 * valleys >= 95 * seeds, "{valleys} of {seeds} at N = {hidden}");
        // They are on their way to infinity, and a small g.g is no minimum.
        for (end, from) in found.iter().zip(start.theta.axis_iter(Axis(0))) {
            let from: Vec<f64> = from.iter().copied().map(f64::from).collect();
            assert!(length(&end.theta) > length(&from) && end.objective < loss(&problem, &from));
        }
    }
}

/// What README.md says of 16,000 descents, in eight draws of the data, and of the paper's pictures at their ends.
#[test]
fn the_ends_of_eight_draws_are_as_the_readme_says() {
    struct Ends {
        lambda_sup: Vec<f64>,
        lambda_max: Vec<f64>,
        macro_f1: Vec<f64>,
    }
    let (draws, seeds, widths) = if support::is_full() { (8, 500, &[3, 10][..]) } else { (1, 8, &[3][..]) };
    let mut counts = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    let mut at_ends: [Vec<Vec<Ends>>; 2] = [Vec::new(), Vec::new()];
    for draw in 0..draws {
        for (of_decay, decay) in [1e-3, 0.0].into_iter().enumerate() {
            let mut by_width = Vec::new();
            for (of_width, &hidden) in widths.iter().enumerate() {
                let problem =
                    Problem::new(hidden, Activation::Sigmoid, appendix_c(50, draw, Stream::TrainData).unwrap());
                let mut found = ends(&problem, decay, &trained(&problem, decay, seeds), &Polish::default());
                let wanted = if decay > 0.0 { End::Minimum } else { End::Valley };
                found.retain(|end| end.end == wanted);
                counts[of_decay][of_width].push(found.len());
                if decay > 0.0 {
                    assert!(found.iter().all(|end| end.gradient_sq <= 1e-24), "draw {draw}, N = {hidden}");
                    let theta = Array2::from_shape_fn((found.len(), problem.network.parameters()), |(row, d)| {
                        found[row].theta[d] as f32
                    });
                    let column = |of: fn(&Polished) -> f64| found.iter().map(of).collect::<Vec<f64>>();
                    let (loss, lambda_sup) = (column(|end| end.objective), column(|end| end.lambda_sup));
                    let Network { shape, activation } = problem.network;
                    let (loss, lambda_sup) = (&loss[..], &lambda_sup[..]);
                    let (trained_on, theta) = (problem.loss(), theta.view());
                    let networks = ComparedNetworks { shape, activation, trained_on, theta, loss, lambda_sup };
                    let mut row = 0..;
                    let first_of = distinct_ends(&networks).unwrap().first_of;
                    found.retain(|_| row.next().is_some_and(|row| first_of[row] == row));
                }
                let test = appendix_c(10, draw, Stream::TestData).unwrap();
                let theta =
                    Array2::from_shape_fn((found.len(), problem.network.parameters()), |(row, d)| found[row].theta[d]);
                by_width.push(Ends {
                    lambda_sup: found.iter().map(|end| end.lambda_sup).collect(),
                    lambda_max: found.iter().map(|end| end.lambda_max).collect(),
                    macro_f1: macro_f1_of_each(problem.network.one_hidden().unwrap(), &test, theta.view().into())
                        .unwrap(),
                });
            }
            at_ends[of_decay].push(by_width);
        }
    }
    let [[minima, minima_10], [valleys, valleys_10]] = counts;
    let all = seeds as usize;
    assert!(minima.iter().chain(&minima_10).all(|&count| count == all), "{minima:?} {minima_10:?}");
    if !support::is_full() {
        assert!(10 * valleys[0] >= 9 * all - 10, "{valleys:?}");
        return;
    }
    let range = |counts: &[usize]| (*counts.iter().min().unwrap(), *counts.iter().max().unwrap());
    assert_eq!((range(&valleys), range(&valleys_10)), ((445, 494), (496, 500)), "{valleys:?} {valleys_10:?}");
    let spread =
        |values: Vec<f64>| values.iter().fold((f64::MAX, 0.0_f64), |(a, b), &value| (a.min(value), b.max(value)));
    let near = |(low, high): (f64, f64), [from, to]: [f64; 2], within: f64| {
        (low - from).abs() <= within && (high - to).abs() <= within
    };
    let [decayed, plain] = at_ends;
    // Figures 2 and 6, N = 3.
    let ratio = |ends: &Ends| {
        median(&ends.lambda_sup.iter().zip(&ends.lambda_max).map(|(sup, max)| sup / max).collect::<Vec<f64>>()).unwrap()
    };
    let line = |ends: &Ends| quantiles(&ends.lambda_sup, &[0.9]).unwrap()[0];
    let ratios = spread(decayed.iter().map(|ends| ratio(&ends[0])).collect());
    assert!(near(ratios, [1.04, 1.09], 0.005), "{ratios:?}");
    let lines = spread(decayed.iter().map(|ends| line(&ends[0]) / median(&ends[0].lambda_sup).unwrap()).collect());
    assert!(near(lines, [2.7, 9.1], 0.05), "{lines:?}");
    // Figure 7, N = 3.
    let prefers_low = |ends: &Ends| {
        let line = line(ends);
        let side = |low: bool| -> Vec<f64> {
            let both = ends.macro_f1.iter().zip(&ends.lambda_sup);
            both.filter(|(_, sup)| (**sup <= line) == low).map(|(f1, _)| *f1).collect()
        };
        let (low, high) = (side(true), side(false));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        mann_whitney(&low, &high).unwrap().p_value < 0.01 && mean(&low) > mean(&high)
    };
    assert_eq!(decayed.iter().filter(|ends| prefers_low(&ends[0])).count(), 3);
    // Figure 11.
    let sharper = |ends: &[Vec<Ends>], wide: bool| {
        let is_sharper = |ends: &&Vec<Ends>| {
            let [narrow, ten] = [0, 1].map(|k| &ends[k].lambda_sup);
            let higher = median(ten).unwrap() > median(narrow).unwrap();
            mann_whitney(narrow, ten).unwrap().p_value < 0.01 && higher == wide
        };
        ends.iter().filter(is_sharper).count()
    };
    assert_eq!((sharper(&decayed, true), sharper(&decayed, false)), (2, 5));
    assert_eq!((sharper(&plain, true), sharper(&plain, false)), (0, 8));
}

/// A linear network is a logistic regression in more weights than it needs: one minimum, and null directions.
#[test]
fn a_linear_network_ends_at_a_minimum_with_the_null_directions_of_its_symmetry() {
    let problem = paper(3, Activation::Linear);
    let mut draws = Draws::new(5);
    let mut objectives = Vec::new();
    for _ in 0..4 {
        let theta: Vec<f64> = (0..problem.network.parameters()).map(|_| draws.within(-1.0, 1.0)).collect();
        let objective = Objective { problem: &problem, weight_decay: 0.0 };
        let end = polish(objective, &theta, &Polish::default(), &Stop::default()).unwrap().unwrap();
        // Of 13 weights 3 numbers count: the product of the layers with the bias.
        assert_eq!((end.end, end.index, end.nullity), (End::Minimum, 0, 10), "{end:?}");
        objectives.push(end.objective);
    }
    assert!(objectives.iter().all(|value| (value - objectives[0]).abs() < 1e-10), "{objectives:?}");
}

#[test]
fn the_nearest_critical_point_can_be_a_saddle_and_the_radius_is_kept() {
    let problem = paper(3, Activation::Sigmoid);
    let start = trained(&problem, 1e-3, 24);
    let within = |radius| Polish { mode: PolishMode::Nearest { radius }, max_steps: 200, ..Polish::default() };
    let nearest = within(10.0);
    let found = ends(&problem, 1e-3, &start, &nearest);
    let saddles: Vec<&Polished> = found.iter().filter(|end| end.end == End::Saddle).collect();
    assert!(!saddles.is_empty() && found.iter().any(|end| end.end == End::Minimum));
    for saddle in saddles {
        assert!(saddle.index > 0 && saddle.gradient_sq < 1e-24 && saddle.distance <= 10.0, "{saddle:?}");
        // A descent does not stop there: a push off it leads further down.
        let objective = Objective { problem: &problem, weight_decay: 1e-3 };
        let down = polish(objective, &saddle.theta, &Polish::default(), &Stop::default()).unwrap().unwrap();
        assert_eq!(down.end, End::Minimum);
        assert!(down.objective < saddle.objective && down.distance > 1e-3, "{} {}", down.objective, saddle.objective);
    }
    let near = ends(&problem, 1e-3, &start, &within(1e-6));
    assert!(near.iter().all(|end| end.end == End::LeftRadius && end.distance <= 1e-6));
}

#[test]
fn the_objective_is_the_loss_and_the_decay() {
    let problem = paper(4, Activation::Tanh);
    let objective = Objective { problem: &problem, weight_decay: 0.3 };
    let mut draws = Draws::new(8);
    let theta: Vec<f64> = (0..problem.network.parameters()).map(|_| draws.within(-1.0, 1.0)).collect();
    let size: f64 = theta.iter().map(|t| t * t).sum();
    assert!((objective.value(&theta) - loss(&problem, &theta) - 0.15 * size).abs() < 1e-12);
    for (d, g) in objective.gradient(&theta).into_iter().enumerate() {
        let moved =
            |by: f64| theta.iter().enumerate().map(|(k, t)| if k == d { t + by } else { *t }).collect::<Vec<_>>();
        let difference = (objective.value(&moved(1e-5)) - objective.value(&moved(-1e-5))) / 2e-5;
        assert!((difference - g).abs() < 1e-6 * (1.0 + g.abs()), "{d}");
    }
    let plain = Objective { weight_decay: 0.0, ..objective };
    assert_eq!(plain.value(&theta).to_bits(), loss(&problem, &theta).to_bits());
}

#[test]
fn what_is_not_finite_has_no_end_and_a_stop_ends_the_work() {
    let problem = paper(3, Activation::Sigmoid);
    let objective = Objective { problem: &problem, weight_decay: 0.0 };
    let mut theta = vec![0.5; problem.network.parameters()];
    let stop = Stop::default();
    stop.request();
    let stopped = polish(objective, &theta, &Polish::default(), &stop);
    assert!(matches!(stopped, Err(EngineError::Stopped)));
    theta[4] = f64::INFINITY;
    assert_eq!(polish(objective, &theta, &Polish::default(), &Stop::default()).unwrap(), None);
    let none = Polish { max_steps: 0, ..Polish::default() };
    let same = polish(objective, &vec![0.5; theta.len()], &none, &Stop::default()).unwrap().unwrap();
    assert_eq!((same.end, same.steps), (End::Unfinished, 0));
}

const SWEEP: [&str; 11] =
    ["sweep", "--backend", "cpu", "--seeds", "24", "--samples", "20", "--max-steps", "300", "--weight-decay", "1e-3"];

fn sweep(dir: &Path, out: &str, more: &[&str]) -> String {
    String::from_utf8(succeed(dir, &[&SWEEP[..], &["--out", out], more].concat()).stdout).unwrap()
}

fn floats(run: &Path, name: &str) -> Vec<f64> {
    read_npy::<_, Array1<f64>>(run.join(format!("{name}.npy"))).unwrap().to_vec()
}

/// Also where rows are interrupted, in shards, trained further, or evaluated from their weights alone.
#[test]
fn the_ends_of_a_run_are_columns_as_all_others_are() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let text = sweep(dir, "whole", &["--polish"]);
    let whole = dir.join("whole");
    let end: Array1<u8> = read_npy(whole.join("end.npy")).unwrap();
    let minima = end.iter().filter(|&&end| end == End::Minimum as u8).count();
    assert!(minima >= 23, "{end}");
    assert!(text.contains("the ends of their descents with weight decay 0.001: minimum"), "{text}");
    let polished: Array2<f64> = read_npy(whole.join("theta_polished.npy")).unwrap();
    assert_eq!(polished.dim(), (24, 13));
    assert!(
        floats(&whole, "lambda_sup_polished").iter().zip(floats(&whole, "lambda_max_polished")).all(|(a, b)| *a >= b)
    );
    for name in ["polish_index", "polish_nullity"] {
        assert_eq!(read_npy::<_, Array1<u32>>(whole.join(format!("{name}.npy"))).unwrap().len(), 24);
    }

    cut(dir, &[&SWEEP[..], &["--out", "cut", "--polish"]].concat(), "cut");
    succeed(dir, &["resume", "cut"]);
    assert_same_columns(&dir.join("cut"), &whole);
    for part in ["1/2", "2/2"] {
        sweep(dir, &format!("part-{}", &part[..1]), &["--polish", "--shard", part]);
    }
    succeed(dir, &["merge", "part-1", "part-2", "--out", "merged"]);
    assert_same_columns(&dir.join("merged"), &whole);
    // Twice the steps at once, or first these.
    sweep(dir, "further", &["--polish"]);
    succeed(dir, &["resume", "further", "--max-steps", "600"]);
    succeed(
        dir,
        &[&SWEEP[..7], &["--max-steps", "600", "--weight-decay", "1e-3", "--polish", "--out", "longer"]].concat(),
    );
    assert_same_columns(&dir.join("further"), &dir.join("longer"));

    let evaluate =
        ["evaluate", "--backend", "cpu", "--theta", "whole/theta.npy", "--samples", "20", "--tolerance", "1e-3"];
    succeed(dir, &[&evaluate[..], &["--weight-decay", "1e-3", "--polish", "--out", "evaluated"]].concat());
    let (mut before, after) = (columns(&whole), columns(&dir.join("evaluated")));
    // How training ended is not known of weights alone.
    for name in ["status", "steps", "seed"] {
        before.remove(name);
    }
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)));
}

/// By the command line: the ends of a decayed run, of one whose descents end nowhere, of one that keeps few weights,
/// and of one that is not finished.
#[test]
fn distinct_ends_are_those_of_the_rows_that_have_one() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    sweep(dir, "run", &["--polish"]);
    let json = |run: &str| -> serde_json::Value {
        serde_json::from_slice(&succeed(dir, &["duplicates", run, "--by", "end", "--json"]).stdout).unwrap()
    };
    let found = json("run");
    let end: Array1<u8> = read_npy(dir.join("run/end.npy")).unwrap();
    let end_of: Array1<i64> = read_npy(dir.join("run/end_of.npy")).unwrap();
    for (row, &first) in end_of.iter().enumerate() {
        assert_eq!(first >= 0, end[row] <= End::Saddle as u8, "{row}");
        assert!(first < 0 || end_of[first as usize] == first && first as usize <= row, "{row}");
    }
    let critical = end_of.iter().filter(|&&first| first >= 0).count();
    assert_eq!(found["at_critical_point"], critical);
    let basins: Vec<u64> =
        found["basins"].as_array().unwrap().iter().map(|b| b["networks"].as_u64().unwrap()).collect();
    assert_eq!(basins.iter().sum::<u64>(), critical as u64);
    assert!(basins.len() > 1 && basins.is_sorted_by(|a, b| a >= b), "{basins:?}");
    let report = String::from_utf8(succeed(dir, &["report", "run"]).stdout).unwrap();
    assert!(dir.join("run/report/figures/ends.png").exists());
    let minima = end.iter().filter(|&&end| end == End::Minimum as u8).count();
    assert!(report.contains("ends of all descents") && report.contains(&format!("minimum {minima}")), "{report}");

    // The paper's activation without decay: valleys alone.
    let plain = ["sweep", "--backend", "cpu", "--seeds", "6", "--samples", "20", "--max-steps", "300", "--polish"];
    succeed(dir, &[&plain[..], &["--out", "valleys"]].concat());
    let text = String::from_utf8(succeed(dir, &["duplicates", "valleys", "--by", "end"]).stdout).unwrap();
    assert!(text.contains("no descent came to a critical point") && !text.contains("NaN"), "{text}");

    sweep(dir, "few", &["--polish", "--keep", "converged", "--tolerance", "0.003"]);
    let status: Array1<u8> = read_npy(dir.join("few/status.npy")).unwrap();
    let polished: Array2<f64> = read_npy(dir.join("few/theta_polished.npy")).unwrap();
    assert!(
        status.iter().zip(polished.rows()).all(|(&status, row)| row.iter().all(|x| x.is_finite() == (status == 0)))
    );
    let kept = status.iter().zip(&end).filter(|&(&status, _)| status == 0).count();
    let found = json("few")["at_critical_point"].as_u64().unwrap();
    assert!(kept > 0 && kept < 24 && found <= kept as u64, "{found} of {kept}");
    sweep(dir, "summary", &["--polish", "--keep", "summary"]);
    assert!(!dir.join("summary/theta_polished.npy").exists());

    cut(dir, &[&SWEEP[..], &["--polish", "--out", "cut"]].concat(), "cut");
    let run = Run::open(&dir.join("cut")).unwrap();
    let (status, points) = (run.status().unwrap(), run.polished_points().unwrap());
    assert!(status.contains(&255) && !points.rows.is_empty(), "{status:?}");
    assert!(points.rows.iter().all(|&row| status[row] != 255) && points.theta.iter().any(|&weight| weight != 0.0));
    assert!(run.end_numbers().unwrap().iter().zip(&status).all(|(&end, &s)| s != 255 || end == End::Unfinished as u8));
}

/// The verdict is about the objective, everything else about the loss.
#[test]
fn decay_moves_the_verdict_and_leaves_the_closed_forms_to_the_loss() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    sweep(dir, "run", &["--tolerance", "0.05"]);
    let run = dir.join("run");
    let evaluate =
        ["evaluate", "--backend", "cpu", "--theta", "run/theta.npy", "--samples", "20", "--tolerance", "0.05"];
    succeed(dir, &[&evaluate[..], &["--out", "plain"]].concat());
    succeed(dir, &[&evaluate[..], &["--weight-decay", "1e-3", "--out", "decayed"]].concat());
    for name in ["loss", "gradient_sq", "trace", "trace_sq", "lambda_sup"] {
        assert_eq!(floats(&run, name), floats(&dir.join("plain"), name), "{name}");
    }
    let theta: Array2<f32> = read_npy(run.join("theta.npy")).unwrap();
    let status: Array1<u8> = read_npy(dir.join("decayed/status.npy")).unwrap();
    let (objective, gradient_sq) = (floats(&run, "objective"), floats(&run, "objective_gradient_sq"));
    for (row, loss) in floats(&run, "loss").into_iter().enumerate() {
        let size: f64 = theta.row(row).iter().map(|&t| f64::from(t).powi(2)).sum();
        assert!((objective[row] - loss - 5e-4 * size).abs() <= 1e-12 * objective[row]);
        assert_eq!(status[row], u8::from(gradient_sq[row] >= 0.05), "{row}");
    }
    let plain: Array1<u8> = read_npy(dir.join("plain/status.npy")).unwrap();
    assert_ne!(plain, status, "the decay decides about some networks");
    assert!(!dir.join("plain/objective.npy").exists());
}

#[test]
fn no_decay_is_a_run_of_before() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let args = ["sweep", "--backend", "cpu", "--seeds", "8", "--samples", "20", "--max-steps", "50"];
    succeed(dir, &[&args[..], &["--out", "before"]].concat());
    succeed(dir, &[&args[..], &["--weight-decay", "0", "--out", "zero"]].concat());
    assert_same_columns(&dir.join("zero"), &dir.join("before"));
    let spec = manifest(&dir.join("zero"))["spec"].clone();
    assert_eq!(spec, manifest(&dir.join("before"))["spec"]);
    assert!(spec["work"].get("weight_decay").is_none() && spec["extra"].get("polish").is_none());

    succeed(dir, &[&args[..], &["--weight-decay", "0.5", "--shard", "1/2", "--out", "a"]].concat());
    succeed(dir, &[&args[..], &["--weight-decay", "0.25", "--shard", "2/2", "--out", "b"]].concat());
    let error = fail(dir, &["merge", "a", "b", "--out", "c"], 1);
    assert!(error.contains("--weight-decay"), "{error}");
    for (there, here, option) in [
        ("--polish", "--polish=nearest", "--polish: \"descend\" in a"),
        ("--spectrum=all", "--spectrum=vectors", "--spectrum: \"all\" in a"),
    ] {
        for name in ["a", "b"] {
            std::fs::remove_dir_all(dir.join(name)).unwrap();
        }
        succeed(dir, &[&args[..], &[there, "--shard", "1/2", "--out", "a"]].concat());
        succeed(dir, &[&args[..], &[here, "--shard", "2/2", "--out", "b"]].concat());
        let error = fail(dir, &["merge", "a", "b", "--out", "c"], 1);
        assert!(error.contains(option), "{error}");
    }
    for (more, says) in [
        (&["--weight-decay", "-1"][..], "the weight decay is -1"),
        (&["--weight-decay", "nan"], "the weight decay is NaN"),
        (&["--polish", "--polish-radius", "1"], "--polish=nearest"),
        (&["--polish=nearest", "--polish-radius", "0"], "--polish-radius is 0"),
        (&["--polish-radius", "1"], "--polish"),
    ] {
        let error = fail(dir, &[&args[..], &["--out", "refused"], more].concat(), 2);
        assert!(error.contains(says), "{error}");
        assert!(!dir.join("refused").exists());
    }
}
