//! What the pusher tells operators.

use crate::{BundleId, Digest, InstanceId, KeyId, VmId};

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The ruleset that the bundle's manifest names.
    pub ruleset: String,
    /// The audience that the bundle's manifest names.
    pub audience: Option<String>,
    /// The bundle.
    pub bundle: BundleId,
    /// Streams that subscribe to this ruleset and audience now.
    pub subscribers: u32,
    /// Whether this digest was published before and the file adds no signature that counts, so that nothing changed.
    pub unchanged: bool,
    /// Keys that the pusher does not trust and whose signatures it therefore left out of what it stored and pushed.
    pub signatures_left_out: Vec<KeyId>,
    /// Keys that the pusher does not trust and whose signatures are in what it stored and pushed, as they came. Filters
    /// that trust such a key refuse the bundle if its signature is bad.
    pub signatures_unchecked: Vec<KeyId>,
}

/// What is published, and what every connected VM made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The newest bundle of each ruleset and audience.
    pub rulesets: Vec<PublishedRuleset>,
    /// Those of which a stream that is open reports.
    pub vms: Vec<VmStatus>,
    /// The pusher's clock; Unix time in milliseconds.
    pub now_ms: u64,
    /// Resources that Envoys fetch over streams that are open.
    pub deliveries: Vec<Delivery>,
    /// How many VMs and deliveries are not listed, because the answer would become too long.
    pub left_out: u32,
}

/// The newest bundle of a ruleset and audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedRuleset {
    /// The name of the ruleset.
    pub ruleset: String,
    /// The audience, if the bundle is for one.
    pub audience: Option<String>,
    /// The bundle.
    pub bundle: BundleId,
    /// Unix time in milliseconds.
    pub published_at_ms: u64,
    /// Unix time in seconds.
    pub expires_at_s: u64,
    /// Of an emergency rollback: the digest of the bundle whose rules it brought back.
    pub restores: Option<Digest>,
}

/// A resource that an Envoy subscribes to: the filter's configuration with its bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Envoy's node id; may be empty.
    pub node: String,
    /// The name of the resource.
    pub resource: String,
    /// The ruleset of its bundles.
    pub ruleset: String,
    /// The audience of its bundles.
    pub audience: Option<String>,
    /// The bundle that was sent last.
    pub sent: Option<BundleId>,
    /// What Envoy said to it.
    pub answer: DeliveryAnswer,
    /// Since when that is so; Unix time in milliseconds.
    pub since_ms: u64,
    /// When the stream was opened; Unix time in milliseconds.
    pub connected_at_ms: u64,
}

/// What an Envoy said to a configuration. What its filter made of the bundle in it is another matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryAnswer {
    /// Nothing was sent yet, or no answer came yet.
    Pending,
    /// The configuration is in use.
    Delivered,
    /// The configuration was refused; the last one stays in use.
    Rejected {
        /// A sentence for people.
        detail: String,
    },
}

/// One VM, while a stream that is open reports of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmStatus {
    /// Envoy's node id; may be empty.
    pub node: String,
    /// The Envoy process.
    pub instance: InstanceId,
    /// The VM.
    pub vm: VmId,
    /// Whether it has seen a request.
    pub serves_requests: bool,
    /// The ruleset that it subscribes to.
    pub ruleset: String,
    /// The audience that it subscribes to.
    pub audience: Option<String>,
    /// What serves in it.
    pub held: Option<BundleId>,
    /// What it said to the bundle it was offered last.
    pub answer: LastAnswer,
    /// Since when that is so: the answer, the offer or the stream; Unix time in milliseconds.
    pub since_ms: u64,
    /// When that stream was opened; Unix time in milliseconds.
    pub connected_at_ms: u64,
    /// Whether it holds that stream.
    pub holds_stream: bool,
}

/// What a VM said to the bundle it was offered last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastAnswer {
    /// Nothing was offered yet, or no answer came yet.
    Pending,
    /// The bundle of this revision serves.
    Ack {
        /// The revision that it answered to.
        revision: u64,
    },
    /// The bundle of this revision was refused.
    Nack {
        /// The revision that it answered to.
        revision: u64,
        /// A stable word.
        reason: String,
        /// A sentence for people.
        detail: String,
    },
}
