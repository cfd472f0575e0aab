//! What a bundle costs: bytes of the file and time of the writer. Prints the figures; the bounds are what it promises.

mod common;

use std::time::Instant;

use common::{Call, Line};
use offhook_journal::bundle::seal::SealedWriter;
use offhook_journal::bundle::{Bundle, Keep};
use offhook_time::Time;

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
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        let file = minute(Keep::Header, 1);
        best = best.min(began.elapsed().as_nanos() as f64 / packets);
        assert!(!file.is_empty());
    }
    let mut sealed = Vec::new();
    let file = minute(Keep::Header, 1);
    let began = Instant::now();
    let mut writer = SealedWriter::begin(&mut sealed, &[1; 32], [2; 16]).unwrap();
    for piece in file.chunks(4_096) {
        std::io::Write::write_all(&mut writer, piece).unwrap();
        std::io::Write::flush(&mut writer).unwrap();
    }
    writer.finish().unwrap();
    let seal = began.elapsed().as_nanos() as f64 / packets;
    let began = Instant::now();
    let read = Bundle::open(file.as_slice()).unwrap().items.len();
    let open = began.elapsed().as_nanos() as f64 / read as f64;

    println!(
        "{best:.0} ns per packet with its share of deadlines, making the packet included; sealing {seal:.0} ns more; reading {open:.0} ns per item"
    );
    // Without optimisation on a busy machine; optimised it is less than one.
    assert!(best < 100_000.0, "{best} ns");
}
