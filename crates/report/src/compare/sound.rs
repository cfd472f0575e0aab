//! Loudness over time, as fine as the size of the page allows.

use offhook_replay::compare::{CallComparison, Sound};
use serde::Serialize;

use crate::base64;

/// Levels of all calls of a page together: with four thirds of that in the file, what opens in a moment.
const MOST_LEVELS: usize = 6_000_000;

/// Levels of a lane: a wide screen five times magnified.
const FINEST: usize = 8_000;

/// Levels of a lane below which speech and pauses cannot be told apart on a screen.
const COARSEST: usize = 240;

/// How many levels a lane may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget(usize);

/// The lanes of a call. A lane of side b that is as on side a is not written again.
#[derive(Serialize)]
pub(super) struct WireSounds {
    caller: Option<WireLane>,
    caller_b: Option<WireLane>,
    bot: Option<WireLane>,
    bot_b: Option<WireLane>,
}

/// Milliseconds of a level, and the levels as base64: 0 silent, 255 full scale.
#[derive(Serialize)]
pub(super) struct WireLane(f64, String);

impl Budget {
    /// The same for each lane of each call.
    pub(super) fn among(calls: &[&CallComparison]) -> Self {
        let sounds = calls.iter().flat_map(|call| [&call.a.sound, &call.b.sound]).flatten().count();
        Budget((MOST_LEVELS / (2 * sounds).max(1)).clamp(COARSEST, FINEST))
    }
}

impl WireSounds {
    pub(super) fn of(a: &Option<Sound>, b: &Option<Sound>, budget: Budget) -> Self {
        let lane = |sound: &Option<Sound>, levels: fn(&Sound) -> &str| {
            sound.as_ref().and_then(|sound| wire_lane(sound.bin_ms, levels(sound), budget))
        };
        let other = |levels: fn(&Sound) -> &str| {
            let equal =
                matches!((a, b), (Some(a), Some(b)) if a.bin_ms == b.bin_ms && levels(a) == levels(b));
            if equal { None } else { lane(b, levels) }
        };
        WireSounds {
            caller: lane(a, |sound| &sound.caller),
            caller_b: other(|sound| &sound.caller),
            bot: lane(a, |sound| &sound.bot),
            bot_b: other(|sound| &sound.bot),
        }
    }
}

fn wire_lane(bin_ms: u64, levels: &str, Budget(most): Budget) -> Option<WireLane> {
    let levels = hexadecimal(levels);
    if levels.is_empty() || bin_ms == 0 {
        return None;
    }
    let together = levels.len().div_ceil(most);
    let joined: Vec<u8> = levels.chunks(together).filter_map(|group| group.iter().copied().max()).collect();
    Some(WireLane((bin_ms * together as u64) as f64, base64::encode(&joined)))
}

/// Two digits an octet; what are no digits counts as zero.
fn hexadecimal(digits: &str) -> Vec<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).unwrap_or(0) as u8;
    digits.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_survives_however_long_the_call() {
        let mut digits = "00".repeat(360_000);
        digits.replace_range(500_000..500_002, "fe");

        let WireLane(bin_ms, levels) = wire_lane(10, &digits, Budget(1_000)).unwrap();

        assert_eq!(bin_ms, 3_600.0);
        assert!(levels.len() <= 1_336 && levels.contains("AP4A"), "{}", levels.len());
    }

    #[test]
    fn what_both_sides_hear_is_written_once() {
        let sound = |bot: &str| Some(Sound { bin_ms: 20, caller: "00ff".to_owned(), bot: bot.to_owned() });

        let wire = WireSounds::of(&sound("0102"), &sound("0103"), Budget(10));

        assert_eq!(wire.caller.unwrap().1, "AP8=");
        assert!(wire.caller_b.is_none());
        assert_eq!(wire.bot_b.unwrap().1, "AQM=");
    }

    #[test]
    fn no_sound_and_odd_digits_make_no_trouble() {
        assert!(wire_lane(0, "00", Budget(10)).is_none());
        assert!(wire_lane(20, "", Budget(10)).is_none());
        assert_eq!(wire_lane(20, "zz7", Budget(10)).unwrap().1, "AA==");
    }
}
