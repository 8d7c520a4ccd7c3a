//! `sharpsweep shader`: the text of a compute pass.

use anyhow::anyhow;
use clap::builder::PossibleValuesParser;

use crate::cli::args::NetworkArgs;
use crate::cli::failure::Failure;
use crate::cli::terminal::print;
use crate::gpu::{Family, LayerTarget, Pass, Target, wgsl};
use crate::model::{Loss, Network, OneHidden, Shape};
use crate::spec::check_size;

/// Prints the complete WGSL of one compute pass, as it is handed to the driver
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pass
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    name: String,
    /// M, the number of inputs
    #[arg(long, value_name = "M", default_value_t = 2)]
    inputs: usize,
    /// I, the number of samples: training reads few of them from a uniform buffer and many from storage, and splits
    /// many up. The text is that without weight decay
    #[arg(long, value_name = "I", default_value_t = 50)]
    samples: usize,
    /// The kind of adapter: training spreads a network over its invocations in another way on each
    #[arg(long, value_name = "FAMILY", value_enum, default_value_t = Family::Common)]
    family: Family,
    #[command(flatten)]
    network: NetworkArgs,
    /// K, the number of outputs (passes whose name has `layer`)
    #[arg(long, value_name = "K", default_value_t = 1)]
    outputs: usize,
    /// What is minimised (passes whose name has `layer`)
    #[arg(long, value_name = "LOSS", value_enum, default_value_t = Loss::Logistic)]
    loss: Loss,
}

/// The names of all passes.
fn names() -> impl Iterator<Item = &'static str> {
    Pass::ONE_HIDDEN.into_iter().chain(Pass::LAYERS).map(Pass::name)
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if u32::try_from(self.samples).is_err() {
            return Err(Failure::Usage(anyhow!("--samples is {}: at most {} are counted", self.samples, u32::MAX)));
        }
        let Self { samples, family, loss, network: NetworkArgs { activation, .. }, .. } = self;
        if let Some(pass) = Pass::LAYERS.into_iter().find(|pass| pass.name() == self.name) {
            let shape = Shape::new(self.inputs, self.network.hidden.widths(), self.outputs)
                .map_err(|error| Failure::Usage(error.into()))?;
            let network = Network { shape, activation };
            return print(&wgsl(pass, LayerTarget { network, loss, samples, family, decays: false }));
        }
        let &[hidden] = self.network.hidden.widths() else {
            return Err(Failure::Usage(anyhow!(
                "--hidden is {}: these passes are for one hidden layer, so give its number of hidden units",
                self.network.hidden
            )));
        };
        let shape = OneHidden::new(self.inputs, hidden);
        let inputs = self.inputs;
        check_size(inputs, hidden).map_err(|error| Failure::Usage(error.into()))?;
        let target = Target { network: Network { shape, activation }, samples, family, decays: false };
        for pass in Pass::ONE_HIDDEN.into_iter().filter(|pass| pass.name() == self.name) {
            print(&wgsl(pass, target))?;
        }
        Ok(())
    }
}
