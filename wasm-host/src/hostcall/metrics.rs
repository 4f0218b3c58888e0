//! Metrics.

use crate::Status;
use crate::guest::{Answer, Guest};
use crate::metric::{Metric, MetricKind};
use crate::proxy::Proxy;

const ID_STEP: u32 = 4;

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_define_metric", &[kind, data, len, at]) => {
            let name = guest.read_text(data, len)?;
            let kind = MetricKind::from_number(kind).ok_or(Status::BAD_ARGUMENT)?;
            let id = define(guest.proxy(), kind, name);
            guest.write_u32(at, id)
        }
        ("proxy_increment_metric", &[id, by]) => {
            check_has_value(id)?;
            by_id(guest.proxy(), id)?.increment(by.cast_signed())
        }
        ("proxy_record_metric", &[id, value]) => {
            by_id(guest.proxy(), id)?.record(value);
            Ok(())
        }
        ("proxy_get_metric", &[id, at]) => {
            check_has_value(id)?;
            let value = by_id(guest.proxy(), id)?.value;
            guest.write(at, &value.to_le_bytes())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

/// What is neither a counter nor a gauge by its number has no value.
fn check_has_value(id: u64) -> Answer {
    match id % u64::from(ID_STEP) {
        0 | 1 => Ok(()),
        _ => Err(Status::BAD_ARGUMENT),
    }
}

fn by_id(proxy: &mut Proxy, id: u64) -> Answer<&mut Metric> {
    let (_, place) = proxy
        .metric_ids
        .iter()
        .find(|(held, _)| u64::from(*held) == id)
        .ok_or(Status::NOT_FOUND)?;
    proxy.metrics.get_mut(*place).ok_or(Status::NOT_FOUND)
}

/// The number of a metric: its kind in the two lowest bits, and each kind counts for itself. Who defines one again gets
/// another number for it.
fn define(proxy: &mut Proxy, kind: MetricKind, name: String) -> u32 {
    let metrics = &mut proxy.metrics;
    let held = metrics
        .iter()
        .position(|metric| metric.kind == kind && metric.name == name);
    let place = held.unwrap_or_else(|| {
        metrics.push(Metric::new(kind, name));
        metrics.len() - 1
    });
    let of_kind = |(id, _): &&(u32, usize)| id % ID_STEP == kind.number();
    let before = super::len_u32(proxy.metric_ids.iter().filter(of_kind).count());
    let id = (before + 1) * ID_STEP + kind.number();
    proxy.metric_ids.push((id, place));
    id
}
