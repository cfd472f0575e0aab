//! Prompts: from the bot file to the synthesizer's queue, and which of them the caller still has to hear.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use offhook_time::Time;

use super::{Conversation, Failure, Phase};
use crate::bot::file::{BargeInFile, LineFile, Say};
use crate::bot::{Short, Switch};
use crate::{BargeIn, Output, Prompt, PromptContent, PromptId};

/// A prompt that did not finish after this is lost: nobody speaks longer, and the call must not hang on it.
const LONGEST_PROMPT: Duration = Duration::from_secs(180);

/// Failures in a row that mean the synthesizer is gone, not only one prompt.
const FAILURES_THAT_MEAN_BROKEN: u32 = 2;

/// The prompts that were given out and have not finished.
#[derive(Debug)]
pub(super) struct Speaking {
    unfinished: VecDeque<(PromptId, BargeIn)>,
    last_id: u64,
    failures: u32,
    /// When the first unfinished one began its wait.
    since: Time,
}

impl Speaking {
    pub(super) fn new(now: Time) -> Self {
        Speaking { unfinished: VecDeque::new(), last_id: 0, failures: 0, since: now }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// What may interrupt the prompt that plays now; anything where none does.
    pub(super) fn barge_in(&self) -> BargeIn {
        self.unfinished.front().map_or(BargeIn { speech: true, digits: true }, |(_, barge_in)| *barge_in)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        (!self.is_silent()).then(|| self.since + LONGEST_PROMPT)
    }

    pub(super) fn give_up(&mut self) {
        self.unfinished.clear();
    }

    /// Whether the prompt was one of ours and the last one.
    fn finished(&mut self, prompt: PromptId, now: Time) -> bool {
        let before = self.unfinished.len();
        self.unfinished.retain(|(id, _)| *id != prompt);
        self.since = now;
        before > 0 && self.unfinished.is_empty()
    }

    /// Whether the synthesizer is broken for good.
    pub(super) fn failed(&mut self, prompt: PromptId) -> bool {
        self.unfinished.retain(|(id, _)| *id != prompt);
        self.failures += 1;
        self.failures >= FAILURES_THAT_MEAN_BROKEN
    }
}

impl Conversation {
    pub(super) fn handle_prompt_finished(&mut self, prompt: PromptId, completed: bool, now: Time) {
        if completed {
            self.speaking.failures = 0;
        }
        if self.speaking.finished(prompt, now) {
            self.prompts_are_done(now);
        }
    }

    pub(super) fn stop_prompts(&mut self) {
        if !self.speaking.is_silent() {
            self.speaking.give_up();
            self.outputs.push_back(Output::StopPrompts);
        }
    }

    pub(super) fn resume_prompts(&mut self) {
        if !self.speaking.is_silent() {
            self.outputs.push_back(Output::ResumePrompts);
        }
    }

    pub(super) fn say(&mut self, say: &Say, now: Time) -> Result<(), Failure> {
        for line in &say.0 {
            self.say_line(&line.value, now)?;
        }
        Ok(())
    }

    /// Says a text of ours in the bot's voice.
    pub(super) fn say_text(&mut self, text: &str, now: Time) {
        let nothing_special = LineFile::default();
        self.queue(PromptContent::Text(text.to_owned()), &nothing_special, now);
    }

    /// Only a prompt before a question can be interrupted: in front of a transfer, a tool or the end nobody listens.
    pub(super) fn settle_barge_in(&mut self) {
        if let Phase::Listening(_) = self.phase {
            return;
        }
        let none = BargeIn { speech: false, digits: false };
        for output in &mut self.outputs {
            if let Output::Prompt(prompt) = output {
                prompt.barge_in = none;
            }
        }
        self.speaking.unfinished.iter_mut().for_each(|(_, barge_in)| *barge_in = none);
    }

    fn say_line(&mut self, line: &Short<LineFile>, now: Time) -> Result<(), Failure> {
        let long = match line {
            Short::Text(text) => return self.speak(text, &LineFile::default(), now),
            Short::Long(long) => long,
        };
        if let Some(condition) = &long.condition
            && !self.holds(condition, now)?
        {
            return Ok(());
        }
        if let Some(text) = &long.text {
            self.speak(text, long, now)
        } else if let Some(recording) = &long.recording {
            self.queue(PromptContent::Recording(recording.value.clone()), long, now);
            Ok(())
        } else if let Some(prompt) = &long.prompt {
            let bot = Arc::clone(&self.bot);
            // Shared prompts do not refer to others: the check refuses it.
            match bot.file().prompts.get(prompt.as_str()) {
                Some(shared) => self.say(shared, now),
                None => Ok(()),
            }
        } else {
            let chosen = self.randomness.below(long.one_of.len() as u64) as usize;
            match long.one_of.get(chosen) {
                Some(text) => self.speak(text, long, now),
                None => Ok(()),
            }
        }
    }

    fn speak(&mut self, template: &str, line: &LineFile, now: Time) -> Result<(), Failure> {
        let text = self.bot.templates().speech(template, &self.scope(now))?;
        if !text.is_empty() {
            self.queue(PromptContent::Text(text), line, now);
        }
        Ok(())
    }

    fn queue(&mut self, content: PromptContent, line: &LineFile, now: Time) {
        if self.speaking.is_silent() {
            self.speaking.since = now;
        }
        self.speaking.last_id += 1;
        let id = PromptId(self.speaking.last_id);
        let file = self.bot.file();
        let barge_in = barge_in(line.barge_in.as_ref().unwrap_or(&file.turn.barge_in));
        let prompt = Prompt {
            id,
            content,
            language: line.language.clone().unwrap_or_else(|| file.language.value.clone()),
            voice: line.voice.clone().or_else(|| file.voice.clone()),
            barge_in,
        };
        self.speaking.unfinished.push_back((id, barge_in));
        self.outputs.push_back(Output::Prompt(prompt));
    }
}

fn barge_in(switch: &Switch<BargeInFile>) -> BargeIn {
    match switch {
        Switch::All(all) => BargeIn { speech: *all, digits: *all },
        Switch::Long(long) => BargeIn { speech: long.speech, digits: long.digits },
    }
}
