//! What happens in a call: everything is decided by its kind and number.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use offhook_call_control::{
    AnswerPolicy, BridgeSettings, CallSettings, Command, CommandId, EndCause, Limits, Role, StartedBy,
};
use offhook_call_media::{JitterPreference, LegId, LineCodec, MediaSource, TurnPolicy};
use offhook_conversation::Bot;
use offhook_sip_proto::sdp::{Codec, Direction};
use offhook_testkit::LineQuality;
use offhook_time::{Randomness, Seed, WallClock};

use crate::Kind;
use crate::clips::Clips;
use crate::network::{NetworkPlan, our_rtp, our_sip, their_sip};
use crate::plan::{
    Act, ApplicationAct, ApplicationPlan, CalleePlan, OfferKind, PhonePlan, RecognizerPlan, ReferPlan,
    SynthesizerPlan, ToolPlan,
};

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

fn after_sales() -> Arc<Bot> {
    static BOT: OnceLock<Arc<Bot>> = OnceLock::new();
    let text = include_str!("../../../bots/after-sales.yaml");
    #[allow(
        clippy::expect_used,
        reason = "the bot is committed; without it no call of these kinds can be played"
    )]
    BOT.get_or_init(|| Arc::new(Bot::parse(text, "after-sales.yaml").expect("the sample bot is right")))
        .clone()
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
                acts: Vec::new(),
                hangs_up_at: None,
                refers: vec![ReferPlan::Report(200)],
                callee: None,
                patience: ms(2_500),
            },
            causes: vec![EndCause::CallerHungUp],
        }
    }

    fn after_sales(&mut self) {
        self.settings.role = Role::Bot(after_sales());
        self.settings.bot_name = "after-sales".to_owned();
        // Who is not understood three times is handed to a person.
        self.causes.extend([EndCause::BotHungUp, EndCause::Transferred]);
    }

    fn echo(&mut self, draw: &mut Draw) {
        self.phone.patience = ms(500);
        for _ in 0..2 + draw.below(2) {
            let act = draw.speech("anything");
            self.act([act, Act::Wait(ms(draw.below(900)))]);
        }
        if draw.chance(0.4) {
            self.act([Act::Press(draw.digits(3)), Act::Ping]);
        }
    }

    fn bridge(&mut self, draw: &mut Draw) {
        let sample_rate = draw.pick(&[8_000, 16_000]);
        self.settings.role = Role::Bridge(BridgeSettings { sample_rate, raw: draw.chance(0.5) });
        self.settings.bot_name = "bridge".to_owned();
        self.phone.patience = ms(500);
        self.application = ApplicationPlan {
            connects_after: ms(draw.below(300)),
            refuses: draw.chance(0.05),
            echo_after: ms(1 + draw.below(30)),
            burst: draw.pick(&[0, 0, 60, 200]),
            says: Vec::new(),
        };
        let acts = [
            ApplicationAct::Mark,
            ApplicationAct::Clear,
            ApplicationAct::Dtmf("12#"),
            ApplicationAct::Dtmf("not digits"),
            ApplicationAct::HangUp,
            ApplicationAct::Transfer,
            ApplicationAct::Vanish,
        ];
        for _ in 0..draw.below(4) {
            self.application.says.push((ms(500 + draw.below(4_000)), draw.pick(&acts)));
        }
        let (one, other) = (draw.speech("hello"), draw.speech("anybody there"));
        self.act([Act::Wait(ms(300)), one, Act::Press(draw.digits(2)), Act::Wait(ms(700)), other]);
        self.causes.extend([
            EndCause::ApplicationHungUp,
            EndCause::ApplicationUnavailable,
            EndCause::Transferred,
        ]);
    }

    fn voice(&mut self, draw: &mut Draw) {
        self.after_sales();
        self.tool = draw.pick(&[
            ToolPlan::Answer(200),
            ToolPlan::Answer(200),
            ToolPlan::Answer(200),
            ToolPlan::Answer(404),
            ToolPlan::Answer(500),
            ToolPlan::Unreachable,
            ToolPlan::TimesOut,
        ]);
        let number =
            if draw.chance(0.8) { "one two three four five six seven eight" } else { "one two three" };
        for text in ["check my order", number, "yes that is right", "no thank you"] {
            self.answer_with(text, draw);
        }
    }

    fn keys(&mut self, draw: &mut Draw) {
        self.after_sales();
        self.tool = draw.pick(&[ToolPlan::Answer(200), ToolPlan::Answer(404)]);
        self.settings.has_recognizer = draw.chance(0.7);
        self.recognizer.present = self.settings.has_recognizer;
        let first = draw.pick(&["1", "2"]);
        for keys in [first, "12345678", "1"] {
            self.act([pause(draw), Act::Press(keys.to_owned())]);
        }
        self.act([pause(draw)]);
        self.phone.patience = ms(700);
    }

    fn barge_in(&mut self, draw: &mut Draw) {
        self.after_sales();
        self.synthesizer.letter_ms = 25;
        for text in ["check my order", "one two three four five six seven eight", "yes"] {
            let heard = ms(150 + draw.below(900));
            self.act([Act::AwaitVoice { heard, longest: ms(5_000) }]);
            if draw.chance(0.4) {
                let clip = draw.below(Clips::get().coughs.len() as u64) as usize;
                self.act([Act::Cough { clip }, Act::Wait(ms(draw.below(500)))]);
            }
            let act = if draw.chance(0.25) { Act::Press("1".to_owned()) } else { draw.speech(text) };
            self.act([act]);
        }
        self.act([Act::AwaitVoice { heard: ms(300), longest: ms(3_000) }]);
        self.phone.patience = ms(500);
    }

    fn transfer_succeeds(&mut self, draw: &mut Draw) {
        self.after_sales();
        self.phone.refers = vec![draw.pick(&[
            ReferPlan::Report(200),
            ReferPlan::Report(200),
            ReferPlan::Report(202),
            ReferPlan::Leave,
        ])];
        if draw.chance(0.3) {
            self.act([pause(draw), Act::Press("0".to_owned())]);
        } else {
            self.answer_with("talk to a person", draw);
        }
        self.phone.patience = ms(12_000);
        self.causes.push(EndCause::Transferred);
    }

    fn transfer_fails(&mut self, draw: &mut Draw) {
        self.after_sales();
        let plans = [
            ReferPlan::Refuse(603),
            ReferPlan::Refuse(405),
            ReferPlan::Report(486),
            ReferPlan::Report(408),
            ReferPlan::Report(404),
            ReferPlan::Report(503),
            ReferPlan::EndWithoutOutcome,
        ];
        self.phone.refers = vec![draw.pick(&plans), draw.pick(&plans)];
        if draw.chance(0.07) {
            self.phone.refers = vec![ReferPlan::Silent];
        }
        if draw.chance(0.1) {
            // No trunk vouches for it.
            self.settings.transfer_targets.insert("agents".to_owned(), "sip:agents@198.51.100.9".to_owned());
        }
        self.act([pause(draw), Act::Press("0".to_owned())]);
        let longest = ms(30_000);
        self.act([Act::AwaitPause { quiet: ms(900), longest }, Act::AwaitVoice { heard: ms(200), longest }]);
        let again = draw.chance(0.3);
        self.answer_with(if again { "operator" } else { "no thank you" }, draw);
    }

    fn hang_up(&mut self, draw: &mut Draw) {
        match draw.below(3) {
            0 => self.bridge(draw),
            1 => self.transfer_succeeds(draw),
            _ => self.voice(draw),
        }
        if draw.chance(0.3) {
            self.ring_for(ms(200 + draw.below(1_500)));
        }
        self.phone.hangs_up_at = Some(ms(draw.below(draw_limit(self))));
        self.causes.push(EndCause::Cancelled);
    }

    fn signalling(&mut self, draw: &mut Draw) {
        self.echo(draw);
        match draw.below(9) {
            0 => {
                self.ring_for(ms(600 + draw.below(600)));
                self.phone.hangs_up_at = Some(ms(draw.below(1_400)));
                self.causes.push(EndCause::Cancelled);
            }
            1 => self.network.lost_acks = 1 + draw.below(5) as u32,
            2 => {
                self.network.lost_acks = u32::MAX;
                self.settings.answer = draw.pick(&[AnswerPolicy::Immediately]);
                self.phone.acts = vec![Act::Wait(ms(60_000))];
                self.phone.hangs_up_at = draw.chance(0.8).then(|| ms(draw.below(6_000)));
                self.causes.push(EndCause::NoAck);
            }
            3 => self.phone.offer = OfferKind::Absent,
            4 => {
                self.phone.offer = OfferKind::Foreign;
                self.causes = vec![EndCause::NoCommonCodec];
            }
            5 => {
                self.phone.offer = OfferKind::Garbage;
                self.causes = vec![EndCause::BadOffer];
            }
            6 | 7 => {
                self.network.sip.loss = 0.25;
                self.network.sip.duplicates = 0.2;
            }
            _ => {
                // Hung up before the ACK comes: the BYE waits for it.
                self.network.lost_acks = 1 + draw.below(3) as u32;
                let command = Command::HangUp { status: None, reason: None };
                self.commands.push((ms(100 + draw.below(600)), id("hang-up"), command));
                self.causes.push(EndCause::ApiHungUp);
            }
        }
    }

    fn hold(&mut self, draw: &mut Draw) {
        if draw.chance(0.5) {
            self.after_sales();
            self.answer_with("check my order", draw);
        } else {
            let act = draw.speech("hello");
            self.act([Act::Wait(ms(500)), act]);
        }
        let hold =
            draw.pick(&[Direction::SendOnly, Direction::SendOnly, Direction::Inactive, Direction::RecvOnly]);
        self.act([Act::Redirect(hold), Act::Wait(ms(500 + draw.below(1_500)))]);
        if draw.chance(0.3) {
            self.act([Act::ReinviteWithoutOffer, Act::Wait(ms(800))]);
        }
        self.act([Act::Redirect(Direction::SendRecv), Act::Wait(ms(600))]);
        if draw.chance(0.4) {
            let codecs = draw.pick(&[vec![Codec::pcma()], vec![Codec::pcmu()], vec![foreign()]]);
            self.act([Act::Recode(codecs), Act::Wait(ms(700))]);
        }
        let act = draw.speech("operator");
        self.act([act]);
        self.phone.patience = ms(1_000);
        self.causes.push(EndCause::Transferred);
    }

    fn engine_failures(&mut self, draw: &mut Draw) {
        self.after_sales();
        let share = draw.pick(&[0.2, 0.5, 1.0]);
        match draw.below(5) {
            0 => self.recognizer.fails = share,
            1 => self.recognizer.silent = share,
            2 => self.synthesizer.fails = share,
            3 => self.synthesizer.breaks = share,
            _ => self.synthesizer.silent = share,
        }
        self.settings.limits.recognizer = ms(1_000);
        self.settings.limits.synthesizer = ms(1_000);
        for text in ["check my order", "one two three four five six seven eight", "yes"] {
            self.answer_with(text, draw);
        }
        self.phone.patience = ms(2_000);
        self.causes.extend([EndCause::EngineFailed, EndCause::Transferred]);
    }

    fn commands(&mut self, draw: &mut Draw) {
        match draw.below(3) {
            0 => {}
            1 => {
                self.settings.role = Role::Bridge(BridgeSettings { sample_rate: 16_000, raw: false });
            }
            _ => self.after_sales(),
        }
        if draw.chance(0.4) {
            self.ring_for(ms(200 + draw.below(800)));
        }
        let say = |interruptible| Command::Say { text: "A word from the API.".to_owned(), interruptible };
        let leg = LegId::CALLER;
        let all = [
            Command::Mute { leg },
            Command::Unmute { leg },
            Command::Mute { leg: LegId(7) },
            say(true),
            say(false),
            Command::Say { text: " ".to_owned(), interruptible: true },
            Command::Dtmf { leg, digits: "159#".to_owned() },
            Command::Dtmf { leg, digits: "hello".to_owned() },
            Command::Answer,
            Command::Transfer { target: "sip:agents@127.0.0.3:5070".to_owned(), trunk: None },
            Command::Transfer { target: "sip:thief@203.0.113.1".to_owned(), trunk: None },
            Command::Transfer { target: "not a target".to_owned(), trunk: None },
            Command::HangUp { status: Some(486), reason: None },
        ];
        for number in 0..3 + draw.below(6) {
            // Endings are rare, or nothing else would be seen.
            let choices = if draw.chance(0.2) { all.len() } else { all.len() - 4 };
            let command = all[draw.below(choices as u64) as usize].clone();
            let at = ms(draw.below(6_000));
            self.commands.push((at, id(&format!("c{number}")), command.clone()));
            if draw.chance(0.3) {
                self.commands.push((at + ms(draw.below(500)), id(&format!("c{number}")), command));
            }
        }
        self.phone.refers =
            vec![draw.pick(&[ReferPlan::Report(200), ReferPlan::Report(486), ReferPlan::Refuse(403)])];
        for _ in 0..3 {
            let act = draw.speech("hello");
            self.act([Act::Wait(ms(400 + draw.below(600))), act]);
        }
        self.phone.patience = ms(1_500);
        self.causes.extend([EndCause::ApiHungUp, EndCause::Transferred, EndCause::Rejected]);
    }

    fn outbound(&mut self, draw: &mut Draw) {
        if draw.chance(0.7) {
            self.after_sales();
            for text in ["operator", "no thank you"] {
                self.answer_with(text, draw);
            }
            self.phone.patience = ms(2_000);
        } else {
            self.echo(draw);
        }
        let target = format!("sip:alice@{}", their_sip());
        self.settings.started_by = StartedBy::Api { target, caller: "offhook".to_owned() };
        let rings_after = ms(draw.below(300));
        let status = draw.pick(&[200, 200, 200, 200, 200, 486, 404, 603, 480, 503]);
        let answers = draw.chance(0.9).then(|| (ms(100 + draw.below(1_500)), status));
        self.phone.callee = Some(CalleePlan { rings_after, answers });
        self.settings.limits.ring_time = ms(3_000);
        self.causes.extend([
            EndCause::Transferred,
            EndCause::Busy,
            EndCause::Unreachable,
            EndCause::Rejected,
            EndCause::NoAnswer,
        ]);
        if draw.chance(0.1) {
            self.commands.push((
                ms(draw.below(1_500)),
                id("give-up"),
                Command::HangUp { status: None, reason: None },
            ));
            self.causes.push(EndCause::ApiHungUp);
        }
    }

    fn limits(&mut self, draw: &mut Draw) {
        self.phone.patience = ms(60_000);
        let limits = &mut self.settings.limits;
        match draw.below(4) {
            0 => {
                limits.call_time = ms(2_000 + draw.below(2_000));
                self.causes = vec![EndCause::TimeLimit];
            }
            1 => {
                limits.rtp_timeout = ms(3_000);
                self.settings.turn_policy.rtp_timeout = ms(1_500);
                self.causes = vec![EndCause::RtpTimeout];
                self.act([Act::Wait(ms(500 + draw.below(2_000))), Act::FallSilent]);
            }
            2 => {
                limits.silence = ms(3_000);
                self.after_sales();
                // The bot's own words are no silence; it asks again after six seconds.
                self.causes = vec![EndCause::SilenceLimit];
            }
            _ => {
                limits.ring_time = ms(1_000 + draw.below(2_000));
                self.settings.answer = AnswerPolicy::WaitForApi;
                self.causes = vec![EndCause::NoAnswer];
            }
        }
    }

    fn clock_jumps(&mut self, draw: &mut Draw) {
        match draw.below(3) {
            0 => self.echo(draw),
            1 => self.bridge(draw),
            _ => self.voice(draw),
        }
        let mut at = ms(0);
        for _ in 0..2 + draw.below(4) {
            at += ms(200 + draw.below(3_000));
            let jump = ms(draw.pick(&[15, 60, 250, 900, 3_000]) + draw.below(40));
            self.standstills.push((at, jump));
            at += jump;
        }
    }

    /// Whether every SIP message arrives.
    pub(crate) fn is_reliable(&self) -> bool {
        self.network.sip.loss == 0.0 && self.network.lost_acks == 0
    }

    fn ring_for(&mut self, time: Duration) {
        self.settings.answer = AnswerPolicy::WaitForApi;
        self.commands.push((time, id("answer"), Command::Answer));
    }

    fn act(&mut self, acts: impl IntoIterator<Item = Act>) {
        self.phone.acts.extend(acts);
    }

    /// Waits for the bot's question and says something.
    fn answer_with(&mut self, text: &str, draw: &mut Draw) {
        let acts = [pause(draw), draw.speech(text)];
        self.act(acts);
    }
}

/// By when a call of this scenario is in full swing.
fn draw_limit(scenario: &Scenario) -> u64 {
    if scenario.settings.answer == AnswerPolicy::WaitForApi { 3_000 } else { 9_000 }
}

fn pause(draw: &mut Draw) -> Act {
    Act::AwaitPause { quiet: ms(300 + draw.below(400)), longest: ms(6_000) }
}

fn id(name: &str) -> CommandId {
    CommandId(name.to_owned())
}

pub(crate) fn foreign() -> Codec {
    Codec::new("G729", 8_000, 18, None)
}

/// Draws from the scenario's randomness.
struct Draw(Randomness);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    fn chance(&mut self, share: f64) -> bool {
        self.0.unit() < share
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| self.pick(&['0', '1', '5', '9', '*', '#'])).collect()
    }

    fn speech(&mut self, text: &str) -> Act {
        let clip = self.below(Clips::get().speech.len() as u64) as usize;
        Act::Say { clip, text: text.to_owned() }
    }
}
