//! Rules whose time ends while they serve.

use std::time::{SystemTime, UNIX_EPOCH};

use riskgate_e2e::{Build, Bundle, Stage, VMS, until};

use crate::{NO_ADMIN, NO_LOGIN, RULESET, load::streaming};

const TTL_S: u64 = 60;

/// Denies what its rules deny, for a minute from its issue; after that, everything.
fn build(stage: &Stage, rules: &str, revision: u64, issued_at_s: u64) -> Bundle {
    let more = format!("on_expired: deny\nttl: {TTL_S}s\n");
    let ruleset = stage.write_ruleset_with(RULESET, "", rules).unwrap();
    let manifest = std::fs::read_to_string(ruleset.join("ruleset.yaml")).unwrap();
    let manifest = manifest.replace("ttl: 24h\n", &more);
    std::fs::write(ruleset.join("ruleset.yaml"), manifest).unwrap();
    let build = Build {
        ruleset: &ruleset,
        attributes: None,
        revision,
        keys: stage.keys(),
        issued_at: Some(&issued_at_s.to_string()),
    };
    build.run(ruleset.join("expires.bundle")).unwrap()
}

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[test]
fn rules_that_expire_while_they_serve_do_what_they_say_until_newer_ones_come() {
    let stage = Stage::new().unwrap();
    let pusher = stage.pusher().unwrap();
    let envoy = stage.envoy(streaming(&stage, &pusher)).unwrap();
    // Long enough to be published and served on a slow machine.
    let expires_at_s = now_s() + 25;
    let old = build(&stage, NO_ADMIN, 1, expires_at_s - TTL_S);
    pusher.publish(&old).unwrap();
    pusher.wait_for_acks(VMS, 1).unwrap();
    assert_eq!(envoy.get("/item").unwrap().status, 200);
    assert_eq!(envoy.get("/admin").unwrap().status, 403);
    assert_eq!(envoy.metric("decisions.expired").unwrap(), 0);

    let denies = || Ok((envoy.get("/item")?.status == 503).then_some(()));
    until("the rules to expire", denies).unwrap();
    assert!(now_s() >= expires_at_s, "not before their time");
    assert_eq!(envoy.get("/admin").unwrap().status, 503);
    assert!(envoy.wait_for_metric("decisions.expired", 2).unwrap() >= 2);

    let new = build(&stage, NO_LOGIN, 2, now_s());
    pusher.publish(&new).unwrap();
    pusher.wait_for_acks(VMS, 2).unwrap();
    assert_eq!(envoy.get("/item").unwrap().status, 200);
    assert_eq!(envoy.get("/login").unwrap().status, 429);
}
