//! What Khronos' validators say of the kernels in SPIR-V and GLSL, and whether naga can write them for Metal.

use std::path::Path;
use std::process::Command;

use naga::back::glsl::Version;
use rayon::prelude::*;

use crate::spirv::{Driver, validated};
use crate::texts::{Text, drawn, texts};
use crate::{glsl, msl, spirv};

/// How many texts each validator gets where not all are asked for.
const DRAWN: usize = 60;

/// What `program` says against the file, which it gets after its `arguments`.
fn objections(program: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let asked = Command::new(program).args(arguments).arg(file).output();
    let asked = asked.unwrap_or_else(|error| panic!("{program}: {error}: tests/validators.sh installs it"));
    let said = [asked.stdout, asked.stderr].concat();
    (!asked.status.success()).then(|| String::from_utf8_lossy(&said).trim().to_owned())
}

/// Asks about some of the texts and says of how many.
fn ask_all(what: &str, ask: impl Fn(&Text) -> Option<String> + Sync) {
    let texts = texts();
    let drawn = drawn(&texts, DRAWN);
    let misses: Vec<String> =
        drawn.par_iter().filter_map(|text| Some(format!("{}: {}", text.name, ask(text)?))).collect();
    println!("{what}: {} texts, {} objections", drawn.len(), misses.len());
    assert!(misses.is_empty(), "{what}:\n{}", misses.join("\n"));
}

/// What wgpu writes for the drivers of each version of Vulkan, older ones without robustBufferAccess2.
const VULKAN: [(&str, Driver); 4] = [
    ("vulkan1.0", Driver { language: (1, 0), keeps_bounds: false, checks_indices: true }),
    ("vulkan1.1", Driver { language: (1, 3), keeps_bounds: false, checks_indices: true }),
    ("vulkan1.2", Driver { language: (1, 5), keeps_bounds: true, checks_indices: true }),
    ("vulkan1.3", Driver { language: (1, 6), keeps_bounds: true, checks_indices: true }),
];

fn spirv_val(environment: &str, words: &[u32]) -> Option<String> {
    let file = tempfile::Builder::new().suffix(".spv").tempfile().unwrap();
    std::fs::write(file.path(), bytemuck::cast_slice(words)).unwrap();
    objections("spirv-val", &["--target-env", environment], file.path())
}

#[test]
fn validators_spirv_val_accepts_what_vulkan_gets() {
    for (environment, driver) in VULKAN {
        ask_all(&format!("spirv-val, SPIR-V {}.{}, {environment}", driver.language.0, driver.language.1), |text| {
            let (module, info) = validated(&text.wgsl);
            spirv_val(environment, &spirv::written(&module, &info, driver))
        });
        // It is not blind: with the words of a text cut short, or a type of another that is not declared.
        let text = &texts()[0];
        let (module, info) = validated(&text.wgsl);
        let words = spirv::written(&module, &info, driver);
        assert!(spirv_val(environment, &words[..words.len() - 1]).is_some());
        let mut bound_to_one = words;
        bound_to_one[3] = 1;
        assert!(spirv_val(environment, &bound_to_one).is_some());
    }
}

fn glslang(text: &str) -> Option<String> {
    let file = tempfile::Builder::new().suffix(".comp").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    objections("glslangValidator", &["-S", "comp"], file.path())
}

#[test]
fn validators_glslang_accepts_the_glsl() {
    for (name, version) in [("GLSL ES 3.10", Version::new_gles(310)), ("GLSL 4.50", Version::Desktop(450))] {
        ask_all(&format!("glslangValidator, {name}"), |text| match glsl::written(&text.wgsl, version) {
            Ok(text) => glslang(&text),
            Err(message) => Some(message),
        });
        let text = glsl::written(&texts()[0].wgsl, version).unwrap();
        assert!(glslang(&text.replace("void main()", "void main() { undeclared += 1.0; }\nvoid other()")).is_some());
    }
}

#[test]
fn validators_naga_writes_the_msl() {
    // No compiler for it runs on Linux.
    for version in [(2, 0), (2, 4), (3, 2)] {
        let name = format!("written in MSL {}.{}, which nothing here compiles", version.0, version.1);
        ask_all(&name, |text| msl::written(&text.wgsl, version).err());
    }
}
