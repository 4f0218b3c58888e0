//! A module that makes given calls in its request callback, and answers the request with what came of them.

use crate::calls::{Argument, Call};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction, MemArg, MemorySection,
    MemoryType, Module, TypeSection, ValType,
};

/// A call's status, and its three places.
pub(crate) const RESULT_LEN: usize = 16;

const PAGE: u32 = 64 * 1024;
const PAGES: u32 = 4;
/// The texts are below; what came of calls is here.
const RESULTS: u32 = PAGE;
/// What the host was given memory for.
const HEAP: u32 = RESULTS + 0x2000;
const HEAP_END: u32 = HEAP + 0x2000;
const STATUS: i32 = 200;
const PAUSE: i32 = 1;

/// Globals: the end of what was given, and the number of the next sequence.
const HEAP_TOP: u32 = 0;
const NEXT: u32 = 1;

pub(crate) struct Probe<'c> {
    sequences: &'c [Vec<Call>],
    /// Imported functions, in their order; the last one answers the request.
    imports: Vec<Call>,
    types: TypeSection,
    type_count: u32,
    texts: Vec<u8>,
}

impl<'c> Probe<'c> {
    pub(crate) fn new(sequences: &'c [Vec<Call>]) -> Probe<'c> {
        let reply = Call {
            name: "proxy_send_local_response",
            args: vec![Argument::Number(0); 8],
        };
        Probe {
            sequences,
            imports: Call::each().chain([reply]).collect(),
            types: TypeSection::new(),
            type_count: 0,
            texts: Vec::new(),
        }
    }

    pub(crate) fn module(mut self) -> Vec<u8> {
        let mut imports = ImportSection::new();
        for call in self.imports.clone() {
            let params: Vec<ValType> = call.args.iter().flat_map(params_of).collect();
            let ty = self.ty(&params, &[ValType::I32]);
            let module = if call.is_wasi() {
                "wasi_snapshot_preview1"
            } else {
                "env"
            };
            imports.import(module, call.name, EntityType::Function(ty));
        }
        let mut functions = FunctionSection::new();
        let mut exports = ExportSection::new();
        let mut code = CodeSection::new();
        let i32s = |count| vec![ValType::I32; count];
        let own = [
            ("proxy_abi_version_0_2_1", self.ty(&[], &[]), nothing()),
            (
                "proxy_on_memory_allocate",
                self.ty(&i32s(1), &i32s(1)),
                allocate(),
            ),
            ("proxy_on_context_create", self.ty(&i32s(2), &[]), nothing()),
            (
                "proxy_on_request_headers",
                self.ty(&i32s(3), &i32s(1)),
                self.request(),
            ),
        ];
        for (number, (name, ty, body)) in (self.import_count()..).zip(own) {
            functions.function(ty);
            exports.export(name, ExportKind::Func, number);
            code.function(&body);
        }
        exports.export("memory", ExportKind::Memory, 0);
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: PAGES.into(),
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut globals = GlobalSection::new();
        for _ in [HEAP_TOP, NEXT] {
            let ty = GlobalType {
                val_type: ValType::I32,
                mutable: true,
                shared: false,
            };
            globals.global(ty, &ConstExpr::i32_const(0));
        }
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(0), self.texts.iter().copied());
        let mut module = Module::new();
        module.section(&self.types).section(&imports);
        module.section(&functions).section(&memories);
        module.section(&globals).section(&exports);
        module.section(&code).section(&data);
        module.finish()
    }

    fn import_count(&self) -> u32 {
        u32::try_from(self.imports.len()).unwrap()
    }

    fn ty(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let (params, results) = (params.iter().copied(), results.iter().copied());
        self.types.ty().function(params, results);
        self.type_count += 1;
        self.type_count - 1
    }

    /// The callback: the calls of the sequence whose turn it is, each result in its place, and the answer.
    fn request(&mut self) -> Function {
        let mut body = Function::new([]);
        let mut put = |instruction: Instruction<'_>| {
            body.instruction(&instruction);
        };
        put(Instruction::I32Const(HEAP.cast_signed()));
        put(Instruction::GlobalSet(HEAP_TOP));
        // Nothing of the last request stays.
        put(Instruction::I32Const(RESULTS.cast_signed()));
        put(Instruction::I32Const(0));
        put(Instruction::I32Const((HEAP_END - RESULTS).cast_signed()));
        put(Instruction::MemoryFill(0));
        for (number, calls) in (0..).zip(self.sequences) {
            put(Instruction::GlobalGet(NEXT));
            put(Instruction::I32Const(number));
            put(Instruction::I32Eq);
            put(Instruction::If(wasm_encoder::BlockType::Empty));
            for (place, call) in (0..).zip(calls) {
                let result = RESULTS + place * 16;
                put(Instruction::I32Const(result.cast_signed()));
                for argument in &call.args {
                    for constant in constants(argument, result, &mut self.texts) {
                        put(constant);
                    }
                }
                let names = self.imports.iter().map(|import| import.name);
                let function = names.zip(0..).find(|(name, _)| *name == call.name);
                put(Instruction::Call(function.unwrap().1));
                put(Instruction::I32Store(MemArg {
                    offset: 0,
                    align: 2,
                    memory_index: 0,
                }));
            }
            put(Instruction::End);
        }
        put(Instruction::GlobalGet(NEXT));
        put(Instruction::I32Const(1));
        put(Instruction::I32Add);
        put(Instruction::GlobalSet(NEXT));
        let len = HEAP_END - RESULTS;
        let answer = [
            STATUS,
            0,
            0,
            RESULTS.cast_signed(),
            len.cast_signed(),
            0,
            0,
            -1,
        ];
        for number in answer {
            put(Instruction::I32Const(number));
        }
        put(Instruction::Call(
            u32::try_from(self.imports.len()).unwrap() - 1,
        ));
        put(Instruction::Drop);
        put(Instruction::I32Const(PAUSE));
        put(Instruction::End);
        body
    }
}

/// The types that an argument crosses the ABI as.
fn params_of(argument: &Argument) -> Vec<ValType> {
    match argument {
        Argument::Number(_) | Argument::Out(_) => vec![ValType::I32],
        Argument::Long(_) => vec![ValType::I64],
        Argument::Bytes(_) => vec![ValType::I32; 2],
    }
}

fn constants(argument: &Argument, result: u32, texts: &mut Vec<u8>) -> Vec<Instruction<'static>> {
    let number = |number: u32| Instruction::I32Const(number.cast_signed());
    match argument {
        Argument::Number(value) => vec![number(*value)],
        Argument::Long(value) => vec![Instruction::I64Const(value.cast_signed())],
        Argument::Out(place) => vec![number(result + 4 + place * 4)],
        Argument::Bytes(bytes) => {
            // Not at 0, which may count as nowhere.
            if texts.is_empty() {
                texts.push(0);
            }
            let held = bytes.len().max(1);
            let place = texts.windows(held).position(|window| window == *bytes);
            let place = place.unwrap_or_else(|| {
                texts.extend_from_slice(bytes);
                texts.len() - bytes.len()
            });
            let len = u32::try_from(bytes.len()).unwrap();
            vec![number(u32::try_from(place).unwrap()), number(len)]
        }
    }
}

fn nothing() -> Function {
    let mut body = Function::new([]);
    body.instruction(&Instruction::End);
    body
}

/// The next bytes of the heap, or null behind its end.
fn allocate() -> Function {
    let mut body = Function::new([]);
    let instructions = [
        Instruction::GlobalGet(HEAP_TOP),
        Instruction::LocalGet(0),
        Instruction::I32Add,
        Instruction::I32Const(HEAP_END.cast_signed()),
        Instruction::I32GtU,
        Instruction::If(wasm_encoder::BlockType::Empty),
        Instruction::I32Const(0),
        Instruction::Return,
        Instruction::End,
        Instruction::GlobalGet(HEAP_TOP),
        Instruction::GlobalGet(HEAP_TOP),
        Instruction::LocalGet(0),
        Instruction::I32Add,
        Instruction::GlobalSet(HEAP_TOP),
        Instruction::End,
    ];
    for instruction in &instructions {
        body.instruction(instruction);
    }
    body
}
