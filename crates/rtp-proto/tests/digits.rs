//! One digit per press, whatever the network does: our own sender through loss, doubling and reordering.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints its figures, and its helpers may panic"
)]

use std::time::Duration;

use offhook_rtp_proto::{
    Digit, DigitEvent, DigitReceiver, DigitSender, DigitSenderConfig, NextEvent, PayloadType, RtpHeader,
    RtpPacket, RtpTimestamp, SequenceNumber, Ssrc, TelephoneEvent,
};
use offhook_time::{Randomness, Seed, Time};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Sent {
    press: usize,
    timestamp: RtpTimestamp,
    payload: [u8; 4],
    at: Time,
}

#[test]
fn a_press_starts_with_its_first_packet_and_ends_with_its_end() {
    let packets = dial("7", Duration::from_millis(100));

    let events = receive(&packets);

    let start = packets[0].at;
    assert_eq!(events[0], (DigitEvent::Started { digit: digit('7') }, start));
    let ended = DigitEvent::Ended { digit: digit('7'), duration: 800 };
    assert_eq!(events[1], (ended, start + Duration::from_millis(80)));
    assert_eq!(events.len(), 2);
}

#[test]
fn a_press_whose_end_is_lost_counts_after_a_time_out() {
    let mut packets = dial("7", Duration::from_millis(100));
    packets.truncate(3);

    let events = receive(&packets);

    let expected = packets[2].at + Duration::from_millis(150);
    assert_eq!(events[1], (DigitEvent::Ended { digit: digit('7'), duration: 480 }, expected));
    assert_eq!(events.len(), 2);
}

#[test]
fn a_press_of_which_only_the_last_packet_arrives_counts() {
    let packets = dial("7", Duration::from_millis(100));

    let events = receive(&packets[6..]);

    assert_eq!(ended(&events), "7");
}

#[test]
fn end_packets_after_the_time_out_are_not_another_press() {
    let mut packets = dial("7", Duration::from_millis(100));
    for packet in &mut packets[4..] {
        packet.at += Duration::from_secs(1);
    }

    assert_eq!(ended(&receive(&packets)), "7");
}

#[test]
fn the_same_key_pressed_again_is_another_digit_even_if_all_ends_were_lost() {
    let mut packets = dial("55", Duration::from_millis(60));
    packets.retain(|packet| !TelephoneEvent::parse(&packet.payload).unwrap().end);

    assert_eq!(ended(&receive(&packets)), "55");
}

#[test]
fn a_key_held_for_twenty_seconds_is_one_digit() {
    // RFC 4733 §2.5.1.3: a new segment, with a new timestamp, begins where 16 bits of duration end.
    let mut packets = Vec::new();
    for interval in 0..1_000u32 {
        let (segment, duration) = (interval * 160 / 65_535, (interval * 160 % 65_535 + 160).min(65_535));
        let event = TelephoneEvent { event: 5, end: interval == 999, volume: 10, duration: duration as u16 };
        packets.push(Sent {
            press: 0,
            timestamp: RtpTimestamp(segment * 65_535),
            payload: event.to_bytes(),
            at: Time::from_millis(u64::from(interval) * 20),
        });
    }

    let events = receive(&packets);

    assert_eq!(events.len(), 2, "{events:?}");
    assert!(matches!(events[1].0, DigitEvent::Ended { duration: 159_000..=160_200, .. }), "{events:?}");
}

#[test]
fn a_new_source_may_use_an_old_timestamp() {
    let packets = dial("3", Duration::from_millis(60));
    let mut receiver = DigitReceiver::new();
    let mut digits = String::new();

    for ssrc in [1, 2] {
        for packet in &packets {
            handle(&mut receiver, packet, ssrc, packet.at);
            collect(&mut receiver, &mut digits);
        }
    }

    assert_eq!(digits, "33");
}

#[test]
fn a_tone_that_is_no_digit_says_nothing() {
    let payload = TelephoneEvent { event: 32, end: true, volume: 10, duration: 800 }.to_bytes();
    let packet = Sent { press: 0, timestamp: RtpTimestamp(5), payload, at: Time::from_millis(1) };

    assert_eq!(receive(&[packet]), []);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_press_is_one_digit_whatever_is_lost_doubled_or_reordered(
        seed: u64, number in "[0-9*#A-D]{1,12}", loss in 0u64..90, doubling in 0u64..60, jitter_ms in 0u64..400,
    ) {
        let mut random = Randomness::new(Seed::from_number(seed));
        let sent = dial(&number, Duration::from_millis(80));
        let mut survivor = vec![false; number.len()];
        let mut arriving = Vec::new();
        for (at, packet) in sent.iter().enumerate() {
            let is_last_chance =
                !survivor[packet.press] && sent.get(at + 1).is_none_or(|next| next.press != packet.press);
            if random.below(100) < loss && !is_last_chance {
                continue;
            }
            survivor[packet.press] = true;
            let copies = 1 + usize::from(random.below(100) < doubling);
            for _ in 0..copies {
                let at = packet.at + Duration::from_micros(random.below(jitter_ms * 1_000 + 1));
                arriving.push(Sent { at, ..packet.clone() });
            }
        }
        arriving.sort_by_key(|packet| packet.at);

        let events = receive(&arriving);

        let heard = ended(&events);
        let started = events.iter().filter(|(event, _)| matches!(event, DigitEvent::Started { .. })).count();
        prop_assert_eq!(started, number.len());
        // A pause of 60 ms lies between two presses: less jitter than that keeps their order.
        if jitter_ms < 60 {
            prop_assert_eq!(heard, number);
        } else {
            prop_assert_eq!(sorted(&heard), sorted(&number));
        }
    }
}

fn dial(number: &str, hold: Duration) -> Vec<Sent> {
    let mut sender = DigitSender::new(DigitSenderConfig::default());
    number.chars().for_each(|label| sender.press(digit(label), hold).unwrap());
    let mut sent: Vec<Sent> = Vec::new();
    let mut interval = 0;
    while !sender.is_idle() {
        let timestamp = RtpTimestamp((u32::MAX - 3_000).wrapping_add(interval * 160));
        if let NextEvent::Packet(packet) = sender.next(timestamp, 160) {
            let press = sent.last().map_or(0, |last| last.press + usize::from(packet.marker));
            let at = Time::from_millis(1_000 + u64::from(interval) * 20);
            sent.push(Sent { press, timestamp: packet.timestamp, payload: packet.payload, at });
        }
        interval += 1;
    }
    sent
}

/// Delivers the packets in order of arrival, jumping to each deadline in between.
fn receive(packets: &[Sent]) -> Vec<(DigitEvent, Time)> {
    let mut receiver = DigitReceiver::new();
    let mut events = Vec::new();
    for packet in packets {
        expire(&mut receiver, packet.at, &mut events);
        handle(&mut receiver, packet, 1, packet.at);
        events.extend(std::iter::from_fn(|| receiver.poll_event()).map(|event| (event, packet.at)));
    }
    expire(&mut receiver, Time::MAX, &mut events);
    events
}

fn expire(receiver: &mut DigitReceiver, until: Time, events: &mut Vec<(DigitEvent, Time)>) {
    while let Some(deadline) = receiver.poll_timeout().filter(|deadline| *deadline <= until) {
        receiver.handle_timeout(deadline);
        events.extend(std::iter::from_fn(|| receiver.poll_event()).map(|event| (event, deadline)));
    }
}

fn handle(receiver: &mut DigitReceiver, packet: &Sent, ssrc: u32, now: Time) {
    let header = RtpHeader {
        marker: false,
        payload_type: PayloadType::new(101).unwrap(),
        sequence: SequenceNumber(0),
        timestamp: packet.timestamp,
        ssrc: Ssrc(ssrc),
    };
    let parsed = RtpPacket { header, csrcs: &[], extension: None, payload: &packet.payload };
    receiver.handle_packet(&parsed, now).unwrap();
}

fn collect(receiver: &mut DigitReceiver, digits: &mut String) {
    while let Some(event) = receiver.poll_event() {
        if let DigitEvent::Ended { digit, .. } = event {
            digits.push(digit.as_char());
        }
    }
}

fn ended(events: &[(DigitEvent, Time)]) -> String {
    events
        .iter()
        .filter_map(|(event, _)| match event {
            DigitEvent::Ended { digit, .. } => Some(digit.as_char()),
            DigitEvent::Started { .. } => None,
        })
        .collect()
}

fn sorted(digits: &str) -> Vec<char> {
    let mut sorted: Vec<_> = digits.chars().collect();
    sorted.sort_unstable();
    sorted
}

fn digit(label: char) -> Digit {
    Digit::from_char(label).unwrap()
}
