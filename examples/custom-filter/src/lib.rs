//! A riskgate filter whose rules can read how a client writes its headers. Libraries and bots that claim to be a browser
//! seldom send the headers of one, in its order.
//!
//! ```sh
//! cargo build -p riskgate-custom-filter --target wasm32-wasip1 --profile wasm
//! ```

use riskgate_filter_sdk::headers;
use riskgate_filter_sdk::host::Host;
use riskgate_filter_sdk::{CustomAttributes, CustomValues};
use std::cell::RefCell;

riskgate_filter_abi::filter!(Fingerprint::default());

/// The names of all headers in the order that they came in, with `,` between them.
const ORDER: &str = "fingerprint.header_order";
/// How many there are.
const COUNT: &str = "fingerprint.header_count";

/// Knows the attributes that `attributes.yaml` declares.
#[derive(Default)]
struct Fingerprint {
    /// Memory that is used again by the next request.
    buffers: RefCell<Buffers>,
}

#[derive(Default)]
struct Buffers {
    map: Vec<u8>,
    order: Vec<u8>,
}

impl CustomAttributes for Fingerprint {
    fn supply(
        &self,
        host: &dyn Host,
        _names: &mut dyn Iterator<Item = &str>,
        values: &mut CustomValues,
    ) {
        let Ok(mut buffers) = self.buffers.try_borrow_mut() else {
            return;
        };
        let Buffers { map, order } = &mut *buffers;
        if host.request_headers(map).is_err() {
            return;
        }
        // What is not known is absent: rules say with `has(..)` what that means to them.
        let Ok(headers) = headers::decode(map) else {
            return;
        };
        let own = headers.iter().map(|(name, _)| *name);
        let own = own.filter(|name| is_of_client(name));
        let mut count = 0_u32;
        order.clear();
        for name in own {
            if count > 0 {
                order.push(b',');
            }
            order.extend_from_slice(name);
            count += 1;
        }
        values.push(ORDER, order);
        values.push(COUNT, count.to_string().as_bytes());
    }
}

/// Envoy adds these itself, and pseudo headers are no headers.
fn is_of_client(name: &[u8]) -> bool {
    let of_envoy: [&[u8]; 4] = [b":", b"x-envoy-", b"x-forwarded-", b"x-request-id"];
    !of_envoy.iter().any(|prefix| name.starts_with(prefix))
}
