//! The durations that the machines count in.

use std::time::Duration;

use offhook_time::Time;

/// The timer values of RFC 3261 table 4, and when the automatic 100 leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The round-trip estimate.
    pub t1: Duration,
    /// The longest interval between retransmissions of a non-INVITE request or an INVITE response.
    pub t2: Duration,
    /// The longest time a message stays in the network.
    pub t4: Duration,
    /// How long the transaction user may take to answer an INVITE before a 100 is sent for it; zero sends at once.
    pub trying_after: Duration,
}

impl Timing {
    /// 64·T1: timers B, F, H, J, L and M, and how long a 2xx is retransmitted.
    pub fn sixty_four_t1(&self) -> Duration {
        self.t1 * 64
    }
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            // RFC 3261 §17.2.1 lets the server transaction wait this long for its user.
            trying_after: Duration::from_millis(200),
        }
    }
}

/// Whether the transport repeats lost bytes itself. On a reliable one nothing is retransmitted and the timers that
/// only absorb retransmissions are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// UDP.
    Unreliable,
    /// TCP, TLS, WebSocket.
    Reliable,
}

impl Reliability {
    /// `duration` where messages can be lost and repeated, zero where not.
    pub fn absorbing(self, duration: Duration) -> Duration {
        match self {
            Reliability::Unreliable => duration,
            Reliability::Reliable => Duration::ZERO,
        }
    }
}

/// A retransmission timer: the next moment, and the interval that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// When to send again.
    pub at: Time,
    interval: Duration,
}

impl Backoff {
    /// The first retransmission comes `interval` after `now`; none on a reliable transport.
    pub fn start(interval: Duration, reliability: Reliability, now: Time) -> Option<Self> {
        match reliability {
            Reliability::Unreliable => Some(Backoff { at: now + interval, interval }),
            Reliability::Reliable => None,
        }
    }

    /// Doubles the interval, up to `longest`, and counts from the moment that was due.
    pub fn next(self, longest: Duration) -> Self {
        let interval = (self.interval * 2).min(longest);
        Backoff { at: self.at + interval, interval }
    }

    /// From now on at this `interval`.
    pub fn every(self, interval: Duration) -> Self {
        Backoff { at: self.at + interval, interval }
    }
}

/// The earlier of two deadlines.
pub(crate) fn earlier(one: Option<Time>, other: Time) -> Option<Time> {
    Some(one.map_or(other, |one| one.min(other)))
}
