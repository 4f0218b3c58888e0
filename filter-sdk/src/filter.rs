//! One filter: a root context's state, from configuration to the last request.

use crate::body::{Body, BodyWatch};
use crate::config::Config;
use crate::custom::CustomAttributes;
use crate::decide::{Decider, Flow};
use crate::delivery::Delivery;
use crate::host::{Host, Level};
use crate::load::Loader;
use crate::metrics::{Metric, Metrics};
use crate::reply::{REQUEST_UNREADABLE, RULESET_UNAVAILABLE, refuse};
use crate::request::Buffers;
use crate::response::{Ended, count};
use crate::serving::Serving;
use crate::subscription::TICK_PERIOD_MS;
use crate::vm::Vm;
use riskgate_engine::counters::Pending;
use std::cell::RefCell;
use std::rc::Rc;

/// The first tick comes at once: what [`Filter::on_configure`] leaves undone waits for it.
const FIRST_TICK_MS: u32 = 1;
/// Requests under way that wait to be counted; memory for more is given back.
const SPARE_MAX: usize = 256;
const NO_BODIES: &str = "requests wait for their bodies, and this proxy has not handed over any: if they hang, set \
    `allow_on_headers_stop_iteration: true` in the filter's plugin configuration";

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
    delivery: Delivery,
    /// Shared with the VM's other filters that judge bundles alike.
    serving: Rc<RefCell<Serving>>,
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
            delivery: Delivery::new(&self.vm, &config),
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
        let serves_requests = self.serves_requests;
        self.with_delivery(host, |delivery, loader| {
            delivery.tick(loader, serves_requests);
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

    /// There is a message in a queue, which can only be that of the VM: anybody's message wakes it, and says nothing.
    pub fn on_queue_ready(&mut self, host: &dyn Host) {
        self.start(host);
        let serves_requests = self.serves_requests;
        self.with_delivery(host, |delivery, loader| {
            delivery.wake(loader, serves_requests);
        });
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
        let serves_requests = self.serves_requests;
        self.with_delivery(host, |delivery, loader| {
            delivery.on_message(loader, serves_requests, token, len);
        });
    }

    /// The other end closed a stream.
    pub fn on_stream_close(&mut self, host: &dyn Host, token: u32, status: u32) {
        self.with_delivery(host, |delivery, loader| {
            delivery.on_close(loader, token, status);
        });
    }

    /// The root context is done; requests that it still holds are decided by what serves.
    pub fn on_done(&mut self, host: &dyn Host) {
        self.with_delivery(host, |delivery, loader| delivery.end(loader));
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
            Some(configured) => configured.start(host, &self.metrics),
        };
    }

    fn with_delivery(&mut self, host: &dyn Host, act: impl FnOnce(&mut Delivery, &mut Loader<'_>)) {
        if let Some(configured) = &mut self.configured {
            configured.with_loader(host, &self.metrics, |loader, delivery| {
                act(delivery, loader);
            });
        }
    }
}

impl Configured {
    /// Loads what there is to begin with, after which the text of the configured bundle is of no use, and says whether it could.
    fn start(&mut self, host: &dyn Host, metrics: &Metrics) -> bool {
        let bundle = self.config.bundle.take();
        let started = self.with_loader(host, metrics, |loader, delivery| {
            loader.report_adopted();
            loader.serving.prepare_counters(host, metrics);
            delivery.start(loader, bundle.as_deref());
        });
        if !started {
            self.config.bundle = bundle;
        }
        started
    }

    /// Runs `act`, and says whether it could: what serves may be in use when a callback runs inside of a callback.
    fn with_loader(
        &mut self,
        host: &dyn Host,
        metrics: &Metrics,
        act: impl FnOnce(&mut Loader<'_>, &mut Delivery),
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
        act(&mut loader, &mut self.delivery);
        true
    }
}
