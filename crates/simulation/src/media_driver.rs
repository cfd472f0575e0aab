//! Around the media half: what the worker thread does live.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::{AudioChunk, Frame};
use offhook_call_media::{
    CallMedia, Input, LegId, MediaCommand, MediaEvent, MediaSettings, Outputs, hide_sent,
};
use offhook_engine_api::UtteranceId;
use offhook_testkit::Line;
use offhook_time::Time;

use crate::digest::Hashing;
use crate::recording::Steps;
use crate::watch::Watch;

/// More deadlines at one moment mean a machine that does not move on.
const MOST_DEADLINES: u32 = 2_000;

/// What waits for the media half.
#[derive(Debug)]
pub(crate) enum ToMedia {
    Command(MediaCommand),
    Speech(UtteranceId, AudioChunk),
}

/// What left the media half during one wake.
#[derive(Debug, Default)]
pub(crate) struct FromMedia {
    pub packets: Vec<Sent>,
    pub events: Vec<MediaEvent>,
    pub application: Vec<Frame>,
    /// What was made of masked sound.
    pub judged: Vec<Vec<u8>>,
}

/// A packet that left.
#[derive(Debug)]
pub(crate) struct Sent {
    pub rtcp: bool,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
    /// It must be recorded as [`hide_sent`] makes it.
    pub masked: bool,
}

/// The media half and its queues.
#[derive(Debug)]
pub(crate) struct MediaDriver {
    media: CallMedia,
    tick: Option<Duration>,
    messages: VecDeque<ToMedia>,
    told_at: Option<Time>,
    downlink: VecDeque<Frame>,
    source: SocketAddr,
}

/// What every output is shown to.
pub(crate) struct Witnesses<'a> {
    pub steps: &'a mut Steps,
    pub hashing: &'a mut Hashing,
    pub watch: &'a mut Watch,
}

impl MediaDriver {
    pub fn new(settings: MediaSettings, tick: Option<Duration>, source: SocketAddr, now: Time) -> Self {
        MediaDriver {
            media: CallMedia::new(settings, now),
            tick,
            messages: VecDeque::new(),
            told_at: None,
            downlink: VecDeque::new(),
            source,
        }
    }

    /// For the next wake.
    pub fn tell(&mut self, message: ToMedia, now: Time) {
        self.messages.push_back(message);
        self.told_at.get_or_insert(now);
    }

    /// For the next wake with room for it.
    pub fn play(&mut self, frame: Frame, now: Time) {
        self.downlink.push_back(frame);
        self.told_at.get_or_insert(now);
    }

    /// When it wakes next, on its tick.
    pub fn next_wake(&self, line: &Line) -> Option<Time> {
        if self.media.is_closed() {
            return None;
        }
        let next =
            [self.told_at, line.next_arrival(), self.media.poll_timeout()].into_iter().flatten().min()?;
        Some(match self.tick {
            None => next,
            Some(tick) => {
                let tick = tick.as_nanos() as u64;
                Time::from_nanos(next.as_nanos().div_ceil(tick) * tick)
            }
        })
    }

    /// One wake: messages, sockets, the application, then every deadline with its own moment.
    pub fn wake(&mut self, line: &mut Line, seen: &mut Witnesses<'_>, now: Time) -> FromMedia {
        let mut left = FromMedia::default();
        self.told_at = None;
        while let Some(message) = self.messages.pop_front() {
            let input = match message {
                ToMedia::Command(command) => {
                    if !self.media.is_closed() {
                        seen.watch.media_command(&command, now);
                    }
                    Input::Command(command)
                }
                ToMedia::Speech(utterance, chunk) => Input::Speech { utterance, chunk },
            };
            self.step(input, seen, &mut left, now);
        }
        while let Some((arrived_at, datagram)) = line.receive(now) {
            let (source, leg) = (self.source, LegId::CALLER);
            self.step(Input::Rtp { leg, datagram: &datagram, source, arrived_at }, seen, &mut left, now);
        }
        while self.media.application_room() > 0 {
            let Some(frame) = self.downlink.pop_front() else { break };
            self.step(Input::Application(&frame), seen, &mut left, now);
        }
        let mut deadlines = 0;
        while let Some(due) = self.media.poll_timeout().filter(|due| *due <= now) {
            self.step(Input::Deadline, seen, &mut left, due);
            deadlines += 1;
            if deadlines > MOST_DEADLINES {
                seen.watch.violation(now, format!("media's deadline {due:?} comes again and again"));
                break;
            }
        }
        left
    }

    pub fn is_closed(&self) -> bool {
        self.media.is_closed()
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.media.poll_timeout()
    }

    fn step(&mut self, input: Input<'_>, seen: &mut Witnesses<'_>, left: &mut FromMedia, now: Time) {
        let before = left.packets.len();
        left.judged.clear();
        let mut outputs = Seen { hashing: seen.hashing, watch: Some(seen.watch), left, now };
        self.media.handle_recorded(input, &mut outputs, seen.steps, now);
        for judgement in &left.judged {
            seen.steps.judged(judgement);
        }
        for Sent { rtcp, to, bytes, masked } in left.packets.iter().skip(before) {
            let mut bytes = bytes.clone();
            if *masked {
                hide_sent(&mut bytes);
            }
            seen.steps.sent(*rtcp, *to, &bytes, now);
        }
    }
}

/// Shows every output to who wants to see it, and keeps it.
pub(crate) struct Seen<'a> {
    pub hashing: &'a mut Hashing,
    pub watch: Option<&'a mut Watch>,
    pub left: &'a mut FromMedia,
    pub now: Time,
}

impl Outputs for Seen<'_> {
    fn rtp(&mut self, _leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.hashing.rtp.value(0, self.now, &to);
        self.hashing.rtp.bytes(0, self.now, packet);
        self.hashing.media.bytes(0, self.now, packet);
        if let Some(watch) = &mut self.watch {
            watch.rtp(packet, self.now);
        }
        self.left.packets.push(Sent { rtcp: false, to, bytes: packet.to_vec(), masked: false });
    }

    fn masked_rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.rtp(leg, to, packet);
        if let Some(sent) = self.left.packets.last_mut() {
            sent.masked = true;
        }
    }

    fn judged(&mut self, judgement: &[u8]) {
        self.left.judged.push(judgement.to_vec());
    }

    fn rtcp(&mut self, _leg: LegId, to: SocketAddr, packet: &[u8]) {
        self.hashing.rtp.value(1, self.now, &to);
        self.hashing.rtp.bytes(1, self.now, packet);
        self.hashing.media.bytes(1, self.now, packet);
        self.left.packets.push(Sent { rtcp: true, to, bytes: packet.to_vec(), masked: false });
    }

    fn caller_audio(&mut self, frame: &Frame, in_utterance: bool) {
        self.audio(2 + u8::from(in_utterance), frame);
    }

    fn application_audio(&mut self, frame: &Frame) {
        self.audio(4, frame);
        self.left.application.push(*frame);
    }

    fn event(&mut self, event: MediaEvent) {
        if let MediaEvent::Discard(chunk) = &event {
            self.hashing.media.value(6, self.now, &chunk.samples.len());
        } else {
            self.hashing.media.value(5, self.now, &event);
        }
        if let Some(watch) = &mut self.watch {
            watch.media_event(&event, self.now);
        }
        self.left.events.push(event);
    }
}

impl Seen<'_> {
    fn audio(&mut self, what: u8, frame: &Frame) {
        let mut octets = [0; 640];
        let samples = frame.samples();
        for (pair, sample) in octets.chunks_exact_mut(2).zip(samples) {
            pair.copy_from_slice(&sample.to_le_bytes());
        }
        self.hashing.media.bytes(what, self.now, &octets[..samples.len() * 2]);
        self.hashing.media.value(what, self.now, &(frame.rtp_timestamp, frame.arrived_at, frame.flags));
    }
}
