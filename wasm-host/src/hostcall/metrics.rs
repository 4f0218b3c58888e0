//! Metrics.

use crate::Status;
use crate::guest::{Answer, Guest};
use crate::metric::{Metric, MetricKind};

pub(super) fn run(guest: &mut Guest<'_, '_>, name: &str, args: &[u64]) -> Answer {
    match (name, args) {
        ("proxy_define_metric", &[kind, data, len, at]) => {
            let name = guest.read_text(data, len)?;
            let kind = MetricKind::from_number(kind).ok_or(Status::BAD_ARGUMENT)?;
            let id = define(&mut guest.proxy().metrics, kind, name);
            guest.write_u32(at, id)
        }
        ("proxy_increment_metric", &[id, by]) => {
            by_id(&mut guest.proxy().metrics, id)?.increment(by.cast_signed())
        }
        ("proxy_record_metric", &[id, value]) => {
            by_id(&mut guest.proxy().metrics, id)?.record(value);
            Ok(())
        }
        ("proxy_get_metric", &[id, at]) => {
            let metric = by_id(&mut guest.proxy().metrics, id)?;
            if metric.kind == MetricKind::Histogram {
                return Err(Status::BAD_ARGUMENT);
            }
            let value = metric.value;
            guest.write(at, &value.to_le_bytes())
        }
        _ => Err(Status::UNIMPLEMENTED),
    }
}

/// The number of a metric: its place, from 1. Who defines one again gets the same.
fn define(metrics: &mut Vec<Metric>, kind: MetricKind, name: String) -> u32 {
    let held = metrics
        .iter()
        .position(|metric| metric.kind == kind && metric.name == name);
    let place = held.unwrap_or_else(|| {
        metrics.push(Metric::new(kind, name));
        metrics.len() - 1
    });
    super::len_u32(place + 1)
}

fn by_id(metrics: &mut [Metric], id: u64) -> Answer<&mut Metric> {
    let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
    let metric = place.and_then(|place| metrics.get_mut(place));
    metric.ok_or(Status::NOT_FOUND)
}
