//! The riskgate filter for tests of what becomes of a VM that traps: a request with `x-trap` traps its VM, if the rules read
//! the attribute `trap.armed`. And its memory is small: see `build.rs`.

use riskgate_filter_sdk::headers;
use riskgate_filter_sdk::host::Host;
use riskgate_filter_sdk::{CustomAttributes, CustomValues};

riskgate_filter_abi::filter!(Trap);

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
        let read = host.request_headers(&mut map);
        let Ok(headers) = headers::decode(&map) else {
            return;
        };
        if read.is_ok() && headers.iter().any(|(name, _)| *name == b"x-trap") {
            // In a wasm module that is a trap.
            std::process::abort();
        }
    }
}
