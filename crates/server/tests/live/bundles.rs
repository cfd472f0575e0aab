//! Call bundles: what was recorded of live calls is whole, opens in Wireshark, and does the same again.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook_engines::websocket::{EchoApplication, echo_application};
use offhook_journal::Ending;
use offhook_journal::bundle::seal::SealedReader;
use offhook_journal::bundle::{Bundle, Direction, PacketKind};
use offhook_time::Half;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::common::{Calling, Server, Setup, alone, together, until};

const RECORD: &str = "[bundle]\nrecord = \"on\"\n";

#[test]
fn a_killed_server_leaves_bundles_that_lack_less_than_a_second() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Setup::new().config(RECORD).data(&folder.path().join("data")).start();
    let calls: Vec<_> =
        (0..4).map(|number| Calling::to(&server, "echo").from(&format!("cut-{number}")).start()).collect();
    let ids: Vec<_> = (0..4).map(|number| server.api.answered_call_from(&format!("cut-{number}"))).collect();
    let paths: Vec<PathBuf> = ids.iter().map(|id| bundle_of(&server, id).unwrap()).collect();
    std::thread::sleep(Duration::from_secs(3));

    server.kill();
    let killed_at = offhook_server::clock::Clock.now();

    for path in paths {
        let bundle = Bundle::open(File::open(&path).unwrap()).unwrap();
        let verdict = bundle.verify();
        assert!(matches!(verdict.ending, Ending::Cut { .. }), "{verdict:?}");
        assert!(verdict.problems.is_empty(), "{verdict:?}");
        let last = bundle.steps(Half::Media).map(|step| step.head.now).max().unwrap();
        let lacks = killed_at.since(last);
        eprintln!("the bundle lacks {lacks:?} of {} steps", bundle.steps(Half::Media).count());
        assert!(lacks < Duration::from_secs(1), "{lacks:?}");
        let report = offhook_replay::verify(&bundle).unwrap();
        assert!(report.is_equal(), "{report:#?}");
    }
    calls.into_iter().for_each(crate::common::OnTheLine::abandon);
}

#[test]
fn a_disk_that_stands_still_costs_calls_nothing_and_bundles_nothing_while_there_is_memory() {
    let _turn = together();
    let server = Setup::new().config(RECORD).arg("--allow-planted-panics").start();
    let calls: Vec<_> = (0..6)
        .map(|number| {
            let call = Calling::to(&server, "echo").from(&format!("still-{number}"));
            call.script("wait 5s\nhangup").start()
        })
        .collect();
    let stall = Calling::to(&server, "echo").header("X-Offhook-Test", "stall-recorder 3000");
    let stalled = stall.from("stalls").script("wait 1s\nhangup").place();

    assert!(stalled.report.is_success(), "{}", stalled.said);
    for (number, call) in calls.into_iter().enumerate() {
        let ended = call.finish();
        assert!(ended.report.is_success() && ended.report.received.lost == 0, "{}", ended.said);
        let bundle =
            Bundle::open(File::open(finished_bundle(&server, &format!("still-{number}"))).unwrap()).unwrap();
        assert!(bundle.verify().is_sound(), "{:?}", bundle.verify());
        assert!(offhook_replay::verify(&bundle).unwrap().is_equal());
    }
    assert_eq!(server.metric("offhook_bundle_dropped_total"), Some(0.0));
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_call() {
    let _turn = together();
    // A process that may write no longer files gets a signal with it, which ends programs that do not expect it.
    let server = Setup::new().config(RECORD).shell("trap '' XFSZ").start();
    let call = Calling::to(&server, "echo").from("goes-on").script("wait 6s\nhangup").start();
    let id = server.api.answered_call_from("goes-on");
    let path = bundle_of(&server, &id).unwrap();

    // Room for journal and records, and for three seconds of a bundle.
    let pid = Pid::from_raw(server.pid().cast_signed());
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    prlimit(pid, Resource::Fsize, Rlimit { current: Some(64 << 10), maximum }).unwrap();
    until("the recording to end", || {
        (server.metric("offhook_bundles_failed_total") == Some(1.0)).then_some(())
    });
    prlimit(pid, Resource::Fsize, Rlimit { current: None, maximum }).unwrap();

    let ended = call.finish();
    assert!(ended.report.is_success() && ended.report.received.lost == 0, "{}", ended.said);
    assert_eq!(server.log().matches("a call is not recorded any more").count(), 1);
    assert_eq!(server.metric("offhook_bundles_open"), Some(0.0));
    let bundle = Bundle::open(File::open(path).unwrap()).unwrap();
    assert!(matches!(bundle.verify().ending, Ending::Cut { .. }), "what was written can be read");
    let next = Calling::to(&server, "echo").from("next").script("wait 200ms\nhangup").place();
    assert!(next.report.is_success());
    assert!(Bundle::open(File::open(finished_bundle(&server, "next")).unwrap()).unwrap().verify().is_sound());
}

#[test]
fn a_route_decides_what_is_recorded_and_a_key_seals_it() {
    let _turn = together();
    let config = "[bundle]\nkey = \"env:BUNDLE_KEY\"\negress = \"full\"\n\n\
                  [[route]]\nuser = \"kept\"\nbot = \"echo\"\nrecord = \"on\"\n\n\
                  [[route]]\nuser = \"unkept\"\nbot = \"echo\"\n";
    let server = Setup::new().config(config).env("BUNDLE_KEY", &"5a".repeat(32)).start();
    for user in ["kept", "unkept", "echo"] {
        let call =
            Calling::to(&server, user).from(&format!("to-{user}")).script("wait 500ms\nhangup").place();
        assert!(call.report.is_success(), "{}", call.said);
    }

    let path = finished_bundle(&server, "to-kept");

    for user in ["unkept", "echo"] {
        let record = server.api.ended_call_from(&format!("to-{user}"));
        assert_eq!(bundle_of_record(&server, &record), None, "{user}");
    }
    let mut bytes = Vec::new();
    File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"INVITE"), "nothing of it stands in the clear");
    let bundle = Bundle::open(SealedReader::open(bytes.as_slice(), &[0x5A; 32]).unwrap()).unwrap();
    assert!(bundle.verify().is_sound());
    let sent = |packet: &&_| direction_of(packet) == (PacketKind::Rtp, Direction::Outbound);
    assert!(bundle.packets().filter(sent).all(|packet| packet.bytes.len() == packet.original_length));
    assert!(offhook_replay::verify(&bundle).unwrap().is_equal());
}

#[test]
fn a_key_that_is_none_stops_the_start_with_its_remedy() {
    let config = "[bundle]\nrecord = \"on\"\nkey = \"short\"\n";

    let (code, said) = Setup::new().config(config).run_to_its_end();

    assert_eq!(code, Some(1));
    assert!(said.contains("bundle.key") && said.contains("64 hexadecimal digits"), "{said}");
}

pub fn recording(more: &str) -> (EchoApplication, Server) {
    let application = echo_application(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let url = format!("ws://{}/", application.address());
    let server = Setup::new().calls(200).config(&format!("{RECORD}{more}")).arg("--bridge").arg(&url).start();
    (application, server)
}

/// The bundle of the call from this user, once it has its end.
#[track_caller]
pub fn finished_bundle(server: &Server, from: &str) -> PathBuf {
    finished_bundle_of(server, &server.api.ended_call_from(from))
}

/// The bundle of the call with this record, once it has its end.
#[track_caller]
pub fn finished_bundle_of(server: &Server, record: &serde_json::Value) -> PathBuf {
    let path = bundle_of_record(server, record).unwrap();
    let is_sealed = |path: &Path| {
        let mut first = [0; 8];
        File::open(path).unwrap().read_exact(&mut first).is_ok()
            && offhook_journal::bundle::seal::is_sealed(&first)
    };
    until("the end of the bundle", || {
        let ended = is_sealed(&path)
            || Bundle::open(File::open(&path).unwrap()).is_ok_and(|bundle| bundle.end().is_some());
        let all_closed = server.metric("offhook_bundles_open") == Some(0.0);
        (ended && (all_closed || !is_sealed(&path))).then_some(())
    });
    path
}

fn bundle_of_record(server: &Server, record: &serde_json::Value) -> Option<PathBuf> {
    let shown = server.api.get(&format!("/v1/calls/{}", record["call_id"].as_str().unwrap()));
    shown.body["bundle"].as_str().map(PathBuf::from)
}

/// The bundle of a running call, once it is there.
fn bundle_of(server: &Server, id: &str) -> Option<PathBuf> {
    until("the bundle", || {
        let shown = server.api.get(&format!("/v1/calls/{id}"));
        shown.body["bundle"].as_str().map(PathBuf::from)
    })
    .into()
}

pub fn count(bundle: &Bundle, kind: PacketKind, direction: Direction) -> u64 {
    bundle.packets().filter(|packet| direction_of(packet) == (kind, direction)).count() as u64
}

fn direction_of(packet: &offhook_journal::bundle::RecordedPacket) -> (PacketKind, Direction) {
    (packet.kind, packet.direction)
}
