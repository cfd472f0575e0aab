//! The non-INVITE server transaction (RFC 3261 §17.2.2).

use std::collections::VecDeque;

use offhook_time::Time;

use super::{Cause, Reliability, Timing};

/// Where a non-INVITE server transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The user has the request and has said nothing.
    Trying {
        /// 64·T1: the other side gave up by now, and RFC 4320 §4.2 forbids to answer so late.
        until: Time,
    },
    /// A provisional response was sent.
    Proceeding {
        /// As in [`State::Trying`].
        until: Time,
    },
    /// A final response was sent; timer J absorbs repeated requests.
    Completed {
        /// 64·T1 on an unreliable transport.
        timer_j: Time,
    },
    /// It is over and can be dropped.
    Terminated(Cause),
}

/// Answers one request that is neither INVITE nor ACK, and repeats the answer when the request is repeated.
#[derive(Debug)]
pub struct NonInviteServerTransaction {
    timing: Timing,
    reliability: Reliability,
    state: State,
    latest: Vec<u8>,
    out: VecDeque<Vec<u8>>,
}

impl NonInviteServerTransaction {
    /// Begins with the arrival of the request.
    pub fn new(timing: Timing, reliability: Reliability, now: Time) -> Self {
        NonInviteServerTransaction {
            timing,
            reliability,
            state: State::Trying { until: now + timing.sixty_four_t1() },
            latest: Vec::new(),
            out: VecDeque::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Sends `response`, whose status is `status`. Does nothing once a final response was given: the first one stands.
    pub fn respond(&mut self, status: u16, response: Vec<u8>, now: Time) {
        let (State::Trying { until } | State::Proceeding { until }) = self.state else { return };
        let timer_j = self.reliability.absorbing(self.timing.sixty_four_t1());
        self.state = match status {
            0..=199 => State::Proceeding { until },
            200.. if timer_j.is_zero() => State::Terminated(Cause::Finished),
            200.. => State::Completed { timer_j: now + timer_j },
        };
        self.latest = response.clone();
        self.out.push_back(response);
    }

    /// The request came again: the latest response goes out again, if there is one.
    pub fn handle_retransmission(&mut self) {
        match self.state {
            State::Proceeding { .. } | State::Completed { .. } => self.out.push_back(self.latest.clone()),
            State::Trying { .. } | State::Terminated(_) => {}
        }
    }

    /// The transport could not deliver a response.
    pub fn handle_transport_error(&mut self) {
        if !matches!(self.state, State::Terminated(_)) {
            self.state = State::Terminated(Cause::Transport);
        }
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Completed { timer_j } => Some(timer_j),
            State::Trying { until } | State::Proceeding { until } => Some(until),
            State::Terminated(_) => None,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::Trying { until } | State::Proceeding { until } if until <= now => {
                self.state = State::Terminated(Cause::Timeout);
            }
            State::Completed { timer_j } if timer_j <= now => {
                self.state = State::Terminated(Cause::Finished);
            }
            State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated(_) => {}
        }
    }

    /// The next response to put on the wire.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }
}
