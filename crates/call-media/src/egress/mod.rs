//! What one leg's far end hears: sources mixed, encoded, numbered and sent at the leg's own phase.

mod hearing;
mod phase;

use std::time::Duration;

use offhook_audio::{G711, level};
use offhook_rtp_proto::{
    Digit, DigitSender, DigitSenderConfig, HEADER_LEN, NextEvent, PayloadType, RtpTimestamp, SentCounts,
    StreamSender,
};
use offhook_time::{Randomness, Time};

use crate::bot::BotVoice;
use crate::live::{Available, LINE_RATE};
use crate::{Gain, LegId, LineCodec, Outputs, Port, StreamSettings};
use hearing::{Hearing, Slack};
use phase::Phase;

/// Samples of the longest packet: 60 ms.
pub(crate) const LONGEST_PACKET: usize = 480;

/// How long a digit is held: what a thumb does, and enough for any detector.
const DIGIT_HELD: Duration = Duration::from_millis(100);

/// Nothing above this was in a packet that counts as silent.
const SILENT_PEAK: u16 = 64;

/// The way out to one far end.
#[derive(Debug)]
pub(crate) struct Egress {
    leg: LegId,
    sender: StreamSender,
    digits: DigitSender,
    phase: Option<Phase>,
    hearing: Hearing,
    /// The packet before held silence: its phase may jump.
    silent: bool,
    /// A live source began, and its first packet is not complete.
    locking: bool,
    /// Packets sent.
    sent: u64,
}

impl Egress {
    /// Hears nobody, sends nothing yet. `sources` are all that may ever be heard.
    pub(crate) fn new(leg: LegId, sources: &[(Port, usize)], randomness: &mut Randomness) -> Self {
        let config = DigitSenderConfig { clock_rate: LINE_RATE, ..DigitSenderConfig::default() };
        Egress {
            leg,
            sender: StreamSender::new(randomness),
            digits: DigitSender::new(config),
            phase: None,
            hearing: Hearing::new(sources),
            silent: true,
            locking: false,
            sent: 0,
        }
    }

    /// The stream is settled: its clock starts, where it does not run yet.
    pub(crate) fn start(&mut self, now: Time) {
        self.phase.get_or_insert_with(|| Phase::new(now));
    }

    pub(crate) fn counts(&self) -> SentCounts {
        self.sender.counts()
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn ssrc(&self) -> offhook_rtp_proto::Ssrc {
        self.sender.ssrc()
    }

    /// The RTP timestamp of this moment, for sender reports.
    pub(crate) fn timestamp_at(&self, now: Time) -> RtpTimestamp {
        let next = self.sender.timestamp();
        let Some(phase) = &self.phase else { return next };
        let ahead = phase.deadline().signed_since(now) * i64::from(LINE_RATE) / 1_000_000_000;
        next.plus((-ahead) as u32)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.phase.as_ref().map(Phase::timeout)
    }

    pub(crate) fn set_gain(&mut self, from: Port, gain: Gain) -> bool {
        self.hearing.set_gain(from, gain)
    }

    pub(crate) fn remove(&mut self, from: Port) {
        self.hearing.remove(from);
    }

    pub(crate) fn hears(&self, from: Port) -> bool {
        self.hearing.hears(from)
    }

    /// The sources and what waits of them.
    pub(crate) fn hearing(&self) -> &Hearing {
        &self.hearing
    }

    /// Throws away what waits of a source.
    pub(crate) fn clear(&mut self, from: Port) {
        self.hearing.clear(from);
    }

    /// The source's frames come that much sooner from now on.
    pub(crate) fn expect_sooner(&mut self, from: Port, sooner: Duration) {
        self.hearing.expect_sooner(from, sooner);
    }

    /// Presses keys at the far end. False where more wait than the queue holds.
    pub(crate) fn press(&mut self, digit: Digit) -> bool {
        self.digits.press(digit, DIGIT_HELD).is_ok()
    }

    /// Live audio of a source, `available` since then. Ignored where it is not routed here.
    pub(crate) fn push(
        &mut self,
        from: Port,
        samples: &[i16],
        stream: Option<&StreamSettings>,
        available: Available,
    ) {
        let begins = self.hearing.push(from, samples, available);
        let (Some(stream), Some(phase)) = (stream, &mut self.phase) else { return };
        self.locking = (self.locking || begins) && self.silent;
        if self.locking && self.hearing.has(from, packet_samples(stream)) {
            self.locking = false;
            phase.jump_to(available.at);
        }
    }

    /// Sends what is due. `to` is where it goes; nothing leaves without it, or while the direction does not send.
    /// Answers whether a packet's time has passed.
    pub(crate) fn handle_timeout(
        &mut self,
        stream: &StreamSettings,
        to: Option<std::net::SocketAddr>,
        bot: Option<&mut BotVoice>,
        outputs: &mut impl Outputs,
        now: Time,
    ) -> bool {
        let samples = packet_samples(stream);
        let Some(phase) = &mut self.phase else { return false };
        let due = phase.timeout() <= now;
        let complete = !self.hearing.is_short(samples, now);
        let waited = phase.is_waiting() && complete;
        if !due && !waited {
            return false;
        }
        if !complete && !phase.is_waiting() {
            phase.wait();
            return false;
        }
        match to {
            Some(to) if stream.direction.sends() => self.send(stream, samples, to, bot, outputs, now),
            Some(_) | None => self.skip(samples),
        }
        true
    }

    fn send(
        &mut self,
        stream: &StreamSettings,
        samples: usize,
        to: std::net::SocketAddr,
        mut bot: Option<&mut BotVoice>,
        outputs: &mut impl Outputs,
        now: Time,
    ) {
        let Some(phase) = &mut self.phase else { return };
        let mut mixed = [0i16; LONGEST_PACKET];
        let mixed = &mut mixed[..samples];
        let slack = self.hearing.mix(mixed, phase.deadline());
        if let (Some(bot), Some(gain)) = (&mut bot, self.hearing.bot_gain()) {
            let mut voice = [0i16; LONGEST_PACKET];
            bot.render(&mut voice[..samples], outputs);
            crate::live::mix_through(gain, &mut voice[..samples], mixed);
        }
        self.silent = mixed.iter().all(|sample| sample.unsigned_abs() < SILENT_PEAK);
        let moved = phase.advance(interval(samples), slack);
        self.hearing.shift(moved);
        let is_masked = bot.as_ref().is_some_and(|bot| bot.is_masked());
        let judged = Judged { audible: bot.is_some(), is_masked };
        let energy = self.write(stream, mixed, to, judged, outputs);
        if let Some(bot) = bot {
            bot.sent(energy, outputs, now);
        }
    }

    /// Answers the mean square of what the far end decodes, where that is asked for.
    fn write(
        &mut self,
        stream: &StreamSettings,
        mixed: &[i16],
        to: std::net::SocketAddr,
        judged: Judged,
        outputs: &mut impl Outputs,
    ) -> f32 {
        let samples = mixed.len() as u32;
        let mut packet = [0u8; HEADER_LEN + LONGEST_PACKET];
        let mut energy = 0.0;
        let event = match self.digits.next(self.sender.timestamp(), samples) {
            NextEvent::Packet(event) => stream.telephone_event.map(|number| (number, event)),
            NextEvent::Idle | NextEvent::Pause => None,
        };
        let written = match event {
            Some((number, event)) => {
                let Ok(payload_type) = PayloadType::new(number) else {
                    self.sender.skip(samples);
                    return energy;
                };
                self.sender.write_event(payload_type, &event, samples, &mut packet)
            }
            None => {
                let Ok(payload_type) = PayloadType::new(stream.payload_type) else {
                    self.sender.skip(samples);
                    return energy;
                };
                let mut payload = [0u8; LONGEST_PACKET];
                let len = law(stream.codec).encode(mixed, &mut payload);
                if judged.audible && !self.silent {
                    let mut decoded = [0i16; LONGEST_PACKET];
                    let count = law(stream.codec).decode(&payload[..len], &mut decoded);
                    energy = level::energy(&decoded[..count]);
                }
                self.sender.write_audio(payload_type, &payload[..len], samples, &mut packet)
            }
        };
        if let Ok(len) = written {
            self.sent += 1;
            if judged.is_masked {
                outputs.masked_rtp(self.leg, to, &packet[..len]);
            } else {
                outputs.rtp(self.leg, to, &packet[..len]);
            }
        }
        energy
    }

    /// Nothing leaves, but time passes: nobody hears later what was not sent now.
    fn skip(&mut self, samples: usize) {
        let Some(phase) = &mut self.phase else { return };
        self.sender.skip(samples as u32);
        self.hearing.clear_all();
        self.silent = true;
        phase.advance(interval(samples), Slack::default());
    }
}

/// What is asked about a packet.
#[derive(Clone, Copy)]
struct Judged {
    /// Whether it is judged if it can be heard.
    audible: bool,
    /// Whether it carries what must be recorded nowhere.
    is_masked: bool,
}

/// The companding law of a line codec.
pub(crate) fn law(codec: LineCodec) -> G711 {
    match codec {
        LineCodec::Pcmu => G711::MuLaw,
        LineCodec::Pcma => G711::ALaw,
    }
}

/// Samples of one packet, in whole 10 ms.
fn packet_samples(stream: &StreamSettings) -> usize {
    (usize::from(stream.ptime_ms) / 10 * 80).clamp(80, LONGEST_PACKET)
}

fn interval(samples: usize) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(LINE_RATE))
}
