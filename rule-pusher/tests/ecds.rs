//! The discovery service over real connections, with real signed bundles and an Envoy that is played.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

mod common;

use std::{path::Path, time::Duration};

use common::{
    bundles::{TestBundle, good},
    service::{PATIENCE, Pusher},
};
use envoy_types::pb::{
    envoy::{
        config::core::v3::{Node, TypedExtensionConfig},
        service::{
            discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest, DiscoveryResponse},
            extension::v3::extension_config_discovery_service_client::ExtensionConfigDiscoveryServiceClient,
        },
    },
    google::rpc,
};
use prost::Name as _;
use riskgate_push_protocol::{Delivery, DeliveryAnswer};
use riskgate_pusher::{config::Config, ecds::read_templates};
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

const RESOURCES: &str = r#"{"resources":[
  {"name":"riskgate","config":{"failure_policy":"FAIL_RELOAD",
    "vm_config":{"runtime":"envoy.wasm.runtime.v8","code":{"local":{"filename":"/filter.wasm"}}},
    "configuration":{"ruleset":"storefront"}}}]}"#;

async fn start(folder: &Path, config: Config) -> Pusher {
    let path = folder.join("resources.json");
    std::fs::write(&path, RESOURCES).unwrap();
    let templates = read_templates(&path).unwrap();
    Pusher::start_with_ecds(folder, config, templates).await
}

type Client = ExtensionConfigDiscoveryServiceClient<Channel>;

async fn client(pusher: &Pusher) -> Client {
    let addr = pusher.ecds.unwrap();
    let client = Client::connect(format!("http://{addr}")).await.unwrap();
    client.max_decoding_message_size(64 << 20)
}

/// An Envoy's end of a stream.
struct Envoy {
    outgoing: mpsc::UnboundedSender<DiscoveryRequest>,
    incoming: Streaming<DiscoveryResponse>,
}

impl Envoy {
    async fn open(pusher: &Pusher) -> Result<Envoy, Status> {
        let (outgoing, requests) = mpsc::unbounded_channel();
        let requests = UnboundedReceiverStream::new(requests);
        let mut client = client(pusher).await;
        let incoming = client
            .stream_extension_configs(requests)
            .await?
            .into_inner();
        Ok(Envoy { outgoing, incoming })
    }

    /// One that asks for the resource.
    async fn asking(pusher: &Pusher, node: &str) -> Envoy {
        let envoy = Envoy::open(pusher).await.unwrap();
        envoy.send(DiscoveryRequest {
            node: Some(Node {
                id: node.to_owned(),
                ..Node::default()
            }),
            ..request()
        });
        envoy
    }

    fn send(&self, request: DiscoveryRequest) {
        // The pusher may have closed the stream; what it said is for `refusal` to tell.
        drop(self.outgoing.send(request));
    }

    fn ack(&self, response: &DiscoveryResponse) {
        self.send(DiscoveryRequest {
            version_info: response.version_info.clone(),
            response_nonce: response.nonce.clone(),
            ..request()
        });
    }

    fn nack(&self, response: &DiscoveryResponse, message: &str) {
        self.send(DiscoveryRequest {
            response_nonce: response.nonce.clone(),
            error_detail: Some(rpc::Status {
                message: message.to_owned(),
                ..rpc::Status::default()
            }),
            ..request()
        });
    }

    async fn next(&mut self) -> DiscoveryResponse {
        let response = time::timeout(PATIENCE, self.incoming.message()).await;
        response.expect("no response came").unwrap().unwrap()
    }

    async fn refusal(mut self) -> (Code, String) {
        let status = time::timeout(PATIENCE, self.incoming.message()).await;
        let status = status.expect("the stream stays open").unwrap_err();
        (status.code(), status.message().to_owned())
    }
}

fn request() -> DiscoveryRequest {
    DiscoveryRequest {
        resource_names: vec!["riskgate".to_owned()],
        type_url: TypedExtensionConfig::type_url(),
        ..DiscoveryRequest::default()
    }
}

/// The deliveries, once there are so many of this answer and revision.
async fn deliveries(
    pusher: &mut Pusher,
    count: usize,
    revision: u64,
    answer: DeliveryAnswer,
) -> Vec<Delivery> {
    let is_so = |delivery: &Delivery| {
        delivery.answer == answer && delivery.sent.is_some_and(|sent| sent.revision == revision)
    };
    let status = pusher
        .status_when(|status| status.deliveries.iter().filter(|one| is_so(one)).count() == count)
        .await;
    status.deliveries
}

#[tokio::test]
async fn publications_reach_every_envoy_and_their_answers_show() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = start(folder.path(), Config::default()).await;
    // Fewer than may be served at once: each is asked in turn.
    let mut envoys = Vec::new();
    for number in 1..=12 {
        envoys.push(Envoy::asking(&pusher, &format!("edge-{number:02}")).await);
    }
    for revision in 1..=3 {
        pusher.publish(&good(revision).build()).await;
        for envoy in &mut envoys {
            let response = envoy.next().await;
            let prefix = format!("{revision}-");
            assert!(
                response.version_info.starts_with(&prefix),
                "{}",
                response.version_info
            );
            envoy.ack(&response);
        }
        let all = deliveries(&mut pusher, 12, revision, DeliveryAnswer::Delivered).await;
        assert_eq!(all[0].node, "edge-01");
        assert_eq!(all[0].ruleset, "storefront");
    }
    let rejected = |detail: &str| DeliveryAnswer::Rejected {
        detail: detail.to_owned(),
    };
    pusher.publish(&good(4).build()).await;
    let response = envoys[0].next().await;
    envoys[0].nack(&response, "no such module");
    deliveries(&mut pusher, 1, 4, rejected("no such module")).await;
    drop(envoys);
    let status = pusher
        .status_when(|status| status.deliveries.is_empty())
        .await;
    assert_eq!(status.vms, []);
    pusher.stop().await;
}

/// A response is on its way until it is answered.
#[tokio::test]
async fn more_envoys_than_may_be_served_at_once_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        ecds_transfers_max: 1,
        ..Config::default()
    };
    let mut pusher = start(folder.path(), config).await;
    pusher.publish(&good(1).build()).await;
    let mut first = Envoy::asking(&pusher, "first").await;
    let response = first.next().await;
    let mut second = Envoy::asking(&pusher, "second").await;
    let early = time::timeout(Duration::from_millis(200), second.next()).await;
    assert!(early.is_err(), "{early:?}");
    first.ack(&response);
    let response = second.next().await;
    second.ack(&response);
    deliveries(&mut pusher, 2, 1, DeliveryAnswer::Delivered).await;
    pusher.stop().await;
}

/// One that never answers does not keep the others waiting for good.
#[tokio::test]
async fn a_silent_envoy_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        ecds_transfers_max: 1,
        answer_timeout: Duration::from_millis(300),
        ..Config::default()
    };
    let mut pusher = start(folder.path(), config).await;
    let long = TestBundle {
        filler_len: 3 << 20,
        ..good(1)
    };
    pusher.publish(&long.build()).await;
    let mut silent = Envoy::asking(&pusher, "silent").await;
    let response = silent.next().await;
    assert!(response.resources[0].value.len() > 4 << 20);
    // It says nothing, and yet the next one is served.
    for node in ["second", "third"] {
        let mut envoy = Envoy::asking(&pusher, node).await;
        let response = envoy.next().await;
        envoy.ack(&response);
    }
    silent.ack(&response);
    deliveries(&mut pusher, 1, 1, DeliveryAnswer::Delivered).await;
    pusher.stop().await;
}

#[tokio::test]
async fn what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        subscribers_max: 1,
        hello_timeout: Duration::from_millis(200),
        ..Config::default()
    };
    let pusher = start(folder.path(), config).await;
    let mute = Envoy::open(&pusher).await.unwrap();
    let turned_away = Envoy::open(&pusher).await.err().unwrap();
    assert_eq!(turned_away.code(), Code::ResourceExhausted);
    assert_eq!(mute.refusal().await.0, Code::DeadlineExceeded);

    let other = Envoy::open(&pusher).await.unwrap();
    other.send(DiscoveryRequest {
        type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
        ..request()
    });
    assert_eq!(other.refusal().await.0, Code::InvalidArgument);

    let mut client = client(&pusher).await;
    let fetched = client.fetch_extension_configs(request()).await.unwrap_err();
    assert_eq!(fetched.code(), Code::Unimplemented);
    let delta = tokio_stream::iter([DeltaDiscoveryRequest::default()]);
    let delta = client.delta_extension_configs(delta).await.unwrap_err();
    assert!(delta.message().contains("`api_type: GRPC`"), "{delta}");
}

#[tokio::test]
async fn envoys_are_told_that_the_pusher_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut pusher = start(folder.path(), Config::default()).await;
    let envoy = Envoy::asking(&pusher, "edge").await;
    pusher
        .status_when(|status| status.deliveries.len() == 1)
        .await;
    let stopped = tokio::spawn(pusher.stop());
    assert_eq!(envoy.refusal().await.0, Code::Unavailable);
    stopped.await.unwrap();
}
