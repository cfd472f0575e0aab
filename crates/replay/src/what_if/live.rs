//! After the point of departure: who answers where the recording does not.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::{AudioChunk, Frame, G711};
use offhook_call_control::{
    CallEvent, Input, Output, RecognizerCommand, SpeakRequest, Speaker, SpeechContent,
};
use offhook_call_media::{
    LegId, LineCodec, MediaCommand, MediaEvent, Outputs, RecordedInput, StreamSettings,
};
use offhook_conversation::{ToolCall, ToolFailure};
use offhook_engine_api::{Grammar, SynthesizerEvent, UtteranceId};
use offhook_rtp_proto::{RtpHeader, RtpPacket};
use offhook_sip_proto::endpoint::SipEvent;
use offhook_sip_proto::message::Method;
use offhook_time::Time;

use super::leave::Due;
use super::script::Told;
use super::stage::Stage;
use crate::encounter::floor::Floor;
use crate::encounter::mouth::{BEAT, Mouth, PACKET};
use crate::encounter::{Ear, MASKED};
use crate::report::since;
use crate::surroundings::{
    Act, Answered, Asked, Heard, Line, Surroundings, Talker, Who, outcome_words, result_words,
};
use crate::verify::Collected;

/// A caller does not begin to speak in the moment in which the bot falls silent.
const REACTION: Duration = Duration::from_millis(400);

/// So long a caller waits for the bot to say something.
const PATIENCE: Duration = Duration::from_secs(6);

/// Who answers where the recording does not.
#[derive(Default)]
pub struct Helpers<'a> {
    /// Engines and business systems.
    pub around: Option<&'a mut dyn Surroundings>,
    /// Who takes the caller's place from the point of departure on.
    pub caller: Option<&'a mut dyn Talker>,
}

/// What they need to know of the call, and what they answered.
#[derive(Default)]
pub(super) struct Live<'a> {
    helpers: Helpers<'a>,
    ear: Ear,
    /// The latest utterance that a recognizer was to be asked about.
    utterance: Vec<Frame>,
    grammar: Grammar,
    pub answered: Vec<Answered>,
    pub lines: Vec<Line>,
    floor: Floor,
    stream: Option<StreamSettings>,
    last: Option<(LegId, SocketAddr, RtpHeader, u32)>,
    place: Option<Place>,
    /// The recorded caller's goodbye.
    pub goodbye: Option<SipEvent>,
}

/// The caller's place, once somebody else has it.
struct Place {
    mouth: Mouth,
    next_beat: Time,
    waits_until: Option<Time>,
    patient_until: Time,
    said: Vec<String>,
    has_left: bool,
}

impl<'a> Live<'a> {
    pub fn new(helpers: Helpers<'a>) -> Live<'a> {
        Live { helpers, ..Live::default() }
    }

    /// Whether engines answer.
    pub fn has_engines(&self) -> bool {
        self.helpers.around.is_some()
    }

    /// Whether somebody else is the caller once the recording is left.
    pub fn has_caller(&self) -> bool {
        self.helpers.caller.is_some()
    }

    /// What is awaited now.
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    /// What the control half wants, at `seconds`.
    pub fn note(&mut self, output: &Output, seconds: f64) {
        self.floor.output(output);
        if let Output::Recognizer(command) = output {
            match command {
                RecognizerCommand::SetGrammar(grammar) => self.grammar = grammar.clone(),
                RecognizerCommand::StartUtterance => self.ear.start(),
                RecognizerCommand::FinishUtterance => self.utterance = self.ear.finish(),
            }
        } else if let Output::Fact(fact) = output {
            let line = |who, text: &str| Line { at: seconds, who, text: text.to_owned() };
            let is_live = self.place.is_some();
            if let CallEvent::Said { speaker, text, .. } = &fact.event
                && (*speaker == Speaker::Bot || !is_live)
            {
                let who = if *speaker == Speaker::Bot { Who::Bot } else { Who::Caller };
                self.lines.push(line(who, text));
            } else if let CallEvent::Dtmf { digit } = &fact.event
                && !is_live
            {
                self.lines.push(line(Who::Keys, &digit.to_string()));
            }
        }
    }

    /// What the control half is told.
    pub fn told(&mut self, input: &Input) {
        self.floor.input(input);
    }

    /// What the media half is told.
    pub fn media_told(&mut self, input: &RecordedInput) {
        if let RecordedInput::Command(MediaCommand::SetStream { settings, .. }) = input {
            self.stream = Some(*settings);
        } else if let RecordedInput::Rtp { leg, datagram, source, .. } = input
            && let Ok(packet) = RtpPacket::parse(datagram)
            && self.stream.is_some_and(|stream| packet.header.payload_type.number() == stream.payload_type)
        {
            let samples = packet.payload.len() as u32;
            let newer = self.last.is_none_or(|(.., last, _)| {
                last.ssrc != packet.header.ssrc
                    || (packet.header.sequence.0.wrapping_sub(last.sequence.0) as i16) > 0
            });
            if newer {
                self.last = Some((*leg, *source, packet.header, samples));
            }
        }
    }

    /// Listens to what leaves the media half.
    pub fn overhear<'b>(&'b mut self, collected: &'b mut Collected) -> Overhearing<'b> {
        Overhearing { ear: &mut self.ear, collected }
    }

    fn answered(&mut self, at: f64, asked: Asked, what: String, by: String, took: Duration) {
        let took_ms = took.as_millis() as u64;
        self.answered.push(Answered { at, asked, what, by, took_ms });
    }
}

/// The media half's outputs, heard on their way.
pub(super) struct Overhearing<'a> {
    ear: &'a mut Ear,
    collected: &'a mut Collected,
}

impl Outputs for Overhearing<'_> {
    fn rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.collected.rtp(leg, to, packet);
    }

    fn masked_rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.collected.masked_rtp(leg, to, packet);
    }

    fn judged(&mut self, judgement: &[u8]) {
        self.collected.judged(judgement);
    }

    fn rtcp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.collected.rtcp(leg, to, packet);
    }

    fn caller_audio(&mut self, frame: &Frame, in_utterance: bool) {
        self.ear.hear(frame);
        self.collected.caller_audio(frame, in_utterance);
    }

    fn application_audio(&mut self, frame: &Frame) {
        self.collected.application_audio(frame);
    }

    fn event(&mut self, event: MediaEvent) {
        self.collected.event(event);
    }
}

impl Stage<'_> {
    fn seconds_now(&self) -> f64 {
        since(self.now, self.opened_at).as_millis() as f64 / 1_000.0
    }

    /// The recording answered.
    pub(super) fn note_recorded(&mut self, asked: Asked, what: String, took: Duration) {
        let at = self.seconds_now();
        self.live.answered(at, asked, what, "the recording".to_owned(), took);
    }

    /// A live synthesizer says it; false where there is none.
    pub(super) fn speak_live(&mut self, request: &SpeakRequest) -> bool {
        self.say_live(request, Duration::ZERO)
    }

    /// What follows after `heard` of an utterance that was cut short in the recording.
    pub(super) fn say_rest_live(&mut self, utterance: UtteranceId, heard: Duration) -> bool {
        let known = self.known.synthesized.iter().rfind(|known| known.request.utterance == utterance);
        let Some(request) = known.map(|known| known.request.clone()) else { return false };
        self.say_live(&request, heard)
    }

    fn say_live(&mut self, request: &SpeakRequest, heard: Duration) -> bool {
        let at = self.seconds_now();
        let Some(around) = &mut self.live.helpers.around else { return false };
        let answer = around.speak(request);
        let (SpeechContent::Text(text) | SpeechContent::Recording(text)) = &request.content;
        let utterance = request.utterance;
        let spoken_at = self.now + if heard.is_zero() { answer.took } else { Duration::ZERO };
        match answer.what {
            Ok(chunks) => {
                let rest = if heard.is_zero() { "" } else { "the rest of " };
                self.live.answered(
                    at,
                    Asked::Synthesizer,
                    format!("{rest}\"{text}\""),
                    answer.by,
                    answer.took,
                );
                for AudioChunk { sample_rate, samples } in after(&chunks, heard) {
                    let speech = RecordedInput::Speech { utterance, sample_rate, samples: samples.to_vec() };
                    self.at(spoken_at, Due::Told(Told::Media(Box::new(speech))));
                }
                let end = RecordedInput::Command(MediaCommand::EndOfUtterance { utterance });
                self.at(spoken_at, Due::Told(Told::Media(Box::new(end))));
            }
            Err(error) => {
                self.live.answered(
                    at,
                    Asked::Synthesizer,
                    format!("\"{text}\": {error}"),
                    answer.by,
                    answer.took,
                );
                let failed = Input::Synthesizer(SynthesizerEvent::Failed { utterance, error });
                self.at(spoken_at, Due::Told(Told::Control(Box::new(failed))));
            }
        }
        true
    }

    /// A live recognizer hears it; false where there is none.
    pub(super) fn recognize_live(&mut self) -> bool {
        let at = self.seconds_now();
        let Live { helpers, utterance, grammar, place, .. } = &mut self.live;
        let Some(around) = &mut helpers.around else { return false };
        let said = place.as_mut().map(|place| std::mem::take(&mut place.said).join(" "));
        let said = said.filter(|said| !said.is_empty());
        let frames = std::mem::take(utterance);
        let answer = around.recognize(&Heard { grammar, frames: &frames, said: said.as_deref() });
        let seconds = frames.len() as f64 / 50.0;
        let words = if self.media.is_masked() { MASKED.to_owned() } else { result_words(&answer.what) };
        let what = format!("{seconds:.1} s of audio: {words}");
        self.live.answered(at, Asked::Recognizer, what, answer.by, answer.took);
        let told = Told::Control(Box::new(Input::Recognizer(answer.what)));
        self.at(self.now + answer.took, Due::Told(told));
        true
    }

    /// A live business system answers; false where none does.
    pub(super) fn call_tool_live(&mut self, call: &ToolCall) -> bool {
        let at = self.seconds_now();
        let around = self.live.helpers.around.as_mut().filter(|around| around.has_tools());
        let Some(around) = around else { return false };
        let mut answer = around.call_tool(call);
        if answer.took > call.timeout {
            answer.took = call.timeout;
            answer.what = Err(ToolFailure::TimedOut);
        }
        self.live.answered(at, Asked::Tool, outcome_words(call, &answer.what), answer.by, answer.took);
        let input = Input::Tool { tool: call.id.0, outcome: answer.what };
        self.at(self.now + answer.took, Due::Told(Told::Control(Box::new(input))));
        true
    }

    /// The recording is left: somebody else takes the caller's place.
    pub(super) fn change_callers(&mut self) {
        if !self.live.has_caller() {
            return;
        }
        let Some((.., header, samples)) = self.live.last else {
            self.notes.insert("nothing was heard of the caller yet: nobody can take the place".to_owned());
            return;
        };
        let law = match self.live.stream.map(|stream| stream.codec) {
            Some(LineCodec::Pcma) => G711::ALaw,
            Some(LineCodec::Pcmu) | None => G711::MuLaw,
        };
        let events = self.live.stream.and_then(|stream| stream.telephone_event);
        self.live.place = Some(Place {
            mouth: Mouth::after(law, events, &header, samples),
            next_beat: self.now + BEAT,
            waits_until: None,
            patient_until: self.now + PATIENCE,
            said: Vec::new(),
            has_left: false,
        });
    }

    /// When the caller's next packet is due.
    pub(super) fn next_of_caller(&self) -> Option<Time> {
        self.live.place.as_ref().filter(|place| !place.has_left).map(|place| place.next_beat)
    }

    /// The caller's next packet, and what it does next.
    pub(super) fn mind_the_caller(&mut self) {
        let now = self.now;
        let is_ending = self.control.cause().is_some();
        let Some((leg, source, ..)) = self.live.last else { return };
        let Some(place) = self.live.place.as_mut().filter(|place| !place.has_left) else { return };
        if place.next_beat > now {
            return;
        }
        place.next_beat = now + BEAT;
        let datagram = place.mouth.packet();
        let rtp = RecordedInput::Rtp { leg, datagram, source, arrived_at: now };
        self.at(now, Due::Told(Told::Media(Box::new(rtp))));
        let Live { floor, place, .. } = &mut self.live;
        floor.look(now);
        let free = floor.free_since().is_some_and(|since| now >= since + REACTION);
        let Some(place) = place.as_mut().filter(|place| place.mouth.is_idle() && !is_ending) else { return };
        let waits = place.waits_until.is_some_and(|until| now < until);
        let expects = !floor.has_spoken() && now < place.patient_until;
        if free && !waits && !expects {
            self.act();
        }
    }

    fn act(&mut self) {
        let (at, now) = (self.seconds_now(), self.now);
        let Live { helpers, lines, .. } = &mut self.live;
        let Some(caller) = &mut helpers.caller else { return };
        let act = caller.turn(lines);
        let by = caller.name();
        let pause;
        let is_masked = self.media.is_masked();
        let what = match &act {
            Act::Say(_) | Act::Press(_) if is_masked => MASKED.to_owned(),
            Act::Say(text) => format!("says \"{text}\""),
            Act::Press(keys) => format!("presses {keys}"),
            Act::Wait(time) => format!("waits {:.1} s", time.as_secs_f64()),
            Act::HangUp => "hangs up".to_owned(),
        };
        self.live.answered(at, Asked::Caller, what, by, Duration::ZERO);
        let Live { helpers, lines, place, floor, .. } = &mut self.live;
        let Some(place) = place else { return };
        place.waits_until = None;
        match act {
            Act::Say(text) => {
                let samples = helpers.around.as_mut().map(|around| around.voice_of_caller(&text));
                let samples = samples.unwrap_or_default();
                pause = Duration::from_millis((samples.len() / PACKET) as u64 * 20);
                place.mouth.say(&samples);
                place.said = vec![text.clone()];
                lines.push(Line {
                    at,
                    who: Who::Caller,
                    text: if is_masked { MASKED.to_owned() } else { text },
                });
            }
            Act::Press(keys) => {
                pause = Duration::from_millis(200 * keys.len() as u64);
                place.mouth.press(&keys);
                lines.push(Line {
                    at,
                    who: Who::Keys,
                    text: if is_masked { MASKED.to_owned() } else { keys },
                });
            }
            Act::Wait(time) => {
                place.waits_until = Some(now + time);
                return;
            }
            Act::HangUp => return self.leave_the_call(),
        }
        floor.take();
        place.patient_until = now + pause + PATIENCE;
    }

    /// The caller says goodbye as the recorded one did; where that one never did, the line goes dead here.
    fn leave_the_call(&mut self) {
        if let Some(place) = &mut self.live.place {
            place.has_left = true;
        }
        let now = self.now;
        match self.live.goodbye.take() {
            Some(bye) => self.at(now, Due::Told(Told::Control(Box::new(Input::Sip(bye))))),
            None => {
                self.notes.insert(format!(
                    "{:.2} s: the caller hangs up; no goodbye of a caller is in the recording, so the line ends here",
                    self.seconds_now()
                ));
                let cause = offhook_call_control::EndCause::CallerHungUp;
                self.at(now, Due::Told(Told::Control(Box::new(Input::End { cause }))));
            }
        }
    }

    /// What went wrong with the caller, at the end.
    pub(super) fn notes_of_caller(&mut self) {
        if let Some(caller) = &mut self.live.helpers.caller {
            self.notes.extend(caller.notes());
        }
    }
}

/// Whether an event is the caller's goodbye.
pub(super) fn is_goodbye(event: &SipEvent) -> bool {
    matches!(event, SipEvent::Request { request, .. } if request.method == Method::Bye)
}

/// What is left of some audio after `heard` of it.
fn after(chunks: &[AudioChunk], heard: Duration) -> Vec<AudioChunk> {
    let mut skip = heard;
    let mut rest = Vec::new();
    for chunk in chunks {
        let length = chunk.duration();
        if skip >= length {
            skip -= length;
            continue;
        }
        let from = (skip.as_secs_f64() * f64::from(chunk.sample_rate)) as usize;
        let samples = chunk.samples.get(from..).unwrap_or_default();
        rest.push(AudioChunk { sample_rate: chunk.sample_rate, samples: samples.into() });
        skip = Duration::ZERO;
    }
    rest
}
