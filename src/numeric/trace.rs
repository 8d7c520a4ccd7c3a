//! Stochastic estimates of tr H and tr H^2.

use super::{Symmetric, dot, norm, rademacher};

/// tr H as the mean of z.Hz over `probes` Rademacher vectors z (Hutchinson 1989).
///
/// Unbiased. Cost: one product per probe, plus 2 D flops. Standard deviation: sqrt(2 (||H||_F^2 - sum_d H_dd^2) /
/// probes).
pub fn hutchinson(matrix: &(impl Symmetric + ?Sized), probes: u32, seed: u64) -> f64 {
    mean_over_probes(matrix, probes, seed, dot)
}

/// tr H^2 as the mean of ||Hz||^2 over `probes` Rademacher vectors z: [`hutchinson`] of H^2.
///
/// Unbiased. Cost: one product per probe, plus 2 D flops. Standard deviation: sqrt(2 (||H^2||_F^2 - sum_d (H^2)_dd^2) /
/// probes).
pub fn hutchinson_sq(matrix: &(impl Symmetric + ?Sized), probes: u32, seed: u64) -> f64 {
    mean_over_probes(matrix, probes, seed, |_, product| dot(product, product))
}

fn mean_over_probes(
    matrix: &(impl Symmetric + ?Sized),
    probes: u32,
    seed: u64,
    estimate: impl Fn(&[f64], &[f64]) -> f64,
) -> f64 {
    let mut product = vec![0.0; matrix.size()];
    let sum: f64 = (0..probes)
        .map(|index| {
            let probe = rademacher(matrix.size(), seed, index);
            matrix.apply(&probe, &mut product);
            estimate(&probe, &product)
        })
        .sum();
    sum / f64::from(probes)
}

/// tr H by Hutch++ (Meyer, Musco, Musco and Woodruff 2021, Algorithm 1) with about `products` products in three equal
/// parts.
///
/// With Q an orthonormal basis of H S for Rademacher S: tr(Q^T H Q) exactly, and [`hutchinson`] for the rest, (I - Q
/// Q^T) H (I - Q Q^T). Unbiased. Cost: 3 floor(products / 3) products (at least 3), plus about 6 D (products / 3)^2
/// flops. Error: 1/products times tr H for positive semidefinite H, against 1/sqrt(products) of Hutchinson's; exact
/// once `products` / 3 reaches the rank.
pub fn hutch_plus_plus(matrix: &(impl Symmetric + ?Sized), products: u32, seed: u64) -> f64 {
    let size = matrix.size();
    let third = (products / 3).max(1);
    let mut product = vec![0.0; size];
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for index in 0..third {
        matrix.apply(&rademacher(size, seed, index), &mut product);
        let before = norm(&product);
        for _ in 0..2 {
            remove(&basis, &mut product);
        }
        let length = norm(&product);
        // A column that lies in the span of the others adds nothing but rounding.
        if length > 1e-13 * before {
            basis.push(product.iter().map(|x| x / length).collect());
        }
    }
    let captured: f64 = basis
        .iter()
        .map(|vector| {
            matrix.apply(vector, &mut product);
            dot(vector, &product)
        })
        .sum();
    let rest: f64 = (third..2 * third)
        .map(|index| {
            let mut probe = rademacher(size, seed, index);
            remove(&basis, &mut probe);
            matrix.apply(&probe, &mut product);
            dot(&probe, &product)
        })
        .sum();
    captured + rest / f64::from(third)
}

/// Removes from `vector` its components along the orthonormal `basis`.
fn remove(basis: &[Vec<f64>], vector: &mut [f64]) {
    for direction in basis {
        let along = dot(direction, vector);
        vector.iter_mut().zip(direction).for_each(|(x, d)| *x -= along * d);
    }
}
