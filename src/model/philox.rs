//! Philox4x32-10, the counter-based generator behind every random number of the project.
//!
//! Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011). A number is a pure function of
//! (key, counter), so seed k is the same network on every engine and in any order of work.

/// The purpose of a block of random numbers. It is the third counter word, so no two purposes share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights theta_0; the key is the network's seed.
    Theta = 0,
    /// Training samples drawn from a distribution; the key is the data seed.
    TrainData = 1,
    /// Test samples drawn from a distribution; the key is the data seed.
    TestData = 2,
    /// Signs for stochastic trace estimates; the key is the estimate's seed.
    Probes = 3,
    /// Start vectors of eigenvalue iterations; the key is the iteration's seed.
    Starts = 4,
    /// What all samples of a distribution share, such as a teacher's weights; the key is the data seed.
    Shared = 5,
    /// Which training samples get another class, and which; the key is the data seed.
    LabelNoise = 6,
}

/// Ten rounds of Philox 4x32 on `counter` under `key`.
pub fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let (high0, low0) = multiply_wide(0xD251_1F53, counter[0]);
        let (high1, low1) = multiply_wide(0xCD9E_8D57, counter[2]);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
    }
    counter
}

/// Block `index` of `stream` under the 64-bit `seed`: four random words.
pub(crate) fn block(seed: u64, stream: Stream, index: u32) -> [u32; 4] {
    block_of(seed, stream, index, 0)
}

/// Block `part` of `index`, where one block is not enough for it; block 0 is that of [`block`].
pub(super) fn block_of(seed: u64, stream: Stream, index: u32, part: u32) -> [u32; 4] {
    philox4x32_10([index, part, stream as u32, 0], [low_word(seed), low_word(seed >> 32)])
}

fn multiply_wide(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    (low_word(product >> 32), low_word(product))
}

/// The low 32 bits of `word`.
const fn low_word(word: u64) -> u32 {
    (word & 0xFFFF_FFFF) as u32
}

#[cfg(test)]
mod tests {
    use super::philox4x32_10;

    /// Known answers published with the generator (Random123, kat_vectors).
    #[test]
    fn matches_the_published_known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }
}
