//! Data sets that need no file: distributions of samples with classes.

use std::f64::consts::{PI, TAU};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::random::{Numbers, below};
use super::{DataError, MAX_PARAMETERS, Network, Stream, Teacher, appendix_c};

/// A distribution of samples x in R^M, each of one of K classes.
///
/// Class c of sample i is i mod K unless another rule is given, so the classes are equally large to within one sample,
/// and the first samples of a larger draw are those of a smaller one. u is uniform on (0, 1), n and n' are standard
/// normal in R^M, and sigma is `noise`; all are independent. [`Draw`](super::Draw) says which random
/// numbers they are. Samples are rounded to f32.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum BuiltIn {
    /// The paper's (Appendix C): M = 2, K = 2, x = \[1, 1\] + sqrt(2) n for the first half of the samples (rounded
    /// down), which are class 0, and x = \[-1, -1\] + sqrt(2) n for class 1 ([`appendix_c`](fn@super::appendix_c)).
    AppendixC,
    /// Two half circles that reach into each other: M = 2, K = 2, t = pi u,
    /// x = \[cos t, sin t\] + sigma n for class 0, x = \[1 - cos t, 1/2 - sin t\] + sigma n for class 1.
    Moons {
        /// sigma.
        noise: f64,
    },
    /// Circles around 0, the first the smallest: M = 2, t = 2 pi u, x = (c + 1)/K \[cos t, sin t\] + sigma n.
    Circles {
        /// K.
        classes: usize,
        /// sigma.
        noise: f64,
    },
    /// Arms of a spiral, each one turn: M = 2, t = 2 pi (u + c/K), x = u \[cos t, sin t\] + sigma n.
    Spirals {
        /// K.
        classes: usize,
        /// sigma.
        noise: f64,
    },
    /// One Gaussian per class: x = m_c + sigma n, where the centre m_c = n' is that of the blocks of index c of
    /// [`Stream::Shared`], the same for training and test data.
    Mixture {
        /// K.
        classes: usize,
        /// M.
        inputs: usize,
        /// sigma.
        noise: f64,
    },
    /// Corners of a cube, by their parity: K = 2, x = s + sigma n, where s is uniform among the corners of {-1, 1}^M
    /// whose number of positive coordinates is even for class 0 and odd for class 1. M = 2 is XOR.
    Parity {
        /// M.
        inputs: usize,
        /// sigma.
        noise: f64,
    },
    /// Classes by a random network: x = n, c the teacher's answer to x (as rounded): for K = 2, 1 where its output is
    /// above 0, else 0; for K > 2 the number of its largest output.
    Teacher(Teacher),
    /// Classes that have nothing to do with the samples: x = n, c uniform among K.
    RandomLabels {
        /// K.
        classes: usize,
        /// M.
        inputs: usize,
    },
}

impl BuiltIn {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AppendixC => "appendix-c",
            Self::Moons { .. } => "moons",
            Self::Circles { .. } => "circles",
            Self::Spirals { .. } => "spirals",
            Self::Mixture { .. } => "mixture",
            Self::Parity { .. } => "parity",
            Self::Teacher(_) => "teacher",
            Self::RandomLabels { .. } => "random-labels",
        }
    }

    /// M, the number of inputs.
    pub const fn inputs(&self) -> usize {
        match self {
            Self::AppendixC | Self::Moons { .. } | Self::Circles { .. } | Self::Spirals { .. } => 2,
            Self::Mixture { inputs, .. } | Self::Parity { inputs, .. } | Self::RandomLabels { inputs, .. } => *inputs,
            Self::Teacher(teacher) => teacher.inputs,
        }
    }

    /// K, the number of classes.
    pub const fn classes(&self) -> usize {
        match self {
            Self::AppendixC | Self::Moons { .. } | Self::Parity { .. } => 2,
            Self::Circles { classes, .. }
            | Self::Spirals { classes, .. }
            | Self::Mixture { classes, .. }
            | Self::RandomLabels { classes, .. } => *classes,
            Self::Teacher(teacher) => teacher.classes,
        }
    }

    /// sigma; `None` where there is no such number.
    const fn noise(&self) -> Option<f64> {
        match self {
            Self::AppendixC | Self::Teacher(_) | Self::RandomLabels { .. } => None,
            Self::Moons { noise }
            | Self::Circles { noise, .. }
            | Self::Spirals { noise, .. }
            | Self::Mixture { noise, .. }
            | Self::Parity { noise, .. } => Some(*noise),
        }
    }

    /// Fails unless there are samples of it.
    ///
    /// # Errors
    /// [`DataError::Parameter`] for a number outside its range, [`DataError::Teacher`] for a teacher that is no
    /// network.
    pub fn check(&self) -> Result<(), DataError> {
        let (inputs, classes) = (self.inputs(), self.classes());
        if !(1..=MAX_PARAMETERS).contains(&inputs) {
            return Err(DataError::parameter("the number of inputs", inputs, format!("from 1 to {MAX_PARAMETERS}")));
        }
        if !(2..=MAX_PARAMETERS).contains(&classes) {
            return Err(DataError::parameter("the number of classes", classes, format!("from 2 to {MAX_PARAMETERS}")));
        }
        if let Some(noise) = self.noise().filter(|noise| !(noise.is_finite() && *noise >= 0.0)) {
            return Err(DataError::parameter("the noise", noise, "finite and not negative"));
        }
        if let Self::Teacher(teacher) = self {
            teacher.network().map_err(DataError::Teacher)?;
        }
        Ok(())
    }

    /// The teacher with its weights in the draw `data_seed`; `None` for other data.
    ///
    /// # Errors
    /// [`DataError::Teacher`] for a teacher that is no network.
    pub(super) fn teacher(&self, data_seed: u64) -> Result<Option<(Network, Vec<f64>)>, DataError> {
        let Self::Teacher(teacher) = self else { return Ok(None) };
        let drawn = teacher.network().and_then(|network| Ok((network, teacher.theta(data_seed)?)));
        drawn.map(Some).map_err(DataError::Teacher)
    }

    /// Sample `index` of `samples` in the draw `data_seed`, rounded to f32, (M,), and its class, but for the teacher's.
    pub(super) fn sample(
        &self,
        data_seed: u64,
        (index, samples): (usize, usize),
        numbers: &mut Numbers,
    ) -> (Vec<f64>, usize) {
        let class = match self {
            Self::AppendixC => usize::from(index >= samples / 2),
            _ => index % self.classes(),
        };
        // On a curve of the plane, with noise.
        let near = |numbers: &mut Numbers, noise: f64, at: &dyn Fn(f64) -> [f64; 2]| {
            let [u, _] = numbers.uniforms();
            let normals = numbers.normals();
            at(u).into_iter().zip(normals).map(|(x, normal)| x + noise * normal).collect()
        };
        let share = |classes: usize| class as f64 / classes as f64;
        let x: Vec<f64> = match self {
            Self::AppendixC => appendix_c::sample(class == 1, numbers).to_vec(),
            Self::Moons { noise } => near(numbers, *noise, &|u| {
                let (sin, cos) = (libm::sin(PI * u), libm::cos(PI * u));
                if class == 0 { [cos, sin] } else { [1.0 - cos, 0.5 - sin] }
            }),
            Self::Circles { classes, noise } => near(numbers, *noise, &|u| {
                let radius = (class + 1) as f64 / *classes as f64;
                [radius * libm::cos(TAU * u), radius * libm::sin(TAU * u)]
            }),
            Self::Spirals { classes, noise } => near(numbers, *noise, &|u| {
                let angle = TAU * (u + share(*classes));
                [u * libm::cos(angle), u * libm::sin(angle)]
            }),
            Self::Mixture { inputs, noise, .. } => {
                let centre = Numbers::new(data_seed, Stream::Shared, class as u32).normal_vector(*inputs);
                let normals = numbers.normal_vector(*inputs);
                centre.into_iter().zip(normals).map(|(centre, normal)| centre + noise * normal).collect()
            }
            Self::Parity { inputs, noise } => {
                let corner = corner(*inputs, class, numbers);
                let normals = numbers.normal_vector(*inputs);
                corner.into_iter().zip(normals).map(|(sign, normal)| sign + noise * normal).collect()
            }
            Self::Teacher(_) | Self::RandomLabels { .. } => numbers.normal_vector(self.inputs()),
        };
        let class = match self {
            Self::RandomLabels { classes, .. } => {
                let words = numbers.words();
                below(words[0], words[1], *classes)
            }
            _ => class,
        };
        (x.into_iter().map(|x| f64::from(x as f32)).collect(), class)
    }
}

/// A corner of {-1, 1}^M, M = `inputs`, with an even number of positive coordinates for class 0 and an odd one for
/// class 1. Each coordinate but the last is 1 where the high bit of a word is set, four of each block, and the last
/// makes the parity.
fn corner(inputs: usize, class: usize, numbers: &mut Numbers) -> Vec<f64> {
    let mut positive: Vec<bool> = Vec::with_capacity(inputs + 3);
    while positive.len() < inputs {
        positive.extend(numbers.words().map(|word| word >> 31 == 1));
    }
    positive.truncate(inputs - 1);
    let odd = positive.iter().filter(|&&positive| positive).count() % 2 == 1;
    positive.push(odd != (class == 1));
    positive.into_iter().map(|positive| if positive { 1.0 } else { -1.0 }).collect()
}

impl fmt::Display for BuiltIn {
    /// Its name and its numbers, such as `circles of 3 classes, noise 0.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Self::Teacher(teacher) = self
            && let Ok(network) = teacher.network()
        {
            write!(f, " {} {}", network.shape, teacher.activation.name())?;
        } else if self.classes() > 2 {
            write!(f, " of {} classes", self.classes())?;
        }
        self.noise().map_or(Ok(()), |noise| write!(f, ", noise {noise}"))
    }
}
