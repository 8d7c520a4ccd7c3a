//! The constants and parts that the texts of kernels for networks of any depth have.

use super::places::{ITEM_FIELDS, LAYER_PLACES, Places};
use super::plan::{LayerLayout, LayerPlan, narrow_rows, samples_are_uniform};
use super::target::LayerTarget;
use super::template::expanded;
use crate::engine::Status;
use crate::gpu::eigenvalues::{HALVINGS, PIVOTS};
use crate::gpu::limits::{MAX_WORKGROUP, SUM_BLOCK, SUM_PART, UNIFORM_ROWS, WORKGROUP};
use crate::gpu::pass::Pass;
use crate::gpu::route::ITEM_SUMS;
use crate::gpu::shader::{KernelTarget, Z_SCALE, count, real, status, y_scale};

impl KernelTarget for LayerTarget {
    fn file(&self, pass: Pass, part: &str) -> String {
        let layout = LayerLayout::of(*self);
        let in_storage = |stored: bool| if stored { "storage" } else { "workgroup" };
        match (part, pass) {
            ("activation" | "unit", _) => format!("{part}_{}", self.network.activation.name()),
            ("residuals" | "outputs", _) => format!("{part}_{}", self.loss.name()),
            ("tile", Pass::TrainLayers) => format!("tile_{}", LayerPlan::Narrow.tile(*self)),
            ("tile", _) => "tile_1".into(),
            ("values", Pass::TrainLayersShared) => "values_in_tiles".into(),
            ("decay", _) => (if self.decays { "decay_some" } else { "decay_none" }).into(),
            ("rows", _) => (if samples_are_uniform(*self) { "rows_uniform" } else { "rows_storage" }).into(),
            ("layer_weights", _) => format!("layer_weights_{}", in_storage(layout.weights_stored)),
            ("layer_rows", _) => format!("layer_rows_{}", in_storage(layout.rows_stored)),
            (part, _) => part.into(),
        }
    }

    fn in_words(&self) -> String {
        format!("networks of the widths {} with the {} loss", self.network.shape, self.loss.name())
    }

    fn constants(&self, _pass: Pass) -> Vec<(String, String)> {
        let (network, layout) = (self.network, LayerLayout::of(*self));
        let shape = network.shape;
        let places = Places::of(shape);
        let mut constants: Vec<(String, String)> = [
            ("INPUTS", count(shape.inputs())),
            ("OUTPUTS", count(shape.outputs())),
            ("TARGETS", count(self.targets())),
            ("PARAMETERS", count(shape.parameters())),
            ("SAMPLE_VALUES", count(self.sample_values())),
            ("SAMPLE_ROWS", count(narrow_rows(*self))),
            ("UNIFORM_ROWS", count(UNIFORM_ROWS)),
            ("Y_SCALE", real(y_scale(network.activation))),
            ("Z_SCALE", real(Z_SCALE)),
            ("CONVERGED", status(Status::Converged)),
            ("STEP_LIMIT", status(Status::StepLimit)),
            ("NON_FINITE", status(Status::NonFinite)),
            ("PENDING", status(Status::Pending)),
            ("LANES", count(layout.lanes)),
            ("GROUP", count(layout.group())),
            ("NETWORKS", count(layout.networks())),
            ("TILE", count(layout.tile)),
            ("SHARED_ROW", count(layout.row())),
            ("SHARED_ROWS", count(LayerLayout::rows(network))),
            ("STORED", format!("bool = {}", layout.weights_stored || layout.rows_stored)),
            ("WORKGROUP", count(WORKGROUP)),
            ("MAX_WORKGROUP", count(MAX_WORKGROUP)),
            ("PIVOTS", count(PIVOTS)),
            ("HALVINGS", count(HALVINGS)),
            ("LAYERS", count(places.layers.len())),
            ("LAYER_PLACES", count(LAYER_PLACES)),
            ("ALL_UNITS", count(places.all_units())),
            ("UNITS_FED", count(places.units_fed())),
            ("UNIT_ROWS", count(places.unit_rows())),
            ("PAIR_ELEMENTS", count(places.pair_elements)),
            ("OUTPUT_TERMS", count(places.output_terms())),
            ("ITEM_FIELDS", count(ITEM_FIELDS)),
            ("ITEM_SUMS", count(ITEM_SUMS)),
            ("SUM_BLOCK", count(SUM_BLOCK)),
            ("SUM_PART", count(SUM_PART)),
            ("LOST", real(places.lost())),
        ]
        .map(|(name, value)| (name.into(), value))
        .into();
        let mut row = 0;
        for (l, (layer, blocks)) in (1..).zip(shape.layers().zip(layout.products(network))) {
            let of_layer = [
                ("INPUTS", layer.inputs),
                ("UNITS", layer.units),
                ("START", layer.start),
                ("G", row + layer.inputs + 1),
                ("FORWARD_UNITS", blocks.forward.rows),
                ("FORWARD_SAMPLES", blocks.forward.columns),
                ("FORWARD_BLOCKS", blocks.forward.blocks),
                ("BACK_INPUTS", blocks.back.rows),
                ("BACK_SAMPLES", blocks.back.columns),
                ("BACK_BLOCKS", blocks.back.blocks),
                ("GRADIENT_INPUTS", blocks.gradient.rows),
                ("GRADIENT_UNITS", blocks.gradient.columns),
                ("GRADIENT_COLUMNS", layer.units.div_ceil(blocks.gradient.columns)),
                ("GRADIENT_BLOCKS", blocks.gradient.blocks),
            ];
            // h of the layer below, with the row of ones before it.
            constants.push((format!("H_{}", l - 1), count(row)));
            constants.extend(of_layer.map(|(name, value)| (format!("{name}_{l}"), count(value))));
            row += layer.inputs + 1 + layer.units;
        }
        constants
    }

    fn expanded(&self, text: &str) -> String {
        expanded(text, self.network.shape.widths().len() - 1)
    }
}
