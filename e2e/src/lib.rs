//! A stage for end-to-end tests and the demo: a real Envoy, a real pusher and a real upstream on free loopback ports.
//!
//! ```no_run
//! use riskgate_e2e::Stage;
//!
//! # fn main() -> anyhow::Result<()> {
//! let stage = Stage::new()?;
//! let rules = r#"rules: [{ id: no-trace, when: 'request.method == "TRACE"', then: deny }]"#;
//! let bundle = stage.build("shop", rules, 1)?;
//! let envoy = stage.envoy(stage.scenario("static", "shop")?.bundle(&bundle)?)?;
//! let answer = envoy.get("/item")?;
//! assert_eq!(answer.status, 200);
//! # Ok(())
//! # }
//! ```
//!
//! Everything that is started is stopped when its handle is dropped, and only that: by the id of the process. Nothing
//! here listens on or talks to anything but the loopback interface.

mod access_log;
mod admin;
mod certificates;
mod corpus;
mod envoy;
mod http;
mod load;
mod locate;
mod memory;
mod neighbour;
mod process;
mod pusher;
pub mod random;
mod relay;
mod revisions;
mod rogue;
mod rulec;
mod scenario;
mod shared_state;
mod stage;
mod upstream;
mod wait;
mod wire;

pub use access_log::{AccessLog, LogLine};
pub use admin::Admin;
pub use certificates::Certificates;
pub use corpus::Planned;
pub use envoy::{Envoy, VMS, WORKERS, client, client_at};
pub use http::{Connection, Request, Response, Source, Tls};
pub use load::{Load, Tally};
pub use locate::{envoy as envoy_program, program, root, target_dir, wasm_module};
pub use memory::Memory;
pub use neighbour::Neighbour;
pub use process::stop_all;
pub use pusher::{Addresses, KilledPusher, Pusher};
pub use relay::{Network, Relay};
pub use revisions::{Revisions, revision_of, shelf_request};
pub use rogue::RoguePusher;
pub use rulec::{Build, Bundle, Keys, eval, replay};
pub use scenario::Scenario;
pub use shared_state::SharedState;
pub use stage::Stage;
pub use upstream::{HINT_HEADER, STATUS_HEADER, Seen, Upstream};
pub use wait::until;
