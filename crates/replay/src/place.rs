//! Where in a conversation a moment lies, in words.

use offhook_call_control::{CallEvent, Speaker};
use offhook_journal::bundle::{Bundle, OutputBody};
use offhook_time::{Half, Time};

use crate::decode_fact;

/// The moments at which the conversation moved on.
#[derive(Debug, Default)]
pub(crate) struct Places {
    moves: Vec<(Time, Place)>,
}

#[derive(Clone, Debug, Default)]
struct Place {
    turns: u32,
    state: Option<String>,
    said: Option<String>,
    ended: bool,
}

impl Places {
    /// From the facts of a recording.
    pub fn of(bundle: &Bundle) -> Places {
        let mut places = Places::default();
        for output in bundle.outputs(Half::Control) {
            let OutputBody::Whole(bytes) = &output.body else { continue };
            if let Some(fact) = decode_fact(bytes) {
                places.note(&fact.event, output.head.now);
            }
        }
        places
    }

    fn note(&mut self, event: &CallEvent, now: Time) {
        let mut place = self.moves.last().map(|(_, place)| place.clone()).unwrap_or_default();
        match event {
            CallEvent::TurnCompleted { .. } => place.turns += 1,
            CallEvent::StateEntered { state } => place.state = Some(state.clone()),
            CallEvent::Said { speaker, text, .. } => {
                let who = match speaker {
                    Speaker::Caller => "the caller",
                    Speaker::Bot => "the bot",
                };
                place.said = Some(format!("{who} said \"{}\"", short(text)));
            }
            CallEvent::CallEnded { .. } => place.ended = true,
            CallEvent::CallStarted { .. }
            | CallEvent::CallRinging
            | CallEvent::CallAnswered { .. }
            | CallEvent::Understood { .. }
            | CallEvent::NotUnderstood { .. }
            | CallEvent::NoInput { .. }
            | CallEvent::Dtmf { .. }
            | CallEvent::BargeIn { .. }
            | CallEvent::ToolFinished { .. }
            | CallEvent::TransferStarted { .. }
            | CallEvent::TransferFinished { .. }
            | CallEvent::Outcome { .. }
            | CallEvent::NextHopRefused { .. }
            | CallEvent::RtpTimeout
            | CallEvent::RtpResumed
            | CallEvent::EngineFailed { .. }
            | CallEvent::Mark { .. }
            | CallEvent::CommandFinished { .. } => return,
        }
        self.moves.push((now, place));
    }

    /// Where the conversation was at `at`.
    pub fn at(&self, at: Time) -> String {
        let passed = self.moves.partition_point(|(moved, _)| *moved <= at);
        let Some((_, place)) = passed.checked_sub(1).and_then(|last| self.moves.get(last)) else {
            return "before anything was said".to_owned();
        };
        let mut words = vec![format!("turn {}", place.turns + 1)];
        words.extend(place.state.as_ref().map(|state| format!("state {state}")));
        words.extend(place.said.as_ref().map(|said| format!("after {said}")));
        if place.ended {
            words.push("the call was over".to_owned());
        }
        words.join(", ")
    }
}

fn short(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(std::iter::once('…')).collect()
}
