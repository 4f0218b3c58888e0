//! The riskgate filter for tests of what becomes of a VM that traps or hangs. Rules that read the attribute `trap.armed` have it
//! do what headers of a request ask for:
//!
//! | header | does |
//! | --- | --- |
//! | `x-trap: now` | traps |
//! | `x-trap-loading: KEY BUNDLE` | traps as in the middle of a load: its note stands under KEY of shared data |
//! | `x-hang-until: MS` | hangs until this Unix time in milliseconds |
//!
//! BUNDLE is digest and revision of the bundle as they stand in a note, in hex. And its memory is small: see `build.rs`.

use riskgate_filter_sdk::headers;
use riskgate_filter_sdk::host::Host;
use riskgate_filter_sdk::{CustomAttributes, CustomValues};

riskgate_filter_abi::filter!(Trap);

/// Of all notes, in bytes.
const NOTES_LEN_MAX: usize = 64 << 10;

/// Other VMs change the notes, too.
const TRIES: u32 = 100;

/// Traps where the filter asks for attributes.
struct Trap;

impl CustomAttributes for Trap {
    fn supply(
        &self,
        host: &dyn Host,
        _names: &mut dyn Iterator<Item = &str>,
        _values: &mut CustomValues,
    ) {
        let mut map = Vec::new();
        if host.request_headers(&mut map).is_err() {
            return;
        }
        let Ok(headers) = headers::decode(&map) else {
            return;
        };
        let header = |wanted: &str| {
            let mut named = headers
                .iter()
                .filter(|(name, _)| *name == wanted.as_bytes());
            named
                .next()
                .and_then(|(_, value)| std::str::from_utf8(value).ok())
        };
        if let Some(end_ms) = header("x-hang-until").and_then(|text| text.parse().ok()) {
            hang(host, end_ms);
        }
        let notes = header("x-trap-loading").and_then(|text| text.split_once(' '));
        let noted = notes.map(|(key, bundle)| leave_note(host, key, bundle));
        if header("x-trap").is_some() || noted == Some(Some(())) {
            // In a wasm module that is a trap.
            std::process::abort();
        }
    }
}

fn hang(host: &dyn Host, end_ms: u64) {
    while host
        .now_ns()
        .is_ok_and(|now_ns| now_ns / 1_000_000 < end_ms)
    {}
}

/// Adds what a VM notes that begins a load now.
fn leave_note(host: &dyn Host, key: &str, bundle: &str) -> Option<()> {
    let mut vm = [0; 16];
    host.random(&mut vm).ok()?;
    let began_ns = host.monotonic_ns().ok()?;
    let note = [&bytes(bundle)?, &vm[..], &began_ns.to_le_bytes()].concat();
    let mut notes = Vec::new();
    for _ in 0..TRIES {
        let version = host.shared_data_version(key, NOTES_LEN_MAX, &mut notes);
        let is_noted = match version.ok()? {
            None => host.create_shared_data(key, &note),
            Some(version) => {
                notes.extend_from_slice(&note);
                host.replace_shared_data(key, &notes, version)
            }
        };
        if is_noted == Ok(true) {
            return Some(());
        }
    }
    None
}

/// Out of hex.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}
