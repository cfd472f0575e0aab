//! RTP of one source from one address to another.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_rtp_proto::{RtpHeader, Ssrc, TelephoneEvent};
use offhook_sip_proto::sdp::RtpMap;
use serde::Serialize;

use super::described;
use super::statistics::{self, Place, StreamStatistics};

/// A packet and when it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Nanoseconds of Unix time.
    pub unix_ns: u64,
    /// The fixed header.
    pub header: RtpHeader,
    /// The payload without padding, as far as it was captured.
    pub payload: Vec<u8>,
    /// Whether that is all of it.
    pub is_whole: bool,
}

/// What a payload type of a stream means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Codec {
    /// The payload type.
    pub payload_type: u8,
    /// The encoding name in capitals; `PT 97` where nothing says.
    pub name: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Packets of it.
    pub packets: u64,
}

impl Codec {
    /// Neither keys nor comfort noise.
    pub fn is_audio(&self) -> bool {
        !self.is_telephone_event() && self.name != "CN"
    }

    /// Keys (RFC 4733).
    pub fn is_telephone_event(&self) -> bool {
        self.name == "TELEPHONE-EVENT"
    }
}

/// RTP of one source from one address to another, within one call.
#[derive(Clone, Debug, Serialize)]
pub struct Stream {
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// SSRC.
    pub ssrc: Ssrc,
    /// What was in it, most packets first.
    pub codecs: Vec<Codec>,
    /// Whether SDP says that it is SRTP: it is counted, and cannot be heard.
    pub is_encrypted: bool,
    /// In figures.
    pub statistics: StreamStatistics,
    /// Keypad digits.
    pub digits: String,
    /// In the order of arrival.
    #[serde(skip)]
    pub packets: Vec<Arrived>,
    /// Of each packet.
    #[serde(skip)]
    pub(super) places: Vec<Place>,
}

impl Stream {
    /// `packets` are in the order of arrival; `formats` is what descriptions say about payload types.
    pub(super) fn new(
        (source, destination, ssrc): (SocketAddr, SocketAddr, Ssrc),
        packets: Vec<Arrived>,
        formats: &BTreeMap<u8, RtpMap>,
        is_encrypted: bool,
    ) -> Self {
        let mut counts: BTreeMap<u8, u64> = BTreeMap::new();
        for packet in &packets {
            *counts.entry(packet.header.payload_type.number()).or_default() += 1;
        }
        let of = |(payload_type, count): (&u8, &u64)| codec(*payload_type, *count, formats, &packets);
        let mut codecs: Vec<Codec> = counts.iter().map(of).collect();
        codecs.sort_by_key(|codec| std::cmp::Reverse(codec.packets));
        let clock_of = |payload_type| {
            let codec = codecs.iter().find(|codec| codec.payload_type == payload_type);
            codec.filter(|codec| !codec.is_telephone_event()).map(|codec| codec.clock_rate)
        };
        let (statistics, places) = statistics::measure(&packets, clock_of);
        let mut stream = Stream {
            source,
            destination,
            ssrc,
            codecs,
            is_encrypted,
            statistics,
            digits: String::new(),
            packets,
            places,
        };
        stream.digits = stream.keys();
        stream
    }

    /// What a payload type means here.
    pub fn codec(&self, payload_type: u8) -> Option<&Codec> {
        self.codecs.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// One key for each timestamp of a telephone-event, however many packets of it arrived.
    fn keys(&self) -> String {
        let mut timestamps = Vec::new();
        let mut keys = String::new();
        for packet in self.packets.iter().filter(|_| !self.is_encrypted) {
            let codec = self.codec(packet.header.payload_type.number());
            if !codec.is_some_and(Codec::is_telephone_event) || timestamps.contains(&packet.header.timestamp)
            {
                continue;
            }
            if let Ok(event) = TelephoneEvent::parse(&packet.payload)
                && let Some(digit) = offhook_rtp_proto::Digit::from_event(event.event)
            {
                timestamps.push(packet.header.timestamp);
                keys.push(digit.as_char());
            }
        }
        keys
    }
}

/// Most phones without a word about it mean keys by four octets of which the first is a key.
const GUESSED_CLOCK: u32 = 8000;

fn codec(payload_type: u8, count: u64, formats: &BTreeMap<u8, RtpMap>, packets: &[Arrived]) -> Codec {
    let known = formats.get(&payload_type).cloned().or_else(|| described::static_meaning(payload_type));
    if let Some(RtpMap { encoding, clock_rate, .. }) = known {
        return Codec { payload_type, name: encoding.to_ascii_uppercase(), clock_rate, packets: count };
    }
    let mut own = packets.iter().filter(|packet| packet.header.payload_type.number() == payload_type);
    let is_event = payload_type >= 96
        && own.all(|packet| matches!(packet.payload.as_slice(), [event, _, _, _] if *event < 16));
    let name = if is_event { "TELEPHONE-EVENT".to_owned() } else { format!("PT {payload_type}") };
    Codec { payload_type, name, clock_rate: GUESSED_CLOCK, packets: count }
}
