//! From a seed to the initial weights theta_0.

use super::{Stream, philox::block};

/// The smallest range of initial weights, 2^-102. Below it, the factor range 2^-24 of [`uniform_symmetric`] is not a
/// normal f32 number, and hardware that flushes such numbers to 0 makes every weight 0.
pub const SMALLEST_INIT_RANGE: f32 = f32::from_bits((127 - 102) << 23);

/// theta_0 of `seed`: D = `parameters` values uniform on (-`range`, `range`).
///
/// Parameter d takes word d mod 4 of Philox block d div 4 of stream [`Stream::Theta`] under the key `seed`. The values
/// are bit-equal on every engine: each is one exact integer times one f32 factor.
pub fn initial_theta(parameters: usize, seed: u64, range: f32) -> Vec<f32> {
    let mut theta = Vec::with_capacity(parameters + 3);
    let mut index = 0;
    while theta.len() < parameters {
        let words = block(seed, Stream::Theta, index);
        theta.extend(words.map(|word| uniform_symmetric(word, range)));
        index += 1;
    }
    theta.truncate(parameters);
    theta
}

/// A uniform value on (-`range`, `range`) from the 24 high bits k of `word`: (2k + 1 - 2^24) times (range 2^-24).
///
/// The integer is odd and below 2^24 in magnitude, so it is exact in f32; the one multiplication leaves nothing that a
/// compiler could fuse or reorder.
pub fn uniform_symmetric(word: u32, range: f32) -> f32 {
    let odd = 2 * (word >> 8).cast_signed() + 1 - (1 << 24);
    odd as f32 * (range * f32::from_bits(0x3380_0000))
}

#[cfg(test)]
mod tests {
    use super::{SMALLEST_INIT_RANGE, initial_theta, uniform_symmetric};

    #[test]
    fn uniform_values_are_symmetric_and_inside_the_range() {
        let (low, high) = (uniform_symmetric(0, 10.0), uniform_symmetric(u32::MAX, 10.0));
        assert!(low > -10.0 && high < 10.0);
        assert_eq!(low.to_bits(), (-high).to_bits());
    }

    #[test]
    fn the_smallest_range_still_has_all_its_values() {
        for word in [0, 1 << 8, 1 << 31, (1 << 31) - 1, u32::MAX] {
            let value = uniform_symmetric(word, SMALLEST_INIT_RANGE);
            assert!(
                value.is_normal() && value.to_bits() == (uniform_symmetric(word, 1.0) * SMALLEST_INIT_RANGE).to_bits()
            );
        }
        assert!(!uniform_symmetric(1 << 31, SMALLEST_INIT_RANGE / 2.0).is_normal());
    }

    #[test]
    fn theta_is_spread_over_the_range_and_differs_by_seed() {
        let theta = initial_theta(961, 7, 10.0);
        assert_eq!(theta.len(), 961);
        let mean = theta.iter().map(|&t| f64::from(t)).sum::<f64>() / theta.len() as f64;
        let second = theta.iter().map(|&t| f64::from(t).powi(2)).sum::<f64>() / theta.len() as f64;
        // D = 961 values: the mean's standard deviation is 0.19, that of the second moment (33.3) is 0.96.
        assert!(mean.abs() < 0.75 && (second - 100.0 / 3.0).abs() < 4.0, "{mean} {second}");
        assert_ne!(theta, initial_theta(961, 8, 10.0));
        assert_ne!(theta, initial_theta(961, 7 + (1 << 32), 10.0), "the high word of the seed counts");
    }
}
