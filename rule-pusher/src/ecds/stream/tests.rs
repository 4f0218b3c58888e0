use std::collections::BTreeMap;

use bytes::Bytes;
use envoy_types::pb::{
    envoy::{
        config::core::v3::Node,
        extensions::{filters::http::wasm::v3::Wasm, wasm::v3::plugin_config},
    },
    google::{protobuf::StringValue, rpc},
};
use prost::Message;
use riskgate_push_protocol::{BundleId, Digest};
use serde_json::Value;

use super::*;
use crate::ecds::{Resources, template::tests as template};

const NOW_MS: u64 = 1_795_000_000_000;

/// An Envoy's end and the pusher's end, with two resources.
struct Both {
    stream: Stream,
    resources: Resources,
    snapshot: Snapshot,
}

impl Both {
    fn new() -> Self {
        let two = ["a", "b"].map(|name| {
            let configuration = format!(r#"{{"ruleset":"{name}","min_revision":3}}"#);
            template::templates(&template::file(name, &configuration))
        });
        Self {
            stream: Stream::new(NOW_MS),
            resources: Resources::new(two.concat()),
            snapshot: Snapshot::default(),
        }
    }

    fn publish(&mut self, ruleset: &str, revision: u64) {
        let topic = Topic {
            ruleset: ruleset.to_owned(),
            audience: None,
        };
        let publication = Publication {
            topic: topic.clone(),
            bundle: BundleId {
                revision,
                digest: Digest([7; 32]),
            },
            payload: Bytes::from(vec![revision.to_le_bytes()[0]; 3]),
            head: Bytes::new(),
            sections: Vec::new(),
            hashes: Arc::default(),
            published_at_ms: 1,
            issued_at_s: 1,
            not_before_s: 1,
            expires_at_s: 9,
            restores: None,
        };
        let mut map: BTreeMap<_, _> = (*self.snapshot).clone();
        map.insert(topic, Arc::new(publication));
        self.snapshot = Arc::new(map);
    }

    fn ask(&mut self, request: DiscoveryRequest) -> Result<News, String> {
        let templates = self.resources.templates();
        self.stream.on_request(request, templates, NOW_MS + 1)
    }

    /// What goes to Envoy now.
    fn next(&mut self) -> Option<DiscoveryResponse> {
        let due = self.stream.due(&self.snapshot);
        if due.is_empty() {
            return None;
        }
        let made = due.into_iter().map(|due| {
            let resource = self.resources.make(due.0, &due.1).unwrap();
            (due, resource)
        });
        let made = made.collect();
        self.stream.send(made, NOW_MS + 2)
    }

    fn answers(&self) -> Vec<(String, Option<u64>, DeliveryAnswer)> {
        let all = self.stream.deliveries().into_iter();
        all.map(|delivery| {
            let revision = delivery.sent.map(|sent| sent.revision);
            (delivery.resource, revision, delivery.answer)
        })
        .collect()
    }
}

fn first(names: &[&str], version: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        node: Some(Node {
            id: "edge-1".to_owned(),
            ..Node::default()
        }),
        version_info: version.to_owned(),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        type_url: TypedExtensionConfig::type_url(),
        ..DiscoveryRequest::default()
    }
}

fn ack(names: &[&str], response: &DiscoveryResponse) -> DiscoveryRequest {
    DiscoveryRequest {
        node: None,
        response_nonce: response.nonce.clone(),
        ..first(names, &response.version_info)
    }
}

fn nack(names: &[&str], response: &DiscoveryResponse, message: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        error_detail: Some(rpc::Status {
            message: message.to_owned(),
            ..rpc::Status::default()
        }),
        ..ack(names, response)
    }
}

/// The names of the resources, and the `bundle` of each.
fn contents(response: &DiscoveryResponse) -> Vec<(String, String)> {
    let content = |any: &Any| {
        assert_eq!(any.type_url, TypedExtensionConfig::type_url());
        let typed = TypedExtensionConfig::decode(&any.value[..]).unwrap();
        let wasm = typed.typed_config.unwrap();
        assert_eq!(wasm.type_url, Wasm::type_url());
        let config = Wasm::decode(&wasm.value[..]).unwrap().config.unwrap();
        let Some(plugin_config::Vm::VmConfig(vm)) = config.vm else {
            panic!("no VM")
        };
        assert_eq!((&*vm.vm_id, config.failure_policy), ("riskgate", 1));
        let text = config.configuration.unwrap();
        assert_eq!(text.type_url, StringValue::type_url());
        let text = StringValue::decode(&text.value[..]).unwrap().value;
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["min_revision"], 3);
        (typed.name, json["bundle"].as_str().unwrap().to_owned())
    };
    response.resources.iter().map(content).collect()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    pairs.iter().map(pair).collect()
}

#[test]
fn a_publication_reaches_an_envoy_once() {
    let mut both = Both::new();
    both.ask(first(&["a"], "")).unwrap();
    assert_eq!(both.next(), None, "nothing is published");
    assert_eq!(
        both.answers(),
        [("a".to_owned(), None, DeliveryAnswer::Pending)]
    );
    both.publish("b", 9);
    assert_eq!(both.next(), None, "nothing that it asked for");
    both.publish("a", 1);
    let response = both.next().unwrap();
    assert_eq!(contents(&response), owned(&[("a", "AQEB")]));
    assert!(
        response.version_info.starts_with("1-"),
        "{}",
        response.version_info
    );
    assert_eq!(both.next(), None, "it owes an answer");
    both.publish("a", 2);
    both.publish("a", 3);
    assert_eq!(both.next(), None, "it still owes it");
    let news = both.ask(ack(&["a"], &response)).unwrap();
    assert!(news.taken);
    assert_eq!(
        both.answers(),
        [("a".to_owned(), Some(1), DeliveryAnswer::Delivered)]
    );
    let newest = both.next().unwrap();
    assert_eq!(
        contents(&newest),
        owned(&[("a", "AwMD")]),
        "the newest, at once"
    );
    assert_ne!(newest.nonce, response.nonce);
    both.ask(ack(&["a"], &newest)).unwrap();
    assert_eq!(both.next(), None);
}

#[test]
fn what_was_refused_is_not_sent_again() {
    let mut both = Both::new();
    both.publish("a", 1);
    both.ask(first(&["a"], "")).unwrap();
    let response = both.next().unwrap();
    let long = "ü".repeat(400);
    let news = both.ask(nack(&["a"], &response, &long)).unwrap();
    assert_eq!(news.refused.as_deref(), Some(&*long));
    let detail = "ü".repeat(256);
    assert_eq!(
        both.answers(),
        [("a".to_owned(), Some(1), DeliveryAnswer::Rejected { detail })]
    );
    assert_eq!(both.next(), None, "no loop");
    both.publish("a", 2);
    let newer = both.next().unwrap();
    assert_eq!(contents(&newer), owned(&[("a", "AgIC")]));
}

#[test]
fn an_answer_to_an_older_response_counts_for_nothing() {
    let mut both = Both::new();
    both.publish("a", 1);
    both.ask(first(&["a"], "")).unwrap();
    let old = both.next().unwrap();
    both.ask(ack(&["a"], &old)).unwrap();
    both.publish("a", 2);
    both.next().unwrap();
    let news = both.ask(nack(&["b"], &old, "late")).unwrap();
    assert_eq!(news, News::default());
    assert!(both.stream.is_waiting());
    assert_eq!(
        both.answers(),
        [("a".to_owned(), Some(2), DeliveryAnswer::Pending)]
    );
}

#[test]
fn an_envoy_that_comes_back_is_not_sent_what_it_has() {
    let mut both = Both::new();
    both.publish("a", 1);
    both.ask(first(&["a"], "")).unwrap();
    let version = both.next().unwrap().version_info;
    for (claimed, is_sent) in [(&*version, false), ("1-0000000000000000", true)] {
        both.stream = Stream::new(NOW_MS);
        both.ask(first(&["a"], claimed)).unwrap();
        assert_eq!(both.next().is_some(), is_sent, "{claimed}");
        assert_eq!(both.stream.is_waiting(), is_sent);
    }
    both.stream = Stream::new(NOW_MS);
    both.ask(first(&["a"], &version)).unwrap();
    assert_eq!(both.next(), None);
    assert_eq!(
        both.answers(),
        [("a".to_owned(), Some(1), DeliveryAnswer::Delivered)]
    );
    both.publish("a", 2);
    assert_eq!(contents(&both.next().unwrap()), owned(&[("a", "AgIC")]));
}

#[test]
fn several_resources_on_one_stream() {
    let mut both = Both::new();
    both.publish("a", 1);
    both.publish("b", 2);
    let news = both.ask(first(&["b", "nobody", "a", "a"], "")).unwrap();
    assert_eq!(news.unknown, ["nobody"]);
    let response = both.next().unwrap();
    assert_eq!(contents(&response), owned(&[("a", "AQEB"), ("b", "AgIC")]));
    both.ask(ack(&["a", "b"], &response)).unwrap();
    both.publish("b", 3);
    let one = both.next().unwrap();
    assert_eq!(
        contents(&one),
        owned(&[("b", "AwMD")]),
        "what changed, and no more"
    );
    both.ask(nack(&["a", "b"], &one, "no")).unwrap();
    let detail = "no".to_owned();
    assert_eq!(
        both.answers(),
        [
            ("a".to_owned(), Some(1), DeliveryAnswer::Delivered),
            ("b".to_owned(), Some(3), DeliveryAnswer::Rejected { detail }),
        ]
    );
}

#[test]
fn names_come_and_go() {
    let mut both = Both::new();
    both.publish("a", 1);
    both.publish("b", 2);
    both.ask(first(&["a"], "")).unwrap();
    let response = both.next().unwrap();
    both.ask(ack(&["a", "b"], &response)).unwrap();
    let more = both.next().unwrap();
    assert_eq!(contents(&more), owned(&[("b", "AgIC")]));
    both.ask(ack(&["b"], &more)).unwrap();
    assert_eq!(both.answers().len(), 1);
    assert_eq!(both.next(), None);
    both.ask(ack(&["a", "b"], &more)).unwrap();
    let again = both.next().unwrap();
    assert_eq!(
        contents(&again),
        owned(&[("a", "AQEB")]),
        "it had let go of it"
    );
}

#[test]
fn requests_have_bounds() {
    let mut both = Both::new();
    let other = DiscoveryRequest {
        type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
        ..first(&["a"], "")
    };
    assert!(both.ask(other).unwrap_err().contains("is not served here"));
    let many = vec!["a"; NAMES_MAX + 1];
    assert!(
        both.ask(first(&many, ""))
            .unwrap_err()
            .contains("1025 names")
    );
    let long = DiscoveryRequest {
        node: Some(Node {
            id: "n".repeat(10_000),
            ..Node::default()
        }),
        ..first(&["a"], "")
    };
    both.ask(long).unwrap();
    assert_eq!(both.stream.node().len(), NODE_LEN_MAX);
}

/// The template counts too, and so does nothing else.
#[test]
fn versions_name_contents() {
    let version = |configuration: &str, revision| {
        let templates = template::templates(&template::file("a", configuration));
        let mut both = Both {
            resources: Resources::new(templates),
            ..Both::new()
        };
        both.publish("a", revision);
        both.ask(first(&["a"], "")).unwrap();
        both.next().unwrap().version_info
    };
    let plain = version(r#"{"ruleset":"a"}"#, 1);
    assert_eq!(plain, version(r#"{"ruleset":"a"}"#, 1));
    assert_ne!(plain, version(r#"{"ruleset":"a"}"#, 2));
    assert_ne!(plain, version(r#"{"ruleset":"a","on_missing":"deny"}"#, 1));
}
