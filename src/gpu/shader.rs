//! From the files in shaders/ to the complete WGSL text of one pass: sizes as constants, the parts that it uses, and
//! its own text.
//!
//! WGSL's `override` cannot size private arrays, so N, M and D are generated as `const`.

use std::collections::BTreeSet;
use std::f32::consts::LOG2_E;

use super::eigenvalues::{HALVINGS, PIVOTS};
use super::limits::{MAX_WORKGROUP, SUM_BLOCK, SUM_PART, UNIFORM_ROWS, WORKGROUP};
use super::pass::{Pass, named};
use super::plan::{GROUP, STREAMED_TILE, SampleLayout, SharedLayout, SplitLayout, Target, TrainPlan};
use super::rounding::REACH_SHARE;
use super::route::{ITEM_SUMS, Items};
use crate::engine::Status;
use crate::fingerprint::Fingerprint;
use crate::model::{Activation, Network, OneHidden};

/// What training multiplies the inputs of `activation`'s units by, so that the shader's exp2 stands for the exp that f
/// needs.
pub(super) const fn y_scale(activation: Activation) -> f32 {
    match activation {
        Activation::Sigmoid => -LOG2_E,
        Activation::Tanh => 2.0 * LOG2_E,
        Activation::Softplus | Activation::Silu => LOG2_E,
        Activation::Linear | Activation::Gelu | Activation::Relu | Activation::Erf | Activation::Square => 1.0,
    }
}

/// What training multiplies labels by, for the exp of the loss.
pub(super) const Z_SCALE: f32 = -LOG2_E;

/// Values that the forward pass leaves of each sample: loss, s, delta, size and perturbation.
pub(super) const OUTPUT_TERMS: usize = 5;

/// Sums of the trace pass: loss, the two blocks of tr H, size and perturbation.
pub(super) const TRACE_SUMS: usize = 5;

macro_rules! parts {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../shaders/parts/", $file, ".wgsl")))),+]
    };
}

/// Every file of shaders/parts/ with its text, in the order in which they are joined.
const PARTS: &[(&str, &str)] = parts![
    "params",
    "theta",
    "finite",
    "tile_1",
    "tile_2",
    "tile_4",
    "unfinished",
    "log1p",
    "normal",
    "philox",
    "samples",
    "evaluation",
    "logistic",
    "rounding",
    "activation_linear",
    "activation_sigmoid",
    "activation_tanh",
    "activation_softplus",
    "activation_gelu",
    "activation_relu",
    "activation_silu",
    "activation_erf",
    "activation_square",
    "rows_uniform",
    "rows_storage",
    "values",
    "values_in_tiles",
    "unit_linear",
    "unit_sigmoid",
    "unit_tanh",
    "unit_softplus",
    "unit_gelu",
    "unit_relu",
    "unit_silu",
    "unit_erf",
    "unit_square",
    "decay_none",
    "decay_some",
    "descent",
    "meeting",
    "layer_places",
    "layer_room",
    "layer_entries",
    "outputs_logistic",
    "outputs_softmax",
    "outputs_squared",
    "residuals_logistic",
    "residuals_softmax",
    "residuals_squared",
    "layer_weights_workgroup",
    "layer_weights_storage",
    "layer_rows_workgroup",
    "layer_rows_storage",
];

/// What kernels are made for: with the pass, it decides their texts.
pub trait KernelTarget: Copy {
    /// The file of shaders/parts/ that stands for `part` in `pass`.
    fn file(&self, pass: Pass, part: &str) -> String;

    /// What the network is, for the first line of a text.
    fn in_words(&self) -> String;

    /// Every constant that `pass` or a part of it may use, as its type and value, from the same definitions that the
    /// host uses.
    fn constants(&self, pass: Pass) -> Vec<(String, String)>;

    /// `text` with what it says once for all layers written out for each.
    fn expanded(&self, text: &str) -> String {
        text.into()
    }
}

/// What a text is made for.
#[derive(Debug, Clone, Copy)]
struct Variant<T> {
    pass: Pass,
    target: T,
}

impl<T: KernelTarget> Variant<T> {
    /// Adds to `found` the places in [`PARTS`] of what `text` names, of what that names, and so on.
    fn find_parts(&self, text: &str, found: &mut BTreeSet<usize>) {
        for part in named(text, "Parts") {
            let file = self.target.file(self.pass, part);
            if let Some(place) = PARTS.iter().position(|(name, _)| *name == file)
                && found.insert(place)
            {
                self.find_parts(PARTS[place].1, found);
            }
        }
    }

    /// The complete text of these parts and the pass itself, with the constants that they use.
    fn joined(&self, parts: &BTreeSet<usize>) -> String {
        let texts = parts.iter().map(|&place| PARTS[place].1).chain([self.pass.text()]);
        let texts: Vec<String> = texts.map(|text| self.target.expanded(text)).collect();
        let used: BTreeSet<&str> = texts.iter().flat_map(|text| words(text)).collect();
        let mut text = format!("// Generated for {}.\n", self.target.in_words());
        for (name, value) in self.target.constants(self.pass) {
            if used.contains(name.as_str()) {
                text += &format!("const {name}: {value};\n");
            }
        }
        text + "\n" + &texts.join("\n")
    }
}

/// A constant that counts something, as its type and value.
pub(super) fn count(value: usize) -> String {
    format!("u32 = {value}u")
}

/// A real constant, as its type and value.
pub(super) fn real(value: f32) -> String {
    format!("f32 = {value:?}f")
}

/// The number of `status`, as its type and value.
pub(super) fn status(status: Status) -> String {
    count(status as usize)
}

impl Target {
    /// How `pass` takes the samples, if it is one that trains.
    fn sample_layout(&self, pass: Pass) -> Option<SampleLayout> {
        let plan = TrainPlan::ALL.into_iter().find(|plan| plan.pass() == pass)?;
        plan.sample_layout(*self)
    }
}

impl KernelTarget for Target {
    fn file(&self, pass: Pass, part: &str) -> String {
        let layout = self.sample_layout(pass);
        match part {
            "activation" | "unit" => format!("{part}_{}", self.network.activation.name()),
            "tile" => format!("tile_{}", layout.map_or(1, |layout| layout.tile)),
            "decay" => (if self.decays { "decay_some" } else { "decay_none" }).into(),
            "rows" if layout.is_some_and(|layout| layout.samples_are_uniform(self.samples)) => "rows_uniform".into(),
            "rows" => "rows_storage".into(),
            part => part.into(),
        }
    }

    fn in_words(&self) -> String {
        let OneHidden { inputs, hidden } = self.network.shape;
        format!("M = {inputs} inputs and N = {hidden} hidden units")
    }

    fn constants(&self, pass: Pass) -> Vec<(String, String)> {
        let Network { shape, activation } = self.network;
        let shared = SharedLayout::of(*self);
        let items = Items::of(shape);
        // Invocations that share a network, invocations of a workgroup, samples that they meet over.
        let split = SplitLayout::of(*self);
        let [lanes, group, tile] = match pass {
            Pass::TrainSplit => [split.lanes, split.group, 1],
            Pass::TrainShared => [shared.lanes, shared.group(), shared.tile],
            Pass::TrainStreamed => [GROUP, GROUP, STREAMED_TILE],
            _ => [1, GROUP, 1],
        };
        let own = [
            ("INPUTS", count(shape.inputs)),
            ("HIDDEN", count(shape.hidden)),
            ("PARAMETERS", count(shape.parameters())),
            ("V_BIAS", count(shape.v_bias())),
            ("Y_SCALE", real(y_scale(activation))),
            ("Z_SCALE", real(Z_SCALE)),
            ("CONVERGED", status(Status::Converged)),
            ("STEP_LIMIT", status(Status::StepLimit)),
            ("NON_FINITE", status(Status::NonFinite)),
            ("PENDING", status(Status::Pending)),
            ("LANES", count(lanes)),
            ("GROUP", count(group)),
            ("UNITS", count(shared.units)),
            ("TILE", count(tile)),
            // z of every sample of a tile, and three sums at the end of a step.
            ("SHARES", count(tile.max(3))),
            ("SAMPLE_ROWS", count(self.sample_layout(pass).map_or(0, |layout| layout.rows()))),
            ("UNIFORM_ROWS", count(UNIFORM_ROWS)),
            ("OUTPUT_TERMS", count(OUTPUT_TERMS)),
            ("REACH_SHARE", real(REACH_SHARE)),
            ("SUM_BLOCK", count(SUM_BLOCK)),
            ("SUM_PART", count(SUM_PART)),
            ("TRACE_SUMS", count(TRACE_SUMS)),
            ("INPUT_TILE", count(items.input_tile)),
            ("INPUT_TILES", count(items.input_tiles)),
            ("INPUT_TILE_PAIRS", count(items.input_tile_pairs())),
            ("ITEM_SUMS", count(ITEM_SUMS)),
            ("WORKGROUP", count(WORKGROUP)),
            ("MAX_WORKGROUP", count(MAX_WORKGROUP)),
            ("PIVOTS", count(PIVOTS)),
            ("HALVINGS", count(HALVINGS)),
        ];
        own.map(|(name, value)| (name.into(), value)).into()
    }
}

/// The names and numbers in the code of `text`, without its comments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter_map(|line| line.split("//").next());
    code.flat_map(|code| code.split(|character: char| !character.is_alphanumeric() && character != '_'))
}

/// The complete WGSL of `pass` for `target`, as it is handed to the driver.
pub fn wgsl(pass: Pass, target: impl KernelTarget) -> String {
    let variant = Variant { pass, target };
    let mut parts = BTreeSet::new();
    variant.find_parts(pass.text(), &mut parts);
    variant.joined(&parts)
}

/// A hash of the texts of `passes` for `target`: results of the GPU engine depend on them, so a run records it.
pub(super) fn code_hash(passes: &[Pass], target: impl KernelTarget) -> String {
    let texts = passes.iter().map(|&pass| wgsl(pass, target));
    texts.fold(Fingerprint::default(), |hash, text| hash.add(text.as_bytes())).digits()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use wgpu::BufferBindingType::{Storage, Uniform};
    use wgpu::naga::{AddressSpace, ArraySize, Module, StorageAccess, TypeInner, front::wgsl::parse_str, valid};

    use super::{KernelTarget, PARTS, Variant, wgsl};
    use crate::gpu::layers::LayerTarget;
    use crate::gpu::pass::{Pass, bindings, named};
    use crate::gpu::plan::{Family, Target};
    use crate::model::{Activation, Loss, Network, OneHidden, Shape};

    /// Every pass for every activation and these M, N and I, with the parts of each.
    fn variants(sizes: &[(usize, usize, usize)]) -> Vec<(Variant<Target>, BTreeSet<usize>)> {
        let mut variants = Vec::new();
        for pass in Pass::ONE_HIDDEN {
            for activation in Activation::ALL {
                for &(inputs, hidden, samples) in sizes {
                    let network = Network { shape: OneHidden::new(inputs, hidden), activation };
                    for family in [Family::Software, Family::Nvidia] {
                        let decays = family == Family::Nvidia;
                        let variant = Variant { pass, target: Target { network, samples, family, decays } };
                        let mut parts = BTreeSet::new();
                        variant.find_parts(pass.text(), &mut parts);
                        variants.push((variant, parts));
                    }
                }
            }
        }
        variants
    }

    /// The widths of networks of any depth, M first and K last: those that a single invocation takes, those in
    /// workgroup memory, and those that are partly and wholly in storage.
    const WIDTHS: [&[usize]; 9] = [
        &[2, 3],
        &[2, 3, 3],
        &[2, 2, 2, 1],
        &[2, 8, 8, 1],
        &[4, 16, 16, 3],
        &[3, 2, 3, 2, 3, 2, 3, 2, 2, 2],
        &[64, 32, 10],
        &[64, 200, 10],
        &[300, 3000, 4],
    ];

    /// Every pass for networks of any depth, for every activation, each loss and these widths, and those passes of the
    /// paper's networks that serve them too, with the parts of each.
    fn layer_variants(widths: &[&[usize]]) -> Vec<(Variant<LayerTarget>, BTreeSet<usize>)> {
        let mut variants = Vec::new();
        for pass in Pass::LAYERS.into_iter().chain([Pass::Seeds, Pass::Remaining]) {
            for (number, activation) in Activation::ALL.into_iter().enumerate() {
                for (place, widths) in widths.iter().enumerate() {
                    let (hidden, outputs) = (&widths[1..widths.len() - 1], widths[widths.len() - 1]);
                    let shape = Shape::new(widths[0], hidden, outputs).unwrap();
                    let loss = [Loss::Logistic, Loss::Softmax, Loss::Squared][(number + place) % 3];
                    let family = [Family::Software, Family::Nvidia][number % 2];
                    let (samples, decays) = ([50, 9_000][place % 2], number % 2 == 0);
                    let target = LayerTarget { network: Network { shape, activation }, loss, samples, family, decays };
                    let variant = Variant { pass, target };
                    let mut parts = BTreeSet::new();
                    variant.find_parts(pass.text(), &mut parts);
                    variants.push((variant, parts));
                }
            }
        }
        variants
    }

    fn validated(text: &str) -> Result<Module, String> {
        let module = parse_str(text).map_err(|error| error.emit_to_string(text))?;
        valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::default())
            .validate(&module)
            .map_err(|error| error.emit_to_string(text))?;
        Ok(module)
    }

    /// Each text is valid, and what the host binds is what it declares.
    #[test]
    fn every_variant_validates_and_its_bindings_are_those_of_the_host() {
        let sizes = [
            (1, 1, 50),
            (2, 3, 50),
            (2, 3, 2_000),
            (2, 3, 60_000),
            (2, 10, 50),
            (30, 6, 50),
            (64, 33, 50),
            (3, 128, 50),
        ];
        let texts = variants(&sizes).into_iter().map(|(variant, _)| (variant.pass, wgsl(variant.pass, variant.target)));
        let of_layers = layer_variants(&WIDTHS).into_iter();
        let texts = texts.chain(of_layers.map(|(variant, _)| (variant.pass, wgsl(variant.pass, variant.target))));
        for (pass, text) in texts {
            let module = validated(&text).unwrap_or_else(|error| panic!("{error}"));
            let declared = module.global_variables.iter().filter_map(|(_, variable)| {
                let ty = match variable.space {
                    AddressSpace::Uniform => Uniform,
                    AddressSpace::Storage { access } => Storage { read_only: !access.contains(StorageAccess::STORE) },
                    _ => return None,
                };
                Some((variable.binding.as_ref()?.binding, ty))
            });
            let mut declared: Vec<_> = declared.collect();
            let mut bound: Vec<_> = bindings(&text).collect();
            declared.sort_by_key(|(number, _)| *number);
            bound.sort_by_key(|(number, _)| *number);
            assert_eq!(bound, declared, "{}", pass.name());
            assert!((0..).zip(&bound).all(|(place, (number, _))| place == *number), "{}", pass.name());
            assert_eq!(module.entry_points[0].name, pass.name());
        }
    }

    /// DirectX's older compiler unrolls every loop around an array inside a struct, or around an array of structs
    /// longer than a few, together with all loops around it, and does not come to an end.
    #[test]
    fn arrays_hold_scalars_or_vectors_and_no_struct_holds_an_array() {
        let texts = variants(&[(2, 3, 50), (30, 17, 50)]).into_iter();
        let texts = texts.map(|(variant, _)| (variant.pass, wgsl(variant.pass, variant.target)));
        let of_layers = layer_variants(&WIDTHS[..6]).into_iter();
        for (pass, text) in
            texts.chain(of_layers.map(|(variant, _)| (variant.pass, wgsl(variant.pass, variant.target))))
        {
            let module = validated(&text).unwrap();
            let inner = |handle| &module.types[handle].inner;
            for (_, ty) in module.types.iter() {
                match &ty.inner {
                    TypeInner::Array { base, size: ArraySize::Constant(length), .. } => {
                        let is_struct = matches!(inner(*base), TypeInner::Struct { .. });
                        assert!(!is_struct || length.get() <= 4, "{}: {ty:?}", pass.name());
                    }
                    TypeInner::Struct { members, .. } => {
                        // One of any length ends a buffer, which has no place in registers.
                        let array = members.iter().find(|member| {
                            matches!(inner(member.ty), TypeInner::Array { size: ArraySize::Constant(_), .. })
                        });
                        assert!(array.is_none(), "{}: {array:?}", pass.name());
                    }
                    _ => {}
                }
            }
        }
    }

    /// A pass gets the parts that its first lines name and those that these name; it gets no more than it needs.
    #[test]
    fn no_pass_validates_without_one_of_its_parts() {
        for (variant, parts) in variants(&[(2, 3, 50), (2, 10, 60_000)]) {
            assert_needed(&variant, &parts);
        }
        for (variant, parts) in layer_variants(&[&[2, 3, 3], &[2, 8, 8, 1], &[64, 32, 10]]) {
            assert_needed(&variant, &parts);
        }
    }

    fn assert_needed<T: KernelTarget>(variant: &Variant<T>, parts: &BTreeSet<usize>) {
        for place in parts {
            let mut fewer = parts.clone();
            fewer.remove(place);
            let (pass, part) = (variant.pass.name(), PARTS[*place].0);
            assert!(validated(&variant.joined(&fewer)).is_err(), "{pass} does not need {part}");
        }
    }

    /// Every file of shaders/ and shaders/parts/ with its text.
    fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
        let passes = Pass::ONE_HIDDEN.into_iter().chain(Pass::LAYERS);
        passes.map(|pass| (pass.name(), pass.text())).chain(PARTS.iter().copied())
    }

    /// Whether the file of shaders/parts/ with this name is `part`, or one of those that stand for it.
    fn is_part(file: &str, part: &str) -> bool {
        file.strip_prefix(part).is_some_and(|variant| variant.is_empty() || variant.starts_with('_'))
    }

    /// The names in the code of `text`, those before a `(` or `:` with that; not those of fields, after a `.`.
    fn names(text: &str) -> Vec<String> {
        let code: Vec<&str> = text.lines().filter_map(|line| line.split("//").next()).collect();
        let code = code.join(" ").replace('(', "( ").replace(':', ": ");
        let between = |character: char| !character.is_alphanumeric() && !['_', '(', ':', '.'].contains(&character);
        let names = code.split(between).filter(|name| name.starts_with(char::is_alphabetic));
        names.filter_map(|name| name.split('.').next()).map(str::to_owned).collect()
    }

    /// What `text` declares for others; functions with their parenthesis.
    fn declared(text: &str) -> BTreeSet<String> {
        let outermost =
            text.lines().filter(|line| line.starts_with(|first: char| first.is_alphabetic() || first == '@'));
        let name = |line: &str| {
            let names = names(line);
            let typed = names.iter().find(|name| name.ends_with(':')).map(|name| name.trim_end_matches(':').to_owned());
            if ["fn", "struct", "alias"].contains(&names.first()?.as_str()) { names.get(1).cloned() } else { typed }
        };
        outermost.filter_map(name).collect()
    }

    /// The names that `text` takes from elsewhere: it neither declares them, nor a field, parameter or variable of that
    /// name.
    fn taken(text: &str) -> BTreeSet<String> {
        let names = names(text);
        let mut own: BTreeSet<String> =
            names.iter().filter_map(|name| name.strip_suffix(':')).map(str::to_owned).collect();
        for pair in names.windows(2).filter(|pair| ["let", "var", "fn", "struct", "alias"].contains(&pair[0].as_str()))
        {
            own.insert(pair[1].clone());
        }
        let both = names.iter().flat_map(|name| [name.trim_end_matches(':'), name.trim_end_matches('(')]);
        both.filter(|name| !own.contains(*name)).map(str::to_owned).collect()
    }

    /// Without reading on, one sees from its first lines where a name in a file comes from.
    #[test]
    fn every_file_names_the_parts_that_it_takes_names_from_and_no_others() {
        for (file, text) in files() {
            let named: Vec<&str> = named(text, "Parts").collect();
            let taken = taken(text);
            let mut found = BTreeSet::new();
            for part in &named {
                let declared: BTreeSet<String> =
                    PARTS.iter().filter(|(name, _)| is_part(name, part)).flat_map(|(_, text)| declared(text)).collect();
                assert!(!declared.is_disjoint(&taken), "{file} names the part {part} and takes nothing from it");
                found.extend(declared);
            }
            for (part, text) in PARTS.iter().filter(|(part, _)| !named.iter().any(|named| is_part(part, named))) {
                let missed: Vec<_> =
                    declared(text).intersection(&taken).filter(|name| !found.contains(*name)).cloned().collect();
                assert!(missed.is_empty(), "{file} takes {missed:?} from {part} and does not name it");
            }
        }
    }

    /// Every pass says which plain code it is held to, and that code exists; every file of shaders/parts/ can be named.
    #[test]
    fn every_pass_names_its_twin() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for pass in Pass::ONE_HIDDEN.into_iter().chain(Pass::LAYERS) {
            assert!(named(pass.text(), "Twin").count() > 0, "shaders/{}.wgsl names no twin", pass.name());
        }
        for (file, text) in files() {
            for twin in named(text, "Twin") {
                assert!(root.join(twin).exists(), "{file}: {twin}");
            }
        }
        let stems = std::fs::read_dir(root.join("shaders/parts")).unwrap();
        let stems: BTreeSet<_> = stems.map(|entry| entry.unwrap().path().with_extension("")).collect();
        assert_eq!(stems, PARTS.iter().map(|(name, _)| root.join("shaders/parts").join(name)).collect());
    }

    /// What the SAFETY comment in src/gpu/compiled.rs argues from.
    #[test]
    fn every_loop_counts_up_to_an_end() {
        for (file, text) in files() {
            for line in text.lines().map(|line| line.split("//").next().unwrap_or(line).trim()) {
                let words: Vec<&str> = line.split_whitespace().collect();
                assert!(
                    !words.contains(&"while") && !words.contains(&"loop"),
                    "`{line}` in {file}: write it as a `for`, or extend the SAFETY comment and this test"
                );
                if words.first() == Some(&"for") {
                    let (upto, step) = line.rsplit_once("; ").unwrap_or_default();
                    assert!(upto.contains(" < ") || upto.contains(" <= "), "`{line}` in {file}");
                    assert!(step.contains("++") || step.contains(" += "), "`{line}` in {file}");
                }
            }
        }
    }
}
