//! The push service: it takes signed bundles from those who publish, keeps them in one file, and carries them to the
//! filters that subscribe.
//!
//! ```no_run
//! use std::{path::Path, sync::Arc};
//!
//! use riskgate_pusher::{clock::SystemClock, config::Config, server::Server, store::Store, verify::Verifier};
//!
//! # async fn run(public_key: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::new(&[public_key], 1)?;
//! let store = Store::open(Path::new("pusher.redb"))?;
//! let loopback = "127.0.0.1:0".parse()?;
//! let server = Server::bind(loopback, loopback, store, verifier, Arc::new(SystemClock), Config::default())?;
//! println!("filters connect to {}", server.subscribers_addr());
//! server.run(std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A bundle is verified as a filter would verify it before it is stored, and again each time the service starts. It is
//! on disk before its publication is answered, and is pushed only then. The service never signs, never changes a
//! bundle, never decides a request, and holds no key but public ones.

mod address;
mod admin_service;
pub mod catalogue;
pub mod client;
pub mod clock;
pub mod config;
mod connections;
pub mod ecds;
pub mod keys;
mod listing;
mod merge;
mod outbox;
mod publisher;
mod push_service;
mod registry;
pub mod server;
mod session;
pub mod store;
pub mod verify;
