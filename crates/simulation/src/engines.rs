//! Scripted engines, business systems and applications.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use offhook_audio::{AudioChunk, Frame};
use offhook_call_control::{Input, RecognizerCommand, SpeakRequest, SpeechContent};
use offhook_conversation::{ToolAnswer, ToolCall, ToolFailure};
use offhook_engine_api::{EngineError, RecognizerEvent, SynthesizerEvent, UtteranceId};
use offhook_time::{Randomness, Time};

use crate::Scenario;
use crate::agenda::{Agenda, Due};
use crate::clips::bot_voice;
use crate::plan::{ApplicationAct, ApplicationPlan, RecognizerPlan, SynthesizerPlan, ToolPlan};

/// What an engine that was told to stop may still have on its way.
const UNDER_WAY: Duration = Duration::from_millis(15);

/// Everything around a call that answers it.
#[derive(Debug)]
pub(crate) struct Engines {
    pub agenda: Agenda,
    randomness: Randomness,
    recognizer: RecognizerPlan,
    synthesizer: SynthesizerPlan,
    tool: ToolPlan,
    application: ApplicationPlan,
    voice: Arc<[i16]>,
    /// What the caller said since the last result.
    said: VecDeque<String>,
    last_result: Time,
    last_speech: Time,
    last_frame: Time,
    heard_frames: usize,
}

impl Engines {
    pub fn new(scenario: &Scenario, randomness: &mut Randomness) -> Self {
        Engines {
            agenda: Agenda::default(),
            randomness: Randomness::new(randomness.fork()),
            recognizer: scenario.recognizer,
            synthesizer: scenario.synthesizer,
            tool: scenario.tool,
            application: scenario.application.clone(),
            voice: bot_voice(scenario.synthesizer.rate),
            said: VecDeque::new(),
            last_result: Time::ZERO,
            last_speech: Time::ZERO,
            last_frame: Time::ZERO,
            heard_frames: 0,
        }
    }

    /// The caller begins to say `text`; nothing where no recognizer would understand it.
    pub fn hear(&mut self, text: String) {
        if !text.is_empty() {
            self.said.push_back(text);
        }
    }

    pub fn recognizer(&mut self, command: &RecognizerCommand, now: Time) {
        match command {
            RecognizerCommand::SetGrammar(_) => {}
            RecognizerCommand::StartUtterance => {
                let at = now + Duration::from_millis(self.randomness.below(40));
                self.tell(at, Input::Recognizer(RecognizerEvent::StartOfInput));
            }
            RecognizerCommand::FinishUtterance => self.finish_utterance(now),
        }
    }

    fn finish_utterance(&mut self, now: Time) {
        let text: Vec<String> = self.said.drain(..).collect();
        let RecognizerPlan { fastest, slowest, fails, silent, .. } = self.recognizer;
        let delay = fastest + slowest.saturating_sub(fastest).mul_f64(self.randomness.unit());
        let (may_fail, may_be_silent, sure) =
            (self.randomness.unit(), self.randomness.unit(), self.randomness.unit());
        // Results come in the order of the utterances.
        let at = (now + delay).max(self.last_result);
        self.last_result = at;
        let event = if may_be_silent < silent {
            return;
        } else if may_fail < fails {
            RecognizerEvent::Failed(gone())
        } else if text.is_empty() {
            RecognizerEvent::NoMatch
        } else {
            let text = text.join(" ");
            self.tell(now + delay / 2, Input::Recognizer(RecognizerEvent::Partial { text: text.clone() }));
            RecognizerEvent::Final { text, confidence: Some(0.6 + 0.4 * sure as f32) }
        };
        self.tell(at, Input::Recognizer(event));
    }

    pub fn speak(&mut self, request: &SpeakRequest, now: Time) {
        let SpeakRequest { utterance, content, .. } = request;
        let text = match content {
            SpeechContent::Text(text) => text,
            SpeechContent::Recording(name) => name,
        };
        let plan = self.synthesizer;
        let [fails, breaks, silent] = std::array::from_fn(|_| self.randomness.unit());
        let mut at = now.max(self.last_speech) + plan.first_audio;
        let failed = SynthesizerEvent::Failed { utterance: *utterance, error: gone() };
        if silent < plan.silent {
            return;
        }
        if fails < plan.fails {
            return self.tell(at, Input::Synthesizer(failed));
        }
        let millis = (text.chars().count() as u64 * plan.letter_ms).clamp(200, 3_000);
        let mut left = (u64::from(plan.rate) * millis / 1_000) as usize;
        if breaks < plan.breaks {
            left /= 2;
        }
        let mut from = 0;
        while left > 0 {
            // Engines stream in pieces of any length, faster than they are played.
            let length = ((40 + self.randomness.below(160)) * u64::from(plan.rate) / 1_000) as usize;
            let length = length.min(left);
            let samples: Arc<[i16]> = self.voice[from..from + length].into();
            let chunk = AudioChunk { sample_rate: plan.rate, samples };
            let took = chunk.duration().mul_f64(0.05 + 0.4 * self.randomness.unit());
            self.agenda.at(at, Due::Speech(*utterance, chunk));
            at += took;
            from = (from + length) % (self.voice.len() / 2);
            left -= length;
        }
        self.last_speech = at;
        if breaks < plan.breaks {
            self.tell(at, Input::Synthesizer(failed));
        } else {
            self.agenda.at(at, Due::EndOfSpeech(*utterance));
        }
    }

    pub fn cancel_speech(&mut self, utterance: UtteranceId, now: Time) {
        let until = now + UNDER_WAY;
        self.agenda.drop_if(|at, due| {
            let of = match due {
                Due::Speech(of, _) | Due::EndOfSpeech(of) => *of,
                Due::Control(_) | Due::Application(_) => return false,
            };
            of == utterance && at > until
        });
        self.last_speech = self.last_speech.min(until);
    }

    pub fn call_tool(&mut self, call: &ToolCall, now: Time) {
        let soon = now + Duration::from_millis(5 + self.randomness.below(400));
        let (at, outcome) = match self.tool {
            ToolPlan::Answer(status) => {
                let states = ["shipped", "processing", "delivered", "on_hold"];
                let state = states[self.randomness.below(4) as usize];
                let body = if status == 200 {
                    format!("{{\"state\":\"{state}\",\"delivery\":\"2026-11-24\"}}")
                } else {
                    "{}".to_owned()
                };
                (soon, Ok(ToolAnswer { status, body }))
            }
            ToolPlan::Unreachable => (soon, Err(ToolFailure::Unreachable("connection refused".to_owned()))),
            ToolPlan::TimesOut => (now + call.timeout, Err(ToolFailure::TimedOut)),
        };
        self.tell(at, Input::Tool { tool: call.id.0, outcome });
    }

    pub fn cancel_tool(&mut self, id: u64) {
        let is_it = |input: &Input| matches!(input, Input::Tool { tool, .. } if *tool == id);
        self.agenda.drop_if(|_, due| matches!(due, Due::Control(input) if is_it(input)));
    }

    pub fn open_bridge(&mut self, now: Time) {
        let at = now + self.application.connects_after;
        if self.application.refuses {
            return self.tell(at, Input::BridgeClosed { why: "connection refused".to_owned() });
        }
        self.tell(at, Input::BridgeConnected);
        for (after, act) in self.application.says.clone() {
            let input = match act {
                ApplicationAct::Mark => Input::BridgeMark { name: "here".to_owned() },
                ApplicationAct::Clear => Input::BridgeClear,
                ApplicationAct::Dtmf(digits) => Input::BridgeDtmf { digits: digits.to_owned() },
                ApplicationAct::HangUp => Input::BridgeHangUp { reason: "done".to_owned() },
                ApplicationAct::Transfer => Input::BridgeTransfer { target: "agents".to_owned() },
                ApplicationAct::Vanish => Input::BridgeClosed { why: "the application is gone".to_owned() },
            };
            self.tell(at + after, input);
        }
    }

    /// The application hears a frame and returns it; once it also says much more at once.
    pub fn application_hears(&mut self, frame: &Frame, now: Time) {
        self.heard_frames += 1;
        let jitter = Duration::from_micros(self.randomness.below(3_000));
        let at = (now + self.application.echo_after + jitter).max(self.last_frame);
        self.last_frame = at;
        let copies = if self.heard_frames == 50 { 1 + self.application.burst } else { 1 };
        for _ in 0..copies {
            let mut frame = *frame;
            frame.arrived_at = at;
            self.agenda.at(at, Due::Application(Box::new(frame)));
        }
    }

    fn tell(&mut self, at: Time, input: Input) {
        self.agenda.at(at, Due::Control(Box::new(input)));
    }
}

fn gone() -> EngineError {
    EngineError::Gone { engine: "scripted".to_owned(), why: "the scenario says so".to_owned() }
}
