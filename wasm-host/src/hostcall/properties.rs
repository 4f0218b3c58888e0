//! Properties.

use crate::Status;
use crate::guest::{Answer, Guest};

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_get_property", &[path, path_len, data, len]) => {
            let path = guest.read(path, path_len)?;
            if path.is_empty() {
                return Err(Status::SERIALIZATION_FAILURE);
            }
            let proxy = guest.proxy();
            let id = proxy.contexts.acting();
            let stream = proxy.http_streams.get(&id);
            let own = stream.and_then(|stream| stream.properties.get(&path));
            // As in Envoy, what the VM set under a name of one part comes back; of more, the first would have to be known.
            let set = stream.and_then(|stream| stream.set_properties.get(&path));
            let set = set.filter(|_| !path.contains(&0));
            let value = own.or_else(|| proxy.properties.get(&path)).or(set).cloned();
            guest.give(&value.ok_or(Status::NOT_FOUND)?, data, len)
        }
        ("proxy_set_property", &[path, path_len, value, value_len]) => {
            let (path, value) = (guest.read(path, path_len)?, guest.read(value, value_len)?);
            let stream = guest.proxy().acting_stream().ok_or(Status::NOT_FOUND)?;
            stream.set_properties.insert(path, value);
            Ok(())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}
