//! Captures of others.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use common::shark;
use common::{Call, Line};
use offhook_journal::capture::{Account, Capture, CaptureError, Found, Unused};
use offhook_journal::{Damage, Ending};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn read(file: &[u8]) -> (Vec<Found>, Account, Ending) {
    let mut capture = Capture::open(file).unwrap();
    let found = capture.by_ref().collect();
    (found, capture.account().clone(), capture.ending().unwrap())
}

fn payloads(found: &[Found]) -> Vec<Vec<u8>> {
    let bytes = |found: &Found| match found {
        Found::Datagram(datagram) | Found::Message(datagram) => datagram.bytes.clone(),
        Found::Stream(data) => data.bytes.clone(),
    };
    found.iter().map(bytes).collect()
}

fn only(why: Unused, count: u64) -> BTreeMap<Unused, u64> {
    BTreeMap::from([(why, count)])
}

#[test]
fn all_four_kinds_of_pcap_are_read() {
    let packet = ipv4(17, &udp(b"hello"));
    for big in [false, true] {
        for (magic, unit) in [(0xA1B2_C3D4, 1_000), (0xA1B2_3C4D, 1)] {
            let file = pcap(magic, big, 101, &[(SECOND + 500 * unit, &packet)]);

            let (found, account, ending) = read(&file);

            let Found::Datagram(datagram) = &found[0] else { panic!("{found:?}") };
            assert_eq!(datagram.unix_ns, SECOND + 500 * unit);
            assert_eq!(datagram.bytes, b"hello");
            assert_eq!(datagram.source, "192.0.2.7:4000".parse().unwrap());
            assert_eq!(datagram.destination, "198.51.100.1:20000".parse().unwrap());
            assert_eq!((account.frames, account.datagrams, account.left()), (1, 1, 0));
            assert_eq!(ending, Ending::Complete);
        }
    }
}

#[test]
fn every_link_type_leads_to_the_packet() {
    let ip = ipv4(17, &udp(b"v4"));
    let ip6 = ipv6(17, &udp(b"v6"));
    let with = |header: &[u8], packet: &[u8]| [header, packet].concat();
    let ethernet = |kind: &[u8], packet: &[u8]| [&[2; 12], kind, packet].concat();
    let cases: Vec<(&str, u32, Vec<u8>)> = vec![
        ("ethernet", 1, ethernet(&[8, 0], &ip)),
        ("ethernet with padding", 1, [ethernet(&[8, 0], &ip), vec![0; 18]].concat()),
        ("ethernet v6", 1, ethernet(&[0x86, 0xDD], &ip6)),
        ("vlan", 1, ethernet(&[0x81, 0, 0, 5, 8, 0], &ip)),
        ("qinq", 1, ethernet(&[0x88, 0xA8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xDD], &ip6)),
        ("old qinq", 1, ethernet(&[0x91, 0, 0, 5, 0x81, 0, 0, 6, 8, 0], &ip)),
        ("cooked", 113, with(&[&[0; 14][..], &[8, 0]].concat(), &ip)),
        ("cooked vlan", 113, with(&[&[0; 14][..], &[0x81, 0, 0, 9, 8, 0]].concat(), &ip)),
        ("cooked 2", 276, with(&[&[0x86, 0xDD][..], &[0; 18]].concat(), &ip6)),
        ("raw", 101, ip.clone()),
        ("raw v6", 229, ip6.clone()),
        ("null little", 0, with(&[2, 0, 0, 0], &ip)),
        ("null big v6", 0, with(&[0, 0, 0, 30], &ip6)),
        ("loop", 108, with(&[0, 0, 0, 2], &ip)),
        ("ethernet with check sequence length", 0x2400_0001, ethernet(&[8, 0], &ip)),
    ];
    for (name, link, frame) in cases {
        let (found, account, _) = read(&pcap(0xA1B2_C3D4, false, link, &[(0, &frame)]));

        assert_eq!(account.datagrams, 1, "{name}: {account:?}");
        assert!([b"v4", b"v6"].contains(&payloads(&found)[0].as_slice().try_into().unwrap()), "{name}");
    }
}

#[test]
fn what_is_not_used_is_counted_by_reason() {
    let ethernet = |kind: [u8; 2], rest: &[u8]| [&[2; 12], kind.as_slice(), rest].concat();
    let good = ipv4(17, &udp(b"good"));
    let mut short_udp = udp(b"x");
    short_udp[5] = 3;
    let mut short_header = good.clone();
    short_header[0] = 0x44;
    let frames = [
        ethernet([8, 6], &[0; 28]),
        ethernet([8, 0], &ipv4(1, b"ping....")),
        ethernet([8, 0], &ipv4(50, b"ipsec...")),
        ethernet([0x86, 0xDD], &ipv6(50, b"ipsec...")),
        ethernet([8, 0], &good[..16]),
        ethernet([8, 0], &ipv4(17, &short_udp)),
        ethernet([8, 0], &short_header),
        ethernet([8, 0], &good),
        vec![1, 2, 3],
    ];
    let timed: Vec<_> = frames.iter().map(|frame| (0, frame.as_slice())).collect();

    let (found, account, _) = read(&pcap(0xA1B2_C3D4, false, 1, &timed));
    let (_, wifi, _) = read(&pcap(0xA1B2_C3D4, false, 105, &timed));

    assert_eq!(payloads(&found), [b"good"]);
    let expected = [
        (Unused::NotIp, 1),
        (Unused::OtherProtocol, 2),
        (Unused::Encrypted, 1),
        (Unused::HeaderCut, 2),
        (Unused::Malformed, 2),
    ];
    assert_eq!(account.unused, BTreeMap::from(expected));
    assert_eq!(account.frames, account.datagrams + account.left());
    assert_eq!(wifi.unused, only(Unused::LinkType, 9));
}

#[test]
fn options_and_extension_headers_are_stepped_over() {
    let mut with_options = ipv4(17, &udp(b"options"));
    with_options.splice(20..20, [1, 1, 1, 1, 1, 1, 1, 0]);
    with_options[0] = 0x47;
    with_options[3] += 8;
    let payload = udp(b"extensions");
    // Hop-by-hop, routing, an atomic fragment, authentication, destination options.
    let extensions = [
        &[43, 0, 0, 0, 0, 0, 0, 0][..],
        &[44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[51, 0, 0, 0, 0, 0, 0, 7],
        &[60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[17, 0, 0, 0, 0, 0, 0, 0],
        &payload,
    ]
    .concat();
    let v6 = ipv6(0, &extensions);

    let (found, account, _) = read(&pcap(0xA1B2_C3D4, false, 101, &[(0, &with_options), (0, &v6)]));

    assert_eq!(payloads(&found), [b"options".as_slice(), b"extensions"], "{account:?}");
}

#[test]
fn fragments_become_whole_in_any_order_and_lost_ones_are_counted() {
    let text: Vec<u8> = (0..3_000).map(|at| at as u8).collect();
    let datagram = udp(&text);
    for v6 in [false, true] {
        let parts: Vec<Vec<u8>> = [(0, 1_480), (1_480, 2_960), (2_960, datagram.len())]
            .map(|(from, to)| {
                let more = to < datagram.len();
                let part = &datagram[from..to];
                if v6 { fragment_v6(7, from, more, part) } else { fragment_v4(7, from, more, part) }
            })
            .into();
        for order in [vec![0, 1, 2], vec![2, 0, 1], vec![1, 1, 2, 0]] {
            let frames: Vec<_> = order.iter().map(|index| (0, parts[*index].as_slice())).collect();

            let (found, account, _) = read(&pcap(0xA1B2_C3D4, false, 101, &frames));

            assert_eq!(payloads(&found), std::slice::from_ref(&text), "{order:?}");
            assert_eq!(account.fragments_joined, order.len() as u64 - 1);
        }
        let (found, account, _) = read(&pcap(0xA1B2_C3D4, false, 101, &[(0, &parts[0]), (0, &parts[2])]));

        assert!(found.is_empty());
        assert_eq!(account.unused, only(Unused::Fragment, 2));
    }
}

#[test]
fn a_snap_length_is_seen() {
    let packet = ipv4(17, &udp(&[7; 160]));
    let mut file = pcap(0xA1B2_C3D4, false, 101, &[(0, &packet[..40])]);
    let original = 24 + 12;
    file[original..original + 4].copy_from_slice(&(packet.len() as u32).to_le_bytes());

    let (found, account, _) = read(&file);

    let Found::Datagram(datagram) = &found[0] else { panic!("{found:?}") };
    assert_eq!((datagram.bytes.len(), datagram.original_length), (12, 160));
    assert_eq!(account.snapped, 1);
}

#[test]
fn tcp_data_comes_in_order_without_what_came_twice() {
    let segments = [
        segment(999, 0x02, b""),
        segment(1_000, 0x10, b""),
        segment(1_000, 0x18, b"INVITE "),
        segment(1_012, 0x18, b"SIP/2.0"),
        segment(1_000, 0x18, b"INVITE "),
        segment(1_004, 0x18, b"TE sip:x"),
        segment(1_019, 0x18, b"\r\n"),
        segment(1_021, 0x11, b""),
        segment(1_019, 0x18, b"\r\n"),
    ];

    let (found, account, _) = read(&frames(&segments));

    assert_eq!(payloads(&found).concat(), b"INVITE sip:xSIP/2.0\r\n");
    assert!(found.iter().all(|found| matches!(found, Found::Stream(data) if !data.after_gap)));
    assert_eq!(account.segments, 4);
    assert_eq!(account.unused, BTreeMap::from([(Unused::NoData, 3), (Unused::Retransmission, 2)]));
    assert_eq!(account.stream_gaps, 0);
}

#[test]
fn a_hole_in_a_tcp_stream_is_given_up_at_the_end_and_marked() {
    let segments =
        [segment(u32::MAX - 1, 0x02, b""), segment(u32::MAX, 0x18, b"one"), segment(12, 0x18, b"three")];

    let (found, account, _) = read(&frames(&segments));

    assert_eq!(payloads(&found), [b"one".as_slice(), b"three"]);
    let gaps: Vec<_> =
        found.iter().map(|found| matches!(found, Found::Stream(data) if data.after_gap)).collect();
    assert_eq!(gaps, [false, true]);
    assert_eq!(account.stream_gaps, 1);
}

#[test]
fn a_connection_that_began_before_the_capture_says_so_and_a_new_one_starts_afresh() {
    let segments = [
        segment(5_000, 0x18, b"middle"),
        segment(5_000 + (1 << 31) - 100, 0x18, b"far away"),
        segment(80_000, 0x02, b""),
        segment(80_001, 0x18, b"fresh"),
    ];

    let (found, account, _) = read(&frames(&segments));

    let Found::Stream(first) = &found[0] else { panic!("{found:?}") };
    let Found::Stream(second) = &found[1] else { panic!("{found:?}") };
    assert_eq!((first.bytes.as_slice(), first.after_gap), (b"middle".as_slice(), true));
    assert_eq!((second.bytes.as_slice(), second.after_gap), (b"fresh".as_slice(), false));
    assert_eq!(account.unused[&Unused::OutOfWindow], 1);
}

#[test]
fn a_pcapng_with_several_interfaces_resolutions_and_strange_blocks_is_read() {
    for big in [false, true] {
        let ip = ipv4(17, &udp(b"ng"));
        let ethernet = [&[2; 12][..], &[8, 0], &ip].concat();
        let file = [
            ng_section(big),
            ng_interface(big, 1, None),
            ng_interface(big, 101, Some(9)),
            ng_interface(big, 101, Some(0x80 | 10)),
            ng_block(big, 0x0BAD_CAFE, &[1, 2, 3, 4]),
            ng_packet(big, 0, 1_500_000, &ethernet),
            ng_packet(big, 1, 2_000_000_007, &ip),
            ng_packet(big, 2, 3 * 1024 + 512, &ip),
            ng_packet(big, 9, 0, &ip),
            ng_block(big, 3, &[number(big, ethernet.len() as u32), ethernet.clone()].concat()),
            ng_block(big, 5, &[0; 12]),
            ng_section(!big),
            ng_interface(!big, 101, None),
            ng_packet(!big, 0, 4_000_000, &ip),
        ]
        .concat();

        let (found, account, ending) = read(&file);

        let times: Vec<_> = found
            .iter()
            .map(|found| match found {
                Found::Datagram(datagram) => datagram.unix_ns,
                Found::Stream(_) | Found::Message(_) => 0,
            })
            .collect();
        assert_eq!(times, [1_500_000_000, 2_000_000_007, 3_500_000_000, 3_500_000_000, 4_000_000_000]);
        assert_eq!(account.unused, only(Unused::NoInterface, 1));
        assert_eq!((account.other_blocks, account.untimed), (2, 2));
        assert_eq!(ending, Ending::Complete);
    }
}

#[test]
fn a_cut_or_damaged_capture_gives_what_is_whole() {
    let packet = ipv4(17, &udp(b"whole"));
    let record = 16 + packet.len();
    let file = pcap(0xA1B2_C3D4, false, 101, &[(0, &packet), (0, &packet), (0, &packet)]);
    for length in 24..file.len() {
        let (found, _, ending) = read(&file[..length]);

        let whole = (length - 24) / record;
        assert_eq!(found.len(), whole);
        let at = (24 + whole * record) as u64;
        let expected = if (length - 24) % record == 0 { Ending::Complete } else { Ending::Cut { at } };
        assert_eq!(ending, expected);
    }
    let mut damaged = file.clone();
    damaged[24 + record + 11] = 0x7F;
    let at = 24 + record as u64;

    assert_eq!(read(&damaged).2, Ending::Damaged { at, why: Damage::Length });
    assert_eq!(Capture::open(&file[..20]).err(), Some(CaptureError::Cut));
    assert_eq!(Capture::open(b"RIFF".as_slice()).err(), Some(CaptureError::NotACapture));
    assert_eq!(Capture::open(b"".as_slice()).err(), Some(CaptureError::NotACapture));
}

#[test]
fn our_own_bundle_is_a_capture_too() {
    let mut file = Vec::new();
    Call::begin(&mut file, Line::v6().over(offhook_journal::bundle::PacketKind::SipTcp)).whole(1);

    let (found, account, ending) = read(&file);

    let messages = found.iter().filter(|found| matches!(found, Found::Message(_))).count();
    assert_eq!((messages, account.messages, account.datagrams), (5, 5, 100));
    assert_eq!((account.snapped, account.left()), (50, 0));
    assert_eq!(ending, Ending::Complete);
}

#[test]
fn what_wiresharks_own_writer_converts_is_read_alike() {
    if !shark::is_here("editcap") {
        return;
    }
    let texts: Vec<Vec<u8>> = (0..20_u8).map(|at| vec![at; usize::from(at) + 1]).collect();
    let packets: Vec<Vec<u8>> =
        texts.iter().map(|text| [&[2; 12][..], &[8, 0], &ipv4(17, &udp(text))].concat()).collect();
    let timed: Vec<_> =
        packets.iter().enumerate().map(|(at, packet)| (at as u64 * 20_000_000, packet.as_slice())).collect();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.pcap");
    std::fs::write(&source, pcap(0xA1B2_C3D4, true, 1, &timed)).unwrap();
    let (expected, _, _) = read(&std::fs::read(&source).unwrap());

    for format in ["pcap", "nsecpcap", "pcapng", "modpcap"] {
        let copy = folder.path().join(format);
        let run = std::process::Command::new("editcap").args(["-F", format]).arg(&source).arg(&copy).output();
        assert!(run.unwrap().status.success(), "{format}");
        let bytes = std::fs::read(copy).unwrap();

        if format == "modpcap" {
            // Alexey Kuznetsov's variant of Linux 2.2: records of another shape under a magic of its own.
            assert_eq!(Capture::open(bytes.as_slice()).err(), Some(CaptureError::NotACapture));
            continue;
        }
        let (found, account, ending) = read(&bytes);

        assert_eq!(payloads(&found), texts, "{format}");
        assert_eq!(found, expected, "{format}");
        assert_eq!((account.left(), ending), (0, Ending::Complete), "{format}");
    }
}

#[test]
fn frames_that_run_backwards_are_counted() {
    let packet = ipv4(17, &udp(b"x"));

    let (found, account, _) =
        read(&pcap(0xA1B2_C3D4, false, 101, &[(5 * SECOND, &packet), (4 * SECOND, &packet)]));

    assert_eq!((found.len(), account.out_of_order), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_frame_makes_the_reader_panic_or_is_lost_from_the_account(
        link in prop_oneof![Just(0_u32), Just(1), Just(101), Just(113), Just(228), Just(252), Just(276), any::<u32>()],
        base in 0..8_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        random in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 0..6),
    ) {
        let mut frame = [
            ipv4(17, &udp(b"payload")),
            ipv6(17, &udp(b"payload")),
            fragment_v4(3, 0, true, &udp(b"payload!")),
            fragment_v6(3, 8, false, &udp(b"payload!")),
            segment(77, 0x18, b"payload"),
            segment(77, 0x02, b""),
            [&[2; 12][..], &[0x81, 0, 0, 5, 8, 0], &ipv4(17, &udp(b"payload"))].concat(),
            ipv6(44, &[17, 0, 0, 1, 0, 0, 0, 9, 1, 2]),
        ][base].clone();
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        let mut frames: Vec<(u64, &[u8])> = random.iter().map(|frame| (0, frame.as_slice())).collect();
        frames.extend([(0, frame.as_slice()), (0, frame.as_slice())]);

        let (found, account, ending) = read(&pcap(0xA1B2_C3D4, false, link, &frames));

        prop_assert_eq!(ending, Ending::Complete);
        let used = account.datagrams + account.segments + account.messages + account.fragments_joined;
        prop_assert_eq!(account.frames, used + account.left());
        prop_assert!(found.len() as u64 <= account.frames);
    }

    #[test]
    fn no_file_makes_the_reader_panic(
        ng in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut file = if ng {
            [ng_section(false), ng_interface(false, 101, Some(9)), ng_packet(false, 0, 7, &ipv4(17, &udp(b"x")))].concat()
        } else {
            pcap(0xA1B2_C3D4, false, 101, &[(0, &ipv4(17, &udp(b"x")))])
        };
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        file.extend_from_slice(&bytes);

        let Ok(mut capture) = Capture::open(file.as_slice()) else { return Ok(()) };

        prop_assert!(capture.by_ref().count() <= file.len());
        prop_assert!(capture.ending().is_some());
    }
}

fn frames(packets: &[Vec<u8>]) -> Vec<u8> {
    let frames: Vec<_> = packets.iter().map(|packet| (0, packet.as_slice())).collect();
    pcap(0xA1B2_C3D4, false, 101, &frames)
}

fn number(big: bool, value: u32) -> Vec<u8> {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }.to_vec()
}

fn pcap(magic: u32, big: bool, link: u32, frames: &[(u64, &[u8])]) -> Vec<u8> {
    let unit = if magic == 0xA1B2_C3D4 { 1_000 } else { 1 };
    let version = if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
    let mut file = number(big, magic);
    file.extend_from_slice(&version);
    for value in [0, 0, 65_535, link] {
        file.extend(number(big, value));
    }
    for (at, frame) in frames {
        let length = frame.len() as u32;
        for value in [(at / SECOND) as u32, (at % SECOND / unit) as u32, length, length] {
            file.extend(number(big, value));
        }
        file.extend_from_slice(frame);
    }
    file
}

fn ng_block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = number(big, 12 + padded as u32);
    [number(big, kind), length.clone(), body.to_vec(), vec![0; padded - body.len()], length].concat()
}

fn ng_section(big: bool) -> Vec<u8> {
    let version = if big { vec![0, 1, 0, 0] } else { vec![1, 0, 0, 0] };
    ng_block(big, 0x0A0D_0D0A, &[number(big, 0x1A2B_3C4D), version, vec![0xFF; 8]].concat())
}

fn ng_interface(big: bool, link: u16, resolution: Option<u8>) -> Vec<u8> {
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut body = [half(link), [0, 0]].concat();
    body.extend(number(big, 0));
    if let Some(resolution) = resolution {
        body.extend([half(9), half(1)].concat());
        body.extend([resolution, 0, 0, 0]);
    }
    ng_block(big, 1, &body)
}

fn ng_packet(big: bool, interface: u32, ticks: u64, frame: &[u8]) -> Vec<u8> {
    let length = number(big, frame.len() as u32);
    let stamp = [number(big, (ticks >> 32) as u32), number(big, ticks as u32)].concat();
    ng_block(big, 6, &[number(big, interface), stamp, length.clone(), length, frame.to_vec()].concat())
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut datagram = [4_000_u16.to_be_bytes(), 20_000_u16.to_be_bytes()].concat();
    datagram.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);
    datagram
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 7, 198, 51, 100, 1]);
    packet.extend_from_slice(payload);
    packet
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[next, 64]);
    for address in ["[2001:db8::7]:0", "[2001:db8::1]:0"] {
        let SocketAddr::V6(address) = address.parse().unwrap() else { panic!("{address}") };
        packet.extend_from_slice(&address.ip().octets());
    }
    packet.extend_from_slice(payload);
    packet
}

fn fragment_v4(id: u8, offset: usize, more: bool, part: &[u8]) -> Vec<u8> {
    let mut packet = ipv4(17, part);
    packet[5] = id;
    let flags = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
    packet[6..8].copy_from_slice(&flags.to_be_bytes());
    packet
}

fn fragment_v6(id: u8, offset: usize, more: bool, part: &[u8]) -> Vec<u8> {
    let flags = (offset as u16 | u16::from(more)).to_be_bytes();
    ipv6(44, &[&[17, 0, flags[0], flags[1], 0, 0, 0, id], part].concat())
}

fn segment(sequence: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut segment = [5_060_u16.to_be_bytes(), 5_060_u16.to_be_bytes()].concat();
    segment.extend_from_slice(&sequence.to_be_bytes());
    segment.extend_from_slice(&[0, 0, 0, 0, 0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
    segment.extend_from_slice(data);
    ipv4(6, &segment)
}
