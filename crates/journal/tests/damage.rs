//! Bundles that are cut, damaged or made to hurt.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{Call, Line, meta, rtp, voice};
use offhook_journal::bundle::{Bundle, Item, Keep, OpenError, Problem, Reader, Writer};
use offhook_journal::{Damage, Ending};
use offhook_time::{Half, Time};
use proptest::prelude::*;

/// Every kind of block and record in a few kilobytes.
fn small() -> Vec<u8> {
    let mut file = Vec::new();
    let mut call = Call::begin(&mut file, Line::v4());
    call.set_up(Time::from_millis(10));
    for index in 0..12 {
        let now = Time::from_millis(100 + index * 20);
        call.rtp_in(index, now);
        call.deadline(now);
        call.rtp_out(index, now, Keep::Header);
    }
    let head = call.next_head(Half::Media, Time::from_millis(1_200));
    call.writer.blob_step(head, b"before", &voice(3), b"after").unwrap();
    call.writer.output_hash(head, b"out").unwrap();
    call.writer.flush().unwrap();
    call.hang_up(Time::from_millis(1_300));
    call.writer.finish().unwrap();
    file
}

/// Shorter: cutting and flipping every byte is quadratic.
fn tiny() -> Vec<u8> {
    let mut file = Vec::new();
    let mut call = Call::begin(&mut file, Line::v4());
    call.rtp_in(0, Time::from_millis(1));
    call.deadline(Time::from_millis(10));
    call.rtp_out(0, Time::from_millis(11), Keep::Header);
    let head = call.next_head(Half::Media, Time::from_millis(12));
    call.writer.blob_step(head, b"before", b"blob", b"after").unwrap();
    call.writer.output(head, b"out").unwrap();
    call.writer.finish().unwrap();
    file
}

fn read(file: &[u8]) -> (Vec<Item>, Ending) {
    let mut reader = Reader::new(file);
    let items = reader.by_ref().collect();
    (items, reader.ending().unwrap())
}

/// Offsets at which a block ends.
fn boundaries(file: &[u8]) -> Vec<u64> {
    let mut found = vec![0];
    while let Some(length) = file.get(*found.last().unwrap() as usize + 4..).and_then(|rest| rest.get(..4)) {
        let length = u32::from_le_bytes(length.try_into().unwrap());
        found.push(found.last().unwrap() + u64::from(length));
    }
    found
}

#[test]
fn a_bundle_cut_at_any_byte_reads_up_to_the_last_whole_block() {
    let file = small();
    let (whole, ending) = read(&file);
    let boundaries = boundaries(&file);
    assert_eq!(ending, Ending::Complete);

    let mut before = 0;
    for length in 0..file.len() {
        let (items, ending) = read(&file[..length]);

        let last = boundaries.iter().rev().find(|at| **at <= length as u64).unwrap();
        assert_eq!(ending, Ending::Cut { at: *last }, "cut at {length}");
        assert_eq!(items, whole[..items.len()], "cut at {length}");
        assert!(items.len() >= before);
        before = items.len();
    }
    assert_eq!(before, whole.len() - 1);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let file = tiny();
    assert!(Bundle::open(file.as_slice()).unwrap().verify().is_sound());

    for at in 0..file.len() {
        for bit in [0, 3, 7] {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;

            let sound = Bundle::open(damaged.as_slice()).is_ok_and(|bundle| bundle.verify().is_sound());

            assert!(!sound, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn damage_is_located() {
    let file = small();
    let at = boundaries(&file)[20];
    let mut damaged = file.clone();
    damaged[at as usize + 4..at as usize + 8].fill(0xEE);

    let (items, ending) = read(&damaged);

    assert_eq!(ending, Ending::Damaged { at, why: Damage::Length });
    assert!(items.len() > 15);
}

#[test]
fn zeros_after_a_power_cut_are_damage_behind_what_was_written() {
    let file = small();
    let mut torn = file[..boundaries(&file)[30] as usize].to_vec();
    let at = torn.len() as u64;
    torn.resize(torn.len() + 4096, 0);

    let (_, ending) = read(&torn);

    assert_eq!(ending, Ending::Damaged { at, why: Damage::Length });
}

#[test]
fn a_packet_that_was_taken_out_is_missed() {
    let file = small();
    let boundaries = boundaries(&file);
    let (from, to) = (boundaries[20] as usize, boundaries[21] as usize);
    let without = [&file[..from], &file[to..]].concat();

    let problems = Bundle::open(without.as_slice()).unwrap().verify().problems;

    assert!(problems.iter().any(|problem| matches!(problem, Problem::Order { .. })), "{problems:?}");
    assert!(problems.contains(&Problem::RunningHash));
}

#[test]
fn other_files_are_told_apart() {
    let not = |bytes: &[u8]| Bundle::open(bytes).err();
    let mut later = Vec::new();
    let newer = offhook_journal::bundle::Meta { version: 7, ..meta() };
    Writer::begin(&mut later, &newer).unwrap().finish().unwrap();
    let foreign: Vec<u8> = {
        let file = tiny();
        let packet = boundaries(&file)[7] as usize;
        // The section and the interfaces, then a packet: what tcpdump would write.
        [&file[..boundaries(&file)[6] as usize], &file[packet..]].concat()
    };

    assert_eq!(not(b""), Some(OpenError::Cut(0)));
    assert_eq!(not(b"RIFF....WAVEfmt ....."), Some(OpenError::Damaged(Damage::NotACapture)));
    assert_eq!(not(&later), Some(OpenError::Damaged(Damage::Newer(7))));
    assert_eq!(not(&foreign), Some(OpenError::Damaged(Damage::NotABundle)));
    assert_eq!(not(&tiny()[..300]).map(|error| matches!(error, OpenError::Cut(_))), Some(true));
}

#[test]
fn two_calls_in_one_file_are_refused_at_the_second() {
    let file = tiny();
    let twice = [file.as_slice(), &file].concat();

    let bundle = Bundle::open(twice.as_slice()).unwrap();

    assert_eq!(bundle.ending, Ending::Damaged { at: file.len() as u64, why: Damage::AfterEnd });
}

#[test]
fn blocks_of_later_versions_and_of_others_are_stepped_over_and_counted() {
    let file = tiny();
    let place = boundaries(&file)[7] as usize;
    let later = custom(32_473, b"OFHK", 99, b"later");
    let foreign = custom(4_711, b"else", 1, b"");
    let names = [4_u32.to_le_bytes(), 16_u32.to_le_bytes(), [0; 4], 16_u32.to_le_bytes()].concat();
    let more = [&file[..place], &later, &foreign, &names, &file[place..]].concat();

    let bundle = Bundle::open(more.as_slice()).unwrap();

    assert_eq!(bundle.ending, Ending::Complete);
    assert_eq!(bundle.sizes.unknown.count, 3);
    assert_eq!(bundle.sizes.total(), more.len() as u64);
    assert_eq!(bundle.steps(Half::Media).count(), 3);
}

#[test]
fn a_small_file_that_names_one_blob_often_does_not_fill_memory() {
    let mut file = Vec::new();
    let mut writer = Writer::begin(&mut file, &meta()).unwrap();
    let blob = vec![1; 4 << 20];
    let name = writer.blob(&blob, Time::ZERO).unwrap();
    writer.flush().unwrap();
    drop(writer);
    // Base, ordinal; then 4,000 steps around the blob, the first with its sequence. As copies they would be 16 GB.
    let mut content = vec![0, 1];
    for sequence in 0..4_000 {
        content.extend_from_slice(if sequence == 0 { &[0x12, 0, 0, 0] } else { &[0x02, 0, 0] });
        content.extend_from_slice(&name.0);
        content.push(0);
    }
    file.extend_from_slice(&custom(32_473, b"OFHK", 2, &content));

    let bundle = Bundle::open(file.as_slice()).unwrap();

    assert_eq!(bundle.steps(Half::Media).count(), 4_000);
    assert_eq!(bundle.steps(Half::Media).last().unwrap().body.payload().len(), blob.len());
    assert_eq!(bundle.ending, Ending::Cut { at: file.len() as u64 });
}

#[test]
fn a_block_of_endless_records_is_damage() {
    let head = &tiny()[..boundaries(&tiny())[7] as usize];
    // An empty step each: sequence implied, no time, no payload.
    let content = [&[0, 0, 0x10, 0, 0, 0][..], &[0; 3].repeat(100_000)].concat();
    let file = [head, &custom(32_473, b"OFHK", 2, &content)].concat();

    let (items, ending) = read(&file);

    assert_eq!(items.len(), 1);
    assert_eq!(ending, Ending::Damaged { at: head.len() as u64, why: Damage::Content });
}

#[test]
fn a_wrong_packet_checksum_is_a_problem() {
    let mut file = Vec::new();
    let mut call = Call::begin(&mut file, Line::v6());
    call.rtp_in(1, Time::from_millis(1));
    call.writer.finish().unwrap();
    let datagram = rtp(common::CALLER_SSRC + 1, 1, voice(1));
    let place = file.windows(172).position(|window| window == datagram).unwrap();
    file[place + 100] ^= 0x10;

    let problems = Bundle::open(file.as_slice()).unwrap().verify().problems;

    assert!(problems.iter().any(|problem| matches!(problem, Problem::PacketChecksum { .. })), "{problems:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_the_reader_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = tiny();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }

        let (_, ending) = read(&file);
        let _ = Bundle::open(file.as_slice()).map(|bundle| bundle.step_log());

        let at = match ending {
            Ending::Complete => 0,
            Ending::Cut { at } | Ending::Damaged { at, .. } => at,
        };
        prop_assert!(at <= file.len() as u64);
    }

    #[test]
    fn no_content_with_a_right_checksum_makes_the_reader_panic(
        kind in 0..6_u32,
        content in proptest::collection::vec(any::<u8>(), 0..80),
        flags in any::<u8>(),
        option in proptest::collection::vec(any::<u8>(), 0..60),
        data in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let head = &tiny()[..boundaries(&tiny())[7] as usize];
        let packet = packet_block(u32::from(flags % 7), &data, flags, &option);
        let file = [head, &custom(32_473, b"OFHK", kind, &content), &packet].concat();

        let (_, ending) = read(&file);

        prop_assert!(ending != Ending::Complete || kind == 4);
    }

    #[test]
    fn random_bytes_are_no_bundle(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Bundle::open(bytes.as_slice()).is_err());
    }
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = (12 + padded as u32).to_le_bytes();
    let mut block = [kind.to_le_bytes(), length].concat();
    block.extend_from_slice(body);
    block.resize(8 + padded, 0);
    block.extend_from_slice(&length);
    block
}

fn custom(number: u32, magic: &[u8; 4], kind: u32, content: &[u8]) -> Vec<u8> {
    let mut body = [number.to_le_bytes(), *magic, kind.to_le_bytes()].concat();
    body.extend_from_slice(&(content.len() as u32).to_le_bytes());
    body.extend_from_slice(&crc32(content).to_le_bytes());
    body.extend_from_slice(content);
    block(0xBAD, &body)
}

fn packet_block(interface: u32, data: &[u8], flags: u8, records: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_le_bytes();
    let mut body = [interface.to_le_bytes(), [0; 4], [0; 4], length, length].concat();
    body.extend_from_slice(data);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend_from_slice(&[2, 0, 4, 0, flags, 0, 0, 0]);
    body.extend_from_slice(&2989_u16.to_le_bytes());
    body.extend_from_slice(&(records.len() as u16 + 6).to_le_bytes());
    body.extend_from_slice(&32_473_u32.to_le_bytes());
    body.extend_from_slice(b"oH");
    body.extend_from_slice(records);
    block(6, &body)
}

/// The slow way, so that the test does not trust the product's.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn a_packet_without_a_direction_is_not_ours() {
    let head = &tiny()[..boundaries(&tiny())[7] as usize];
    let file = [head, &packet_block(3, &[0x45], 0, &[])].concat();

    let (items, _) = read(&file);

    assert!(matches!(items.as_slice(), [Item::Meta(_), Item::Unknown(_)]), "{items:?}");
}
