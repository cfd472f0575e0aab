//! Both halves, our endpoint, the caller's telephone and an agenda, in one thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::{AudioChunk, Frame};
use offhook_call_control::{
    CallControl, CallEvent, CallRecord, Fact, Input, Output, RecognizerCommand, SpeakRequest, Speaker,
    SpeechContent, media_settings,
};
use offhook_call_media::{
    CallMedia, Input as MediaInput, LegId, MediaCommand, MediaEvent, MediaSource, Outputs, hide_sent,
};
use offhook_conversation::{ToolCall, ToolFailure};
use offhook_engine_api::{Grammar, SynthesizerEvent, UtteranceId};
use offhook_journal::bundle::{Direction, WriteError};
use offhook_sip_proto::endpoint::{
    CallKey, Endpoint, EndpointConfig, EndpointEvent, Listener, Peer, SipEvent, Transport,
};
use offhook_sip_proto::message::StatusCode;
use offhook_time::{Randomness, Time};

use super::caller::Line as PhoneLine;
use super::floor::Floor;
use super::tape::Tape;
use super::telephone::Telephone;
use super::{BEGINS, Caller, Ear, EncounterReport, MASKED, Met, OUR_SIP, Setup, THEIR_RTP, THEIR_SIP};
use crate::CallHead;
use crate::surroundings::{
    Act, Answered, Asked, Heard, Line, Surroundings, Who, outcome_words, result_words,
};

const CALL: CallKey = CallKey(1);

/// A caller does not begin to speak in the moment in which the bot falls silent.
const REACTION: Duration = Duration::from_millis(400);

/// So long a caller waits for the bot to say something: longer than a bot waits for a further key.
const PATIENCE: Duration = Duration::from_secs(6);

/// A recorded caller stays at most this long when all is said.
const LONGEST_LINGER: Duration = Duration::from_secs(60);

/// No call lasts longer.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// More steps mean two machines that wake each other for ever.
const MOST_STEPS: u64 = 5_000_000;

/// Something that is going to happen.
enum Due {
    Control(Box<Input>),
    Speech(UtteranceId, AudioChunk),
    EndOfSpeech(UtteranceId),
}

/// What a caller is about to do.
#[derive(Default)]
struct Mind {
    /// It does nothing before.
    waits_until: Option<Time>,
    /// It has waited long enough for the bot to say something.
    patient_until: Time,
    has_left: bool,
    /// Words that were said and that no recognizer was asked about yet.
    said: Vec<String>,
}

pub(super) struct Stage<'a, 't> {
    control: CallControl,
    media: CallMedia,
    endpoint: Endpoint,
    telephone: Telephone,
    line: PhoneLine,
    caller: Caller<'t>,
    around: &'a mut dyn Surroundings,
    tape: Tape,
    floor: Floor,
    ear: Ear,
    mind: Mind,
    grammar: Grammar,
    agenda: BTreeMap<(Time, u64), Due>,
    asked: u64,
    last_speech: Time,
    to_media: VecDeque<MediaCommand>,
    to_control: VecDeque<MediaEvent>,
    now: Time,
    record: CallRecord,
    facts: Vec<Fact>,
    lines: Vec<Line>,
    answered: Vec<Answered>,
    notes: BTreeSet<String>,
    stopped: Option<String>,
}

impl<'a, 't> Stage<'a, 't> {
    pub fn new(
        setup: Setup,
        mut caller: Caller<'t>,
        around: &'a mut dyn Surroundings,
    ) -> Result<Stage<'a, 't>, WriteError> {
        let Setup { settings, jitter, origin, law, caller: user, called } = setup;
        // Not the control half's own sequence.
        let mut randomness = Randomness::new(settings.seed);
        let mut randomness = Randomness::new((0..3).map(|_| randomness.fork()).last().unwrap_or_default());
        let media = media_settings(&settings, MediaSource::Sdp, jitter);
        let tape = Tape::begin(&CallHead::new(&settings, &media, BEGINS), origin)?;
        let config = EndpointConfig {
            listeners: vec![Listener::new(Transport::Udp, OUR_SIP)],
            ..EndpointConfig::default()
        };
        let recorded = match &mut caller {
            Caller::Recorded { schedule, .. } => std::mem::take(&mut schedule.packets),
            Caller::Talks(_) => Vec::new(),
        };
        let endpoint = Endpoint::new(config, randomness.fork());
        let telephone = Telephone::call(&user, &called, law, &mut randomness, BEGINS);
        Ok(Stage {
            control: CallControl::new(settings),
            media: CallMedia::new(media, BEGINS),
            endpoint,
            telephone,
            line: PhoneLine::new(law, randomness.next_u32(), recorded),
            caller,
            around,
            tape,
            floor: Floor::default(),
            ear: Ear::default(),
            mind: Mind::default(),
            grammar: Grammar::default(),
            agenda: BTreeMap::new(),
            asked: 0,
            last_speech: BEGINS,
            to_media: VecDeque::new(),
            to_control: VecDeque::new(),
            now: BEGINS,
            record: CallRecord::default(),
            facts: Vec::new(),
            lines: Vec::new(),
            answered: Vec::new(),
            notes: BTreeSet::new(),
            stopped: None,
        })
    }

    /// From the INVITE to the end.
    pub fn run(mut self) -> Result<Met, WriteError> {
        self.exchange();
        let mut steps = 0;
        while !self.is_over() {
            let Some(next) = self.next_moment() else {
                self.stopped = Some("nothing would ever happen again".to_owned());
                break;
            };
            steps += 1;
            if steps > MOST_STEPS || next > BEGINS + LONGEST {
                self.stopped = Some("the call does not come to an end".to_owned());
                break;
            }
            self.now = self.now.max(next);
            self.step();
            self.mind_the_caller();
        }
        self.finish()
    }

    fn is_over(&self) -> bool {
        self.control.is_ended() && self.media.is_closed()
    }

    fn next_moment(&self) -> Option<Time> {
        let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let line = self.line.next().filter(|_| self.telephone.is_up());
        [
            agenda,
            line,
            self.media.poll_timeout(),
            self.control.poll_timeout(),
            self.endpoint.poll_timeout(),
            self.telephone.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Everything that is due: packets, what was asked for, then deadlines, each with its own moment. In this order, so
    /// that a what-if of the bundle comes upon them in the same.
    fn step(&mut self) {
        let now = self.now;
        while self.telephone.is_up()
            && let Some(datagram) = self.line.take(now)
        {
            let (leg, source) = (LegId::CALLER, THEIR_RTP);
            self.tell_media(MediaInput::Rtp { leg, datagram: &datagram, source, arrived_at: now }, now);
            self.exchange();
        }
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Due::Control(input) => self.tell_control(*input, now),
                Due::Speech(utterance, chunk) => {
                    self.tell_media(MediaInput::Speech { utterance, chunk }, now)
                }
                Due::EndOfSpeech(utterance) => {
                    self.tell_media(MediaInput::Command(MediaCommand::EndOfUtterance { utterance }), now);
                }
            }
            self.exchange();
        }
        while let Some(due) = self.media.poll_timeout().filter(|due| *due <= now) {
            self.tell_media(MediaInput::Deadline, due);
            self.exchange();
        }
        while let Some(due) = self.control.poll_timeout().filter(|due| *due <= now) {
            self.tell_control(Input::Deadline, due);
            self.exchange();
        }
        if self.endpoint.poll_timeout().is_some_and(|due| due <= now) {
            self.endpoint.handle_timeout(now);
        }
        if self.telephone.poll_timeout().is_some_and(|due| due <= now) {
            self.telephone.handle_timeout(now);
        }
        self.exchange();
    }

    /// Everything that the halves, the endpoint and the telephone have for each other.
    fn exchange(&mut self) {
        let now = self.now;
        loop {
            if let Some(command) = self.to_media.pop_front() {
                self.tell_media(MediaInput::Command(command), now);
            } else if let Some(event) = self.to_control.pop_front() {
                self.tell_control(Input::Media(event), now);
            } else if !self.telephone.out.is_empty() {
                for datagram in std::mem::take(&mut self.telephone.out) {
                    self.tape.sip(Direction::Inbound, &datagram, now);
                    let (local, remote) = (OUR_SIP, THEIR_SIP);
                    let peer = Peer { protocol: Transport::Udp, local, remote, connection: None };
                    self.endpoint.handle_datagram(&datagram, peer, now);
                }
            } else if let Some(event) = self.endpoint.poll_event() {
                self.signalled(event);
            } else if let Some(transmit) = self.endpoint.poll_transmit() {
                self.tape.sip(Direction::Outbound, &transmit.bytes, now);
                self.telephone.handle(&transmit.bytes, now);
                if let Some(at) = self.telephone.answered_at.take() {
                    self.line.begin(at);
                    self.mind.patient_until = at + PATIENCE;
                }
            } else {
                return;
            }
        }
    }

    fn signalled(&mut self, event: EndpointEvent) {
        let now = self.now;
        match event {
            EndpointEvent::NewCall { transaction, request, peer } => {
                self.endpoint.accept(transaction, CALL);
                self.tell_control(Input::Sip(SipEvent::Request { transaction, request, peer }), now);
            }
            EndpointEvent::OutOfDialog { transaction, request, .. } => {
                let response = request.response(StatusCode::CALL_DOES_NOT_EXIST, Some("nobody"));
                self.endpoint.respond(transaction, response, now);
            }
            EndpointEvent::Call { event, .. } => self.tell_control(Input::Sip(event), now),
        }
    }

    fn tell_control(&mut self, input: Input, now: Time) {
        self.floor.input(&input);
        self.control.handle_recorded(input, &mut self.tape, now);
        while let Some(output) = self.control.poll_output() {
            self.tape.output(&output);
            self.floor.output(&output);
            self.perform(output, now);
        }
    }

    fn tell_media(&mut self, input: MediaInput<'_>, now: Time) {
        let mut left =
            Left { ear: &mut self.ear, packets: Vec::new(), judged: Vec::new(), events: Vec::new() };
        self.media.handle_recorded(input, &mut left, &mut self.tape, now);
        let Left { packets, judged, events, .. } = left;
        for judgement in judged {
            self.tape.judged(&judgement);
        }
        for (rtcp, to, bytes) in packets {
            self.tape.sent(rtcp, to, &bytes, now);
        }
        // Memory that goes back is no news.
        self.to_control.extend(events.into_iter().filter(|event| !matches!(event, MediaEvent::Discard(_))));
    }

    fn perform(&mut self, output: Output, now: Time) {
        match output {
            Output::Sip(action) => self.endpoint.perform(CALL, action, now),
            Output::Media(command) => self.to_media.push_back(command),
            Output::Recognizer(RecognizerCommand::SetGrammar(grammar)) => self.grammar = grammar,
            Output::Recognizer(RecognizerCommand::StartUtterance) => self.ear.start(),
            Output::Recognizer(RecognizerCommand::FinishUtterance) => self.recognize(now),
            Output::Speak(request) => self.speak(&request, now),
            Output::CancelSpeech(utterance) => self.agenda.retain(|_, due| !is_speech(due, utterance)),
            Output::CallTool(call) => self.call_tool(&call, now),
            Output::CancelTool { tool } => self.agenda.retain(|_, due| !is_tool(due, tool)),
            Output::OpenBridge { .. } => {
                let why = "there is no application in a replay".to_owned();
                self.at(now, Due::Control(Box::new(Input::BridgeClosed { why })));
            }
            Output::Fact(fact) => self.fact(fact, now),
            Output::OpenSpeech { .. }
            | Output::BridgeDtmf { .. }
            | Output::CloseBridge { .. }
            | Output::Ended => {}
        }
    }

    fn recognize(&mut self, now: Time) {
        let frames = self.ear.finish();
        let said = (!self.mind.said.is_empty()).then(|| std::mem::take(&mut self.mind.said).join(" "));
        let heard = Heard { grammar: &self.grammar, frames: &frames, said: said.as_deref() };
        let answer = self.around.recognize(&heard);
        let seconds = frames.len() as f64 / 50.0;
        let words = if self.media.is_masked() { MASKED.to_owned() } else { result_words(&answer.what) };
        let what = format!("{seconds:.1} s of audio: {words}");
        self.note_answer(Asked::Recognizer, what, answer.by, answer.took, now);
        self.at(now + answer.took, Due::Control(Box::new(Input::Recognizer(answer.what))));
    }

    fn speak(&mut self, request: &SpeakRequest, now: Time) {
        let (SpeechContent::Text(text) | SpeechContent::Recording(text)) = &request.content;
        let utterance = request.utterance;
        let answer = self.around.speak(request);
        // Utterances are spoken in the order in which they were asked for.
        let at = (now + answer.took).max(self.last_speech);
        self.last_speech = at;
        match answer.what {
            Ok(chunks) => {
                let length: Duration = chunks.iter().map(AudioChunk::duration).sum();
                let what = format!("\"{text}\": {:.1} s of audio", length.as_secs_f64());
                self.note_answer(Asked::Synthesizer, what, answer.by, answer.took, now);
                for chunk in chunks {
                    self.at(at, Due::Speech(utterance, chunk));
                }
                self.at(at, Due::EndOfSpeech(utterance));
            }
            Err(error) => {
                let what = format!("\"{text}\": {error}");
                self.note_answer(Asked::Synthesizer, what, answer.by, answer.took, now);
                let failed = SynthesizerEvent::Failed { utterance, error };
                self.at(at, Due::Control(Box::new(Input::Synthesizer(failed))));
            }
        }
    }

    fn call_tool(&mut self, call: &ToolCall, now: Time) {
        let mut answer = self.around.call_tool(call);
        if answer.took > call.timeout {
            answer.took = call.timeout;
            answer.what = Err(ToolFailure::TimedOut);
        }
        self.note_answer(Asked::Tool, outcome_words(call, &answer.what), answer.by, answer.took, now);
        let input = Input::Tool { tool: call.id.0, outcome: answer.what };
        self.at(now + answer.took, Due::Control(Box::new(input)));
    }

    fn fact(&mut self, fact: Fact, now: Time) {
        let talks = matches!(self.caller, Caller::Talks(_));
        if let CallEvent::Said { speaker, text, .. } = &fact.event {
            match speaker {
                Speaker::Bot => self.line(Who::Bot, text.clone(), now),
                Speaker::Caller if !talks => self.line(Who::Caller, text.clone(), now),
                // The words as they stand in the text are there already.
                Speaker::Caller => {}
            }
        } else if let CallEvent::Dtmf { digit } = &fact.event
            && !talks
        {
            match self.lines.last_mut() {
                Some(Line { who: Who::Keys, text, .. }) => text.push(*digit),
                Some(_) | None => self.line(Who::Keys, digit.to_string(), now),
            }
        }
        self.record.apply(&fact);
        self.facts.push(fact);
    }

    fn line(&mut self, who: Who, text: String, now: Time) {
        self.lines.push(Line { at: seconds(now), who, text });
    }

    fn note_answer(&mut self, asked: Asked, what: String, by: String, took: Duration, now: Time) {
        let took_ms = took.as_millis() as u64;
        self.answered.push(Answered { at: seconds(now), asked, what, by, took_ms });
    }

    fn at(&mut self, at: Time, due: Due) {
        self.asked += 1;
        self.agenda.insert((at, self.asked), due);
    }

    /// Lets the caller do something when it is its turn.
    fn mind_the_caller(&mut self) {
        let now = self.now;
        self.floor.look(now);
        let leaves = self.mind.has_left || self.control.cause().is_some();
        let idle = self.line.mouth.as_ref().is_some_and(super::mouth::Mouth::is_idle);
        if leaves || !self.telephone.is_up() || !idle {
            return;
        }
        let linger = match &self.caller {
            Caller::Recorded { linger, .. } => *linger,
            Caller::Talks(_) => REACTION,
        };
        let free = self.floor.free_since().is_some_and(|since| now >= since + linger);
        if let Caller::Recorded { .. } = &self.caller {
            let until = *self.mind.waits_until.get_or_insert(now + LONGEST_LINGER);
            let patient = now < self.mind.patient_until && !self.floor.has_spoken();
            if (free && self.line.is_exhausted() && !patient) || now >= until {
                self.hang_up("what was recorded of the caller is over: the caller hangs up here");
            }
            return;
        }
        let waits = self.mind.waits_until.is_some_and(|until| now < until);
        let expects = !self.floor.has_spoken() && now < self.mind.patient_until;
        if free && !waits && !expects {
            self.act();
        }
    }

    fn act(&mut self) {
        let now = self.now;
        if !self.mind.said.is_empty() {
            let unheard = std::mem::take(&mut self.mind.said).join(" ");
            self.notes.insert(format!("{:.2} s: nobody listened to \"{unheard}\"", seconds(now)));
        }
        let Caller::Talks(talker) = &mut self.caller else { return };
        let act = talker.turn(&self.lines);
        let by = talker.name();
        self.mind.waits_until = None;
        let is_masked = self.media.is_masked();
        let what = match &act {
            Act::Say(_) | Act::Press(_) if is_masked => MASKED.to_owned(),
            Act::Say(text) => format!("says \"{text}\""),
            Act::Press(keys) => format!("presses {keys}"),
            Act::Wait(time) => format!("waits {:.1} s", time.as_secs_f64()),
            Act::HangUp => "hangs up".to_owned(),
        };
        self.note_answer(Asked::Caller, what, by, Duration::ZERO, now);
        match act {
            Act::Say(text) => {
                let samples = self.around.voice_of_caller(&text);
                if let Some(mouth) = &mut self.line.mouth {
                    mouth.say(&samples);
                }
                let told = if is_masked { MASKED.to_owned() } else { text.clone() };
                self.line(Who::Caller, told, now);
                self.mind.said.push(text);
                self.begin_to_wait(samples.len() as u64 * 125);
            }
            Act::Press(keys) => {
                if let Some(mouth) = &mut self.line.mouth {
                    mouth.press(&keys);
                }
                let millis = keys.len() as u64 * 200;
                self.line(Who::Keys, if is_masked { MASKED.to_owned() } else { keys }, now);
                self.begin_to_wait(millis * 1_000);
            }
            Act::Wait(time) => self.mind.waits_until = Some(now + time),
            Act::HangUp => self.hang_up(""),
        }
    }

    fn begin_to_wait(&mut self, micros: u64) {
        self.floor.take();
        self.mind.patient_until = self.now + Duration::from_micros(micros) + PATIENCE;
    }

    fn hang_up(&mut self, note: &str) {
        self.mind.has_left = true;
        if !note.is_empty() {
            self.notes.insert(format!("{:.2} s: {note}", seconds(self.now)));
        }
        self.telephone.hang_up(self.now);
        self.exchange();
    }

    fn finish(mut self) -> Result<Met, WriteError> {
        if let Some(why) = &self.telephone.refused {
            self.stopped.get_or_insert_with(|| format!("the call was {why}"));
        }
        if self.telephone.referred > 0 {
            self.notes.insert("the transfer is taken for accepted: nobody was called".to_owned());
        }
        if !self.line.is_exhausted() {
            self.notes
                .insert("the call ended before all that was recorded of the caller was said".to_owned());
        }
        let mut notes: Vec<String> = self.notes.into_iter().collect();
        if let Caller::Talks(talker) = &mut self.caller {
            notes.extend(talker.notes());
        }
        let report = EncounterReport {
            call_id: self.record.call_id.clone(),
            lasted: self.now.since(BEGINS),
            record: self.record,
            facts: self.facts,
            lines: self.lines,
            answered: self.answered,
            notes,
            stopped: self.stopped,
        };
        Ok(Met { report, bundle: self.tape.finish()? })
    }
}

/// What leaves the media half in one step.
struct Left<'a> {
    ear: &'a mut Ear,
    packets: Vec<(bool, SocketAddr, Vec<u8>)>,
    /// What was made of masked sound.
    judged: Vec<Vec<u8>>,
    events: Vec<MediaEvent>,
}

impl Outputs for Left<'_> {
    fn rtp(&mut self, _leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.packets.push((false, to, packet.to_vec()));
    }

    fn masked_rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        let mut hidden = packet.to_vec();
        hide_sent(&mut hidden);
        self.rtp(leg, to, &hidden);
    }

    fn judged(&mut self, judgement: &[u8]) {
        self.judged.push(judgement.to_vec());
    }

    fn rtcp(&mut self, _leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.packets.push((true, to, packet.to_vec()));
    }

    fn caller_audio(&mut self, frame: &Frame, _in_utterance: bool) {
        self.ear.hear(frame);
    }

    fn application_audio(&mut self, _frame: &Frame) {}

    fn event(&mut self, event: MediaEvent) {
        self.events.push(event);
    }
}

fn seconds(at: Time) -> f64 {
    at.since(BEGINS).as_millis() as f64 / 1_000.0
}

fn is_speech(due: &Due, utterance: UtteranceId) -> bool {
    match due {
        Due::Speech(of, _) | Due::EndOfSpeech(of) => *of == utterance,
        Due::Control(_) => false,
    }
}

fn is_tool(due: &Due, id: u64) -> bool {
    matches!(due, Due::Control(input) if matches!(**input, Input::Tool { tool, .. } if tool == id))
}
