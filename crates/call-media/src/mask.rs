//! Masked spans: what the caller says and keys is used and recorded nowhere.
//!
//! A masked packet keeps its header, its length and its moment. What the half made of its sound (is it a voice, how loud
//! about) cannot be found out again from silence, so it is told as a *judgement* ([`Outputs::judged`](crate::Outputs)),
//! which a recorder keeps and a replay tells back ([`CallMedia::foretell`]). After the first masked packet the detectors
//! of a replay have heard something else than those of the call, so judgements go on to its end.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_audio::Voicing;
use offhook_engine_api::UtteranceId;
use offhook_rtp_proto::{DatagramKind, HEADER_LEN, PayloadType, RtpPacket};
use offhook_time::Time;

use crate::{CallMedia, LegId};

/// What stands for masked audio: silence in µ-law, and near it in A-law.
const FILLER: u8 = 0xff;

/// What stands for a masked digit: the event 0.
const MASKED_EVENT: u8 = 0;

/// The highest event that is a digit; `*`, `#` and the letters are no part of a number.
const LAST_DIGIT: u8 = 9;

/// Audio that came while the mask was on is out of the jitter buffer after this.
const IN_FLIGHT: Duration = Duration::from_millis(300);

/// Masked utterances that are remembered, so that late audio of a cancelled one is known for what it is.
const REMEMBERED: usize = 16;

const FRAME: u8 = 1;
const PACKET: u8 = 2;
const VOICED: u8 = 4;
const VOCAL: u8 = 8;
const PAUSE: u8 = 16;
const AUDIBLE: u8 = 32;

/// What the half made of a frame of the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct FrameJudgement {
    /// The jitter buffer may shrink in it.
    pub(crate) pause: bool,
    /// The level of its packet on the line.
    pub(crate) level: f32,
    /// What voice activity thinks of it.
    pub(crate) voicing: Voicing,
}

impl FrameJudgement {
    pub(crate) fn encode(&self) -> [u8; 9] {
        let flag = |is_so: bool, bit: u8| if is_so { bit } else { 0 };
        let Voicing { voiced, vocal, energy_dbfs, .. } = self.voicing;
        let mut octets = [0; 9];
        octets[0] = FRAME | flag(voiced, VOICED) | flag(vocal, VOCAL) | flag(self.pause, PAUSE);
        octets[1..5].copy_from_slice(&self.level.to_le_bytes());
        octets[5..].copy_from_slice(&energy_dbfs.to_le_bytes());
        octets
    }

    fn decode(octets: &[u8; 9]) -> Self {
        let number =
            |at: usize| f32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        let has = |bit: u8| octets[0] & bit != 0;
        let voicing =
            Voicing { voiced: has(VOICED), vocal: has(VOCAL), energy_dbfs: number(5), ..Voicing::default() };
        FrameJudgement { pause: has(PAUSE), level: number(1), voicing }
    }
}

/// Whether a packet of ours could be heard, as a judgement.
pub(crate) fn packet_judgement(audible: bool) -> [u8; 1] {
    [PACKET | if audible { AUDIBLE } else { 0 }]
}

/// The mask over what the caller says.
#[derive(Debug, Default)]
pub(crate) struct Veil {
    masked: bool,
    /// It was on once: judgements are told from then on.
    pub(crate) on: bool,
    lifted_at: Option<Time>,
    foretold: VecDeque<FrameJudgement>,
    /// Of the frame in hand.
    current: Option<FrameJudgement>,
    pause: bool,
    utterances: [Option<UtteranceId>; REMEMBERED],
    next_utterance: usize,
}

impl Veil {
    pub(crate) fn is_masked(&self) -> bool {
        self.masked
    }

    fn set(&mut self, masked: bool, now: Time) {
        if self.masked && !masked {
            self.lifted_at = Some(now);
        }
        self.masked = masked;
        self.on |= masked;
    }

    /// The next frame is in hand; `pause` is what it seems to be. Answers what is to be made of that.
    pub(crate) fn begin_frame(&mut self, pause: bool) -> bool {
        self.current = self.foretold.pop_front();
        self.pause = self.current.map_or(pause, |foretold| foretold.pause);
        self.pause
    }

    /// What is made of the frame in hand. While it may be masked its levels are only known about.
    pub(crate) fn judge(
        &mut self,
        level: f32,
        voicing: impl FnOnce() -> Voicing,
        now: Time,
    ) -> FrameJudgement {
        if let Some(foretold) = self.current.take() {
            return foretold;
        }
        let mut seen = FrameJudgement { pause: self.pause, level, voicing: voicing() };
        if self.masked || self.lifted_at.is_some_and(|at| now < at + IN_FLIGHT) {
            seen.level = about(seen.level);
            // Whole decibels: f32 has no `round` that is the same everywhere.
            seen.voicing.energy_dbfs = seen.voicing.energy_dbfs as i32 as f32;
        }
        seen
    }

    pub(crate) fn remember(&mut self, utterance: UtteranceId) {
        self.utterances[self.next_utterance] = Some(utterance);
        self.next_utterance = (self.next_utterance + 1) % REMEMBERED;
    }
}

impl CallMedia {
    /// Whether what the caller says and keys must be recorded nowhere now.
    pub fn is_masked(&self) -> bool {
        self.veil.masked
    }

    /// Whether how this utterance sounds must be recorded nowhere.
    pub fn is_masked_utterance(&self, utterance: UtteranceId) -> bool {
        self.veil.utterances.contains(&Some(utterance))
    }

    /// Whether a datagram must not be recorded as it is. Asked before it is handled.
    pub fn hides(&self, leg: LegId, datagram: &[u8]) -> bool {
        let leg = self.legs.iter().find(|other| other.id == leg);
        (self.veil.masked || leg.is_some_and(|leg| leg.ingress.is_hidden_event(datagram)))
            && DatagramKind::of(datagram) != DatagramKind::Rtcp
    }

    /// A datagram that is [hidden](Self::hides) as it may be recorded: a copy in `room` with its header, its length and
    /// nothing to be heard. One that is longer than `room` is cut.
    pub fn recordable<'a>(&self, leg: LegId, datagram: &[u8], room: &'a mut [u8]) -> &'a [u8] {
        let leg = self.legs.iter().find(|other| other.id == leg);
        let len = datagram.len().min(room.len());
        let copy = &mut room[..len];
        copy.copy_from_slice(&datagram[..len]);
        hide(copy, leg.and_then(|leg| leg.ingress.telephone_event()));
        copy
    }

    /// Tells what the half made of a frame or a packet when the call was live: the octets of one
    /// [`Outputs::judged`](crate::Outputs), before the input that it belongs to. Others are ignored.
    pub fn foretell(&mut self, judgement: &[u8]) {
        if let Ok(octets) = judgement.try_into()
            && judgement[0] & FRAME != 0
        {
            self.veil.foretold.push_back(FrameJudgement::decode(octets));
        } else if let [octet] = judgement
            && octet & PACKET != 0
        {
            self.bot.foretell(octet & AUDIBLE != 0);
        }
    }

    pub(crate) fn mask(&mut self, masked: bool, now: Time) {
        self.veil.set(masked, now);
        if self.veil.on {
            self.digest.hide();
        }
        for leg in &mut self.legs {
            // A key that is held across the edge belongs to neither side of it.
            leg.ingress.forget_held_key(!masked);
            leg.digit_began = None;
            leg.stopped_by_digit = None;
        }
    }
}

/// Our own packet as it may be recorded where it carries a masked value: in place.
pub fn hide_sent(packet: &mut [u8]) {
    if let Some(payload) = packet.get_mut(HEADER_LEN..) {
        payload.fill(FILLER);
    }
}

/// Hides what a datagram says, in place.
fn hide(datagram: &mut [u8], events: Option<PayloadType>) {
    let payload = match RtpPacket::parse(datagram) {
        Ok(packet) => {
            let at = packet.payload.as_ptr() as usize - datagram.as_ptr() as usize;
            let is_event = Some(packet.header.payload_type) == events;
            (at, packet.payload.len(), is_event)
        }
        // Nobody listens to it. The first octet says what it is none of.
        Err(_) => (1.min(datagram.len()), datagram.len().saturating_sub(1), false),
    };
    let (at, len, is_event) = payload;
    let Some(payload) = datagram.get_mut(at..at + len) else { return };
    if !is_event {
        return payload.fill(FILLER);
    }
    // RFC 4733 §2.3: event, flags and volume, duration; several events may follow each other.
    for event in payload.chunks_mut(4) {
        if event[0] <= LAST_DIGIT {
            event[0] = MASKED_EVENT;
        }
        if event.len() < 4 {
            event.fill(MASKED_EVENT);
        }
    }
}

/// A level with three bits after its highest one: half a decibel.
fn about(level: f32) -> f32 {
    const KEPT: u32 = !((1 << 20) - 1);
    f32::from_bits(level.to_bits().saturating_add(1 << 19) & KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type, 0, 7, 0, 0, 1, 0, 1, 2, 3, 4];
        packet.extend_from_slice(payload);
        packet
    }

    fn hidden(mut datagram: Vec<u8>) -> Vec<u8> {
        hide(&mut datagram, PayloadType::new(101).ok());
        datagram
    }

    #[test]
    fn audio_becomes_silence_behind_the_same_header() {
        assert_eq!(hidden(packet(0, &[1, 2, 3])), packet(0, &[0xff; 3]));
    }

    #[test]
    fn a_digit_becomes_a_zero_and_keeps_its_length_and_end_and_other_keys_stay() {
        assert_eq!(hidden(packet(101, &[7, 0x8a, 3, 0x20])), packet(101, &[0, 0x8a, 3, 0x20]));
        assert_eq!(hidden(packet(101, &[11, 10, 0, 160])), packet(101, &[11, 10, 0, 160]));
        assert_eq!(
            hidden(packet(101, &[7, 10, 0, 160, 4, 10, 0, 160, 5])),
            packet(101, &[0, 10, 0, 160, 0, 10, 0, 160, 0])
        );
    }

    #[test]
    fn padding_and_what_is_no_rtp_stay_what_they_are() {
        let mut padded = packet(0, &[1, 2, 3, 0, 0, 3]);
        padded[0] |= 0x20;
        let masked = hidden(padded.clone());

        assert_eq!(masked[12..15], [0xff; 3]);
        assert_eq!(masked[15..], padded[15..]);
        assert_eq!(hidden(vec![9, 1, 2]), [9, 0xff, 0xff]);
        assert!(hidden(Vec::new()).is_empty());
    }

    #[test]
    fn a_judgement_comes_back() {
        let voicing = Voicing { voiced: true, vocal: true, energy_dbfs: -23.0, ..Voicing::default() };
        for judgement in [
            FrameJudgement { pause: true, level: 0.25, voicing: Voicing::default() },
            FrameJudgement { pause: false, level: 1e-4, voicing },
        ] {
            assert_eq!(FrameJudgement::decode(&judgement.encode()), judgement);
        }
    }

    #[test]
    fn a_level_is_known_to_half_a_decibel() {
        for level in [1e-8, 2.5e-6, 1e-3, 0.3, 1.0] {
            let off = 10.0 * (about(level) / level).log10();
            assert!(off.abs() < 0.6, "{level}: {off}");
        }
    }
}
