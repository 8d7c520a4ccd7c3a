//! What is wrong with arrays that are to be a data set.

use super::ShapeError;

/// Why arrays do not make a data set, or why none can be drawn.
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
    /// More samples than can be drawn.
    #[error("{samples} samples are too many: at most {} can be drawn", u32::MAX)]
    TooMany {
        /// How many were asked for.
        samples: usize,
    },
    /// A number of drawn data outside its range.
    #[error("{what} is {value}: it must be {must}")]
    Parameter {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        must: String,
    },
    /// A teacher that is no network.
    #[error("the teacher of the data is no network: {0}")]
    Teacher(ShapeError),
    /// x and q disagree about the number of samples.
    #[error("x has {x} rows but q has {q} targets: each sample needs exactly one")]
    Lengths {
        /// Rows of x.
        x: usize,
        /// Rows of q.
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
    /// More classes than the loss tells apart.
    #[error("the data have {count} classes, but the logistic loss tells two apart: use --loss softmax")]
    TwoClasses {
        /// K, the number of classes.
        count: usize,
    },
    /// Classes that leave nothing to tell apart.
    #[error("all samples are of class 0: the softmax loss tells two classes or more apart")]
    OneClass,
    /// A class beyond the last.
    #[error("q[{sample}] is class {class} of {count}: classes count from 0")]
    Class {
        /// Position of the class.
        sample: usize,
        /// The class found.
        class: usize,
        /// K, the number of classes.
        count: usize,
    },
    /// A target value that no engine can compute with.
    #[error("q[{sample}, {output}] is {value}: every value must be finite and within the range of f32")]
    TargetNotFinite {
        /// Row of the value.
        sample: usize,
        /// Column of the value.
        output: usize,
        /// The value found.
        value: f64,
    },
    /// x and the weights disagree about the number of samples.
    #[error("x has {x} rows but there are {weights} sample weights: each sample needs exactly one")]
    WeightLengths {
        /// Rows of x.
        x: usize,
        /// How many weights there are.
        weights: usize,
    },
    /// A weight that no engine can compute with.
    #[error("the weight of sample {sample} is {value}: weights must be above 0 and within the range of f32")]
    Weight {
        /// Position of the weight.
        sample: usize,
        /// The value found.
        value: f64,
    },
}

impl DataError {
    /// The error about `what`, which is `value`.
    pub(super) fn parameter(what: &'static str, value: impl ToString, must: impl Into<String>) -> Self {
        Self::Parameter { what, value: value.to_string(), must: must.into() }
    }
}
