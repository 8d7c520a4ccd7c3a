//! Random vectors for the estimators, the same everywhere for the same seed.

use crate::model::{Stream, block, uniform_symmetric};

/// Probe `index` of `seed`: `size` independent signs, +1 or -1 with equal chance (Rademacher).
///
/// Element d is bit d mod 128 of block d div 128 among the probe's own Philox blocks.
pub fn rademacher(size: usize, seed: u64, index: u32) -> Vec<f64> {
    let blocks = size.div_ceil(128) as u32;
    let mut signs = Vec::with_capacity(size + 127);
    for words in (0..blocks).map(|k| block(seed, Stream::Probes, index.wrapping_mul(blocks).wrapping_add(k))) {
        for word in words {
            signs.extend((0..32).map(|bit| if (word >> bit) & 1 == 0 { 1.0 } else { -1.0 }));
        }
    }
    signs.truncate(size);
    signs
}

/// A vector of unit length to start an iteration from: `size` uniform values on (-1, 1), scaled. With probability 1, no
/// eigenvector of a given matrix is orthogonal to it.
pub fn start_vector(size: usize, seed: u64) -> Vec<f64> {
    let words = (0..size.div_ceil(4) as u32).flat_map(|index| block(seed, Stream::Starts, index));
    let mut vector: Vec<f64> = words.take(size).map(|word| f64::from(uniform_symmetric(word, 1.0))).collect();
    let length = super::norm(&vector);
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

#[cfg(test)]
mod tests {
    use super::{rademacher, start_vector};

    #[test]
    fn probes_are_signs_that_differ_by_seed_and_index_and_sum_to_nothing() {
        let signs: Vec<f64> = (0..100).flat_map(|index| rademacher(200, 7, index)).collect();
        assert!(signs.iter().all(|s| (s.abs() - 1.0).abs() < f64::EPSILON));
        // The sum of 20,000 signs has standard deviation 141.
        assert!(signs.iter().sum::<f64>().abs() < 600.0);
        // So have the products of neighbouring probes, and of probes of two seeds.
        let products = |other: &[f64]| signs.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        assert!(products(&signs[200..]).abs() < 600.0);
        let other: Vec<f64> = (0..100).flat_map(|index| rademacher(200, 8, index)).collect();
        assert!(products(&other).abs() < 600.0);
    }

    #[test]
    fn start_vectors_have_unit_length() {
        assert!((super::super::norm(&start_vector(13, 3)) - 1.0).abs() < 1e-14);
        assert_ne!(start_vector(13, 3), start_vector(13, 4));
    }
}
