//! RTP streams of a bundle in figures, as anyone counts them who opens it in Wireshark.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use offhook_journal::capture::Capture;
use offhook_replay::foreign::{Codec, Party, Stream, StreamStatistics, take_apart};
use serde::Serialize;

use super::bundle::print;
use super::bundle_file;

/// What the packets of a bundle say, without the log beside them.
#[derive(Debug, Serialize)]
pub(super) struct Wire {
    /// Calls by their Call-IDs: the caller's and those that ours placed for it.
    sip_calls: Vec<String>,
    streams: Vec<StreamShown>,
}

/// One source to one address.
#[derive(Debug, Serialize)]
struct StreamShown {
    /// Who of a SIP call sent it.
    sender: Party,
    source: SocketAddr,
    destination: SocketAddr,
    ssrc: u32,
    codecs: Vec<Codec>,
    statistics: StreamStatistics,
}

/// Reads the file as the capture that it is too.
pub(super) fn read(file: &Path, key: Option<&str>) -> anyhow::Result<Wire> {
    let capture = Capture::open(bundle_file::plain(file, key)?);
    let taken = take_apart(capture.with_context(|| file.display().to_string())?);
    let mut wire = Wire { sip_calls: Vec::new(), streams: Vec::new() };
    for call in taken.calls {
        wire.sip_calls.extend(call.signalling.map(|signalling| signalling.call_id));
        for (sender, side) in [(Party::Caller, call.caller), (Party::Callee, call.callee)] {
            wire.streams.extend(side.streams.into_iter().map(|stream| StreamShown::of(sender, stream)));
        }
    }
    Ok(wire)
}

impl StreamShown {
    fn of(sender: Party, stream: Stream) -> Self {
        let Stream { source, destination, ssrc, codecs, statistics, .. } = stream;
        StreamShown { sender, source, destination, ssrc: ssrc.0, codecs, statistics }
    }
}

impl Wire {
    /// A line for each stream.
    pub(super) fn tell(&self) {
        if self.streams.is_empty() {
            return;
        }
        print("\nRTP streams (loss and interarrival jitter as in RFC 3550)");
        print(format_args!(
            "  {:>21}   {:21}  {:8}  {:>7}  {:>5}  {:>11}  {:>12}  {:>14}",
            "from", "to", "codec", "packets", "lost", "mean jitter", "worst jitter", "longest gap ms"
        ));
        for StreamShown { source, destination, codecs, statistics, .. } in &self.streams {
            let codec = codecs.first().map_or("-", |codec| codec.name.as_str());
            print(format_args!(
                "  {:>21} ▶ {:21}  {codec:8}  {:>7}  {:>5}  {:>11.3}  {:>12.3}  {:>14.3}",
                source.to_string(),
                destination.to_string(),
                statistics.packets,
                statistics.lost,
                statistics.mean_jitter_ms,
                statistics.worst_jitter_ms,
                statistics.longest_gap_ms
            ));
        }
    }
}
