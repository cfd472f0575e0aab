//! What must happen within a frame: pause, stop, resume.

use std::time::Duration;

use offhook_audio::Frame;
use offhook_rtp_proto::DigitEvent;
use offhook_time::Time;

use crate::bot::Interruption;
use crate::listener::Heard;
use crate::live::LINE_RATE;
use crate::{CallMedia, LegId, MediaEvent, Outputs, Port};

impl CallMedia {
    /// Judges a frame of the caller, 16 kHz, and acts on it.
    pub(crate) fn listen(&mut self, frame: &Frame, outputs: &mut impl Outputs, now: Time) {
        let heard = self.listener.as_mut().and_then(|listener| listener.push(frame, now));
        if let Some(heard) = heard {
            self.react(heard, outputs);
        }
    }

    /// Control ends the caller's turn.
    pub(crate) fn end_turn(&mut self, outputs: &mut impl Outputs, now: Time) {
        let heard = self.listener.as_mut().and_then(|listener| listener.end_turn(now));
        if let Some(heard) = heard {
            self.react(heard, outputs);
        }
    }

    fn react(&mut self, heard: Heard, outputs: &mut impl Outputs) {
        let fade = self.policy.fade;
        match heard {
            Heard::Started { onset } => {
                let paused = self.bot.pause_for_speech(fade);
                outputs.event(MediaEvent::SpeechStarted { onset, paused });
            }
            Heard::Confirmed => {
                let stopped = self.bot.interrupt(Interruption::Speech, fade, outputs);
                outputs.event(MediaEvent::SpeechConfirmed { stopped });
            }
            Heard::Rejected => {
                let resumed = self.bot.resume_after_noise(fade);
                outputs.event(MediaEvent::SpeechRejected { resumed });
            }
            Heard::Ended { times } => outputs.event(MediaEvent::SpeechEnded { times }),
        }
    }

    /// Digits of a leg: the press stops the bot where the leg hears it, the release is the digit that counts.
    pub(crate) fn handle_digits(&mut self, id: LegId, outputs: &mut impl Outputs, now: Time) {
        let fade = self.policy.fade;
        while let Some(leg) = self.legs.iter_mut().find(|leg| leg.id == id)
            && let Some(event) = leg.ingress.next_digit(now)
        {
            match event {
                DigitEvent::Started { .. } if leg.egress.hears(Port::Bot) => {
                    leg.stopped_by_digit = self.bot.interrupt(Interruption::Digit, fade, outputs);
                }
                DigitEvent::Started { .. } => leg.stopped_by_digit = None,
                DigitEvent::Ended { digit, duration } => outputs.event(MediaEvent::Digit {
                    leg: id,
                    digit: digit.as_char(),
                    duration: Duration::from_nanos(
                        u64::from(duration) * 1_000_000_000 / u64::from(LINE_RATE),
                    ),
                    stopped: leg.stopped_by_digit.take(),
                }),
            }
        }
    }
}
