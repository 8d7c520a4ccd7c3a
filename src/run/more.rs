//! What a finished sweep can be extended by, and the experiment that it then is.

use std::ops::Range;

use super::manifest::{Manifest, State};
use super::{Run, RunError};
use crate::engine::Descent;
use crate::spec::{Experiment, Keep, Seeds, Work};

/// What a finished sweep is extended by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct More {
    /// Its seeds afterwards.
    pub seeds: Option<Range<u64>>,
    /// T, the most steps of a network, afterwards.
    pub max_steps: Option<u32>,
}

impl More {
    /// The seeds of a run that has the seeds `now`; the error says why there cannot be more of them.
    fn seeds(&self, now: Seeds) -> Result<Seeds, String> {
        let Some(wanted) = &self.seeds else { return Ok(now) };
        let (first, end) = (now.first_seed, now.end());
        if wanted.start != first {
            return Err(format!(
                "it holds the seeds {first}..{end}, and seeds {}..{} do not begin where it begins: give --seeds {first}..END",
                wanted.start, wanted.end
            ));
        }
        if wanted.end < end {
            return Err(format!(
                "it holds the seeds {first}..{end}, and seeds {}..{} are fewer: give an end above {end}",
                wanted.start, wanted.end
            ));
        }
        Ok(Seeds::new(wanted))
    }

    /// The descent of a run that was trained by `now` and kept the weights `keep`; the error says why it cannot go further.
    fn descent(&self, now: Descent, keep: Keep) -> Result<Descent, String> {
        let taken = now.max_steps;
        let max_steps = self.max_steps.unwrap_or(taken);
        if max_steps < taken {
            return Err(format!(
                "its networks took up to {taken} steps, and --max-steps {max_steps} is fewer: it is the number of steps in all"
            ));
        }
        if max_steps > taken && keep != Keep::All {
            return Err(format!(
                "it was made with --keep {}, so the weights from which to train on are not there. Start another run with \
                 --max-steps {max_steps}",
                if keep == Keep::Converged { "converged" } else { "summary" }
            ));
        }
        Ok(Descent { max_steps, ..now })
    }
}

impl Run {
    /// The experiment of this run extended by `more`; `None` where the run is that already.
    ///
    /// # Errors
    /// [`RunError::NoExtension`] where the result could not be that of one run that was asked for it from the start, and as
    /// [`Run::check_complete`] and [`Run::experiment`].
    pub fn extended(&self, more: &More) -> Result<Option<Experiment>, RunError> {
        let refused = |reason: String| RunError::NoExtension { dir: self.dir().to_owned(), reason };
        let Manifest { spec, state, version: then, .. } = self.manifest();
        let Work::Sweep { first_seed, seeds, shard_of, descent } = spec.work else {
            return Err(refused("its networks came from a file: evaluate a file with more of them".into()));
        };
        if *state != State::Finished {
            let dir = self.dir().display();
            return Err(refused(format!("it is not finished. Finish it first: sharpsweep resume {dir}")));
        }
        if let Some(whole) = shard_of {
            return Err(refused(format!(
                "it is a shard of the seeds {}..{}, and the other shards would no longer fit it. Join them with sharpsweep \
                 merge and extend the whole",
                whole.first_seed,
                whole.end()
            )));
        }
        let now = (Seeds { first_seed, seeds }, descent);
        let extended = (more.seeds(now.0).map_err(refused)?, more.descent(descent, spec.keep).map_err(refused)?);
        self.check_complete()?;
        if extended == now {
            return Ok(None);
        }
        let version = env!("CARGO_PKG_VERSION");
        if then != version {
            return Err(refused(format!(
                "sharpsweep {then} made it, and the numbers of {version} can be others. Extend it with {then}, or sweep again \
                 elsewhere"
            )));
        }
        self.check_columns()?;
        let mut experiment = self.experiment()?;
        let (Seeds { first_seed, seeds }, descent) = extended;
        experiment.spec.work = Work::Sweep { first_seed, seeds, shard_of: None, descent };
        Ok(Some(experiment))
    }
}
