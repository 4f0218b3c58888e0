//! The filter's configuration with its bundle, from the pusher's discovery service.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use riskgate_e2e::{Envoy, Pusher, Scenario, Stage, VMS, until};
use serde_json::{Value, json};

use crate::{NO_ADMIN, NO_LOGIN, RULESET};

/// A stage whose Envoys fetch their configuration.
struct Fetching {
    stage: Stage,
    scenario: Scenario,
    resources: PathBuf,
}

impl Fetching {
    fn new() -> Fetching {
        let stage = Stage::new().unwrap();
        let scenario = stage.scenario("ecds", RULESET).unwrap();
        let resources = stage.folder().join("resources.json");
        let fetching = Fetching {
            stage,
            scenario,
            resources,
        };
        fetching.offer(|_| {});
        fetching
    }

    /// Writes the resources that the pusher serves, once it is started.
    fn offer(&self, change: impl FnOnce(&mut Value)) {
        let text = self.scenario.file("resources.json").unwrap();
        let mut resources: Value = serde_json::from_str(&text).unwrap();
        change(&mut resources["resources"][0]["config"]);
        std::fs::write(&self.resources, resources.to_string()).unwrap();
    }

    fn pusher(&self) -> Pusher {
        self.stage.pusher_with_ecds(&self.resources).unwrap()
    }

    fn envoy(&self, pusher: &Pusher) -> Envoy {
        let port = pusher.addresses().ecds.unwrap().port();
        let scenario = self.scenario.clone().set("ECDS_PORT", port);
        self.stage.envoy(scenario).unwrap()
    }

    fn publish(&self, pusher: &Pusher, rules: &str, revision: u64) {
        let bundle = self.stage.build(RULESET, rules, revision).unwrap();
        pusher.publish(&bundle).unwrap();
    }
}

/// Waits for what the pusher's status tells of the one Envoy.
fn wait_for_delivery(pusher: &Pusher, revision: u64, answer: &str) -> Value {
    until(&format!("revision {revision} to be {answer}"), || {
        let status = pusher.status_json()?;
        let deliveries = status["deliveries"].as_array().unwrap();
        let wanted =
            |delivery: &&Value| delivery["revision"] == revision && delivery["answer"] == answer;
        Ok(deliveries.iter().find(wanted).cloned())
    })
    .unwrap()
}

/// Waits until both workers answer so: each connection goes to one of them.
fn wait_for_status(envoy: &Envoy, path: &str, status: u16) {
    until(&format!("{path} to be answered with {status}"), || {
        for _ in 0..8 {
            if envoy.get(path)?.status != status {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .unwrap();
}

#[test]
fn publications_change_verdicts_and_no_listener() {
    let fetching = Fetching::new();
    let pusher = fetching.pusher();
    let envoy = fetching.envoy(&pusher);
    let listeners = || {
        let stats = ["added", "modified", "removed"];
        stats.map(|stat| {
            let name = format!("listener_manager.listener_{stat}");
            envoy.admin().stat(&name).unwrap().unwrap()
        })
    };
    assert_eq!(
        envoy.get("/admin").unwrap().status,
        200,
        "its default: no rules yet"
    );
    let before = listeners();

    fetching.publish(&pusher, NO_ADMIN, 1);
    let delivery = wait_for_delivery(&pusher, 1, "delivered");
    assert_eq!(delivery["node"], "envoy-1");
    assert_eq!(delivery["resource"], "riskgate");
    wait_for_status(&envoy, "/admin", 403);

    fetching.publish(&pusher, NO_LOGIN, 2);
    wait_for_delivery(&pusher, 2, "delivered");
    wait_for_status(&envoy, "/login", 429);
    wait_for_status(&envoy, "/admin", 200);
    assert_eq!(listeners(), before);
    assert_eq!(envoy.metric("loads.refused").unwrap(), 0);
    assert_eq!(
        pusher.status_json().unwrap()["vms"],
        json!([]),
        "no stream of the filter"
    );
}

#[test]
fn an_envoy_that_refuses_a_configuration_goes_on_with_the_last_one() {
    let fetching = Fetching::new();
    let pusher = fetching.pusher();
    fetching.publish(&pusher, NO_ADMIN, 1);
    let envoy = fetching.envoy(&pusher);
    wait_for_delivery(&pusher, 1, "delivered");
    wait_for_status(&envoy, "/admin", 403);

    let stopped = pusher.kill();
    fetching
        .offer(|config| config["vm_config"]["code"]["local"]["filename"] = json!("/nowhere.wasm"));
    let pusher = stopped.start().unwrap();
    let delivery = wait_for_delivery(&pusher, 1, "rejected");
    assert!(
        delivery["detail"]
            .as_str()
            .unwrap()
            .contains("/nowhere.wasm"),
        "{delivery}"
    );
    wait_for_status(&envoy, "/admin", 403);

    let stopped = pusher.kill();
    fetching.offer(|_| {});
    let pusher = stopped.start().unwrap();
    wait_for_delivery(&pusher, 1, "delivered");
    fetching.publish(&pusher, NO_LOGIN, 2);
    wait_for_delivery(&pusher, 2, "delivered");
    wait_for_status(&envoy, "/login", 429);
}

/// Envoy's answer is about the configuration: the filter may still refuse the bundle in it.
#[test]
fn delivered_is_not_accepted() {
    let fetching = Fetching::new();
    let pusher = fetching.pusher();
    fetching.publish(&pusher, NO_ADMIN, 5);
    let envoy = fetching.envoy(&pusher);
    wait_for_status(&envoy, "/admin", 403);

    let stopped = pusher.kill();
    fetching.offer(|config| config["configuration"]["min_revision"] = json!(7));
    let pusher = stopped.start().unwrap();
    fetching.publish(&pusher, NO_LOGIN, 6);
    wait_for_delivery(&pusher, 6, "delivered");
    envoy.wait_for_metric("loads.refused", 1).unwrap();
    fetching.publish(&pusher, NO_LOGIN, 7);
    wait_for_delivery(&pusher, 7, "delivered");
    wait_for_status(&envoy, "/login", 429);
}

/// The bundle of the default configuration serves from the first request on, without any pusher; the newer revision wins.
#[test]
fn a_bundle_in_the_default_configuration_is_the_boot_path() {
    let fetching = Fetching::new();
    let boot = fetching.stage.build(RULESET, NO_ADMIN, 4).unwrap();
    let pusher = fetching.pusher();
    let boot = STANDARD.encode(boot.read().unwrap());
    let with_bundle = move |text: &str| {
        text.replace(
            "\"on_missing\"",
            &format!(r#""bundle": "{boot}", "on_missing""#),
        )
    };
    let port = pusher.addresses().ecds.unwrap().port();
    let stopped = pusher.kill();
    let scenario = fetching.scenario.clone().set("ECDS_PORT", port);
    let envoy = fetching.stage.envoy(scenario.edit(with_bundle)).unwrap();
    assert_eq!(envoy.get("/admin").unwrap().status, 403);

    let pusher = stopped.start().unwrap();
    fetching.publish(&pusher, NO_LOGIN, 3);
    wait_for_delivery(&pusher, 3, "delivered");
    envoy.wait_for_metric("loads.refused", 1).unwrap();
    assert_eq!(
        envoy.get("/admin").unwrap().status,
        403,
        "an older revision takes nothing over"
    );
    fetching.publish(&pusher, NO_LOGIN, 5);
    wait_for_delivery(&pusher, 5, "delivered");
    wait_for_status(&envoy, "/login", 429);
}

/// Where a stream and ECDS both deliver, from pushers that know nothing of each other, the higher revision serves.
#[test]
fn of_a_stream_and_a_delivered_configuration_the_higher_revision_serves() {
    let fetching = Fetching::new();
    fetching.offer(|config| config["configuration"]["push"] = json!({ "cluster": "rule_pusher" }));
    let (delivers, streams) = (fetching.pusher(), fetching.stage.pusher().unwrap());
    let ecds_port = delivers.addresses().ecds.unwrap().port();
    let scenario = fetching.scenario.clone().set("ECDS_PORT", ecds_port);
    let port = streams.addresses().subscribers.port();
    let scenario = scenario.edit(move |text| with_stream(text, ecds_port, port));
    let envoy = fetching.stage.envoy(scenario).unwrap();

    fetching.publish(&delivers, NO_ADMIN, 1);
    wait_for_delivery(&delivers, 1, "delivered");
    wait_for_status(&envoy, "/admin", 403);
    fetching.publish(&streams, NO_LOGIN, 3);
    streams.wait_for_acks(VMS, 3).unwrap();
    wait_for_status(&envoy, "/login", 429);

    fetching.publish(&delivers, NO_ADMIN, 2);
    wait_for_delivery(&delivers, 2, "delivered");
    envoy.wait_for_metric("loads.refused", 1).unwrap();
    wait_for_status(&envoy, "/admin", 200);
    wait_for_status(&envoy, "/login", 429);

    fetching.publish(&delivers, NO_ADMIN, 4);
    wait_for_delivery(&delivers, 4, "delivered");
    wait_for_status(&envoy, "/admin", 403);
    wait_for_status(&envoy, "/login", 200);
    let newer = || {
        let vms = streams.status_json()?["vms"].clone();
        let vms = vms.as_array().unwrap();
        let holds = |vm: &Value| vm["held_revision"] == 4 && vm["holds"] == "newer";
        Ok((vms.len() == VMS && vms.iter().all(holds)).then_some(()))
    };
    until(
        "the stream to tell of the revision that came by ECDS",
        newer,
    )
    .unwrap();

    fetching.publish(&streams, NO_LOGIN, 5);
    streams.wait_for_acks(VMS, 5).unwrap();
    wait_for_status(&envoy, "/login", 429);
    wait_for_status(&envoy, "/admin", 200);
}

/// One more cluster, as that of the discovery service: the address that filters subscribe at.
fn with_stream(bootstrap: &str, ecds_port: u16, port: u16) -> String {
    let (_, cluster) = bootstrap
        .split_once("    - name: rule_pusher_ecds\n")
        .unwrap();
    let cluster = cluster
        .replace("rule_pusher_ecds", "rule_pusher")
        .replace(&ecds_port.to_string(), &port.to_string());
    format!("{bootstrap}\n    - name: rule_pusher\n{cluster}")
}
