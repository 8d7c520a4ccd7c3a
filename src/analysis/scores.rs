//! How well networks of K outputs do on test data: macro F1 and accuracy for classes, R^2 for values.

use super::AnalysisError;
use crate::model::{Dataset, Loss, SampleTarget, Targets, largest};

/// The scores of one network on test data. All are NaN if an output is NaN for any sample.
///
/// The definitions and what they are where a denominator is 0 are scikit-learn's, with `zero_division=0`; predictions
/// are 1 where z > 0 for labels, and for classes the number of the largest output, the first of equal ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// The loss summed over the test samples, each counted once: I times the mean.
    pub loss: f64,
    /// The share of the samples whose class is predicted, or all of whose labels are (`accuracy_score`); `None` for
    /// values.
    pub accuracy: Option<f64>,
    /// The mean of F1 = 2 TP / (2 TP + FP + FN) over the classes (`f1_score` with `average="macro"`); `None` for
    /// values.
    ///
    /// With classes, and with one label per sample, whose classes are 0 and 1, a class that occurs neither among the
    /// targets nor among the predictions does not count. With K > 1 labels per sample the mean is over all K columns,
    /// each scored by its label 1, and a column without a label 1 on either side scores 0.
    pub macro_f1: Option<f64>,
    /// The mean over the outputs of R^2 = 1 - sum_i (t_i - z_i)^2 / sum_i (t_i - mean t)^2 (`r2_score`); `None` for
    /// labels and classes.
    ///
    /// An output whose targets are all the same has R^2 = 1 if every prediction is exact, else 0. One sample alone has
    /// no R^2: NaN. scikit-learn takes targets for the same only if their mean rounds to their value.
    pub r2: Option<f64>,
}

/// Scores networks on the same test data, one after the other.
#[derive(Debug, Clone)]
pub struct Scorer<'t> {
    targets: &'t Targets,
    /// One for each class that is scored.
    counts: Vec<ClassCount>,
    /// sum_i (t_i - mean t)^2 of each output, (K,); empty for labels and classes.
    spreads: Vec<f64>,
    /// sum_i (t_i - z_i)^2 of each output, (K,), of the network at hand.
    squares: Vec<f64>,
    /// The outputs for one sample in f64, (K,).
    z: Vec<f64>,
}

/// How often one class was right, predicted and there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ClassCount {
    /// Samples of the class that were predicted to be of it.
    pub(super) hits: u64,
    /// Samples that were predicted to be of the class.
    pub(super) predicted: u64,
    /// Samples of the class.
    pub(super) actual: u64,
}

impl ClassCount {
    /// Counts a sample.
    pub(super) fn count(&mut self, is_predicted: bool, is_actual: bool) {
        self.hits += u64::from(is_predicted && is_actual);
        self.predicted += u64::from(is_predicted);
        self.actual += u64::from(is_actual);
    }

    /// F1 = 2 TP / (2 TP + FP + FN); `None` for a class that is nowhere.
    fn f1(self) -> Option<f64> {
        let all = self.predicted + self.actual;
        (all > 0).then(|| (2 * self.hits) as f64 / all as f64)
    }
}

/// The mean of the F1 scores of the classes in `counts` that occur somewhere.
pub(super) fn mean_f1(counts: &[ClassCount]) -> f64 {
    let (sum, classes) =
        counts.iter().filter_map(|count| count.f1()).fold((0.0, 0_u32), |(sum, classes), f1| (sum + f1, classes + 1));
    sum / f64::from(classes)
}

impl<'t> Scorer<'t> {
    /// For the targets of `test`, whose weights do not count.
    pub fn new(test: &'t Dataset) -> Self {
        let targets = test.targets();
        let outputs = targets.outputs();
        let spreads = match targets {
            Targets::Values(t) => t.columns().into_iter().map(|t| spread(&t.to_vec())).collect(),
            Targets::Labels(_) | Targets::Classes { .. } => Vec::new(),
        };
        let classes = match targets.loss() {
            Loss::Logistic if outputs == 1 => 2,
            Loss::Logistic | Loss::Softmax => outputs,
            Loss::Squared => 0,
        };
        Self {
            targets,
            counts: vec![ClassCount::default(); classes],
            squares: vec![0.0; spreads.len()],
            spreads,
            z: vec![0.0; outputs],
        }
    }

    /// The scores of the network with these `outputs` z (I, K), f32 or f64, row by row.
    ///
    /// # Errors
    /// [`AnalysisError::Lengths`] unless there is a row for each sample, [`AnalysisError::Columns`] for a row that has
    /// not K outputs.
    pub fn score<T: Copy + Into<f64>>(
        &mut self,
        outputs: impl IntoIterator<Item = impl AsRef<[T]>>,
    ) -> Result<Scores, AnalysisError> {
        self.counts.fill(ClassCount::default());
        self.squares.fill(0.0);
        let (mut rows, mut right, mut loss, mut is_nan) = (0, 0_u64, 0.0, false);
        let samples = self.targets.samples();
        for row in outputs {
            let row = row.as_ref();
            if row.len() != self.z.len() {
                let (found, expected) = (row.len(), self.z.len());
                return Err(AnalysisError::Columns { what: "outputs of a sample", found, expected });
            }
            if rows < samples {
                self.z.iter_mut().zip(row).for_each(|(to, &from)| *to = from.into());
                is_nan |= self.z.iter().any(|z| z.is_nan());
                loss += self.targets.sample(rows).loss(&self.z);
                right += u64::from(self.count(rows));
            }
            rows += 1;
        }
        if rows != samples {
            return Err(AnalysisError::Lengths { predictions: rows, labels: samples });
        }
        let unless_nan = |score: f64| if is_nan { f64::NAN } else { score };
        let is_of_classes = self.targets.loss() != Loss::Squared;
        Ok(Scores {
            loss: unless_nan(loss),
            accuracy: is_of_classes.then(|| unless_nan(right as f64 / samples as f64)),
            macro_f1: is_of_classes.then(|| unless_nan(self.macro_f1())),
            r2: (!is_of_classes).then(|| unless_nan(self.r2())),
        })
    }

    /// Counts the sample `i`, whose outputs are in `z`; whether all of it is predicted.
    fn count(&mut self, i: usize) -> bool {
        let Self { targets, counts, squares, z, .. } = self;
        match targets.sample(i) {
            SampleTarget::Labels(&[t]) => {
                let (predicted, actual) = (z[0] > 0.0, t > 0.5);
                counts[0].count(!predicted, !actual);
                counts[1].count(predicted, actual);
                predicted == actual
            }
            SampleTarget::Labels(t) => {
                let mut all = true;
                for ((count, &z), &t) in counts.iter_mut().zip(&*z).zip(t) {
                    let (predicted, actual) = (z > 0.0, t > 0.5);
                    count.count(predicted, actual);
                    all &= predicted == actual;
                }
                all
            }
            SampleTarget::Class(actual) => {
                let predicted = largest(z);
                counts[predicted].predicted += 1;
                counts[actual].actual += 1;
                counts[actual].hits += u64::from(predicted == actual);
                predicted == actual
            }
            SampleTarget::Values(t) => {
                squares.iter_mut().zip(t).zip(&*z).for_each(|((square, t), z)| *square += (t - z).powi(2));
                false
            }
        }
    }

    fn macro_f1(&self) -> f64 {
        match self.targets {
            Targets::Labels(t) if t.ncols() > 1 => {
                let sum: f64 = self.counts.iter().map(|count| count.f1().unwrap_or(0.0)).sum();
                sum / self.counts.len() as f64
            }
            _ => mean_f1(&self.counts),
        }
    }

    fn r2(&self) -> f64 {
        if self.targets.samples() < 2 {
            return f64::NAN;
        }
        let of = |(&square, &spread): (&f64, &f64)| match (square > 0.0, spread > 0.0) {
            (false, _) => 1.0,
            (true, true) => 1.0 - square / spread,
            (true, false) => 0.0,
        };
        self.squares.iter().zip(&self.spreads).map(of).sum::<f64>() / self.spreads.len() as f64
    }
}

/// sum_i (t_i - mean t)^2, exactly 0 where all are the same.
fn spread(t: &[f64]) -> f64 {
    if t.iter().all(|value| Some(value) == t.first()) {
        return 0.0;
    }
    let mean = t.iter().sum::<f64>() / t.len() as f64;
    t.iter().map(|t| (t - mean).powi(2)).sum()
}
