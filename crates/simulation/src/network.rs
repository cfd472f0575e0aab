//! The network between the telephone and us.

use std::net::SocketAddr;

use offhook_testkit::{Line, LineQuality};
use offhook_time::{Randomness, Time};

/// Where we take SIP.
pub(crate) fn our_sip() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5060))
}

/// Where we take RTP; RTCP on the next port.
pub(crate) fn our_rtp() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 20_000))
}

/// Where the telephone takes SIP.
pub(crate) fn their_sip() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 2], 5080))
}

/// Where the telephone takes RTP.
pub(crate) fn their_rtp() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 2], 30_000))
}

/// What the network does to a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NetworkPlan {
    pub sip: LineQuality,
    pub rtp: LineQuality,
    /// The first ACKs of the telephone are lost.
    pub lost_acks: u32,
    /// Share of datagrams from the telephone's side that are followed by rubbish.
    pub rubbish: f64,
}

/// Both directions of both protocols.
#[derive(Debug)]
pub(crate) struct Network {
    plan: NetworkPlan,
    randomness: Randomness,
    pub sip_up: Line,
    pub sip_down: Line,
    pub rtp_up: Line,
    pub rtp_down: Line,
}

impl Network {
    pub fn new(plan: NetworkPlan, randomness: &mut Randomness) -> Self {
        let mut line = |quality| Line::new(quality, randomness.next_u64());
        Network {
            plan,
            sip_up: line(plan.sip),
            sip_down: line(plan.sip),
            rtp_up: line(plan.rtp),
            rtp_down: line(plan.rtp),
            randomness: Randomness::new(randomness.fork()),
        }
    }

    /// A SIP datagram of the telephone.
    pub fn send_sip_up(&mut self, datagram: &[u8], now: Time) {
        if self.plan.lost_acks > 0 && datagram.starts_with(b"ACK ") {
            self.plan.lost_acks -= 1;
            return;
        }
        self.sip_up.send(datagram, now);
        if self.randomness.unit() < self.plan.rubbish {
            let rubbish = self.rubbish();
            self.sip_up.send(&rubbish, now);
        }
    }

    /// An RTP datagram of the telephone.
    pub fn send_rtp_up(&mut self, datagram: &[u8], now: Time) {
        self.rtp_up.send(datagram, now);
        if self.randomness.unit() < self.plan.rubbish {
            let rubbish = self.rubbish();
            self.rtp_up.send(&rubbish, now);
        }
    }

    fn rubbish(&mut self) -> Vec<u8> {
        (0..40).map(|_| self.randomness.next_u32() as u8).collect()
    }
}
