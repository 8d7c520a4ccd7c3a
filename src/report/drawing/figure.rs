//! A finished figure: drawing, caption and the numbers behind it.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array1, ArrayD};
use ndarray_npy::WriteNpyExt;

use super::canvas::Canvas;
use crate::analysis::AnalysisError;

/// One figure, ready to be saved or placed in a report.
#[derive(Debug, Clone)]
pub struct Figure {
    /// File stem, such as `figure-02`.
    pub name: String,
    /// One line, such as `Figure 2 · The bound against the largest eigenvalue`.
    pub title: String,
    /// What is shown, with counts and everything left out of the drawing.
    pub caption: String,
    /// The drawing as an SVG document, 85 mm wide.
    pub svg: String,
    /// The same as a PNG image of about 500 dots per inch.
    pub png: Vec<u8>,
    /// The numbers drawn (before any thinning), by name.
    pub data: Vec<(String, ArrayD<f64>)>,
}

/// A figure that could not be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// The file stem that it would have.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Why it is not there, as a clause.
    pub why: String,
}

/// Why a figure could not be drawn or saved.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// There are not enough usable values.
    #[error("{figure} needs {what}, at least {needed}, but there {}", count(*found))]
    TooFew {
        /// Which figure.
        figure: &'static str,
        /// What is counted.
        what: &'static str,
        /// How many are needed.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// Arrays that belong together differ in length.
    #[error("{figure}: {what}")]
    Mismatch {
        /// Which figure.
        figure: &'static str,
        /// Which arrays differ, and how.
        what: String,
    },
    /// Values that have no quantiles.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// The drawing failed.
    #[error("{figure} could not be drawn: {what}")]
    Draw {
        /// Which figure.
        figure: String,
        /// What the drawing library said.
        what: String,
    },
    /// A file could not be written.
    #[error("cannot write {}: {what}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        what: String,
    },
}

fn count(found: usize) -> String {
    match found {
        0 => "are none".into(),
        1 => "is only 1".into(),
        _ => format!("are only {found}"),
    }
}

impl Figure {
    /// Renders `canvas`.
    pub(crate) fn new(name: &str, title: &str, caption: String, canvas: Canvas) -> Result<Self, FigureError> {
        let (svg, png) = canvas.render().map_err(|what| FigureError::Draw { figure: title.to_owned(), what })?;
        Ok(Self { name: name.into(), title: title.into(), caption, svg, png, data: Vec::new() })
    }

    /// Adds a column of numbers to the data.
    pub(crate) fn with_column(self, name: &str, values: &[f64]) -> Self {
        self.with_array(name, Array1::from(values.to_vec()).into_dyn())
    }

    /// Adds an array to the data.
    pub(crate) fn with_array(mut self, name: &str, values: ArrayD<f64>) -> Self {
        self.data.push((name.to_owned(), values));
        self
    }

    /// The figure as files, by path and content: `NAME.svg`, `NAME.png` and one `NAME/COLUMN.npy` per array of data.
    ///
    /// # Errors
    /// [`FigureError::Write`] for an array that no `.npy` file can hold.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, FigureError> {
        let mut files = vec![
            (format!("{}.svg", self.name), self.svg.clone().into_bytes()),
            (format!("{}.png", self.name), self.png.clone()),
        ];
        for (name, values) in &self.data {
            let name = format!("{}/{name}.npy", self.name);
            let mut content = Vec::new();
            values.write_npy(&mut content).map_err(|error| failed(Path::new(&name), &error))?;
            files.push((name, content));
        }
        Ok(files)
    }

    /// Writes [`Self::files`] into `directory`, over whatever is there.
    ///
    /// # Errors
    /// [`FigureError::Write`] names the file.
    pub fn save(&self, directory: &Path) -> Result<(), FigureError> {
        for (name, content) in self.files()? {
            let path = directory.join(name);
            let folder = path.parent().unwrap_or(directory);
            fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
            fs::write(&path, content).map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> FigureError {
    FigureError::Write { path: path.to_owned(), what: error.to_string() }
}
