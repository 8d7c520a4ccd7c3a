//! Quantiles, Mann-Whitney U, macro F1, accuracy, R^2, losses and the rule for duplicates give the values of NumPy,
//! SciPy and scikit-learn, frozen with the script that made them (`tests/frozen/make.py`).

mod support;

use ndarray::{Array2, array};
use serde::{Deserialize, Deserializer};
use sharpsweep::analysis::{
    AnalysisError, Scorer, Scores, duplicates, macro_f1, macro_f1_of_each, mann_whitney, median, quantiles,
};
use sharpsweep::model::{Activation, BuiltIn, Dataset, Draw, Loss, Network, OneHidden, Targets};
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
    scores: Vec<ScoreCase>,
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
struct ScoreCase {
    name: String,
    loss: Loss,
    outputs: Vec<Vec<f64>>,
    targets: FrozenTargets,
    test_loss: f64,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    r2: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FrozenTargets {
    Classes(Vec<usize>),
    Rows(Vec<Vec<f64>>),
}

impl ScoreCase {
    /// Test data with these targets; the samples play no part.
    fn test(&self) -> Dataset {
        let outputs = self.outputs[0].len();
        let rows = |rows: &[Vec<f64>]| Array2::from_shape_fn((rows.len(), outputs), |(i, k)| rows[i][k]);
        let targets = match (&self.targets, self.loss) {
            (FrozenTargets::Classes(of), Loss::Softmax) => Targets::Classes { of: of.clone(), count: outputs },
            (FrozenTargets::Rows(t), Loss::Squared) => Targets::Values(rows(t)),
            (FrozenTargets::Rows(t), _) => Targets::Labels(rows(t)),
            // One label per sample.
            (FrozenTargets::Classes(of), _) => {
                of.iter().map(|&label| label as f64).collect::<ndarray::Array1<f64>>().into()
            }
        };
        of_targets(targets)
    }
}

/// Test data with these targets and inputs that play no part.
fn of_targets(targets: impl Into<Targets>) -> Dataset {
    let targets = targets.into();
    Dataset::new(Array2::zeros((targets.samples(), 1)), targets).unwrap()
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
fn scores_equal_scikit_learns() {
    let cases = frozen().scores;
    assert_eq!(cases.len(), 16);
    for case in &cases {
        let test = case.test();
        let Scores { loss, accuracy, macro_f1, r2 } = Scorer::new(&test).score(&case.outputs).unwrap();
        let (found, expected) = ([accuracy, macro_f1, r2], [case.accuracy, case.macro_f1, case.r2]);
        assert_eq!(found.map(|score| score.is_some()), expected.map(|score| score.is_some()), "{}", case.name);
        let values =
            |scores: [Option<f64>; 3], loss: f64| [scores.map(|score| score.unwrap_or(0.0)), [loss; 3]].concat();
        close(&values(found, loss), &values(expected, case.test_loss), 0.0, RELATIVE)
            .unwrap_or_else(|misses| panic!("{}: {misses}", case.name));
    }
}

/// What a class is called does not matter, neither to accuracy nor to the mean over the classes.
#[test]
fn scores_of_classes_do_not_depend_on_their_order() {
    let cases = frozen().scores;
    for case in cases.iter().filter(|case| case.loss == Loss::Softmax && case.name != "equal outputs") {
        let (test, outputs) = (case.test(), case.outputs[0].len());
        let Targets::Classes { of, count } = test.targets().clone() else { panic!("{}", case.name) };
        let before = Scorer::new(&test).score(&case.outputs).unwrap();
        for shift in 1..outputs {
            let renamed = of_targets(Targets::Classes { of: of.iter().map(|k| (k + shift) % count).collect(), count });
            let turned = case.outputs.iter().map(|z| (0..outputs).map(|k| z[(k + outputs - shift) % outputs]));
            let after = Scorer::new(&renamed).score(turned.map(Iterator::collect::<Vec<f64>>)).unwrap();
            let values = |scores: Scores| [scores.loss, scores.accuracy.unwrap(), scores.macro_f1.unwrap()];
            close(&values(after), &values(before), 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{misses}"));
        }
    }
}

/// The macro F1 of two classes is the same number, bit for bit, by one output, by two, and by predictions.
#[test]
fn two_classes_have_one_macro_f1() {
    let wide = |z: f64| [0.0, z];
    for seed in 0..200 {
        let draw = Draw::new(BuiltIn::RandomLabels { classes: 2, inputs: 1 }, seed);
        let data = draw.test(1 + seed as usize % 23).unwrap();
        // Every seventh output is 0, which is class 0.
        let z: Vec<f64> = data.x().iter().enumerate().map(|(i, &x)| if i % 7 == 3 { 0.0 } else { x }).collect();
        let labels: Vec<bool> = data.q().unwrap().iter().map(|&q| q > 0.5).collect();
        let classes = of_targets(Targets::Classes { of: labels.iter().map(|&q| usize::from(q)).collect(), count: 2 });
        let predictions: Vec<bool> = z.iter().map(|&z| z > 0.0).collect();
        let expected = macro_f1(&predictions, &labels).unwrap();
        let one = Scorer::new(&data).score(z.chunks(1)).unwrap();
        let two = Scorer::new(&classes).score(z.iter().map(|&z| wide(z))).unwrap();
        for scores in [one, two] {
            assert_eq!(scores.macro_f1.map(f64::to_bits), Some(expected.to_bits()), "{seed}");
        }
        assert_eq!(one.accuracy, two.accuracy);
        // f32 outputs of the same sign score the same.
        let narrow: Vec<f32> = z.iter().map(|&z| z as f32).collect();
        assert_eq!(Scorer::new(&data).score(narrow.chunks(1)).unwrap().macro_f1, one.macro_f1);
    }
}

#[test]
fn perfect_and_constant_predictions_score_what_they_must() {
    let of: Vec<usize> = (0..12).map(|i| i % 3).collect();
    let classes = of_targets(Targets::Classes { of: of.clone(), count: 3 });
    let mut scorer = Scorer::new(&classes);
    let perfect = of.iter().map(|&class| [0, 1, 2].map(|k| if k == class { 60.0 } else { 0.0 }));
    let Scores { loss, accuracy, macro_f1, r2 } = scorer.score::<f64>(perfect).unwrap();
    assert_eq!((accuracy, macro_f1, r2), (Some(1.0), Some(1.0), None));
    assert!(loss > 0.0 && loss < 1e-20, "{loss}");
    // One class for all: F1 = 2 4 / (12 + 4) of that class and 0 of the others. What the scorer counted before is gone.
    let constant = scorer.score(std::iter::repeat_n([0.0_f32, 1.0, 0.5], 12)).unwrap();
    assert_eq!(constant.accuracy.map(f64::to_bits), Some((1.0_f64 / 3.0).to_bits()));
    close(&[constant.macro_f1.unwrap()], &[1.0 / 6.0], 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{misses}"));

    let values = of_targets(Targets::Values(Array2::from_shape_fn((6, 2), |(i, k)| i as f64 * 0.3 - k as f64)));
    let Targets::Values(t) = values.targets() else { panic!() };
    let mut scorer = Scorer::new(&values);
    let exact = scorer.score(t.rows().into_iter().map(|t| t.to_vec())).unwrap();
    assert_eq!((exact.r2, exact.loss.to_bits(), exact.macro_f1, exact.accuracy), (Some(1.0), 0, None, None));
    // The mean of each output has R^2 = 0, and the loss of a constant.
    let means = t.mean_axis(ndarray::Axis(0)).unwrap().to_vec();
    let mean = scorer.score(std::iter::repeat_n(&means, 6)).unwrap();
    assert!(mean.r2.unwrap().abs() < 1e-14, "{mean:?}");
    close(&[mean.loss], &[values.loss_of_constant()], 0.0, RELATIVE).unwrap_or_else(|misses| panic!("{misses}"));
    // 0.1 three times has a mean that is not 0.1: its spread is 0 all the same.
    let same = of_targets(Targets::Values(Array2::from_elem((3, 1), 0.1)));
    let score = |z: f64| Scorer::new(&same).score(std::iter::repeat_n([z], 3)).unwrap().r2;
    assert_eq!((score(0.1), score(0.1 + 1e-9)), (Some(1.0), Some(0.0)));
    let alone = of_targets(Targets::Values(array![[1.0]]));
    assert!(Scorer::new(&alone).score([[1.0]]).unwrap().r2.unwrap().is_nan());
}

#[test]
fn outputs_that_do_not_fit_are_refused_and_diverged_networks_have_no_score() {
    let test = of_targets(Targets::Classes { of: vec![0, 1, 1], count: 2 });
    let mut scorer = Scorer::new(&test);
    for rows in [2, 4] {
        let refused = scorer.score(std::iter::repeat_n([0.0, 1.0], rows));
        assert_eq!(refused, Err(AnalysisError::Lengths { predictions: rows, labels: 3 }));
    }
    let refused = scorer.score([[0.0; 3]; 3]);
    assert_eq!(refused, Err(AnalysisError::Columns { what: "outputs of a sample", found: 3, expected: 2 }));
    let diverged = scorer.score([[0.0, 1.0], [f64::NAN, 1.0], [0.0, 1.0]]).unwrap();
    assert!([Some(diverged.loss), diverged.accuracy, diverged.macro_f1].iter().all(|score| score.unwrap().is_nan()));
    let next = scorer.score([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]).unwrap();
    assert_eq!((next.accuracy, next.macro_f1), (Some(1.0), Some(1.0)));
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
