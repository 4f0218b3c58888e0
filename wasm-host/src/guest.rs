//! The VM's memory, seen from inside of a call.

use crate::Status;
use crate::fault::Fault;
use crate::proxy::Proxy;
use crate::watch::HostCall;
use wasmtime::{Caller, Extern, Memory, Val};

const ALLOCATE: &str = "proxy_on_memory_allocate";

/// A VM that is in a call to the host.
pub(crate) struct Guest<'c, 'd> {
    caller: &'c mut Caller<'d, Proxy>,
    memory: Memory,
}

/// The status that a call ends with.
pub(crate) type Answer<T = ()> = Result<T, u32>;

impl<'c, 'd> Guest<'c, 'd> {
    pub(crate) fn new(caller: &'c mut Caller<'d, Proxy>) -> Answer<Guest<'c, 'd>> {
        match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(Guest { caller, memory }),
            _ => Err(Status::INVALID_MEMORY_ACCESS),
        }
    }

    pub(crate) fn proxy(&mut self) -> &mut Proxy {
        self.caller.data_mut()
    }

    /// What happens in place of a call: what was injected, or else what the watcher says.
    pub(crate) fn fault(&mut self, name: &str, args: &[u64]) -> Option<Fault> {
        let proxy = self.proxy();
        let injected = proxy.faults.next(name);
        let (vm, watcher) = (proxy.number, proxy.watcher.clone());
        let fault = injected.or_else(|| {
            let (memory, proxy) = self.memory.data_and_store_mut(&mut self.caller);
            watcher?.fault(&HostCall {
                vm,
                callback: &proxy.running,
                name,
                args,
                memory,
            })
        });
        fault.filter(|fault| self.proxy().faults.allows(fault))
    }

    pub(crate) fn read(&self, data: u64, len: u64) -> Answer<Vec<u8>> {
        let (data, len) = (address(data)?, address(len)?);
        let end = data.checked_add(len).ok_or(Status::INVALID_MEMORY_ACCESS)?;
        let bytes = self.memory.data(&self.caller).get(data..end);
        bytes
            .map(<[u8]>::to_vec)
            .ok_or(Status::INVALID_MEMORY_ACCESS)
    }

    pub(crate) fn read_text(&self, data: u64, len: u64) -> Answer<String> {
        Ok(String::from_utf8_lossy(&self.read(data, len)?).into_owned())
    }

    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) -> Answer {
        let at = address(at)?;
        self.memory
            .write(&mut self.caller, at, bytes)
            .map_err(|_| Status::INVALID_MEMORY_ACCESS)
    }

    pub(crate) fn write_u32(&mut self, at: u64, value: u32) -> Answer {
        self.write(at, &value.to_le_bytes())
    }

    /// Puts bytes where the VM's allocator says, and tells it where that is. For no bytes the VM is not asked.
    pub(crate) fn give(&mut self, bytes: &[u8], data_at: u64, len_at: u64) -> Answer {
        let len = u32::try_from(bytes.len()).map_err(|_| Status::INVALID_MEMORY_ACCESS)?;
        let data = if bytes.is_empty() {
            0
        } else {
            self.allocate(len)?
        };
        self.write(data.into(), bytes)?;
        self.write_u32(data_at, data)?;
        self.write_u32(len_at, len)
    }

    /// Runs a callback of the VM, and notes what it returns.
    pub(crate) fn call_back(&mut self, name: &str, args: &[u32]) {
        let context_id = args.first().copied().unwrap_or_default();
        let proxy = self.proxy();
        proxy.faults.set_calling_back(true);
        let before = proxy.contexts.enter(context_id);
        let outer = std::mem::replace(&mut proxy.running, name.to_owned());
        let result = self.result_of(name, args);
        let proxy = self.proxy();
        proxy.running = outer;
        proxy.contexts.leave(before);
        proxy.faults.set_calling_back(false);
        proxy.callback_results.push(result);
    }

    fn result_of(&mut self, name: &str, args: &[u32]) -> Option<u32> {
        let Some(Extern::Func(function)) = self.caller.get_export(name) else {
            return None;
        };
        let args: Vec<Val> = args.iter().map(|arg| Val::I32(arg.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.caller).results().len()];
        function.call(&mut self.caller, &args, &mut results).ok()?;
        match results.first() {
            None => Some(0),
            Some(result) => result.i32().map(i32::cast_unsigned),
        }
    }

    /// As in Envoy, a module's `malloc` goes before `proxy_on_memory_allocate`, and null is a refusal.
    fn allocate(&mut self, len: u32) -> Answer<u32> {
        if self.fault(ALLOCATE, &[len.into()]).is_some() {
            return Err(Status::INVALID_MEMORY_ACCESS);
        }
        let mut export = |name| self.caller.get_export(name).and_then(Extern::into_func);
        let allocate = export("malloc").or_else(|| export(ALLOCATE));
        let allocate = allocate.and_then(|function| function.typed::<u32, u32>(&self.caller).ok());
        let allocate = allocate.ok_or(Status::INVALID_MEMORY_ACCESS)?;
        let data = allocate.call(&mut self.caller, len).unwrap_or_default();
        if data == 0 {
            return Err(Status::INVALID_MEMORY_ACCESS);
        }
        Ok(data)
    }
}

fn address(value: u64) -> Answer<usize> {
    usize::try_from(value).map_err(|_| Status::INVALID_MEMORY_ACCESS)
}
