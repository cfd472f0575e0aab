//! A caller, a line and a driver around one `CallMedia`, in virtual time.
#![allow(dead_code, unused_imports)]

mod measure;
mod wav;

pub use measure::{Delays, delays, noise, quiet_noise};
pub use wav::{cough, sample};

use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::{AudioChunk, Frame, G711};
use offhook_call_media::{
    BargeIn, CallMedia, Direction, Input, LegId, LegSettings, LineCodec, MediaCommand, MediaEvent,
    MediaSettings, OnSpeech, Outputs, Port, Route, StreamSettings, UtterancePolicy,
};
use offhook_engine_api::UtteranceId;
use offhook_rtp_proto::{
    Digit, DigitSender, DigitSenderConfig, NextEvent, PayloadType, RtpPacket, StreamSender,
};
use offhook_testkit::{Line, LineQuality};
use offhook_time::{NoSteps, Randomness, Seed, StepSink, Time};

pub const PTIME: Duration = Duration::from_millis(20);

/// What left, with the moment it did.
#[derive(Debug, Default)]
pub struct Left {
    pub now: Time,
    pub rtp: Vec<(Time, Vec<u8>)>,
    /// Whose far end each of them went to.
    pub rtp_legs: Vec<LegId>,
    pub rtcp: Vec<(Time, Vec<u8>)>,
    pub caller: Vec<(Time, Frame, bool)>,
    pub application: Vec<(Time, Frame)>,
    pub events: Vec<(Time, MediaEvent)>,
}

impl Outputs for Left {
    fn rtp(&mut self, leg: LegId, _to: SocketAddr, packet: &[u8]) {
        self.rtp_legs.push(leg);
        self.rtp.push((self.now, packet.to_vec()));
    }

    fn rtcp(&mut self, _leg: LegId, _to: SocketAddr, packet: &[u8]) {
        self.rtcp.push((self.now, packet.to_vec()));
    }

    fn caller_audio(&mut self, frame: &Frame, in_utterance: bool) {
        self.caller.push((self.now, *frame, in_utterance));
    }

    fn application_audio(&mut self, frame: &Frame) {
        self.application.push((self.now, *frame));
    }

    fn event(&mut self, event: MediaEvent) {
        self.events.push((self.now, event));
    }
}

impl Left {
    /// What one far end heard.
    pub fn rtp_of(&self, leg: LegId) -> Vec<(Time, Vec<i16>)> {
        let of_leg = self.rtp.iter().zip(&self.rtp_legs).filter(|(_, to)| **to == leg);
        of_leg.map(|(packet, _)| decoded(packet)).collect()
    }
}

fn decoded((at, packet): &(Time, Vec<u8>)) -> (Time, Vec<i16>) {
    let packet = RtpPacket::parse(packet).unwrap();
    let mut samples = vec![0; packet.payload.len()];
    G711::MuLaw.decode(packet.payload, &mut samples);
    (*at, samples)
}

/// A caller that sends its samples again and again, and the driver of the half.
pub struct Scene<S: StepSink = NoSteps> {
    pub call: CallMedia,
    pub left: Left,
    pub line: Line,
    pub now: Time,
    pub sink: S,
    /// How often the driver wakes; `None` wakes for everything at once.
    pub tick: Option<Duration>,
    /// What the caller says; silence after its end.
    pub says: Vec<i16>,
    /// Whether it begins again at the end.
    pub repeats: bool,
    /// Milliseconds in each of the caller's packets.
    pub ptime_ms: u64,
    /// How long the application takes to return what it heard; `None` where there is no application.
    pub application_echo: Option<Duration>,
    pub silent_caller: bool,
    /// How much too fast the caller's clock is, in millionths.
    pub clock_ppm: i64,
    /// Up to so much later the application returns a frame, in order.
    pub application_jitter: Duration,
    hop: Randomness,
    /// Position in `says`, and in the call, in samples.
    pub said: usize,
    first_sent: Time,
    next_send: Time,
    sender: StreamSender,
    digits: DigitSender,
    returning: Vec<(Time, Frame)>,
}

pub fn caller_address() -> SocketAddr {
    "192.0.2.7:40000".parse().unwrap()
}

pub fn stream() -> StreamSettings {
    StreamSettings {
        remote_rtp: Some(caller_address()),
        remote_rtcp: Some("192.0.2.7:40001".parse().unwrap()),
        codec: LineCodec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        ptime_ms: 20,
        direction: Direction::SendReceive,
    }
}

pub fn settings(routes: &[Route]) -> MediaSettings {
    MediaSettings {
        seed: Seed::from_number(42),
        legs: vec![LegSettings { stream: Some(stream()), ..LegSettings::default() }],
        routes: routes.to_vec(),
        ..MediaSettings::default()
    }
}

/// The `echo` bot.
pub fn echo() -> MediaSettings {
    let caller = Port::Leg(LegId::CALLER);
    MediaSettings { listen: true, speech_queue: 0, ..settings(&[Route::new(caller, caller)]) }
}

/// The `bridge` bot.
pub fn bridge(rate: u32) -> MediaSettings {
    let caller = Port::Leg(LegId::CALLER);
    let routes = [Route::new(caller, Port::Application), Route::new(Port::Application, caller)];
    MediaSettings { application_rate: Some(rate), ..settings(&routes) }
}

/// A bot that speaks and listens.
pub fn conversation() -> MediaSettings {
    let caller = Port::Leg(LegId::CALLER);
    let routes = [Route::new(Port::Bot, caller), Route::new(caller, Port::Recognizer)];
    MediaSettings { listen: true, speech_rates: vec![8_000, 16_000], ..settings(&routes) }
}

impl Scene {
    pub fn new(settings: MediaSettings) -> Self {
        Scene::recorded(settings, NoSteps)
    }
}

impl<S: StepSink> Scene<S> {
    pub fn recorded(settings: MediaSettings, sink: S) -> Self {
        let now = offhook_testkit::start();
        let mut randomness = Randomness::new(Seed::from_number(99));
        // The caller's clock has nothing to do with ours.
        let first_sent = now + Duration::from_micros(137_300);
        Scene {
            call: CallMedia::new(settings, now),
            left: Left::default(),
            line: Line::new(LineQuality::default(), 5),
            now,
            sink,
            tick: None,
            says: Vec::new(),
            repeats: false,
            ptime_ms: 20,
            application_echo: None,
            silent_caller: false,
            clock_ppm: 0,
            application_jitter: Duration::ZERO,
            hop: Randomness::new(Seed::from_number(17)),
            said: 0,
            first_sent,
            next_send: first_sent,
            sender: StreamSender::new(&mut randomness),
            digits: DigitSender::new(DigitSenderConfig::default()),
            returning: Vec::new(),
        }
    }

    /// When sample `position` of the call was sent by the caller.
    pub fn sent_at(&self, position: f64) -> f64 {
        self.first_sent.as_nanos() as f64 / 1e6 + position / 8.0 * (1.0 - self.clock_ppm as f64 / 1e6)
    }

    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.next_wake().filter(|at| *at <= until) {
            self.wake(at);
        }
        self.now = until;
    }

    pub fn command(&mut self, command: MediaCommand) {
        let now = self.now;
        self.handle(Input::Command(command), now);
    }

    pub fn speech(&mut self, utterance: u32, sample_rate: u32, samples: &[i16]) {
        let now = self.now;
        let chunk = AudioChunk { sample_rate, samples: samples.into() };
        self.handle(Input::Speech { utterance: UtteranceId(utterance), chunk }, now);
    }

    pub fn announce(&mut self, utterance: u32, speech: bool, digits: bool) {
        let speech = if speech { OnSpeech::Stop } else { OnSpeech::Ignore };
        self.announce_with(utterance, BargeIn { speech, digits });
    }

    pub fn announce_with(&mut self, utterance: u32, barge_in: BargeIn) {
        let policy = UtterancePolicy { barge_in, masked: false };
        self.command(MediaCommand::Announce { utterance: UtteranceId(utterance), policy });
    }

    pub fn press(&mut self, key: char) {
        self.digits.press(Digit::from_char(key).unwrap(), Duration::from_millis(100)).unwrap();
    }

    pub fn handle(&mut self, input: Input<'_>, now: Time) {
        self.left.now = self.now.max(now);
        self.call.handle_recorded(input, &mut self.left, &mut self.sink, now);
    }

    fn next_wake(&self) -> Option<Time> {
        let next = [
            (!self.silent_caller).then_some(self.next_send),
            self.line.next_arrival(),
            self.call.poll_timeout(),
            self.returning.first().map(|(at, _)| *at),
        ];
        let next = next.into_iter().flatten().min()?;
        Some(match self.tick {
            None => next.max(self.now),
            Some(tick) => {
                let ticks = next.as_nanos().div_ceil(tick.as_nanos() as u64);
                Time::from_nanos(ticks * tick.as_nanos() as u64).max(self.now)
            }
        })
    }

    /// What the worker does: packets, then the application, then deadlines, each with its own time.
    fn wake(&mut self, at: Time) {
        self.now = at;
        while !self.silent_caller && self.next_send <= at {
            self.send();
        }
        while let Some((arrived_at, datagram)) = self.line.receive(at) {
            let source = caller_address();
            let input = Input::Rtp { leg: LegId::CALLER, datagram: &datagram, source, arrived_at };
            self.handle(input, at);
        }
        while self.returning.first().is_some_and(|(returns, _)| *returns <= at)
            && self.call.application_room() > 0
        {
            let (_, frame) = self.returning.remove(0);
            self.handle(Input::Application(&frame), at);
        }
        while let Some(deadline) = self.call.poll_timeout().filter(|deadline| *deadline <= at) {
            self.handle(Input::Deadline, deadline);
        }
        if let Some(delay) = self.application_echo {
            for (heard_at, frame) in self.left.application.drain(..) {
                let last = self.returning.last().map_or(Time::ZERO, |(at, _)| *at);
                let returns = (heard_at + delay + self.application_jitter.mul_f64(self.hop.unit())).max(last);
                let mut frame = frame;
                frame.arrived_at = returns;
                self.returning.push((returns, frame));
            }
        }
    }

    fn send(&mut self) {
        let samples = self.ptime_ms * 8;
        let at = self.next_send;
        let nanos = self.ptime_ms as i64 * (1_000_000 - self.clock_ppm);
        self.next_send += Duration::from_nanos(nanos as u64);
        let mut buffer = [0; 600];
        let event = self.digits.next(self.sender.timestamp(), samples as u32);
        let pcm: Vec<i16> = (0..samples as usize).map(|n| self.sample_at(self.said + n)).collect();
        self.said += samples as usize;
        let length = match event {
            NextEvent::Packet(event) => {
                let number = PayloadType::new(101).unwrap();
                self.sender.write_event(number, &event, samples as u32, &mut buffer).unwrap()
            }
            NextEvent::Idle | NextEvent::Pause => {
                let mut payload = vec![0; samples as usize];
                G711::MuLaw.encode(&pcm, &mut payload);
                self.sender.write_audio(PayloadType::PCMU, &payload, samples as u32, &mut buffer).unwrap()
            }
        };
        self.line.send(&buffer[..length], at);
    }

    pub fn sample_at(&self, position: usize) -> i16 {
        match self.says.len() {
            0 => 0,
            len if self.repeats => self.says[position % len],
            _ => self.says.get(position).copied().unwrap_or(0),
        }
    }

    /// The far end goes quiet, or speaks again from now on.
    pub fn set_silent(&mut self, silent: bool) {
        self.silent_caller = silent;
        while self.next_send < self.now {
            self.next_send += Duration::from_millis(self.ptime_ms);
            self.sender.skip(self.ptime_ms as u32 * 8);
            self.said += self.ptime_ms as usize * 8;
        }
    }

    /// The far end says how loud its background is, in −dBov, and sends no more.
    pub fn send_comfort_noise(&mut self, minus_dbov: u8) {
        let mut buffer = [0; 20];
        let at = self.next_send;
        let length =
            self.sender.write_audio(PayloadType::COMFORT_NOISE, &[minus_dbov], 160, &mut buffer).unwrap();
        self.line.send(&buffer[..length], at);
        self.next_send += PTIME;
        self.said += 160;
        self.silent_caller = true;
    }

    /// The far end starts another stream: new source, sequence and timestamp.
    pub fn change_source(&mut self) {
        self.sender = StreamSender::new(&mut Randomness::new(Seed::from_number(123)));
    }

    /// Everything that left as one line of samples, and when each packet left.
    pub fn heard(&self) -> Vec<(Time, Vec<i16>)> {
        self.left.rtp.iter().map(decoded).collect()
    }

    pub fn events(&self) -> Vec<MediaEvent> {
        self.left.events.iter().map(|(_, event)| event.clone()).collect()
    }

    /// When the first event that `wanted` accepts was raised.
    pub fn first(&self, wanted: impl Fn(&MediaEvent) -> bool) -> Option<Time> {
        self.left.events.iter().find(|(_, event)| wanted(event)).map(|(at, _)| *at)
    }
}

/// Sequence +1, timestamp +`samples`, one source; answers the longest gap between two packets.
pub fn assert_continuous(rtp: &[(Time, Vec<u8>)], samples: u32) -> Duration {
    let mut longest = Duration::ZERO;
    for pair in rtp.windows(2) {
        let (before, after) = (RtpPacket::parse(&pair[0].1).unwrap(), RtpPacket::parse(&pair[1].1).unwrap());
        assert_eq!(after.header.sequence, before.header.sequence.next(), "at {:?}", pair[1].0);
        assert_eq!(after.header.timestamp, before.header.timestamp.plus(samples), "at {:?}", pair[1].0);
        assert_eq!(after.header.ssrc, before.header.ssrc);
        assert!(pair[1].0 >= pair[0].0);
        longest = longest.max(pair[1].0 - pair[0].0);
    }
    longest
}
