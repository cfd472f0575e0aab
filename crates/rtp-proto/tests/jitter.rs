//! What the jitter buffer promises, on seeded networks. Figures are printed: `cargo test -- --nocapture`.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints its figures, and its helpers may panic"
)]

mod support;

use std::time::Duration;

use offhook_rtp_proto::{JitterBuffer, JitterConfig, PayloadType, Prefer, Pushed, Ssrc};
use offhook_time::{Randomness, Seed, Time};
use support::{
    Kind, Out, Sent, assert_gap_free, assert_in_order, count, index, packet, percentiles, run, run_observed,
    sequences, stream,
};

const NETWORK: Duration = Duration::from_millis(10);

#[test]
fn a_clean_line_pays_nothing() {
    for ptime_ms in [10, 20, 30, 40, 60] {
        let outs = run(&mut buffer(), through(stream(500, ptime_ms), |_| NETWORK));

        assert_eq!(sequences(&outs).count(), 500);
        assert!(outs.iter().all(|out| out.delay == NETWORK), "ptime {ptime_ms}: {outs:?}");
        assert_gap_free(&outs);
    }
}

#[test]
fn a_sender_woken_two_milliseconds_late_pays_nothing() {
    let mut random = randomness(1);
    let mut extra = Vec::new();
    let packets = through(stream(2_000, 20), |_| {
        extra.push(Duration::from_micros(random.below(2_000)));
        NETWORK + extra[extra.len() - 1]
    });

    let outs = run(&mut buffer(), packets);

    assert_eq!(outs.len(), 2_000);
    assert!(outs.iter().zip(&extra).all(|(out, extra)| out.delay == NETWORK + *extra));
}

#[test]
fn twenty_milliseconds_of_jitter_cost_twenty_milliseconds() {
    for (seed, prefer) in [(1, Prefer::Delay), (2, Prefer::Delay), (3, Prefer::Delay), (4, Prefer::Loss)] {
        let mut buffer = JitterBuffer::new(JitterConfig { prefer, ..JitterConfig::default() });
        let mut random = randomness(seed);
        let packets = through(stream(3_000, 20), |_| NETWORK + micros(&mut random, 20_000));

        let outs = run(&mut buffer, packets);

        assert_in_order(&outs);
        assert_gap_free(&outs);
        let adapted = &outs[100..];
        let [p50, p99, max] = percentiles(adapted, [50.0, 99.0, 100.0]);
        let concealed = count(adapted, Kind::Lost);
        let at_start = count(&outs[..100], Kind::Lost);
        println!(
            "20 ms jitter, {prefer:?}: p50 {p50:.1} p99 {p99:.1} max {max:.1} ms with 10 ms of network; \
             concealed {at_start} while adapting, {concealed} of {} after",
            adapted.len()
        );
        assert!(p99 - 10.0 <= 25.0, "p99 {p99}");
        assert!(concealed * 200 <= adapted.len(), "{concealed} concealed");
        assert!(at_start <= 8, "{at_start} concealed while adapting");
    }
}

#[test]
fn reordering_by_thirty_milliseconds_is_put_in_order_after_a_few_packets() {
    let mut random = randomness(5);
    let packets =
        through(stream(3_000, 20), |_| NETWORK + millis(if random.below(20) == 0 { 30 } else { 0 }));
    let overtaken = packets.iter().filter(|p| p.arrives_at - p.sent_at > NETWORK).count();
    let mut buffer = buffer();

    let outs = run(&mut buffer, packets);

    let (late, lost) = (buffer.statistics().late, buffer.statistics().lost);
    let [p50, p99] = percentiles(&outs, [50.0, 99.0]);
    println!("5 % reordered by 30 ms: {overtaken} overtaken, {late} late, p50 {p50:.1} p99 {p99:.1} ms");
    assert_in_order(&outs);
    assert_gap_free(&outs);
    assert_eq!(lost, 0, "what comes late is not lost");
    // The window forgets after two seconds without a second one; nine in ten must still be saved.
    assert!(late * 5 <= overtaken as u64, "{late} of {overtaken}");
    assert!(p99 <= 10.0 + 35.0);
}

#[test]
fn where_loss_hurts_more_reordering_costs_next_to_no_packet() {
    let mut random = randomness(5);
    let packets =
        through(stream(3_000, 20), |_| NETWORK + millis(if random.below(20) == 0 { 30 } else { 0 }));
    let mut buffer = JitterBuffer::new(JitterConfig { prefer: Prefer::Loss, ..JitterConfig::default() });

    run(&mut buffer, packets);

    assert!(buffer.statistics().late <= 2, "{:?}", buffer.statistics());
}

#[test]
fn five_percent_duplicates_cost_nothing() {
    let mut random = randomness(6);
    let originals = through(stream(3_000, 20), |_| NETWORK);
    let copies: Vec<_> = originals
        .iter()
        .filter(|_| random.below(20) == 0)
        .map(|original| Sent { arrives_at: original.arrives_at + millis(7), ..original.clone() })
        .collect();
    let doubled = copies.len() as u64;
    let mut buffer = buffer();

    let outs = run(&mut buffer, [originals, copies].concat());

    let [p50, p99, max] = percentiles(&outs, [50.0, 99.0, 100.0]);
    println!("5 % duplicates ({doubled}): p50 {p50:.1} p99 {p99:.1} max {max:.1} ms with 10 ms of network");
    assert_eq!(buffer.statistics().duplicates, doubled);
    assert_eq!(sequences(&outs).count(), 3_000);
    assert!(outs.iter().all(|out| out.delay == NETWORK));
}

#[test]
fn five_percent_loss_is_reported_once_per_packet_and_costs_no_delay() {
    for ptime_ms in [10, 20, 30, 60] {
        let mut random = randomness(7);
        let mut packets = through(stream(3_000, ptime_ms), |_| NETWORK);
        packets
            .retain(|packet| index(packet.header.sequence.0).is_multiple_of(2_999) || random.below(20) != 0);
        let missing = 3_000 - packets.len();
        let mut buffer = buffer();

        let outs = run(&mut buffer, packets);

        println!("5 % loss at {ptime_ms} ms: {missing} lost, {} reported", count(&outs, Kind::Lost));
        assert_eq!(count(&outs, Kind::Lost), missing);
        assert_eq!(buffer.statistics().lost, missing as u64);
        assert_eq!(outs.len(), 3_000);
        assert_gap_free(&outs);
        assert!(outs.iter().all(|out| out.kind == Kind::Lost || out.delay == NETWORK));
    }
}

#[test]
fn a_lost_packet_is_given_up_within_three_milliseconds_of_its_turn() {
    let mut packets = through(stream(50, 20), |_| NETWORK);
    let lost = packets.remove(20);

    let outs = run(&mut buffer(), packets);

    let given_up = outs.iter().find(|out| out.kind == Kind::Lost).unwrap().at;
    assert_eq!(given_up - lost.arrives_at, millis(3));
}

#[test]
fn the_delay_is_clean_again_three_seconds_after_an_impairment_and_one_in_silence() {
    for (silent, within) in [(false, 3_000), (true, 1_000)] {
        for jitter_ms in [20, 60, 110] {
            let mut random = randomness(8);
            let well_from = 500;
            let packets = through(stream(1_000, 20), |n| {
                NETWORK + micros(&mut random, if n < well_from { jitter_ms * 1_000 } else { 0 })
            });
            let well_at = packet(well_from, 20).arrives_at;
            let mut buffer = buffer();

            let outs = run_observed(&mut buffer, packets, |buffer, _| buffer.note_silence(silent));

            let clean_after = outs
                .iter()
                .filter(|out| out.delay > NETWORK + millis(3) && out.at > well_at)
                .map(|out| out.at - well_at)
                .max()
                .unwrap_or_default();
            println!(
                "after {jitter_ms} ms of jitter, {}: clean after {clean_after:?}",
                if silent { "silent" } else { "speaking" }
            );
            assert!(clean_after <= millis(within), "{clean_after:?}");
            assert_in_order(&outs);
            assert_gap_free(&outs);
        }
    }
}

#[test]
fn a_drifting_clock_neither_grows_the_delay_nor_loses_a_frame_in_an_hour() {
    for ppm in [-200i64, 200] {
        let mut random = randomness(9);
        let mut packets = through(stream(60_000 * 3, 20), |_| NETWORK + micros(&mut random, 1_000));
        for packet in &mut packets {
            let shift = (packet.sent_at.as_nanos() as i64) * ppm / 1_000_000;
            packet.arrives_at = Time::from_nanos((packet.arrives_at.as_nanos() as i64 + shift) as u64);
            packet.sent_at = Time::from_nanos((packet.sent_at.as_nanos() as i64 + shift) as u64);
        }
        let sent: Vec<_> = packets.iter().map(|packet| packet.sent_at).collect();
        let mut buffer = buffer();

        let outs = run(&mut buffer, packets);

        let worst = outs.iter().zip(&sent).map(|(out, sent)| out.at - *sent).max().unwrap();
        println!("{ppm} ppm for an hour: worst delay {worst:?}, {:?}", buffer.statistics());
        assert_eq!(count(&outs, Kind::Lost) + count(&outs, Kind::Silence), 0);
        assert_eq!(outs.len(), sent.len());
        assert!(worst <= NETWORK + millis(1), "{worst:?}");
    }
}

#[test]
fn one_stall_of_the_line_does_not_make_every_later_frame_wait() {
    let packets = through(stream(500, 20), |n| {
        // Packets 100 to 109 are held until the tenth of them is due.
        NETWORK + if (100..110).contains(&n) { millis(u64::from(109 - n) * 20) } else { Duration::ZERO }
    });

    let outs = run(&mut buffer(), packets);

    assert!(outs.iter().filter(|out| out.delay > NETWORK).count() <= 1, "{outs:?}");
    assert_gap_free(&outs);
}

#[test]
fn a_line_that_gets_slower_for_good_is_followed() {
    for extra_ms in [30, 90, 150, 400] {
        let packets = through(stream(600, 20), |n| NETWORK + millis(if n < 200 { 0 } else { extra_ms }));

        let outs = run(&mut buffer(), packets);

        let first_after = packet(200, 20).arrives_at + NETWORK + millis(extra_ms);
        let resumed = first_packet_from(&outs, first_after);
        let settled = percentiles(&outs[outs.len() - 150..], [100.0])[0];
        println!(
            "{extra_ms} ms slower for good: audio after {:?}, delay {settled:.1} ms",
            resumed - first_after
        );
        // Three frames, and the margin of the wait that has grown.
        assert!(resumed - first_after <= millis(60 + 5));
        assert!(settled <= 10.0 + extra_ms as f64 + 3.0);
    }
}

#[test]
fn a_leap_of_the_timestamps_is_followed_at_once() {
    for leap in [1_000_000i64, -1_000_000, 8_000, -8_000, 800, -800] {
        let mut packets = through(stream(400, 20), |_| NETWORK);
        for packet in &mut packets[200..] {
            packet.header.timestamp = packet.header.timestamp.plus(leap as u32);
        }

        let outs = run(&mut buffer(), packets);

        assert_no_dead_air(&outs, millis(60));
        assert_eq!(sequences(&outs).count(), 400, "leap by {leap}");
        assert!(outs.iter().all(|out| out.delay <= NETWORK + millis(3)), "leap by {leap}");
    }
}

#[test]
fn a_leap_of_the_sequence_or_a_new_source_is_followed_within_a_packet() {
    let mut leapt = through(stream(400, 20), |_| NETWORK);
    let mut replaced = leapt.clone();
    for packet in &mut leapt[200..] {
        packet.header.sequence.0 = packet.header.sequence.0.wrapping_add(30_000);
    }
    for packet in &mut replaced[200..] {
        packet.header.ssrc = Ssrc(2);
        packet.header.timestamp = packet.header.timestamp.plus(77_777);
    }
    // The payload of a packet names its number; the leap changes the number only.
    for packet in &mut leapt[200..] {
        packet.payload.fill(index(packet.header.sequence.0) as u8);
    }

    for packets in [leapt, replaced] {
        let mut buffer = buffer();

        let outs = run(&mut buffer, packets);

        assert_no_dead_air(&outs, millis(60));
        assert_eq!(sequences(&outs).count(), 399, "one packet proves nothing, two do");
        assert_eq!(buffer.statistics().restarts, 1);
    }
}

#[test]
fn a_hold_that_stops_the_senders_clock_ends_without_dead_air() {
    for marker in [true, false] {
        let mut packets = through(stream(400, 20), |_| NETWORK);
        for packet in &mut packets[200..] {
            packet.arrives_at += Duration::from_secs(5);
            packet.sent_at += Duration::from_secs(5);
        }
        packets[200].header.marker = marker;
        let resumes = packets[200].arrives_at;

        let outs = run(&mut buffer(), packets);

        let resumed = first_packet_from(&outs, resumes) - resumes;
        println!("after a hold, marker {marker}: audio after {resumed:?}");
        assert!(resumed <= millis(if marker { 0 } else { 40 }));
        assert!(count(&outs, Kind::Silence) > 200, "the hold is silence");
        assert_eq!(percentiles(&outs, [100.0])[0], 10.0);
    }
}

#[test]
fn ten_seconds_at_once_neither_block_nor_delay_what_follows() {
    let mut packets = through(stream(1_000, 20), |_| NETWORK);
    let burst_at = packets[0].arrives_at;
    for packet in &mut packets[..500] {
        packet.arrives_at = burst_at + Duration::from_micros(10 * u64::from(index(packet.header.sequence.0)));
    }
    for packet in &mut packets[500..] {
        packet.arrives_at = burst_at + millis(20 * u64::from(index(packet.header.sequence.0) - 499));
        packet.sent_at = packet.arrives_at;
    }

    let outs = run(&mut buffer(), packets);

    assert_eq!(sequences(&outs).count(), 1_000, "nothing of it is lost");
    assert_in_order(&outs);
    let steady =
        outs.iter().filter(|out| matches!(out.kind, Kind::Packet { sequence, .. } if index(sequence) > 700));
    assert!(steady.clone().count() == 299 && steady.clone().all(|out| out.delay <= millis(3)));
}

#[test]
fn a_pause_with_comfort_noise_is_silence_and_not_loss() {
    let mut packets = through(stream(300, 20), |_| NETWORK);
    packets[100].header.payload_type = PayloadType::COMFORT_NOISE;
    packets[100].payload = vec![100];
    packets.drain(101..200);
    for (n, packet) in packets.iter_mut().enumerate() {
        packet.header.sequence.0 = support::FIRST_SEQUENCE.wrapping_add(n as u16);
        packet.payload.fill(n as u8);
    }
    let mut buffer = buffer();

    let outs = run(&mut buffer, packets);

    assert_eq!((count(&outs, Kind::Lost), count(&outs, Kind::Silence)), (0, 99));
    assert_eq!(buffer.statistics().lost, 0);
    assert_gap_free(&outs);
}

#[test]
fn events_take_sequence_numbers_and_are_silence() {
    let event = PayloadType::new(101).unwrap();
    let mut packets = through(stream(100, 20), |_| NETWORK);
    let start = packets[50].header.timestamp;
    for packet in &mut packets[50..60] {
        packet.header.payload_type = event;
        packet.header.timestamp = start;
        packet.payload = vec![5, 10, 0, 160];
    }
    packets.remove(55);
    let config = JitterConfig { telephone_event: Some(event), ..JitterConfig::default() };
    let mut buffer = JitterBuffer::new(config);

    let outs = run(&mut buffer, packets);

    assert_eq!((count(&outs, Kind::Lost), count(&outs, Kind::Silence)), (0, 10));
    assert_eq!(sequences(&outs).count(), 90);
    assert_gap_free(&outs);
    assert!(outs.iter().all(|out| out.delay <= NETWORK));
}

#[test]
fn what_comes_after_its_turn_is_late_and_only_once_more_a_duplicate() {
    let mut buffer = buffer();
    let packets = stream(4, 20);
    let push = |buffer: &mut JitterBuffer, n: usize, now| {
        let pushed = support::push(buffer, &Sent { arrives_at: now, ..packets[n].clone() }, now);
        while buffer.pop(now).is_some() {}
        pushed
    };

    assert_eq!(push(&mut buffer, 0, support::START), Pushed::Restarted);
    assert_eq!(push(&mut buffer, 2, support::START + millis(40)), Pushed::Accepted);
    assert_eq!(push(&mut buffer, 1, support::START + millis(41)), Pushed::Late);
    assert_eq!(push(&mut buffer, 1, support::START + millis(42)), Pushed::Duplicate);
    assert_eq!(push(&mut buffer, 2, support::START + millis(43)), Pushed::Duplicate);
    let statistics = buffer.statistics();
    assert_eq!((statistics.received, statistics.late, statistics.lost), (3, 1, 0));
    assert_eq!((statistics.duplicates, statistics.concealed), (2, 1));
}

fn buffer() -> JitterBuffer {
    JitterBuffer::new(JitterConfig::default())
}

fn randomness(seed: u64) -> Randomness {
    Randomness::new(Seed::from_number(seed))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn micros(random: &mut Randomness, bound: u64) -> Duration {
    Duration::from_micros(random.below(bound))
}

fn through(mut packets: Vec<Sent>, mut delay: impl FnMut(u32) -> Duration) -> Vec<Sent> {
    for (n, packet) in packets.iter_mut().enumerate() {
        packet.arrives_at = packet.sent_at + delay(n as u32);
    }
    packets
}

fn first_packet_from(outs: &[Out], from: Time) -> Time {
    outs.iter().find(|out| out.at >= from && matches!(out.kind, Kind::Packet { .. })).unwrap().at
}

/// Fails where for longer than `limit` more than a packet interval no packet left.
fn assert_no_dead_air(outs: &[Out], limit: Duration) {
    let packets: Vec<_> = outs.iter().filter(|out| matches!(out.kind, Kind::Packet { .. })).collect();
    for pair in packets.windows(2) {
        assert!(pair[1].at - pair[0].at <= limit + millis(20), "dead air at {:?}", pair[0].at);
    }
}
