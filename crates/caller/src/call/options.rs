//! What one call shall be.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::call::playback::Playback;
use crate::g711::Law;
use crate::impair::Impairment;

/// One call. `CallOptions::to(uri)` gives the defaults; the rest is set by field.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// Whom to call: `sip:USER@HOST[:PORT]`, IPv6 hosts in brackets.
    pub uri: String,
    /// What carries SIP.
    pub transport: Transport,
    /// A WAV whose utterances are separated by at least one second of digital silence; each is played after the
    /// far side has talked and then been quiet. Without audio and script the caller only listens.
    pub audio: Option<PathBuf>,
    /// A script file (see [`crate::script`]); wins over `audio`. Its WAVs are looked up beside it.
    pub script: Option<PathBuf>,
    /// Packets to send at their own times from the answer on; wins over `script` and `audio`.
    pub playback: Option<Arc<Playback>>,
    /// The codecs we offer, best first.
    pub codecs: Vec<Law>,
    /// The folder for `both.wav` (left: we, right: they), `caller.wav`, `far.wav`; created where missing.
    pub record_to: Option<PathBuf>,
    /// When we hang up whatever happens, from the answer on.
    pub max_duration: Duration,
    /// How long we let it ring.
    pub ring_time: Duration,
    /// The user part of our From and Contact.
    pub from_user: String,
    /// The display name of our From.
    pub display_name: Option<String>,
    /// Further headers of the INVITE, in this order.
    pub extra_headers: Vec<(String, String)>,
    /// What we do when they want to transfer us.
    pub on_refer: OnRefer,
    /// Our own address; by default the one the system routes from.
    pub bind: Option<IpAddr>,
    /// What happens to our packets on their way.
    pub impairment: Option<Impairment>,
    /// Decides tags, branches and Call-ID as well as the impairment; `None` takes it from the clock.
    pub seed: Option<u64>,
    /// Real-time priority for the thread that paces RTP, where the system allows it.
    pub realtime: bool,
    /// How long they must be quiet before we take our turn.
    pub quiet_after: Duration,
    /// How long we wait for a greeting before we speak first.
    pub greeting_patience: Duration,
    /// How long we wait for an answer before we go on without one.
    pub answer_patience: Duration,
    /// How long we stay after the last answer, for a bot that still has something to say or hangs up itself.
    pub linger: Duration,
}

impl CallOptions {
    /// A call to `uri` with everything else at its default.
    pub fn to(uri: impl Into<String>) -> Self {
        CallOptions {
            uri: uri.into(),
            transport: Transport::Udp,
            audio: None,
            script: None,
            playback: None,
            codecs: vec![Law::Mu, Law::A],
            record_to: None,
            max_duration: Duration::from_secs(300),
            ring_time: Duration::from_secs(60),
            from_user: "caller".to_owned(),
            display_name: None,
            extra_headers: Vec::new(),
            on_refer: OnRefer::Follow,
            bind: None,
            impairment: None,
            seed: None,
            realtime: true,
            quiet_after: Duration::from_millis(900),
            greeting_patience: Duration::from_secs(3),
            answer_patience: Duration::from_secs(12),
            linger: Duration::from_secs(4),
        }
    }
}

/// What carries SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams, with the retransmissions of RFC 3261 §17.
    Udp,
    /// One connection that we open.
    Tcp,
}

/// What we do with a REFER (RFC 3515).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRefer {
    /// 202, call the target, and tell how it went by NOTIFY.
    Follow,
    /// Answer with this final status.
    Decline(u16),
    /// 202 and then nothing, as some telephones do.
    Ignore,
}

/// Raised from outside (a signal handler, a test) to hang up.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the call or the bench to end properly.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
