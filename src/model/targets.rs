//! The answers that a network should give.

use ndarray::{Array1, Array2, ArrayView1};

use super::DataError;
use super::loss::{Loss, SampleTarget};

/// The targets of I samples, in the form that a loss takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Labels t_ik, (I, K), each exactly 0.0 or 1.0: what [`Loss::Logistic`] takes. With one column they are the
    /// paper's q_i.
    Labels(Array2<f64>),
    /// A class number below `count` for each sample, (I,): what [`Loss::Softmax`] takes.
    Classes {
        /// The class of each sample.
        of: Vec<usize>,
        /// K, the number of classes.
        count: usize,
    },
    /// Values t_ik, (I, K): what [`Loss::Squared`] takes.
    Values(Array2<f64>),
}

impl Targets {
    /// I, the number of samples.
    pub fn samples(&self) -> usize {
        match self {
            Self::Labels(t) | Self::Values(t) => t.nrows(),
            Self::Classes { of, .. } => of.len(),
        }
    }

    /// K, the number of outputs that a network needs.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Labels(t) | Self::Values(t) => t.ncols(),
            Self::Classes { count, .. } => *count,
        }
    }

    /// The loss that takes targets of this form.
    pub const fn loss(&self) -> Loss {
        match self {
            Self::Labels(_) => Loss::Logistic,
            Self::Classes { .. } => Loss::Softmax,
            Self::Values(_) => Loss::Squared,
        }
    }

    /// The target of sample `i`.
    pub fn sample(&self, i: usize) -> SampleTarget<'_> {
        // Row-major, as `checked` has made them.
        fn row(t: &Array2<f64>, i: usize) -> &[f64] {
            let all = t.as_slice().unwrap_or_default();
            &all[i * t.ncols()..(i + 1) * t.ncols()]
        }
        match self {
            Self::Labels(t) => SampleTarget::Labels(row(t, i)),
            Self::Classes { of, .. } => SampleTarget::Class(of[i]),
            Self::Values(t) => SampleTarget::Values(row(t, i)),
        }
    }

    /// The same, row-major, if every target is one that its loss takes.
    ///
    /// # Errors
    /// [`DataError`] names the first that is not.
    pub(super) fn checked(self) -> Result<Self, DataError> {
        let row_major = |t: Array2<f64>| if t.is_standard_layout() { t } else { t.as_standard_layout().into_owned() };
        match self {
            Self::Labels(t) => match t.indexed_iter().find(|&(_, &t)| !is_label(t)) {
                Some(((sample, _), &value)) => Err(DataError::Label { sample, value }),
                None => Ok(Self::Labels(row_major(t))),
            },
            Self::Classes { of, count } => match of.iter().position(|&class| class >= count) {
                Some(sample) => Err(DataError::Class { sample, class: of[sample], count }),
                None => Ok(Self::Classes { of, count }),
            },
            Self::Values(t) => {
                let unusable = |t: f64| !t.is_finite() || t.abs() > f64::from(f32::MAX);
                match t.indexed_iter().find(|&(_, &t)| unusable(t)) {
                    Some(((sample, output), &value)) => Err(DataError::TargetNotFinite { sample, output, value }),
                    None => Ok(Self::Values(row_major(t))),
                }
            }
        }
    }

    /// The targets of the same classes for `loss`: labels 0 and 1 of two classes, class numbers, or values. The values
    /// of two classes are 0 and 1, those of more are 1 for the output of the class and 0 for the others.
    ///
    /// # Errors
    /// [`DataError::TwoClasses`] for the logistic loss of more classes.
    pub fn for_loss(self, loss: Loss) -> Result<Self, DataError> {
        let is_one_label = self.outputs() == 1;
        Ok(match (self, loss) {
            (Self::Classes { count, .. }, Loss::Logistic) => return Err(DataError::TwoClasses { count }),
            (Self::Classes { of, count }, Loss::Squared) => {
                Self::Values(Array2::from_shape_fn((of.len(), count), |(i, k)| f64::from(u8::from(of[i] == k))))
            }
            (Self::Labels(t), Loss::Softmax) if is_one_label => {
                Self::Classes { of: t.iter().map(|&t| usize::from(t > 0.5)).collect(), count: 2 }
            }
            (Self::Labels(t), Loss::Squared) => Self::Values(t),
            (targets, _) => targets,
        })
    }

    /// The same with `least` classes, if these are classes and fewer.
    pub fn of_at_least(self, least: usize) -> Self {
        match self {
            Self::Classes { of, count } => Self::Classes { of, count: count.max(least) },
            targets => targets,
        }
    }

    /// The class of all samples, if they share one; with labels, the label.
    pub fn single_class(&self) -> Option<f64> {
        match self {
            Self::Labels(t) => {
                let first = *t.first()?;
                (t.ncols() == 1 && t.iter().all(|t| t.to_bits() == first.to_bits())).then_some(first)
            }
            Self::Classes { of, .. } => {
                let first = *of.first()?;
                of.iter().all(|&class| class == first).then_some(first as f64)
            }
            Self::Values(_) => None,
        }
    }

    /// The lowest loss of a network that gives every sample the same outputs, where the samples count `weights` times,
    /// or once each: the entropy of the classes' shares, I times, for labels and classes; half the sum of the squared
    /// distances from the mean for values.
    pub fn loss_of_constant(&self, weights: Option<ArrayView1<'_, f64>>) -> f64 {
        let weight = |i: usize| weights.map_or(1.0, |weights| weights[i]);
        let samples: f64 = (0..self.samples()).map(weight).sum();
        let part = |count: f64| if count > 0.0 { -count * (count / samples).ln() } else { 0.0 };
        let weighted = |t: ArrayView1<'_, f64>| t.iter().enumerate().map(|(i, t)| weight(i) * t).sum::<f64>();
        match self {
            Self::Labels(t) => t
                .columns()
                .into_iter()
                .map(|t| {
                    let ones = weighted(t);
                    part(ones) + part(samples - ones)
                })
                .sum(),
            Self::Classes { of, count } => {
                let mut members = vec![0.0; *count];
                of.iter().enumerate().for_each(|(i, &class)| members[class] += weight(i));
                members.into_iter().map(part).sum()
            }
            Self::Values(t) => t
                .columns()
                .into_iter()
                .map(|t| {
                    let mean = weighted(t) / samples;
                    t.iter().enumerate().map(|(i, t)| weight(i) * (t - mean).powi(2)).sum::<f64>() / 2.0
                })
                .sum(),
        }
    }
}

impl From<Array1<f64>> for Targets {
    /// One label per sample, the paper's q.
    fn from(q: Array1<f64>) -> Self {
        Self::Labels(q.insert_axis(ndarray::Axis(1)))
    }
}

#[expect(clippy::float_cmp, reason = "a label is exactly 0 or 1; NaN is neither")]
pub(crate) fn is_label(v: f64) -> bool {
    v == 0.0 || v == 1.0
}
