//! Nearly sixty calls at once, of every kind, by SIPp and by our own caller: each bundle is whole, does the same again byte for
//! byte, and is in Wireshark what it is for us.

use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use offhook_caller::impair::Impairment;
use offhook_caller::reflector::Reflector;
use offhook_journal::bundle::{Bundle, Direction, PacketKind};
use offhook_time::Half;
use serde_json::Value;

use crate::bundles::{count, finished_bundle_of, recording};
use crate::common::{Calling, OnTheLine, Server, is_gate, skip, together, tool, until, until_within};
use crate::masking::keys_of;
use crate::storm::storm;
use crate::wireshark::{Agreement, Opinion};

/// A bot that is pressed and talked through its states.
const KEYS: &str = r#"bot: keys
start: ask
turn: { max_turns: 50 }
no_match: [{ goto: ask }]
no_input: [{ goto: ask }]
states:
  ask:
    say: Press five to go on, or nine to end this call.
    listen: { keys: { "5": ask, "9": end } }
  end: { say: Goodbye., hang_up: true }
"#;

/// A bot whose caller keys what nobody may see.
const PIN: &str = r#"bot: pin
start: pin
slots: { pin: { digits: 4, masked: true } }
no_match: [{ goto: pin }]
no_input: [{ goto: pin }]
states:
  pin: { say: Your pin please., listen: { slot: pin, filled: end } }
  end: { say: Thank you., outcome: paid, hang_up: true }
"#;

/// Calls of SIPp over UDP, and over TCP with a connection each.
const SIPP: [(&str, &str, u32); 2] = [("caller-pcap.xml", "u1", 10), ("caller-stream.xml", "tn", 6)];

/// Calls of `offhook call` without speech for a recognizer.
const OURS: usize = 40;

/// Bundles that are judged at a time.
const JUDGES: usize = 3;

/// A call that is over.
struct Over {
    bot: &'static str,
    /// As the API tells it.
    record: Value,
    /// RTP that our caller received; SIPp does not say.
    received: u64,
}

#[test]
fn every_recorded_call_is_whole_and_replays_byte_for_byte() {
    let _turn = together();
    let bots = tempfile::tempdir().unwrap();
    for (name, text) in [("keys.yaml", KEYS), ("pin.yaml", PIN)] {
        std::fs::write(bots.path().join(name), text).unwrap();
    }
    let agent = Reflector::start([127, 0, 0, 1].into(), false).unwrap();
    let (_application, server) = recording(&format!(
        "[bots]\nfolder = \"{}\"\n[bots.targets]\nagents = \"{}\"\n",
        bots.path().display(),
        agent.uri()
    ));
    let (sipp, tshark) = (tool("sipp"), tool("tshark"));
    for (tool, package) in [(&sipp, "sip-tester"), (&tshark, "tshark")] {
        if tool.is_none() {
            skip("a part of the calls, or of what is said of them", &format!("apt install {package}"));
        }
    }
    let understands = Path::new("/usr/share/pocketsphinx/model/en-us/en-us").exists();
    assert!(understands || !is_gate(), "pocketsphinx-en-us is not installed");
    if understands {
        until_within(Duration::from_secs(30), "warm engines", || {
            (server.api.get("/readyz").body["ready"] == true).then_some(())
        });
    }

    let (send, receive) = mpsc::channel::<Over>();
    let receive = Mutex::new(receive);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..JUDGES {
            scope.spawn(|| {
                loop {
                    let next = receive.lock().unwrap().recv();
                    let Ok(over) = next else { break };
                    let judged = judge(&server, &over, tshark.as_deref());
                    sum.lock().unwrap().add(judged);
                }
            });
        }
        let storms: Vec<_> = SIPP
            .into_iter()
            .filter_map(|flow| {
                let (sipp, server) = (sipp.as_deref()?, &server);
                Some(scope.spawn(move || by_sipp(sipp, server, flow)))
            })
            .collect();
        for (bot, from, call) in calls(&server, understands) {
            let ended = call.finish();
            let record = server.api.ended_call_from(&from);
            send.send(Over { bot, record, received: ended.report.received.packets }).unwrap();
        }
        let expected: u32 = storms.into_iter().map(|storm| storm.join().unwrap()).sum();
        for record in records_of_sipp(&server, expected) {
            send.send(Over { bot: "echo", record, received: 0 }).unwrap();
        }
        drop(send);
    });

    let sum = sum.into_inner().unwrap();
    sum.tell();
    let by_sipp: u32 = SIPP.iter().map(|(_, _, calls)| calls).sum();
    let expected = OURS + 1 + usize::from(understands) + sipp.map_or(0, |_| by_sipp as usize);
    assert_eq!(sum.calls, expected);
    assert!(sum.calls >= 50 || !is_gate(), "{}", sum.calls);
    assert!(tshark.is_none() || sum.agreement.live > 0, "{:?}", sum.agreement);
    assert!(tshark.is_none() || sum.agreement.lost > 0, "one line loses packets: {:?}", sum.agreement);
    assert_eq!(server.metric("offhook_bundle_dropped_total"), Some(0.0));
    assert_eq!(server.metric("offhook_bundles_failed_total"), Some(0.0));
    assert!(server.metric("offhook_bundle_packets_total") > Some(6000.0));
    until("all bundles to be closed", || (server.metric("offhook_bundles_open") == Some(0.0)).then_some(()));
}

/// Our own callers, all on the line.
fn calls(server: &Server, understands: bool) -> Vec<(&'static str, String, OnTheLine)> {
    let echo = "say said.wav\nwait 300ms\nhangup";
    let keys = "say said.wav\ndtmf 5*\nwait 300ms\nhangup";
    let pressed = "interrupt after 600ms dtmf 5\ninterrupt after 1s say said.wav\nwait 500ms\ninterrupt after 300ms dtmf 9\nexpect-hangup 30s";
    // Who speaks with a bot takes longest, begins first and is waited for last.
    let speaks = understands
        .then(|| Calling::to(server, "after-sales").from("speaks").audio("person-kal16.wav").start());
    let mut calls = Vec::new();
    let pin = Calling::to(server, "pin").from("keys-a-pin");
    let pin = pin.script("interrupt after 600ms dtmf 4711\nexpect-hangup 40s").start();
    calls.push(("pin", "keys-a-pin".to_owned(), pin));
    for number in 0..OURS {
        let (bot, script) = match number % 10 {
            0..3 => ("echo", echo),
            3 => ("echo", keys),
            4 => ("bridge", echo),
            5 => ("bridge", keys),
            6 => ("bridge-8k-raw", echo),
            7 => ("bridge-16k-raw", echo),
            8 => ("keys", pressed),
            _ => ("hello", "wait 6s\nhangup"),
        };
        let from = format!("caller-{number}");
        let call = Calling::to(server, bot).from(&from).sample("said.wav", "coughs/test/cough-01.wav");
        let call = if number % 4 == 1 { call.tcp() } else { call };
        let call = if number % 5 == 1 { call.a_law() } else { call };
        let call = match number {
            0 => call.impaired(Impairment { loss_percent: 8.0, jitter_ms: 12.0, ..Impairment::default() }),
            10 => call.impaired(Impairment {
                reorder_percent: 6.0,
                duplicate_percent: 6.0,
                ..Impairment::default()
            }),
            _ => call,
        };
        calls.push((bot, from, call.script(script).start()));
    }
    calls.extend(speaks.map(|call| ("after-sales", "speaks".to_owned(), call)));
    calls
}

fn by_sipp(sipp: &Path, server: &Server, (flow, transport, calls): (&str, &str, u32)) -> u32 {
    // Raw sockets are for root.
    let flow = if rustix::process::geteuid().is_root() { flow } else { "caller-stream.xml" };
    let report = storm(sipp, flow, server, transport, calls);
    assert_eq!((report.succeeded, report.failed), (u64::from(calls), 0), "{}", report.said);
    calls
}

fn records_of_sipp(server: &Server, expected: u32) -> Vec<Value> {
    until("the records of SIPp's calls", || {
        let ended = server.api.get("/v1/calls?state=ended&limit=1000").body;
        let is_sipp =
            |record: &&Value| record["caller"].as_str().is_some_and(|user| user.starts_with("sipp-"));
        let records: Vec<Value> = ended["calls"].as_array()?.iter().filter(is_sipp).cloned().collect();
        (records.len() == expected as usize).then_some(records)
    })
}

/// What was seen of calls.
#[derive(Default)]
struct Sum {
    calls: usize,
    bytes: u64,
    virtual_time: f64,
    took: Duration,
    agreement: Agreement,
}

impl Sum {
    fn add(&mut self, more: Sum) {
        self.calls += more.calls;
        self.bytes += more.bytes;
        self.virtual_time += more.virtual_time;
        self.took += more.took;
        self.agreement.add(more.agreement);
    }

    fn tell(&self) {
        eprintln!(
            "{} calls: {:.0} KiB per call-minute; replayed at {:.0} times real time; tshark: {:?}",
            self.calls,
            self.bytes as f64 / 1024.0 / (self.virtual_time / 60.0),
            self.virtual_time / self.took.as_secs_f64(),
            self.agreement
        );
    }
}

#[track_caller]
fn judge(server: &Server, Over { bot, record, received }: &Over, tshark: Option<&Path>) -> Sum {
    let (path, from) = (finished_bundle_of(server, record), &record["caller"]);
    let bundle = Bundle::open(File::open(&path).unwrap()).unwrap();

    assert!(bundle.verify().is_sound(), "{bot}: {:?}", bundle.verify());
    let sent = count(&bundle, PacketKind::Rtp, Direction::Outbound);
    assert!(sent >= *received && sent > 40, "{bot} {from}: {sent} {received}");
    assert!(count(&bundle, PacketKind::Rtp, Direction::Inbound) > 40, "{bot}");
    let began = Instant::now();
    let report = offhook_replay::verify(&bundle).unwrap();
    let took = began.elapsed();
    assert!(report.is_equal(), "{bot} {}:\n{report:#?}", path.display());
    if *bot == "pin" {
        let keys = keys_of(&bundle);
        assert!(keys.len() >= 4 && keys.iter().all(|key| *key == 0), "{keys:?}");
        assert_eq!(record["outcome"], "paid", "{record}");
    }
    if *bot == "after-sales" {
        // Whether it understood is the matter of others, on a machine with less to do.
        let lines = record["transcript"].as_array().into_iter().flatten();
        eprintln!("the recognizer heard {:?}", lines.filter(|line| line[0] == "caller").collect::<Vec<_>>());
        assert!(bundle.steps(Half::Control).count() > 20);
    }
    let agreement = tshark.map_or(Agreement::default(), |tshark| {
        let opinion = Opinion::of(tshark, &path);
        assert_eq!((opinion.calls.len(), opinion.streams.len()), (1, 2), "{bot} {from}: {opinion:?}");
        opinion.must_agree(&path)
    });
    Sum {
        calls: 1,
        bytes: std::fs::metadata(&path).unwrap().len(),
        virtual_time: report.lasted.as_secs_f64(),
        took,
        agreement,
    }
}
