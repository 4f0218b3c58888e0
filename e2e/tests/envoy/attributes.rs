//! Every attribute of a request, with the value that it really has behind Envoy. `auth.claims` is in `claims.rs`.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use riskgate_e2e::{Envoy, Request, Seen, Source, Stage, Tls, client, client_at};

use crate::RULESET;
use crate::requests::with_rules;

/// How a request reaches Envoy.
#[derive(Clone, Copy)]
enum Way {
    /// Without TLS.
    Plain,
    /// With TLS and no certificate.
    Tls,
    /// With TLS and a certificate.
    Mtls,
}

/// A name, a condition, and a request for which it holds. It holds for no request that [`nothing_special`] is.
type Case = (&'static str, String, Way, Request);

const PEER: [u8; 4] = [203, 0, 113, 77];
const PARTNER: &str = "spiffe://example.com/partner/a";

fn request_cases() -> Vec<Case> {
    let get = Request::get;
    let mut patch = get("/");
    patch.method = "PATCH".to_owned();
    let mut hosted = get("/");
    hosted.host = "Shop.Example.com:8080".to_owned();
    let cases: [(&str, &str, Request); 19] = [
        ("method", r#"request.method == "PATCH""#, patch),
        (
            "host",
            r#"request.host == "Shop.Example.com:8080""#,
            hosted.clone(),
        ),
        (
            "hostname",
            r#"request.hostname == "shop.example.com" && request.host != "shop.example.com""#,
            hosted,
        ),
        (
            "path",
            r#"request.path == "/a%2Fb/../c?d=%31""#,
            get("/a%2Fb/../c?d=%31"),
        ),
        ("url-path", r#"request.url_path == "/x/y""#, get("/x/y?z")),
        (
            "query",
            r#"request.query == "a=1?b&&c=%20""#,
            get("/?a=1?b&&c=%20"),
        ),
        (
            "params",
            r#"request.params["k"] == "a b+c" && size(request.params["k"]) == 2"#,
            get("/?k=1&%6B=a+b%2Bc"),
        ),
        (
            "headers",
            r#"request.headers["x-device-id"] == "D 1" && size(request.headers["x-device-id"]) == 2"#,
            get("/")
                .header("X-Device-Id", "0")
                .header("x-device-id", "D 1"),
        ),
        (
            "cookies",
            r#"request.cookies["session"] == "s=1" && request.cookies["b"] == "2""#,
            get("/")
                .header("cookie", "a=1; session=s=1")
                .header("cookie", "b=2"),
        ),
        (
            "useragent",
            r#"request.useragent == "Probe/1.0 (x)""#,
            get("/").header("user-agent", "Probe/1.0 (x)"),
        ),
        (
            "referer",
            r#"request.referer == "https://evil.example/a?b""#,
            get("/").header("referer", "https://evil.example/a?b"),
        ),
        (
            "json",
            r#"request.body.json["/items/1/sku"] == "é" && request.body.json["/n"] == "1.50""#,
            Request::post("/", "{\"items\":[{},{\"sku\":\"\\u00e9\"}],\"n\":1.50}"),
        ),
        (
            "form",
            r#"request.body.form["account"] == "a b""#,
            Request::post("/", "x=1&account=a+b"),
        ),
        (
            "id",
            r#"request.id.matches("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$") && request.url_path == "/id""#,
            get("/id").header("x-request-id", "forged"),
        ),
        (
            "protocol",
            r#"request.protocol == "HTTP/1.1" && request.url_path == "/protocol""#,
            get("/protocol"),
        ),
        (
            "source",
            r#"source.ip == "203.0.113.77" && request.url_path == "/source""#,
            get("/source").header("x-forwarded-for", "198.51.100.1"),
        ),
        (
            "client",
            r#"client.ip == "203.0.113.77" && request.url_path == "/client""#,
            get("/client").header("x-forwarded-for", "198.51.100.1"),
        ),
        (
            "scheme-plain",
            r#"request.scheme == "http" && request.url_path == "/scheme""#,
            get("/scheme"),
        ),
        (
            "no-tls",
            r#"!connection.mtls && !has(connection.tls_version) && request.url_path == "/tls""#,
            get("/tls"),
        ),
    ];
    let plain = |(name, condition, request): (&'static str, &str, Request)| {
        (name, condition.to_owned(), Way::Plain, request)
    };
    cases.map(plain).to_vec()
}

fn connection_cases() -> Vec<Case> {
    let cases = [
        ("scheme-tls", r#"request.scheme == "https""#, Way::Tls),
        (
            "mtls-off",
            "connection.mtls == false && request.scheme == \"https\"",
            Way::Tls,
        ),
        (
            "sni",
            r#"connection.requested_server_name == "shop.example.com""#,
            Way::Tls,
        ),
        (
            "tls-version",
            r#"connection.tls_version == "TLSv1.3""#,
            Way::Tls,
        ),
        ("mtls-on", "connection.mtls", Way::Mtls),
        (
            "uri-san",
            r#"connection.uri_san_peer_certificate == "spiffe://example.com/partner/a""#,
            Way::Mtls,
        ),
        (
            "subject",
            r#"connection.subject_peer_certificate == "CN=client""#,
            Way::Mtls,
        ),
    ];
    cases
        .map(|(name, condition, way)| (name, condition.to_owned(), way, Request::get("/")))
        .to_vec()
}

/// The rules' clock is this machine's.
fn time_case() -> Case {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let condition = format!(
        r#"request.time > timestamp("{}") && request.time < timestamp("{}") && request.url_path == "/time""#,
        rfc3339(now - 60),
        rfc3339(now + 600),
    );
    ("time", condition, Way::Plain, Request::get("/time"))
}

/// Days to dates as in Howard Hinnant's `civil_from_days`, for years from 1970 on.
fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z",
        second % 60
    )
}

/// One rule for each case, which tags the requests that it holds for.
fn rules(cases: &[Case]) -> String {
    let rule = |(name, condition, ..): &Case| {
        let condition = serde_json::Value::from(condition.as_str());
        format!("  - {{ id: {name}, when: {condition}, then: {{ tag: {{ {name}: \"yes\" }} }} }}\n")
    };
    format!("rules:\n{}", cases.iter().map(rule).collect::<String>())
}

/// The ways to an Envoy, as a client at one address.
struct Ways<'e> {
    envoy: &'e Envoy,
    anonymous: Tls,
    partner: Tls,
}

impl Ways<'_> {
    fn send(&self, way: Way, request: &Request) -> Seen {
        let source = client_at(IpAddr::from(PEER));
        let response = match way {
            Way::Plain => self.envoy.send_from(source, request),
            Way::Tls => self.envoy.send_tls_from(source, &self.anonymous, request),
            Way::Mtls => self.envoy.send_tls_from(source, &self.partner, request),
        };
        response.unwrap().seen().unwrap()
    }
}

fn has_tag(seen: &Seen, name: &str) -> bool {
    seen.text(&format!("x-risk-tag-{name}")) == Some("yes")
}

#[test]
fn every_attribute_has_its_real_value() {
    let stage = Stage::new().unwrap();
    let mut cases = [request_cases(), connection_cases()].concat();
    cases.push(time_case());
    let envoy = with_rules(&stage, &rules(&cases));
    let ways = Ways {
        envoy: &envoy,
        anonymous: stage.certificates().anonymous().unwrap(),
        partner: stage.certificates().client(PARTNER).unwrap(),
    };
    let mut nothing_special = Request::get("/nothing");
    nothing_special.host = "other.example.com".to_owned();
    let nothing = ways.send(Way::Plain, &nothing_special);
    for (name, condition, way, request) in &cases {
        let seen = ways.send(*way, request);
        assert!(
            has_tag(&seen, name),
            "{condition} does not hold for {request:?}: {seen:?}"
        );
        assert!(
            !has_tag(&nothing, name),
            "{condition} holds for {nothing:?}"
        );
    }
    assert_eq!(envoy.metric("request_errors").unwrap(), 0);
}

/// `client.ip` is the Nth address from the right of what Envoy makes of `x-forwarded-for`; what a client writes there
/// stands further left.
#[test]
fn the_client_is_found_behind_any_number_of_trusted_hops() {
    let stage = Stage::new().unwrap();
    let rules = "rules:\n  - { id: seen, when: client.ip == \"192.0.2.9\", then: deny }\n";
    let bundle = stage.build(RULESET, rules, 3).unwrap();
    let forwarded = ["192.0.2.9", "10.0.0.3", "10.0.0.2"];
    for hops in 1..=4_usize {
        let scenario = stage.scenario("static", RULESET).unwrap();
        let key = format!(r#""client_ip": {{ "trusted_hops": {hops} }}"#);
        let scenario = scenario.bundle(&bundle).unwrap();
        let scenario = scenario.edit(move |text| text.replace(r#""client_ip": "peer""#, &key));
        let envoy = stage.envoy(scenario).unwrap();
        let status = |source: Source, header: &str| {
            let request = Request::get("/").header("x-forwarded-for", header);
            envoy.send_from(source, &request).unwrap().status
        };
        // Envoy appends the peer, so that the client is so many places from the end of what the peer sent.
        let true_client = forwarded[..hops - 1].join(", ");
        let spoofed = format!("198.51.100.1, {true_client}");
        let expected = if hops == 1 { 200 } else { 403 };
        assert_eq!(
            status(client(), &spoofed),
            expected,
            "{hops} hops: {spoofed}"
        );
        let others = ["10.0.0.9"; 3][..hops - 1].join(", ");
        let forged = format!("192.0.2.9, {others}");
        assert_eq!(status(client(), &forged), 200, "{hops} hops: {forged}");
        let peer = client_at(IpAddr::from([192, 0, 2, 9]));
        assert_eq!(status(peer, "unknown"), 403, "{hops} hops: the peer itself");
    }
}
