//! Where an utterance begins and ends, by the levels of the packets that carried it.
//!
//! The definition is one that anyone with a packet capture can apply; it is written down in `benches/README.md` and
//! computed here from what we sent, without a line of the server's code:
//!
//! - The level of a packet is the root mean square of the louder of its two halves of 10 ms, as the codec decodes it.
//! - Background is every run of 15 packets whose levels lie within 8 dB and 10 dB or more below the loudest packet of
//!   the utterance: silence, a hum, a room.
//! - A packet is speech where it is less than 30 dB below the loudest one, above -56 dBFS, not background, and 3 dB
//!   above the loudest packet of the background before it (for the onset: after it).
//!
//! The utterance goes from the first to the last packet of speech that reached the wire.

/// A packet of ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loudness {
    /// Its level in dBFS.
    pub dbfs: f64,
    /// Whether it reached the wire (an impaired line loses some).
    pub arrived: bool,
}

impl Loudness {
    /// Of a packet with these samples, as decoded.
    pub fn of(samples: &[i16], arrived: bool) -> Self {
        let half = samples.len() / 2;
        let loudest = super::rms(&samples[..half]).max(super::rms(&samples[half..]));
        Loudness { dbfs: (20.0 * (loudest / 32_768.0).log10()).max(-80.0), arrived }
    }
}

const BACKGROUND_RUN: usize = 15;
const BACKGROUND_SPAN_DB: f64 = 8.0;
const BACKGROUND_BELOW_DB: f64 = 10.0;
const SPEECH_BELOW_DB: f64 = 30.0;
const SPEECH_ABOVE_DBFS: f64 = -56.0;
const SPEECH_ABOVE_BACKGROUND_DB: f64 = 3.0;

/// The first and the last packet of speech. `None` where there is none.
pub fn speech(packets: &[Loudness]) -> Option<(usize, usize)> {
    let levels: Vec<f64> = packets.iter().map(|packet| packet.dbfs).collect();
    let loudest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let backgrounds = backgrounds(&levels, loudest);
    let is_speech = |at: usize, over: Option<f64>| {
        packets[at].arrived
            && levels[at] > (loudest - SPEECH_BELOW_DB).max(SPEECH_ABOVE_DBFS)
            && over.is_none_or(|background| levels[at] > background + SPEECH_ABOVE_BACKGROUND_DB)
            && !backgrounds.iter().any(|(from, _)| (*from..*from + BACKGROUND_RUN).contains(&at))
    };
    let last = (0..levels.len()).rev().find(|at| {
        let before = backgrounds.iter().rfind(|(from, _)| from + BACKGROUND_RUN <= *at);
        is_speech(*at, before.map(|(_, level)| *level))
    })?;
    let first = (0..levels.len()).find(|at| {
        let after = backgrounds.iter().find(|(from, _)| from > at);
        is_speech(*at, after.map(|(_, level)| *level))
    })?;
    Some((first, last))
}

/// Every background run: where it begins and its loudest level.
fn backgrounds(levels: &[f64], loudest: f64) -> Vec<(usize, f64)> {
    let runs = levels.windows(BACKGROUND_RUN).enumerate();
    runs.filter_map(|(from, run)| {
        let low = run.iter().copied().fold(f64::INFINITY, f64::min);
        let high = run.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (high - low <= BACKGROUND_SPAN_DB && high < loudest - BACKGROUND_BELOW_DB).then_some((from, high))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_ends_of_words_are_speech_and_what_is_30_db_down_is_not() {
        let packets = stream(&[(20, -80.0), (1, -49.0), (10, -20.0), (2, -45.0), (1, -51.0), (30, -80.0)]);

        assert_eq!(speech(&packets), Some((20, 32)));
    }

    #[test]
    fn noise_before_and_after_is_no_speech_nor_is_its_fading() {
        let noise: Vec<(usize, f64)> = (0..30).map(|n| (1, -38.0 + f64::from(n % 4))).collect();
        let fade = [(1, -40.0), (1, -43.0), (1, -47.0)];
        let parts =
            [&[(20, -80.0)][..], &noise, &[(12, -20.0), (4, -29.0)], &noise, &fade, &[(20, -80.0)]].concat();

        assert_eq!(speech(&stream(&parts)), Some((50, 65)));
    }

    #[test]
    fn a_packet_that_was_lost_is_no_end() {
        let mut packets = stream(&[(20, -80.0), (10, -20.0), (20, -80.0)]);
        packets[29].arrived = false;

        assert_eq!(speech(&packets), Some((20, 28)));
    }

    #[test]
    fn silence_is_no_speech() {
        assert_eq!(speech(&stream(&[(50, -80.0)])), None);
        assert_eq!(speech(&[]), None);
    }

    #[test]
    fn a_packet_is_as_loud_as_its_louder_half() {
        let mut samples = [0i16; 160];
        samples[80..].fill(16_384);

        assert!((Loudness::of(&samples, true).dbfs + 6.02).abs() < 0.01);
        assert_eq!(Loudness::of(&[0; 160], true).dbfs, -80.0);
    }

    fn stream(parts: &[(usize, f64)]) -> Vec<Loudness> {
        let packet = |(count, dbfs): &(usize, f64)| vec![Loudness { dbfs: *dbfs, arrived: true }; *count];
        parts.iter().flat_map(packet).collect()
    }
}
