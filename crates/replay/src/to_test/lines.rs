//! What happened in a call, as lines of a dialogue.

use std::collections::BTreeMap;

use offhook_call_control::{CallEvent, EndCause, Input, Output, Speaker, decode_step};
use offhook_conversation::Bot;
use offhook_journal::bundle::{Bundle, OutputBody};
use offhook_time::{Half, Step};
use serde_json::{Value, json};

use super::{Stubs, stub};
use crate::decode_output;

/// How transfers may fail in tests.
const ENDS: [&str; 5] = ["busy", "no_answer", "rejected", "unknown_number", "unreachable"];

/// A line of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// As it stands in the file.
    pub yaml: String,
    /// It expects something of the bot; otherwise the caller does it.
    pub expects: bool,
    /// What to write where it cannot be played so.
    pub instead: Option<String>,
}

/// All that a test of a call needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    pub lines: Vec<Line>,
    pub tools: Stubs,
    pub transfers: BTreeMap<String, String>,
    pub caller: String,
    pub started_unix_ms: i64,
    pub notes: Vec<String>,
}

pub(super) fn told(bundle: &Bundle, bot: &Bot) -> Told {
    let mut writing = Writing::new(bot);
    for output in bundle.outputs(Half::Control) {
        let OutputBody::Whole(bytes) = &output.body else { continue };
        match decode_output(bytes) {
            Some(Output::Fact(fact)) => {
                if let CallEvent::CallStarted { caller, .. } = &fact.event {
                    writing.told.caller.clone_from(caller);
                    writing.told.started_unix_ms = fact.at_unix_ms;
                }
                writing.fact(&fact.event);
            }
            Some(Output::CallTool(call)) => {
                writing.flush_keys();
                writing.asked.insert(call.id.0, call.name.clone());
                writing.expect("called", json!({ call.name: path(&call.url) }));
            }
            Some(_) | None => {}
        }
    }
    writing.flush_keys();
    writing.expect_state();
    writing.answers(bundle);
    writing.told
}

struct Writing<'a> {
    bot: &'a Bot,
    told: Told,
    /// Names of tools by the number of the request.
    asked: BTreeMap<u64, String>,
    keys: String,
    state: Option<String>,
    interrupted: bool,
    /// The caller did something that the bot has not judged yet.
    acted: bool,
}

impl<'a> Writing<'a> {
    fn new(bot: &'a Bot) -> Self {
        Writing {
            bot,
            told: Told::default(),
            asked: BTreeMap::new(),
            keys: String::new(),
            state: None,
            interrupted: false,
            acted: false,
        }
    }

    fn fact(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Dtmf { digit } => self.keys.push(*digit),
            CallEvent::BargeIn { .. } => self.interrupted = true,
            CallEvent::Said { speaker: Speaker::Bot, text, .. } => {
                self.flush_keys();
                self.interrupted = false;
                self.expect("bot", json!(text));
            }
            CallEvent::Said { speaker: Speaker::Caller, text, .. } => {
                let calm = line("caller", &json!(text));
                if self.interrupted {
                    self.act(line("interrupts", &json!(text)), Some(calm));
                } else {
                    self.act(calm, None);
                }
            }
            CallEvent::StateEntered { state } => {
                self.flush_keys();
                self.state = Some(state.clone());
            }
            CallEvent::Understood { slot, .. } => {
                self.flush_keys();
                self.acted = false;
                // Events keep the value of a masked or sensitive slot to themselves.
                if let Some((name, value)) = slot
                    && value.chars().any(|c| c != '*')
                {
                    self.expect("variables", json!({ name: value }));
                }
            }
            CallEvent::NotUnderstood { .. } => {
                self.flush_keys();
                if !std::mem::take(&mut self.acted) {
                    self.act("unclear".to_owned(), None);
                    self.acted = false;
                }
            }
            CallEvent::NoInput { .. } => {
                self.flush_keys();
                self.act("silence".to_owned(), None);
                self.acted = false;
            }
            CallEvent::TransferFinished { target, failure, .. } => {
                self.transferred(target, failure.as_deref());
            }
            CallEvent::Outcome { name } => {
                self.flush_keys();
                self.expect("outcome", json!(name));
            }
            CallEvent::CallEnded { cause, .. } => self.ended(*cause),
            CallEvent::CallStarted { .. }
            | CallEvent::CallRinging
            | CallEvent::CallAnswered { .. }
            | CallEvent::TurnCompleted { .. }
            | CallEvent::ToolFinished { .. }
            | CallEvent::TransferStarted { .. }
            | CallEvent::NextHopRefused { .. }
            | CallEvent::RtpTimeout
            | CallEvent::RtpResumed
            | CallEvent::EngineFailed { .. }
            | CallEvent::Mark { .. }
            | CallEvent::CommandFinished { .. } => {}
        }
    }

    fn expect(&mut self, what: &str, value: Value) {
        self.told.lines.push(Line { yaml: line(what, &value), expects: true, instead: None });
    }

    /// In which state the bot waits: checked once, before the caller does something.
    fn expect_state(&mut self) {
        if let Some(state) = self.state.take() {
            self.expect("state", json!(state));
        }
    }

    fn act(&mut self, yaml: String, instead: Option<String>) {
        self.flush_keys();
        self.expect_state();
        self.told.lines.push(Line { yaml, expects: false, instead });
        (self.acted, self.interrupted) = (true, false);
    }

    fn flush_keys(&mut self) {
        let keys = std::mem::take(&mut self.keys);
        if !keys.is_empty() {
            self.act(line("keys", &json!(keys)), None);
        }
    }

    fn transferred(&mut self, target: &str, failure: Option<&str>) {
        self.flush_keys();
        if !self.bot.targets().any(|(name, _)| name == target) {
            self.told.notes.push(format!(
                "the transfer to {target} was not asked for by the bot: it is not in the test"
            ));
            return;
        }
        let ended = failure.map_or("succeeded", |cause| {
            // What this server would not do is to a bot a transfer that failed.
            ENDS.into_iter().find(|known| *known == cause).unwrap_or("failed")
        });
        let ended = ended.to_owned();
        if let Some(earlier) = self.told.transfers.insert(target.to_owned(), ended.clone())
            && earlier != ended
        {
            self.told.notes.push(format!(
                "transfers to {target} ended with {earlier} and {ended}: a test knows one end for each target, {ended} it is"
            ));
        }
        self.expect("transferred_to", json!(target));
    }

    fn ended(&mut self, cause: EndCause) {
        self.flush_keys();
        match cause {
            EndCause::BotHungUp | EndCause::Transferred => self.expect("ended", json!(true)),
            EndCause::CallerHungUp => {
                self.act("hangs_up".to_owned(), None);
                self.expect("ended", json!(true));
            }
            EndCause::ApiHungUp
            | EndCause::ApplicationHungUp
            | EndCause::ApplicationUnavailable
            | EndCause::Cancelled
            | EndCause::NoAnswer
            | EndCause::Busy
            | EndCause::Unreachable
            | EndCause::NoCommonCodec
            | EndCause::BadOffer
            | EndCause::Rejected
            | EndCause::TrunkFull
            | EndCause::RouteFull
            | EndCause::EngineUnavailable
            | EndCause::NoAck
            | EndCause::RtpTimeout
            | EndCause::TimeLimit
            | EndCause::SilenceLimit
            | EndCause::EngineFailed
            | EndCause::Shutdown
            | EndCause::InternalError
            | EndCause::TransportFailed
            | EndCause::Crash => {
                let cause = cause.word();
                self.told.notes.push(format!(
                    "the call ended with {cause}, which is not the bot's doing: the test ends before"
                ));
            }
        }
    }

    /// What business systems answered, in the order in which they were asked.
    fn answers(&mut self, bundle: &Bundle) {
        let mut answers = BTreeMap::new();
        for step in bundle.steps(Half::Control) {
            let (head, payload) = (step.head, step.body.payload());
            let step = Step { sequence: head.sequence, half: head.half, now: head.now, payload: &payload };
            if let Some(recorded) = decode_step(&step)
                && let Input::Tool { tool, outcome } = recorded.input
            {
                if let Ok(answer) = &outcome
                    && serde_json::from_str::<Value>(&answer.body).is_err()
                    && !answer.body.is_empty()
                {
                    self.told.notes.push(
                        "an answer of a business system is no JSON: its body is not in the test".to_owned(),
                    );
                }
                answers.insert(tool, stub(&outcome));
            }
        }
        for (id, name) in &self.asked {
            // One that never came before the end of the call was not waited for.
            let answer = answers.remove(id).unwrap_or_else(|| json!({ "timeout": true }));
            self.told.tools.entry(name.clone()).or_default().push(answer);
        }
    }
}

fn line(what: &str, value: &Value) -> String {
    format!("{what}: {value}")
}

/// What follows the host: that is the server's configuration.
fn path(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |at| &url[host + at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_without_its_host() {
        assert_eq!(path("http://127.0.0.1:8090/orders/1?a=b"), "/orders/1?a=b");
        assert_eq!(path("orders"), "orders");
    }
}
