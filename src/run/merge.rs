//! Joining runs over neighbouring seeds, such as the shards of a sweep, into the run over all of these seeds.
//!
//! Columns are copied in blocks, so memory does not grow with the runs.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::differences::{Difference, fields};
use super::layout::is_grid;
use super::manifest::{Manifest, MergedPart, State};
use super::{Grid, Run, RunError, RunWriter, Staging, check_free, check_space};
use crate::engine::{Description, Machine, Stop};
use crate::records::Column;
use crate::spec::{DataSource, Seeds, Spec, Work};

/// Joins the runs, or the grids of runs, in `dirs` (in any order) into the new directory `out`, which appears whole.
///
/// With `mixed`, runs of different engines or program versions are joined too, and the manifest says what computed
/// which seeds. The columns of runs by one engine come out bit for bit as those of the run over all seeds.
///
/// # Errors
/// [`RunError::Unfinished`], [`RunError::Unlike`], [`RunError::MixedEngines`] or [`RunError::Seeds`] before anything is
/// written; [`RunError::Exists`] if `out` holds anything, [`RunError::Room`] if its disk cannot hold it,
/// [`RunError::Stopped`] once `stop` is requested; nothing is left then.
pub fn merge(dirs: &[PathBuf], out: &Path, mixed: bool, stop: &Stop) -> Result<(), RunError> {
    check_free(out)?;
    let [first, others @ ..] = dirs else { return Err(RunError::NothingToMerge) };
    if !is_grid(first) {
        let parts = Parts::new(dirs, mixed)?;
        check_space(out, std::iter::once(parts.size()))?;
        let staging = Staging::new(out)?;
        parts.write(staging.path(), stop)?;
        return staging.publish();
    }
    let grid = Grid::open(first)?;
    for dir in others {
        let other = Grid::open(dir)?;
        if grid.runs != other.runs {
            let differences = lists_differ("runs", (first, &grid.runs), (dir, &other.runs), |run| &run.name);
            return Err(RunError::Unlike { first: first.clone(), other: dir.clone(), differences });
        }
    }
    let of_all = |name: &str| -> Vec<PathBuf> { dirs.iter().map(|dir| dir.join(name)).collect() };
    let runs: Vec<Parts> =
        grid.runs.iter().map(|run| Parts::new(&of_all(&run.name), mixed)).collect::<Result<_, _>>()?;
    check_space(out, runs.iter().map(Parts::size))?;
    let staging = Staging::new(out)?;
    for (run, parts) in grid.runs.iter().zip(runs) {
        let dir = staging.path().join(&run.name);
        std::fs::create_dir(&dir).map_err(|error| RunError::io(&dir, error))?;
        parts.write(&dir, stop)?;
    }
    grid.write(staging.path())?;
    staging.publish()
}

/// Finished runs that cover their whole range of seeds, in seed order.
struct Parts {
    runs: Vec<(Seeds, Run)>,
    whole: Seeds,
}

impl Parts {
    fn new(dirs: &[PathBuf], mixed: bool) -> Result<Self, RunError> {
        let mut runs = Vec::new();
        let mut shard_of = None;
        let mut unfinished = Vec::new();
        for dir in dirs {
            let run = Run::open(dir)?;
            if run.manifest().state == State::Finished {
                run.check_complete()?;
            } else {
                unfinished.push(dir.display().to_string());
            }
            let Work::Sweep { seeds, shard_of: whole, .. } = run.manifest().spec.work else {
                return Err(RunError::NoSweep(dir.clone()));
            };
            shard_of = shard_of.or(whole);
            runs.push((seeds, run));
        }
        if !unfinished.is_empty() {
            return Err(RunError::Unfinished(unfinished));
        }
        let Some(((_, first), others)) = runs.split_first() else { return Err(RunError::NothingToMerge) };
        for (_, other) in others {
            check_alike(first, other, mixed)?;
        }
        runs.sort_by_key(|(seeds, _)| (seeds.first, seeds.count));
        let whole = shard_of.unwrap_or_else(|| {
            let first = runs[0].0.first;
            let end = runs.iter().map(|(seeds, _)| seeds.end()).max().unwrap_or(first);
            Seeds::new(&(first..end))
        });
        check_cover(&runs, whole)?;
        Ok(Self { runs, whole })
    }

    /// Rows and columns of the joined run.
    fn size(&self) -> (u64, &[Column]) {
        (self.whole.count, &self.runs[0].1.manifest().columns)
    }

    /// Writes the joined run into the empty folder `dir`.
    fn write(self, dir: &Path, stop: &Stop) -> Result<(), RunError> {
        let Self { runs, whole } = self;
        let first = &runs[0].1;
        let mut experiment = first.experiment()?;
        if let Work::Sweep { seeds, shard_of, .. } = &mut experiment.spec.work {
            (*seeds, *shard_of) = (whole, None);
        }
        let parts: Vec<MergedPart> = runs.iter().flat_map(|(seeds, run)| parts_of(*seeds, run.manifest())).collect();
        let engine = joined(parts.iter().map(|part| &part.engine));
        let columns = first.manifest().columns.clone();
        let mut writer = RunWriter::build(dir, &experiment, engine, columns)?;
        for (seeds, run) in &runs {
            writer.copy(seeds.first - whole.first, run, stop)?;
        }
        let started = runs.iter().map(|(_, run)| run.manifest().started.clone()).min();
        writer.finish_as(|manifest| {
            manifest.started = started.unwrap_or_default();
            manifest.version = unique(parts.iter().map(|part| part.version.as_str()));
            manifest.parts = parts;
        })?;
        Ok(())
    }
}

fn parts_of(seeds: Seeds, manifest: &Manifest) -> Vec<MergedPart> {
    if manifest.parts.is_empty() {
        vec![MergedPart { seeds, version: manifest.version.clone(), engine: manifest.engine.clone() }]
    } else {
        manifest.parts.clone()
    }
}

/// One description of all `engines`: where they differ, each text once, and the default revision or route.
fn joined<'a>(engines: impl Iterator<Item = &'a Description> + Clone) -> Description {
    let field = |of: fn(&Description) -> &str| unique(engines.clone().map(of));
    Description {
        machine: Machine {
            engine: field(|engine| &engine.machine.engine),
            precision: field(|engine| &engine.machine.precision),
            device: field(|engine| &engine.machine.device),
            driver: field(|engine| &engine.machine.driver),
            id: field(|engine| &engine.machine.id),
        },
        revision: common(engines.clone().map(|engine| engine.revision)).unwrap_or_default(),
        code_hash: field(|engine| &engine.code_hash),
        plan: field(|engine| &engine.plan),
        route: common(engines.map(|engine| engine.route)).unwrap_or_default(),
    }
}

/// The value that all of `values` have, if it is one.
fn common<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

fn unique<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let mut found: Vec<&str> = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found.join(" + ")
}

/// Fails unless the two runs are the same but for their seeds, and by the same engine unless `mixed`.
fn check_alike(first: &Run, other: &Run, mixed: bool) -> Result<(), RunError> {
    let (a, b) = (first.manifest(), other.manifest());
    if a.columns != b.columns || but_for_seeds(&a.spec) != but_for_seeds(&b.spec) {
        let (first, other) = (first.dir().to_owned(), other.dir().to_owned());
        // Columns follow from the spec unless other versions wrote them.
        let found = fields(&but_for_seeds(&a.spec), &but_for_seeds(&b.spec));
        let differences = if found.is_empty() {
            lists_differ("columns", (&first, &a.columns), (&other, &b.columns), |column| &column.name)
        } else {
            named(&found, &first, &other)
        };
        return Err(RunError::Unlike { first, other, differences });
    }
    let differences = a.engine_differences(&b.engine, &b.version).join("; ");
    if mixed || differences.is_empty() {
        return Ok(());
    }
    Err(RunError::MixedEngines { first: first.dir().to_owned(), other: other.dir().to_owned(), differences })
}

/// How many differences are named.
const NAMED: usize = 4;

/// The differences between `first` and `other` in one line, each with the option that sets it and both values.
fn named(found: &[Difference], first: &Path, other: &Path) -> String {
    let (first, other) = (first.display(), other.display());
    let one = |Difference { field, there, here }: &Difference| {
        format!("{}: {there} in {first}, {here} in {other}", option(field))
    };
    let mut parts: Vec<String> = found.iter().take(NAMED).map(one).collect();
    if found.len() > NAMED {
        parts.push(format!("and {} more", found.len() - NAMED));
    }
    parts.join("; ")
}

/// The differences between two lists of `what` in one line: the names that only one of them has, or else their fields.
fn lists_differ<T: Serialize>(
    what: &str,
    (first, a): (&Path, &[T]),
    (other, b): (&Path, &[T]),
    name: fn(&T) -> &String,
) -> String {
    let only_in = |dir: &Path, here: &[T], there: &[T]| {
        let is_missing = |found: &&String| !there.iter().any(|other| name(other) == *found);
        let missing: Vec<&str> = here.iter().map(name).filter(is_missing).map(String::as_str).collect();
        (!missing.is_empty()).then(|| format!("{what} that only {} has: {}", dir.display(), missing.join(", ")))
    };
    let only: Vec<String> = [only_in(first, a, b), only_in(other, b, a)].into_iter().flatten().collect();
    if only.is_empty() { named(&fields(&a, &b), first, other) } else { only.join("; ") }
}

/// The command line's name for a field of a spec or for what the field is a part of, if there is one.
fn option(field: &str) -> String {
    const OPTIONS: [(&str, &str); 30] = [
        ("hidden", "--hidden"),
        ("outputs", "the number of outputs"),
        ("loss", "--loss"),
        ("reduction", "--reduction"),
        ("data.weights_hash", "--sample-weights"),
        ("extra.gauss_newton", "--gauss-newton"),
        ("activation", "--activation"),
        ("keep", "--keep"),
        ("extra.bounds", "--bounds"),
        ("extra.spectrum", "--spectrum"),
        ("extra.brackets", "--brackets"),
        ("extra.polish", "--polish"),
        ("work.init_range", "--init-range"),
        ("work.step_size", "--step-size"),
        ("work.max_steps", "--max-steps"),
        ("work.tolerance", "--tolerance"),
        ("work.weight_decay", "--weight-decay"),
        ("work.first_seed", "the first of all seeds"),
        ("work.seeds", "the number of all seeds"),
        ("data.hash", "the training data's fingerprint"),
        ("test.hash", "the test data's fingerprint"),
        ("data.source.data_seed", "--data-seed"),
        ("data.source.label_noise", "--data-label-noise"),
        ("data.source.from", "--data"),
        ("data.source.noise", "--data-noise"),
        ("data.source.classes", "--data-classes"),
        ("data.source.inputs", "--data-inputs"),
        ("data.source.hidden", "--teacher-hidden"),
        ("data.source.activation", "--teacher-activation"),
        ("test", "the test data"),
    ];
    let holds = |name: &str| field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    OPTIONS.iter().find(|(name, _)| holds(name)).map_or_else(|| field.to_owned(), |(_, option)| (*option).to_owned())
}

/// A spec without what may differ between parts: which seeds of the whole they have, and where their data lay.
fn but_for_seeds(spec: &Spec) -> Spec {
    let mut spec = spec.clone();
    if let Work::Sweep { seeds, shard_of, .. } = &mut spec.work {
        // Runs that are no shards are parts of the seeds that they cover together.
        *seeds = shard_of.unwrap_or(Seeds::new(&(0..0)));
    }
    // The hash distinguishes data; the same file may have another path elsewhere, or be an array of a program.
    for data in std::iter::once(&mut spec.data).chain(&mut spec.test) {
        if let DataSource::Files { .. } = data.source {
            data.source = DataSource::Arrays;
        }
    }
    spec
}

/// Fails unless `runs`, in seed order, hold every seed of `whole` once.
fn check_cover(runs: &[(Seeds, Run)], whole: Seeds) -> Result<(), RunError> {
    let mut problems = Vec::new();
    let mut next = whole.first;
    let mut last: Option<&Run> = None;
    for (seeds, run) in runs {
        if seeds.first < whole.first || seeds.end() > whole.end() {
            let (first, end) = (seeds.first, seeds.end());
            problems.push(format!("{} holds {first}..{end}, which are not all among them", run.dir().display()));
        }
        if seeds.first > next {
            problems.push(format!("seeds {next}..{} are in none of them", seeds.first));
        }
        if let Some(last) = last.filter(|_| seeds.first < next) {
            let end = next.min(seeds.end());
            let (a, b) = (last.dir().display(), run.dir().display());
            problems.push(format!("seeds {}..{end} are in both {a} and {b}", seeds.first));
        }
        if seeds.end() > next {
            next = seeds.end();
            last = Some(run);
        }
    }
    if next < whole.end() {
        problems.push(format!("seeds {next}..{} are in none of them", whole.end()));
    }
    if problems.is_empty() { Ok(()) } else { Err(RunError::Seeds { whole: whole.first..whole.end(), problems }) }
}
