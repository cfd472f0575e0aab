//! Captured packets, sent again over real sockets: the reflector returns each as it came, so the caller's own figures
//! of what it received show what was on the wire.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::sink;
use std::sync::Arc;
use std::time::Duration;

use offhook_caller::call::{self, CallOptions, CallReport, Carries, Playback, PlaybackPacket, Stop};
use offhook_caller::g711::Law;
use offhook_caller::reflector::Reflector;

const PACKETS: u16 = 150;

/// Packet `n`, `late` ms after its place: loud from 40 to 110, else silent.
fn packet(n: u16, late: u64, law: Law) -> PlaybackPacket {
    let loud = if (40..110).contains(&n) { 4000 } else { 0 };
    PlaybackPacket {
        offset: Duration::from_millis(u64::from(n) * 20 + late),
        source: 0,
        carries: Carries::Audio(law),
        marker: n == 0,
        sequence: n.wrapping_sub(30),
        timestamp: u32::from(n) * 160,
        payload: (0..160).map(|at| law.encode(if at % 32 < 16 { loud } else { -loud })).collect(),
    }
}

fn place(packets: Vec<PlaybackPacket>, codecs: &[Law]) -> CallReport {
    let reflector = Reflector::start([127, 0, 0, 1].into(), false).unwrap();
    let mut options = CallOptions::to(reflector.uri());
    options.playback = Some(Arc::new(Playback::new(packets)));
    options.codecs = codecs.to_vec();
    options.linger = Duration::from_millis(400);
    call::run(&options, &mut sink(), &Stop::default()).unwrap()
}

#[test]
fn loss_repetition_disorder_and_jitter_are_on_the_wire_as_captured() {
    let mut packets = Vec::new();
    for n in (0..PACKETS).filter(|n| n % 10 != 7) {
        // Every other packet is 9 ms late; 21 of 50 is overtaken by 22.
        packets.push(packet(n, if n % 50 == 21 { 31 } else { u64::from(n % 2) * 9 }, Law::Mu));
        if n % 25 == 3 {
            packets.push(packet(n, 12, Law::Mu));
        }
    }

    let report = place(packets.clone(), &[Law::Mu, Law::A]);

    assert!(report.is_success(), "{:?}", report.outcome);
    let received = &report.received;
    assert_eq!((received.lost, received.duplicates, received.reordered), (15, 6, 3), "{received:?}");
    assert_eq!((received.ssrc_changes, report.codec.as_deref()), (0, Some("PCMU")));
    assert!(received.packets >= packets.len() as u64);
    // The turn is where the loud packets are: from 40 to 109.
    let [turn] = &report.turns.turns[..] else { panic!("{}", report.turns) };
    let (from, to) = (turn.caller_start_ms, turn.caller_end_ms);
    assert!((795.0..900.0).contains(&from) && (2175.0..2300.0).contains(&to), "{from} to {to}");
}

#[test]
fn another_law_is_transcoded_and_keys_are_pressed_again() {
    let mut packets: Vec<_> = (0..60).map(|n| packet(n, 0, Law::A)).collect();
    for (at, sequence, end) in [(1200, 60, 0), (1220, 61, 0x80), (1240, 62, 0x80)] {
        packets.push(PlaybackPacket {
            offset: Duration::from_millis(at),
            source: 0,
            carries: Carries::Key,
            marker: sequence == 60,
            sequence: (sequence as u16).wrapping_sub(30),
            timestamp: 60 * 160,
            payload: vec![7, end | 10, 1, 64],
        });
    }

    let report = place(packets, &[Law::Mu]);

    assert!(report.is_success(), "{:?}", report.outcome);
    assert_eq!((report.codec.as_deref(), report.sent.digits.as_str()), (Some("PCMU"), "7"));
    assert_eq!((report.digits_received.as_str(), report.received.lost), ("7", 0));
    let said: Vec<_> = report.turns.turns.iter().map(|turn| turn.said.as_str()).collect();
    assert_eq!(said, ["#1", "7"]);
}
