//! One VM and its callbacks.

use crate::guest::Guest;
use crate::proxy::{Proxy, serialize_headers};
use crate::{call, wasi};
use wasmtime::{Caller, Engine, ExternType, Instance, Linker, Store, Val, WasmParams, WasmResults};

/// A compiled module, to make any number of VMs of.
pub struct Module {
    engine: Engine,
    module: wasmtime::Module,
}

/// A VM with the proxy around it.
pub struct Vm {
    store: Store<Proxy>,
    instance: Instance,
    /// Root contexts that were made and not deleted.
    roots: Vec<u32>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It goes on to the next filter.
    Continue,
    /// It waits, or was answered.
    Pause,
}

/// Why a VM cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The module cannot be used.
    #[error("the module cannot be used: {0}")]
    Module(String),
    /// The VM trapped. Nothing may be called in it any more.
    #[error("the VM trapped in `{callback}`: {reason}")]
    Trap {
        /// Which callback ran.
        callback: String,
        /// What the VM's log and the trap say.
        reason: String,
    },
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

impl Vm {
    /// Makes a VM, and lets the module initialize itself.
    ///
    /// # Errors
    ///
    /// When the module imports anything but functions of `env` and WASI, or traps.
    pub fn new(module: &Module) -> Result<Vm, Error> {
        let mut linker = Linker::new(&module.engine);
        for import in module.module.imports() {
            link(&mut linker, import.module(), import.name(), &import.ty())?;
        }
        let mut store = Store::new(&module.engine, Proxy::default());
        let instance = linker
            .instantiate(&mut store, &module.module)
            .map_err(unusable)?;
        let mut vm = Vm {
            store,
            instance,
            roots: Vec::new(),
        };
        vm.call::<(), ()>("_initialize", ())?;
        Ok(vm)
    }

    /// What the proxy holds.
    pub fn proxy(&self) -> &Proxy {
        self.store.data()
    }

    /// What the proxy holds, to be changed.
    pub fn proxy_mut(&mut self) -> &mut Proxy {
        self.store.data_mut()
    }

    /// `proxy_on_context_create`; a root context has the parent 0.
    ///
    /// # Errors
    ///
    /// When the VM traps, as with every callback.
    pub fn create_context(&mut self, context_id: u32, parent_id: u32) -> Result<(), Error> {
        if parent_id == 0 {
            self.roots.push(context_id);
        }
        self.call("proxy_on_context_create", (context_id, parent_id))
    }

    /// `proxy_on_vm_start`, with an empty VM configuration; true if the module has no such callback.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn start(&mut self, context_id: u32) -> Result<bool, Error> {
        let ok: Option<u32> = self.call_if_exported("proxy_on_vm_start", (context_id, 0_u32))?;
        Ok(ok != Some(0))
    }

    /// `proxy_on_configure`.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn configure(&mut self, context_id: u32, configuration: &[u8]) -> Result<bool, Error> {
        self.proxy_mut().plugin_configuration = configuration.to_vec();
        let len = len_u32(configuration);
        self.call::<_, u32>("proxy_on_configure", (context_id, len))
            .map(|ok| ok != 0)
    }

    /// `proxy_on_tick`.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn tick(&mut self, context_id: u32) -> Result<(), Error> {
        self.call("proxy_on_tick", context_id)
    }

    /// `proxy_on_tick` of every root context.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub(crate) fn tick_all(&mut self) -> Result<(), Error> {
        let roots = self.roots.clone();
        roots.into_iter().try_for_each(|root| self.tick(root))
    }

    /// `proxy_on_request_headers`, of a request without a body.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn request_headers(
        &mut self,
        context_id: u32,
        headers: &[(&[u8], &[u8])],
    ) -> Result<Action, Error> {
        let proxy = self.proxy_mut();
        proxy.request_headers = headers
            .iter()
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect();
        proxy.local_response = None;
        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        let action: u32 = self.call("proxy_on_request_headers", (context_id, count, 1_u32))?;
        Ok(if action == 0 {
            Action::Continue
        } else {
            Action::Pause
        })
    }

    /// `proxy_on_grpc_receive_initial_metadata`, without any, if the module has such a callback.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn grpc_initial_metadata(&mut self, context_id: u32, token: u32) -> Result<(), Error> {
        let params = (context_id, token, len_u32(&serialize_headers(&[])));
        self.call_if_exported::<_, ()>("proxy_on_grpc_receive_initial_metadata", params)?;
        Ok(())
    }

    /// `proxy_on_grpc_receive`: a message comes on a stream.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn grpc_receive(
        &mut self,
        context_id: u32,
        token: u32,
        message: &[u8],
    ) -> Result<(), Error> {
        self.proxy_mut().grpc_message = message.to_vec();
        self.call(
            "proxy_on_grpc_receive",
            (context_id, token, len_u32(message)),
        )
    }

    /// `proxy_on_grpc_close`: the other end closed a stream.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn grpc_close(&mut self, context_id: u32, token: u32, status: u32) -> Result<(), Error> {
        self.call("proxy_on_grpc_close", (context_id, token, status))
    }

    /// `proxy_on_done`; true if the module has no such callback.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn done(&mut self, context_id: u32) -> Result<bool, Error> {
        let done: Option<u32> = self.call_if_exported("proxy_on_done", context_id)?;
        Ok(done != Some(0))
    }

    /// `proxy_on_log`, if the module has such a callback.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn log(&mut self, context_id: u32) -> Result<(), Error> {
        self.call_if_exported::<_, ()>("proxy_on_log", context_id)?;
        Ok(())
    }

    /// `proxy_on_delete`.
    ///
    /// # Errors
    ///
    /// When the VM traps.
    pub fn delete(&mut self, context_id: u32) -> Result<(), Error> {
        self.roots.retain(|root| *root != context_id);
        self.call("proxy_on_delete", context_id)
    }

    /// As a proxy does with the callbacks that a module may leave out.
    fn call_if_exported<P: WasmParams, R: WasmResults>(
        &mut self,
        callback: &str,
        params: P,
    ) -> Result<Option<R>, Error> {
        match self.instance.get_func(&mut self.store, callback) {
            Some(_) => self.call(callback, params).map(Some),
            None => Ok(None),
        }
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        callback: &str,
        params: P,
    ) -> Result<R, Error> {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, callback)
            .map_err(unusable)?;
        function
            .call(&mut self.store, params)
            .map_err(|error| Error::Trap {
                callback: callback.to_owned(),
                reason: format!("{error:#}; last log line: {:?}", self.proxy().log.last()),
            })
    }
}

/// Links one import to what the host has under its name.
fn link(
    linker: &mut Linker<Proxy>,
    module: &str,
    name: &str,
    ty: &ExternType,
) -> Result<(), Error> {
    let run = match module {
        "env" => call::run,
        "wasi_snapshot_preview1" => wasi::run,
        _ => {
            return Err(Error::Module(format!(
                "it imports `{name}` from `{module}`"
            )));
        }
    };
    let ExternType::Func(ty) = ty else {
        return Err(Error::Module(format!(
            "it imports `{name}`, which is not a function"
        )));
    };
    let call_name = name.to_owned();
    let host_call = move |mut caller: Caller<'_, Proxy>, params: &[Val], results: &mut [Val]| {
        caller.data_mut().calls.push(call_name.clone());
        let args: Vec<u64> = params.iter().map(number).collect();
        let answer =
            Guest::new(&mut caller).and_then(|mut guest| run(&mut guest, &call_name, &args));
        match results.first_mut() {
            Some(result) => {
                *result = Val::I32(answer.err().unwrap_or(crate::Status::OK).cast_signed());
            }
            // `proc_exit` alone returns nothing.
            None => return Err(wasmtime::Error::msg("the VM exited")),
        }
        Ok(())
    };
    linker
        .func_new(module, name, ty.clone(), host_call)
        .map_err(unusable)?;
    Ok(())
}

fn number(value: &Val) -> u64 {
    match value {
        Val::I32(value) => value.cast_unsigned().into(),
        Val::I64(value) => value.cast_unsigned(),
        _ => 0,
    }
}

fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn unusable(error: wasmtime::Error) -> Error {
    Error::Module(format!("{error:#}"))
}
