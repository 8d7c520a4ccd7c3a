//! Critical points that stand for the same minimum: by the paper's rule (Appendix C), or by the maps that keep a
//! network the same ([`same_networks`]).
//!
//! The paper's rule: the threshold is mean - 3 std of all pairwise Euclidean distances between the points, with the
//! population's standard deviation (divided by the number of pairs, NumPy's default); among points nearer to each other
//! than that, only the first is kept. Exactly: in order, a point is dropped if an earlier kept point is nearer than the
//! threshold, and kept otherwise.

mod distances;
mod first;
mod forest;
mod layered;
mod matching;
mod rows;
mod symmetry;

use std::fmt;

use ndarray::ArrayView2;

use super::AnalysisError;
use distances::{all_pairs, sampled_pairs};
use first::{Sameness, first_of_each};
use rows::PointSet;

pub use symmetry::{
    ComparedNetworks, LambdaRatio, MOST_MATCHED, Maps, Nearness, Same, VALUES_WITHIN, WITHIN, same_networks,
    same_networks_within,
};

/// Up to this many points mean and standard deviation are those of all pairs; beyond, of [`SAMPLED_PAIRS`].
pub const EXACT_POINTS: usize = 100_000;

/// How many pairs are drawn, with replacement and always the same, from more than [`EXACT_POINTS`] points.
pub const SAMPLED_PAIRS: u64 = 1 << 24;

/// The pairs that mean and standard deviation of the distances are over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PairStatistics {
    /// All pairs.
    All {
        /// S (S-1) / 2.
        pairs: u64,
    },
    /// A sample.
    Sample {
        /// The number of pairs drawn.
        pairs: u64,
        /// The standard error of the threshold due to the sampling.
        threshold_error: f64,
    },
}

/// Which points are kept, and by what threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Duplicates {
    /// Whether each point is kept, (S,).
    pub kept: Vec<bool>,
    /// The first kept point that each point is a duplicate of, (S,): itself for a kept one.
    pub duplicate_of: Vec<usize>,
    /// Mean of the pairwise distances.
    pub mean: f64,
    /// Population standard deviation of the pairwise distances.
    pub std: f64,
    /// mean - 3 std. Where the distances scatter widely it is not above 0: then no two points are nearer, and all are
    /// kept.
    pub threshold: f64,
    /// Whether `mean` and `std` are exact or from a sample. The neighbours are exact either way.
    pub statistics: PairStatistics,
}

impl Duplicates {
    /// The number of points kept.
    pub fn unique(&self) -> usize {
        self.kept.iter().filter(|&&kept| kept).count()
    }
}

impl fmt::Display for Duplicates {
    /// One line that says what was found and how.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, mean, std, threshold, statistics, .. } = self;
        write!(f, "{} of {} points are unique: threshold {threshold:.6} = ", self.unique(), kept.len())?;
        write!(f, "mean {mean:.6} - 3 std {std:.6} of ")?;
        match statistics {
            PairStatistics::All { pairs } => write!(f, "all {pairs} pairwise distances")?,
            PairStatistics::Sample { pairs, threshold_error } => {
                write!(
                    f,
                    "{pairs} sampled pairwise distances (standard error of the threshold {threshold_error:.1e}); \
                     neighbours are exact, by a spatial index"
                )?;
            }
        }
        if *threshold <= 0.0 {
            write!(f, "; it is not above 0, so no point can count as a duplicate")?;
        }
        Ok(())
    }
}

/// Looks for duplicates among `points` (S, D), in the order of the rows.
///
/// Distances are f64, of the f32 coordinates as they are. The result does not depend on the number of threads or the
/// instruction set. Up to [`EXACT_POINTS`] everything is exact, in O(S^2 D) time and O(S D) memory (seconds to a minute
/// at 100,000 points); beyond, the statistics come from a stated sample, and the result says so. Neighbours are found
/// by a spatial index that the exact distance confirms.
///
/// # Errors
/// [`AnalysisError::TooFew`] for fewer than two points, [`AnalysisError::NotFinite`] for a coordinate that is not
/// finite, [`AnalysisError::TooMany`] for more than 2^32 - 1 points.
pub fn duplicates(points: ArrayView2<'_, f32>) -> Result<Duplicates, AnalysisError> {
    with_limits(points, EXACT_POINTS, SAMPLED_PAIRS)
}

fn with_limits(points: ArrayView2<'_, f32>, exact_points: usize, sampled: u64) -> Result<Duplicates, AnalysisError> {
    let count = points.nrows();
    if count < 2 {
        return Err(AnalysisError::TooFew { what: "a search for duplicates", of: "points", needed: 2, found: count });
    }
    if count > u32::MAX as usize {
        return Err(AnalysisError::TooMany { found: count, most: u32::MAX as usize });
    }
    let points = points.as_standard_layout();
    let dimensions = points.ncols();
    let rows = PointSet { values: points.as_slice().unwrap_or_default(), dimensions };
    if let Some((index, &value)) = rows.values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(AnalysisError::NotFinite { of: "the points' coordinates", index, value: f64::from(value) });
    }
    let (mean, std, statistics) = if count <= exact_points {
        let all = all_pairs(rows, count);
        (all.mean, all.std, PairStatistics::All { pairs: all.pairs })
    } else {
        let sample = sampled_pairs(rows, count, sampled);
        let threshold_error = sample.threshold_error();
        (sample.mean, sample.std, PairStatistics::Sample { pairs: sample.pairs, threshold_error })
    };
    let threshold = mean - 3.0 * std;
    let duplicate_of =
        if threshold > 0.0 { first_of_each(rows, count, &Nearer(threshold)) } else { (0..count).collect() };
    let kept = duplicate_of.iter().enumerate().map(|(i, &first)| first == i).collect();
    Ok(Duplicates { kept, duplicate_of, mean, std, threshold, statistics })
}

/// The paper's rule: nearer than this.
struct Nearer(f64);

impl Sameness for Nearer {
    fn radius(&self, _: u32) -> f64 {
        self.0
    }

    fn holds(&self, _: u32, _: u32) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::distances::euclidean;
    use super::{Duplicates, Nearer, PairStatistics, PointSet, duplicates, first_of_each, with_limits};
    use crate::model::philox4x32_10;

    /// `count` points in `clusters` clusters of the given spread, in `dimensions` dimensions.
    fn clustered(count: usize, dimensions: usize, clusters: usize, spread: f32) -> Array2<f32> {
        let unit = |a: usize, b: usize, purpose: u32| {
            philox4x32_10([a as u32, b as u32, purpose, 0], [9, 9])[0] as f32 / 4_294_967_296.0 - 0.5
        };
        Array2::from_shape_fn((count, dimensions), |(i, d)| {
            let cluster = philox4x32_10([i as u32, 0, 7, 0], [9, 9])[0] as usize % clusters;
            20.0 * unit(cluster, d, 0) + spread * unit(i, d, 1)
        })
    }

    /// The rule as it is written, one point after the other.
    fn by_definition(points: &Array2<f32>) -> Duplicates {
        let distance =
            |i: usize, j: usize| euclidean(points.row(i).as_slice().unwrap(), points.row(j).as_slice().unwrap());
        let count = points.nrows();
        let mut all = Vec::new();
        for i in 0..count {
            all.extend((i + 1..count).map(|j| distance(i, j)));
        }
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let std = (all.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
        let threshold = mean - 3.0 * std;
        let (mut kept, mut duplicate_of) = (Vec::new(), Vec::new());
        for j in 0..count {
            let first = (0..j).find(|&i| kept[i] && distance(i, j) < threshold);
            kept.push(first.is_none());
            duplicate_of.push(first.unwrap_or(j));
        }
        Duplicates {
            kept,
            duplicate_of,
            mean,
            std,
            threshold,
            statistics: PairStatistics::All { pairs: all.len() as u64 },
        }
    }

    #[test]
    fn the_fast_search_keeps_what_the_rule_keeps() {
        // Sizes on both sides of a block of 16, a leaf of 32 and a batch of 1024; dimensions on both sides of 8.
        for (count, dimensions) in [(2, 1), (15, 13), (17, 13), (33, 7), (64, 8), (1025, 9), (2500, 41)] {
            for (clusters, spread) in [(count / 2 + 1, 0.1), (3, 1.0), (1, 1.0)] {
                let points = clustered(count, dimensions, clusters, spread);
                let (found, expected) = (duplicates(points.view()).unwrap(), by_definition(&points));
                let context = format!("{count} x {dimensions}, {clusters} clusters");
                assert!((found.mean - expected.mean).abs() <= 1e-13 * expected.mean, "{context}");
                assert!((found.std - expected.std).abs() <= 1e-12 * expected.mean, "{context}");
                assert_eq!(found.kept, expected.kept, "{context}");
                assert_eq!(found.duplicate_of, expected.duplicate_of, "{context}");
            }
        }
    }

    /// The greedy rule with a chain: c is near b but not near a; b is dropped because of a, so c stays.
    #[test]
    fn a_point_near_a_dropped_one_only_is_kept() {
        let points = array![[0.0_f32, 0.0], [0.9, 0.0], [1.8, 0.0]];
        let rows = PointSet { values: points.as_slice().unwrap(), dimensions: 2 };
        assert_eq!(first_of_each(rows, 3, &Nearer(1.0)), [0, 0, 2]);
    }

    #[test]
    fn the_forest_agrees_with_the_rule_at_any_threshold() {
        let points = clustered(3000, 5, 200, 4.0);
        let rows = PointSet { values: points.as_slice().unwrap(), dimensions: 5 };
        for threshold in [0.01, 0.5, 1.0, 2.0, 5.0, 50.0] {
            let mut expected: Vec<usize> = Vec::new();
            for j in 0..3000 {
                let near = |&i: &usize| expected[i] == i && euclidean(rows.row(i), rows.row(j)) < threshold;
                expected.push((0..j).find(near).unwrap_or(j));
            }
            assert_eq!(first_of_each(rows, 3000, &Nearer(threshold)), expected, "{threshold}");
        }
    }

    #[test]
    fn one_pair_and_equal_points_are_no_duplicates_but_close_pairs_among_far_ones_are() {
        let pair = duplicates(array![[0.1_f32, 3.0], [0.7, 1.0]].view()).unwrap();
        assert_eq!(pair.kept, [true, true], "a single distance is its own mean: not nearer than the threshold");
        let equal = duplicates(Array2::ones((40, 3)).view()).unwrap();
        assert_eq!(equal.unique(), 40, "with all distances 0 nothing is nearer than the threshold 0");
        assert!(equal.to_string().contains("no point can count as a duplicate"), "{equal}");
        let mut spread: Array2<f32> = Array2::eye(60) * 10.0;
        let copy = spread.row(3).to_owned();
        spread.row_mut(40).assign(&copy);
        let found = duplicates(spread.view()).unwrap();
        assert_eq!((found.unique(), found.kept[3], found.kept[40]), (59, true, false), "{found}");
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let points = clustered(3000, 13, 900, 0.5);
        let with_threads = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (duplicates(points.view()).unwrap(), with_limits(points.view(), 100, 1 << 18).unwrap()))
        };
        assert_eq!(with_threads(1), with_threads(3));
    }

    #[test]
    fn sampled_statistics_agree_within_their_stated_error_and_are_said_to_be_sampled() {
        let points = clustered(3000, 13, 900, 0.5);
        let exact = duplicates(points.view()).unwrap();
        let sampled = with_limits(points.view(), 2999, 1 << 18).unwrap();
        let PairStatistics::Sample { pairs, threshold_error } = sampled.statistics else { panic!("{sampled}") };
        assert_eq!(pairs, 1 << 18);
        let off = (sampled.threshold - exact.threshold).abs();
        assert!(off <= 4.0 * threshold_error && threshold_error < 0.01 * exact.std, "{off} {threshold_error}");
        assert!(sampled.to_string().contains("262144 sampled"), "{sampled}");
        assert!(exact.to_string().contains("all 4498500 pairwise distances"), "{exact}");
    }

    #[test]
    fn points_that_cannot_be_compared_are_named() {
        assert!(duplicates(Array2::zeros((1, 3)).view()).is_err());
        let error = duplicates(array![[0.0_f32, 1.0], [f32::NAN, 1.0]].view()).unwrap_err();
        assert!(error.to_string().contains("value 2"), "{error}");
    }
}
