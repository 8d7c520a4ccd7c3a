//! `sharpsweep shader`.

use super::experiment::NetworkArgs;
use super::{Failure, print};
use crate::gpu::{Pass, wgsl};
use crate::model::Shape;

/// Prints the complete WGSL of one compute pass, as it is handed to the driver
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pass
    #[arg(value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(Pass::ALL.map(Pass::name)))]
    name: String,
    /// M, the number of inputs
    #[arg(long, value_name = "M", default_value_t = 2)]
    inputs: usize,
    /// I, the number of samples: training reads few of them from a uniform buffer and many from storage
    #[arg(long, value_name = "I", default_value_t = 50)]
    samples: usize,
    #[command(flatten)]
    network: NetworkArgs,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        for pass in Pass::ALL.into_iter().filter(|pass| pass.name() == self.name) {
            let shape = Shape::new(self.inputs, self.network.hidden);
            print(&wgsl(pass, shape, self.network.activation, self.samples));
        }
        Ok(())
    }
}
