//! A grid: one directory with a run for every combination of parameters, and `grid.json` that lists them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout::{self, FORMAT, GRID};
use super::{RunError, RunWriter, Staging, check_space};
use crate::engine::Description;
use crate::model::{Activation, HiddenLayers};
use crate::records::Column;
use crate::spec::Experiment;

/// The runs of a grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// The layout's version, the same as in the runs.
    pub format: u32,
    /// The runs, each in a folder of its name.
    pub runs: Vec<GridRun>,
}

/// One run of a grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GridRun {
    /// The run's folder in the grid's directory.
    pub name: String,
    /// The widths of the hidden layers.
    pub hidden: HiddenLayers,
    /// f, the activation function.
    pub activation: Activation,
    /// eta, the step size.
    pub step_size: f64,
    /// The seed of its data; `None` in a grid whose runs all have the same data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_seed: Option<u64>,
}

/// A run that a grid is created with.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its parameters and name.
    pub run: GridRun,
    /// What it computes.
    pub experiment: Experiment,
    /// What computes it.
    pub engine: Description,
    /// Its columns.
    pub columns: Vec<Column>,
}

impl GridRun {
    /// The run with these parameters, named after them.
    pub fn new(
        hidden: impl Into<HiddenLayers>,
        activation: Activation,
        step_size: f64,
        data_seed: Option<u64>,
    ) -> Self {
        let hidden = hidden.into();
        let data = data_seed.map_or_else(String::new, |data_seed| format!("-data{data_seed}"));
        let name = format!("{}-{}-eta{}{data}", activation.name(), layers_in_names(&hidden), number(step_size));
        Self { name, hidden, activation, step_size, data_seed }
    }
}

/// Hidden layers in the name of a folder: `n3`, `n8x8` or `none`.
pub fn layers_in_names(hidden: &HiddenLayers) -> String {
    if hidden.widths().is_empty() { hidden.to_string() } else { format!("n{hidden}") }
}

/// The longest number that is written without an exponent where one with it is shorter.
const PLAIN: usize = 9;

/// `value` in the fewest digits that distinguish it from every other, with an exponent where that is shorter and saves
/// rows of zeros.
pub fn number(value: f64) -> String {
    let (plain, short) = (value.to_string(), format!("{value:e}"));
    if plain.len() <= PLAIN.max(short.len()) { plain } else { short }
}

impl Grid {
    /// Creates the grid `dir` with a run for each of `runs`, without any computed row. It appears whole.
    ///
    /// # Errors
    /// [`RunError::Exists`] if `dir` holds anything, [`RunError::Io`] if the system refuses.
    pub fn create(dir: &Path, runs: &[NewRun]) -> Result<Self, RunError> {
        check_space(dir, runs.iter().map(|new| (new.experiment.spec.rows(), new.columns.as_slice())))?;
        let staging = Staging::new(dir)?;
        for NewRun { run, experiment, engine, columns } in runs {
            RunWriter::create(&staging.path().join(&run.name), experiment, engine.clone(), columns.clone())?;
        }
        let grid = Self { format: FORMAT, runs: runs.iter().map(|new| new.run.clone()).collect() };
        grid.write(staging.path())?;
        staging.publish()?;
        Ok(grid)
    }

    /// Reads the grid in `dir`.
    ///
    /// # Errors
    /// [`RunError::Manifest`] for a list that this version cannot read.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join(GRID);
        let grid: Self = layout::read(&path)?.ok_or_else(|| RunError::NoGrid(dir.to_owned()))?;
        layout::check_names(&path, "runs", grid.runs.iter().map(|run| &run.name))?;
        Ok(grid)
    }

    /// Writes the list into the folder `dir`, which is still being built.
    pub(super) fn write(&self, dir: &Path) -> Result<(), RunError> {
        layout::replace(&dir.join(GRID), self, || Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::GridRun;
    use crate::model::{Activation, HiddenLayers};

    #[test]
    fn the_folder_of_any_step_size_has_a_short_name() {
        let name = |step_size| GridRun::new(3, Activation::Tanh, step_size, None).name;
        assert_eq!(name(0.1), "tanh-n3-eta0.1");
        assert_eq!(GridRun::new(3, Activation::Tanh, 0.1, Some(7)).name, "tanh-n3-eta0.1-data7");
        let layers =
            |hidden: &str| GridRun::new(hidden.parse::<HiddenLayers>().unwrap(), Activation::Tanh, 0.1, None).name;
        assert_eq!([layers("8x8"), layers("none")], ["tanh-n8x8-eta0.1", "tanh-none-eta0.1"]);
        assert_eq!(name(1e-7), "tanh-n3-eta0.0000001");
        assert_eq!(name(1e-300), "tanh-n3-eta1e-300");
        assert_eq!(
            (name(1e30), name(1e20), name(1e-9)),
            ("tanh-n3-eta1e30".into(), "tanh-n3-eta1e20".into(), "tanh-n3-eta1e-9".into())
        );
        assert_eq!(name(12_345.678), "tanh-n3-eta12345.678");
        assert_ne!(name(0.1 + 0.2), name(0.3));
        for step_size in [f64::MAX, f64::MIN_POSITIVE, 5e-324, 1.0 / 3.0, 1e23 / 7.0] {
            assert!(name(step_size).len() < 40, "{}", name(step_size));
        }
    }
}
