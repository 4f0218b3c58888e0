//! A push service that is away, stalled, slow or garbled: rules serve on, and the newest come when it is well again.

use std::time::Duration;

use riskgate_e2e::{Envoy, Load, Network, Pusher, Relay, Revisions, Stage, VMS, until};

use crate::{RULESET, load::streaming};

const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(1);

/// Answers that are checked while something is out of order.
const ANSWERS: u64 = 100;

#[test]
fn a_network_that_loses_or_delays_changes_no_verdict() {
    let mut running = Running::new();
    for network in [Network::Partitioned, Network::Slow(100)] {
        running.relay.set(network);
        running.publish();
        running.load.wait_for_answers(ANSWERS).unwrap();
        running.relay.set(Network::Good);
        running.check_recovers();
    }
    running.check_verdicts();
}

#[test]
fn a_network_that_cuts_connections_changes_no_verdict() {
    let mut running = Running::new();
    for network in [Network::Refusing, Network::Truncating(600)] {
        running.publish_over(network);
        running.relay.set(Network::Good);
        running.check_recovers();
    }
    running.check_verdicts();
}

#[test]
fn a_network_that_garbles_changes_no_verdict() {
    let mut running = Running::new();
    for network in [Network::Garbling, Network::Duplicating] {
        running.publish_over(network);
        // On the same stream a filter does not look twice at what came altered.
        running.reconnect();
        running.relay.set(Network::Good);
        running.check_recovers();
    }
    running.check_verdicts();
}

#[test]
fn a_stalled_and_a_killed_pusher_change_no_verdict() {
    let mut running = Running::new();
    running.pusher().stall().unwrap();
    running.load.wait_for_answers(ANSWERS).unwrap();
    running.pusher().resume().unwrap();
    running.publish();
    running.check_recovers();

    let killed = running.pusher.take().unwrap().kill();
    running.load.wait_for_answers(ANSWERS).unwrap();
    running.pusher = Some(killed.start().unwrap());
    running.publish();
    running.check_recovers();
    running.check_verdicts();
}

/// An Envoy under load that reaches its pusher over a relay, and serves the revision that was published last.
struct Running {
    load: Load,
    envoy: Envoy,
    relay: Relay,
    pusher: Option<Pusher>,
    revisions: Revisions,
    revision: u64,
    _stage: Stage,
}

impl Running {
    fn new() -> Self {
        let stage = Stage::new().unwrap();
        let revisions = Revisions::new(RULESET, stage.keys()).unwrap();
        let pusher = stage.pusher().unwrap();
        pusher.publish_bytes(&revisions.build(1).unwrap()).unwrap();
        let relay = Relay::start(pusher.addresses().subscribers).unwrap();
        let scenario = streaming(&stage, &pusher)
            .set("PUSHER_PORT", relay.address().port())
            .impatient();
        let envoy = stage.envoy(scenario).unwrap();
        pusher.wait_for_acks(VMS, 1).unwrap();
        let load = Load::start(envoy.listener("direct").unwrap(), CLIENTS, PAUSE);
        load.set_floor(1);
        Running {
            load,
            envoy,
            relay,
            pusher: Some(pusher),
            revisions,
            revision: 1,
            _stage: stage,
        }
    }

    fn pusher(&self) -> &Pusher {
        self.pusher.as_ref().unwrap()
    }

    fn publish(&mut self) {
        self.revision += 1;
        let bundle = self.revisions.build(self.revision).unwrap();
        self.pusher().publish_bytes(&bundle).unwrap();
    }

    /// Publishes over a network that breaks connections, until it has broken one.
    fn publish_over(&mut self, network: Network) {
        let connections = self.relay.connections();
        self.relay.set(network);
        self.publish();
        self.load.wait_for_answers(ANSWERS).unwrap();
        self.wait_for_connection_after(connections);
    }

    fn reconnect(&self) {
        let connections = self.relay.connections();
        self.relay.set(Network::Refusing);
        self.wait_for_connection_after(connections);
    }

    fn wait_for_connection_after(&self, connections: usize) {
        let again = || Ok((self.relay.connections() > connections).then_some(()));
        until("another connection", again).unwrap();
    }

    /// What was published last serves everywhere, soon.
    fn check_recovers(&self) {
        self.pusher().wait_for_acks(VMS, self.revision).unwrap();
        self.load.set_floor(self.revision);
    }

    /// All answers so far were verdicts, and a few more are the last revision's.
    fn check_verdicts(self) {
        self.load.wait_for_answers(ANSWERS).unwrap();
        let tally = self.load.finish().unwrap();
        assert_eq!(tally.violations, 0, "{:#?}", tally.told);
        assert!(tally.by_revision.contains_key(&self.revision), "{tally:?}");
        assert_eq!(self.envoy.metric("decisions.missing").unwrap(), 0);
    }
}
