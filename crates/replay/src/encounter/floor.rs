//! Whose turn it is to speak, by what goes in and out of the halves of a call.

use std::collections::BTreeSet;

use offhook_call_control::{CallEvent, Input, Output, RecognizerCommand};
use offhook_call_media::MediaEvent;
use offhook_engine_api::{RecognizerEvent, SynthesizerEvent, UtteranceId};
use offhook_time::Time;

/// Follows what is under way: speech of the bot, questions to engines and systems, the caller's own sound.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    speaking: BTreeSet<UtteranceId>,
    tools: BTreeSet<u64>,
    owed: u32,
    sounding: bool,
    transferring: bool,
    /// The bot has begun to say something since [`taken`](Self::take).
    has_spoken: bool,
    free_since: Option<Time>,
}

impl Floor {
    /// What the control half wants.
    pub fn output(&mut self, output: &Output) {
        if let Output::Speak(request) = output {
            self.speaking.insert(request.utterance);
            self.has_spoken = true;
        } else if let Output::CancelSpeech(utterance) = output {
            self.speaking.remove(utterance);
        } else if let Output::CallTool(call) = output {
            self.tools.insert(call.id.0);
        } else if let Output::CancelTool { tool } = output {
            self.tools.remove(tool);
        } else if let Output::Recognizer(RecognizerCommand::FinishUtterance) = output {
            self.owed += 1;
        } else if let Output::Fact(fact) = output {
            let begins = matches!(fact.event, CallEvent::TransferStarted { .. });
            let ends = matches!(fact.event, CallEvent::TransferFinished { .. });
            self.transferring = begins || (self.transferring && !ends);
        }
    }

    /// What the control half is told.
    pub fn input(&mut self, input: &Input) {
        if let Input::Media(event) = input {
            self.event(event);
        } else if let Input::Recognizer(
            RecognizerEvent::Final { .. } | RecognizerEvent::NoMatch | RecognizerEvent::Failed(_),
        ) = input
        {
            self.owed = self.owed.saturating_sub(1);
        } else if let Input::Synthesizer(SynthesizerEvent::Failed { utterance, .. }) = input {
            self.speaking.remove(utterance);
        } else if let Input::Tool { tool, .. } = input {
            self.tools.remove(tool);
        }
    }

    fn event(&mut self, event: &MediaEvent) {
        if let MediaEvent::PlaybackFinished { utterance, .. } = event {
            self.speaking.remove(utterance);
        } else if let MediaEvent::SpeechStarted { .. } = event {
            self.sounding = true;
        } else if let MediaEvent::SpeechRejected { .. } | MediaEvent::SpeechEnded { .. } = event {
            self.sounding = false;
        }
    }

    /// Looks at `now` who has the floor.
    pub fn look(&mut self, now: Time) {
        let free = self.speaking.is_empty()
            && self.tools.is_empty()
            && self.owed == 0
            && !self.sounding
            && !self.transferring;
        self.free_since = free.then(|| self.free_since.unwrap_or(now));
    }

    /// Since when nobody speaks and nothing is under way.
    pub fn free_since(&self) -> Option<Time> {
        self.free_since
    }

    /// The bot has begun to say something since the caller did something.
    pub fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// The caller does something.
    pub fn take(&mut self) {
        self.has_spoken = false;
        self.free_since = None;
    }
}
