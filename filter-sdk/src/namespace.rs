//! What the VMs of a proxy share under, so that several filters of one proxy do not meet.

use crate::config::{Cluster, Config};
use blake3::Hasher;
use std::fmt::Display;

/// In the names of all that is shared; another layout of anything in it has another number.
const LAYOUT: u32 = 1;
/// Of the hash, in bytes.
const NAME_LEN: usize = 8;

/// The part of shared data and of the queues' names that belongs to filters with the same ruleset, audience and push service.
///
/// Which keys are trusted is no part of it: nothing can be deleted from shared data, so that each rotation would leave a
/// namespace behind. What is read there is a hint, or is verified: neighbours with the same `vm_id` can write it, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    prefix: String,
}

impl Namespace {
    /// The namespace of all filters that are configured for the like.
    #[must_use]
    pub fn of(config: &Config) -> Namespace {
        let cluster = config.push.as_ref().map(Cluster::name);
        let parts = [
            Some(&config.ruleset[..]),
            config.audience.as_deref(),
            cluster,
        ];
        let mut hasher = Hasher::new();
        for part in parts {
            // None of them contains a zero byte, and an absent one is not an empty one.
            hasher.update(&[u8::from(part.is_some())]);
            hasher.update(part.unwrap_or_default().as_bytes());
            hasher.update(&[0]);
        }
        let hash = hasher.finalize();
        let name = hash.as_bytes().iter().take(NAME_LEN);
        let name: String = name.map(|byte| format!("{byte:02x}")).collect();
        Namespace {
            prefix: format!("riskgate/{LAYOUT}/{name}"),
        }
    }

    /// The key of something shared, or the name of a queue.
    #[must_use]
    pub fn key(&self, what: impl Display) -> String {
        format!("{}/{what}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(more: &str) -> Namespace {
        // The public key of RFC 8032, section 7.1, test 1.
        let key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let json = format!(r#"{{"trust":{{"keys":["{key}"]}},{more}}}"#);
        Namespace::of(&Config::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn each_addressee_and_push_service_has_its_own() {
        let different = [
            r#""ruleset":"a""#,
            r#""ruleset":"b""#,
            r#""ruleset":"a","audience":"b""#,
            r#""ruleset":"a","push":{"cluster":"b"}"#,
            r#""ruleset":"a","audience":"b","push":{"cluster":"b"}"#,
        ];
        for (place, one) in different.iter().enumerate() {
            for (other_place, other) in different.iter().enumerate() {
                let same = namespace(one) == namespace(other);
                assert_eq!(same, place == other_place, "{one} and {other}");
            }
        }
    }

    #[test]
    fn it_does_not_depend_on_anything_else() {
        let plain = namespace(r#""ruleset":"a""#);
        let other = r#""ruleset":"a","min_revision":7,"on_missing":"deny""#;
        assert_eq!(namespace(other), plain);
        assert_eq!(plain.key("head"), format!("{}/head", plain.prefix));
    }
}
