//! What holds on every network, however bad, and what a frame may cost.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints its figures, and its helpers may panic"
)]

mod support;

use std::time::Duration;

use offhook_linux_ffi::{CountingAllocator, register_thread};
use offhook_rtp_proto::{
    Concealer, JitterBuffer, JitterConfig, PayloadType, Prefer, Pushed, Released, RtpPacket, Sizing,
    StreamSender,
};
use offhook_time::{Randomness, Seed, Time};
use proptest::prelude::*;
use support::{Kind, Sent, assert_gap_free, assert_in_order, run, sequences, stream};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_time_hold_on_every_network(
        seed: u64, ptime_ms in prop::sample::select(vec![10u32, 20, 30, 40, 60]),
        loss in 0u64..40, doubling in 0u64..40, jitter_ms in 0u64..200, stall_ms in 0u64..500,
        learned: bool, careful: bool, silent: bool,
    ) {
        let packets = impaired(seed, ptime_ms, loss, doubling, jitter_ms, stall_ms);
        let delivered = packets.len() as u64;
        let mut buffer = buffer(ptime_ms, learned, careful);
        buffer.note_silence(silent);

        let outs = run(&mut buffer, packets.clone());

        assert_gap_free(&outs);
        let statistics = buffer.statistics();
        if statistics.restarts == 0 {
            assert_in_order(&outs);
        }
        let played = sequences(&outs).count() as u64;
        let waiting = delivered
            - played - statistics.late - statistics.duplicates - statistics.strays - statistics.overflowed;
        prop_assert!(waiting <= 64, "every packet is played, late, doubled, stray or dropped: {statistics:?}");
        prop_assert!(statistics.target <= Duration::from_millis(120));
        prop_assert_eq!(statistics.concealed, outs.iter().filter(|out| out.kind == Kind::Lost).count() as u64);
        // As long as the call: frames leave at the pace they were spoken, give or take what waits.
        if statistics.restarts == 0 && outs.len() > 1 {
            let samples: u64 = outs.iter().map(|out| u64::from(out.samples)).sum();
            let spoken = Duration::from_millis(samples / 8);
            let took = outs[outs.len() - 1].at - outs[0].at;
            prop_assert!(spoken.abs_diff(took) < Duration::from_millis(720 + stall_ms), "{spoken:?} in {took:?}");
        }

        let mut again = self::buffer(ptime_ms, learned, careful);
        again.note_silence(silent);
        let repeated = run(&mut again, packets);
        prop_assert_eq!(format!("{outs:?}"), format!("{repeated:?}"));
    }

    #[test]
    fn no_sequence_of_headers_makes_it_panic_or_stop(
        headers in prop::collection::vec(
            (any::<u16>(), any::<u32>(), 0u32..3, any::<bool>(), 0usize..700, 0u64..60_000), 1..200),
        learned: bool,
    ) {
        let mut buffer = buffer(20, learned, false);
        let mut now = support::START;
        for (sequence, timestamp, ssrc, marker, length, wait_micros) in headers {
            now += Duration::from_micros(wait_micros);
            let mut packet = support::packet(0, 20);
            packet.header.sequence.0 = sequence % 300;
            packet.header.timestamp.0 = if ssrc == 2 { timestamp } else { timestamp % 48_000 };
            packet.header.ssrc.0 = ssrc;
            packet.header.marker = marker;
            packet.payload = vec![0; length];
            packet.arrives_at = now;
            support::push(&mut buffer, &packet, now);
            let released = std::iter::from_fn(|| buffer.pop(now).map(drop)).take(10_000).count();
            prop_assert!(released < 10_000, "it would never rest");
        }
        prop_assert!(buffer.poll_timeout().is_none_or(|deadline| deadline < Time::MAX));
    }
}

#[test]
fn a_worker_that_looks_once_a_millisecond_loses_nothing_by_it() {
    let packets = impaired(3, 20, 0, 0, 2, 0);
    let mut buffer = buffer(20, false, false);
    let mut arriving = packets.iter().peekable();
    let mut played = Vec::new();

    for tick in 0..30_000u64 {
        let now = support::START + Duration::from_millis(tick);
        while let Some(packet) = arriving.next_if(|packet| packet.arrives_at <= now) {
            support::push(&mut buffer, packet, now);
            drain(&mut buffer, now, &mut played);
        }
        while let Some(deadline) = buffer.poll_timeout().filter(|deadline| *deadline <= now) {
            drain(&mut buffer, deadline, &mut played);
        }
        if arriving.peek().is_none() {
            break;
        }
    }

    assert_eq!(played.len(), packets.len());
    assert_eq!(buffer.statistics().concealed, 0);
}

#[test]
fn a_frame_in_and_a_frame_out_allocate_nothing() {
    let packets = {
        let mut packets = impaired(1, 20, 5, 5, 30, 200);
        packets.sort_by_key(|packet| packet.arrives_at);
        packets
    };
    let mut buffer = buffer(20, false, false);
    let mut concealer = Concealer::new();
    let mut sender = StreamSender::new(&mut Randomness::new(Seed::from_number(1)));
    let mut datagram = [0; 200];
    let (mut frames, mut concealed) = (0, 0);
    let counter = register_thread().unwrap();
    let before = counter.allocations();

    for packet in &packets {
        support::push(&mut buffer, packet, packet.arrives_at);
        while let Some(released) = buffer.pop(packet.arrives_at) {
            let mut pcm = [0; 160];
            match released {
                Released::Packet(packet) => {
                    pcm.iter_mut().zip(packet.payload).for_each(|(to, from)| *to = i16::from(*from) << 4);
                    concealer.good(&mut pcm);
                }
                Released::Lost { .. } | Released::Silence { .. } => {
                    concealer.conceal(&mut pcm);
                    concealed += 1;
                }
            }
            let payload = pcm.map(|sample| (sample >> 4) as u8);
            sender.write_audio(PayloadType::PCMU, &payload, 160, &mut datagram).unwrap();
            frames += 1;
        }
    }

    assert_eq!(counter.allocations() - before, 0);
    assert!(frames > 900 && concealed > 20, "{frames} frames, {concealed} concealed");
}

#[test]
fn what_nobody_fetches_is_dropped_oldest_first() {
    let mut buffer = buffer(20, false, false);
    for packet in stream(200, 20) {
        support::push(&mut buffer, &packet, support::START);
    }

    let (mut played, now) = (Vec::new(), support::START + Duration::from_secs(9));
    drain(&mut buffer, now, &mut played);

    let played: Vec<_> = played.into_iter().map(support::index).collect();
    println!("of 200 packets at once the last {} were kept", played.len());
    assert!(played.len() >= 50 && played.is_sorted() && played.last() == Some(&199), "{played:?}");
    assert_eq!(played.len() as u64 + buffer.statistics().overflowed, 200);
}

#[test]
fn the_memory_of_a_stream_is_small_and_known() {
    let counter = register_thread().unwrap();
    let before = counter.octets();

    let buffer = buffer(20, false, false);

    let octets = counter.octets() - before + (size_of_val(&buffer) + size_of::<Concealer>()) as u64;
    println!("{octets} octets for jitter buffer and concealment of a stream");
    assert!(octets < 16 * 1024, "{octets}");
}

/// Not a benchmark: says what a frame costs here, and that it is not a hundred times that.
#[test]
fn a_packet_costs_about_a_microsecond() {
    let mut packets = impaired(1, 20, 0, 0, 20, 0);
    packets.sort_by_key(|packet| packet.arrives_at);
    let mut buffer = buffer(20, false, false);
    let (mut bytes, mut encoded) = ([0; 200], Vec::new());
    for packet in &packets {
        let length = packet.header.write_packet(&packet.payload, &mut bytes).unwrap();
        encoded.push(bytes[..length].to_vec());
    }

    let begun = offhook_linux_ffi::monotonic_nanos();
    let mut late = 0;
    for (packet, bytes) in packets.iter().zip(&encoded) {
        let parsed = RtpPacket::parse(bytes).unwrap();
        late += u32::from(buffer.push(&parsed, packet.arrives_at, packet.arrives_at) == Pushed::Late);
        while buffer.pop(packet.arrives_at).is_some() {}
        assert!(buffer.poll_timeout().is_some());
    }
    let each = (offhook_linux_ffi::monotonic_nanos() - begun) / packets.len() as u64;

    println!("{each} ns per packet through parser and buffer under 20 ms of jitter, {late} late");
    assert!(each < 100_000, "{each} ns");
}

fn drain(buffer: &mut JitterBuffer, now: Time, played: &mut Vec<u16>) {
    while let Some(released) = buffer.pop(now) {
        if let Released::Packet(packet) = released {
            played.push(packet.sequence.0);
        }
    }
}

fn buffer(ptime_ms: u32, learned: bool, careful: bool) -> JitterBuffer {
    JitterBuffer::new(JitterConfig {
        ptime: Duration::from_millis(u64::from(ptime_ms)),
        sizing: if learned { Sizing::Learned } else { Sizing::OctetPerUnit },
        prefer: if careful { Prefer::Loss } else { Prefer::Delay },
        ..JitterConfig::default()
    })
}

fn impaired(seed: u64, ptime_ms: u32, loss: u64, doubling: u64, jitter_ms: u64, stall_ms: u64) -> Vec<Sent> {
    let mut random = Randomness::new(Seed::from_number(seed));
    let mut arriving = Vec::new();
    let stalled_from = support::packet(400, ptime_ms).sent_at;
    for packet in stream(1_000, ptime_ms) {
        let first = arriving.is_empty();
        if random.below(100) < loss && !first {
            continue;
        }
        for _ in 0..1 + u64::from(random.below(100) < doubling) {
            let mut arrives_at = packet.sent_at + Duration::from_micros(random.below(jitter_ms * 1_000 + 1));
            if packet.sent_at >= stalled_from {
                arrives_at = arrives_at.max(stalled_from + Duration::from_millis(stall_ms));
            }
            arriving.push(Sent { arrives_at, ..packet.clone() });
        }
    }
    arriving
}
