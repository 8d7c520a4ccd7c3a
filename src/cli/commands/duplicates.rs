//! `sharpsweep duplicates`: which networks of a run are the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::ValueEnum;
use ndarray::ArrayView2;
use serde_json::{Value, json};

use crate::analysis::{
    Basin, ComparedNetworks, END_NEARNESS, Maps, PairStatistics, VALUES_WITHIN, WITHIN, distinct_ends, duplicates,
    same_networks,
};
use crate::cli::args::OutputArgs;
use crate::cli::failure::Failure;
use crate::cli::progress::Watched;
use crate::cli::terminal::{print, print_json};
use crate::cli::words::go_on_with;
use crate::room::check_memory;
use crate::run::{Derived, PolishedPoints, Run, State};

/// The column that the command leaves, and the one that it leaves of the ends of descents.
const COLUMN: &str = "duplicate_of";
const END_COLUMN: &str = "end_of";

/// Finds the networks of a run that are the same
///
/// Leaves DIR/duplicate_of.npy, int64, one row per network: the row of the network that is kept for it (its own row if
/// it is kept itself), -1 where it is no critical point because it did not converge or is not finite. Of networks that
/// are the same the first is kept. manifest.json says under "derived" which rule wrote the column.
///
/// symmetry and function: theta of one, mapped as near as possible to the other's, lies within 10 % of its length, and
/// loss (by symmetry also lambda_sup) within 5 %. Training stops before it has arrived, so copies of one minimum are
/// not equal, and no tolerance separates them from networks that are merely similar; this one leaves pairs together
/// that went on towards each other when they were trained further. It does not look for other weights that happen to
/// give the same outputs. With several hidden layers, units are matched one layer after the other: what is called the
/// same is, but networks that are near without being copies can be missed.
///
/// distance: networks nearer to each other than mean - 3 std of all pairwise distances between the weights as they
/// stand are the same. Up to 100,000 networks, mean and std are those of all pairs; beyond that, those of 16,777,216
/// sampled pairs, and the output says so, with the error of the threshold. The neighbours are exact either way.
///
/// end: for a run with --polish. Its minima and saddles are the same where theta_polished, mapped as for function, lies
/// within 0.01 % of its length, and the objective within 0.01 %. The column is DIR/end_of.npy; the output says how
/// many networks fall to each end, and estimates how many ends are still unseen.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// When two networks are the same
    #[arg(long, value_name = "RULE", value_enum, default_value_t)]
    by: By,
    #[command(flatten)]
    output: OutputArgs,
}

/// When two networks are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum By {
    /// Equal up to changes that keep the spectrum: the order of hidden units, their signs (tanh, erf), those of their
    /// input weights (square), rotations (linear, one hidden layer), and for softmax what is added to all outputs
    #[default]
    Symmetry,
    /// Equal up to changes that keep the function: these, flips W_n, v_n, v_0 to -W_n, -v_n, v_0 + v_n (sigmoid),
    /// any map (linear), and with one hidden layer scales (relu), what keeps the quadratic form (square)
    Function,
    /// The paper's rule (Appendix C): weights nearer than mean - 3 std of all distances
    Distance,
    /// The same end of the descent: polished weights equal up to changes that keep the function
    End,
}

/// The networks that are the same by one rule.
struct Matches {
    /// For each critical point the one that is kept for it.
    duplicate_of: Vec<usize>,
    /// What was found, for a person.
    summary: String,
    /// The rule's numbers for the manifest.
    numbers: BTreeMap<String, f64>,
    /// What the rule adds to the JSON.
    details: Value,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Symmetry => "symmetry",
            Self::Function => "function",
            Self::Distance => "distance",
            Self::End => "end",
        }
    }

    /// The rows of the networks that are compared, and which of them are the same.
    fn find(self, run: &Run) -> Result<(Vec<usize>, Matches), Failure> {
        let maps = match self {
            Self::Symmetry => Some(Maps::Symmetry),
            Self::Function => Some(Maps::Function),
            Self::Distance => None,
            Self::End => {
                let points = run.polished_points()?;
                let found = by_end(&points)?;
                return Ok((points.rows, found));
            }
        };
        let (rows, theta) = run.critical_points()?;
        let found = match maps {
            Some(maps) => same(run, &rows, theta.view(), maps)?,
            None => by_distance(theta.view())?,
        };
        Ok((rows, found))
    }
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let run = Run::open(&self.dir)?;
        if run.manifest().state != State::Finished {
            let (dir, go_on) = (self.dir.display(), go_on_with(&self.dir));
            return Err(Failure::Failed(anyhow!("{dir} is unfinished; {go_on}")));
        }
        run.check_complete()?;
        let watched = Watched::start("comparing networks");
        let (rows, found) = self.by.find(&run)?;
        drop(watched);
        let networks = run.manifest().spec.rows();
        check_memory("the column", networks.saturating_mul(8))?;
        let mut column = vec![-1; usize::try_from(networks)?];
        for (&row, &kept) in rows.iter().zip(&found.duplicate_of) {
            column[row] = i64::try_from(rows[kept])?;
        }
        let derived = Derived {
            name: if self.by == By::End { END_COLUMN } else { COLUMN }.into(),
            meaning: match self.by {
                By::End => "the row of the network that is kept for each end; -1 where a descent came to none",
                _ => {
                    "the row of the network that is kept for each, its own for a kept one; -1 where it is no critical \
                      point"
                }
            }
            .into(),
            rule: self.by.name().into(),
            numbers: found.numbers,
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let path = run.write_derived(derived, &column)?;
        if self.output.json {
            let unique = found.duplicate_of.iter().enumerate().filter(|(i, first)| i == *first).count();
            let compared = if self.by == By::End { "at_critical_point" } else { "converged" };
            let mut results = json!({
                "networks": networks, compared: rows.len(), "unique": unique, "by": self.by.name(), "column": path,
            });
            if let (Some(results), Value::Object(details)) = (results.as_object_mut(), found.details) {
                results.extend(details);
            }
            print_json(&results)
        } else {
            let ended = match self.by {
                By::End => "ended at a critical point",
                _ if run.manifest().spec.work.is_judged() => "converged",
                _ => "are finite",
            };
            print(&format!("{} of {networks} networks {ended}", rows.len()))?;
            print(&found.summary)?;
            print(&format!("the network that each is a duplicate of: numpy.load(\"{}\")", path.display()))
        }
    }
}

fn by_distance(theta: ArrayView2<'_, f32>) -> Result<Matches, Failure> {
    let found = duplicates(theta)?;
    let (statistics, pairs, error) = match found.statistics {
        PairStatistics::All { pairs } => ("all pairs", pairs, None),
        PairStatistics::Sample { pairs, threshold_error } => ("sampled pairs", pairs, Some(threshold_error)),
    };
    let numbers = [("threshold", found.threshold), ("mean", found.mean), ("std", found.std)];
    let details = json!({
        "threshold": found.threshold, "mean": found.mean, "std": found.std, "statistics": statistics, "pairs": pairs,
        "threshold_error": error,
    });
    Ok(Matches {
        summary: found.to_string(),
        numbers: numbers.map(|(name, number)| (name.to_owned(), number)).into(),
        details,
        duplicate_of: found.duplicate_of,
    })
}

fn by_end(points: &PolishedPoints) -> Result<Matches, Failure> {
    let found = distinct_ends(&points.compared())?;
    let basin = |basin: &Basin| json!({ "row": points.rows[basin.first], "networks": basin.networks });
    let basins: Vec<Value> = found.basins.iter().map(basin).collect();
    let numbers = [("theta_within", END_NEARNESS.theta), ("objective_within", END_NEARNESS.values)];
    Ok(Matches {
        summary: found.to_string(),
        numbers: numbers.map(|(name, number)| (name.to_owned(), number)).into(),
        details: json!({ "basins": basins, "unseen_at_least": found.unseen(), "coverage": found.coverage() }),
        duplicate_of: found.first_of,
    })
}

fn same(run: &Run, rows: &[usize], theta: ArrayView2<'_, f32>, maps: Maps) -> Result<Matches, Failure> {
    let spec = &run.manifest().spec;
    // The index, and those of it that are kept once more.
    check_memory("the index of the networks", (theta.len() as u64).saturating_mul(8))?;
    let column = |name: &str| -> Result<Vec<f64>, Failure> {
        let values = run.floats(name)?;
        Ok(rows.iter().map(|&row| values[row]).collect())
    };
    let (loss, lambda_sup) = (column("loss")?, column("lambda_sup")?);
    let (shape, activation, trained_on) = (spec.shape()?, spec.activation, spec.loss);
    let networks = ComparedNetworks { shape, activation, trained_on, theta, loss: &loss, lambda_sup: &lambda_sup };
    let found = same_networks(&networks, maps)?;
    let mut numbers = vec![("theta_within", WITHIN), ("loss_within", VALUES_WITHIN)];
    if maps == Maps::Symmetry {
        numbers.push(("lambda_sup_within", VALUES_WITHIN));
    }
    let numbers: BTreeMap<String, f64> = numbers.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
    let mut details = json!({ "within": numbers });
    if let Some(ratio) = found.lambda_ratio {
        let (smallest, largest) = ratio.range;
        details["classes"] = json!(ratio.classes);
        details["lambda_sup_ratio"] = json!({
            "median": ratio.median, "largest": ratio.largest, "at": rows[ratio.at], "from": smallest, "to": largest,
        });
    }
    Ok(Matches { summary: found.to_string(), numbers, details, duplicate_of: found.duplicate_of })
}
