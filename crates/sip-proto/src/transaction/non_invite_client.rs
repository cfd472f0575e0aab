//! The non-INVITE client transaction (RFC 3261 §17.1.2).

use std::collections::VecDeque;

use offhook_time::Time;

use super::timing::earlier;
use super::{Backoff, Cause, Reliability, Timing};

/// Where a non-INVITE client transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The request was sent and is repeated on timer E, doubling from T1 to T2.
    Trying {
        /// `None` on a reliable transport.
        timer_e: Option<Backoff>,
        /// 64·T1.
        timer_f: Time,
    },
    /// A provisional response arrived; the request is repeated every T2.
    Proceeding {
        /// `None` on a reliable transport.
        timer_e: Option<Backoff>,
        /// 64·T1 from the beginning.
        timer_f: Time,
    },
    /// A final response arrived; timer K absorbs its retransmissions.
    Completed {
        /// T4 on an unreliable transport.
        timer_k: Time,
    },
    /// It is over and can be dropped.
    Terminated(Cause),
}

/// Sends one request that is neither INVITE nor ACK until a final response comes.
#[derive(Debug)]
pub struct NonInviteClientTransaction {
    timing: Timing,
    reliability: Reliability,
    state: State,
    request: Vec<u8>,
    out: VecDeque<Vec<u8>>,
}

impl NonInviteClientTransaction {
    /// Sends `request`.
    pub fn new(request: Vec<u8>, timing: Timing, reliability: Reliability, now: Time) -> Self {
        NonInviteClientTransaction {
            timing,
            reliability,
            state: State::Trying {
                timer_e: Backoff::start(timing.t1, reliability, now),
                timer_f: now + timing.sixty_four_t1(),
            },
            request: request.clone(),
            out: VecDeque::from([request]),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// A matching response arrived. True where the user gets it.
    pub fn handle_response(&mut self, status: u16, now: Time) -> bool {
        match (self.state, status) {
            (State::Trying { timer_e, timer_f }, 0..=199) => {
                self.state = State::Proceeding { timer_e, timer_f };
                true
            }
            (State::Proceeding { .. }, 0..=199) => true,
            (State::Trying { .. } | State::Proceeding { .. }, 200..) => {
                self.request = Vec::new();
                let timer_k = self.reliability.absorbing(self.timing.t4);
                self.state = if timer_k.is_zero() {
                    State::Terminated(Cause::Finished)
                } else {
                    State::Completed { timer_k: now + timer_k }
                };
                true
            }
            (State::Completed { .. } | State::Terminated(_), _) => false,
        }
    }

    /// The transport could not deliver the request.
    pub fn handle_transport_error(&mut self) {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                self.state = State::Terminated(Cause::Transport);
            }
            State::Completed { .. } | State::Terminated(_) => {}
        }
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Trying { timer_e, timer_f } | State::Proceeding { timer_e, timer_f } => {
                earlier(timer_e.map(|timer| timer.at), timer_f)
            }
            State::Completed { timer_k } => Some(timer_k),
            State::Terminated(_) => None,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::Trying { timer_f, .. } | State::Proceeding { timer_f, .. } if timer_f <= now => {
                self.state = State::Terminated(Cause::Timeout);
            }
            State::Trying { timer_e: Some(timer), timer_f } if timer.at <= now => {
                self.out.push_back(self.request.clone());
                self.state = State::Trying { timer_e: Some(timer.next(self.timing.t2)), timer_f };
            }
            State::Proceeding { timer_e: Some(timer), timer_f } if timer.at <= now => {
                self.out.push_back(self.request.clone());
                let timer_e = Some(timer.every(self.timing.t2));
                self.state = State::Proceeding { timer_e, timer_f };
            }
            State::Completed { timer_k } if timer_k <= now => {
                self.state = State::Terminated(Cause::Finished);
            }
            State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated(_) => {}
        }
    }

    /// The next request to put on the wire.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }
}
