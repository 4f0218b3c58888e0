//! Shared data and shared queues.

use super::low_half;
use crate::Status;
use crate::guest::{Answer, Guest};

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_get_shared_data", &[key, key_len, data, len, cas_at]) => {
            let key = guest.read(key, key_len)?;
            let held = guest.proxy().shared_data.get(&key);
            let (value, cas) = held.ok_or(Status::NOT_FOUND)?;
            guest.give(&value, data, len)?;
            guest.write_u32(cas_at, cas)
        }
        ("proxy_set_shared_data", &[key, key_len, value, value_len, cas]) => {
            let (key, value) = (guest.read(key, key_len)?, guest.read(value, value_len)?);
            let shared_data = &guest.proxy().shared_data;
            shared_data.compare_and_set(&key, &value, low_half(cas))
        }
        ("proxy_register_shared_queue", &[queue, queue_len, token_at]) => {
            let queue = guest.read(queue, queue_len)?;
            let proxy = guest.proxy();
            let root = proxy.contexts.acting_root();
            let token = (proxy.shared_queues).register(&proxy.vm_id, &queue, proxy.number, root);
            guest.write_u32(token_at, token)
        }
        ("proxy_resolve_shared_queue", &[vm_id, vm_id_len, queue, queue_len, token_at]) => {
            let vm_id = guest.read_text(vm_id, vm_id_len)?;
            let queue = guest.read(queue, queue_len)?;
            let proxy = guest.proxy();
            let vm_id = if vm_id.is_empty() {
                &proxy.vm_id
            } else {
                &vm_id
            };
            let token = proxy.shared_queues.resolve(vm_id, &queue);
            guest.write_u32(token_at, token.ok_or(Status::NOT_FOUND)?)
        }
        ("proxy_enqueue_shared_queue", &[token, data, len]) => {
            let message = guest.read(data, len)?;
            let queues = &guest.proxy().shared_queues;
            queues.enqueue(low_half(token), &message)
        }
        ("proxy_dequeue_shared_queue", &[token, data, len]) => {
            let message = guest.proxy().shared_queues.dequeue(low_half(token))?;
            guest.give(&message, data, len)
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}
