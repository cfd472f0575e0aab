//! How loud a call is over time, for a picture of it.

use std::time::Duration;

use offhook_audio::G711;
use offhook_rtp_proto::RtpPacket;

use super::Sound;

/// One packet of the usual length.
const BIN: Duration = Duration::from_millis(20);

/// As many bins as a wide screen has points.
const MOST_BINS: usize = 1_000;

/// Longer calls are not drawn beyond it: a damaged clock must not take the memory.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Peaks of one direction, from the beginning of the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Levels(Vec<u8>);

impl Levels {
    /// Takes a packet that came or went so long after the beginning; what is no G.711 is silent.
    pub fn rtp(&mut self, after: Duration, datagram: &[u8]) {
        let Some(peak) = RtpPacket::parse(datagram).ok().and_then(|packet| peak(&packet)) else { return };
        let at = (after.min(LONGEST).as_millis() / BIN.as_millis()) as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        if let Some(bin) = self.0.get_mut(at) {
            *bin = peak.max(*bin);
        }
    }

    /// Both directions as a report wants them.
    pub(super) fn sound(caller: &Levels, bot: &Levels) -> Sound {
        let longest = caller.0.len().max(bot.0.len());
        let merged = longest.div_ceil(MOST_BINS).max(1);
        let hex = |levels: &Levels| {
            let peaks = levels.0.chunks(merged).map(|bins| bins.iter().copied().max().unwrap_or(0));
            peaks.map(|peak| format!("{peak:02x}")).collect()
        };
        Sound { bin_ms: (BIN * merged as u32).as_millis() as u64, caller: hex(caller), bot: hex(bot) }
    }
}

fn peak(packet: &RtpPacket<'_>) -> Option<u8> {
    let law = match packet.header.payload_type.number() {
        0 => G711::MuLaw,
        8 => G711::ALaw,
        _ => return None,
    };
    let loudest = packet.payload.iter().map(|code| law.decode_sample(*code).unsigned_abs()).max()?;
    Some((loudest / 128).min(255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload_type: u8, code: u8) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
        packet.extend([code; 160]);
        packet
    }

    #[test]
    fn the_loudest_sample_of_each_bin_is_kept_and_long_calls_have_longer_bins() {
        let mut levels = Levels::default();
        levels.rtp(Duration::from_millis(20), &packet(0, G711::MuLaw.encode_sample(12_800)));
        levels.rtp(Duration::from_millis(39), &packet(8, G711::ALaw.silence()));
        levels.rtp(Duration::from_millis(60), &packet(101, 0));

        let short = Levels::sound(&levels, &Levels::default());
        levels.rtp(Duration::from_secs(50), &packet(0, G711::MuLaw.silence()));
        let long = Levels::sound(&levels, &Levels::default());

        assert_eq!((short.bin_ms, short.caller.len(), short.bot.as_str()), (20, 4, ""));
        assert!(short.caller.starts_with("00") && &short.caller[2..] > "60", "{}", short.caller);
        assert_eq!(long.bin_ms, 60);
        assert!(long.caller.len() <= 2 * MOST_BINS, "{}", long.caller.len());
    }
}
