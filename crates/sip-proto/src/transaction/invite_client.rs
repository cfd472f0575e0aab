//! The INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2).

use std::collections::VecDeque;
use std::time::Duration;

use offhook_time::Time;

use super::timing::earlier;
use super::{Backoff, Cause, Reliability, Timing};

/// Timer D on an unreliable transport: RFC 3261 table 4 wants at least this much, whatever T1 is.
const TIMER_D: Duration = Duration::from_secs(32);

/// Where an INVITE client transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The INVITE was sent and is repeated on timer A until anything answers or timer B.
    Calling {
        /// `None` on a reliable transport.
        timer_a: Option<Backoff>,
        /// 64·T1.
        timer_b: Time,
    },
    /// A provisional response arrived. It may ring as long as the user lets it.
    Proceeding {
        /// After a CANCEL: when to stop waiting for the final response (RFC 3261 §9.1).
        cancelled_until: Option<Time>,
    },
    /// A 3xx-6xx arrived and was acknowledged; timer D absorbs its retransmissions.
    Completed {
        /// At least 32 s on an unreliable transport.
        timer_d: Time,
    },
    /// A 2xx arrived. Each one goes to the user, who acknowledges it, until timer M.
    Accepted {
        /// 64·T1 on every transport: forks can answer that late.
        timer_m: Time,
    },
    /// It is over and can be dropped.
    Terminated(Cause),
}

/// Sends one INVITE until something answers, and acknowledges a 3xx-6xx.
#[derive(Debug)]
pub struct InviteClientTransaction {
    timing: Timing,
    reliability: Reliability,
    state: State,
    /// The INVITE while it may have to be repeated, later the ACK.
    latest: Vec<u8>,
    out: VecDeque<Vec<u8>>,
}

impl InviteClientTransaction {
    /// Sends `invite`.
    pub fn new(invite: Vec<u8>, timing: Timing, reliability: Reliability, now: Time) -> Self {
        InviteClientTransaction {
            timing,
            reliability,
            state: State::Calling {
                timer_a: Backoff::start(timing.t1, reliability, now),
                timer_b: now + timing.sixty_four_t1(),
            },
            latest: invite.clone(),
            out: VecDeque::from([invite]),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// A matching response arrived; `ack` builds the ACK for a 3xx-6xx. True where the user gets the response.
    pub fn handle_response(&mut self, status: u16, ack: impl FnOnce() -> Vec<u8>, now: Time) -> bool {
        match (self.state, status) {
            (State::Calling { .. }, 0..=199) => {
                self.state = State::Proceeding { cancelled_until: None };
                true
            }
            (State::Proceeding { .. }, 0..=199) => true,
            (State::Calling { .. } | State::Proceeding { .. }, 200..=299) => {
                self.state = State::Accepted { timer_m: now + self.timing.sixty_four_t1() };
                self.latest = Vec::new();
                true
            }
            (State::Calling { .. } | State::Proceeding { .. }, 300..) => {
                self.latest = ack();
                self.out.push_back(self.latest.clone());
                let timer_d = self.reliability.absorbing(TIMER_D.max(self.timing.sixty_four_t1()));
                self.state = if timer_d.is_zero() {
                    State::Terminated(Cause::Finished)
                } else {
                    State::Completed { timer_d: now + timer_d }
                };
                true
            }
            (State::Completed { .. }, 300..) => {
                self.out.push_back(self.latest.clone());
                false
            }
            (State::Accepted { .. }, 200..=299) => true,
            (State::Completed { .. } | State::Accepted { .. } | State::Terminated(_), _) => false,
        }
    }

    /// A CANCEL was sent for it: a peer that never ends the INVITE is given 64·T1.
    pub fn cancelled(&mut self, now: Time) {
        if let State::Proceeding { cancelled_until: None } = self.state {
            self.state = State::Proceeding { cancelled_until: Some(now + self.timing.sixty_four_t1()) };
        }
    }

    /// The transport could not deliver the INVITE or the ACK.
    pub fn handle_transport_error(&mut self) {
        match self.state {
            State::Calling { .. } | State::Completed { .. } => {
                self.state = State::Terminated(Cause::Transport);
            }
            State::Proceeding { .. } | State::Accepted { .. } | State::Terminated(_) => {}
        }
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Calling { timer_a, timer_b } => earlier(timer_a.map(|timer| timer.at), timer_b),
            State::Proceeding { cancelled_until } => cancelled_until,
            State::Completed { timer_d } => Some(timer_d),
            State::Accepted { timer_m } => Some(timer_m),
            State::Terminated(_) => None,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::Calling { timer_b: at, .. } | State::Proceeding { cancelled_until: Some(at) }
                if at <= now =>
            {
                self.state = State::Terminated(Cause::Timeout);
            }
            State::Calling { timer_a: Some(timer), timer_b } if timer.at <= now => {
                self.out.push_back(self.latest.clone());
                // Timer A doubles without a limit of its own; timer B ends it.
                self.state = State::Calling { timer_a: Some(timer.next(Duration::MAX)), timer_b };
            }
            State::Completed { timer_d: at } | State::Accepted { timer_m: at } if at <= now => {
                self.state = State::Terminated(Cause::Finished);
            }
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated(_) => {}
        }
    }

    /// The next request to put on the wire.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }
}
