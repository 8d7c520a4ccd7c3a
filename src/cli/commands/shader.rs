//! `sharpsweep shader`: the text of a compute pass.

use anyhow::anyhow;

use crate::cli::args::NetworkArgs;
use crate::cli::failure::Failure;
use crate::cli::terminal::print;
use crate::gpu::{Family, Pass, Target, wgsl};
use crate::model::{Network, OneHidden};
use crate::spec::check_size;

/// Prints the complete WGSL of one compute pass, as it is handed to the driver
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pass
    #[arg(value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(Pass::ONE_HIDDEN.map(Pass::name)))]
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
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let &[hidden] = self.network.hidden.widths() else {
            return Err(Failure::Usage(anyhow!(
                "--hidden is {}: these passes are for one hidden layer, so give its number of hidden units",
                self.network.hidden
            )));
        };
        let shape = OneHidden::new(self.inputs, hidden);
        let inputs = self.inputs;
        check_size(inputs, hidden).map_err(|error| Failure::Usage(error.into()))?;
        if u32::try_from(self.samples).is_err() {
            return Err(Failure::Usage(anyhow!("--samples is {}: at most {} are counted", self.samples, u32::MAX)));
        }
        let network = Network { shape, activation: self.network.activation };
        let target = Target { network, samples: self.samples, family: self.family, decays: false };
        for pass in Pass::ONE_HIDDEN.into_iter().filter(|pass| pass.name() == self.name) {
            print(&wgsl(pass, target))?;
        }
        Ok(())
    }
}
