//! Where the silence that the caller hears went.

use std::time::Duration;

use offhook_call_media::TurnTimes;
use offhook_engine_api::UtteranceId;
use offhook_time::Time;
use serde::{Deserialize, Serialize};

/// One part of the silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What took the time: `jitter_buffer`, `voice_activity`, `recognizer`, `conversation`, `tools`, `synthesizer`, `queue`,
    /// `lead_in` (what the bot said was too soft to hear yet).
    pub name: String,
    /// How long, in microseconds.
    pub micros: u64,
}

/// One turn: from the caller's last packet of speech to the bot's first audible one. The segments are contiguous and sum
/// to the whole. What is speech and what is audible, anyone with a packet capture can check: see
/// [`TurnTimes`] and [`PlaybackHeard`](offhook_call_media::MediaEvent::PlaybackHeard).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnLedger {
    /// Arrival of the caller's last packet of speech, or of the one that ended their key.
    pub began_at: Time,
    /// When the bot's first audible packet was handed to the socket.
    pub ended_at: Time,
    /// In order of time.
    pub segments: Vec<Segment>,
    /// Where the caller talked (or keyed) into the bot: microseconds from their first packet of speech to the last
    /// packet in which the bot could be heard.
    #[serde(default)]
    pub barge_in_micros: Option<u64>,
}

/// The moments of a turn as they become known; a moment that never came costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TurnClock {
    pub last_voiced_arrived: Option<Time>,
    pub last_voiced_released: Option<Time>,
    pub speech_ended: Option<Time>,
    pub recognized: Option<Time>,
    pub tool_began: Option<Time>,
    pub tool_ended: Option<Time>,
    pub asked_to_speak: Option<Time>,
    /// The utterance that plays and was not heard yet.
    pub answer: Option<UtteranceId>,
    pub barge_in: Option<Duration>,
}

impl TurnClock {
    /// The clock of a turn that speech or a key began.
    pub fn start(times: &TurnTimes) -> Self {
        TurnClock {
            last_voiced_arrived: Some(times.last_voiced_arrived_at),
            barge_in: times.bot_quiet_at.map(|quiet_at| quiet_at.since(times.onset)),
            ..TurnClock::default()
        }
    }

    /// The ledger, once the bot is heard since `heard_at`; `audio_at` is when its audio reached media, `first_packet`
    /// when the first of it left.
    pub fn close(&self, audio_at: Time, first_packet: Time, heard_at: Time) -> Option<TurnLedger> {
        let began_at = self.last_voiced_arrived?;
        let moments = [
            ("jitter_buffer", self.last_voiced_released),
            ("voice_activity", self.speech_ended),
            ("recognizer", self.recognized),
            ("conversation", self.tool_began),
            ("tools", self.tool_ended),
            ("conversation", self.asked_to_speak),
            ("synthesizer", Some(audio_at)),
            ("queue", Some(first_packet)),
            ("lead_in", Some(heard_at)),
        ];
        let mut segments: Vec<Segment> = Vec::new();
        let mut reached = began_at;
        for (name, moment) in moments {
            let Some(moment) = moment else { continue };
            let until = moment.max(reached);
            let micros = (until - reached).as_micros() as u64;
            match segments.iter_mut().find(|segment| segment.name == name) {
                Some(segment) => segment.micros += micros,
                None => segments.push(Segment { name: name.into(), micros }),
            }
            reached = until;
        }
        // Whole microseconds are cut per segment: the last one takes what the others lost, so that the sum is exact.
        let total = (reached - began_at).as_micros() as u64;
        let sum: u64 = segments.iter().map(|segment| segment.micros).sum();
        if let Some(last) = segments.last_mut() {
            last.micros += total - sum;
        }
        let barge_in_micros = self.barge_in.map(|barge_in| barge_in.as_micros() as u64);
        Some(TurnLedger { began_at, ended_at: reached, segments, barge_in_micros })
    }
}

impl TurnLedger {
    /// The silence as a whole, in microseconds.
    pub fn total_micros(&self) -> u64 {
        (self.ended_at - self.began_at).as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Option<Time> {
        Some(Time::from_millis(millis))
    }

    #[test]
    fn the_segments_sum_to_the_silence() {
        let clock = TurnClock {
            last_voiced_arrived: at(100),
            last_voiced_released: at(101),
            speech_ended: at(700),
            recognized: at(750),
            tool_began: at(751),
            tool_ended: at(800),
            asked_to_speak: at(802),
            barge_in: Some(Duration::from_micros(120_500)),
            ..TurnClock::default()
        };
        let (audio_at, heard_at) = (Time::from_millis(850), Time::from_nanos(861_500_999));

        let ledger = clock.close(audio_at, Time::from_millis(855), heard_at).unwrap();

        assert_eq!(ledger.segments.iter().map(|segment| segment.micros).sum::<u64>(), ledger.total_micros());
        assert_eq!(ledger.total_micros(), 761_500);
        assert_eq!(ledger.segments[3], Segment { name: "conversation".into(), micros: 3_000 });
        assert_eq!(ledger.segments.last(), Some(&Segment { name: "lead_in".into(), micros: 6_500 }));
        assert_eq!(ledger.barge_in_micros, Some(120_500));
    }

    #[test]
    fn a_moment_out_of_order_takes_no_time_away() {
        let clock = TurnClock {
            last_voiced_arrived: at(100),
            speech_ended: at(700),
            recognized: at(650),
            ..TurnClock::default()
        };

        let first_packet = Time::from_millis(730);
        let ledger = clock.close(Time::from_millis(720), first_packet, first_packet).unwrap();

        assert_eq!(ledger.segments.iter().map(|segment| segment.micros).sum::<u64>(), 630_000);
    }

    #[test]
    fn a_greeting_has_no_ledger() {
        assert_eq!(TurnClock::default().close(Time::ZERO, Time::ZERO, Time::ZERO), None);
    }
}
