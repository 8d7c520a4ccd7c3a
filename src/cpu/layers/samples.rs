//! The data set as the kernels for networks of any depth read it, in their precision.

use crate::model::{Loss, Problem, SampleTarget};

/// All samples, in f32 where networks are trained and in f64 where they are evaluated.
pub(in crate::cpu) struct LayerSamples<T> {
    /// M, the number of inputs.
    pub(super) inputs: usize,
    /// h(x) = [1; x], (I, M + 1), row-major.
    pub(super) x: Vec<T>,
    /// t, which say what is minimised.
    pub(super) targets: LaneTargets<T>,
    /// omega, (I,).
    pub(super) weights: Vec<T>,
}

/// The targets, in the form that a loss takes.
pub(super) enum LaneTargets<T> {
    /// u_ik = 1 - 2 t_ik of the logistic loss, (I, K): with it delta = u sigmoid(u z) and l = softplus(u z).
    Signs(Vec<T>),
    /// t_i of softmax, (I,).
    Classes(Vec<usize>),
    /// t_ik of the squared loss, (I, K).
    Values(Vec<T>),
}

impl<T> LayerSamples<T> {
    /// Those of `problem`, with every number converted by `number`.
    pub(in crate::cpu) fn new(problem: &Problem, number: impl Fn(f64) -> T) -> Self {
        let data = &problem.data;
        let samples = || (0..data.samples()).map(|i| data.targets().sample(i));
        let (mut signs, mut classes, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for target in samples() {
            match target {
                SampleTarget::Labels(t) => signs.extend(t.iter().map(|t| number(1.0 - 2.0 * t))),
                SampleTarget::Class(t) => classes.push(t),
                SampleTarget::Values(t) => values.extend(t.iter().map(|&t| number(t))),
            }
        }
        let targets = match problem.loss() {
            Loss::Logistic => LaneTargets::Signs(signs),
            Loss::Softmax => LaneTargets::Classes(classes),
            Loss::Squared => LaneTargets::Values(values),
        };
        let weights = match data.weights() {
            Some(weights) => weights.iter().map(|&weight| number(weight)).collect(),
            None => (0..data.samples()).map(|_| number(1.0)).collect(),
        };
        let with_bias =
            |i: usize| std::iter::once(1.0).chain(data.sample(i).into_iter().copied()).collect::<Vec<f64>>();
        let x = (0..data.samples()).flat_map(with_bias).map(&number).collect();
        Self { inputs: data.inputs(), x, targets, weights }
    }

    /// I, the number of samples.
    pub(in crate::cpu) fn count(&self) -> usize {
        self.weights.len()
    }
}
