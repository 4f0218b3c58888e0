//! One filter: a root context's state, from configuration to the last request.

use crate::config::Config;
use crate::decide::{Decider, Flow, unavailable};
use crate::host::{Host, Level};
use crate::load::Loader;
use crate::metrics::{Metric, Metrics};
use crate::serving::Serving;
use crate::subscription::{Subscription, TICK_PERIOD_MS};

/// The first tick comes at once: what [`Filter::on_configure`] leaves undone waits for it.
const FIRST_TICK_MS: u32 = 1;
/// How the log calls the bundle of the configuration.
const ORIGIN: &str = "from the plugin configuration";

/// Everything that one configured filter holds. Each method belongs into the root or HTTP callback of its name.
#[derive(Default)]
pub struct Filter {
    metrics: Metrics,
    configured: Option<Configured>,
    serving: Serving,
    /// Whether the configuration was taken up: metrics defined, its bundle loaded.
    started: bool,
    /// Whether the tick has its lasting period.
    ticking: bool,
    serves_requests: bool,
}

/// What a readable configuration gives.
struct Configured {
    config: Config,
    subscription: Option<Subscription>,
}

impl Filter {
    /// Takes a configuration.
    ///
    /// Nothing is loaded yet: on Envoy's main thread this also runs in a VM that does nothing else ever, and a failure
    /// here would let requests through unfiltered. So even a configuration that cannot be used is no failure:
    /// every request is then refused.
    pub fn on_configure(&mut self, host: &dyn Host, json: &[u8]) {
        self.on_done(host);
        let config = Config::parse(json).map_err(|error| {
            host.log(
                Level::Error,
                &format!("{error}; every request is refused until this is mended"),
            );
        });
        self.reconfigure(config.ok());
        self.started = false;
        self.ticking = false;
        if host.set_tick_period(FIRST_TICK_MS).is_err() {
            host.log(Level::Error, "the host does not tick: nothing can be pushed, only the configured bundle is loaded");
        }
    }

    /// Time passes.
    pub fn on_tick(&mut self, host: &dyn Host) {
        self.start(host);
        if !self.ticking {
            self.ticking = host.set_tick_period(TICK_PERIOD_MS).is_ok();
        }
        let serves_requests = self.serves_requests;
        self.with_subscription(host, |subscription, loader| {
            subscription.tick(loader, serves_requests);
        });
    }

    /// The headers of a request are here.
    pub fn on_request_headers(&mut self, host: &dyn Host) -> Flow {
        self.start(host);
        self.serves_requests = true;
        match &self.configured {
            None => unavailable(host, &self.metrics),
            Some(Configured { config, .. }) => Decider {
                host,
                config,
                metrics: &self.metrics,
            }
            .decide(&mut self.serving),
        }
    }

    /// A message of `len` bytes came on a stream.
    pub fn on_stream_message(&mut self, host: &dyn Host, token: u32, len: usize) {
        self.with_subscription(host, |subscription, loader| {
            subscription.on_message(loader, token, len);
        });
    }

    /// The other end closed a stream.
    pub fn on_stream_close(&mut self, host: &dyn Host, token: u32, status: u32) {
        self.with_subscription(host, |subscription, loader| {
            subscription.on_close(loader, token, status);
        });
    }

    /// The root context is done; requests that it still holds are decided by what serves.
    pub fn on_done(&mut self, host: &dyn Host) {
        self.with_subscription(host, |subscription, loader| subscription.end(loader));
    }

    /// What serves goes on under the new configuration, unless that would not accept it.
    fn reconfigure(&mut self, config: Option<Config>) {
        let old = self.configured.take();
        if let (Some(old), Some(new)) = (&old, &config)
            && !old.config.accepts_like(new)
        {
            self.serving = Serving::default();
        }
        self.configured = config.map(|config| Configured {
            subscription: config.push.clone().map(Subscription::new),
            config,
        });
    }

    /// Does at the first tick or request, whichever comes first, what [`Filter::on_configure`] left undone.
    fn start(&mut self, host: &dyn Host) {
        if self.started {
            return;
        }
        self.started = true;
        self.metrics.define_all(host);
        let Some(Configured { config, .. }) = &self.configured else {
            self.metrics.count(host, Metric::ConfigErrors);
            return;
        };
        if let Some(text) = &config.bundle {
            let mut loader = Loader {
                host,
                metrics: &self.metrics,
                config,
                serving: &mut self.serving,
            };
            match Config::decode_bundle(text) {
                // Loading says in metrics and log how it went.
                Some(bytes) => drop(loader.load(&bytes, ORIGIN)),
                None => loader.report_refused("malformed", &"`bundle` is not base64", ORIGIN),
            }
        }
    }

    fn with_subscription(
        &mut self,
        host: &dyn Host,
        act: impl FnOnce(&mut Subscription, &mut Loader<'_>),
    ) {
        if let Some(Configured {
            config,
            subscription: Some(subscription),
        }) = &mut self.configured
        {
            let mut loader = Loader {
                host,
                metrics: &self.metrics,
                config,
                serving: &mut self.serving,
            };
            act(subscription, &mut loader);
        }
    }
}
