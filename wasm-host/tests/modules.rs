//! Which modules a VM is made of, and how it begins.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use riskgate_wasm_host::{Error, Module, Vm};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, ImportSection, Instruction, MemorySection, MemoryType, TypeSection, ValType,
};

/// What a module needs to be loaded.
const NEEDED: [&str; 2] = ["proxy_abi_version_0_2_1", "malloc"];
/// How many numbers functions take and return.
const TYPES: [(&[ValType], &[ValType]); 5] = [
    (&[ValType::I32; 3], &[ValType::I32]),
    (&[ValType::I32; 2], &[ValType::I32]),
    (&[ValType::I32], &[ValType::I32]),
    (&[], &[]),
    (&[], &[ValType::I32]),
];

fn type_of(export: &str) -> u32 {
    match export {
        "main" => 1,
        "malloc" | "proxy_on_memory_allocate" => 2,
        "__main_void" => 4,
        _ => 3,
    }
}

/// A module with these imports, each of which takes three numbers and returns one, and these exports, each of which logs its name.
fn module(imports: &[(&str, &str)], exports: &[&str]) -> Vec<u8> {
    let mut types = TypeSection::new();
    for (params, results) in TYPES {
        types.ty().function(params.to_vec(), results.to_vec());
    }
    let mut import_section = ImportSection::new();
    let imports = [&[("env", "proxy_log")], imports].concat();
    for (from, name) in &imports {
        import_section.import(from, name, EntityType::Function(0));
    }
    let mut functions = FunctionSection::new();
    let mut export_section = ExportSection::new();
    let mut code = CodeSection::new();
    let mut names = Vec::new();
    for (number, name) in (imports.len() as u32..).zip(exports) {
        functions.function(type_of(name));
        export_section.export(name, ExportKind::Func, number);
        let mut body = Function::new([]);
        for argument in [2, names.len() as i32, name.len() as i32] {
            body.instruction(&Instruction::I32Const(argument));
        }
        body.instruction(&Instruction::Call(0));
        if type_of(name) == 3 {
            body.instruction(&Instruction::Drop);
        }
        body.instruction(&Instruction::End);
        code.function(&body);
        names.extend_from_slice(name.as_bytes());
    }
    export_section.export("memory", ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), names);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&import_section);
    module.section(&functions).section(&memories);
    module
        .section(&export_section)
        .section(&code)
        .section(&data);
    module.finish()
}

fn begins_with(exports: &[&str]) -> Vec<String> {
    let exports = [&NEEDED[..], exports].concat();
    let module = Module::new(&module(&[], &exports)).unwrap();
    let vm = Vm::new(&module).unwrap();
    let lines = vm.proxy().log.iter();
    lines.map(|(_, line)| line.clone()).collect()
}

fn refusal(imports: &[(&str, &str)], exports: &[&str]) -> String {
    match Module::new(&module(imports, exports)) {
        Err(Error::Module(why)) => why,
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn a_reactor_is_initialized_and_a_command_is_started() {
    let all = ["_initialize", "_start", "main", "__main_void"];
    assert_eq!(begins_with(&all), ["_initialize", "main"]);
    assert_eq!(begins_with(&all[..1]), ["_initialize"]);
    assert_eq!(begins_with(&all[1..]), ["_start"]);
    let void = ["_initialize", "__main_void"];
    assert_eq!(begins_with(&void), void);
    assert!(begins_with(&["main"]).is_empty());
}

#[test]
fn what_envoy_does_not_load_is_refused() {
    assert_eq!(
        refusal(&[("env", "proxy_get_moon_phase")], &NEEDED),
        "it imports `proxy_get_moon_phase` from `env`, which Envoy does not have"
    );
    assert_eq!(
        refusal(&[("wasi_snapshot_preview1", "fd_dup")], &NEEDED),
        "it imports `fd_dup` from `wasi_snapshot_preview1`, which Envoy does not have"
    );
    assert_eq!(
        refusal(&[("lunar", "proxy_log")], &NEEDED),
        "it imports `proxy_log` from `lunar`, which Envoy does not have"
    );
    for version in ["proxy_abi_version_0_1_0", "proxy_abi_version_0_3_0"] {
        assert_eq!(
            refusal(&[], &[version, "malloc"]),
            "it exports neither `proxy_abi_version_0_2_0` nor `proxy_abi_version_0_2_1`"
        );
    }
    assert_eq!(
        refusal(&[], &NEEDED[..1]),
        "it exports neither `malloc` nor `proxy_on_memory_allocate`"
    );
    assert!(Module::new(b"no module").is_err());
}

#[test]
fn both_names_of_wasi_and_both_allocators_are_known() {
    let imports = [
        ("wasi_unstable", "fd_read"),
        ("wasi_snapshot_preview1", "fd_read"),
    ];
    let exports = ["proxy_abi_version_0_2_0", "proxy_on_memory_allocate"];
    let module = Module::new(&module(&imports, &exports)).unwrap();
    assert!(Vm::new(&module).is_ok());
}
