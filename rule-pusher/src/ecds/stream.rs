//! One stream of an Envoy, without its connection: what it asked for, what it was sent, and what it said to that.

use std::{collections::BTreeMap, sync::Arc};

use envoy_types::pb::{
    envoy::{
        config::core::v3::TypedExtensionConfig,
        service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    },
    google::protobuf::Any,
};
use prost::Name;
use riskgate_push_protocol::{
    Delivery, DeliveryAnswer,
    limits::{DETAIL_LEN_MAX, NODE_LEN_MAX},
};

use super::{resource::Resource, template::Template};
use crate::catalogue::{Publication, Snapshot, Topic};

/// The most names in one request.
const NAMES_MAX: usize = 1_024;

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Stream {
    node: Option<String>,
    connected_at_ms: u64,
    /// What Envoy brought along from an earlier stream; empty for nothing.
    claimed: String,
    /// By their places among the templates.
    subscriptions: BTreeMap<usize, Subscription>,
    /// The number of the last response, which is its nonce; 0 before the first.
    nonce: u64,
    waiting: bool,
}

#[derive(Debug)]
struct Subscription {
    resource: String,
    topic: Topic,
    /// What was sent last.
    sent: Option<Arc<Publication>>,
    answer: DeliveryAnswer,
    /// Whether the last response had it.
    asked: bool,
    since_ms: u64,
}

/// A configuration that Envoy lacks: the place of its template, and the bundle.
pub(super) type Due = (usize, Arc<Publication>);

/// What a request says that is worth a line in the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Names of no resource here.
    pub(super) unknown: Vec<String>,
    /// Why the last response was refused.
    pub(super) refused: Option<String>,
    /// The last response was taken.
    pub(super) taken: bool,
}

impl Stream {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            node: None,
            connected_at_ms: now_ms,
            claimed: String::new(),
            subscriptions: BTreeMap::new(),
            nonce: 0,
            waiting: false,
        }
    }

    /// Envoy's node id; empty before its first request.
    pub(super) fn node(&self) -> &str {
        self.node.as_deref().unwrap_or_default()
    }

    /// Whether a response has no answer yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// A request came: the first one, an answer, or other names.
    ///
    /// # Errors
    ///
    /// A sentence, if it is for another service or has no bounds.
    pub(super) fn on_request(
        &mut self,
        request: DiscoveryRequest,
        templates: &[Template],
        now_ms: u64,
    ) -> Result<News, String> {
        let type_url = &request.type_url;
        if !type_url.is_empty() && *type_url != TypedExtensionConfig::type_url() {
            return Err(format!("`{type_url:.200}` is not served here"));
        }
        let count = request.resource_names.len();
        if count > NAMES_MAX {
            return Err(format!("{count} names; the limit is {NAMES_MAX}"));
        }
        let mut news = News::default();
        if self.node.is_none() {
            let mut node = request.node.map(|node| node.id).unwrap_or_default();
            node.truncate(node.floor_char_boundary(NODE_LEN_MAX));
            self.node = Some(node);
            self.claimed = request.version_info;
        } else if request.response_nonce != self.last_nonce() {
            // It crossed a newer response, to which another request will follow.
            return Ok(news);
        } else if self.waiting {
            let refused = request.error_detail.map(|error| error.message);
            self.on_answer(refused.as_deref(), now_ms);
            news.taken = refused.is_none();
            news.refused = refused;
        }
        news.unknown = self.subscribe(request.resource_names, templates, now_ms);
        Ok(news)
    }

    /// What Envoy lacks, by what is published now. Nothing while it owes an answer.
    pub(super) fn due(&self, snapshot: &Snapshot) -> Vec<Due> {
        if self.waiting {
            return Vec::new();
        }
        let lacks = |(place, subscription): (&usize, &Subscription)| {
            let newest = snapshot.get(&subscription.topic)?;
            let sent = subscription.sent.as_ref();
            let is_sent = sent.is_some_and(|sent| Arc::ptr_eq(sent, newest));
            (!is_sent).then(|| (*place, Arc::clone(newest)))
        };
        self.subscriptions.iter().filter_map(lacks).collect()
    }

    /// The response with these; nothing if Envoy brought them along from an earlier stream.
    pub(super) fn send(
        &mut self,
        due: Vec<(Due, Arc<Resource>)>,
        now_ms: u64,
    ) -> Option<DiscoveryResponse> {
        let versions: Vec<&str> = due.iter().map(|(_, made)| &*made.version).collect();
        let version_info = versions.join("+");
        let is_known = self.nonce == 0 && version_info == self.claimed;
        self.claimed.clear();
        self.subscriptions
            .values_mut()
            .for_each(|held| held.asked = false);
        let mut resources: Vec<Any> = Vec::new();
        for ((place, publication), made) in due {
            let Some(subscription) = self.subscriptions.get_mut(&place) else {
                continue;
            };
            subscription.sent = Some(publication);
            subscription.since_ms = now_ms;
            subscription.asked = !is_known;
            subscription.answer = if is_known {
                DeliveryAnswer::Delivered
            } else {
                resources.push(made.body.clone());
                DeliveryAnswer::Pending
            };
        }
        if resources.is_empty() {
            return None;
        }
        self.nonce += 1;
        self.waiting = true;
        Some(DiscoveryResponse {
            version_info,
            resources,
            type_url: TypedExtensionConfig::type_url(),
            nonce: self.last_nonce(),
            ..DiscoveryResponse::default()
        })
    }

    /// For `status`.
    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        let delivery = |subscription: &Subscription| Delivery {
            node: self.node().to_owned(),
            resource: subscription.resource.clone(),
            ruleset: subscription.topic.ruleset.clone(),
            audience: subscription.topic.audience.clone(),
            sent: subscription.sent.as_ref().map(|sent| sent.bundle),
            answer: subscription.answer.clone(),
            since_ms: subscription.since_ms,
            connected_at_ms: self.connected_at_ms,
        };
        self.subscriptions.values().map(delivery).collect()
    }

    fn last_nonce(&self) -> String {
        match self.nonce {
            0 => String::new(),
            nonce => nonce.to_string(),
        }
    }

    fn on_answer(&mut self, refused: Option<&str>, now_ms: u64) {
        self.waiting = false;
        let answer = refused.map_or(DeliveryAnswer::Delivered, |detail| {
            let end = detail.floor_char_boundary(DETAIL_LEN_MAX);
            let detail = detail.get(..end).unwrap_or_default().to_owned();
            DeliveryAnswer::Rejected { detail }
        });
        for subscription in self.subscriptions.values_mut() {
            if subscription.asked {
                subscription.answer = answer.clone();
                subscription.since_ms = now_ms;
                subscription.asked = false;
            }
        }
    }

    /// These names are subscribed to from now on, and no others. Returns those of no resource.
    fn subscribe(
        &mut self,
        names: Vec<String>,
        templates: &[Template],
        now_ms: u64,
    ) -> Vec<String> {
        let mut before = std::mem::take(&mut self.subscriptions);
        let mut unknown = Vec::new();
        for name in names {
            let Some(place) = templates.iter().position(|template| template.name == name) else {
                unknown.push(name);
                continue;
            };
            let topic = templates.get(place).map(|template| template.topic.clone());
            let new = topic.map(|topic| Subscription {
                resource: name,
                topic,
                sent: None,
                answer: DeliveryAnswer::Pending,
                asked: false,
                since_ms: now_ms,
            });
            if let Some(subscription) = before.remove(&place).or(new) {
                self.subscriptions.entry(place).or_insert(subscription);
            }
        }
        unknown
    }
}

#[cfg(test)]
mod tests;
