//! What a bundle costs: bytes of the file and time of the writer. Prints the figures; the bounds are what it promises.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests: a failure is a failed test; prints its figures"
)]

mod common;

use std::io::Write;
use std::time::Instant;

use common::{Call, Line, meta, ms, packet, rtp, voice};
use offhook_journal::bundle::seal::SealedWriter;
use offhook_journal::bundle::{Bundle, Direction, Keep, PacketKind, StepHead, Writer, pack};
use offhook_time::{Half, Step, Time};

const MINUTE: u64 = 60;
/// Each packet as a block of its own: 32 bytes of framing and 28 of IP and UDP headers for 172 in, 12 out.
const FLOOR: u64 = 3_000 * (32 + 28 + 172) + 3_000 * (32 + 28 + 12);

fn minute(keep: Keep, deadlines: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let mut call = Call::begin(&mut file, Line::v4());
    // A server that has run for an hour: times and sequences are not small.
    call.talk(Time::from_millis(3_600_000), MINUTE, keep, deadlines);
    call.writer.finish().unwrap();
    file
}

#[test]
fn a_minute_of_an_echo_call_takes_little_more_than_bare_packets_would() {
    for (name, keep, deadlines) in [
        ("50 deadlines/s", Keep::Header, 1),
        ("100 deadlines/s", Keep::Header, 2),
        ("50 deadlines/s, sent packets in full", Keep::Whole, 1),
    ] {
        let file = minute(keep, deadlines);
        let sizes = Bundle::open(file.as_slice()).unwrap().sizes;

        println!("{name}: {} KiB per call-minute: {sizes:?}", file.len() / 1024);
        if keep == Keep::Header {
            assert!((file.len() as u64) < FLOOR * 27 / 20, "{} bytes, bare packets {FLOOR}", file.len());
        }
        assert!(sizes.steps.bytes < 3_000 * (40 + 10 * deadlines), "{:?}", sizes.steps);
    }
}

#[test]
fn a_packet_costs_the_writer_microseconds_at_most() {
    let packets = 6_000.0;
    let per = |began: Instant, count: f64| began.elapsed().as_nanos() as f64 / count;
    let (mut write, mut file) = (f64::MAX, Vec::new());
    for _ in 0..5 {
        let datagrams: Vec<_> = (0..3_000).map(|index| rtp(1, index, voice(index))).collect();
        file = Vec::with_capacity(2 << 20);
        let mut writer = Writer::begin(&mut file, &meta()).unwrap();
        let began = Instant::now();
        for (index, datagram) in datagrams.iter().enumerate() {
            one_frame(&mut writer, index as u64, datagram);
        }
        writer.finish().unwrap();
        write = write.min(per(began, packets));
    }
    let began = Instant::now();
    let mut sealed = SealedWriter::begin(std::io::sink(), &[1; 32], [2; 16]).unwrap();
    for piece in file.chunks(4_096) {
        sealed.write_all(piece).unwrap();
        sealed.flush().unwrap();
    }
    let seal = per(began, packets);
    let began = Instant::now();
    pack::pack(file.as_slice(), std::io::sink()).unwrap();
    let pack = per(began, packets);
    let began = Instant::now();
    let items = Bundle::open(file.as_slice()).unwrap().items.len();
    let read = per(began, items as f64);

    println!("{write:.0} ns per packet with its share of deadlines");
    println!(
        "sealing {seal:.0} ns, packing afterwards {pack:.0} ns per packet; reading {read:.0} ns per item"
    );
    // Without optimisation on a busy machine; optimised it is well below one.
    assert!(write < 100_000.0, "{write} ns");
}

/// What 20 ms of a call give the writer: a packet in, a deadline, a packet out.
fn one_frame(writer: &mut Writer<&mut Vec<u8>>, index: u64, datagram: &[u8]) {
    let line = Line::v4();
    let now = Time::from_millis(3_600_000 + index * 20);
    let head = |sequence, now| StepHead { half: Half::Media, sequence, now };
    let (source, destination) = (line.caller_rtp, line.our_rtp);
    let arrived = packet(PacketKind::Rtp, Direction::Inbound, source, destination, datagram, now);
    writer.packet_step(head(index * 2, now + ms(1)), &[0, 1, 172, 1], &arrived, &[7; 16]).unwrap();
    let StepHead { half, sequence, now } = head(index * 2 + 1, now + ms(10));
    writer.step(Step { half, sequence, now, payload: &[2] }).unwrap();
    let sent = packet(PacketKind::Rtp, Direction::Outbound, destination, source, datagram, now);
    writer.packet(&sent, Keep::Header).unwrap();
    writer.flush_due(now).unwrap();
}
