//! Who hears whom: routes, and what flows along them.

use std::time::Duration;

use offhook_audio::gain;
use offhook_audio::{Frame, packet_level};
#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use offhook_rtp_proto::Digit;
use offhook_time::Time;

use crate::live::Available;
use crate::{CallMedia, LegId, MediaEvent, Outputs, Port, Route};

impl CallMedia {
    /// Sets a route. False where it cannot exist in this call.
    pub(crate) fn set_route(&mut self, route: Route) -> bool {
        match (route.from, route.to) {
            (from, Port::Leg(to)) => {
                self.leg_mut(to).is_some_and(|leg| leg.egress.set_gain(from, route.gain))
            }
            (Port::Leg(from), Port::Application) if self.application.is_some() => {
                self.set_frame_gain(from, route)
            }
            (Port::Leg(from), Port::Recognizer) if self.listener.is_some() => {
                self.set_frame_gain(from, route)
            }
            (_, Port::Application | Port::Recognizer | Port::Bot) => false,
        }
    }

    pub(crate) fn remove_route(&mut self, from: Port, to: Port) {
        match (from, to) {
            (from, Port::Leg(to)) => {
                if let Some(leg) = self.leg_mut(to) {
                    leg.egress.remove(from);
                }
            }
            (Port::Leg(from), to) => {
                if let Some(leg) = self.leg_mut(from) {
                    leg.remove_frame_gain(to);
                }
            }
            (Port::Bot | Port::Application | Port::Recognizer, _) => {}
        }
    }

    fn set_frame_gain(&mut self, from: LegId, route: Route) -> bool {
        let Some(leg) = self.leg_mut(from) else { return false };
        leg.set_frame_gain(route.to, route.gain);
        true
    }

    /// The next 20 ms of a leg's far end, 8 kHz, on their way to everyone who hears it. `available` is when they could
    /// be had, `now` when they are.
    pub(crate) fn handle_frame(
        &mut self,
        id: LegId,
        frame: &Frame,
        available: Available,
        outputs: &mut impl Outputs,
        now: Time,
    ) {
        let wide = self.widen(id, frame);
        if id == LegId::CALLER
            && let Some(wide) = &wide
        {
            self.listen(wide, packet_level(frame.samples()), outputs, now);
        }
        if let Some(wide) = &wide {
            self.give_recognizer(id, wide, outputs);
        }
        self.give_application(id, frame, wide.as_ref(), outputs);
        self.give_legs(id, frame, wide.as_ref(), available);
        if id == LegId::CALLER {
            self.digest.frame_done().into_iter().for_each(|digest| outputs.event(digest));
        }
    }

    /// The frame at 16 kHz, where anybody needs it so.
    fn widen(&mut self, id: LegId, frame: &Frame) -> Option<Frame> {
        let application_is_wide =
            self.application.as_ref().is_some_and(|application| application.rate() == 16_000);
        let listening = self.listener.is_some();
        let leg = self.leg_mut(id)?;
        if !(listening || application_is_wide && leg.to_application.is_some()) {
            return None;
        }
        let mut samples = [0; 320];
        leg.upsampler.process(frame.samples().try_into().ok()?, &mut samples);
        let mut wide = Frame::from_samples(&samples);
        wide.rtp_timestamp = frame.rtp_timestamp;
        wide.arrived_at = frame.arrived_at;
        wide.flags = frame.flags;
        Some(wide)
    }

    fn give_recognizer(&mut self, id: LegId, wide: &Frame, outputs: &mut impl Outputs) {
        #[cfg(feature = "planted-faults")]
        if is_planted(Fault::ConcealedFramesWithheld) && wide.flags.concealed {
            return;
        }
        let in_utterance = self.listener.as_ref().is_some_and(|listener| listener.in_utterance());
        let Some(ramp) = self.leg_mut(id).and_then(|leg| leg.to_recognizer.as_mut()) else { return };
        let mut frame = *wide;
        ramp.apply(frame.samples_mut());
        self.digest.note_recognizer(&frame, in_utterance);
        outputs.caller_audio(&frame, in_utterance);
    }

    /// The first leg that the application hears sets the pace; what others said meanwhile is mixed in.
    fn give_application(
        &mut self,
        id: LegId,
        narrow: &Frame,
        wide: Option<&Frame>,
        outputs: &mut impl Outputs,
    ) {
        #[cfg(feature = "planted-faults")]
        if is_planted(Fault::ConcealedFramesWithheld) && narrow.flags.concealed {
            return;
        }
        let Some(application) = &self.application else { return };
        let Some(frame) = (if application.rate() == 16_000 { wide } else { Some(narrow) }) else { return };
        let pacer = self.legs.iter().find(|leg| leg.to_application.is_some()).map(|leg| leg.id);
        let mut frame = *frame;
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.id == id) else { return };
        let Some(ramp) = leg.to_application.as_mut() else { return };
        ramp.apply(frame.samples_mut());
        if pacer != Some(id) {
            leg.mailbox = Some(frame);
            return;
        }
        for other in self.legs.iter_mut().filter(|leg| leg.id != id) {
            if let Some(heard) = other.mailbox.take() {
                gain::mix(frame.samples_mut(), heard.samples());
            }
        }
        self.digest.note_application(&frame);
        outputs.application_audio(&frame);
    }

    fn give_legs(&mut self, id: LegId, narrow: &Frame, wide: Option<&Frame>, available: Available) {
        let from = Port::Leg(id);
        if !self.legs.iter().any(|leg| leg.egress.hears(from)) {
            return;
        }
        let mut line = [0; 160];
        let processed = self.listener.is_some().then_some(wide).flatten();
        let down = self.leg_mut(id).map(|leg| &mut leg.downsampler);
        match (down, processed.and_then(|wide| <&[i16; 320]>::try_from(wide.samples()).ok())) {
            (Some(downsampler), Some(wide)) => downsampler.process(wide, &mut line),
            (_, _) => line.copy_from_slice(&narrow.samples()[..160]),
        }
        for leg in &mut self.legs {
            leg.egress.push(from, &line, leg.stream.as_ref(), available);
        }
    }

    /// Frames of a leg come that much sooner from now on. Those who hear it need not find that out.
    pub(crate) fn expect_sooner(&mut self, id: LegId, sooner: Duration) {
        self.legs.iter_mut().for_each(|leg| leg.egress.expect_sooner(Port::Leg(id), sooner));
    }

    /// The leg whose clock the bot speaks by: the first that hears it and sends.
    pub(crate) fn bot_pacer(&self) -> Option<usize> {
        self.legs.iter().position(|leg| leg.egress.hears(Port::Bot) && leg.sends())
    }

    /// Gives what the bot just said to the other legs that hear it.
    pub(crate) fn share_bot(&mut self, pacer: usize, available: Time) {
        let said = self.bot.said();
        for (_, leg) in self.legs.iter_mut().enumerate().filter(|(at, _)| *at != pacer) {
            leg.egress.push(Port::Bot, said, leg.stream.as_ref(), Available::steady(available));
        }
    }

    /// Answers the marks that a leg's far end has heard up to.
    pub(crate) fn reach_marks(&mut self, at: usize, outputs: &mut impl Outputs) {
        let first = self.legs.iter().position(|leg| leg.egress.hears(Port::Application));
        if first == Some(at)
            && let Some(application) = &mut self.application
            && let Some((_, read)) = self.legs[at].egress.hearing().progress(Port::Application)
        {
            application.reached(read, outputs);
        }
    }

    pub(crate) fn mark_application(&mut self, mark: u32, outputs: &mut impl Outputs) {
        let hearing = self.legs.iter().find(|leg| leg.egress.hears(Port::Application));
        let progress = hearing.and_then(|leg| leg.egress.hearing().progress(Port::Application));
        match (&mut self.application, progress) {
            (Some(application), Some((written, read))) => {
                application.mark(mark, written, outputs);
                application.reached(read, outputs);
            }
            (_, _) => outputs.event(MediaEvent::MarkReached { mark, played: false }),
        }
    }

    pub(crate) fn clear_application(&mut self, outputs: &mut impl Outputs) {
        self.legs.iter_mut().for_each(|leg| leg.egress.clear(Port::Application));
        if let Some(application) = &mut self.application {
            application.cleared(outputs);
        }
    }

    pub(crate) fn send_digits(&mut self, id: LegId, digits: &[u8], outputs: &mut impl Outputs) {
        let Some(leg) = self.leg_mut(id) else { return };
        let negotiated = leg.stream.is_some_and(|stream| stream.telephone_event.is_some());
        let mut press =
            |key: &u8| Digit::from_char(char::from(*key)).is_some_and(|digit| leg.egress.press(digit));
        if !negotiated || !digits.iter().all(&mut press) {
            outputs.event(MediaEvent::DigitsRefused { leg: id });
        }
    }
}
