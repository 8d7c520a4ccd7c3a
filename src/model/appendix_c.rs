//! The paper's own data (Appendix C): two Gaussian classes in the plane.

use ndarray::{Array1, Array2};

use super::random::Numbers;
use super::{DataError, Dataset, Stream};

/// Draws `samples` points: the first half (rounded down) from class 0, N(\[1, 1\], 2 I), the rest from class 1,
/// N(\[-1, -1\], 2 I).
///
/// `stream` is [`Stream::TrainData`] or [`Stream::TestData`]: the two never share numbers. Sample i takes Philox block
/// i under the key `data_seed`, by the Box-Muller transform in f64; coordinates are rounded to f32, so every engine
/// sees the same data.
///
/// # Errors
/// [`DataError::Empty`] for no samples, [`DataError::TooMany`] for more samples than a Philox stream has blocks.
pub fn appendix_c(samples: usize, data_seed: u64, stream: Stream) -> Result<Dataset, DataError> {
    if u32::try_from(samples).is_err() {
        return Err(DataError::TooMany { samples });
    }
    let class_0 = samples / 2;
    let mut x = Array2::zeros((samples, 2));
    let mut q = Array1::zeros(samples);
    for (i, index) in (0..samples).zip(0_u32..) {
        let class_1 = i >= class_0;
        q[i] = f64::from(u8::from(class_1));
        for (m, value) in sample(class_1, &mut Numbers::new(data_seed, stream, index)).into_iter().enumerate() {
            x[[i, m]] = f64::from(value as f32);
        }
    }
    Dataset::new(x, q)
}

/// A sample of class 1 or of class 0, before it is rounded.
pub(super) fn sample(class_1: bool, numbers: &mut Numbers) -> [f64; 2] {
    let mean = if class_1 { -1.0 } else { 1.0 };
    numbers.normals().map(|normal| mean + 2_f64.sqrt() * normal)
}

#[cfg(test)]
mod tests {
    use super::appendix_c;
    use crate::model::Stream;

    #[test]
    fn classes_have_the_published_mean_and_variance() {
        let data = appendix_c(20_000, 3, Stream::TrainData).unwrap();
        for (class, mean) in [(0.0, 1.0), (1.0, -1.0)] {
            for m in 0..2 {
                let column: Vec<f64> = (0..data.samples())
                    .filter(|&i| (data.q().unwrap()[i] - class).abs() < 0.5)
                    .map(|i| data.x()[[i, m]])
                    .collect();
                let count = column.len() as f64;
                assert_eq!(column.len(), 10_000);
                let found = column.iter().sum::<f64>() / count;
                let variance = column.iter().map(|v| (v - found).powi(2)).sum::<f64>() / count;
                // Standard deviations: mean 0.014, variance 0.028; five of each.
                assert!((found - mean).abs() < 0.07, "mean {found}");
                assert!((variance - 2.0).abs() < 0.14, "variance {variance}");
            }
        }
    }

    #[test]
    fn streams_and_seeds_give_different_points() {
        let train = appendix_c(10, 0, Stream::TrainData);
        assert_eq!(train, appendix_c(10, 0, Stream::TrainData));
        assert_ne!(train, appendix_c(10, 0, Stream::TestData));
        assert_ne!(train, appendix_c(10, 1, Stream::TrainData));
    }
}
