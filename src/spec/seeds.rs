//! Seeds as they are typed: a count, a range, a list, or a shard of them.

use std::ops::Range;

/// The most seeds of one replay: more are a sweep.
const MOST_SEEDS: u64 = 1000;

/// Seeds in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedList(pub Vec<u64>);

fn seed(text: &str, instead: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("`{text}` is no seed ({error}): give {instead}"))
}

/// `first..end`, which must hold a seed; it was typed as `text`.
fn range(text: &str, first: u64, end: u64) -> Result<Range<u64>, String> {
    if first < end {
        return Ok(first..end);
    }
    Err(format!("{text} holds no seed: the end of a range is not part of it, so it must be above the start"))
}

/// `512` (seeds 0 to 511) or `100..200` (100 to 199).
///
/// # Errors
/// A text about what is wrong and what there is instead.
pub fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let seed = |text: &str| seed(text, "a count, such as 512, or a range, such as 100..200");
    match text.split_once("..") {
        Some((first, end)) => range(text, seed(first)?, seed(end)?),
        None => range(text, 0, seed(text)?),
    }
}

/// `7`, `1,2,5`, `1..4` (1, 2, 3), or a list of both.
///
/// # Errors
/// As [`parse_seeds`], and for more than 1000 seeds.
pub fn parse_seed_list(text: &str) -> Result<SeedList, String> {
    let seed = |text: &str| seed(text, "one, such as 7, or a list, such as 1,2,5 or 1..4");
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let part = match part.split_once("..") {
            Some((first, end)) => range(part, seed(first)?, seed(end)?)?,
            None => {
                let seed = seed(part)?;
                let end = seed.checked_add(1);
                seed..end.ok_or_else(|| format!("seed {seed} is the largest number there is: take a smaller one"))?
            }
        };
        if part.end - part.start > MOST_SEEDS - seeds.len() as u64 {
            return Err(format!("a replay takes at most {MOST_SEEDS} seeds: `sharpsweep sweep` trains any number"));
        }
        seeds.extend(part);
    }
    Ok(SeedList(seeds))
}

/// `2/8`: the second of eight parts.
///
/// # Errors
/// A text about what it must be.
pub fn parse_shard(text: &str) -> Result<(u64, u64), String> {
    let numbers = text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match numbers {
        Some((part, parts)) if part >= 1 && part <= parts => Ok((part, parts)),
        _ => {
            Err(format!("`{text}` is no shard: give K/N with K from 1 to N, such as 2/8 for the second of eight parts"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SeedList, parse_seed_list, parse_seeds, parse_shard};

    #[test]
    fn seeds_are_a_count_or_a_range() {
        assert_eq!(parse_seeds("512"), Ok(0..512));
        assert_eq!(parse_seeds("100..200"), Ok(100..200));
        for wrong in ["0", "5..5", "7..3", "x", "1..", "-3", "1.5"] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seeds_of_a_replay_are_one_a_list_or_ranges() {
        let seeds = |text| parse_seed_list(text).map(|SeedList(seeds)| seeds);
        assert_eq!(seeds("7"), Ok(vec![7]));
        assert_eq!(seeds("1,2,5"), Ok(vec![1, 2, 5]));
        assert_eq!(seeds("1..4,9"), Ok(vec![1, 2, 3, 9]));
        for wrong in ["", "x", "1,", "4..4", "5..1", "-1", "1..", "0..1001", "0..18446744073709551615"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_shard_is_a_part_of_parts() {
        assert_eq!(parse_shard("2/8"), Ok((2, 8)));
        for wrong in ["0/8", "9/8", "2", "/", "a/b", "1/0", "-1/2", "1/2/3"] {
            assert!(parse_shard(wrong).is_err(), "{wrong}");
        }
    }
}
