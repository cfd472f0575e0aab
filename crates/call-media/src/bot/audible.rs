//! When the caller begins to hear the bot, and when they stop hearing it: by the packets that left.
//!
//! Synthesizers begin with silence and with soft consonants. The ledger counts until the bot is *heard*, in terms that
//! anyone with a packet capture can check: a packet is audible above -45 dBFS (root mean square, as decoded); an
//! utterance is heard from the first of three audible packets within five. One or two are a click.

use offhook_engine_api::UtteranceId;
use offhook_time::Time;

use crate::MediaEvent;

/// Mean square of -45 dBFS (184 of 32768): quieter than any voice on a telephone, louder than comfort noise.
const AUDIBLE: f32 = 184.0 * 184.0 / (32_768.0 * 32_768.0);

/// So many of the last [`LOOK_BACK`] packets are audible where somebody speaks.
const AUDIBLE_OF_LOOK_BACK: usize = 3;
const LOOK_BACK: usize = 5;

/// Follows what leaves packet by packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Audible {
    /// The packet that left and was not judged yet, and whether it is audible.
    sent: Option<(Time, bool)>,
    /// When the last audible packet left.
    until: Option<Time>,
    begun: Option<Begun>,
}

/// An utterance that plays and was not heard yet.
#[derive(Clone, Copy, Debug)]
struct Begun {
    utterance: UtteranceId,
    audio_at: Time,
    first_packet_at: Time,
    /// The last packets in a ring: when the audible ones left.
    recent: [Option<Time>; LOOK_BACK],
    next: usize,
}

impl Audible {
    /// Whether a packet can be heard; `energy` is its mean square as decoded at the far end.
    pub(super) fn is_audible(energy: f32) -> bool {
        energy > AUDIBLE
    }

    /// A packet left.
    pub(super) fn sent(&mut self, audible: bool, now: Time) {
        self.sent = Some((now, audible));
        if audible {
            self.until = Some(now);
        }
    }

    /// When the last packet left in which the bot could be heard.
    pub(super) fn until(&self) -> Option<Time> {
        self.until
    }

    /// The packet that just left is the first with audio of this utterance.
    pub(super) fn begin(&mut self, utterance: UtteranceId, audio_at: Time) {
        self.begun = self.sent.map(|(first_packet_at, _)| Begun {
            utterance,
            audio_at,
            first_packet_at,
            recent: [None; LOOK_BACK],
            next: 0,
        });
    }

    /// Judges the packet that just left: whether with it the utterance is heard.
    pub(super) fn judge(&mut self) -> Option<MediaEvent> {
        let (at, audible) = self.sent.take()?;
        let begun = self.begun.as_mut()?;
        begun.recent[begun.next] = audible.then_some(at);
        begun.next = (begun.next + 1) % LOOK_BACK;
        let count = begun.recent.iter().flatten().count();
        if count >= AUDIBLE_OF_LOOK_BACK { self.heard() } else { None }
    }

    /// The utterance ends with the packet that just left: what is heard of it was heard.
    pub(super) fn finish(&mut self, utterance: UtteranceId) -> Option<MediaEvent> {
        if self.begun.is_none_or(|begun| begun.utterance != utterance) {
            return None;
        }
        let heard = self.judge().or_else(|| self.heard());
        self.begun = None;
        heard
    }

    fn heard(&mut self) -> Option<MediaEvent> {
        let Begun { utterance, audio_at, first_packet_at, recent, .. } = self.begun?;
        let heard_at = recent.into_iter().flatten().min()?;
        self.begun = None;
        Some(MediaEvent::PlaybackHeard { utterance, audio_at, first_packet_at, heard_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: f32 = 1e-2;
    const SOFT: f32 = 1e-5;

    #[test]
    fn soft_packets_before_the_first_word_are_not_heard() {
        assert_eq!(play(&[SOFT, SOFT, LOUD, LOUD, LOUD, LOUD]), [(4, 2)]);
    }

    #[test]
    fn a_click_before_the_first_word_is_not_heard() {
        assert_eq!(play(&[LOUD, LOUD, SOFT, SOFT, SOFT, SOFT, LOUD, SOFT, LOUD, LOUD]), [(9, 6)]);
    }

    #[test]
    fn a_word_of_one_packet_is_heard_when_it_is_over_and_silence_never() {
        let mut audible = begun();
        audible.sent(true, at(0));
        audible.begin(UtteranceId(2), at(0));
        assert_eq!(audible.judge(), None);
        audible.sent(false, at(1));

        assert_eq!(audible.finish(UtteranceId(1)), None, "another utterance");
        assert!(
            matches!(audible.finish(UtteranceId(2)), Some(MediaEvent::PlaybackHeard { heard_at, .. }) if heard_at == at(0))
        );
        assert_eq!(audible.finish(UtteranceId(2)), None, "told once");
        assert_eq!(begun().finish(UtteranceId(1)), None, "nothing was audible");
    }

    #[test]
    fn it_is_known_when_the_bot_was_heard_last() {
        let mut audible = Audible::default();
        [LOUD, LOUD, SOFT, SOFT]
            .iter()
            .zip(0..)
            .for_each(|(energy, n)| audible.sent(Audible::is_audible(*energy), at(n)));

        assert_eq!(audible.until(), Some(at(1)));
    }

    /// After the first packet, a silent one, of utterance 1.
    fn begun() -> Audible {
        let mut audible = Audible::default();
        audible.sent(false, at(0));
        audible.begin(UtteranceId(1), at(0));
        assert_eq!(audible.judge(), None);
        audible
    }

    /// Plays packets of these energies; the events with the packet that brought them: (packet, packet heard first).
    fn play(packets: &[f32]) -> Vec<(u64, u64)> {
        let mut audible = Audible::default();
        let mut events = Vec::new();
        for (energy, n) in packets.iter().zip(0..) {
            audible.sent(Audible::is_audible(*energy), at(n));
            if n == 0 {
                audible.begin(UtteranceId(1), Time::ZERO);
            }
            if let Some(MediaEvent::PlaybackHeard { heard_at, first_packet_at, .. }) = audible.judge() {
                assert_eq!(first_packet_at, at(0));
                events.push((n, heard_at.as_millis() / 20));
            }
        }
        events
    }

    fn at(packet: u64) -> Time {
        Time::from_millis(packet * 20)
    }
}
