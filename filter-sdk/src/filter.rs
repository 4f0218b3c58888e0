//! One filter: a root context's state, from configuration to the last request.

use crate::body::{Body, BodyWatch};
use crate::config::Config;
use crate::custom::CustomAttributes;
use crate::decide::{Decider, Flow};
use crate::host::{Host, Level};
use crate::load::Loader;
use crate::metrics::{Metric, Metrics};
use crate::namespace::Namespace;
use crate::reply::{REQUEST_UNREADABLE, RULESET_UNAVAILABLE, refuse};
use crate::request::Buffers;
use crate::response::{Ended, count};
use crate::serving::Serving;
use crate::shared::{SLICE, Shared};
use crate::subscription::{Subscription, TICK_PERIOD_MS};
use crate::vm::{Vm, Writer};
use riskgate_engine::counters::Pending;
use std::cell::RefCell;
use std::rc::Rc;

/// The first tick comes at once: what [`Filter::on_configure`] leaves undone waits for it.
const FIRST_TICK_MS: u32 = 1;
/// Requests under way that wait to be counted; memory for more is given back.
const SPARE_MAX: usize = 256;
const NO_BODIES: &str = "requests wait for their bodies, and this proxy has not handed over any: if they hang, set \
    `allow_on_headers_stop_iteration: true` in the filter's plugin configuration";
/// How the log calls the bundle of the configuration.
const ORIGIN: &str = "from the plugin configuration";

/// Everything that one configured filter holds. Each method belongs into the root or HTTP callback of its name.
pub struct Filter {
    vm: Vm,
    metrics: Metrics,
    configured: Option<Configured>,
    /// Whether the configuration was taken up: metrics defined, its bundle loaded.
    started: bool,
    /// Whether the tick has its lasting period.
    ticking: bool,
    serves_requests: bool,
    buffers: Buffers,
    body_watch: BodyWatch,
    /// Memory of requests that were counted.
    spare: Vec<Pending>,
    custom: Option<Box<dyn CustomAttributes>>,
}

/// What a readable configuration gives.
struct Configured {
    config: Config,
    subscription: Option<Subscription>,
    /// Shared with the VM's other filters that judge bundles alike.
    serving: Rc<RefCell<Serving>>,
    shared: Shared,
    writer: Writer,
}

impl Filter {
    /// A filter of `vm` that was not configured yet.
    pub fn new(vm: &Vm) -> Filter {
        Filter {
            vm: vm.clone(),
            metrics: Metrics::default(),
            configured: None,
            started: false,
            ticking: false,
            serves_requests: false,
            buffers: Buffers::default(),
            body_watch: BodyWatch::default(),
            spare: Vec::new(),
            custom: None,
        }
    }

    /// The same, of which rules can read more: see [`CustomAttributes`].
    #[must_use]
    pub fn with_attributes(self, custom: Box<dyn CustomAttributes>) -> Filter {
        let custom = Some(custom);
        Filter { custom, ..self }
    }

    /// Takes a configuration. What serves the VM under the like of it serves this filter from now on.
    ///
    /// Nothing is loaded yet: on Envoy's main thread this also runs in a VM that does nothing else ever, and a failure
    /// here would let requests through unfiltered. So even a configuration that cannot be used is no failure:
    /// every request is then refused.
    pub fn on_configure(&mut self, host: &dyn Host, json: &[u8]) {
        // A root context that two listeners share is configured once by each.
        self.on_done(host);
        let config = Config::parse(json).map_err(|error| {
            host.log(
                Level::Error,
                &format!("{error}; every request is refused until this is mended"),
            );
        });
        self.configured = config.ok().map(|config| Configured {
            shared: Shared::new(&Namespace::of(&config)),
            writer: self.vm.writer(Namespace::of(&config)),
            subscription: config
                .push
                .clone()
                .map(|cluster| Subscription::new(cluster, self.vm.clone())),
            serving: self.vm.serving(config.serving_key(), &config.trust),
            config,
        });
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
        if self.body_watch.is_suspicious() {
            host.log(Level::Error, NO_BODIES);
        }
        self.advance(host, true);
        let serves_requests = self.serves_requests;
        self.with_subscription(host, |subscription, loader| {
            subscription.tick(loader, serves_requests);
        });
        if self.vm.gets_requests()
            && let Some(Configured {
                config, serving, ..
            }) = &self.configured
            && let Ok(mut serving) = serving.try_borrow_mut()
        {
            serving.exchange_counters(host, &self.metrics, config);
        }
    }

    /// The headers of a request are here, and its body may follow. If it has to wait for that, each part of the body is to
    /// be told to [`Filter::on_request_body`].
    pub fn on_request_headers(&mut self, host: &dyn Host, body_follows: bool) -> Flow {
        self.start(host);
        self.serves_requests = true;
        self.vm.note_request();
        let body = match body_follows {
            true => Body::Coming,
            false => Body::Absent,
        };
        let flow = self.decide(host, body);
        if flow == Flow::Wait {
            self.body_watch.begin();
        }
        flow
    }

    /// So many bytes of the body of a request that waits for it are here, and these are all if it has ended. Trailers end it
    /// too; how many bytes there are need not be known then.
    pub fn on_request_body(
        &mut self,
        host: &dyn Host,
        len: Option<usize>,
        has_ended: bool,
    ) -> Flow {
        self.body_watch.end();
        let limit = match &self.configured {
            Some(Configured { config, .. }) => config.body_limit_bytes,
            None => 0,
        };
        if len.is_some_and(|len| len > limit) {
            return self.decide(host, Body::TooLong);
        }
        if !has_ended {
            return Flow::Wait;
        }
        let bytes = &mut self.buffers.body;
        let told = host.request_body(limit + 1, bytes);
        let body = match bytes.len() {
            0 => Body::Absent,
            len if len > limit => Body::TooLong,
            _ => Body::Whole,
        };
        match told {
            Ok(()) => self.decide(host, body),
            Err(_) => {
                self.metrics.count(host, Metric::RequestErrors);
                self.metrics.count(host, Metric::DecisionsUnreadable);
                refuse(host, &self.metrics, REQUEST_UNREADABLE)
            }
        }
    }

    fn decide(&mut self, host: &dyn Host, body: Body) -> Flow {
        let Some(Configured {
            config, serving, ..
        }) = &self.configured
        else {
            return refuse(host, &self.metrics, RULESET_UNAVAILABLE);
        };
        match serving.try_borrow_mut() {
            Ok(mut serving) => Decider {
                host,
                config,
                metrics: &self.metrics,
                custom: self.custom.as_deref(),
            }
            .decide(&mut serving, body, &mut self.buffers),
            Err(_) => Filter::refuse_reentrant(host),
        }
    }

    /// What the request whose headers came last leaves to be counted when its response is known, for
    /// [`Filter::on_response`]; nothing if no counter waits for that.
    pub fn take_pending(&mut self) -> Option<Pending> {
        let pending = &mut self.buffers.pending;
        let spare = &mut self.spare;
        (!pending.is_empty()).then(|| std::mem::replace(pending, spare.pop().unwrap_or_default()))
    }

    /// The response to a request that left something to be counted is complete, or there will be none.
    pub fn on_response(&mut self, host: &dyn Host, mut pending: Pending) {
        if let Some(Configured {
            config, serving, ..
        }) = &self.configured
            && let Ok(mut serving) = serving.try_borrow_mut()
        {
            let ended = Ended {
                host,
                config,
                metrics: &self.metrics,
            };
            count(&ended, &pending, &mut serving, &mut self.buffers);
        }
        // Its memory serves the next request.
        if self.spare.len() < SPARE_MAX {
            pending.clear();
            self.spare.push(pending);
        }
    }

    /// The headers of a request are here while another callback runs, which no proxy should bring about: the request
    /// is refused, because the rules are in use.
    pub fn refuse_reentrant(host: &dyn Host) -> Flow {
        let metrics = Metrics::default();
        metrics.count(host, Metric::RequestErrors);
        refuse(host, &metrics, RULESET_UNAVAILABLE)
    }

    /// A message of `len` bytes came on a stream.
    pub fn on_stream_message(&mut self, host: &dyn Host, token: u32, len: usize) {
        self.with_subscription(host, |subscription, loader| {
            subscription.on_message(loader, token, len);
        });
        self.advance(host, false);
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

    /// Does at the first tick or request, whichever comes first, what [`Filter::on_configure`] left undone.
    fn start(&mut self, host: &dyn Host) {
        if self.started {
            return;
        }
        self.metrics.define_all(host);
        self.started = match &mut self.configured {
            None => {
                self.metrics.count(host, Metric::ConfigErrors);
                true
            }
            Some(configured) => configured.start(host, &self.metrics, &self.vm),
        };
    }

    /// Goes on with what there is to do about the bundle that all VMs share.
    fn advance(&mut self, host: &dyn Host, is_tick: bool) {
        if let Some(configured) = &mut self.configured {
            if is_tick {
                configured.shared.tick();
            }
            configured.advance(host, &self.metrics, &self.vm, usize::MAX);
        }
    }

    fn with_subscription(
        &mut self,
        host: &dyn Host,
        act: impl FnOnce(&mut Subscription, &mut Loader<'_>),
    ) {
        if let Some(configured) = &mut self.configured {
            configured.with_loader(host, &self.metrics, |loader, subscription| {
                if let Some(subscription) = subscription {
                    act(subscription, loader);
                }
            });
        }
    }
}

impl Configured {
    /// Finds what other VMs left, loads the bundle of the configuration, whose text is of no use then, and says whether it
    /// could. Requests wait for that only while nothing serves.
    fn start(&mut self, host: &dyn Host, metrics: &Metrics, vm: &Vm) -> bool {
        let bundle = self.config.bundle.take();
        let mut is_served = false;
        let started = self.with_loader(host, metrics, |loader, _| {
            loader.report_adopted();
            loader.serving.prepare_counters(host, metrics);
            is_served = loader.held().is_some();
        });
        if !started {
            self.config.bundle = bundle;
            return false;
        }
        let work = if is_served { SLICE } else { usize::MAX };
        self.advance(host, metrics, vm, work);
        if let Some(text) = bundle {
            self.begin_configured(host, metrics, &text);
            self.advance(host, metrics, vm, work);
        }
        true
    }

    fn begin_configured(&mut self, host: &dyn Host, metrics: &Metrics, text: &str) {
        self.with_shared(host, metrics, |loader, shared| {
            match Config::decode_bundle(text) {
                // Loading says in metrics and log how it went.
                Some(file) => shared.begin_file(loader, &file, ORIGIN),
                None => loader.report_refused("malformed", &"`bundle` is not base64", ORIGIN),
            }
        });
    }

    /// Goes on with the shared bundle until about so much work was done, in bytes looked at.
    fn advance(&mut self, host: &dyn Host, metrics: &Metrics, vm: &Vm, work: usize) {
        let writes = self.writer.writes();
        // Without random numbers a VM has no name to leave notes under, and shares all else as the others.
        let vm = vm.nonce(host).unwrap_or_default();
        self.with_shared(host, metrics, |loader, shared| {
            shared.advance(loader, vm, writes, work);
        });
    }

    fn with_shared(
        &mut self,
        host: &dyn Host,
        metrics: &Metrics,
        act: impl FnOnce(&mut Loader<'_>, &mut Shared),
    ) {
        if let Ok(mut serving) = self.serving.try_borrow_mut() {
            let mut loader = Loader {
                host,
                metrics,
                config: &self.config,
                serving: &mut serving,
            };
            act(&mut loader, &mut self.shared);
        }
    }

    /// Runs `act`, and says whether it could: what serves may be in use when a callback runs inside of a callback.
    fn with_loader(
        &mut self,
        host: &dyn Host,
        metrics: &Metrics,
        act: impl FnOnce(&mut Loader<'_>, Option<&mut Subscription>),
    ) -> bool {
        let Ok(mut serving) = self.serving.try_borrow_mut() else {
            return false;
        };
        let mut loader = Loader {
            host,
            metrics,
            config: &self.config,
            serving: &mut serving,
        };
        act(&mut loader, self.subscription.as_mut());
        true
    }
}
