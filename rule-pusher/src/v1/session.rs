//! One stream, without its network and its clocks: what a VM holds, what is on its way to it, what it answered.

use std::sync::Arc;

use riskgate_push_protocol::{
    BundleId, Digest, LastAnswer, Nack, VmStatus,
    limits::{CHUNK_LEN_MAX, CHUNKS_IN_FLIGHT_MAX},
    v1::{BundleChunk, BundleStart, ChunkTaken, Hello, PusherMessage, SubscriberMessage},
};
use tokio::time::Instant;

use crate::{
    catalogue::Publication,
    session::{Now, Retries},
};

/// What happens on one stream.
#[derive(Debug)]
pub(crate) struct Session {
    retries: Retries,
    status: VmStatus,
    status_changed: bool,
    /// What the last answer was to.
    answered: Option<Digest>,
    newest: Option<Arc<Publication>>,
    transfer: Option<Transfer>,
    /// While a bundle is on its way: since when the VM said nothing that moves it on. Only credit for that very bundle
    /// does; neither does what the VM says of others, nor a newer bundle in its place.
    silent_since: Option<Instant>,
    /// The publication that this VM will not take on this stream.
    refused: Option<Arc<Publication>>,
}

/// A message that the protocol does not allow here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a second hello; a stream takes one")]
    SecondHello,
    #[error("credit for {received} bytes, but no chunk that was sent and not yet taken ends there")]
    NoSuchChunk { received: u32 },
}

/// A bundle on its way. It stays until it is answered, so that late credit finds it.
#[derive(Debug)]
struct Transfer {
    publication: Arc<Publication>,
    started: bool,
    sent: usize,
    taken: usize,
}

impl Session {
    pub(crate) fn new(hello: Hello, retries: Retries, now: Now) -> Self {
        let Hello {
            node,
            instance,
            vm,
            serves_requests,
            ruleset,
            audience,
            held,
        } = hello;
        let answer = held.map_or(LastAnswer::Pending, |held| LastAnswer::Ack {
            revision: held.revision,
        });
        let (since_ms, connected_at_ms) = (now.wall_ms, now.wall_ms);
        let status = VmStatus {
            node,
            instance,
            vm,
            serves_requests,
            ruleset,
            audience,
            held,
            answer,
            since_ms,
            connected_at_ms,
            holds_stream: true,
        };
        let answered = held.map(|held| held.digest);
        Self {
            retries,
            status,
            status_changed: false,
            answered,
            newest: None,
            transfer: None,
            silent_since: None,
            refused: None,
        }
    }

    pub(crate) fn status(&self) -> &VmStatus {
        &self.status
    }

    /// The status, if it changed since the last call.
    pub(crate) fn changed_status(&mut self) -> Option<&VmStatus> {
        std::mem::take(&mut self.status_changed).then_some(&self.status)
    }

    /// Something was published, for this topic or for another.
    pub(crate) fn on_newest(&mut self, newest: Option<&Arc<Publication>>, now: Now) {
        let known = match (&self.newest, newest) {
            (Some(known), Some(newest)) => Arc::ptr_eq(known, newest),
            (None, None) => true,
            _ => false,
        };
        if !known {
            self.newest = newest.cloned();
            self.forget_replaced();
            self.retries.forget();
            self.offer(now);
        }
    }

    /// Whether a message tells what the VM has not said before.
    pub(crate) fn is_news(&self, message: &SubscriberMessage) -> bool {
        match message {
            SubscriberMessage::Hello(_) | SubscriberMessage::ChunkTaken(_) => true,
            SubscriberMessage::Ack(bundle) => {
                self.status.held != Some(*bundle) || self.is_offered(bundle.digest)
            }
            SubscriberMessage::Nack(nack) => {
                self.is_answer(nack.bundle.digest) && !self.was_said(nack)
            }
            SubscriberMessage::ServesRequests => !self.status.serves_requests,
        }
    }

    /// `random` spreads the retries of many VMs.
    pub(crate) fn on_message(
        &mut self,
        message: SubscriberMessage,
        random: u32,
        now: Now,
    ) -> Result<(), Violation> {
        if !self.is_news(&message) && !self.answers_again(&message) {
            return Ok(());
        }
        match message {
            SubscriberMessage::Hello(_) => return Err(Violation::SecondHello),
            SubscriberMessage::Ack(bundle) => self.on_ack(bundle, now),
            SubscriberMessage::Nack(nack) => self.on_nack(nack, random, now),
            SubscriberMessage::ServesRequests => {
                self.status.serves_requests = true;
                self.status_changed = true;
            }
            SubscriberMessage::ChunkTaken(taken) => self.on_chunk_taken(taken, now)?,
        }
        Ok(())
    }

    /// Whether the newest bundle is one that was refused here for ever, in another file: with other signatures, which the
    /// VM may well trust. A digest that was refused is not sent again on its stream, so that takes a new one.
    pub(crate) fn is_signed_anew(&self) -> bool {
        match (&self.refused, &self.newest) {
            (Some(refused), Some(newest)) => {
                refused.bundle.digest == newest.bundle.digest && !Arc::ptr_eq(refused, newest)
            }
            _ => false,
        }
    }

    /// Since when the VM neither took a chunk nor answered, if a bundle is on its way to it.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    /// When [`Session::on_retry`] is due.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retries.at()
    }

    pub(crate) fn on_retry(&mut self, now: Now) {
        self.retries.end_pause();
        self.offer(now);
    }

    /// Whether [`Session::next_message`] would give one.
    pub(crate) fn has_message(&self) -> bool {
        self.transfer.as_ref().is_some_and(Transfer::has_message)
    }

    /// The next message for the VM, if its credit allows one.
    pub(crate) fn next_message(&mut self) -> Option<PusherMessage> {
        self.transfer.as_mut().and_then(Transfer::next_message)
    }

    /// A bundle that was replaced is never offered again, and its bytes are long.
    fn forget_replaced(&mut self) {
        let newest = self.newest.as_ref().map(|newest| newest.bundle.digest);
        let is_newest = |refused: &Arc<Publication>| Some(refused.bundle.digest) == newest;
        self.refused = self.refused.take().filter(is_newest);
    }

    fn on_ack(&mut self, bundle: BundleId, now: Now) {
        self.status.held = Some(bundle);
        self.status_changed = true;
        if self.is_answer(bundle.digest) {
            self.retries.forget();
            self.answer(
                bundle.digest,
                LastAnswer::Ack {
                    revision: bundle.revision,
                },
                now,
            );
        }
        self.offer(now);
    }

    fn on_nack(&mut self, nack: Nack, random: u32, now: Now) {
        let Nack {
            bundle: BundleId { revision, digest },
            reason,
            detail,
            permanent,
        } = nack;
        if !self.is_answer(digest) {
            return;
        }
        match self.transfer.take() {
            Some(transfer) if permanent => self.refused = Some(transfer.publication),
            Some(_) => self.retries.schedule(random, now.monotonic),
            None => {}
        }
        self.answer(
            digest,
            LastAnswer::Nack {
                revision,
                reason,
                detail,
            },
            now,
        );
        self.offer(now);
    }

    fn is_offered(&self, digest: Digest) -> bool {
        self.transfer
            .as_ref()
            .is_some_and(|transfer| transfer.digest() == digest)
    }

    /// An answer to what was sent once more moves the stream on, even if it is the one that was given before.
    fn answers_again(&self, message: &SubscriberMessage) -> bool {
        match message {
            SubscriberMessage::Nack(nack) => self.is_offered(nack.bundle.digest),
            _ => false,
        }
    }

    fn was_said(&self, nack: &Nack) -> bool {
        let same = match &self.status.answer {
            LastAnswer::Nack {
                revision,
                reason,
                detail,
            } => (*revision, reason, detail) == (nack.bundle.revision, &nack.reason, &nack.detail),
            LastAnswer::Pending | LastAnswer::Ack { .. } => false,
        };
        same && self.answered == Some(nack.bundle.digest)
    }

    /// While a bundle is on its way, an answer to another one is a late one.
    fn is_answer(&self, digest: Digest) -> bool {
        self.transfer
            .as_ref()
            .is_none_or(|transfer| transfer.digest() == digest)
    }

    fn answer(&mut self, digest: Digest, answer: LastAnswer, now: Now) {
        (self.transfer, self.silent_since) = (None, None);
        if self.answered == Some(digest) && self.status.answer == answer {
            return;
        }
        self.answered = Some(digest);
        self.status.answer = answer;
        self.status.since_ms = now.wall_ms;
        self.status_changed = true;
    }

    /// Credit for a bundle that was abandoned says nothing.
    fn on_chunk_taken(&mut self, taken: ChunkTaken, now: Now) -> Result<(), Violation> {
        match &mut self.transfer {
            Some(transfer) if transfer.digest() == taken.digest => {
                transfer.on_taken(taken.received)?;
                self.silent_since = Some(now.monotonic);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Starts sending the newest bundle, if the VM lacks it and has not refused it.
    fn offer(&mut self, now: Now) {
        let Some(newest) = &self.newest else { return };
        if self.is_offered(newest.bundle.digest) {
            return;
        }
        self.transfer = None;
        let silent_since = self.silent_since.take();
        let digest = newest.bundle.digest;
        let refused = self
            .refused
            .as_ref()
            .is_some_and(|refused| refused.bundle.digest == digest);
        if refused || self.retries.at().is_some() || !self.lacks(newest.bundle) {
            return;
        }
        self.transfer = Some(Transfer::new(Arc::clone(newest)));
        self.silent_since = silent_since.or(Some(now.monotonic));
        // A bundle that is sent once more keeps the answer that tells why.
        if self.answered != Some(digest) {
            self.status.answer = LastAnswer::Pending;
            self.status.since_ms = now.wall_ms;
            self.status_changed = true;
        }
    }

    /// One of the same revision with other contents is offered as well: the VM then says that the two conflict.
    fn lacks(&self, bundle: BundleId) -> bool {
        self.status.held.is_none_or(|held| {
            bundle.revision > held.revision
                || (bundle.revision == held.revision && bundle.digest != held.digest)
        })
    }
}

impl Transfer {
    fn new(publication: Arc<Publication>) -> Self {
        Self {
            publication,
            started: false,
            sent: 0,
            taken: 0,
        }
    }

    fn digest(&self) -> Digest {
        self.publication.bundle.digest
    }

    fn has_message(&self) -> bool {
        let in_flight = (self.sent - self.taken).div_ceil(CHUNK_LEN_MAX);
        !self.started
            || (self.sent < self.publication.payload.len() && in_flight < CHUNKS_IN_FLIGHT_MAX)
    }

    fn next_message(&mut self) -> Option<PusherMessage> {
        if !self.has_message() {
            return None;
        }
        Some(if self.started {
            PusherMessage::Chunk(self.next_chunk())
        } else {
            PusherMessage::Start(self.start())
        })
    }

    fn start(&mut self) -> BundleStart {
        self.started = true;
        BundleStart {
            bundle: self.publication.bundle,
            total_len: offset(self.publication.payload.len()),
        }
    }

    fn next_chunk(&mut self) -> BundleChunk {
        let begin = self.sent;
        self.sent = self.end_after(begin);
        let data = self.publication.payload.slice(begin..self.sent);
        BundleChunk {
            digest: self.digest(),
            offset: offset(begin),
            data,
        }
    }

    /// Where the chunk ends that begins there.
    fn end_after(&self, begin: usize) -> usize {
        self.publication.payload.len().min(begin + CHUNK_LEN_MAX)
    }

    /// Chunks are taken one by one, in order.
    fn on_taken(&mut self, received: u32) -> Result<(), Violation> {
        let end = self.end_after(self.taken);
        if self.taken == self.sent || offset(end) != received {
            return Err(Violation::NoSuchChunk { received });
        }
        self.taken = end;
        Ok(())
    }
}

/// A verified bundle is at most 32 MiB long.
fn offset(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
