//! What must happen within a frame: pause, stop, resume.

use std::time::Duration;

use offhook_audio::Frame;
use offhook_rtp_proto::DigitEvent;
use offhook_time::Time;

use crate::bot::Interruption;
use crate::listener::{Heard, Listener};
use crate::live::LINE_RATE;
use crate::{CallMedia, LegId, MediaEvent, Outputs, Port, TurnTimes};

impl CallMedia {
    /// Judges a frame of the caller, 16 kHz, and acts on it. `level` is that of its packet on the line.
    pub(crate) fn listen(&mut self, frame: &Frame, level: f32, outputs: &mut impl Outputs, now: Time) {
        let Some(listener) = &mut self.listener else { return };
        let (level, voicing) = if self.veil.on {
            let judged = self.veil.judge(level, || listener.voicing(frame), now);
            outputs.judged(&judged.encode());
            (judged.level, judged.voicing)
        } else {
            (level, listener.voicing(frame))
        };
        let heard = listener.push(frame, level, voicing, &mut self.digest, now);
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

    /// Control says that the last speech was nothing.
    pub(crate) fn resume(&mut self) {
        let judging = self.listener.as_ref().is_some_and(Listener::is_judging);
        self.bot.resume_after_speech(judging, self.policy.fade);
    }

    fn react(&mut self, heard: Heard, outputs: &mut impl Outputs) {
        let fade = self.policy.fade;
        match heard {
            Heard::Started { onset } => {
                let paused = self.bot.pause_for_speech(fade);
                outputs.event(MediaEvent::SpeechStarted { onset, paused });
            }
            Heard::Confirmed => {
                if let (Some(listener), true) = (&mut self.listener, self.bot.is_silenced_by_speech()) {
                    listener.note_silenced(self.bot.audible_until());
                }
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
                DigitEvent::Started { .. } => {
                    leg.digit_began = Some(now);
                    let hears = leg.egress.hears(Port::Bot);
                    leg.stopped_by_digit =
                        if hears { self.bot.interrupt(Interruption::Digit, fade, outputs) } else { None };
                }
                DigitEvent::Ended { digit, duration } => {
                    let onset = leg.digit_began.take().unwrap_or(now);
                    let stopped = leg.stopped_by_digit.take();
                    let quiet_at = stopped.and(self.bot.audible_until());
                    outputs.event(MediaEvent::Digit {
                        leg: id,
                        digit: digit.as_char(),
                        duration: Duration::from_nanos(
                            u64::from(duration) * 1_000_000_000 / u64::from(LINE_RATE),
                        ),
                        stopped,
                        masked: self.veil.is_masked(),
                        times: TurnTimes {
                            onset,
                            last_voiced_arrived_at: now,
                            last_voiced_released_at: now,
                            detected_at: now,
                            bot_quiet_at: quiet_at.filter(|quiet_at| *quiet_at >= onset),
                        },
                    });
                }
            }
        }
    }
}
