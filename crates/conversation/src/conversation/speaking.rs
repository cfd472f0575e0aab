//! Prompts: from the bot file to the synthesizer's queue, and which of them the caller still has to hear.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use offhook_time::Time;

use super::{Conversation, Failure, Phase};
use crate::bot::Short;
use crate::bot::file::{LineFile, Say};
use crate::{BargeIn, OnSpeech, Output, Prompt, PromptContent, PromptId, Secret};

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
    /// The caller has cut a prompt off: what he says or presses is for what follows, whatever plays on.
    cut: bool,
    /// When the first unfinished one began its wait.
    since: Time,
}

impl Speaking {
    pub(super) fn new(now: Time) -> Self {
        Speaking { unfinished: VecDeque::new(), last_id: 0, failures: 0, cut: false, since: now }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// What may interrupt now: the prompt that plays decides. Anything where none does, or where one was cut off.
    pub(super) fn barge_in(&self) -> BargeIn {
        match self.unfinished.front() {
            Some((_, barge_in)) if !self.cut => *barge_in,
            Some(_) | None => BargeIn::ANY,
        }
    }

    /// Whether what the caller says now is an answer even where it is not understood: nothing is left to be said, or
    /// he has cut it off.
    pub(super) fn has_given_way(&self) -> bool {
        self.is_silent() || self.cut
    }

    /// Takes out the prompts that are stopped, up to the first that is not.
    fn take_while(&mut self, is_stopped: impl Fn(BargeIn) -> bool) -> Vec<PromptId> {
        let count = self.unfinished.iter().take_while(|(_, barge_in)| is_stopped(*barge_in)).count();
        self.cut |= count > 0;
        self.unfinished.drain(..count).map(|(prompt, _)| prompt).collect()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        (!self.is_silent()).then(|| self.since + LONGEST_PROMPT)
    }

    pub(super) fn give_up(&mut self) {
        self.unfinished.clear();
    }

    fn is_unfinished(&self, prompt: PromptId) -> bool {
        self.unfinished.iter().any(|(id, _)| *id == prompt)
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
        } else {
            self.speaking.cut |= self.speaking.is_unfinished(prompt);
        }
        if self.speaking.finished(prompt, now) {
            self.prompts_are_done(now);
        }
    }

    /// The caller speaks, and that alone stops what plays. The driver has done so already.
    pub(super) fn stopped_by_speech(&mut self) {
        let stopped = self.speaking.take_while(|barge_in| barge_in.speech == OnSpeech::Stop);
        self.tell_stopped(&stopped);
    }

    /// What the caller said is an answer: what it may interrupt is not said any more.
    pub(super) fn stop_for_answer(&mut self) {
        let stopped = self.speaking.take_while(|barge_in| barge_in.speech != OnSpeech::Ignore);
        self.tell_stopped(&stopped);
    }

    /// A key was pressed that is of use.
    pub(super) fn stop_for_key(&mut self) {
        let stopped = self.speaking.take_while(|barge_in| barge_in.digits);
        self.tell_stopped(&stopped);
    }

    /// Whatever is said has lost its sense.
    pub(super) fn stop_all_prompts(&mut self) {
        if !self.speaking.is_silent() {
            self.speaking.give_up();
            self.outputs.push_back(Output::StopPrompts);
        }
    }

    fn tell_stopped(&mut self, stopped: &[PromptId]) {
        if stopped.is_empty() {
            return;
        }
        if self.speaking.is_silent() {
            return self.outputs.push_back(Output::StopPrompts);
        }
        self.outputs.extend(stopped.iter().map(|prompt| Output::StopPrompt(*prompt)));
    }

    pub(super) fn resume_prompts(&mut self) {
        if !self.speaking.is_silent() && !self.is_over() {
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
        let none = BargeIn::NONE;
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
        if text.is_empty() {
            return Ok(());
        }
        self.queue(PromptContent::Text(text), line, now);
        if self.may_reveal(template) {
            let spoken = self.bot.templates().speech(template, &self.revealed_scope(now)).ok();
            if let Some(Output::Prompt(prompt)) = self.outputs.back_mut() {
                prompt.masked = true;
                prompt.secret = spoken.map_or_else(Secret::default, Secret::new);
            }
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
        let barge_in = self.bot.barge_in(line.barge_in);
        self.speaking.cut = false;
        let prompt = Prompt {
            id,
            content,
            language: line.language.clone().unwrap_or_else(|| file.language.value.clone()),
            voice: line.voice.clone().or_else(|| file.voice.clone()),
            barge_in,
            masked: false,
            secret: Secret::default(),
        };
        self.speaking.unfinished.push_back((id, barge_in));
        self.outputs.push_back(Output::Prompt(prompt));
    }
}
