//! Both halves in one thread, and the part of a call in which they do what they did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use offhook_call_control::{CallControl, CallRecord, Fact, Input, Output, RecognizerCommand};
use offhook_call_media::{CallMedia, MediaCommand, MediaEvent, RecordedInput};
use offhook_conversation::BotErrors;
use offhook_engine_api::UtteranceId;
use offhook_journal::bundle::{Bundle, OutputBody};
use offhook_sip_proto::endpoint::{SipAction, TransactionId};
use offhook_time::{Half, Time};

use super::known::{Ear, Known};
use super::leave::Due;
use super::live::Live;
use super::script::{Scripted, Told};
use super::{Beyond, PlayReport, is_end};
use crate::compare::{Levels, Tally};
use crate::place::Places;
use crate::report::since;
use crate::verify::{Collected, is_same_event};
use crate::wording::words;
use crate::{CallHead, Changes, Departure, EncodedOutput, decode_output};

/// Drivers wake on a tick: a deadline may be this late in the recording without being missed.
const SLACK: Duration = Duration::from_millis(50);

/// Two threads' clocks are read at most this far apart: a tick of each.
const SKEW: Duration = Duration::from_millis(5);

/// How many steps of each half were run.
pub(super) type Ran = [usize; 2];

/// What was asked of the surroundings before the departure: the recorded answers are still right for it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub utterances: BTreeSet<UtteranceId>,
    pub tools: BTreeSet<u64>,
    pub transactions: BTreeSet<TransactionId>,
    pub recognitions: usize,
}

pub(super) struct Stage<'a> {
    pub changes: &'a Changes,
    pub beyond: Beyond,
    pub steps: &'a [Scripted],
    pub control: CallControl,
    pub media: CallMedia,
    pub known: Known,
    /// Who answers where the recording does not.
    pub live: Live<'a>,
    pub asked: Asked,
    pub ear: Ear,
    pub to_control: VecDeque<MediaEvent>,
    pub to_media: VecDeque<MediaCommand>,
    pub outputs: VecDeque<Output>,
    pub agenda: BTreeMap<(Time, u64), Due>,
    /// When utterances began to play.
    pub started: BTreeMap<UtteranceId, Time>,
    /// Utterances that were played, or stopped.
    pub finished: BTreeSet<UtteranceId>,
    /// Utterances of which the recording does not have all: how much there is, and the text.
    pub cut_short: BTreeMap<UtteranceId, (Duration, String)>,
    pub asked_agenda: u64,
    pub departure: Option<Departure>,
    pub stopped: Option<String>,
    pub notes: BTreeSet<String>,
    pub opened_at: Time,
    pub now: Time,
    expected_events: VecDeque<&'a MediaEvent>,
    expected_commands: VecDeque<&'a MediaCommand>,
    deadlines: [VecDeque<Time>; 2],
    /// Steps of each half, as places in `steps`.
    of_half: [Vec<usize>; 2],
    ran: Ran,
    places: Places,
    facts: Vec<Fact>,
    /// What was used of engines so far.
    pub tally: Tally,
    /// How loud the bot was.
    sent: Levels,
    has_requests: bool,
    cut: bool,
}

impl<'a> Stage<'a> {
    pub fn new(
        bundle: &Bundle,
        head: &CallHead,
        changes: &'a Changes,
        beyond: Beyond,
        steps: &'a [Scripted],
        live: Live<'a>,
    ) -> Result<Self, BotErrors> {
        let changed = changes.apply(head);
        let mut deadlines = [VecDeque::new(), VecDeque::new()];
        for step in steps.iter().filter(|step| step.input.is_deadline()) {
            deadlines[step.input.half() as usize].push_back(step.now);
        }
        let mut of_half = [Vec::new(), Vec::new()];
        for (at, step) in steps.iter().enumerate() {
            of_half[step.input.half() as usize].push(at);
        }
        let has_requests = steps.iter().any(|step| {
            step.outputs
                .iter()
                .any(|output| !matches!(&output.body, OutputBody::Whole(bytes) if bytes.starts_with(b"{")))
        });
        Ok(Stage {
            changes,
            beyond,
            steps,
            control: CallControl::new(changes.settings(&changed)?),
            media: CallMedia::new(changed.media.clone(), head.opened_at),
            known: Known::of(steps, bundle, head.control.limits.recognizer),
            live,
            asked: Asked::default(),
            ear: Ear::default(),
            to_control: VecDeque::new(),
            to_media: VecDeque::new(),
            outputs: VecDeque::new(),
            agenda: BTreeMap::new(),
            started: BTreeMap::new(),
            finished: BTreeSet::new(),
            cut_short: BTreeMap::new(),
            asked_agenda: 0,
            departure: None,
            stopped: None,
            notes: BTreeSet::new(),
            opened_at: head.opened_at,
            now: head.opened_at,
            expected_events: steps.iter().filter_map(|step| step.input.as_event()).collect(),
            expected_commands: steps.iter().filter_map(|step| step.input.as_command()).collect(),
            deadlines,
            of_half,
            ran: [0; 2],
            places: Places::of(bundle),
            facts: Vec::new(),
            tally: Tally::default(),
            sent: Levels::default(),
            has_requests,
            cut: bundle.end().is_none(),
        })
    }

    /// Feeds the recording until a half does something else; says then how much of it was fed. `None` where none ever
    /// does.
    pub fn follow(&mut self) -> Option<Ran> {
        while self.departure.is_none() {
            let next = |half: Half| self.next_of(half).map(|step| (step.lived_at, half));
            // Of two at one moment the one that the recorder saw first goes first.
            let place = |half: Half| self.of_half[half as usize].get(self.ran[half as usize]).copied();
            let both = [next(Half::Media), next(Half::Control)];
            let (at, half) = both.into_iter().flatten().min_by_key(|(at, half)| (*at, place(*half)))?;
            if at > self.now {
                if self.is_overdue() {
                    break;
                }
                self.now = at;
            }
            self.wait_for_other(half);
            if self.departure.is_none() {
                self.follow_step(half);
            }
        }
        Some(self.ran)
    }

    fn next_of(&self, half: Half) -> Option<&'a Scripted> {
        let at = self.of_half[half as usize].get(self.ran[half as usize])?;
        self.steps.get(*at)
    }

    /// Two threads read their clocks each for itself: what one was told may stand in the recording a moment before the
    /// other said it.
    fn wait_for_other(&mut self, half: Half) {
        let other = match half {
            Half::Control => Half::Media,
            Half::Media => Half::Control,
        };
        let Some(step) = self.next_of(half) else { return };
        while self.departure.is_none() && self.waits(step) {
            let next = self.next_of(other).filter(|next| next.lived_at <= step.lived_at + SKEW);
            // Where each waits for the other, it was this one that was to speak first.
            if next.is_none_or(|next| self.waits(next)) {
                return;
            }
            self.follow_step(other);
        }
    }

    /// Whether a step is what the other half has not said yet.
    fn waits(&self, step: &Scripted) -> bool {
        (step.input.as_event().is_some() && self.to_control.is_empty())
            || (step.input.as_command().is_some() && self.to_media.is_empty())
    }

    fn follow_step(&mut self, half: Half) {
        let Some(step) = self.next_of(half) else { return };
        self.ran[half as usize] += 1;
        if step.input.is_deadline() {
            self.deadlines[half as usize].pop_front();
            let due = self.due(half);
            if due != Some(step.now) && !self.is_over(half) {
                let what = "a half wants to be woken at another moment";
                let (expected, got) = (self.seconds(Some(step.now)), self.seconds(due));
                // The deadline that was is none now.
                return self.depart(half, step.sequence, step.now, what, expected, got);
            }
        }
        match &step.input {
            Told::Control(input) => self.follow_control(step, input),
            Told::Media(input) => self.follow_media(step, input),
        }
    }

    /// Whether a deadline has passed that the recording never had. Asked between two moments: at one moment packets go
    /// before deadlines, and may move them. A machine that stood still was late for all.
    fn is_overdue(&mut self) -> bool {
        for half in [Half::Media, Half::Control] {
            let Some(due) = self.due(half).filter(|due| *due + SLACK < self.now) else { continue };
            let next = self.deadlines[half as usize].front().copied();
            if next != Some(due) {
                let what = "a half wants to be woken at a moment at which it was not";
                let (expected, got) = (self.seconds(next), self.seconds(Some(due)));
                self.depart(half, 0, due, what, expected, got);
                return true;
            }
        }
        false
    }

    fn follow_control(&mut self, step: &Scripted, input: &Input) {
        if let Input::Media(event) = input
            && !matches!(event, MediaEvent::Discard(_))
        {
            if !self.to_control.front().is_some_and(|told| is_same_event(event, told)) {
                let what = "the media half does not tell what it told";
                let got = self.to_control.front().map_or("nothing yet".to_owned(), |event| self.event(event));
                return self.depart(Half::Control, step.sequence, step.now, what, self.event(event), got);
            }
            self.to_control.pop_front();
            self.hear(event, step.now);
        }
        self.live.told(input);
        self.control.handle(input.clone(), step.now);
        let mut recorded = step.outputs.iter();
        while let Some(output) = self.control.poll_output() {
            if self.departure.is_some() {
                self.outputs.push_back(output);
                continue;
            }
            match output {
                Output::Media(command) => {
                    let expected = self.expected_commands.pop_front();
                    let differs = expected.is_some_and(|expected| !self.is_same(expected, &command));
                    if differs || (expected.is_none() && !self.media.is_closed() && !self.cut) {
                        let expected = expected.map_or("nothing".to_owned(), words);
                        let what = "the media half is told something else";
                        self.depart(Half::Control, step.sequence, step.now, what, expected, words(&command));
                    }
                    self.to_media.push_back(command);
                }
                Output::Fact(fact) => {
                    let seconds = since(step.now, self.opened_at).as_secs_f64();
                    self.live.note(&Output::Fact(fact.clone()), seconds);
                    let is_fact = |output: &&offhook_journal::bundle::RecordedOutput| matches!(&output.body, OutputBody::Whole(bytes) if bytes.starts_with(b"{"));
                    // Facts lead nowhere: one that differs, such as the bot's version, is no departure.
                    if recorded.clone().next().as_ref().is_some_and(is_fact) {
                        recorded.next();
                    }
                    self.facts.push(fact);
                }
                Output::Sip(_)
                | Output::OpenSpeech { .. }
                | Output::Recognizer(_)
                | Output::Speak(_)
                | Output::CancelSpeech(_)
                | Output::OpenBridge { .. }
                | Output::BridgeDtmf { .. }
                | Output::CloseBridge { .. }
                | Output::CallTool(_)
                | Output::CancelTool { .. }
                | Output::Ended => {
                    let encoded = EncodedOutput::of(&output);
                    let expected = recorded.next();
                    let same = expected
                        .zip(encoded.as_ref())
                        .is_some_and(|(expected, encoded)| expected.body.is(encoded.bytes()));
                    // What may be said is no request: another grammar may hear the same words.
                    let is_grammar = matches!(output, Output::Recognizer(RecognizerCommand::SetGrammar(_)));
                    if !same && is_grammar && !self.live.has_engines() {
                        self.notes.insert(
                            "the bot awaits other words: what the recognizer heard then is taken as it was"
                                .to_owned(),
                        );
                    } else if !same && self.has_requests && !self.cut {
                        let expected = expected.map_or("nothing".to_owned(), output_words);
                        let what = "the call asks something else of its surroundings";
                        self.depart(Half::Control, step.sequence, step.now, what, expected, words(&output));
                        self.outputs.push_back(output);
                        continue;
                    }
                    self.tally.note(&output, step.now);
                    self.live.note(&output, since(step.now, self.opened_at).as_secs_f64());
                    self.note_asked(&output);
                }
            }
        }
    }

    /// Whether two commands are the same once what is changed is changed in both.
    fn is_same(&self, one: &MediaCommand, other: &MediaCommand) -> bool {
        self.changes.on_the_way(one.clone()) == self.changes.on_the_way(other.clone())
    }

    fn note_asked(&mut self, output: &Output) {
        if let Output::Speak(request) = output {
            self.asked.utterances.insert(request.utterance);
        } else if let Output::CallTool(call) = output {
            self.asked.tools.insert(call.id.0);
        } else if let Output::Recognizer(RecognizerCommand::FinishUtterance) = output {
            self.asked.recognitions += 1;
        } else if let Output::Sip(SipAction::Request { transaction, request, .. }) = output {
            self.asked.transactions.insert(*transaction);
            self.known.forget_response(&request.method);
        }
    }

    fn follow_media(&mut self, step: &Scripted, input: &RecordedInput) {
        let mut input = input.clone();
        step.judged.iter().for_each(|judgement| self.media.foretell(judgement));
        if let Some(command) = step.input.as_command() {
            if !self.to_media.front().is_some_and(|told| self.is_same(told, command)) {
                let what = "the media half is not told what it was told";
                let got = self.to_media.front().map_or("nothing yet".to_owned(), words);
                return self.depart(Half::Media, step.sequence, step.now, what, words(command), got);
            }
            self.to_media.pop_front();
            if let RecordedInput::Command(command) = input {
                input = RecordedInput::Command(self.changes.on_the_way(command));
            }
        }
        for event in self.run_media(input, step.now) {
            let expected = self.expected_events.pop_front();
            let differs = expected.is_some_and(|expected| !is_same_event(expected, &event));
            if differs || (expected.is_none() && !self.control.is_ended() && !self.cut) {
                let expected = expected.map_or("nothing".to_owned(), |expected| self.event(expected));
                let (what, got) = ("the media half tells something else", self.event(&event));
                self.depart(Half::Media, step.sequence, step.now, what, expected, got);
            }
            self.to_control.push_back(event);
        }
    }

    /// Notes what an event says of speech, the caller's and the bot's.
    pub fn hear(&mut self, event: &MediaEvent, now: Time) {
        self.ear.hear(event);
        if let MediaEvent::PlaybackStarted { utterance, .. } = event {
            self.started.insert(*utterance, now);
        }
        if let MediaEvent::PlaybackFinished { utterance, .. } = event {
            self.cut_short.remove(utterance);
            self.finished.insert(*utterance);
        }
    }

    /// One step of the media half; answers what it tells.
    pub fn run_media(&mut self, input: RecordedInput, now: Time) -> Vec<MediaEvent> {
        let mut collected = Collected::default();
        let media = &mut self.media;
        self.live.media_told(&input);
        let mut heard = self.live.overhear(&mut collected);
        input.with_input(|input| media.handle(input, &mut heard, now));
        for (_, _, bytes) in collected.packets.iter().filter(|(rtcp, ..)| !rtcp) {
            self.sent.rtp(since(now, self.opened_at), bytes);
        }
        collected.events
    }

    pub fn due(&self, half: Half) -> Option<Time> {
        match half {
            Half::Media => self.media.poll_timeout(),
            Half::Control => self.control.poll_timeout(),
        }
    }

    fn is_over(&self, half: Half) -> bool {
        match half {
            Half::Media => self.media.is_closed(),
            Half::Control => self.control.is_ended(),
        }
    }

    pub fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    fn depart(&mut self, half: Half, step: u64, now: Time, what: &str, expected: String, got: String) {
        let (at, place) = (since(now, self.opened_at), self.places.at(now));
        let departure = Departure { half, step, at, place, what: what.to_owned(), expected, got };
        self.departure.get_or_insert(departure);
    }

    fn event(&self, event: &MediaEvent) -> String {
        crate::wording::event(event, self.opened_at)
    }

    fn seconds(&self, at: Option<Time>) -> String {
        at.map_or("never again".to_owned(), |at| format!("{:.6} s", since(at, self.opened_at).as_secs_f64()))
    }

    pub fn finish(mut self, recorded: CallRecord) -> PlayReport {
        self.notes_of_caller();
        let mut played = CallRecord::default();
        self.facts.iter().for_each(|fact| played.apply(fact));
        let mut stopped = self.stopped;
        if stopped.is_none() && !self.facts.iter().any(is_end) {
            stopped = Some("the recording ends before the call does".to_owned());
        }
        PlayReport {
            call_id: String::new(),
            departure: self.departure,
            answered: self.live.answered,
            stopped,
            notes: self.notes.into_iter().collect(),
            lasted: since(self.now, self.opened_at),
            recorded,
            played,
            facts: self.facts,
            tally: self.tally,
            sent: self.sent,
        }
    }
}

fn output_words(recorded: &offhook_journal::bundle::RecordedOutput) -> String {
    match &recorded.body {
        OutputBody::Whole(bytes) => {
            decode_output(bytes).map_or("something unreadable".to_owned(), |output| words(&output))
        }
        OutputBody::Hash { .. } => "another SIP message".to_owned(),
    }
}
