//! Quantiles by the default of NumPy's `quantile`.

use super::AnalysisError;

/// The quantiles of `values` at every one of `levels` (0 to 1), in the order of the levels, by NumPy's default
/// ("linear"): among the n sorted values, level q is at position q (n - 1), and between two values quantiles lie on the line that joins
/// them.
///
/// Infinite values are allowed: a quantile between a finite and an infinite value is infinite (NumPy sometimes gives NaN), and one between
/// -inf and inf is NaN.
///
/// # Errors
/// [`AnalysisError::TooFew`] for no values, [`AnalysisError::NotFinite`] for a NaN, [`AnalysisError::Level`] for a level
/// outside 0 to 1.
pub fn quantiles(values: &[f64], levels: &[f64]) -> Result<Vec<f64>, AnalysisError> {
    if values.is_empty() {
        return Err(AnalysisError::TooFew { what: "a quantile", of: "value", needed: 1, found: 0 });
    }
    if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| value.is_nan()) {
        return Err(AnalysisError::NotFinite { of: "the quantile's values", index, value });
    }
    let mut values = values.to_vec();
    levels.iter().map(|&level| of_unsorted(&mut values, level)).collect()
}

/// The quantile of `values` at level 1/2.
///
/// # Errors
/// As [`quantiles`].
pub fn median(values: &[f64]) -> Result<f64, AnalysisError> {
    Ok(quantiles(values, &[0.5])?[0])
}

/// The quantiles, as [`quantiles`] defines them, of values that are too many for memory; none where there are no values.
///
/// `each` is called four times, once for every two bytes of an f64. It passes every value to its argument, in any order but always the same
/// values. Memory is half a MiB per level and does not grow with the values.
///
/// # Errors
/// Those of `each`, [`AnalysisError::NotFinite`] for a NaN, [`AnalysisError::Level`] for a level outside 0 to 1.
pub fn streamed_quantiles<E: From<AnalysisError>>(
    each: impl Fn(&mut dyn FnMut(f64)) -> Result<(), E>,
    levels: &[f64],
) -> Result<Vec<f64>, E> {
    if let Some(&level) = levels.iter().find(|level| !(0.0..=1.0).contains(*level)) {
        return Err(AnalysisError::Level { level }.into());
    }
    // Every sought value is narrowed down digit by digit: of the values that share its leading digits, each pass counts how many have which
    // next digit.
    let mut sought: Vec<Sought> = Vec::new();
    let mut positions = Vec::new();
    for digit in 0..DIGITS {
        let mut prefixes: Vec<u64> = sought.iter().map(|sought| sought.leading).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        if digit == 0 {
            prefixes = vec![0];
        }
        let mut counts = vec![vec![0_u64; 1 << DIGIT_BITS]; prefixes.len()];
        let (mut index, mut nan) = (0, None);
        each(&mut |value| {
            if value.is_nan() {
                nan.get_or_insert(index);
            }
            index += 1;
            let leading = ordered(value) >> (64 - DIGIT_BITS * (digit + 1));
            if let Ok(prefix) = prefixes.binary_search(&(leading >> DIGIT_BITS)) {
                counts[prefix][(leading & DIGIT) as usize] += 1;
            }
        })?;
        if let Some(index) = nan {
            return Err(AnalysisError::NotFinite { of: "the quantile's values", index, value: f64::NAN }.into());
        }
        if digit == 0 {
            let Some(last) = counts[0].iter().sum::<u64>().checked_sub(1) else { return Ok(Vec::new()) };
            positions = levels.iter().map(|level| level * last as f64).collect();
            sought = positions
                .iter()
                .flat_map(|position| [position.floor() as u64, (position.floor() as u64 + 1).min(last)])
                .map(|rank| Sought { leading: 0, rank })
                .collect();
        }
        for sought in &mut sought {
            if let Ok(prefix) = prefixes.binary_search(&sought.leading) {
                sought.descend(&counts[prefix]);
            }
        }
    }
    let between = |(position, pair): (&f64, &[Sought])| {
        let [low, high] = [0, 1].map(|k| of_ordered(pair[k].leading));
        interpolated(low, high, position - position.floor())
    };
    Ok(positions.iter().zip(sought.chunks_exact(2)).map(between).collect())
}

/// Bits of an f64 that one pass over the values decides.
const DIGIT_BITS: u32 = 16;
const DIGIT: u64 = (1 << DIGIT_BITS) - 1;
const DIGITS: u32 = 64 / DIGIT_BITS;

/// A value that is sought by its rank.
#[derive(Debug, Clone, Copy)]
struct Sought {
    /// The digits that are decided.
    leading: u64,
    /// Its rank among the values with these digits.
    rank: u64,
}

impl Sought {
    /// Decides the next digit, by which the values with the same leading digits are counted in `counts`.
    fn descend(&mut self, counts: &[u64]) {
        let mut digit = 0;
        while digit + 1 < counts.len() && self.rank >= counts[digit] {
            self.rank -= counts[digit];
            digit += 1;
        }
        self.leading = (self.leading << DIGIT_BITS) | digit as u64;
    }
}

/// The bits of an f64, changed so that as unsigned numbers they have the order of the values.
fn ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

fn of_ordered(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

/// The quantile at `level`, in linear time; `values` is reordered.
fn of_unsorted(values: &mut [f64], level: f64) -> Result<f64, AnalysisError> {
    if !(0.0..=1.0).contains(&level) {
        return Err(AnalysisError::Level { level });
    }
    let position = level * (values.len() - 1) as f64;
    let below = position.floor() as usize;
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    Ok(interpolated(low, high, position - position.floor()))
}

/// The value at `weight` (0 to 1) between two neighbours.
fn interpolated(low: f64, high: f64, weight: f64) -> f64 {
    // Equal infinite neighbours, or a weight of 0 beside an infinite one, have no difference that could be weighted.
    if low.total_cmp(&high).is_eq() || weight <= 0.0 {
        return low;
    }
    // From the nearer end, as NumPy does, so that both ends are met exactly.
    let step = high - low;
    if step.is_infinite() {
        return low * (1.0 - weight) + high * weight;
    }
    if weight < 0.5 { low + step * weight } else { high - step * (1.0 - weight) }
}

#[cfg(test)]
mod tests {
    use super::{quantiles, streamed_quantiles};
    use crate::analysis::AnalysisError;
    use crate::model::philox4x32_10;

    fn streamed(values: &[f64], levels: &[f64]) -> Result<Vec<f64>, AnalysisError> {
        let each = |take: &mut dyn FnMut(f64)| {
            values.iter().copied().for_each(take);
            Ok(())
        };
        streamed_quantiles(each, levels)
    }

    #[test]
    fn streamed_quantiles_are_those_of_the_whole() {
        let levels = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0];
        for count in [1_u32, 2, 3, 10, 1001] {
            for spread in [0, 3, 1 << 20] {
                let value = |k: u32| {
                    let word = philox4x32_10([k, 0, 0, 0], [spread, 1])[0];
                    f64::from(word % (spread + 1)) * 0.37 - f64::from(spread) / 6.0
                };
                let mut values: Vec<f64> = (0..count).map(value).collect();
                values[0] = f64::INFINITY;
                let expected = quantiles(&values, &levels).unwrap();
                let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<u64>>();
                assert_eq!(bits(streamed(&values, &levels).unwrap()), bits(expected), "{count} values, {spread}");
            }
        }
        assert!(streamed(&[], &levels).unwrap().is_empty());
        assert!(streamed(&[1.0, f64::NAN], &levels).unwrap_err().to_string().contains("value 1"));
        assert!(streamed(&[1.0], &[1.5]).is_err());
    }
}
