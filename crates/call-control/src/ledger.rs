//! Where the silence that the caller hears went.

use offhook_time::Time;
use serde::{Deserialize, Serialize};

/// One part of the silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What took the time: `jitter_buffer`, `voice_activity`, `recognizer`, `conversation`, `tools`, `synthesizer`, `queue`.
    pub name: String,
    /// How long, in microseconds.
    pub micros: u64,
}

/// One turn: from the caller's last voiced packet to the bot's first. The segments are contiguous and sum to the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnLedger {
    /// Arrival of the caller's last voiced packet.
    pub began_at: Time,
    /// When the bot's first packet was handed to the socket.
    pub ended_at: Time,
    /// In order of time.
    pub segments: Vec<Segment>,
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
}

impl TurnClock {
    /// The ledger, once the bot's first packet left at `first_packet`; `audio_at` is when its audio reached media.
    pub fn close(&self, audio_at: Time, first_packet: Time) -> Option<TurnLedger> {
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
        Some(TurnLedger { began_at, ended_at: reached, segments })
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
        };

        let ledger = clock.close(Time::from_millis(850), Time::from_nanos(861_500_999)).unwrap();

        assert_eq!(ledger.segments.iter().map(|segment| segment.micros).sum::<u64>(), ledger.total_micros());
        assert_eq!(ledger.total_micros(), 761_500);
        assert_eq!(ledger.segments[3], Segment { name: "conversation".into(), micros: 3_000 });
    }

    #[test]
    fn a_moment_out_of_order_takes_no_time_away() {
        let clock = TurnClock {
            last_voiced_arrived: at(100),
            speech_ended: at(700),
            recognized: at(650),
            ..TurnClock::default()
        };

        let ledger = clock.close(Time::from_millis(720), Time::from_millis(730)).unwrap();

        assert_eq!(ledger.segments.iter().map(|segment| segment.micros).sum::<u64>(), 630_000);
    }

    #[test]
    fn a_greeting_has_no_ledger() {
        assert_eq!(TurnClock::default().close(Time::ZERO, Time::ZERO), None);
    }
}
