//! Whose packets are taken (DESIGN "Media source").

use std::net::SocketAddr;
use std::time::Duration;

use offhook_rtp_proto::{RtpHeader, SequenceNumber, Ssrc};
use offhook_time::Time;

use crate::MediaSource;

/// Continuous packets of one source before an address is believed: more than a stray stream sends by chance.
const LATCH_AFTER: u8 = 5;

/// An address that was believed must be silent so long before another is: longer than any jitter, so that the two
/// never take turns.
const SILENT: Duration = Duration::from_millis(500);

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// From where it is expected.
    Taken,
    /// From a new address that is believed from now on.
    Learned,
    /// From somewhere else.
    Refused,
}

/// Decides by address, and with `learn` by what an address has shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceCheck {
    source: MediaSource,
    negotiated: Option<SocketAddr>,
    learned: Option<SocketAddr>,
    /// What the believed stream showed last.
    current: Option<(Ssrc, SequenceNumber)>,
    heard_at: Option<Time>,
    candidate: Option<Candidate>,
}

/// An address that may come to be believed.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    ssrc: Ssrc,
    next: SequenceNumber,
    count: u8,
}

impl SourceCheck {
    pub(crate) fn new(source: MediaSource) -> Self {
        SourceCheck {
            source,
            negotiated: None,
            learned: None,
            current: None,
            heard_at: None,
            candidate: None,
        }
    }

    /// What offer and answer named. A new address forgets what was learned.
    pub(crate) fn negotiate(&mut self, address: Option<SocketAddr>) {
        if address != self.negotiated {
            *self = SourceCheck { negotiated: address, ..SourceCheck::new(self.source) };
        }
    }

    /// Where what we send goes.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.learned.or(self.negotiated)
    }

    /// Whether RTCP from there belongs to the stream: its host is the one that sends RTP, or was named.
    pub(crate) fn is_known_host(&self, address: SocketAddr) -> bool {
        self.remote().is_some_and(|remote| remote.ip() == address.ip())
    }

    /// Judges an RTP packet.
    pub(crate) fn judge(&mut self, header: &RtpHeader, address: SocketAddr, arrived_at: Time) -> Judgement {
        if self.remote() == Some(address) {
            self.believe(header, arrived_at);
            return Judgement::Taken;
        }
        let signalling = match self.source {
            MediaSource::Sdp => return Judgement::Refused,
            MediaSource::Learn { signalling } => signalling,
        };
        if address.ip() != signalling || !self.is_silent(arrived_at) {
            return Judgement::Refused;
        }
        let count = match self.candidate {
            Some(seen) if (seen.address, seen.ssrc, seen.next) == (address, header.ssrc, header.sequence) => {
                seen.count + 1
            }
            Some(_) | None => 1,
        };
        let next = header.sequence.next();
        self.candidate = Some(Candidate { address, ssrc: header.ssrc, next, count });
        if count < LATCH_AFTER || !self.continues(header) {
            return Judgement::Refused;
        }
        self.learned = Some(address);
        self.candidate = None;
        self.believe(header, arrived_at);
        Judgement::Learned
    }

    fn believe(&mut self, header: &RtpHeader, arrived_at: Time) {
        self.current = Some((header.ssrc, header.sequence));
        self.heard_at = Some(arrived_at);
    }

    /// The first latch needs a negotiated address that never spoke or fell silent; a later one a pause.
    fn is_silent(&self, now: Time) -> bool {
        self.heard_at.is_none_or(|heard_at| now.since(heard_at) >= SILENT)
    }

    /// Where somebody was believed already, only the same stream may move to another address.
    fn continues(&self, header: &RtpHeader) -> bool {
        // A second without packets, at 10 ms each, is a hundred numbers; twice that is still the same stream.
        const MOST_MISSED: i32 = 200;
        self.current.is_none_or(|(ssrc, sequence)| {
            let missed = header.sequence.since(sequence);
            ssrc == header.ssrc && (1..=MOST_MISSED).contains(&missed)
        })
    }
}

#[cfg(test)]
mod tests {
    use offhook_rtp_proto::{PayloadType, RtpTimestamp};

    use super::*;

    const NAMED: &str = "192.0.2.1:4000";
    const ACTUAL: &str = "198.51.100.7:9000";
    const STRANGER: &str = "203.0.113.9:5000";

    #[test]
    fn without_learning_only_the_negotiated_address_is_heard() {
        let mut check = check(MediaSource::Sdp);

        assert_eq!(judge(&mut check, NAMED, 1, 0), Judgement::Taken);
        assert_eq!(judge(&mut check, ACTUAL, 2, 20), Judgement::Refused);
    }

    #[test]
    fn a_far_end_behind_a_translator_is_believed_after_five_packets_in_sequence() {
        let mut check = learning();

        let first: Vec<_> = (1..=5).map(|n| judge(&mut check, ACTUAL, n, u64::from(n) * 20)).collect();

        assert_eq!(first[..4], [Judgement::Refused; 4]);
        assert_eq!(first[4], Judgement::Learned);
        assert_eq!(check.remote(), Some(ACTUAL.parse().unwrap()));
        assert_eq!(judge(&mut check, ACTUAL, 6, 120), Judgement::Taken);
    }

    #[test]
    fn nobody_is_learned_while_the_negotiated_address_speaks() {
        let mut check = learning();

        for n in 1..50 {
            assert_eq!(judge(&mut check, NAMED, n, u64::from(n) * 20), Judgement::Taken);
            assert_eq!(judge(&mut check, ACTUAL, n, u64::from(n) * 20), Judgement::Refused);
        }
    }

    #[test]
    fn an_address_other_than_that_of_the_signalling_is_never_learned() {
        let mut check = learning();

        assert!((1..50).all(|n| judge(&mut check, STRANGER, n, u64::from(n) * 20) == Judgement::Refused));
    }

    #[test]
    fn a_stream_that_moves_its_port_is_followed_after_half_a_second_only() {
        let mut check = learning();
        (1..=5).for_each(|n| {
            judge(&mut check, ACTUAL, n, u64::from(n) * 20);
        });
        let moved = "198.51.100.7:9002";

        let soon: Vec<_> = (6..=20).map(|n| judge(&mut check, moved, n, u64::from(n) * 20)).collect();
        let later: Vec<_> = (30..=40).map(|n| judge(&mut check, moved, n, u64::from(n) * 20)).collect();

        assert!(soon.iter().all(|judgement| *judgement == Judgement::Refused));
        assert!(later.contains(&Judgement::Learned));
    }

    fn check(source: MediaSource) -> SourceCheck {
        let mut check = SourceCheck::new(source);
        check.negotiate(Some(NAMED.parse().unwrap()));
        check
    }

    fn learning() -> SourceCheck {
        check(MediaSource::Learn { signalling: "198.51.100.7".parse().unwrap() })
    }

    fn judge(check: &mut SourceCheck, from: &str, sequence: u16, millis: u64) -> Judgement {
        let header = RtpHeader {
            marker: false,
            payload_type: PayloadType::PCMU,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(u32::from(sequence) * 160),
            ssrc: Ssrc(7),
        };
        check.judge(&header, from.parse().unwrap(), Time::from_millis(millis))
    }
}
