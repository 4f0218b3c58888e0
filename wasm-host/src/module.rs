//! Compiled modules.

use crate::imports;
use crate::vm::{Error, unusable};
use wasmtime::Engine;

/// A compiled module, to make any number of VMs of.
pub struct Module {
    pub(crate) engine: Engine,
    pub(crate) module: wasmtime::Module,
}

impl Module {
    /// Compiles a module.
    ///
    /// # Errors
    ///
    /// When the bytes are no wasm module, or one that Envoy does not load: of another ABI than 0.2.0 and 0.2.1, without an
    /// allocator, or with an import that is not there.
    pub fn new(wasm: &[u8]) -> Result<Module, Error> {
        let engine = Engine::default();
        let module = wasmtime::Module::new(&engine, wasm).map_err(unusable)?;
        imports::check(&module)?;
        Ok(Module { engine, module })
    }

    /// The names of the functions that it imports from `module`.
    pub fn imports(&self, module: &str) -> Vec<String> {
        let imports = self
            .module
            .imports()
            .filter(|import| import.module() == module);
        imports.map(|import| import.name().to_owned()).collect()
    }
}
