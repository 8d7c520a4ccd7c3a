//! The different ends of many descents.

use std::fmt;

use super::AnalysisError;
use super::duplicates::{ComparedNetworks, Maps, Nearness, same_networks_within};

/// Polished networks are the same end within this: they lie 1e-8 (1 + |theta|) and less from their critical point.
pub const END_NEARNESS: Nearness = Nearness { theta: 1e-4, values: 1e-4 };

/// An end, and the networks whose descents lead there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basin {
    /// The first of these networks.
    pub first: usize,
    /// How many they are.
    pub networks: usize,
}

/// The different ends of S descents, and how many more there are to be expected.
#[derive(Debug, Clone, PartialEq)]
pub struct DistinctEnds {
    /// The first network that has the end of each, (S,).
    pub first_of: Vec<usize>,
    /// The ends, those with the most networks first.
    pub basins: Vec<Basin>,
}

impl DistinctEnds {
    /// How many ends were found by exactly `networks` networks.
    pub fn found_by(&self, networks: usize) -> usize {
        self.basins.iter().filter(|basin| basin.networks == networks).count()
    }

    /// The estimated number of ends that no network has found: f_1 (f_1 - 1) / (2 (f_2 + 1)), where f_k ends were found
    /// by k networks (Chao 1984, in the form of Chao 2005 without bias, Chao1). In expectation it is a lower bound.
    pub fn unseen(&self) -> f64 {
        let [once, twice] = [1, 2].map(|networks| self.found_by(networks) as f64);
        once * (once - 1.0).max(0.0) / (2.0 * (twice + 1.0))
    }

    /// The estimated probability that the next descent comes to an end that was found already: 1 - f_1 / S (Good 1953,
    /// after Turing). NaN without networks.
    pub fn coverage(&self) -> f64 {
        1.0 - self.found_by(1) as f64 / self.first_of.len() as f64
    }
}

impl fmt::Display for DistinctEnds {
    /// One sentence that says what was found, and what may be missing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.basins.is_empty() {
            return f.write_str("no descent came to a critical point whose weights were kept");
        }
        let largest: Vec<String> = self.basins.iter().take(5).map(|basin| basin.networks.to_string()).collect();
        write!(f, "{} distinct ends of {} networks; ", self.basins.len(), self.first_of.len())?;
        write!(f, "the largest basins hold {}; ", largest.join(", "))?;
        write!(f, "ends found once: {}, twice: {}, so that ", self.found_by(1), self.found_by(2))?;
        write!(f, "at least about {:.0} are unseen (Chao1), and of the descents that come to ", self.unseen())?;
        write!(f, "a critical point {:.1} % come to one found here (Good-Turing)", 100.0 * self.coverage())
    }
}

/// The different ends among polished `networks`, by [`Maps::Function`] within [`END_NEARNESS`]: `networks.theta` are
/// the weights where each has ended, and `networks.loss` the objective there.
///
/// Only critical points have a place to compare; a valley has none.
///
/// # Errors
/// As [`super::same_networks`].
pub fn distinct_ends(networks: &ComparedNetworks<'_>) -> Result<DistinctEnds, AnalysisError> {
    let first_of = same_networks_within(networks, Maps::Function, END_NEARNESS)?.duplicate_of;
    let mut sizes = vec![0; first_of.len()];
    first_of.iter().for_each(|&first| sizes[first] += 1);
    let mut basins: Vec<Basin> = sizes
        .into_iter()
        .enumerate()
        .filter(|(_, networks)| *networks > 0)
        .map(|(first, networks)| Basin { first, networks })
        .collect();
    // Of equal sizes the earlier comes first.
    basins.sort_by_key(|basin| std::cmp::Reverse(basin.networks));
    Ok(DistinctEnds { first_of, basins })
}

#[cfg(test)]
mod tests {
    use super::{Basin, DistinctEnds};

    #[test]
    fn the_estimates_are_their_formulas() {
        // Basins of 4, 2, 2, 1, 1 and 1 networks.
        let first_of = vec![0, 0, 0, 0, 4, 4, 6, 6, 8, 9, 10];
        let basin = |(first, networks)| Basin { first, networks };
        let basins = [(0, 4), (4, 2), (6, 2), (8, 1), (9, 1), (10, 1)].map(basin).to_vec();
        let ends = DistinctEnds { first_of, basins };
        assert!((ends.unseen() - 3.0 * 2.0 / (2.0 * 3.0)).abs() < 1e-15);
        assert!((ends.coverage() - 8.0 / 11.0).abs() < 1e-15);
        let none = DistinctEnds { first_of: Vec::new(), basins: Vec::new() };
        assert_eq!(none.to_string(), "no descent came to a critical point whose weights were kept");
        let all_twice = DistinctEnds { first_of: vec![0, 0], basins: vec![basin((0, 2))] };
        assert!(all_twice.unseen().abs() < 1e-15 && (all_twice.coverage() - 1.0).abs() < 1e-15);
    }
}
