//! The networks and data of a check: golden cases, whose values come from automatic differentiation, and sizes that
//! these leave out.

use ndarray::{Array1, Array2};
use serde::Deserialize;

use crate::model::{Activation, Dataset, OneHidden, PaperProblem, Problem, initial_theta};
use crate::reference::Terms;

/// A problem with S networks.
pub(super) struct Case {
    /// What it is, such as `sigmoid, M = 2, N = 3, I = 50`.
    pub(super) name: String,
    /// Network and data; every input is exact in f32.
    pub(super) problem: Problem,
    /// The networks, (S, D); every weight is exact in f32.
    pub(super) theta: Array2<f64>,
    /// The values that are known from elsewhere.
    pub(super) golden: Option<GoldenValues>,
    /// Where training with weight decay ends, known from elsewhere.
    pub(super) training: Option<GoldenTraining>,
}

/// Values of S networks, each (S,), by automatic differentiation in f64: no closed form was used.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct GoldenValues {
    pub(super) loss: Vec<f64>,
    pub(super) gradient_sq: Vec<f64>,
    pub(super) trace_ww: Vec<f64>,
    pub(super) trace_vv: Vec<f64>,
    pub(super) trace_sq: Vec<f64>,
    pub(super) lambda_max: Vec<f64>,
    pub(super) lambda_min: Vec<f64>,
}

/// Gradient descent with weight decay in f64, its gradients by automatic differentiation.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct GoldenTraining {
    /// eta, a number in f32.
    pub(super) step_size: f64,
    /// alpha.
    pub(super) weight_decay: f64,
    pub(super) steps: u32,
    /// Where the networks of the case are after them, (S, D).
    pub(super) theta: Vec<Vec<f64>>,
}

/// A case of golden.json, which golden.py makes.
#[derive(Deserialize)]
struct GoldenCase {
    activation: Activation,
    hidden: usize,
    x: Vec<Vec<f32>>,
    q: Vec<u8>,
    theta: Vec<Vec<f32>>,
    training: Option<GoldenTraining>,
    #[serde(flatten)]
    values: GoldenValues,
}

/// Sizes M, N and I beside the golden ones, each with the kernels that it brings in: a network over several invocations
/// with more inputs than a tile, one with its weights in storage, and one whose samples no uniform buffer holds.
const SIZES: [(usize, usize, usize, Activation); 3] =
    [(30, 17, 33, Activation::Tanh), (64, 3, 20, Activation::Sigmoid), (30, 1, 520, Activation::Gelu)];

/// Networks of each of these.
const NETWORKS: u64 = 3;

impl Case {
    /// Every case, those of one size one after the other.
    ///
    /// # Errors
    /// A text, if golden.json is damaged.
    pub(super) fn all() -> Result<Vec<Self>, String> {
        let golden: Vec<GoldenCase> =
            serde_json::from_str(include_str!("golden.json")).map_err(|error| error.to_string())?;
        let golden = golden.into_iter().map(|case| {
            let rows = |rows: &[Vec<f32>]| -> Result<Array2<f64>, String> {
                let width = rows.first().map_or(0, Vec::len);
                let values = rows.iter().flatten().map(|&value| value.into()).collect();
                Array2::from_shape_vec((rows.len(), width), values).map_err(|error| error.to_string())
            };
            let q: Array1<f64> = case.q.iter().map(|&q| q.into()).collect();
            let data = Dataset::new(rows(&case.x)?, q).map_err(|error| error.to_string())?;
            let problem = Problem::new(case.hidden, case.activation, data);
            let plain = Self::new(problem, rows(&case.theta)?);
            Ok(Self { golden: Some(case.values), training: case.training, ..plain })
        });
        let others = SIZES.into_iter().map(|(inputs, hidden, samples, activation)| {
            let value = |(i, m): (usize, usize)| ((i * 37 + m * 101 + 13) % 211) as f32 / 100.0 - 1.0;
            let x = Array2::from_shape_fn((samples, inputs), |at| f64::from(value(at)));
            let q = Array1::from_shape_fn(samples, |i| (i % 2) as f64);
            let data = Dataset::new(x, q).map_err(|error| error.to_string())?;
            let shape = OneHidden::new(inputs, hidden);
            let weights =
                (0..NETWORKS).flat_map(|seed| initial_theta(shape.parameters(), seed, 0.5)).map(f64::from).collect();
            let theta = Array2::from_shape_vec((NETWORKS as usize, shape.parameters()), weights);
            Ok(Self::new(Problem::new(hidden, activation, data), theta.map_err(|error| error.to_string())?))
        });
        golden.chain(others).collect()
    }

    fn new(problem: Problem, theta: Array2<f64>) -> Self {
        let (inputs, hidden) = (problem.data.inputs(), problem.network.shape.hidden()[0]);
        let (activation, samples) = (problem.network.activation.name(), problem.data.samples());
        let name = format!("{activation}, M = {inputs}, N = {hidden}, I = {samples}");
        Self { name, problem, theta, golden: None, training: None }
    }

    /// The case as a problem of the paper's, which it is.
    pub(super) fn paper(&self) -> PaperProblem<'_> {
        self.problem.paper().expect("every case is a problem of the paper's: `Problem::new` makes it")
    }

    /// Network `k` of the case, for a message.
    pub(super) fn at(&self, k: usize) -> String {
        format!("{}, network {k}", self.name)
    }

    /// The weights as f32, which they are.
    pub(super) fn theta_in_f32(&self) -> Array2<f32> {
        self.theta.mapv(|weight| weight as f32)
    }
}

/// sum_i |delta_i| |J_i|: no component of the gradient is added up from more, in absolute values.
pub(super) fn gradient_size(problem: &PaperProblem<'_>, theta: &[f64], terms: &Terms) -> f64 {
    let shape = problem.network.shape;
    let sizes = (0..terms.samples).map(|i| {
        let (x, r, df) = (problem.data.sample(i), terms.row(&terms.r, i), terms.row(&terms.df, i));
        let back: f64 = df.iter().enumerate().map(|(n, df)| (theta[shape.v(n)] * df).powi(2)).sum();
        let square = (1.0 + x.dot(&x)) * back + 1.0 + r.iter().map(|r| r * r).sum::<f64>();
        terms.delta[i].abs() * square.sqrt()
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::Case;
    use crate::gpu::{Family, Target, TrainPlan};
    use crate::model::Activation;

    #[test]
    fn the_cases_are_whole_and_bring_in_every_activation_and_plan() {
        let cases = Case::all().unwrap();
        for case in &cases {
            assert_eq!(case.theta.ncols(), case.problem.network.parameters(), "{}", case.name);
            assert!(case.theta_in_f32().mapv(f64::from) == case.theta, "{}", case.name);
            assert!(case.problem.data.x().iter().all(|&x| f64::from(x as f32).to_bits() == x.to_bits()));
            if let Some(golden) = &case.golden {
                assert_eq!(golden.lambda_min.len(), case.theta.nrows(), "{}", case.name);
            }
        }
        for activation in Activation::ALL {
            assert!(cases.iter().filter(|case| case.problem.network.activation == activation).count() > 1);
        }
        assert!(cases.iter().any(|case| case.training.is_some()));
        for plan in TrainPlan::ALL {
            let takes = |case: &Case| TrainPlan::of(Target::of(&case.paper(), Family::Common)) == plan;
            assert!(cases.iter().any(takes), "{plan:?}");
        }
    }
}
