//! The third gate: the filter as it is shipped, in a host.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use riskgate_e2e::wasm_module;
use riskgate_push_protocol::PusherMessage;
use riskgate_wasm_host::{Action, Module, Proxy, Vm};

use crate::attack::Trust;
use crate::forge::{RULESET, key, now_s};

/// A VM of the filter with one root context.
pub(crate) struct Filter {
    vm: Vm,
    root: u32,
    next_request: u32,
}

impl Filter {
    /// Configured with this bundle; without a good one requests are denied.
    pub(crate) fn serving(trust: Trust, bundle: &[u8]) -> Filter {
        let keys: Vec<[u8; 32]> = trust
            .keys
            .iter()
            .map(|number| key(*number).verifying_key().to_bytes())
            .collect();
        Filter::trusting(&keys, trust.threshold, bundle)
    }

    /// As [`Filter::serving`], with raw public keys.
    pub(crate) fn trusting(keys: &[[u8; 32]], threshold: u32, bundle: &[u8]) -> Filter {
        Filter::configured(&configuration(keys, threshold, bundle))
    }

    fn configured(configuration: &str) -> Filter {
        let mut vm = Vm::new(module()).unwrap();
        vm.proxy_mut().now_ns = now_s() * 1_000_000_000;
        let mut filter = Filter {
            vm,
            root: 1,
            next_request: 100,
        };
        filter.begin(configuration);
        filter
    }

    /// Another plugin configuration: a new root context comes, and then the old one goes.
    pub(crate) fn reconfigure(&mut self, trust: Trust, bundle: &[u8]) {
        let keys: Vec<[u8; 32]> = trust
            .keys
            .iter()
            .map(|number| key(*number).verifying_key().to_bytes())
            .collect();
        let old = self.root;
        self.root += 1;
        self.begin(&configuration(&keys, trust.threshold, bundle));
        assert!(self.vm.done(old).unwrap());
        self.vm.delete(old).unwrap();
        self.vm.tick(self.root).unwrap();
    }

    /// Connected to a push service, with this bundle in its configuration; without a good one requests are denied.
    pub(crate) fn subscribing(trust: Trust, bundle: &[u8]) -> Filter {
        let keys: Vec<[u8; 32]> = trust
            .keys
            .iter()
            .map(|number| key(*number).verifying_key().to_bytes())
            .collect();
        let configuration = configuration(&keys, trust.threshold, bundle);
        let push = r#"{"push":{"cluster":"pusher"},"#;
        Filter::configured(&configuration.replacen('{', push, 1))
    }

    pub(crate) fn hear(&mut self, token: u32, message: &PusherMessage) {
        let message = message.encode_to_vec();
        self.vm.grpc_receive(self.root, token, &message).unwrap();
    }

    /// A tenth of a second passes.
    pub(crate) fn tick(&mut self) {
        let proxy = self.vm.proxy_mut();
        proxy.now_ns += 100_000_000;
        proxy.monotonic_ns += 100_000_000;
        self.vm.tick(self.root).unwrap();
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        self.vm.proxy()
    }

    pub(crate) fn set_time(&mut self, now_s: u64) {
        self.vm.proxy_mut().now_ns = now_s * 1_000_000_000;
    }

    fn begin(&mut self, configuration: &str) {
        self.vm.create_context(self.root, 0).unwrap();
        assert!(self.vm.start(self.root).unwrap());
        assert!(
            self.vm
                .configure(self.root, configuration.as_bytes())
                .unwrap()
        );
        self.vm.tick(self.root).unwrap();
    }

    /// The word of each refusal that was logged.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let log = self.vm.proxy().log.iter();
        let word = |line: &str| {
            let (_, rest) = line.split_once("was refused (")?;
            Some(rest.split_once(')')?.0.to_owned())
        };
        log.filter_map(|(_, line)| word(line)).collect()
    }

    pub(crate) fn log(&self) -> String {
        format!("{:?}", self.vm.proxy().log)
    }

    /// The status that a request is answered with, `None` if it goes on, and the revision that decided it.
    pub(crate) fn request(&mut self, path: &str) -> (Option<u32>, String) {
        self.next_request += 1;
        let id = self.next_request;
        self.vm.create_context(id, self.root).unwrap();
        let action = self
            .vm
            .request_headers(id, &[(b":path", path.as_bytes())], true)
            .unwrap();
        self.vm.done(id).unwrap();
        self.vm.delete(id).unwrap();
        let exchange = self.vm.proxy_mut().http_stream(id);
        let status = exchange.local_response.as_ref().map(|answer| answer.status);
        assert_eq!(action == Action::Pause, status.is_some());
        let revision = exchange.set_properties.get(&b"riskgate.revision"[..]);
        let revision = revision.map(|revision| String::from_utf8(revision.clone()).unwrap());
        (status, revision.unwrap_or_default())
    }

    /// Requests are decided by this revision, which denies `path` and nothing else.
    pub(crate) fn assert_decides(&mut self, path: &str, revision: u64) {
        let revision = revision.to_string();
        let log = self.log();
        assert_eq!(self.request(path), (Some(403), revision.clone()), "{log}");
        assert_eq!(self.request("/"), (None, revision), "{log}");
    }

    /// `on_missing` speaks.
    pub(crate) fn assert_serves_nothing(&mut self) {
        let log = self.log();
        assert_eq!(self.request("/").0, Some(503), "{log}");
        let accepted = self.vm.proxy().metric("riskgate.loads.accepted");
        assert_eq!(accepted.unwrap_or_default(), 0, "{log}");
    }
}

fn configuration(keys: &[[u8; 32]], threshold: u32, bundle: &[u8]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| BASE64.encode(key)).collect();
    let bundle = BASE64.encode(bundle);
    format!(
        r#"{{"ruleset":"{RULESET}","trust":{{"keys":{keys:?},"threshold":{threshold}}},"bundle":"{bundle}","on_missing":"deny"}}"#
    )
}

fn module() -> &'static Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| {
        let path = wasm_module("riskgate_filter").unwrap();
        Module::new(&std::fs::read(path).unwrap()).unwrap()
    })
}
