//! Which RTP belongs to which call.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_sip_proto::sdp::RtpMap;

use super::account::{Account, Unused};
use super::call::{Call, Party, Side};
use super::collect::{FlowKey, Flows};
use super::described::Described;
use super::signalling::Told;
use super::stream::{Arrived, Stream};

/// Packets under way when the call ended.
const AFTER_THE_END_NS: u64 = 5_000_000_000;

/// A sender that pauses this long may be another call.
const PAUSE_NS: u64 = 2_000_000_000;

/// A call that a flow may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    call: usize,
    sender: Party,
    /// How many ends of the flow SDP names: a NAT hides one of them.
    ends: u8,
    is_audio: bool,
}

/// Gives each packet to the call whose descriptions name its addresses at its time. Answers the calls and the flows, or
/// parts of flows, that no call claims.
pub(super) fn assign(told: Vec<Told>, flows: Flows, account: &mut Account) -> (Vec<Call>, Flows) {
    let mut by_address: BTreeMap<SocketAddr, Vec<(usize, Party, bool)>> = BTreeMap::new();
    for (call, told) in told.iter().enumerate() {
        for described in &told.described {
            let here = by_address.entry(described.address).or_default();
            let entry = (call, described.party, described.is_audio);
            if !here.contains(&entry) {
                here.push(entry);
            }
        }
    }
    let mut parts: BTreeMap<(usize, Party, FlowKey), Vec<Arrived>> = BTreeMap::new();
    let mut rest = Flows::new();
    for (key, packets) in flows {
        let candidates = candidates(&key, &by_address);
        let most_ends = candidates.iter().map(|candidate| candidate.ends).max().unwrap_or(0);
        let mut last: Option<Candidate> = None;
        let mut before = 0;
        for packet in packets {
            // After a pause the ports may be another call's, also where the BYE of the first was not captured.
            last = last.filter(|_| packet.unix_ns.saturating_sub(before) <= PAUSE_NS);
            before = packet.unix_ns;
            let chosen = choose(&candidates, most_ends, &told, packet.unix_ns, last);
            last = chosen.or(last);
            match chosen {
                Some(chosen) if chosen.is_audio => {
                    account.rtp_in_calls += 1;
                    parts.entry((chosen.call, chosen.sender, key)).or_default().push(packet);
                }
                Some(_) => account.leave(Unused::OtherMedia, 1),
                None => rest.entry(key).or_default().push(packet),
            }
        }
    }
    let mut calls: Vec<(Call, Vec<Described>)> = told.into_iter().map(into_call).collect();
    for ((call, sender, key), packets) in parts {
        let Some((call, described)) = calls.get_mut(call) else { continue };
        let is_encrypted = described.iter().any(|described| described.is_encrypted && described.is_audio);
        let stream = Stream::new(key, packets, &formats(described, sender), is_encrypted);
        let side = match sender {
            Party::Caller => &mut call.caller,
            Party::Callee => &mut call.callee,
        };
        side.streams.push(stream);
    }
    let by_time = |stream: &Stream| stream.statistics.first_unix_ns;
    let calls = calls.into_iter().map(|(mut call, _)| {
        call.caller.streams.sort_by_key(by_time);
        call.callee.streams.sort_by_key(by_time);
        call
    });
    (calls.collect(), rest)
}

fn candidates(
    (source, destination, _): &FlowKey,
    by_address: &BTreeMap<SocketAddr, Vec<(usize, Party, bool)>>,
) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut add = |call, sender, is_audio| match candidates
        .iter_mut()
        .find(|known| (known.call, known.sender) == (call, sender))
    {
        Some(known) => known.ends = 2,
        None => candidates.push(Candidate { call, sender, ends: 1, is_audio }),
    };
    // The destination goes first: it is what SDP is about, and says what kind of media this is.
    for (call, party, is_audio) in by_address.get(destination).into_iter().flatten() {
        add(*call, party.other(), *is_audio);
    }
    for (call, party, is_audio) in by_address.get(source).into_iter().flatten() {
        add(*call, *party, *is_audio);
    }
    candidates
}

/// The best of those that run at this time: both addresses named, then the call that the flow already belongs to, then
/// the one that began last.
fn choose(
    candidates: &[Candidate],
    most_ends: u8,
    told: &[Told],
    now: u64,
    last: Option<Candidate>,
) -> Option<Candidate> {
    let goes_on = last.filter(|last| {
        let ended = told.get(last.call).map(|told| told.signalling.ended_unix_ns.unwrap_or(u64::MAX));
        last.ends == most_ends && ended.is_some_and(|ended| now <= ended)
    });
    if goes_on.is_some() {
        // None of many calls through one port can be better: not all of them are looked at for each packet.
        return goes_on;
    }
    let runs = candidates.iter().filter_map(|candidate| {
        let signalling = &told.get(candidate.call)?.signalling;
        let until = signalling.ended_unix_ns.map_or(u64::MAX, |ended| ended.saturating_add(AFTER_THE_END_NS));
        let runs = signalling.invited_unix_ns <= now && now <= until;
        // Who uses the ports again does not get the last packets of who had them before.
        let is_over = signalling.ended_unix_ns.is_some_and(|ended| ended < now);
        runs.then_some((candidate, is_over, signalling.invited_unix_ns))
    });
    let best = runs.max_by_key(|(candidate, is_over, invited)| {
        (candidate.ends, !is_over, last == Some(**candidate), *invited)
    });
    best.map(|(candidate, _, _)| *candidate)
}

fn into_call(told: Told) -> (Call, Vec<Described>) {
    let side = |name: &offhook_sip_proto::message::NameAddr, party: Party| {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for described in
            told.described.iter().filter(|described| described.party == party && described.is_audio)
        {
            if !addresses.contains(&described.address) {
                addresses.push(described.address);
            }
        }
        Side {
            uri: Some(name.uri.to_string()),
            user: name.uri.user(),
            described: addresses,
            streams: Vec::new(),
        }
    };
    let (caller, callee) = (side(&told.caller, Party::Caller), side(&told.callee, Party::Callee));
    let call = Call { number: 0, signalling: Some(told.signalling), caller, callee, end: told.end };
    (call, told.described)
}

/// Payload types mean what the receiver's descriptions say (RFC 3264 §5.1); what those lack, the sender's.
fn formats(described: &[Described], sender: Party) -> BTreeMap<u8, RtpMap> {
    let mut formats = BTreeMap::new();
    for party in [sender.other(), sender] {
        for described in described.iter().filter(|described| described.party == party && described.is_audio) {
            for (payload_type, meaning) in &described.formats {
                formats.entry(*payload_type).or_insert_with(|| meaning.clone());
            }
        }
    }
    formats
}
