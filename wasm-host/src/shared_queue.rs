//! The queues that all VMs of a process share.

use crate::Status;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Queues by token. A clone is the same queues.
///
/// As in Envoy, a name belongs to a `vm_id`, but whoever knows a token may add to and take from that queue; who registered
/// a name last is told of messages; and no queue goes before its `vm_id` goes.
#[derive(Debug, Clone, Default)]
pub struct SharedQueues(Arc<Mutex<Queues>>);

/// A message came into a queue, and this VM has not been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueEvent {
    /// The number of the VM in its process.
    pub vm: usize,
    /// The root context that registered the queue.
    pub context_id: u32,
    /// The queue.
    pub token: u32,
}

#[derive(Debug, Default)]
struct Queues {
    tokens: BTreeMap<(String, Vec<u8>), u32>,
    by_token: BTreeMap<u32, Queue>,
    /// In the order in which the messages came.
    events: VecDeque<QueueEvent>,
}

#[derive(Debug)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    vm: usize,
    context_id: u32,
}

impl SharedQueues {
    /// The token of a queue; `None` if nobody registered that name.
    pub fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        let name = (vm_id.to_owned(), name.to_vec());
        self.queues().tokens.get(&name).copied()
    }

    /// Adds a message, as any neighbour may.
    ///
    /// # Errors
    ///
    /// [`Status::NOT_FOUND`] if there is no such queue.
    pub fn enqueue(&self, token: u32, message: &[u8]) -> Result<(), u32> {
        let mut queues = self.queues();
        let queue = queues.by_token.get_mut(&token).ok_or(Status::NOT_FOUND)?;
        queue.messages.push_back(message.to_vec());
        let event = QueueEvent {
            vm: queue.vm,
            context_id: queue.context_id,
            token,
        };
        queues.events.push_back(event);
        Ok(())
    }

    /// Takes the oldest message, as any neighbour may.
    ///
    /// # Errors
    ///
    /// [`Status::NOT_FOUND`] if there is no such queue, [`Status::EMPTY`] if it has no message.
    pub fn dequeue(&self, token: u32) -> Result<Vec<u8>, u32> {
        let mut queues = self.queues();
        let queue = queues.by_token.get_mut(&token).ok_or(Status::NOT_FOUND)?;
        queue.messages.pop_front().ok_or(Status::EMPTY)
    }

    /// How many messages wait in a queue.
    pub fn len(&self, token: u32) -> usize {
        let queues = self.queues();
        queues
            .by_token
            .get(&token)
            .map_or(0, |queue| queue.messages.len())
    }

    /// All tokens, ascending.
    pub fn tokens(&self) -> Vec<u32> {
        self.queues().by_token.keys().copied().collect()
    }

    /// The events that no VM has been told of yet, oldest first, to be looked at, lost, doubled or put into another order.
    pub fn edit_events(&self, edit: impl FnOnce(&mut VecDeque<QueueEvent>)) {
        edit(&mut self.queues().events);
    }

    /// The place of the oldest event of a VM.
    pub(crate) fn next_of(&self, vm: usize) -> Option<usize> {
        self.queues().events.iter().position(|event| event.vm == vm)
    }

    /// Takes an event.
    pub(crate) fn take_event(&self, place: usize) -> Option<QueueEvent> {
        self.queues().events.remove(place)
    }

    pub(crate) fn register(&self, vm_id: &str, name: &[u8], vm: usize, context_id: u32) -> u32 {
        let mut queues = self.queues();
        let next = u32::try_from(queues.tokens.len()).unwrap_or(u32::MAX - 1) + 1;
        let name = (vm_id.to_owned(), name.to_vec());
        let token = *queues.tokens.entry(name).or_insert(next);
        let queue = queues.by_token.entry(token).or_insert(Queue {
            messages: VecDeque::new(),
            vm,
            context_id,
        });
        (queue.vm, queue.context_id) = (vm, context_id);
        token
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        // A test that failed elsewhere left whole queues.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_registrant_of_a_name_is_told() {
        let queues = SharedQueues::default();
        let token = queues.register("a", b"q", 0, 1);
        queues.enqueue(token, b"first").unwrap();
        assert_eq!(queues.register("a", b"q", 1, 7), token, "the same queue");
        queues.enqueue(token, b"second").unwrap();
        let event = |vm, context_id| QueueEvent {
            vm,
            context_id,
            token,
        };
        assert_eq!(queues.take_event(0), Some(event(0, 1)));
        assert_eq!(queues.take_event(0), Some(event(1, 7)));
        assert_eq!(queues.take_event(0), None);
        assert_eq!(queues.dequeue(token), Ok(b"first".to_vec()));
        assert_eq!(queues.dequeue(token), Ok(b"second".to_vec()));
        assert_eq!(queues.dequeue(token), Err(Status::EMPTY));
    }

    #[test]
    fn names_are_of_a_vm_id_and_tokens_are_of_all() {
        let queues = SharedQueues::default();
        let token = queues.register("a", b"q", 0, 1);
        assert_ne!(queues.register("b", b"q", 1, 1), token);
        assert_eq!(queues.resolve("a", b"q"), Some(token));
        assert_eq!(queues.resolve("c", b"q"), None);
        assert_eq!(queues.enqueue(77, b""), Err(Status::NOT_FOUND));
        assert_eq!(queues.dequeue(77), Err(Status::NOT_FOUND));
        assert_eq!(queues.tokens().len(), 2);
    }
}
