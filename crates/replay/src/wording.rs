//! Packets and messages in words.

use std::fmt::Debug;

use offhook_call_media::MediaEvent;
use offhook_journal::bundle::{PacketKind, PayloadHash, RecordedPacket};
use offhook_rtp_proto::RtpPacket;
use offhook_time::Time;

/// Longer ones are cut: a step can hold a second of audio.
const LONGEST: usize = 600;

/// `value` as it is written in Rust, cut where it is long.
pub(crate) fn words(value: &impl Debug) -> String {
    cut(format!("{value:?}"))
}

/// An event of the media half, its moments counted from the beginning of the call.
pub(crate) fn event(event: &MediaEvent, opened_at: Time) -> String {
    let seconds = |at: Time| at.since(opened_at).as_secs_f64();
    if let MediaEvent::SpeechEnded { times } = event {
        return format!(
            "the caller's turn ends at {:.3} s (speech from {:.3} to {:.3} s)",
            seconds(times.detected_at),
            seconds(times.onset),
            seconds(times.last_voiced_arrived_at)
        );
    }
    if let MediaEvent::SpeechStarted { onset, paused } = event {
        let paused = paused.map_or(String::new(), |paused| format!("; {paused:?} is paused"));
        return format!("the caller begins to sound at {:.3} s{paused}", seconds(*onset));
    }
    words(event)
}

/// What of two digests of the media half differs.
pub(crate) fn other_digest(recorded: &MediaEvent, now: &MediaEvent) -> &'static str {
    let given = |event: &MediaEvent| {
        if let MediaEvent::Digest { frames, given, .. } = event { Some((*frames, *given)) } else { None }
    };
    if given(recorded) == given(now) {
        "voice activity judges the seconds before otherwise"
    } else {
        "the recognizer or the application is given other audio in the seconds before"
    }
}

/// A value that was decoded, or what to say where it was not.
pub(crate) fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// A packet that the media half sends now.
pub(crate) fn sent(rtcp: bool, bytes: &[u8], to: std::net::SocketAddr) -> String {
    format!("{} to {to}", of_bytes(rtcp, bytes, bytes.len()))
}

/// A packet that it sent then.
pub(crate) fn recorded(packet: &RecordedPacket) -> String {
    let rtcp = packet.kind == PacketKind::Rtcp;
    let mut text =
        format!("{} to {}", of_bytes(rtcp, &packet.bytes, packet.original_length), packet.destination);
    if let Some(hash) = packet.payload_hash {
        text.push_str(&format!(", payload {hash:?}"));
    }
    text
}

fn of_bytes(rtcp: bool, bytes: &[u8], length: usize) -> String {
    if rtcp {
        return format!("RTCP of {length} octets, hash {:?}", PayloadHash::of(bytes));
    }
    match RtpPacket::parse(bytes) {
        Ok(packet) => format!(
            "RTP sequence {} timestamp {} ssrc {:08x} payload type {}{}, {length} octets",
            packet.header.sequence.0,
            packet.header.timestamp.0,
            packet.header.ssrc.0,
            packet.header.payload_type.number(),
            if packet.header.marker { " marker" } else { "" },
        ),
        Err(_) => format!("{length} octets that are no RTP"),
    }
}

/// What of two packets differs.
pub(crate) fn difference(packet: &RecordedPacket, rtcp: bool, bytes: &[u8]) -> &'static str {
    if (packet.kind == PacketKind::Rtcp) != rtcp {
        return "an RTP packet and an RTCP packet changed places";
    }
    if rtcp {
        return "an RTCP report to the caller differs";
    }
    let header = offhook_journal::bundle::rtp_header_length(bytes).unwrap_or(0).min(packet.bytes.len());
    if packet.bytes.get(..header) != bytes.get(..header) {
        "the header of an RTP packet to the caller differs"
    } else if packet.original_length != bytes.len() {
        "the length of an RTP packet to the caller differs"
    } else {
        "the audio in an RTP packet to the caller differs"
    }
}
