//! A proxy that does as little as it can: it answers each call from memory it already has, so that what is timed is the
//! VM. It injects nothing and checks nothing; that is the business of `riskgate-wasm-host`.

use anyhow::{Context as _, Result, anyhow};
use wasmtime::{Caller, Engine, Instance, Linker, Memory, Module, Store, TypedFunc};

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const EMPTY: u32 = 7;
const PARSE_FAILURE: u32 = 4;
const BUFFER_REQUEST_BODY: u32 = 0;
const BUFFER_GRPC_MESSAGE: u32 = 5;
const BUFFER_PLUGIN_CONFIGURATION: u32 = 7;
/// The token of the VM's own queue.
pub(super) const QUEUE: u32 = 1;
/// The token of the one stream.
pub(super) const STREAM: u32 = 1;

/// What the VM is told, and what it did.
#[derive(Default)]
pub(super) struct Proxy {
    memory: Option<Memory>,
    allocate: Option<TypedFunc<u32, u32>>,
    pub(super) now_ns: u64,
    pub(super) configuration: Vec<u8>,
    pub(super) message: Vec<u8>,
    /// The serialized header map of the request.
    pub(super) headers: Vec<u8>,
    /// `source.address` of the request.
    pub(super) address: Vec<u8>,
    /// The whole body of the request.
    pub(super) body: Vec<u8>,
    /// Properties that were set for the request: paths and values. The buffers are used again.
    state: Vec<(Vec<u8>, Vec<u8>)>,
    state_len: usize,
    /// HTTP status of the local reply to the request, 0 for none.
    pub(super) reply_status: u32,
    /// Messages sent on the stream.
    pub(super) sent: Vec<Vec<u8>>,
    metrics: u32,
    /// Messages in the VM's own queue.
    wake_ups: u32,
    /// Calls of the VM to the proxy.
    pub(super) calls: usize,
    pub(super) log: Vec<String>,
}

impl Proxy {
    /// Begins another request.
    pub(super) fn clear_request(&mut self) {
        self.state_len = 0;
        self.reply_status = 0;
    }

    /// Takes a message out of the VM's own queue.
    pub(super) fn take_wake_up(&mut self) -> bool {
        let left = self.wake_ups.checked_sub(1);
        self.wake_ups = left.unwrap_or_default();
        left.is_some()
    }

    /// A property that the VM set for the request; empty if it did not.
    pub(super) fn state(&self, path: &[u8]) -> &[u8] {
        let set = self.state.iter().take(self.state_len);
        set.rev()
            .find(|(held, _)| held == path)
            .map_or(&[], |(_, value)| value)
    }

    fn set_state(&mut self, path: &[u8], value: &[u8]) {
        if self.state.len() == self.state_len {
            self.state.push(Default::default());
        }
        if let Some((held_path, held_value)) = self.state.get_mut(self.state_len) {
            held_path.clear();
            held_path.extend_from_slice(path);
            held_value.clear();
            held_value.extend_from_slice(value);
        }
        self.state_len += 1;
    }
}

type Vm<'a> = Caller<'a, Proxy>;

/// Starts a module: a store, and the instance after `_initialize`.
pub(super) fn start(engine: &Engine, module: &Module) -> Result<(Store<Proxy>, Instance)> {
    let mut linker = Linker::new(engine);
    link_memory_free(&mut linker)?;
    link_answers(&mut linker)?;
    link_reports(&mut linker)?;
    link_queue(&mut linker)?;
    linker.define_unknown_imports_as_traps(module)?;
    let mut store = Store::new(engine, Proxy::default());
    let instance = linker.instantiate(&mut store, module)?;
    let memory = instance
        .get_memory(&mut store, "memory")
        .context("the module exports no memory")?;
    store.data_mut().memory = Some(memory);
    store.data_mut().allocate = instance
        .get_typed_func(&mut store, "proxy_on_memory_allocate")
        .ok();
    if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
        initialize.call(&mut store, ())?;
    }
    Ok((store, instance))
}

/// Calls that pass numbers only.
fn link_memory_free(linker: &mut Linker<Proxy>) -> Result<()> {
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", |_: u32| OK)?;
    linker.func_wrap("env", "proxy_set_effective_context", |_: u32| OK)?;
    linker.func_wrap("env", "proxy_grpc_cancel", |_: u32| OK)?;
    linker.func_wrap(
        "env",
        "proxy_increment_metric",
        |mut vm: Vm<'_>, _: u32, _: i64| {
            vm.data_mut().calls += 1;
            OK
        },
    )?;
    linker.func_wrap("env", "proxy_record_metric", |_: u32, _: u64| OK)?;
    linker.func_wrap("wasi_snapshot_preview1", "environ_get", |_: u32, _: u32| OK)?;
    linker.func_wrap(
        "wasi_snapshot_preview1",
        "environ_sizes_get",
        |mut vm: Vm<'_>, count: u32, len: u32| {
            write(&mut vm, count, &[0; 4]);
            write(&mut vm, len, &[0; 4]);
            OK
        },
    )?;
    Ok(())
}

/// Calls that hand something over to the VM.
fn link_answers(linker: &mut Linker<Proxy>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_current_time_nanoseconds",
        |mut vm: Vm<'_>, at: u32| {
            vm.data_mut().calls += 1;
            let now_ns = vm.data().now_ns.to_le_bytes();
            write(&mut vm, at, &now_ns);
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |mut vm: Vm<'_>, _: u32, data: u32, len: u32| {
            vm.data_mut().calls += 1;
            let headers = std::mem::take(&mut vm.data_mut().headers);
            let status = give(&mut vm, &headers, data, len);
            vm.data_mut().headers = headers;
            status
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |mut vm: Vm<'_>, path: u32, path_len: u32, data: u32, len: u32| {
            vm.data_mut().calls += 1;
            if read(&vm, path, path_len) != b"source\0address" {
                return NOT_FOUND;
            }
            let address = std::mem::take(&mut vm.data_mut().address);
            let status = give(&mut vm, &address, data, len);
            vm.data_mut().address = address;
            status
        },
    )?;
    link_rare_answers(linker)
}

/// What the VM asks for outside of requests.
fn link_rare_answers(linker: &mut Linker<Proxy>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |mut vm: Vm<'_>, buffer: u32, _: u32, _: u32, data: u32, len: u32| {
            if buffer == BUFFER_REQUEST_BODY {
                vm.data_mut().calls += 1;
                let body = std::mem::take(&mut vm.data_mut().body);
                let status = give(&mut vm, &body, data, len);
                vm.data_mut().body = body;
                return status;
            }
            let bytes = match buffer {
                BUFFER_GRPC_MESSAGE => std::mem::take(&mut vm.data_mut().message),
                BUFFER_PLUGIN_CONFIGURATION => vm.data().configuration.clone(),
                _ => return NOT_FOUND,
            };
            give(&mut vm, &bytes, data, len)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |_: u32, _: u32, _: u32, _: u32, _: u32| NOT_FOUND,
    )?;
    linker.func_wrap(
        "wasi_snapshot_preview1",
        "random_get",
        |mut vm: Vm<'_>, data: u32, len: u32| {
            let bytes: Vec<u8> = (0..len).map(|index| (index % 251) as u8).collect();
            write(&mut vm, data, &bytes);
            OK
        },
    )?;
    Ok(())
}

/// The one VM wakes itself.
fn link_queue(linker: &mut Linker<Proxy>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |mut vm: Vm<'_>, _: u32, _: u32, at: u32| {
            write(&mut vm, at, &QUEUE.to_le_bytes());
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_enqueue_shared_queue",
        |mut vm: Vm<'_>, _: u32, _: u32, _: u32| {
            vm.data_mut().wake_ups += 1;
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |_: u32, _: u32, _: u32| EMPTY,
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |_: u32, _: u32, _: u32, _: u32, _: u32| NOT_FOUND,
    )?;
    linker.func_wrap(
        "wasi_snapshot_preview1",
        "clock_time_get",
        |mut vm: Vm<'_>, _: u32, _: u64, at: u32| {
            let now_ns = vm.data().now_ns.to_le_bytes();
            write(&mut vm, at, &now_ns);
            OK
        },
    )?;
    Ok(())
}

/// Calls by which the VM tells the proxy something.
fn link_reports(linker: &mut Linker<Proxy>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |mut vm: Vm<'_>, path: u32, path_len: u32, value: u32, value_len: u32| {
            vm.data_mut().calls += 1;
            let Some(memory) = vm.data().memory else {
                return NOT_FOUND;
            };
            let (bytes, proxy) = memory.data_and_store_mut(&mut vm);
            proxy.set_state(part(bytes, path, path_len), part(bytes, value, value_len));
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |mut vm: Vm<'_>, status: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| {
            vm.data_mut().calls += 1;
            vm.data_mut().reply_status = status;
            OK
        },
    )?;
    for name in ["proxy_replace_header_map_value", "proxy_set_shared_data"] {
        linker.func_wrap(
            "env",
            name,
            |mut vm: Vm<'_>, _: u32, _: u32, _: u32, _: u32, _: u32| {
                vm.data_mut().calls += 1;
                OK
            },
        )?;
    }
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |mut vm: Vm<'_>, _: u32, _: u32, _: u32, at: u32| {
            vm.data_mut().metrics += 1;
            let id = vm.data().metrics.to_le_bytes();
            write(&mut vm, at, &id);
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_log",
        |mut vm: Vm<'_>, _: u32, data: u32, len: u32| {
            let line = String::from_utf8_lossy(read(&vm, data, len)).into_owned();
            vm.data_mut().log.push(line);
            OK
        },
    )?;
    link_stream(linker)
}

fn link_stream(linker: &mut Linker<Proxy>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_grpc_stream",
        |mut vm: Vm<'_>,
         upstream: u32,
         len: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         at: u32| {
            // Only a message names an upstream here; the filter tries what a host says to other bytes.
            if !read(&vm, upstream, len).starts_with(b"\n") {
                return PARSE_FAILURE;
            }
            write(&mut vm, at, &STREAM.to_le_bytes());
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_send",
        |mut vm: Vm<'_>, _: u32, data: u32, len: u32, _: u32| {
            let message = read(&vm, data, len).to_vec();
            vm.data_mut().sent.push(message);
            OK
        },
    )?;
    Ok(())
}

fn read<'a>(vm: &'a Vm<'_>, data: u32, len: u32) -> &'a [u8] {
    vm.data()
        .memory
        .map_or(&[], |memory| part(memory.data(vm), data, len))
}

fn part(memory: &[u8], data: u32, len: u32) -> &[u8] {
    let (start, len) = (data as usize, len as usize);
    memory.get(start..start + len).unwrap_or_default()
}

/// A VM that gives a wrong address is not one to time: its answers will show.
pub(super) fn write(vm: &mut Vm<'_>, at: u32, bytes: &[u8]) {
    if let Some(memory) = vm.data().memory {
        let _ = memory.write(vm, at as usize, bytes);
    }
}

fn give(vm: &mut Vm<'_>, bytes: &[u8], data_at: u32, len_at: u32) -> u32 {
    let Ok((data, len)) = allocate(vm, bytes) else {
        return NOT_FOUND;
    };
    write(vm, data, bytes);
    write(vm, data_at, &data.to_le_bytes());
    write(vm, len_at, &len.to_le_bytes());
    OK
}

fn allocate(vm: &mut Vm<'_>, bytes: &[u8]) -> Result<(u32, u32)> {
    let len = u32::try_from(bytes.len())?;
    let allocate = vm.data().allocate.clone();
    let allocate = allocate.ok_or_else(|| anyhow!("the module exports no allocator"))?;
    Ok((allocate.call(vm, len)?, len))
}
