//! A bot from a few lines, and what it gives out.

use std::sync::Arc;
use std::time::Duration;

use offhook_conversation::{
    Bot, CallFacts, Conversation, Event, Expected, HangUpReason, Input, Output, Prompt, PromptContent,
};
use offhook_time::{Seed, Time, WallClock};

/// A conversation with its outputs collected.
pub struct Talk {
    pub conversation: Conversation,
    pub now: Time,
    /// Everything given out since the last `take`.
    pub outputs: Vec<Output>,
    unfinished: Vec<Prompt>,
}

#[allow(dead_code, reason = "each test file uses its part")]
impl Talk {
    pub fn start(yaml: &str) -> Self {
        Self::start_with(yaml, CallFacts::default(), Seed::default())
    }

    pub fn start_with(yaml: &str, facts: CallFacts, seed: Seed) -> Self {
        let bot = Bot::parse(yaml, "test.yaml").unwrap_or_else(|errors| panic!("{errors}"));
        let now = Time::ZERO;
        let conversation = Conversation::new(Arc::new(bot), seed, WallClock::default(), now);
        let mut talk = Talk { conversation, now, outputs: Vec::new(), unfinished: Vec::new() };
        talk.handle(Input::Start(facts));
        talk
    }

    pub fn handle(&mut self, input: Input) {
        self.conversation.handle(input, self.now);
        while let Some(output) = self.conversation.poll_output() {
            match &output {
                Output::Prompt(prompt) => self.unfinished.push(prompt.clone()),
                Output::StopPrompts => self.unfinished.clear(),
                Output::StopPrompt(id) => self.unfinished.retain(|prompt| prompt.id != *id),
                Output::ResumePrompts
                | Output::Expect(_)
                | Output::ExpectNothing
                | Output::Mask(_)
                | Output::CallTool(_)
                | Output::CancelTool(_)
                | Output::Transfer(_)
                | Output::HangUp { .. }
                | Output::Event(_) => {}
            }
            self.outputs.push(output);
        }
    }

    /// Every prompt that was given out plays to its end.
    pub fn finish_prompts(&mut self) {
        while !self.unfinished.is_empty() {
            let prompt = self.unfinished.remove(0);
            self.now += Duration::from_secs(1);
            self.handle(Input::PromptFinished { prompt: prompt.id, completed: true });
        }
    }

    /// The caller says this.
    pub fn hear(&mut self, text: &str) {
        self.handle(Input::SpeechStarted);
        self.sound(text);
    }

    /// A sound that nobody took for speech, and what a recognizer hears in it.
    pub fn sound(&mut self, text: &str) {
        self.handle(Input::Heard { text: text.to_owned(), confidence: None });
    }

    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.handle(Input::Digit(key));
        }
    }

    /// Jumps to the next deadline and feeds it.
    pub fn jump(&mut self) {
        self.now = self.conversation.poll_timeout().expect("a deadline");
        self.handle(Input::Deadline);
    }

    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// What was said since the last `take`.
    pub fn said(&self) -> Vec<String> {
        let texts = self.prompts().into_iter().map(|prompt| match prompt.content {
            PromptContent::Text(text) => text,
            PromptContent::Recording(name) => format!("[{name}]"),
        });
        texts.collect()
    }

    pub fn prompts(&self) -> Vec<Prompt> {
        let prompt =
            |output: &Output| if let Output::Prompt(prompt) = output { Some(prompt.clone()) } else { None };
        self.outputs.iter().filter_map(prompt).collect()
    }

    pub fn events(&self) -> Vec<Event> {
        let event =
            |output: &Output| if let Output::Event(event) = output { Some(event.clone()) } else { None };
        self.outputs.iter().filter_map(event).collect()
    }

    pub fn expected(&self) -> Expected {
        let expected = |output: &Output| {
            if let Output::Expect(expected) = output { Some(expected.clone()) } else { None }
        };
        self.outputs.iter().rev().find_map(expected).expect("something is awaited")
    }

    pub fn hung_up(&self) -> Option<HangUpReason> {
        let reason =
            |output: &Output| if let Output::HangUp { reason } = output { Some(*reason) } else { None };
        self.outputs.iter().find_map(reason)
    }

    pub fn has(&self, wanted: &Output) -> bool {
        self.outputs.contains(wanted)
    }
}
