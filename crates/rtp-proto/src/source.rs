//! Which packets belong to the stream that we play: validity, restarts and duplicates (RFC 3550 A.1 in spirit).

use std::time::Duration;

use offhook_time::Time;

use crate::{ExtendedSequence, RtpHeader, SequenceNumber, Ssrc};

/// A leap forward that is still loss (RFC 3550 A.1).
const MAX_DROPOUT: u64 = 3000;

/// A step back that is still reordering (RFC 3550 A.1 has 100; all of them fit the history).
const MAX_MISORDER: u64 = 127;

/// A source that was silent this long gives way to another one at once: five packets of 20 ms, more than jitter
/// makes in one piece. Shorter lets a stray packet steal the stream, longer is dead air after a transfer.
const SILENT: Duration = Duration::from_millis(100);

/// What a packet is to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next packet, or one after a loss: the highest so far.
    Ahead {
        /// Its place in the count that does not wrap.
        extended: u64,
    },
    /// Overtaken by a later one, and new.
    Behind {
        /// Its place in the count that does not wrap.
        extended: u64,
    },
    /// Seen before.
    Duplicate,
    /// The first packet of a stream: of the call, after a restart of the sender, or of a new source.
    Restart {
        /// Its place in a new count.
        extended: u64,
    },
    /// Belongs to no stream yet. Two such in sequence are a restart.
    Stray,
}

/// Follows one stream. There is no probation at the beginning, so that the caller's first word is not lost; a stream
/// that takes over from one that still runs must show two packets in sequence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source {
    current: Option<Current>,
    candidate: Option<(Ssrc, SequenceNumber)>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    ssrc: Ssrc,
    sequence: ExtendedSequence,
    /// Bit n: the packet n before the highest was seen.
    seen: u128,
    heard_at: Time,
}

impl Source {
    /// No stream yet.
    pub fn new() -> Self {
        Source::default()
    }

    /// The source that is being followed.
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.current.map(|current| current.ssrc)
    }

    /// Judges a packet by its header.
    pub fn judge(&mut self, header: &RtpHeader, arrived_at: Time) -> Verdict {
        let Some(current) = &mut self.current else { return self.restart(header, arrived_at) };
        if current.ssrc != header.ssrc {
            let gives_way = arrived_at.since(current.heard_at) >= SILENT;
            return if gives_way { self.restart(header, arrived_at) } else { self.stray(header, arrived_at) };
        }

        let extended = current.sequence.unfold(header.sequence);
        let highest = current.sequence.highest();
        let distance = extended.abs_diff(highest);
        if extended > highest && distance < MAX_DROPOUT {
            current.seen = current.seen.checked_shl(distance as u32).unwrap_or(0) | 1;
            current.sequence.advance(extended);
        } else if extended <= highest && distance <= MAX_MISORDER {
            let bit = 1 << distance;
            if current.seen & bit != 0 {
                return Verdict::Duplicate;
            }
            current.seen |= bit;
        } else {
            return self.stray(header, arrived_at);
        }
        current.heard_at = current.heard_at.max(arrived_at);
        self.candidate = None;
        if extended > highest { Verdict::Ahead { extended } } else { Verdict::Behind { extended } }
    }

    fn stray(&mut self, header: &RtpHeader, arrived_at: Time) -> Verdict {
        if self.candidate == Some((header.ssrc, header.sequence)) {
            return self.restart(header, arrived_at);
        }
        self.candidate = Some((header.ssrc, header.sequence.next()));
        Verdict::Stray
    }

    fn restart(&mut self, header: &RtpHeader, arrived_at: Time) -> Verdict {
        let sequence = ExtendedSequence::new(header.sequence);
        self.current = Some(Current { ssrc: header.ssrc, sequence, seen: 1, heard_at: arrived_at });
        self.candidate = None;
        Verdict::Restart { extended: sequence.highest() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PayloadType, RtpTimestamp};

    #[test]
    fn the_first_packet_counts_at_once() {
        let mut source = Source::new();

        assert!(matches!(judge(&mut source, 1, 10, 0), Verdict::Restart { .. }));
        assert!(matches!(judge(&mut source, 1, 11, 20), Verdict::Ahead { .. }));
    }

    #[test]
    fn a_packet_seen_twice_is_a_duplicate_also_when_late_and_across_the_wrap() {
        let mut source = Source::new();
        judge(&mut source, 1, 65_534, 0);
        judge(&mut source, 1, 1, 60);

        assert!(matches!(judge(&mut source, 1, 65_535, 61), Verdict::Behind { .. }));
        assert_eq!(judge(&mut source, 1, 65_535, 62), Verdict::Duplicate);
        assert_eq!(judge(&mut source, 1, 1, 63), Verdict::Duplicate);
        assert_eq!(judge(&mut source, 1, 65_534, 64), Verdict::Duplicate);
        assert!(matches!(judge(&mut source, 1, 0, 65), Verdict::Behind { .. }));
    }

    #[test]
    fn a_single_packet_of_another_source_or_place_changes_nothing() {
        let mut source = Source::new();
        judge(&mut source, 1, 10, 0);

        assert_eq!(judge(&mut source, 2, 500, 5), Verdict::Stray);
        assert_eq!(judge(&mut source, 1, 30_000, 10), Verdict::Stray);
        assert!(matches!(judge(&mut source, 1, 11, 20), Verdict::Ahead { .. }));
        assert_eq!(source.ssrc(), Some(Ssrc(1)));
    }

    #[test]
    fn two_packets_in_sequence_are_a_restart() {
        let mut source = Source::new();
        judge(&mut source, 1, 10, 0);

        assert_eq!(judge(&mut source, 2, 500, 20), Verdict::Stray);
        assert!(matches!(judge(&mut source, 2, 501, 40), Verdict::Restart { .. }));
        assert_eq!(judge(&mut source, 2, 40_000, 60), Verdict::Stray);
        assert!(matches!(judge(&mut source, 2, 40_001, 80), Verdict::Restart { .. }));
    }

    #[test]
    fn a_silent_source_gives_way_at_once() {
        let mut source = Source::new();
        judge(&mut source, 1, 10, 0);

        assert!(matches!(judge(&mut source, 2, 500, 100), Verdict::Restart { .. }));
    }

    fn judge(source: &mut Source, ssrc: u32, sequence: u16, at_ms: u64) -> Verdict {
        let header = RtpHeader {
            marker: false,
            payload_type: PayloadType::PCMU,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(0),
            ssrc: Ssrc(ssrc),
        };
        source.judge(&header, Time::from_millis(at_ms))
    }
}
