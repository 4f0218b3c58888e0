//! What Envoy asks of a module before it makes VMs of it.

use crate::vm::Error;
use wasmtime::ExternType;

/// A module says by an export which version it speaks. The versions differ in what may be imported; 0.1.0 in callbacks, too.
const VERSIONS: [&str; 2] = ["proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"];
const ALLOCATORS: [&str; 2] = ["malloc", "proxy_on_memory_allocate"];

const PROXY: &[&str] = &[
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
    // What Emscripten asks for.
    "emscripten_notify_memory_growth",
    "pthread_equal",
];

const WASI: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Where the host keeps what a module imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    Proxy,
    Wasi,
}

impl Library {
    /// That of an import; `None` if Envoy has none of that name.
    pub(crate) fn of(module: &str, name: &str) -> Option<Library> {
        let (library, names) = match module {
            "env" => (Library::Proxy, PROXY),
            "wasi_snapshot_preview1" | "wasi_unstable" => (Library::Wasi, WASI),
            _ => return None,
        };
        names.contains(&name).then_some(library)
    }
}

/// Refuses what Envoy does not load.
pub(crate) fn check(module: &wasmtime::Module) -> Result<(), Error> {
    let exports = |name: &&str| matches!(module.get_export(name), Some(ExternType::Func(_)));
    if !VERSIONS.iter().any(exports) {
        let versions = VERSIONS.join("` nor `");
        return refuse(format!("it exports neither `{versions}`"));
    }
    if !ALLOCATORS.iter().any(exports) {
        let allocators = ALLOCATORS.join("` nor `");
        return refuse(format!("it exports neither `{allocators}`"));
    }
    for import in module.imports() {
        let (from, name) = (import.module(), import.name());
        if Library::of(from, name).is_none() {
            return refuse(format!(
                "it imports `{name}` from `{from}`, which Envoy does not have"
            ));
        }
        if import.ty().func().is_none() {
            return refuse(format!("it imports `{name}`, which is not a function"));
        }
    }
    Ok(())
}

fn refuse(why: String) -> Result<(), Error> {
    Err(Error::Module(why))
}
