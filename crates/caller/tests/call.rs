//! Whole calls over loopback: against the reflector, and against a far end that the test plays by hand.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod support;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use offhook_caller::call::{self, CallOptions, CallReport, EndedBy, OnRefer, Outcome, Stop, Transport};
use offhook_caller::g711::Law;
use offhook_caller::probe::noise;
use offhook_caller::reflector::Reflector;
use offhook_caller::wav;

use support::{FarEnd, header, sdp};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn a_reflected_call_plays_records_and_measures() {
    let reflector = Reflector::start(LOCAL, false).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut options = quick(reflector.uri());
    options.audio = Some(two_utterances(folder.path()));
    options.record_to = Some(folder.path().join("recorded"));

    let (report, progress) = place(&options, &Stop::default());

    assert_eq!(report.outcome, Outcome::Completed { ended_by: EndedBy::Caller }, "{progress}");
    assert_eq!((report.codec.as_deref(), report.turns.turns.len()), (Some("PCMU"), 2), "{progress}");
    // The echo talks while we do, and ends with us.
    for turn in &report.turns.turns {
        let length = turn.caller_end_ms - turn.caller_start_ms;
        assert!((length - 780.0).abs() < 60.0, "{turn:?}");
        let (start, end) = (turn.bot_start_ms.unwrap(), turn.bot_end_ms.unwrap());
        assert!(
            (start - turn.caller_start_ms).abs() < 40.0 && (end - turn.caller_end_ms).abs() < 40.0,
            "{turn:?}"
        );
    }
    assert!(report.received.packets > 100 && report.received.lost == 0, "{:?}", report.received);
    // The last packet may be under way when we hang up.
    assert!(report.sent.packets - report.received.packets <= 1, "{report:?}");
    let recordings = report.recordings.unwrap();
    let (said, heard) = (wav::read(&recordings.caller).unwrap(), wav::read(&recordings.far).unwrap());
    assert!(same_within(&said, &heard, 400), "what came back is what was said");
    assert!(recordings.both.exists());
}

#[test]
fn keys_come_back_as_they_were_pressed() {
    let reflector = Reflector::start(LOCAL, false).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut options = quick(reflector.uri());
    options.script = Some(script(folder.path(), "dtmf 1234*#\nwait 300ms\nhangup"));
    options.codecs = vec![Law::A, Law::Mu];

    let (report, progress) = place(&options, &Stop::default());

    assert!(report.is_success(), "{progress}");
    assert_eq!(report.codec.as_deref(), Some("PCMA"));
    assert_eq!((report.sent.digits.as_str(), report.digits_received.as_str()), ("1234*#", "1234*#"));
    assert_eq!(report.received.timestamp_breaks + report.received.lost, 0, "{:?}", report.received);
}

#[test]
fn a_refusal_is_a_report_and_is_acknowledged() {
    let (mut far, uri) = FarEnd::udp();
    let caller = thread::spawn(move || place(&quick(uri), &Stop::default()));
    let invite = far.expect("INVITE");
    far.respond(&invite, "404 Not Found", "");

    let ack = far.expect("ACK");
    let (report, progress) = caller.join().unwrap();

    assert_eq!(report.outcome, Outcome::Refused { status: 404, reason: "Not Found".into() }, "{progress}");
    assert_eq!(header(&ack.text, "Via"), header(&invite.text, "Via"));
    assert!(!report.is_success() && report.setup_ms.is_some());
}

#[test]
fn asked_to_stop_while_it_rings_it_cancels() {
    let (mut far, uri) = FarEnd::udp();
    let stop = Stop::default();
    let stopper = stop.clone();
    let caller = thread::spawn(move || place(&quick(uri), &stop));
    let invite = far.expect("INVITE");
    far.respond(&invite, "180 Ringing", "");
    thread::sleep(Duration::from_millis(200));
    stopper.raise();

    let cancel = far.expect("CANCEL");
    far.respond(&cancel, "200 OK", "");
    far.respond(&invite, "487 Request Terminated", "");
    far.expect("ACK");
    let (report, progress) = caller.join().unwrap();

    assert_eq!(report.outcome, Outcome::Cancelled, "{progress}");
}

#[test]
fn asked_to_stop_before_anything_was_answered_it_ends_at_once_and_cancels_a_late_ringing() {
    let (mut far, uri) = FarEnd::udp();
    let stop = Stop::default();
    let stopper = stop.clone();
    let caller = thread::spawn(move || place(&quick(uri), &stop));
    let invite = far.expect("INVITE");

    let began = Instant::now();
    stopper.raise();
    far.respond(&invite, "180 Ringing", "");
    far.expect("CANCEL");
    let (report, progress) = caller.join().unwrap();

    assert_eq!(report.outcome, Outcome::Cancelled, "{progress}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}: {progress}", began.elapsed());

    let (mut silent, uri) = FarEnd::udp();
    let stop = Stop::default();
    let stopper = stop.clone();
    let caller = thread::spawn(move || place(&quick(uri), &stop));
    silent.expect("INVITE");
    let began = Instant::now();
    stopper.raise();
    let (report, progress) = caller.join().unwrap();

    assert_eq!(report.outcome, Outcome::Cancelled, "{progress}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}: {progress}", began.elapsed());
}

#[test]
fn a_port_where_nobody_listens_ends_the_call_at_once_and_is_named() {
    // Held as TCP by nobody and as UDP until here: free again, and nobody else's for the moment.
    let closed = UdpSocket::bind((LOCAL, 0)).unwrap().local_addr().unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut options = quick(format!("sip:echo@{closed}"));
        options.transport = transport;
        let began = Instant::now();

        let (report, progress) = place(&options, &Stop::default());

        let reason = format!("nothing listens at {closed}: is the server running there?");
        assert_eq!(report.outcome, Outcome::Failed { reason }, "{progress}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}: {progress}", began.elapsed());
    }
}

#[test]
fn over_tcp_a_far_end_that_hangs_up_ends_the_call() {
    let (listener, uri) = FarEnd::tcp();
    let folder = tempfile::tempdir().unwrap();
    let mut options = quick(uri);
    options.transport = Transport::Tcp;
    options.script = Some(script(folder.path(), "expect-hangup 9s"));
    let caller = thread::spawn(move || place(&options, &Stop::default()));
    let mut far = FarEnd::accepted(&listener);
    let rtp = UdpSocket::bind((LOCAL, 0)).unwrap();
    let invite = far.expect("INVITE");
    far.respond(&invite, "200 OK", &sdp(rtp.local_addr().unwrap(), "sendrecv"));
    far.expect("ACK");

    far.request(&invite, "BYE", 1, "", "");
    let answer = far.expect("SIP/2.0 200");
    let (report, progress) = caller.join().unwrap();

    assert_eq!(header(&answer.text, "CSeq"), "1 BYE");
    assert_eq!(report.outcome, Outcome::Completed { ended_by: EndedBy::FarEnd }, "{progress}");
    assert!(report.is_success(), "{:?}", report.unmet);
}

#[test]
fn on_hold_nothing_is_sent_and_afterwards_it_goes_on() {
    let (mut far, uri) = FarEnd::udp();
    let folder = tempfile::tempdir().unwrap();
    let mut options = quick(uri);
    options.script = Some(script(folder.path(), "wait 2500ms\nhangup"));
    let caller = thread::spawn(move || place(&options, &Stop::default()));
    let rtp = UdpSocket::bind((LOCAL, 0)).unwrap();
    rtp.set_nonblocking(true).unwrap();
    let local = rtp.local_addr().unwrap();
    let invite = far.expect("INVITE");
    far.respond(&invite, "200 OK", &sdp(local, "sendrecv"));
    far.expect("ACK");

    let count = || {
        let mut buffer = [0; 2048];
        std::iter::from_fn(|| rtp.recv_from(&mut buffer).ok()).count()
    };
    let mut change = |cseq, direction| {
        far.request(&invite, "INVITE", cseq, "Content-Type: application/sdp\r\n", &sdp(local, direction));
        let answer = far.expect("SIP/2.0 200");
        far.request(&invite, "ACK", cseq, "", "");
        thread::sleep(Duration::from_millis(100));
        let so_far = count();
        thread::sleep(Duration::from_millis(500));
        (answer.text, so_far, count())
    };
    thread::sleep(Duration::from_millis(300));
    let (held, before, during) = change(1, "sendonly");
    let (resumed, _, after) = change(2, "sendrecv");
    let bye = far.expect("BYE");
    far.respond(&bye, "200 OK", "");
    let (report, progress) = caller.join().unwrap();

    assert!(report.is_success(), "{progress}");
    assert!(held.contains("a=recvonly") && resumed.contains("a=sendrecv"), "{held}\n{resumed}");
    assert!(before >= 10 && during == 0 && after >= 15, "{before} {during} {after}");
}

#[test]
fn a_transfer_is_followed_and_told() {
    let target = Reflector::start(LOCAL, false).unwrap();
    let (mut far, uri) = FarEnd::udp();
    let folder = tempfile::tempdir().unwrap();
    let mut options = quick(uri);
    options.script = Some(script(folder.path(), "wait 1500ms\nsay hello.wav\nwait 500ms\nhangup"));
    let caller = thread::spawn(move || {
        let _folder = folder;
        place(&options, &Stop::default())
    });
    let rtp = UdpSocket::bind((LOCAL, 0)).unwrap();
    let invite = far.expect("INVITE");
    far.respond(&invite, "200 OK", &sdp(rtp.local_addr().unwrap(), "sendrecv"));
    far.expect("ACK");

    far.request(&invite, "REFER", 1, &format!("Refer-To: <{}>\r\n", target.uri()), "");
    let accepted = far.expect("SIP/2.0 202");
    let mut told = Vec::new();
    while told.last().is_none_or(|line: &String| line.starts_with("SIP/2.0 1")) {
        let notify = far.expect("NOTIFY");
        far.respond(&notify, "200 OK", "");
        assert_eq!(header(&notify.text, "Event"), "refer;id=1");
        told.push(notify.text.split("\r\n\r\n").nth(1).unwrap().trim().to_owned());
    }
    far.request(&invite, "BYE", 2, "", "");
    far.expect("SIP/2.0 200");
    let (report, progress) = caller.join().unwrap();

    assert_eq!(header(&accepted.text, "CSeq"), "1 REFER");
    assert_eq!(told, ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]);
    assert!(report.is_success(), "{progress}");
    assert_eq!((report.transfers[0].answered, report.transfers[0].target_status), (202, Some(200)));
    // What was said after the transfer came back from the target.
    assert!(report.turns.turns[0].bot_start_ms.is_some(), "{:?}\n{progress}", report.turns);
}

#[test]
fn a_transfer_that_fails_leaves_us_where_we_were() {
    let (mut far, uri) = FarEnd::udp();
    let (mut target, target_uri) = FarEnd::udp();
    let folder = tempfile::tempdir().unwrap();
    let mut options = quick(uri);
    options.script = Some(script(folder.path(), "expect-hangup 9s"));
    let caller = thread::spawn(move || {
        let _folder = folder;
        place(&options, &Stop::default())
    });
    let rtp = UdpSocket::bind((LOCAL, 0)).unwrap();
    let invite = far.expect("INVITE");
    far.respond(&invite, "200 OK", &sdp(rtp.local_addr().unwrap(), "sendrecv"));
    far.expect("ACK");

    far.request(&invite, "REFER", 1, &format!("Refer-To: <{target_uri}>\r\n"), "");
    let second = target.expect("INVITE");
    target.respond(&second, "486 Busy Here", "");
    loop {
        let notify = far.expect("NOTIFY");
        far.respond(&notify, "200 OK", "");
        if notify.text.ends_with("SIP/2.0 486 Busy Here\r\n") {
            assert!(header(&notify.text, "Subscription-State").starts_with("terminated"));
            break;
        }
    }
    far.request(&invite, "BYE", 2, "", "");
    far.expect("SIP/2.0 200");
    let (report, progress) = caller.join().unwrap();

    assert_eq!(report.transfers[0].target_status, Some(486), "{progress}");
    assert!(report.is_success(), "{progress}");
}

#[test]
fn a_transfer_can_be_declined() {
    let (mut far, uri) = FarEnd::udp();
    let mut options = quick(uri);
    options.on_refer = OnRefer::Decline(603);
    let caller = thread::spawn(move || place(&options, &Stop::default()));
    let rtp = UdpSocket::bind((LOCAL, 0)).unwrap();
    let invite = far.expect("INVITE");
    far.respond(&invite, "200 OK", &sdp(rtp.local_addr().unwrap(), "sendrecv"));
    far.expect("ACK");

    far.request(&invite, "REFER", 1, "Refer-To: <sip:nobody@127.0.0.1:9>\r\n", "");
    let declined = far.expect("SIP/2.0 603");
    far.request(&invite, "BYE", 2, "", "");
    let (report, _) = caller.join().unwrap();

    assert_eq!(header(&declined.text, "CSeq"), "1 REFER");
    assert_eq!((report.transfers[0].answered, report.transfers[0].target_status), (603, None));
}

#[test]
fn a_script_that_is_wrong_never_dials() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = quick("sip:bot@127.0.0.1:9".to_owned());
    options.script = Some(script(folder.path(), "wait 1s\nsing"));

    let error = call::run(&options, &mut Vec::new(), &Stop::default()).unwrap_err().to_string();

    assert!(error.contains("call.script:2: `sing` is none of"), "{error}");
}

/// Short patience and no real-time priority: the tests run beside each other.
fn quick(uri: String) -> CallOptions {
    let mut options = CallOptions::to(uri);
    options.realtime = false;
    options.quiet_after = Duration::from_millis(500);
    options.greeting_patience = Duration::from_millis(300);
    options.answer_patience = Duration::from_secs(1);
    options.linger = Duration::from_millis(500);
    options.max_duration = Duration::from_secs(20);
    options
}

fn place(options: &CallOptions, stop: &Stop) -> (CallReport, String) {
    let mut progress = Vec::new();
    let report = call::run(options, &mut progress, stop).unwrap();
    (report, String::from_utf8(progress).unwrap())
}

fn script(folder: &Path, text: &str) -> PathBuf {
    wav::write(&folder.join("hello.wav"), &[&noise(7, 6400)]).unwrap();
    let path = folder.join("call.script");
    std::fs::write(&path, text).unwrap();
    path
}

/// Two utterances of 0.8 s, 1.5 s of digital silence around and between.
fn two_utterances(folder: &Path) -> PathBuf {
    let silence = vec![0; 12_000];
    let samples = [silence.clone(), noise(1, 6400), silence.clone(), noise(2, 6400), silence].concat();
    let path = folder.join("two.wav");
    wav::write(&path, &[&samples]).unwrap();
    path
}

/// Whether `heard` is `said`, companded, at most `most` samples later.
fn same_within(said: &[i16], heard: &[i16], most: usize) -> bool {
    let energy = |samples: &[i16]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    (0..most).any(|late| {
        let Some(shifted) = heard.get(late..) else { return false };
        let both = said.len().min(shifted.len());
        let dot: f64 = said[..both].iter().zip(shifted).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        dot / (energy(&said[..both]) * energy(&shifted[..both])).sqrt() > 0.99
    })
}
