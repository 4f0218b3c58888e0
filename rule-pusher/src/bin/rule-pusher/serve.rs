//! `rule-pusher serve`.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use riskgate_pusher::{
    clock::SystemClock, config::Config, ecds::read_templates, keys::read_verifier, server::Server,
    store::Store,
};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::{args::ServeArgs, exit::Failure, open_files::within_limit};

/// The line that tells that the service is ready.
#[derive(Serialize)]
struct Ready {
    subscribers: String,
    admin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ecds: Option<String>,
}

#[tokio::main]
pub(crate) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let ServeArgs {
        subscribers,
        admin,
        ecds,
        ecds_resources,
        store,
        trust,
        threshold,
        allow_non_loopback,
        log,
    } = args;
    log_to_stderr(log);
    let verifier = read_verifier(&trust, threshold)?;
    let templates = ecds_resources.as_deref().map(read_templates).transpose()?;
    let store = Store::open(&store)?;
    let config = Config {
        allow_non_loopback,
        ..Config::default()
    };
    let config = within_limit(config, 1 + usize::from(ecds.is_some()));
    let mut server = Server::bind(
        subscribers,
        admin,
        store,
        verifier,
        Arc::new(SystemClock),
        config,
    )?;
    if let Some((addr, templates)) = ecds.zip(templates) {
        server = server.with_ecds(addr, templates)?;
    }
    // The signals are caught before the line is printed: whoever waits for it may stop the service at once.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Start)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    announce(&server).map_err(Failure::Output)?;
    Ok(server.run(stop).await?)
}

fn announce(server: &Server) -> io::Result<()> {
    let ready = Ready {
        subscribers: server.subscribers_addr().to_string(),
        admin: server.admin_addr().to_string(),
        ecds: server.ecds_addr().map(|addr| addr.to_string()),
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(&ready)?)?;
    stdout.flush()
}

fn log_to_stderr(level: LevelFilter) {
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr);
    log.with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}
