//! `rule-pusher publish`.

use std::{
    fs,
    io::{self, Write},
};

use riskgate_push_protocol::{BundleId, KeyId, Published};
use riskgate_pusher::client::AdminClient;
use serde::Serialize;

use crate::{
    args::{AdminArgs, Format, PublishArgs},
    exit::Failure,
};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &PublishArgs) -> Result<(), Failure> {
    let PublishArgs {
        bundle: path,
        admin: AdminArgs { to, wait },
        format,
    } = args;
    let file = fs::read(path).map_err(|error| Failure::ReadBundle {
        path: path.clone(),
        error,
    })?;
    let published = AdminClient::connect_within(to, *wait)
        .await?
        .publish(&file)
        .await?;
    warn_of_signatures(&published);
    let text = match format {
        Format::Human => human(&published),
        Format::Json => json(&published),
    };
    writeln!(io::stdout(), "{text}").map_err(Failure::Output)
}

fn warn_of_signatures(published: &Published) {
    for key in &published.signatures_left_out {
        eprintln!("{}", left_out(key));
    }
    for key in &published.signatures_unchecked {
        eprintln!("{}", unchecked(key));
    }
}

fn left_out(key: &KeyId) -> String {
    format!(
        "warning: the signature by key {key} was left out: the pusher does not trust that key, so it cannot check it; \
         start the pusher with that key under `--trust` and publish again"
    )
}

fn unchecked(key: &KeyId) -> String {
    format!(
        "warning: the signature by key {key} was not checked, since the pusher does not trust that key: filters that do \
         refuse the bundle if it is bad; publish it with a good one, or start the pusher with that key under `--trust`"
    )
}

fn human(published: &Published) -> String {
    let Published {
        ruleset,
        audience,
        bundle: BundleId { revision, digest },
        subscribers,
        unchanged,
        signatures_left_out: _,
        signatures_unchecked: _,
    } = published;
    let audience = audience
        .as_ref()
        .map(|audience| format!(" for `{audience}`"))
        .unwrap_or_default();
    let subscribers = match subscribers {
        1 => "1 subscriber".to_owned(),
        subscribers => format!("{subscribers} subscribers"),
    };
    let verb = if *unchanged {
        "was published already"
    } else {
        "published"
    };
    format!("{verb}: `{ruleset}`{audience} revision {revision} to {subscribers}\ndigest: {digest}")
}

/// docs/push-protocol.md describes the shape.
#[derive(Serialize)]
struct Shape<'a> {
    ruleset: &'a str,
    audience: Option<&'a str>,
    revision: u64,
    digest: String,
    subscribers: u32,
    unchanged: bool,
    signatures_left_out: Vec<String>,
    signatures_unchecked: Vec<String>,
}

fn json(published: &Published) -> String {
    let Published {
        ruleset,
        audience,
        bundle: BundleId { revision, digest },
        subscribers,
        unchanged,
        signatures_left_out,
        signatures_unchecked,
    } = published;
    let (audience, digest) = (audience.as_deref(), digest.to_string());
    let ids = |keys: &[KeyId]| keys.iter().map(KeyId::to_string).collect();
    let shape = Shape {
        ruleset,
        audience,
        revision: *revision,
        digest,
        subscribers: *subscribers,
        unchanged: *unchanged,
        signatures_left_out: ids(signatures_left_out),
        signatures_unchecked: ids(signatures_unchecked),
    };
    serde_json::to_string_pretty(&shape).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use riskgate_push_protocol::Digest;

    use super::*;

    fn published() -> Published {
        Published {
            ruleset: "storefront".to_owned(),
            audience: Some("eu-prod".to_owned()),
            bundle: BundleId {
                revision: 7,
                digest: Digest([0xab; 32]),
            },
            subscribers: 1,
            unchanged: false,
            signatures_left_out: vec![KeyId([0xcd; 32])],
            signatures_unchecked: Vec::new(),
        }
    }

    #[test]
    fn for_people() {
        assert_snapshot!(human(&published()), @r#"
        published: `storefront` for `eu-prod` revision 7 to 1 subscriber
        digest: abababababababababababababababababababababababababababababababab
        "#);
        let again = Published {
            audience: None,
            subscribers: 3,
            unchanged: true,
            ..published()
        };
        assert_snapshot!(human(&again), @r#"
        was published already: `storefront` revision 7 to 3 subscribers
        digest: abababababababababababababababababababababababababababababababab
        "#);
    }

    #[test]
    fn for_programs() {
        assert_snapshot!(json(&published()), @r#"
        {
          "ruleset": "storefront",
          "audience": "eu-prod",
          "revision": 7,
          "digest": "abababababababababababababababababababababababababababababababab",
          "subscribers": 1,
          "unchanged": false,
          "signatures_left_out": [
            "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
          ],
          "signatures_unchecked": []
        }
        "#);
    }
}
