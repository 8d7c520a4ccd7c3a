//! A sweep that ends in memory has the columns of one that ends in a directory.

mod support;

use ndarray::Array2;
use sharpsweep::cpu::Cpu;
use sharpsweep::engine::{Descent, Engine, EngineError, Route, Status, Stop};
use sharpsweep::gpu::{Gpu, Tuning, choose_adapter};
use sharpsweep::model::Activation;
use sharpsweep::records::{Column, Dtype, Values, columns};
use sharpsweep::reference::Reference;
use sharpsweep::run::{Manifest, Population, Run, RunWriter, Sink};
use sharpsweep::spec::{Experiment, SpectrumColumns, Work, appendix_c_data};
use sharpsweep::summary::{InMemoryRun, Summary, SummarySource};
use sharpsweep::sweep::{Columns, Ended, Event, InMemory, Sweep, SweepError};
use support::gpu::skipped;

const ROWS: u64 = 300;

fn experiment() -> Experiment {
    let (train, test) = appendix_c_data(20, 3).unwrap();
    let descent = Descent { max_steps: 40, ..Descent::default() };
    let mut experiment =
        Experiment::new(Work::sweep(7..7 + ROWS, descent), 3, Activation::Tanh, train, Some(test)).unwrap();
    experiment.spec.extra.bounds = true;
    experiment.spec.extra.spectrum = Some(SpectrumColumns::default());
    experiment
}

/// Opens an engine.
type Open = fn() -> Result<Box<dyn Engine>, EngineError>;

fn cpu() -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(Cpu::new(Route::Auto)))
}

fn reference() -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(Reference::default()))
}

fn gpu() -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(Gpu::new(choose_adapter(None)?, Tuning::default())?))
}

/// Runs `sweep`, on an engine that `open` opens.
fn run(sweep: &Sweep<'_>, open: Open, sink: &mut dyn Sink) -> Result<Ended, SweepError> {
    sweep.run(open().unwrap(), &open, sink, &mut |_| ())
}

/// The sweep of `experiment` in chunks of a few networks.
fn sweep_of<'a>(experiment: &'a Experiment, stop: &'a Stop) -> Sweep<'a> {
    Sweep { experiment, given: None, earlier: None, memory: 1 << 16, stop }
}

fn in_memory(sweep: &Sweep<'_>, open: Open, columns: &[Column]) -> Columns {
    let mut sink = InMemory::new(columns.to_vec(), ROWS);
    assert_eq!(run(sweep, open, &mut sink).unwrap(), Ended::Finished);
    sink.finish()
}

/// Fails unless `found` is what `writer` leaves in `path` of the same `sweep`.
fn assert_as_in_a_directory(found: &Columns, sweep: &Sweep<'_>, open: Open, mut writer: RunWriter) {
    let path = writer.dir().to_owned();
    run(sweep, open, &mut writer).unwrap();
    writer.finish().unwrap();
    let manifest = Run::open(&path).unwrap().manifest().clone();
    assert_eq!(manifest.outcome, Some(found.outcome));
    assert!(found.columns.iter().map(|(column, _)| column).eq(&manifest.columns));
    for (column, values) in &found.columns {
        let file = std::fs::read(path.join(format!("{}.npy", column.name))).unwrap();
        assert!(file.ends_with(values.bytes()), "{}", column.name);
        let width = column.width.unwrap_or(1);
        let size = values.bytes().len() / (width * usize::try_from(ROWS).unwrap());
        assert!(matches!(size, 1 | 4 | 8) && file.len() - values.bytes().len() < 256, "{}", column.name);
    }
    assert!(found.get("lambda_sup").is_some() && found.get("nothing").is_none());
    assert!(found.seconds.evaluate > 0.0 && found.seconds.total >= found.seconds.train + found.seconds.evaluate);
}

#[test]
fn columns_in_memory_are_those_of_a_directory_on_every_engine() {
    let mut engines: Vec<(&str, Open)> = vec![("cpu", cpu), ("reference", reference)];
    if !skipped("columns_in_memory_are_those_of_a_directory_on_every_engine: gpu") {
        engines.push(("gpu", gpu));
    }
    for (name, open) in engines {
        let dir = tempfile::tempdir().unwrap();
        let stop = Stop::default();
        let experiment = experiment();
        let columns_of_sweep = columns(&experiment.spec, Dtype::Float32);
        let sweep = sweep_of(&experiment, &stop);
        let found = in_memory(&sweep, open, &columns_of_sweep);
        let description = open().unwrap().description(&experiment.problem, experiment.spec.tasks());
        let path = dir.path().join(name);
        let writer = RunWriter::create(&path, &experiment, description, columns_of_sweep).unwrap();
        assert_as_in_a_directory(&found, &sweep, open, writer);
        assert!(found.seconds.train > 0.0);

        // Evaluated again as networks from elsewhere.
        let Some(Values::Float32(theta)) = found.get("theta") else { panic!("theta is f32") };
        let theta = Array2::from_shape_vec((ROWS as usize, 13), theta.clone()).unwrap();
        let mut evaluation = experiment.clone();
        evaluation.spec.work =
            Work::Evaluate { networks: ROWS, theta_hash: String::new(), tolerance: Some(0.1), weight_decay: 0.0 };
        let columns_of_evaluation = columns(&evaluation.spec, Dtype::Float32);
        let sweep = Sweep { given: Some(theta.view().into()), ..sweep_of(&evaluation, &stop) };
        let again = in_memory(&sweep, open, &columns_of_evaluation);
        assert_eq!(again.get("lambda_sup"), found.get("lambda_sup"), "{name}");
        let description = open().unwrap().description(&evaluation.problem, evaluation.spec.tasks());
        let path = dir.path().join("evaluation");
        let given = theta.view().into();
        let writer =
            RunWriter::create_evaluation(&path, &evaluation, description, columns_of_evaluation, given).unwrap();
        assert_as_in_a_directory(&again, &sweep, open, writer);
    }
}

#[test]
fn an_evaluation_without_networks_is_refused() {
    let mut experiment = experiment();
    experiment.spec.work =
        Work::Evaluate { networks: ROWS, theta_hash: String::new(), tolerance: None, weight_decay: 0.0 };
    let columns = columns(&experiment.spec, Dtype::Float32);
    let stop = Stop::default();
    let refused = run(&sweep_of(&experiment, &stop), cpu, &mut InMemory::new(columns, ROWS));
    assert!(matches!(refused, Err(SweepError::NoNetworks)), "{refused:?}");
}

#[test]
fn a_sweep_that_was_stopped_goes_on_where_it_was() {
    let experiment = experiment();
    let columns = columns(&experiment.spec, Dtype::Float32);
    let go_on = Stop::default();
    let whole = in_memory(&sweep_of(&experiment, &go_on), cpu, &columns);
    let mut sink = InMemory::new(columns, ROWS);
    let stop = Stop::default();
    let mut after_one_chunk = |event| {
        if matches!(event, Event::Progress(_)) {
            stop.request();
        }
    };
    let ended = sweep_of(&experiment, &stop).run(cpu().unwrap(), &cpu, &mut sink, &mut after_one_chunk).unwrap();
    assert_eq!(ended, Ended::Stopped);
    let missing = sink.missing();
    assert!(missing.len() == 1 && missing[0].start > 0 && missing[0].end == ROWS, "{missing:?}");
    run(&sweep_of(&experiment, &go_on), cpu, &mut sink).unwrap();
    assert!(sink.missing().is_empty());
    let found = sink.finish();
    assert_eq!(found.columns, whole.columns);
    assert_eq!(found.outcome, whole.outcome);
}

#[test]
fn the_summary_of_a_sweep_in_memory_is_that_of_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    experiment.spec.extra.polish = Some(sharpsweep::polish::Polish { max_steps: 5, ..Default::default() });
    let stop = Stop::default();
    let columns_of_sweep = columns(&experiment.spec, Dtype::Float32);
    let found = in_memory(&sweep_of(&experiment, &stop), cpu, &columns_of_sweep);
    let description = cpu().unwrap().description(&experiment.problem, experiment.spec.tasks());
    let path = dir.path().join("run");
    let mut writer = RunWriter::create(&path, &experiment, description.clone(), columns_of_sweep.clone()).unwrap();
    run(&sweep_of(&experiment, &stop), cpu, &mut writer).unwrap();
    writer.finish().unwrap();
    let ended = (found.seconds, found.outcome);
    let manifest = Manifest::of_finished(experiment.spec.clone(), description, columns_of_sweep, ended);
    let in_memory = found.as_run(&manifest, &experiment);
    let stored = Run::open(&path).unwrap();
    for (status, count) in [(Status::StepLimit, 7), (Status::StepLimit, 1000), (Status::Converged, 5)] {
        let weights = SummarySource::weights_of_first(&stored, status, count).unwrap().unwrap();
        assert_eq!(in_memory.weights_of_first(status, count).unwrap().unwrap(), weights);
        assert_eq!(weights.nrows(), if status == Status::StepLimit { count.min(300) } else { 0 });
    }
    for over in [None, Some(Population::All), Some(Population::Converged)] {
        // Times and places differ.
        let lines = |text: String| {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            [&lines[..2], &lines[3..lines.len() - 1]].concat()
        };
        let ours = Summary::of(&in_memory, over).unwrap().to_string();
        assert_eq!(lines(ours.clone()), lines(Summary::of(&stored, over).unwrap().to_string()));
        // After so few steps none has converged.
        let has_ends = ours.contains("the ends of their descents");
        assert!(ours.ends_with("columns of 300 rows in memory") && has_ends == (over != Some(Population::Converged)));
    }
    let without = InMemoryRun { columns: Vec::new(), ..in_memory };
    let refused = Summary::of(&without, None).unwrap_err().to_string();
    assert!(refused.contains("status: the run in memory has no such column of 300 rows"), "{refused}");
}
