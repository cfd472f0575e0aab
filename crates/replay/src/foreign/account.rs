//! What became of every datagram and message.

use std::collections::BTreeMap;

use offhook_journal::{Ending, capture};
use serde::Serialize;

/// Why something that the capture carried whole belongs to no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unused {
    /// SIP that begins no call: OPTIONS, REGISTER, SUBSCRIBE, ...
    SipOutsideCalls,
    /// SIP of a call whose INVITE is not in the capture.
    SipWithoutInvite,
    /// SIP whose end the capture does not have (snap length).
    SipCut,
    /// It begins like SIP and cannot be read.
    SipMalformed,
    /// Line ends that keep a NAT binding open (RFC 5626 §3.5.1).
    KeepAlive,
    /// TCP that is TLS: SIP may be inside, nobody can tell.
    Tls,
    /// TCP that is not SIP.
    OtherTcp,
    /// RTCP: what it says about a stream is measured here from the packets.
    Rtcp,
    /// STUN and TURN.
    Stun,
    /// RTP of video or another kind of media that SDP names.
    OtherMedia,
    /// RTP by its first octets, cut short or broken.
    RtpMalformed,
    /// It could be RTP by its first octets, but there are too few packets or their numbers make no sequence.
    NoStream,
    /// UDP that is none of these.
    OtherUdp,
}

impl Unused {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Unused::SipOutsideCalls => "SIP outside calls (OPTIONS, REGISTER, ...)",
            Unused::SipWithoutInvite => "SIP of calls whose INVITE is not in the capture",
            Unused::SipCut => "SIP cut by the snap length",
            Unused::SipMalformed => "SIP that cannot be read",
            Unused::KeepAlive => "keep-alives",
            Unused::Tls => "TLS",
            Unused::OtherTcp => "TCP that is not SIP",
            Unused::Rtcp => "RTCP",
            Unused::Stun => "STUN",
            Unused::OtherMedia => "RTP of other media than audio",
            Unused::RtpMalformed => "broken RTP",
            Unused::NoStream => "too few or unordered packets to be an RTP stream",
            Unused::OtherUdp => "UDP that is neither SIP nor RTP",
        }
    }
}

/// Counts of one capture. `looked_at` is the sum of what was used and `unused`; what never became a datagram, and why,
/// is in `capture`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// From the frames down to datagrams and TCP data.
    pub capture: capture::Account,
    /// How far the file could be read.
    pub ending: String,
    /// Datagrams, whole messages, messages found in TCP, and pieces of TCP that is not SIP.
    pub looked_at: u64,
    /// SIP messages of calls, repetitions included.
    pub sip_in_calls: u64,
    /// RTP packets of calls that SIP announced.
    pub rtp_in_calls: u64,
    /// RTP packets of streams without SIP.
    pub rtp_without_sip: u64,
    /// The rest, by reason.
    pub unused: BTreeMap<Unused, u64>,
}

impl Account {
    pub(super) fn leave(&mut self, why: Unused, count: u64) {
        if count > 0 {
            *self.unused.entry(why).or_default() += count;
        }
    }

    /// What was used.
    pub fn used(&self) -> u64 {
        self.sip_in_calls + self.rtp_in_calls + self.rtp_without_sip
    }

    /// What was not, for whatever reason.
    pub fn left(&self) -> u64 {
        self.unused.values().sum()
    }
}

pub(super) fn ending_text(ending: Option<Ending>) -> String {
    match ending {
        None | Some(Ending::Complete) => "complete".to_owned(),
        Some(Ending::Cut { at }) => format!("cut in the middle of a packet, at octet {at}"),
        Some(Ending::Damaged { at, why }) => format!("damaged at octet {at}: {why}"),
    }
}
