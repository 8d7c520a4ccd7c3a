//! Labelled samples, checked once so that no engine has to.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::{DataError, Targets};

/// I samples x_i in R^M (row i of `x`) with their targets and, where they do not all count alike, their weights.
///
/// Values are f64; engines that compute in f32 round them once, to nearest.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    x: Array2<f64>,
    targets: Targets,
    /// omega_i > 0, (I,); `None` where all are 1.
    weights: Option<Array1<f64>>,
}

/// How the inputs of a data set were centred and scaled: x became (x - mean) / deviation, input by input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standardization {
    /// The mean of each input over the training samples, (M,).
    pub means: Vec<f64>,
    /// The standard deviation (over I, not I - 1), and 1 for an input that never changes, (M,).
    pub deviations: Vec<f64>,
}

/// An input that f32 does not represent well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundedInput {
    /// Which input, from 0.
    pub input: usize,
    /// The most that rounding to f32 moves one of its values.
    pub rounding: f64,
    /// The largest value minus the smallest one.
    pub range: f64,
}

/// An input whose values are far from mean 0 and standard deviation 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaledInput {
    /// Which input, from 0.
    pub input: usize,
    /// Its mean over the samples.
    pub mean: f64,
    /// Its standard deviation (over I, not I - 1).
    pub deviation: f64,
}

impl ScaledInput {
    /// How far it is off, as a factor: 1 for mean 0 and standard deviation 1.
    fn factor(&self) -> f64 {
        let narrow = if self.deviation > 0.0 { 1.0 / self.deviation } else { 1.0 };
        self.mean.abs().max(self.deviation).max(narrow)
    }
}

/// An input is named where its mean or deviation is off by more than this factor.
const NOTABLE_SCALE: f64 = 10.0;

/// An input is named where rounding moves a value by more than this share of its range.
const NOTABLE_ROUNDING: f64 = 1e-6;

impl Dataset {
    /// Checks `x` (I, M) and `targets`, which may be an array q of labels (I,), and joins them into a data set.
    ///
    /// # Errors
    /// [`DataError`] names the first value or size that cannot be used.
    pub fn new(x: Array2<f64>, targets: impl Into<Targets>) -> Result<Self, DataError> {
        let (samples, inputs) = x.dim();
        if samples == 0 || inputs == 0 {
            return Err(DataError::Empty { samples, inputs });
        }
        let targets = targets.into();
        if targets.samples() != samples {
            return Err(DataError::Lengths { x: samples, q: targets.samples() });
        }
        let unusable = |v: f64| !v.is_finite() || v.abs() > f64::from(f32::MAX);
        if let Some(((sample, input), &value)) = x.indexed_iter().find(|&(_, &v)| unusable(v)) {
            return Err(DataError::NotFinite { sample, input, value });
        }
        // Row-major whatever the file's order was: engines read rows as slices.
        let x = if x.is_standard_layout() { x } else { x.as_standard_layout().into_owned() };
        Ok(Self { x, targets: targets.checked()?, weights: None })
    }

    /// The same samples, the loss of sample i counted `weights`\[i\] times, (I,). Weights that are all 1 are none.
    ///
    /// # Errors
    /// [`DataError::WeightLengths`], and [`DataError::Weight`] for the first that is not above 0 in f32.
    pub fn weighted(mut self, weights: Array1<f64>) -> Result<Self, DataError> {
        self.check_weights(&weights)?;
        let one = 1.0_f64.to_bits();
        self.weights = weights.iter().any(|weight| weight.to_bits() != one).then_some(weights);
        Ok(self)
    }

    /// Fails unless the samples can count `weights` times; see [`Self::weighted`].
    pub(crate) fn check_weights(&self, weights: &Array1<f64>) -> Result<(), DataError> {
        if weights.len() != self.samples() {
            return Err(DataError::WeightLengths { x: self.samples(), weights: weights.len() });
        }
        let usable = |weight: f64| weight >= f64::from(f32::MIN_POSITIVE) && weight <= f64::from(f32::MAX);
        if let Some((sample, &value)) = weights.indexed_iter().find(|&(_, &weight)| !usable(weight)) {
            return Err(DataError::Weight { sample, value });
        }
        Ok(())
    }

    /// The same samples with the targets that `targets` makes of theirs.
    ///
    /// # Errors
    /// Those of `targets`, and [`DataError`] for targets that cannot be used.
    pub fn with_targets(self, targets: impl FnOnce(Targets) -> Result<Targets, DataError>) -> Result<Self, DataError> {
        let targets = targets(self.targets)?.checked()?;
        if targets.samples() != self.x.nrows() {
            return Err(DataError::Lengths { x: self.x.nrows(), q: targets.samples() });
        }
        Ok(Self { targets, ..self })
    }

    /// The lowest loss of a network that gives every sample the same outputs.
    pub fn loss_of_constant(&self) -> f64 {
        self.targets.loss_of_constant(self.weights())
    }

    /// The centres and scales that give every input mean 0 and standard deviation 1.
    pub fn standardization(&self) -> Standardization {
        let (means, squares) = self.moments();
        let deviations = squares.mapv(|square| if square > 0.0 { square.sqrt() } else { 1.0 });
        Standardization { means: means.to_vec(), deviations: deviations.to_vec() }
    }

    /// The mean and the variance (over I, not I - 1) of each input, (M,).
    fn moments(&self) -> (Array1<f64>, Array1<f64>) {
        let means = self.x.sum_axis(Axis(0)) / self.samples() as f64;
        let squares = (&self.x - &means).mapv(|x| x * x).sum_axis(Axis(0)) / self.samples() as f64;
        (means, squares)
    }

    /// The same labels with inputs centred and scaled by `standardization`, which must be of M inputs.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] where that leaves the range of f32.
    pub fn standardized(&self, standardization: &Standardization) -> Result<Self, DataError> {
        let mut x = self.x.clone();
        let scales = standardization.means.iter().zip(&standardization.deviations);
        for (mut column, (mean, deviation)) in x.axis_iter_mut(Axis(1)).zip(scales) {
            column.mapv_inplace(|x| (x - mean) / deviation);
        }
        let standardized = Self::new(x, self.targets.clone())?;
        Ok(Self { weights: self.weights.clone(), ..standardized })
    }

    /// The inputs where rounding to f32 moves a value by more than 1e-6 of the input's range, in order. A constant
    /// input is not among them: a changed weight makes up for its rounding.
    pub fn inputs_rounded_by_f32(&self) -> Vec<RoundedInput> {
        let columns = self.x.axis_iter(Axis(1)).enumerate();
        columns
            .map(|(input, column)| {
                let (low, high) =
                    column.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
                let rounding = column.fold(0.0_f64, |most, &x| most.max((x - f64::from(x as f32)).abs()));
                RoundedInput { input, rounding, range: high - low }
            })
            .filter(|found| found.range > 0.0 && found.rounding > NOTABLE_ROUNDING * found.range)
            .collect()
    }

    /// The inputs whose |mean| is above 10, or whose standard deviation is above 10 or below 0.1, the furthest off
    /// first. A constant input is among them only for its mean.
    pub fn scaled_inputs(&self) -> Vec<ScaledInput> {
        let (means, squares) = self.moments();
        let inputs = means.iter().zip(&squares).enumerate();
        let mut found: Vec<ScaledInput> = inputs
            .map(|(input, (&mean, square))| ScaledInput { input, mean, deviation: square.sqrt() })
            .filter(|scaled| scaled.factor() > NOTABLE_SCALE)
            .collect();
        found.sort_by(|a, b| b.factor().total_cmp(&a.factor()));
        found
    }

    /// I, the number of samples.
    pub fn samples(&self) -> usize {
        self.x.nrows()
    }

    /// M, the number of inputs per sample.
    pub fn inputs(&self) -> usize {
        self.x.ncols()
    }

    /// All samples, (I, M), row-major.
    pub fn x(&self) -> ArrayView2<'_, f64> {
        self.x.view()
    }

    /// All labels q, (I,), each exactly 0.0 or 1.0; `None` unless there is one label per sample.
    pub fn q(&self) -> Option<ArrayView1<'_, f64>> {
        match &self.targets {
            Targets::Labels(labels) if labels.ncols() == 1 => Some(labels.column(0)),
            _ => None,
        }
    }

    /// omega, the weights of the samples, (I,); `None` where all are 1.
    pub fn weights(&self) -> Option<ArrayView1<'_, f64>> {
        self.weights.as_ref().map(|weights| weights.view())
    }

    /// The targets of all samples.
    pub const fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Sample x_i.
    pub fn sample(&self, i: usize) -> ArrayView1<'_, f64> {
        self.x.row(i)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, ShapeBuilder, array};

    use super::{Dataset, RoundedInput};
    use crate::model::DataError;

    #[test]
    fn fortran_order_gives_the_same_rows() {
        let c = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        let mut f = Array2::zeros((3, 2).f());
        f.assign(&c);
        let q = array![0.0, 1.0, 1.0];
        let data = Dataset::new(f, q.clone()).unwrap();
        assert_eq!(data, Dataset::new(c, q).unwrap());
        assert_eq!(data.sample(1).to_slice().unwrap(), [3.0, 4.0]);
    }

    #[test]
    fn unusable_values_are_named_with_their_place() {
        let x = array![[0.0, 1.0], [2.0, f64::NAN]];
        assert!(matches!(Dataset::new(x, array![0.0, 1.0]), Err(DataError::NotFinite { sample: 1, input: 1, .. })));
        let big = array![[1e39]];
        assert!(matches!(Dataset::new(big, array![0.0]), Err(DataError::NotFinite { .. })));
        let x = array![[0.0], [1.0]];
        assert_eq!(Dataset::new(x.clone(), array![0.0, 2.0]), Err(DataError::Label { sample: 1, value: 2.0 }));
        assert!(matches!(Dataset::new(x.clone(), array![0.0, f64::NAN]), Err(DataError::Label { .. })));
        assert_eq!(Dataset::new(x, array![0.0]), Err(DataError::Lengths { x: 2, q: 1 }));
        assert!(matches!(Dataset::new(Array2::zeros((0, 2)), Array1::zeros(0)), Err(DataError::Empty { .. })));
    }

    #[test]
    fn inputs_far_from_standardised_are_named_and_the_worst_comes_first() {
        let x = array![[0.0, 100.0, 0.5, 50.0, 0.001], [1.0, 900.0, -1.5, 50.0, 0.003]];
        let data = Dataset::new(x, array![0.0, 1.0]).unwrap();
        let found = data.scaled_inputs();
        assert_eq!(found.iter().map(|scaled| scaled.input).collect::<Vec<_>>(), [4, 1, 3]);
        assert!((found[1].mean - 500.0).abs() < 1e-9 && (found[1].deviation - 400.0).abs() < 1e-9);
        assert!(data.standardized(&data.standardization()).unwrap().scaled_inputs().is_empty());
    }

    #[test]
    fn the_loss_of_a_constant_is_that_of_the_shares_of_the_classes() {
        let data = |q: Array1<f64>| Dataset::new(Array2::zeros((q.len(), 1)), q).unwrap();
        let mixed = data(array![0.0, 1.0, 1.0, 1.0]);
        assert!((mixed.loss_of_constant() - (3.0 * (4.0_f64 / 3.0).ln() + 4.0_f64.ln())).abs() < 1e-12);
        assert_eq!(mixed.targets().single_class(), None);
        let alike = data(array![1.0, 1.0]);
        assert_eq!(
            (alike.targets().single_class(), alike.loss_of_constant().to_bits()),
            (Some(1.0), 0.0_f64.to_bits())
        );
    }

    #[test]
    fn inputs_that_f32_does_not_hold_are_named_and_standardizing_helps() {
        let time = |k: f64| 1.7e9 + k;
        let x = array![[time(0.3), 0.1, 5.1], [time(1.1), 0.2, 5.1], [time(2.0), 0.4, 5.1], [time(2.6), 0.3, 5.1]];
        let data = Dataset::new(x, array![0.0, 1.0, 0.0, 1.0]).unwrap();
        let [RoundedInput { input: 0, rounding, range }] = data.inputs_rounded_by_f32()[..] else {
            panic!("{:?}", data.inputs_rounded_by_f32())
        };
        assert!(rounding > 1.0 && (range - 2.3).abs() < 1e-6, "{rounding} {range}");
        let standardization = data.standardization();
        let standardized = data.standardized(&standardization).unwrap();
        assert_eq!(standardized.inputs_rounded_by_f32(), []);
        for column in standardized.x().columns().into_iter().take(2) {
            let square = column.iter().map(|x| x * x).sum::<f64>() / 4.0;
            assert!(column.sum().abs() < 1e-6 && (square - 1.0).abs() < 1e-6, "{column}");
        }
        assert!(standardized.x().column(2).iter().all(|x| x.abs() < 1e-12), "an input that never changes becomes 0");
        assert_eq!(standardization.deviations[2].to_bits(), 1.0_f64.to_bits());
    }
}
