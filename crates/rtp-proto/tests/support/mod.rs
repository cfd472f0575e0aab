//! A sender, a network that a test describes, and a jitter buffer stepped from deadline to deadline.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use offhook_rtp_proto::{
    JitterBuffer, PayloadType, Pushed, Released, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc,
};
use offhook_time::Time;

/// A packet on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    pub header: RtpHeader,
    pub payload: Vec<u8>,
    pub sent_at: Time,
    pub arrives_at: Time,
}

/// What left the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Packet { sequence: u16, discontinuity: bool },
    Lost,
    Silence,
}

#[derive(Clone, Copy, Debug)]
pub struct Out {
    pub kind: Kind,
    pub timestamp: u32,
    pub samples: u32,
    pub at: Time,
    /// Since the packet was sent; zero for what is no packet.
    pub delay: Duration,
}

/// A steady sender: one packet of `ptime_ms` per interval. Sequence numbers and timestamps begin near their wrap.
pub fn stream(count: u32, ptime_ms: u32) -> Vec<Sent> {
    (0..count).map(|n| packet(n, ptime_ms)).collect()
}

pub const START: Time = Time::from_millis(1_000);
pub const FIRST_SEQUENCE: u16 = 65_500;
pub const FIRST_TIMESTAMP: u32 = u32::MAX - 5_000;

pub fn packet(n: u32, ptime_ms: u32) -> Sent {
    let sent_at = START + Duration::from_millis(u64::from(n) * u64::from(ptime_ms));
    let header = RtpHeader {
        marker: n == 0,
        payload_type: PayloadType::PCMU,
        sequence: SequenceNumber(FIRST_SEQUENCE.wrapping_add(n as u16)),
        timestamp: RtpTimestamp(FIRST_TIMESTAMP.wrapping_add(n * ptime_ms * 8)),
        ssrc: Ssrc(1),
    };
    let payload = vec![n as u8; (ptime_ms * 8) as usize];
    Sent { header, payload, sent_at, arrives_at: sent_at }
}

/// The packet of the stream that `sequence` numbers, for streams below 65536 packets.
pub fn index(sequence: u16) -> u32 {
    u32::from(sequence.wrapping_sub(FIRST_SEQUENCE))
}

/// Delivers every packet at its arrival, asks at every deadline, and stops a second after the last packet.
pub fn run(buffer: &mut JitterBuffer, packets: Vec<Sent>) -> Vec<Out> {
    run_observed(buffer, packets, |_, _| {})
}

/// The same, and shows the buffer before each packet.
pub fn run_observed(
    buffer: &mut JitterBuffer,
    mut packets: Vec<Sent>,
    mut observe: impl FnMut(&mut JitterBuffer, Time),
) -> Vec<Out> {
    packets.sort_by_key(|packet| packet.arrives_at);
    let sent_at: std::collections::BTreeMap<u16, Time> =
        packets.iter().rev().map(|packet| (packet.header.sequence.0, packet.sent_at)).collect();
    let end = packets.last().unwrap().arrives_at;
    let mut outs = Vec::new();
    let mut packets = packets.into_iter().peekable();
    loop {
        let arrival = packets.peek().map(|packet| packet.arrives_at);
        let deadline = buffer.poll_timeout();
        let now = match (arrival, deadline) {
            (Some(arrival), Some(deadline)) => arrival.min(deadline),
            (Some(at), None) | (None, Some(at)) => at,
            (None, None) => return outs,
        };
        if now > end {
            return outs;
        }
        if arrival == Some(now) {
            let packet = packets.next().unwrap();
            observe(buffer, now);
            push(buffer, &packet, now);
        }
        while let Some(released) = buffer.pop(now) {
            let out = note(&released, now);
            let delay = match out.kind {
                Kind::Packet { sequence, .. } => now - sent_at[&sequence],
                Kind::Lost | Kind::Silence => Duration::ZERO,
            };
            outs.push(Out { delay, ..out });
        }
    }
}

pub fn push(buffer: &mut JitterBuffer, packet: &Sent, now: Time) -> Pushed {
    let parsed = RtpPacket { header: packet.header, csrcs: &[], extension: None, payload: &packet.payload };
    buffer.push(&parsed, packet.arrives_at, now)
}

fn note(released: &Released<'_>, at: Time) -> Out {
    match *released {
        Released::Packet(packet) => {
            let n = index(packet.sequence.0);
            assert!(packet.payload.iter().all(|octet| *octet == n as u8), "payload of another packet");
            let kind = Kind::Packet { sequence: packet.sequence.0, discontinuity: packet.discontinuity };
            Out { kind, timestamp: packet.timestamp.0, samples: packet.samples, at, delay: Duration::ZERO }
        }
        Released::Lost { timestamp, samples } => {
            Out { kind: Kind::Lost, timestamp: timestamp.0, samples, at, delay: Duration::ZERO }
        }
        Released::Silence { timestamp, samples } => {
            Out { kind: Kind::Silence, timestamp: timestamp.0, samples, at, delay: Duration::ZERO }
        }
    }
}

/// Fails unless timestamps follow each other without hole or overlap, except where a packet says so.
pub fn assert_gap_free(outs: &[Out]) {
    for pair in outs.windows(2) {
        if matches!(pair[1].kind, Kind::Packet { discontinuity: true, .. }) {
            continue;
        }
        assert_eq!(
            pair[0].timestamp.wrapping_add(pair[0].samples),
            pair[1].timestamp,
            "hole or overlap at {:?}: {:?}",
            pair[1].at,
            pair
        );
    }
}

/// Fails unless packets leave in the order they were sent.
pub fn assert_in_order(outs: &[Out]) {
    let mut last = None;
    for sequence in sequences(outs) {
        if let Some(last) = last.replace(index(sequence)) {
            assert!(index(sequence) > last, "{} after {last}", index(sequence));
        }
    }
}

pub fn sequences(outs: &[Out]) -> impl Iterator<Item = u16> + '_ {
    outs.iter().filter_map(|out| match out.kind {
        Kind::Packet { sequence, .. } => Some(sequence),
        Kind::Lost | Kind::Silence => None,
    })
}

pub fn count(outs: &[Out], kind: Kind) -> usize {
    outs.iter().filter(|out| out.kind == kind).count()
}

/// Delays of the packets in milliseconds at the given percentiles.
pub fn percentiles<const N: usize>(outs: &[Out], at: [f64; N]) -> [f64; N] {
    let mut delays: Vec<_> = outs
        .iter()
        .filter(|out| matches!(out.kind, Kind::Packet { .. }))
        .map(|out| out.delay.as_secs_f64() * 1e3)
        .collect();
    delays.sort_by(f64::total_cmp);
    at.map(|percent| delays[((delays.len() - 1) as f64 * percent / 100.0) as usize])
}
