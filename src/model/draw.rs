//! Training and test data drawn from a built-in distribution.

use std::fmt;

use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::random::{Numbers, below, unit};
use super::{BuiltIn, DataError, Dataset, Stream, Targets, teacher};

/// All that determines drawn data but the number of samples: the same on every machine.
///
/// Sample i of the training data takes the blocks of index i of [`Stream::TrainData`] under the key `data_seed`, one
/// after the other, sample i of the test data those of [`Stream::TestData`]. In each distribution of [`BuiltIn`] block
/// 0 gives u and the next one n, where there is a u; [`BuiltIn::Parity`] takes ceil(M/4) blocks for the corner and then
/// ceil(M/2) for n; the others ceil(M/2) for n, and random labels then one for the class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// From which distribution.
    #[serde(flatten)]
    pub built_in: BuiltIn,
    /// The seed of the draw.
    pub data_seed: u64,
    /// P: each training sample's class is replaced with this probability by another class, all the others being equally
    /// likely. Test samples keep theirs.
    #[serde(default, skip_serializing_if = "is_none")]
    pub label_noise: f64,
}

/// Whether no label is replaced; then no manifest names the label noise.
fn is_none(label_noise: &f64) -> bool {
    *label_noise == 0.0
}

impl Draw {
    /// A draw without label noise.
    pub const fn new(built_in: BuiltIn, data_seed: u64) -> Self {
        Self { built_in, data_seed, label_noise: 0.0 }
    }

    /// Fails unless samples can be drawn.
    ///
    /// # Errors
    /// As [`BuiltIn::check`], and [`DataError::Parameter`] for a label noise that is no probability.
    pub fn check(&self) -> Result<(), DataError> {
        self.built_in.check()?;
        if (0.0..=1.0).contains(&self.label_noise) {
            return Ok(());
        }
        Err(DataError::parameter("the label noise", self.label_noise, "a probability, from 0 to 1"))
    }

    /// The training data: x (I, M), I = `samples`; targets are labels 0 and 1 for K = 2, classes for K > 2.
    ///
    /// Sample i has another class where the first uniform value of block i of [`Stream::LabelNoise`] is below P: class
    /// c becomes (c + 1 + r) mod K with r uniform on 0 .. K-2 from the second half of the block. So the samples that
    /// have another class at one P have the same one at every larger P.
    ///
    /// # Errors
    /// As [`Self::check`]; [`DataError::Parameter`] for fewer samples than classes, [`DataError::TooMany`] for more
    /// than a Philox stream has blocks, [`DataError::NotFinite`] where the noise takes a sample out of the range of
    /// f32.
    pub fn train(&self, samples: usize) -> Result<Dataset, DataError> {
        let count = self.built_in.classes();
        if samples < count {
            let must = format!("at least {count}, one of each class");
            return Err(DataError::parameter("the number of samples", samples, must));
        }
        let (x, mut classes) = self.samples(samples, Stream::TrainData)?;
        if self.label_noise > 0.0 {
            for (class, index) in classes.iter_mut().zip(0..) {
                let words = Numbers::new(self.data_seed, Stream::LabelNoise, index).words();
                if unit(words[0], words[1]) < self.label_noise {
                    *class = (*class + 1 + below(words[2], words[3], count - 1)) % count;
                }
            }
        }
        self.dataset(x, classes)
    }

    /// The test data: `samples` of the same distribution, and of the same centres or teacher, without label noise.
    ///
    /// # Errors
    /// As [`Self::train`], but any number of samples above 0 will do.
    pub fn test(&self, samples: usize) -> Result<Dataset, DataError> {
        if samples == 0 {
            return Err(DataError::parameter("the number of test samples", samples, "at least 1"));
        }
        let (x, classes) = self.samples(samples, Stream::TestData)?;
        self.dataset(x, classes)
    }

    /// Samples (I, M) and their classes (I,).
    fn samples(&self, samples: usize, stream: Stream) -> Result<(Array2<f64>, Vec<usize>), DataError> {
        self.check()?;
        if u32::try_from(samples).is_err() {
            return Err(DataError::TooMany { samples });
        }
        let teacher = self.built_in.teacher(self.data_seed)?;
        let mut x = Array2::zeros((samples, self.built_in.inputs()));
        let mut classes = Vec::with_capacity(samples);
        for (i, index) in (0..samples).zip(0_u32..) {
            let mut numbers = Numbers::new(self.data_seed, stream, index);
            let (sample, class) = self.built_in.sample(self.data_seed, (i, samples), &mut numbers);
            classes.push(teacher.as_ref().map_or(class, |(network, theta)| teacher::class(network, theta, &sample)));
            x.row_mut(i).assign(&Array1::from_vec(sample));
        }
        Ok((x, classes))
    }

    fn dataset(&self, x: Array2<f64>, classes: Vec<usize>) -> Result<Dataset, DataError> {
        let targets = match self.built_in.classes() {
            2 => Targets::from(classes.into_iter().map(|class| class as f64).collect::<Array1<f64>>()),
            count => Targets::Classes { of: classes, count },
        };
        Dataset::new(x, targets)
    }
}

impl fmt::Display for Draw {
    /// Such as `moons, noise 0.1, data seed 3, label noise 0.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, data seed {}", self.built_in, self.data_seed)?;
        if is_none(&self.label_noise) { Ok(()) } else { write!(f, ", label noise {}", self.label_noise) }
    }
}
