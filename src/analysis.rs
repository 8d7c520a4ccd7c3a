//! Questions to a finished sweep: which critical points are the same, how well networks classify, whether two groups of
//! networks differ.
//!
//! - [`duplicates`]: critical points that stand for the same minimum, by the paper's rule (Appendix C);
//! - [`same_networks`]: networks that are the same up to the order and the signs of their hidden units;
//! - [`distinct_ends`]: the different ends of many descents, their basins, and how many more there are;
//! - [`macro_f1`], [`macro_f1_of_each`]: classification by macro F1;
//! - [`Scorer`]: macro F1 and accuracy for any number of classes, R^2, and the loss on test data;
//! - [`mann_whitney`]: whether one group's values are higher than another's;
//! - [`rank_correlation`]: whether one value of a network rises with another;
//! - [`Rise`]: whether a descent goes on downwards, and the step with which it would;
//! - [`quantiles`]: quantiles by NumPy's default.
//!
//! Nothing here drops a value silently: NaN is an error that says where, and the caller decides which networks to ask
//! about.

mod duplicates;
mod ends;
mod f1;
mod mann_whitney;
mod quantiles;
mod ranks;
mod rise;
mod scores;
mod spearman;

pub use duplicates::{
    ComparedNetworks, Duplicates, EXACT_POINTS, LambdaRatio, MOST_MATCHED, Maps, Nearness, PairStatistics,
    SAMPLED_PAIRS, Same, VALUES_WITHIN, WITHIN, duplicates, same_networks, same_networks_within,
};
pub use ends::{Basin, DistinctEnds, END_NEARNESS, distinct_ends};
pub use f1::{macro_f1, macro_f1_of_each};
pub use mann_whitney::{MannWhitney, mann_whitney};
pub use quantiles::{median, quantiles, streamed_quantiles};
pub use rise::{Rise, STEPS};
pub use scores::{Scorer, Scores};
pub use spearman::{RankCorrelation, rank_correlation};

/// Why values cannot be analysed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnalysisError {
    /// The samples have no label each.
    #[error("the samples have no labels of 0 and 1")]
    NoLabels,
    /// There is too little to say anything.
    #[error("{what} needs at least {needed} {of}, but there are {found}")]
    TooFew {
        /// What was to be computed.
        what: &'static str,
        /// What is counted.
        of: &'static str,
        /// How many are needed.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A value is NaN, or infinite where that means nothing.
    #[error("value {index} of {of} is {value}: leave out networks that did not converge to finite values")]
    NotFinite {
        /// Which values.
        of: &'static str,
        /// The position of the first such value (row-major for points).
        index: usize,
        /// The value.
        value: f64,
    },
    /// Two lists that belong together differ in length.
    #[error("there are {predictions} predictions for {labels} labels")]
    Lengths {
        /// Predictions given.
        predictions: usize,
        /// Labels given.
        labels: usize,
    },
    /// Two lists of pairs differ in length.
    #[error("{first} values cannot be paired with {second}")]
    Unpaired {
        /// Values in the first.
        first: usize,
        /// Values in the second.
        second: usize,
    },
    /// A quantile's level lies outside 0 to 1.
    #[error("{level} is no quantile level: it must be between 0 and 1")]
    Level {
        /// The level given.
        level: f64,
    },
    /// Networks and test samples do not fit each other.
    #[error(
        "networks with {inputs} inputs and {parameters} parameters do not fit test samples with {sample_inputs} inputs \
         and theta with {columns} columns"
    )]
    Shape {
        /// M of the networks.
        inputs: usize,
        /// D of the networks.
        parameters: usize,
        /// Inputs of a test sample.
        sample_inputs: usize,
        /// Columns of theta.
        columns: usize,
    },
    /// Columns of networks do not fit each other.
    #[error("there are {found} {what} where there must be {expected}")]
    Columns {
        /// What there are too few or too many of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// Networks whose hidden units are not matched.
    #[error(
        "networks of the widths {widths} with {activation} units: with several hidden layers, linear units are matched \
         by function alone, relu and square by symmetry alone; take the other with --by, or compare weights as they \
         stand with --by distance"
    )]
    NotMatched {
        /// N_0 .. N_P.
        widths: String,
        /// Their activation.
        activation: &'static str,
    },
    /// There are more hidden units than can be matched.
    #[error(
        "networks with {hidden} hidden units are too wide: hidden units are matched up to {most}; compare weights as \
         they stand, with --by distance"
    )]
    TooWide {
        /// N of the networks.
        hidden: usize,
        /// The most there may be.
        most: usize,
    },
    /// There are more points than an index of 32 bits can name.
    #[error("{found} points are more than the {most} that duplicates can be looked for among at once")]
    TooMany {
        /// Points given.
        found: usize,
        /// The most there may be.
        most: usize,
    },
}
