//! A module that writes each callback into the log, with its arguments, holds a body back until it is whole, and traps where
//! a request has very many headers.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, ImportSection, Instruction, MemArg, MemorySection, MemoryType,
    Module, TypeSection, ValType,
};

/// What each line begins with.
pub(crate) const MARK: &str = "callback ";

const LEVEL_INFO: i32 = 2;
/// A request with more headers traps.
pub(crate) const HEADERS_MAX: usize = 40;
/// Where a line is put together.
const LINE: u32 = 0x8000;
const HEX_DIGITS: u32 = 8;

/// A callback: its name, how many numbers it takes, and what it returns.
const CALLBACKS: &[(&str, usize, Return)] = &[
    ("_initialize", 0, Return::Nothing),
    ("main", 2, Return::Number(0)),
    ("proxy_validate_configuration", 2, Return::Number(1)),
    ("proxy_on_context_create", 2, Return::Nothing),
    ("proxy_on_vm_start", 2, Return::Number(1)),
    ("proxy_on_configure", 2, Return::Number(1)),
    (
        "proxy_on_request_headers",
        3,
        Return::PauseOrTrap(HEADERS_MAX),
    ),
    ("proxy_on_request_body", 3, Return::PauseUntilLast),
    ("proxy_on_request_trailers", 2, Return::Number(0)),
    ("proxy_on_response_headers", 3, Return::Number(0)),
    ("proxy_on_response_body", 3, Return::Number(0)),
    ("proxy_on_response_trailers", 2, Return::Number(0)),
    ("proxy_on_request_metadata", 2, Return::Number(0)),
    ("proxy_on_response_metadata", 2, Return::Number(0)),
    ("proxy_on_foreign_function", 3, Return::Nothing),
    ("proxy_on_tick", 1, Return::Nothing),
    ("proxy_on_queue_ready", 2, Return::Nothing),
    ("proxy_on_done", 1, Return::Number(1)),
    ("proxy_on_log", 1, Return::Nothing),
    ("proxy_on_delete", 1, Return::Nothing),
];

#[derive(Clone, Copy, PartialEq)]
enum Return {
    Nothing,
    Number(i32),
    /// To go on if the last argument says that nothing follows, and else to pause.
    PauseUntilLast,
    /// The same, or a trap if the second argument is a larger number.
    PauseOrTrap(usize),
}

pub(crate) fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    let i32s = |count| vec![ValType::I32; count];
    types.ty().function(i32s(3), i32s(1));
    let mut imports = ImportSection::new();
    imports.import("env", "proxy_log", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    let mut texts = Vec::new();
    let own = [
        ("proxy_abi_version_0_2_1", 0, Return::Nothing),
        // Nothing is asked for, so nothing has to be given.
        ("proxy_on_memory_allocate", 1, Return::Number(0)),
    ];
    for (number, (name, args, returns)) in (1..).zip(own.iter().chain(CALLBACKS)) {
        let results = i32s(usize::from(*returns != Return::Nothing));
        types.ty().function(i32s(*args), results);
        functions.function(number);
        exports.export(name, ExportKind::Func, number);
        let is_traced = CALLBACKS.iter().any(|(traced, ..)| traced == name);
        code.function(&body(
            is_traced.then_some(*name),
            *args,
            *returns,
            &mut texts,
        ));
    }
    exports.export("memory", ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), texts);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions);
    module.section(&memories).section(&exports);
    module.section(&code).section(&data);
    module.finish()
}

fn body(traced: Option<&str>, args: usize, returns: Return, texts: &mut Vec<u8>) -> Function {
    let mut body = Function::new([]);
    let args = u32::try_from(args).unwrap();
    if let Some(name) = traced {
        trace(&mut body, name, args, texts);
    }
    if let Return::PauseOrTrap(max) = returns {
        for instruction in [
            Instruction::LocalGet(1),
            Instruction::I32Const(i32::try_from(max).unwrap()),
            Instruction::I32GtU,
            Instruction::If(BlockType::Empty),
            Instruction::Unreachable,
            Instruction::End,
        ] {
            body.instruction(&instruction);
        }
    }
    match returns {
        Return::Nothing => {}
        Return::Number(number) => {
            body.instruction(&Instruction::I32Const(number));
        }
        Return::PauseUntilLast | Return::PauseOrTrap(_) => {
            body.instruction(&Instruction::LocalGet(args - 1));
            body.instruction(&Instruction::I32Eqz);
        }
    }
    body.instruction(&Instruction::End);
    body
}

/// A line: the mark, the name, and each argument in hexadecimal digits.
fn trace(body: &mut Function, name: &str, args: u32, texts: &mut Vec<u8>) {
    let number = |number: u32| Instruction::I32Const(number.cast_signed());
    let start = u32::try_from(texts.len()).unwrap();
    let blank = " ".repeat(args as usize * (HEX_DIGITS as usize + 1));
    let line = format!("{MARK}{name}{blank}");
    let len = u32::try_from(line.len()).unwrap();
    let first_digit = len - args * (HEX_DIGITS + 1) + 1;
    texts.extend_from_slice(line.as_bytes());
    for instruction in [
        number(LINE),
        number(start),
        number(len),
        Instruction::MemoryCopy {
            src_mem: 0,
            dst_mem: 0,
        },
    ] {
        body.instruction(&instruction);
    }
    for arg in 0..args {
        for digit in 0..HEX_DIGITS {
            let at = LINE + first_digit + arg * (HEX_DIGITS + 1) + digit;
            let nibble = [
                Instruction::LocalGet(arg),
                number((HEX_DIGITS - 1 - digit) * 4),
                Instruction::I32ShrU,
                number(15),
                Instruction::I32And,
            ];
            // `0` to `9`, and from there on `a` to `f`, which stand 39 behind where `9` would lead.
            let instructions = [
                &[number(at)],
                &nibble[..],
                &[number(48), Instruction::I32Add],
                &nibble[..],
                &[
                    number(9),
                    Instruction::I32GtU,
                    number(39),
                    Instruction::I32Mul,
                ],
                &[Instruction::I32Add],
                &[Instruction::I32Store8(MemArg {
                    offset: 0,
                    align: 0,
                    memory_index: 0,
                })],
            ];
            for instruction in instructions.into_iter().flatten() {
                body.instruction(instruction);
            }
        }
    }
    for instruction in [
        Instruction::I32Const(LEVEL_INFO),
        number(LINE),
        number(len),
        Instruction::Call(0),
        Instruction::Drop,
    ] {
        body.instruction(&instruction);
    }
}
