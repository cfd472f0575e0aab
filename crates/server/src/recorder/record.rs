//! What the two sides of a call say to the recorder, as bytes: one record after the other in a chunk.
//!
//! A record is a kind, a call and a body; its numbers are little-endian. A [`Record::Tick`] stands before the records of
//! one turn of a loop and says when that was, so that the recorder can bring several sources into one order.

use std::net::{IpAddr, SocketAddr};

use offhook_call_media::{Arrival, LegId};
use offhook_engine_api::UtteranceId;
use offhook_time::Time;

/// Kind, call, length of the body.
const HEAD: usize = 1 + 8 + 4;

/// The longest body of a record that is no datagram, SIP message, step or output.
const SMALL: usize = 64;

/// A record, read where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// What follows belongs to the turn of this moment.
    Tick(Time),
    /// A step of the half whose source this is.
    Step { call: u64, sequence: u64, now: Time, payload: &'a [u8] },
    /// A step that is a datagram: its step is made of it later.
    Datagram { call: u64, sequence: u64, now: Time, rtcp: bool, arrival: Arrival, bytes: &'a [u8] },
    /// A step that brings synthesized audio: the `index`-th of the chunk. Its samples are shared, not copied.
    Speech { call: u64, sequence: u64, now: Time, utterance: UtteranceId, index: u32 },
    /// A step that brings synthesized audio of which only the length may be recorded.
    MaskedSpeech {
        call: u64,
        sequence: u64,
        now: Time,
        utterance: UtteranceId,
        sample_rate: u32,
        samples: u32,
    },
    /// A packet that left, in the turn's moment.
    Sent { call: u64, leg: LegId, rtcp: bool, to: SocketAddr, bytes: &'a [u8] },
    /// An output of step `sequence` of the half whose source this is, kept whole or as its hash.
    Output { call: u64, sequence: u64, now: Time, hashed: bool, bytes: &'a [u8] },
    /// A SIP datagram, or bytes of a stream.
    Sip { inbound: bool, carried: Carried, local: SocketAddr, remote: SocketAddr, bytes: &'a [u8] },
    /// A stream is over.
    Disconnected { connection: u64 },
    /// The call's SIP messages have this Call-ID.
    CallId { call: u64, id: &'a [u8] },
    /// Nothing more comes from this side of the call.
    Closed { call: u64 },
    /// The recorder stops for so long (tests only).
    Stall { milliseconds: u64 },
}

/// What a SIP message came or went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// A datagram.
    Datagram,
    /// A stream: inbound any run of its bytes, outbound a whole message.
    Stream { connection: u64 },
}

const TICK: u8 = 1;
const STEP: u8 = 2;
const SPEECH: u8 = 3;
const DATAGRAM: u8 = 11;
const MASKED_SPEECH: u8 = 12;
const SENT: u8 = 4;
const OUTPUT: u8 = 5;
const SIP: u8 = 6;
const DISCONNECTED: u8 = 7;
const CALL_ID: u8 = 8;
const CLOSED: u8 = 9;
const STALL: u8 = 10;

impl<'a> Record<'a> {
    /// An upper bound of the bytes that [`append`](Self::append) needs.
    pub(super) fn room(&self) -> usize {
        let long = match self {
            Record::Step { payload, .. } => payload.len(),
            Record::Datagram { bytes, .. }
            | Record::Sent { bytes, .. }
            | Record::Output { bytes, .. }
            | Record::Sip { bytes, .. } => bytes.len(),
            Record::CallId { id, .. } => id.len(),
            Record::Tick(_)
            | Record::Speech { .. }
            | Record::MaskedSpeech { .. }
            | Record::Disconnected { .. }
            | Record::Closed { .. }
            | Record::Stall { .. } => 0,
        };
        HEAD + SMALL + long
    }

    /// Appends it. Allocates nothing where [`room`](Self::room) is left.
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let (kind, call) = self.head();
        out.push(kind);
        number(out, call);
        out.extend_from_slice(&[0; 4]);
        match *self {
            Record::Tick(at) => number(out, at.as_nanos()),
            Record::Step { sequence, now, payload, .. } => {
                number(out, sequence);
                number(out, now.as_nanos());
                out.extend_from_slice(payload);
            }
            Record::Output { sequence, now, hashed, bytes, .. } => {
                number(out, sequence);
                number(out, now.as_nanos());
                out.push(u8::from(hashed));
                out.extend_from_slice(bytes);
            }
            Record::Datagram { sequence, now, rtcp, arrival, bytes, .. } => {
                number(out, sequence);
                number(out, now.as_nanos());
                number(out, arrival.arrived_at.as_nanos());
                out.push(arrival.leg.0);
                out.push(u8::from(rtcp));
                address(out, arrival.source);
                out.extend_from_slice(bytes);
            }
            Record::Speech { sequence, now, utterance, index, .. } => {
                number(out, sequence);
                number(out, now.as_nanos());
                number(out, u64::from(utterance.0));
                number(out, u64::from(index));
            }
            Record::MaskedSpeech { sequence, now, utterance, sample_rate, samples, .. } => {
                number(out, sequence);
                number(out, now.as_nanos());
                number(out, u64::from(utterance.0));
                number(out, u64::from(sample_rate));
                number(out, u64::from(samples));
            }
            Record::Sent { leg, rtcp, to, bytes, .. } => {
                out.push(leg.0);
                out.push(u8::from(rtcp));
                address(out, to);
                out.extend_from_slice(bytes);
            }
            Record::Sip { inbound, carried, local, remote, bytes } => {
                out.push(u8::from(inbound));
                let connection = match carried {
                    Carried::Datagram => u64::MAX,
                    Carried::Stream { connection } => connection,
                };
                number(out, connection);
                address(out, local);
                address(out, remote);
                out.extend_from_slice(bytes);
            }
            Record::Disconnected { connection: value } | Record::Stall { milliseconds: value } => {
                number(out, value)
            }
            Record::CallId { id, .. } => out.extend_from_slice(id),
            Record::Closed { .. } => {}
        }
        let length = (out.len() - start - HEAD) as u32;
        out[start + 9..start + HEAD].copy_from_slice(&length.to_le_bytes());
    }

    /// The call that it is written to; `None` for what is none's, or not written.
    pub(super) fn call(&self) -> Option<u64> {
        match *self {
            Record::Step { call, .. }
            | Record::Datagram { call, .. }
            | Record::Speech { call, .. }
            | Record::MaskedSpeech { call, .. }
            | Record::Sent { call, .. }
            | Record::Output { call, .. }
            | Record::Closed { call } => Some(call),
            Record::Tick(_)
            | Record::Sip { .. }
            | Record::Disconnected { .. }
            | Record::CallId { .. }
            | Record::Stall { .. } => None,
        }
    }

    fn head(&self) -> (u8, u64) {
        match *self {
            Record::Tick(_) => (TICK, 0),
            Record::Step { call, .. } => (STEP, call),
            Record::Datagram { call, .. } => (DATAGRAM, call),
            Record::Speech { call, .. } => (SPEECH, call),
            Record::MaskedSpeech { call, .. } => (MASKED_SPEECH, call),
            Record::Sent { call, .. } => (SENT, call),
            Record::Output { call, .. } => (OUTPUT, call),
            Record::Sip { .. } => (SIP, 0),
            Record::Disconnected { .. } => (DISCONNECTED, 0),
            Record::CallId { call, .. } => (CALL_ID, call),
            Record::Closed { call } => (CLOSED, call),
            Record::Stall { .. } => (STALL, 0),
        }
    }

    /// The record that `bytes` begin with, and what follows it. `None` at the end.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Record<'a>, &'a [u8])> {
        let mut head = Cursor(bytes);
        let (kind, call) = (head.octet()?, head.number()?);
        let length = u32::from_le_bytes(head.take(4)?.try_into().ok()?);
        let mut body = Cursor(head.take(length as usize)?);
        let record = match kind {
            TICK => Record::Tick(body.time()?),
            STEP => Record::Step { call, sequence: body.number()?, now: body.time()?, payload: body.0 },
            DATAGRAM => {
                let (sequence, now, arrived_at) = (body.number()?, body.time()?, body.time()?);
                let (leg, rtcp) = (LegId(body.octet()?), body.octet()? == 1);
                let arrival = Arrival { leg, source: body.address()?, arrived_at };
                Record::Datagram { call, sequence, now, rtcp, arrival, bytes: body.0 }
            }
            SPEECH => Record::Speech {
                call,
                sequence: body.number()?,
                now: body.time()?,
                utterance: UtteranceId(body.number()? as u32),
                index: body.number()? as u32,
            },
            MASKED_SPEECH => Record::MaskedSpeech {
                call,
                sequence: body.number()?,
                now: body.time()?,
                utterance: UtteranceId(body.number()? as u32),
                sample_rate: body.number()? as u32,
                samples: body.number()? as u32,
            },
            SENT => {
                let leg = LegId(body.octet()?);
                let rtcp = body.octet()? == 1;
                Record::Sent { call, leg, rtcp, to: body.address()?, bytes: body.0 }
            }
            OUTPUT => Record::Output {
                call,
                sequence: body.number()?,
                now: body.time()?,
                hashed: body.octet()? == 1,
                bytes: body.0,
            },
            SIP => {
                let inbound = body.octet()? == 1;
                let carried = match body.number()? {
                    u64::MAX => Carried::Datagram,
                    connection => Carried::Stream { connection },
                };
                Record::Sip {
                    inbound,
                    carried,
                    local: body.address()?,
                    remote: body.address()?,
                    bytes: body.0,
                }
            }
            DISCONNECTED => Record::Disconnected { connection: body.number()? },
            CALL_ID => Record::CallId { call, id: body.0 },
            CLOSED => Record::Closed { call },
            STALL => Record::Stall { milliseconds: body.number()? },
            _ => return None,
        };
        Some((record, head.0))
    }
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_le_bytes());
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Option<Time> {
        self.number().map(Time::from_nanos)
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.octet()? {
            4 => IpAddr::from(<[u8; 4]>::try_from(self.take(4)?).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(self.take(16)?).ok()?),
        };
        let port = self.take(2)?.try_into().ok().map(u16::from_le_bytes)?;
        Some(SocketAddr::new(ip, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_one_after_the_other_and_fit_into_their_room() {
        let (now, v4, v6) = (Time::from_millis(7), ([192, 0, 2, 1], 5060).into(), ([7; 16], 65_535).into());
        let records = [
            Record::Tick(now),
            Record::Step { call: 1, sequence: 2, now, payload: b"payload" },
            Record::Datagram {
                call: 1,
                sequence: 3,
                now,
                rtcp: true,
                arrival: Arrival { leg: LegId(2), source: v6, arrived_at: Time::from_millis(5) },
                bytes: b"datagram",
            },
            Record::Speech { call: 1, sequence: 3, now, utterance: UtteranceId(9), index: 4 },
            Record::MaskedSpeech {
                call: 1,
                sequence: 4,
                now,
                utterance: UtteranceId(9),
                sample_rate: 16_000,
                samples: 320,
            },
            Record::Sent { call: 1, leg: LegId(1), rtcp: true, to: v6, bytes: b"" },
            Record::Output { call: u64::MAX, sequence: 0, now, hashed: true, bytes: &[0; 300] },
            Record::Sip {
                inbound: true,
                carried: Carried::Datagram,
                local: v4,
                remote: v6,
                bytes: b"INVITE",
            },
            Record::Sip {
                inbound: false,
                carried: Carried::Stream { connection: 16 },
                local: v6,
                remote: v4,
                bytes: b"x",
            },
            Record::Disconnected { connection: 16 },
            Record::CallId { call: 1, id: b"a@b" },
            Record::Closed { call: 1 },
            Record::Stall { milliseconds: 5 },
        ];
        let mut bytes = Vec::new();
        for record in &records {
            let before = bytes.len();
            record.append(&mut bytes);
            assert!(bytes.len() - before <= record.room(), "{record:?}");
        }

        let mut rest = bytes.as_slice();

        for record in records {
            let (found, after) = Record::read(rest).unwrap();
            assert_eq!(found, record);
            rest = after;
        }
        assert_eq!(Record::read(rest), None);
        assert_eq!(Record::read(&bytes[..HEAD + 3]), None, "half a record is none");
    }
}
