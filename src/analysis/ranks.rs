//! Ranks of values, as rank tests take them.

/// The ranks of values.
pub(super) struct Ranks {
    /// The rank of each value, 1 the lowest; equal values share the mean of their ranks.
    pub(super) of: Vec<f64>,
    /// sum_k (t_k^3 - t_k) over the groups of equal values, with t_k values in group k: 0 without ties.
    pub(super) ties: f64,
}

/// The ranks of `values`, none of which may be NaN, in O(n log n).
pub(super) fn ranks(values: &[f64]) -> Ranks {
    // Adding 0 turns -0 into 0, with which it is tied.
    let value = |index: usize| values[index] + 0.0;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| value(a).total_cmp(&value(b)));
    let mut ranks = Ranks { of: vec![0.0; values.len()], ties: 0.0 };
    let mut before = 0.0;
    for group in order.chunk_by(|&a, &b| value(a).total_cmp(&value(b)).is_eq()) {
        let size = group.len() as f64;
        group.iter().for_each(|&index| ranks.of[index] = before + f64::midpoint(size, 1.0));
        ranks.ties += size * size * size - size;
        before += size;
    }
    ranks
}
