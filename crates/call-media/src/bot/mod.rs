//! What the bot says: utterances in the order they were announced, each made of chunks at any rate.

mod again;
mod audible;
mod resample;
mod utterance;

use std::collections::VecDeque;
use std::time::Duration;

use offhook_audio::AudioChunk;
use offhook_audio::gain::GainRamp;
use offhook_engine_api::UtteranceId;
use offhook_time::Time;

use crate::declick::Declick;
use crate::egress::LONGEST_PACKET;
use crate::live::{LINE_FRAME, LINE_RATE};
use crate::mask::packet_judgement;
use crate::{MediaEvent, OnSpeech, Outputs, RefusalCause, UtterancePolicy};
use again::Again;
use audible::Audible;
use resample::ToLine;
use utterance::{Chunks, Utterance, Utterances};

/// Longest fade of an utterance that is stopped.
const TAIL: usize = LINE_FRAME;

/// Events that one packet may raise. More utterances than that do not begin or end within a packet; the next one
/// goes on.
const NOTES: usize = 8;

/// Resampler, fade and declick sound on for less than so many of the shortest packets.
const MASKED_PACKETS: u8 = 5;

/// Why an utterance stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// The caller speaks.
    Speech,
    /// The caller pressed a key.
    Digit,
}

/// Why the caller's speech keeps the bot quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// It does not.
    No,
    /// Until it is known whether it is speech.
    WhileJudged,
    /// Until control knows what it meant.
    WhileUnderstood,
}

/// The bot's voice: pulled by playout, 8 kHz.
#[derive(Debug)]
pub(crate) struct BotVoice {
    utterances: Utterances,
    chunks: Chunks,
    playing: Option<AudioChunk>,
    /// Samples of `playing` that were read.
    offset: usize,
    to_line: ToLine,
    /// What was resampled and not yet played.
    ready: [i16; LINE_FRAME],
    ready_from: usize,
    ready_to: usize,
    ramp: GainRamp,
    declick: Declick,
    pause: Pause,
    again: Again,
    held: bool,
    /// Samples that still sound before a pause is reached.
    before_pause: usize,
    /// The fading rest of an utterance that was stopped.
    tail: [i16; TAIL],
    tail_len: usize,
    notes: [Option<Note>; NOTES],
    audible: Audible,
    underruns: u64,
    refused: u64,
    /// Packets that may still carry what must be recorded nowhere.
    masked_packets: u8,
    /// Whether those could be heard when the call was live.
    foretold: VecDeque<bool>,
    /// What was rendered last, where more than one leg may hear it.
    said: Vec<i16>,
    said_len: usize,
}

/// An event that waits for its packet to leave.
#[derive(Clone, Copy, Debug)]
enum Note {
    Started { utterance: UtteranceId, audio_at: Time },
    Finished { utterance: UtteranceId, played: Duration, completed: bool },
}

impl BotVoice {
    /// Room for `queue` chunks, resamplers for `rates`; `is_shared` where more than one leg may hear it.
    pub(crate) fn new(queue: u16, rates: &[u32], is_shared: bool) -> Self {
        BotVoice {
            utterances: Utterances::new(),
            chunks: Chunks::new(queue),
            playing: None,
            offset: 0,
            to_line: ToLine::new(rates),
            ready: [0; LINE_FRAME],
            ready_from: 0,
            ready_to: 0,
            ramp: GainRamp::new(1.0),
            declick: Declick::new(),
            pause: Pause::No,
            again: Again::new(!rates.is_empty()),
            held: false,
            before_pause: 0,
            tail: [0; TAIL],
            tail_len: 0,
            notes: [None; NOTES],
            audible: Audible::default(),
            underruns: 0,
            refused: 0,
            masked_packets: 0,
            foretold: VecDeque::new(),
            said: vec![0; if is_shared { LONGEST_PACKET } else { 0 }],
            said_len: 0,
        }
    }

    /// What was rendered last, for the other legs that hear it.
    pub(crate) fn said(&self) -> &[i16] {
        &self.said[..self.said_len]
    }

    /// Frames for which nothing was ready in the middle of an utterance.
    pub(crate) fn underruns(&self) -> u64 {
        self.underruns
    }

    /// Refused audio in frames of 20 ms.
    pub(crate) fn refused_frames(&self) -> u64 {
        self.refused
    }

    /// Queues an utterance.
    pub(crate) fn announce(
        &mut self,
        utterance: UtteranceId,
        policy: UtterancePolicy,
        outputs: &mut impl Outputs,
    ) {
        // A second announcement of the same id changes nothing.
        if self.utterances.find(utterance).is_some() {
            return;
        }
        if !self.utterances.push(Utterance::new(utterance, policy)) {
            outputs.event(MediaEvent::SpeechRefused { utterance, cause: RefusalCause::QueueFull });
            finished(utterance, Duration::ZERO, false, outputs);
        }
    }

    /// Takes audio. What belongs to no announced utterance, or to one that was stopped, goes back at once: this is
    /// the one place where late audio of a cancelled prompt ends.
    pub(crate) fn speech(
        &mut self,
        utterance: UtteranceId,
        chunk: AudioChunk,
        outputs: &mut impl Outputs,
        now: Time,
    ) {
        let Some(owner) = self.utterances.find(utterance) else {
            outputs.event(MediaEvent::Discard(chunk));
            return;
        };
        if chunk.samples.is_empty() {
            outputs.event(MediaEvent::Discard(chunk));
            return;
        }
        let cause = if !self.to_line.prepare(chunk.sample_rate) {
            Some(RefusalCause::SampleRate)
        } else if self.chunks.is_full() {
            Some(RefusalCause::QueueFull)
        } else {
            None
        };
        if let Some(cause) = cause {
            self.refused += (chunk.duration().as_millis() / 20) as u64;
            if !owner.refused {
                owner.refused = true;
                outputs.event(MediaEvent::SpeechRefused { utterance, cause });
            }
            outputs.event(MediaEvent::Discard(chunk));
            return;
        }
        owner.first_audio_at.get_or_insert(now);
        owner.received += chunk.duration();
        self.chunks.push(utterance, chunk);
    }

    /// No more audio will come for it.
    pub(crate) fn end_of_utterance(&mut self, utterance: UtteranceId) {
        if let Some(utterance) = self.utterances.find(utterance) {
            utterance.ended = true;
        }
    }

    /// Stops one utterance, played or waiting.
    pub(crate) fn cancel(&mut self, utterance: UtteranceId, fade: Duration, outputs: &mut impl Outputs) {
        if self.utterances.front().is_some_and(|front| front.id == utterance) {
            self.stop_front(fade, outputs);
        } else if let Some(waiting) = self.utterances.remove(utterance) {
            self.give_back(waiting.id, outputs);
            finished(waiting.id, Duration::ZERO, false, outputs);
        }
    }

    /// Stops everything.
    pub(crate) fn cancel_all(&mut self, fade: Duration, outputs: &mut impl Outputs) {
        self.pause = Pause::No;
        self.stop_front(fade, outputs);
        while let Some(front) = self.utterances.front() {
            let id = front.id;
            self.cancel(id, fade, outputs);
        }
    }

    /// Pauses or resumes on behalf of control.
    pub(crate) fn hold(&mut self, paused: bool, fade: Duration) {
        self.held = paused;
        self.aim(fade);
    }

    /// Pauses what plays, where speech may interrupt it.
    pub(crate) fn pause_for_speech(&mut self, fade: Duration) -> Option<UtteranceId> {
        let front = self.utterances.front().filter(|front| front.is_playing())?;
        match front.policy.barge_in.speech {
            OnSpeech::Ignore => return None,
            OnSpeech::Pause | OnSpeech::Stop => {}
        }
        let id = front.id;
        if self.pause == Pause::No {
            self.pause = Pause::WhileJudged;
        }
        self.aim(fade);
        Some(id)
    }

    /// It was no speech: plays on, unless control still ponders what was said before.
    pub(crate) fn resume_after_noise(&mut self, fade: Duration) -> Option<UtteranceId> {
        match self.pause {
            Pause::No | Pause::WhileUnderstood => return None,
            Pause::WhileJudged => {}
        }
        self.pause = Pause::No;
        self.aim(fade);
        self.utterances.front().map(|front| front.id)
    }

    /// What was said meant nothing: goes on a little before the place of the pause. `judging`: the caller makes a new
    /// sound, which may be something.
    pub(crate) fn resume_after_speech(&mut self, judging: bool, fade: Duration) {
        match self.pause {
            Pause::No | Pause::WhileJudged => return,
            Pause::WhileUnderstood => {}
        }
        let is_masked = self.utterances.front().is_some_and(|front| front.policy.masked);
        self.again.go_back(is_masked);
        self.pause = if judging { Pause::WhileJudged } else { Pause::No };
        self.aim(fade);
    }

    /// Stops what plays, where it may be interrupted so, and what waits behind it up to the first utterance that may
    /// not. Answers what was stopped and how much of it was heard.
    pub(crate) fn interrupt(
        &mut self,
        by: Interruption,
        fade: Duration,
        outputs: &mut impl Outputs,
    ) -> Option<(UtteranceId, Duration)> {
        let playing = self.utterances.front().filter(|front| front.is_playing() && may(front, by));
        let stopped = playing.map(|front| (front.id, front.heard()));
        if stopped.is_some() {
            self.stop_front(fade, outputs);
            while let Some(next) = self.utterances.front().filter(|next| may(next, by)) {
                let id = next.id;
                self.cancel(id, fade, outputs);
            }
        }
        match by {
            Interruption::Speech => {
                let waits = self.utterances.front().map(|front| front.policy.barge_in.speech);
                self.pause = if waits == Some(OnSpeech::Pause) { Pause::WhileUnderstood } else { Pause::No };
            }
            Interruption::Digit if stopped.is_some() => self.pause = Pause::No,
            Interruption::Digit => {}
        }
        self.aim(fade);
        stopped
    }

    /// Writes the next samples into `mix`, which is silent. The events of what begins or ends in them wait for [`Self::handed_over`].
    pub(crate) fn render(&mut self, mix: &mut [i16], outputs: &mut impl Outputs) {
        self.masked_packets = self.masked_packets.saturating_sub(1);
        self.render_next(mix, outputs);
        self.said_len = mix.len().min(self.said.len());
        self.said[..self.said_len].copy_from_slice(&mix[..self.said_len]);
    }

    fn render_next(&mut self, mix: &mut [i16], outputs: &mut impl Outputs) {
        self.mix_tail(mix);
        let mut buffer = [0i16; LONGEST_PACKET];
        let mut len = mix.len().min(buffer.len());
        if self.is_paused() {
            // What comes after the fade stays for later.
            len = len.min(self.before_pause);
            self.before_pause -= len;
        }
        let samples = &mut buffer[..len];
        let filled = self.fill(samples, outputs);
        let (audio, gap) = samples.split_at_mut(filled);
        self.declick.audio(audio);
        self.declick.gap(gap);
        self.ramp.apply(samples);
        offhook_audio::gain::mix(mix, samples);
    }

    /// The packet with what was rendered was sent; `energy` is the mean square that the far end decodes.
    pub(crate) fn sent(&mut self, energy: f32, outputs: &mut impl Outputs, now: Time) {
        let mut audible = Audible::is_audible(energy);
        if self.is_masked() {
            audible = self.foretold.pop_front().unwrap_or(audible);
            outputs.judged(&packet_judgement(audible));
        }
        self.audible.sent(audible, now);
    }

    /// Whether what was rendered last may carry what must be recorded nowhere.
    pub(crate) fn is_masked(&self) -> bool {
        self.masked_packets > 0
    }

    /// Whether the next packet of those could be heard.
    pub(crate) fn foretell(&mut self, audible: bool) {
        self.foretold.push_back(audible);
    }

    /// Whether the caller's sound keeps it quiet, or will at once where it turns out to be speech.
    pub(crate) fn is_silenced_by_speech(&self) -> bool {
        let playing = self.utterances.front().filter(|front| front.is_playing());
        self.pause != Pause::No || playing.is_some_and(|front| may(front, Interruption::Speech))
    }

    /// When the last packet was sent in which it could be heard.
    pub(crate) fn audible_until(&self) -> Option<Time> {
        self.audible.until()
    }

    /// The packet with what was rendered is with the socket.
    pub(crate) fn handed_over(&mut self, outputs: &mut impl Outputs) {
        for note in &mut self.notes {
            match note.take() {
                Some(Note::Started { utterance, audio_at }) => {
                    self.audible.begin(utterance, audio_at);
                    outputs.event(MediaEvent::PlaybackStarted { utterance, audio_at });
                }
                Some(Note::Finished { utterance, played, completed }) => {
                    self.audible.finish(utterance).into_iter().for_each(|heard| outputs.event(heard));
                    finished(utterance, played, completed, outputs);
                }
                None => break,
            }
        }
        self.audible.judge().into_iter().for_each(|heard| outputs.event(heard));
    }

    /// Fills `samples` from one utterance after the other; answers how many.
    fn fill(&mut self, samples: &mut [i16], outputs: &mut impl Outputs) -> usize {
        let mut filled = 0;
        while filled < samples.len() {
            let Some(front) = self.utterances.front_mut() else { break };
            if front.policy.masked {
                self.masked_packets = MASKED_PACKETS;
            }
            let again = self.again.take(&mut samples[filled..]);
            if again > 0 {
                filled += again;
                continue;
            }
            if self.ready_from < self.ready_to {
                if !front.is_playing() && !begin(front, &mut self.notes) {
                    break;
                }
                let count = (self.ready_to - self.ready_from).min(samples.len() - filled);
                samples[filled..filled + count]
                    .copy_from_slice(&self.ready[self.ready_from..self.ready_from + count]);
                self.again.heard(&samples[filled..filled + count]);
                self.ready_from += count;
                front.played_samples += count as u64;
                filled += count;
                continue;
            }
            match self.refill(outputs) {
                Refill::Ready => {}
                Refill::Starved => {
                    self.underruns += 1;
                    break;
                }
                Refill::NotYet => break,
                Refill::Over => {
                    if !self.finish_front() {
                        break;
                    }
                }
            }
        }
        filled
    }

    /// Resamples the next 20 ms of the front utterance.
    fn refill(&mut self, outputs: &mut impl Outputs) -> Refill {
        let Some(front) = self.utterances.front() else { return Refill::NotYet };
        let (id, ended, began) = (front.id, front.ended, front.is_playing());
        while !self.to_line.is_full() {
            let Some(chunk) = &self.playing else {
                match self.chunks.pop(id) {
                    Some(next) if self.to_line.accepts(next.sample_rate) => {
                        self.to_line.select(next.sample_rate);
                        self.playing = Some(next);
                        self.offset = 0;
                        continue;
                    }
                    Some(next) => {
                        // Another rate: what was collected at the old one goes first.
                        self.chunks.push_front(id, next);
                        break;
                    }
                    None if ended && self.to_line.has_rest() => break,
                    None if ended => return Refill::Over,
                    None if began => return Refill::Starved,
                    None => return Refill::NotYet,
                }
            };
            self.offset += self.to_line.collect(&chunk.samples[self.offset..]);
            if self.offset >= chunk.samples.len()
                && let Some(chunk) = self.playing.take()
            {
                outputs.event(MediaEvent::Discard(chunk));
            }
        }
        self.ready_from = 0;
        self.ready_to = self.to_line.process(&mut self.ready);
        Refill::Ready
    }

    /// The front utterance was played to its end. False where its event must wait for the next packet.
    fn finish_front(&mut self) -> bool {
        if self.notes.iter().all(Option::is_some) {
            return false;
        }
        let Some(front) = self.utterances.pop() else { return false };
        note(
            &mut self.notes,
            Note::Finished { utterance: front.id, played: front.received, completed: true },
        );
        self.to_line.reset();
        self.again.forget();
        true
    }

    /// Stops the front utterance: its next samples fade away, the rest goes back.
    fn stop_front(&mut self, fade: Duration, outputs: &mut impl Outputs) {
        let Some(front) = self.utterances.front() else { return };
        let (id, heard, playing) = (front.id, front.heard(), front.is_playing());
        if playing {
            self.fade_into_tail(fade, outputs);
        }
        self.ready_from = self.ready_to;
        if let Some(chunk) = self.playing.take() {
            outputs.event(MediaEvent::Discard(chunk));
        }
        self.give_back(id, outputs);
        self.to_line.reset();
        self.utterances.pop();
        let stopped = Note::Finished { utterance: id, played: heard, completed: false };
        if !playing || !note(&mut self.notes, stopped) {
            self.audible.finish(id).into_iter().for_each(|heard| outputs.event(heard));
            finished(id, heard, false, outputs);
        }
        self.again.forget();
        self.pause = Pause::No;
        self.aim(fade);
    }

    /// Renders the next samples of the front utterance with a fade to nothing.
    fn fade_into_tail(&mut self, fade: Duration, outputs: &mut impl Outputs) {
        let len = samples_in(fade).min(TAIL);
        if self.utterances.front().is_some_and(|front| front.policy.masked) {
            self.masked_packets = MASKED_PACKETS;
        }
        let mut samples = [0i16; TAIL];
        if self.ramp.gain() > 0.0 {
            while self.ready_from == self.ready_to && self.refill(outputs) == Refill::Ready {}
            let again = self.again.take(&mut samples[..len]);
            let count = (self.ready_to - self.ready_from).min(len - again);
            let filled = again + count;
            samples[again..filled].copy_from_slice(&self.ready[self.ready_from..self.ready_from + count]);
            let (audio, gap) = samples[..len].split_at_mut(filled);
            self.declick.audio(audio);
            self.declick.gap(gap);
            let mut ramp = GainRamp::new(self.ramp.gain());
            ramp.move_to(0.0, len as u32);
            ramp.apply(&mut samples[..len]);
        }
        self.tail = samples;
        self.tail_len = len;
        self.declick = Declick::new();
    }

    fn mix_tail(&mut self, mix: &mut [i16]) {
        let len = self.tail_len.min(mix.len());
        offhook_audio::gain::mix(mix, &self.tail[..len]);
        self.tail.copy_within(len..self.tail_len, 0);
        self.tail_len -= len;
    }

    /// Gives all waiting chunks of an utterance back.
    fn give_back(&mut self, utterance: UtteranceId, outputs: &mut impl Outputs) {
        while let Some(chunk) = self.chunks.pop(utterance) {
            outputs.event(MediaEvent::Discard(chunk));
        }
    }

    fn is_paused(&self) -> bool {
        self.held || self.pause != Pause::No
    }

    /// Moves the gain to where pause and hold want it. With nothing to be heard it is there at once.
    fn aim(&mut self, fade: Duration) {
        let target = if self.is_paused() { 0.0 } else { 1.0 };
        let playing = self.utterances.front().is_some_and(Utterance::is_playing);
        let samples = if playing { samples_in(fade) } else { 0 };
        if self.ramp.target() != target {
            self.ramp.move_to(target, samples as u32);
            self.before_pause = samples;
        }
    }
}

/// What came of asking for the next 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refill {
    /// They are ready.
    Ready,
    /// The utterance has begun, is not over, and nothing is there.
    Starved,
    /// Its first audio has not come yet.
    NotYet,
    /// It was played to its end.
    Over,
}

fn may(utterance: &Utterance, by: Interruption) -> bool {
    match by {
        Interruption::Speech => utterance.policy.barge_in.speech == OnSpeech::Stop,
        Interruption::Digit => utterance.policy.barge_in.digits,
    }
}

/// The first audio of an utterance is in this packet. False where the event finds no place: then it begins in the
/// next one.
fn begin(front: &mut Utterance, notes: &mut [Option<Note>]) -> bool {
    let audio_at = front.first_audio_at.unwrap_or_default();
    let began = note(notes, Note::Started { utterance: front.id, audio_at });
    front.playing = began;
    began
}

fn note(notes: &mut [Option<Note>], event: Note) -> bool {
    let Some(place) = notes.iter_mut().find(|place| place.is_none()) else { return false };
    *place = Some(event);
    true
}

fn finished(utterance: UtteranceId, played: Duration, completed: bool, outputs: &mut impl Outputs) {
    outputs.event(MediaEvent::PlaybackFinished { utterance, played, completed });
}

fn samples_in(duration: Duration) -> usize {
    (duration.as_nanos() * u128::from(LINE_RATE) / 1_000_000_000) as usize
}
