//! RTP that no SIP announced, found by its own signs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::account::{Account, Unused};
use super::call::{Call, End, Side};
use super::collect::Flows;
use super::stream::{Arrived, Stream};

/// Fewer packets prove nothing.
const FEWEST: usize = 10;
/// Neighbours whose numbers lie within this of each other are of one run, losses and disorder included.
const NEAR: u32 = 16;
/// The share of neighbours that must be, in percent.
const SHARE: usize = 80;

/// No call is silent for so long on both sides.
const ANOTHER_CALL_NS: u64 = 60_000_000_000;

/// Flows in both directions between two addresses are one call; who sent first is taken for the caller.
pub(super) fn calls_of(flows: Flows, account: &mut Account) -> Vec<Call> {
    let mut streams = Vec::new();
    for (key, packets) in flows {
        if is_stream(&packets) {
            account.rtp_without_sip += packets.len() as u64;
            streams.push(Stream::new(key, packets, &BTreeMap::new(), false));
        } else {
            account.leave(Unused::NoStream, packets.len() as u64);
        }
    }
    streams.sort_by_key(|stream| stream.statistics.first_unix_ns);
    let mut calls: Vec<Call> = Vec::new();
    // The latest call between two addresses.
    let mut between: BTreeMap<(SocketAddr, SocketAddr), usize> = BTreeMap::new();
    for stream in streams {
        let ends = (stream.source.min(stream.destination), stream.source.max(stream.destination));
        let known = between.get(&ends).and_then(|at| calls.get_mut(*at)).filter(|call| {
            // The same ports, a minute later, are another call.
            let last = call.media_span().map_or(0, |(_, last)| last);
            stream.statistics.first_unix_ns <= last.saturating_add(ANOTHER_CALL_NS)
        });
        match known {
            Some(call) => {
                let is_caller =
                    call.caller.streams.first().is_some_and(|first| first.source == stream.source);
                let side = if is_caller { &mut call.caller } else { &mut call.callee };
                side.streams.push(stream);
            }
            None => {
                between.insert(ends, calls.len());
                calls.push(Call {
                    number: 0,
                    signalling: None,
                    caller: Side { streams: vec![stream], ..Side::default() },
                    callee: Side::default(),
                    end: End::WithoutSip,
                });
            }
        }
    }
    calls
}

fn is_stream(packets: &[Arrived]) -> bool {
    let pairs = packets.len().saturating_sub(1);
    let near = packets.windows(2).filter(|pair| match pair {
        [a, b] => {
            let apart = b.header.sequence.since(a.header.sequence);
            apart.unsigned_abs() <= NEAR
        }
        _ => false,
    });
    let mut numbers: Vec<u16> = packets.iter().map(|packet| packet.header.sequence.0).collect();
    numbers.sort_unstable();
    numbers.dedup();
    // A field that never changes is no sequence number.
    packets.len() >= FEWEST && near.count() * 100 >= pairs * SHARE && numbers.len() * 2 >= packets.len()
}
