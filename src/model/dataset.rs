//! Labelled samples, checked once so that no engine has to.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// I samples x_i in R^M (row i of `x`) with labels q_i in {0, 1}.
///
/// Values are f64; engines that compute in f32 round them once, to nearest.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    x: Array2<f64>,
    q: Array1<f64>,
}

/// Why arrays are no data set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DataError {
    /// No samples or no inputs.
    #[error("x has the shape ({samples}, {inputs}): it needs at least one sample (row) and one input (column)")]
    Empty {
        /// Rows of x.
        samples: usize,
        /// Columns of x.
        inputs: usize,
    },
    /// More samples than are drawn.
    #[error("{samples} samples are too many: at most {} are drawn", u32::MAX)]
    TooMany {
        /// How many were asked for.
        samples: usize,
    },
    /// x and q disagree about the number of samples.
    #[error("x has {x} rows but q has {q} labels: each sample needs exactly one label")]
    Lengths {
        /// Rows of x.
        x: usize,
        /// Labels in q.
        q: usize,
    },
    /// A value that no engine can compute with.
    #[error("x[{sample}, {input}] is {value}: every value must be finite and within the range of f32")]
    NotFinite {
        /// Row of the value.
        sample: usize,
        /// Column of the value.
        input: usize,
        /// The value found.
        value: f64,
    },
    /// A label other than 0 and 1.
    #[error("q[{sample}] is {value}: labels must be 0 or 1")]
    Label {
        /// Position of the label.
        sample: usize,
        /// The value found.
        value: f64,
    },
}

impl Dataset {
    /// Checks `x` (I, M) and `q` (I,) and makes them a data set.
    ///
    /// # Errors
    /// [`DataError`] names the first value or size that cannot be used.
    pub fn new(x: Array2<f64>, q: Array1<f64>) -> Result<Self, DataError> {
        let (samples, inputs) = x.dim();
        if samples == 0 || inputs == 0 {
            return Err(DataError::Empty { samples, inputs });
        }
        if q.len() != samples {
            return Err(DataError::Lengths { x: samples, q: q.len() });
        }
        let unusable = |v: f64| !v.is_finite() || v.abs() > f64::from(f32::MAX);
        if let Some(((sample, input), &value)) = x.indexed_iter().find(|&(_, &v)| unusable(v)) {
            return Err(DataError::NotFinite { sample, input, value });
        }
        if let Some((sample, &value)) = q.indexed_iter().find(|&(_, &v)| !is_label(v)) {
            return Err(DataError::Label { sample, value });
        }
        // Row-major whatever the file's order was: engines read rows as slices.
        let x = if x.is_standard_layout() { x } else { x.as_standard_layout().into_owned() };
        Ok(Self { x, q })
    }

    /// I, the number of samples.
    pub fn samples(&self) -> usize {
        self.x.nrows()
    }

    /// M, the number of inputs of a sample.
    pub fn inputs(&self) -> usize {
        self.x.ncols()
    }

    /// All samples, (I, M), row-major.
    pub fn x(&self) -> ArrayView2<'_, f64> {
        self.x.view()
    }

    /// All labels, (I,), each exactly 0.0 or 1.0.
    pub fn q(&self) -> ArrayView1<'_, f64> {
        self.q.view()
    }

    /// Sample x_i.
    pub fn sample(&self, i: usize) -> ArrayView1<'_, f64> {
        self.x.row(i)
    }
}

#[expect(clippy::float_cmp, reason = "a label is exactly 0 or 1; NaN is neither")]
fn is_label(v: f64) -> bool {
    v == 0.0 || v == 1.0
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, ShapeBuilder, array};

    use super::{DataError, Dataset};

    #[test]
    fn fortran_order_gives_the_same_rows() {
        let c = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        let mut f = Array2::zeros((3, 2).f());
        f.assign(&c);
        let q = array![0.0, 1.0, 1.0];
        let data = Dataset::new(f, q.clone()).unwrap();
        assert_eq!(data, Dataset::new(c, q).unwrap());
        assert_eq!(data.sample(1).to_slice().unwrap(), [3.0, 4.0]);
    }

    #[test]
    fn unusable_values_are_named_with_their_place() {
        let x = array![[0.0, 1.0], [2.0, f64::NAN]];
        assert!(matches!(Dataset::new(x, array![0.0, 1.0]), Err(DataError::NotFinite { sample: 1, input: 1, .. })));
        let big = array![[1e39]];
        assert!(matches!(Dataset::new(big, array![0.0]), Err(DataError::NotFinite { .. })));
        let x = array![[0.0], [1.0]];
        assert_eq!(Dataset::new(x.clone(), array![0.0, 2.0]), Err(DataError::Label { sample: 1, value: 2.0 }));
        assert!(matches!(Dataset::new(x.clone(), array![0.0, f64::NAN]), Err(DataError::Label { .. })));
        assert_eq!(Dataset::new(x, array![0.0]), Err(DataError::Lengths { x: 2, q: 1 }));
        assert!(matches!(Dataset::new(Array2::zeros((0, 2)), Array1::zeros(0)), Err(DataError::Empty { .. })));
    }
}
