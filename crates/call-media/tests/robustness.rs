//! Any inputs in any order: nothing panics, RTP stays in order, and the time that is asked for is never far off.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::time::Duration;

use common::{Left, bridge, caller_address, conversation, echo, stream};
use offhook_audio::{AudioChunk, Frame};
use offhook_call_media::{
    BargeIn, CallMedia, Direction, Gain, Input, LegId, LineCodec, MediaCommand, MediaEvent, MediaSettings,
    OnSpeech, Port, Route, StreamSettings, TurnPolicy, UtterancePolicy,
};
use offhook_engine_api::UtteranceId;
use offhook_rtp_proto::RtpPacket;
use offhook_time::{Randomness, Seed, Time};

#[test]
fn random_inputs_and_time_jumps_break_nothing() {
    let mut inputs = 0;
    for seed in 0..60 {
        let mut chaos = Chaos::new(seed);
        (0..1_500).for_each(|_| chaos.step());
        inputs += chaos.inputs;

        chaos.assert_in_order();
        chaos.assert_every_utterance_ended_once();
    }
    println!("{inputs} inputs");
}

struct Chaos {
    call: CallMedia,
    left: Left,
    randomness: Randomness,
    now: Time,
    sequence: u16,
    timestamp: u32,
    announced: u32,
    inputs: u64,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let settings = match seed % 4 {
            0 => echo(),
            1 => bridge(8_000),
            2 => bridge(16_000),
            _ => MediaSettings { application_rate: Some(16_000), ..conversation() },
        };
        let now = offhook_testkit::start();
        Chaos {
            call: CallMedia::new(MediaSettings { speech_queue: 8, ..settings }, now),
            left: Left::default(),
            randomness: Randomness::new(Seed::from_number(seed)),
            now,
            sequence: 65_500,
            timestamp: u32::MAX - 5_000,
            announced: 0,
            inputs: 0,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.randomness.below(bound)
    }

    fn step(&mut self) {
        let jump = match self.below(200) {
            0 => 30_000,
            1..=5 => 700,
            6..=20 => 60,
            _ => 21,
        };
        let passed = Duration::from_micros(self.below(jump * 1_000));
        self.now += passed;
        match self.below(20) {
            0..=8 => self.packet(),
            9 => self.garbage(),
            10 | 11 => self.speech(),
            12 | 13 => self.application(),
            14 => self.command(),
            _ => {}
        }
        let mut rounds = 0;
        while let Some(deadline) = self.call.poll_timeout().filter(|deadline| *deadline <= self.now) {
            self.handle(Input::Deadline, deadline);
            rounds += 1;
            assert!(rounds < 20_000, "the half never rests");
        }
        let next = self.call.poll_timeout().expect("a stream has a next packet");
        assert!(next.since(self.now) <= Duration::from_millis(100), "{next:?} after {:?}", self.now);
    }

    fn handle(&mut self, input: Input<'_>, now: Time) {
        self.inputs += 1;
        self.left.now = self.now;
        self.call.handle(input, &mut self.left, now);
    }

    fn packet(&mut self) {
        let leap = if self.below(50) == 0 { self.below(70_000) as u16 } else { self.below(3) as u16 };
        self.sequence = self.sequence.wrapping_add(leap);
        self.timestamp = self.timestamp.wrapping_add(u32::from(leap) * 160);
        let kind = [0u8, 0, 0, 0, 8, 13, 101, 96][self.below(8) as usize];
        let mut datagram = vec![0x80, kind];
        datagram.extend(self.sequence.to_be_bytes());
        datagram.extend(self.timestamp.to_be_bytes());
        datagram.extend((7 + self.below(60) / 59).to_be_bytes()[4..].iter());
        let length = [160, 160, 160, 80, 480, 4, 0, 1_400][self.below(8) as usize];
        datagram.extend((0..length).map(|_| self.randomness.next_u32() as u8));
        self.datagram(&datagram);
    }

    fn garbage(&mut self) {
        let datagram: Vec<u8> = (0..self.below(90)).map(|_| self.randomness.next_u32() as u8).collect();
        self.datagram(&datagram);
    }

    fn datagram(&mut self, datagram: &[u8]) {
        let arrived_at = self.now.saturating_sub(Duration::from_micros(self.below(3_000)));
        let (leg, source, now) = (LegId::CALLER, caller_address(), self.now);
        if self.below(10) == 0 {
            self.handle(Input::Rtcp { leg, datagram, source, arrived_at }, now);
        } else {
            self.handle(Input::Rtp { leg, datagram, source, arrived_at }, now);
        }
    }

    fn speech(&mut self) {
        let sample_rate = [8_000, 16_000, 22_050, 24_000, 11_025][self.below(5) as usize];
        let utterance = UtteranceId(self.below(u64::from(self.announced) + 2) as u32);
        let length = self.below(4_000) as usize;
        let samples: Vec<i16> = (0..length).map(|_| self.randomness.next_u32() as i16).collect();
        let now = self.now;
        self.handle(
            Input::Speech { utterance, chunk: AudioChunk { sample_rate, samples: samples.into() } },
            now,
        );
    }

    fn application(&mut self) {
        let samples: Vec<i16> =
            (0..[160, 320][self.below(2) as usize]).map(|_| self.randomness.next_u32() as i16).collect();
        let now = self.now;
        (0..self.below(30))
            .for_each(|_| self.handle(Input::Application(&Frame::from_samples(&samples)), now));
    }

    fn command(&mut self) {
        let utterance = UtteranceId(self.below(u64::from(self.announced) + 1) as u32);
        let ports =
            [Port::Leg(LegId::CALLER), Port::Bot, Port::Application, Port::Recognizer, Port::Leg(LegId(3))];
        let (from, to) = (ports[self.below(5) as usize], ports[self.below(5) as usize]);
        let command = match self.below(15) {
            0 | 1 => {
                self.announced += 1;
                let speech = [OnSpeech::Ignore, OnSpeech::Pause, OnSpeech::Stop][self.below(3) as usize];
                let barge_in = BargeIn { speech, digits: self.below(2) == 0 };
                MediaCommand::Announce {
                    utterance: UtteranceId(self.announced),
                    policy: UtterancePolicy { barge_in, masked: false },
                }
            }
            2 => MediaCommand::EndOfUtterance { utterance },
            3 => MediaCommand::Cancel { utterance },
            4 => MediaCommand::CancelAll,
            5 => MediaCommand::Hold { paused: self.below(2) == 0 },
            13 => MediaCommand::Resume,
            6 => MediaCommand::EndTurn,
            7 => MediaCommand::SendDigits {
                leg: LegId(self.below(2) as u8),
                digits: [b'#'; 32],
                count: self.below(40) as u8,
            },
            8 => MediaCommand::ClearApplication,
            9 => MediaCommand::MarkApplication { mark: 1 },
            10 => MediaCommand::SetRoute(Route { from, to, gain: Gain(self.below(1_000) as u16) }),
            11 => MediaCommand::RemoveRoute { from, to },
            12 => MediaCommand::SetPolicy(TurnPolicy {
                fade: Duration::from_millis(self.below(50)),
                ..TurnPolicy::default()
            }),
            _ => MediaCommand::SetStream { leg: LegId::CALLER, settings: self.stream() },
        };
        let now = self.now;
        self.handle(Input::Command(command), now);
    }

    fn stream(&mut self) -> StreamSettings {
        let codec = self.below(2);
        StreamSettings {
            codec: [LineCodec::Pcmu, LineCodec::Pcma][codec as usize],
            payload_type: [0, 8][codec as usize],
            ptime_ms: [0, 10, 20, 30, 60, 255][self.below(6) as usize],
            direction: [
                Direction::SendReceive,
                Direction::SendOnly,
                Direction::ReceiveOnly,
                Direction::Inactive,
            ][self.below(4) as usize],
            ..stream()
        }
    }

    fn assert_in_order(&self) {
        let headers: Vec<_> =
            self.left.rtp.iter().map(|(_, packet)| RtpPacket::parse(packet).unwrap().header).collect();
        assert!(headers.windows(2).all(|pair| pair[1].sequence == pair[0].sequence.next()));
        let audio: Vec<_> = headers.iter().filter(|header| header.payload_type.number() != 101).collect();
        assert!(audio.windows(2).all(|pair| pair[1].timestamp.since(pair[0].timestamp) >= 80));
    }

    fn assert_every_utterance_ended_once(&mut self) {
        let now = self.now;
        self.handle(Input::Command(MediaCommand::Close), now);
        let mut finished: Vec<u32> = self
            .left
            .events
            .iter()
            .filter_map(|(_, event)| match event {
                MediaEvent::PlaybackFinished { utterance, .. } => Some(utterance.0),
                _ => None,
            })
            .collect();
        finished.sort_unstable();
        assert_eq!(finished, (1..=self.announced).collect::<Vec<_>>());
        assert!(self.call.is_closed() && self.call.poll_timeout().is_none());
    }
}
