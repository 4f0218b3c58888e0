//! What waits for the connection of one stream. It can be emptied from this end, however long the other does not read.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
};

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

/// Messages that wait for the connection; the chunks in them share the publication's bytes.
const WAITING_MAX: usize = 1;

type Item<M> = Result<M, Status>;

/// A stream's two ends.
pub(crate) fn outbox<M>() -> (Outgoing<M>, Outbox<M>) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let waiting = Arc::new(Mutex::new(receiver));
    let outgoing = Outgoing {
        sender,
        waiting: Arc::downgrade(&waiting),
    };
    (outgoing, Outbox { waiting })
}

/// The end that writes.
pub(crate) struct Outgoing<M> {
    sender: mpsc::Sender<Item<M>>,
    waiting: Weak<Mutex<mpsc::Receiver<Item<M>>>>,
}

/// The end that the connection reads, when it has room.
pub(crate) struct Outbox<M> {
    waiting: Arc<Mutex<mpsc::Receiver<Item<M>>>>,
}

impl<M> Outgoing<M> {
    /// Room for a message; none if the connection is gone.
    pub(crate) async fn reserve(&self) -> Option<mpsc::Permit<'_, Item<M>>> {
        self.sender.reserve().await.ok()
    }

    /// Returns when the connection is gone.
    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Ends the stream without waiting for its reader: what it has not read yet, it need not.
    pub(crate) fn end(self, last_word: Result<(), Status>) {
        let Some(waiting) = self.waiting.upgrade() else {
            return;
        };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.try_recv().is_ok() {}
        if let Err(status) = last_word {
            // The queue is empty, so this fits.
            drop(self.sender.try_send(Err(status)));
        }
    }
}

impl<M> Stream for Outbox<M> {
    type Item = Item<M>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item<M>>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.poll_recv(context)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio_stream::StreamExt;

    use super::*;

    #[tokio::test]
    async fn the_end_does_not_wait_for_a_reader_and_frees_what_it_did_not_read() {
        let (outgoing, mut outbox) = outbox();
        let payload = Bytes::from(vec![7; 1000]);
        let slot = outgoing.reserve().await.unwrap();
        slot.send(Ok(payload.slice(..10)));
        assert!(!payload.is_unique());
        outgoing.end(Err(Status::deadline_exceeded("too slow")));
        assert!(payload.is_unique());
        let last = outbox.next().await.unwrap().unwrap_err();
        assert_eq!(last.message(), "too slow");
        assert!(outbox.next().await.is_none());
    }

    #[tokio::test]
    async fn a_connection_that_is_gone_shows() {
        let (outgoing, outbox) = outbox::<()>();
        drop(outbox);
        outgoing.closed().await;
        assert!(outgoing.reserve().await.is_none());
        outgoing.end(Ok(()));
    }
}
