//! `offhook bundle export-wav`: both sides of a call as they were on the line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use offhook_audio::G711;
use offhook_journal::bundle::{Bundle, Direction, PacketKind, RecordedPacket};
use offhook_replay::{CallHead, sent_again, verify};
use offhook_rtp_proto::RtpPacket;
use offhook_time::Time;

use super::bundle::print;
use super::bundle_file;
use crate::cli::BundleFileArgs;

/// Samples per second of the file, and of G.711.
const RATE: u64 = 8_000;

/// Nobody's call is longer: a timestamp beyond is of another stream.
const LONGEST: u64 = RATE * 24 * 3600;

pub(super) fn export(args: &BundleFileArgs, out: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let bundle = bundle_file::open(&args.file, args.key.as_deref())?;
    let out = out.unwrap_or_else(|| args.file.with_extension("wav"));
    let began = bundle.packets().map(|packet| packet.at).min().unwrap_or(Time::ZERO);
    let rtp = |direction: Direction| {
        let wanted =
            move |packet: &&RecordedPacket| packet.kind == PacketKind::Rtp && packet.direction == direction;
        bundle.packets().filter(wanted)
    };
    let mut caller = Track::new(began);
    for packet in rtp(Direction::Inbound) {
        caller.take(packet.at, &packet.bytes);
    }
    let mut bot = Track::new(began);
    let only_hashes = rtp(Direction::Outbound).any(|packet| packet.payload_hash.is_some());
    let mut note = None;
    if only_hashes {
        let (packets, told) = again(&bundle)?;
        packets.iter().for_each(|(at, bytes)| bot.take(*at, bytes));
        note = Some(told);
    } else {
        rtp(Direction::Outbound).for_each(|packet| bot.take(packet.at, &packet.bytes));
    }
    offhook_caller::wav::write(&out, &[&caller.samples, &bot.samples])?;
    let seconds = caller.samples.len().max(bot.samples.len()) as f64 / RATE as f64;
    if args.json {
        print(serde_json::json!({
            "file": out, "seconds": seconds, "note": note,
            "caller_packets": caller.packets, "bot_packets": bot.packets,
            "left_out": { "caller": caller.left_out, "bot": bot.left_out },
        }));
    } else {
        print(format_args!(
            "{}: {seconds:.1} s, the caller on the left, the bot on the right",
            out.display()
        ));
        for (side, track) in [("caller", &caller), ("bot", &bot)] {
            for (kind, count) in &track.left_out {
                print(format_args!("  {count} packets of the {side} are not in it: payload type {kind}"));
            }
        }
        note.iter().for_each(print);
    }
    Ok(ExitCode::SUCCESS)
}

/// Packets and their moments.
type SentAgain = Vec<(Time, Vec<u8>)>;

/// What we sent, run again, and how far that is what was sent.
fn again(bundle: &Bundle) -> anyhow::Result<(SentAgain, String)> {
    let report = verify(bundle)?;
    let mut packets = sent_again(bundle)?;
    let told = match (&report.media.departure, &report.media.gap) {
        (None, None) => {
            "the bundle has hashes of what we sent: it was run again, and every packet has its hash"
                .to_owned()
        }
        (departure, gap) => {
            let from = departure.as_ref().map(|departure| departure.at);
            let opened = CallHead::from_meta(&bundle.meta)?.opened_at;
            if let Some(from) = from {
                packets.retain(|(at, _)| at.since(opened) < from);
            }
            let until = from.map_or(String::new(), |from| format!(" until {:.1} s", from.as_secs_f64()));
            let why = gap.clone().unwrap_or_else(|| "after that this build sends something else".to_owned());
            format!("the bundle has hashes of what we sent: it was run again{until}; {why}")
        }
    };
    Ok((packets, told))
}

/// One side on the clock of the call.
struct Track {
    began: Time,
    samples: Vec<i16>,
    packets: u64,
    /// Where each stream's timestamps begin: sample of its first packet, and its timestamp.
    streams: BTreeMap<u32, (u64, u32)>,
    left_out: BTreeMap<u8, u64>,
}

impl Track {
    fn new(began: Time) -> Self {
        Track { began, samples: Vec::new(), packets: 0, streams: BTreeMap::new(), left_out: BTreeMap::new() }
    }

    fn take(&mut self, at: Time, bytes: &[u8]) {
        let Ok(packet) = RtpPacket::parse(bytes) else { return };
        let payload_type = packet.header.payload_type.number();
        let law = match payload_type {
            0 => G711::MuLaw,
            8 => G711::ALaw,
            other => return *self.left_out.entry(other).or_default() += 1,
        };
        let came_at = at.since(self.began).as_micros() as u64 * RATE / 1_000_000;
        let timestamp = packet.header.timestamp.0;
        let (first, base) = *self.streams.entry(packet.header.ssrc.0).or_insert((came_at, timestamp));
        let place = first.wrapping_add_signed(i64::from(timestamp.wrapping_sub(base) as i32));
        if place > LONGEST {
            return *self.left_out.entry(payload_type).or_default() += 1;
        }
        let end = place as usize + packet.payload.len();
        if self.samples.len() < end {
            self.samples.resize(end, 0);
        }
        law.decode(packet.payload, &mut self.samples[place as usize..end]);
        self.packets += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, code: u8) -> Vec<u8> {
        let mut bytes = vec![0x80, 0];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 9]);
        bytes.extend_from_slice(&[code; 160]);
        bytes
    }

    #[test]
    fn packets_stand_where_their_timestamps_say_whatever_their_order_and_arrival() {
        let mut track = Track::new(Time::from_millis(1_000));

        track.take(Time::from_millis(1_100), &packet(1, u32::MAX - 159, 0x10));
        track.take(Time::from_millis(1_190), &packet(3, 160, 0x30));
        track.take(Time::from_millis(1_200), &packet(2, 0, 0x20));

        let law = G711::MuLaw;
        assert_eq!(track.samples.len(), 800 + 480);
        for (at, code) in [(800, 0x10), (960, 0x20), (1_120, 0x30)] {
            assert_eq!(track.samples[at], law.decode_sample(code), "{at}");
        }
        assert_eq!(track.samples[..800], [0; 800]);
    }
}
