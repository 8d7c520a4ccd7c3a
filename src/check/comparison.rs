//! One kind of value beside what it should be: how far off it is at most, and whether that is too far.

use serde::Serialize;

use crate::engine::EngineError;

/// A kind of value that was compared with float64.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The pass, by the name of its file in shaders/, or the result.
    pub name: String,
    /// The largest error, relative to the size of what is added up in a value; infinite (in JSON `null`) where a value
    /// is not finite.
    pub worst: f64,
    /// The largest error that float arithmetic explains.
    pub allowed: f64,
    /// How many values were compared.
    pub values: usize,
    /// Where the largest error is.
    pub at: String,
    /// Why values could not be computed.
    pub failure: Option<String>,
}

impl Comparison {
    /// Nothing compared so far.
    pub(super) fn new(name: impl Into<String>, allowed: f64) -> Self {
        Self { name: name.into(), worst: 0.0, allowed, values: 0, at: String::new(), failure: None }
    }

    /// Whether there are values, and all are as near as they should be.
    pub fn holds(&self) -> bool {
        self.failure.is_none() && self.values > 0 && self.worst <= self.allowed
    }

    /// The same kind of value in two places: the worse of the two.
    pub(super) fn worse((one, other): (Self, Self)) -> Self {
        let values = one.values + other.values;
        let failure = one.failure.clone().or_else(|| other.failure.clone());
        let worse = if other.worst > one.worst { other } else { one };
        Self { values, failure, ..worse }
    }

    /// Compares `found` with `expected`, value by value; `at` says where they come from, and `scale(k)` is the size of
    /// what value k is added up from.
    pub(super) fn add(&mut self, at: &str, found: &[f64], expected: &[f64], scale: impl Fn(usize) -> f64) {
        if found.len() != expected.len() {
            self.fail(at, &format!("{} values where {} are expected", found.len(), expected.len()));
            return;
        }
        for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
            let error = (found - expected).abs();
            // Equal values are right at any scale, also at 0.
            let relative = if error > 0.0 || error.is_nan() { error / scale(k) } else { 0.0 };
            self.add_error(at, if relative.is_nan() { f64::INFINITY } else { relative });
        }
    }

    /// Counts one value with its relative error.
    pub(super) fn add_error(&mut self, at: &str, error: f64) {
        self.values += 1;
        if error > self.worst || self.at.is_empty() {
            self.worst = error;
            at.clone_into(&mut self.at);
        }
    }

    /// Notes that there are no values at `at`; the first reason is kept.
    pub(super) fn fail(&mut self, at: &str, why: &str) {
        self.failure.get_or_insert_with(|| format!("{at}: {why}"));
    }

    /// Hands the values of `outcome` to `compare`, or notes why there are none.
    pub(super) fn outcome<T>(&mut self, at: &str, outcome: Result<T, EngineError>, compare: impl FnOnce(&mut Self, T)) {
        match outcome {
            Ok(values) => compare(self, values),
            Err(error) => self.fail(at, &error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Comparison;

    #[test]
    fn it_holds_only_for_values_that_are_near_enough() {
        let with = |found: &[f64], expected: &[f64]| {
            let mut comparison = Comparison::new("values", 1e-3);
            comparison.add("here", found, expected, |_| 2.0);
            comparison
        };
        let near = with(&[1.0, 2.0019], &[1.0, 2.0]);
        assert!(near.holds() && (near.worst - 9.5e-4).abs() < 1e-9 && near.at == "here" && near.values == 2);
        assert!(!with(&[1.0, 2.0021], &[1.0, 2.0]).holds());
        assert!(!with(&[f64::NAN], &[1.0]).holds());
        assert!(!with(&[1.0], &[f64::NAN]).holds());
        assert!(!with(&[f64::INFINITY], &[1.0]).holds());
        assert!(!with(&[1.0], &[1.0, 2.0]).holds());
        assert!(!with(&[], &[]).holds());
        let mut failed = near;
        failed.fail("there", "no device");
        assert!(!failed.holds() && failed.failure.as_deref() == Some("there: no device"));
    }

    #[test]
    fn equal_values_are_right_even_where_nothing_is_added_up() {
        let mut comparison = Comparison::new("values", 0.0);
        comparison.add("here", &[0.0], &[0.0], |_| 0.0);
        assert!(comparison.holds());
    }
}
