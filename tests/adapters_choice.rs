//! Which adapter `--adapter` means, and with which one an interrupted run goes on, on made-up machines.

use sharpsweep::engine::Machine;
use sharpsweep::gpu::{AdapterSummary, DirectXCompiler, begun_among, wanted_among};

fn adapters(found: &[(&str, &str, &str)]) -> Vec<AdapterSummary> {
    let summary = |(index, &(name, backend, id)): (usize, &(&str, &str, &str))| AdapterSummary {
        index,
        name: name.into(),
        id: id.into(),
        backend: backend.into(),
        kind: "discrete GPU".into(),
        driver: "driver 1.0".into(),
        compiler: None,
        hardware: true,
        max_storage_buffer_binding_size: 1 << 30,
        max_buffer_size: 1 << 30,
        max_compute_invocations_per_workgroup: 1024,
        max_compute_workgroup_storage_size: 1 << 15,
        max_compute_workgroups_per_dimension: 65_535,
    };
    found.iter().enumerate().map(summary).collect()
}

/// Two equal cards, a smaller one, and a software adapter with digits in its name.
fn workstation() -> Vec<AdapterSummary> {
    adapters(&[
        ("NVIDIA RTX A4000", "vulkan", "0000:01:00.0"),
        ("NVIDIA RTX A4000", "vulkan", "0000:41:00.0"),
        ("NVIDIA RTX A4000 Laptop", "vulkan", "0000:81:00.0"),
        ("llvmpipe (LLVM 15.0.6, 256 bits)", "vulkan", "10005:0000"),
    ])
}

#[test]
fn digits_below_the_number_of_adapters_are_an_index() {
    let all = workstation();
    for index in 0..4 {
        assert_eq!(wanted_among(&all, &index.to_string()), Ok(index));
    }
    // Numbers beyond the list are parts of names.
    assert_eq!(wanted_among(&all, "256"), Ok(3));
    let refused = wanted_among(&all, "9").unwrap_err();
    assert!(refused.contains("no adapter has the number `9`") && refused.contains("\n  3: llvmpipe"), "{refused}");
}

#[test]
fn a_part_of_a_name_or_id_that_one_adapter_has_stands_for_it() {
    let all = workstation();
    assert_eq!(wanted_among(&all, "LLVMPIPE"), Ok(3));
    assert_eq!(wanted_among(&all, "laptop"), Ok(2));
    assert_eq!(wanted_among(&all, "0000:41:00.0"), Ok(1));
    assert_eq!(wanted_among(&all, "41:00"), Ok(1));
    // A whole name means itself, even though the name of the software adapter contains it.
    let two = adapters(&[("RTX A4000 Laptop", "vulkan", "a"), ("RTX A4000", "vulkan", "b")]);
    assert_eq!(wanted_among(&two, "rtx a4000"), Ok(1));
}

#[test]
fn several_matches_are_refused_with_the_list_and_equal_adapters_differ_in_it() {
    let all = workstation();
    for wanted in ["NVIDIA RTX A4000", "nvidia", ""] {
        let refused = wanted_among(&all, wanted).unwrap_err();
        assert!(refused.contains("adapters: name one by its number or id"), "{refused}");
        assert!(refused.contains("\n  0: NVIDIA RTX A4000 (discrete GPU, vulkan), id 0000:01:00.0"), "{refused}");
        assert!(refused.contains("\n  1: NVIDIA RTX A4000 (discrete GPU, vulkan), id 0000:41:00.0"), "{refused}");
    }
    assert!(wanted_among(&all, "no such").unwrap_err().contains("`no such` in its name or id"));
}

#[test]
fn a_run_goes_on_with_its_own_adapter_or_else_an_equal_one() {
    let all = workstation();
    let begun = |name: &str, id: &str| Machine {
        engine: "gpu".into(),
        precision: "f32".into(),
        device: format!("{name} (discrete GPU, vulkan)"),
        driver: "driver 1.0".into(),
        id: id.into(),
    };
    assert_eq!(begun_among(&all, &begun("NVIDIA RTX A4000", "0000:41:00.0")), Ok(1));
    // From before ids were recorded, on a machine whose cards are in other places.
    assert_eq!(begun_among(&all, &begun("NVIDIA RTX A4000", "")), Ok(0));
    assert_eq!(begun_among(&all, &begun("NVIDIA RTX A4000", "0000:c1:00.0")), Ok(0));
    assert_eq!(begun_among(&all, &begun("NVIDIA RTX A4000 Laptop", "")), Ok(2));
    let refused = begun_among(&all, &begun("AMD Radeon", "0000:41:00.0")).unwrap_err();
    assert!(refused.contains("begun on AMD Radeon (discrete GPU, vulkan), which is not here"), "{refused}");
    // An old manifest has no id, and a new one without a graphics adapter does not write it.
    let old = r#"{"engine": "cpu", "precision": "f32", "device": "CPU, 2 threads", "driver": "AVX2"}"#;
    let machine: Machine = serde_json::from_str(old).unwrap();
    assert_eq!(machine.id, "");
    assert!(!serde_json::to_string(&machine).unwrap().contains("\"id\""));
}

/// Under DX12 one sees which compiler is taken: the newer one and where it was found, or how to get it.
#[test]
fn an_adapter_of_dx12_names_its_compiler() {
    let path = r"C:\tools\dxcompiler.dll";
    let found = DirectXCompiler::with(Some(path.into()));
    assert_eq!(found.in_words(), r"DXC, C:\tools\dxcompiler.dll");
    let missing = DirectXCompiler::with(None);
    let words = missing.in_words();
    assert!(words.starts_with("FXC, ") && words.contains("put dxcompiler.dll beside sharpsweep.exe"), "{words}");
    let compiler = |compiler: Option<DirectXCompiler>| {
        let summary = AdapterSummary { compiler, ..adapters(&[("A card", "dx12", "10de:2684")]).remove(0) };
        serde_json::to_value(summary).unwrap().get("compiler").cloned()
    };
    assert_eq!(compiler(Some(found)), Some(serde_json::json!({ "name": "dxc", "path": path })));
    assert_eq!(compiler(Some(missing)), Some(serde_json::json!({ "name": "fxc" })));
    assert_eq!(compiler(None), None);
}
