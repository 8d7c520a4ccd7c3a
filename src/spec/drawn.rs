//! Built-in data as they are asked for: a name, and numbers that have defaults.

use serde::Deserialize;

use super::{DataSource, SourcedDataset, SpecError};
use crate::model::{Activation, BuiltIn, Dataset, Draw, HiddenLayers, Loss, Teacher};
use crate::room::check_memory;

/// The test samples that are drawn with the paper's data (Appendix C).
pub const APPENDIX_C_TEST_SAMPLES: usize = 10;

/// The test samples that are drawn with other built-in data, unless another number is asked for.
pub const TEST_SAMPLES: usize = 100;

/// Data sets that need no file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum BuiltInName {
    /// The paper's: two Gaussian classes in the plane
    #[default]
    AppendixC,
    /// Two half circles that reach into each other
    Moons,
    /// A circle within a circle, or K of them
    Circles,
    /// K arms of a spiral
    Spirals,
    /// K Gaussians in M dimensions around random centres
    Mixture,
    /// The corners of a cube in M dimensions by their parity; XOR for M = 2
    Parity,
    /// Gaussian samples with the K classes that a random network gives them
    Teacher,
    /// Gaussian samples with random labels
    RandomLabels,
}

/// What is asked of built-in data besides their name; `None` for the default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuiltInOptions {
    /// sigma, the standard deviation of the noise in each input; 0.5 for a mixture and 0.1 for others.
    pub noise: Option<f64>,
    /// K, the number of classes; 2.
    pub classes: Option<usize>,
    /// M, the number of inputs; 2.
    pub inputs: Option<usize>,
    /// The widths of the teacher's hidden layers; one of 3 units.
    pub teacher_hidden: Option<HiddenLayers>,
    /// The teacher's activation; tanh.
    pub teacher_activation: Option<Activation>,
}

impl BuiltInName {
    /// The data of this name with `options`.
    ///
    /// # Errors
    /// [`SpecError::Unused`] for an option that such data have no use for.
    pub fn with(self, options: &BuiltInOptions) -> Result<BuiltIn, SpecError> {
        const NOISE: &str = "--data-noise";
        const CLASSES: &str = "--data-classes";
        const INPUTS: &str = "--data-inputs";
        const TEACHER_HIDDEN: &str = "--teacher-hidden";
        const TEACHER_ACTIVATION: &str = "--teacher-activation";
        let BuiltInOptions { noise, classes, inputs, teacher_hidden, teacher_activation } = options;
        let sigma = noise.unwrap_or(if self == Self::Mixture { 0.5 } else { 0.1 });
        let (k, m) = (classes.unwrap_or(2), inputs.unwrap_or(2));
        let (built_in, used): (BuiltIn, &[&str]) = match self {
            Self::AppendixC => (BuiltIn::AppendixC, &[]),
            Self::Moons => (BuiltIn::Moons { noise: sigma }, &[NOISE]),
            Self::Circles => (BuiltIn::Circles { classes: k, noise: sigma }, &[NOISE, CLASSES]),
            Self::Spirals => (BuiltIn::Spirals { classes: k, noise: sigma }, &[NOISE, CLASSES]),
            Self::Mixture => (BuiltIn::Mixture { classes: k, inputs: m, noise: sigma }, &[NOISE, CLASSES, INPUTS]),
            Self::Parity => (BuiltIn::Parity { inputs: m, noise: sigma }, &[NOISE, INPUTS]),
            Self::Teacher => {
                let hidden = teacher_hidden.as_ref().map_or_else(|| vec![3], |hidden| hidden.widths().to_vec());
                let activation = teacher_activation.unwrap_or(Activation::Tanh);
                let teacher = Teacher { inputs: m, hidden, activation, classes: k };
                (BuiltIn::Teacher(teacher), &[CLASSES, INPUTS, TEACHER_HIDDEN, TEACHER_ACTIVATION])
            }
            Self::RandomLabels => (BuiltIn::RandomLabels { classes: k, inputs: m }, &[CLASSES, INPUTS]),
        };
        let given = [
            (NOISE, noise.is_some()),
            (CLASSES, classes.is_some()),
            (INPUTS, inputs.is_some()),
            (TEACHER_HIDDEN, teacher_hidden.is_some()),
            (TEACHER_ACTIVATION, teacher_activation.is_some()),
        ];
        match given.iter().find(|(option, is_given)| *is_given && !used.contains(option)) {
            Some(&(option, _)) => Err(SpecError::Unused { option, data: built_in.name(), used }),
            None => Ok(built_in),
        }
    }
}

/// Training data (`samples` of them) and test data of `draw`: `test_samples`, or 10 for Appendix C and 100 for others.
/// Their classes are made targets of `loss` ([`Targets::for_loss`](crate::model::Targets::for_loss)); without one, two
/// classes are labels, and more are classes.
///
/// # Errors
/// [`SpecError::Data`] for numbers outside their range, such as fewer samples than classes, and for the logistic loss
/// of more than two classes; [`SpecError::Room`] for more samples than fit memory.
pub fn drawn_data(
    draw: &Draw,
    samples: usize,
    test_samples: Option<usize>,
    loss: Option<Loss>,
) -> Result<(SourcedDataset, SourcedDataset), SpecError> {
    draw.check()?;
    let test_samples = test_samples.unwrap_or(match draw.built_in {
        BuiltIn::AppendixC => APPENDIX_C_TEST_SAMPLES,
        _ => TEST_SAMPLES,
    });
    // The inputs and the targets in f64, and in f32 in an engine. The values of more than two classes are rows.
    let classes = draw.built_in.classes();
    let targets = if loss == Some(Loss::Squared) && classes > 2 { classes } else { 1 };
    let bytes = (draw.built_in.inputs() as u64 + targets as u64) * (8 + 4);
    for (samples, what) in [(samples, "samples"), (test_samples, "test samples")] {
        check_memory(&format!("{samples} {what}"), (samples as u64).saturating_mul(bytes))
            .map_err(|room| room.at_most("samples", bytes))?;
    }
    let of_loss = |data: Dataset| match loss {
        Some(loss) => data.with_targets(|targets| targets.for_loss(loss)),
        None => Ok(data),
    };
    let train = of_loss(draw.train(samples)?)?;
    let test = of_loss(draw.test(test_samples)?)?;
    let of_test = Draw { label_noise: 0.0, ..draw.clone() };
    Ok(((train, DataSource::Drawn(draw.clone())), (test, DataSource::Drawn(of_test))))
}

/// The paper's training data (`samples` of them) and its [`APPENDIX_C_TEST_SAMPLES`] test samples, from one data seed.
///
/// # Errors
/// As [`drawn_data`].
pub fn appendix_c_data(samples: usize, data_seed: u64) -> Result<(SourcedDataset, SourcedDataset), SpecError> {
    drawn_data(&Draw::new(BuiltIn::AppendixC, data_seed), samples, None, None)
}
