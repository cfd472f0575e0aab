//! What a call was run with, complete: both halves can be made of it again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use offhook_call_control::{
    AnswerPolicy, BridgeSettings, CallSettings, Limits, OutboundPolicy, Role, StartedBy,
};
use offhook_call_media::{LineCodec, MediaSettings, TurnPolicy};
use offhook_conversation::{Bot, BotErrors};
use offhook_journal::bundle::{Meta, VERSION};
use offhook_time::{Seed, Time, WallClock};
use serde::{Deserialize, Serialize};

/// The head that this build writes. Later ones are refused.
pub const HEAD_VERSION: u32 = 2;

/// Its name in [`Meta::more`].
const KEY: &str = "head";

/// Everything that the halves of a call are made of, without a file beside it: the bot's text stands in it.
///
/// Values of the bot's configuration (`config:` in bot files) are part of it, because prompts and tools depend on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallHead {
    /// [`HEAD_VERSION`].
    pub version: u32,
    /// When the media half was made, on the clock of the call.
    pub opened_at: Time,
    /// What the control half was made of.
    pub control: ControlHead,
    /// What the media half was made of.
    pub media: MediaSettings,
}

/// [`CallSettings`] as they are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControlHead {
    /// [`CallSettings::call_id`].
    pub call_id: String,
    /// [`CallSettings::seed`].
    pub seed: Seed,
    /// [`CallSettings::wall`].
    pub wall: WallClock,
    /// [`CallSettings::role`].
    pub role: RoleHead,
    /// [`CallSettings::bot_name`].
    pub bot_name: String,
    /// [`CallSettings::started_by`].
    pub started_by: StartedBy,
    /// [`CallSettings::answer`].
    pub answer: AnswerPolicy,
    /// [`CallSettings::local_rtp`].
    pub local_rtp: SocketAddr,
    /// [`CallSettings::local_contact`].
    pub local_contact: SocketAddr,
    /// [`CallSettings::codecs`].
    pub codecs: Vec<LineCodec>,
    /// [`CallSettings::ptime_ms`].
    pub ptime_ms: u8,
    /// [`CallSettings::turn_policy`].
    pub turn_policy: TurnPolicy,
    /// [`CallSettings::limits`].
    pub limits: Limits,
    /// [`CallSettings::outbound`].
    pub outbound: OutboundPolicy,
    /// [`CallSettings::trunk`].
    pub trunk: Option<String>,
    /// [`CallSettings::transfer_targets`].
    pub transfer_targets: BTreeMap<String, String>,
    /// [`CallSettings::bot_config`].
    pub bot_config: BTreeMap<String, String>,
    /// [`CallSettings::has_recognizer`].
    pub has_recognizer: bool,
    /// [`CallSettings::user_agent`].
    pub user_agent: String,
}

/// [`Role`] as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleHead {
    /// [`Role::Echo`].
    Echo,
    /// [`Role::Bridge`].
    Bridge(BridgeSettings),
    /// [`Role::Bot`].
    Bot {
        /// The name of its file.
        file_name: String,
        /// Its text, whole.
        yaml: String,
    },
}

/// Where a bundle comes from: what its [`Meta`] says beside the head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Hash of the server's configuration; empty where there is none.
    pub configuration_hash: String,
    /// The build that handled the call.
    pub build: String,
    /// The machine, as far as results may depend on it.
    pub cpu_class: String,
    /// The operating system.
    pub os: String,
    /// The name of the configured zone.
    pub zone: String,
}

/// Why a bundle does not say what its call was run with.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// No head at all.
    #[error("the bundle does not say what the call was run with: it can be shown, not replayed")]
    Absent,
    /// Written by a later build.
    #[error(
        "the call was recorded by a later offhook (head version {0}, this build knows {HEAD_VERSION}): replay it with that one"
    )]
    Newer(u64),
    /// Written by an earlier build, whose inputs and outputs were encoded otherwise.
    #[error(
        "the call was recorded by an earlier offhook (head version {0}, this build knows {HEAD_VERSION}): it can be shown and heard here, and replayed with that build"
    )]
    Older(u64),
    /// Something is missing from it, or cannot be read.
    #[error("what the call was run with cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The bot that took the call is no bot to this build.
    #[error("the bot in the bundle is not accepted by this build: {0}")]
    Bot(#[from] BotErrors),
}

impl CallHead {
    /// The head of a call: take it before the halves take their settings.
    pub fn new(settings: &CallSettings, media: &MediaSettings, opened_at: Time) -> CallHead {
        // Named one by one: a setting that is added and not kept must not compile.
        let CallSettings {
            call_id,
            seed,
            wall,
            role,
            bot_name,
            started_by,
            answer,
            local_rtp,
            local_contact,
            codecs,
            ptime_ms,
            turn_policy,
            limits,
            outbound,
            trunk,
            transfer_targets,
            bot_config,
            has_recognizer,
            user_agent,
        } = settings.clone();
        let role = match role {
            Role::Echo => RoleHead::Echo,
            Role::Bridge(bridge) => RoleHead::Bridge(bridge),
            Role::Bot(bot) => RoleHead::bot(&bot),
        };
        let outbound = OutboundPolicy::clone(&outbound);
        let control = ControlHead {
            call_id,
            seed,
            wall,
            role,
            bot_name,
            started_by,
            answer,
            local_rtp,
            local_contact,
            codecs,
            ptime_ms,
            turn_policy,
            limits,
            outbound,
            trunk,
            transfer_targets,
            bot_config,
            has_recognizer,
            user_agent,
        };
        CallHead { version: HEAD_VERSION, opened_at, control, media: media.clone() }
    }

    /// What the control half is made of.
    ///
    /// # Errors
    /// The bot in the head is not accepted by this build.
    pub fn settings(&self) -> Result<CallSettings, BotErrors> {
        let ControlHead {
            call_id,
            seed,
            wall,
            role,
            bot_name,
            started_by,
            answer,
            local_rtp,
            local_contact,
            codecs,
            ptime_ms,
            turn_policy,
            limits,
            outbound,
            trunk,
            transfer_targets,
            bot_config,
            has_recognizer,
            user_agent,
        } = self.control.clone();
        let role = match role {
            RoleHead::Echo => Role::Echo,
            RoleHead::Bridge(bridge) => Role::Bridge(bridge),
            RoleHead::Bot { file_name, yaml } => Role::Bot(Arc::new(Bot::parse(&yaml, &file_name)?)),
        };
        Ok(CallSettings {
            call_id,
            seed,
            wall,
            role,
            bot_name,
            started_by,
            answer,
            local_rtp,
            local_contact,
            codecs,
            ptime_ms,
            turn_policy,
            limits,
            outbound: Arc::new(outbound),
            trunk,
            transfer_targets,
            bot_config,
            has_recognizer,
            user_agent,
        })
    }

    /// The first block of the call's bundle.
    ///
    /// # Errors
    /// Something in the settings has no JSON form.
    pub fn to_meta(&self, origin: Origin) -> Result<Meta, serde_json::Error> {
        let Origin { configuration_hash, build, cpu_class, os, zone } = origin;
        let ControlHead { call_id, seed, wall, role, .. } = &self.control;
        let mut more = BTreeMap::new();
        more.insert(KEY.to_owned(), serde_json::to_value(self)?);
        Ok(Meta {
            version: VERSION,
            call: call_id.clone(),
            seed: seed.0.iter().map(|byte| format!("{byte:02x}")).collect(),
            configuration_hash,
            bot_hash: role.hash(),
            build,
            cpu_class,
            os,
            unix_ns_at_zero: wall.unix_ms_at_zero.saturating_mul(1_000_000),
            utc_offset_seconds: wall.utc_offset_seconds,
            zone,
            more,
        })
    }

    /// The head out of a bundle's first block.
    ///
    /// # Errors
    /// There is none, it is of a later version, or something in it is missing.
    pub fn from_meta(meta: &Meta) -> Result<CallHead, HeadError> {
        let head = meta.more.get(KEY).ok_or(HeadError::Absent)?;
        // A later version may have other fields, so its number is looked at alone first.
        match head.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version > u64::from(HEAD_VERSION) => Err(HeadError::Newer(version)),
            Some(version) if version < u64::from(HEAD_VERSION) => Err(HeadError::Older(version)),
            Some(_) | None => Ok(CallHead::deserialize(head)?),
        }
    }
}

impl RoleHead {
    /// A bot as it is kept.
    pub fn bot(bot: &Bot) -> RoleHead {
        RoleHead::Bot { file_name: bot.file_name().to_owned(), yaml: bot.source().to_owned() }
    }

    fn hash(&self) -> String {
        match self {
            RoleHead::Echo | RoleHead::Bridge(_) => String::new(),
            RoleHead::Bot { yaml, .. } => Bot::version_of(yaml),
        }
    }
}

#[cfg(test)]
mod tests {
    use offhook_call_control::media_settings;
    use offhook_call_media::{JitterPreference, MediaSource};

    use super::*;

    const YAML: &str = "bot: hello\nstart: greet\nstates:\n  greet: { say: Hello., hang_up: true }\n";

    fn settings(role: Role) -> CallSettings {
        CallSettings {
            call_id: "one".to_owned(),
            seed: Seed::from_number(7),
            wall: WallClock { unix_ms_at_zero: 1_795_000_000_123, utc_offset_seconds: 28_800 },
            role,
            bot_name: "hello".to_owned(),
            started_by: StartedBy::Api { target: "sip:a@127.0.0.1".to_owned(), caller: "b".to_owned() },
            answer: AnswerPolicy::WaitForApi,
            local_rtp: ([127, 0, 0, 1], 20_000).into(),
            local_contact: ([127, 0, 0, 1], 5060).into(),
            codecs: vec![LineCodec::Pcma, LineCodec::Pcmu],
            ptime_ms: 20,
            turn_policy: TurnPolicy::default(),
            limits: Limits::default(),
            outbound: Arc::default(),
            trunk: Some("carrier".to_owned()),
            transfer_targets: [("agents".to_owned(), "sip:agents@127.0.0.3".to_owned())].into(),
            bot_config: [("order_service".to_owned(), "http://127.0.0.1:8090".to_owned())].into(),
            has_recognizer: true,
            user_agent: "offhook".to_owned(),
        }
    }

    fn head(role: Role) -> CallHead {
        let settings = settings(role);
        let source = MediaSource::Learn { signalling: [127, 0, 0, 1].into() };
        let media = media_settings(&settings, source, JitterPreference::Loss);
        CallHead::new(&settings, &media, Time::from_millis(5))
    }

    fn meta(role: Role) -> Meta {
        head(role).to_meta(Origin { build: "test".to_owned(), ..Origin::default() }).unwrap()
    }

    fn bot() -> Role {
        Role::Bot(Arc::new(Bot::parse(YAML, "hello.yaml").unwrap()))
    }

    #[test]
    fn a_head_comes_back_out_of_the_json_of_its_meta() {
        let bridge = Role::Bridge(BridgeSettings { sample_rate: 8_000, raw: true });
        for role in [Role::Echo, bridge, bot()] {
            let json = serde_json::to_vec(&meta(role.clone())).unwrap();

            let back = CallHead::from_meta(&serde_json::from_slice(&json).unwrap()).unwrap();

            let head = head(role);
            assert_eq!(back, head);
            // The settings made of it are kept as the same head again.
            let settings = back.settings().unwrap();
            assert_eq!(CallHead::new(&settings, &back.media, back.opened_at), head);
        }
    }

    #[test]
    fn the_meta_tells_the_bot_by_its_hash_and_the_wall_clock() {
        let meta = meta(bot());

        assert_eq!(meta.bot_hash, Bot::parse(YAML, "").unwrap().version());
        assert_eq!(meta.unix_ns_at_zero, 1_795_000_000_123_000_000);
        assert_eq!(meta.seed.len(), 64);
    }

    #[test]
    fn a_later_head_is_named_and_so_is_what_a_head_lacks() {
        let mut later = meta(Role::Echo);
        later.more.get_mut(KEY).unwrap()["version"] = (HEAD_VERSION + 1).into();
        let mut earlier = meta(Role::Echo);
        earlier.more.get_mut(KEY).unwrap()["version"] = 1.into();
        let mut lacking = meta(Role::Echo);
        lacking.more.get_mut(KEY).unwrap()["control"].as_object_mut().unwrap().remove("limits");
        let mut absent = meta(Role::Echo);
        absent.more.clear();

        let told =
            [later, lacking, absent, earlier].map(|meta| CallHead::from_meta(&meta).unwrap_err().to_string());

        assert!(told[0].contains("by a later offhook"), "{}", told[0]);
        assert!(told[3].contains("by an earlier offhook (head version 1"), "{}", told[3]);
        assert!(told[1].contains("missing field `limits`"), "{}", told[1]);
        assert!(told[2].contains("can be shown, not replayed"), "{}", told[2]);
    }
}
