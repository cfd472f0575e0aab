//! What one call says and hears, packet by packet. No socket, no clock.

use offhook_time::Time;

use crate::call::director::{Act, View};
use crate::call::sent::SentLog;
use crate::g711::Law;
use crate::listen::{ContinuityMeter, FarSpeech, RtpSeen, Segment, Spoken};
use crate::rtp::Packet;
use crate::script::Speech;
use crate::sdp;
use crate::talk::plan::Plan;
use crate::wav::FRAME;

/// One call that talks.
#[derive(Debug)]
pub(crate) struct Talker {
    plan: Plan,
    remote: sdp::Remote,
    saying: Option<Saying>,
    log: SentLog,
    far: FarSpeech,
    meter: ContinuityMeter,
    answered: Time,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    is_over: bool,
}

#[derive(Debug)]
struct Saying {
    speech: Speech,
    at: usize,
    /// Number of its first packet.
    from: usize,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Talked {
    /// When it was answered.
    pub answered: Time,
    /// What we said, by the packets that carried it.
    pub spoken: Vec<Spoken>,
    /// When they talked.
    pub heard: Vec<Segment>,
    /// When each audible packet of theirs arrived.
    pub audible: Vec<Time>,
    /// When the call ended for us.
    pub ended: Time,
    /// Their RTP.
    pub meter: ContinuityMeter,
}

impl Talker {
    /// Number `number` of many, in a call that was answered at `answered`.
    pub fn new(mut plan: Plan, remote: sdp::Remote, number: usize, answered: Time) -> Talker {
        plan.handle_answer(answered);
        Talker {
            plan,
            remote,
            saying: None,
            log: SentLog::new(),
            far: FarSpeech::new(),
            meter: ContinuityMeter::new(),
            answered,
            sequence: number as u16,
            timestamp: number as u32 * 7919,
            ssrc: 0x7a1_0000 + number as u32,
            is_over: false,
        }
    }

    /// Whether its plan is through: it wants to hang up.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The packet of the next 20 ms replaces `packet`.
    pub fn next_packet(&mut self, packet: &mut Vec<u8>, now: Time) {
        self.follow_plan(now);
        let law = self.remote.law;
        let mut payload = [law.silence(); FRAME];
        let mut finished = None;
        if let Some(saying) = &mut self.saying {
            let next = (saying.at + FRAME).min(saying.speech.samples.len());
            let part = saying.speech.samples.get(saying.at..next).unwrap_or_default();
            for (octet, sample) in payload.iter_mut().zip(part) {
                *octet = law.encode(*sample);
            }
            saying.at = next;
            if next >= saying.speech.samples.len() {
                finished = self.saying.take();
            }
        }
        self.log.audio(&payload.map(|octet| law.decode(octet)));
        let (sequence, timestamp, ssrc) = (self.sequence, self.timestamp, self.ssrc);
        let (payload_type, marker) = (law.payload_type(), self.log.next() == 1);
        Packet { payload_type, marker, sequence, timestamp, ssrc, payload: &payload }.write(packet);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        if let Some(saying) = finished {
            self.log.said(saying.speech.name, saying.from, false);
            self.plan.handle_done(now);
        }
    }

    /// One of our packets reached the wire.
    pub fn reached_the_wire(&mut self, packet: &[u8], now: Time) {
        if let Some(packet) = Packet::parse(packet) {
            self.log.reached_the_wire(usize::from(self.sequence.wrapping_sub(packet.sequence)), now);
        }
    }

    /// What arrived on the call's socket.
    pub fn handle_packet(&mut self, bytes: &[u8], arrived: Time) {
        let Some(packet) = Packet::parse(bytes) else { return };
        let Packet { ssrc, sequence, timestamp, payload_type, payload, .. } = packet;
        let seen = RtpSeen { ssrc, sequence, timestamp, arrived };
        if Some(payload_type) == self.remote.telephone_event || payload_type == sdp::TELEPHONE_EVENT {
            self.meter.push_event(seen);
            return;
        }
        let Some(law) = Law::of_payload_type(payload_type) else { return };
        if self.meter.push(seen) {
            let mut samples = Vec::with_capacity(payload.len());
            law.decode_into(payload, &mut samples);
            self.far.push(&samples, arrived);
        }
    }

    /// The call is over: what it came to.
    pub fn finish(mut self, now: Time) -> Talked {
        if let Some(saying) = self.saying.take() {
            self.log.said(format!("{} (cut short)", saying.speech.name), saying.from, false);
        }
        Talked {
            answered: self.answered,
            spoken: self.log.spoken(),
            heard: self.far.segments().to_vec(),
            audible: self.far.audible().to_vec(),
            ended: now,
            meter: self.meter,
        }
    }

    fn follow_plan(&mut self, now: Time) {
        if self.is_over || self.saying.is_some() {
            return;
        }
        let view = View { talking_since: self.far.talking_since(now), last_talked: self.far.last_talked() };
        let first_talked = self.far.segments().first().map(|segment| segment.start);
        match self.plan.poll_act(view, first_talked, now) {
            Some(Act::Say(speech)) => {
                self.saying = Some(Saying { speech, at: 0, from: self.log.next() });
            }
            Some(Act::HangUp) => self.is_over = true,
            // Neither keys nor words for people are in our plans.
            Some(Act::Press(_) | Act::Tell(_)) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PACKET_TIME: Duration = Duration::from_millis(20);
    use crate::call::director::Patience;
    use crate::listen;

    const PATIENCE: Patience = Patience {
        quiet_after: Duration::from_millis(900),
        greeting: Duration::from_secs(3),
        answer: Duration::from_secs(5),
        linger: Duration::from_secs(1),
    };

    fn remote() -> sdp::Remote {
        let address = "127.0.0.1:9".parse().unwrap();
        sdp::Remote { address, law: Law::Mu, telephone_event: None, receives: true, sends: true }
    }

    fn speech(name: &str, packets: usize) -> Speech {
        let samples: Vec<i16> = (0..packets * FRAME).map(|n| if n % 8 < 4 { 6000 } else { -6000 }).collect();
        Speech { name: name.into(), samples: samples.into() }
    }

    /// A far side that greets for a second and answers `delay` after the last loud packet of each utterance, for a
    /// second; `None` once it is to be silent for ever. Its packets arrive 7 ms after ours left.
    fn converse(plan: Plan, delay: impl Fn(usize) -> Option<u64>) -> Talked {
        let start = Time::from_millis(10_000);
        let mut talker = Talker::new(plan, remote(), 3, start);
        let (mut packet, mut at) = (Vec::new(), start);
        let mut talks: Vec<(Time, Time)> =
            vec![(start + Duration::from_millis(507), start + Duration::from_secs(2))];
        let (mut loud, mut last_loud, mut turns) = (false, start, 0);
        for n in 0..3000u32 {
            talker.next_packet(&mut packet, at);
            if talker.is_over() {
                break;
            }
            talker.reached_the_wire(&packet, at);
            let is_loud = packet[12..].iter().any(|octet| Law::Mu.decode(*octet).abs() > 1000);
            if is_loud {
                last_loud = at;
            } else if loud && let Some(delay) = delay(turns) {
                let from = last_loud + Duration::from_millis(delay);
                talks.push((from, from + Duration::from_secs(1)));
            }
            turns += usize::from(loud && !is_loud);
            loud = is_loud;
            let arrived = at + Duration::from_millis(7);
            let talking = talks.iter().any(|(from, to)| (*from..=*to).contains(&arrived));
            let payload = [if talking { Law::Mu.encode(8000) } else { Law::Mu.silence() }; FRAME];
            let mut bytes = Vec::new();
            Packet {
                payload_type: 0,
                marker: false,
                sequence: n as u16,
                timestamp: n * 160,
                ssrc: 5,
                payload: &payload,
            }
            .write(&mut bytes);
            talker.handle_packet(&bytes, arrived);
            at += PACKET_TIME;
        }
        assert!(talker.is_over());
        talker.finish(at)
    }

    #[test]
    fn the_answer_time_that_is_measured_is_the_one_that_was_waited() {
        let plan = Plan::turns([speech("one", 20), speech("two", 45), speech("three", 7)], PATIENCE);

        // A packet of theirs arrives 7 ms after one of ours left, so an answer begins 7 ms into a packet's time.
        let talked = converse(plan, |turn| Some([607, 1207, 307][turn]));

        let ledger = listen::ledger(&talked.spoken, &talked.heard, talked.answered);
        let answers: Vec<_> = ledger.turns.iter().map(|turn| turn.response_ms).collect();
        assert_eq!(answers, [Some(607.0), Some(1207.0), Some(307.0)]);
        assert_eq!(ledger.greeting_ms, Some(507.0));
        assert!(talked.meter.finish().is_unbroken());
    }

    #[test]
    fn who_gets_no_answer_goes_on_after_its_patience_and_hangs_up_at_the_end() {
        let plan = Plan::turns([speech("one", 20), speech("two", 20)], PATIENCE);

        let talked = converse(plan, |turn| (turn == 1).then_some(407));

        let ledger = listen::ledger(&talked.spoken, &talked.heard, talked.answered);
        let answers: Vec<_> = ledger.turns.iter().map(|turn| turn.response_ms).collect();
        assert_eq!(answers, [None, Some(407.0)]);
        assert!(talked.ended.since(talked.answered) < Duration::from_secs(14));
    }

    #[test]
    fn a_call_that_ends_early_keeps_what_was_said_so_far() {
        let mut talker = Talker::new(Plan::turns([speech("one", 50)], PATIENCE), remote(), 0, Time::ZERO);
        let (mut packet, mut at) = (Vec::new(), Time::ZERO);
        while at < Time::from_millis(3500) {
            talker.next_packet(&mut packet, at);
            talker.reached_the_wire(&packet, at);
            at += PACKET_TIME;
        }

        let talked = talker.finish(at);

        assert_eq!(talked.spoken[0].name, "one (cut short)");
        assert_eq!(talked.heard, []);
    }
}
