//! The plugin configuration: JSON as people write it, checked into values that cannot be wrong.
//!
//! docs/filter-configuration.md describes every key.

use crate::body::OnUnreadableBody;
use crate::client_ip::ClientIp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use riskgate_engine::bundle::is_name;
use riskgate_engine::trust::{KeyError, TrustedKeys};
use riskgate_push_protocol::envoy;
use serde::Deserialize;
use std::sync::Arc;

/// A longer cluster name would break what [`Cluster::grpc_service`] promises.
const CLUSTER_LEN_MAX: usize = 100;
/// More proxies than that in a row are a mistake.
const TRUSTED_HOPS_MAX: u8 = 16;
/// What a body may have unless the configuration says otherwise.
const BODY_LIMIT_BYTES: u32 = 64 << 10;
/// As much as Envoy buffers of a request by default.
const BODY_LIMIT_BYTES_MAX: u32 = 1 << 20;
/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What one filter is told to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which ruleset it serves.
    pub ruleset: String,
    /// Which audience's bundles it takes; without one, only bundles without an audience.
    pub audience: Option<String>,
    /// Whose signatures count.
    pub trust: TrustedKeys,
    /// What `trust` was made of.
    trust_source: TrustSource,
    /// Where bundles are pushed from.
    pub push: Option<Cluster>,
    /// A bundle to begin with, in base64. It is decoded and judged when it is loaded: a bad one is no reason to
    /// refuse a configuration.
    pub bundle: Option<String>,
    /// What becomes of requests while no bundle serves.
    pub on_missing: OnMissing,
    /// How `client.ip` is found.
    pub client_ip: ClientIp,
    /// A longer body is not waited for.
    pub body_limit_bytes: usize,
    /// What becomes of requests whose body rules ask for in vain.
    pub on_unreadable_body: OnUnreadableBody,
    /// A lower revision is refused.
    pub min_revision: u64,
    /// Where the JWT filter puts the payload in its metadata.
    pub jwt_payload_key: String,
}

/// Filters with equal keys accept the same bundles, revisions aside: what one of them accepted may serve them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServingKey {
    ruleset: String,
    audience: Option<String>,
    trust_source: TrustSource,
}

/// The raw keys, ascending, and how many of them must have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TrustSource {
    keys: Vec<[u8; 32]>,
    threshold: u32,
}

/// What becomes of requests while no bundle serves.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMissing {
    /// They go on, undecided.
    #[default]
    Allow,
    /// They are answered with 503.
    Deny,
}

/// The name of an Envoy cluster: printable ASCII, short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster(String);

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The JSON has another shape.
    #[error("plugin configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// The JSON has another shape at a key.
    #[error("plugin configuration, `{path}`: {error}")]
    Key {
        /// Dotted path of the key.
        path: String,
        /// What is wrong there.
        error: serde_json::Error,
    },
    /// A name has the wrong form.
    #[error("plugin configuration, `{path}`: `{name}` is not 1 to 63 of a-z, 0-9 and -")]
    Name {
        /// Dotted path of the key.
        path: &'static str,
        /// What stands there.
        name: String,
    },
    /// A key is in neither form.
    #[error(
        "plugin configuration, `trust.keys[{index}]`: neither an Ed25519 public key in PEM nor base64 of its 32 bytes; \
         give the file that `rulec keygen` wrote beside the private key"
    )]
    KeyText {
        /// Which key, from 0.
        index: usize,
    },
    /// The keys and the threshold do not make a set of trusted keys.
    #[error("plugin configuration, `trust`: {0}")]
    Trust(#[from] KeyError),
    /// The cluster's name cannot be used.
    #[error(
        "plugin configuration, `push.cluster`: not 1 to {CLUSTER_LEN_MAX} printable ASCII characters; rename the cluster"
    )]
    Cluster,
    /// A number of hops that means nothing.
    #[error(
        "plugin configuration, `client_ip.trusted_hops`: {0} is not from 1 to {TRUSTED_HOPS_MAX}; \
         write \"client_ip\": \"peer\" to trust no header"
    )]
    TrustedHops(u8),
    /// A limit that means nothing, or more than Envoy buffers.
    #[error(
        "plugin configuration, `body_limit_bytes`: {0} is not from 1 to {BODY_LIMIT_BYTES_MAX}; leave it out for {BODY_LIMIT_BYTES}"
    )]
    BodyLimit(u32),
    /// An empty name for the JWT payload.
    #[error(
        "plugin configuration, `jwt_payload_key`: empty; leave it out for the default, `jwt_payload`"
    )]
    JwtPayloadKey,
}

impl Config {
    /// Reads a plugin configuration.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with the path of its key.
    pub fn parse(json: &[u8]) -> Result<Config, ConfigError> {
        let source: Source = read_json(json)?;
        let keys = source.trust.keys.iter().enumerate();
        let keys = keys
            .map(|(index, text)| parse_key(text).ok_or(ConfigError::KeyText { index }))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Config {
            ruleset: check_name("ruleset", source.ruleset)?,
            audience: source
                .audience
                .map(|name| check_name("audience", name))
                .transpose()?,
            trust: TrustedKeys::new(&keys, source.trust.threshold)?,
            trust_source: TrustSource::new(keys, source.trust.threshold),
            push: source
                .push
                .map(|push| Cluster::new(push.cluster))
                .transpose()?,
            bundle: source.bundle,
            on_missing: source.on_missing,
            client_ip: check_client_ip(source.client_ip)?,
            body_limit_bytes: check_body_limit(source.body_limit_bytes)?,
            on_unreadable_body: source.on_unreadable_body,
            min_revision: source.min_revision,
            jwt_payload_key: Some(source.jwt_payload_key)
                .filter(|key| !key.is_empty())
                .ok_or(ConfigError::JwtPayloadKey)?,
        })
    }

    /// Which other configurations judge bundles as this one does, revisions aside.
    pub(crate) fn serving_key(&self) -> ServingKey {
        ServingKey {
            ruleset: self.ruleset.clone(),
            audience: self.audience.clone(),
            trust_source: self.trust_source.clone(),
        }
    }

    /// The file of the bundle to begin with; `None` when its base64 is broken.
    pub(crate) fn decode_bundle(text: &str) -> Option<Arc<[u8]>> {
        BASE64.decode(text.trim_ascii()).ok().map(Arc::from)
    }
}

impl ServingKey {
    /// Whether the same bundles are meant for both, whoever must have signed them.
    pub(crate) fn is_addressed_as(&self, other: &ServingKey) -> bool {
        (&self.ruleset, &self.audience) == (&other.ruleset, &other.audience)
    }
}

impl TrustSource {
    /// Sorts by insertion: they are few, and a general sort of such arrays is 30 KB of the module.
    fn new(given: Vec<[u8; 32]>, threshold: u32) -> TrustSource {
        let mut keys = Vec::with_capacity(given.len());
        for key in given {
            let place = keys.binary_search(&key).unwrap_or_else(|place| place);
            keys.insert(place, key);
        }
        TrustSource { keys, threshold }
    }
}

impl Cluster {
    fn new(name: String) -> Result<Cluster, ConfigError> {
        let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && (1..=CLUSTER_LEN_MAX).contains(&name.len()) {
            Ok(Cluster(name))
        } else {
            Err(ConfigError::Cluster)
        }
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// What the host takes as a stream's upstream: a serialized `GrpcService`.
    ///
    /// The name is so short that every length in it is below 128: each byte is an ASCII character.
    pub fn grpc_service(&self) -> Vec<u8> {
        envoy::grpc_service(&self.0)
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with the keys of a plugin configuration"
)]
struct Source {
    ruleset: String,
    audience: Option<String>,
    trust: TrustText,
    push: Option<PushSource>,
    bundle: Option<String>,
    #[serde(default)]
    on_missing: OnMissing,
    #[serde(default)]
    client_ip: ClientIpSource,
    #[serde(default = "default_body_limit")]
    body_limit_bytes: u32,
    #[serde(default)]
    on_unreadable_body: OnUnreadableBody,
    #[serde(default)]
    min_revision: u64,
    #[serde(default = "default_jwt_payload_key")]
    jwt_payload_key: String,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `keys` and `threshold`"
)]
struct TrustText {
    keys: Vec<String>,
    #[serde(default = "default_threshold")]
    threshold: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `cluster`")]
struct PushSource {
    cluster: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ClientIpSource {
    #[default]
    Peer,
    TrustedHops(u8),
}

fn default_jwt_payload_key() -> String {
    "jwt_payload".to_owned()
}

fn default_body_limit() -> u32 {
    BODY_LIMIT_BYTES
}

fn default_threshold() -> u32 {
    1
}

fn read_json(json: &[u8]) -> Result<Source, ConfigError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let source = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if path == "." {
            ConfigError::Json(error)
        } else {
            ConfigError::Key { path, error }
        }
    })?;
    deserializer.end()?;
    Ok(source)
}

fn check_name(path: &'static str, name: String) -> Result<String, ConfigError> {
    if is_name(&name) {
        Ok(name)
    } else {
        Err(ConfigError::Name { path, name })
    }
}

fn check_client_ip(source: ClientIpSource) -> Result<ClientIp, ConfigError> {
    match source {
        ClientIpSource::Peer => Ok(ClientIp::Peer),
        ClientIpSource::TrustedHops(hops) if (1..=TRUSTED_HOPS_MAX).contains(&hops) => {
            Ok(ClientIp::TrustedHops(hops.into()))
        }
        ClientIpSource::TrustedHops(hops) => Err(ConfigError::TrustedHops(hops)),
    }
}

fn check_body_limit(limit: u32) -> Result<usize, ConfigError> {
    let within = (1..=BODY_LIMIT_BYTES_MAX).contains(&limit).then_some(limit);
    let within = within.and_then(|limit| usize::try_from(limit).ok());
    within.ok_or(ConfigError::BodyLimit(limit))
}

/// A public key in PEM, or base64 of its raw bytes.
fn parse_key(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    match text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
        None => BASE64.decode(text).ok()?.try_into().ok(),
        Some(rest) => {
            let body = rest.strip_suffix("-----END PUBLIC KEY-----")?;
            let body: String = body.split_ascii_whitespace().collect();
            BASE64
                .decode(body)
                .ok()?
                .strip_prefix(&SPKI_PREFIX)?
                .try_into()
                .ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of RFC 8032, section 7.1, test 1.
    const KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn parse_with(changes: &str) -> Result<Config, ConfigError> {
        let base = format!(r#"{{"ruleset":"storefront","trust":{{"keys":["{KEY}"]}}{changes}}}"#);
        Config::parse(base.as_bytes())
    }

    #[test]
    fn the_shortest_configuration_has_the_documented_defaults() {
        let config = parse_with("").unwrap();
        assert_eq!(config.ruleset, "storefront");
        assert_eq!(config.audience, None);
        assert_eq!(config.push, None);
        assert_eq!(config.bundle, None);
        assert_eq!(config.on_missing, OnMissing::Allow);
        assert_eq!(config.client_ip, ClientIp::Peer);
        assert_eq!(config.min_revision, 0);
        assert_eq!(config.jwt_payload_key, "jwt_payload");
        assert_eq!(config.body_limit_bytes, 65_536);
        assert_eq!(config.on_unreadable_body, OnUnreadableBody::Absent);
        assert_eq!(config.trust_source.threshold, 1);
    }

    #[test]
    fn every_key_is_read() {
        let config = parse_with(
            r#","audience":"eu-prod","push":{"cluster":"rule_pusher"},"bundle":"AAAA","on_missing":"deny",
               "client_ip":{"trusted_hops":2},"min_revision":18446744073709551615,"jwt_payload_key":"p",
               "body_limit_bytes":1048576,"on_unreadable_body":"deny""#,
        )
        .unwrap();
        assert_eq!(config.audience.as_deref(), Some("eu-prod"));
        assert_eq!(config.push.unwrap().name(), "rule_pusher");
        assert_eq!(config.bundle.as_deref(), Some("AAAA"));
        assert_eq!(config.on_missing, OnMissing::Deny);
        assert_eq!(config.client_ip, ClientIp::TrustedHops(2));
        assert_eq!(config.min_revision, u64::MAX);
        assert_eq!(config.jwt_payload_key, "p");
        assert_eq!(config.body_limit_bytes, 1 << 20);
        assert_eq!(config.on_unreadable_body, OnUnreadableBody::Deny);
        assert_eq!(
            parse_with(r#","client_ip":"peer""#).unwrap().client_ip,
            ClientIp::Peer
        );
    }

    #[test]
    fn a_key_in_pem_is_the_key() {
        let raw = BASE64.decode(KEY).unwrap();
        let body = BASE64.encode([&SPKI_PREFIX[..], &raw].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        assert_eq!(parse_key(&pem).unwrap()[..], raw);
        assert_eq!(parse_key(&pem.replace("PUBLIC", "PRIVATE")), None);
        assert_eq!(parse_key(&pem.replace("MCow", "MCov")), None);
    }

    #[test]
    fn errors_name_the_key() {
        let duplicate = format!(r#","trust":{{"keys":["{KEY}"]}}"#);
        let cases = [
            (r#","rulset":"x""#, "unknown field `rulset`"),
            (r#","ruleset":"x""#, "duplicate field `ruleset`"),
            (&duplicate, "duplicate field `trust`"),
            (
                r#","audience":"EU""#,
                "`audience`: `EU` is not 1 to 63 of a-z, 0-9 and -",
            ),
            (
                r#","audience":7"#,
                "`audience`: invalid type: integer `7`, expected a string",
            ),
            (
                r#","push":{"cluster":""}"#,
                "`push.cluster`: not 1 to 100 printable ASCII characters",
            ),
            (
                r#","push":{"cluster":"naïve"}"#,
                "`push.cluster`: not 1 to 100 printable",
            ),
            (
                r#","push":{"clusters":"x"}"#,
                "`push.clusters`: unknown field `clusters`, expected `cluster`",
            ),
            (
                r#","on_missing":"open""#,
                "`on_missing`: unknown variant `open`, expected `allow` or `deny`",
            ),
            (
                r#","client_ip":{"trusted_hops":0}"#,
                "`client_ip.trusted_hops`: 0 is not from 1 to 16",
            ),
            (
                r#","client_ip":"xff""#,
                "`client_ip`: unknown variant `xff`, expected `peer` or `trusted_hops`",
            ),
            (
                r#","min_revision":-1"#,
                "`min_revision`: invalid value: integer `-1`, expected u64",
            ),
            (r#","jwt_payload_key":"""#, "`jwt_payload_key`: empty"),
            (
                r#","body_limit_bytes":0"#,
                "`body_limit_bytes`: 0 is not from 1 to 1048576",
            ),
            (r#","body_limit_bytes":1048577"#, "is not from 1 to 1048576"),
            (
                r#","on_unreadable_body":"allow""#,
                "`on_unreadable_body`: unknown variant",
            ),
        ];
        for (changes, expected) in cases {
            let error = parse_with(changes).unwrap_err().to_string();
            assert!(error.starts_with("plugin configuration"), "{error}");
            assert!(error.contains(expected), "{changes}: {error}");
        }
    }

    #[test]
    fn errors_of_trust_and_json() {
        let trust = |trust: &str| format!(r#"{{"ruleset":"r","trust":{trust}}}"#);
        let cases = [
            (String::new(), "EOF while parsing"),
            (
                "[]".into(),
                "expected an object with the keys of a plugin configuration",
            ),
            (r#"{"trust":{"keys":[]}}"#.into(), "missing field `ruleset`"),
            (r#"{"ruleset":"r"}"#.into(), "missing field `trust`"),
            (
                format!("{} x", trust(&format!(r#"{{"keys":["{KEY}"]}}"#))),
                "trailing characters",
            ),
            (trust(r#"{"keys":[]}"#), "`trust`: no trusted key"),
            (
                trust(r#"{"keys":["AAAA"]}"#),
                "`trust.keys[0]`: neither an Ed25519 public key in PEM nor base64",
            ),
            (
                trust(&format!(r#"{{"keys":["{KEY}","{KEY}"]}}"#)),
                "`trust`: trusted key 1 is given twice",
            ),
            (
                trust(&format!(r#"{{"keys":["{KEY}"],"threshold":2}}"#)),
                "`trust`: the threshold is 2",
            ),
            (
                trust(&format!(r#"{{"keys":["{KEY}"],"threshold":0}}"#)),
                "`trust`: the threshold is 0",
            ),
            (
                trust(r#"{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}"#),
                "is weak",
            ),
            (trust(r#"{"keys":"x"}"#), "`trust.keys`: invalid type"),
        ];
        for (json, expected) in cases {
            let error = Config::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn a_grpc_service_is_text() {
        let longest = "c".repeat(CLUSTER_LEN_MAX);
        for name in ["x", "rule_pusher", &longest] {
            let service = Cluster::new(name.to_owned()).unwrap().grpc_service();
            let text = String::from_utf8(service).unwrap();
            assert!(text.is_ascii() && text.contains(name), "{text:?}");
        }
    }
}
