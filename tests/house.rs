//! How the source is built: modules use only those that lib.rs lists before them, and no two files use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// A module's path from the crate's root: `["gpu", "kernel"]`.
type Module = Vec<String>;

/// What a file of src/ uses from others, outside its tests.
#[derive(Default)]
struct File {
    /// Every path of more than one name.
    paths: BTreeSet<Vec<String>>,
    /// The names that it re-exports, and where they come from.
    exports: BTreeMap<String, Vec<String>>,
}

impl<'ast> Visit<'ast> for File {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_test(&item.attrs) {
            return;
        }
        for (name, path) in leaves(&item.tree, &[]) {
            if !matches!(item.vis, syn::Visibility::Inherited) {
                self.exports.insert(name, path.clone());
            }
            self.paths.insert(path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // A path that begins with a type is local.
        if names.len() > 1 && names[0].starts_with(char::is_lowercase) {
            self.paths.insert(names);
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// The paths of a `use` declaration, each with the name that it brings into scope.
fn leaves(tree: &syn::UseTree, before: &[String]) -> Vec<(String, Vec<String>)> {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        syn::UseTree::Path(path) => leaves(&path.tree, &with(&path.ident)),
        syn::UseTree::Name(name) if name.ident == "self" => {
            vec![(before.last().cloned().unwrap_or_default(), before.to_vec())]
        }
        syn::UseTree::Name(name) => vec![(name.ident.to_string(), with(&name.ident))],
        syn::UseTree::Rename(rename) => vec![(rename.rename.to_string(), with(&rename.ident))],
        syn::UseTree::Glob(_) => vec![("*".into(), before.to_vec())],
        syn::UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, before)).collect(),
    }
}

/// Every file of src/ except the program's, by module.
fn files() -> BTreeMap<Module, File> {
    fn below(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    below(&source, &mut paths);
    let mut files = BTreeMap::new();
    for path in paths {
        let module: Module = path
            .strip_prefix(&source)
            .unwrap()
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        if module == ["main"] || module == ["lib"] {
            continue;
        }
        let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut file = File::default();
        file.visit_file(&parsed);
        files.insert(module, file);
    }
    files
}

/// The file that defines `path` as written in the file of `module`; `None` if it is not a file of this crate.
fn resolve(files: &BTreeMap<Module, File>, module: &Module, path: &[String]) -> Option<Module> {
    let mut at = match path[0].as_str() {
        "crate" => Vec::new(),
        "super" => module[..module.len() - 1].to_vec(),
        "self" => module.clone(),
        // A child of this module, or another crate.
        _ => {
            let child = [&module[..], &path[..1]].concat();
            return files.contains_key(&child).then(|| resolve_below(files, child, &path[1..]))?;
        }
    };
    let mut rest = &path[1..];
    while let Some(("super", others)) = rest.split_first().map(|(first, others)| (first.as_str(), others)) {
        at.pop();
        rest = others;
    }
    resolve_below(files, at, rest)
}

fn resolve_below(files: &BTreeMap<Module, File>, mut at: Module, mut rest: &[String]) -> Option<Module> {
    while let Some((name, others)) = rest.split_first() {
        let child = [&at[..], std::slice::from_ref(name)].concat();
        if files.contains_key(&child) {
            (at, rest) = (child, others);
        } else if let Some(origin) = files.get(&at).and_then(|file| file.exports.get(name)) {
            return resolve(files, &at, origin);
        } else {
            break;
        }
    }
    (!at.is_empty()).then_some(at)
}

/// From each file to the files that it uses. A parent that only re-exports from its children does not use them.
fn edges(files: &BTreeMap<Module, File>) -> BTreeMap<Module, BTreeSet<Module>> {
    let used = |module: &Module, file: &File| {
        let passed_on: BTreeSet<&Vec<String>> = file.exports.values().collect();
        let own = file.paths.iter().filter(|path| !passed_on.contains(path));
        own.filter_map(|path| resolve(files, module, path)).filter(|used| used != module).collect()
    };
    files.iter().map(|(module, file)| (module.clone(), used(module, file))).collect()
}

/// lib.rs says which module may use which.
#[test]
fn modules_stand_on_those_listed_before_them() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let listed: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//! - "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect();
    let files = files();
    let place = |module: &Module| listed.iter().position(|name| *name == module[0]);
    for (module, used) in edges(&files) {
        let own = place(&module).unwrap_or_else(|| panic!("lib.rs does not list {}", module[0]));
        for other in used {
            let theirs = place(&other).unwrap_or_else(|| panic!("lib.rs does not list {}", other[0]));
            assert!(theirs <= own, "{} uses {}, which lib.rs lists after it", module.join("::"), other.join("::"));
        }
    }
}

#[test]
fn no_files_stand_on_each_other() {
    let files = files();
    let modules: Vec<&Module> = files.keys().collect();
    let place = |module: &Module| modules.iter().position(|other| *other == module).unwrap();
    let edges = edges(&files);
    let pairs = edges.iter().flat_map(|(module, used)| used.iter().map(move |used| (module, used)));
    let graph = petgraph::graph::DiGraph::<(), ()>::from_edges(
        pairs.map(|(module, used)| (place(module) as u32, place(used) as u32)),
    );
    let circles: Vec<String> = petgraph::algo::tarjan_scc(&graph)
        .into_iter()
        .filter(|circle| circle.len() > 1)
        .map(|circle| circle.into_iter().map(|node| modules[node.index()].join("::")).collect::<Vec<_>>().join(", "))
        .collect();
    assert!(circles.is_empty(), "files that stand on each other:\n{}", circles.join("\n"));
}

/// Names with one meaning in several files: the arguments of each command, the vectors of each instruction set, the
/// activations of training and of evaluation, and what a forward pass leaves in the reference and its twin on the
/// processor.
const SHARED_NAMES: [&str; 13] = [
    "Args", "Erf", "F32x8", "F64x4", "Gelu", "Linear", "Relu", "Sigmoid", "Silu", "Softplus", "Square", "Tanh", "Terms",
];

#[test]
fn no_two_types_share_a_name() {
    let mut files_by_type: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, _) in files() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module.join("/")).with_extension("rs");
        let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        for item in parsed.items {
            let name = match item {
                syn::Item::Struct(item) => item.ident,
                syn::Item::Enum(item) => item.ident,
                syn::Item::Trait(item) => item.ident,
                syn::Item::Type(item) => item.ident,
                _ => continue,
            };
            files_by_type.entry(name.to_string()).or_default().push(module.join("::"));
        }
    }
    let twice: Vec<String> = files_by_type
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !SHARED_NAMES.contains(&name.as_str()))
        .map(|(name, files)| format!("{name}: {}", files.join(", ")))
        .collect();
    assert!(twice.is_empty(), "types that share a name:\n{}", twice.join("\n"));
}

/// The width that rustfmt.toml gives to code holds for comments, texts, shaders and scripts as well.
#[test]
fn no_line_is_longer_than_the_width_of_the_code() {
    fn below(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path
                .extension()
                .is_some_and(|extension| ["rs", "wgsl", "sh", "py"].iter().any(|e| extension == *e))
            {
                found.push(path);
            }
        }
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let width = fs::read_to_string(project.join("rustfmt.toml")).unwrap();
    let width: usize = width.lines().find_map(|line| line.strip_prefix("max_width = ")).unwrap().parse().unwrap();
    let mut paths = Vec::new();
    for folder in ["src", "shaders", "tests", "benches", "python"] {
        below(&project.join(folder), &mut paths);
    }
    let mut long = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let lines = (1..).zip(text.lines()).filter(|(_, line)| line.chars().count() > width);
        long.extend(lines.map(|(number, _)| format!("{}:{number}", path.strip_prefix(project).unwrap().display())));
    }
    assert!(long.is_empty(), "lines of more than {width} characters:\n{}", long.join("\n"));
}

/// A block of code that is wider than the column of a rendered page must be scrolled to be read.
const WIDTH_OF_A_PAGE: usize = 98;

/// The guide is read as text and as rendered. A row of a table is one line, however long.
#[test]
fn the_guide_fits_its_page() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_dir(project.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = guide.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut long = Vec::new();
    for path in pages.chain([project.join("python/README.md")]) {
        let mut is_code = false;
        for (number, line) in (1..).zip(fs::read_to_string(&path).unwrap().lines()) {
            is_code ^= line.starts_with("```");
            let width = if is_code { WIDTH_OF_A_PAGE } else { 120 };
            if line.chars().count() > width && !line.starts_with('|') {
                long.push(format!("{}:{number}: more than {width}", path.strip_prefix(project).unwrap().display()));
            }
        }
    }
    assert!(long.is_empty(), "long lines:\n{}", long.join("\n"));
}

/// A platform with another clock changes src/clock.rs alone.
#[test]
fn only_the_clock_asks_for_the_time() {
    for (module, file) in files() {
        let asks = |path: &Vec<String>| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            matches!(
                path[..],
                ["std", "time", "Instant" | "SystemTime", ..]
                    | ["std", "thread", "sleep", ..]
                    | ["thread", "sleep", ..]
            )
        };
        let found: Vec<_> = file.paths.iter().filter(|path| asks(path)).collect();
        assert!(module == ["clock"] || found.is_empty(), "{} uses {found:?}", module.join("::"));
    }
}
