//! The service for operators and CI.

use std::sync::Arc;

use riskgate_engine::admission::Refusal;
use riskgate_push_protocol::{
    Published, PublishedRuleset, Status as PusherStatus,
    limits::{BUNDLE_LEN_MAX, PIECE_LEN_MAX},
    proto::{self, admin_service_server::AdminService},
};
use tokio::{sync::Semaphore, time};
use tonic::{Code, Request, Response, Status, Streaming};
use tracing::{error, warn};

use crate::{
    catalogue::Publication,
    clock::Clock,
    config::Config,
    ecds::Deliveries,
    publisher::{Accepted, PublishError, Publisher, Unverified},
    registry::Registry,
};

/// Serves operators and CI.
pub(crate) struct Admin {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Arc<Config>,
    /// Publications that may be received now; each may hold a whole bundle in memory.
    pub(crate) desks: Semaphore,
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn publish(
        &self,
        request: Request<Streaming<proto::PublishRequest>>,
    ) -> Result<Response<proto::PublishResponse>, Status> {
        let _desk = self.desks.try_acquire().map_err(|_| {
            Status::resource_exhausted("too many publications arrive at once; publish again later")
        })?;
        let limit = self.config.publish_timeout;
        let file = time::timeout(limit, receive_file(request.into_inner()))
            .await
            .map_err(|_| {
                Status::deadline_exceeded(format!("the bundle did not arrive within {limit:?}"))
            })??;
        let accepted = self
            .publisher
            .publish(file)
            .await
            .map_err(|error| refused(&error))?;
        Ok(Response::new(self.published(accepted).into()))
    }

    async fn status(
        &self,
        request: Request<proto::StatusRequest>,
    ) -> Result<Response<proto::StatusResponse>, Status> {
        let proto::StatusRequest { ruleset } = request.into_inner();
        let ruleset = Some(ruleset.as_str()).filter(|ruleset| !ruleset.is_empty());
        Ok(Response::new(self.status_of(ruleset).into()))
    }
}

impl Admin {
    fn published(&self, accepted: Accepted) -> Published {
        let Accepted {
            publication,
            unchanged,
            signatures: Unverified { left_out, kept },
        } = accepted;
        let subscribers =
            u32::try_from(self.registry.count(&publication.topic)).unwrap_or(u32::MAX);
        let topic = publication.topic.clone();
        let (ruleset, audience, bundle) = (topic.ruleset, topic.audience, publication.bundle);
        Published {
            ruleset,
            audience,
            bundle,
            subscribers,
            unchanged,
            signatures_left_out: left_out,
            signatures_unchecked: kept,
        }
    }

    fn status_of(&self, ruleset: Option<&str>) -> PusherStatus {
        let snapshot = self.publisher.catalogue().snapshot();
        let wanted = |publication: &&Arc<Publication>| {
            ruleset.is_none_or(|ruleset| publication.topic.ruleset == ruleset)
        };
        let (vms, deliveries) = (self.registry.vms(ruleset), self.deliveries.all(ruleset));
        let left_out = vms.left_out.saturating_add(deliveries.left_out);
        PusherStatus {
            rulesets: snapshot
                .values()
                .filter(wanted)
                .map(|publication| described(publication))
                .collect(),
            vms: vms.entries,
            now_ms: self.clock.now_ms(),
            deliveries: deliveries.entries,
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        }
    }
}

fn described(publication: &Publication) -> PublishedRuleset {
    let Publication {
        topic,
        bundle,
        payload: _,
        head: _,
        sections: _,
        hashes: _,
        published_at_ms,
        issued_at_s: _,
        not_before_s: _,
        expires_at_s,
        restores,
    } = publication;
    PublishedRuleset {
        ruleset: topic.ruleset.clone(),
        audience: topic.audience.clone(),
        bundle: *bundle,
        published_at_ms: *published_at_ms,
        expires_at_s: *expires_at_s,
        restores: *restores,
    }
}

async fn receive_file(mut pieces: Streaming<proto::PublishRequest>) -> Result<Vec<u8>, Status> {
    let mut file = Vec::new();
    while let Some(proto::PublishRequest { data }) = pieces.message().await.map_err(unreadable)? {
        if file.len() + data.len() > BUNDLE_LEN_MAX {
            let message = format!(
                "too-large: the bundle is longer than {BUNDLE_LEN_MAX} bytes; split the ruleset"
            );
            return Err(Status::invalid_argument(message));
        }
        file.extend_from_slice(&data);
    }
    Ok(file)
}

/// A message that is too long was not even read; there is no other way to be out of range.
fn unreadable(error: Status) -> Status {
    match error.code() {
        Code::OutOfRange => Status::invalid_argument(format!(
            "too-large: a piece of the bundle is longer than {PIECE_LEN_MAX} bytes; send it in shorter pieces"
        )),
        _ => error,
    }
}

/// Bytes that can never be a good bundle are an invalid argument; one that does not fit here, or not now, is not.
fn refused(refusal: &PublishError) -> Status {
    let message = refusal.to_string();
    match refusal {
        PublishError::Refused(refusal) => {
            warn!(
                code = refusal.code(),
                "a publication was refused: {refusal}"
            );
            match refusal {
                Refusal::Malformed(_)
                | Refusal::BadSignature
                | Refusal::BadHash(_)
                | Refusal::BadSection(_) => Status::invalid_argument(message),
                _ => Status::failed_precondition(message),
            }
        }
        PublishError::Store(_) | PublishError::Died => {
            error!("a publication failed: {message}");
            Status::internal(message)
        }
    }
}
