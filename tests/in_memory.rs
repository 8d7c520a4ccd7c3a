//! A sweep that ends in memory has the columns of one that ends in a directory.

use sharpsweep::cpu::Cpu;
use sharpsweep::engine::{Descent, Engine, Route, Stop};
use sharpsweep::model::Activation;
use sharpsweep::records::{Column, Dtype, columns};
use sharpsweep::run::{Run, RunWriter, Sink};
use sharpsweep::spec::{Experiment, SpectrumColumns, Work, appendix_c_data};
use sharpsweep::sweep::{Columns, Ended, Event, InMemory, Sweep};

const ROWS: u64 = 300;

fn experiment() -> Experiment {
    let (train, test) = appendix_c_data(20, 3).unwrap();
    let descent = Descent { max_steps: 40, ..Descent::default() };
    let mut experiment =
        Experiment::new(Work::sweep(7..7 + ROWS, descent), 3, Activation::Tanh, train, Some(test)).unwrap();
    experiment.spec.extra.bounds = true;
    experiment.spec.extra.spectrum = Some(SpectrumColumns::Values);
    experiment
}

/// Runs `experiment` into `sink` in chunks of a few networks.
fn run(experiment: &Experiment, sink: &mut dyn Sink, stop: &Stop, observe: &mut dyn FnMut(Event)) -> Ended {
    let open = || -> Result<Box<dyn Engine>, _> { Ok(Box::new(Cpu::new(Route::Auto))) };
    let sweep = Sweep { experiment, given: None, earlier: None, memory: 1 << 16, stop };
    sweep.run(open().unwrap(), &open, sink, observe).unwrap()
}

fn in_memory(experiment: &Experiment, columns: &[Column]) -> Columns {
    let mut sink = InMemory::new(columns.to_vec(), ROWS);
    assert_eq!(run(experiment, &mut sink, &Stop::default(), &mut |_| ()), Ended::Finished);
    sink.finish()
}

#[test]
fn columns_in_memory_are_those_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let experiment = experiment();
    let columns = columns(&experiment.spec, Dtype::Float32);
    let found = in_memory(&experiment, &columns);
    let description = Cpu::new(Route::Auto).description(&experiment.problem, experiment.spec.tasks());
    let path = dir.path().join("run");
    let mut writer = RunWriter::create(&path, &experiment, description, columns.clone()).unwrap();
    run(&experiment, &mut writer, &Stop::default(), &mut |_| ());
    writer.finish().unwrap();
    assert_eq!(Run::open(&path).unwrap().manifest().outcome, Some(found.outcome));
    assert_eq!(found.columns.iter().map(|(column, _)| column).collect::<Vec<_>>(), columns.iter().collect::<Vec<_>>());
    for (column, values) in &found.columns {
        let file = std::fs::read(path.join(format!("{}.npy", column.name))).unwrap();
        assert!(file.ends_with(values.bytes()), "{}", column.name);
        let width = column.width.unwrap_or(1);
        let size = values.bytes().len() / (width * usize::try_from(ROWS).unwrap());
        assert!(matches!(size, 1 | 4 | 8) && file.len() - values.bytes().len() < 256, "{}", column.name);
    }
    assert!(found.get("lambda_sup").is_some() && found.get("nothing").is_none());
    assert!(found.seconds.train > 0.0 && found.seconds.total >= found.seconds.train);
}

#[test]
fn a_sweep_that_was_stopped_goes_on_where_it_was() {
    let experiment = experiment();
    let columns = columns(&experiment.spec, Dtype::Float32);
    let whole = in_memory(&experiment, &columns);
    let mut sink = InMemory::new(columns, ROWS);
    let stop = Stop::default();
    let ended = run(&experiment, &mut sink, &stop, &mut |event| {
        if matches!(event, Event::Progress(_)) {
            stop.request();
        }
    });
    assert_eq!(ended, Ended::Stopped);
    let missing = sink.missing();
    assert!(missing.len() == 1 && missing[0].start > 0 && missing[0].end == ROWS, "{missing:?}");
    run(&experiment, &mut sink, &Stop::default(), &mut |_| ());
    assert!(sink.missing().is_empty());
    let found = sink.finish();
    assert_eq!(found.columns, whole.columns);
    assert_eq!(found.outcome, whole.outcome);
}
