//! Arrays from users: from `.npy` files, in any of the types that NumPy is likely to have written, or from memory.

mod advice;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, ArrayD, Ix2};

use crate::fingerprint::Fingerprint;
use crate::model::{DataError, Dataset, Loss, MAX_PARAMETERS, OneHidden, Shape, Targets, Theta, is_label};
use crate::npy::{ElementType, ForeignType, NpyError, NpyFile, shown_shape};
use crate::records::Dtype;

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct InputError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it and what would help.
    pub problem: String,
}

impl InputError {
    fn new(path: &Path, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), problem: problem.into() }
    }
}

/// Samples from `x` (I, M), f32 or f64 or integer, and targets from `q`, any number type or bool, in the form that
/// `loss` takes:
///
/// - logistic: labels 0 and 1, (I,), or (I, K) for K outputs;
/// - softmax: class numbers from 0 on, (I,), or (I, K) with a single 1 in each row and 0 elsewhere;
/// - squared: any finite values, (I,), or (I, K) for K outputs.
///
/// (I, 1) counts as (I,). Class numbers leave open how many classes there are: as many as the largest of them asks for.
///
/// # Errors
/// [`InputError`] names the file and the first thing wrong with it.
pub fn read_dataset(x: &Path, q: &Path, loss: Loss) -> Result<Dataset, InputError> {
    let samples = read(x, open(x, false, "x")?)?;
    let targets = read(q, open(q, true, "q")?)?;
    dataset((x, samples), (q, targets), loss)
}

/// The data set of samples (I, M) and targets as in [`read_dataset`], each with the name that errors give it.
///
/// # Errors
/// [`InputError`] names the array and the first thing wrong with it.
pub fn dataset(
    (x, samples): (&Path, ArrayD<f64>),
    (q, targets): (&Path, ArrayD<f64>),
    loss: Loss,
) -> Result<Dataset, InputError> {
    let samples =
        matrix(x, samples, "x must be two-dimensional, (samples, inputs); for a single input use x.reshape(-1, 1)")?;
    let (rows, columns) = samples.dim();
    let shape = targets.shape().to_vec();
    let targets = self::targets(q, targets, loss, rows)?;
    let count = targets.samples();
    Dataset::new(samples, targets).map_err(|error| match error {
        DataError::Lengths { .. } if shape.len() == 2 && shape[1] == rows => {
            InputError::new(q, format!("{error}; if q holds one sample per column, save q.T"))
        }
        DataError::Lengths { .. } if count == columns && rows != columns => {
            InputError::new(q, format!("{error}; if x holds one sample per column, save x.T"))
        }
        DataError::Lengths { .. } | DataError::TargetNotFinite { .. } => InputError::new(q, error.to_string()),
        _ => InputError::new(x, error.to_string()),
    })
}

/// Weights of samples from `path`, (I,) or (I, 1), any number type.
///
/// # Errors
/// [`InputError`] names the file and what is wrong with it.
pub fn read_weights(path: &Path) -> Result<Array1<f64>, InputError> {
    sample_weights(path, read(path, open(path, false, "w")?)?)
}

/// The weights of samples in the array called `path`, (I,) or (I, 1).
///
/// # Errors
/// [`InputError`] names the array and its shape.
pub fn sample_weights(path: &Path, weights: ArrayD<f64>) -> Result<Array1<f64>, InputError> {
    let shape = weights.shape().to_vec();
    if !matches!(shape[..], [_] | [_, 1]) {
        let shape = shown_shape(&shape);
        let problem =
            format!("the array has the shape {shape}, but sample weights must be one-dimensional, (samples,)");
        return Err(InputError::new(path, problem));
    }
    Ok(weights.into_iter().collect())
}

/// The targets in the array called `path`, which belong to as many samples as `samples` says, in the form that `loss`
/// takes.
fn targets(path: &Path, targets: ArrayD<f64>, loss: Loss, samples: usize) -> Result<Targets, InputError> {
    let shape = targets.shape().to_vec();
    let values: Vec<f64> = targets.iter().copied().collect();
    let columns = match shape[..] {
        [_] | [_, 1] => 1,
        [rows, columns] if rows > 0 && columns > 0 && (rows == samples || rows > 1) => columns,
        _ => {
            let advice = if shape.len() == 2 { "save q.ravel()" } else { "save one row of targets per sample" };
            let shape = shown_shape(&shape);
            let problem = format!(
                "q has the shape {shape}, but {} must be one-dimensional, (samples,), or two-dimensional, (samples, \
                 outputs): {advice}",
                noun(loss)
            );
            return Err(InputError::new(path, problem));
        }
    };
    let array = |values: Vec<f64>| {
        Array2::from_shape_vec((values.len() / columns, columns), values)
            .map_err(|error| InputError::new(path, error.to_string()))
    };
    match loss {
        Loss::Squared => array(values).map(Targets::Values),
        Loss::Logistic => match values.iter().position(|&value| !is_label(value)) {
            None => array(values).map(Targets::Labels),
            Some(first) if columns == 1 => {
                let error = DataError::Label { sample: first, value: values[first] };
                Err(InputError::new(path, format!("{error}; {}", advice::of_labels(&values))))
            }
            Some(first) => {
                let (shape, value, advice) =
                    (shown_shape(&shape), values[first], advice::of_label_columns(columns, &values));
                let problem = format!(
                    "q has the shape {shape} and q[{}, {}] is {value}, but labels must be 0 or 1, one-dimensional, \
                     (samples,), or one column for each output: {advice}",
                    first / columns,
                    first % columns
                );
                Err(InputError::new(path, problem))
            }
        },
        Loss::Softmax => {
            let classes = if columns == 1 { numbered_classes(&values) } else { marked_classes(columns, &values) };
            classes.map_err(|problem| InputError::new(path, problem))
        }
    }
}

/// What the targets of `loss` are called.
const fn noun(loss: Loss) -> &'static str {
    match loss {
        Loss::Logistic => "labels",
        Loss::Softmax => "classes",
        Loss::Squared => "values",
    }
}

/// The classes that have the numbers `values`.
fn numbered_classes(values: &[f64]) -> Result<Targets, String> {
    let class = |&value: &f64| {
        let is_class = value >= 0.0 && value < MAX_PARAMETERS as f64 && value.fract() == 0.0;
        is_class.then_some(value as usize)
    };
    let of: Vec<usize> = values.iter().map_while(class).collect();
    match values.get(of.len()) {
        Some(value) => {
            let advice = advice::of_class_numbers(values);
            let most = MAX_PARAMETERS - 1;
            Err(format!("q[{}] is {value}: classes must be whole numbers from 0 to {most}; {advice}", of.len()))
        }
        None => {
            let count = of.iter().max().map_or(0, |&largest| largest + 1);
            Ok(Targets::Classes { of, count })
        }
    }
}

/// The classes that rows of `columns` values mark with a single 1 each.
fn marked_classes(columns: usize, values: &[f64]) -> Result<Targets, String> {
    let marked = |row: &[f64]| {
        let one = row.iter().position(|&value| value.to_bits() == 1.0_f64.to_bits())?;
        row.iter().enumerate().all(|(k, &value)| k == one || value == 0.0).then_some(one)
    };
    let of: Vec<usize> = values.chunks_exact(columns).map_while(marked).collect();
    match values.chunks_exact(columns).nth(of.len()) {
        Some(row) => {
            let advice = advice::of_class_columns(columns, values);
            let row = row.iter().take(6).map(f64::to_string).collect::<Vec<String>>().join(", ");
            let more = if columns > 6 { ", .." } else { "" };
            Err(format!(
                "row {} of q is [{row}{more}]: classes are numbers, (samples,), or rows with a single 1 and 0 \
                 elsewhere, (samples, classes); {advice}",
                of.len()
            ))
        }
        None => Ok(Targets::Classes { of, count: columns }),
    }
}

/// Fails where NumPy's type `descr`, such as `<U3`, is not one that arrays are read from; `labels` for those.
///
/// # Errors
/// [`InputError`] with `path` as the name of the array, the type and the NumPy expression that mends it.
pub fn check_type(path: &Path, name: &str, labels: bool, descr: &str) -> Result<(), InputError> {
    ElementType::parse(descr).map(|_| ()).ok_or_else(|| of_type(path, name, labels, &ForeignType::named(descr)))
}

/// Networks from a file, in the file's own precision.
#[derive(Debug, Clone, PartialEq)]
pub enum GivenTheta {
    /// (S, D), f32.
    Float32(Array2<f32>),
    /// (S, D), f64.
    Float64(Array2<f64>),
}

impl GivenTheta {
    /// The networks, (S, D).
    pub fn view(&self) -> Theta<'_> {
        match self {
            Self::Float32(theta) => Theta::Float32(theta.view()),
            Self::Float64(theta) => Theta::Float64(theta.view()),
        }
    }

    /// S, the number of networks.
    pub fn rows(&self) -> usize {
        self.view().nrows()
    }

    /// The type of the values.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::Float32(_) => Dtype::Float32,
            Self::Float64(_) => Dtype::Float64,
        }
    }

    /// A fingerprint of the values.
    pub fn hash(&self) -> String {
        let rows = 0..self.rows();
        rows.fold(Fingerprint::default(), |hash, row| hash.add_floats(&*self.view().network(row))).digits()
    }
}

/// Networks from `path`: (S, D) with the parameters of `shape`, f32 or f64.
///
/// # Errors
/// [`InputError`] names the file and the first thing wrong with it, with the D that was expected.
pub fn read_theta(path: &Path, shape: impl Into<Shape>) -> Result<GivenTheta, InputError> {
    let shape = shape.into();
    let failed = |error: NpyError| InputError::new(path, error.to_string());
    let file = open(path, false, "theta")?;
    // Checked before the data are read: a file with other columns may be any file.
    check_theta_shape(path, file.shape(), shape)?;
    let theta = match file.read::<f32>().map_err(failed)? {
        Some(theta) => GivenTheta::Float32(matrix(path, theta, THETA_SHAPE)?),
        None => GivenTheta::Float64(matrix(path, read(path, open(path, false, "theta")?)?, THETA_SHAPE)?),
    };
    checked_theta(path, theta, shape)
}

/// D of the networks in the file at `path`; `None` if it holds no rows of weights, which [`read_theta`] then says.
///
/// # Errors
/// [`InputError`] for a file that cannot be read as an array of numbers.
pub fn theta_columns(path: &Path) -> Result<Option<usize>, InputError> {
    match *open(path, false, "theta")?.shape() {
        [_, columns] => Ok(Some(columns)),
        _ => Ok(None),
    }
}

/// The networks `theta`, called `path` in errors, once they are known to be networks of `shape`.
///
/// # Errors
/// As [`read_theta`].
pub fn checked_theta(path: &Path, theta: GivenTheta, shape: Shape) -> Result<GivenTheta, InputError> {
    check_theta_shape(path, &[theta.rows(), theta.view().ncols()], shape)?;
    let unusable = |weight: &f64| !weight.is_finite() || weight.abs() > f64::from(f32::MAX);
    for row in 0..theta.rows() {
        let network = theta.view().network(row);
        if let Some(column) = network.iter().position(unusable) {
            let problem = format!(
                "theta[{row}, {column}] is {}: every weight must be finite and within the range of f32",
                network[column]
            );
            return Err(InputError::new(path, problem));
        }
    }
    Ok(theta)
}

/// Fails unless an array of shape `found`, called `path` in errors, holds networks of `shape`.
///
/// # Errors
/// As [`read_theta`].
pub fn check_theta_shape(path: &Path, found: &[usize], shape: Shape) -> Result<(), InputError> {
    let parameters = shape.parameters();
    let problem = match found {
        [0, _] => "theta holds no networks".into(),
        [_, columns] if *columns == parameters => return Ok(()),
        [_, columns] => {
            let network = match shape.one_hidden() {
                Some(OneHidden { inputs, hidden }) => {
                    format!("a network of M = {inputs} inputs and N = {hidden} hidden units has D = (M+1)N + N+1")
                }
                None => format!("a network of the widths {shape} has D"),
            };
            format!("theta has {columns} columns, but {network} = {parameters} parameters: check --hidden and --x")
        }
        other => format!("the array has the shape {}, but {THETA_SHAPE}", shown_shape(other)),
    };
    Err(InputError::new(path, problem))
}

const THETA_SHAPE: &str = "theta must be two-dimensional, (networks, parameters); for one network use theta[None]";

fn matrix<T>(path: &Path, array: ArrayD<T>, expected: &str) -> Result<Array2<T>, InputError> {
    let shape = array.shape().to_vec();
    array
        .into_dimensionality::<Ix2>()
        .map_err(|_| InputError::new(path, format!("the array has the shape {}, but {expected}", shown_shape(&shape))))
}

/// The array in the `file` at `path` as f64, whatever its number type.
fn read(path: &Path, file: NpyFile) -> Result<ArrayD<f64>, InputError> {
    let array = file.read().map_err(|error| InputError::new(path, error.to_string()))?;
    array.ok_or_else(|| InputError::new(path, "the array holds no numbers"))
}

/// Opens the array in `path`, which is called `name` in advice on types that are not read.
fn open(path: &Path, labels: bool, name: &str) -> Result<NpyFile, InputError> {
    NpyFile::open(path).map_err(|error| match error {
        NpyError::Type(ref found) => of_type(path, name, labels, found),
        NpyError::Io(error) if error.kind() == ErrorKind::NotFound => InputError::new(path, "there is no such file"),
        error => InputError::new(path, error.to_string()),
    })
}

/// The error about an array called `name` whose elements have the type `found`; `labels` for labels.
fn of_type(path: &Path, name: &str, labels: bool, found: &ForeignType) -> InputError {
    let advice = if labels { advice::of_label_type(found).into() } else { advice::of_number_type(found, name) };
    InputError::new(path, format!("{}: {advice}", NpyError::Type(found.clone())))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, ShapeBuilder, array};
    use ndarray_npy::write_npy;

    use super::{read_dataset, read_theta};
    use crate::model::{Loss, OneHidden};

    #[test]
    fn every_number_type_and_both_orders_give_the_same_data() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let x = array![[0.5, 1.0, -2.0], [3.0, 4.0, 0.25]];
        write_npy(path("x64.npy"), &x).unwrap();
        write_npy(path("x32.npy"), &x.mapv(|v| v as f32)).unwrap();
        let mut fortran = Array2::zeros((2, 3).f());
        fortran.assign(&x);
        write_npy(path("xf.npy"), &fortran).unwrap();
        write_npy(path("qb.npy"), &array![false, true]).unwrap();
        write_npy(path("qi.npy"), &array![0_i64, 1]).unwrap();
        write_npy(path("qf.npy"), &array![0.0_f32, 1.0]).unwrap();
        write_npy(path("qc.npy"), &array![[0_u8], [1]]).unwrap();
        let expected = read_dataset(&path("x64.npy"), &path("qf.npy"), Loss::Logistic).unwrap();
        for x in ["x64.npy", "x32.npy", "xf.npy"] {
            for q in ["qb.npy", "qi.npy", "qf.npy", "qc.npy"] {
                assert_eq!(read_dataset(&path(x), &path(q), Loss::Logistic).unwrap(), expected, "{x} {q}");
            }
        }
    }

    #[test]
    fn unusable_files_are_named_with_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        write_npy(path("x.npy"), &Array2::<f32>::zeros((2, 3))).unwrap();
        write_npy(path("q.npy"), &array![0.0, 1.0]).unwrap();
        write_npy(path("q2.npy"), &array![0.0, 2.0]).unwrap();
        write_npy(path("q3.npy"), &array![0.0, 1.0, 1.0]).unwrap();
        write_npy(path("cube.npy"), &ndarray::Array3::<f32>::zeros((2, 1, 1))).unwrap();
        write_npy(path("flat.npy"), &Array1::<f32>::zeros(6)).unwrap();
        write_npy(path("nan.npy"), &array![[f32::NAN], [0.0]]).unwrap();
        write_npy(path("empty.npy"), &Array2::<f32>::zeros((0, 3))).unwrap();
        std::fs::write(path("text.npy"), "x,y\n1,2\n").unwrap();
        std::fs::write(path("nothing.npy"), "").unwrap();
        let whole = std::fs::read(path("x.npy")).unwrap();
        std::fs::write(path("cut.npy"), &whole[..whole.len() - 3]).unwrap();
        let message = |x: &str, q: &str| read_dataset(&path(x), &path(q), Loss::Logistic).unwrap_err().to_string();
        for (x, q, file, says) in [
            ("missing.npy", "q.npy", "missing.npy", "no such file"),
            ("x.npy", "q2.npy", "q2.npy", "labels must be 0 or 1"),
            ("x.npy", "q3.npy", "q3.npy", "3 targets"),
            ("flat.npy", "q.npy", "flat.npy", "reshape"),
            ("nan.npy", "q.npy", "nan.npy", "finite"),
            ("empty.npy", "q.npy", "empty.npy", "at least one sample"),
            ("text.npy", "q.npy", "text.npy", "not a .npy file"),
            ("nothing.npy", "q.npy", "nothing.npy", "not a .npy file"),
            ("cut.npy", "q.npy", "cut.npy", "cut off"),
            ("x.npy", "cube.npy", "cube.npy", "q"),
        ] {
            let message = message(x, q);
            assert!(message.contains(file) && message.contains(says), "{x} {q}: {message}");
        }
    }

    #[test]
    fn theta_of_the_wrong_width_says_which_width_fits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("theta.npy");
        write_npy(&path, &Array2::<f32>::zeros((4, 12))).unwrap();
        let message = read_theta(&path, OneHidden::new(2, 3)).unwrap_err().to_string();
        assert!(message.contains("12 columns") && message.contains("13"), "{message}");
        write_npy(&path, &Array2::<f32>::from_elem((4, 13), f32::INFINITY)).unwrap();
        assert!(read_theta(&path, OneHidden::new(2, 3)).unwrap_err().to_string().contains("finite"));
    }
}
