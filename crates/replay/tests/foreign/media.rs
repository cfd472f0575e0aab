//! RTP into streams, figures and audio.

use offhook_audio::G711;
use offhook_replay::foreign::{End, Party, Track, Unused};

use crate::made::{Line, MS, Made, SECOND, rtp, rtp_at, tone};

/// A call whose caller sends these packets: (arrival in ms after the answer, packet).
fn call_with(packets: &[(u64, Vec<u8>)]) -> Made {
    let line = Line::number(1);
    let mut made = Made::default();
    line.begin(&mut made, 0);
    for (at, packet) in packets {
        made.udp(500 * MS + at * MS, &line.caller_rtp, &line.callee_rtp, packet);
    }
    line.bye(&mut made, 20 * SECOND);
    made.sorted()
}

#[test]
fn loss_repetition_disorder_and_restarts_are_counted() {
    let at = |n: u16| 100 + u64::from(n) * 20;
    let mut packets: Vec<(u64, Vec<u8>)> = (0..40)
        .filter(|n| ![7, 8].contains(n))
        .map(|n| (at(n), rtp(0, n.wrapping_sub(20), 9, &tone(n))))
        .collect();
    // Number 12 comes again, 15 comes after 16, and then the sender begins anew.
    packets.push((at(13) + 1, rtp(0, 12_u16.wrapping_sub(20), 9, &tone(12))));
    packets
        .iter_mut()
        .filter(|(_, packet)| packet[2..4] == 15_u16.wrapping_sub(20).to_be_bytes())
        .for_each(|packet| packet.0 = at(16) + 5);
    packets.extend((0..10).map(|n| (at(40 + n), rtp(0, 30_000 + n, 9, &tone(n)))));

    let taken = call_with(&packets).take_apart();

    let figures = &taken.calls[0].caller.streams[0].statistics;
    assert_eq!(
        (figures.packets, figures.lost, figures.duplicates, figures.reordered, figures.restarts),
        (49, 2, 1, 1, 1),
        "{figures:?}"
    );
    assert_eq!(figures.longest_gap_ms, 60.0);
}

#[test]
fn jitter_is_that_of_rfc_3550() {
    // Arrival 0 or 8 ms late by turns: every difference is 8 ms, and J goes to 8 ms by sixteenths.
    let packets: Vec<_> = (0..200)
        .map(|n| (u64::from(n) * 20 + if n % 2 == 1 { 8 } else { 0 }, rtp(0, n, 9, &tone(n))))
        .collect();
    let expected = 8.0 * (1.0 - (15.0_f64 / 16.0).powi(199));

    let taken = call_with(&packets).take_apart();

    let figures = &taken.calls[0].caller.streams[0].statistics;
    assert!((figures.jitter_ms - expected).abs() < 0.01, "{figures:?}");
    assert_eq!(figures.worst_jitter_ms, figures.jitter_ms);
    assert_eq!((figures.lost, figures.reordered), (0, 0));
    let mean = (1..200).map(|n| 8.0 * (1.0 - (15.0_f64 / 16.0).powi(n))).sum::<f64>() / 199.0;
    assert!((figures.mean_jitter_ms - mean).abs() < 0.01, "{mean}: {figures:?}");
}

#[test]
fn a_packet_that_comes_again_counts_in_the_jitter_and_a_key_does_not() {
    let mut packets: Vec<_> = (0..10).map(|n| (u64::from(n) * 20, rtp(0, n, 9, &tone(n)))).collect();
    for (at, end) in [(200, 0), (220, 0), (240, 0x80)] {
        packets.push((at, rtp_at(101, (at / 20) as u16, 1600, 9, &[5, end | 10, 1, 64])));
    }
    packets.extend((13..20).map(|n| (u64::from(n) * 20, rtp(0, n, 9, &tone(n)))));
    // 16 ms after the last packet, whose timestamp it has: a sixteenth of that.
    let mut again = packets.clone();
    again.push((396, rtp(0, 19, 9, &tone(19))));

    let [once, twice] = [packets, again].map(|packets| {
        let taken = call_with(&packets).take_apart();
        taken.calls[0].caller.streams[0].statistics.clone()
    });

    assert_eq!((once.packets, once.lost, once.worst_jitter_ms), (20, 0, 0.0), "{once:?}");
    assert_eq!((twice.duplicates, twice.lost, twice.jitter_ms), (1, 0, 1.0), "{twice:?}");
}

#[test]
fn keys_count_once_however_many_packets_carry_them() {
    let key = |at: u64, sequence: u16, timestamp: u32, event: u8, end: u8| {
        (at, rtp_at(101, sequence, timestamp, 9, &[event, end | 10, 1, 64]))
    };
    let mut packets: Vec<_> = (0..10).map(|n| (u64::from(n) * 20, rtp(0, n, 9, &tone(n)))).collect();
    packets.extend([
        key(200, 10, 1600, 5, 0),
        key(220, 11, 1600, 5, 0),
        key(240, 12, 1600, 5, 0x80),
        key(241, 13, 1600, 5, 0x80),
    ]);
    packets.extend([key(400, 14, 3200, 5, 0), key(440, 16, 3200, 5, 0x80), key(600, 17, 4800, 11, 0x80)]);

    let taken = call_with(&packets).take_apart();

    assert_eq!(taken.calls[0].digits(), "55#");
    assert_eq!(taken.calls[0].caller.lost(), 1);
}

#[test]
fn audio_lies_where_its_timestamps_say_and_what_is_lost_is_silent() {
    let order = [0_u16, 2, 1, 3, 5, 5, 6];
    let packets: Vec<_> =
        order.iter().enumerate().map(|(at, n)| (at as u64 * 23, rtp(0, *n, 9, &tone(*n * 30)))).collect();

    let taken = call_with(&packets).take_apart();
    let track = Track::of(&taken.calls[0], Party::Caller);

    let expected: Vec<i16> = (0..7_u16)
        .flat_map(|n| {
            if n == 4 {
                vec![0; 160]
            } else {
                tone(n * 30).iter().map(|code| G711::MuLaw.decode_sample(*code)).collect()
            }
        })
        .collect();
    assert_eq!(track.samples, expected);
    assert!(track.left_out.is_empty());
    assert!(Track::of(&taken.calls[0], Party::Callee).samples.is_empty());
}

#[test]
fn another_codec_is_named_and_counted_and_left_out_of_the_audio() {
    let line = Line { formats: "18 101", ..Line::number(1) };
    let mut made = Made::default();
    line.begin(&mut made, 0);
    for n in 0..20 {
        made.udp(
            SECOND + u64::from(n) * 20 * MS,
            &line.caller_rtp,
            &line.callee_rtp,
            &rtp(18, n, 1, &[7; 20]),
        );
    }

    let taken = made.take_apart();

    let call = &taken.calls[0];
    assert_eq!((call.codec(), call.caller.packets(), &call.end), (Some("G729"), 20, &End::NotCaptured));
    let track = Track::of(call, Party::Caller);
    assert_eq!((track.samples.len(), track.left_out.get("G729")), (0, Some(&20)));
}

#[test]
fn rtp_without_sip_is_found_and_told_as_such() {
    let mut made = Made::default();
    Line::number(1).talk(&mut made, 0, 50);
    // Looks like RTP by its first octet, and has no order.
    for n in 0..30_u32 {
        let noise = n.wrapping_mul(2_654_435_761).to_be_bytes();
        made.udp(
            u64::from(n) * MS,
            "192.0.2.99:7000",
            "192.0.2.98:7000",
            &[&[0x80, 1][..], &noise, &noise, &[1; 20]].concat(),
        );
    }
    made.udp(0, "192.0.2.99:53", "192.0.2.98:53", b"\x12\x34\x01\x00\x00\x01");
    made.udp(0, "192.0.2.7:10003", "198.51.100.1:20003", &[0x80, 200, 0, 6, 1, 2, 3, 4]);

    let taken = made.sorted().take_apart();

    let [call] = &taken.calls[..] else { panic!("{}", taken.calls.len()) };
    assert_eq!((&call.end, call.signalling.is_none()), (&End::WithoutSip, true));
    assert_eq!((call.caller.packets(), call.callee.packets(), call.codec()), (50, 50, Some("PCMU")));
    assert_eq!(taken.account.rtp_without_sip, 100);
    let unused: Vec<_> = taken.account.unused.into_iter().collect();
    assert_eq!(unused, [(Unused::Rtcp, 1), (Unused::NoStream, 30), (Unused::OtherUdp, 1)]);
}

#[test]
fn a_nat_hides_one_address_and_video_is_not_audio() {
    let line = Line::number(1);
    let mut made = Made::default();
    let video = "m=video 30000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    line.to_callee(&mut made, 0, &line.request("INVITE", 1, true, false, &line.offer()));
    let answer = format!("{}{video}", line.answer());
    line.to_caller(&mut made, 100 * MS, &line.response("200 OK", "INVITE", 1, &answer));
    // The caller's packets come from an address that no description names.
    let outside = Line { caller_rtp: "203.0.113.200:61000".into(), ..line.clone() };
    outside.talk(&mut made, 200 * MS, 25);
    made.udp(300 * MS, "203.0.113.200:61002", "198.51.100.1:30000", &rtp(96, 1, 3, &[1; 50]));

    let taken = made.sorted().take_apart();

    let call = &taken.calls[0];
    assert_eq!((call.caller.packets(), call.callee.packets()), (25, 25));
    assert_eq!(taken.account.unused.get(&Unused::OtherMedia), Some(&1));
}
