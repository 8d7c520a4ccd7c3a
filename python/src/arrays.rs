//! NumPy arrays to values of the crate, by copies, and back, without.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2};
use numpy::{Element, IntoPyArray, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sharpsweep::input::{self, GivenTheta, InputError, read_dataset, read_theta, read_weights, theta_columns};
use sharpsweep::model::{Dataset, Loss, Shape, Targets};
use sharpsweep::records::Values;
use sharpsweep::spec::{DataSource, SourcedDataset};
use sharpsweep::sweep::Columns;

use crate::errors::{Failure, error};

/// Numbers of a data set: an array, or the path of one.
#[derive(FromPyObject)]
pub(crate) enum Numbers<'py> {
    File(PathBuf),
    Array(PyReadonlyArrayDyn<'py, f64>),
}

/// Networks: an array, or the path of one.
#[derive(FromPyObject)]
pub(crate) enum Networks<'py> {
    File(PathBuf),
    Float32(PyReadonlyArrayDyn<'py, f32>),
    Float64(PyReadonlyArrayDyn<'py, f64>),
}

/// The data set of samples and labels that are called `names` in errors.
pub(crate) fn dataset(
    (x, q): (&Numbers<'_>, &Numbers<'_>),
    names: [&str; 2],
    loss: Loss,
) -> Result<SourcedDataset, InputError> {
    match (x, q) {
        (Numbers::Array(x), Numbers::Array(q)) => {
            let copied = |array: &PyReadonlyArrayDyn<'_, f64>| array.as_array().to_owned();
            let data = input::dataset((Path::new(names[0]), copied(x)), (Path::new(names[1]), copied(q)), loss)?;
            Ok((data, DataSource::Arrays))
        }
        (Numbers::File(x), Numbers::File(q)) => {
            let source = DataSource::Files { x: x.display().to_string(), q: q.display().to_string() };
            Ok((read_dataset(x, q, loss)?, source))
        }
        _ => {
            let problem = "samples and labels must both be arrays, or both be paths of .npy files".into();
            Err(InputError { path: names[0].into(), problem })
        }
    }
}

/// The weights of samples, called `sample_weights` in errors.
pub(crate) fn weights(weights: &Numbers<'_>) -> Result<Array1<f64>, InputError> {
    match weights {
        Numbers::File(path) => read_weights(path),
        Numbers::Array(array) => input::sample_weights(Path::new("sample_weights"), array.as_array().to_owned()),
    }
}

impl Networks<'_> {
    /// D; `None` for what is no matrix.
    pub(crate) fn columns(&self) -> Result<Option<usize>, InputError> {
        let shape = match self {
            Self::File(path) => return theta_columns(path),
            Self::Float32(theta) => theta.shape(),
            Self::Float64(theta) => theta.shape(),
        };
        Ok(if let [_, columns] = *shape { Some(columns) } else { None })
    }
}

/// The networks of `shape` in `theta`.
pub(crate) fn networks(theta: &Networks<'_>, shape: Shape) -> PyResult<GivenTheta> {
    fn copied<T: Element + Copy>(theta: &PyReadonlyArrayDyn<'_, T>, shape: Shape) -> Result<Array2<T>, InputError> {
        let name = Path::new("theta");
        input::check_theta_shape(name, theta.shape(), shape)?;
        let dim = (theta.shape()[0], theta.shape()[1]);
        Array2::from_shape_vec(dim, theta.as_array().iter().copied().collect())
            .map_err(|shape| InputError { path: name.into(), problem: shape.to_string() })
    }
    let given = match theta {
        Networks::File(path) => return read_theta(path, shape).map_err(|error| error.raised()),
        Networks::Float32(theta) => copied(theta, shape).map(GivenTheta::Float32),
        Networks::Float64(theta) => copied(theta, shape).map(GivenTheta::Float64),
    };
    given.and_then(|given| input::checked_theta(Path::new("theta"), given, shape)).map_err(|error| error.raised())
}

/// The columns as NumPy arrays that own them.
pub(crate) fn to_numpy<'py>(py: Python<'py>, columns: Columns) -> PyResult<Bound<'py, PyDict>> {
    fn array<'py, T: Element>(py: Python<'py>, values: Vec<T>, width: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        let Some(width) = width else { return Ok(Array1::from_vec(values).into_pyarray(py).into_any()) };
        let rows = values.len() / width.max(1);
        let values = Array2::from_shape_vec((rows, width), values).map_err(|shape| error(&shape.to_string()))?;
        Ok(values.into_pyarray(py).into_any())
    }
    let found = PyDict::new(py);
    for (column, values) in columns.columns {
        let values = match values {
            Values::Uint8(values) => array(py, values, column.width),
            Values::Uint32(values) => array(py, values, column.width),
            Values::Uint64(values) => array(py, values, column.width),
            Values::Float32(values) => array(py, values, column.width),
            Values::Float64(values) => array(py, values, column.width),
        }?;
        found.set_item(column.name, values)?;
    }
    Ok(found)
}

/// The arrays of `train` and `test`, by name.
pub(crate) fn data_to_numpy<'py>(
    py: Python<'py>,
    train: &Dataset,
    test: Option<&Dataset>,
) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    for (data, [x, q]) in std::iter::once((train, ["x", "q"])).chain(test.map(|test| (test, ["test_x", "test_q"]))) {
        found.set_item(x, data.x().to_owned().into_pyarray(py))?;
        match data.targets() {
            Targets::Labels(t) | Targets::Values(t) if t.ncols() == 1 => {
                found.set_item(q, t.column(0).to_owned().into_pyarray(py))
            }
            Targets::Labels(t) | Targets::Values(t) => found.set_item(q, t.to_owned().into_pyarray(py)),
            Targets::Classes { of, .. } => {
                found.set_item(q, of.iter().map(|&class| class as i64).collect::<Array1<i64>>().into_pyarray(py))
            }
        }?;
    }
    if let Some(weights) = train.weights() {
        found.set_item("sample_weights", weights.to_owned().into_pyarray(py))?;
    }
    Ok(found)
}

/// Fails with the command line's advice where NumPy's type `descr` of the array called `name` is not one of numbers.
#[pyfunction]
pub(crate) fn check_type(name: &str, called: &str, labels: bool, descr: &str) -> PyResult<()> {
    input::check_type(Path::new(name), called, labels, descr).map_err(|error| error.raised())
}
