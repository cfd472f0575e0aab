//! The telephone, the network and us, in one thread and virtual time.

use std::time::Duration;

use offhook_journal::bundle::Keep;
use offhook_time::{Randomness, Time};

use crate::host::Host;
use crate::network::Network;
use crate::phone::Phone;
use crate::recording::Tape;
use crate::{CallReport, Kind, Recording, Scenario};

/// No call of ours takes longer, with everything that follows it.
const LONGEST: Duration = Duration::from_secs(300);

/// More steps mean two machines that wake each other for ever.
const MOST_STEPS: u64 = 400_000;

/// One call under way.
pub struct Simulation {
    scenario: Scenario,
    host: Host,
    phone: Phone,
    network: Network,
    began: Time,
    now: Time,
}

/// Plays the `number`th call of a kind: what it did, and its recording.
pub fn play(kind: Kind, number: u64) -> (CallReport, Recording) {
    Simulation::new(Scenario::new(kind, number)).run()
}

impl Simulation {
    /// A call that has not begun.
    pub fn new(scenario: Scenario) -> Self {
        let mut randomness = Randomness::new(scenario.seed);
        let now = Time::from_millis(1_000);
        let host = Host::new(&scenario, &mut randomness);
        let mut phone = Phone::new(&scenario.phone, &mut randomness);
        let network = Network::new(scenario.network, &mut randomness);
        phone.start(&mut randomness, now);
        Simulation { scenario, host, phone, network, began: now, now }
    }

    /// Writes the call's bundle too, in memory. Of what we send it keeps as much as `keep` says.
    pub fn with_bundle(mut self, keep: Keep) -> Self {
        let steps = &mut self.host.recording.steps;
        steps.tape = Some(Tape::new(keep));
        self
    }

    /// Goes from moment to moment until nothing is left to happen.
    pub fn run(mut self) -> (CallReport, Recording) {
        let mut steps = 0;
        self.host.start(self.now);
        self.exchange();
        while let Some(next) = self.next_moment() {
            if next > self.began + LONGEST || steps > MOST_STEPS {
                self.host.watch.violation(self.now, "the call does not come to an end");
                break;
            }
            steps += 1;
            self.step(next);
        }
        self.finish()
    }

    fn next_moment(&self) -> Option<Time> {
        let network = &self.network;
        let moments = [
            self.host.next_moment(network),
            self.phone.next_moment(),
            network.sip_down.next_arrival(),
            network.rtp_down.next_arrival(),
            // What comes when our half is closed is taken and thrown away.
            network.rtp_up.next_arrival().map(|at| self.host.awake(at + Duration::from_millis(5))),
        ];
        moments.into_iter().flatten().min()
    }

    fn step(&mut self, at: Time) {
        if at < self.now {
            self.host.watch.violation(self.now, format!("something wanted to happen at {at:?}, in the past"));
        }
        let now = at.max(self.now);
        self.now = now;
        while let Some((_, datagram)) = self.network.sip_down.receive(now) {
            self.phone.handle_sip(&datagram, now);
        }
        while let Some((arrived_at, datagram)) = self.network.rtp_down.receive(now) {
            self.phone.handle_rtp(&datagram, arrived_at);
        }
        self.phone.handle_timeout(now);
        self.exchange();
        self.host.wake(&mut self.network, now);
        if self.scenario.is_reliable()
            && let Some(direction) = self.phone.settled_session(now)
        {
            self.host.watch.session(direction, now);
        }
    }

    /// What the telephone wants sent and said.
    fn exchange(&mut self) {
        let now = self.now;
        for datagram in self.phone.sip_out.drain(..) {
            self.network.send_sip_up(&datagram, now);
        }
        for datagram in self.phone.rtp_out.drain(..) {
            self.network.send_rtp_up(&datagram, now);
        }
        for text in self.phone.said.drain(..) {
            self.host.engines.hear(text);
        }
    }

    fn finish(mut self) -> (CallReport, Recording) {
        let now = self.now;
        self.host.finish(now);
        if !self.phone.is_over() {
            self.host.watch.violation(now, "the telephone still thinks that the call is up");
        }
        if self.phone.load() != Default::default() {
            self.host
                .watch
                .violation(now, format!("the telephone's endpoint is not empty: {:?}", self.phone.load()));
        }
        let Host { hashing, watch, recording, .. } = self.host;
        let cause = watch.facts.record.cause;
        let report = CallReport {
            kind: self.scenario.kind,
            number: self.scenario.number,
            digests: hashing.finish(),
            cause,
            lasted: now.since(self.began),
            packets: watch.sent(),
            events: watch.facts.counts,
            record: watch.facts.record,
            told: watch.told,
            utterances: watch.ended,
            violations: watch.violations,
        };
        (report, recording)
    }
}
