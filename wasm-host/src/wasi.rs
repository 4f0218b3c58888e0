//! The calls of module `wasi_snapshot_preview1`, as Envoy answers them: clocks, random numbers, and lines for the log. There
//! are no files, no arguments and no sockets.

use crate::Status;
use crate::fault::Fault;
use crate::guest::{Answer, Guest};

/// `EBADF`.
const BAD_FILE: u32 = 8;
/// `EFAULT`.
const BAD_ADDRESS: u32 = 21;
/// `EINVAL`.
const INVALID: u32 = 28;
/// `ENOENT`.
const NO_SUCH_FILE: u32 = 44;
/// `ENOSYS`.
const NOT_SUPPORTED: u32 = 52;
/// `ENOTSUP`.
const NOT_POSSIBLE: u32 = 58;
const CLOCK_REALTIME: u64 = 0;
const CLOCK_MONOTONIC: u64 = 1;
const STDOUT: u64 = 1;
const STDERR: u64 = 2;
const LEVEL_INFO: u32 = 2;
const LEVEL_ERROR: u32 = 4;
const RANDOM_MAX_LEN: u64 = 64 * 1024;
const RIGHT_TO_WRITE: u64 = 64;

/// Does what a call asks for, or what was injected in its place.
pub(crate) fn run(
    guest: &mut Guest<'_, '_>,
    name: &str,
    args: &[u64],
    fault: Option<Fault>,
) -> Answer {
    match fault {
        Some(Fault::Status(status)) if status != 0 => Err(status),
        _ => work(guest, name, args).map_err(|status| match status {
            Status::INVALID_MEMORY_ACCESS => BAD_ADDRESS,
            status => status,
        }),
    }
}

fn work(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("random_get", &[_, len]) if len > RANDOM_MAX_LEN => Err(INVALID),
        ("random_get", &[data, len]) => {
            let len = usize::try_from(len).unwrap_or_default();
            let bytes = guest.proxy().random.bytes(len);
            guest.write(data, &bytes)
        }
        ("clock_time_get", &[clock, _, at]) => {
            let proxy = guest.proxy();
            let now_ns = match clock {
                CLOCK_REALTIME => proxy.now_ns,
                CLOCK_MONOTONIC => proxy.monotonic_ns,
                _ => return Err(NOT_POSSIBLE),
            };
            guest.write(at, &now_ns.to_le_bytes())
        }
        ("clock_res_get", &[CLOCK_REALTIME | CLOCK_MONOTONIC, at]) => {
            guest.write(at, &1_u64.to_le_bytes())
        }
        ("environ_sizes_get" | "args_sizes_get", &[count_at, len_at]) => {
            guest.write_u32(count_at, 0)?;
            guest.write_u32(len_at, 0)
        }
        ("fd_write", &[file, parts, count, written_at]) => {
            let level = match file {
                STDOUT => LEVEL_INFO,
                STDERR => LEVEL_ERROR,
                _ => return Err(BAD_FILE),
            };
            write_line(guest, level, (parts, count), written_at)
        }
        ("fd_fdstat_get", &[STDOUT | STDERR, at]) => {
            let stat = [0, RIGHT_TO_WRITE, 0].map(u64::to_le_bytes);
            guest.write(at, stat.as_flattened())
        }
        ("fd_fdstat_get" | "fd_prestat_get" | "fd_filestat_get", _) => Err(BAD_FILE),
        ("poll_oneoff", &[_, _, _, count_at]) => guest.write_u32(count_at, 0),
        ("path_open", _) => Err(NO_SUCH_FILE),
        ("environ_get" | "args_get" | "sched_yield" | "fd_advise" | "fd_close" | "fd_seek", _) => {
            Ok(())
        }
        ("fd_allocate" | "fd_datasync" | "fd_sync", &[STDOUT | STDERR, ..]) => Ok(()),
        ("fd_allocate" | "fd_datasync" | "fd_sync", _) => Err(BAD_FILE),
        (name, _) if name.starts_with("path_") || name.starts_with("sock_") => Err(NOT_POSSIBLE),
        ("clock_res_get", _) => Err(NOT_POSSIBLE),
        _ => Err(NOT_SUPPORTED),
    }
}

/// Puts parts together to a line of the log.
fn write_line(
    guest: &mut Guest<'_, '_>,
    level: u32,
    (parts, count): (u64, u64),
    written_at: u64,
) -> Answer {
    let mut text = Vec::new();
    for part in 0..count {
        let head = guest.read(parts.saturating_add(part * 8), 8)?;
        let (data, len) = head.split_at_checked(4).unwrap_or_default();
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes).into();
        text.extend(guest.read(number(data), number(len))?);
    }
    let written = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let line = String::from_utf8_lossy(&text).into_owned();
    guest.proxy().log.push((level, line));
    guest.write_u32(written_at, written)
}
