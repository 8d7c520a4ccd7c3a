//! `sharpsweep adapters`: what this machine offers, and which engine it would take.

use crate::backend::{Backend, choose};
use crate::cli::failure::Failure;
use crate::cli::terminal::{notice, print, print_json};
use crate::engine::Route;
use crate::gpu::{AdapterSummary, Tuning, adapters};

/// Lists the graphics adapters of this machine, and which engine `--backend auto` takes
///
/// `--adapter` takes the number, or a part of the name or id that no other adapter has; two equal adapters differ in
/// number and id.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let summaries: Vec<AdapterSummary> = adapters().iter().map(|adapter| adapter.summary().clone()).collect();
        let auto = choose(Backend::Auto, None, Route::Auto, Tuning::default())?.reason;
        if self.json {
            return print_json(&serde_json::json!({ "adapters": summaries, "auto": auto }));
        }
        if summaries.is_empty() {
            notice("no Vulkan, Metal or DX12 adapter was found");
        }
        for adapter in &summaries {
            print(&format!("{}: {}", adapter.index, adapter.label()))?;
            print(&format!("  id                    {}", adapter.id))?;
            print(&format!("  driver                {}", adapter.driver))?;
            if let Some(compiler) = &adapter.compiler {
                print(&format!("  shader compiler       {}", compiler.in_words()))?;
            }
            print(&format!("  largest binding       {} MiB", adapter.max_storage_buffer_binding_size >> 20))?;
            print(&format!("  largest buffer        {} MiB", adapter.max_buffer_size >> 20))?;
            print(&format!(
                "  workgroup             {} invocations, {} KiB",
                adapter.max_compute_invocations_per_workgroup,
                adapter.max_compute_workgroup_storage_size >> 10
            ))?;
        }
        print(&format!("--backend auto takes: {auto}"))
    }
}
