//! What makes a call of each kind that kind.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use offhook_call_control::{AnswerPolicy, BridgeSettings, Command, CommandId, EndCause, Role, StartedBy};
use offhook_call_media::LegId;
use offhook_conversation::Bot;
use offhook_sip_proto::sdp::{Codec, Direction};

use super::draw::Draw;
use super::{Scenario, foreign, ms};
use crate::clips::Clips;
use crate::network::their_sip;
use crate::plan::{Act, ApplicationAct, ApplicationPlan, CalleePlan, OfferKind, ReferPlan, ToolPlan};

fn after_sales() -> Arc<Bot> {
    static BOT: OnceLock<Arc<Bot>> = OnceLock::new();
    let text = include_str!("../../../../bots/after-sales.yaml");
    #[allow(
        clippy::expect_used,
        reason = "the bot is committed; without it no call of these kinds can be played"
    )]
    BOT.get_or_init(|| Arc::new(Bot::parse(text, "after-sales.yaml").expect("the sample bot is right")))
        .clone()
}

impl Scenario {
    fn after_sales(&mut self) {
        self.settings.role = Role::Bot(after_sales());
        self.settings.bot_name = "after-sales".to_owned();
        // Who is not understood three times is handed to a person.
        self.causes.extend([EndCause::BotHungUp, EndCause::Transferred]);
    }

    pub(super) fn echo(&mut self, draw: &mut Draw) {
        self.phone.patience = ms(500);
        for _ in 0..2 + draw.below(2) {
            let act = draw.speech("anything");
            self.act([act, Act::Wait(ms(draw.below(900)))]);
        }
        if draw.chance(0.4) {
            self.act([Act::Press(draw.digits(3)), Act::Ping]);
        }
    }

    pub(super) fn bridge(&mut self, draw: &mut Draw) {
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

    pub(super) fn voice(&mut self, draw: &mut Draw) {
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

    pub(super) fn keys(&mut self, draw: &mut Draw) {
        self.after_sales();
        self.tool = draw.pick(&[ToolPlan::Answer(200), ToolPlan::Answer(404)]);
        self.settings.has_recognizer = draw.chance(0.7);
        self.recognizer.present = self.settings.has_recognizer;
        let first = draw.pick(&["1", "2"]);
        for keys in [first, "12345678", "1"] {
            self.act([pause(draw)]);
            if self.number % 3 == 2 {
                // Who reads the number off a slip of paper: in all longer than the time between two keys.
                let slowly = |key: char| [Act::Press(key.to_string()), Act::Wait(ms(450))];
                self.act(keys.chars().flat_map(slowly));
            } else {
                self.act([Act::Press(keys.to_owned())]);
            }
        }
        self.act([pause(draw)]);
        self.phone.patience = ms(700);
    }

    pub(super) fn barge_in(&mut self, draw: &mut Draw) {
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

    pub(super) fn transfer_succeeds(&mut self, draw: &mut Draw) {
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

    pub(super) fn transfer_fails(&mut self, draw: &mut Draw) {
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

    pub(super) fn hang_up(&mut self, draw: &mut Draw) {
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

    pub(super) fn signalling(&mut self, draw: &mut Draw) {
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

    pub(super) fn hold(&mut self, draw: &mut Draw) {
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

    pub(super) fn engine_failures(&mut self, draw: &mut Draw) {
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

    pub(super) fn commands(&mut self, draw: &mut Draw) {
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

    pub(super) fn outbound(&mut self, draw: &mut Draw) {
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

    pub(super) fn limits(&mut self, draw: &mut Draw) {
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

    pub(super) fn clock_jumps(&mut self, draw: &mut Draw) {
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

    fn ring_for(&mut self, time: Duration) {
        self.settings.answer = AnswerPolicy::WaitForApi;
        self.commands.push((time, id("answer"), Command::Answer));
    }

    pub(super) fn act(&mut self, acts: impl IntoIterator<Item = Act>) {
        self.phone.acts.extend(acts);
    }

    /// Waits for the bot's question and says something.
    pub(super) fn answer_with(&mut self, text: &str, draw: &mut Draw) {
        let acts = [pause(draw), draw.speech(text)];
        self.act(acts);
    }
}

/// By when a call of this scenario is in full swing.
fn draw_limit(scenario: &Scenario) -> u64 {
    if scenario.settings.answer == AnswerPolicy::WaitForApi { 3_000 } else { 9_000 }
}

pub(super) fn pause(draw: &mut Draw) -> Act {
    Act::AwaitPause { quiet: ms(300 + draw.below(400)), longest: ms(6_000) }
}

fn id(name: &str) -> CommandId {
    CommandId(name.to_owned())
}
