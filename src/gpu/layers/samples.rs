//! A sample as the kernels for networks of any depth read it.

use crate::model::{Problem, SampleTarget};

/// x_1 .. x_M of sample `i`, its targets, and omega. A target is 1 - 2t of each label, a class, or each value.
pub(super) fn sample_row(problem: &Problem, i: usize) -> Vec<f32> {
    let data = &problem.data;
    let mut row = data.sample(i).to_vec();
    match data.targets().sample(i) {
        SampleTarget::Labels(t) => row.extend(t.iter().map(|t| 1.0 - 2.0 * t)),
        SampleTarget::Class(t) => row.push(t as f64),
        SampleTarget::Values(t) => row.extend(t),
    }
    row.push(data.weights().map_or(1.0, |weights| weights[i]));
    row.into_iter().map(|value| value as f32).collect()
}
