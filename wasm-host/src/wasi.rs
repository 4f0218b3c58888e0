//! The calls of module `wasi_snapshot_preview1` that Rust's standard library makes.

use crate::fault::Fault;
use crate::guest::{Answer, Guest};

/// `ENOSYS`.
const NOT_SUPPORTED: u32 = 52;
/// `ENOTSUP`: the clocks of processes and threads.
const NO_SUCH_CLOCK: u32 = 58;
const CLOCK_REALTIME: u64 = 0;
const CLOCK_MONOTONIC: u64 = 1;
/// The level that the log gives to what the VM writes to a file descriptor.
const LEVEL_INFO: u32 = 2;

/// Does what a call asks for, or what was injected in its place.
pub(crate) fn run(
    guest: &mut Guest<'_, '_>,
    name: &str,
    args: &[u64],
    fault: Option<Fault>,
) -> Answer {
    match fault {
        Some(Fault::Status(status)) if status != 0 => Err(status),
        _ => work(guest, name, args),
    }
}

fn work(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("random_get", &[data, len]) => {
            let bytes = guest
                .proxy()
                .random(usize::try_from(len).unwrap_or_default());
            guest.write(data, &bytes)
        }
        ("clock_time_get", &[clock, _, at]) => {
            let proxy = guest.proxy();
            let now_ns = match clock {
                CLOCK_REALTIME => proxy.now_ns,
                CLOCK_MONOTONIC => proxy.monotonic_ns,
                _ => return Err(NO_SUCH_CLOCK),
            };
            guest.write(at, &now_ns.to_le_bytes())
        }
        ("environ_sizes_get", &[count_at, len_at]) => {
            guest.write_u32(count_at, 0)?;
            guest.write_u32(len_at, 0)
        }
        ("environ_get", _) => Ok(()),
        ("fd_write", &[_, parts, count, written_at]) => {
            let mut text = Vec::new();
            for part in 0..count {
                let head = guest.read(parts.saturating_add(part * 8), 8)?;
                let (data, len) = head.split_at_checked(4).unwrap_or_default();
                let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes).into();
                text.extend(guest.read(number(data), number(len))?);
            }
            let written = u32::try_from(text.len()).unwrap_or(u32::MAX);
            let line = String::from_utf8_lossy(&text).into_owned();
            guest.proxy().log.push((LEVEL_INFO, line));
            guest.write_u32(written_at, written)
        }
        _ => Err(NOT_SUPPORTED),
    }
}
