//! Giving a finished run more seeds or more steps.

use std::path::Path;

use ndarray::Array2;

use super::{Sitting, SittingError};
use crate::backend::Choice;
use crate::engine::{Description, Engine};
use crate::run::{Earlier, Extension, Longer, More, Run, RunError};
use crate::spec::{Experiment, Work};
use crate::sweep::{Sweep, admit};

/// Opens the run in `dir`, which an extension that was cut off may have left beside its place.
///
/// # Errors
/// [`RunError`] if there is none, or the system refuses.
pub fn open(dir: &Path) -> Result<Run, RunError> {
    Extension::recover(dir)?;
    Run::open(dir)
}

/// Ends what a crash left undone of the finished `run` and of its extensions. A sentence if an extension was begun that
/// is not finished.
///
/// # Errors
/// [`RunError`] if the system refuses.
pub fn tidy(run: &Run) -> Result<Option<String>, RunError> {
    run.tidy()?;
    Ok(Extension::tidy(run)?.map(|begun| {
        let (begun, dir) = (begun.display(), run.dir().display());
        format!(
            "{begun} holds an extension of {dir} that was begun: the command that began it goes on with it; without \
             that folder it is given up"
        )
    }))
}

impl Sitting<'_> {
    /// Opens the engine that extends `run` to `experiment`, with its description and how it was chosen.
    ///
    /// # Errors
    /// [`SittingError`] if the engine does not take the longer run, or is not that of the run.
    pub fn engine_to_extend(
        &self,
        run: &Run,
        experiment: &Experiment,
    ) -> Result<(Box<dyn Engine>, Description, Choice), SittingError> {
        let choice = self.choice.as_begun(&run.manifest().engine);
        let mut engine = choice.open()?;
        admit(experiment, engine.as_mut())?;
        if let (Work::Sweep { descent: then, .. }, Work::Sweep { descent: now, .. }) =
            (&run.manifest().spec.work, &experiment.spec.work)
            && then.max_steps < now.max_steps
        {
            // No network takes no time, and is refused where any other would be.
            let none = Array2::zeros((0, experiment.problem.network.parameters()));
            engine.train_on(&experiment.problem, now, none.view(), then.max_steps)?;
        }
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        run.check_engine(&description)?;
        Ok((engine, description, choice))
    }

    /// Gives the finished run in `dir` the seeds or steps of `more`, which it does not have yet.
    ///
    /// # Errors
    /// [`SittingError`]. The run is then as it was, and the same call goes on with what is there of the longer one.
    pub fn extend(&self, dir: &Path, more: &More) -> Result<(), SittingError> {
        let place = Extension::of(dir)?;
        // In its place nobody else changes it; what was read before may be older.
        let run = Run::open(dir)?;
        let Some(experiment) = run.extended(more)? else {
            let dir = dir.display();
            self.listener.notice(&format!("{dir} was extended by another process meanwhile: nothing to do"));
            return Ok(());
        };
        let (engine, description, choice) = self.engine_to_extend(&run, &experiment)?;
        let earlier = Earlier::open(&run, &experiment.spec)?;
        let (longer, unusable) = place.begin(&run, &experiment, &description)?;
        if let Some(error) = unusable {
            self.listener.notice(&format!("{error}\nthat was a part of this extension, which is begun again"));
        }
        if let Longer::Unfinished(writer) = longer {
            let sitting = Sitting { choice: &choice, ..*self };
            let sweep = Sweep { earlier: Some(&earlier), ..sitting.sweep(&experiment, None) };
            sitting.carry_out(&sweep, engine, *writer)?;
        }
        drop(earlier);
        let others = place.publish(&run).map_err(|error| match error {
            // What is there now is not the run that was extended: the error says what to do.
            RunError::Replaced(_) | RunError::Stopped => error.into(),
            error => SittingError::NotInPlace(error),
        })?;
        if !others.kept.is_empty() {
            let kept = others.kept.join(", ");
            self.listener.notice(&format!("kept as they are, of the run before it was extended: {kept}"));
        }
        for name in others.outdated {
            self.listener.notice(&format!(
                "{name}.npy was of the run before it was extended and is gone; sharpsweep duplicates makes it anew"
            ));
        }
        Ok(())
    }
}
