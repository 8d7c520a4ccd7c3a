//! Duplicates among more points than a test could compare one by one: what the rule promises about its result holds.

use ndarray::Array2;
use rayon::prelude::*;
use sharpsweep::analysis::duplicates;
use sharpsweep::model::philox4x32_10;

fn uniform(a: usize, b: usize, purpose: u32) -> f32 {
    philox4x32_10([a as u32, b as u32, purpose, 0], [3, 0])[0] as f32 / 4_294_967_296.0 - 0.5
}

/// 20,000 points in 13 dimensions at very different distances from the origin, so that some thousands are kept, over
/// twenty batches and several trees.
#[test]
fn kept_points_are_apart_and_every_dropped_one_has_an_earlier_kept_neighbour() {
    let points = Array2::from_shape_fn((20_000, 13), |(i, d)| {
        let size = (0.4 * (2.0 * uniform(i, 0, 1))).exp();
        20.0 * size * uniform(i, d, 0)
    });
    let found = duplicates(points.view()).unwrap();
    let rows: Vec<Vec<f64>> = points.outer_iter().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    let near = |i: usize, j: usize| {
        let square: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| (a - b) * (a - b)).sum();
        square.sqrt() < found.threshold
    };
    let wrong: Vec<usize> = (0..rows.len())
        .into_par_iter()
        .filter(|&j| found.kept[j] == (0..j).any(|i| found.kept[i] && near(i, j)))
        .collect();
    assert!(wrong.is_empty(), "{} points, the first {:?}: {found}", wrong.len(), &wrong[..wrong.len().min(9)]);
    // Enough of both, or the test would say little.
    assert!((4_000..19_000).contains(&found.unique()), "{found}");
}
