//! One VM and the callbacks of its root contexts.

use crate::http_stream::HttpStream;
use crate::link::link;
use crate::module::Module;
use crate::proxy::Proxy;
use wasmtime::{Instance, Linker, Store, WasmParams, WasmResults};

/// A VM with the proxy around it. A callback that the module does not export does nothing, as in Envoy.
pub struct Vm {
    store: Store<Proxy>,
    instance: Instance,
    dead: bool,
}

/// What becomes of a request or a response.
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
    /// A million events came about without any time passing.
    #[error("VMs wake each other for ever: a million events came about without any time passing")]
    Endless,
    /// The VM trapped before.
    #[error("`{callback}` cannot run, because the VM trapped before")]
    Dead {
        /// Which callback was to run.
        callback: String,
    },
}

impl Vm {
    /// Makes a VM, and lets the module initialize itself.
    ///
    /// # Errors
    ///
    /// When the module cannot be started, or traps.
    pub fn new(module: &Module) -> Result<Vm, Error> {
        Vm::with_proxy(module, Proxy::default())
    }

    pub(crate) fn with_proxy(module: &Module, proxy: Proxy) -> Result<Vm, Error> {
        let mut linker = Linker::new(&module.engine);
        for import in module.module.imports() {
            link(&mut linker, import.module(), import.name(), &import.ty())?;
        }
        let mut store = Store::new(&module.engine, proxy);
        store.limiter(|proxy| &mut proxy.memory);
        let instance = linker
            .instantiate(&mut store, &module.module)
            .map_err(unusable)?;
        let mut vm = Vm {
            store,
            instance,
            dead: false,
        };
        vm.begin()?;
        Ok(vm)
    }

    /// As in Envoy: a reactor is initialized and its `main` runs; any other module begins at `_start`.
    fn begin(&mut self) -> Result<(), Error> {
        if !self.exports("_initialize") {
            return self.tell(0, "_start", ());
        }
        self.tell(0, "_initialize", ())?;
        if self.exports("main") {
            let _status: Option<u32> = self.run(0, "main", (0_u32, 0_u32))?;
        } else {
            let _status: Option<u32> = self.run(0, "__main_void", ())?;
        }
        Ok(())
    }

    fn exports(&mut self, name: &str) -> bool {
        self.instance.get_func(&mut self.store, name).is_some()
    }

    /// What the proxy holds.
    pub fn proxy(&self) -> &Proxy {
        self.store.data()
    }

    /// What the proxy holds, to be changed.
    pub fn proxy_mut(&mut self) -> &mut Proxy {
        self.store.data_mut()
    }

    /// Whether it trapped or was killed.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// As if it had trapped: nothing runs in it any more, and its streams stay open.
    pub fn kill(&mut self) {
        self.dead = true;
    }

    /// `proxy_on_context_create`; a root context has the parent 0.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped, as with every callback.
    pub fn create_context(&mut self, context_id: u32, parent_id: u32) -> Result<(), Error> {
        let proxy = self.proxy_mut();
        proxy.contexts.create(context_id, parent_id);
        if parent_id != 0 {
            proxy.http_streams.insert(context_id, HttpStream::default());
        }
        self.tell(
            context_id,
            "proxy_on_context_create",
            (context_id, parent_id),
        )
    }

    /// `proxy_on_vm_start`, with [`Proxy::vm_configuration`]; true if the module has no such callback.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn start(&mut self, context_id: u32) -> Result<bool, Error> {
        let len = len_u32(&self.proxy().vm_configuration);
        let ok: u32 = self
            .run(context_id, "proxy_on_vm_start", (context_id, len))?
            .unwrap_or(1);
        Ok(ok != 0)
    }

    /// `proxy_on_configure`; true if the module has no such callback.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn configure(&mut self, context_id: u32, configuration: &[u8]) -> Result<bool, Error> {
        let len = len_u32(configuration);
        self.proxy_mut().incoming.plugin_configuration = Some(configuration.to_vec());
        let ok = self.run(context_id, "proxy_on_configure", (context_id, len));
        self.proxy_mut().incoming.plugin_configuration = None;
        Ok(ok?.unwrap_or(1_u32) != 0)
    }

    /// `proxy_on_tick`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn tick(&mut self, context_id: u32) -> Result<(), Error> {
        self.tell(context_id, "proxy_on_tick", context_id)
    }

    /// `proxy_on_queue_ready`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn queue_ready(&mut self, context_id: u32, token: u32) -> Result<(), Error> {
        self.tell(context_id, "proxy_on_queue_ready", (context_id, token))
    }

    /// `proxy_on_done`; true if the module has no such callback. One that is not done says so later by `proxy_done`, and
    /// is deleted when the callback in which it does is over.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn done(&mut self, context_id: u32) -> Result<bool, Error> {
        let done: Option<u32> = self.run(context_id, "proxy_on_done", context_id)?;
        let is_done = done != Some(0);
        if !is_done {
            self.proxy_mut().contexts.drain(context_id);
        }
        Ok(is_done)
    }

    /// `proxy_on_foreign_function`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn foreign_function(
        &mut self,
        context_id: u32,
        function_id: u32,
        data: &[u8],
    ) -> Result<(), Error> {
        self.proxy_mut().incoming.call_data = data.to_vec();
        let params = (context_id, function_id, len_u32(data));
        let told = self.tell(context_id, "proxy_on_foreign_function", params);
        self.proxy_mut().incoming.call_data = Vec::new();
        told
    }

    /// `proxy_on_log`: the context sees all headers and trailers of its exchange.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn log(&mut self, context_id: u32) -> Result<(), Error> {
        if let Some(stream) = self.proxy_mut().http_streams.get_mut(&context_id) {
            for message in [&mut stream.request, &mut stream.response] {
                message.reach.headers = true;
                message.reach.trailers = true;
            }
        }
        self.tell(context_id, "proxy_on_log", context_id)
    }

    /// `proxy_on_delete`.
    ///
    /// # Errors
    ///
    /// When the VM traps or has trapped.
    pub fn delete(&mut self, context_id: u32) -> Result<(), Error> {
        let deleted = self.tell(context_id, "proxy_on_delete", context_id);
        let proxy = self.proxy_mut();
        proxy.contexts.delete(context_id);
        proxy.timers.remove(context_id);
        proxy.reset_callouts(context_id);
        deleted
    }

    /// Runs a callback that returns nothing, if the module exports it.
    pub(crate) fn tell<P: WasmParams>(
        &mut self,
        context_id: u32,
        callback: &str,
        params: P,
    ) -> Result<(), Error> {
        self.run::<P, ()>(context_id, callback, params).map(|_| ())
    }

    /// Runs a callback; `None` if the module does not export it.
    pub(crate) fn run<P: WasmParams, R: WasmResults>(
        &mut self,
        context_id: u32,
        callback: &str,
        params: P,
    ) -> Result<Option<R>, Error> {
        if self.dead {
            let callback = callback.to_owned();
            return Err(Error::Dead { callback });
        }
        if !self.exports(callback) {
            return Ok(None);
        }
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, callback)
            .map_err(unusable)?;
        callback.clone_into(&mut self.proxy_mut().running);
        let before = self.proxy_mut().contexts.enter(context_id);
        let result = function.call(&mut self.store, params);
        let proxy = self.proxy_mut();
        proxy.contexts.leave(before);
        let result = result.map_err(|error| {
            self.dead = true;
            Error::Trap {
                callback: callback.to_owned(),
                reason: format!("{error:#}; last log line: {:?}", self.proxy().log.last()),
            }
        })?;
        while let Some(finished) = self.proxy_mut().contexts.take_finished() {
            self.delete(finished)?;
        }
        Ok(Some(result))
    }
}

pub(crate) fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

pub(crate) fn unusable(error: wasmtime::Error) -> Error {
    Error::Module(format!("{error:#}"))
}
