//! A caller whom others recorded meets a bot of ours, in virtual time.
//!
//! [`meet`] runs the same two halves as a live call, an endpoint of ours and a telephone that speaks SIP and RTP with
//! them, in one thread and without waiting: a captured or recorded caller ([`Caller::Recorded`]) whose packets keep
//! their moments, or one whose words are text ([`Caller::Talks`]). Engines and business systems are
//! [`Surroundings`]: the time of the call stands still while they answer. What comes out is a
//! report and a bundle like any other.

mod caller;
mod ear;
pub(crate) mod floor;
pub(crate) mod mouth;
mod reader;
mod stage;
mod tape;
mod telephone;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use offhook_audio::G711;
use offhook_call_control::{
    AnswerPolicy, CallRecord, CallSettings, Fact, Limits, OutboundPolicy, Role, StartedBy,
};
use offhook_call_media::{JitterPreference, LineCodec, TurnPolicy};
use offhook_conversation::Bot;
use offhook_journal::bundle::WriteError;
use offhook_time::{Seed, Time, WallClock};
use serde::Serialize;

pub use caller::{Caller, law_of, schedule_of_samples};
pub(crate) use ear::Ear;
pub use reader::{OtherWords, Reader};

use crate::Origin;
use crate::surroundings::{Answered, Line, Surroundings};

const OUR_SIP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 5060);
const OUR_RTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 20_000);
const THEIR_SIP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 5080);
const THEIR_RTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 30_000);

/// In the place of what a masked state must not tell.
pub(crate) const MASKED: &str = "(masked)";

/// The clock of a call begins a second before the call does.
pub const BEGINS: Time = Time::from_millis(1_000);

/// What an encounter is made of.
#[derive(Debug)]
pub struct Setup {
    /// What our side is told. The address of [`Setup::new`] belongs to it.
    pub settings: CallSettings,
    /// What the jitter buffer prefers.
    pub jitter: JitterPreference,
    /// What the bundle says of its origin.
    pub origin: Origin,
    /// The codec of the call.
    pub law: G711,
    /// User part of the caller; may be empty.
    pub caller: String,
    /// User part that is called.
    pub called: String,
}

impl Setup {
    /// A call with the defaults of a server without configuration, at `unix_ms`. Named targets without an address get
    /// one of the far end: a transfer there is taken for accepted, and nobody is called.
    pub fn new(call_id: String, seed: Seed, unix_ms: i64, bot: Bot) -> Setup {
        let targets = bot.targets().filter(|(_, uri)| uri.is_none());
        let address = |name: &str| format!("sip:{}@{}", plain(name), THEIR_SIP);
        let transfer_targets = targets.map(|(name, _)| (name.to_owned(), address(name))).collect();
        let called = plain(bot.name());
        let settings = CallSettings {
            call_id,
            seed,
            wall: WallClock { unix_ms_at_zero: unix_ms - BEGINS.as_millis() as i64, utc_offset_seconds: 0 },
            bot_name: bot.name().to_owned(),
            role: Role::Bot(Arc::new(bot)),
            started_by: StartedBy::Invite,
            answer: AnswerPolicy::Immediately,
            local_rtp: OUR_RTP,
            local_contact: OUR_SIP,
            codecs: vec![LineCodec::Pcmu, LineCodec::Pcma],
            ptime_ms: 20,
            turn_policy: TurnPolicy::default(),
            limits: Limits::default(),
            outbound: Arc::new(OutboundPolicy::default()),
            trunk: None,
            transfer_targets,
            bot_config: Default::default(),
            has_recognizer: true,
            user_agent: "offhook".to_owned(),
        };
        Setup {
            settings,
            jitter: JitterPreference::default(),
            origin: Origin::default(),
            law: G711::MuLaw,
            caller: "caller".to_owned(),
            called,
        }
    }
}

/// What came of an encounter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EncounterReport {
    /// The call.
    pub call_id: String,
    /// How long it lasted, in virtual time.
    pub lasted: Duration,
    /// The record of the call.
    pub record: CallRecord,
    /// Its event log.
    pub facts: Vec<Fact>,
    /// What was said and keyed: of a caller whose words are text, those words.
    pub lines: Vec<Line>,
    /// What was asked of engines, systems and the far end, and who answered.
    pub answered: Vec<Answered>,
    /// What is to be known besides.
    pub notes: Vec<String>,
    /// Why it did not come to its end.
    pub stopped: Option<String>,
}

/// An encounter that is over.
#[derive(Debug)]
pub struct Met {
    /// What came of it.
    pub report: EncounterReport,
    /// Its bundle: `offhook replay` runs it again.
    pub bundle: Vec<u8>,
}

/// Lets a caller meet a bot.
///
/// # Errors
/// The bundle cannot be written.
pub fn meet(setup: Setup, caller: Caller<'_>, around: &mut dyn Surroundings) -> Result<Met, WriteError> {
    stage::Stage::new(setup, caller, around)?.run()
}

/// What needs no escaping in the user part of a URI.
fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.+".contains(c) { c } else { '-' };
    let name: String = name.chars().map(keep).collect();
    if name.is_empty() { "bot".to_owned() } else { name }
}
