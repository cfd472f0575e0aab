//! The INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1).

use std::collections::VecDeque;

use offhook_time::Time;

use super::timing::earlier;
use super::{Backoff, Cause, Reliability, Timing};

/// Where an INVITE server transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The user has not given a final response. The 100 leaves at `trying` unless the user answers first.
    Proceeding {
        /// When the automatic 100 is due; `None` once anything was sent.
        trying: Option<Time>,
    },
    /// A 2xx was sent. The dialog retransmits it; we only absorb INVITEs until timer L.
    Accepted {
        /// 64·T1 on every transport.
        timer_l: Time,
    },
    /// A 3xx-6xx was sent and is retransmitted on timer G until the ACK or timer H.
    Completed {
        /// `None` on a reliable transport.
        timer_g: Option<Backoff>,
        /// 64·T1 on every transport.
        timer_h: Time,
    },
    /// The ACK arrived; timer I absorbs its retransmissions.
    Confirmed {
        /// T4 on an unreliable transport.
        timer_i: Time,
    },
    /// It is over and can be dropped.
    Terminated(Cause),
}

/// Answers one INVITE, repeats the answer when the INVITE is repeated, and waits for the ACK to a 3xx-6xx.
#[derive(Debug)]
pub struct InviteServerTransaction {
    timing: Timing,
    reliability: Reliability,
    state: State,
    /// The latest response, repeated when the INVITE is.
    latest: Vec<u8>,
    sent: bool,
    out: VecDeque<Vec<u8>>,
}

impl InviteServerTransaction {
    /// Begins with the arrival of the INVITE; `trying` is the 100 to send if the user is slow.
    pub fn new(trying: Vec<u8>, timing: Timing, reliability: Reliability, now: Time) -> Self {
        let mut transaction = InviteServerTransaction {
            timing,
            reliability,
            state: State::Proceeding { trying: Some(now + timing.trying_after) },
            latest: trying,
            sent: false,
            out: VecDeque::new(),
        };
        if timing.trying_after.is_zero() {
            transaction.send_trying();
        }
        transaction
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Sends `response`, whose status is `status`. Does nothing once a final response was given: the first one stands.
    pub fn respond(&mut self, status: u16, response: Vec<u8>, now: Time) {
        let State::Proceeding { .. } = self.state else { return };
        self.state = match status {
            0..=199 => State::Proceeding { trying: None },
            200..=299 => State::Accepted { timer_l: now + self.timing.sixty_four_t1() },
            300.. => State::Completed {
                timer_g: Backoff::start(self.timing.t1, self.reliability, now),
                timer_h: now + self.timing.sixty_four_t1(),
            },
        };
        self.out.push_back(response.clone());
        self.sent = true;
        // In Accepted the dialog owns the 2xx: nothing is repeated from here.
        self.latest = if let State::Accepted { .. } = self.state { Vec::new() } else { response };
    }

    /// The INVITE came again: the latest response goes out again, unless it was a 2xx or nothing was sent yet.
    pub fn handle_retransmission(&mut self) {
        match self.state {
            State::Proceeding { .. } if !self.sent => self.send_trying(),
            State::Proceeding { .. } | State::Completed { .. } => self.out.push_back(self.latest.clone()),
            State::Accepted { .. } | State::Confirmed { .. } | State::Terminated(_) => {}
        }
    }

    /// An ACK with the INVITE's branch arrived. True where it is absorbed here; false where the user gets it
    /// (RFC 6026 §7.1: in Accepted).
    pub fn handle_ack(&mut self, now: Time) -> bool {
        match self.state {
            State::Completed { .. } => {
                let timer_i = self.reliability.absorbing(self.timing.t4);
                self.state = if timer_i.is_zero() {
                    State::Terminated(Cause::Finished)
                } else {
                    State::Confirmed { timer_i: now + timer_i }
                };
                self.latest = Vec::new();
                true
            }
            State::Accepted { .. } => false,
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated(_) => true,
        }
    }

    /// The transport could not deliver a response. A 2xx is the dialog's to repeat, so Accepted stays.
    pub fn handle_transport_error(&mut self) {
        match self.state {
            State::Proceeding { .. } | State::Completed { .. } | State::Confirmed { .. } => {
                self.state = State::Terminated(Cause::Transport);
            }
            State::Accepted { .. } | State::Terminated(_) => {}
        }
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Proceeding { trying } => trying,
            State::Accepted { timer_l } => Some(timer_l),
            State::Completed { timer_g, timer_h } => earlier(timer_g.map(|timer| timer.at), timer_h),
            State::Confirmed { timer_i } => Some(timer_i),
            State::Terminated(_) => None,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::Proceeding { trying: Some(at) } if at <= now => self.send_trying(),
            State::Accepted { timer_l: at } | State::Confirmed { timer_i: at } if at <= now => {
                self.state = State::Terminated(Cause::Finished);
            }
            State::Completed { timer_h, .. } if timer_h <= now => {
                self.state = State::Terminated(Cause::AckTimeout);
            }
            State::Completed { timer_g: Some(timer), timer_h } if timer.at <= now => {
                self.out.push_back(self.latest.clone());
                self.state = State::Completed { timer_g: Some(timer.next(self.timing.t2)), timer_h };
            }
            State::Proceeding { .. }
            | State::Accepted { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Terminated(_) => {}
        }
    }

    /// The next response to put on the wire.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    fn send_trying(&mut self) {
        self.state = State::Proceeding { trying: None };
        self.out.push_back(self.latest.clone());
        self.sent = true;
    }
}
