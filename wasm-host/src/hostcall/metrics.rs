//! Metrics.

use crate::Status;
use crate::guest::{Answer, Guest};
use crate::proxy::Metric;

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_define_metric", &[_, data, len, at]) => {
            let name = guest.read_text(data, len)?;
            let metrics = &mut guest.proxy().metrics;
            let place = metrics
                .iter()
                .position(|metric| metric.name == name)
                .unwrap_or_else(|| {
                    metrics.push(Metric { name, value: 0 });
                    metrics.len() - 1
                });
            guest.write_u32(at, super::len_u32(place + 1))
        }
        ("proxy_increment_metric", &[id, by]) => {
            let metric = by_id(&mut guest.proxy().metrics, id)?;
            metric.value = metric.value.saturating_add(by.cast_signed());
            Ok(())
        }
        ("proxy_record_metric", &[id, value]) => {
            by_id(&mut guest.proxy().metrics, id)?.value = value.cast_signed();
            Ok(())
        }
        ("proxy_get_metric", &[id, at]) => {
            let value = by_id(&mut guest.proxy().metrics, id)?.value;
            guest.write(at, &value.to_le_bytes())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

fn by_id(metrics: &mut [Metric], id: u64) -> Answer<&mut Metric> {
    let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
    let metric = place.and_then(|place| metrics.get_mut(place));
    metric.ok_or(Status::NOT_FOUND)
}
