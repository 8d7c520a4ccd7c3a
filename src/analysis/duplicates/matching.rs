//! Which hidden unit of one network is which of another.

use pathfinding::kuhn_munkres::kuhn_munkres_min;
use pathfinding::matrix::Matrix;

/// The exact assignment takes whole numbers as costs: a cost of `limit` is this many.
const STEPS: f64 = (1_u64 << 40) as f64;

/// The least sum of cost(n, p(n)) over all permutations p of `units` units, if it is at most `limit`.
pub(super) fn least_sum(units: usize, limit: f64, cost: impl Fn(usize, usize) -> f64) -> Option<f64> {
    // Where the nearest units of all are different, nothing is left to assign.
    let mut taken = vec![false; units];
    let (mut sum, mut twice) = (0.0, false);
    for n in 0..units {
        let (nearest, least) = nearest(units, n, &cost)?;
        sum += least;
        if sum > limit {
            return None;
        }
        twice |= std::mem::replace(&mut taken[nearest], true);
    }
    if !twice {
        return Some(sum);
    }
    // No pair beyond the limit can be part of a sum within it.
    let assigned = assigned(units, limit, &cost);
    let sum: f64 = assigned.into_iter().enumerate().map(|(n, m)| cost(n, m)).sum();
    (sum <= limit).then_some(sum)
}

/// The permutation p of `units` units with the least sum of cost(n, p(n)): p(0), p(1), ..
pub(super) fn least_assignment(units: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let mut taken = vec![false; units];
    let nearest: Vec<(usize, f64)> = (0..units).filter_map(|n| nearest(units, n, &cost)).collect();
    if nearest.iter().all(|&(m, _)| !std::mem::replace(&mut taken[m], true)) {
        return nearest.into_iter().map(|(m, _)| m).collect();
    }
    let largest = (0..units).flat_map(|n| (0..units).map(move |m| (n, m))).map(|(n, m)| cost(n, m)).fold(0.0, f64::max);
    assigned(units, largest, &cost)
}

/// The unit with the least cost(n, m), and the cost; `None` without units.
fn nearest(units: usize, n: usize, cost: &impl Fn(usize, usize) -> f64) -> Option<(usize, f64)> {
    (0..units).map(|m| (m, cost(n, m))).min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The permutation with the least sum of costs, which count in steps of 2^-40 of `limit`; those of four times `limit`
/// and more are the same.
fn assigned(units: usize, limit: f64, cost: &impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let most = 4.0 * STEPS;
    let whole = |cost: f64| if cost > 0.0 { (cost / limit * STEPS).min(most) as i64 } else { 0 };
    kuhn_munkres_min(&Matrix::from_fn(units, units, |(n, m)| whole(cost(n, m)))).1
}

#[cfg(test)]
mod tests {
    use super::{least_assignment, least_sum};
    use crate::model::philox4x32_10;

    /// The least sum over all permutations of 0..n, one after the other.
    fn by_definition(n: usize, cost: &dyn Fn(usize, usize) -> f64) -> f64 {
        fn go(n: usize, at: usize, free: &mut Vec<usize>, cost: &dyn Fn(usize, usize) -> f64) -> f64 {
            if at == n {
                return 0.0;
            }
            let mut best = f64::INFINITY;
            for k in 0..free.len() {
                let m = free.remove(k);
                best = best.min(cost(at, m) + go(n, at + 1, free, cost));
                free.insert(k, m);
            }
            best
        }
        go(n, 0, &mut (0..n).collect(), cost)
    }

    #[test]
    fn the_sum_is_the_least_over_all_permutations() {
        for case in 0..200_u32 {
            let n = 1 + case as usize % 6;
            // Few different values, so that many units have one nearest.
            let cost = |a: usize, b: usize| {
                f64::from(philox4x32_10([a as u32, b as u32, case, 0], [5, 5])[0] % 7)
                    * if case % 2 == 0 { 1.0 } else { 1e-30 }
            };
            let least = by_definition(n, &cost);
            let limit = least * (1.0 + 1e-9);
            let found = least_sum(n, limit, cost).unwrap_or(f64::NAN);
            assert!((found - least).abs() <= 1e-9 * least, "case {case}: {found} for {least}");
            let order = least_assignment(n, cost);
            let found: f64 = order.iter().enumerate().map(|(a, &b)| cost(a, b)).sum();
            assert!((found - least).abs() <= 1e-9 * least && order.len() == n, "case {case}: {order:?}");
            assert!((0..n).all(|b| order.contains(&b)), "case {case}: {order:?}");
            if least > 0.0 {
                assert_eq!(least_sum(n, least * (1.0 - 1e-6), cost), None, "case {case}");
            }
        }
    }
}
