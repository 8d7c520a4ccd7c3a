//! Which earlier point each point is a duplicate of, by any rule.

use rayon::prelude::*;

use super::distances::Blocks;
use super::forest::Forest;
use super::rows::PointSet;

/// How many points are compared with the kept ones in parallel, before they are compared with each other.
const BATCH: usize = 1024;

/// What makes one point a duplicate of another.
pub(super) trait Sameness: Sync {
    /// The distance of rows below which all duplicates of point `i` lie.
    fn radius(&self, i: u32) -> f64;

    /// Whether `j`, which is nearer to `i` than its radius, is a duplicate of `i`.
    fn holds(&self, i: u32, j: u32) -> bool;
}

/// The first earlier kept point that each point is a duplicate of; where there is none the point itself, which is then kept.
///
/// A batch of points is compared with the points kept before it, in parallel; the points that remain are then compared with each other.
/// The decisions are the same as when the points are taken one by one.
pub(super) fn first_of_each(rows: PointSet<'_>, count: usize, same: &impl Sameness) -> Vec<usize> {
    let mut first_of: Vec<usize> = (0..count).collect();
    let mut forest = Forest::new(rows);
    for start in (0..count).step_by(BATCH) {
        let batch: Vec<u32> = (start..count.min(start + BATCH)).map(|i| i as u32).collect();
        let neighbours: Vec<Option<u32>> = batch
            .par_iter()
            .map(|&i| forest.first_neighbour(rows.row(i as usize), same.radius(i), |j| same.holds(i, j)))
            .collect();
        let mut left = Vec::new();
        for (i, neighbour) in batch.into_iter().zip(neighbours) {
            match neighbour {
                Some(neighbour) => first_of[i as usize] = neighbour as usize,
                None => left.push(i),
            }
        }
        // For each point left, the earlier ones left that it may be a duplicate of.
        let blocks = Blocks::new(rows, &left);
        let nearer: Vec<Vec<usize>> = (0..left.len())
            .into_par_iter()
            .map(|k| {
                let near = blocks.nearer_than(rows.row(left[k] as usize), k, same.radius(left[k]));
                near.into_iter().filter(|&earlier| same.holds(left[k], left[earlier])).collect()
            })
            .collect();
        let mut new = Vec::new();
        for (k, &i) in left.iter().enumerate() {
            let kept = |j: &usize| first_of[*j] == *j;
            match nearer[k].iter().map(|&earlier| left[earlier] as usize).find(kept) {
                Some(first) => first_of[i as usize] = first,
                None => new.push(i),
            }
        }
        forest.insert(new);
    }
    first_of
}
