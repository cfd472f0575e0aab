//! The 2xx to an INVITE, repeated by the dialog until its ACK comes (RFC 3261 §13.3.1.4).

use std::time::Duration;

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_time::Time;

use crate::transaction::Timing;

/// Says when to send a 2xx again: on T1, doubling to T2, whatever the transport, because a later hop may be UDP.
/// Give it up when the ACK arrives by dropping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit2xx {
    next: Time,
    interval: Duration,
    longest: Duration,
    give_up: Time,
}

/// What a deadline of [`Retransmit2xx`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send the 2xx again.
    SendAgain,
    /// 64·T1 passed without an ACK: the session shall end with a BYE.
    HangUp,
}

impl Retransmit2xx {
    /// The 2xx was sent for the first time.
    pub fn new(timing: &Timing, now: Time) -> Self {
        Retransmit2xx {
            next: now + timing.t1,
            interval: timing.t1,
            longest: timing.t2,
            give_up: now + timing.sixty_four_t1(),
        }
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Time {
        self.next.min(self.give_up)
    }

    /// A deadline passed; `None` where none was due. After [`Due::HangUp`] it is of no more use.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Due> {
        if self.give_up <= now {
            return Some(Due::HangUp);
        }
        if now < self.next {
            return None;
        }
        let interval = self.interval * 2;
        self.interval = interval.min(self.longest);
        #[cfg(feature = "planted-faults")]
        if is_planted(Fault::IntervalBeyondT2) {
            self.interval = interval;
        }
        self.next += self.interval;
        #[cfg(feature = "planted-faults")]
        if is_planted(Fault::Second2xxMissing) && self.interval * 2 == self.longest {
            return None;
        }
        Some(Due::SendAgain)
    }
}
