//! From random words to the numbers that samples are made of.

use std::f64::consts::PI;

use super::Stream;
use super::philox::block_of;

/// Random numbers of one sample, or of something else that a stream counts: block after block of it.
///
/// Block b of sample i is the Philox block with the counter (i, b) of the stream, so no sample depends on how many
/// there are.
#[derive(Debug)]
pub(super) struct Numbers {
    seed: u64,
    stream: Stream,
    index: u32,
    next: u32,
}

impl Numbers {
    /// The numbers of `index` in `stream` under `seed`, from its block 0 on.
    pub(super) const fn new(seed: u64, stream: Stream, index: u32) -> Self {
        Self { seed, stream, index, next: 0 }
    }

    /// The next block: four random words.
    pub(super) fn words(&mut self) -> [u32; 4] {
        let words = block_of(self.seed, self.stream, self.index, self.next);
        self.next += 1;
        words
    }

    /// Two uniform values on (0, 1), of the next block.
    pub(super) fn uniforms(&mut self) -> [f64; 2] {
        let words = self.words();
        [unit(words[0], words[1]), unit(words[2], words[3])]
    }

    /// Two independent standard normal values, of the next block.
    pub(super) fn normals(&mut self) -> [f64; 2] {
        let [u1, u2] = self.uniforms();
        box_muller(u1, u2)
    }

    /// `count` independent standard normal values, two of each of the next blocks.
    pub(super) fn normal_vector(&mut self, count: usize) -> Vec<f64> {
        let mut found = Vec::with_capacity(count + 1);
        while found.len() < count {
            found.extend(self.normals());
        }
        found.truncate(count);
        found
    }
}

/// Uniform on (0, 1) from 53 of the 64 bits, never 0.
pub(super) fn unit(high: u32, low: u32) -> f64 {
    let bits = ((u64::from(high) << 32) | u64::from(low)) >> 11;
    (bits as f64 + 0.5) * (1.0 / (1_u64 << 53) as f64)
}

/// Uniform on 0 .. `count` - 1 from 64 bits; no value is more than `count` 2^-64 more likely than another.
pub(super) fn below(high: u32, low: u32, count: usize) -> usize {
    let bits = (u64::from(high) << 32) | u64::from(low);
    ((u128::from(bits) * count as u128) >> 64) as usize
}

/// Two independent standard normal values from two uniform ones on (0, 1).
pub(super) fn box_muller(u1: f64, u2: f64) -> [f64; 2] {
    let radius = (-2.0 * libm::log(u1)).sqrt();
    let angle = 2.0 * PI * u2;
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}

#[cfg(test)]
mod tests {
    use super::{Numbers, below};
    use crate::model::Stream;

    #[test]
    fn blocks_of_a_sample_differ_and_those_of_another_too() {
        let words = |index: u32| {
            let mut numbers = Numbers::new(3, Stream::TrainData, index);
            [numbers.words(), numbers.words()].concat()
        };
        let mut all = [words(0), words(1), words(7)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 24);
    }

    #[test]
    fn whole_numbers_are_spread_over_their_range() {
        assert_eq!((below(0, 0, 3), below(u32::MAX, u32::MAX, 3)), (0, 2));
        let mut counts = [0_i32; 3];
        let mut numbers = Numbers::new(0, Stream::TrainData, 0);
        for _ in 0..3000 {
            let words = numbers.words();
            counts[below(words[0], words[1], 3)] += 1;
        }
        // Standard deviation 26; five of them.
        assert!(counts.iter().all(|count| (count - 1000).abs() < 130), "{counts:?}");
    }
}
