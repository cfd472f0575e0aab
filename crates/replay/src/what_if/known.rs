//! What the recording knows of the call's surroundings: what recognizer, synthesizer, business systems and the far end
//! answered, and when.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use offhook_call_control::{Input, Output, RecognizerCommand, SpeakRequest, SpeechContent};
use offhook_call_media::{MediaCommand, MediaEvent, RecordedInput};
use offhook_conversation::ToolCall;
use offhook_engine_api::{Grammar, RecognizerEvent, SynthesizerEvent, UtteranceId};
use offhook_journal::bundle::{Bundle, Direction, PacketKind};
use offhook_sip_proto::endpoint::{Peer, SipEvent};
use offhook_sip_proto::message::{Method, StatusCode};
use offhook_time::Time;

use super::script::{Scripted, Told};

/// Two sounds are the same when their edges are no further apart: a packet or two.
const SAME_EDGE: Duration = Duration::from_millis(45);

/// A stretch of the caller's speech, by the arrival of its first and last packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub onset: Time,
    /// `None` for a sound that was no speech.
    pub last: Option<Time>,
}

impl Span {
    fn is(&self, other: &Span) -> bool {
        let near = |one: Time, other: Time| one.max(other).since(one.min(other)) <= SAME_EDGE;
        near(self.onset, other.onset)
            && match (self.last, other.last) {
                (Some(one), Some(other)) => near(one, other),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

/// Follows what the media half tells to know which stretch of speech is being recognized.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ear(pub Span);

impl Ear {
    pub fn hear(&mut self, event: &MediaEvent) {
        if let MediaEvent::SpeechStarted { onset, .. } = event {
            self.0 = Span { onset: *onset, last: None };
        }
        if let MediaEvent::SpeechEnded { times } = event {
            self.0 = Span { onset: times.onset, last: Some(times.last_voiced_arrived_at) };
        }
    }
}

/// What a recognizer made of a stretch of speech.
#[derive(Clone, Debug)]
pub(super) struct Recognized {
    pub span: Span,
    /// What was awaited then.
    pub grammar: Grammar,
    pub asked_at: Time,
    /// The result and how long it took; `None` where none came in time.
    pub result: Option<(Duration, RecognizerEvent)>,
}

/// What a synthesizer made of a text.
#[derive(Clone, Debug)]
pub(super) struct Synthesized {
    pub request: SpeakRequest,
    pub asked_at: Time,
    /// Inputs of the media half, and how long after the request.
    pub audio: Vec<(Duration, RecordedInput)>,
    /// It failed.
    pub failure: Option<(Duration, SynthesizerEvent)>,
    /// All of it is there: nobody cancelled it in between.
    pub whole: bool,
}

impl Synthesized {
    /// How much audio there is of it.
    pub fn length(&self) -> Duration {
        let of = |input: &RecordedInput| match input {
            RecordedInput::Speech { sample_rate, samples, .. } => {
                Duration::from_secs_f64(samples.len() as f64 / f64::from((*sample_rate).max(1)))
            }
            RecordedInput::Command(_)
            | RecordedInput::Rtp { .. }
            | RecordedInput::Rtcp { .. }
            | RecordedInput::Deadline
            | RecordedInput::Application { .. } => Duration::ZERO,
        };
        self.audio.iter().map(|(_, input)| of(input)).sum()
    }

    /// Its text, or the name of the recording.
    pub fn text(&self) -> String {
        match &self.request.content {
            SpeechContent::Text(text) | SpeechContent::Recording(text) => text.clone(),
        }
    }
}

/// What a business system answered.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub call: ToolCall,
    pub asked_at: Time,
    pub answer: Option<(Duration, Input)>,
    used: bool,
}

/// What the far end answered to a request of ours.
#[derive(Clone, Debug)]
pub(super) struct Responses {
    pub method: Method,
    pub responses: Vec<(Duration, StatusCode, Peer)>,
    /// The NOTIFYs that followed a REFER.
    pub notifies: Vec<(Duration, SipEvent)>,
    used: bool,
}

impl Responses {
    /// Somebody got this answer already.
    pub fn is_used(&self) -> bool {
        self.used
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Known {
    grammar: Grammar,
    pub recognized: Vec<Recognized>,
    pub synthesized: Vec<Synthesized>,
    pub answered: Vec<Answered>,
    pub responses: Vec<Responses>,
}

impl Known {
    pub fn of(steps: &[Scripted], bundle: &Bundle, recognizer: Duration) -> Known {
        let mut known = Known::default();
        let mut ear = Ear::default();
        let mut waiting: VecDeque<usize> = VecDeque::new();
        for step in steps {
            match &step.input {
                Told::Control(input) => {
                    if let Input::Media(event) = &**input {
                        ear.hear(event);
                    }
                    known.control(input, step.now, recognizer, &mut waiting);
                }
                Told::Media(input) => known.media(input, step.lived_at),
            }
            for output in step.known_outputs() {
                known.asked(output, ear.0, step.now, &mut waiting);
            }
        }
        known.sip(steps, bundle);
        known
    }

    fn asked(&mut self, output: Output, span: Span, now: Time, waiting: &mut VecDeque<usize>) {
        if let Output::Recognizer(RecognizerCommand::SetGrammar(grammar)) = output {
            self.grammar = grammar;
        } else if let Output::Recognizer(RecognizerCommand::FinishUtterance) = output {
            waiting.push_back(self.recognized.len());
            let grammar = self.grammar.clone();
            self.recognized.push(Recognized { span, grammar, asked_at: now, result: None });
        } else if let Output::Speak(request) = output {
            let (audio, failure) = (Vec::new(), None);
            self.synthesized.push(Synthesized { request, asked_at: now, audio, failure, whole: false });
        } else if let Output::CallTool(call) = output {
            self.answered.push(Answered { call, asked_at: now, answer: None, used: false });
        }
    }

    fn control(&mut self, input: &Input, now: Time, longest: Duration, waiting: &mut VecDeque<usize>) {
        if let Input::Recognizer(event) = input
            && is_result(event)
        {
            // What is later than it may be is nobody's any more.
            while let Some(first) = waiting.pop_front() {
                let Some(asked) = self.recognized.get_mut(first) else { continue };
                let took = now.since(asked.asked_at);
                if took <= longest {
                    asked.result = Some((took, event.clone()));
                    break;
                }
            }
        } else if let Input::Synthesizer(event) = input
            && let SynthesizerEvent::Failed { utterance, .. } = event
            && let Some(spoken) = self.spoken_mut(*utterance)
        {
            spoken.failure = Some((now.since(spoken.asked_at), event.clone()));
            spoken.whole = true;
        } else if let Input::Tool { tool, .. } = input
            && let Some(asked) = self.answered.iter_mut().find(|asked| asked.call.id.0 == *tool)
        {
            asked.answer = Some((now.since(asked.asked_at), input.clone()));
        }
    }

    fn media(&mut self, input: &RecordedInput, now: Time) {
        let (utterance, ends) = match input {
            RecordedInput::Speech { utterance, .. } => (*utterance, false),
            RecordedInput::Command(MediaCommand::EndOfUtterance { utterance }) => (*utterance, true),
            RecordedInput::Command(_)
            | RecordedInput::Rtp { .. }
            | RecordedInput::Rtcp { .. }
            | RecordedInput::Deadline
            | RecordedInput::Application { .. } => return,
        };
        if let Some(spoken) = self.spoken_mut(utterance) {
            spoken.audio.push((now.since(spoken.asked_at), input.clone()));
            spoken.whole |= ends;
        }
    }

    fn spoken_mut(&mut self, utterance: UtteranceId) -> Option<&mut Synthesized> {
        self.synthesized.iter_mut().rfind(|spoken| spoken.request.utterance == utterance)
    }

    /// Our requests stand in the bundle as packets, their responses as inputs of the control half.
    fn sip(&mut self, steps: &[Scripted], bundle: &Bundle) {
        let sent: Vec<(&[u8], Time)> = bundle
            .packets()
            .filter(|packet| packet.direction == Direction::Outbound)
            .filter(|packet| {
                matches!(packet.kind, PacketKind::SipUdp | PacketKind::SipTcp | PacketKind::SipTls)
            })
            .map(|packet| (&*packet.bytes, packet.at))
            .collect();
        let mut transactions = BTreeMap::new();
        for step in steps {
            let Told::Control(input) = &step.input else { continue };
            let Input::Sip(event) = &**input else { continue };
            if let SipEvent::Response { transaction, response, peer } = event
                && let Ok(cseq) = response.headers.cseq()
            {
                let at = *transactions.entry(*transaction).or_insert_with(|| {
                    self.responses.push(Responses {
                        method: cseq.method.clone(),
                        responses: Vec::new(),
                        notifies: Vec::new(),
                        used: false,
                    });
                    self.responses.len() - 1
                });
                let took = since_sent(&sent, &cseq.method, step.now);
                if let Some(known) = self.responses.get_mut(at) {
                    known.responses.push((took, response.status, *peer));
                }
            } else if let SipEvent::Request { request, .. } = event
                && request.method == Method::Notify
                && let Some(refer) = self.responses.iter_mut().rfind(|known| known.method == Method::Refer)
            {
                refer.notifies.push((since_sent(&sent, &Method::Refer, step.now), event.clone()));
            }
        }
    }

    /// What a recognizer made of this stretch of speech.
    pub fn recognition(&self, span: &Span) -> Option<&Recognized> {
        self.recognized.iter().find(|known| known.span.is(span))
    }

    /// The best recording of this text in this voice. Where it was said more than once, that of the same utterance: how
    /// long it took is another each time.
    pub fn speech(&self, request: &SpeakRequest) -> Option<&Synthesized> {
        let same = |known: &&Synthesized| {
            known.request.content == request.content && known.request.voice == request.voice
        };
        let best = |known: &&Synthesized| {
            let is_it = known.request.utterance == request.utterance;
            (known.whole && known.failure.is_none(), is_it, known.audio.len())
        };
        self.synthesized.iter().filter(same).max_by_key(best)
    }

    /// What a business system answered to this request; each answer once.
    pub fn answer(&mut self, call: &ToolCall) -> Option<(Duration, Input)> {
        let same = |known: &&mut Answered| {
            let other = &known.call;
            (&other.method, &other.url, &other.body, &other.name)
                == (&call.method, &call.url, &call.body, &call.name)
                && known.answer.is_some()
        };
        let fresh = self.answered.iter_mut().filter(same).min_by_key(|known| known.used)?;
        fresh.used = true;
        fresh.answer.clone()
    }

    /// What the far end answered to a request of this method; each answer once.
    pub fn respond(&mut self, method: &Method) -> Option<Responses> {
        let known = self.responses.iter_mut().find(|known| known.method == *method && !known.used)?;
        known.used = true;
        Some(known.clone())
    }

    /// The first of these answers was heard already.
    pub fn forget_response(&mut self, method: &Method) {
        let _ = self.respond(method);
    }
}

/// How long before `now` the latest request of this method was sent.
fn since_sent(sent: &[(&[u8], Time)], method: &Method, now: Time) -> Duration {
    let begins = format!("{method} ");
    let first = sent.iter().rfind(|(bytes, at)| *at <= now && bytes.starts_with(begins.as_bytes()));
    first.map_or(Duration::from_millis(20), |(_, at)| now.since(*at))
}

/// Whether a recognizer's event ends an utterance.
pub(super) fn is_result(event: &RecognizerEvent) -> bool {
    match event {
        RecognizerEvent::Final { .. } | RecognizerEvent::NoMatch | RecognizerEvent::Failed(_) => true,
        RecognizerEvent::Ready
        | RecognizerEvent::StartOfInput
        | RecognizerEvent::Partial { .. }
        | RecognizerEvent::AudioDropped { .. } => false,
    }
}
