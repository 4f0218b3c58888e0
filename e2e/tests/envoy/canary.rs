//! Rules at stage canary: who is in a share stays in, and the share is about as large as it says.

use std::net::{IpAddr, Ipv4Addr};

use riskgate_e2e::{Connection, Request, Stage, client_at};

use crate::requests::with_rules;

const RULES: &str = r#"
rules:
  - id: tenth
    stage: canary
    canary: { percent: 12.5, by: ['request.headers["x-device-id"]', client.ip] }
    when: request.url_path == "/drawn"
    then: { deny: { status: 429 } }
"#;

/// Where a client stands among all, in hundredths of a percent, as docs/bundle-format.md says.
fn place(device: &str, ip: Ipv4Addr) -> u64 {
    let mut hashed = b"tenth\0".to_vec();
    for value in [device.as_bytes(), &ip.octets()] {
        hashed.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        hashed.extend(value);
    }
    let hash = blake3::hash(&hashed);
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()) % 10_000
}

#[test]
fn a_canary_is_sticky_and_as_large_as_its_share() {
    let stage = Stage::new().unwrap();
    let envoy = with_rules(&stage, RULES);
    let address = envoy.listener("behind_balancer").unwrap();
    let mut drawn = 0;
    for number in 0..1_000_u32 {
        let ip = Ipv4Addr::from(0xcb00_7100 + number % 200);
        let device = format!("device-{number}");
        let request = Request::get("/drawn").header("x-device-id", &device);
        let expected = if place(&device, ip) < 1_250 { 429 } else { 200 };
        drawn += u32::from(expected == 429);
        // Each connection may go to another worker: all of them draw the same.
        for _ in 0..2 {
            let source = client_at(IpAddr::V4(ip));
            let mut connection = Connection::open(address, Some(source)).unwrap();
            let found = connection.send(&request).unwrap().status;
            assert_eq!(found, expected, "{device} at {ip}");
        }
    }
    assert!(
        (95..=155).contains(&drawn),
        "{drawn} of 1,000 are not 12.5 %"
    );
    assert_eq!(envoy.get("/drawn").unwrap().status, 200, "no key, no draw");
    assert_eq!(envoy.get("/other").unwrap().status, 200);

    let outside =
        (0..).find(|number| place(&format!("out-{number}"), [203, 0, 113, 1].into()) >= 1_250);
    let device = format!("out-{}", outside.unwrap());
    let source = client_at(IpAddr::from([203, 0, 113, 1]));
    let request = Request::get("/drawn").header("x-device-id", device);
    assert_eq!(envoy.send_from(source, &request).unwrap().status, 200);
    let line = envoy.access_log().line_of(source).unwrap();
    let fields = ["action", "shadowed", "would"].map(|field| line.text(field));
    assert_eq!(
        fields.map(Option::unwrap_or_default),
        ["allow", "tenth", "deny"]
    );
}
