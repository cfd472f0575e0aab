//! What happens in a call: everything is decided by its kind and number.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use offhook_call_control::{
    AnswerPolicy, CallSettings, Command, CommandId, EndCause, Limits, Role, StartedBy,
};
use offhook_call_media::{JitterPreference, LineCodec, MediaSource, TurnPolicy};
use offhook_conversation::Bot;
use offhook_sip_proto::sdp::Codec;
use offhook_testkit::LineQuality;
use offhook_time::{Randomness, Seed, WallClock};

use crate::Kind;
use crate::clips::Clips;
use crate::network::{NetworkPlan, our_rtp, our_sip, their_sip};
use crate::plan::{
    Act, ApplicationPlan, OfferKind, PhonePlan, RecognizerPlan, ReferPlan, SynthesizerPlan, ToolPlan,
};

mod card;
mod draw;
mod kinds;

pub use card::CARD;
use draw::Draw;

/// One call that can be played.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub kind: Kind,
    /// Which one of its kind.
    pub number: u64,
    pub(crate) seed: Seed,
    pub(crate) network: NetworkPlan,
    /// The drivers wake on this tick; `None` wakes for everything at once.
    pub(crate) tick: Option<Duration>,
    /// Our side does nothing from each of these moments on for so long; counted from the call's beginning.
    pub(crate) standstills: Vec<(Duration, Duration)>,
    pub(crate) settings: CallSettings,
    pub(crate) source: MediaSource,
    pub(crate) jitter: JitterPreference,
    pub(crate) recognizer: RecognizerPlan,
    pub(crate) synthesizer: SynthesizerPlan,
    pub(crate) tool: ToolPlan,
    pub(crate) application: ApplicationPlan,
    /// Counted from the call's beginning.
    pub(crate) commands: Vec<(Duration, CommandId, Command)>,
    pub(crate) phone: PhonePlan,
    /// The causes that may stand in the record.
    pub(crate) causes: Vec<EndCause>,
}

/// What a caller does in the middle of a prompt.
#[derive(Clone, Debug)]
pub enum Sound {
    /// Says something; the text is what a recognizer makes of it, empty where it makes nothing of it.
    Speech(String),
    /// Coughs.
    Cough,
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Scenario {
    /// The `number`th call of a kind.
    pub fn new(kind: Kind, number: u64) -> Scenario {
        if kind == Kind::BargeIn && number % 4 == 3 {
            let words = ["speech", "recognized", "digits", "none"];
            let sounds = [Sound::Speech(String::new()), Sound::Speech("tea".to_owned()), Sound::Cough];
            let (word, sound) = (words[(number / 4) as usize % 4], &sounds[(number / 16) as usize % 3]);
            return Scenario::interruption(number, word, sound);
        }
        let mut seed = [0; 32];
        seed[0] = kind as u8;
        seed[8..16].copy_from_slice(&number.to_le_bytes());
        let mut draw = Draw(Randomness::new(Seed(seed)));
        let mut scenario = Scenario::plain(kind, number, &mut draw);
        match kind {
            Kind::Echo => scenario.echo(&mut draw),
            Kind::Bridge => scenario.bridge(&mut draw),
            Kind::Voice => scenario.voice(&mut draw),
            Kind::Keys => scenario.keys(&mut draw),
            Kind::BargeIn => scenario.barge_in(&mut draw),
            Kind::TransferSucceeds => scenario.transfer_succeeds(&mut draw),
            Kind::TransferFails => scenario.transfer_fails(&mut draw),
            Kind::HangUp => scenario.hang_up(&mut draw),
            Kind::Signalling => scenario.signalling(&mut draw),
            Kind::Hold => scenario.hold(&mut draw),
            Kind::EngineFailures => scenario.engine_failures(&mut draw),
            Kind::Commands => scenario.commands(&mut draw),
            Kind::Outbound => scenario.outbound(&mut draw),
            Kind::Limits => scenario.limits(&mut draw),
            Kind::ClockJumps => scenario.clock_jumps(&mut draw),
        }
        scenario
    }

    /// A bot that asks a question of three seconds, and a caller who makes a sound in its middle, presses nothing and
    /// waits. `barge_in` is written as in a bot file.
    pub fn interruption(number: u64, barge_in: &str, sound: &Sound) -> Scenario {
        let mut draw = Draw(Randomness::new(Seed::from_number(number)));
        let mut scenario = Scenario::plain(Kind::BargeIn, number, &mut draw);
        let yaml = format!(
            "bot: question\nstart: ask\nturn: {{ barge_in: {barge_in} }}\nintents: {{ tea: [tea] }}\n\
            no_match: [{{ say: Pardon., repeat: true }}, {{ say: Goodbye., hang_up: true }}]\n\
            no_input: [{{ say: Hello., repeat: true }}, {{ say: Goodbye., hang_up: true }}]\nstates:\n  \
            ask: {{ say: \"{}\", listen: {{ intents: {{ tea: bye }}, keys: {{ \"1\": bye }} }} }}\n  \
            bye: {{ say: Bye., hang_up: true }}\n",
            "Would you like tea? ".repeat(8)
        );
        #[allow(clippy::expect_used, reason = "a test that writes no barge-in cannot be played")]
        let bot = Bot::parse(&yaml, "question.yaml").expect("a word for barge-in");
        scenario.settings.role = Role::Bot(Arc::new(bot));
        scenario.settings.bot_name = "question".to_owned();
        scenario.network.rtp = LineQuality { delay: ms(10), ..LineQuality::default() };
        scenario.network.sip = scenario.network.rtp;
        scenario.synthesizer.letter_ms = 25;
        scenario.act([Act::AwaitVoice { heard: ms(600 + draw.below(600)), longest: ms(5_000) }]);
        match sound {
            Sound::Speech(text) => {
                let act = draw.speech(text);
                scenario.act([act]);
            }
            Sound::Cough => {
                let clip = draw.below(Clips::get().coughs.len() as u64) as usize;
                scenario.act([Act::Cough { clip }]);
            }
        }
        scenario.phone.patience = ms(11_000);
        scenario.causes.push(EndCause::BotHungUp);
        scenario
    }

    /// An inbound call to the echo bot over a line of any quality.
    fn plain(kind: Kind, number: u64, draw: &mut Draw) -> Scenario {
        let loss = draw.pick(&[0.0, 0.0, 0.01, 0.03, 0.08]);
        let rtp = LineQuality {
            delay: ms(draw.below(60)),
            jitter: ms(draw.pick(&[0, 0, 5, 20, 40])),
            loss,
            duplicates: draw.pick(&[0.0, 0.0, 0.02, 0.1]),
            reordered: draw.pick(&[0.0, 0.0, 0.02]),
            reordered_by: ms(25),
        };
        let sip = LineQuality { loss: draw.pick(&[0.0, 0.0, 0.05, 0.1]), jitter: ms(draw.below(30)), ..rtp };
        let learn = draw.chance(0.3);
        let signalling = their_sip().ip();
        let mut targets = BTreeMap::new();
        targets.insert("agents".to_owned(), "sip:agents@127.0.0.3:5070".to_owned());
        let codecs = draw.pick(&[[Codec::pcmu(), Codec::pcma()], [Codec::pcma(), Codec::pcmu()]]).to_vec();
        Scenario {
            kind,
            number,
            seed: Seed(draw.0.fork().0),
            network: NetworkPlan { sip, rtp, lost_acks: 0, rubbish: draw.pick(&[0.0, 0.0, 0.01]) },
            tick: draw.pick(&[None, Some(ms(1)), Some(ms(2))]),
            standstills: Vec::new(),
            settings: CallSettings {
                call_id: format!("{}-{number}", kind.name()),
                seed: draw.0.fork(),
                wall: WallClock { unix_ms_at_zero: 1_795_000_000_000, utc_offset_seconds: 3_600 },
                role: Role::Echo,
                bot_name: "echo".to_owned(),
                started_by: StartedBy::Invite,
                answer: AnswerPolicy::Immediately,
                local_rtp: our_rtp(),
                local_contact: our_sip(),
                codecs: draw
                    .pick(&[[LineCodec::Pcmu, LineCodec::Pcma], [LineCodec::Pcma, LineCodec::Pcmu]])
                    .to_vec(),
                ptime_ms: 20,
                turn_policy: TurnPolicy::default(),
                limits: Limits::default(),
                outbound: Default::default(),
                trunk: None,
                transfer_targets: targets,
                bot_config: BTreeMap::new(),
                has_recognizer: true,
                user_agent: "offhook".to_owned(),
            },
            source: if learn { MediaSource::Learn { signalling } } else { MediaSource::Sdp },
            jitter: draw.pick(&[JitterPreference::Delay, JitterPreference::Loss]),
            recognizer: RecognizerPlan {
                present: true,
                fastest: ms(20),
                slowest: ms(draw.pick(&[40, 200, 600])),
                fails: 0.0,
                silent: 0.0,
            },
            synthesizer: SynthesizerPlan {
                rate: draw.pick(&[8_000, 16_000, 16_000, 22_050]),
                first_audio: ms(20 + draw.below(200)),
                letter_ms: 5 + draw.below(7),
                fails: 0.0,
                breaks: 0.0,
                silent: 0.0,
            },
            tool: ToolPlan::Answer(200),
            application: ApplicationPlan::default(),
            commands: Vec::new(),
            phone: PhonePlan {
                offer: OfferKind::Usual,
                codecs,
                ptime_ms: draw.pick(&[20, 20, 20, 20, 30, 10, 60]),
                behind_nat: learn && draw.chance(0.5),
                wraps: number % 4 == 1,
                acts: Vec::new(),
                hangs_up_at: None,
                refers: vec![ReferPlan::Report(200)],
                callee: None,
                patience: ms(2_500),
            },
            causes: vec![EndCause::CallerHungUp],
        }
    }

    /// Whether every SIP message arrives.
    pub(crate) fn is_reliable(&self) -> bool {
        self.network.sip.loss == 0.0 && self.network.lost_acks == 0
    }
}

pub(crate) fn foreign() -> Codec {
    Codec::new("G729", 8_000, 18, None)
}
