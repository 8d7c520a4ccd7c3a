//! `sharpsweep evaluate`: networks that were trained elsewhere.

use std::path::PathBuf;

use crate::advice;
use crate::cli::args::{ColumnArgs, DataArgs, DecayArgs, EngineArgs, NetworkArgs, ProgressArgs, SummaryArgs};
use crate::cli::failure::Failure;
use crate::cli::place::placed;
use crate::cli::runner::RunSetup;
use crate::cli::summary;
use crate::cli::terminal::notice;
use crate::input::read_theta;
use crate::records::columns;
use crate::run::{RunWriter, announced_size, check_free, layers_in_names};
use crate::spec::Work;
use crate::sweep::admit;

/// Evaluates the closed-form sharpness of networks that were trained elsewhere
///
/// theta is a .npy array (S, D), f32 or f64, one network per row, with D = (M+1)N + N+1 weights: theta[m N + n] = W[n,
/// m] for hidden unit n (from 0) and input m (0 is the bias, inputs count from 1), then v_0 (the output bias), v_1 ..
/// v_N. Of several hidden layers or outputs, the weights stand layer by layer: W_l[a, p] of unit a and input p (0 is
/// the bias) is at p N_l + a of layer l, which follows the layers before it. Weights in another order have the right D
/// as well, so compare `loss` with yours first.
///
/// The columns are those of `sweep`; `seed` is the number of the row, `steps` is 0, and `status` is 3: evaluated, no
/// verdict (2 where g.g is not finite). After Ctrl-C or a crash `sharpsweep resume DIR` goes on with it, without the
/// file.
#[derive(Debug, clap::Args)]
#[command(mut_arg("data_seed", |arg| arg.value_delimiter(None).help("Which draw of the built-in data")))]
#[command(after_long_help = ELSEWHERE)]
pub(crate) struct Args {
    /// The networks: a .npy array (S, D)
    #[arg(long, value_name = "T.npy")]
    theta: PathBuf,
    /// The directory for the columns; it must not hold anything yet [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Judge the networks: `status` is 0, converged, where the squared gradient norm g.g is below this, else 1
    /// [default: no verdict]
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    tolerance: Option<f64>,
    #[command(flatten)]
    decay: DecayArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    progress: ProgressArgs,
    #[command(flatten)]
    output: SummaryArgs,
}

const ELSEWHERE: &str = "One row of theta from elsewhere (import numpy as np; model is Linear, activation, Linear):
  scikit-learn   (W1, w2), (b1, b2) = mlp.coefs_, mlp.intercepts_
                 np.r_[np.c_[b1, W1.T].ravel(\"F\"), b2, w2.ravel()]
  torch          W1, b1, w2, b2 = [p.detach().numpy() for p in model.parameters()]
                 np.r_[np.c_[b1, W1].ravel(\"F\"), b2, w2.ravel()]
Their names: logistic is sigmoid, identity is linear. `loss` is summed over the I samples: I
times a mean loss, and so is every lambda (--reduction mean takes the mean). Of several layers
(W_l, b_l), torch's shapes: np.concatenate([np.c_[b, W].ravel(\"F\") for W, b in layers]); with
--loss softmax for one logit per class.

Example:
  sharpsweep evaluate --theta T.npy --x X.npy --q Q.npy --hidden 6 --activation tanh";

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if let Some(dir) = &self.out {
            check_free(dir)?;
        }
        // The data come first: by them it is known how many inputs the networks of theta must have.
        let DecayArgs { weight_decay } = self.decay;
        let tolerance = self.tolerance;
        let unknown = Work::Evaluate { networks: 1, theta_hash: String::new(), tolerance, weight_decay };
        self.output.check(&unknown)?;
        let mut experiment = self.data.experiment(unknown, &self.network)?;
        let theta = read_theta(&self.theta, experiment.problem.network.shape)?;
        experiment.spec.work =
            Work::Evaluate { networks: theta.rows() as u64, theta_hash: theta.hash(), tolerance, weight_decay };
        experiment.spec.extra = self.columns.extra()?;
        let choice = self.engine.choose()?;
        let mut engine = choice.open()?;
        admit(&experiment, engine.as_mut())?;
        let description = engine.description(&experiment.problem, experiment.spec.tasks());
        advice::before(&experiment, Some(theta.view()), engine.as_ref()).iter().for_each(|text| notice(text));
        let spec = &experiment.spec;
        let columns = columns(spec, theta.dtype());
        let name =
            format!("evaluate-{}-m{}-{}", spec.activation.name(), spec.data.inputs, layers_in_names(&spec.hidden));
        let writer = placed(self.out.as_deref(), &name, |dir| {
            RunWriter::create_evaluation(dir, &experiment, description.clone(), columns.clone(), theta.view())
        })?;
        let columns = writer.manifest().columns.as_slice();
        announced_size(std::iter::once((spec.rows(), columns)), None).iter().for_each(|text| notice(text));
        let setup = RunSetup { choice: &choice, progress: &self.progress };
        let run = setup.carry_out((&experiment, Some(theta.view())), engine, writer)?;
        summary::show_finished(&run, &self.output)
    }
}
