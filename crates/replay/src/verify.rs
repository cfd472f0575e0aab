//! Whether a call does the same again: each half alone, its outputs against what the recording has of them.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::net::SocketAddr;

use offhook_audio::Frame;
use offhook_call_control::{CallControl, Input, Output};
use offhook_call_media::{CallMedia, LegId, MediaCommand, MediaEvent, Outputs, RecordedInput, hide_sent};
use offhook_journal::bundle::{
    Bundle, Direction, OutputBody, PacketKind, PayloadHash, RecordedOutput, RecordedPacket, RecordedStep,
};
use offhook_time::{Half, Time};

use crate::place::Places;
use crate::report::since;
use crate::told::{Told, decode};
use crate::wakes::{Moved, Wakes};
use crate::wording::{self, words};
use crate::{CallHead, Departure, EncodedOutput, HalfReport, HeadError, Report, decode_output};

pub(crate) use crate::told::{Judgements, is_digest, is_same_event};

/// Runs each half of the call alone in virtual time, fed with its recorded inputs and nothing else. What it does must
/// be what the recording has:
///
/// - the media half's packets are those in the bundle, its events those that the control half was told;
/// - the control half's facts, SIP actions and requests to engines are those in the bundle, its commands those that the
///   media half was given;
/// - each half wants to be woken at exactly the moments at which it was;
/// - engines are given the audio that they were given, and voice activity judges it the same, where the recording
///   says so ([`MediaEvent::Digest`]).
///
/// # Errors
/// The bundle does not say what the call was run with.
pub fn verify(bundle: &Bundle) -> Result<Report, HeadError> {
    let head = CallHead::from_meta(&bundle.meta)?;
    let recording = Recording::of(bundle, &head);
    let control = ControlRun::new(&recording, &head)?.run();
    let media = MediaRun::new(&recording, &head).run();
    let (control_ended, control) = control;
    let (media_closed, mut media) = media;
    let mut control = control;
    // What one half says when the other is over reaches nobody.
    if !(control_ended || recording.cut) {
        media.refuse_left(&recording, Half::Control);
    }
    if !(media_closed || recording.cut) {
        control.refuse_left(&recording, Half::Media);
    }
    let last = bundle.items.iter().filter_map(|item| item.as_step()).map(|step| step.head.now).max();
    Ok(Report {
        call_id: head.control.call_id.clone(),
        lasted: since(last.unwrap_or(head.opened_at), head.opened_at),
        control: control.report,
        media: media.report,
        notes: recording.notes,
    })
}

/// The bundle, sorted by who needs what.
struct Recording<'a> {
    bundle: &'a Bundle,
    opened_at: Time,
    places: Places,
    told: Told,
    /// Whether outputs beside facts were recorded.
    has_requests: bool,
    has_packets: bool,
    /// It ends in the middle.
    cut: bool,
    notes: Vec<String>,
}

impl<'a> Recording<'a> {
    fn of(bundle: &'a Bundle, head: &CallHead) -> Self {
        let mut notes = Vec::new();
        let cut = bundle.end().is_none();
        if cut {
            notes.push("the bundle was never finished: what it holds was compared up to its end".to_owned());
        }
        let has_requests = bundle
            .outputs(Half::Control)
            .any(|output| !matches!(&output.body, OutputBody::Whole(bytes) if bytes.starts_with(b"{")));
        if !has_requests {
            notes.push("only facts were recorded of what the control half did".to_owned());
        }
        let has_packets = egress(bundle).next().is_some();
        if !has_packets {
            notes.push("no packet that we sent is in the bundle: none was compared".to_owned());
        }
        let told = Told::of(bundle);
        Recording {
            bundle,
            opened_at: head.opened_at,
            places: Places::of(bundle),
            told,
            has_requests,
            has_packets,
            cut,
            notes,
        }
    }

    fn departure(
        &self,
        half: Half,
        step: u64,
        now: Time,
        what: &str,
        expected: String,
        got: String,
    ) -> Box<Departure> {
        let at = since(now, self.opened_at);
        let place = self.places.at(now);
        Box::new(Departure { half, step, at, place, what: what.to_owned(), expected, got })
    }

    fn moved(&self, half: Half, step: u64, moved: &Moved) -> Box<Departure> {
        let seconds = |at: Time| format!("{:.6} s", since(at, self.opened_at).as_secs_f64());
        let words = |at: Option<Time>| at.map_or("none".to_owned(), seconds);
        let (expected, got) = (words(moved.recorded), words(moved.due));
        self.departure(half, step, moved.at, moved.what, expected, got)
    }
}

fn egress(bundle: &Bundle) -> impl Iterator<Item = &RecordedPacket> {
    bundle.packets().filter(|packet| {
        packet.direction == Direction::Outbound && matches!(packet.kind, PacketKind::Rtp | PacketKind::Rtcp)
    })
}

/// What a half did, and what it said to the other half that was not compared yet because the recording has no more.
struct Ran<M> {
    report: HalfReport,
    left: VecDeque<(u64, Time, M)>,
}

impl<M: std::fmt::Debug> Ran<M> {
    /// The half said something to the other one that the other one never got.
    fn refuse_left(&mut self, recording: &Recording<'_>, to: Half) {
        let from = match to {
            Half::Control => Half::Media,
            Half::Media => Half::Control,
        };
        if let (Some((step, now, message)), None) = (self.left.front(), &self.report.departure) {
            let expected = "nothing more".to_owned();
            let what = "one half tells the other more than it did";
            self.report.departure =
                Some(recording.departure(from, *step, *now, what, expected, words(message)));
        }
    }
}

struct ControlRun<'a> {
    recording: &'a Recording<'a>,
    control: CallControl,
    outputs: Peekable<Box<dyn Iterator<Item = &'a RecordedOutput> + 'a>>,
    commands: std::slice::Iter<'a, MediaCommand>,
    wakes: Wakes,
    ran: Ran<MediaCommand>,
}

impl<'a> ControlRun<'a> {
    fn new(recording: &'a Recording<'a>, head: &CallHead) -> Result<Self, HeadError> {
        let outputs: Box<dyn Iterator<Item = &RecordedOutput>> =
            Box::new(recording.bundle.outputs(Half::Control));
        Ok(ControlRun {
            recording,
            control: CallControl::new(head.settings()?),
            outputs: outputs.peekable(),
            commands: recording.told.commands.iter(),
            wakes: Wakes::new(Half::Control, &recording.told.control_deadlines),
            ran: Ran { report: HalfReport::default(), left: VecDeque::new() },
        })
    }

    fn run(mut self) -> (bool, Ran<MediaCommand>) {
        for step in self.recording.bundle.steps(Half::Control) {
            self.ran.report.gap = self.wakes.gap(step.head.sequence);
            if self.ran.report.gap.is_some() {
                break;
            }
            self.ran.report.departure = self.step(step).err();
            if self.ran.report.departure.is_some() {
                break;
            }
            self.ran.report.steps += 1;
        }
        if self.ran.report.is_open()
            && let Some(command) = self.commands.next()
        {
            let (step, now) = (self.ran.report.steps, self.end());
            let what = "a command for the media half never comes";
            self.depart(step, now, what, words(command), "nothing".to_owned());
        }
        (self.control.is_ended(), self.ran)
    }

    fn step(&mut self, step: &RecordedStep) -> Result<(), Box<Departure>> {
        let (number, now) = (step.head.sequence, step.head.now);
        let depart = |what: &str, expected: String, got: String| {
            Err(self.recording.departure(Half::Control, number, now, what, expected, got))
        };
        let Some(input) = decode(step) else {
            return depart("an input cannot be read by this build", words(&step.body), "nothing".to_owned());
        };
        let is_deadline = matches!(input, Input::Deadline);
        if let Err(moved) = self.wakes.step(is_deadline, self.control.poll_timeout(), now) {
            return Err(self.recording.moved(Half::Control, number, &moved));
        }
        self.control.handle(input, now);
        while let Some(output) = self.control.poll_output() {
            if let Output::Media(command) = output {
                self.command(command, number, now)?;
            } else {
                self.output(&output, number, now)?;
            }
        }
        match self.outputs.next_if(|output| output.head.sequence <= number) {
            Some(missing) if !self.recording.cut => {
                let what = "something that the control half did is missing";
                Err(self.departure(number, now, what, words_of(missing), "nothing".to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn command(&mut self, command: MediaCommand, number: u64, now: Time) -> Result<(), Box<Departure>> {
        match self.commands.next() {
            None => {
                self.ran.left.push_back((number, now, command));
                Ok(())
            }
            Some(recorded) if *recorded == command => {
                self.ran.report.messages += 1;
                Ok(())
            }
            Some(recorded) => {
                let what = "the media half is told something else";
                Err(self.departure(number, now, what, words(recorded), words(&command)))
            }
        }
    }

    fn output(&mut self, output: &Output, number: u64, now: Time) -> Result<(), Box<Departure>> {
        let is_fact = matches!(output, Output::Fact(_));
        if !is_fact && !self.recording.has_requests {
            return Ok(());
        }
        let Some(encoded) = EncodedOutput::of(output) else { return Ok(()) };
        let recorded = self.outputs.next_if(|recorded| recorded.head.sequence <= number);
        if let Some(recorded) = recorded
            && recorded.head.sequence == number
            && recorded.body.is(encoded.bytes())
        {
            let counted = if is_fact { &mut self.ran.report.facts } else { &mut self.ran.report.requests };
            *counted += 1;
            return Ok(());
        }
        if recorded.is_none() && self.recording.cut && self.outputs.peek().is_none() {
            return Ok(());
        }
        let expected = recorded.map_or("nothing".to_owned(), words_of);
        let what = match output {
            Output::Fact(_) => "the event log differs",
            Output::Sip(_) => "what the call sends by SIP differs",
            Output::OpenSpeech { .. }
            | Output::Recognizer(_)
            | Output::Speak(_)
            | Output::CancelSpeech(_)
            | Output::Media(_)
            | Output::OpenBridge { .. }
            | Output::BridgeDtmf { .. }
            | Output::CloseBridge { .. }
            | Output::CallTool(_)
            | Output::CancelTool { .. }
            | Output::Ended => "what the call asks of its surroundings differs",
        };
        Err(self.departure(number, now, what, expected, words(output)))
    }

    fn departure(&self, step: u64, now: Time, what: &str, expected: String, got: String) -> Box<Departure> {
        self.recording.departure(Half::Control, step, now, what, expected, got)
    }

    fn depart(&mut self, step: u64, now: Time, what: &str, expected: String, got: String) {
        self.ran.report.departure = Some(self.departure(step, now, what, expected, got));
    }

    fn end(&self) -> Time {
        let last = self.recording.bundle.steps(Half::Control).last();
        last.map_or(self.recording.opened_at, |step| step.head.now)
    }
}

/// A recorded output in words, as far as it was kept.
fn words_of(recorded: &RecordedOutput) -> String {
    match &recorded.body {
        OutputBody::Whole(bytes) => match decode_output(bytes) {
            Some(output) => words(&output),
            None => "something that this build cannot read".to_owned(),
        },
        OutputBody::Hash { hash, length } => {
            format!(
                "another SIP message ({length} octets encoded, hash {hash:?}); see `bundle show --ladder`"
            )
        }
    }
}

/// The RTP packets that the media half sends when it is run again, with their moments: for a bundle that only kept
/// hashes of their payloads. Ask [`verify`] first whether it does the same.
///
/// # Errors
/// The bundle does not say what the call was run with.
pub fn sent_again(bundle: &Bundle) -> Result<Vec<(Time, Vec<u8>)>, HeadError> {
    let head = CallHead::from_meta(&bundle.meta)?;
    let mut media = CallMedia::new(head.media.clone(), head.opened_at);
    let mut judgements = Judgements::of(bundle);
    let mut packets = Vec::new();
    for step in bundle.steps(Half::Media) {
        let Ok(input) = RecordedInput::decode(&step.body.payload()) else { break };
        let mut collected = Collected::default();
        judgements.foretell(&mut media, step.head.sequence);
        input.with_input(|input| media.handle(input, &mut collected, step.head.now));
        let rtp = collected.packets.into_iter().filter(|(rtcp, ..)| !rtcp);
        packets.extend(rtp.map(|(_, _, bytes)| (step.head.now, bytes)));
    }
    Ok(packets)
}

/// What leaves the media half during one step.
#[derive(Default)]
pub(crate) struct Collected {
    pub packets: Vec<(bool, SocketAddr, Vec<u8>)>,
    pub events: Vec<MediaEvent>,
    /// Beside them.
    pub digests: Vec<MediaEvent>,
    pub application: u64,
}

impl Outputs for Collected {
    fn rtp(&mut self, _leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.packets.push((false, to, packet.to_vec()));
    }

    fn masked_rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        let mut hidden = packet.to_vec();
        hide_sent(&mut hidden);
        self.rtp(leg, to, &hidden);
    }

    fn rtcp(&mut self, _leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.packets.push((true, to, packet.to_vec()));
    }

    fn caller_audio(&mut self, _frame: &Frame, _in_utterance: bool) {}

    fn application_audio(&mut self, _frame: &Frame) {
        self.application += 1;
    }

    fn event(&mut self, event: MediaEvent) {
        if is_digest(&event) {
            self.digests.push(event);
        } else if !matches!(event, MediaEvent::Discard(_)) {
            self.events.push(event);
        }
    }
}

struct MediaRun<'a> {
    recording: &'a Recording<'a>,
    media: CallMedia,
    judgements: Judgements<'a>,
    collected: Collected,
    packets: Peekable<Box<dyn Iterator<Item = &'a RecordedPacket> + 'a>>,
    events: std::slice::Iter<'a, MediaEvent>,
    digests: std::slice::Iter<'a, MediaEvent>,
    wakes: Wakes,
    ran: Ran<MediaEvent>,
}

impl<'a> MediaRun<'a> {
    fn new(recording: &'a Recording<'a>, head: &CallHead) -> Self {
        let packets: Box<dyn Iterator<Item = &RecordedPacket>> = Box::new(egress(recording.bundle));
        MediaRun {
            recording,
            media: CallMedia::new(head.media.clone(), head.opened_at),
            judgements: Judgements::of(recording.bundle),
            collected: Collected::default(),
            packets: packets.peekable(),
            events: recording.told.events.iter(),
            digests: recording.told.digests.iter(),
            wakes: Wakes::new(Half::Media, &recording.told.media_deadlines),
            ran: Ran { report: HalfReport::default(), left: VecDeque::new() },
        }
    }

    fn run(mut self) -> (bool, Ran<MediaEvent>) {
        let mut last = self.recording.opened_at;
        for step in self.recording.bundle.steps(Half::Media) {
            self.ran.report.gap = self.wakes.gap(step.head.sequence);
            if self.ran.report.gap.is_some() {
                break;
            }
            self.ran.report.departure = self.step(step).err();
            if self.ran.report.departure.is_some() {
                break;
            }
            self.ran.report.steps += 1;
            last = step.head.now;
        }
        if self.ran.report.is_open() {
            let (step, event) = (self.ran.report.steps, self.events.next());
            let packet = self.packets.next();
            let missing = match (packet, event) {
                (Some(packet), _) => Some(("a packet to the caller is missing", wording::recorded(packet))),
                (None, Some(event)) => Some(("an event for the control half never comes", words(event))),
                (None, None) => None,
            };
            self.ran.report.departure = missing.map(|(what, expected)| {
                let got = "nothing".to_owned();
                self.recording.departure(Half::Media, step, last, what, expected, got)
            });
        }
        (self.media.is_closed(), self.ran)
    }

    fn step(&mut self, step: &RecordedStep) -> Result<(), Box<Departure>> {
        let (number, now) = (step.head.sequence, step.head.now);
        let depart = |what: &str, expected: String, got: String| {
            Err(self.recording.departure(Half::Media, number, now, what, expected, got))
        };
        let Ok(input) = RecordedInput::decode(&step.body.payload()) else {
            return depart("an input cannot be read by this build", words(&step.body), "nothing".to_owned());
        };
        let is_deadline = matches!(input, RecordedInput::Deadline);
        let due = if self.media.is_closed() { Some(now) } else { self.media.poll_timeout() };
        if let Err(moved) = self.wakes.step(is_deadline, due, now) {
            return Err(self.recording.moved(Half::Media, number, &moved));
        }
        self.judgements.foretell(&mut self.media, number);
        let (media, collected) = (&mut self.media, &mut self.collected);
        input.with_input(|input| media.handle(input, collected, now));
        let Collected { packets, events, digests, .. } = std::mem::take(&mut self.collected);
        for (rtcp, to, bytes) in &packets {
            self.packet(*rtcp, *to, bytes, number, now)?;
        }
        for event in events {
            self.event(event, number, now)?;
        }
        for digest in digests {
            self.digest(&digest, number, now)?;
        }
        Ok(())
    }

    fn packet(
        &mut self,
        rtcp: bool,
        to: SocketAddr,
        bytes: &[u8],
        number: u64,
        now: Time,
    ) -> Result<(), Box<Departure>> {
        if !self.recording.has_packets {
            return Ok(());
        }
        let Some(recorded) = self.packets.next() else {
            if self.recording.cut {
                return Ok(());
            }
            let what = "the caller is sent a packet more";
            let got = wording::sent(rtcp, bytes, to);
            return Err(self.departure(number, now, what, "nothing".to_owned(), got));
        };
        let goes_there = recorded.destination.ip().to_canonical() == to.ip().to_canonical()
            && recorded.destination.port() == to.port();
        if is_same(recorded, rtcp, bytes) && goes_there {
            self.ran.report.packets += 1;
            return Ok(());
        }
        let what = if goes_there {
            wording::difference(recorded, rtcp, bytes)
        } else {
            "a packet goes to another address"
        };
        let expected = wording::recorded(recorded);
        Err(self.departure(number, now, what, expected, wording::sent(rtcp, bytes, to)))
    }

    fn event(&mut self, event: MediaEvent, number: u64, now: Time) -> Result<(), Box<Departure>> {
        match self.events.next() {
            None => {
                self.ran.left.push_back((number, now, event));
                Ok(())
            }
            Some(recorded) if is_same_event(recorded, &event) => {
                self.ran.report.messages += 1;
                Ok(())
            }
            Some(recorded) => {
                let what = "the media half tells something else";
                let words = |event: &MediaEvent| wording::event(event, self.recording.opened_at);
                Err(self.departure(number, now, what, words(recorded), words(&event)))
            }
        }
    }

    /// What control never heard of because it was over, or the recording was cut, is not compared.
    fn digest(&mut self, digest: &MediaEvent, number: u64, now: Time) -> Result<(), Box<Departure>> {
        match self.digests.next() {
            Some(recorded) if recorded != digest => {
                let what = wording::other_digest(recorded, digest);
                Err(self.departure(number, now, what, words(recorded), words(digest)))
            }
            Some(_) => {
                self.ran.report.messages += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn departure(&self, step: u64, now: Time, what: &str, expected: String, got: String) -> Box<Departure> {
        self.recording.departure(Half::Media, step, now, what, expected, got)
    }
}

/// Whether `bytes` are the packet that was recorded, as far as that was kept.
fn is_same(recorded: &RecordedPacket, rtcp: bool, bytes: &[u8]) -> bool {
    let kept = recorded.bytes.len();
    let rest = bytes.get(kept..).unwrap_or_default();
    (recorded.kind == PacketKind::Rtcp) == rtcp
        && recorded.original_length == bytes.len()
        && bytes.starts_with(&recorded.bytes)
        && recorded.payload_hash.is_none_or(|hash| hash == PayloadHash::of(rest))
}
