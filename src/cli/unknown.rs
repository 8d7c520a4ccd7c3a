//! Options that people try and that do not exist, and what there is instead.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use crate::model::Activation;

/// Options as other programs name them, and what to use instead.
const MEANT: &[(&[&str], &str)] = &[
    (
        &["lr", "learning-rate", "eta", "stepsize"],
        "the step size is --step-size, of the loss summed over the I samples: a learning rate for the mean loss is I \
         times as large, so give lr / I, or train on the mean with --reduction mean",
    ),
    (
        &["epochs", "iterations", "n-iter", "max-iter", "num-steps", "steps", "max-epochs"],
        "every step takes all samples, so a step is an epoch: --max-steps",
    ),
    (
        &["batch-size", "batch", "minibatch", "mini-batch"],
        "every step takes all samples (full-batch gradient descent). Networks trained on mini-batches elsewhere are \
         taken by `sharpsweep evaluate`",
    ),
    (
        &["optimizer", "optimiser", "momentum", "adam", "sgd", "betas", "scheduler", "nesterov", "clip"],
        "training is plain full-batch gradient descent and nothing else. Networks that another optimizer trained are \
         taken by `sharpsweep evaluate`",
    ),
    (&["l2", "alpha", "regularization", "decay"], "a penalty (a/2) theta.theta on the summed loss is --weight-decay a"),
    (
        &["penalty", "l1", "dropout"],
        "what training minimises is the --loss, and with --weight-decay a also (a/2) theta.theta. \
         Networks trained otherwise are taken by `sharpsweep evaluate`",
    ),
    (
        &["layers", "depth", "num-layers", "hidden-layers", "hidden-layer-sizes"],
        "hidden layers are --hidden: 8 for one of 8 units, 8x8 for two of them, none for none",
    ),
    (
        &["width", "units", "neurons", "n-hidden", "hidden-size", "hidden-units"],
        "the number of hidden units is --hidden N",
    ),
    (
        &["mean", "average"],
        "the loss is summed over the I samples: --reduction mean takes the mean, and then --step-size is a learning \
         rate lr",
    ),
    (
        &["weights", "sample-weight", "class-weight", "class-weights", "pos-weight"],
        "each sample counts as often as --sample-weights W.npy says; w[q] makes weights of samples from those of \
         classes",
    ),
    (&["criterion", "objective"], "the loss is --loss logistic, softmax or squared"),
    (
        &["classes", "num-classes", "n-classes", "outputs", "num-outputs"],
        "how many outputs there are follows from --q: one for labels 0 and 1 or values, as many as columns, and with \
         --loss softmax as many as classes",
    ),
    (
        &["theta", "init-theta", "warm-start", "checkpoint", "pretrained"],
        "training starts from random weights, seed by seed; networks trained elsewhere are taken as they are by \
         `sharpsweep evaluate --theta`, and those of a run here are trained on by `sharpsweep resume DIR --max-steps \
         T`",
    ),
    (
        &["init", "initialization", "initializer", "init-std", "init-scale"],
        "initial weights are uniform in (-A, A): --init-range A. Networks that started otherwise are taken by \
         `sharpsweep evaluate`",
    ),
    (
        &["seed", "num-seeds", "n-seeds", "runs", "random-state"],
        "seeds are a count or a range: --seeds 512, or --seeds 7..8 for seed 7 alone",
    ),
    (
        &["device", "gpu", "cpu", "cuda", "engine"],
        "where to compute is --backend gpu, cpu, reference or auto; --adapter chooses among GPUs",
    ),
    (
        &["threads", "jobs", "num-threads", "workers", "num-workers"],
        "RAYON_NUM_THREADS in the environment sets the threads; no result depends on them",
    ),
    (
        &["dtype", "precision", "float64", "double", "fp64"],
        "an engine has its precision: --backend reference computes all in float64, cpu all but training",
    ),
    (&["normalize", "normalise", "scale", "standardise", "scaler"], "--standardize centres and scales the inputs"),
    (&["output", "out-dir", "outdir", "output-dir", "save"], "the directory is --out DIR"),
    (
        &["test-size", "validation-split", "split", "val"],
        "nothing is split off: give test data as --test-x and --test-q",
    ),
    (
        &["verbose", "quiet", "silent", "no-progress"],
        "what is shown of the work is set by --progress, where a command has it",
    ),
    (
        &["hessian", "eigenvalues", "eigenvectors", "top-k", "k"],
        "extreme eigenvalues are --spectrum, the K largest and smallest --spectrum=K, all --spectrum=all, eigenvectors \
         u_1 to u_4 --spectrum=vectors",
    ),
    (&["patience", "early-stopping", "tol"], "a network ends once its squared gradient norm is below --tolerance"),
];

/// Activations with kinks that are not there.
const ROUGH: &[&str] = &["leaky_relu", "leakyrelu", "leaky-relu", "relu6", "prelu", "elu", "selu", "hardtanh", "step"];

/// What to say of a command line that `command` did not understand; `None` if nobody knows what was meant, and `error`
/// says it.
pub(super) fn explained(error: &Error, command: &Command, typed: &[String]) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg)?;
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let option = argument.strip_prefix("--")?.split('=').next()?;
            let instead = instead(option, command, typed)?;
            Some(format!("error: there is no option --{option} here: {instead}\n\nFor more information, try '--help'."))
        }
        ErrorKind::InvalidValue if argument.starts_with("--activation") => {
            let value = text(ContextKind::InvalidValue)?;
            ROUGH.contains(&value.to_lowercase().as_str()).then(|| {
                format!(
                    "error: --activation {value} is not supported: relu is the one with a kink, and softplus, gelu and \
                     silu are smooth relatives\n  [possible values: {}]\n\nFor more information, try '--help'.",
                    Activation::ALL.map(Activation::name).join(", ")
                )
            })
        }
        _ => None,
    }
}

/// What the command that was typed has instead of `option`.
fn instead(option: &str, command: &Command, typed: &[String]) -> Option<String> {
    // An option of other commands exists, but not in this one.
    let has = |command: &&Command| command.get_arguments().any(|argument| argument.get_long() == Some(option));
    let here = command.get_subcommands().find(|sub| typed.iter().any(|word| word == sub.get_name()))?;
    let elsewhere: Vec<&str> = command.get_subcommands().filter(has).map(Command::get_name).collect();
    let meant = MEANT.iter().find(|(names, _)| names.contains(&option)).map(|(_, instead)| (*instead).to_owned());
    meant.or_else(|| {
        let (last, others) = elsewhere.split_last()?;
        let joined = if others.is_empty() { (*last).to_owned() } else { format!("{} and {last}", others.join(", ")) };
        Some(format!("`sharpsweep {}` does without it, it belongs to {joined}", here.get_name()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::CommandFactory;

    use super::MEANT;
    use crate::cli::Cli;

    #[test]
    fn no_name_stands_for_two_things_and_none_for_an_option_of_a_sweep() {
        let mut seen = HashSet::new();
        let cli = Cli::command();
        let sweep = cli.find_subcommand("sweep").unwrap();
        for name in MEANT.iter().flat_map(|(names, _)| *names) {
            assert!(seen.insert(name), "{name}");
            assert!(sweep.get_arguments().all(|argument| argument.get_long() != Some(name)), "{name}");
        }
    }
}
