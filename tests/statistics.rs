//! Quantiles, Mann-Whitney U, macro F1 and the rule for duplicates give the values of NumPy, SciPy and scikit-learn,
//! frozen with the script that made them (`tests/frozen/make.py`).

mod support;

use ndarray::{Array2, array};
use serde::{Deserialize, Deserializer};
use sharpsweep::analysis::{AnalysisError, duplicates, macro_f1, macro_f1_of_each, mann_whitney, median, quantiles};
use sharpsweep::model::{Activation, Dataset, Network, OneHidden};
use support::close;

/// Other libraries do the same arithmetic in another order; SciPy's erfc is another implementation, accurate to a few
/// units in the last place. 1e-12 leaves room for that and for nothing else.
const RELATIVE: f64 = 1e-12;

#[derive(Deserialize)]
struct Frozen {
    quantiles: Vec<QuantileCase>,
    mann_whitney: Vec<MannWhitneyCase>,
    macro_f1: Vec<F1Case>,
    duplicates: Vec<DuplicateCase>,
}

#[derive(Deserialize)]
struct QuantileCase {
    name: String,
    #[serde(deserialize_with = "floats")]
    values: Vec<f64>,
    levels: Vec<f64>,
    #[serde(deserialize_with = "floats")]
    quantiles: Vec<f64>,
}

#[derive(Deserialize)]
struct MannWhitneyCase {
    name: String,
    #[serde(deserialize_with = "floats")]
    x: Vec<f64>,
    #[serde(deserialize_with = "floats")]
    y: Vec<f64>,
    u: f64,
    p_value: f64,
}

#[derive(Deserialize)]
struct F1Case {
    name: String,
    predictions: Vec<u8>,
    labels: Vec<u8>,
    macro_f1: f64,
}

#[derive(Deserialize)]
struct DuplicateCase {
    name: String,
    points: Vec<Vec<f32>>,
    mean: f64,
    std: f64,
    kept: Vec<bool>,
}

/// Numbers, and the strings for numbers that JSON cannot hold.
fn floats<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Float {
        Number(f64),
        Text(String),
    }
    let values = Vec::<Float>::deserialize(deserializer)?;
    values
        .into_iter()
        .map(|value| match value {
            Float::Number(number) => Ok(number),
            Float::Text(text) => text.parse().map_err(serde::de::Error::custom),
        })
        .collect()
}

fn frozen() -> Frozen {
    serde_json::from_str(include_str!("frozen/statistics.json")).unwrap()
}

#[test]
fn quantiles_equal_numpys_default() {
    let cases = frozen().quantiles;
    assert_eq!(cases.len(), 7);
    for QuantileCase { name, values, levels, quantiles: expected } in cases {
        let found = quantiles(&values, &levels).unwrap();
        close(&found, &expected, 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{name}: {misses}"));
        let shifted: Vec<f64> = levels.iter().map(|level| level * 0.98).collect();
        if values.len() > 1 {
            let found = quantiles(&values, &shifted).unwrap();
            assert!(close(&found, &expected, 0.0, RELATIVE).is_err(), "{name}: other levels give the same");
        }
    }
}

#[test]
fn quantiles_of_infinite_values_are_infinite_not_nan() {
    let values = [f64::INFINITY, 1.0, f64::INFINITY, f64::INFINITY];
    let found = quantiles(&values, &[0.0, 0.2, 0.5, 1.0]).unwrap();
    assert!((found[0] - 1.0).abs() < 1e-300 && found[1..].iter().all(|q| q.is_infinite()), "{found:?}");
}

#[test]
fn quantiles_that_mean_nothing_are_errors() {
    assert!(matches!(median(&[]), Err(AnalysisError::TooFew { found: 0, .. })));
    assert!(matches!(median(&[1.0, f64::NAN]), Err(AnalysisError::NotFinite { index: 1, .. })));
    for level in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(quantiles(&[1.0], &[level]), Err(AnalysisError::Level { .. })));
    }
}

#[test]
fn mann_whitney_equals_scipys_asymptotic_test() {
    let cases = frozen().mann_whitney;
    assert_eq!(cases.len(), 9);
    for MannWhitneyCase { name, x, y, u, p_value } in cases {
        let found = mann_whitney(&x, &y).unwrap();
        let pair = |test: sharpsweep::analysis::MannWhitney| [test.u, test.p_value];
        close(&pair(found), &[u, p_value], 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{name}: {misses}"));
        // The other way round, U is that of the other sample, and the two-sided p is the same.
        let turned = mann_whitney(&y, &x).unwrap();
        let pairs = (x.len() * y.len()) as f64;
        close(&pair(turned), &[pairs - u, p_value], 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{name}: {misses}"));
        // Without the correction for ties, or without that for continuity, the value differs.
        if name == "ties" {
            let n = (x.len() + y.len()) as f64;
            let s = (pairs * (n + 1.0) / 12.0).sqrt();
            let uncorrected = libm::erfc((u.max(pairs - u) - pairs / 2.0 - 0.5) / s / 2_f64.sqrt());
            assert!(close(&[uncorrected], &[p_value], 0.0, RELATIVE).is_err());
        }
        if name == "no ties" {
            let s = (pairs * (x.len() + y.len() + 1) as f64 / 12.0).sqrt();
            let discontinuous = libm::erfc((u.max(pairs - u) - pairs / 2.0) / s / 2_f64.sqrt());
            assert!(close(&[discontinuous], &[p_value], 0.0, RELATIVE).is_err());
        }
    }
}

#[test]
fn mann_whitney_refuses_nan_and_empty_samples() {
    assert!(matches!(mann_whitney(&[], &[1.0]), Err(AnalysisError::TooFew { .. })));
    assert!(matches!(mann_whitney(&[1.0], &[]), Err(AnalysisError::TooFew { .. })));
    let error = mann_whitney(&[1.0, 2.0], &[1.0, 2.0, f64::NAN]).unwrap_err();
    assert!(error.to_string().contains("value 2 of the second sample"), "{error}");
}

/// A quadratic algorithm would take minutes.
#[test]
fn mann_whitney_takes_a_million_values() {
    let x: Vec<f64> = (0..500_000).map(|k| f64::from(k) * 0.7).collect();
    let y: Vec<f64> = (0..500_000).map(|k| f64::from(k) * 0.7 + 0.1).collect();
    let found = mann_whitney(&x, &y).unwrap();
    assert!((found.u - 0.5 * 499_999.0 * 500_000.0).abs() < 1.0, "{found:?}");
}

#[test]
fn macro_f1_equals_scikit_learns() {
    let cases = frozen().macro_f1;
    assert_eq!(cases.len(), 8);
    let bools = |values: &[u8]| values.iter().map(|&value| value == 1).collect::<Vec<bool>>();
    for F1Case { name, predictions, labels, macro_f1: expected } in cases {
        let found = macro_f1(&bools(&predictions), &bools(&labels)).unwrap();
        close(&[found], &[expected], 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{name}: {misses}"));
    }
    assert!(matches!(macro_f1(&[true], &[]), Err(AnalysisError::Lengths { predictions: 1, labels: 0 })));
    assert!(matches!(macro_f1(&[], &[]), Err(AnalysisError::TooFew { .. })));
}

/// One linear unit that passes x on: z = v_0 + v_1 x.
#[test]
fn networks_are_scored_by_the_sign_of_their_output() {
    let test = Dataset::new(array![[-2.0], [-1.0], [1.0], [2.0]], array![0.0, 0.0, 1.0, 1.0]).unwrap();
    let network = Network { shape: OneHidden::new(1, 1), activation: Activation::Linear };
    let weights = |v0: f64, v1: f64| [0.0, 1.0, v0, v1];
    let rows = [weights(0.0, 1.0), weights(0.0, -1.0), weights(1.5, 1.0), weights(0.0, 0.0), weights(f64::NAN, 1.0)];
    let theta = Array2::from_shape_fn((5, 4), |(k, d)| rows[k][d]);
    let found = macro_f1_of_each(network, &test, theta.view().into()).unwrap();
    // Of the third network's predictions 0 1 1 1 the scores are 2/3 and 4/5; z = 0 predicts one class only, which
    // scores 2/3.
    let expected = [1.0, 0.0, (2.0 / 3.0 + 0.8) / 2.0, 1.0 / 3.0];
    close(&found[..4], &expected, 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{misses}"));
    assert!(found[4].is_nan(), "a diverged network has no score");
    // Which class z = 0 predicts shows where the classes differ in size: class 0 scores 4/5 here, class 1 would score
    // 1/2.
    let uneven = Dataset::new(array![[1.0], [2.0], [3.0]], array![0.0, 0.0, 1.0]).unwrap();
    let zero = macro_f1_of_each(network, &uneven, Array2::<f64>::zeros((1, 4)).view().into()).unwrap();
    close(&zero, &[0.4], 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{misses}"));
    let wide = Array2::<f64>::zeros((5, 7));
    let refused = macro_f1_of_each(network, &test, wide.view().into());
    assert!(matches!(refused, Err(AnalysisError::Shape { columns: 7, .. })));
}

#[test]
fn duplicates_equal_the_rule_in_numpy() {
    let cases = frozen().duplicates;
    assert_eq!(cases.len(), 3);
    for DuplicateCase { name, points, mean, std, kept } in &cases {
        let points = Array2::from_shape_fn((points.len(), points[0].len()), |(i, d)| points[i][d]);
        let found = duplicates(points.view()).unwrap();
        let expected = [*mean, *std, mean - 3.0 * std];
        let actual = [found.mean, found.std, found.threshold];
        // The threshold is the difference of the two others.
        close(&actual, &expected, RELATIVE * mean, RELATIVE).unwrap_or_else(|misses| panic!("{name}: {misses}"));
        assert_eq!(&found.kept, kept, "{name}");
        // With the sample's standard deviation, divided by the number of pairs minus one, the values would differ.
        let pairs = (kept.len() * (kept.len() - 1) / 2) as f64;
        let sample = std * (pairs / (pairs - 1.0)).sqrt();
        assert!(close(&[found.std], &[sample], RELATIVE * mean, RELATIVE).is_err(), "{name}");
    }
    assert!(cases.iter().any(|case| case.kept.contains(&false)), "no case has a duplicate");
    assert!(cases.iter().any(|case| case.mean < 3.0 * case.std), "no case has a negative threshold");
}
