//! What is written comes back.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{Call, FullDisk, Line, meta, ms, packet, rtp, voice};
use offhook_journal::Ending;
use offhook_journal::bundle::{
    Bundle, Direction, Item, Keep, OutputBody, PacketKind, PayloadHash, Reader, StepHead, WriteError, Writer,
    around,
};
use offhook_time::{Half, Step, Time};
use proptest::prelude::*;

fn head(half: Half, sequence: u64, now: Time) -> StepHead {
    StepHead { half, sequence, now }
}

fn step(sequence: u64, now: Time, payload: &[u8]) -> Step<'_> {
    Step { half: Half::Media, sequence, now, payload }
}

#[test]
fn a_whole_call_comes_back_and_is_sound() {
    let mut file = Vec::new();
    Call::begin(&mut file, Line::v4()).whole(2);

    let bundle = Bundle::open(file.as_slice()).unwrap();

    assert_eq!(bundle.meta, meta());
    assert_eq!(bundle.verify().problems, []);
    assert!(bundle.verify().is_sound());
    assert_eq!(bundle.steps(Half::Media).count(), 200);
    assert_eq!(bundle.steps(Half::Control).count(), 3);
    assert_eq!(bundle.step_log().len(), 203);
    assert_eq!(bundle.packets().filter(|packet| packet.direction == Direction::Outbound).count(), 102);
    assert_eq!(bundle.end().unwrap().packets_in, 103);
    assert_eq!(bundle.sizes.total(), file.len() as u64);
}

#[test]
fn a_step_around_a_packet_is_rebuilt_and_the_packet_stored_once() {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    let datagram = rtp(1, 0, voice(77));
    let line = Line::v6();
    let at = Time::from_millis(40);
    let rtp = packet(PacketKind::Rtp, Direction::Inbound, line.caller_rtp, line.our_rtp, &datagram, at);
    writer.packet_step(head(Half::Media, 0, at + ms(1)), b"before", &rtp, b"after").unwrap();
    writer.finish().unwrap();

    let bundle = Bundle::open(file.as_slice()).unwrap();

    let step = bundle.steps(Half::Media).next().unwrap();
    assert_eq!(*step.body.payload(), [b"before".as_slice(), &datagram, b"after"].concat());
    assert_eq!(step.head, head(Half::Media, 0, at + ms(1)));
    let packet = bundle.packets().next().unwrap();
    assert_eq!((packet.source, packet.destination, packet.at), (line.caller_rtp, line.our_rtp, at));
    assert_eq!(file.windows(160).filter(|window| *window == &datagram[12..]).count(), 1);
}

#[test]
fn a_payload_is_taken_apart_around_the_packet_in_it() {
    assert_eq!(around(b"headDATAtail", b"DATA"), Some((b"head".as_slice(), b"tail".as_slice())));
    assert_eq!(around(b"DATA", b"DATA"), Some((b"".as_slice(), b"".as_slice())));
    assert_eq!(around(b"whole", b""), Some((b"whole".as_slice(), b"".as_slice())));
    assert_eq!(around(b"other", b"DATA"), None);
}

#[test]
fn a_step_too_long_for_an_option_stands_beside_its_packet() {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    let line = Line::v4();
    let rtp =
        packet(PacketKind::Rtp, Direction::Inbound, line.caller_rtp, line.our_rtp, b"datagram", Time::ZERO);
    let long = vec![7; 70_000];
    writer.packet_step(head(Half::Media, 0, Time::ZERO), &long, &rtp, b"end").unwrap();
    writer.finish().unwrap();

    let bundle = Bundle::open(file.as_slice()).unwrap();

    let expected = [long.as_slice(), b"datagram", b"end"].concat();
    assert_eq!(*bundle.steps(Half::Media).next().unwrap().body.payload(), expected);
    assert_eq!(bundle.packets().count(), 1);
    assert!(bundle.verify().is_sound());
}

#[test]
fn equal_audio_is_stored_once() {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    let audio: Vec<u8> = (0..64_000_u32).map(|at| (at * at / 7) as u8).collect();
    for sequence in 0..3 {
        let now = Time::from_millis(sequence);
        writer.blob_step(head(Half::Media, sequence, now), &[sequence as u8], &audio, b"z").unwrap();
    }
    let (_, sizes) = writer.finish().unwrap();

    let bundle = Bundle::open(file.as_slice()).unwrap();

    assert_eq!((sizes.blobs.count, bundle.blobs.len()), (1, 1));
    assert!(file.len() < audio.len() + 2_000);
    for (sequence, step) in bundle.steps(Half::Media).enumerate() {
        assert_eq!(*step.body.payload(), [&[sequence as u8], audio.as_slice(), b"z"].concat());
    }
    assert!(bundle.verify().is_sound());
}

#[test]
fn what_left_is_kept_as_header_and_hash_unless_asked_for_in_full() {
    let mut file = Vec::new();
    let mut call = Call::begin(&mut file, Line::v4());
    call.rtp_out(5, Time::ZERO, Keep::Header);
    call.rtp_out(6, Time::ZERO, Keep::Whole);
    call.writer.finish().unwrap();

    let bundle = Bundle::open(file.as_slice()).unwrap();

    let packets: Vec<_> = bundle.packets().collect();
    assert_eq!((packets[0].bytes.len(), packets[0].original_length), (12, 172));
    assert_eq!(packets[0].payload_hash, Some(PayloadHash::of(&voice(5))));
    assert_eq!((packets[1].bytes.len(), packets[1].payload_hash), (172, None));
    assert_eq!(packets[1].bytes[12..], voice(6));
}

#[test]
fn a_header_with_sources_and_extension_is_kept_in_full() {
    let mut datagram = rtp(1, 0, Vec::new());
    datagram[0] |= 0x10 | 2;
    datagram.extend_from_slice(&[0; 8]);
    datagram.extend_from_slice(&[0xBE, 0xDE, 0, 1, 1, 2, 3, 4]);
    datagram.extend_from_slice(b"payload");
    let line = Line::v4();
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    let rtp =
        packet(PacketKind::Rtp, Direction::Outbound, line.our_rtp, line.caller_rtp, &datagram, Time::ZERO);
    writer.packet(&rtp, Keep::Header).unwrap();
    writer
        .packet(
            &common::packet(
                PacketKind::Rtp,
                Direction::Outbound,
                rtp.source,
                rtp.destination,
                b"no rtp",
                Time::ZERO,
            ),
            Keep::Header,
        )
        .unwrap();
    writer.finish().unwrap();

    let bundle = Bundle::open(file.as_slice()).unwrap();

    let packets: Vec<_> = bundle.packets().collect();
    assert_eq!(*packets[0].bytes, datagram[..28]);
    assert_eq!(packets[0].payload_hash, Some(PayloadHash::of(b"payload")));
    assert_eq!(*packets[1].bytes, *b"no rtp");
}

#[test]
fn outputs_are_compared_in_full_or_by_hash() {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    let at = Time::from_millis(3);
    writer.step(step(0, at, b"in")).unwrap();
    writer.output(head(Half::Media, 0, at), b"out").unwrap();
    writer.output_hash(head(Half::Media, 0, at), b"long out").unwrap();
    writer.finish().unwrap();

    let bundle = Bundle::open(file.as_slice()).unwrap();

    let outputs: Vec<_> = bundle.outputs(Half::Media).collect();
    assert_eq!(outputs[0].body, OutputBody::Whole(b"out".to_vec()));
    assert!(outputs[1].body.is(b"long out"));
    assert!(!outputs[1].body.is(b"long owt"));
    assert_eq!(outputs[1].head, head(Half::Media, 0, at));
}

#[test]
fn small_steps_ride_in_the_next_packet_and_keep_their_place() {
    let mut file = Vec::new();
    let mut call = Call::begin(&mut file, Line::v4());
    call.rtp_in(0, Time::from_millis(1));
    call.deadline(Time::from_millis(5));
    call.control_step(b"command", Time::from_millis(6));
    call.deadline(Time::from_millis(10));
    call.rtp_out(0, Time::from_millis(11), Keep::Header);
    call.writer.finish().unwrap();

    let items: Vec<&str> = Reader::new(file.as_slice()).map(|item| name(&item)).collect();
    let bundle = Bundle::open(file.as_slice()).unwrap();

    assert_eq!(items, ["meta", "in", "media", "media", "control", "media", "out", "end"]);
    assert_eq!(bundle.sizes.unknown.count, 0);
    assert!(bundle.sizes.steps.bytes < 80, "{:?}", bundle.sizes.steps);
}

#[test]
fn what_is_held_reaches_the_file_within_a_fifth_of_a_second() {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    let begun = writer.get_ref().len();

    writer.step(step(0, Time::from_millis(1_000), b"x")).unwrap();
    writer.flush_due(Time::from_millis(1_199)).unwrap();
    let early = writer.get_ref().len();
    writer.flush_due(Time::from_millis(1_200)).unwrap();
    let late = writer.get_ref().len();
    writer.flush_due(Time::from_millis(9_000)).unwrap();

    assert_eq!(early, begun);
    assert!(late > begun);
    assert_eq!(writer.get_ref().len(), late);
}

#[test]
fn dropped_steps_are_noticed() {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    for sequence in [0, 1, 4] {
        writer.step(step(sequence, Time::ZERO, b"")).unwrap();
    }
    writer.finish().unwrap();

    let problems = Bundle::open(file.as_slice()).unwrap().verify().problems;

    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("step 4 of the Media half stands where step 2 should"));
}

#[test]
fn a_packet_or_blob_beyond_the_format_is_refused_and_the_rest_goes_on() {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    let line = Line::v4();
    let long = vec![0; 300_000];
    for (kind, length) in [(PacketKind::SipUdp, 65_508), (PacketKind::SipTcp, 300_000)] {
        let long =
            packet(kind, Direction::Inbound, line.caller_sip, line.our_sip, &long[..length], Time::ZERO);
        assert!(matches!(writer.packet(&long, Keep::Whole), Err(WriteError::TooLong(_))));
    }
    let blob = vec![0; 9 << 20];
    assert!(matches!(writer.blob(&blob, Time::ZERO), Err(WriteError::TooLong(_))));
    let full = packet(
        PacketKind::SipUdp,
        Direction::Inbound,
        line.caller_sip,
        line.our_sip,
        &long[..65_507],
        Time::ZERO,
    );
    writer.packet(&full, Keep::Whole).unwrap();
    writer.finish().unwrap();

    let bundle = Bundle::open(file.as_slice()).unwrap();

    assert_eq!(bundle.packets().next().unwrap().bytes.len(), 65_507);
    assert!(bundle.verify().is_sound());
}

#[test]
fn a_full_disk_leaves_a_cut_bundle_and_a_writer_that_says_so() {
    let mut disk = FullDisk { kept: Vec::new(), room: 20_001 };
    let mut writer = Writer::begin(&mut disk, &meta()).unwrap();
    let line = Line::v4();
    let mut failed = 0;
    for sequence in 0..200 {
        let now = Time::from_millis(sequence * 20);
        let datagram = rtp(1, sequence, voice(sequence));
        let packet =
            packet(PacketKind::Rtp, Direction::Inbound, line.caller_rtp, line.our_rtp, &datagram, now);
        let result = writer.packet_step(head(Half::Media, sequence, now), b"", &packet, b"");
        failed += u64::from(common::has_failed(result.and_then(|()| writer.flush())));
    }
    assert!(common::has_failed(writer.finish().map(|_| ())));

    let bundle = Bundle::open(disk.kept.as_slice()).unwrap();

    assert!(failed > 100);
    assert!(matches!(bundle.ending, Ending::Cut { .. }));
    assert_eq!(bundle.verify().problems, []);
    assert_eq!(bundle.steps(Half::Media).count() as u64, 200 - failed);
}

fn name(item: &Item) -> &'static str {
    match item {
        Item::Meta(_) => "meta",
        Item::Packet(packet) if packet.direction == Direction::Inbound => "in",
        Item::Packet(_) => "out",
        Item::Step(step) if step.head.half == Half::Media => "media",
        Item::Step(_) => "control",
        Item::Output(_) => "output",
        Item::Blob(_) => "blob",
        Item::End(_) => "end",
        Item::Unknown(_) => "unknown",
    }
}

/// One call of the writer.
#[derive(Clone, Debug)]
enum Act {
    Step(Half, u64, Vec<u8>),
    PacketStep(Half, u64, Vec<u8>, Vec<u8>, Vec<u8>),
    BlobStep(Half, u64, Vec<u8>, u8, Vec<u8>),
    Packet(u8, Vec<u8>),
    Output(Half, u64, Vec<u8>),
    OutputHash(Half, u64, Vec<u8>),
    Flush,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let half = || prop_oneof![Just(Half::Media), Just(Half::Control)];
    let now = || prop_oneof![0..10_000_000_000_u64, any::<u64>()];
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let long = prop_oneof![9 => bytes(), 1 => proptest::collection::vec(any::<u8>(), 3_000..6_000)];
    let act = prop_oneof![
        6 => (half(), now(), long).prop_map(|(half, now, payload)| Act::Step(half, now, payload)),
        3 => (half(), now(), bytes(), bytes(), bytes())
            .prop_map(|(half, now, before, packet, after)| Act::PacketStep(half, now, before, packet, after)),
        1 => (half(), now(), bytes(), 0..3_u8, bytes())
            .prop_map(|(half, now, before, blob, after)| Act::BlobStep(half, now, before, blob, after)),
        2 => (0..10_u8, bytes()).prop_map(|(kind, bytes)| Act::Packet(kind, bytes)),
        1 => (half(), now(), bytes()).prop_map(|(half, now, bytes)| Act::Output(half, now, bytes)),
        1 => (half(), now(), bytes()).prop_map(|(half, now, bytes)| Act::OutputHash(half, now, bytes)),
        1 => Just(Act::Flush),
    ];
    proptest::collection::vec(act, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_comes_back_in_order(acts in acts()) {
        let mut file = Vec::new();
        let mut writer = Writer::begin(&mut file, &meta()).unwrap();
        let mut sequences = [0; 2];
        let mut steps = Vec::new();
        let mut packets = 0;
        for act in &acts {
            perform(&mut writer, act, &mut sequences, &mut steps, &mut packets);
        }
        let (_, sizes) = writer.finish().unwrap();

        let bundle = Bundle::open(file.as_slice()).unwrap();

        let read: Vec<_> = bundle
            .items
            .iter()
            .filter_map(Item::as_step)
            .map(|step| (step.head, step.body.payload().into_owned()))
            .collect();
        prop_assert_eq!(read, steps);
        prop_assert_eq!(bundle.packets().count(), packets);
        prop_assert_eq!(bundle.sizes, sizes);
        prop_assert_eq!(sizes.total(), file.len() as u64);
        prop_assert!(bundle.verify().is_sound(), "{:?}", bundle.verify());
    }
}

type Steps = Vec<(StepHead, Vec<u8>)>;

fn perform(
    writer: &mut Writer<&mut Vec<u8>>,
    act: &Act,
    sequences: &mut [u64; 2],
    steps: &mut Steps,
    packets: &mut usize,
) {
    let line = Line::v4();
    let mut next = |half: Half, now: &u64| {
        sequences[half as usize] += 1;
        head(half, sequences[half as usize] - 1, Time::from_nanos(*now))
    };
    match act {
        Act::Step(half, now, payload) => {
            let head = next(*half, now);
            let step = Step { half: *half, sequence: head.sequence, now: head.now, payload };
            writer.step(step).unwrap();
            steps.push((head, payload.clone()));
        }
        Act::PacketStep(half, now, before, bytes, after) => {
            let head = next(*half, now);
            let packet =
                packet(PacketKind::Rtp, Direction::Inbound, line.caller_rtp, line.our_rtp, bytes, head.now);
            writer.packet_step(head, before, &packet, after).unwrap();
            steps.push((head, [before.as_slice(), bytes, after].concat()));
            *packets += 1;
        }
        Act::BlobStep(half, now, before, blob, after) => {
            let head = next(*half, now);
            let blob = vec![*blob; 100];
            writer.blob_step(head, before, &blob, after).unwrap();
            steps.push((head, [before.as_slice(), &blob, after].concat()));
        }
        Act::Packet(kind, bytes) => {
            let direction = if *kind < 5 { Direction::Inbound } else { Direction::Outbound };
            let kind = PacketKind::ALL[usize::from(kind % 5)];
            let packet = packet(kind, direction, line.our_rtp, line.caller_rtp, bytes, Time::from_millis(9));
            writer.packet(&packet, Keep::Header).unwrap();
            *packets += 1;
        }
        Act::Output(half, now, bytes) => {
            writer.output(head(*half, sequences[*half as usize], Time::from_nanos(*now)), bytes).unwrap();
        }
        Act::OutputHash(half, now, bytes) => {
            writer
                .output_hash(head(*half, sequences[*half as usize], Time::from_nanos(*now)), bytes)
                .unwrap();
        }
        Act::Flush => writer.flush().unwrap(),
    }
}
