//! Macro F1 of binary predictions.

use super::AnalysisError;
use super::scores::{ClassCount, mean_f1};
use crate::model::{Dataset, Network, OneHidden, Theta};
use crate::reference::output;

/// The mean of the F1 scores of the classes, F1 = 2 TP / (2 TP + FP + FN): scikit-learn's `f1_score(average="macro",
/// zero_division=0)` for two classes, `true` being class 1.
///
/// A class that occurs neither among the labels nor among the predictions does not count: if all labels and predictions
/// are class 1, the score is that of class 1 alone. A class that occurs on one side only scores 0.
///
/// # Errors
/// [`AnalysisError::Lengths`] if the lists differ in length, [`AnalysisError::TooFew`] if they are empty.
pub fn macro_f1(predictions: &[bool], labels: &[bool]) -> Result<f64, AnalysisError> {
    if predictions.len() != labels.len() {
        return Err(AnalysisError::Lengths { predictions: predictions.len(), labels: labels.len() });
    }
    if labels.is_empty() {
        return Err(AnalysisError::TooFew { what: "an F1 score", of: "label", needed: 1, found: 0 });
    }
    let mut counts = [ClassCount::default(); 2];
    for (&prediction, &label) in predictions.iter().zip(labels) {
        counts[0].count(!prediction, !label);
        counts[1].count(prediction, label);
    }
    Ok(mean_f1(&counts))
}

/// Macro F1 on `test` of every row of `theta` (S, D), in order, on all cores: class 1 is predicted where z > 0. NaN for
/// a network whose output is NaN for any sample.
///
/// # Errors
/// [`AnalysisError::Shape`] if the networks, theta and the samples do not fit each other, [`AnalysisError::NoLabels`]
/// for samples without a label each.
pub fn macro_f1_of_each(
    network: Network<OneHidden>,
    test: &Dataset,
    theta: Theta<'_>,
) -> Result<Vec<f64>, AnalysisError> {
    let inputs = network.shape.inputs;
    if inputs != test.inputs() || network.parameters() != theta.ncols() {
        return Err(AnalysisError::Shape {
            inputs,
            parameters: network.parameters(),
            sample_inputs: test.inputs(),
            columns: theta.ncols(),
        });
    }
    let labels: Vec<bool> = test.q().ok_or(AnalysisError::NoLabels)?.iter().map(|&q| q > 0.5).collect();
    let each = theta.map_networks(|_, weights| {
        let z = output(network, test, weights);
        if z.iter().any(|z| z.is_nan()) {
            return Ok(f64::NAN);
        }
        macro_f1(&z.iter().map(|&z| z > 0.0).collect::<Vec<bool>>(), &labels)
    });
    each.into_iter().collect()
}
