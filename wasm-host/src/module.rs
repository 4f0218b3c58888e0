//! Compiled modules.

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
    /// When the bytes are no wasm module.
    pub fn new(wasm: &[u8]) -> Result<Module, Error> {
        let engine = Engine::default();
        let module = wasmtime::Module::new(&engine, wasm).map_err(unusable)?;
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
