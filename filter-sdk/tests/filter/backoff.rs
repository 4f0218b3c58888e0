//! The waits between two streams.

use crate::bundles::PLAIN;
use crate::driver::Driver;
use crate::proxy::Proxy;
use riskgate_filter_sdk::backoff::Backoff;

const SPANS_MS: [u32; 9] = [
    500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
];

fn proxy(random: Option<u8>) -> Proxy {
    let mut proxy = Proxy::default();
    match random {
        Some(byte) => proxy.constant_random.set(Some(byte)),
        None => drop(proxy.broken.get_mut().insert("random")),
    }
    proxy
}

#[test]
fn waits_reach_from_nothing_to_their_span() {
    for (random, shortest) in [(Some(0), true), (Some(0xff), false), (None, false)] {
        let proxy = proxy(random);
        let mut backoff = Backoff::default();
        for span_ms in SPANS_MS {
            let expected_ms = if shortest { 0 } else { span_ms };
            assert_eq!(backoff.next_ms(&proxy), expected_ms, "{random:?}");
        }
        backoff.reset();
        let first_ms = if shortest { 0 } else { 500 };
        assert_eq!(backoff.next_ms(&proxy), first_ms, "{random:?}");
    }
}

#[test]
fn waits_differ() {
    let proxy = Proxy::default();
    let mut waits_ms: Vec<u32> = (0..20)
        .map(|_| Backoff::default().next_ms(&proxy))
        .collect();
    waits_ms.sort_unstable();
    waits_ms.dedup();
    assert!(waits_ms.len() > 10, "{waits_ms:?}");
}

/// Ticks from a close to the next stream when randomness gives the longest wait.
fn longest_ticks(driver: &mut Driver) -> u32 {
    driver.proxy.constant_random.set(Some(0xff));
    let token = driver.token();
    driver.filter.on_stream_close(&driver.proxy, token, 14);
    driver.connect() as u32
}

#[test]
fn waits_grow_until_a_stream_lived_five_seconds() {
    let mut driver = Driver::subscribed("");
    for span_ms in SPANS_MS {
        assert_eq!(longest_ticks(&mut driver), span_ms / 100 + 1);
        // One tick short of 5 s.
        for _ in 0..49 {
            driver.tick();
        }
    }
    assert_eq!(
        driver.log().matches("closed the stream").count(),
        1,
        "the same failure is logged once: {}",
        driver.log()
    );
    driver.tick();
    assert_eq!(longest_ticks(&mut driver), 6);
}

#[test]
fn the_first_stream_waits_only_if_a_bundle_serves() {
    let push = r#","push":{"cluster":"pusher"}"#;
    let with_bundle = format!(r#"{push},"bundle":"{}""#, PLAIN.base64());
    let cases = [
        (push, 0xff, 1),
        (&with_bundle, 0, 2),
        (&with_bundle, 0xff, 7),
    ];
    for (more, random, ticks) in cases {
        let mut driver = Driver::new(more);
        driver.proxy.constant_random.set(Some(random));
        assert_eq!(driver.connect(), ticks, "{random}");
        assert_eq!(longest_ticks(&mut driver), 6, "the next wait is the first");
    }
}
