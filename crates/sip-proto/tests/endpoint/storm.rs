//! Random datagrams and time jumps: nothing panics, and in the end nothing is left.

use std::time::Duration;

use offhook_time::{Randomness, Seed, Time};

use crate::support::{Bench, NOTHING, TestUser, from_peer, udp, wire};

#[test]
fn ten_thousand_random_datagrams_and_time_jumps_leave_empty_tables() {
    for seed in 0..3 {
        let mut storm = Storm::new(seed, Some(Duration::from_millis(700)));

        for _ in 0..10_000 {
            storm.step();
        }

        storm.finish();
        storm.assert_it_was_a_storm();
    }
}

#[test]
fn the_same_storm_sends_the_same_bytes() {
    let run = || {
        let mut storm = Storm::new(42, Some(Duration::ZERO));
        for _ in 0..2_000 {
            storm.step();
        }
        let sent = storm.user.bench.sent.iter().map(|(at, transmit)| (*at, transmit.bytes.clone()));
        sent.collect::<Vec<_>>()
    };

    assert!(run() == run());
}

/// A peer that says everything in any order, to a user that keeps to the rules.
struct Storm {
    user: TestUser,
    randomness: Randomness,
    /// What was said before, to be said again.
    said: Vec<Vec<u8>>,
}

const METHODS: [&str; 12] = [
    "INVITE", "INVITE", "ACK", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "REFER", "NOTIFY", "REGISTER",
    "PRACK",
];

impl Storm {
    fn new(seed: u64, answer_after: Option<Duration>) -> Self {
        let bench = Bench::with(|config| config.tables.pending_invites = 200);
        Storm {
            user: TestUser::new(bench, answer_after),
            randomness: Randomness::new(Seed::from_number(seed)),
            said: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.randomness.below(10) {
            0 => {
                let millis = self.randomness.below(3_000);
                self.user.pass(millis);
            }
            1 | 2 if !self.said.is_empty() => {
                let bytes = self.pick_said();
                self.say(&bytes);
            }
            3 if !self.said.is_empty() => {
                let bytes = self.pick_said();
                let broken = self.damage(bytes);
                self.say(&broken);
            }
            4 => {
                let response = self.response();
                self.say(response.as_bytes());
            }
            _ => {
                let request = self.request();
                self.say(request.as_bytes());
                self.said.push(request.into_bytes());
                if self.said.len() > 50 {
                    let oldest = self.randomness.below(50) as usize;
                    self.said.swap_remove(oldest);
                }
            }
        }
    }

    /// Everything rings out: calls that never end are hung up by the peer.
    fn finish(&mut self) {
        let keys: Vec<u64> = self.user.calls.keys().copied().collect();
        for key in keys {
            let Some(call) = self.user.calls.get(&key) else { continue };
            let id = call.dialog.id().clone();
            let mut bye = from_peer("BYE", 1_000_000, &format!("end{key}"), &id.local_tag, "");
            bye = bye.replace("call@127.0.0.2", &id.call_id);
            bye = bye.replace("tag=alice", &format!("tag={}", id.remote_tag));
            self.user.receive(&bye);
        }
        self.user.pass(200_000);
        assert!(self.user.calls.is_empty(), "calls left: {:?}", self.user.calls.keys());
        assert_eq!(self.user.bench.endpoint.load(), NOTHING);
        assert_eq!(self.user.next_deadline(), None::<Time>);
    }

    /// A storm in which nothing happened would prove nothing.
    fn assert_it_was_a_storm(&self) {
        let log = &self.user.log;
        let times = |what: &str| log.iter().filter(|entry| entry.starts_with(what)).count();
        for what in ["acknowledged", "cancelled", "no ack", "BYE 200", "INFO 200", "INFO 500"] {
            assert!(times(what) > 0, "never: {what}");
        }
        let counters = self.user.bench.endpoint.counters();
        let counted = [
            counters.retransmissions,
            counters.refused_malformed,
            counters.dropped_malformed,
            counters.refused_by_policy,
            counters.stray_responses,
            counters.stray_acks,
            counters.merged,
            counters.outside_dialog,
        ];
        assert!(counted.iter().all(|count| *count > 0), "{counters:?}");
    }

    fn say(&mut self, bytes: &[u8]) {
        let host = self.randomness.below(3) + 2;
        self.user.receive_bytes(bytes, udp(&format!("127.0.0.{host}:5080")));
    }

    fn pick_said(&mut self) -> Vec<u8> {
        let index = self.randomness.below(self.said.len() as u64) as usize;
        self.said[index].clone()
    }

    fn damage(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self.randomness.below(3) {
            0 => bytes.truncate(self.randomness.below(bytes.len() as u64) as usize),
            1 => {
                let at = self.randomness.below(bytes.len() as u64) as usize;
                bytes[at] = self.randomness.next_u32() as u8;
            }
            _ => {
                let at = self.randomness.below(bytes.len() as u64) as usize;
                bytes.insert(at, b'\n');
            }
        }
        bytes
    }

    fn request(&mut self) -> String {
        let method = METHODS[self.randomness.below(METHODS.len() as u64) as usize];
        let branch = format!("b{}", self.randomness.below(40));
        let cseq = 1 + self.randomness.below(6) as u32;
        let to_tag = match self.randomness.below(4) {
            0 => String::new(),
            1 => "nobody".to_owned(),
            _ => self.some_tag_of_ours(),
        };
        let text = from_peer(method, cseq, &branch, &to_tag, "");
        let call = self.randomness.below(20);
        let text = text.replace("call@", &format!("call{call}@"));
        let text = if self.randomness.below(10) == 0 {
            text.replace(&format!(";branch=z9hG4bK{branch}"), "")
        } else {
            text
        };
        wire(&text)
    }

    /// A response to something that we sent, or to nothing.
    fn response(&mut self) -> String {
        let codes = [100, 180, 183, 200, 202, 301, 401, 408, 481, 486, 487, 500, 603];
        let code = codes[self.randomness.below(codes.len() as u64) as usize];
        let requests: Vec<&[u8]> = self
            .user
            .bench
            .sent
            .iter()
            .rev()
            .take(200)
            .map(|(_, transmit)| transmit.bytes.as_slice())
            .filter(|bytes| !bytes.starts_with(b"SIP/2.0"))
            .collect();
        let Some(request) = requests.first().map(|bytes| String::from_utf8_lossy(bytes).into_owned()) else {
            return "SIP/2.0 200 OK\r\n\r\n".to_owned();
        };
        let headers = request.split_once("\r\n").map(|(_, rest)| rest).unwrap_or_default();
        format!("SIP/2.0 {code} Random\r\n{headers}")
    }

    fn some_tag_of_ours(&mut self) -> String {
        let keys: Vec<u64> = self.user.calls.keys().copied().collect();
        if keys.is_empty() {
            return "us1".to_owned();
        }
        format!("us{}", keys[self.randomness.below(keys.len() as u64) as usize])
    }
}
