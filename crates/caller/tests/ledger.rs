//! The turn ledger against a bot that knows what it did.
#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use offhook_caller::call::{self, CallOptions, CallReport, Stop};
use offhook_caller::g711::Law;
use offhook_caller::listen::rms;
use offhook_caller::probe::noise;
use offhook_caller::wav;

use support::{FarEnd, sdp};

const PACKET: Duration = Duration::from_millis(20);

/// One packet, and what a busy machine adds to both clocks of the comparison.
const TOLERANCE_MS: f64 = 25.0;

#[test]
fn the_silence_between_caller_and_answer_is_measured_to_the_packet() {
    let folder = tempfile::tempdir().unwrap();
    let silence = vec![0; 9_600];
    let samples =
        [noise(1, 6400), silence.clone(), noise(2, 4800), silence.clone(), noise(3, 8000), silence].concat();
    let path = folder.path().join("three.wav");
    wav::write(&path, &[&samples]).unwrap();

    let (report, bot) = call_bot(Behaviour { greeting: 40, answer: 30, ..PLAIN }, |options| {
        options.audio = Some(path.clone());
    });

    assert_eq!(report.turns.turns.len(), 3, "{report:?}");
    assert!(report.turns.greeting_ms.is_some_and(|at| at < 500.0), "{:?}", report.turns);
    assert_eq!(bot.answers_ms.len(), 3, "{bot:?}");
    for (turn, answered_after) in report.turns.turns.iter().zip(&bot.answers_ms) {
        let measured = turn.response_ms.unwrap();
        assert!((measured - answered_after).abs() < TOLERANCE_MS, "{turn:?} against {answered_after}");
    }
}

#[test]
fn a_barge_in_is_measured_from_our_onset_to_their_last_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "interrupt after 600ms say no.wav\nwait-quiet\nhangup");

    let (report, bot) =
        call_bot(Behaviour { greeting: 400, answer: 20, stops_after: 6, ..PLAIN }, |options| {
            options.script = Some(path.clone());
        });

    let barge_in = report.turns.turns[0].barge_in.expect("a barge-in");
    let stopped_after = bot.stopped_after_ms.expect("the bot stopped");
    assert!((barge_in.stopped_after_ms - stopped_after).abs() < TOLERANCE_MS, "{barge_in:?} {stopped_after}");
    assert!((80.0..200.0).contains(&barge_in.stopped_after_ms), "{barge_in:?}");
    assert!(report.is_success(), "{report:?}");
}

/// What the bot does, in packets.
#[derive(Clone, Copy)]
struct Behaviour {
    /// How long it greets.
    greeting: usize,
    /// How long it answers, each time.
    answer: usize,
    /// So many packets of silence are the end of the caller's turn.
    patience: usize,
    /// So many voiced packets of the caller make it stop.
    stops_after: usize,
}

const PLAIN: Behaviour = Behaviour { greeting: 40, answer: 30, patience: 15, stops_after: usize::MAX };

/// What it knows.
#[derive(Debug, Default)]
struct Known {
    /// From the last voiced packet that arrived to the first one that it answered with.
    answers_ms: Vec<f64>,
    /// From the first voiced packet that arrived to the last one that it sent.
    stopped_after_ms: Option<f64>,
}

fn call_bot(behaviour: Behaviour, set: impl FnOnce(&mut CallOptions)) -> (CallReport, Known) {
    let (mut far, uri) = FarEnd::udp();
    let mut options = CallOptions::to(uri);
    options.realtime = false;
    options.quiet_after = Duration::from_millis(500);
    options.answer_patience = Duration::from_secs(4);
    options.linger = Duration::from_millis(600);
    set(&mut options);
    let caller = thread::spawn(move || call::run(&options, &mut Vec::new(), &Stop::default()).unwrap());
    let rtp = UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).unwrap();
    let invite = far.expect("INVITE");
    let to = offered(&invite.text);
    far.respond(&invite, "200 OK", &sdp(rtp.local_addr().unwrap(), "sendrecv"));
    let stop = Arc::new(AtomicBool::new(false));
    let bot = talk(rtp, to, behaviour, Arc::clone(&stop));
    let bye = far.expect("BYE");
    far.respond(&bye, "200 OK", "");
    stop.store(true, Ordering::Relaxed);
    (caller.join().unwrap(), bot.join().unwrap())
}

/// A bot that greets, answers each turn, and may be interrupted.
fn talk(rtp: UdpSocket, to: SocketAddr, behaviour: Behaviour, stop: Arc<AtomicBool>) -> JoinHandle<Known> {
    thread::spawn(move || {
        let voice = noise(99, 160 * 100);
        let mut known = Known::default();
        let (mut talking, mut heard, mut quiet) = (behaviour.greeting, 0, 0);
        let (mut first_voiced, mut last_voiced, mut last_sent) = (None, None, None);
        let mut owes_answer = false;
        let began = Instant::now();
        let mut buffer = [0; 2048];
        for n in 0usize.. {
            let due = began + PACKET * (n as u32 + 1);
            while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                rtp.set_read_timeout(Some(left)).unwrap();
                let Ok((length, _)) = rtp.recv_from(&mut buffer) else { continue };
                let mut samples = Vec::new();
                Law::Mu.decode_into(&buffer[12..length], &mut samples);
                if rms(&samples) > 184.0 {
                    first_voiced.get_or_insert_with(Instant::now);
                    last_voiced = Some(Instant::now());
                    (heard, quiet, owes_answer) = (heard + 1, 0, true);
                } else {
                    quiet += 1;
                }
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if talking > 0 && heard >= behaviour.stops_after && known.stopped_after_ms.is_none() {
                talking = 0;
                known.stopped_after_ms = ms_between(first_voiced, last_sent);
            }
            if talking == 0 && owes_answer && quiet >= behaviour.patience {
                (talking, owes_answer) = (behaviour.answer, false);
                known.answers_ms.extend(ms_between(last_voiced, Some(Instant::now())));
            }
            let mut packet = vec![0x80, 0];
            packet.extend((n as u16).to_be_bytes());
            packet.extend((160 * n as u32).to_be_bytes());
            packet.extend(7u32.to_be_bytes());
            let spoken = &voice[160 * (n % 100)..][..160];
            packet.extend(spoken.iter().map(|sample| Law::Mu.encode(if talking > 0 { *sample } else { 0 })));
            if talking > 0 {
                last_sent = Some(Instant::now());
                talking -= 1;
            }
            rtp.send_to(&packet, to).unwrap();
        }
        known
    })
}

fn ms_between(from: Option<Instant>, to: Option<Instant>) -> Option<f64> {
    Some(to?.checked_duration_since(from?)?.as_secs_f64() * 1000.0)
}

/// Where the offer wants audio.
fn offered(invite: &str) -> SocketAddr {
    let line = invite.split("\r\n").find(|line| line.starts_with("m=audio ")).unwrap();
    let port: u16 = line.split(' ').nth(1).unwrap().parse().unwrap();
    (Ipv4Addr::LOCALHOST, port).into()
}

fn script(folder: &Path, text: &str) -> PathBuf {
    wav::write(&folder.join("no.wav"), &[&noise(7, 4800)]).unwrap();
    let path = folder.join("call.script");
    std::fs::write(&path, text).unwrap();
    path
}
